"""save and load: nested values, tied tensors, dtypes, whole files, and what takes over."""

from __future__ import annotations

import gc
import json
import math
import os
import struct
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pages
import pytest
from campaigns import files

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import ArgumentError, CallError, DTypeError, FileError, MissingFileError

safetensors = pytest.importorskip("safetensors.numpy")


def network():
    return nn.Sequential(nn.Linear(3, 4, seed=1), nn.BatchNorm1d(4), nn.Linear(4, 2, seed=2))


def trained(steps=2):
    """Return a model and its optimizer after some steps."""
    model = network()
    optimizer = optim.Adam(model.parameters(), 0.1)
    for step in range(steps):
        take_step(model, optimizer, step)
    return model, optimizer


def take_step(model, optimizer, seed):
    x = wg.randn(5, 3, generator=wg.Generator(seed))
    model.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()


def equal(a, b):
    """Whether two nested values are the same, to the bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, wg.Tensor):
        return a.dtype is b.dtype and equal(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return repr(a) == repr(b)


def test_a_run_comes_back_as_it_was_and_goes_on_to_the_same_bits(device, tmp_path):
    model, optimizer = trained()
    path = tmp_path / "run.safetensors"
    state = wg.get_rng_state()
    wg.save({"model": model, "optimizer": optimizer, "rng": state, "epoch": 3}, path)
    take_step(model, optimizer, 2)

    again = network()
    other = optim.Adam(again.parameters(), 0.5)
    run = wg.load(path, into={"model": again, "optimizer": other})
    assert (
        run["epoch"] == 3
        and run["rng"] == state
        and list(run) == [*("model", "optimizer", "rng", "epoch")]
    )
    take_step(again, other, 2)
    assert equal(again.state_dict(), model.state_dict())
    assert equal(other.state_dict(), optimizer.state_dict())


def test_nested_values_come_back_as_they_were(numpy_device, tmp_path):
    nan = struct.unpack(">d", bytes.fromhex("7ff8000000000abc"))[0]
    bits = np.array([0x7FC00001, 0xFF800000, 0x80000000, 1], np.uint32).view(np.float32)
    value = {
        "numbers": [0, -1, 2**70, 0.1, -0.0, 1e-320, math.inf, -math.inf, nan, True, False, None],
        "text": ["", "tëxt\n\0", "\ud800"],
        "empty": [{}, [], ()],
        "tuple": (1, (2, [3, (4,)])),
        "$": {"$": "tensor", "name": "x"},
        "keys": {1: "a", "1": "b", None: "c", False: "d", 2.5: "e", (1, "x"): "f"},
        "a.b": wg.ones(1),
        "a": {"b": wg.zeros(1), "": wg.ones(2), "__metadata__": wg.ones(3)},
        "__metadata__": wg.ones(4),
        "bits": wg.tensor(bits),
        "dtypes": [
            wg.tensor([0, 1], d)
            for d in ("bool", "int32", "uint32", "float16", "float32", "float64")
        ],
        "shapes": [wg.zeros(()), wg.zeros((0, 3)), wg.ones((2, 3)).T, wg.arange(6)[::2]],
        "arrays": [np.arange(3, dtype=np.int64), np.zeros((2, 0), np.uint8), np.array(2.5)],
        "numpy": [np.float32(0.1), np.int64(2**40), np.bool_(True)],
    }
    path = tmp_path / "x"
    wg.save(value, path)
    found = wg.load(path)
    assert equal(found, value)
    assert struct.pack(">d", found["numbers"][8]) == struct.pack(">d", nan)


@pytest.mark.parametrize("value", [2.5, None, [], "text", (1, 2)])
def test_values_without_tensors_are_saved(value, numpy_device, tmp_path):
    wg.save(value, tmp_path / "x.safetensors")
    assert wg.load(tmp_path / "x.safetensors") == value


def test_one_tensor_and_one_module(device, tmp_path):
    x = wg.arange(3.0)
    wg.save(x, tmp_path / "x.safetensors")
    assert (wg.load(tmp_path / "x.safetensors") + 1).tolist() == [1, 2, 3]
    model = network()
    wg.save(model, tmp_path / "m.safetensors")
    assert sorted(safetensors.load_file(tmp_path / "m.safetensors")) == sorted(model.state_dict())
    other = network()
    other[0].weight.assign(0.0)
    other.load_state_dict(wg.load(tmp_path / "m.safetensors"))
    assert equal(other.state_dict(), model.state_dict())


def test_tied_tensors_are_written_once_and_stay_tied(numpy_device, tmp_path):
    model = nn.Sequential(nn.Embedding(300, 40), nn.Linear(40, 300, bias=False))
    model[1].weight = model[0].weight
    path = tmp_path / "tied.safetensors"
    for saved in (model, {"a": model.state_dict(), "b": 1}):
        wg.save(saved, path)
        assert path.stat().st_size < 300 * 40 * 4 + 2000
        state = wg.load(path)
        state = state.get("a", state)
        assert list(state) == ["0.weight", "1.weight"]
        assert state["0.weight"] is state["1.weight"]
        model.load_state_dict(state)
    assert model[0].weight is model[1].weight
    x = wg.ones(3)
    wg.save({"x": x, "shared": x.detach(), "part": x[:2], "apart": x.copy()}, path)
    found = wg.load(path)
    assert found["x"] is found["shared"] is not found["apart"]
    assert found["part"].tolist() == [1, 1] and len(safetensors.load_file(path)) == 3


def test_dtypes_of_files_become_what_a_device_has(device, tmp_path):
    path = tmp_path / "x.safetensors"
    kinds = [
        "float64",
        "float32",
        "float16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint64",
        "uint32",
        "uint16",
        "uint8",
        "bool",
    ]
    safetensors.save_file({k: np.arange(4).astype(k) for k in kinds}, path)
    found = wg.load(path)
    wide = wg.float64 if device.name == "numpy" else wg.float32
    wanted = [wide, wg.float32, wg.float32, *[wg.int32] * 4, *[wg.uint32] * 4, wg.bool]
    assert [found[k].dtype for k in kinds] == wanted
    assert all(found[k].tolist() == np.arange(4).astype(k).tolist() for k in kinds)
    assert {wg.load(path, dtype="float32")[k].dtype for k in kinds[:3]} == {wg.float32}
    if wg.float16 in device.dtypes:
        assert wg.load(path, dtype=wg.float16)["float64"].dtype is wg.float16
        wg.save(wg.ones(2, dtype=wg.float16), path)
        assert wg.load(path).dtype is wg.float16
    with pytest.raises(DTypeError, match="a floating one is needed"):
        wg.load(path, dtype=int)
    for k, at in (("int64", -(2**31) - 1), ("uint64", 2**32), ("int64", 2**62)):
        safetensors.save_file({"n": np.array([0, at]).astype(k)}, path)
        with pytest.raises(FileError, match=f"n holds {k} from .*32, .* holds"):
            wg.load(path)


def test_what_was_saved_on_one_device_loads_on_another(webgpu, tmp_path):
    wg.save({"x": wg.arange(3.0) * 2}, tmp_path / "x.safetensors")
    assert wg.load(tmp_path / "x.safetensors", "numpy")["x"].device.name == "numpy"
    assert wg.load(tmp_path / "x.safetensors")["x"].device is webgpu


# What cannot be saved, and files that stay whole.
class Odd:
    pass


def test_what_cannot_be_saved_is_named_and_nothing_is_written(numpy_device, tmp_path):
    path = tmp_path / "x.safetensors"
    wg.save([1], path)
    before = path.read_bytes()
    loop: list = []
    loop.append(loop)
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    for value, kind, words in (
        ({"a": [Odd()]}, DTypeError, r"at 'a\.0', .*Odd"),
        (Odd, DTypeError, "type"),
        ({"f": math.sin}, DTypeError, "at 'f'"),
        (b"bytes", DTypeError, "bytes"),
        (1j, DTypeError, "complex"),
        ({1, 2}, DTypeError, "set"),
        (np.array(["a"]), DTypeError, "array of <U1"),
        (np.array([1j]), DTypeError, "complex128"),
        ({Odd(): 1}, DTypeError, "a key"),
        (nn.Linear, DTypeError, "type"),
        (loop, ArgumentError, "holds itself"),
        (deep, ArgumentError, "100 levels"),
    ):
        for suffix in ("safetensors", "pt"):
            with pytest.raises(kind, match=words):
                wg.save(value, tmp_path / f"x.{suffix}")
    with pytest.raises(ArgumentError, match="format='zip' came"):
        wg.save(1, path, format="zip")
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.safetensors"]


def test_paths_that_lead_to_no_file_are_named(numpy_device, tmp_path):
    for wrong in (None, 3, b"x", "", "a\0b", [], tmp_path / "a\0"):
        for call in (lambda p: wg.save(1, p), wg.load, wg.onnx.load):
            with pytest.raises(CallError, match="the path of a file is needed"):
                call(wrong)
    with pytest.raises(MissingFileError, match="there is no folder"):
        wg.save(1, tmp_path / "no" / "x.safetensors")
    with pytest.raises(FileError, match="is a folder"):
        wg.save(1, tmp_path)
    for call in (wg.load, wg.onnx.load):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            call(tmp_path / "none")
        with pytest.raises(FileError, match=r"is a folder|cannot be opened"):
            call(tmp_path)
        (tmp_path / "empty").touch()
        with pytest.raises(FileError, match="is empty"):
            call(tmp_path / "empty")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileError, match="cannot be opened"):
        wg.load(tmp_path / "loop")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileError, match="no regular file"):
            wg.load(tmp_path / "pipe")


def test_links_and_modes_stay(numpy_device, tmp_path):
    real = tmp_path / "real.safetensors"
    wg.save(1, real)
    real.chmod(0o640)
    (tmp_path / "link.safetensors").symlink_to(real)
    wg.save(2, tmp_path / "link.safetensors")
    assert (tmp_path / "link.safetensors").is_symlink() and wg.load(real) == 2
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_new_file_may_be_read_by_those_who_may_read_others(suffix, numpy_device, tmp_path):
    (tmp_path / "plain").touch()
    wg.save(1, tmp_path / f"new.{suffix}")
    new, plain = (tmp_path / name for name in (f"new.{suffix}", "plain"))
    assert new.stat().st_mode == plain.stat().st_mode


WRITER = """
import sys
import numpy as np
import wgrad as wg
with wg.device("numpy"):
    n = 0
    print("ready", flush=True)
    while True:
        n += 1
        wg.save({"n": n, "x": wg.full(60_000, float(n))}, sys.argv[1 + n % 2])
