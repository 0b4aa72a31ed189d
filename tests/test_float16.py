"""float16: stored in two bytes, computed in float32, rounded once by every op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from programs import traced
from table import HALF, LAYOUTS, ROWS, Row

import wgrad as wg
from wgrad import core, nn, optim
from wgrad.backends.array import Array
from wgrad.backends.webgpu.adapters import describe
from wgrad.backends.webgpu.device import adapters
from wgrad.backends.webgpu.eager import WebGpuDevice
from wgrad.backends.webgpu.facts import Facts
from wgrad.backends.webgpu.gpu import Gpu
from wgrad.backends.webgpu.problem import Config, Operand, Problem
from wgrad.backends.webgpu.tune import measure
from wgrad.layout import Layout
from wgrad.nn import functional as F
from wgrad.ops import REGISTRY
from wgrad.program.passes import simplify
from wgrad.program.passes.limits import Limits
from wgrad.program.run.plain import PlainExecutor
from wgrad.program.run.webgpu import WebGpuExecutor

half = np.float16


@pytest.fixture(autouse=True)
def _has_float16(request: pytest.FixtureRequest) -> None:
    """Skip where the adapter has no float16: what is said there has tests of its own."""
    for name in ("device", "webgpu"):
        if name in request.fixturenames:
            if wg.float16 not in request.getfixturevalue(name).dtypes:
                pytest.skip("the adapter has no float16")


def tensor(x: Any) -> wg.Tensor:
    return wg.tensor(x, dtype=HALF)


def patterns(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return numbers of random bits: every magnitude, subnormals, infinities and NaNs."""
    return rng.integers(0, 1 << 16, n).astype(np.uint16).view(half)


def assert_same(found: wg.Tensor, expected: np.ndarray) -> None:
    """Check bits, but those of NaNs."""
    assert found.dtype is wg.float16 and expected.dtype == half
    x = found.numpy()
    same = (x.view(np.uint16) == expected.view(np.uint16)) | (np.isnan(x) & np.isnan(expected))
    np.testing.assert_array_equal(same, True)


def both(f: Callable, *args: wg.Tensor) -> Any:
    """Return what f gives, which is the same to the bit when it is compiled."""
    eager, compiled = f(*args), wg.compile(f)(*args)
    pairs = zip(eager, compiled, strict=True) if isinstance(eager, tuple) else [(eager, compiled)]
    for x, y in pairs:
        assert x.dtype is y.dtype
        np.testing.assert_array_equal(x.numpy(), y.numpy())
    return eager


# Values.

# One op of every family and kind; what is rounded more than once is less exact.
IDS = (
    *(
        "add",
        "divide",
        "pow",
        "exp",
        "tanh",
        "sigmoid",
        "relu",
        "sign",
        "maximum",
        "clamp",
        "where",
    ),
    *("equal", "less", "isnan", "sum-axis", "prod", "max-axis", "min", "any-axis", "mean-axis"),
    *("logsumexp", "argmax-axis", "copy", "broadcast_to", "transpose", "slice", "flip", "pad"),
    *("concat", "stack", "reshape-of-a-transpose", "astype-int32", "astype-bool", "matmul"),
    *("matmul-batched", "matmul-vectors", "linear", "take", "take_along_axis", "scatter_add-axis1"),
    *(
        "softmax-axis-1",
        "softmax-axis0",
        "log_softmax-axis-1",
        "cross_entropy-mean",
        "mse_loss-sum",
    ),
)
rows = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.id in IDS], ids=lambda row: row.id
)


def test_rows_are_there():
    assert set(IDS) <= {row.id for row in ROWS}


@rows
def test_forward_agrees_with_float64(row: Row, device, rng):
    arrays = row.samples(rng, HALF)
    out = row.call(*(wg.tensor(x, dtype=x.dtype) for x in arrays))
    assert out.dtype.name == row.result(HALF)
    expected = row.expected(arrays)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.numpy(), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_arithmetic_is_correctly_rounded(name: str, device, rng):
    """Double rounding changes nothing: float32 has more than twice the digits, and two more."""
    a, b = patterns(rng, 40_001), patterns(rng, 40_001)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    assert_same(both(getattr(wg, name), tensor(a), tensor(b)), expected)


