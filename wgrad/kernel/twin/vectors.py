"""Builtin functions of whole values: vectors, matrices, packed words, and parts of floats.

`WHOLE` has them by name. They take values as the twin holds them, vectors and matrices as flat
tuples, and give such a value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..language.types import Matrix, Type
from .leaves import as_tuple
from .numeric import EACH

Fn = Callable[..., Any]
WHOLE: dict[str, Fn] = {}


def _whole(fn: Fn) -> Fn:
    WHOLE[fn.__name__.rstrip("_")] = fn
    return fn


@_whole
def dot(a: tuple, b: tuple) -> Any:
    return reduce(np.add, [x * y for x, y in zip(a, b, strict=True)])


@_whole
def length(x: Any) -> Any:
    return np.sqrt(dot(x, x)) if type(x) is tuple else np.abs(x)


@_whole
def distance(a: Any, b: Any) -> Any:
    both = zip(as_tuple(a), as_tuple(b), strict=True)
    difference = tuple(x - y for x, y in both)
    return length(difference if len(difference) > 1 else difference[0])


@_whole
def normalize(x: tuple) -> tuple:
    size = length(x)
    return tuple(part / size for part in x)


@_whole
def cross(a: tuple, b: tuple) -> tuple:
    (a0, a1, a2), (b0, b1, b2) = a, b
    return a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0


@_whole
def reflect(e: tuple, normal: tuple) -> tuple:
    twice = 2.0 * dot(normal, e)
    return tuple(x - twice * n for x, n in zip(e, normal, strict=True))


@_whole
def refract(e: tuple, normal: tuple, ratio: Any) -> tuple:
    cosine = dot(normal, e)
    k = 1.0 - ratio * ratio * (1.0 - cosine * cosine)
    part = ratio * cosine + np.sqrt(k)
    both = zip(e, normal, strict=True)
    zero = k.dtype.type(0)
    return tuple(EACH["select"](ratio * x - part * n, zero, k < 0) for x, n in both)


@_whole
def faceForward(towards: tuple, incident: tuple, reference: tuple) -> tuple:
    facing = dot(incident, reference) < 0
    return tuple(EACH["select"](-x, x, facing) for x in towards)


@_whole
def all_(x: Any) -> Any:
    return reduce(np.logical_and, as_tuple(x))


@_whole
def any_(x: Any) -> Any:
    return reduce(np.logical_or, as_tuple(x))


def transposed(value: tuple, kind: Matrix) -> tuple:
    """Return the transpose of a matrix, column after column."""
    return tuple(value[c * kind.rows + r] for r in range(kind.rows) for c in range(kind.columns))


@_whole
def determinant(m: tuple) -> Any:
    size = {4: 2, 9: 3, 16: 4}[len(m)]
    return _expanded([m[i : i + size] for i in range(0, len(m), size)])


def _expanded(rows: list[tuple]) -> Any:
    first, *rest = rows
    if not rest:
        return first[0]
    total = None
    for i, x in enumerate(first):
        term = x * _expanded([row[:i] + row[i + 1 :] for row in rest])
        if total is None:
            total = term
        else:
            total = total - term if i % 2 else total + term
    return total


def product(a: tuple, left: Type, b: tuple, right: Type) -> tuple:
    """Return a matrix times a matrix or vector, or a vector times a matrix."""
    if not isinstance(left, Matrix):
        assert isinstance(right, Matrix)
        rows = right.rows
        return tuple(dot(a, b[i : i + rows]) for i in range(0, len(b), rows))
    across = [a[r :: left.rows] for r in range(left.rows)]
    inner = left.columns
    columns = [b[i : i + inner] for i in range(0, len(b), inner)]
    return tuple(dot(row, column) for column in columns for row in across)


# Two results: the members of a structure, one after the other.


@_whole
def modf(x: Any) -> tuple:
    pairs = [np.modf(p) for p in as_tuple(x)]
    return (*(a for a, _ in pairs), *(b for _, b in pairs))


@_whole
def frexp(x: Any) -> tuple:
    pairs = [np.frexp(p) for p in as_tuple(x)]
    return (*(a for a, _ in pairs), *(b.astype(np.int32) for _, b in pairs))


# Words that hold several numbers.


def _joined(parts: tuple, bits: int) -> Any:
    mask = np.uint32((1 << bits) - 1)
    words = [(x & mask) << np.uint32(i * bits) for i, x in enumerate(parts)]
    return reduce(np.bitwise_or, words)


def _fields(word: Any, bits: int, signed: bool) -> list[Any]:
    left = [word << np.uint32(32 - bits - at) for at in range(0, 32, bits)]
    if signed:
        return [x.view(np.int32) >> np.int32(32 - bits) for x in left]
    return [x >> np.uint32(32 - bits) for x in left]


def _normal(parts: tuple, bits: int, scale: int, low: float) -> Any:
    words = []
    for x in parts:
        near = np.floor(0.5 + scale * np.fmin(np.fmax(x, low), 1.0))
        words.append(np.nan_to_num(near, nan=0.0).astype(np.int64).astype(np.uint32))
    return _joined(tuple(words), bits)


for _name, _bits in (("4x8", 8), ("2x16", 16)):
    _signed, _unsigned = 2 ** (_bits - 1) - 1, 2**_bits - 1
    WHOLE[f"pack{_name}snorm"] = lambda v, b=_bits, s=_signed: _normal(v, b, s, -1.0)
    WHOLE[f"pack{_name}unorm"] = lambda v, b=_bits, s=_unsigned: _normal(v, b, s, 0.0)
    WHOLE[f"unpack{_name}snorm"] = lambda word, b=_bits, s=_signed: tuple(
        np.fmax(x.astype(np.float64) / s, -1.0) for x in _fields(word, b, True)
    )
    WHOLE[f"unpack{_name}unorm"] = lambda word, b=_bits, s=_unsigned: tuple(
        x.astype(np.float64) / s for x in _fields(word, b, False)
    )


@_whole
def pack2x16float(v: tuple) -> Any:
    return _joined(tuple(x.astype(np.float16).view(np.uint16).astype(np.uint32) for x in v), 16)


@_whole
def unpack2x16float(word: Any) -> tuple:
    halves = _fields(word, 16, False)
    return tuple(x.astype(np.uint16).view(np.float16).astype(np.float32) for x in halves)


WHOLE["pack4xI8"] = lambda v: _joined(tuple(x.view(np.uint32) for x in v), 8)
WHOLE["pack4xU8"] = lambda v: _joined(v, 8)
WHOLE["pack4xI8Clamp"] = lambda v: _joined(
    tuple(np.clip(x, np.int32(-128), np.int32(127)).view(np.uint32) for x in v), 8
)
WHOLE["pack4xU8Clamp"] = lambda v: _joined(tuple(np.minimum(x, np.uint32(255)) for x in v), 8)
WHOLE["unpack4xI8"] = lambda word: tuple(_fields(word, 8, True))
WHOLE["unpack4xU8"] = lambda word: tuple(_fields(word, 8, False))
WHOLE["dot4U8Packed"] = lambda a, b: dot(tuple(_fields(a, 8, False)), tuple(_fields(b, 8, False)))
WHOLE["dot4I8Packed"] = lambda a, b: dot(tuple(_fields(a, 8, True)), tuple(_fields(b, 8, True)))
