"""Terms that do not count, ties, overflow inside: where a formula is right and its rounding is not.

What does not count may hold anything. So a function of data with NaN or infinities there must give
what it gives where ordinary numbers stand instead: the same value, the same derivatives elsewhere,
and none there, in first and in second order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.nn import functional as F

INF, NAN = float("inf"), float("nan")


def derivatives(f: Callable[[wg.Tensor], wg.Tensor], x: np.ndarray) -> list[np.ndarray]:
    """Return f, its gradient, and the gradient of the gradient's sum of squares."""

    def total(x: wg.Tensor) -> wg.Tensor:
        return wg.sum(f(x) * 0.75)

    slope = wg.grad(total)
    value = wg.tensor(x, dtype="float32")
    second = wg.grad(lambda x: wg.sum(wg.square(slope(x))))(value)
    forward = wg.jvp(f, (value,), (wg.tensor(np.where(np.isfinite(x), 0.5, 0), "float32"),))[1]
    return [y.numpy() for y in (f(value), slope(value), second, forward)]


# Terms that do not count.

SCORES = np.array([[0.3, -1.2, 0.8], [2.0, 0.1, -0.4], [0.5, 0.6, 0.7]], np.float32)
SHARES = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], np.float32)
LOGS = np.log(SHARES, out=np.full_like(SHARES, -INF), where=SHARES > 0)
ROW = np.array([[False] * 3, [True] * 3, [False] * 3])
LAST = ROW[[0, 2, 1]]
ONES = np.array([[1, -1, 1], [-1, 1, 1], [-1, -1, 1]], np.float32)
NO_2 = [1.0, 0.0, 1.0]  # the second does not count
MASK = np.array([[1, 0, 1], [1, 0, 1], [0, 0, 0]], bool)


def _branch(f: Callable) -> Callable:
    return lambda x: wg.where(wg.tensor(~ROW), f(x), 0.25)


def _rows(f: Callable) -> Callable:
    return lambda x: wg.where(wg.tensor(~ROW[:, 0]), f(x), 0.25)


def _attention(mask: np.ndarray, *roles: str) -> Callable:
    def call(x: wg.Tensor) -> wg.Tensor:
        q, k, v = (x if role in roles else wg.tensor(SCORES) for role in "qkv")
        return F.scaled_dot_product_attention(q, k, v, wg.tensor(mask))

    return call


def _dropped() -> np.ndarray:
    with wg.device("numpy"):
        return F.dropout(wg.ones((3, 3)), 0.5, generator=wg.Generator(5)).numpy() == 0


def _cosine(x: wg.Tensor) -> wg.Tensor:
    return F.cosine_embedding_loss(x, SCORES[::-1].copy(), [1.0, 0.0, -1.0], "none")