def test_sqrt_is_correctly_rounded(device):
    every = np.arange(1 << 16).astype(np.uint16).view(half)
    with np.errstate(invalid="ignore"):
        assert_same(wg.sqrt(tensor(every)), np.sqrt(every))


def test_host_and_device_hold_the_same_bits(device, rng):
    """Every number, also in odd counts and from odd places: WebGPU moves words of four bytes."""
    every = np.arange(1 << 16).astype(np.uint16).view(half)
    assert_same(tensor(every), every)
    for n in (0, 1, 2, 3, 5, 127):
        x = patterns(rng, n)
        assert_same(tensor(x), x)
        assert_same(tensor(x).copy(), x)
    x = patterns(rng, 103)
    t = tensor(x)
    for cut in (slice(1, None), slice(2, 9), slice(3, 4), slice(None, None, -3), slice(7, 2)):
        assert_same(t[cut], x[cut])
        assert_same(t[cut].copy(), x[cut])
    t[5:8] = tensor([1, 2, 3])
    t[50] = 0.1
    x[5:8], x[50] = [1, 2, 3], 0.1
    assert_same(t, x)


@pytest.mark.parametrize("name", LAYOUTS)
def test_views_of_odd_layouts(name: str, device, rng):
    """Elements of two bytes between others, which must stay as they are."""
    x, y = rng.uniform(-2, 2, (2, 5, 3)).astype(half)
    lain = laid(name, x)
    assert_same(lain, x)
    assert_same(lain * tensor(y), x * y)
    assert_same(lain.copy(), x)
    wide = x.astype(float)
    close = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(wg.sum(lain, axis=0).numpy(), wide.sum(0), **close)
    found = lain @ tensor(y.T.copy())
    np.testing.assert_allclose(found.numpy(), wide @ y.T.astype(float), **close)


def laid(name: str, x: np.ndarray) -> wg.Tensor:
    """Return a float16 view that holds x, laid out as LAYOUTS[name] lays float32."""
    if name == "transposed":
        return tensor(x.T.copy()).T
    if name == "flipped":
        return wg.flip(tensor(np.flip(x).copy()))
    n, m = x.shape
    where = {
        "stepped": (slice(0, n), slice(1, 3 * m, 3)),
        "offset": (slice(3, n + 3), slice(0, m)),
        "window": (slice(1, n + 1), slice(1, m + 1)),
    }[name]
    wide = np.full((n + 5, m if name == "offset" else 3 * m), np.nan, half)
    wide[where] = x
    return tensor(wide)[where]


def test_writes_leave_neighbours_alone(device, rng):
    """Threads that write to two halves of one word."""
    x = patterns(rng, 999)
    t, y = tensor(x), patterns(rng, 333)
    t[1::3] = tensor(y)
    x[1::3] = y
    assert_same(t, x)


def test_casts_round_to_even_and_keep_what_is_special(device):
    wide = np.array(
        [0.0, -0.0, 1.0, 65504, 65519.9, 65520, -1e6, np.inf, -np.inf, np.nan, 2**-14, 2**-24]
        + [2**-25, 2**-25 * 1.001, 3 * 2**-25, 1 + 2**-11, 1 + 3 * 2**-11, 0.1, 1e-10, 6.1e-5],
        np.float32,
    )
    with np.errstate(over="ignore"):
        expected = wide.astype(half)
    assert_same(wg.tensor(wide).astype(HALF), expected)
    assert_same(tensor(wide), expected)
    back = tensor(wide).astype("float32").numpy()
    np.testing.assert_array_equal(back, expected.astype(np.float32))
    assert tensor([-1.9, 70000, np.nan, 2.5]).astype("int32").tolist() == [-1, 2**31 - 1, 0, 2]
    assert wg.tensor([70000, -3, 2049]).astype(HALF).tolist() == [np.inf, -3, 2048]
    assert tensor([0, 0.1, np.nan]).astype("bool").tolist() == [False, True, True]


def test_float64_is_rounded_once(numpy_device):
    """1 + 2**-11 + 2**-40 is above the tie that float32 would make of it."""
    assert wg.tensor([1 + 2**-11 + 2**-40], dtype="float64").astype(HALF).item() == 1 + 2**-10


# Sums.


