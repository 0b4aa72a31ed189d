"""A function of a WGSL text as a function of NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ...errors import ArgumentError, CallError, DTypeError, ShapeError
from ..language.symbols import Typed
from ..language.types import (
    FLOATS,
    Array,
    Matrix,
    Pointer,
    Scalar,
    Structure,
    Type,
    Vector,
    is_constructible,
)
from .leaves import as_tuple, joined, leaves_of
from .modules import LIMIT, Module, same_scalar


class Twin:
    """A function of a checked text, computed with NumPy.

    It is called with an array for each parameter. A vector has a trailing axis for its components,
    a matrix two, columns by rows, a fixed array one for its elements, in front of theirs, and a
    structure one for all its numbers. The axes before those broadcast. With `float64`, floats are
    computed in float64, and numbers without a suffix keep all their digits. `overrides` are values
    by name; `limit` says how often a loop may run.

    Shapes: (*S, components), ... -> (*S, components)

    Example:
        >>> from wgrad.kernel.language.check import check
        >>> text = "fn f(v: vec3f, k: f32) -> f32 { return dot(v, v) * k; }"
        >>> float(Twin(check(text), "f")(np.ones((3,)), 2.0))
        6.0

    Raises: ArgumentError for a name that the text does not have; ShaderError, with the place, for
    what no function of numbers does: reading buffers, barriers, and a loop that does not end.
    """

    def __init__(
        self,
        typed: Typed,
        name: str,
        *,
        overrides: Mapping[str, Any] | None = None,
        float64: bool = False,
        limit: int = LIMIT,
    ):
        info = typed.functions.get(name)
        if info is None:
            known = ", ".join(typed.functions) or "none"
            raise ArgumentError(f"the text has no function {name!r}; it has {known}")
        if name in typed.entry_points:
            raise info.node.span.error(f"{name} is an entry point, and no function of numbers")
        if info.result is None:
            raise info.node.span.error(f"{name} returns nothing, and a function of numbers has to")
        for parameter in info.parameters:
            if isinstance(parameter.type, Pointer):
                assert parameter.node is not None
                what = f"{name}: {parameter.name} is a pointer, which no array can stand for"
                raise parameter.node.span.error(what)
        self.name = name
        self.limit = limit
        self.kinds: tuple[Type, ...] = tuple(x.type for x in info.parameters if x.type is not None)
        self.names = tuple(x.name for x in info.parameters)
        self.result: Type = info.result
        self._module = Module(typed, overrides, float64)
        with self._module.running(name):
            self._code = self._module.function(name)
        self._chunk = self._module.chunk()
        numbers = self._module.numbers
        self._dtypes = [numbers.dtype(x) for kind in self.kinds for x in scalars_of(kind)]
        self._out = [numbers.dtype(x) for x in scalars_of(self.result)]

    def numpy(self, *components: Any) -> list[np.ndarray]:
        """Return an array for each component of the result, from one for each of the parameters.

        All have one shape S, or broadcast to it: columns of a matrix, elements of an array and
        members of a structure follow each other.

        Shapes: S, S, ... -> [S, S, ...]
        """
        if len(components) != len(self._dtypes):
            count = len(self._dtypes)
            raise CallError(
                f"{self.name} takes {count} component{'s' * (count != 1)}, not {len(components)}"
            )
        given = [np.asarray(x) for x in components]
        shape = np.broadcast_shapes(*(x.shape for x in given))
        n = prod(shape)
        flat = [x[()] if x.ndim == 0 else np.broadcast_to(x, shape).reshape(-1) for x in given]
        out = [np.empty(n, dtype) for dtype in self._out]
        dtypes = self._dtypes
        with self._module.running(self.name):
            for start in range(0, n, self._chunk):
                end = min(start + self._chunk, n)
                parts = (self._part(x, start, end, d) for x, d in zip(flat, dtypes, strict=True))
                arguments = [packed(kind, parts) for kind in self.kinds]
                shared = self._module.shared(self.limit)
                result = self._code.run(arguments, None, end - start, shared)
                for target, value in zip(out, apart(result, self.result), strict=True):
                    target[start:end] = value
        return [x.reshape(shape) for x in out]

    @staticmethod
    def _part(x: Any, start: int, end: int, dtype: np.dtype) -> Any:
        """Return the lanes of a chunk; a scalar where there is one lane."""
        if x.ndim:
            x = x[start] if end - start == 1 else np.ascontiguousarray(x[start:end])
        return x.astype(dtype, copy=False) if x.ndim else x.astype(dtype)

    def __call__(self, *arguments: Any) -> np.ndarray:
        """Return the result of an array for each parameter."""
        if len(arguments) != len(self.kinds):
            count = len(self.kinds)
            what = f"{self.name} takes {count} argument{'s' * (count != 1)}, not {len(arguments)}"
            raise CallError(what)
        components: list[Any] = []
        for name, kind, given in zip(self.names, self.kinds, arguments, strict=True):
            array = np.asarray(given)
            inner = trailing(kind)
            if array.shape[array.ndim - len(inner) :] != inner or array.ndim < len(inner):
                raise ShapeError(
                    f"{self.name}: {name} is {kind} and came with shape {array.shape}, whose last "
                    f"axes have to be {inner}"
                )
            if array.dtype.kind not in "biuf":
                raise DTypeError(f"{self.name}: {name} is {kind}, and came as {array.dtype}")
            if array.dtype.kind == "f" and not all(x in FLOATS for x in scalars_of(kind)):
                what = f"{self.name}: {name} is {kind}, and came as {array.dtype}: convert it first"
                raise DTypeError(what)
            lead = array.shape[: array.ndim - len(inner)]
            table = array.reshape(*lead, prod(inner))
            components += [table[..., i] for i in range(prod(inner))]
        if same_scalar(self.result) is None:
            raise CallError(f"{self.name} returns {self.result}, which no one array can hold")
        results = self.numpy(*components)
        out = np.empty((*results[0].shape, len(results)), self._out[0])
        for i, x in enumerate(results):
            out[..., i] = x
        return out.reshape((*results[0].shape, *trailing(self.result)))


def trailing(kind: Type) -> tuple[int, ...]:
    """Return the axes that an array has for a value of a type, behind those of the points."""
    if isinstance(kind, Scalar):
        return ()
    if isinstance(kind, Vector):
        return (kind.size,)
    if isinstance(kind, Matrix):
        return (kind.columns, kind.rows)
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        return (kind.count, *trailing(kind.element))
    return (len(scalars_of(kind)),)


def scalars_of(kind: Type) -> list[Scalar]:
    """Return the types of a value's numbers, in order."""
    assert is_constructible(kind)
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        return scalars_of(kind.element) * kind.count
    if isinstance(kind, Structure):
        return [x for field in kind.fields for x in scalars_of(field.type)]
    return [leaf.scalar for leaf in leaves_of(kind)]


