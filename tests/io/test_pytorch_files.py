"""PyTorch's files: read and written without PyTorch, which is the judge where it is installed."""

from __future__ import annotations

import collections
import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import DTypeError, FileError

# Every module that has parameters or buffers: its name and arguments are PyTorch's too.
MODULES = {
    "Linear": (3, 4),
    "Bilinear": (2, 3, 4),
    "Conv1d": (2, 4, 3),
    "Conv2d": (2, 4, 3),
    "Conv3d": (2, 4, 2),
    "ConvTranspose1d": (2, 4, 3),
    "ConvTranspose2d": (2, 4, 3),
    "ConvTranspose3d": (2, 4, 2),
    "Embedding": (5, 3),
    "BatchNorm1d": (3,),
    "BatchNorm2d": (3,),
    "BatchNorm3d": (3,),
    "InstanceNorm1d": (3, 1e-5, 0.1, True, True),
    "InstanceNorm2d": (3, 1e-5, 0.1, True, True),
    "GroupNorm": (2, 4),
    "LayerNorm": ((2, 3),),
    "RMSNorm": (3,),
    "PReLU": (3,),
    "MultiheadAttention": (4, 2),
    "RNN": (3, 4, 2),
    "GRU": (3, 4, 2),
    "LSTM": (3, 4, 2),
    "RNNCell": (3, 4),
    "GRUCell": (3, 4),
    "LSTMCell": (3, 4),
    "TransformerEncoderLayer": (4, 2, 8),
    "TransformerDecoderLayer": (4, 2, 8),
}
KINDS = ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
THERE = {name: given for name, given in MODULES.items() if name in nn.__all__}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def as_numpy(state):
    return {name: np.asarray(x.numpy()) for name, x in state.items()}


@pytest.mark.parametrize("name", THERE)
def test_models_move_to_pytorch_and_back(name, torch, tmp_path, numpy_device):
    ours = getattr(nn, name)(*THERE[name])
    theirs = getattr(torch.nn, name)(*THERE[name])
    path = tmp_path / "model.pt"

    torch.save(theirs.state_dict(), path)
    wg.load(path, into=ours)
    wanted = as_numpy(theirs.state_dict())
    assert list(ours.state_dict()) == list(wanted)
    for key, x in ours.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), wanted[key])

    changed = {key: x + 1 if x.dtype.is_floating else x for key, x in ours.state_dict().items()}
    wg.save(changed, path)
    theirs.load_state_dict(torch.load(path, weights_only=True))
    for key, x in theirs.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), changed[key].numpy())


def test_most_modules_are_there():
    assert len(THERE) >= 16


@pytest.mark.parametrize("zipped", [True, False])
def test_nested_values_of_every_dtype_are_read(zipped, torch, tmp_path, device):
    x = torch.arange(12.0).reshape(3, 4)
    names = KINDS
    value = {
        "x": x,
        "turned": x.T[1:],
        "steps": x[:, ::2],
        "same": [x, x],
        "parameter": torch.nn.Parameter(x),
        "expanded": torch.ones(1, 2).expand(3, 2),
        "dtypes": {name: x.to(getattr(torch, name)) for name in names},
        "plain": (1, -(2**40), 2.5, "text", None, True, [], {}, 3 * (0,)),
        "size": x.shape,
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "ordered": collections.OrderedDict(a=1),
        "empty": torch.zeros(2, 0),
        "number": torch.tensor(2.5),
    }
    path = tmp_path / "x.pt"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    found = wg.load(path)
    assert list(found) == list(value)
    for key in ("x", "turned", "steps", "parameter", "expanded", "empty", "number"):
        np.testing.assert_array_equal(found[key].numpy(), value[key].detach().numpy())
        assert found[key].dtype is wg.float32 and found[key].device is device
    assert found["same"][0] is found["same"][1] is found["x"]
    assert (found["x"] + 1).tolist() == (x + 1).tolist()
    wide = wg.float64 if device.name == "numpy" else wg.float32
    kinds = [wide, wg.float32, wg.float32, *[wg.int32] * 4, wg.uint32, wg.bool]
    assert [y.dtype for y in found["dtypes"].values()] == kinds
    for name, y in found["dtypes"].items():
        np.testing.assert_array_equal(y.numpy(), x.to(getattr(torch, name)).float().numpy())
    assert found["plain"] == value["plain"] and found["size"] == (3, 4)
    assert found["dtype"] == "torch.float16" and found["device"] == "cpu"
    assert found["ordered"] == {"a": 1}