# What is called, where its input does not count, and what may stand there.
ALL = (INF, -INF, NAN)
NOTHING: dict[str, tuple[Callable, np.ndarray, tuple[float, ...]]] = {
    "where log": (_branch(wg.log), ROW, (0, -1, INF, NAN)),
    "where sqrt": (_branch(wg.sqrt), ROW, (0, -1, INF, NAN)),
    "where reciprocal": (_branch(wg.reciprocal), ROW, (0, *ALL)),
    "where power": (_branch(lambda x: x**-1.5), ROW, (0, -1, NAN)),
    "where exp": (_branch(wg.exp), ROW, (1e3, *ALL)),
    "where softmax": (_branch(wg.softmax), ROW, ALL),
    "where norm": (_rows(lambda x: wg.norm(x, 1)), ROW, (0, *ALL)),
    "where prod": (_rows(lambda x: wg.prod(x, 1)), ROW, (0, *ALL)),
    "where std": (_rows(lambda x: wg.std(x, 1)), ROW, (0, *ALL)),
    "where cumulative_prod": (_branch(lambda x: wg.cumulative_prod(x, 1)), ROW, (0, *ALL)),
    "cross_entropy ignored": (lambda x: F.cross_entropy(x, [0, -100, 2]), ROW, ALL),
    "cross_entropy ignored, smooth": (
        lambda x: F.cross_entropy(x, [0, 1, 2], ignore_index=1, label_smoothing=0.1),
        ROW,
        ALL,
    ),
    "cross_entropy weight": (lambda x: F.cross_entropy(x, [0, 1, 2], weight=NO_2), ROW, ALL),
    "cross_entropy shares": (
        lambda x: F.cross_entropy(x, SHARES, "none"),
        SHARES == 0,
        (-1e4, -INF),
    ),
    "cross_entropy shares, weight": (
        lambda x: F.cross_entropy(x, np.eye(3, dtype=np.float32), "sum", weight=NO_2),
        ROW,
        ALL,
    ),
    "cross_entropy smooth alone": (
        lambda x: F.cross_entropy(x, [0, -100, 2], label_smoothing=1.0),
        ROW,
        ALL,
    ),
    "nll_loss": (lambda x: F.nll_loss(x, [0, -100, 2]), ROW, ALL),
    "nll_loss weight": (lambda x: F.nll_loss(x, [0, 1, 2], weight=NO_2), ROW, ALL),
    "multi_margin_loss": (
        lambda x: F.multi_margin_loss(x, [0, 1, 2], p=2, weight=NO_2),
        ROW,
        ALL,
    ),
    "binary_cross_entropy": (
        lambda x: F.binary_cross_entropy(x, SHARES, weight=[NO_2] * 3),
        ROW.T,
        ALL,
    ),
    "with_logits 0": (
        lambda x: F.binary_cross_entropy_with_logits(x, wg.zeros((3, 3)), "none"),
        ROW,
        (-1e4, -INF),
    ),
    "with_logits 1": (
        lambda x: F.binary_cross_entropy_with_logits(x, wg.ones((3, 3)), "sum"),
        ROW,
        (1e4, INF),
    ),
    "with_logits weight": (
        lambda x: F.binary_cross_entropy_with_logits(x, SHARES, weight=[NO_2] * 3),
        ROW.T,
        ALL,
    ),
    "with_logits pos_weight": (
        lambda x: F.binary_cross_entropy_with_logits(x, wg.ones((3, 3)), pos_weight=NO_2),
        ROW.T,
        (INF, -INF),
    ),
    "kl_div": (lambda x: F.kl_div(x, SHARES, "batchmean"), SHARES == 0, ALL),
    "kl_div log": (lambda x: F.kl_div(x, LOGS, "none", log_target=True), SHARES == 0, ALL),
    "hinge_embedding_loss": (
        _branch(lambda x: F.hinge_embedding_loss(x, ONES, "none")),
        ROW,
        ALL,
    ),
    "cosine_embedding_loss": (_rows(_cosine), ROW, ALL),
    "logsumexp": (lambda x: wg.logsumexp(x, 1), SHARES == 0, (-1e4, -INF)),
    "log_softmax": (
        lambda x: wg.where(wg.tensor(SHARES > 0), wg.log_softmax(x), 0),
        SHARES == 0,
        (-1e4, -INF),
    ),
    "dropout": (lambda x: F.dropout(x, 0.5, generator=wg.Generator(5)), _dropped(), ALL),
    "tril": (wg.tril, ~np.tri(3, dtype=bool), ALL),
    "attention keys": (_attention(MASK, "k"), ROW, ALL),
    "attention values": (_attention(MASK, "v"), ROW, ALL),
    "attention queries": (_attention(MASK, "q"), LAST, ALL),
    "attention added": (
        _attention(np.where(MASK, 0.5, -INF).astype(np.float32), "k", "v"),
        ROW,
        ALL,
    ),
    "attention padding": (_attention(MASK[:1], "k", "v"), ROW, ALL),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_does_not_count_may_hold_anything(name: str, device):
    f, nothing, fillers = NOTHING[name]
    shares = name.startswith(("where", "binary"))
    x = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True) if shares else SCORES
    ordinary = fillers[0] if abs(fillers[0]) == 1e4 else 0.5
    expected = derivatives(f, np.where(nothing, np.float32(ordinary), x))
    assert all(np.isfinite(y).all() for y in expected)
    for filler in fillers:
        found = derivatives(f, np.where(nothing, np.float32(filler), x))
        for order, (y, e) in enumerate(zip(found, expected, strict=True)):
            if order in (1, 2):
                assert not y[nothing].any(), (filler, order)
            np.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-6, err_msg=f"{filler} {order}")


def test_losses_of_infinite_logits_where_they_do_not_count(device):
    assert F.kl_div(wg.tensor([-INF, 0.0]), [0.0, 1.0], "sum").item() == 0
    loss = F.cross_entropy(wg.tensor([[-INF, 0.0, 1.0]]), [[0.0, 0.5, 0.5]])
    assert loss.item() == pytest.approx(np.log(1 + np.e) - 0.5)  # 0.813
    assert F.binary_cross_entropy_with_logits(wg.tensor([-INF]), [0.0]).item() == 0


def test_weights_of_0_still_have_a_slope_where_the_term_is_finite(device):
    """d(w * loss)/dw is the loss: only what is no number is left out."""
    x, y = wg.tensor([0.5, -INF, -1.0]), wg.tensor([1.0, 1.0, 0.0])

    def loss(w: wg.Tensor) -> wg.Tensor:
        return F.binary_cross_entropy_with_logits(x, y, "sum", weight=w)

    slope = wg.grad(loss)(wg.tensor([0.0, 0.0, 1.0])).numpy()
    np.testing.assert_allclose(slope, [np.log1p(np.exp(-0.5)), 0, np.log1p(np.exp(-1))], 1e-5)


@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_of_nothing_is_minus_infinity_with_gradient_0(keepdims: bool, device):
    x = np.array([[-INF, -INF], [0.0, -INF]], np.float32)
    value, first, second, forward = derivatives(lambda x: wg.logsumexp(x, 1, keepdims), x)
    np.testing.assert_array_equal(value.reshape(-1), [-INF, 0])
    np.testing.assert_allclose(first, [[0, 0], [0.75, 0]])
    np.testing.assert_array_equal(second, 0)
    np.testing.assert_array_equal(forward.reshape(-1), [0, 0.5])


@pytest.mark.parametrize("order", [-1, -2, -0.5, -3.0, -INF])
def test_norms_of_negative_order_have_gradient_0_at_0(order: float, device):
    x = np.array([[0, 0, 0], [0, 2, -3], [1, 2, -4]], np.float32)
    value, first, second, _ = derivatives(lambda x: wg.norm(x, 1, ord=order), x)
    with np.errstate(divide="ignore"):
        expected = np.linalg.vector_norm(x.astype(np.float64), axis=1, ord=order)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert not second[:2].any()
    if order == -INF:  # of equal least values each gets a share of the slope, which is 0 here
        assert not first[:2].any()
    np.testing.assert_allclose((first * x).sum(1), 0.75 * expected, rtol=1e-5)  # by Euler