def packed(kind: Type, parts: Iterator[Any]) -> Any:
    """Return the value of a type whose numbers come one after the other."""
    if isinstance(kind, Scalar):
        return next(parts)
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        elements = [as_tuple(packed(kind.element, parts)) for _ in range(kind.count)]
        return tuple(joined(x) for x in zip(*elements, strict=True))
    if isinstance(kind, Structure):
        members = [as_tuple(packed(field.type, parts)) for field in kind.fields]
        return tuple(x for part in members for x in part)
    return tuple(next(parts) for _ in leaves_of(kind))


def apart(value: Any, kind: Type) -> Sequence[Any]:
    """Return the numbers of a value one after the other."""
    if isinstance(kind, Structure):
        numbers: list[Any] = []
        start = 0
        for field in kind.fields:
            size = len(leaves_of(field.type))
            part = value[start : start + size]
            numbers += apart(part[0] if isinstance(field.type, Scalar) else part, field.type)
            start += size
        return numbers
    if isinstance(kind, Array):
        assert isinstance(kind.count, int)
        bare = isinstance(kind.element, Scalar)
        rows = (tuple(leaf[i] for leaf in value) for i in range(kind.count))
        return [x for row in rows for x in apart(row[0] if bare else row, kind.element)]
    return as_tuple(value)
