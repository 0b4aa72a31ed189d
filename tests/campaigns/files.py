"""Files with something wrong in them: each is read, or refused by an error of ours.

What is drawn is a file of some format, whole at first, with bytes changed, cut out, doubled,
exchanged, or taken from another file. Nothing may run, hang, or take much memory.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn
from wgrad.backends.base import Device
from wgrad.errors import FileError, IndexRangeError, OutOfMemoryError
from wgrad.io.nesting import taken
from wgrad.io.pytorch.reading import MAGIC
from wgrad.io.pytorch.writing import _Pickler

SHARE = 60
MOST = 1 << 29  # bytes that a file of a few kilobytes may make use of
FOLDER = Path(tempfile.gettempdir())


def value() -> dict[str, Any]:
    """Return what the files hold."""
    x = wg.arange(12.0, device="numpy").reshape(3, 4)
    more = [(1, -2.5), float("nan"), None, True, {"a": {"b": "text"}}, 2**40]
    return {"weight": x, "tied": x, "turned": x.T[1:], "n": wg.tensor([1, 2]), "more": more}


def written(save: Callable[[Path], Any], name: str) -> bytes:
    """Return the bytes that a function writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        save(path)
        return path.read_bytes()


def in_a_row() -> bytes:
    """Return a file as PyTorch wrote them before 2020."""
    pickler = _Pickler("")
    parts = [pickle.dumps(x, 2) for x in (MAGIC, 1001, {"little_endian": True})]
    parts.append(pickler.pickled(taken(value(), "")))
    parts.append(pickle.dumps([str(key) for key in pickler.leaves.values()], 2))
    for leaf in pickler.leaves:
        parts += [leaf.data.size.to_bytes(8, "little"), leaf.data.tobytes()]
    return b"".join(parts)


class Model(nn.Module):
    """Some of everything that graphs have."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(1, 2, 3, padding=1, seed=1, device="numpy")
        self.norm = nn.BatchNorm2d(2, device="numpy")
        self.out = nn.Linear(8, 3, seed=2, device="numpy")

    def forward(self, x: Any) -> Any:
        x = nn.functional.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        x = nn.functional.gelu(x.reshape(x.shape[0], -1)[:, 2:6])
        x = wg.concat([x, x * 2 + 1], axis=1)
        return nn.functional.layer_norm(wg.softmax(self.out(x)), 3)


def image() -> Any:
    """Return an input of the model."""
    return wg.ones((2, 1, 4, 4), device="numpy")


def export(path: Path) -> None:
    """Write the model as ONNX."""
    wg.onnx.export(Model(), image(), path, dynamic_axes={"x": {0: "n"}})


@functools.cache
def originals() -> dict[str, bytes]:
    """Return a whole file of each format."""
    return {
        "safetensors": written(lambda p: wg.save(value(), p), "x.safetensors"),
        "plain safetensors": written(lambda p: _plain(p), "x.safetensors"),
        "pytorch": written(lambda p: wg.save(value(), p), "x.pt"),
        "pickles in a row": in_a_row(),
        "index": json.dumps({"weight_map": {"a": "campaign.bin", "b": "campaign.bin"}}).encode(),
        "onnx": written(export, "x.onnx"),
    }


def _plain(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.ones((2, 3), np.float32), "b": np.arange(3)}, path)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with one to four things wrong in it."""
    made = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not made:
            break
        # Half of the time near the beginning or the end, where headers are.
        near = rng.integers(3)
        span = min(len(made), 160)
        at = int(rng.integers(len(made) if not near else span))
        at = len(made) - 1 - at if near == 2 else at
        size = int(rng.integers(1, 9))
        other = int(rng.integers(len(made)))
        what = rng.integers(9)
        if what == 0:
            made[at] ^= 1 << int(rng.integers(8))
        elif what == 1:
            made[at] = int(rng.integers(256))
        elif what == 2:
            made[at : at + size] = bytes([int(rng.choice([0, 255, 127, 128]))] * size)
        elif what == 3:
            del made[at : at + size]
        elif what == 4:
            del made[at:]
        elif what == 5:
            made[at:at] = made[other : other + size]
        elif what == 6:
            made[at : at + size] = made[other : other + size]
        elif what == 7:
            names = sorted(originals())
            source = originals()[names[int(rng.integers(len(names)))]]
            begin = int(rng.integers(len(source)))
            made[at : at + size] = source[begin : begin + size]
        else:  # a digit becomes another, or many
            digits = [i for i, b in enumerate(made) if 48 <= b < 58]
            if digits:
                i = digits[int(rng.integers(len(digits)))]
                made[i : i + 1] = str(rng.integers(10 ** int(rng.integers(1, 18)))).encode()
    return bytes(made)


