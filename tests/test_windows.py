"""Tensors that one binding does not hold: the same values as NumPy's, in windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from campaigns.windows import BOUND, tiny

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.backends.webgpu import gpu as gpu_module
from wgrad.backends.webgpu.dispatches import Dispatches
from wgrad.backends.webgpu.eager import WebGpuDevice
from wgrad.backends.webgpu.memory import size_class
from wgrad.backends.webgpu.windows import cuts
from wgrad.backends.webgpu.windows.cuts import Bounds, Operand, cut, over, pieces
from wgrad.layout import Layout
from wgrad.program.run.webgpu import WebGpuExecutor

ROWS, COLUMNS = 301, 129  # odd, and above four bindings of float32


@pytest.fixture
def small(webgpu: Device) -> Iterator[WebGpuDevice]:
    """The adapter with bindings of 32 KiB, which its driver enforces, as the default device."""
    assert isinstance(webgpu, WebGpuDevice)
    found = tiny(webgpu)
    assert found.gpu.limits["max-storage-buffer-binding-size"] == BOUND < 4 * ROWS * COLUMNS
    with found:
        yield found


def whole_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Return floats whose sums are exact in every order."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


A, B = whole_numbers(ROWS, COLUMNS), whole_numbers(ROWS, COLUMNS, seed=1)
LINE = whole_numbers(3 * BOUND // 4 + 5, seed=2)
INDEX = np.random.default_rng(3).integers(0, LINE.size, 2000).astype(np.int32)
ROW_INDEX = np.random.default_rng(4).integers(0, ROWS, (40, COLUMNS)).astype(np.int32)
ORDERED = np.sort(LINE)


def _assigned(x: Any) -> Any:
    x = x + 0
    x[5:-5:2, ::-1] = 9
    return x


def _masked(x: Any) -> Any:
    x = x + 0
    x[x > 1] = -1
    return x


def _put(x: Any, index: Any) -> Any:
    x = x + 0
    x[index] = 4
    return x


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple]] = {
    "elementwise": (lambda a, b: a * 2 + b, lambda a, b: a * 2 + b, (A, B)),
    "number of views": (
        lambda a, b: a[::-1, ::-1] + b.T[::-1].T * a[:, :1] + b[7],
        lambda a, b: a[::-1, ::-1] + b.T[::-1].T * a[:, :1] + b[7],
        (A, B),
    ),
    "transposed": (lambda a, b: a.T + b.T, lambda a, b: a.T + b.T, (A, B)),
    "a small view": (lambda a: a[-3:, 5:9] + 1, lambda a: a[-3:, 5:9] + 1, (A,)),
    "copy": (lambda a: a[::3, 1:].copy(), lambda a: a[::3, 1:].copy(), (A,)),
    "bools": (lambda a, b: (a > b) & (a < 2), lambda a, b: (a > b) & (a < 2), (A, B)),
    "sum": (lambda a: a.sum(), lambda a: a.sum(), (A,)),
    "sum of rows": (lambda a: a.sum(axis=1), lambda a: a.sum(axis=1), (A,)),
    "sum of columns": (lambda a: a.sum(axis=0), lambda a: a.sum(axis=0), (A,)),
    "max of columns": (lambda a: wg.max(a, axis=0), lambda a: a.max(axis=0), (A,)),
    "min": (lambda a: wg.min(a), lambda a: a.min(), (A,)),
    "prod": (lambda a: wg.prod(a, axis=0), lambda a: a.prod(axis=0), (np.sign(A + 3.5),)),
    "any": (lambda a: wg.any(a > 2, axis=1), lambda a: (a > 2).any(axis=1), (A,)),
    "all": (lambda a: wg.all(a > -4), lambda a: (a > -4).all(), (A,)),
    "argmax": (lambda a: wg.argmax(a, axis=0), lambda a: a.argmax(axis=0), (A,)),
    "concat": (
        lambda a, b: wg.concat([a, b[:5], a], axis=0),
        lambda a, b: np.concatenate([a, b[:5], a]),
        (A, B),
    ),
    "pad": (lambda a: wg.pad(a, [(1, 2), (3, 0)]), lambda a: np.pad(a, [(1, 2), (3, 0)]), (A,)),
    "running sums": (
        lambda a: wg.cumulative_sum(a, axis=0),
        lambda a: np.cumsum(a, axis=0),
        (LINE,),
    ),
    "running products": (
        lambda a: wg.cumulative_prod(a, axis=0),
        lambda a: np.cumprod(a, axis=0),
        (np.sign(A + 3.5),),
    ),
    "product": (lambda a, b: a @ b.T, lambda a, b: a @ b.T, (A, B)),
    "long product": (lambda a, b: a @ b, lambda a, b: a @ b, (LINE, LINE[::-1].copy())),
    "gather": (lambda a, i: wg.take(a, i), lambda a, i: a[i], (LINE, INDEX)),
    "gather of columns": (
        lambda a, i: wg.take_along_axis(a, i, axis=0),
        lambda a, i: np.take_along_axis(a, i, 0),
        (A, ROW_INDEX),
    ),
    "scatter": (_put, _put, (LINE, INDEX)),
    "elements of a mask": (lambda a: a[a > 1], lambda a: a[a > 1], (LINE,)),
    "elements of a mask of rows": (lambda a: a[a[:, 0] > 1], lambda a: a[a[:, 0] > 1], (A,)),
    "assignment to a mask": (_masked, _masked, (A,)),
    "nonzero": (
        lambda a: wg.stack(wg.nonzero(a)),
        lambda a: np.stack(np.nonzero(a)),
        (A,),
    ),
    "nonzero of none": (lambda a: wg.nonzero(a > 9)[0], lambda a: np.nonzero(a > 9)[0], (LINE,)),
    "assignment": (_assigned, _assigned, (A,)),
    "sort": (lambda a: wg.sort(a, axis=1), lambda a: np.sort(a, 1), (A,)),
    "sort of columns": (lambda a: wg.sort(a, axis=0), lambda a: np.sort(a, 0), (A,)),
    "order of bools": (
        lambda a: wg.argsort(a > 1),
        lambda a: np.argsort(a > 1, kind="stable"),
        (LINE,),
    ),
    "searchsorted": (
        lambda a, b: wg.searchsorted(a, b),
        lambda a, b: np.searchsorted(a, b),
        (ORDERED, LINE),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_windows_give_what_numpy_gives(name: str, small: WebGpuDevice) -> None:
    ours, theirs, data = CASES[name]
    before = wg.stats()["dispatches"]
    found = ours(*[wg.asarray(x) for x in data]).numpy()
    wanted = theirs(*data)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)
    assert wg.stats()["dispatches"] > before + ("small" not in name)


@pytest.mark.parametrize("dtype", ["float16", "int32", "uint32", "bool"])
def test_windows_of_other_dtypes(dtype: str, small: WebGpuDevice) -> None:
    if dtype == "float16" and wg.float16 not in small.dtypes:
        pytest.skip("no float16")
    data = (np.arange(3 * BOUND) % 5).astype(dtype)
    x = wg.asarray(data, dtype=dtype)
    np.testing.assert_array_equal(x.numpy(), data)
    np.testing.assert_array_equal(x[1::2].copy().numpy(), data[1::2])
    np.testing.assert_array_equal(wg.flip(x).numpy(), data[::-1])
    np.testing.assert_array_equal(wg.concat([x[1:], x[:1]]).numpy(), np.roll(data, -1))
    if dtype == "bool":
        assert wg.any(x).item() and not wg.all(x).item()
    else:
        assert wg.sum(x[:5000]).item() == data[:5000].astype(np.int64).sum()
        np.testing.assert_array_equal((x + x).numpy(), data + data)


def test_windows_sum_halves_with_one_rounding(small: WebGpuDevice) -> None:
    if wg.float16 not in small.dtypes:
        pytest.skip("no float16")
    data = np.full(3 * BOUND, 0.5, np.float16)
    assert (
        wg.sum(wg.asarray(data, dtype="float16")).item() == 49152
    )  # a sum in float16 would stop at 1024
    one = wg.ones((2, 3 * BOUND // 4), dtype="float16")
    assert (one @ one.T).numpy().tolist() == [[24576.0] * 2] * 2


@pytest.mark.parametrize("compiled", [False, True])
def test_windows_overflow_only_where_the_whole_does(compiled: bool, small: WebGpuDevice) -> None:
    """Of one window alone the product or the sum is too large, or 0."""
    n = 20_000
    factors, terms = np.ones(n, np.float32), np.zeros(n, np.float32)
    factors[:10], factors[9000:9010] = 1e-30, 1e30
    terms[5], terms[9000:9002], terms[9002] = -3e38, 3e38, -3e38
    tall = np.repeat(factors[:, None], 3, axis=1)

    def f(factors: Any, terms: Any, tall: Any) -> Any:
        running = wg.cumulative_prod(factors), wg.cumulative_sum(terms)
        back = wg.flip(wg.cumulative_sum(wg.flip(terms)))
        return wg.prod(factors), wg.prod(tall, axis=0), *running, back

    run = wg.compile(f) if compiled else f
    for _ in range(3 if compiled else 1):
        found = [x.numpy() for x in run(*map(wg.asarray, (factors, terms, tall)))]
    np.testing.assert_allclose(found[0], 1, rtol=1e-6)
    np.testing.assert_allclose(found[1], [1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(found[2][9010:], 1, rtol=1e-6)
    np.testing.assert_allclose(found[3], np.cumsum(terms.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(found[4], np.cumsum(terms[::-1].astype(float))[::-1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(30_001,), (15_000, 3), (3, 12_000), (5, 9_000, 2)])
def test_windows_of_products_that_overflow_and_vanish(
    shape: tuple, small: WebGpuDevice, rng: np.random.Generator
) -> None:
    """The running products are beyond float32 at the end of the first windows, and come back."""
    size = int(np.prod(shape))
    up = (np.arange(size) // 4001 % 2).astype(bool)  # there and back, over more than a window
    scales = np.where(up, 1.03, 1 / 1.03).reshape(shape)
    x = (scales * rng.choice([1.0, -1.0], shape)).astype(np.float32)
    for axis in range(len(shape)):
        with np.errstate(over="ignore", under="ignore"):
            right = np.cumprod(x.astype(np.longdouble), axis).astype(np.float32)
            whole = np.prod(x.astype(np.longdouble), axis).astype(np.float32)
        found = wg.cumulative_prod(wg.asarray(x), axis).numpy()
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-37)
        found = wg.prod(wg.asarray(x), axis).numpy()
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-37)


def test_windows_of_running_log_sums(small: WebGpuDevice) -> None:
    x = wg.asarray(LINE)
    right = np.logaddexp.accumulate(LINE.astype(float))
    np.testing.assert_allclose(wg.logcumsumexp(x).numpy(), right, rtol=1e-5)


@pytest.mark.parametrize("kind", ["rand", "randn"])
def test_windows_draw_the_numbers_of_every_device(kind: str, small: WebGpuDevice) -> None:
    def drawn() -> np.ndarray:
        wg.manual_seed(7)
        wg.rand(3)  # an odd number: the next ones begin within a block
        return getattr(wg, kind)(3 * BOUND // 4 + 1).numpy()

    found = drawn()
    with wg.device("numpy"):
        np.testing.assert_array_equal(found, drawn())


def test_windows_have_gradients(small: WebGpuDevice) -> None:
    x, i = wg.tensor(LINE, requires_grad=True), wg.asarray(INDEX)
    (wg.take(x, i) * 2 + wg.take(x, i)).sum().backward()
    counts = np.bincount(INDEX, minlength=LINE.size)
    np.testing.assert_array_equal(x.grad.numpy(), 3.0 * counts)


def test_windows_write_over_the_memory_they_read(small: WebGpuDevice) -> None:
    x, data = wg.asarray(A), A.copy()
    x[1:] = x[:-1]
    data[1:] = data[:-1].copy()
    np.testing.assert_array_equal(x.numpy(), data)


def test_windows_of_what_goes_between_host_and_device(
    small: WebGpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_module, "MOVED_BYTES", 1 << 12)
    data = np.arange(5001, dtype=np.float32)
    x = wg.asarray(data)
    np.testing.assert_array_equal(x.numpy(), data)
    np.testing.assert_array_equal(x[7:].numpy(), data[7:])


def test_windows_cannot_sort_a_line_above_one_binding(small: WebGpuDevice) -> None:
    x = wg.asarray(LINE)
    before = wg.stats()["dispatches"]
    with pytest.raises(wg.errors.OutOfMemoryError, match=rf"argsort.*{4 * LINE.size}.*{BOUND}"):
        wg.argsort(x)
    assert wg.stats()["dispatches"] == before


# Compiled.
def train_step(w: Any, x: Any) -> Any:
    """A step with an update in place, a product, reductions, and elementwise work between."""
    y = (x * w + 1).clip(-5, 5)
    loss = (y.sum(axis=1) * y[:, 0]).sum()
    return loss, y, (y @ y[:4].T)


REPLAYED = (
    *("elementwise", "number of views", "sum", "sum of columns", "argmax", "concat", "pad"),
    *("running sums", "product", "long product", "gather", "scatter", "assignment"),
)


@pytest.mark.parametrize("name", REPLAYED)
def test_windows_replay(name: str, small: WebGpuDevice) -> None:
    ours, theirs, data = CASES[name]
    compiled = wg.compile(ours)
    wanted = theirs(*data)
    for _ in range(3):
        found = compiled(*[wg.asarray(x) for x in data]).numpy()
        np.testing.assert_array_equal(found, wanted)
    (program,) = compiled.programs
    assert program.steps


def test_windows_replay_whole_steps(small: WebGpuDevice) -> None:
    compiled = wg.compile(train_step)
    w, x = wg.asarray(A), wg.asarray(B)
    y = np.clip(B * A + 1, -5, 5)
    for _ in range(4):
        loss, found, product = compiled(w, x)
        assert loss.item() == (y.sum(axis=1) * y[:, 0]).sum()
        np.testing.assert_array_equal(found.numpy(), y)
        np.testing.assert_array_equal(product.numpy(), y @ y[:4].T)


def test_windows_replay_updates_in_place(small: WebGpuDevice) -> None:
    w = wg.asarray(A)
    m = wg.zeros(A.shape)

    @wg.compile
    def step(g: Any) -> Any:
        m[:] = m * 0.5 + g
        w[:] = w - m
        return wg.max(w)

    expected, moment = A.copy(), np.zeros_like(A)
    for i in range(5):
        g = whole_numbers(ROWS, COLUMNS, seed=i) * 8
        found = step(wg.asarray(g))
        moment = moment * 0.5 + g
        expected = expected - moment
        assert found.item() == expected.max()
        np.testing.assert_array_equal(w.numpy(), expected)


def test_windows_of_one_fused_kernel(small: WebGpuDevice, monkeypatch: Any) -> None:
    made: list[WebGpuExecutor] = []
    init = WebGpuExecutor.__init__

    def noted(self: WebGpuExecutor, *args: Any) -> None:
        init(self, *args)
        made.append(self)

    monkeypatch.setattr(WebGpuExecutor, "__init__", noted)
    compiled = wg.compile(lambda a, b: (a * b + 1) * a - b)
    for _ in range(3):
        compiled(wg.asarray(A), wg.asarray(B))
    (executor,) = made
    launches = executor.launches
    assert len(launches.launches) > 4  # windows,
    assert len(launches.kernels) <= 2  # with a text of their own for the last
    assert compiled.explain().kernels[0].dispatches == len(launches.launches)


# Where the cuts are.
def test_cuts_cover_everything_once_and_fit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = tuple(int(n) for n in rng.integers(1, 30, rng.integers(1, 4)))
        order = rng.permutation(len(shape))
        bounds = Bounds(int(rng.integers(4, 40)) * 16, 16)
        dense = Layout.dense(shape)
        turned = Layout.dense(tuple(shape[a] for a in order)).permute(tuple(np.argsort(order)))
        flipped = Layout(shape, tuple(-s for s in dense.strides), dense.size - 1)
        seen = np.zeros(dense.size, int)
        for piece in pieces([Operand(x, 4) for x in (dense, turned, flipped)], bounds):
            assert all(bounds.excess(Operand(x, 4)) <= 0 for x in piece)
            places = piece[0].offset + sum(
                np.arange(n).reshape(-1, *[1] * (len(shape) - 1 - i)) * s
                for i, (n, s) in enumerate(zip(piece[0].shape, piece[0].strides, strict=True))
            )
            seen[places.reshape(-1)] += 1
        assert (seen == 1).all()


def test_cuts_count_no_further_than_a_kernel_does() -> None:
    bounds = Bounds(1 << 27, 256)
    wide = Layout((3, 1 << 30), (0, 0))
    assert cut([Operand(wide, 4)], bounds) == (1, 1 << 29)
    assert cut([over(wide.shape, Layout((3,), (1,)), (0, None), 4)], bounds) is None


def test_size_classes_end_at_the_limits() -> None:
    for limit in (1000 * 16, 1 << 20, (1 << 27) - 16):
        assert size_class(limit - 15, limit) == limit
        assert size_class(limit + 1, limit) > limit


def test_views_beyond_what_a_kernel_counts_are_counted_in_parts(
    small: WebGpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = wg.asarray(np.arange(5, dtype=np.float32))[:, None]

    def total(x: Any) -> Any:
        return (wg.broadcast_to(x, (5, 30_000)) * 1).sum(), wg.broadcast_to(x, (5, 30_000)).sum()

    monkeypatch.setattr(cuts, "MOST_ELEMENTS", 1 << 12)
    compiled = wg.compile(total)
    for f in (total, compiled, compiled, compiled):
        assert [found.item() for found in f(x)] == [300_000, 300_000]


# The real limit.
def test_windows_above_the_adapters_own_limit(webgpu: Device) -> None:
    assert isinstance(webgpu, WebGpuDevice)
    size = webgpu.facts.largest_binding // 4 + (1 << 20) + 1
    if not webgpu.facts.is_software or 4 * size > webgpu.facts.largest_buffer:
        pytest.skip("a binding of this adapter holds more than a test should")
    ones = wg.full(size, 1, dtype="int32")
    assert wg.sum(ones + ones).item() == 2 * size
    data = np.arange(size, dtype=np.int32)
    x = wg.asarray(data)
    assert wg.max(x).item() == size - 1
    assert wg.concat([x[-2:], x[:2]]).tolist() == [size - 2, size - 1, 0, 1]


# Runs that fail.
@pytest.mark.parametrize("late", [False, True], ids=["before", "between"])
def test_windows_that_fail_change_nothing_outside(
    late: bool, small: WebGpuDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    w, m, x = wg.asarray(A), wg.zeros(A.shape), wg.asarray(B)
    count = wg.tensor([0.0])

    @wg.compile
    def step(x: Any) -> Any:
        m[:] = m * 0.5 + x
        count[:] = count + 1
        if late:
            found = (w @ w[:4].T).sum()  # in parts, with memory of their own
            w[:] = w - m
            return found + (w @ w[:4].T).sum()
        w[:] = w - m
        return (w @ w[:4].T).sum()

    def state() -> list[Any]:
        return [(t.numpy(), t.array.storage.version) for t in (w, m, count)]

    for _ in range(3):
        step(x)
    (executor,) = step._executors._found.values()
    assert any(b.nbytes is not None for x in executor.launches.launches for b in x.bindings)
    before = state()

    def no_room(*args: Any) -> None:
        raise wg.errors.OutOfMemoryError("webgpu: no room")

    monkeypatch.setattr(Dispatches, "run", no_room)  # which all of a run is
    with pytest.raises(wg.errors.OutOfMemoryError, match="no room"):
        step(x)
    for (found, version), (wanted, earlier) in zip(state(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert version == earlier
    monkeypatch.undo()
    step(x)
    moment, weights = before[1][0] * 0.5 + B, before[0][0]
    np.testing.assert_array_equal(m.numpy(), moment)
    np.testing.assert_array_equal(w.numpy(), weights - moment)
    assert count.item() == before[2][0][0] + 1
