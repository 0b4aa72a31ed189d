"""The functions of the standard on random arrays, compared with array-api-strict.

That is the consortium's own strict implementation over NumPy. A call that it refuses says nothing;
what it computes must come of ours too: shape, values, and dtype, where its 64-bit integers stand
for our 32-bit ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import wgrad as wg

NUMBERS = ("int32", "uint32", "float32", "float64")
FLOATS = ("float32", "float64")
INTEGERS = ("int32", "uint32")
ALL = ("bool", *NUMBERS)
NARROW = {"int64": "int32", "uint64": "uint32"}


def arrays(draw: Any, dtype: str, shape: tuple[int, ...], low: int = -9, high: int = 9) -> Any:
    """Return a NumPy array of small numbers, halves among the floats."""
    size = int(np.prod(shape))
    if dtype == "uint32":
        low = max(low, 0)
    if dtype == "bool":
        low, high = 0, 1
    scale = 2 if dtype.startswith("float") else 1
    numbers = draw(st.lists(st.integers(low * scale, high * scale), min_size=size, max_size=size))
    return (np.array(numbers, dtype="f8").reshape(shape) / scale).astype(dtype)


def shapes(draw: Any, least: int = 0, extent: int = 0) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(extent, 3), min_size=least, max_size=3)))


class Case:
    """One call: `run(namespace, arrays)`, with arrays of that namespace."""

    def __init__(self, run: Callable[[Any, list], Any], *data: np.ndarray, atol: float = 1e-12):
        self.run = run
        self.data = data
        self.atol = atol


Maker = Callable[[Any], Case]
MAKERS: dict[str, Maker] = {}


def _unary(names: str, dtypes: tuple[str, ...], low: int = -9, high: int = 9) -> None:
    for name in names.split():

        def make(draw: Any, name: str = name) -> Case:
            x = arrays(draw, draw(st.sampled_from(dtypes)), shapes(draw), low, high)
            return Case(lambda xp, a: getattr(xp, name)(*a), x)

        MAKERS[name] = make


def _binary(
    names: str, dtypes: tuple[str, ...], low: int = -9, high: int = 9, right: tuple = ()
) -> None:
    for name in names.split():

        def make(draw: Any, name: str = name) -> Case:
            dtype, shape = draw(st.sampled_from(dtypes)), shapes(draw)
            other = tuple(draw(st.sampled_from((n, 1))) for n in shape)
            other = other[draw(st.integers(0, len(other))) :]
            x = arrays(draw, dtype, shape, low, high)
            y = arrays(draw, dtype, other, *(right or (low, high)))
            if draw(st.booleans()):
                return Case(lambda xp, a: getattr(xp, name)(*a), x, y)
            number = y.reshape(-1)[0].item() if y.size else 1
            return Case(lambda xp, a: getattr(xp, name)(a[0], number), x)

        MAKERS[name] = make


_unary("abs square sign negative positive conj real", NUMBERS)
_unary("ceil floor round trunc isfinite isinf isnan", NUMBERS)
_unary("exp expm1 sin cos tan sinh cosh tanh atan asinh reciprocal signbit", FLOATS, -4, 4)
_unary("log log1p log2 log10 sqrt", FLOATS, 0, 9)
_unary("acosh", FLOATS, 1, 9)
_unary("asin acos atanh", FLOATS, -1, 1)
_unary("bitwise_invert", ("bool", *INTEGERS))
_unary("logical_not", ("bool",))
_binary("add subtract multiply maximum minimum", NUMBERS)
_binary("equal not_equal", ALL)
_binary("less less_equal greater greater_equal", NUMBERS)
_binary("divide atan2 copysign hypot logaddexp nextafter", FLOATS)
_binary("floor_divide remainder", NUMBERS, -9, 9, (1, 9))
_binary("pow", NUMBERS, 1, 5, (0, 5))
_binary("bitwise_and bitwise_or bitwise_xor", ("bool", *INTEGERS))
_binary("bitwise_left_shift bitwise_right_shift", INTEGERS, -9, 9, (0, 12))
_binary("logical_and logical_or logical_xor", ("bool",))


def maker(function: Callable[..., Case]) -> Callable[..., Case]:
    MAKERS[function.__name__] = function
    return function


def _axes(draw: Any, ndim: int) -> Any:
    """Return None, one axis or several."""
    if not ndim:
        return None
    many = st.lists(st.integers(0, ndim - 1), unique=True, min_size=1).map(tuple)
    return draw(st.one_of(st.none(), st.integers(-ndim, ndim - 1), many))


def _axis(draw: Any, ndim: int) -> int:
    return draw(st.integers(-ndim, ndim - 1))


def _reduction(names: str, dtypes: tuple[str, ...], extent: int = 0, **more: Any) -> None:
    for name in names.split():

        def make(draw: Any, name: str = name) -> Case:
            low, high = (-2, 2) if name == "prod" else (-9, 9)
            x = arrays(draw, draw(st.sampled_from(dtypes)), shapes(draw, 0, extent), low, high)
            kwargs = {"axis": _axes(draw, x.ndim), "keepdims": draw(st.booleans())}
            kwargs |= {key: draw(values) for key, values in more.items()}
            return Case(lambda xp, a: getattr(xp, name)(*a, **kwargs), x)

        MAKERS[name] = make


_reduction("sum prod", NUMBERS)
_reduction("mean", FLOATS, 1)
_reduction("max min", NUMBERS, 1)
_reduction("any all count_nonzero", ALL)
_reduction("var std", FLOATS, 2, correction=st.sampled_from((0, 1, 0.5)))


def _along(names: str, dtypes: tuple[str, ...], extent: int = 0, **more: Any) -> None:
    for name in names.split():

        def make(draw: Any, name: str = name) -> Case:
            x = arrays(draw, draw(st.sampled_from(dtypes)), shapes(draw, 1, extent), -2, 2)
            kwargs = {"axis": _axis(draw, x.ndim)}
            kwargs |= {key: draw(values) for key, values in more.items()}
            return Case(lambda xp, a: getattr(xp, name)(*a, **kwargs), x)

        MAKERS[name] = make


flag = st.booleans()
_along("argmax argmin", NUMBERS, 1, keepdims=flag)
_along("cumulative_sum cumulative_prod", NUMBERS, include_initial=flag)
_along("sort argsort", NUMBERS, descending=flag)
_along("diff", ("int32", *FLOATS), 1, n=st.integers(0, 2))
_along("flip", ALL)
_along("unstack", ALL)
_along("roll", ALL, shift=st.integers(-5, 5))


@maker
def astype(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw), 0, 9)
    to = draw(st.sampled_from(ALL))
    return Case(lambda xp, a: xp.astype(a[0], getattr(xp, to)), x)


@maker
def broadcast_arrays(draw: Any) -> Case:
    shape = shapes(draw)
    other = tuple(draw(st.sampled_from((n, 1))) for n in shape)
    x, y = (arrays(draw, draw(st.sampled_from(ALL)), s) for s in (shape, other))
    return Case(lambda xp, a: xp.broadcast_arrays(*a), x, y)


@maker
def broadcast_to(draw: Any) -> Case:
    shape = shapes(draw)
    x = arrays(
        draw, draw(st.sampled_from(ALL)), tuple(draw(st.sampled_from((n, 1))) for n in shape)
    )
    return Case(lambda xp, a: xp.broadcast_to(a[0], (2, *shape)), x)


@maker
def clip(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(NUMBERS)), shapes(draw))
    low, high = draw(st.sampled_from(((None, 3), (1, None), (1, 3), (None, None), (0, 5))))
    return Case(lambda xp, a: xp.clip(a[0], min=low, max=high), x)


@maker
def concat(draw: Any) -> Case:
    shape, dtype = shapes(draw, 1), draw(st.sampled_from(ALL))
    axis = draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    parts = [arrays(draw, dtype, shape) for _ in range(draw(st.integers(1, 3)))]
    return Case(lambda xp, a: xp.concat(a, axis=axis), *parts)


@maker
def stack(draw: Any) -> Case:
    shape, dtype = shapes(draw), draw(st.sampled_from(ALL))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    parts = [arrays(draw, dtype, shape) for _ in range(draw(st.integers(1, 3)))]
    return Case(lambda xp, a: xp.stack(a, axis=axis), *parts)


@maker
def expand_dims(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw))
    axis = draw(st.integers(-x.ndim - 1, x.ndim))
    return Case(lambda xp, a: xp.expand_dims(a[0], axis), x)


@maker
def squeeze(draw: Any) -> Case:
    shape = shapes(draw)
    at = draw(st.integers(0, len(shape)))
    x = arrays(draw, draw(st.sampled_from(ALL)), (*shape[:at], 1, *shape[at:]))
    return Case(lambda xp, a: xp.squeeze(a[0], at), x)


@maker
def moveaxis(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 1))
    one, two = _axis(draw, x.ndim), _axis(draw, x.ndim)
    return Case(lambda xp, a: xp.moveaxis(a[0], one, two), x)


@maker
def permute_dims(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 1))
    axes = tuple(draw(st.permutations(range(x.ndim))))
    return Case(lambda xp, a: xp.permute_dims(a[0], axes), x)


@maker
def matrix_transpose(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 2))
    return Case(lambda xp, a: xp.matrix_transpose(a[0]), x)


@maker
def reshape(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw))
    target = draw(st.sampled_from(((-1,), x.shape[::-1], (1, *x.shape), (x.size,))))
    return Case(lambda xp, a: xp.reshape(a[0], target), x)


@maker
def repeat(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 1))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    count = draw(st.integers(0, 3))
    return Case(lambda xp, a: xp.repeat(a[0], count, axis=axis), x)


@maker
def tile(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw))
    counts = tuple(draw(st.lists(st.integers(0, 2), max_size=3)))
    return Case(lambda xp, a: xp.tile(a[0], counts), x)


def _triangle(name: str) -> None:
    def make(draw: Any) -> Case:
        x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 2))
        k = draw(st.integers(-4, 4))
        return Case(lambda xp, a: getattr(xp, name)(a[0], k=k), x)

    MAKERS[name] = make


_triangle("tril")
_triangle("triu")


@maker
def meshgrid(draw: Any) -> Case:
    dtype, order = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(("xy", "ij")))
    parts = [
        arrays(draw, dtype, (draw(st.integers(0, 3)),)) for _ in range(draw(st.integers(1, 3)))
    ]
    return Case(lambda xp, a: xp.meshgrid(*a, indexing=order), *parts)


@maker
def matmul(draw: Any) -> Case:
    n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
    lead = shapes(draw)[:1]
    x, y = draw(st.sampled_from((((k,), (k,)), ((n, k), (k,)), ((*lead, n, k), (k, m)))))
    dtype = draw(st.sampled_from(FLOATS))
    return Case(lambda xp, a: xp.matmul(*a), arrays(draw, dtype, x), arrays(draw, dtype, y))


@maker
def tensordot(draw: Any) -> Case:
    dtype = draw(st.sampled_from(FLOATS))
    x, y = arrays(draw, dtype, (2, 3, 2)), arrays(draw, dtype, (3, 2, 2))
    axes = draw(st.sampled_from((0, 1, 2, ((1,), (0,)), ((0, 1), (2, 0)), ((-1,), (-1,)))))
    return Case(lambda xp, a: xp.tensordot(*a, axes=axes), x, y)


@maker
def vecdot(draw: Any) -> Case:
    dtype, shape = draw(st.sampled_from(FLOATS)), shapes(draw, 1)
    axis = draw(st.integers(-len(shape), -1))
    x, y = arrays(draw, dtype, shape), arrays(draw, dtype, shape)
    return Case(lambda xp, a: xp.vecdot(*a, axis=axis), x, y)


@maker
def take(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 1, 1))
    axis = _axis(draw, x.ndim)
    index = arrays(draw, "int32", (draw(st.integers(0, 3)),), -x.shape[axis], x.shape[axis] - 1)
    return Case(lambda xp, a: xp.take(*a, axis=axis), x, index)


@maker
def take_along_axis(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 1, 1))
    axis = _axis(draw, x.ndim)
    index = arrays(draw, "int32", x.shape, -x.shape[axis], x.shape[axis] - 1)
    return Case(lambda xp, a: xp.take_along_axis(*a, axis=axis), x, index)


@maker
def nonzero(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(ALL)), shapes(draw, 1), -1, 1)
    return Case(lambda xp, a: tuple(xp.nonzero(a[0])), x)


@maker
def searchsorted(draw: Any) -> Case:
    dtype, side = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(("left", "right")))
    x = np.sort(arrays(draw, dtype, (draw(st.integers(0, 5)),)))
    y = arrays(draw, dtype, shapes(draw, 1))
    return Case(lambda xp, a: xp.searchsorted(*a, side=side), x, y)


@maker
def where(draw: Any) -> Case:
    dtype, shape = draw(st.sampled_from(ALL)), shapes(draw)
    pair = [arrays(draw, dtype, shape) for _ in range(2)]
    return Case(lambda xp, a: xp.where(*a), arrays(draw, "bool", shape), *pair)


def _unique(name: str) -> None:
    def make(draw: Any) -> Case:
        x = arrays(draw, draw(st.sampled_from(NUMBERS)), shapes(draw, 1), -2, 2)

        def run(xp: Any, a: list) -> Any:
            found = getattr(xp, name)(a[0])
            return tuple(found) if isinstance(found, tuple) else found

        return Case(run, x)

    MAKERS[name] = make


for _name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
    _unique(_name)


# Linear algebra.
def _matrix(draw: Any, square: bool = False, regular: bool = False) -> np.ndarray:
    """Return a stack of matrices, invertible ones where `regular`."""
    lead, n = shapes(draw)[:1], draw(st.integers(1, 3))
    x = arrays(draw, draw(st.sampled_from(FLOATS)), (*lead, n, n if square else 3))
    return x + 40 * np.eye(n, dtype=x.dtype) if regular else x


def _linalg(names: str, regular: bool = False, square: bool = True, **more: Any) -> None:
    for name in names.split():

        def make(draw: Any, name: str = name) -> Case:
            kwargs = {key: draw(values) for key, values in more.items()}
            x = _matrix(draw, square, regular)
            if name in ("cholesky", "eigh", "eigvalsh"):
                x = (x + np.swapaxes(x, -1, -2)) / 2

            def run(xp: Any, a: list) -> Any:
                found = getattr(xp.linalg, name)(a[0], **kwargs)
                return _signless(xp, name, found, **kwargs)

            return Case(run, x, atol=1e-5 if x.dtype == np.float32 else 1e-11)

        MAKERS[f"linalg.{name}"] = make


def _signless(xp: Any, name: str, found: Any, **kwargs: Any) -> Any:
    """Return what vectors say whose signs are free."""
    if name == "eigh":
        values, vectors = found
        return values, (vectors * values[..., None, :]) @ vectors.mT
    if name == "qr":
        return found[0] @ found[1]
    if name == "svd":
        u, s, vh = found
        k = s.shape[-1]
        return s, (u[..., :k] * s[..., None, :]) @ vh[..., :k, :], u.mT @ u
    return tuple(found) if isinstance(found, tuple) else found


_linalg("det slogdet eigh eigvalsh")
_linalg("inv", True)
_linalg("cholesky", True, upper=flag)
_linalg("matrix_rank svdvals", square=False)
_linalg("pinv", True)
_linalg("qr", square=False, mode=st.sampled_from(("reduced", "complete")))
_linalg("svd", square=False, full_matrices=flag)
_linalg(
    "matrix_norm",
    square=False,
    keepdims=flag,
    ord=st.sampled_from(("fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf"))),
)
_linalg("diagonal", square=False, offset=st.integers(-3, 3))
_linalg("trace", square=False, offset=st.integers(-3, 3))
for _name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
    MAKERS[f"linalg.{_name}"] = MAKERS[_name]  # the same functions


def linalg_maker(function: Callable[..., Case]) -> Callable[..., Case]:
    MAKERS[f"linalg.{function.__name__}"] = function
    return function


@linalg_maker
def matrix_power(draw: Any) -> Case:
    n = draw(st.integers(-2, 4))
    return Case(lambda xp, a: xp.linalg.matrix_power(a[0], n), _matrix(draw, True, True))


@linalg_maker
def solve(draw: Any) -> Case:
    x = _matrix(draw, True, True)
    n = x.shape[-1]
    y = arrays(draw, x.dtype.name, draw(st.sampled_from(((n,), (n, 2), (2, n, 1)))))
    return Case(lambda xp, a: xp.linalg.solve(*a), x, y)


@linalg_maker
def cross(draw: Any) -> Case:
    dtype = draw(st.sampled_from(NUMBERS))
    x, y = arrays(draw, dtype, (2, 3)), arrays(draw, dtype, draw(st.sampled_from(((3,), (2, 3)))))
    return Case(lambda xp, a: xp.linalg.cross(*a), x, y)


@linalg_maker
def outer(draw: Any) -> Case:
    dtype = draw(st.sampled_from(NUMBERS))
    x, y = (arrays(draw, dtype, (draw(st.integers(0, 3)),)) for _ in range(2))
    return Case(lambda xp, a: xp.linalg.outer(*a), x, y)


@linalg_maker
def vector_norm(draw: Any) -> Case:
    x = arrays(draw, draw(st.sampled_from(FLOATS)), shapes(draw, 1, 1))
    ord = draw(st.sampled_from((0, 1, 2, 3, float("inf"), -float("inf"))))
    kwargs = {"axis": _axes(draw, x.ndim), "keepdims": draw(flag), "ord": ord}
    return Case(lambda xp, a: xp.linalg.vector_norm(a[0], **kwargs), x)


# Fourier transforms: what is complex there is pairs here.
def _complex(xp: Any, x: Any) -> Any:
    """Return pairs as the numbers that a namespace makes of them."""
    if xp is wg:
        return x
    wide = xp.complex64 if x.dtype == xp.float32 else xp.complex128
    return xp.astype(x[..., 0], wide) + 1j * xp.astype(x[..., 1], wide)


def _pairs(xp: Any, x: Any) -> Any:
    return x if xp is wg else xp.stack([xp.real(x), xp.imag(x)], axis=-1)


def _fft(names: str, many: bool, takes_pairs: bool, gives_pairs: bool) -> None:
    for name in names.split():

        def make(draw: Any, name: str = name) -> Case:
            shape = shapes(draw, 1, 2)
            ndim = len(shape)
            x = arrays(draw, draw(st.sampled_from(FLOATS)), (*shape, 2) if takes_pairs else shape)
            kwargs = {"norm": draw(st.sampled_from(("backward", "ortho", "forward")))}
            if many:
                axes = draw(st.lists(st.integers(0, ndim - 1), unique=True, min_size=1))
                kwargs |= draw(
                    st.sampled_from(({}, {"axes": axes}, {"axes": axes, "s": [3] * len(axes)}))
                )
            else:
                kwargs |= {"axis": _axis(draw, ndim), "n": draw(st.sampled_from((None, 2, 3, 4)))}

            def run(xp: Any, a: list) -> Any:
                given = _complex(xp, a[0]) if takes_pairs else a[0]
                found = getattr(xp.fft, name)(given, **kwargs)
                return _pairs(xp, found) if gives_pairs else found

            return Case(run, x, atol=1e-5 if x.dtype == np.float32 else 1e-12)

        MAKERS[f"fft.{name}"] = make


_fft("fft ifft", False, True, True)
_fft("fftn ifftn", True, True, True)
_fft("rfft ihfft", False, False, True)
_fft("rfftn", True, False, True)
_fft("irfft hfft", False, True, False)
_fft("irfftn", True, True, False)


def _shift(name: str) -> None:
    def make(draw: Any) -> Case:
        x = arrays(draw, draw(st.sampled_from(ALL)), (*shapes(draw), 3))
        axes = _axes(draw, x.ndim)
        return Case(lambda xp, a: getattr(xp.fft, name)(a[0], axes=axes), x)

    MAKERS[f"fft.{name}"] = make


_shift("fftshift")
_shift("ifftshift")


def _numpy(x: Any) -> np.ndarray:
    return x.numpy() if isinstance(x, wg.Tensor) else np.asarray(x)


def compare(case: Case, strict: Any) -> bool:
    """Return whether theirs took the call. Raises: AssertionError when the two disagree."""
    try:
        right = case.run(strict, [strict.asarray(x.copy()) for x in case.data])
    except Exception:
        return False
    with wg.device("numpy"):
        got = case.run(wg, [wg.tensor(x, dtype=x.dtype.name) for x in case.data])
    several = isinstance(right, (tuple, list))  # a list in 2024.12 may be a tuple by now
    assert isinstance(got, (tuple, list)) == several
    pairs = zip(got, right, strict=True) if several else [(got, right)]
    for mine, theirs in pairs:
        assert isinstance(mine, wg.Tensor)
        a, b = mine.numpy(), np.asarray(theirs)
        assert a.shape == b.shape, (a.shape, b.shape, case.data)
        name = b.dtype.name
        assert a.dtype.name == NARROW.get(name, name), (a.dtype, name, case.data)
        np.testing.assert_allclose(a, b.astype(a.dtype), rtol=2e-6, atol=case.atol)
    return True