def test_slope_of_a_power_by_its_exponent_at_a_base_of_0(device):
    """That of PyTorch: 0 from an exponent of 0 on, the limit -inf below; numbers as tensors."""
    b = wg.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    powers: list[Callable] = [
        lambda b: 0**b,
        lambda b: 0.0**b,
        lambda b: wg.zeros(6) ** b,
        lambda b: wg.pow(wg.zeros(()), b),
    ]
    for power in powers:
        slope = wg.grad(lambda b, f=power: wg.sum(f(b)))
        np.testing.assert_array_equal(slope(b).numpy(), [-INF, 0, 0, 0, 0, 0])
        second = wg.grad(lambda b, slope=slope: wg.sum(slope(b)[1:]))(b).numpy()
        np.testing.assert_array_equal(second, 0)


@pytest.mark.parametrize("compiled", [False, True])
def test_minus_infinity_to_any_power_that_is_not_whole_is_infinite(compiled: bool, device):
    x = wg.tensor([-INF, 4.0])
    for exponent, expected in ((0.5, [INF, 2]), (1.5, [INF, 8]), (-0.5, [0, 0.5]), (3, [-INF, 64])):
        for b in (exponent, wg.tensor(float(exponent)), wg.tensor([float(exponent)] * 2)):

            def power(x: wg.Tensor, b: Any = b) -> wg.Tensor:
                return x**b

            power = wg.compile(power) if compiled else power
            for _ in range(3 if compiled else 1):
                out = power(x)
            np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6)


# Weights of zero that only fill up.


def transposed(y: np.ndarray, w: np.ndarray, step: int, pad: int, gap: int, n: int) -> np.ndarray:
    """Return windows put back into images of n elements: the terms that are there, no others."""
    out = np.zeros((y.shape[0], w.shape[1], n))
    for b, o, c, p, k in np.ndindex(y.shape[0], *w.shape[:2], y.shape[2], w.shape[2]):
        at = p * step + k * gap - pad
        if 0 <= at < n:
            out[b, c, at] += float(y[b, o, p]) * float(w[o, c, k])
    return out


