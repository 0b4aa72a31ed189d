"""Convolutions, pooling and interpolation: what a row of the table cannot say."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.backends.base import Device
from wgrad.errors import ArgumentError, DTypeError, ShapeError, WgradError
from wgrad.layout import Layout
from wgrad.nn import functional as F

X = np.arange(48, dtype=np.float32).reshape(1, 2, 4, 6)
W = np.ones((4, 2, 3, 3), np.float32)


# Against PyTorch, over grids of parameters: values, and gradients by all inputs.


def agree(ours: Callable, theirs: Callable, arrays: list[np.ndarray], **how: Any) -> None:
    """Check a function and its gradients against PyTorch's."""
    torch = pytest.importorskip("torch")
    inputs = [wg.tensor(x.astype(np.float32), requires_grad=True) for x in arrays]
    doubles = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in arrays]
    out, expected = ours(*inputs, **how), theirs(*doubles, **how)
    assert out.shape == tuple(expected.shape), how
    ct = np.random.default_rng(1).standard_normal(out.shape)
    out.backward(wg.tensor(ct.astype(np.float32)))
    expected.backward(torch.tensor(ct))
    pairs = [(out, expected.detach())]
    pairs += [(x.grad, y.grad) for x, y in zip(inputs, doubles, strict=True)]
    for found, wanted in pairs:
        np.testing.assert_allclose(
            found.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-4, err_msg=str(how)
        )


def half(device: Device, *choices: tuple) -> list[tuple]:
    """Return every other combination of choices; the other device has the rest.

    Leave one of the choices out, whichever it is, and each half has every combination of the rest.
    """
    places = itertools.product(*(range(len(some)) for some in choices))
    odd = device.name == "webgpu"
    return [
        tuple(some[i] for some, i in zip(choices, place, strict=True))
        for place in places
        if sum(place) % 2 == odd
    ]


GRID = (1, 2, (1, 3)), (0, (2, 1)), (1, 2), (1, 2), (1, 3, (2, 3))