def test_pytorch_reads_all_that_is_written(torch, tmp_path, numpy_device):
    x = wg.arange(6, dtype=float).reshape(2, 3)
    value = {
        "x": x,
        "again": [x, (x.T, x[0], wg.tensor(1.5), wg.zeros((0, 2)))],
        "dtypes": [x.astype(d) for d in ("float64", "float16", "int32", "uint32", "bool")],
        "arrays": {n: np.arange(3, dtype=n) for n in ("int64", "uint8", "int8", "int16", "uint16")},
        "plain": [
            1,
            -1,
            2**31,
            -(2**63),
            2**64,
            2.5,
            float("inf"),
            "tëxt",
            None,
            True,
            False,
            (),
            {},
        ],
        7: np.float64(0.5),
    }
    path = tmp_path / "x.bin"
    wg.save(value, path)
    found = torch.load(path, weights_only=True)
    assert found["plain"] == value["plain"] and found[7] == 0.5
    np.testing.assert_array_equal(found["x"].numpy(), x.numpy())
    assert found["again"][0].data_ptr() == found["x"].data_ptr()
    assert [tuple(y.shape) for y in found["again"][1]] == [(3, 2), (3,), (), (0, 2)]
    for y, ours in zip(found["dtypes"], value["dtypes"], strict=True):
        assert str(y.dtype) == f"torch.{ours.dtype.name}"
        np.testing.assert_array_equal(y.numpy(), ours.numpy())
    for name, y in found["arrays"].items():
        assert str(y.dtype) == f"torch.{name}"
        np.testing.assert_array_equal(y.numpy(), value["arrays"][name])
    mapped = torch.load(path, weights_only=True, mmap=True)
    np.testing.assert_array_equal(mapped["x"].numpy(), x.numpy())
    again = wg.load(path)
    assert again["again"][0] is again["x"] and again["plain"] == value["plain"]


def test_safetensors_of_pytorch_are_read_and_ours_by_it(torch, tmp_path, numpy_device):
    files = pytest.importorskip("safetensors.torch")
    path = tmp_path / "x.safetensors"
    names = [*KINDS, "float32"]
    x = torch.arange(6).reshape(2, 3)
    files.save_file({name: x.to(getattr(torch, name)) for name in names}, path)
    for name, y in wg.load(path).items():
        np.testing.assert_array_equal(y.numpy(), x.to(getattr(torch, name)).float().numpy())
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    wg.save(model, path)
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    theirs.load_state_dict(files.load_file(path))
    for key, y in theirs.state_dict().items():
        np.testing.assert_array_equal(y.numpy(), model.state_dict()[key].numpy())


def test_bfloat16_keeps_every_value(torch, tmp_path, numpy_device):
    bits = np.arange(2**16, dtype=np.uint16).view(np.int16)
    torch.save(torch.from_numpy(bits).view(torch.bfloat16), tmp_path / "x.pt")
    found = wg.load(tmp_path / "x.pt").numpy()
    np.testing.assert_array_equal(
        found.view(np.uint32), bits.view(np.uint16).astype(np.uint32) << 16
    )


def test_models_in_several_files_are_read(torch, tmp_path, numpy_device):
    pytest.importorskip("safetensors")
    whole = {"a": wg.ones(2), "b": wg.zeros(3), "c": wg.ones(1)}
    for suffix, stem in ((".safetensors", "model"), (".bin", "pytorch_model")):
        names = [f"{stem}-0000{i}-of-00002{suffix}" for i in (1, 2)]
        wg.save({"a": whole["a"], "b": whole["b"]}, tmp_path / names[0])
        wg.save({"c": whole["c"]}, tmp_path / names[1])
        index = tmp_path / f"{stem}{suffix}.index.json"
        places = {"a": names[0], "b": names[0], "c": names[1]}
        index.write_text(json.dumps({"metadata": {"total_size": 24}, "weight_map": places}))
        found = wg.load(index)
        assert {k: x.tolist() for k, x in found.items()} == {
            k: x.tolist() for k, x in whole.items()
        }
        for wrong in ("../x.bin", "/etc/passwd", "", 3, "a/b.bin"):
            index.write_text(json.dumps({"weight_map": {"a": wrong}}))
            with pytest.raises(FileError, match="one beside it is needed"):
                wg.load(index)
        index.write_text(json.dumps({"weight_map": {"d": names[0]}}))
        with pytest.raises(FileError, match="and it has not"):
            wg.load(index)
        index.write_text(json.dumps({"weight_map": {"d": index.name}}))
        with pytest.raises(FileError):
            wg.load(index)