@pytest.mark.parametrize(("kernel", "step"), [(3, 2), (1, 2), (2, 3), (5, 3), (4, 2), (3, 1)])
@pytest.mark.parametrize("bad", [INF, NAN])
def test_transposed_convolutions_add_up_what_is_there(kernel, step, bad, device, rng):
    for pad, gap in ((0, 1), (1, 1), (0, 2)):
        n = (5 - 1) * step - 2 * pad + gap * (kernel - 1) + 1
        y = rng.standard_normal((2, 3, 5)).astype(np.float32)
        w = rng.standard_normal((3, 2, kernel)).astype(np.float32)
        y[0, 1, 2] = bad
        expected = transposed(y, w, step, pad, gap, n)
        out = F.conv_transpose1d(y, w, stride=step, padding=pad, dilation=gap)
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-5, atol=1e-5)

        def forth(x: wg.Tensor, w: Any = w, p: int = pad, g: int = gap) -> wg.Tensor:
            return F.conv1d(x, w, stride=step, padding=p, dilation=g)

        _, pull = wg.vjp(forth, wg.zeros((2, 2, n)))
        np.testing.assert_allclose(pull(wg.tensor(y)).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_transposed_convolution_of_two_axes_with_strides_that_do_not_divide(device, rng):
    y, w = (rng.standard_normal(s).astype(np.float32) for s in ((1, 2, 3, 3), (2, 2, 3, 2)))
    y[0, 1, 1, 1] = INF
    out = F.conv_transpose2d(y, w, stride=(2, 3), padding=(1, 0), output_padding=(1, 2)).numpy()
    expected = np.zeros((1, 2, 6, 10))
    for o, c, i, j, k, m in np.ndindex(2, 2, 3, 3, 3, 2):
        if 0 <= 2 * i + k - 1 < 6:
            expected[0, c, 2 * i + k - 1, 3 * j + m] += float(y[0, o, i, j]) * float(w[o, c, k, m])
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_adaptive_pools_look_into_their_windows_alone(size: int, device):
    x = np.arange(35, dtype=np.float32).reshape(1, 1, 5, 7)
    x[0, 0, 2, 3] = INF
    out = F.adaptive_avg_pool2d(x, size).numpy()
    for i, j in product(range(size), repeat=2):
        rows, columns = (slice(k * n // size, -(-(k + 1) * n // size)) for k, n in ((i, 5), (j, 7)))
        assert out[0, 0, i, j] == pytest.approx(x[0, 0, rows, columns].mean(), rel=1e-6)


# Ties: compositions share a gradient, for all of it to each would be no subgradient.


@pytest.mark.parametrize("order", [1, -1, INF, -INF, "fro"])
def test_matrix_norms_share_the_gradient_of_equal_sums(order: Any, device):
    """A norm is homogeneous, so by Euler its subgradients times x are the norm itself."""
    x = np.array([[[1, -2, 2], [3, 2, -2]], [[1, 1, 1], [-1, 1, 1]]], np.float32)
    g = wg.grad(lambda x: wg.sum(wg.linalg.matrix_norm(x, ord=order)))(wg.tensor(x)).numpy()
    expected = [np.linalg.norm(m, order) for m in x]
    np.testing.assert_allclose((g * x).sum((1, 2)), expected, rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3.5, INF])
def test_normalized_vectors_do_not_change_along_themselves(order: float, device):
    x = np.array([[2, -2, 1, 2], [1, 1, 1, 1]], np.float32)
    _, pull = wg.vjp(lambda x: F.normalize(x, order), wg.tensor(x))
    g = pull(wg.tensor([[1.0, 2, 3, 4], [4, 3, 2, 1]])).numpy()
    np.testing.assert_allclose((g * x).sum(1), 0, atol=1e-5)
    assert np.abs(g).sum() > 0.1


# Bounds.


def test_clip_with_crossed_bounds_is_the_upper_one_and_so_is_its_gradient(device):
    crossed = [0.0, 2.5, 9.0, 0.0, 2.0], [3.0] * 5, [2.0] * 5
    uncrossed = [0.0, 1.0, 1.5, 2.0, 3.0], [1.0] * 5, [2.0] * 5
    slope = wg.grad(lambda x, low, high: wg.sum(wg.clip(x, low, high)), (0, 1, 2))
    for data, expected in (
        (crossed, ([0] * 5, [0] * 5, [1] * 5)),
        (uncrossed, ([0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1])),
    ):
        given = [wg.tensor(x) for x in data]
        np.testing.assert_array_equal(wg.clip(*given).numpy(), np.clip(*map(np.array, data)))
        for g, e in zip(slope(*given), expected, strict=True):
            np.testing.assert_array_equal(g.numpy(), e)


@pytest.mark.parametrize(
    "bounds", [(None, None), (0, 1), (False, True), (None, 0.5), (0, None), ([True], None)]
)
def test_clip_of_bools_is_refused_whatever_the_bounds(bounds: tuple, device):
    with pytest.raises(wg.errors.DTypeError, match="clip: a bool tensor came"):
        wg.clip(wg.tensor([True, False]), *bounds)


# Overflow inside.


@pytest.mark.parametrize("corners", [False, True])
def test_cubics_may_overflow_on_the_way(corners: bool, device):
    """Sums along the first axis are too large for a float, and those along both are not."""
    lines = np.array([[0, 1, 1, 0], [-0.25, 1, 0.5, 1], [1, -1, -1, 1], [0, 0.5, -1, 0]])
    image = (lines * 3e38).astype(np.float32)[None, None]
    with wg.device("numpy"):
        wide = F.interpolate(wg.tensor(image / 1e3, "float64"), (7, 6), None, "bicubic", corners)
    right = wide.numpy() * 1e3
    most = float(np.finfo(np.float32).max)
    found = F.interpolate(image, (7, 6), None, "bicubic", corners).numpy()
    inside = np.abs(right) < most
    np.testing.assert_allclose(found[inside], right[inside], rtol=1e-6, atol=1e32)
    assert np.isinf(found[~inside]).all() and inside.any()


def test_cubics_do_not_look_at_what_has_no_weight(device):
    x = np.array([[[[1, 2, 3, INF, 5, NAN]]]], np.float32)
    found = F.interpolate(x, (1, 6), None, "bicubic").numpy()
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_gates_may_be_too_small_for_a_float(kind: str, device):
    """Their products with what is large are numbers, and so are the gradients."""
    if wg.float16 not in device.dtypes and kind == "float16":
        pytest.skip("no float16")
    gate = np.array([-104.0, -100, -20, 0, 104, -104] if kind == "float32" else [-18.0] * 6)
    value = np.array([3e38, 1e30, -1e38, 2, INF, INF] if kind == "float32" else [INF, 6e4] * 3)
    x = wg.tensor(np.concatenate([value, gate]), kind)
    value, gate = x.numpy().astype(np.float64).reshape(2, -1)
    s = 1 / (1 + np.exp(-gate))
    out, pull = wg.vjp(F.glu, x)
    np.testing.assert_allclose(out.numpy(), value * s, rtol=2e-3 if kind == "float16" else 1e-6)
    slope = pull(wg.ones(6, dtype=kind)).numpy()
    with np.errstate(over="ignore"):
        right = (value * s / (1 + np.exp(gate))).astype(x.dtype.numpy)
    np.testing.assert_allclose(slope[6:], right, rtol=4e-3 if kind == "float16" else 1e-6)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("bad", [3e38, INF])
def test_interpolation_neither_overflows_nor_looks_at_what_has_no_weight(corners, bad, device):
    x = np.array([[[-3e38, bad, 1.0, 2.0, -3e38, -bad]]], np.float32)
    data = x[0, 0].astype(np.float64)
    for count in (12, 9, 3, 11):
        places = np.arange(count)
        at = places * (5 / (count - 1)) if corners else (places + 0.5) * 6 / count - 0.5
        at = np.clip(at, 0, 5)
        low = np.floor(at).astype(int)
        rest = zip(low, np.minimum(low + 1, 5), at - low, strict=True)
        expected = [data[i] if t == 0 else data[j] * t + data[i] * (1 - t) for i, j, t in rest]
        out = F.interpolate(x, count, mode="linear", align_corners=corners).numpy()[0, 0]
        np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e32)
        square = np.repeat(x[..., None], 2, -1)
        image = F.interpolate(square, (count, 2), mode="bilinear", align_corners=corners)
        np.testing.assert_array_equal(image.numpy()[0, 0, :, 0], out)


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1.0, 1e20, 1e25, 3e38])
def test_std_holds_what_its_squares_do_not(size: float, device):
    host = np.array([[1, -1, 0.5, 0.25], [-1, -1, -1, 1], [1, 1, 1, 1]], np.float32)
    x = wg.tensor(host * np.float32(size))
    ct = wg.tensor([2.0, -3.0, 1.0])
    for correction in (0, 1):
        exact = host.astype(np.float64).std(1, ddof=correction)

        def f(x: wg.Tensor, correction: int = correction) -> wg.Tensor:
            return wg.std(x, 1, correction=correction)

        np.testing.assert_allclose(f(x).numpy(), exact * size, rtol=1e-5)
        found, plain = (wg.vjp(f, y)[1](ct).numpy() for y in (x, wg.tensor(host)))
        np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-6)


