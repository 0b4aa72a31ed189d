"""Watched files: what an edit does to ops, gradients and compiled functions, and wrong edits."""

import os
import warnings

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import CallError, ShaderError

SCALED = "fn scaled(x: f32) -> f32 { return x * FACTOR; }\n"


def text(factor):
    return SCALED.replace("FACTOR", str(factor))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "scaled.wgsl"
    path.write_text(text(2.0))
    return path


def test_the_next_call_uses_an_edited_file(device, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    x = wg.tensor([1.0, 3.0])
    assert scaled(x).tolist() == [2.0, 6.0]
    file.write_text(text(4.0))  # as long as before, and within one tick of many clocks
    assert scaled(x).tolist() == [4.0, 12.0]
    assert "4" in scaled.wgsl()
    file.write_text(text("4.0 + x"))
    assert scaled(x).tolist() == [5.0, 15.0]
    assert "x" in scaled.derivative_wgsl()


def test_a_write_that_leaves_time_and_size_alone_is_seen(device, file):
    scaled = wg.kernel.elementwise(str(file), watch=True)
    stamp = file.stat()
    file.write_text(text(3.0))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert scaled(1.0).tolist() == 3.0


def test_a_file_that_was_not_touched_is_not_read_again(numpy_device, file, monkeypatch):
    old = file.stat().st_mtime_ns - 10**10
    os.utime(file, ns=(old, old))
    scaled = wg.kernel.elementwise(file, watch=True)
    reads = []
    read_bytes = type(file).read_bytes
    monkeypatch.setattr(type(file), "read_bytes", lambda p: reads.append(p) or read_bytes(p))
    for _ in range(3):
        scaled(1.0)
    assert not reads
    os.utime(file)
    assert scaled(1.0).tolist() == 2.0
    assert reads and scaled.edition == 0


def test_edited_included_files_are_used(device, tmp_path):
    (tmp_path / "parts").mkdir()
    shape = tmp_path / "shape.wgsl"
    inner = tmp_path / "parts" / "inner.wgsl"
    shape.write_text('#include "parts/inner.wgsl"\nfn shape(x: f32) -> f32 { return inner(x); }\n')
    inner.write_text("fn inner(x: f32) -> f32 { return x + 1.0; }\n")
    op = wg.kernel.elementwise(shape, "shape", watch=True)
    assert op(1.0).tolist() == 2.0
    inner.write_text("fn inner(x: f32) -> f32 { return x + 2.0; }\n")
    assert op(1.0).tolist() == 3.0
    shape.write_text(shape.read_text().replace("parts/inner", "other"))
    with pytest.warns(UserWarning, match=r"shape.wgsl:1:1: there is no 'other.wgsl'"):
        assert op(1.0).tolist() == 3.0
    (tmp_path / "other.wgsl").write_text("fn inner(x: f32) -> f32 { return x + 5.0; }\n")
    assert op(1.0).tolist() == 6.0  # the file that was looked for has come


def test_a_wrong_edit_is_told_once_and_the_last_good_version_stays(device, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    x = wg.tensor([1.0, 3.0], requires_grad=True)
    y = scaled(x)
    file.write_text(text("amplitud"))
    with pytest.warns(UserWarning) as caught:
        assert scaled(x).tolist() == [2.0, 6.0]
        assert scaled(x).tolist() == [2.0, 6.0]
    (warning,) = caught
    assert "scaled.wgsl:1:39: unknown name 'amplitud'" in str(warning.message)
    assert "return x * amplitud" in str(warning.message) and warning.filename == __file__
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    file.write_text(text("other"))
    with pytest.warns(UserWarning, match="'other'"):
        scaled(x)
    file.write_text(text(5.0))
    assert scaled(x).tolist() == [5.0, 15.0]


def test_a_warning_that_is_an_error_leaves_the_op_as_it_was(device, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    file.write_text("fn")
    with pytest.raises(UserWarning):
        scaled(1.0)
    assert scaled(1.0).tolist() == 2.0


def test_a_file_that_vanishes_leaves_the_last_version(device, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    file.unlink()
    with pytest.warns(UserWarning, match="scaled.wgsl cannot be read: No such file"):
        assert scaled(1.0).tolist() == 2.0
    assert scaled(1.0).tolist() == 2.0
    file.write_text(text(2.0))
    assert scaled(1.0).tolist() == 2.0
    file.write_text(text(7.0))
    assert scaled(1.0).tolist() == 7.0


def test_a_signature_that_changes_is_followed(device, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    assert scaled(2.0).tolist() == 4.0
    file.write_text("fn turned(v: vec2f, by: f32) -> vec2f { return v.yx * by; }")
    assert scaled(wg.tensor([1.0, 2.0]), by=3.0).tolist() == [6.0, 3.0]
    assert repr(scaled) == "<wgrad op turned>"
    with pytest.raises(CallError, match="turned: missing a required argument: 'by'"):
        scaled(wg.tensor([1.0, 2.0]))
    file.write_text("struct S { x: f32 } fn turned(s: S) -> f32 { return s.x; }")
    with pytest.warns(UserWarning, match="parameter s of turned is S, which no tensor holds"):
        assert scaled(wg.tensor([1.0, 2.0]), 1.0).tolist() == [2.0, 1.0]


def test_gradients_are_those_of_the_version_that_ran(device, file):
    file.write_text(text("x"))
    scaled = wg.kernel.elementwise(file, watch=True)
    x = wg.tensor([1.0, 3.0], requires_grad=True)
    y = scaled(x)
    file.write_text(text("(x * x)"))
    z = scaled(x)
    by_y = wg.vjp(scaled, x.detach())[1](wg.ones(2))
    (y + z).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.numpy() + 3 * x.numpy() ** 2, rtol=1e-6)
    np.testing.assert_allclose(by_y.numpy(), 3 * x.detach().numpy() ** 2, rtol=1e-6)


@pytest.mark.parametrize("declared", [False, True])
def test_compiled_functions_retrace_after_an_edit(device, file, declared, capsys):
    file.write_text(text(2.0) + "fn other(x: f32) -> f32 { return x; }")
    scaled = wg.kernel.elementwise(file, "scaled", watch=True)

    def f(x):
        print("traced")
        return scaled(x) + scaled(x)

    compiled = wg.compile(f, state=[]) if declared else wg.compile(f)
    x = wg.tensor([1.0, 3.0])

    def settle(expected):
        capsys.readouterr()
        for _ in range(4):
            assert compiled(x).tolist() == expected
        return capsys.readouterr().out.count("traced")

    first = settle([4.0, 12.0])
    assert settle([4.0, 12.0]) == 0
    file.write_text(text(3.0))
    assert 0 < settle([6.0, 18.0]) <= first + 1
    file.write_text(text("oh"))
    with pytest.warns(UserWarning, match="unknown name 'oh'") as caught:
        assert settle([6.0, 18.0]) == 0
    assert len(caught) == 1
    file.write_text("// a word more\n" + text(3.0))  # other places, the same function
    assert settle([6.0, 18.0]) == 0


def test_a_compiled_step_trains_through_an_edit(device, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    w = wg.tensor([1.0, 2.0], requires_grad=True)
    optimizer = wg.optim.SGD([w], lr=0.5)

    @wg.compile
    def step():
        loss = scaled(w).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(4):
        step()
    assert w.tolist() == [-3.0, -2.0]
    file.write_text(text(-4.0))
    for _ in range(4):
        step()
    assert w.tolist() == [5.0, 6.0]


def test_a_rule_of_the_users_own_stays_over_edits(device, file):
    scaled = wg.kernel.elementwise(file, watch=True, backward=lambda ct, out, x: ct * 10)
    compiled = wg.compile(lambda x: scaled(x) * 2)
    x = wg.tensor([1.0, 3.0], requires_grad=True)
    for _ in range(3):
        assert compiled(x.detach()).tolist() == [4.0, 12.0]
    file.write_text(text(3.0))
    assert compiled(x.detach()).tolist() == [6.0, 18.0]
    scaled(x).sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]


def test_only_files_are_watched(file):
    with pytest.raises(CallError, match=r"and 'fn scaled.* is no file to watch"):
        wg.kernel.elementwise(text(2.0), watch=True)
    file.write_text("fn")
    with pytest.raises(ShaderError, match=r"scaled.wgsl:1:3"):
        wg.kernel.elementwise(file, watch=True)


# What the type pass lets through, and the compiler of a GPU does not.

LOOP = "/* ä */ fn f(x: f32) -> f32 {\n    loop { return x; }\n}\n"


def test_what_a_gpu_refuses_is_shown_in_the_users_line(webgpu, tmp_path):
    path = tmp_path / "loop.wgsl"
    path.write_text("#define unused 1\n" + LOOP)
    f = wg.kernel.elementwise(path)
    with wg.device("numpy"):
        assert f(1.0).tolist() == 1.0
    x = wg.tensor([1.0], device="webgpu")
    for call in (lambda: f(x), lambda: wg.compile(lambda x: f(x) + 1)(x)):
        with pytest.raises(ShaderError, match="the GPU's compiler refuses") as caught:
            call()
        error = caught.value
        assert (error.file, error.line, error.column) == (str(path), 2, 9)
        assert error.source_line == LOOP.splitlines()[0] and "end the function" in error.reason
    assert x.tolist() == [1.0]


def test_the_traceback_of_a_refusal_ends_at_the_call(webgpu):
    f = wg.kernel.elementwise(LOOP)
    x = wg.tensor([1.0], device="webgpu")
    with pytest.raises(ShaderError) as caught:
        f(x)
    files = [entry.path.name for entry in caught.traceback]
    assert files == ["test_reload.py", "door.py"]


def test_an_edit_that_a_gpu_refuses_is_not_used(webgpu, file):
    scaled = wg.kernel.elementwise(file, watch=True)
    x = wg.tensor([1.0], device="webgpu")
    assert scaled(x).tolist() == [2.0]
    file.write_text("fn scaled(x: f32) -> f32 { loop { return x; } }")
    with pytest.warns(UserWarning, match="the GPU's compiler refuses"):
        assert scaled(x).tolist() == [2.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scaled(x).tolist() == [2.0]
