"""Random functions of tensors: what fuzz tests of the compiler share.

A function is a list of ops, each a kind and three numbers that choose inputs and variants: ops of
every family, views of all sorts, mixed dtypes, random numbers, writes into a state, gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

import wgrad as wg

UNARY = (wg.tanh, wg.exp, wg.sigmoid, wg.relu, wg.negative, wg.abs, wg.sign, wg.square, wg.isnan)
BINARY = (wg.add, wg.subtract, wg.multiply, wg.maximum, wg.less, wg.equal, wg.divide)
REDUCTIONS = (wg.sum, wg.max, wg.min, wg.prod, wg.any)
DTYPES = (wg.float32, wg.int32, wg.uint32, wg.bool, wg.float64)  # the last on NumPy alone
ODD = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -2.5], np.float32)


def _number_like(x: wg.Tensor) -> wg.Tensor:
    return x.astype(wg.float32) if x.dtype is wg.bool else x


def _viewed(x: wg.Tensor, i: int) -> wg.Tensor:
    if not x.shape:
        return wg.broadcast_to(x, (2, 3))
    ways = (
        lambda: x.T if len(x.shape) == 2 else wg.permute_dims(x, tuple(range(len(x.shape)))[::-1]),
        lambda: wg.flip(x, axis=0),
        lambda: x[1:],
        lambda: x[..., ::2],
        lambda: x.reshape(-1),
        lambda: wg.expand_dims(x, 0),
        lambda: wg.broadcast_to(x, (2, *x.shape)) if len(x.shape) < 3 else x,
    )
    return ways[i % len(ways)]()


def _binary(f: Callable, a: wg.Tensor, b: wg.Tensor) -> wg.Tensor:
    dtype = wg.float64 if wg.float64 in (a.dtype, b.dtype) else wg.float32
    a, b = a.astype(dtype), b.astype(dtype)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        b = b.sum()
    return f(a, b)


def _taken(x: wg.Tensor, index: wg.Tensor, i: int) -> wg.Tensor:
    if not x.shape or not x.shape[i % len(x.shape)]:
        return x
    axis = i % len(x.shape)
    return wg.take(x, index, axis=axis) if x.shape[axis] > 2 else x


def _scattered(x: wg.Tensor, index: wg.Tensor) -> wg.Tensor:
    values = wg.broadcast_to(_number_like(x).sum().astype(wg.float32), (4, 3))
    return wg.scatter_add(wg.zeros((4, 3)), wg.broadcast_to(index[:, None], (4, 3)), values, axis=1)


def _product(a: wg.Tensor, b: wg.Tensor) -> wg.Tensor:
    a, b = (_number_like(x).astype(wg.float32).reshape(-1) for x in (a, b))
    n = min(a.shape[0], b.shape[0], 6)
    return a[:n].reshape(n, 1) @ b[:n].reshape(1, n) if n % 2 else a[:n] @ b[:n]


def _step(pool: list[wg.Tensor], state: wg.Tensor, index: wg.Tensor, op: tuple) -> wg.Tensor:
    """Return what one op makes of two tensors of the pool, or does to the state."""
    kind, i, j, k = op
    a, b = pool[i % len(pool)], pool[j % len(pool)]
    doubles = a.device.name == "numpy"
    if kind == "unary":
        return UNARY[k % len(UNARY)](_number_like(a))
    if kind == "binary":
        return _binary(BINARY[k % len(BINARY)], a, b)
    if kind == "number":
        return BINARY[k % 4](_number_like(a), 3)
    if kind == "reduce":
        axis = None if not a.shape or k % 3 == 0 else j % len(a.shape)
        empty = 0 in a.shape and k % len(REDUCTIONS) in (1, 2)
        f = wg.sum if empty else REDUCTIONS[k % len(REDUCTIONS)]
        return f(_number_like(a), axis=axis, keepdims=bool(j % 2))
    if kind == "view":
        return _viewed(a, k)
    if kind == "cast":
        return a.astype(DTYPES[k % (len(DTYPES) if doubles else 4)])
    if kind == "sort":
        axis = j % len(a.shape) if a.shape else 0
        order = wg.argsort(a, axis, descending=bool(k % 2)) if a.shape else index
        return order if k % 3 == 0 or not a.shape else wg.take_along_axis(a, order, axis)
    if kind == "search":
        values = _number_like(a).astype(wg.float32)
        return wg.searchsorted(wg.sort(state[:, j % 3]), values, ("left", "right")[k % 2])
    if kind == "put":
        made = wg.zeros((4, 3)) + state
        made[index[: k % 4 + 1], j % 3] = _number_like(b).sum().astype(wg.float32)
        made[index, ::2] = made[:, 1:]
        return made
    if kind == "where":
        test = _binary(wg.less, a, b)
        return wg.where(
            test,
            _number_like(a).sum(),
            _number_like(a).max() if a.shape and 0 not in a.shape else 1.0,
        )
    if kind == "take":
        return _taken(a, index, j)
    if kind == "scatter":
        return _scattered(a, index)
    if kind == "product":
        return _product(a, b)
    if kind == "random":
        return (wg.rand, wg.randn)[k % 2](2, 3)
    if kind == "concat":
        return wg.concat([a.reshape(-1), b.astype(a.dtype).reshape(-1)], axis=0)
    value = _number_like(a).astype(wg.float32).reshape(-1)
    if kind == "write" and value.shape[0] >= 3:
        state[k % 4] = value[:3]
    elif kind == "update":
        state.assign(state * 0.5 + _number_like(a).astype(wg.float32).sum())
    return state * 1.0


KINDS = [
    "unary",
    "binary",
    "number",
    "reduce",
    "view",
    "cast",
    "where",
    "take",
    "scatter",
    "product",
    "random",
    "concat",
    "sort",
    "search",
    "put",
    "write",
    "update",
]
OPS = st.tuples(st.sampled_from(KINDS), *(st.integers(0, 20) for _ in range(3)))
SHAPES = ((3, 4), (4,), (), (2, 1, 3), (0, 2), (1, 5))


def random_case(ops: list[tuple], shapes: list[tuple], strange: bool, slope: bool) -> tuple:
    """Return a function of tensors and its arguments, on the default device.

    `strange` puts infinities, NaN and their kin among the numbers, `slope` asks for gradients.
    """
    rng = np.random.default_rng(len(ops))
    values = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    if strange:
        for v in values:
            v.reshape(-1)[::3] = np.resize(ODD, v.reshape(-1)[::3].shape)
    state = wg.tensor(rng.standard_normal((4, 3)).astype(np.float32))
    index = wg.tensor(np.array([0, 2, 1, 1], np.int32))

    def run(*args: wg.Tensor) -> list[wg.Tensor]:
        pool = list(args)
        for op in ops:
            pool.append(_step(pool, state, index, op))
        return pool[len(args) :]

    def sloped(*args: wg.Tensor) -> list[wg.Tensor]:
        dtype = wg.float64 if args[0].device.name == "numpy" else wg.float32

        def total(*xs: wg.Tensor) -> wg.Tensor:
            made = [x for x in run(*xs) if x.dtype in (wg.float32, wg.float64)]
            return sum((x.sum().astype(dtype) for x in made), wg.sum(xs[0]).astype(dtype))

        _, pull = wg.vjp(total, *args)
        found = pull(wg.ones((), dtype=dtype))
        return list(found) if isinstance(found, tuple) else [found]

    still = not any(op[0] in ("write", "update") for op in ops)
    return (sloped if slope and still else run), [wg.tensor(v) for v in values]