def test_variance_of_equal_huge_numbers_is_0(device):
    x = wg.tensor([3e38] * 5)
    assert wg.var(x).item() == 0
    assert wg.std(x).item() == 0
    assert wg.var(wg.tensor([1e18, -1e18])).item() == pytest.approx(1e36)
    np.testing.assert_array_equal(wg.grad(wg.var)(x).numpy(), 0)


SCALED: dict[str, Callable] = {
    "normalize": F.normalize,
    "normalize 3": lambda x: F.normalize(x, 3.0),
    "normalize inf": lambda x: F.normalize(x, INF),
    "cosine_similarity": lambda x: F.cosine_similarity(x, wg.flip(x, 0)),
    "cosine_embedding_loss": lambda x: F.cosine_embedding_loss(
        x, wg.flip(x, 0), [1.0, -1.0, 1.0, -1.0], "none", margin=-2.0
    ),
    "layer_norm": lambda x: F.layer_norm(x, 6),
    "rms_norm": lambda x: F.rms_norm(x, 6),
    "group_norm": lambda x: F.group_norm(x, 2),
    "instance_norm": lambda x: F.instance_norm(wg.expand_dims(x, 0)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
}


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("size", [1e3, 1e25, 3e38])
def test_what_does_not_depend_on_scale_holds_at_every_scale(name: str, size: float, device, rng):
    """And its slope is over the scale: what it is at 1000, where no eps counts."""
    f = SCALED[name]
    host = rng.uniform(-1, 1, (4, 6)).astype(np.float32)
    host[0, 0], host[1, 1] = 1, -1
    with wg.device("numpy"):
        exact, plain = wg.vjp(f, wg.tensor(host * 1000.0, "float64"))
        ct = rng.uniform(0.5, 1.5, exact.shape)
        slope = plain(wg.tensor(ct, "float64")).numpy() * 1000
    out, pull = wg.vjp(f, wg.tensor(host * np.float32(size)))
    np.testing.assert_allclose(out.numpy(), exact.numpy(), rtol=2e-5, atol=1e-6)
    found = pull(wg.tensor(ct * np.sqrt(size), "float32")).numpy().astype(np.float64)
    np.testing.assert_allclose(found * np.sqrt(size), slope, rtol=1e-3, atol=1e-3)


def test_running_statistics_of_huge_batches_are_those_of_the_batch(device):
    x = np.array([[1e18, 3e38], [-1e18, 3e38]], np.float32)
    middle, spread = wg.zeros(2), wg.ones(2)
    F.batch_norm(x, middle, spread, training=True, momentum=1.0)
    np.testing.assert_allclose(middle.numpy(), [0, 3e38], rtol=1e-6)
    np.testing.assert_allclose(spread.numpy(), [2e36, 0], rtol=1e-6)


def test_gaussian_nll_loss_squares_no_error_that_the_variance_divides(device):
    loss = F.gaussian_nll_loss(wg.tensor([1e25]), [0.0], 1e30, reduction="none")
    np.testing.assert_allclose(loss.numpy(), [0.5 * (np.log(1e30) + 1e20)], rtol=1e-6)


# Products of many factors.


def test_product_of_a_million_factors_is_exact(device, rng):
    x = (1 + rng.uniform(-1e-3, 1e-3, 1_000_000)).astype(np.float32)
    exact = np.prod(x.astype(np.longdouble))
    assert wg.prod(wg.tensor(x)).item() == pytest.approx(float(exact), rel=1e-6)
    totals = wg.cumulative_prod(wg.tensor(x)).numpy()
    expected = np.cumprod(x.astype(np.longdouble)).astype(np.float64)
    np.testing.assert_allclose(totals, expected, rtol=1e-6)
    compiled = wg.compile(lambda x: wg.prod(x * 1.0) * 2)
    for _ in range(3):
        assert compiled(wg.tensor(x)).item() == pytest.approx(2 * float(exact), rel=1e-6)


@pytest.mark.parametrize("shape", [(300,), (100, 3), (3, 100), (2, 40, 5)])
def test_products_may_overflow_and_vanish_on_the_way(shape: tuple, device, rng):
    """Against float64: what overflows there is not among these."""
    x = rng.uniform(0.5, 2, shape) * 10.0 ** rng.integers(-9, 10, shape)
    x *= rng.choice([-1.0, 1.0], shape)
    x = x.astype(np.float32)
    x.reshape(-1)[::97] = 0
    wide = x.astype(np.float64)
    for axis in range(len(shape)):
        with np.errstate(all="ignore"):
            totals, product_ = np.cumprod(wide, axis), np.prod(wide, axis)
            expected, whole = totals.astype(np.float32), product_.astype(np.float32)
        t = wg.tensor(x)
        for found, e in ((wg.cumulative_prod(t, axis), expected), (wg.prod(t, axis), whole)):
            np.testing.assert_allclose(found.numpy(), e, rtol=1e-6, atol=1e-44)


def test_products_of_nothing_but_huge_zero_and_infinite_factors(device):
    x = np.array([0] + [1e30] * 99, np.float32)
    np.testing.assert_array_equal(wg.cumulative_prod(wg.tensor(x)).numpy(), 0)
    up = np.array([1e30, 1e30, -1e-30, 1e-30] * 3, np.float32)
    expected = np.array([1e30, INF, -1e30, -1] + [-1e30, -INF, 1e30, 1] + [1e30, INF, -1e30, -1])
    np.testing.assert_allclose(wg.cumulative_prod(wg.tensor(up)).numpy(), expected, rtol=1e-6)
    assert wg.prod(wg.tensor(up)).item() == pytest.approx(-1, rel=1e-6)
    odd = wg.tensor([1e-40, 1e30, -2, 1e20, 1e20, -INF, 0, 1])
    found = wg.cumulative_prod(odd).numpy()
    np.testing.assert_allclose(found[1:6], [1e-10, -2e-10, -2e10, -2e30, INF], rtol=1e-4)
    assert np.isnan(found[6:]).all() and np.isnan(wg.prod(odd).item())


@pytest.mark.parametrize("length", [40, 300, 5000])
def test_running_sums_overflow_only_where_they_do(length: int, device, rng):
    """Sums of a block alone would; the running totals are all -2 ** 127, 0 or 2 ** 127."""
    totals = np.zeros((3, length))
    for row in totals:
        steps = rng.choice([-1, 1], length)
        for i in range(1, length):
            row[i] = row[i - 1] + (steps[i] if abs(row[i - 1] + steps[i]) < 2 else 0)
    x = (np.diff(totals, axis=1, prepend=0) * 2.0**127).astype(np.float32)
    cases: list[tuple[wg.Tensor, int]] = [
        (wg.tensor(x), 1),
        (wg.tensor(x.T.copy()), 0),
        (wg.tensor(np.repeat(x, 4, 0).T.copy()), 0),
    ]
    for t, axis in cases:
        exact = np.cumsum(t.numpy().astype(np.float64), axis)
        np.testing.assert_array_equal(wg.cumulative_sum(t, axis).numpy(), exact)
        turned = wg.flip(t, axis)  # whose gradient sums from the end on
        _, pull = wg.vjp(lambda y, axis=axis: wg.cumulative_sum(y, axis), wg.zeros(t.shape))
        back = wg.flip(pull(turned), axis).numpy()
        np.testing.assert_array_equal(back, exact)
    odd = np.array([1, 2, INF] + [1] * 60 + [NAN] + [3] * 60, np.float32)
    np.testing.assert_array_equal(wg.cumulative_sum(wg.tensor(odd)).numpy(), np.cumsum(odd))
    huge = wg.cumulative_sum(wg.tensor([3e38] * 100)).numpy()
    assert huge[0] == np.float32(3e38) and (huge[1:] == INF).all()


# Ranges and dtypes.


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("compiled", [False, True])
def test_uniform_never_is_its_upper_end(dtype: str, compiled: bool, device):
    if dtype == "float64" and device.name != "numpy":
        pytest.skip("float64 lives on NumPy")
    ranges: list[tuple[float, float]] = [
        (0, 1), (100, 101), (-3, 5), (0.1, 0.3), (1, 1.01), (5, -3), (-6e4, 6e4), (0, 6e-8)
    ]  # fmt: skip
    if dtype != "float16":
        ranges += [(-3e38, 3e38), (1e8, 1e8 + 20), (16777215, 16777217)]
    for low, high in ranges:

        def draw(low: float = low, high: float = high) -> wg.Tensor:
            return wg.uniform(low, high, 40_000, dtype=dtype)

        draw = wg.compile(draw) if compiled else draw
        for _ in range(3 if compiled else 1):
            x = draw().numpy().astype(np.float64)
        least, greatest = x.min(), x.max()
        if high > low:
            assert low <= least and greatest < high
        else:
            assert high < least and greatest <= low
        assert abs(x.mean() - (low + high) / 2) <= max(0.02 * abs(high - low), 4 * (high > 1e7))
    assert (wg.uniform(2, 2, 5, dtype=dtype).numpy() == 2).all()


def test_integers_to_a_float_power_are_floats(device):
    for exponent in (2.0, 3.0, 0.5, 1.0, 0.0, np.float32(2), np.float64(2)):
        out = wg.tensor([1, 2, 3]) ** exponent
        assert out.dtype is wg.float32
        np.testing.assert_allclose(out.numpy(), np.array([1, 2, 3]) ** float(exponent), rtol=1e-6)
    assert (wg.tensor([3]) ** 2).dtype is wg.int32
    assert (wg.tensor([3.0], "float16") ** 2.0).dtype is wg.float16


def test_differences_of_order_0_are_the_tensor_itself(device):
    x, edge = np.arange(3, dtype=np.float32), np.zeros(1, np.float32)
    out = wg.diff(wg.tensor(x), n=0, prepend=edge, append=edge)
    np.testing.assert_array_equal(out.numpy(), np.diff(x, n=0, prepend=edge, append=edge))


PAIRS: dict[str, Callable] = {
    name: lambda x, y, name=name: getattr(F, name)(x, y, "none")
    for name in (
        "kl_div",
        "mse_loss",
        "l1_loss",
        "huber_loss",
        "smooth_l1_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cross_entropy",
        "hinge_embedding_loss",
    )
} | {
    "cosine_similarity": F.cosine_similarity,
    "gaussian_nll_loss": lambda x, y: F.gaussian_nll_loss(x, y, y),
    "layer_norm": lambda x, y: F.layer_norm(x, 4, y[0], y[1]),
    "batch_norm": lambda x, y: F.batch_norm(x, y[0], y[1], y[2]),
    "attention": lambda x, y: F.scaled_dot_product_attention(x, y, y),
    "linear": F.linear,
}


@pytest.mark.parametrize("name", PAIRS)
def test_mixed_floats_are_promoted_first(name: str, device, rng):
    x, y = rng.uniform(0.1, 0.9, (2, 3, 4))
    kinds = ["float16", "float32"] + ["float64"] * (device.name == "numpy")
    for first, second in product(kinds, kinds):
        a, b = wg.tensor(x, first), wg.tensor(y, second)
        common = max(first, second)
        wide = common if common != "float16" else "float32"
        expected = PAIRS[name](a.astype(wide), b.astype(wide)).astype(common)
        found = PAIRS[name](a, b)
        assert found.dtype is expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("name", ["kl_div", "binary_cross_entropy_with_logits", "mse_loss"])
def test_integer_targets_are_of_the_inputs_dtype(name: str, numpy_device):
    x, y = wg.tensor([[0.3, 0.6]], "float64"), wg.tensor([[3, 1]])
    found = PAIRS[name](x, y)
    np.testing.assert_array_equal(found.numpy(), PAIRS[name](x, y.astype("float64")).numpy())


def test_float16_is_searched_as_other_floats_are(device, rng):
    x = np.round(rng.uniform(-4, 4, 40), 1).astype(np.float16)
    x[3], x[7] = np.inf, -0.0
    values = np.array([0, 1.5, x[5], INF, -INF], np.float16)
    t = wg.tensor(x, "float16")
    ordered = wg.sort(t)
    for side in ("left", "right"):
        found = wg.searchsorted(ordered, wg.tensor(values, "float16"), side)
        np.testing.assert_array_equal(found.numpy(), np.searchsorted(np.sort(x), values, side))
    for other in (wg.tensor(values, "float16"), wg.tensor(values, "float32")):
        np.testing.assert_array_equal(wg.isin(t, other).numpy(), np.isin(x, values))
    found = wg.unique_all(t)
    np.testing.assert_array_equal(found.values.numpy(), np.unique(x))
    np.testing.assert_array_equal(found.values[found.inverse_indices].numpy(), x)


# Slopes near the edges of functions, to 1e-5 of themselves.


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def _mish_slope(a: np.ndarray) -> np.ndarray:
    t = np.tanh(np.log1p(np.exp(a)))
    return t + a * (1 - t * t) * _sigmoid(a)


def _normal(a: np.ndarray) -> np.ndarray:
    return np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in a])