def test_sums_accumulate_in_float32(device):
    """A float16 that is 2048 does not see another 1 come."""
    for shape, axis in (((30_001,), None), ((3, 30_001), 1), ((30_001, 3), 0)):
        total = both(lambda x, axis=axis: wg.sum(x, axis=axis), wg.ones(shape, dtype=HALF))
        np.testing.assert_array_equal(total.numpy(), half(30_001))
    assert wg.sum(tensor(np.full(100_000, 0.25))).item() == half(25_000)


@pytest.mark.parametrize("axis", [0, 1])
def test_partial_sums_are_not_rounded(axis: int, device, rng):
    """Equal terms have equal partial sums, which round alike: 60750 has few factors 2."""
    x = np.broadcast_to(rng.uniform(0.1, 0.5, (1, 20)).astype(half), (60_750, 20))
    x = x if axis == 0 else x.T
    total = both(lambda x: wg.sum(x, axis=axis), tensor(x.copy()))
    assert (total.numpy() == x.astype(float).sum(axis).astype(half)).sum() >= 19


def test_sums_beyond_float16_are_infinite_and_means_are_not(device):
    x = wg.ones(100_001, dtype=HALF)
    assert wg.sum(x).item() == np.inf
    assert wg.sum(x, dtype="float32").item() == 100_001
    assert both(wg.mean, x).item() == 1
    assert wg.softmax(x)[0].item() == half(1 / 100_001)
    assert wg.var(tensor([300.0, -300.0])).item() == np.inf
    assert wg.std(tensor([300.0, -300.0])).item() == 300


def test_scans_and_scatters_accumulate_in_float32(device, rng):
    ones = np.ones(5000)
    counted = both(lambda x: wg.cumulative_sum(x), tensor(ones))
    np.testing.assert_array_equal(counted.numpy(), np.arange(1, 5001).astype(half))
    index = wg.tensor(np.zeros(5000, np.int32))
    found = both(lambda x: wg.scatter_add(wg.zeros(3, dtype=HALF), index, x, 0), tensor(ones))
    np.testing.assert_array_equal(found.numpy(), np.array([5000, 0, 0], half))


@pytest.mark.parametrize("shape", [(64, 4096, 64), (5, 4095, 7), (1, 4096, 9)], ids=str)
def test_matmul_accumulates_in_float32(shape: tuple, device, rng):
    n, k, m = shape
    a, b = rng.uniform(0, 1, (n, k)).astype(half), rng.uniform(0, 1, (k, m)).astype(half)
    out = both(lambda x, y: x @ y, tensor(a), tensor(b))
    expected = a.astype(float) @ b.astype(float)
    assert out.dtype is wg.float16
    np.testing.assert_allclose(out.numpy(), expected, rtol=2**-11 + 1e-5)  # rounded once
    turned = (tensor(b.T.copy()) @ tensor(a.T.copy())).numpy()
    np.testing.assert_allclose(turned, expected.T, rtol=2**-11 + 1e-5)


def test_kernels_for_hardware_are_right(webgpu):
    """Operands read by fours or one by one, and a product of two parts."""
    configs = [Config("matmul_tiled", 64, 64, 2, False), Config("matvec", 4, 64, 2, False)]
    for k, n in ((64, 68), (65, 70)):
        problem = Problem(4, n, k, (), wg.float16, Operand(0, k, 1, ()), Operand(0, n, 1, ()))
        found = measure(webgpu.products, problem, configs)
        assert [timing.config for timing in found] == configs


# Functions of networks, whose sums and squares do not fit float16.

