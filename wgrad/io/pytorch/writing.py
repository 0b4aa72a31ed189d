"""Archives that torch.load(weights_only=True) reads, written without PyTorch."""

from __future__ import annotations

import pickle
import struct
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DTypeError
from ..leaves import NUMPY, Leaf
from ..paths import written
from .names import STORAGES

_ALIGNED = 64  # bytes: where the elements of a storage begin, so that they can be mapped
_OF_DTYPE = {dtype: storage for storage, dtype in STORAGES.items()}
# These have no storage of their own, and are written as views of bytes.
_NEWER = ("uint16", "uint32", "uint64")


def write(value: Any, path: Path, where: str) -> None:
    """Write plain nested data as torch.save does. Raises: FileError, DTypeError."""
    pickler = _Pickler(where)
    pickled = pickler.pickled(value)
    with written(path, where) as part, zipfile.ZipFile(part, "x", allowZip64=True) as archive:
        _entry(archive, "archive/data.pkl", pickled)
        _entry(archive, "archive/byteorder", b"little")
        for key, leaf in enumerate(pickler.leaves):
            dense = leaf.data.astype(NUMPY[leaf.dtype], order="C", copy=False)
            _entry(archive, f"archive/data/{key}", dense.reshape(-1).view(np.uint8).data)
        _entry(archive, "archive/version", b"3\n")


def _entry(archive: zipfile.ZipFile, name: str, data: Any) -> None:
    """Add an entry, whose bytes begin at a multiple of 64."""
    info = zipfile.ZipInfo(name)
    assert archive.fp is not None
    begin = archive.fp.tell() + 30 + len(name) + 4
    # Entries of 2 GiB and more get another 20 bytes of sizes in front.
    begin += 20 if len(data) * 1.05 > zipfile.ZIP64_LIMIT else 0
    fill = -begin % _ALIGNED
    info.extra = b"FB" + struct.pack("<H", fill) + b"Z" * fill
    archive.writestr(info, data)


class _Pickler:
    """Writes the opcodes of protocol 2 that PyTorch's reader of weights allows."""

    def __init__(self, where: str):
        self.where = where
        self.leaves: dict[Leaf, int] = {}  # the key of each storage
        self.parts: list[bytes] = []

    def pickled(self, value: Any) -> bytes:
        """Return a value as a pickle; the elements of leaves are not part of it."""
        self.parts = [pickle.PROTO + b"\x02"]
        self._write(value)
        return b"".join([*self.parts, pickle.STOP])

    def _write(self, x: Any) -> None:
        if isinstance(x, Leaf):
            self._write(x.data.item()) if x.kind == "number" else self._tensor(x)
        elif isinstance(x, dict):
            self.parts += [pickle.EMPTY_DICT, pickle.MARK]
            for key, value in x.items():
                self._write(key)
                self._write(value)
            self.parts.append(pickle.SETITEMS)
        elif isinstance(x, (list, tuple)):
            self.parts += [pickle.EMPTY_LIST] * isinstance(x, list) + [pickle.MARK]
            for value in x:
                self._write(value)
            self.parts.append(pickle.APPENDS if isinstance(x, list) else pickle.TUPLE)
        elif isinstance(x, str):
            text = x.encode("utf-8", "surrogatepass")
            self.parts += [pickle.BINUNICODE, struct.pack("<I", len(text)), text]
        elif isinstance(x, float):
            self.parts += [pickle.BINFLOAT, struct.pack(">d", x)]
        elif x is None or isinstance(x, bool):
            self.parts.append({None: pickle.NONE, True: pickle.NEWTRUE, False: pickle.NEWFALSE}[x])
        else:
            self._integer(x)

    def _integer(self, x: int) -> None:
        if -(2**31) <= x < 2**31:
            self.parts += [pickle.BININT, struct.pack("<i", x)]
            return
        data = pickle.encode_long(x)
        if len(data) > 255:
            raise DTypeError(f"{self.where}: an integer of {x.bit_length()} bits cannot be saved")
        self.parts += [pickle.LONG1, bytes([len(data)]), data]

    def _global(self, module: str, name: str) -> None:
        self.parts += [pickle.GLOBAL, f"{module}\n{name}\n".encode()]

    def _tensor(self, leaf: Leaf) -> None:
        key = self.leaves.setdefault(leaf, len(self.leaves))
        newer = leaf.dtype in _NEWER
        shape = leaf.data.shape
        strides = tuple(prod(shape[i + 1 :]) for i in range(len(shape)))
        self._global("torch._utils", "_rebuild_tensor_v3" if newer else "_rebuild_tensor_v2")
        self.parts.append(pickle.MARK)
        self._storage(leaf, key, newer)
        for item in (0, shape, strides, False):
            self._write(item)
        self._global("collections", "OrderedDict")
        self.parts += [pickle.EMPTY_TUPLE, pickle.REDUCE]
        if newer:
            self._global("torch", leaf.dtype)
        self.parts += [pickle.TUPLE, pickle.REDUCE]

    def _storage(self, leaf: Leaf, key: int, newer: bool) -> None:
        self.parts.append(pickle.MARK)
        self._write("storage")
        if newer:
            self._global("torch.storage", "UntypedStorage")
        else:
            self._global("torch", _OF_DTYPE[leaf.dtype])
        count = leaf.data.nbytes if newer else leaf.data.size
        for item in (str(key), "cpu", count):
            self._write(item)
        self.parts += [pickle.TUPLE, pickle.BINPERSID]