def test_integers_beyond_32_bits_are_refused(tmp_path, numpy_device):
    wg.save({"n": np.array([1, 2**31])}, tmp_path / "x.pt")
    with pytest.raises(FileError, match=r": n holds int64 from 1 to 2147483648, and int32"):
        wg.load(tmp_path / "x.pt")


# Pickles that want more than tensors.
class Harmful:
    def __init__(self, function, *given):
        self.given = function, given

    def __reduce__(self):
        return self.given


def archive(path: Path, pickled: bytes, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/version", b"3\n")
        for name, data in entries.items():
            made.writestr(f"archive/{name}", data)
    return path


def harmful_pickles(tmp_path):
    import os
    import subprocess

    touched = str(tmp_path / "touched")
    yield "os|posix|nt", pickle.dumps(Harmful(os.system, f"touch {touched}"), 2)
    yield "builtins", pickle.dumps(Harmful(eval, f"open({touched!r}, 'w')"), 4)
    yield "Popen", pickle.dumps(Harmful(subprocess.Popen, ["touch", touched]), 2)
    yield "numpy", pickle.dumps(np.arange(3), 2)
    yield "getattr", b"\x80\x02c__builtin__\ngetattr\n."
    yield "torch.load", b"\x80\x02ctorch\nload\n."
    yield "no way to make", b"\x80\x02ctorch\nTensor\n)R."
    yield "INST", b"\x80\x02(S'x'\nios\nsystem\n."
    yield "EXT1", b"\x80\x02\x82\x01."
    yield "from outside", b"\x80\x02X\x01\x00\x00\x00aQ."
    yield "no storage", b"\x80\x02(X\x06\x00\x00\x00modulectorch\nTensor\ntQ."


def test_nothing_in_a_pickle_is_run(tmp_path, numpy_device):
    path = tmp_path / "x.pt"
    for word, pickled in harmful_pickles(tmp_path):
        for make in (archive, lambda p, data: p.write_bytes(data)):
            make(path, pickled)
            with pytest.raises(FileError, match=word):
                wg.load(path)
    assert not (tmp_path / "touched").exists()


def test_pickles_that_make_much_of_little_are_refused(tmp_path, numpy_device):
    twice = b"\x80\x02]" + b"q\x00" + b"".join(b"(h%ch%cetq%c" % (i, i, i + 1) for i in range(60))
    cases = {
        "corrupt|deeply": twice.replace(b"et", b"t") + b".",
        "deeply": b"\x80\x02]q\x00h\x00a.",
        "corrupt": b"\x80\x02r\xff\xff\xff\xff.",  # a place in the memo of 4 billion
        "cut off": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",  # a text of 2**63 bytes
    }
    for word, pickled in cases.items():
        with pytest.raises(FileError, match=word):
            wg.load(archive(tmp_path / "x.pt", pickled))


def test_whole_modules_are_named_and_refused(torch, tmp_path, numpy_device):
    for zipped in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = tmp_path / "x.pt"
            torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(FileError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
            wg.load(path)


def test_tensors_that_leave_their_storage_are_refused(tmp_path, torch, numpy_device):
    data = io.BytesIO()
    torch.save(torch.ones(7), data)
    whole = zipfile.ZipFile(data)
    name = next(n for n in whole.namelist() if n.endswith("data.pkl"))
    pickled = whole.read(name)
    for seven, word in ((b"K\x08", "leaves its storage"), (b"J\xff\xff\xff\x7f", "leaves|over")):
        assert pickled.count(b"K\x07") == 2
        head, middle, tail = pickled.split(b"K\x07")
        made = head + b"K\x07" + middle + seven + tail
        with pytest.raises(FileError, match=word):
            wg.load(archive(tmp_path / "y.pt", made, **{"data/0": bytes(28)}))
    far = torch.ones(1).expand(2**40)
    torch.save(far, tmp_path / "x.pt")
    with pytest.raises(FileError, match="over 4 bytes"):
        wg.load(tmp_path / "x.pt")


def test_arrays_of_uint64_beyond_pytorch_names_are_refused_to_be_written(tmp_path, numpy_device):
    with pytest.raises(DTypeError, match="bits cannot be saved"):
        wg.save({"n": 2**5000}, tmp_path / "x.pt")
    assert list(tmp_path.iterdir()) == []
