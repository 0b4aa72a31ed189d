"""Uniforms: values by name, put into bytes by the rules of WGSL, and read from them.

Several uniform variables lie one after the other, each at a multiple of 16 bytes. A value is
called by its member's name, by the variable's where it is no structure, or by all names on the
way to it with dots between.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backends.tracing import Live
from ..backends.varying import Varying
from ..core import Value
from ..creation.inputs import as_number
from ..errors import ArgumentError, CallError, shown
from .language.layouts import align_of, members, rounded_up, size_of, stride_of
from .language.symbols import Binding
from .language.types import F16, F32, I32, Array, Matrix, Scalar, Structure, Type, Vector

_LETTERS = {F32: "<f", F16: "<e", I32: "<i"}
_MISSING = object()


class Leaf(NamedTuple):
    """One number in the bytes."""

    name: str
    kind: Scalar
    offset: int


class Uniforms:
    """The uniform variables of an entry point, in one piece of memory."""

    def __init__(self, bindings: Sequence[Binding]):
        self.kinds = {x.name: x.type for x in bindings}
        self.starts: dict[str, int] = {}
        end = 0
        for x in bindings:
            end = rounded_up(end, alignment(x.type))
            self.starts[x.name] = end
            end += size_of(x.type)
        self.size = rounded_up(end, 16)
        # The variable that a name of one of its members belongs to; None where several have it.
        self.owners: dict[str, str | None] = {}
        for name, kind in self.kinds.items():
            if isinstance(kind, Structure):
                for field in kind.fields:
                    taken = field.name in self.owners or field.name in self.kinds
                    self.owners[field.name] = None if taken else name

    @property
    def names(self) -> list[str]:
        """What values may be called, without the dotted names."""
        plain = [n for n, kind in self.kinds.items() if not isinstance(kind, Structure)]
        return [*plain, *(n for n, owner in self.owners.items() if owner is not None)]

    def leaves(self) -> list[Leaf]:
        """Return every number in the bytes."""
        return [leaf for n, k in self.kinds.items() for leaf in _leaves(k, self.starts[n], n)]

    def knows(self, name: str) -> bool:
        """Whether a value may be called so."""
        first = name.partition(".")[0]
        return first in self.kinds or self.owners.get(first) is not None

    def pack(self, given: Mapping[str, Any], where: str) -> tuple[bytes, list[tuple[int, Live]]]:
        """Return the bytes of values by name, and which float32 in them each run reads anew.

        Raises: CallError for a name that is missing, unknown or given twice; ArgumentError for a
        value that does not fit its type.
        """
        if not self.kinds and not given:
            return b"", []
        tree = self._tree(given, where)
        put = _Put(self.size, where)
        for name, kind in self.kinds.items():
            put.value(kind, self.starts[name], tree.get(name, _MISSING), (name,))
        return bytes(put.words), put.live

    def named(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return values by the names that they have here, whatever way they were given."""
        by_name: dict[str, Any] = {}
        for name, value in self._tree(given, where).items():
            if isinstance(self.kinds[name], Structure):
                for member, x in value.items():
                    by_name[member if self.owners[member] is not None else f"{name}.{member}"] = x
            else:
                by_name[name] = value
        return by_name

    def _tree(self, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for name, value in given.items():
            self._insert(tree, name, value, where)
        return tree

    def _insert(self, tree: dict[str, Any], name: str, value: Any, where: str) -> None:
        path = name.split(".")
        if path[0] not in self.kinds:
            owner = self.owners.get(path[0])
            if owner is None:
                several = path[0] in self.owners
                known = ", ".join(self.names) or "none"
                what = "belongs to several uniforms" if several else "is no uniform"
                hint = f"write {{'variable.{name}': value}}" if several else f"there are: {known}"
                raise CallError(f"{where}: {name!r} {what}; {hint}")
            path.insert(0, owner)
        for key in path[:-1]:
            inner = tree.setdefault(key, {})
            if not isinstance(inner, dict):
                raise CallError(f"{where}: {name!r} and {key!r} are both given")
            tree = inner
        before = tree.get(path[-1])
        if isinstance(before, dict) and isinstance(value, Mapping):
            value = {**before, **value}
        elif path[-1] in tree:
            raise CallError(f"{where}: {name!r} is given twice")
        tree[path[-1]] = dict(value) if isinstance(value, Mapping) else value

    def read(self, words: bytes) -> dict[str, Any]:
        """Return the values in bytes, by their names: numbers, arrays, and dicts of members."""
        values = {n: _read(kind, words, self.starts[n]) for n, kind in self.kinds.items()}
        for name, owner in self.owners.items():
            if owner is not None:
                values[name] = values[owner][name]
        return values


def alignment(kind: Type) -> int:
    """Return what a uniform variable begins at a multiple of, among others."""
    return max(16, align_of(kind))


def _leaves(kind: Type, at: int, name: str) -> Iterator[Leaf]:
    if isinstance(kind, Scalar):
        yield Leaf(name, kind, at)
    for part, inner, offset in _parts(kind):
        yield from _leaves(inner, at + offset, f"{name}{part}")


def _parts(kind: Type) -> Iterator[tuple[str, Type, int]]:
    """Return the parts that a type is made of: their names, types and offsets."""
    if isinstance(kind, Vector):
        for i in range(kind.size):
            yield f".{'xyzw'[i]}", kind.element, i * size_of(kind.element)
    elif isinstance(kind, Matrix):
        step = size_of(kind) // kind.columns
        for i in range(kind.columns):
            yield f"[{i}]", kind.column, i * step
    elif isinstance(kind, Array):
        assert isinstance(kind.count, int)
        for i in range(kind.count):
            yield f"[{i}]", kind.element, i * stride_of(kind)
    elif isinstance(kind, Structure):
        for member in members(kind):
            yield f".{member.name}", member.type, member.offset


class _Put:
    """Bytes, and the values that are put there."""

    def __init__(self, size: int, where: str):
        self.words = bytearray(size)
        self.where = where
        self.live: list[tuple[int, Live]] = []

    def value(self, kind: Type, at: int, value: Any, path: tuple[str, ...]) -> None:
        if isinstance(kind, Scalar):
            self.number(kind, at, value, path)
            return
        if isinstance(kind, Structure):
            self.structure(kind, at, value, path)
            return
        if value is _MISSING:
            raise CallError(f"{self.where}: the uniform {_shown(path)} is missing: it is {kind}")
        if isinstance(value, Value):
            value = value.tolist()  # type: ignore[attr-defined]
        elif isinstance(value, np.ndarray):
            value = value.tolist()
        parts = list(_parts(kind))
        if not isinstance(value, (list, tuple)) or len(value) != len(parts):
            came = (
                f"{len(value)} came" if isinstance(value, (list, tuple)) else f"{shown(value)} came"
            )
            what = "columns" if isinstance(kind, Matrix) else "values"
            raise ArgumentError(
                f"{self.where}: {_shown(path)} is {kind}, and {came}: {len(parts)} {what} are "
                "needed"
            )
        for (part, inner, offset), x in zip(parts, value, strict=True):
            self.value(inner, at + offset, x, (*path[:-1], path[-1] + part))

    def structure(self, kind: Structure, at: int, value: Any, path: tuple[str, ...]) -> None:
        if value is _MISSING:
            value = {}
        if not isinstance(value, Mapping):
            raise ArgumentError(
                f"{self.where}: {_shown(path)} is {kind}, and {shown(value)} came: a dict of "
                f"{', '.join(x.name for x in kind.fields)} is needed"
            )
        names = [x.name for x in kind.fields]
        for name in value:
            if name not in names:
                raise CallError(
                    f"{self.where}: {_shown(path)} has no {name!r}; it has {', '.join(names)}"
                )
        for member in members(kind):
            inner = value.get(member.name, _MISSING)
            self.value(member.type, at + member.offset, inner, (*path, member.name))

    def number(self, kind: Scalar, at: int, value: Any, path: tuple[str, ...]) -> None:
        if value is _MISSING:
            raise CallError(f"{self.where}: the uniform {_shown(path)} is missing: it is {kind}")
        if type(value) is Varying and kind == F32 and not value.is_settled:
            value = value.live()
        if type(value) is Live and kind == F32:
            self.live.append((at, value))
        elif type(value) is Varying:
            value = float(value)
        number = as_number(value, self.where, _shown(path))
        if kind not in (F32, F16):
            if isinstance(number, float):
                raise ArgumentError(
                    f"{self.where}: {_shown(path)} is {kind}, and {shown(number)} came: an integer "
                    "is needed"
                )
            low, high = (-(1 << 31), 1 << 31) if kind == I32 else (0, 1 << 32)
            if not low <= number < high:
                raise ArgumentError(f"{self.where}: {_shown(path)} is {kind}, and {number} came")
        try:
            struct.pack_into(_LETTERS.get(kind, "<I"), self.words, at, number)
        except OverflowError:  # beyond the dtype it is an infinity
            endless = float("inf") if number > 0 else float("-inf")
            struct.pack_into(_LETTERS[kind], self.words, at, endless)


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(path)


def _read(kind: Type, words: bytes, at: int) -> Any:
    """Return a value in bytes: what is not made of structures is a number or an array."""
    if isinstance(kind, Scalar):
        (number,) = struct.unpack_from(_LETTERS.get(kind, "<I"), words, at)
        return number
    if isinstance(kind, Structure):
        return {x.name: _read(x.type, words, at + x.offset) for x in members(kind)}
    parts = [_read(inner, words, at + offset) for _, inner, offset in _parts(kind)]
    if parts and isinstance(parts[0], dict):
        return parts
    array = np.asarray(parts)
    return array.astype(np.float32) if array.dtype == np.float64 else array
