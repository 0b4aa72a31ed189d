"""What is saved as plain nested data: dicts, lists, tuples, numbers, text, and leaves for tensors.

`taken` makes that of what a user gives, `described` and `rebuilt` write it as JSON and read it
back, `restored` makes tensors of the leaves. Knows no file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends.base import Device
from ..backends.numpy import NumpyDevice, as_numpy
from ..core import Tensor
from ..dtypes import DType
from ..errors import ArgumentError, DTypeError, FileError, shown
from .leaves import Leaf, name_of

DEEPEST = 100  # levels; Python and JSON readers have no room for thousands
TAG = "$"  # the key of JSON objects that stand for something else than a dict
_PLAIN = (type(None), bool, int, float, str)


# Out of what a user gives.
def taken(value: Any, where: str) -> Any:
    """Return a value as plain nested data.

    What has a `state_dict()` is taken by it. Tensors that are one object, or the same view of the
    same memory, become one leaf.

    Raises: DTypeError for what cannot be saved; ArgumentError for what holds itself, or is nested
    more than 100 levels deep.
    """
    return _Taking(where).take(value, "", 0)


class _Taking:
    def __init__(self, where: str):
        self.where = where
        self.leaves: dict[Any, Leaf] = {}
        self.alive: list[Any] = []  # the ids of what lives on are not given to other objects

    def take(self, value: Any, path: str, depth: int) -> Any:
        if depth > DEEPEST:
            raise ArgumentError(
                f"{self.where}: {shown(path[:40])}... is nested more than {DEEPEST} levels deep, "
                "or holds itself"
            )
        if isinstance(value, Tensor):
            return self._tensor(value)
        if type(value) in _PLAIN:
            return value
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(value, path)
        if callable(getattr(value, "state_dict", None)) and not isinstance(value, type):
            return self.take(value.state_dict(), path, depth + 1)
        if isinstance(value, Mapping):
            pairs = [(self._key(k, path), x) for k, x in value.items()]
            return {k: self.take(x, _joined(path, k), depth + 1) for k, x in pairs}
        if isinstance(value, (list, tuple)):
            items = [self.take(x, _joined(path, i), depth + 1) for i, x in enumerate(value)]
            return tuple(items) if isinstance(value, tuple) else items
        at = f"at {shown(path)}, " if path else ""
        raise DTypeError(
            f"{self.where}: {at}{shown(value)} came, of type {type(value).__name__}; tensors, "
            "arrays, numbers, strings, bools, None, what has a state_dict(), and dicts, lists and "
            "tuples of these can be saved"
        )

    def _key(self, key: Any, path: str) -> Any:
        if type(key) in _PLAIN or (type(key) is tuple and all(type(k) in _PLAIN for k in key)):
            return key
        raise DTypeError(
            f"{self.where}: {shown(key)} is a key at {shown(path)}, and strings, numbers, bools, "
            "None or tuples of these are needed"
        )

    def _tensor(self, x: Tensor) -> Leaf:
        array = x.array
        key = id(array.storage), array.layout, array.dtype
        if key not in self.leaves:
            self.alive.append(array)
            host = isinstance(x.device, NumpyDevice)
            data = as_numpy(array) if host else x.device.download(array)
            self.leaves[key] = Leaf(data, array.dtype.name, ours=True)
        return self.leaves[key]

    def _array(self, value: Any, path: str) -> Leaf:
        name = name_of(value.dtype)
        if name is None:
            raise DTypeError(
                f"{self.where}: an array of {value.dtype} came at {shown(path)}, and numbers or "
                "bools of 8 to 64 bits are needed"
            )
        if id(value) not in self.leaves:
            self.alive.append(value)
            kind = "array" if isinstance(value, np.ndarray) else "number"
            self.leaves[id(value)] = Leaf(np.asarray(value), name, kind, ours=True)
        return self.leaves[id(value)]


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


# JSON.
def described(value: Any) -> tuple[Any, dict[str, Leaf]]:
    """Return plain nested data as JSON, and its leaves by the dotted names that stand in it."""
    writer = _Describing()
    return writer.describe(value, ""), writer.leaves


class _Describing:
    def __init__(self) -> None:
        self.leaves: dict[str, Leaf] = {}
        self.names: dict[Leaf, str] = {}

    def describe(self, value: Any, path: str) -> Any:
        if isinstance(value, Leaf):
            return {TAG: value.kind, "name": self._name(value, path), "dtype": value.dtype}
        if isinstance(value, float) and not math.isfinite(value):
            return {TAG: "float", "bits": struct.pack(">d", value).hex()}
        if isinstance(value, (list, tuple)):
            items = [self.describe(x, _joined(path, i)) for i, x in enumerate(value)]
            return {TAG: "tuple", "items": items} if isinstance(value, tuple) else items
        if isinstance(value, dict):
            if all(type(k) is str and k != TAG for k in value):
                return {k: self.describe(x, _joined(path, k)) for k, x in value.items()}
            pairs = [
                [self.describe(k, path), self.describe(x, _joined(path, k))]
                for k, x in value.items()
            ]
            return {TAG: "dict", "items": pairs}
        return value

    def _name(self, leaf: Leaf, path: str) -> str:
        if leaf not in self.names:
            wanted = path or "tensor"
            name, count = wanted, 1
            while name in self.leaves or name == "__metadata__":
                count += 1
                name = f"{wanted}~{count}"
            self.names[leaf] = name
            self.leaves[name] = leaf
        return self.names[leaf]


def rebuilt(tree: Any, leaves: Mapping[str, Leaf], where: str) -> Any:
    """Return what `described` was given. Raises: FileError for JSON that is not its work."""
    wrong = LookupError, TypeError, ValueError, AttributeError, RecursionError, struct.error
    try:
        return _Rebuilding(leaves).build(tree)
    except wrong as error:
        raise FileError(
            f"{where} has a description that does not fit its tensors ({error!r})"
        ) from None


class _Rebuilding:
    """A class, not functions that call each other: these would hold the leaves in a cycle."""

    def __init__(self, leaves: Mapping[str, Leaf]):
        self.leaves = leaves

    def build(self, x: Any) -> Any:
        if isinstance(x, list):
            return [self.build(y) for y in x]
        if not isinstance(x, dict):
            return x
        if TAG not in x:
            return {k: self.build(y) for k, y in x.items()}
        if x[TAG] in ("tensor", "array", "number"):
            return self._leaf(x)
        if x[TAG] == "float":
            return struct.unpack(">d", bytes.fromhex(x["bits"]))[0]
        if x[TAG] == "tuple":
            return tuple(self.build(y) for y in x["items"])
        if x[TAG] == "dict":
            return {self.build(k): self.build(y) for k, y in x["items"]}
        raise ValueError(f"{TAG} is {x[TAG]}")

    def _leaf(self, x: dict) -> Leaf:
        leaf = self.leaves[x["name"]]
        if leaf.dtype != x["dtype"]:
            raise ValueError(f"{x['name']} is {leaf.dtype}, and was saved as {x['dtype']}")
        leaf.kind, leaf.ours = x[TAG], True
        return leaf


# Into tensors.
def restored(value: Any, device: Device, dtype: DType | None, where: str) -> Any:
    """Return plain nested data with tensors on a device in the place of its leaves.

    Raises: FileError for integers that no device holds.
    """
    if isinstance(value, Leaf):
        return value.on(device, dtype, where)
    if isinstance(value, dict):
        return {k: restored(x, device, dtype, f"{where}: {k}") for k, x in value.items()}
    if isinstance(value, (list, tuple)):
        items = [restored(x, device, dtype, f"{where}: {i}") for i, x in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return value
