"""Memory above one binding: random programs on a device whose bindings are tiny, against NumPy.

Values are small whole numbers in floats, so that every order of additions gives the same bits. A
program is a chain of operations, run op by op or compiled, at times with a gradient; the device
binds 32 KiB, and most tensors have several times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.backends.webgpu.eager import WebGpuDevice
from wgrad.backends.webgpu.gpu import Gpu

BOUND = 1 << 15  # bytes of a binding: as few as the table of normal numbers needs
SHARE = 8
DEVICE = "webgpu"  # on others there are no bindings, and nothing to try
DTYPES = ("float32", "float32", "int32", "float16")

Tensors = list[Any]
Op = Callable[[Tensors], Any]


@cache
def tiny(device: WebGpuDevice) -> WebGpuDevice:
    """Return a device of the same adapter whose bindings are small."""
    return WebGpuDevice(device.name, Gpu(device.gpu.adapter, most_bound=BOUND))


def shape_of(rng: np.random.Generator) -> tuple[int, ...]:
    """Return a shape of up to 40,000 elements, odd ones among them."""
    size = int(rng.choice([5000, 12000, 25000, 40000]))
    rank = int(rng.integers(1, 5))
    shape = [1] * rank
    for _ in range(12):
        axis = rng.integers(rank)
        factor = int(rng.choice([2, 3, 5, 7, 11]))
        if np.prod(shape) * factor <= size:
            shape[axis] *= factor
    shape[rng.integers(rank)] += int(rng.integers(2))
    return tuple(shape)


def settled(x: Any) -> Any:
    """Return numbers from -3 to 3 again, so that sums stay exact."""
    return wg.remainder(x, 7) - 3


def _key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple:
    key: list[Any] = []
    for n in shape:
        start = int(rng.integers(0, n // 4 + 1))
        stop = int(rng.integers(n - n // 4, n + 1))
        step = int(rng.choice([1, 1, 2, 3, -1]))
        if step < 0:
            key.append(slice(stop - 1 if stop - 1 > start else None, None, -1))
        else:
            key.append(slice(start, max(stop, start + 1), step))
    return tuple(key)


def an_op(rng: np.random.Generator, shape: tuple[int, ...]) -> Op:
    """Return an operation on the last tensor of a list, of this shape."""
    axis = int(rng.integers(len(shape)))
    n = shape[axis]
    which = rng.integers(24)
    if which == 0:
        number = int(rng.integers(-3, 4))
        return lambda t: t[-1] * 2 + number
    if which == 1:
        order = tuple(int(a) for a in rng.permutation(len(shape)))
        return lambda t: wg.permute_dims(t[-1], order) + 1
    if which == 2:
        return lambda t: wg.flip(t[-1], axis=axis) + t[-1]
    if which == 3:
        key = _key(rng, shape)
        return lambda t: t[-1][key] + 0
    if which == 4:
        return lambda t: wg.concat([t[-1], wg.flip(t[-1], axis=axis)], axis=axis)
    if which == 5:
        shift = int(rng.integers(-n, n + 1))
        return lambda t: wg.roll(t[-1], shift, axis=axis)
    if which == 6:
        kind = [wg.sum, wg.max, wg.min][rng.integers(3)]
        keep = bool(rng.integers(2))
        return lambda t: (
            kind(t[-1], axis=axis, keepdims=keep) + t[-1] * int(keep)
            if keep
            else (kind(t[-1], axis=axis))
        )
    if which == 7:
        kind = [wg.sum, wg.max, wg.min][rng.integers(3)]
        return lambda t: t[-1] + kind(t[-1])
    if which == 8:
        return lambda t: wg.where(t[-1] > 0, t[-1], -2 * t[-1])
    if which == 9:
        row = tuple(m if rng.integers(2) else 1 for m in shape)
        some = tuple(slice(0, m) for m in row)
        return lambda t: t[-1] * t[-1][some]
    if which == 10:
        return lambda t: wg.cumulative_sum(wg.sign(t[-1]), axis=axis)
    if which == 11:
        index = rng.integers(-n, n, int(rng.integers(1, 2 * n + 1))).astype(np.int32) % n
        return lambda t: wg.take(t[-1], wg.asarray(index), axis=axis)
    if which == 12:
        count = int(rng.integers(1, n + 1))
        index = rng.integers(0, n, (*shape[:axis], count, *shape[axis + 1 :])).astype(np.int32)
        return lambda t: wg.take_along_axis(t[-1], wg.asarray(index), axis=axis)
    if which == 13:
        return lambda t: wg.argsort(t[-1], axis=axis) if n * 4 <= BOUND else t[-1]
    if which == 14:
        flat = shape[axis + 1 :]
        size = int(np.prod(flat)) if flat else 1
        return lambda t: wg.reshape(t[-1], (*shape[: axis + 1], size)) - 1
    if which == 15:
        before, after = int(rng.integers(3)), int(rng.integers(3))
        pads = [(before, after) if a == axis else (0, 0) for a in range(len(shape))]
        return lambda t: wg.pad(t[-1], pads)
    if which == 16:
        return lambda t: wg.any(t[-1] > 1, axis=axis, keepdims=True) * t[-1]
    if which == 17 and len(shape) > 1:
        small = rng.integers(-2, 3, (shape[-1], int(rng.integers(1, 9)))).astype(np.float32)
        return lambda t: wg.matmul(t[-1], wg.asarray(small).astype(t[-1].dtype))
    if which == 18 and len(shape) > 1 and np.prod(shape[:-1]) * shape[-2] < 200_000:
        return lambda t: wg.matmul(t[-1], wg.matrix_transpose(t[-1]))
    if which == 19:
        key = _key(rng, shape)

        def assign(t: Tensors) -> Any:
            x = t[-1] + 0
            x[key] = x[key] * 0 + 2
            return x

        return assign
    if which == 20:
        index = np.unique(rng.integers(0, n, int(rng.integers(1, n + 1)))).astype(np.int32)

        def put(t: Tensors) -> Any:
            x = t[-1] + 0
            x[(slice(None),) * axis + (wg.asarray(index),)] = 1
            return x

        return put
    if which == 21:
        kind = ["float32", "int32", "float16"][rng.integers(3)]
        return lambda t: t[-1].astype(kind)
    if which == 22:
        count = int(rng.integers(2, 20000))
        return lambda t: t[-1] + wg.sum(settled(wg.arange(count))).astype(t[-1].dtype)
    row = np.sort(rng.integers(-4, 5, int(rng.integers(1, 30000)))).astype(np.int32)
    return lambda t: wg.searchsorted(wg.asarray(row), t[-1].astype("int32"))


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Compare a program on a device with tiny bindings, and on NumPy."""
    if not isinstance(device, WebGpuDevice):
        return None
    small, reference = tiny(device), wg.device("numpy")
    shape, dtype = shape_of(rng), str(rng.choice(DTYPES))
    if dtype == "float16" and wg.float16 not in small.dtypes:
        dtype = "float32"
    data = rng.integers(-3, 4, shape).astype(dtype)
    compiled, differentiated = rng.random() < 0.3, dtype == "float32" and rng.random() < 0.3

    ops: list[Op] = []
    with reference:
        t = [wg.asarray(data)]
        for _ in range(int(rng.integers(1, 5))):
            op = an_op(rng, t[-1].shape)
            made = settled(op(t))
            if made.ndim and 0 < made.size < 150_000:
                t.append(made)
                ops.append(op)

    def program(x: Any) -> Any:
        t = [x]
        for op in ops:
            t.append(settled(op(t)))
        return t[-1]

    def gradient(x: Any) -> Any:
        def total(x: Any) -> Any:
            y = program(x)
            return (y * settled(wg.reshape(wg.arange(y.size), y.shape)).astype(y.dtype)).sum()

        return wg.grad(total)(x)

    run = gradient if differentiated else program
    with reference:
        try:
            wanted = run(wg.asarray(data)).numpy()
        except wg.errors.GradientError:  # the program lost its floats on the way
            run, differentiated = program, False
            wanted = run(wg.asarray(data)).numpy()
    with small:
        f = wg.compile(run) if compiled else run
        for call in range(3 if compiled else 1):
            found = f(wg.asarray(data)).numpy()
            loose = {"rtol": 1e-5, "atol": 1e-5} if differentiated else {"rtol": 0, "atol": 0}
            if found.dtype != wanted.dtype or found.shape != wanted.shape:
                return f"call {call}: {found.dtype}{found.shape}, not {wanted.dtype}{wanted.shape}"
            if not np.allclose(found, wanted, **loose, equal_nan=True):
                bad = ~np.isclose(found, wanted, **loose, equal_nan=True)
                where = np.argwhere(bad)[0]
                return (
                    f"{'compiled' if compiled else 'eager'} {dtype}{shape}, call {call}: "
                    f"{bad.sum()} of {bad.size} differ, first at {where}: "
                    f"{found[tuple(where)]}, not {wanted[tuple(where)]}"
                )
    return None