WIDE = (-80, -30, -17, -9, -5, -1, -1e-3, -1e-8, 0, 1e-8, 1e-3, 1, 5, 9, 17, 30, 80)
UNIT = (-1 + 2**-24, -0.999, -0.5, -1e-8, 0, 1e-8, 0.5, 0.999, 1 - 2**-24)
POSITIVE = (1e-30, 1e-8, 0.5, 1, 1 + 2**-23, 3, 1e8, 1e30)
FAR = (-1e4, -200, *WIDE, 200, 1e4)
SLOPES: dict[str, tuple[Callable, Callable, tuple[float, ...]]] = {
    "sigmoid": (wg.sigmoid, lambda a: _sigmoid(a) * _sigmoid(-a), WIDE),
    "tanh": (wg.tanh, lambda a: 1 / np.cosh(a) ** 2, WIDE[1:-1]),
    "softplus": (F.softplus, _sigmoid, WIDE),
    "softplus 3": (lambda x: F.softplus(x, 3.0, 50.0), lambda a: _sigmoid(3 * a), WIDE[1:]),
    "logsigmoid": (F.logsigmoid, lambda a: _sigmoid(-a), WIDE),
    "silu": (F.silu, lambda a: _sigmoid(a) * (1 + a * _sigmoid(-a)), WIDE),
    "mish": (F.mish, _mish_slope, WIDE[1:]),
    "gelu": (
        F.gelu,
        lambda a: _normal(a) + a * np.exp(-a * a / 2) / math.sqrt(2 * math.pi),
        WIDE[3:],
    ),
    "erf": (wg.erf, lambda a: 2 / math.sqrt(math.pi) * np.exp(-a * a), WIDE[3:-3]),
    "exp": (wg.exp, np.exp, WIDE),
    "expm1": (wg.expm1, np.exp, WIDE),
    "elu": (F.elu, lambda a: np.where(a > 0, 1, np.exp(a)), WIDE),
    "log": (wg.log, lambda a: 1 / a, POSITIVE),
    "log1p": (wg.log1p, lambda a: 1 / (1 + a), (*UNIT, *POSITIVE)),
    "sqrt": (wg.sqrt, lambda a: 0.5 / np.sqrt(a), POSITIVE),
    "power": (lambda x: x**0.25, lambda a: 0.25 * a**-0.75, POSITIVE),
    "power -3": (lambda x: x**-3, lambda a: -3 * a**-4, POSITIVE[2:-1]),
    "exponent": (lambda x: 3.0**x, lambda a: math.log(3) * 3**a, WIDE[1:-1]),
    "atanh": (wg.atanh, lambda a: 1 / ((1 - a) * (1 + a)), UNIT),
    "asin": (wg.asin, lambda a: 1 / np.sqrt((1 - a) * (1 + a)), UNIT),
    "acos": (wg.acos, lambda a: -1 / np.sqrt((1 - a) * (1 + a)), UNIT),
    "atan": (wg.atan, lambda a: 1 / (1 + a * a), (*UNIT, *POSITIVE[:-1])),
    "acosh": (wg.acosh, lambda a: 1 / np.sqrt((a - 1) * (a + 1)), POSITIVE[4:]),
    "asinh": (wg.asinh, lambda a: 1 / np.hypot(a, 1), (*UNIT, *POSITIVE)),
    "hypot": (lambda x: wg.hypot(x, 2.0), lambda a: a / np.hypot(a, 2), POSITIVE),
    "logaddexp": (lambda x: wg.logaddexp(x, 1.0), lambda a: _sigmoid(a - 1), WIDE),
    "logit": (
        lambda x: F.binary_cross_entropy_with_logits(x, wg.zeros(x.shape), "none"),
        _sigmoid,
        WIDE,
    ),
}


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_near_edges_have_their_digits(name: str, device):
    f, slope, points = SLOPES[name]
    x = np.array(points, np.float32)
    found = wg.grad(lambda x: wg.sum(f(x)))(wg.tensor(x)).numpy()
    np.testing.assert_allclose(found, slope(x.astype(np.float64)), rtol=1e-5)


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4, 1e30])
def test_slopes_of_large_logits_are_those_of_float64(size: float, device, rng):
    x = (rng.integers(-2, 3, (4, 5)) * size).astype(np.float32)
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    t = wg.tensor(x)
    found = wg.grad(lambda x: wg.sum(wg.logsumexp(x, 1)))(t).numpy()
    np.testing.assert_allclose(found, p, rtol=1e-5, atol=1e-38)
    labels = [0, 1, 4, 2]
    found = wg.grad(lambda x: F.cross_entropy(x, labels, "sum"))(t).numpy()
    np.testing.assert_allclose(found, p - np.eye(5)[labels], rtol=1e-5, atol=1e-6)
    shares = np.full((4, 5), 0.2, np.float32)
    found = wg.grad(lambda x: F.cross_entropy(x, shares, "sum"))(t).numpy()
    np.testing.assert_allclose(found, p - shares, rtol=1e-5, atol=1e-6)
    found = wg.grad(lambda x: wg.sum(wg.log_softmax(x)[:, 2]))(t).numpy()
    np.testing.assert_allclose(found, np.eye(5)[2] - p, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 1 / 3, -7.7, 1e6 + 0.1, 1e-30, 3e38])