WIDE = np.array([[1e4, -1e4, 5, 7], [300, 400, -5, 7]])
IMAGE = np.where(np.random.default_rng(2).random((2, 2, 5, 5)) < 0.5, -6e4, 6e4)
ONES = np.array([1, -1], half)
# (what is called with float tensors, the arrays of those)
WIDENED: dict[str, tuple[Callable, list]] = {
    "layer_norm": (lambda x, w, b: F.layer_norm(x, 4, w, b), [WIDE, WIDE[1] / 100, WIDE[0] / 1e4]),
    "rms_norm": (lambda x, w: F.rms_norm(x, 4, w), [WIDE, WIDE[1] / 100]),
    "group_norm": (lambda x, w: F.group_norm(x, 2, w), [WIDE[:, :, None], WIDE[1] / 100]),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), [WIDE]),
    "batch_norm-eval": (
        lambda x, m, v: F.batch_norm(x, m, v),
        [WIDE, -WIDE[0] * 6, np.full(4, 100)],
    ),
    "instance_norm": (lambda x: F.instance_norm(x), [WIDE[None]]),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        [np.array([[300.0, 300], [0, 0]]), np.array([[300.0, 299], [0, 1]]), WIDE[:, :3]],
    ),
    "attention-mask": (
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        [np.array([[300.0, 300], [0, 0]])] * 2 + [WIDE[:, :3], np.array([[-6e4, 6e4], [0, 1]])],
    ),
    "cosine_similarity": (lambda x, y: F.cosine_similarity(x, y), [WIDE, WIDE[::-1] * 2]),
    "cosine_embedding_loss": (
        lambda x, y: F.cosine_embedding_loss(x, y, ONES, "none", margin=-0.9),
        [WIDE, WIDE[::-1] * 2],
    ),
    "normalize": (lambda x: F.normalize(x), [WIDE]),
    "normalize-3": (lambda x: F.normalize(x, 3), [WIDE]),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3, 1, 1), [IMAGE[0]]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 64), [np.full((1, 1, 64, 64), 60.0)]),
    "avg_pool2d-pad": (lambda x: F.avg_pool2d(x, 3, 1, 1, False, False), [IMAGE]),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 1)), [IMAGE]),
    "bilinear": (lambda x: F.interpolate(x, (7, 3), mode="bilinear"), [IMAGE]),
    "linear": (lambda x: F.interpolate(x, 3, mode="linear"), [np.array([[[6e4, -6e4]]])]),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), [WIDE / 25, WIDE / 1e3]),
    "l1_loss": (lambda x, y: F.l1_loss(x, y), [WIDE * 4, -WIDE * 4]),
    "huber_loss": (lambda x, y: F.huber_loss(x, y), [WIDE * 4, -WIDE * 4]),
    "smooth_l1_loss": (lambda x, y: F.smooth_l1_loss(x, y), [WIDE * 4, -WIDE * 4]),
    "gaussian_nll_loss": (
        lambda x, y, v: F.gaussian_nll_loss(x, y, v, True),
        [WIDE, WIDE[::-1], np.abs(WIDE)],
    ),
    "bce-logits": (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, weight=w, pos_weight=w),
        [WIDE / 2, WIDE[::-1] > 0, np.array([9.0, 9, 1, 1])],
    ),
    "bce": (
        lambda x, w: F.binary_cross_entropy(x, [[1, 0], [0, 1]], weight=w),
        [np.array([[0.5, 0.25], [0.125, 0.75]]), np.array([6e4, 3e4])],
    ),
    "kl_div": (lambda x, y: F.kl_div(x, y), [-WIDE * 6, np.abs(WIDE) / 2e4]),
    "hinge_embedding_loss": (
        lambda x: F.hinge_embedding_loss(x, ONES, margin=60000),
        [np.array([3e4, -3e4])],
    ),
    "cross_entropy": (
        lambda x, w: F.cross_entropy(x, [1, 0], weight=w),
        [WIDE * 4, np.full(4, 6e4)],
    ),
    "cross_entropy-shares": (
        lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1),
        [WIDE * 6, WIDE**2 / 2e8],
    ),
    "nll_loss": (lambda x, w: F.nll_loss(x, [0, 1], weight=w), [WIDE * 6, np.full(4, 6e4)]),
    "multi_margin_loss": (lambda x: F.multi_margin_loss(x, [1, 0], p=2), [WIDE / 50]),
}


@pytest.mark.parametrize("name", WIDENED)
def test_functions_of_networks_compute_in_float32(name: str, device):
    """Results and gradients are those of float64, rounded; a float32 tensor gives float32."""
    call, arrays = WIDENED[name]
    given = [np.array(x, half) for x in arrays]

    def total(*tensors: wg.Tensor) -> wg.Tensor:
        out = call(*tensors)
        weights = np.linspace(0.5, 1, max(out.size, 1)).reshape(out.shape)
        return wg.sum(out * weights.astype(np.float32) * 2.0**-8)

    def run(*tensors: wg.Tensor) -> tuple[wg.Tensor, ...]:
        return call(*tensors), *wg.grad(total, tuple(range(len(tensors))))(*tensors)

    with wg.device("numpy"):
        expected = run(*(wg.tensor(x, "float64") for x in given))
    found = both(run, *(tensor(x) for x in given))
    for x, y in zip(found, expected, strict=True):
        assert x.dtype is wg.float16
        assert np.isfinite(x.numpy()).all()
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=2e-3, atol=2e-5)
    if len(given) > 1:
        assert call(tensor(given[0]), *(wg.tensor(x) for x in given[1:])).dtype is wg.float32


