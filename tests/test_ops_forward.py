"""Every op of the table, on every dtype, layout and shape, against NumPy in float64."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from table import (
    ALL,
    ELEMENTWISE,
    FLOATS,
    HALF,
    LAYOUTS,
    ROWS,
    Row,
    assert_matches,
    expanded,
    leading,
)

import wgrad as wg
from wgrad import core, dtypes, functional, indexing, shaping
from wgrad.ops import REGISTRY

PORTABLE = [row for row in ROWS if row.result("float32") != "float64"]

by_id = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
elementwise_by_id = pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.id)


def tensors(row: Row, arrays: list[np.ndarray]) -> list[wg.Tensor]:
    return [wg.tensor(x, dtype=x.dtype) for x in arrays]


# The table itself.


def test_table_has_a_row_for_every_op():
    assert {name for row in ROWS for name in row.covers} == set(REGISTRY)


def test_table_has_a_row_for_every_public_function():
    """What functional, shaping and indexing define for users, and every op that is offered."""
    from_numpy = {
        f"{home.__name__.removeprefix('wgrad.')}.{name}"
        for home in (wg.linalg, wg.fft)
        for name in home.__all__
        if not hasattr(wg, name)
    }
    public = {
        name
        for name, value in (vars(wg) | vars(wg.nn.functional)).items()
        if (
            inspect.isfunction(value)
            and value.__module__.startswith(
                (functional.__name__, indexing.__name__, shaping.__name__)
            )
        )
        or isinstance(value, core.Op)
    }
    assert len(public) > 60 and len(from_numpy) > 25
    covered = {name for row in ROWS for name in row.public}
    numbers = {"fft.fftfreq", "fft.rfftfreq"}  # which are made of no tensor
    named = [getattr(wg, name) for name in covered if hasattr(wg, name)]
    known = {id(getattr(f, "body", f)) for f in named}
    again = {n for n in public if id(getattr(f := getattr(wg, n, None), "body", f)) in known}
    assert (public | from_numpy) - covered - again - numbers == set()
    # Of a function of one, two and three axes one row will do; what draws has tests of its own.
    drawing = {"alpha_dropout", "feature_alpha_dropout", "gumbel_softmax"}
    drawing |= {f"dropout{d}d" for d in (1, 2, 3)}
    families = {re.sub(r"[123]d$", "", name) for name in covered}
    functions = set(wg.nn.functional.__all__) - covered - again - drawing
    assert {name for name in functions if re.sub(r"[123]d$", "", name) not in families} == set()


def test_rows_apply_the_ops_that_they_cover(rng, numpy_device):
    missing = {}
    for row in ROWS:
        arrays = row.samples(rng, row.dtypes[0])
        with wg.observe() as told:
            row.call(*tensors(row, arrays))
        missing[row.id] = set(row.covers) - {e.op for e in told if e.kind == "call"}
    assert {row: ops for row, ops in missing.items() if ops} == {}


def test_table_knows_every_dtype():
    assert {*ALL, HALF} == {d.name for d in dtypes.ALL}


# Values.


@by_id
def test_forward_agrees_with_numpy(row: Row, device, rng):
    """On each dtype that the row is tried on and the device has."""
    for dtype in row.dtypes:
        if dtype == HALF or (dtype == "float64" and wg.float64 not in device.dtypes):
            continue
        arrays = row.samples(rng, dtype)
        inputs = tensors(row, arrays)
        if row.id == "astype-float64" and device.name != "numpy":
            with pytest.raises(wg.errors.DTypeError, match="float64"):
                row.call(*inputs)
            continue
        out = row.call(*inputs)
        assert out.device is device
        assert_matches(row, out, row.expected(arrays), dtype)
        for x, array in zip(inputs, arrays, strict=True):  # nothing wrote to an input
            np.testing.assert_array_equal(x.numpy(), array, err_msg=dtype)


def test_odd_layouts_hold_what_they_are_given(device, rng):
    """Of every shape and dtype that the rows lay out."""
    laid = {arg: row.dtypes[row.dtypes[0] == "float64"] for row in PORTABLE for arg in row.args}
    for arg in {(arg.shape, arg.dtype(dtype)): arg for arg, dtype in laid.items()}.values():
        x = arg.sample(rng, laid[arg])
        for lay in LAYOUTS.values():
            np.testing.assert_array_equal(lay(x).numpy(), x)
        view, values = expanded(x)
        np.testing.assert_array_equal(view.numpy(), values)


def laid_out() -> list[Any]:
    """Return each row with the layouts it is tried in: all for the leading rows.

    Further rows, whose memory the same kernels read, take two of them in turn.
    """
    every, leads = list(LAYOUTS.values()), {row.id for row in leading(PORTABLE)}
    return [
        pytest.param(
            row, every if row.id in leads else [every[i % 5], every[(i + 2) % 5]], id=row.id
        )
        for i, row in enumerate(PORTABLE)
    ]


@pytest.mark.parametrize(("row", "layouts"), laid_out())
def test_forward_of_odd_layouts(row: Row, layouts: list, device, rng):
    """Transposed, stepped, reversed, shifted and repeated views, among values not to be read."""
    dtype = row.dtypes[row.dtypes[0] == "float64"]
    for lay in layouts:
        arrays = row.samples(rng, dtype)
        assert_matches(row, row.call(*map(lay, arrays)), row.expected(arrays), dtype)
    pairs = [expanded(x) for x in row.samples(rng, dtype)]
    out = row.call(*(x for x, _ in pairs))
    assert_matches(row, out, row.expected([array for _, array in pairs]), dtype)


SHAPES = ((), (1,), (3,), (4,), (5,), (257,), (2, 3), (1, 7, 1), (3, 1, 5, 2), (2, 1, 3, 1, 2, 3))
EMPTY = ((0,), (3, 0), (0, 2, 3))


@elementwise_by_id
def test_elementwise_of_any_shape(row: Row, device, rng):
    """0-d, sizes that are no multiple of 4 or of a workgroup, up to six axes, and none at all."""
    dtype = row.dtypes[row.dtypes[0] == "float64"]
    for shape in (*SHAPES, *EMPTY):
        arrays = [arg.sample(rng, dtype, shape) for arg in row.args]
        assert_matches(row, row.call(*tensors(row, arrays)), row.expected(arrays), dtype)


BROADCASTS = (
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((4, 1, 3), (2, 1)),
    ((2, 3), (1, 1, 1)),
    ((1,), (0,)),
    ((3, 1), (3, 0)),
)


@pytest.mark.parametrize(
    "row", [row for row in ELEMENTWISE if len(row.args) > 1], ids=lambda row: row.id
)
def test_elementwise_broadcasts(row: Row, device, rng):
    dtype = row.dtypes[row.dtypes[0] == "float64"]
    for first, second in BROADCASTS:
        for shapes in ((first, second, second), (second, first, second)):
            arrays = [
                arg.sample(rng, dtype, shape) for arg, shape in zip(row.args, shapes, strict=False)
            ]
            assert_matches(row, row.call(*tensors(row, arrays)), row.expected(arrays), dtype)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
def test_reductions_over_all_axes_combinations(name: str, device, rng):
    """Every subset of axes; axes of extent 1, and sizes that are no multiple of 4."""
    for shape in ((), (1,), (7,), (3, 5), (5, 1, 6), (2, 3, 4, 5)):
        x = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        if name in ("any", "all"):
            x = x > (1.4 if name == "any" else 0.6)
        subsets = [tuple(i for i in range(x.ndim) if mask >> i & 1) for mask in range(2**x.ndim)]
        for axis in (None, *subsets):
            for keepdims in (False, True):
                found = getattr(wg, name)(wg.tensor(x), axis=axis, keepdims=keepdims)
                wide = x if x.dtype == bool else x.astype(np.float64)
                expected = getattr(np, name)(wide, axis=axis, keepdims=keepdims)
                assert found.shape == expected.shape, (shape, axis, keepdims)
                np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_reductions_of_nothing(device):
    for shape, axis in (((0,), None), ((3, 0), 1), ((3, 0), 0), ((0, 2), (0, 1))):
        x = np.zeros(shape, np.float32)
        for name in ("sum", "prod", "any", "all"):
            found = getattr(wg, name)(wg.tensor(x), axis=axis)
            np.testing.assert_array_equal(found.numpy(), getattr(np, name)(x, axis=axis))
    assert np.isnan(wg.mean(wg.zeros(0)).item())
    np.testing.assert_array_equal(wg.max(wg.zeros((0, 3)), axis=1).numpy(), np.zeros(0))


def test_matmul_of_many_shapes(device, rng):
    """Both sides of every tile boundary, and what is empty."""
    extents = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 70, 129)
    cases = [(n, k, m) for n, k, m in rng.choice(extents, (24, 3))]
    cases += [(0, 3, 2), (2, 0, 3), (2, 3, 0), (0, 0, 0), (1, 1, 1), (64, 64, 64), (128, 8, 128)]
    for n, k, m in cases:
        a = rng.standard_normal((n, k)).astype(np.float32)
        b = rng.standard_normal((k, m)).astype(np.float32)
        expected = a.astype(np.float64) @ b.astype(np.float64)
        for x, y in (
            (wg.tensor(a), wg.tensor(b)),
            (wg.tensor(a.T.copy()).T, wg.tensor(b)),
            (wg.tensor(a), wg.tensor(b.T.copy()).T),
        ):
            out = wg.matmul(x, y)
            assert out.shape == expected.shape
            np.testing.assert_allclose(out.numpy(), expected, rtol=1e-5, atol=2e-5)


def test_matmul_of_batches(device, rng):
    for left, right in (((5, 33, 17), (17, 20)), ((3, 1, 9, 16), (4, 16, 9)), ((0, 2, 3), (3, 2))):
        a = rng.standard_normal(left).astype(np.float32)
        b = rng.standard_normal(right).astype(np.float32)
        expected = a.astype(np.float64) @ b.astype(np.float64)
        out = wg.tensor(a) @ wg.tensor(b)
        assert out.shape == expected.shape
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-5, atol=1e-5)


# Special values, by the documented rules.

INF, NAN = float("inf"), float("nan")
SPECIAL: tuple[tuple[str, Any, list, list], ...] = (
    ("relu", wg.relu, [NAN, INF, -INF, -0.0, 3e38], [NAN, INF, 0, 0, 3e38]),
    ("abs", wg.abs, [NAN, INF, -INF, -0.0], [NAN, INF, INF, 0]),
    ("sign", wg.sign, [NAN, INF, -INF, 0.0, -0.0, -1e-30], [NAN, 1, -1, 0, 0, -1]),
    ("clip_to", lambda x: wg.clip(x, -1, 2), [NAN, INF, -INF, 2, -1], [NAN, 2, -1, 2, -1]),
    ("clip_low", lambda x: wg.clip(x, min=-1), [NAN, INF, -INF], [NAN, INF, -1]),
    ("max0", lambda x: wg.maximum(x, 0.0), [NAN, INF, -INF, -1], [NAN, INF, 0, 0]),
    ("0max", lambda x: wg.maximum(0.0, x), [NAN, INF, -INF, -1], [NAN, INF, 0, 0]),
    ("min0", lambda x: wg.minimum(x, 0.0), [NAN, INF, -INF, 1], [NAN, 0, -INF, 0]),
    ("0min", lambda x: wg.minimum(0.0, x), [NAN, INF, -INF, 1], [NAN, 0, -INF, 0]),
    ("exp", wg.exp, [NAN, INF, -INF, 0, 100, -200], [NAN, INF, 0, 1, INF, 0]),
    ("log", wg.log, [NAN, INF, 0.0, -1, 1, -0.0], [NAN, INF, -INF, NAN, 0, -INF]),
    ("sqrt", wg.sqrt, [NAN, INF, 0.0, -1, 4], [NAN, INF, 0, NAN, 2]),
    ("tanh", wg.tanh, [NAN, INF, -INF, 0, 400, -400, 45], [NAN, 1, -1, 0, 1, -1, 1]),
    ("sigmoid", wg.sigmoid, [NAN, INF, -INF, 0, 400, -400], [NAN, 1, 0, 0.5, 1, 0]),
    ("reciprocal", wg.reciprocal, [NAN, INF, -INF, 0.0, -0.0], [NAN, 0, 0, INF, -INF]),
    ("1/x", lambda x: 1 / x, [NAN, INF, 0.0, -0.0], [NAN, 0, INF, -INF]),
    ("x/0", lambda x: x / 0.0, [NAN, 1, -1, 0.0, INF], [NAN, INF, -INF, NAN, INF]),
    ("x/x", lambda x: x / x, [NAN, 0.0, INF, 2], [NAN, NAN, NAN, 1]),
    ("x-x", lambda x: x - x, [NAN, INF, 2], [NAN, NAN, 0]),
    ("x*0", lambda x: x * 0, [NAN, INF, 2], [NAN, NAN, 0]),
    ("-x", lambda x: -x, [NAN, INF, 2], [NAN, -INF, -2]),
    ("square", lambda x: x**2, [-3, NAN, INF, -INF], [9, NAN, INF, INF]),
    ("cube", lambda x: x**3, [-3, NAN, INF, -INF, 0.0], [-27, NAN, INF, -INF, 0]),
    ("x**0", lambda x: x**0, [0.0, -3, 5, INF, NAN], [1, 1, 1, 1, 1]),
    ("0**x", lambda x: 0.0**x, [0.0, 2, 0.5], [1, 0, 0]),
    ("x**.5", lambda x: x**0.5, [-1, 4, 0.0, NAN], [NAN, 2, 0, NAN]),
    ("x**-1", lambda x: x**-1, [2, 0.0, -4], [0.5, INF, -0.25]),
    ("1**x", lambda x: 1.0**x, [3, INF, NAN], [1, 1, 1]),
    ("(-2)**x", lambda x: (-2.0) ** x, [3, 2, 0.5, -1, 0.0], [-8, 4, NAN, -0.5, 1]),
    ("isnan", wg.isnan, [NAN, INF, -INF, 0], [True, False, False, False]),
    ("isinf", wg.isinf, [NAN, INF, -INF, 0], [False, True, True, False]),
    ("isfinite", wg.isfinite, [NAN, INF, -INF, 0], [False, False, False, True]),
    ("x==x", lambda x: x == x, [NAN, INF, 0.0], [False, True, True]),
    ("x!=x", lambda x: x != x, [NAN, INF, 0.0], [True, False, False]),
    ("x<0", lambda x: x < 0, [NAN, INF, -INF, 0.0], [False, False, True, False]),
    ("x>=0", lambda x: x >= 0, [NAN, INF, -INF, -0.0], [False, True, False, True]),
    ("x<=0", lambda x: x <= 0, [NAN, INF, -INF, -0.0], [False, False, True, True]),
    ("where", lambda x: wg.where(x > 0, x, 7.0), [NAN, INF, -INF], [7, INF, 7]),
    ("sum", wg.sum, [INF, 1, 2], INF),
    ("sum_nan", wg.sum, [INF, -INF, 2], NAN),
    ("max", wg.max, [1, NAN, 3], NAN),
    ("max_nan_last", wg.max, [1, 3, NAN], NAN),
    ("max_inf", wg.max, [-INF, -INF], -INF),
    ("min", wg.min, [NAN, 1, 3], NAN),
    ("min_inf", wg.min, [INF, INF], INF),
    ("prod", wg.prod, [INF, 0.0], NAN),
    ("mean", wg.mean, [INF, 1], INF),
    ("any", wg.any, [NAN, 0.0], True),
    ("all", wg.all, [NAN, 1.0], True),
    ("argmax", wg.argmax, [1, NAN, 3, NAN], 1),
    ("argmin", wg.argmin, [1, NAN, 0, NAN], 1),
    ("argmax_ties", wg.argmax, [1, 3, 3], 1),
    ("argmin_inf", wg.argmin, [INF, INF], 0),
    ("softmax", wg.softmax, [1000.0, 0, -1000], [1, 0, 0]),
    ("softmax_masked", wg.softmax, [0.0, -INF, 0.0], [0.5, 0, 0.5]),
    ("log_softmax", wg.log_softmax, [1000.0, 0, -1000], [0, -1000, -2000]),
    ("logsumexp", wg.logsumexp, [1000.0, 1000.0], 1000.6931471805599),
    ("logsumexp_nothing", wg.logsumexp, [-INF, -INF], -INF),
    ("logsumexp_inf", wg.logsumexp, [INF, 1], INF),
    (
        "int",
        lambda x: x.astype("int32"),
        [NAN, INF, -INF, -2.7, 2.7],
        [0, 2**31 - 1, -(2**31), -2, 2],
    ),
    ("uint", lambda x: x.astype("uint32"), [NAN, INF, -5, 2.7], [0, 2**32 - 1, 0, 2]),
    ("bool", lambda x: x.astype("bool"), [NAN, 0.0, -0.0, 0.5], [True, False, False, True]),
)


@pytest.mark.parametrize(
    ("call", "data", "expected"), [s[1:] for s in SPECIAL], ids=[s[0] for s in SPECIAL]
)
def test_special_values(call: Any, data: list, expected: Any, device):
    for dtype in FLOATS if device.name == "numpy" else ("float32",):
        x = wg.tensor(data, dtype=dtype)
        found = np.asarray(call(x).numpy(), np.float64)
        wanted = np.asarray(expected, np.float64)
        if dtype == "float32":
            with np.errstate(over="ignore"):
                wanted = wanted.astype(np.float32)
        elif call in (wg.exp,):  # float64 holds e ** 100 and e ** -200
            wanted = np.exp(np.asarray(data, np.float64))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


CORNERS = (NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, -3.0, 7e29, -7e29, 1e-30)


@pytest.mark.parametrize(
    "row",
    [row for row in ELEMENTWISE if "float32" in row.dtypes and row.id not in ("sin", "cos", "tan")],
    ids=lambda row: row.id,
)
def test_webgpu_agrees_with_numpy_at_every_corner(row: Row, webgpu):
    """All combinations of NaN, infinities, zeros and ordinary numbers: the same answer."""
    grids = np.meshgrid(*[np.array(CORNERS, np.float32)] * len(row.args), indexing="ij")
    arrays = [
        grid > 0 if arg.kind == "bool" else grid for arg, grid in zip(row.args, grids, strict=True)
    ]
    found = row.call(*tensors(row, arrays)).numpy()
    with wg.device("numpy"):
        expected = row.call(*tensors(row, arrays)).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-37)


def test_integers_wrap_as_numpys_do(device):
    top = wg.tensor([2**31 - 1, -(2**31)])
    assert (top + 1).tolist() == [-(2**31), -(2**31) + 1]
    assert (top * 2).tolist() == [-2, 0]
    assert (wg.tensor([0, 5], dtype="uint32") - 1).tolist() == [2**32 - 1, 4]
    assert wg.sum(wg.full(4, 2**30)).item() == 0
    assert (wg.tensor([3, -2, 0, 7]) ** 3).tolist() == [27, -8, 0, 343]
    assert (wg.tensor([3, -2, 0]) ** 0).tolist() == [1, 1, 1]
    assert (wg.tensor([7], dtype="uint32") ** 11).tolist() == [7**11 % 2**32]


def test_integers_beyond_float_precision_stay_exact(device):
    x = wg.tensor([2**24 + 1, 2**30 + 1, -(2**30) - 1])
    assert (x + 0).tolist() == x.tolist()
    assert wg.max(x).item() == 2**30 + 1
    assert wg.argmax(wg.tensor([2**24, 2**24 + 1])).item() == 1
    big = wg.tensor([2**32 - 1, 2**31, 3], dtype="uint32")
    assert wg.max(big).item() == 2**32 - 1
    assert wg.min(big).item() == 3
    assert (big > 2**31).tolist() == [True, False, False]


# Sizes: beyond 65,535 workgroups, and beyond 65,535 iterations of a loop.


def test_elementwise_beyond_one_dispatch_dimension(device):
    """16,776,960 elements are what 65,535 groups of 256 threads can do, one each."""
    n = 65_535 * 256 + 65_537
    x = wg.arange(n, dtype="int32")
    out = (x + 1).numpy()
    assert out[0] == 1 and out[-1] == n and out[65_535 * 256] == 65_535 * 256 + 1
    np.testing.assert_array_equal(out, np.arange(1, n + 1, dtype=np.int32))


def test_strided_elementwise_beyond_one_dispatch_dimension(device):
    columns = 65_537
    rows = 257
    row = wg.arange(columns, dtype="int32")
    column = wg.reshape(wg.arange(rows, dtype="int32"), (rows, 1))
    out = (row + column).numpy()  # both operands are expanded
    assert out.shape == (rows, columns)
    np.testing.assert_array_equal(
        out, np.arange(columns, dtype=np.int32) + np.arange(rows, dtype=np.int32)[:, None]
    )


LONG = ((200_000,), (3, 70_001), (70_001, 3))


@pytest.mark.parametrize("shape", LONG, ids=str)
def test_reductions_beyond_65535_iterations(shape: tuple[int, ...], device, rng):
    """Values that make every element count: a lost tail changes the answer."""
    ones = np.ones(shape, np.float32)
    counts = rng.integers(0, 10, shape).astype(np.int32)
    distinct = rng.permutation(np.prod(shape)).reshape(shape).astype(np.int32)
    last = np.zeros(shape, bool)
    last[..., -1] = True
    last[-1] = True
    doubled = ones.copy()
    doubled.reshape(-1)[[0, shape[-1] // 2, -1]] = 2.0
    for axis in (None, *range(len(shape))):
        for array, name in (
            (ones, "sum"),
            (counts, "sum"),
            (doubled, "prod"),
            (distinct, "max"),
            (-distinct, "max"),
            (distinct, "min"),
            (distinct.astype(np.float32), "max"),
            (distinct, "argmax"),
            (-distinct, "argmax"),
            (distinct, "argmin"),
            (last, "any"),
            (~last, "all"),
        ):
            found = getattr(wg, name)(wg.tensor(array), axis=axis)
            np.testing.assert_array_equal(
                found.numpy(), getattr(np, name)(array, axis=axis), err_msg=f"{name} {axis}"
            )


def test_many_reductions_beyond_65535_iterations_at_once(device):
    """So many outputs that one thread each keeps a GPU busy; an expanded 1 needs no memory."""
    ones = wg.broadcast_to(wg.tensor(1), (300, 70_001))
    np.testing.assert_array_equal(wg.sum(ones, axis=1).numpy(), np.full(300, 70_001))


def test_long_float_sums_stay_accurate(device, rng):
    x = rng.uniform(0, 1, 300_001).astype(np.float32)
    exact = x.astype(np.float64).sum()
    assert wg.sum(wg.tensor(x)).item() == pytest.approx(exact, rel=2e-5)
    assert wg.mean(wg.tensor(x)).item() == pytest.approx(exact / x.size, rel=2e-5)


@pytest.mark.parametrize("k", [70_000, 300_000])
def test_matmul_beyond_65535_iterations(k: int, device, rng):
    a = rng.integers(-2, 3, (3, k)).astype(np.float32)
    b = rng.integers(-2, 3, (k, 2)).astype(np.float32)
    np.testing.assert_array_equal((wg.tensor(a) @ wg.tensor(b)).numpy(), a @ b)
    np.testing.assert_array_equal((wg.tensor(a[0]) @ wg.tensor(b[:, 0])).numpy(), a[0] @ b[:, 0])


def test_scatter_add_beyond_65535_iterations(device, rng):
    index = rng.integers(0, 3, 70_000)
    index[-1] = 2
    values = rng.integers(0, 5, 70_000).astype(np.float32)
    found = wg.scatter_add(wg.zeros(3), wg.tensor(index), wg.tensor(values), 0)
    np.testing.assert_array_equal(found.numpy(), np.bincount(index, values, 3))
    places = rng.integers(0, 1000, 70_000)
    wide = wg.scatter_add(wg.zeros(1000), wg.tensor(places), wg.tensor(values), 0)
    np.testing.assert_array_equal(wide.numpy(), np.bincount(places, values, 1000))


def test_gather_beyond_65535_elements(device, rng):
    x = rng.integers(-1000, 1000, 150_000).astype(np.int32)
    index = rng.integers(0, x.size, 200_000)
    np.testing.assert_array_equal(wg.take(wg.tensor(x), index).numpy(), x[index])


def test_copies_of_large_odd_layouts(device):
    x = np.arange(300 * 701, dtype=np.int32).reshape(300, 701)
    t = wg.tensor(x)
    np.testing.assert_array_equal(t.T.reshape(-1).numpy(), x.T.reshape(-1))
    np.testing.assert_array_equal(t[::-3, 1::2].reshape(-1).numpy(), x[::-3, 1::2].reshape(-1))
    joined = wg.concat([t, t[:, :5]], axis=1)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([x, x[:, :5]], axis=1))


def test_softmax_of_rows_as_long_as_a_workgroup(device, rng):
    """Rows of 255 to 257 and of thousands: kernels that race on a full workgroup differ here."""
    for columns in (255, 256, 257, 1024, 5000):
        x = rng.standard_normal((7, columns)).astype(np.float32)
        wide = x.astype(np.float64)
        e = np.exp(wide - wide.max(axis=1, keepdims=True))
        expected = e / e.sum(axis=1, keepdims=True)
        out = wg.softmax(wg.tensor(x)).numpy()
        np.testing.assert_allclose(out, expected, rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("exp", -87, 88),
        ("log", 1e-30, 1e30),
        ("log", 0.9, 1.1),
        ("tanh", -0.01, 0.01),
        ("tanh", -50, 50),
        ("sigmoid", -80, 80),
        ("sqrt", 0, 1e30),
        ("sin", -30, 30),
        ("cos", -30, 30),
    ],
)
def test_accuracy_over_the_whole_domain(name: str, low: float, high: float, device):
    """Relative error against float64, near the ends and near zeros of the function too."""
    x = np.linspace(low, high, 20_001).astype(np.float32)
    reference = {"sigmoid": lambda a: 1 / (1 + np.exp(-a))}.get(name, getattr(np, name, None))
    expected = reference(x.astype(np.float64))
    found = getattr(wg, name)(wg.tensor(x)).numpy()
    atol = 5e-7 if name in ("sin", "cos", "log") else 1e-37
    # WGSL allows exp an error that grows with |x|.
    rtol = 1e-5 if name in ("exp", "sigmoid") else 2e-6
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
