"""The NumPy device: the reference that every other device is compared with, and the fallback.

Storages are flat arrays, and every operand is a strided view of one, so tests on the CPU exercise
the layouts that a GPU gets. Float sums of many terms, and products, accumulate in float64: a
reference must not drift with the order of summation.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .. import dtypes
from ..dtypes import DType, float16
from ..errors import OutOfMemoryError
from ..layout import Layout, Shape
from . import threefry
from .array import Array, Body, Number, Operands, Storage, batch_gather_shape
from .base import Device
from .fold import SUM, Fold
from .functions import Function
from .matrices import product
from .shader import Groups, Make, Shader, with_numbers
from .tracing import UNBACKED

_SMALL_GRID = 4096  # positions that are worth keeping
_FEW, _MANY = 9, 1 << 12  # elements of a row, and of all rows, that are folded by slices
_SHORT, _COPIED = 48, 1 << 17  # the same of what is copied first, at the most
_EXTREMES = np.maximum, np.minimum  # which come out the same in any order
_WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}

# Functions of NumPy's own, in which no code of Python's runs: none that could look at its context.
_NATIVE = frozenset(f for f in vars(np).values() if isinstance(f, np.ufunc))
_silent: list[Context] = []  # where NumPy says nothing of inf and NaN: contexts not in use


def _silent_context() -> Context:
    context = Context()
    context.run(np.seterr, all="ignore")
    return context


def silently(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function, a ufunc or a method of one; inf and NaN are results, as they are on a GPU.

    A context that is at hand costs a twentieth of what entering `np.errstate` does. Each serves one
    call at a time: other threads compute meanwhile, and what a collector finds may compute, too.
    """
    if getattr(function, "__self__", function) not in _NATIVE:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)
    try:
        context = _silent.pop()
    except IndexError:
        context = _silent_context()
    result = context.run(function, *args, **kwargs)
    _silent.append(context)
    return result


def reduced(
    fold: np.ufunc, x: np.ndarray, axes: Shape, dtype: np.dtype, out: np.ndarray | None = None
) -> np.ndarray:
    """Return a ufunc's reduction in `dtype` over axes, in order.

    Few elements each of many rows are folded by calls over all rows: slice by slice, or, for
    extremes of what lies side by side, in a copy with the rows as columns.
    """
    if x.dtype != dtype or is_plain_reduction(x.shape, axes):
        return _plainly(fold, x, axes, dtype, out)
    count = prod(x.shape[a] for a in axes)
    parts = x.transpose((*axes, *(a for a in range(x.ndim) if a not in axes)))
    if fold in _EXTREMES and x.size <= _COPIED and parts.strides[len(axes) - 1] == x.itemsize:
        first = tuple(range(len(axes)))
        return _plainly(fold, np.ascontiguousarray(parts), first, dtype, out)
    if count > _FEW:
        return _plainly(fold, x, axes, dtype, out)
    start, *places = np.ndindex(parts.shape[: len(axes)])
    total = parts[start]
    for place in places:
        total = out = fold(total, parts[place], out=out)
    return total


def is_plain_reduction(shape: Shape, axes: Shape) -> bool:
    """Whether `reduced` does no more than call the ufunc's own reduction, whatever the strides."""
    count = prod(shape[a] for a in axes)
    return count <= 1 or prod(shape) < _MANY or count > _SHORT


def _plainly(
    fold: np.ufunc, x: np.ndarray, axes: Shape, dtype: np.dtype, out: np.ndarray | None
) -> np.ndarray:
    result: np.ndarray = fold.reduce(x, axis=axes, dtype=dtype, out=out)
    return result


def select(out: np.ndarray, mask: np.ndarray, x: np.ndarray, other: np.ndarray | None) -> None:
    """Write `x` where a mask is true, and `other` elsewhere; None is 0.

    No processor guesses bits of a mask well, so what is chosen is computed from bits of the values.
    """
    whole = _WORDS[out.itemsize]
    bits, chosen = out.view(whole), x.view(whole)
    if other is None:
        np.multiply(chosen, mask, out=bits)
    else:
        instead = other.view(whole)
        is_small = max(chosen.size, instead.size) < out.size
        change = np.bitwise_xor(chosen, instead, out=None if is_small else bits)
        np.multiply(change, mask, out=bits)
        np.bitwise_xor(bits, instead, out=bits)