def test_defaults_and_running_statistics_stay_those_of_float16(device):
    x = tensor([[2.0**-5, 0]])
    expected = 2.0**-5 / np.sqrt(2.0**-11 + np.finfo(half).eps)
    assert F.rms_norm(x, 2)[0, 0].item() == half(expected)
    middle, spread = tensor([0.0, 0]), tensor([1.0, 1])
    step = wg.compile(lambda x: F.batch_norm(x, middle, spread, training=True))
    for f in (lambda x: F.batch_norm(x, middle, spread, training=True), step):
        middle.assign(0), spread.assign(1)
        assert f(tensor([[300.0, 1], [-290, 3]])).dtype is wg.float16
        assert middle.dtype is spread.dtype is wg.float16
        assert middle.tolist() == [0.5, half(0.2)]
        assert spread.tolist() == [half(0.9 + 17405), half(1.1)]


# Numbers and dtypes beside it.


def test_numbers_keep_their_digits_until_the_result_is_rounded(device):
    """As in PyTorch: a loss scale of 2**16 is no infinity, though float16 does not hold it."""
    x = tensor([0.5, 2**-10])
    scaled = both(lambda x: x * 65536.0, x)
    assert scaled.dtype is wg.float16 and scaled.tolist() == [32768, 64]
    assert (scaled / 65536.0).tolist() == x.tolist()
    assert (tensor([60000]) * 1e-8).item() == half(60000 * 1e-8)
    assert (tensor([0.1]) == 0.1).item() and not (tensor([0.1]) < 0.1).item()
    assert both(lambda x: wg.full(3, 0.1, dtype=HALF) * x, tensor([10.0, 1, 3])).dtype is wg.float16


def test_data_is_float16_only_when_asked(device):
    x = np.array([1.5], half)
    assert wg.tensor(x).dtype is wg.float32
    assert wg.tensor(x, dtype=half).dtype is wg.float16
    assert wg.parameter(tensor(x)).dtype is wg.float16
    assert (tensor(x) + x).dtype is wg.float16
    assert (tensor(x) + x.astype(np.float32)).dtype is wg.float32
    assert (wg.tensor([1]) + tensor(x)).dtype is wg.float16
    assert wg.concat([tensor(x), x]).dtype is wg.float16


def test_random_numbers(device):
    x = wg.rand(40_000, dtype=HALF)
    assert x.dtype is wg.float16
    assert x.min().item() >= 0 and x.max().item() == 1 - 2**-11  # 1 is not among them
    assert abs(x.astype("float32").mean().item() - 0.5) < 0.01
    y = wg.randn(1000, dtype=HALF).astype("float32")
    assert abs(y.mean().item()) < 0.2 and abs(y.std().item() - 1) < 0.1


# Programs.


def norm(x: wg.Tensor) -> wg.Tensor:
    x = x - x.mean(-1, keepdims=True)
    return x / ((x * x).mean(-1, keepdims=True) + 1e-5).sqrt()