"""


def test_a_killed_process_leaves_whole_files(numpy_device, tmp_path):
    """Of both kinds, written by turns."""
    paths = [tmp_path / "x.safetensors", tmp_path / "x.pt"]
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, paths)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(wg.__file__).parent.parent)},
    )

    def read(path: Path) -> int:
        found = wg.load(path)
        assert (found["x"].numpy() == found["n"]).all()
        return found["n"]

    try:
        child.stdout.readline()
        for path in paths:
            seen = set()
            while len(seen) < 3:  # it is whole at any time, not only at the end
                if path.exists():
                    seen.add(read(path))
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert all(map(read, paths))


def test_an_error_while_writing_leaves_what_was_there(numpy_device, tmp_path, monkeypatch):
    for suffix in ("safetensors", "pt"):
        path = tmp_path / f"x.{suffix}"
        wg.save(1, path)

        def full(*args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(FileError, match=r"cannot be written .No space left"):
                wg.save(2, path)
        assert wg.load(path) == 1
    assert len(os.listdir(tmp_path)) == 2


def test_threads_write_one_file_one_after_the_other(numpy_device, tmp_path):
    path = tmp_path / "x.safetensors"
    threads = [
        threading.Thread(target=lambda n=n: [wg.save([n] * 9, path) for _ in range(5)])
        for n in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(wg.load(path))) == 1 and os.listdir(tmp_path) == ["x.safetensors"]


# Into models.
def test_into_changes_all_or_nothing(numpy_device, tmp_path):
    path = tmp_path / "x.safetensors"
    model, optimizer = trained()
    wg.save({"model": model, "list": [optimizer], "n": 1}, path)
    other, another = trained(1)
    before = other.state_dict(), another.state_dict()
    wrong = optim.SGD(other.parameters(), 0.1)
    for into, words in (
        ({"model": other, "list": [wrong]}, "load_state_dict"),
        ({"list": [another], "model": nn.Linear(2, 2)}, "load_state_dict"),
        ({"model": other, "more": another}, "into has 'more', and the file has only"),
        ({"model": other, "list": [another, another]}, "2 entries at 'list'"),
        ({"model": other, "n": another}, "load_state_dict: int"),
        ({"n": {"a": other}}, "into has 'a' at 'n', and the file has no dict"),
        (5, "into is 5; a module"),
        ({"model": 5}, "into is 5 at 'model'"),
        (nn.Module, "into is"),
    ):
        with pytest.raises((ArgumentError, DTypeError, wg.errors.ShapeError), match=words):
            wg.load(path, into=into)
        assert equal((other.state_dict(), another.state_dict()), before)
    wg.load(path, into={"list": [another], "model": other})
    assert equal(other.state_dict(), model.state_dict())


def test_save_is_no_part_of_a_compiled_function(numpy_device, tmp_path):
    @wg.compile
    def f(x):
        wg.save(x, tmp_path / "x")
        return x

    with pytest.raises(wg.errors.TraceError, match="works on the host"):
        f(wg.ones(2))


# Files that are none of ours, or no longer.
def header(path, **tensors):
    """Write a file with this header and 16 bytes of data."""
    text = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    return path


def test_files_that_are_wrong_are_told_apart(numpy_device, tmp_path):
    path = tmp_path / "x.safetensors"
    good = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    assert wg.load(header(path, a=good))["a"].tolist() == [0] * 4
    for about, words in (
        ({**good, "data_offsets": [0, 32]}, "no file of safetensors"),
        ({**good, "shape": [2**40, 2**40]}, "no file of safetensors"),
        ({**good, "shape": [-1]}, "no file of safetensors"),
        ({**good, "dtype": "F33"}, "no file of safetensors"),
        ({**good, "dtype": "F8_E4M3", "shape": [16]}, "F8_E4M3"),
        ({"dtype": "F32"}, "no file of safetensors"),
    ):
        with pytest.raises(FileError, match=words):
            wg.load(header(path, a=about))
    overlap = {"dtype": "F32", "shape": [3], "data_offsets": [4, 16]}
    with pytest.raises(FileError, match="no file of safetensors"):
        wg.load(header(path, a={**overlap, "data_offsets": [0, 12]}, b=overlap))
    for begin in (b"\xff" * 7 + b"\x7f{", b"\xff\xff\xff\x05\0\0\0\0{", b"\x02\0\0\0\0\0\0\0{"):
        path.write_bytes(begin + bytes(16))
        with pytest.raises(FileError, match="no file of safetensors"):
            wg.load(path)
    for data, words in (
        (b"hello there", "begins with b'hello th'"),
        (b"\x89HDF\r\n\x1a\n" + bytes(8), "an HDF5 file"),
        (b"GGUF" + bytes(8), "a GGUF file"),
        (b"\x93NUMPY" + bytes(8), r"numpy\.load reads it"),
        (b"{}", 'JSON with a "weight_map"'),
        (b"PK\x03\x04", "no whole zip file"),
        (b"\x80\x02.", "cut off or corrupt"),
    ):
        path.write_bytes(data)
        with pytest.raises(FileError, match=words):
            wg.load(path)
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(FileError, match=r"a zip file without 'data.pkl'"):
        wg.load(tmp_path / "x.npz")


def test_descriptions_that_do_not_fit_are_refused(numpy_device, tmp_path):
    path = tmp_path / "x.safetensors"
    for text in (
        *("", "3", "[]", '{"version": 1}', '{"version": 2, "value": 1}', "[" * 100_000),
        *(
            json.dumps({"version": 1, "value": value})
            for value in (
                {"$": "tensor", "name": "b", "dtype": "float32"},
                {"$": "tensor", "name": "a", "dtype": "int32"},
                {"$": "tensor"},
                {"$": "code", "run": "x"},
                {"$": "float", "bits": "00"},
                {"$": "tuple", "items": 3},
                {"$": "dict", "items": [[[1], 2]]},
                {"$": ["x"]},
            )
        ),
    ):
        safetensors.save_file({"a": np.ones(2, np.float32)}, path, {"wgrad": text})
        with pytest.raises(FileError, match=r"description|version"):
            wg.load(path)


def test_what_was_loaded_goes_when_nobody_holds_it(numpy_device, tmp_path):
    """Without the collector of cycles: files would stay mapped, and memory would grow."""
    paths = [tmp_path / name for name in ("x.safetensors", "plain.safetensors", "x.pt", "old.pt")]
    wg.save({"a": [wg.ones(3)]}, paths[0])
    safetensors.save_file({"a": np.ones(3)}, paths[1])
    wg.save({"a": [wg.ones(3)]}, paths[2])
    paths[3].write_bytes(files.in_a_row())
    gc.collect()
    gc.disable()
    try:
        for path in paths:
            found = wg.load(path)
            x = next(iter(found.values()))
            held = weakref.ref(x[0] if isinstance(x, list) else x)
            del found, x
            assert held() is None, path
    finally:
        gc.enable()


def test_the_code_of_the_page_runs(device, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    pages.run("docs/save-and-load.md")
