"""PyTorch's files: an archive with a pickle and one entry for each storage, or pickles in a row."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import FileError, shown
from ..leaves import NUMPY
from ..nesting import DEEPEST
from ..paths import mapped, told
from .machine import Machine, Name
from .names import NAMES, Storage, View

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of a file of before 2020
_PROTOCOL = 1001
_LARGEST = 1 << 28  # bytes of a pickle: it holds names and shapes, no elements


def read(path: Path, where: str) -> Any:
    """Return what a file holds as plain nested data. Raises: FileError."""
    data = mapped(path, where)
    where = f"{where}: {told(path)}"
    read_one = _archive if bytes(data[:2]) == b"PK" else _in_a_row
    return read_one(data, where)


# An archive.
class Archive:
    """The entries of a zip file whose bytes are stored as they are, below one folder."""

    def __init__(self, data: memoryview, where: str):
        self.data, self.where = data, where
        try:
            with zipfile.ZipFile(_Reading(data)) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, IndexError) as error:
            raise FileError(f"{where} is no whole zip file ({error})") from None
        self.entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            name = entry.filename.partition("/")[2]
            if name in self.entries:
                raise FileError(f"{where} has two entries {shown(entry.filename)}")
            self.entries[name] = entry

    def read(self, name: str) -> memoryview:
        """Return the bytes of an entry, which are those of the file. Raises: FileError."""
        entry = self.entries.get(name)
        if entry is None:
            raise FileError(f"{self.where} is a zip file without {shown(name)}, so not PyTorch's")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise FileError(
                f"{self.where} has {shown(name)} compressed or encrypted, and PyTorch stores it as "
                "it is"
            )
        start = entry.header_offset
        head = self.data[start : start + 30]
        begin = start + 30 + int.from_bytes(head[26:28], "little")
        begin += int.from_bytes(head[28:30], "little")
        found = self.data[begin : begin + entry.file_size]
        if bytes(head[:4]) != b"PK\x03\x04" or len(found) != entry.file_size:
            raise FileError(f"{self.where} is cut off or corrupt at {shown(name)}")
        if entry.CRC and zlib.crc32(found) != entry.CRC:
            raise FileError(f"{self.where} is corrupt: the checksum of {shown(name)} is another")
        return found


class _Reading:
    """Mapped memory as a file. What is asked for beyond its end takes no memory."""

    def __init__(self, data: memoryview):
        self.data, self.at = data, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        at = offset + (0, self.at, len(self.data))[whence]
        if at < 0:
            raise OSError("before the beginning")
        self.at = at
        return at

    def tell(self) -> int:
        return self.at

    def read(self, count: int = -1) -> bytes:
        end = len(self.data) if count < 0 else min(self.at + count, len(self.data))
        found = bytes(self.data[self.at : end])
        self.at += len(found)
        return found

    def readline(self) -> bytes:
        return self.read(self.data.obj.find(b"\n", self.at) + 1 - self.at)  # type: ignore[attr-defined]


def _archive(data: memoryview, where: str) -> Any:
    archive = Archive(data, where)
    if "constants.pkl" in archive.entries:
        raise FileError(
            f"{where} holds a TorchScript program, and a state dict is needed: "
            "torch.save(model.state_dict(), path)"
        )
    pickled = archive.read("data.pkl")
    if len(pickled) > _LARGEST:
        raise FileError(f"{where} has a pickle of {len(pickled)} bytes, which no state dict needs")
    order = "<"
    if "byteorder" in archive.entries:
        said = bytes(archive.read("byteorder")[:10])
        if said not in (b"little", b"big"):
            raise FileError(f"{where} has bytes in the order {shown(said)}")
        order = "<" if said == b"little" else ">"
    storages: dict[str, Storage] = {}

    def persistent(given: Any) -> Storage:
        key, dtype, numel = _storage_of(given, where)
        if key not in storages:
            storages[key] = Storage(dtype, numel, _once(lambda: archive.read(f"data/{key}")))
        return storages[key]

    machine = Machine(NAMES, persistent, where)
    value = machine.load(io.BytesIO(pickled))
    return _finished(value, order, machine.operations, where)


def _once(read: Callable[[], Any]) -> Callable[[], Any]:
    kept: list[Any] = []

    def run() -> Any:
        if not kept:
            kept.append(read())
        return kept[0]

    return run


def _storage_of(given: Any, where: str) -> tuple[str, str, int]:
    """Return key, dtype and number of elements of a storage that a pickle refers to."""
    known = type(given) is tuple and len(given) >= 5 and given[0] == "storage"
    if not known or not isinstance(given[1], Name) or given[1].value not in NUMPY:
        what = given[0] if type(given) is tuple and given else given
        raise FileError(
            f"{where} refers to {shown(what)} from outside its pickle, which is no storage"
        )
    _, kind, key, _, numel = given[:5]
    if not isinstance(key, str) or type(numel) is not int or not 0 <= numel < 2**48:
        raise FileError(f"{where} has a storage of {shown(numel)} elements")
    return key, kind.value, numel


# Pickles in a row: a number, a version, about the machine, the value, the storages' keys, and their
# bytes.
def _in_a_row(data: memoryview, where: str) -> Any:
    file: Any = _Reading(data)
    storages: dict[str, Storage] = {}

    def persistent(given: Any) -> Storage:
        key, dtype, numel = _storage_of(given, where)
        if len(given) > 5 and given[5] is not None:
            raise FileError(f"{where} has a storage that is part of another, as no newer file has")
        return storages.setdefault(key, Storage(dtype, numel))

    machine = Machine(NAMES, persistent, where)
    if (magic := machine.load(file)) != MAGIC:
        raise FileError(
            f"{where} is a pickle, but none of PyTorch's: it begins with {shown(magic)}"
        )
    if (protocol := machine.load(file)) != _PROTOCOL:
        raise FileError(f"{where} is of protocol {shown(protocol)}, and {_PROTOCOL} is needed")
    about = machine.load(file)
    order = "<" if not isinstance(about, dict) or about.get("little_endian", True) else ">"
    value = machine.load(file)
    keys = machine.load(file)
    if not isinstance(keys, list) or set(map(str, keys)) != set(storages):
        raise FileError(f"{where} is corrupt: its storages are not those that it refers to")
    for key in keys:
        _place(file, storages[str(key)], data, order, where)
    return _finished(value, order, machine.operations, where)


def _place(file: Any, storage: Storage, data: memoryview, order: str, where: str) -> None:
    """Find the bytes of a storage, which follow their count."""
    count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
    begin = file.tell()
    end = begin + count * NUMPY[storage.dtype].itemsize
    if count != storage.numel or end > len(data):
        raise FileError(f"{where} is cut off or corrupt: a storage has {count} elements")
    storage.read = lambda: data[begin:end]
    file.seek(end)


def _finished(value: Any, order: str, operations: int, where: str) -> Any:
    """Return a value with leaves in the place of views.

    What is held in many places comes out many times; a pickle that makes much of little, by
    holding what holds what ... twice, is refused.
    """
    left = 100 + 10 * operations

    def finish(x: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise FileError(f"{where} is nested too deeply, or holds itself")
        if isinstance(x, View):
            try:
                return x.leaf(order)
            except ValueError as error:
                if isinstance(error, FileError):
                    raise
                raise FileError(f"{where} has {error}") from None
        if isinstance(x, dict):
            return {k: finish(y, depth + 1) for k, y in x.items()}
        if isinstance(x, (list, tuple)):
            items = [finish(y, depth + 1) for y in x]
            return tuple(items) if isinstance(x, tuple) else items
        if isinstance(x, Name):
            return str(x)  # a dtype
        if isinstance(x, Storage):
            raise FileError(f"{where} holds a storage that no tensor shows")
        return x

    return finish(value, 0)