PROGRAMS: dict[str, Callable] = {
    "chain": lambda x, y: ((x * 1.01 + y[0]).tanh() * x + 0.1).exp(),
    "rows": lambda x, y: (norm(x), (x * y).softmax(-1), (x.exp() * y).sum(-1) * 0.3),
    "columns": lambda x, y: (x.max(0), (x * y).sum(0) / 7, x.argmax(0)),
    "odd views": lambda x, y: (x[:, 1::2] * y[:, -2::-2], wg.concat([x, y * 2])[3:, 1:]),
    "product": lambda x, y: wg.relu(x @ y.T + x[:, 0]) * 1.7,
    "lookup": lambda x, y: x[wg.tensor([3, 0, 3])] * y[:3] + (x > y)[:3].astype(HALF),
    "gradient": lambda x, y: wg.grad(lambda x: ((x @ y.T).tanh() * 0.1).softmax(-1).square().sum())(
        x
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("columns", [32, 33])
def test_compiled_programs_round_where_eager_ops_do(name: str, columns: int, device, rng):
    x, y = (tensor(rng.standard_normal((17, columns))) for _ in range(2))
    both(PROGRAMS[name], x, y)


def test_rows_shared_by_a_workgroup_are_rounded_once(webgpu, rng):
    """What hardware runs: threads that fold a row together, and folds in two steps."""
    x = tensor(rng.standard_normal((5, 256)))
    y = tensor(rng.uniform(0, 1, (2, 20_000)))
    found = traced(lambda x, y: (norm(x), x.softmax(-1), y.sum(-1) * 0.1), x, y)
    expected = PlainExecutor(found.program, webgpu).run(found.copies(), found.draw)
    limits = Limits(threads=1 << 14)
    program = simplify(found.program, limits)
    executor = WebGpuExecutor(program, webgpu, replace(webgpu.facts, is_software=False))
    shared = executor.run(found.copies(), found.draw)
    for slot, a, b in zip(found.program.outputs, expected, shared, strict=True):
        shown = [webgpu.download(Array(s, Layout.dense((s.size,)), wg.float16)) for s in (a, b)]
        np.testing.assert_allclose(*shown, rtol=2e-3, atol=1e-4, err_msg=str(slot))


def test_programs_read_and_write_parameters_in_place(device, rng):
    data = rng.standard_normal((33, 3))
    p, q = (wg.parameter(tensor(data)) for _ in range(2))
    x = tensor(rng.standard_normal((16, 33)))

    def stepper(p: wg.Tensor) -> Callable:
        adam = optim.Adam([p], lr=0.05)

        def step(x: wg.Tensor) -> wg.Tensor:
            adam.zero_grad()
            loss = wg.mean(wg.square(x @ p - 1))
            loss.backward()
            adam.step()
            return loss

        return step

    eager, compiled = stepper(p), wg.compile(stepper(q))
    for _ in range(3):
        np.testing.assert_allclose(eager(x).item(), compiled(x).item(), rtol=2e-3)
    assert p.dtype is q.dtype is wg.float16
    np.testing.assert_allclose(p.numpy(), q.numpy(), atol=4e-3)


# Training.


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, lr=0.02),
        lambda p: optim.AdamW(p, lr=0.02),
        lambda p: optim.SGD(p, lr=0.05),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.5, nesterov=True, weight_decay=1e-4),
    ],
    ids=["adam", "adamw", "sgd", "momentum"],
)
def test_optimizers_train_float16(make: Callable, numpy_device, rng):
    """Gradients of 1e-4 have squares that float16 holds as 0; what Adam remembers is float32."""
    model = nn.Linear(4, 2).astype(HALF)
    assert model.weight.dtype is wg.float16 and model.weight.requires_grad
    x = rng.standard_normal((64, 4))
    y = tensor(x @ rng.standard_normal((4, 2)))
    optimizer, losses = make(model.parameters()), []
    for _ in range(60):
        optimizer.zero_grad()
        loss = wg.mean(wg.square(model(tensor(x)) - y)) * 1e-2
        loss.backward()
        for p in model.parameters():
            p.set_grad(p.grad * (1.0 if "SGD" not in type(optimizer).__name__ else 100.0))
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    state = optimizer.state_dict()
    kept = [x for entry in state["state"].values() for x in entry.values()]
    assert {x.dtype.name for x in kept if isinstance(x, wg.Tensor)} <= {"float32"}
    optimizer.load_state_dict(state)


def test_module_astype_keeps_identities(numpy_device):
    layer = nn.Linear(3, 2)
    weight = layer.weight
    wg.sum(layer(wg.ones((1, 3)))).backward()
    assert layer.astype(HALF) is layer and layer.weight is weight
    assert weight.dtype is weight.grad.dtype is wg.float16
    assert layer.astype("float32").weight.grad.tolist() == [[1] * 3] * 2
    with pytest.raises(wg.errors.DTypeError, match="astype: int32 came"):
        layer.astype("int32")


