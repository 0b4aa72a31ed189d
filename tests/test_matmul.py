"""Every kernel and configuration of matrix products, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.array import product_shape
from wgrad.backends.webgpu import configs
from wgrad.backends.webgpu.buffers import Buffer
from wgrad.backends.webgpu.matmul import PLAIN
from wgrad.backends.webgpu.problem import Config, Output, Problem, Scratch
from wgrad.backends.webgpu.tune import Measured
from wgrad.layout import Layout

# One of each kernel, shape of tile, and orientation; parts are tried on top of them.
WAYS = [
    *[Config("matmul", height, 64, 1, False) for height in (1, 4, 8, 16)],
    Config("matmul", 16, 64, 1, True),
    Config("matmul_tiled", 128, 128, 1, False),
    Config("matmul_tiled", 64, 128, 1, False),
    Config("matmul_tiled", 128, 64, 1, True),
    Config("matmul_tiled", 64, 64, 1, False),
]
REGISTERS, TURNED, TILED = WAYS[3:6]
ROWS = [Config("matvec", rows, 64, 1, turned) for rows in (1, 2, 4) for turned in (False, True)]
FEW = [Config("matvec", 1, 4, 1, False), Config("matvec", 4, 4, 1, True)]
FEW += [Config("matvec", 2, 16, 1, False)]


@pytest.fixture
def gpu(webgpu):
    return webgpu.gpu


def product(
    products: Measured,
    x: wg.Tensor,
    y: wg.Tensor,
    config: Config | None = None,
    output: Output = PLAIN,
    before: tuple[wg.Tensor, ...] = (),
    lead: int | None = None,
    inner: int = 1,
) -> np.ndarray:
    """Run a plan over a poisoned result, which is the last of the output's buffers."""
    problem = Problem.of(x.array.layout, y.array.layout, x.dtype, lead, inner)
    assert problem is not None
    out = wg.full(product_shape(x.shape, y.shape, lead, inner), 77, x.dtype)
    sides = [t.array.storage.buffer for t in (*before, out)]
    scratch: Buffer | None = None
    for kernel, params, groups, buffers, _ in products.plan(problem, output, config):
        bound = []
        for which in buffers:
            if isinstance(which, Scratch):
                scratch = scratch or products.gpu.create_buffer(which.nbytes)
                assert which.nbytes <= scratch.nbytes
                bound.append(scratch)
            elif isinstance(which, int):
                bound.append(sides[which])
            else:
                bound.append({"a": x, "b": y}[which].array.storage.buffer)
        products.gpu.launch(products.gpu.pipeline(kernel), tuple(bound), params, groups)
    found = out.numpy()
    if scratch is not None:
        products.gpu.drop_buffer(scratch)
    return found


def exact(x: wg.Tensor, y: wg.Tensor) -> np.ndarray:
    return x.numpy().astype(np.float64) @ y.numpy().astype(np.float64)


def views(rng: np.random.Generator, m: int, k: int, n: int) -> Iterator[tuple]:
    """Yield operands with small integers, in every kind of layout: float32 sums are exact."""

    def made(*shape: int) -> np.ndarray:
        return rng.integers(-9, 9, shape).astype(np.float32)

    a, b = made(m, k), made(k, n)
    yield wg.tensor(a), wg.tensor(b)
    yield wg.tensor(a), wg.tensor(b.T.copy()).mT
    yield wg.tensor(a.T.copy()).mT, wg.tensor(b)
    yield wg.tensor(a.T.copy()).mT, wg.tensor(b.T.copy()).mT
    # Where all but the offset suits vec4s; then steps and negative strides.
    yield wg.tensor(made(m, k + 4))[:, 1 : k + 1], wg.tensor(made(k, n + 4))[:, 3 : n + 3]
    wide = wg.tensor(made(m + 1, 2 * k + 1))
    yield wg.flip(wide[1:, 1::2], 0), wg.flip(wg.flip(wg.tensor(b), 0), 1)
    # Broadcast batches, of one axis and of three that no one stride walks.
    yield wg.broadcast_to(wg.tensor(a), (3, m, k)), wg.tensor(made(3, k, n))
    yield wg.tensor(made(2, m, k)), wg.broadcast_to(wg.tensor(b), (2, k, n))
    x = wg.permute_dims(wg.tensor(made(2, 3, m, k)), (1, 0, 2, 3))
    y = wg.broadcast_to(wg.tensor(made(2, k, n)), (3, 2, k, n))
    yield x, y
    x = wg.broadcast_to(wg.reshape(wg.tensor(made(2, m, k)), (2, 1, 1, m, k)), (2, 3, 2, m, k))
    y = wg.broadcast_to(wg.reshape(wg.tensor(made(3, k, n)), (1, 3, 1, k, n)), (2, 3, 2, k, n))
    yield x, y