def graph(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a graph of ONNX with one to three things wrong in it, which is a message all the same.

    Nodes are left out, doubled, or moved; names, numbers, shapes and versions are others.
    """
    import onnx

    model = onnx.load_model_from_string(data)
    nodes, stored = model.graph.node, model.graph.initializer

    def some(items: Any) -> Any:
        return items[int(rng.integers(len(items)))]

    def number() -> int:
        return int(rng.choice([-(2**62), -2, -1, 0, 1, 2, 3, 7, 100, 2**31, 2**40, 2**62]))

    for _ in range(rng.integers(1, 4)):
        node, tensor = some(nodes), some(stored)
        what = rng.integers(10)
        if what == 0:
            nodes.remove(node)
        elif what == 1:
            nodes.append(node)
        elif what == 2 and node.input:
            node.input[int(rng.integers(len(node.input)))] = some([*some(nodes).output, "", "x"])
        elif what == 3:
            node.op_type = some(nodes).op_type
        elif what == 4 and node.attribute:
            attribute = some(node.attribute)
            attribute.i, attribute.f = number(), float(number())
            if attribute.ints:
                attribute.ints[int(rng.integers(len(attribute.ints)))] = number()
        elif what == 5:
            constants = [a.t for n in nodes for a in n.attribute if n.op_type == "Constant"]
            constant = some(constants) if constants else tensor
            kind = onnx.helper.tensor_dtype_to_np_dtype(constant.data_type)
            if kind == np.int64:
                values = np.frombuffer(constant.raw_data, kind).copy()
                values[...] = [number() for _ in values.reshape(-1)] if values.size else 0
                constant.raw_data = values.tobytes()
        elif what == 6 and tensor.dims:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = number()
        elif what == 7:
            tensor.data_type = int(rng.integers(0, 25))
        elif what == 8:
            model.opset_import[0].version = number() % 2**31
        else:
            tensor.data_location = 1
            where = some(["../x", "/etc/passwd", "campaign.file", "", "x"])
            tensor.external_data.add(key="location", value=where)
            tensor.external_data.add(key="offset", value=str(number()))
    made: bytes = model.SerializeToString()
    return made


def drawn(kind: str, rng: np.random.Generator) -> bytes:
    """Return a file of a format with something wrong in it."""
    data = originals()[kind]
    if kind == "pytorch" and rng.integers(2):  # the pickle, with a checksum that is right
        with zipfile.ZipFile(io.BytesIO(data)) as whole:
            entries = {name: whole.read(name) for name in whole.namelist()}
        entries["archive/data.pkl"] = mutated(entries["archive/data.pkl"], rng)
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as made:
            for name, content in entries.items():
                made.writestr(name, content)
        return target.getvalue()
    if kind == "onnx" and rng.integers(4):
        return graph(data, rng)
    if kind == "safetensors" and rng.integers(2):  # the header, with a length that is right
        length = int.from_bytes(data[:8], "little")
        header = mutated(data[8 : 8 + length], rng)
        return len(header).to_bytes(8, "little") + header + data[8 + length :]
    return mutated(data, rng)


def tried(kind: str, data: bytes) -> str | None:
    """Return what is wrong with how a file is read; None where it is read, or refused."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        path = Path(folder) / "campaign.file"
        path.write_bytes(data)
        tracemalloc.start()
        try:
            if kind == "onnx":
                wg.onnx.load(path, "numpy")(image())
            else:
                wg.load(path, "numpy")
        except (FileError, wg.errors.CallError, IndexRangeError, OutOfMemoryError) as error:
            text = str(error)
            if "\n" in text or len(text) > 1500:
                return f"{kind}: a message of {len(text)} characters: {text[:300]!r}"
        except BaseException as error:
            return f"{kind}: {error!r}"
        finally:
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return f"{kind}: {most} bytes were taken" if most > MOST else None


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Try one file."""
    kinds = sorted(originals())
    kind = kinds[int(rng.integers(len(kinds)))]
    return tried(kind, drawn(kind, rng))