def test_conv2d_agrees_with_torch(device, rng):
    torch = pytest.importorskip("torch")
    for stride, padding, dilation, groups, kernel in half(device, *GRID):
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        x, bias = rng.standard_normal((2, 4, 7, 8)), rng.standard_normal(6)
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        w = rng.standard_normal((6, 4 // groups, *size))
        agree(F.conv2d, torch.nn.functional.conv2d, [x, w, bias], **how)
        if any(p > d * (k - 1) for p, k, d in zip((2, 1), size, (dilation,) * 2, strict=True)):
            how["padding"] = 0
        how["output_padding"] = (0, 1) if stride != 1 else 0
        w = rng.standard_normal((4, 6 // groups, *size))
        agree(F.conv_transpose2d, torch.nn.functional.conv_transpose2d, [x, w, bias], **how)


def test_pools_agree_with_torch(device, rng):
    """Also where values are equal: the gradient goes to the first of them, as PyTorch's does."""
    theirs = pytest.importorskip("torch").nn.functional
    for kernel, stride, padding, up in half(
        device, (2, (3, 2)), (None, 1, (2, 3)), (0, 1), (False, True)
    ):
        how = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": up}
        x = rng.standard_normal((2, 2, 7, 8))
        ties = rng.integers(0, 3, x.shape).astype(float)
        for dilation in (1, 2):
            agree(F.max_pool2d, theirs.max_pool2d, [x], dilation=dilation, **how)
            agree(F.max_pool2d, theirs.max_pool2d, [ties], dilation=dilation, **how)
        for include in (True, False):
            agree(F.avg_pool2d, theirs.avg_pool2d, [x], count_include_pad=include, **how)
    for size in (1, 3, (4, 9), (5, None)):
        agree(F.adaptive_avg_pool2d, theirs.adaptive_avg_pool2d, [x], output_size=size)


def test_unfold_and_fold_agree_with_torch(device, rng):
    theirs = pytest.importorskip("torch").nn.functional
    for kernel, stride, padding, dilation in itertools.product(
        (2, (1, 3)), (1, 2, (3, 1)), (0, 1), (1, (2, 1))
    ):
        how = {"stride": stride, "padding": padding, "dilation": dilation, "kernel_size": kernel}
        x = rng.standard_normal((2, 2, 6, 7))
        agree(F.unfold, theirs.unfold, [x], **how)
        columns = rng.standard_normal(F.unfold(wg.tensor(x), **how).shape)
        agree(F.fold, theirs.fold, [columns], output_size=(6, 7), **how)


def test_interpolate_agrees_with_torch(device, rng):
    theirs = pytest.importorskip("torch").nn.functional
    x = rng.standard_normal((2, 2, 5, 6))
    sizes: list[dict[str, Any]] = [{"size": s} for s in (3, (10, 18), (2, 11), 1, (5, 6))]
    sizes += [
        {"scale_factor": factor, "recompute_scale_factor": again}
        for factor in (2, (1.5, 0.7), 0.51)
        for again in (None, True)
    ]
    for how in sizes:
        for mode, corners in (("nearest", None), ("bilinear", False), ("bilinear", True)):
            more = {"mode": mode, "align_corners": corners, **how}
            agree(F.interpolate, theirs.interpolate, [x], **more)


# Derivatives, devices, programs.


def test_convolution_has_derivatives_of_every_order(numpy_device, rng):
    """A third derivative, by the image and by the filters, both modes inside each other."""
    x = wg.tensor(rng.standard_normal((1, 1, 4)), dtype="float64")
    w = wg.tensor(rng.standard_normal((1, 1, 2)), dtype="float64")

    def f(x: wg.Tensor, w: wg.Tensor) -> wg.Tensor:
        return (F.conv1d(x, w, stride=2, padding=1) ** 3).sum()

    def turned(w: wg.Tensor) -> wg.Tensor:
        return wg.hvp(lambda x: f(x, w), x, wg.ones_like(x)).sum()

    wg.gradcheck(turned, [w])
    ahead = wg.jvp(wg.grad(turned), (w,), (wg.ones_like(w),))[1].numpy()
    h = 1e-5
    there, back = (wg.grad(turned)(w + s * h).numpy() for s in (1, -1))
    np.testing.assert_allclose(ahead, (there - back) / (2 * h), rtol=1e-6)


def network(x: Any, k1: Any, b1: Any, k2: Any) -> wg.Tensor:
    h = F.max_pool2d(wg.relu(F.conv2d(x, k1, b1, padding=1)), 3, 2, 1)
    h = F.avg_pool2d(F.conv_transpose2d(h, k2, stride=2, padding=1), 3, 2)
    return (F.interpolate(h, scale_factor=1.5, mode="bilinear") ** 2).sum()


def test_compiled_gradients_are_those_of_eager_ones(device, rng):
    shapes = ((3, 2, 9, 8), (4, 2, 3, 3), (4,), (4, 3, 4, 4))
    inputs = [wg.tensor(rng.standard_normal(s).astype(np.float32)) for s in shapes]
    both = wg.value_and_grad(network, (0, 1, 2, 3))
    compiled = wg.compile(lambda *xs: both(*xs))
    value, gradients = both(*inputs)
    for _ in range(3):  # traced, compiled, replayed
        found, slopes = compiled(*inputs)
    np.testing.assert_allclose(found.numpy(), value.numpy(), rtol=1e-5)
    for ours, expected in zip(slopes, gradients, strict=True):
        np.testing.assert_allclose(ours.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_a_convolution_compiles_to_one_product(device, rng):
    """Bias and activation go into it, and no window is ever copied."""
    x = wg.tensor(rng.standard_normal((2, 3, 6, 6)).astype(np.float32))
    w = wg.tensor(rng.standard_normal((4, 3, 3, 3)).astype(np.float32))
    layer = wg.compile(lambda x, w, b: wg.relu(F.conv2d(x, w, b)))
    for _ in range(2):
        layer(x, w, wg.ones(4))
    (kernel,) = layer.explain().kernels
    assert kernel.name.startswith("matmul")
    assert kernel.bytes_read < 4 * 2 * (2 * 3 * 36 + 4 * 27 + 4 * 4 * 4 * 4)


def test_compiled_padding_is_eager_padding(device, rng):
    """By one kernel: every element asks whether it lies inside, and what is there."""
    x = wg.tensor(rng.standard_normal((2, 3, 5)).astype(np.float32))
    cases: list[Callable] = [
        lambda x: wg.pad(x, ((1, 2), (0, 3), (2, 0))),
        lambda x: wg.pad(x.permute_dims((2, 0, 1)), ((0, 0), (1, 0), (0, 1)), value=3.5),
        wg.grad(lambda x: (x[:, 1::2, ::3] ** 3).sum()),
        wg.grad(lambda x: x[1, 2, 3] ** 2),
        wg.grad(lambda x: (x[:, ::-1, 1:] ** 2).sum()),
        lambda x: wg.pad(x > 0, 1),
    ]
    for f in cases:
        compiled = wg.compile(f)
        for _ in range(2):
            found = compiled(x)
        np.testing.assert_array_equal(found.numpy(), f(x).numpy())


def test_gradients_are_the_same_bits_in_every_run(device, rng):
    shapes = ((4, 2, 13, 12), (4, 2, 3, 3), (4,), (4, 3, 4, 4))
    inputs = [wg.tensor(rng.standard_normal(s).astype(np.float32)) for s in shapes]
    runs = [
        [g.numpy().tobytes() for g in wg.grad(network, (0, 1, 2, 3))(*inputs)] for _ in range(3)
    ]
    assert runs[0] == runs[1] == runs[2]


def test_products_walk_up_to_three_axes_and_copy_more(device, rng):
    """Operands whose rows, steps and columns lie along several axes, straight and turned."""
    for lead, rows, inner, columns in (
        ((), (2, 3), (4, 5), (2, 2)),
        ((2,), (3, 1, 2), (2, 1, 3), (5,)),
        ((2, 2), (4,), (3, 2, 2), (2, 2, 3)),
        ((), (2, 2, 2, 2), (2, 3), (3,)),
        ((), (17,), (3, 3, 7), (4, 20)),
    ):
        a = rng.standard_normal((*lead, *rows, *inner)).astype(np.float32)
        b = rng.standard_normal((*lead, *inner, *columns)).astype(np.float32)
        letters = iter("abcdefghijklmnop")
        names = [[next(letters) for _ in part] for part in (lead, rows, inner, columns)]
        n, r, k, c = ("".join(part) for part in names)
        expected = np.einsum(f"{n}{r}{k},{n}{k}{c}->{n}{r}{c}", a.astype(float), b.astype(float))
        for turn in (False, True):  # memory in the other order: nothing merges
            x, y = (
                wg.tensor(v.T.copy()).permute_dims(tuple(range(v.ndim))[::-1])
                if turn
                else wg.tensor(v)
                for v in (a, b)
            )
            out = device.matmul(x.array, y.array, len(lead), len(inner))
            found = wg.Tensor(out, None).numpy()
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


# Edges.


def test_max_pool_of_nan_and_infinities(device):
    x = np.zeros((1, 1, 2, 6), np.float32)
    x[0, 0, 0] = [np.nan, 1, -np.inf, -np.inf, np.inf, 2]
    x[0, 0, 1] = [5, 5, -np.inf, -np.inf, 3, np.inf]
    t = wg.tensor(x, requires_grad=True)
    out = F.max_pool2d(t, 2)
    np.testing.assert_array_equal(out.numpy(), [[[[np.nan, -np.inf, np.inf]]]])
    out.backward(wg.tensor([[[[1.0, 2.0, 3.0]]]]))
    np.testing.assert_array_equal(t.grad.numpy(), [[[[1, 0, 2, 0, 3, 0], [0] * 6]]])


def test_a_scale_is_followed_where_the_size_stays(device):
    """By the formula: floor(3 * 1.3) is 3, and elements are not those of the image."""
    x = np.array([[[1.0, 5.0, 2.0]]])
    at = np.clip((np.arange(3) + 0.5) / 1.3 - 0.5, 0, 2)
    found = F.interpolate(wg.tensor(x), scale_factor=1.3, mode="linear")
    np.testing.assert_allclose(found.numpy()[0, 0], np.interp(at, np.arange(3), x[0, 0]), rtol=1e-6)
    kept = F.interpolate(wg.tensor(x), None, 1.3, "linear", None, True)
    np.testing.assert_array_equal(kept.numpy(), x)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("kernel", "step", "pad"),
    [((3, 3), (2, 2), (1, 1)), ((2, 2), (2, 2), (1, 1)), ((1, 3), (1, 2), (0, 1))],
)
def test_padding_gets_no_gradient(kernel: tuple, step: tuple, pad: tuple, compiled: bool, device):
    """It goes to the first element of the image, found by plain loops, where all are -inf."""
    x = np.full((1, 2, 3, 5), -np.inf, np.float32)
    x[0, 1, 2] = 7
    expected = np.zeros_like(x)
    frame = zip((3, 5), pad, kernel, step, strict=True)
    rows, columns = ((n + 2 * p - k) // s + 1 for n, p, k, s in frame)
    weights = np.float32(1 + np.add.outer(np.arange(rows), 10 * np.arange(columns)))
    for c, i, j in np.ndindex(2, rows, columns):
        top, left = i * step[0] - pad[0], j * step[1] - pad[1]
        window = x[0, c, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
        row, column = np.unravel_index(window.argmax(), window.shape)
        expected[0, c, max(top, 0) + row, max(left, 0) + column] += weights[i, j]
    slope = wg.grad(lambda x: wg.sum(F.max_pool2d(x, kernel, step, pad) * weights))
    found = (wg.compile(slope) if compiled else slope)(wg.tensor(x))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_padding_of_integers_never_wins(device):
    x = wg.full((1, 1, 2, 2), -(2**31), dtype="int32")
    np.testing.assert_array_equal(F.max_pool2d(x, 3, 1, 1).numpy(), x.numpy())


def test_empty_batches_pass_through(device):
    x = wg.zeros((0, 2, 4, 6), requires_grad=True)
    w = wg.tensor(W, requires_grad=True)
    F.conv2d(x, w, padding=1).sum().backward()
    assert x.grad.shape == x.shape
    np.testing.assert_array_equal(w.grad.numpy(), np.zeros_like(W))
    assert F.max_pool2d(x, 2, 1, 1).shape == (0, 2, 5, 7)
    assert F.avg_pool2d(x, 2).shape == (0, 2, 2, 3)
    assert F.unfold(x, 2).shape == (0, 8, 15)
    assert F.interpolate(x, scale_factor=2).shape == (0, 2, 8, 12)
    assert F.conv_transpose2d(wg.zeros((0, 4, 2, 2)), wg.tensor(W)).shape == (0, 2, 4, 4)


def test_lists_and_arrays_are_taken(device):
    assert F.conv2d(X, W, [1.0, 2.0, 3.0, 4.0]).shape == (1, 4, 2, 4)
    assert F.max_pool2d(X.tolist(), 2).shape == (1, 2, 2, 3)


def test_overlapping_windows_are_refused_as_targets(device):
    """Elements that share memory: unfold of one channel is a view, as cheap as that."""
    row = wg.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    seen = F.unfold(row, (1, 2))
    np.testing.assert_array_equal(seen.numpy(), [[[1, 2, 3], [2, 3, 4]]])
    assert not seen.array.layout.contiguous
    with pytest.raises(ShapeError, match="share memory"):
        seen.assign(wg.zeros((1, 2, 3)))
    np.testing.assert_array_equal(row.numpy(), [[[[1, 2, 3, 4]]]])


def test_layouts_know_whether_elements_share_memory():
    dense = Layout.dense((4, 6))
    assert not dense.overlaps
    assert not dense.permute((1, 0)).slice((1, 0), (3, 2), (2, -1)).overlaps
    assert not dense.windows((2, 3), (2, 2), (2, 2), (1, 1)).overlaps
    assert dense.windows((3, 3), (2, 2), (1, 2), (1, 1)).overlaps
    assert dense.expand((2, 4, 6)).overlaps
    assert not dense.slice((0, 0), (0, 6), (1, 1)).expand((2, 0, 6)).overlaps


# Errors: one sentence, before anything is dispatched.

BAD: dict[str, tuple[Callable[[], Any], type[WgradError], str]] = {
    "rank": (lambda: F.conv2d(X[0, 0], W), ShapeError, r"conv2d: .*\(4, 6\).*4 axes"),
    "weight rank": (lambda: F.conv2d(X, W[0]), ShapeError, r"weight of shape \(2, 3, 3\)"),
    "channels": (lambda: F.conv2d(X[:, :1], W), ShapeError, "1 channels"),
    "groups": (lambda: F.conv2d(X, W, groups=2), ShapeError, r"groups \* 2"),
    "groups of filters": (lambda: F.conv2d(X, W[:3, :1], groups=2), ShapeError, "divide by groups"),
    "no groups": (lambda: F.conv2d(X, W, groups=0), ArgumentError, "groups=0"),
    "kernel too large": (lambda: F.conv2d(X, np.ones((1, 2, 5, 5))), ShapeError, "larger"),
    "dilated too far": (lambda: F.conv2d(X, W, dilation=(2, 1)), ShapeError, "larger"),
    "stride": (lambda: F.conv2d(X, W, stride=0), ArgumentError, "stride=0"),
    "strides": (lambda: F.conv2d(X, W, stride=(1, 1, 1)), ArgumentError, "2 of them"),
    "float stride": (lambda: F.conv2d(X, W, stride=1.5), ArgumentError, "stride=1.5"),
    "bool stride": (lambda: F.conv2d(X, W, stride=True), ArgumentError, "stride=True"),
    "padding": (lambda: F.conv2d(X, W, padding=-1), ArgumentError, "padding=-1"),
    "padding name": (lambda: F.conv2d(X, W, padding="full"), ArgumentError, '"same"'),
    "same": (lambda: F.conv2d(X, W, stride=2, padding="same"), ArgumentError, "stride 1"),
    "huge padding": (lambda: F.conv2d(X, W, padding=2**40), ArgumentError, "padding="),
    "huge result": (lambda: F.conv2d(X, W, padding=2**31 - 1), ShapeError, "2\\*\\*63"),
    "dilation": (lambda: F.conv2d(X, W, dilation=0), ArgumentError, "dilation=0"),
    "bias": (lambda: F.conv2d(X, W, np.ones(3)), ShapeError, r"shape \(4,\) is needed"),
    "mixed": (lambda: F.conv2d(X.astype(np.int32), W), DTypeError, "int32, float32"),
    "bools": (lambda: F.conv2d(X > 1, W > 1), DTypeError, "bool"),
    "empty image": (lambda: F.conv2d(X[:, :, :0], W, padding=3), ShapeError, "conv2d"),
    "transposed rank": (lambda: F.conv_transpose2d(X[0, 0], W), ShapeError, "4 axes"),
    "transposed channels": (lambda: F.conv_transpose2d(X, W), ShapeError, "4 channels"),
    "output padding": (
        lambda: F.conv_transpose2d(X, W[:2], output_padding=1),
        ArgumentError,
        "output_padding=1",
    ),
    "cut away": (lambda: F.conv_transpose2d(X, W[:2], padding=4), ShapeError, "output of"),
    "pool rank": (lambda: F.max_pool2d(X[0, 0], 2), ShapeError, "max_pool2d"),
    "pool size": (lambda: F.max_pool2d(X, 0), ArgumentError, "kernel_size=0"),
    "pool too large": (lambda: F.max_pool2d(X, 7), ShapeError, "larger"),
    "pool padding": (lambda: F.max_pool2d(X, 2, padding=2), ArgumentError, "half"),
    "pool stride": (lambda: F.avg_pool2d(X, 2, 0), ArgumentError, "stride=0"),
    "pool bools": (lambda: F.max_pool2d(X > 1, 2), DTypeError, "bool"),
    "ceil_mode": (lambda: F.max_pool2d(X, 2, ceil_mode="yes"), ArgumentError, "ceil_mode"),
    "divisor": (lambda: F.avg_pool2d(X, 2, divisor_override=0), ArgumentError, "divides by 0"),
    "adaptive": (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), ArgumentError, "2 sizes"),
    "adaptive size": (lambda: F.adaptive_avg_pool2d(X, 0), ArgumentError, "output_size=0"),
    "unfold": (lambda: F.unfold(X, (5, 7)), ShapeError, "larger"),
    "fold": (lambda: F.fold(X[0], (4, 6), 2), ShapeError, r"C \* 4, 15"),
    "no size": (lambda: F.interpolate(X), ArgumentError, "either size or scale_factor"),
    "two sizes": (lambda: F.interpolate(X, 3, 2), ArgumentError, "either size or scale_factor"),
    "mode": (lambda: F.interpolate(X, 3, mode="cubic"), ArgumentError, "bilinear"),
    "mode axes": (lambda: F.interpolate(X[0], 3, mode="bilinear"), ShapeError, "4 axes"),
    "corners": (lambda: F.interpolate(X, 3, align_corners=True), ArgumentError, "align_corners"),
    "size": (lambda: F.interpolate(X, 0), ArgumentError, "size=0"),
    "factor": (lambda: F.interpolate(X, scale_factor=-1.0), ArgumentError, "positive"),
    "factor nan": (lambda: F.interpolate(X, scale_factor=float("nan")), ArgumentError, "positive"),
    "nothing left": (lambda: F.interpolate(X, scale_factor=0.1), ShapeError, "leaves nothing"),
    "layer groups": (lambda: nn.Conv2d(3, 4, 3, groups=2), ArgumentError, "divide 3 and 4"),
    "layer mode": (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ArgumentError, "zeros"),
    "layer kernel": (lambda: nn.Conv1d(3, 4, 0), ArgumentError, "Conv1d: kernel_size=0"),
    "layer same": (lambda: nn.Conv2d(3, 4, 3, 2, "same"), ArgumentError, "stride 1"),
    "layer input": (lambda: nn.Conv2d(3, 4, 3)(X), ShapeError, "3 channels"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_refused_in_one_sentence(name: str, device):
    call, error, words = BAD[name]
    device.synchronize()  # what earlier tests left
    before = wg.stats()["dispatches"]
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
    device.synchronize()
    assert name == "layer input" or wg.stats()["dispatches"] == before


# Layers.


def test_layers_are_pytorchs(rng):
    """Names, shapes, bounds of the initial values and reprs, and the same result."""
    torch = pytest.importorskip("torch")
    cases = [
        ("Conv1d", (2, 4, 3), {"padding": 1}, (2, 2, 5)),
        ("Conv2d", (2, 4, (3, 2)), {"stride": 2, "groups": 2, "bias": False}, (2, 2, 5, 6)),
        ("Conv2d", (2, 4, 3), {"dilation": (2, 1)}, (2, 5, 6)),
        ("ConvTranspose1d", (2, 4, 3), {"stride": 2}, (2, 2, 5)),
        ("ConvTranspose2d", (2, 4, 3, 2, 1, 1), {}, (1, 2, 3, 4)),
        ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (1, 2, 6, 6)),
        ("AvgPool2d", (2,), {}, (1, 2, 6, 6)),
        ("AdaptiveAvgPool2d", ((2, 3),), {}, (1, 2, 6, 6)),
        ("Flatten", (), {}, (2, 3, 4)),
        ("Upsample", (), {"scale_factor": 2.0, "mode": "nearest"}, (1, 1, 2, 3)),
    ]
    with wg.device("numpy"):
        for name, args, how, shape in cases:
            layer = getattr(nn, name)(*args, **how)
            theirs = getattr(torch.nn, name)(*args, **how)
            assert repr(layer) == repr(theirs)
            state = {k: v.numpy() for k, v in theirs.state_dict().items()}
            assert {k: v.shape for k, v in layer.state_dict().items()} == {
                k: v.shape for k, v in state.items()
            }
            for parameter in layer.parameters():
                bound = 1 / np.sqrt(np.prod(layer.weight.shape[1:]))
                assert np.abs(parameter.numpy()).max() <= bound
            layer.load_state_dict(state)
            x = rng.standard_normal(shape).astype(np.float32)
            expected = theirs(torch.tensor(x)).detach().numpy()
            np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_small_network_learns(device):
    """Stripes along one axis or the other, told apart after a few compiled steps."""
    with wg.device(device.name):
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, seed=0), wg.relu, nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(4 * 9, 2, seed=1),
        )  # fmt: skip
        stripes = np.indices((6, 6)) % 2
        x = wg.tensor(np.stack([stripes, 1 - stripes]).reshape(4, 1, 6, 6).astype(np.float32))
        y = wg.tensor([0, 1, 0, 1])
        optimizer = wg.optim.SGD(model.parameters(), lr=0.2)

        @wg.compile
        def step(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
            loss = nn.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        losses = [step(x, y).item() for _ in range(30)]
    assert losses[-1] < 0.05 < 0.5 < losses[0]


@pytest.mark.parametrize("groups", [1, 4])
def test_filters_of_one_element_at_steps(groups, device):
    """What is summed over has extent 1."""
    x = wg.ones((2, groups, 8, 8), requires_grad=True)
    w = wg.full((4, 1, 1, 1), 2.0, requires_grad=True)
    out = F.conv2d(x, w, stride=2, groups=groups)
    assert out.shape == (2, 4, 4, 4) and (out.numpy() == 2).all()
    out.sum().backward()
    assert x.grad.numpy().sum() == 4 * 2 * 16 * 2 and (w.grad.numpy() == 32).all()