def test_gradients_are_float16(device, rng):
    x = wg.tensor(rng.standard_normal((3, 5)), dtype=HALF, requires_grad=True)
    w = wg.tensor(rng.standard_normal((5, 4)), requires_grad=True)
    out = wg.sum(wg.tanh(x @ w) / wg.exp(x[:, :4]))
    assert out.dtype is wg.float32  # promoted by w
    out.backward()
    assert x.grad.dtype is wg.float16 and w.grad.dtype is wg.float32
    wide = wg.tensor(x.numpy().astype(np.float32), requires_grad=True)
    wg.sum(wg.tanh(wide @ w.detach()) / wg.exp(wide[:, :4])).backward()
    np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), rtol=4e-3, atol=4e-3)


# Without it.


class Lesser:
    """An adapter that lacks the feature; everything else is the real one's."""

    def __init__(self, adapter: Any):
        self.adapter = adapter
        self.features = set(adapter.features) - {"shader-f16"}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.adapter, name)


def test_adapter_without_the_feature_says_so(webgpu):
    lesser = WebGpuDevice("webgpu", Gpu(Lesser(adapters()[0])))
    assert wg.float16 not in lesser.dtypes and wg.float16 in webgpu.dtypes
    message = rf"device webgpu has no float16.*adapter {lesser.gpu.info['device'][:8]}.*shader-f16"
    with lesser:
        x = wg.ones(3)
        for make in (
            lambda: wg.tensor([1.0], dtype=HALF),
            lambda: wg.zeros(2, dtype=HALF),
            lambda: wg.rand(2, dtype=HALF),
            lambda: x.astype(HALF),
            lambda: wg.sum(x, dtype=HALF),
            lambda: wg.tensor([1.0], dtype=HALF, device="numpy").to(lesser),
            lambda: nn.Linear(2, 2).astype(HALF),
            lambda: wg.compile(lambda x: x.astype(HALF))(x),
        ):
            with pytest.raises(wg.errors.DTypeError, match=message):
                make()
        assert (x + np.ones(3, half)).dtype is wg.float32
        with pytest.raises(wg.errors.DTypeError, match="float64 lives on the numpy device alone"):
            wg.ones(2, dtype="float64")


def test_devices_say_who_has_it(webgpu):
    for row in describe():
        assert (HALF in row["dtypes"]) == ("shader-f16" in row["features"])
    assert [wg.float16 in Facts(has_half=has).dtypes for has in (True, False)] == [True, False]


@pytest.mark.parametrize("base", [2.0, 0.5, 0.0, -2.0])
def test_second_derivatives_of_powers_of_a_number(base, device):
    x = tensor([0.5, 1.0, 2.0, 3.0])
    first = wg.grad(lambda x: (base**x).sum())
    second = wg.grad(lambda x: first(x).sum())
    assert first(x).dtype is second(x).dtype is wg.float16
    exact = x.astype(wg.float32)
    np.testing.assert_allclose(first(x).numpy(), first(exact).numpy(), rtol=2e-3)
    np.testing.assert_allclose(second(x).numpy(), second(exact).numpy(), rtol=4e-3)


@pytest.mark.parametrize("f", [wg.maximum, wg.minimum])
def test_gradients_of_the_larger_and_the_smaller(f, device):
    a, b = tensor([0.5, 1.0, 2.0, 3.0]), tensor([1.0, 1.0, 1.0, 1.0])
    slopes = wg.grad(lambda a, b: (f(a, b) * b + f(a, 1.0)).sum(), argnums=(0, 1))
    exact = slopes(a.astype(wg.float32), b.astype(wg.float32))
    for x, y in zip(slopes(a, b), exact, strict=True):
        assert x.dtype is wg.float16
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=2e-3)


@pytest.mark.parametrize("first", ["float16", "float32"])
def test_ops_that_rules_give_two_float_dtypes_convert_them(first: str, device):
    """A kernel reads memory as what it is told: half a number for a whole one would be silent."""
    second = "float32" if first == "float16" else "float16"
    a, b = wg.tensor([1.0, 2.0, 3.0], dtype=first), wg.tensor([0.5, 0.25, 4.0], dtype=second)
    for made in (lambda f: f, wg.compile):
        found = made(lambda a, b: core.apply(REGISTRY["multiply"], a, b))(a, b)
        np.testing.assert_array_equal(found.numpy(), [0.5, 0.5, 12.0])
