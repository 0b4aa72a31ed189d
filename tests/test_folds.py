"""A new reduction is one value: everything that folds asks it, and knows no fold by its name."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from campaigns.windows import BOUND, tiny

import wgrad as wg
from wgrad.backends import fold as folds
from wgrad.backends.fold import Fold
from wgrad.backends.webgpu.variants import literal
from wgrad.core import wrap
from wgrad.dtypes import float32
from wgrad.errors import ArgumentError
from wgrad.ops.reduction import Reduction

# Two that wgrad has not: the length of a vector, and the parity of bits.
LENGTH = Fold("length", "sqrt(a * a + b * b)", np.hypot, lambda dtype: 0, terms=0, scales=True)
PARITY = Fold("parity", "a ^ b", np.bitwise_xor, lambda dtype: 0)
length = Reduction("length", LENGTH, lambda out, a: a / out, "same", "The length over axes.")
parity = Reduction("parity", PARITY, None, "same", "The parity of each bit over axes.")

SHAPES = [((7,), 0), ((5, 300), 1), ((300, 5), 0), ((3, 4, 5), (0, 2)), ((40_000,), 0)]


def numbers(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype("f4"), rng.integers(-99, 99, shape).astype("i4")


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("compiled", [False, True])
def test_new_folds_are_right_eager_and_compiled(device, shape, axis, compiled):
    x, n = numbers(shape)

    def f(x, n):
        return length(x * 2, axis), parity(n + 1, axis, keepdims=True)

    a, b = (wg.compile(f) if compiled else f)(wg.tensor(x), wg.tensor(n))
    right = np.sqrt(np.square(2.0 * x.astype("f8")).sum(axis))
    np.testing.assert_allclose(a.numpy(), right, rtol=2e-6)
    found = np.bitwise_xor.reduce(n + 1, axis if isinstance(axis, tuple) else (axis,))
    np.testing.assert_array_equal(b.numpy(), np.expand_dims(found, axis))


def test_new_folds_are_fused_with_what_feeds_them_and_what_reads_them(device):
    x = wg.tensor(numbers((6, 50))[0])
    f = wg.compile(lambda x: x / length(x.exp(), 1, keepdims=True))
    shown = np.exp(x.numpy().astype("f8"))
    right = x.numpy() / np.sqrt(np.square(shown).sum(1, keepdims=True))
    np.testing.assert_allclose(f(x).numpy(), right, rtol=2e-6)
    (kernel,) = f.explain().kernels
    assert "exp length" in kernel.name


@pytest.mark.parametrize("compiled", [False, True])
def test_new_folds_have_gradients_and_tangents(device, compiled):
    x = wg.tensor(numbers((4, 9))[0])
    slope = wg.grad(lambda x: length(x, 1).sum())
    found = (wg.compile(slope) if compiled else slope)(x).numpy()
    right = x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True)
    np.testing.assert_allclose(found, right, rtol=1e-5)
    _, pushed = wg.jvp(lambda x: length(x, 1), (x,), (wg.ones_like(x),))
    np.testing.assert_allclose(pushed.numpy(), right.sum(1), rtol=1e-4)


def test_new_folds_of_nothing_are_the_identity_and_nan_is_passed_on(device):
    assert length(wg.zeros((2, 0)), 1).tolist() == [0.0, 0.0]
    assert parity(wg.zeros((0,), dtype="int32")).item() == 0
    assert np.isnan(length(wg.tensor([1.0, np.nan])).item())


@pytest.mark.parametrize("back", [False, True])
def test_new_folds_scan(device, back):
    x = np.abs(numbers((3, 90))[0])
    where = wg.tensor(x)
    found = wrap(where.device.scan(LENGTH, where.array, 1, back)).numpy()
    line = x[:, ::-1] if back else x
    right = np.sqrt(np.cumsum(np.square(line.astype("f8")), 1))
    np.testing.assert_allclose(found, right[:, ::-1] if back else right, rtol=5e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_new_folds_of_what_one_binding_does_not_hold(webgpu, compiled):
    x, n = numbers((301, 129))
    assert x.nbytes > BOUND
    with tiny(webgpu):
        for axis in (None, 0, 1):
            f = lambda x, n, axis=axis: (length(x, axis), parity(n, axis))  # noqa: E731
            a, b = (wg.compile(f) if compiled else f)(wg.tensor(x), wg.tensor(n))
            axes = (0, 1) if axis is None else (axis,)
            right = np.sqrt(np.square(x.astype("f8")).sum(axes))
            np.testing.assert_allclose(a.numpy(), right, rtol=5e-6)
            np.testing.assert_array_equal(b.numpy(), np.bitwise_xor.reduce(n, axes))


def test_the_fold_of_logarithms_reduces_as_it_scans(device):
    x = wg.tensor([[-1e30, 2.0, 3.0], [-np.inf, -np.inf, -np.inf], [500.0, 500.0, -500.0]])
    total = Reduction("total", folds.LOGSUMEXP, lambda out, a: wg.exp(a - out), "same", "Total.")
    right = [3 + np.log1p(np.exp(-1)), -np.inf, 500 + np.log(2)]
    np.testing.assert_allclose(total(x, 1).numpy(), right, rtol=1e-6)
    np.testing.assert_allclose(wg.compile(lambda x: total(x, 1))(x).numpy(), right, rtol=1e-6)


@pytest.mark.parametrize("numpy", [lambda a, b: a, np.negative, None])
def test_a_fold_without_a_ufunc_is_refused_where_it_is_declared(numpy):
    with pytest.raises(ArgumentError, match=r"Fold: odd came with numpy=.* a ufunc of two is nee"):
        Fold("odd", "a ^ b", numpy, lambda dtype: 0)


@pytest.mark.parametrize("nothing", [7, None, "x", float("nan"), 1e99])
def test_a_fold_whose_identity_changes_something_is_refused_where_it_is_declared(nothing):
    with pytest.raises(ArgumentError, match=r"Fold: odd came with the identity .* it changes -1"):
        Fold("odd", "a + b", np.add, lambda dtype: nothing)


def test_identities_are_wgsl_of_every_type():
    assert literal(folds.MAX.identity(float32), "f32") == "make_inf(-1.0)"
    assert literal(folds.MIN.identity(wg.int32), "i32") == "i32(2147483647)"
    assert literal(folds.MAX.identity(wg.int32), "i32") == "(-2147483647i - 1i)"
    assert literal(folds.MIN.identity(wg.uint32), "u32") == "u32(4294967295)"
    assert literal(folds.ALL.identity(wg.bool), "bool") == "true"
    assert literal(folds.ALL.identity(wg.bool), "u32") == "u32(1)"


def test_no_file_of_devices_and_programs_knows_a_fold_by_its_name():
    names = {f.name for f in vars(folds).values() if isinstance(f, Fold)}
    assert {"sum", "prod", "logsumexp"} <= names
    root = Path(wg.__file__).parent
    files = [*(root / "backends").rglob("*.py"), *(root / "program").rglob("*.py")]
    for path in files:
        if path.name == "fold.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
        assert not names & {t for t in texts if isinstance(t, str)}, path


@pytest.mark.parametrize("n", [16384, 16411])
def test_many_long_sums_of_one_tensor_fit_the_buffers_of_kernels(n, device):
    """Between the kernels that a long sum becomes lies memory of its own, for each sum."""
    x = np.random.default_rng(0).uniform(size=n)
    sums = wg.compile(lambda x: [(x * k).sum() for k in range(1, 17)])
    found = sums(wg.tensor(x))
    np.testing.assert_allclose([s.item() for s in found], x.sum() * np.arange(1, 17), rtol=1e-5)