def scanned(fold: Fold, x: np.ndarray, axis: int, back: bool) -> np.ndarray:
    """Return running totals along an axis, in the dtype that they are added up in."""
    line = np.flip(x, axis) if back else x
    with np.errstate(all="ignore"):
        adding = fold.accumulator(x.dtype, x.shape[axis])
        totals = fold.numpy.accumulate(line, axis=axis, dtype=adding)
    return np.flip(totals, axis) if back else totals


def as_numpy(x: Array) -> np.ndarray:
    """Return the strided NumPy view that an array of this device stands for (no copy)."""
    layout = x.layout
    flat = x.storage.buffer
    if layout.contiguous and layout.size == x.storage.size:
        return flat.reshape(layout.shape)
    item = flat.itemsize
    strides = tuple(s * item for s in layout.strides)
    offset = layout.offset * item if layout.size else 0
    return np.ndarray(layout.shape, flat.dtype, flat, offset, strides)


def positions(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """Return the order of the values along `axis`, as `Device.argsort` says."""
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # Sorting the reverse and reversing that keeps ties in order of position.
    order = np.argsort(np.flip(x, axis), axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(order, axis)


def add_at(out: np.ndarray, places: tuple[np.ndarray, ...], values: np.ndarray) -> None:
    """Add values in place, in order; where one place may get many, in float64."""
    if out.dtype == np.float32 and values.size > SUM.terms:
        wide = out.astype(np.float64)
        np.add.at(wide, places, values.astype(np.float64))
        out[...] = wide
    else:
        np.add.at(out, places, values)


def shaded(
    shader: Shader,
    memory: Sequence[np.ndarray],
    params: bytes,
    places: Sequence[int],
    groups: Groups,
    *numbers: float,
) -> None:
    """Run a shader over the memory of its bindings, some of which it changes."""
    if 0 not in groups:
        shader.numpy(memory, with_numbers(params, places, numbers), groups)


def put(target: np.ndarray, index: np.ndarray, values: np.ndarray, axis: int) -> None:
    """Assign in place along `axis`, as `Device.scatter` says."""
    # A contiguous index is walked in order, so the last of equal ones stays.
    places: tuple[Any, ...] = (*[slice(None)] * axis, np.ascontiguousarray(index))
    target[places] = values


def _widened(x: Array) -> np.ndarray:
    """Return the values of an array in the type that NumPy computes in; only float16 is copied."""
    shown = as_numpy(x)
    return shown.astype(np.float32, order="C") if x.dtype is dtypes.float16 else shown


def _as_dtype(data: np.ndarray, dtype: DType) -> np.ndarray:
    with np.errstate(over="ignore"):  # beyond the dtype it is an infinity
        return data.astype(dtype.numpy, copy=False)


def _grid(shape: Shape) -> tuple[np.ndarray, ...]:
    """Return for each axis its positions, in a shape that broadcasts to `shape`."""
    return _small_grid(shape) if sum(shape) <= _SMALL_GRID else np.indices(shape, sparse=True)


@lru_cache(maxsize=256)
def _small_grid(shape: Shape) -> tuple[np.ndarray, ...]:
    return np.indices(shape, sparse=True)


def places_of(index: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """Return the subscripts of what `index` points at along `axis`."""
    grid = _grid(index.shape)
    return (*grid[:axis], index.astype(np.int64), *grid[axis + 1 :])


class NumpyDevice(Device):
    """The host processor, through NumPy."""

    name = "numpy"
    dtypes = frozenset(dtypes.ALL)

    def __init__(self) -> None:
        self.description = f"NumPy {np.__version__} on {platform.machine()}"

    def _wrap(self, data: np.ndarray, dtype: DType) -> Array:
        """Take ownership of a new NumPy result."""
        if data.dtype is not dtype.numpy:
            data = _as_dtype(data, dtype)
        flat = data.reshape(-1)  # a view when contiguous, else the copy that is needed
        return Array(Storage(self, flat, flat.size), Layout.dense(data.shape), dtype)

    def upload(self, data: np.ndarray, dtype: DType) -> Array:
        return self._wrap(data.copy(), dtype)

    def download(self, x: Array) -> np.ndarray:
        return as_numpy(x).copy()

    def full(self, shape: Shape, value: Number, dtype: DType) -> Array:
        nbytes = prod(shape) * dtype.itemsize
        held = dtypes.held(value, dtype.numpy)
        try:
            return self._wrap(np.full(shape, held), dtype)
        except (MemoryError, ValueError) as error:  # ValueError where the size overflows
            raise OutOfMemoryError(
                f"numpy: a tensor of shape {shape}, {nbytes} bytes, came, and the host has no room"
            ) from error

    def unbacked(self, size: int) -> Storage:
        return Storage(self, UNBACKED, size)

    def window(self, x: Array) -> Storage:
        start, size = x.layout.offset, x.layout.size
        if start == 0 and size == x.storage.size:
            return x.storage
        return Storage(self, x.storage.buffer[start : start + size], size)  # no copy

    def synchronize(self) -> None:
        pass

    def map(
        self, body: Body, operands: Operands, dtypes: Sequence[DType], shape: Shape, dtype: DType
    ) -> Array:
        layout = Layout.dense(shape)
        try:  # as in `silently`, which is a call; numbers beyond a float are infinities, too
            context = _silent.pop()
        except IndexError:
            context = _silent_context()
        values: list[Any] = []
        for x, kind in zip(operands, dtypes, strict=True):
            if not isinstance(x, Array):
                values.append(context.run(kind.computes.type, x))
                continue
            storage, lies = x.storage, x.layout
            if kind is float16 or not lies.contiguous or lies.size != storage.size:
                values = [
                    _widened(x) if isinstance(x, Array) else context.run(kind.computes.type, x)
                    for x, kind in zip(operands, dtypes, strict=True)
                ]
                break
            values.append(storage.buffer)
        else:  # all as they lie in memory, where the result will lie in the same order
            shape = (layout.size,)
        function = body.numpy
        is_native = function in _NATIVE
        result = context.run(function, *values) if is_native else silently(function, *values)
        _silent.append(context)
        if type(result) is not np.ndarray or result.shape != shape:
            result = np.full(shape, result)  # of 0-d arrays, and what follows from numbers
        if result.dtype is not dtype.numpy:
            result = _as_dtype(result, dtype)
        return Array(Storage(self, result.reshape(-1), layout.size), layout, dtype)

    def call(
        self,
        function: Function,
        operands: Sequence[Array | Number],
        shape: Shape,
        inner: Shape,
        planes: bool,
    ) -> Array:
        count = len(function.parts)
        out = np.empty((count, *shape) if planes else (*shape, count), function.out.numpy)
        with np.errstate(all="ignore"):
            values = [
                _widened(x) if isinstance(x, Array) else dtypes.held(x, kind.computes)
                for x, kind in zip(operands, function.ins, strict=True)
            ]
            function.into(out if planes else np.moveaxis(out, -1, 0), *values)
        return self._wrap(out if planes else out.reshape((*shape, *inner)), function.out)

    def reduce(self, fold: Fold, x: Array, axes: Shape, dtype: DType) -> Array:
        adding = fold.accumulator(dtype.computes, prod(x.shape[axis] for axis in axes))
        values = as_numpy(x)
        if values.size < _MANY:  # whose time is that of the call
            result = silently(fold.numpy.reduce, values, axis=axes, dtype=adding)
        else:
            result = silently(reduced, fold.numpy, values, axes, adding)
        return self._wrap(np.asarray(result), dtype)

    def scan(self, fold: Fold, x: Array, axis: int, back: bool) -> Array:
        return self._wrap(scanned(fold, as_numpy(x), axis, back), x.dtype)

    def matmul(self, a: Array, b: Array, lead: int | None = None, inner: int = 1) -> Array:
        left, right = _widened(a), _widened(b)
        if lead is None and inner == 1:
            return self._wrap(silently(np.matmul, left, right), a.dtype)
        with np.errstate(all="ignore"):
            return self._wrap(product(left, right, lead, inner), a.dtype)

    def copy(self, x: Array) -> Array:
        return self._wrap(as_numpy(x).copy(), x.dtype)

    def write(self, target: Array, x: Array) -> None:
        np.copyto(as_numpy(target), as_numpy(x))  # NumPy buffers overlapping copies itself

    def place(
        self,
        pieces: Sequence[Array],
        targets: Sequence[Layout],
        shape: Shape,
        fill: Number | None,
    ) -> Array:
        out = self.full(shape, 0 if fill is None else fill, pieces[0].dtype)
        for piece, target in zip(pieces, targets, strict=True):
            np.copyto(as_numpy(out.view(target)), as_numpy(piece))
        return out

    def gather(self, x: Array, index: Array, axis: int) -> Array:
        layout = index.layout
        others = [k for k, n in enumerate(layout.shape) if k != axis and n != 1]
        if layout.size and not any(layout.strides[k] for k in others):  # whole rows: as one copy
            start = tuple(slice(None) if k == axis else 0 for k in range(len(layout.shape)))
            return self._wrap(as_numpy(x).take(as_numpy(index)[start], axis), x.dtype)
        return self._wrap(as_numpy(x)[places_of(as_numpy(index), axis)], x.dtype)

    def scatter_add(self, index: Array, values: Array, axis: int, size: int) -> Array:
        shape = batch_gather_shape(index, axis, size)
        out = np.zeros(shape, values.dtype.numpy)
        places = places_of(as_numpy(index), axis)
        if index.shape[axis] == 1:  # nothing is hit twice
            out[places] = as_numpy(values)
        else:
            add_at(out, places, as_numpy(values))
        return self._wrap(out, values.dtype)

    def scatter(self, target: Array, index: Array, values: Array, axis: int) -> None:
        put(as_numpy(target), as_numpy(index), as_numpy(values), axis)

    def argsort(self, x: Array, axis: int, descending: bool) -> Array:
        return self._wrap(positions(as_numpy(x), axis, descending), dtypes.int32)

    def searchsorted(self, x: Array, values: Array, right: bool) -> Array:
        counts = np.searchsorted(as_numpy(x), as_numpy(values), "right" if right else "left")
        return self._wrap(np.asarray(counts), dtypes.int32)

    def random(self, kind: str, key: tuple[int, int], counter: int, shape: Shape) -> Array:
        words = threefry.bits(key, counter, Layout.dense(shape).size)
        if kind == "uniform":
            return self._wrap(threefry.uniform(words).reshape(shape), dtypes.float32)
        if kind == "normal":
            return self._wrap(threefry.normal(words).reshape(shape), dtypes.float32)
        return self._wrap(words.reshape(shape), dtypes.uint32)

    def host(
        self,
        name: str,
        function: Callable[..., np.ndarray],
        operands: Sequence[Array],
        dtype: DType,
    ) -> Array:
        return self._wrap(function(*[as_numpy(x) for x in operands]), dtype)

    def dispatch(
        self,
        shader: Shader,
        operands: Sequence[Array | Number],
        params: bytes,
        numbers: Sequence[int],
        groups: Groups,
        makes: Sequence[Make],
    ) -> list[Array]:
        count = len(operands) - len(numbers)
        given = [as_numpy(x) for x in operands[:count] if isinstance(x, Array)]
        made = [
            np.zeros(x.shape, x.dtype.numpy) if x.source is None else given[x.source].copy("C")
            for x in makes
        ]
        memory = [
            made[i] if is_written else np.ascontiguousarray(given[i])
            for is_written, i in shader.bindings(makes)
        ]
        values = [float(x) for x in operands[count:]]  # type: ignore[arg-type]
        shaded(shader, memory, params, numbers, groups, *values)
        return [self._wrap(x, make.dtype) for x, make in zip(made, makes, strict=True)]
