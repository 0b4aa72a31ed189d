"""The bisection names what is at fault: a pass, a kernel, or nothing."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from programs import traced

import wgrad as wg
from wgrad import cli
from wgrad.backends.fold import MAX, SUM
from wgrad.program import passes
from wgrad.program.diagnose.bisect import bisect, watching
from wgrad.program.diagnose.differences import TOLERANCE, largest
from wgrad.program.ir import step_lines
from wgrad.program.lower import fused, plan, statements
from wgrad.program.lower.numpy import NumpyExecutor
from wgrad.program.passes import PASSES

SCRIPT = """
import sys
import wgrad as wg

w = wg.parameter([[1.0, 2.0], [3.0, 4.0]])

@wg.compile
def step(x):
    loss = ((x @ w).tanh().softmax(-1) * 2).square().sum()
    w.zero_grad()
    loss.backward()
    return loss

for _ in range(3):
    step(wg.ones((3, 2)))
print("arguments", *sys.argv[1:])
"""


def work(x, y):
    return ((x @ y).tanh() + x.sum(0)).softmax(-1), wg.rand(3)


def arguments():
    rng = np.random.default_rng(0)
    return wg.tensor(rng.standard_normal((4, 3))), wg.tensor(rng.standard_normal((3, 3)))


def let_kernels_fold(monkeypatch, folds):
    """Let generated kernels, and they alone, combine two values by other WGSL."""
    right = fused.combiner

    def combiner(module, fold, dtype):
        wrong = replace(fold, wgsl=folds[fold]) if fold in folds else fold
        return right(module, wrong, dtype)

    monkeypatch.setattr(fused, "combiner", combiner)


def test_bisect_finds_nothing_in_what_is_right(device):
    found = traced(work, *arguments())
    before = [x.buffer for x in found.inputs]
    assert bisect(found.program, found.device, found.inputs, found.draw) is None
    assert [x.buffer for x in found.inputs] == before


@pytest.mark.parametrize("name", ["maps", "rows"])
def test_bisect_names_the_pass_at_fault(device, monkeypatch, name):
    right = PASSES[name]
    changed = []

    def broken(program, limits):
        """Let the last number of the first fused step that has one be another."""
        program = right(program, limits)
        steps = list(program.steps)
        for i, step in enumerate(steps):
            numbers = [k for k, x in enumerate(step.inputs) if isinstance(x, float)]
            if step.is_fused and numbers:
                inputs = list(step.inputs)
                inputs[numbers[-1]] = -0.25
                steps[i] = replace(step, inputs=tuple(inputs))
                changed.append(i)
                return program.with_steps(steps)
        raise AssertionError("no number to change")

    found = traced(lambda x, y: (work(x * 1.5 + 0.5, y)[0] * 3).tanh() * 2, *arguments())
    monkeypatch.setitem(passes.PASSES, name, broken)
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and finding.pass_name == name
    assert finding.number == changed[0] and "-0.25" in "\n".join(step_lines(finding.step))
    assert f"the pass {name!r}" in str(finding) and "inputs %" in str(finding)


def test_bisect_names_the_kernel_at_fault(webgpu, monkeypatch):
    let_kernels_fold(monkeypatch, {SUM: "a + b * 1.01"})
    found = traced(work, *arguments())
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and finding.pass_name is None
    assert "sum" in finding.step.name and finding.alone
    text = str(finding)
    assert f"kernel {finding.number} computes something else" in text
    assert text.count("@compute") == 1
    assert "b * 1.01" in text and "v0 = " in text and "is right" in text


def test_bisect_names_the_call_at_fault(numpy_device, monkeypatch):
    right = statements._fold
    wrong = replace(SUM, numpy=np.multiply, identity=lambda dtype: 1)
    monkeypatch.setattr(
        statements, "_fold", lambda made, g, s, x: right(made, g, s._replace(what=wrong), x)
    )
    found = traced(lambda x: (x * 3).sum(0) + 1, arguments()[0])
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and "sum" in finding.step.name
    assert "multiply" in finding.text


def test_bisect_names_a_kernel_that_is_wrong_after_others(numpy_device, monkeypatch):
    """A block that is still to be read is given away: each product alone is right."""
    found = traced(lambda x, y: (x @ y) @ (y @ x), wg.rand(4, 4), wg.rand(4, 4))
    take = plan.Blocks.take
    monkeypatch.setattr(
        plan.Blocks, "take", lambda blocks, n: 0 if blocks.sizes else take(blocks, n)
    )
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and (finding.pass_name, finding.alone) == (None, False)
    assert finding.number == 2 and "kernel 2 is wrong after the ones before it" in str(finding)


def test_bisect_without_fusion_looks_at_the_passes_that_run(numpy_device, monkeypatch):
    f = wg.compile(lambda x: (x * 2).tanh(), fuse=False)
    monkeypatch.setitem(passes.PASSES, "maps", None)  # would fail
    monkeypatch.setitem(passes.PASSES, "dead", lambda program, limits: half(program))
    findings = []
    with watching(findings.append) as programs:
        f(wg.ones(3))
    assert len(programs) == 1 and [x.pass_name for x in findings] == ["dead"]


def half(program):
    """Return a program whose first number is 0.5."""
    first, *others = program.steps
    return program.with_steps([replace(first, inputs=(first.inputs[0], 0.5)), *others])


def test_watching_compares_replays_too(numpy_device, monkeypatch):
    run, runs = NumpyExecutor.run, Counter()

    def wrong_in_the_end(executor, *args):
        outs = run(executor, *args)
        runs[executor] += 1
        if runs[executor] == 3:
            outs[0].buffer[1] = 7
        return outs

    monkeypatch.setattr(NumpyExecutor, "run", wrong_in_the_end)
    f = wg.compile(lambda x: x * 2)
    findings = []
    with watching(findings.append):
        for _ in range(2):
            f(wg.ones(3))
        assert findings == []
        f(wg.ones(3))
    (finding,) = findings
    assert (finding.pass_name, finding.step, finding.difference.place) == (None, None, (1,))
    assert "output 0" in str(finding) and "what a replay keeps" in str(finding)


def test_differences_are_relative_and_know_dtypes():
    def differ(right, found, dtype, tolerance=TOLERANCE):
        sides = ([("x", np.array(values, dtype))] for values in (right, found))
        return largest(*sides, tolerance)

    assert differ([1000.0, 0.0], [1000.0, 0.05], "float32") is None
    assert differ([1000.0, 0.0], [1000.0, 0.2], "float32").place == (1,)
    assert differ([1000.0], [1000.01], "float32", 1e-6) is not None
    assert differ([0.02], [0.0201], "float32") is not None  # small values have small tolerances
    assert differ([1e-8], [2e-8], "float32") is None  # but what cancels is noise
    assert differ([1.0], [1.0 + 1e-7], "float64") is not None
    assert differ([5], [6], "int32") is not None
    assert differ([np.nan, np.inf], [np.nan, np.inf], "float32") is None
    assert differ([np.nan], [1.0], "float32").size == np.inf


def test_bisect_of_a_script_says_that_all_is_well(tmp_path, capfd):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "wgrad", "bisect", str(script), "one", "--two"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "arguments one --two" in done.stdout
    assert "all of 1 compiled programs compute what their ops do" in done.stdout


@pytest.mark.parametrize(
    ("given", "words", "status"),
    [
        (["bisect", "-h"], "usage: python -m wgrad bisect", 0),
        (["bisect", "SCRIPT", "--tolerance", "x"], "argument --tolerance: 'x' came", 2),
        (["bisect", "SCRIPT", "one", "--tolerance"], "--tolerance: expected one argument", 2),
        (["bisect", "SCRIPT", "one", "--tolerance=1e-3", "-v"], "arguments one -v\n", 0),
        (["bisect", "--tolerance", "1", "SCRIPT", "--tol", "5"], "arguments --tol 5\n", 0),
        (["bisect", "SCRIPT", "a", "--", "--tolerance", "b"], "arguments a --tolerance b\n", 0),
        (["bisect"], "bisect: error: no script came; the name of a Python script", 2),
        (["bisect", "--tolerance", "0.1"], "bisect: error: no script came", 2),
        (["bisect", "--fast", "SCRIPT"], "unrecognized arguments: --fast", 2),
        ([], "error: no command came; run, check, bench", 2),
        (["bisekt"], "invalid choice: 'bisekt'", 2),
        (["numerics", "--device", "webgpu:"], "device 'webgpu:' is unknown", 2),
        (["numerics", "--", "x"], "x came after --", 2),
    ],
)
def test_commands_answer_as_a_user_gives_them(given, words, status, tmp_path, capfd):
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('arguments', *sys.argv[1:])")
    given = [str(script) if x == "SCRIPT" else x for x in given]
    try:
        ended = cli.main(given)
    except SystemExit as end:  # as the parser of the arguments ends
        ended = end.code
    out, err = capfd.readouterr()
    assert ended == status, err
    assert words in out + err and "Traceback" not in err


def test_bisect_of_a_script_reports_and_fails(tmp_path, capsys, monkeypatch, webgpu):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    let_kernels_fold(monkeypatch, {MAX: "max(a, b) + 100.0", SUM: "a - b"})
    assert cli.main(["bisect", str(script)]) == 1
    assert "kernel 1 computes something else" in capsys.readouterr().out


def test_bisect_of_a_script_reports_before_the_script_fails(tmp_path, capsys, monkeypatch, webgpu):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "raise ValueError('wrong results')")
    let_kernels_fold(monkeypatch, {SUM: "a - b"})
    with pytest.raises(ValueError, match="wrong results"):
        cli.main(["bisect", str(script)])
    assert "computes something else" in capsys.readouterr().out


def test_bisect_of_a_script_finds_the_modules_beside_it(tmp_path, capsys):
    (tmp_path / "beside_it.py").write_text("VALUE = 3")
    script = tmp_path / "script.py"
    script.write_text("import beside_it, sys\nprint(beside_it.VALUE, len(sys.argv))")
    before = list(sys.path), list(sys.argv)
    assert cli.main(["bisect", str(script), "one"]) == 0
    assert capsys.readouterr().out == "3 2\nbisect: the script compiled nothing\n"
    assert (sys.path, sys.argv) == before


def test_bisect_of_no_script_says_so(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["bisect", str(tmp_path / "nothing.py")])
    assert "there is no script" in capsys.readouterr().err


def test_bisect_of_a_script_lets_its_errors_through(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("raise ValueError('mine')")
    with pytest.raises(ValueError, match="mine"):
        cli.main(["bisect", str(script)])
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit):
        cli.main(["bisect", str(script)])


def test_passes_are_switched_off_by_the_environment(device, monkeypatch):
    f = lambda x: (x * 2 + 1).softmax(-1)  # noqa: E731
    x = arguments()[0]
    plain = f(x).numpy()
    fused = wg.compile(f)
    fused(x)
    for off in ("rows, siblings", "lift", ",".join(PASSES)):
        monkeypatch.setenv("WGRAD_PASSES_OFF", off)
        apart = wg.compile(f)
        np.testing.assert_allclose(apart(x).numpy(), plain, rtol=1e-6)
        assert len(apart.program.steps) > len(fused.program.steps)
    monkeypatch.setenv("WGRAD_PASSES_OFF", "rows,lines")
    with pytest.raises(
        wg.errors.ArgumentError, match=r"PASSES_OFF.*'lines' is no pass; there are outside, const"
    ):
        wg.compile(f)(x)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "little"])
def test_bisect_refuses_a_tolerance_that_tells_nothing(text, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["bisect", f"--tolerance={text}", "train.py"])
    assert end.value.code == 2 and "finite number" in capsys.readouterr().err