SHAPES = [
    (1, 1, 1),
    (3, 5, 7),
    (17, 64, 4),
    (64, 16, 64),
    (65, 33, 130),
    (130, 20, 68),
    (2, 260, 3),
]


@pytest.mark.parametrize("config", WAYS, ids=lambda c: f"{c.shader} {c.height}x{c.width}")
def test_every_way_agrees_with_float64(gpu, rng, config):
    products = Measured(gpu)
    # How operands are read does not depend on the tile: of most, two ways to read them suffice.
    all_views = config in (REGISTERS, TURNED, TILED)
    for j, (m, k, n) in enumerate(SHAPES):
        for i, (x, y) in enumerate(views(rng, m, k, n)):
            if all_views or i in (0, 4):
                # How parts are cut does not depend on the view: each has one of the two by turns.
                parts = (1, 3)[(i // 4 + i + j) % 2]
                found = product(products, x, y, config._replace(parts=parts))
                np.testing.assert_array_equal(found, exact(x, y))


@pytest.mark.parametrize("config", ROWS + FEW, ids=lambda c: f"{c.height}x{c.width} {c.turned}")
def test_kernel_for_few_rows_agrees_with_float64(gpu, rng, config):
    products = Measured(gpu)
    for m, k, n in [(config.height, 5, 7), (config.height, 300, 128), (7, 64, 65)]:
        if config.turned:
            m, n = n, m
        for i, (x, y) in enumerate(views(rng, m, k, n)):
            found = product(products, x, y, config._replace(parts=(1, 3)[(i + k) % 2]))
            np.testing.assert_array_equal(found, exact(x, y))


@pytest.mark.parametrize("k", [3, 300, 1028, 2049])
def test_kernel_for_two_vectors_agrees_with_float64(gpu, rng, k):
    products = Measured(gpu)
    for x, y in views(rng, 1, k, 1):
        for parts in (1, 3):
            config = Config("matvec", 1, 1, parts, False)
            np.testing.assert_array_equal(product(products, x, y, config), exact(x, y))


def test_register_kernel_without_shuffles_agrees_with_float64(gpu, rng):
    products = Measured(gpu)
    products._shuffles = False
    for x, y in views(rng, 17, 36, 68):
        np.testing.assert_array_equal(product(products, x, y, REGISTERS), exact(x, y))


def grouped(rng: np.random.Generator) -> Iterator[tuple[wg.Tensor, wg.Tensor, int, int]]:
    """Yield operands whose rows, steps and columns lie along several axes that do not merge."""

    def made(*shape: int) -> wg.Tensor:
        return wg.tensor(rng.integers(-9, 9, shape).astype(np.float32))

    # Windows of an image: nothing is a vec4, steps are along three axes.
    image = made(2, 3, 9, 20)
    seen = image.array.layout.windows((7, 9), (3, 3), (1, 2), (1, 1))
    columns = wg.Tensor(image.array.view(seen.permute((0, 1, 4, 5, 2, 3))), None)
    yield wg.broadcast_to(made(5, 3, 3, 3), (2, 5, 3, 3, 3)), columns, 1, 3
    # Rows along three axes and steps along two, both by vec4s along the last step.
    tall, steep = made(2, 3, 3, 2, 2, 8), made(5, 2, 2, 8)
    yield tall[:, :2, ::2, :, 1], steep.permute_dims((1, 2, 3, 0))[:, 1], 0, 2
    # Where all but the step from one run of eight to the next suits vec4s.
    line = made(5, 28)
    runs = line.array.view(line.array.layout.windows((3,), (8,), (9,), (1,)))
    yield wg.Tensor(runs, None), made(3, 5, 8, 4)[:, 1], 0, 2
    # Columns and rows along two axes, by vec4s along the last one.
    wide = made(3, 6, 2, 4, 8)[:, :5, 1]
    rows = made(3, 6, 2, 5, 4)[:, :5].permute_dims((2, 3, 4, 0, 1))
    yield rows[:, ::2], wide, 0, 2


@pytest.mark.parametrize(
    ("config", "shuffles"),
    [(REGISTERS, True), (REGISTERS, False), (TURNED, True), (TILED, True), (ROWS[4], True)],
    ids=["registers", "no shuffles", "turned", "tiled", "few rows"],
)
def test_products_walk_several_axes(gpu, rng, config, shuffles):
    products = Measured(gpu)
    if not shuffles:
        products._shuffles = False
    for x, y, lead, inner in grouped(rng):
        problem = Problem.of(x.array.layout, y.array.layout, x.dtype, lead, inner)
        assert problem is not None and problem.walk is not None
        flat = [np.prod(shape, dtype=int) for shape in (x.shape[lead:-inner], x.shape[-inner:])]
        a = x.numpy().reshape(*x.shape[:lead], *flat)
        b = y.numpy().reshape(*x.shape[:lead], flat[1], -1)
        for parts in (1, 2):
            ways = {"lead": lead, "inner": inner, "config": config._replace(parts=parts)}
            found = product(products, x, y, **ways)
            np.testing.assert_array_equal(found.reshape(*a.shape[:-1], -1), a.astype(float) @ b)


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
@pytest.mark.parametrize("config", [REGISTERS, TILED, ROWS[4]], ids=lambda c: c.shader)
def test_integers_multiply_exactly_and_wrap(gpu, rng, dtype, config):
    products = Measured(gpu)
    low, high = (-(2**31), 2**31) if dtype == "int32" else (0, 2**32)
    a = rng.integers(low, high, (4, 44)).astype(dtype)
    b = rng.integers(low, high, (44, 68)).astype(dtype)
    for parts in (1, 2):
        found = product(products, wg.tensor(a), wg.tensor(b), config._replace(parts=parts))
        np.testing.assert_array_equal(found, a @ b)


@pytest.mark.parametrize("software", [True, False], ids=["software rules", "hardware rules"])
def test_rules_and_candidates_are_right(gpu, rng, software):
    products = Measured(gpu)
    for m, k, n in [(64, 1000, 10), (1, 600, 64), (200, 7, 1), (300, 16, 200), (5, 2000, 5)]:
        x, y = next(views(rng, m, k, n))
        problem = Problem.of(x.array.layout, y.array.layout, x.dtype)
        ways = configs.candidates(problem, software)
        assert ways[0] == configs.default(problem, software)
        assert len(set(ways)) == len(ways)
        for config in ways:
            np.testing.assert_array_equal(product(products, x, y, config), exact(x, y))


@pytest.mark.parametrize("software", [True, False])
def test_rules_cut_a_long_inner_axis_where_results_are_few(software):
    def chosen(m: int, k: int, n: int) -> Config:
        x, y = Layout.dense((m, k)), Layout.dense((k, n))
        return configs.default(Problem.of(x, y, wg.float32), software)

    assert chosen(64, 4096, 10).parts > 1
    assert chosen(1024, 1024, 1024).parts == 1
    assert chosen(4, 70_000, 4).parts >= 70_000 / 8192  # short chains of float32 sums
    assert chosen(1, 2**30, 1).parts <= configs.MOST_PARTS
    assert chosen(1024, 512, 2).turned  # the tiles fit n better
    assert chosen(1, 1 << 20, 1)[:3] == ("matvec", 1, 1)  # no thread without a column
    assert chosen(16, 1 << 20, 3)[:3] == ("matvec", 4, 16) and chosen(16, 1 << 20, 3).turned
    assert chosen(1, 4096, 4096).parts > 1


@pytest.mark.parametrize("k", [65535 + 7, 300_000])
def test_inner_axis_beyond_the_loop_limit_is_summed_whole(webgpu, k):
    x = wg.broadcast_to(wg.tensor([[1.0]]), (2, k))
    assert (x @ wg.ones((k, 1))).tolist() == [[k], [k]]
    assert (wg.ones((1, k)) @ x.mT).tolist() == [[k, k]]


@pytest.mark.parametrize(("n", "bound"), [(1, 1e-6), (64, 1e-5)])
def test_long_sums_of_equal_numbers_keep_their_digits(webgpu, n, bound):
    k = 1_000_003 if n == 1 else 65_539
    third = np.float32(1 / 3)
    found = wg.full((1, k), third) @ wg.full((k, n), third)
    np.testing.assert_allclose(found.numpy(), k * float(third) ** 2, rtol=bound)


def test_inner_axis_of_nothing_gives_zeros(gpu, webgpu):
    a, b = wg.zeros((3, 0)), wg.zeros((0, 4))
    assert (a @ b).tolist() == [[0] * 4] * 3
    products = Measured(gpu)
    for config in (REGISTERS, TILED, ROWS[4]):
        assert product(products, a, b, config).tolist() == [[0] * 4] * 3
    assert (wg.zeros((0, 3)) @ wg.zeros((3, 2))).shape == (0, 2)
    empty = Problem.of(wg.zeros((2, 0, 3)).array.layout, wg.zeros((2, 3, 1)).array.layout, a.dtype)
    assert products.plan(empty) == []


def test_more_batch_axes_than_a_kernel_walks_are_copied(webgpu, rng):
    a = rng.integers(-9, 9, (2, 2, 2, 2, 3, 5)).astype(np.float32)
    x = wg.permute_dims(wg.tensor(a), (3, 2, 1, 0, 4, 5))
    y = wg.tensor(rng.integers(-9, 9, (2, 2, 2, 2, 5, 4)).astype(np.float32))
    assert Problem.of(x.array.layout, y.array.layout, x.dtype) is None
    np.testing.assert_array_equal((x @ y).numpy(), exact(x, y))


def test_steps_of_a_walk_are_no_more_than_its_divisions_keep_apart():
    """A quotient of 2^22 or more may be off by 2, where divisions are off by 2.5 ULP."""
    for outer, inner, walks in [
        (1 << 22, 3, True),
        ((1 << 22) + 1, 3, False),
        (1 << 20, 16, True),
        ((1 << 20) + 1, 16, False),
    ]:
        a = Layout((2, outer, inner), (1, 4 * inner, 2), 0)
        b = Layout.dense((outer, inner, 5))
        problem = Problem.of(a, b, wg.float32, 0, 2)
        assert (problem is not None) is walks
        assert problem is None or problem.walk is not None


def test_batch_of_one_right_operand_is_one_matrix(webgpu, rng):
    b = wg.tensor(rng.integers(-9, 9, (5, 7)).astype(np.float32))
    for shape, left in [((6, 4, 3, 5), ()), ((6, 4, 1, 5), ()), ((1, 5), ())]:
        x = wg.tensor(rng.integers(-9, 9, shape).astype(np.float32))
        y = wg.broadcast_to(b, (*shape[:-2], 5, 7))
        found = Problem.of(x.array.layout, y.array.layout, x.dtype)
        assert (found.m, found.batch) == (x.size // 5, left)
        np.testing.assert_array_equal((x @ b).numpy(), exact(x, y))
        flipped = wg.flip(x, 0)
        np.testing.assert_array_equal((flipped @ b).numpy(), exact(flipped, y))


def test_extent_of_one_stands_in_no_vectors_way(webgpu):
    column = Problem.of(Layout.dense((8, 12)), Layout.dense((12, 1)), wg.float32)
    assert (column.a_unit, column.b_unit, column.turned.a_unit) == ("K", "K", "K")
    row = Problem.of(Layout((1, 12), (7, 1), 4), Layout.dense((12, 8)), wg.float32)
    assert (row.a_unit, row.b_unit) == ("K", "EDGE")


def test_batches_by_strides_are_one_dispatch(webgpu):
    x = wg.permute_dims(wg.ones((2, 3, 4, 5)), (1, 0, 2, 3))
    y = wg.broadcast_to(wg.ones((2, 5, 6)), (3, 2, 5, 6))
    webgpu.synchronize()
    before = wg.stats()["dispatches"]
    assert ((x @ y).numpy() == 5).all()
    assert wg.stats()["dispatches"] == before + 1


@pytest.mark.parametrize("config", [REGISTERS, TILED, ROWS[4]], ids=lambda c: c.shader)
def test_same_bits_in_every_run(gpu, rng, config):
    products = Measured(gpu)
    x = wg.tensor(rng.standard_normal((4, 1000), dtype=np.float32))
    y = wg.tensor(rng.standard_normal((1000, 70), dtype=np.float32))
    for parts in (1, 7):
        way = config._replace(parts=parts)
        first = product(products, x, y, way)
        for _ in range(3):
            again = product(products, x, y, way)
            assert np.array_equal(first.view(np.uint32), again.view(np.uint32))


# out = max(x @ y + bias, floor), and the mask of what was kept in a second result.
FUSED = """\
const EMIT_VECTORS = false;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
fn emit(index: u32, value: T) {
    let floor = bitcast<f32>(params.scalars[3].w);
    let sum = value + bias[index % params.scalars[0].x];
    kept[index] = select(0.0, 1.0, sum > floor);
    out[index] = max(sum, floor);
}
fn emit4(index: u32, value: vec4<T>) {}"""
FUSED_VECTORS = """\
const EMIT_VECTORS = true;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> kept: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
fn emit(index: u32, value: T) {}
fn emit4(index: u32, value: vec4<T>) {
    let floor = bitcast<f32>(params.scalars[3].w);
    let sum = value + bias[index % params.scalars[0].x / 4u];
    kept[index / 4u] = select(vec4<f32>(), vec4<f32>(1.0), sum > vec4<f32>(floor));
    out[index / 4u] = max(sum, vec4<f32>(floor));
}"""


@pytest.mark.parametrize("vectors", ["", FUSED_VECTORS], ids=["scalars", "vectors"])
@pytest.mark.parametrize(
    "config",
    [REGISTERS, TURNED, TILED, ROWS[4], ROWS[5]],
    ids=lambda c: f"{c.shader}, turned {c.turned}",
)
def test_output_block_sees_each_element_once_at_its_index(gpu, rng, config, vectors):
    products = Measured(gpu)
    for m, n in [(4, 68), (3, 70)] if not config.turned else [(66, 4), (70, 3)]:
        a = rng.integers(-9, 9, (2, m, 100)).astype(np.float32)
        b = rng.integers(-9, 9, (2, 100, n)).astype(np.float32)
        bias = rng.integers(-99, 99, n).astype(np.float32)
        words = (n, *(0,) * 14, int(np.float32(-20).view(np.uint32)))
        output = Output(FUSED, vectors, "rww", words)
        sums = a.astype(np.float64) @ b + bias
        for parts in (1, 3):
            kept = wg.full(sums.shape, 77.0)
            found = product(
                products,
                wg.tensor(a),
                wg.tensor(b),
                config._replace(parts=parts),
                output,
                (wg.tensor(bias), kept),
            )
            np.testing.assert_array_equal(found, np.maximum(sums, -20))
            np.testing.assert_array_equal(kept.numpy(), sums > -20)


def test_plan_of_a_repeated_product_is_made_once(webgpu, monkeypatch):
    x, y = wg.ones((6, 11)), wg.ones((11, 6))
    first = (x @ y).numpy()
    monkeypatch.setattr(webgpu.products, "plan", None)
    np.testing.assert_array_equal((x @ y).numpy(), first)
    with pytest.raises(TypeError):
        x[1:] @ y
