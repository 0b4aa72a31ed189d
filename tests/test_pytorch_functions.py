"""Functions under PyTorch's names: its values and gradients (at ties, too), compiled, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from wgrad.nn import functional as F

RNG = np.random.default_rng(3)
X, V = RNG.integers(-3, 4, (4, 3)).astype("f"), RNG.integers(-3, 4, (6, 3)).astype("f")  # with ties
I = RNG.integers(0, 4, (5, 2))  # noqa: E741  # of smaller extents than both
LINE = np.array([3, 0, 3, 3, 1, 0])
IMAGE, VOLUME = RNG.standard_normal((2, 3, 7, 6)), RNG.standard_normal((1, 2, 4, 5, 6))
Q, K = RNG.standard_normal((2, 6, 3, 4)), RNG.standard_normal((2, 2, 5, 4))
MASK = RNG.integers(0, 2, (4, 3)).astype(bool)

# (name, ours, PyTorch's, inputs that are differentiated)
Pair = tuple[str, Callable[..., Any], Callable[..., Any], list[np.ndarray]]
PAIRS: list[Pair] = [
    (
        f"scatter_reduce-{how}-{include}",
        lambda x, v, r=how, s=include: wg.scatter_reduce(x, I, v, r, 0, include_self=s),
        lambda t, x, v, r=how, s=include: x.scatter_reduce(
            0, t.tensor(I), v[:5, :2], r, include_self=s
        ),
        [X, V],
    )
    for how in ("sum", "prod", "mean", "amax", "amin")
    for include in (True, False)
]
PAIRS += [
    (
        f"index_reduce-{how}",
        lambda x, v, r=how: wg.index_reduce(x, LINE, v, 0, r),
        lambda t, x, v, r=how: x.index_reduce(0, t.tensor(LINE), v, r),
        [X, V],
    )
    for how in ("prod", "mean", "amax", "amin")
]
PAIRS += [
    (
        "index_add",
        lambda x, v: wg.index_add(x, LINE, v, 0, alpha=-0.5),
        lambda t, x, v: x.index_add(0, t.tensor(LINE), v, alpha=-0.5),
        [X, V],
    ),
    (
        "masked_scatter",
        lambda x, v: x.masked_scatter(MASK, v),
        lambda t, x, v: x.masked_scatter(t.tensor(MASK), v),
        [X, V],
    ),
    (
        "diag_embed",
        lambda x: wg.diag_embed(x, -2, 2, 0),
        lambda t, x: t.diag_embed(x, -2, 2, 0),
        [X],
    ),
    ("unfold", lambda x: x.unfold(-2, 3, 2), lambda t, x: x.unfold(-2, 3, 2), [IMAGE]),
    (
        "attention-groups",
        lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True, enable_gqa=True),
        lambda t, q, k: t.nn.functional.scaled_dot_product_attention(
            q, k, k, is_causal=True, enable_gqa=True
        ),
        [Q, K],
    ),
]
for d, image in ((1, IMAGE[0]), (2, IMAGE), (3, VOLUME)):
    PAIRS.append(
        (
            f"max_unpool{d}d",
            lambda x, d=d: getattr(F, f"max_unpool{d}d")(
                *getattr(F, f"max_pool{d}d")(x, 3, 3, 1, 1, False, True), 3, 3, 1, x.shape
            ),
            lambda t, x, d=d: getattr(t.nn.functional, f"max_unpool{d}d")(
                *getattr(t.nn.functional, f"max_pool{d}d")(x, 3, 3, 1, 1, return_indices=True),
                3,
                3,
                1,
                x.shape,
            ),
            [image],
        )
    )
for mode, image, corners in (
    ("nearest-exact", IMAGE, None),
    ("nearest-exact", VOLUME, None),
    ("nearest", VOLUME, None),
    ("area", IMAGE, None),
    ("bicubic", IMAGE, False),
    ("bicubic", IMAGE, True),
    ("trilinear", VOLUME, False),
    ("trilinear", VOLUME, True),
):
    for how in ({"scale_factor": 1.7}, {"size": (3, 11, 5)[3 - (image.ndim - 2) :]}):
        PAIRS.append(
            (
                f"{mode}-{image.ndim - 2}d-{corners}-{next(iter(how))}",
                lambda x, m=mode, c=corners, h=how: F.interpolate(x, mode=m, align_corners=c, **h),
                lambda t, x, m=mode, c=corners, h=how: t.nn.functional.interpolate(
                    x, mode=m, align_corners=c, **h
                ),
                [image],
            )
        )
for pads, mode in (
    ((2, -1, 0, 3), "constant"),
    ((-1, -2), "constant"),
    ((1, 2, 3, 1), "reflect"),
    ((2, -1, -2, 1), "replicate"),
    ((1, 3, 2, 0), "circular"),
    ((-1, 2, 2, -2), "circular"),
):
    PAIRS.append(
        (
            f"pad-{mode}-{pads}",
            lambda x, p=pads, m=mode: F.pad(x, p, m),
            lambda t, x, p=pads, m=mode: t.nn.functional.pad(x, p, m),
            [IMAGE],
        )
    )


@pytest.mark.filterwarnings("ignore:index_reduce")  # PyTorch's word about its own
@pytest.mark.parametrize("pair", PAIRS, ids=[p[0] for p in PAIRS])
def test_values_and_gradients_are_pytorchs(pair: Pair, device):
    torch = pytest.importorskip("torch")
    _, ours, theirs, arrays = pair
    mine = [wg.tensor(x.astype("f"), requires_grad=True) for x in arrays]
    others = [torch.tensor(x.astype("f"), requires_grad=True) for x in arrays]
    out, expected = ours(*mine), theirs(torch, *others)
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=2e-5, atol=2e-6)
    weight = np.random.default_rng(0).uniform(0.5, 1.5, out.shape).astype("f")
    (out * wg.tensor(weight)).sum().backward()
    (expected * torch.tensor(weight)).sum().backward()
    for x, y in zip(mine, others, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_circular_padding_needs_something_that_is_left(device):
    x = wg.ones((1, 1, 6))
    for pads in ((-6, 2), (3, -6), (-7, 3)):
        with pytest.raises(ShapeError, match="circular"):
            F.pad(x, pads, "circular")
    assert F.pad(x, (-3, -3), "circular").shape == (1, 1, 0)


@pytest.mark.parametrize("pair", PAIRS[:18], ids=[p[0] for p in PAIRS[:18]])
def test_compiled_functions_are_what_they_are_plain(pair: Pair, device):
    _, ours, _, arrays = pair

    def loss(*inputs: wg.Tensor) -> Any:
        out = ours(*inputs)
        return out, *(wg.grad(lambda *a: (ours(*a) ** 2).sum(), argnums=0)(*inputs),)

    step = wg.compile(loss)
    for scale in (1.0, 1.0, 2.0):
        inputs = [wg.tensor((scale * x).astype("f")) for x in arrays]
        for found, plain in zip(step(*inputs), loss(*inputs), strict=True):
            np.testing.assert_allclose(found.numpy(), plain.numpy(), rtol=1e-5, atol=1e-5)


def test_max_pool_finds_the_places_of_the_largest_where_all_is_minus_infinity(device):
    """Padding is never what was found, and NaN is the largest."""
    image = np.full((1, 1, 4, 4), -np.inf, "f")
    image[0, 0, 3, 3] = np.nan
    values, places = F.max_pool2d(wg.tensor(image), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(places.numpy(), [[[[0, 1], [4, 15]]]])
    assert np.isnan(values.numpy()[0, 0, 1, 1]) and places.dtype is wg.int32


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((2, 3, 7), 3),
        ((3, 7), 9),
        ((2, 3, 5, 7), (2, 3)),
        ((1, 2, 4, 6), 2),
        ((2, 4, 5, 3), (3, None, 2)),
    ],
)
def test_adaptive_max_pools_say_where_as_pytorch(shape, sizes, device, rng):
    torch = pytest.importorskip("torch")
    d = 1 if len(shape) < 4 else 2 if shape != (2, 4, 5, 3) else 3
    x = np.round(rng.standard_normal(shape)).astype("f")  # of ties the first one is named
    x.flat[3:8] = -np.inf
    pool = getattr(F, f"adaptive_max_pool{d}d")
    values, places = pool(wg.tensor(x), sizes, return_indices=True)
    theirs = getattr(torch.nn.functional, f"adaptive_max_pool{d}d")
    expected, where = theirs(torch.tensor(x), sizes, return_indices=True)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(places.numpy(), where.numpy())
    assert places.dtype is wg.int32
    np.testing.assert_array_equal(pool(wg.tensor(x), sizes).numpy(), expected.numpy())
    layer = getattr(nn, f"AdaptiveMaxPool{d}d")(sizes, return_indices=True)
    for _ in range(2):
        found = wg.compile(layer)(wg.tensor(x))
        np.testing.assert_array_equal(found[1].numpy(), where.numpy())


def test_adaptive_max_pools_fit_max_unpool(device, rng):
    x = rng.standard_normal((2, 3, 4, 6)).astype("f")
    values, places = F.adaptive_max_pool2d(wg.tensor(x), (2, 3), True)
    back = F.max_unpool2d(values, places, 2).numpy()
    kept = back != 0
    assert kept.sum() == values.size
    np.testing.assert_array_equal(back[kept], x[kept])


def test_product_scattered_has_exact_gradients_at_zeros(device):
    x = wg.tensor([2.0, 5.0], requires_grad=True)
    v = wg.tensor([0.0, 3.0, 4.0, 0.0, 7.0], requires_grad=True)
    out = wg.scatter_reduce(x, [0, 0, 0, 1, 1], v, "prod")
    np.testing.assert_array_equal(out.numpy(), [0, 0])
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0])
    np.testing.assert_array_equal(v.grad.numpy(), [24, 0, 0, 35, 0])


@pytest.mark.parametrize("reduce", ["prod", "amax"])
def test_scatter_reduce_of_many_values_to_few_places(reduce: str, device, rng):
    """Many rounds of the tree, an odd number of values, and places to which nothing comes."""
    values = rng.uniform(0.98, 1.02, 4097).astype("f")
    index = rng.integers(0, 3, 4097)
    found = wg.scatter_reduce(wg.ones(5), index, wg.tensor(values), reduce, include_self=False)
    fold = {"prod": np.prod, "amax": np.max}[reduce]
    expected = [*(fold(values[index == i].astype(float)) for i in range(3)), 1, 1]
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-5)


def test_softsign_and_float16(device):
    np.testing.assert_array_equal(
        F.softsign(wg.tensor([np.inf, -np.inf, 3e38, np.nan])).numpy(), [1, -1, 1, np.nan]
    )
    if wg.float16 in device.dtypes:
        x = wg.full(3, 300.0, dtype="float16")
        out = wg.scatter_reduce(x, [0, 0, 0], wg.full(3, 300.0, dtype="float16"), "mean")
        np.testing.assert_array_equal(out.numpy(), [300, 300, 300])


BAD: dict[str, tuple[Callable[[], Any], type, str]] = {
    "index": (lambda: wg.scatter(X, [[4]], 1.0, 0), IndexRangeError, "index 4 is out of range"),
    "shape": (lambda: wg.scatter(X, I, V[:2], 0), ShapeError, "indices no larger"),
    "reduce": (lambda: wg.scatter_reduce(X, I, V, "max", 0), ArgumentError, '"amax"'),
    "word": (lambda: wg.scatter(X, I, V, 0, reduce="sum"), ArgumentError, '"multiply"'),
    "bools": (
        lambda: wg.scatter_reduce(MASK, I, np.ones((6, 3), bool), "sum", 0),
        DTypeError,
        "bool tensor",
    ),
    "line": (lambda: wg.index_add(X, I, V, 0), ShapeError, r"indices \(k,\)"),
    "mask": (lambda: wg.masked_scatter(X, X, V), DTypeError, "bools are needed"),
    "source": (lambda: wg.masked_scatter(X, True, [1.0]), IndexRangeError, "element of source"),
    "unpool": (
        lambda: F.max_unpool2d(IMAGE, np.zeros(IMAGE.shape, int), 2, output_size=(3, 3)),
        ShapeError,
        "less than a stride",
    ),
    "places": (
        lambda: F.max_unpool2d(IMAGE, np.full(IMAGE.shape, 999), 2),
        IndexRangeError,
        "999",
    ),
    "pad": (lambda: F.pad(X, (1, -9)), ShapeError, "cuts off more"),
    "pads": (lambda: F.pad(X, (1, 2, 3)), ShapeError, "pairs for at most 2 axes"),
    "pad word": (lambda: F.pad(X, (1, 1), "edge"), ArgumentError, '"replicate"'),
    "pad module": (lambda: nn.ZeroPad2d((1, 2, 3)), ArgumentError, "4 of them"),
    "glu": (lambda: F.glu(X), ShapeError, "is odd"),
    "shuffle": (lambda: F.pixel_shuffle(IMAGE, 2), ShapeError, "multiple of 4"),
    "groups": (
        lambda: F.scaled_dot_product_attention(K, Q, Q, enable_gqa=True),
        ShapeError,
        "heads",
    ),
    "window": (lambda: wg.tensor(X).unfold(0, 5, 1), ShapeError, "windows of 5"),
    "diagonal": (lambda: wg.diag_embed(X, 0, 1, 1), ShapeError, "came twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_sentence(name: str, numpy_device):
    call, error, words = BAD[name]
    with pytest.raises(error, match=words):
        call()
