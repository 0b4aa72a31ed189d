"""einsum and tensordot beyond the table: random subscripts, what is applied, and in which order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wgrad as wg
from wgrad import core
from wgrad.core import Call
from wgrad.errors import ArgumentError

EXTENTS = {"i": 2, "j": 3, "k": 1, "l": 4, "m": 0}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """Draw subscripts, often of little sense, and shapes that they fit."""
    dots = draw(st.booleans())
    lead = draw(st.lists(st.sampled_from([1, 2, 3]), max_size=2)) if dots else []
    terms, shapes = [], []
    for _ in range(draw(st.integers(1, 4))):
        letters = draw(st.lists(st.sampled_from("iijjkkllm"), max_size=3))
        shape = [EXTENTS[c] for c in letters]
        for c in sorted(set(letters)):
            if draw(st.integers(0, 5)) == 0:  # extents of 1 broadcast
                shape = [1 if d == c else n for d, n in zip(letters, shape, strict=True)]
        term = "".join(letters)
        if dots and draw(st.booleans()):
            at, own = draw(st.integers(0, len(term))), lead[draw(st.integers(0, len(lead))) :]
            own = [1 if draw(st.integers(0, 5)) == 0 else n for n in own]
            term = f"{term[:at]}...{term[at:]}"
            shape[at:at] = own
        terms.append(term)
        shapes.append(tuple(shape))
    text = ",".join(terms)
    if draw(st.booleans()):
        labels = sorted(set("".join(terms)) - {"."})
        out = draw(st.permutations(labels))[: draw(st.integers(0, len(labels)))]
        text += "->" + ("..." if "..." in text else "") + "".join(out)
    return text, shapes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(), st.sampled_from(["float32", "int32"]))
def test_einsum_of_random_subscripts_agrees_with_numpy(case, dtype):
    text, shapes = case
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]
    expected = np.einsum(text, *arrays)
    with wg.device("numpy"):
        found = wg.einsum(text, *map(wg.tensor, arrays))
    assert found.shape == expected.shape and found.dtype.name == dtype
    np.testing.assert_array_equal(found.numpy(), expected)  # small integers are exact


def heard(f: Callable, *args: wg.Tensor) -> list[Call]:
    """Return the calls that f makes."""
    calls: list[Call] = []

    class Listens(core.Interpreter):
        def call(self, op, inputs, params):
            out = core.apply(op, *inputs, **params)
            calls.append(Call(op, inputs, params, out))
            return out

    core.interpreted(Listens(), f, *args)
    return calls


def products(calls: list[Call]) -> list[tuple[int, ...]]:
    """Return the extents of each product, as (*batch, n, k, m)."""
    return [(*c.inputs[0].shape, c.inputs[1].shape[-1]) for c in calls if c.op.name == "matmul"]


def test_einsum_of_permuted_axes_copies_nothing(device):
    """Views say how the operands lie, and the product is the one kernel."""
    q, k = wg.randn(2, 5, 3, 4), wg.randn(2, 6, 3, 4)
    for spec in ("bihd,bjhd->bhij", "bihd,bjhd->hbji", "bihd,bjhd->bijh"):
        calls = heard(lambda x, y, spec=spec: wg.einsum(spec, x, y), q, k)
        assert {c.op.name for c in calls} <= {"permute_dims", "matmul"}, spec
        assert products(calls) == [(2, 3, 5, 4, 6)]
    x, y = wg.randn(4, 3, 5), wg.randn(3, 5, 2)
    calls = heard(lambda x, y: wg.einsum("aij,ijb->ab", x, y), x, y)
    assert products(calls) == [(4, 15, 2)]
    storages = {c.op.name: c.out.array.storage for c in calls if c.op.name == "reshape"}
    assert storages["reshape"] in (x.array.storage, y.array.storage)


def test_einsum_sums_the_labels_of_one_operand_first(numpy_device):
    calls = heard(lambda x, y: wg.einsum("aij,jb->b", x, y), wg.randn(4, 3, 5), wg.randn(5, 2))
    assert [c.op.name for c in calls if c.op.name in ("sum", "matmul")] == ["sum", "matmul"]
    assert products(calls) == [(1, 5, 2)]


def test_einsum_contracts_small_results_first(numpy_device):
    a, b, c = wg.randn(50, 2), wg.randn(2, 50), wg.randn(50, 3)
    calls = heard(lambda *xs: wg.einsum("ij,jk,kl->il", *xs), a, b, c)
    assert products(calls) == [(2, 50, 3), (50, 2, 3)]


def test_einsum_of_more_labels_than_letters(numpy_device):
    x = wg.ones((1,) * 60)
    assert wg.einsum("...,...,...", x, x * 2, x * 3).shape == (1,) * 60


def test_einsum_takes_numbers_lists_and_many_operands(device):
    assert wg.einsum("i,->i", [1.0, 2.0], 3).tolist() == [3, 6]
    assert wg.einsum(",,", 2.0, 3.0, 4.0).item() == 24
    assert wg.einsum("i," * 19 + "i->", *[[1, 2]] * 20).item() == 1 + 2**20


def test_einsum_of_two_dtypes_promotes(numpy_device):
    ints = wg.tensor([1, 2])
    assert wg.einsum("i,i", ints, wg.tensor([0.5, 0.5])).item() == 1.5
    assert wg.einsum("i,i", ints, wg.tensor([True, False])).dtype is wg.int32
    assert wg.einsum("i,i", ints, wg.tensor([0.5, 1], "float64")).dtype is wg.float64


def test_contractions_of_nothing_are_zeros(device):
    a, b = wg.zeros((2, 0)), wg.zeros((0, 3))
    for out in (wg.einsum("ij,jk", a, b), wg.tensordot(a, b, 1)):
        assert out.tolist() == [[0] * 3] * 2
    assert wg.einsum("ij,ij->", a, a).item() == wg.trace(wg.zeros((3, 0))).item() == 0
    assert wg.vecdot(a, a).tolist() == [0, 0]
    assert wg.outer(wg.zeros(0), [1.0]).shape == (0, 1)
    assert wg.kron(a, b).shape == (0, 0)


def test_long_dot_products_stay_accurate(device):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1, (2, 300_001)).astype(np.float32)
    exact = np.dot(x.astype(np.float64), y.astype(np.float64))
    for f in (wg.vecdot, lambda a, b: wg.einsum("i,i->", a, b)):
        assert f(wg.tensor(x), wg.tensor(y)).item() == pytest.approx(exact, rel=2e-6)


@pytest.mark.parametrize("axes", [0, 1, 2, (0, 1), ([0, 1], [1, 0]), ([-1], [0])], ids=str)
def test_tensordot_agrees_with_numpy(axes, device):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-3, 4, (4, 4, 4)[: 2 + i]).astype(np.float32) for i in range(2))
    np.testing.assert_array_equal(wg.tensordot(a, b, axes).numpy(), np.tensordot(a, b, axes))


def test_linalg_takes_the_last_two_axes(device):
    x = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    t = wg.tensor(x)
    for offset in (-1, 0, 2):
        expected = np.linalg.diagonal(x, offset=offset)
        assert np.array_equal(wg.linalg.diagonal(t, offset=offset).numpy(), expected)
        assert np.array_equal(wg.linalg.trace(t, offset=offset).numpy(), expected.sum(-1))
    assert wg.linalg.matmul is wg.matmul
    for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        for keepdims in (False, True):
            expected = np.linalg.matrix_norm(x - 11, ord=ord, keepdims=keepdims)
            found = wg.linalg.matrix_norm(t - 11, ord=ord, keepdims=keepdims)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-6)
    expected = np.linalg.vector_norm(x, axis=1, ord=3)
    np.testing.assert_allclose(wg.linalg.vector_norm(t, axis=1, ord=3).numpy(), expected, rtol=1e-5)
    for ord in (3, "nuclear", True, None):
        with pytest.raises(ArgumentError, match="matrix_norm"):
            wg.linalg.matrix_norm(t, ord=ord)


def test_contractions_compile_as_they_run(device):
    def f(x: wg.Tensor, y: wg.Tensor) -> tuple:
        return (
            wg.einsum("bij,bjk->k", x, y),
            wg.einsum("bii->b", x @ x.mT),
            wg.tensordot(x, y, ([0, 2], [0, 1])),
            wg.kron(x[0], y[1]),
            wg.cross(x[..., :3], y[:, :3, :3].sum(1, keepdims=True)),
        )

    x, y = wg.randn(2, 3, 4), wg.randn(2, 4, 5)
    loss = wg.value_and_grad(lambda x, y: sum(part.square().sum() for part in f(x, y)), (0, 1))
    for function in (f, loss):
        plain, compiled = function(x, y), wg.compile(function)(x, y)
        for a, b in zip(_flat(plain), _flat(compiled), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)


def _flat(found: wg.Tensor | tuple) -> list[wg.Tensor]:
    return [found] if isinstance(found, wg.Tensor) else [x for part in found for x in _flat(part)]