@pytest.mark.parametrize("count", [3, 7, 1000])
def test_equal_values_have_no_spread_and_no_slope(value: float, count: int, device):
    x = wg.tensor(np.full((2, count), value, np.float32))
    for f in (wg.var, wg.std):
        assert not f(x, 1).numpy().any()
        assert not wg.grad(lambda x, f=f: wg.sum(f(x, 1)))(x).numpy().any()
    for call in (
        lambda x: F.layer_norm(x, count),
        lambda x: F.batch_norm(x.mT, None, None, training=True),
        lambda x: F.group_norm(x.reshape((2, count, 1)), 1),
    ):
        assert not call(x).numpy().any()


@pytest.mark.parametrize("order", [1.5, 2, 3, 10, 0.5, -1, -2])
@pytest.mark.parametrize("size", [1e-37, 1e-25, 1.0, 1e20, 3e37])
def test_slopes_of_norms_do_not_depend_on_the_scale(order: float, size: float, device):
    if order < 0:
        size = max(size, 1e-25)
    host = np.array([3.0, -4, 1e-3, 2.5], np.float64)
    whole = (np.abs(host) ** order).sum() ** (1 / order)
    slope = np.sign(host) * (np.abs(host) / whole) ** (order - 1)
    found = wg.grad(lambda x: wg.norm(x, ord=order))(wg.tensor(host * size, "float32")).numpy()
    np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-30)


def test_slopes_of_norms_of_small_orders_reach_far_below_the_largest(device):
    x = wg.tensor([-1.5, -0.0037, 3e38, 0.7])
    found = wg.grad(lambda x: wg.norm(x, ord=0.5))(x).numpy()
    host = np.array([-1.5, -0.0037, 3e38, 0.7])
    whole = np.sqrt(np.abs(host)).sum() ** 2
    np.testing.assert_allclose(found, np.sign(host) * np.sqrt(whole / np.abs(host)), rtol=1e-5)
