"""The passes, one by one: what each makes of a small program, and that the values stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from programs import Traced, traced

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.array import Array
from wgrad.backends.families import Copy, Map, Place
from wgrad.backends.fold import SUM, Fold
from wgrad.backends.tracing import Live
from wgrad.dtypes import float32
from wgrad.layout import Layout
from wgrad.ops.elementwise import add, multiply
from wgrad.program.ir import Batch, Graph, Program, Ref, Slot, Statement, Step, fused, plain
from wgrad.program.lower import numpy
from wgrad.program.lower.plan import plan_memory
from wgrad.program.passes import PASSES, simplify
from wgrad.program.passes.joining import Joiner
from wgrad.program.passes.limits import Limits
from wgrad.program.passes.ordering import Order
from wgrad.program.run.plain import PlainExecutor

pytestmark = pytest.mark.usefixtures("numpy_device")
LIMITS = Limits()


def after(last: str, f: Callable, *args: Any, limits: Limits = LIMITS) -> Program:
    """Return what f(*args) does after all passes up to `last`, which changed no value."""
    return checked(last, traced(f, *args), limits)


def checked(last: str, found: Traced, limits: Limits = LIMITS) -> Program:
    """Return a program after all passes up to `last`, which changed no value."""
    names = list(PASSES)
    program = simplify(found.program, limits, names[names.index(last) + 1 :])
    for a, b in zip(values(found, program), values(found, found.program), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    return program


def values(found: Traced, program: Program) -> list[np.ndarray]:
    """Return the outputs of a run, and then the inputs as it leaves them."""
    inputs = found.copies()
    memory = program.memory()
    outputs = PlainExecutor(program, found.device).run(inputs, found.draw)
    slots = [*(memory[s] for s in program.outputs), *program.inputs]
    return [
        found.device.download(Array(x, Layout.dense(slot.shape), slot.dtype)).copy()
        for slot, x in zip(slots, [*outputs, *inputs], strict=True)
    ]


def names(program: Program) -> list[str]:
    """Return what the steps do, each in the words of its ops."""
    return [step.name for step in program.steps]


def kinds(program: Program) -> list[str]:
    """Return the device methods, or what else, the steps are."""
    return [step.work.method for step in program.steps]


def numbers(step: Step) -> list[Any]:
    """Return the inputs of a step that are numbers."""
    return [x for x in step.inputs if not isinstance(x, Ref)]


def by_hand(steps: Sequence[Step], inputs: Sequence[Slot], *outputs: int) -> Program:
    """Return a program of given steps."""
    slots = 1 + max(slot.index for slot in (*inputs, *(o for s in steps for o in s.outs)))
    return Program(list(steps), list(inputs), outputs, {}, slots)


def binary(op: Any, out: Slot, *inputs: Any) -> Step:
    """Return an elementwise step of two float32 inputs."""
    return Step(Map(op.body, (float32, float32), out.shape, float32), inputs, (out,))


def line(index: int, n: int = 4) -> Slot:
    """Return a slot of n float32."""
    return Slot(index, (n,), float32)


# constants
def test_constants_become_numbers_of_their_readers():
    p = after("dead", lambda x: x * (wg.zeros(4) + 2), wg.randn(3, 4))
    assert names(p) == ["multiply"] and numbers(p.steps[0]) == [2.0]


def test_constants_drop_what_changes_nothing():
    p = after("dead", lambda x: ((x * 1) / 1 - 0).tanh(), wg.randn(3))
    assert names(p) == ["tanh"]
    p = after("dead", lambda x: (x + 0.0).tanh(), wg.tensor([-0.0]))
    assert names(p) == ["add", "tanh"]  # -0.0 + 0.0 is 0.0
    p = after("dead", lambda x: (x.T * 1).tanh(), wg.randn(3, 2))
    assert names(p) == ["multiply", "tanh"]  # the product lies in memory as x.T does not


def test_constants_make_a_weight_that_is_not_0_a_factor():
    once = wg.grad(lambda x: wg.sin(x).sum() * 0.5)
    twice = wg.grad(lambda x: wg.exp(wg.sin(x)).sum() * 0.5)
    assert names(after("constants", once, wg.randn(3))).count("weighted") == 0
    assert names(after("constants", twice, wg.randn(3))).count("weighted") == 1


def test_constants_minus_negative_zero_changes_negative_zeros():
    found = traced(lambda x: wg.divide(1.0, x - (-0.0)), wg.tensor([-0.0, 0.0]))
    first, *_ = values(found, checked("dead", found))
    assert first.tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("value", [0.0, -0.0, np.nan, np.inf])
def test_constants_keep_every_bit(value):
    found = traced(lambda x: (wg.full((2,), value) * 1.0, x * 1), wg.zeros(2))
    p = checked("dead", found)
    assert kinds(p)[0] == "full"
    made = np.asarray(p.steps[0].work.value, np.float32)
    assert made.tobytes() == np.float32(value).tobytes()


def test_constants_leave_numbers_that_are_read_anew():
    live = Live(lambda: 1.0)
    steps = [
        binary(multiply, line(1), line(0).whole(), live),
        binary(add, line(2), line(1).whole(), 2.0),
    ]
    p = PASSES["constants"](by_hand(steps, [line(0)], 2), LIMITS)
    assert names(p) == ["multiply", "add"] and p.steps[0].inputs[1] is live


# common, dead
def test_common_makes_equal_steps_one():
    p = after("dead", lambda x: x.exp() * x.exp() + (x + 0.5).exp() * (x + 0.5).exp(), wg.randn(3))
    assert sorted(names(p)) == ["add", "add", "exp", "exp", "multiply", "multiply"]


def test_common_tells_signs_of_zero_and_views_apart():
    x = wg.randn(3, 3)
    f = lambda x: (x * 0.0 + x * -0.0) * (x.exp() + x.T.exp())  # noqa: E731
    assert names(after("dead", f, x)).count("exp") == 2
    assert names(after("dead", f, x)).count("multiply") == 3


def test_common_leaves_random_numbers_and_results_their_own():
    assert kinds(after("dead", lambda: wg.rand(3) + wg.rand(3))) == ["random", "random", "map"]
    p = after("dead", lambda x: (x.exp(), x.exp()), wg.randn(3))
    assert names(p) == ["exp", "exp"]  # each is handed out in memory of its own


def test_dead_drops_what_leads_to_no_result():
    def f(x):
        (x.exp() @ x).sum()
        return x * 2

    assert names(after("common", f, wg.randn(3, 3))) == ["exp", "matmul", "sum", "multiply"]
    assert names(after("dead", f, wg.randn(3, 3))) == ["multiply"]


# views
def test_views_reads_through_a_copy():
    p = after("views", lambda x: (x + 1).T.copy()[::2] * 2, wg.randn(4, 6))
    assert names(p) == ["add", "multiply"]
    (ref,) = p.steps[1].refs()
    assert ref.layout == Layout((3, 4), (2, 6))


def test_views_keeps_copies_that_strides_cannot_say_and_results():
    p = after("views", lambda x: x.T.reshape(24)[1:] * 2, wg.randn(4, 6))
    assert names(p) == ["copy", "multiply"]
    assert names(after("views", lambda x: x.T.copy(), wg.randn(4, 6))) == ["copy"]


# lift
def test_places_that_do_not_overlap_are_one():
    def side_by_side(x):
        return wg.pad(x, ((0, 0), (0, 3))) + wg.pad(x * 2.0, ((0, 0), (3, 0)))

    def overlapping(x):
        return wg.pad(x, ((0, 0), (0, 1))) + wg.pad(x * 2.0, ((0, 0), (1, 0)))

    x = wg.tensor(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    for f, left in ((side_by_side, 1), (overlapping, 2)):
        program = PASSES["places"](traced(f, x).program, Limits())
        places = [step for step in program.steps if isinstance(step.work, Place)]
        assert len(places) == left
        assert left == 2 or places[0].work.fill is None


def test_lift_leaves_out_axes_of_one():
    p = after("lift", lambda x: x.reshape(1, 3, 1, 4).tanh().sum((0, 3)), wg.randn(3, 4))
    tanh, total = (s.graph for s in p.steps)
    assert tanh.shape == (3, 4)
    assert (total.shape, total.axes) == ((3, 4), (1,))


def test_lift_sums_over_an_axis_of_one_are_copies():
    p = after("lift", lambda x: x.sum(1), wg.randn(3, 1))
    assert names(p) == ["copy"] and not p.steps[0].graph.axes


def test_lift_gathers_are_lookups():
    p = after("lift", lambda x, i: wg.take(x, i, 0), wg.randn(5, 3), wg.tensor([4, 0]))
    (lookup,) = p.steps[0].graph.statements
    assert (lookup.what.extent, lookup.what.stride) == (5, 3)


def test_lift_scatters_of_one_index_a_row_are_comparisons():
    labels = wg.tensor([1, 2, 0, 2])
    f = lambda x, i: wg.grad(lambda x: wg.take_along_axis(x, i[:, None], 1).sum())(x)  # noqa: E731
    p = after("lift", f, wg.randn(4, 3), labels)
    assert "position equal where" in names(p)
    apart = after("lift", f, wg.randn(4, 3), labels, limits=replace(LIMITS, scatters_compare=False))
    assert "scatter_add" in kinds(apart)
    many = lambda x, i: wg.grad(lambda x: wg.take(x, i, 0).sum())(x)  # noqa: E731
    assert "scatter_add" in kinds(after("lift", many, wg.randn(4, 3), labels))


def test_lift_products_over_nothing_are_zeros():
    p = after("lift", lambda x, y: x @ y + 1, wg.zeros((3, 0)), wg.zeros((0, 2)))
    assert kinds(p) == ["fused", "fused"] and numbers(p.steps[0]) == [0]


def test_lift_writes_over_all_of_a_slot_are_copies():
    state = wg.zeros((2, 3))

    def f(x):
        state.assign(x)
        state[1].assign(x[0])

    assert kinds(after("lift", f, wg.randn(2, 3))) == ["fused", "write"]


def test_lift_leaves_steps_of_no_elements():
    assert kinds(after("lift", lambda x: x * 2 + 1, wg.zeros((0, 3)))) == ["map", "map"]


# maps
def test_maps_makes_a_chain_one_step():
    p = after("maps", lambda x, y: (x * 2 + y).tanh(), wg.randn(3, 4), wg.randn(4))
    assert names(p) == ["multiply add tanh"]


def test_maps_leaves_a_result_with_two_readers():
    p = after("maps", lambda x: (lambda y: (y.sum(), y.tanh()))(x * 2), wg.randn(3))
    assert sorted(names(p)) == ["multiply", "sum", "tanh"]


def test_maps_joins_both_reads_of_one_reader():
    p = after("maps", lambda x: (lambda y: y * y.tanh())(x + 1), wg.randn(3))
    assert names(p) == ["add tanh multiply"]
    p = after("maps", lambda x: (lambda y: y * y)(x + 1), wg.randn(3))
    assert names(p) == ["add multiply"]


@pytest.mark.parametrize(
    ("limits", "steps"),
    [(LIMITS, 1), (Limits(statements=3), 3), (Limits(numbers=2), 3), (Limits(buffers=3), 1)],
)
def test_maps_respects_limits(limits, steps):
    def f(x, y):
        x = x + y
        for i in range(7):
            x = (x * (i + 2.0)) if i % 2 else x.tanh()
        return x * 3.0 + y * 5.0 * 6.0

    p = after("maps", f, wg.randn(3), wg.randn(3), limits=limits)
    for step in p.steps:
        assert len(step.graph.statements) <= limits.statements
        assert len(numbers(step)) <= limits.numbers
        assert len(step.reads() | step.writes()) <= limits.buffers
    assert len(p.steps) >= steps
    assert (steps == 1) == (len(p.steps) == 1)


@pytest.mark.parametrize(
    "view", [lambda x: x.T, lambda x: x[1:, ::2], lambda x: wg.flip(x, 0), lambda x: x[2]]
)
def test_maps_computes_what_a_view_shows(view):
    p = after("maps", lambda x: view(x.exp()) * 2, wg.randn(4, 6))
    assert names(p) == ["exp multiply"]
    assert p.steps[0].graph.shape == view(wg.zeros((4, 6))).shape


def test_maps_computes_nothing_twice_for_a_broadcast():
    p = after("maps", lambda x, y: x.exp() * y, wg.randn(4), wg.randn(3, 4))
    assert names(p) == ["exp", "multiply"]


# products
def weights(*shapes: tuple[int, ...]) -> list[wg.Tensor]:
    return [wg.randn(*shape) for shape in shapes]


def test_products_take_in_bias_activation_and_residual():
    p = after("products", lambda x, w, b: (x @ w + b).relu() + x, *weights((4, 6), (6, 6), (6,)))
    assert names(p) == ["matmul add relu add"]


def test_products_take_in_the_mask_of_a_gradient():
    f = lambda g, w, y: wg.where(y > 0, g @ w.T, 0.0)  # noqa: E731
    assert names(after("products", f, *weights((4, 6), (5, 6), (4, 5)))) == ["matmul greater where"]


def test_products_take_in_the_update_of_a_parameter():
    w, velocity = wg.randn(6, 5), wg.zeros((6, 5))

    def f(x, g):
        velocity.assign(velocity * 0.9 + x.T @ g)
        w.assign(w - velocity * 0.1)

    p = after("products", f, *weights((4, 6), (4, 5)))
    assert kinds(p) == ["matmul"] and len(p.steps[0].outs) == 2


def test_products_keep_what_is_read_elsewhere():
    f = lambda x, w: (lambda y: (y.relu(), y.sum(0)))(x @ w)  # noqa: E731
    p = after("products", f, *weights((4, 6), (6, 5)))
    assert names(p) == ["matmul relu", "sum"] and len(p.steps[0].outs) == 2


def test_products_leave_what_reads_them_by_other_strides():
    for f in (
        lambda x, w: (lambda y: y + y.T)(x @ w),
        lambda x, w: (x @ w)[::2] + 1,
        lambda x, w: (x @ w)[:2] + 1,
        lambda x, w: wg.flip(x @ w, 0) + 1,
        lambda x, w: (x @ w).T + 1,
    ):
        assert names(after("products", f, *weights((4, 4), (4, 4)))) == ["matmul", "add"]


# rows
def test_memory_order_is_that_of_a_convolution_whose_batch_is_last():
    x, w = (wg.tensor(np.arange(n) % 5 - 2.0, dtype=float32) for n in (8 * 4 * 144, 6 * 36))
    x, w = x.reshape((8, 4, 12, 12)), w.reshape((6, 4, 3, 3))

    def f(x: wg.Tensor, w: wg.Tensor) -> wg.Tensor:
        return nn.functional.max_pool2d(wg.relu(nn.functional.conv2d(x, w, padding=1)), 2) * 2

    program = after("memory_order", f, x, w, limits=numpy.LIMITS)
    pad, product, pool = program.steps
    assert pad.out.shape == (4, 14, 14, 8)
    assert product.work.name == "matmul relu" and product.out.shape == (1, 6, 12, 12, 8)
    assert pool.graph.shape == (6, 6, 2, 6, 2, 8) or pool.out.shape == (8, 6, 6, 6)
    few = after("memory_order", f, x[:1], w, limits=numpy.LIMITS)
    assert few.steps[0].out.shape == (1, 4, 14, 14)  # of which nothing is made more than once


def test_rows_softmax_is_one_step():
    p = after("rows", lambda x: x.softmax(-1), wg.randn(4, 6))
    assert names(p) == ["max clamp subtract exp sum divide"]
    assert p.steps[0].graph.levels == 2


def test_rows_cross_entropy_and_its_gradient_are_one_step_and_a_mean():
    f = wg.value_and_grad(lambda x, y: nn.cross_entropy(x, y))
    p = after("siblings", f, wg.randn(64, 10), wg.randint(0, 10, (64,)))
    assert len(p.steps) == 2 and all(kind == "fused" for kind in kinds(p))
    assert p.steps[1].graph.axes  # the mean over the rows
    assert p.steps[0].graph.shape == (64, 10)


def test_rows_layer_norm_is_one_step():
    def norm(x, w, b):
        x = x - x.mean(-1, keepdims=True)
        return x / ((x * x).mean(-1, keepdims=True) + 1e-5).sqrt() * w + b

    assert len(after("rows", norm, *weights((64, 16), (16,), (16,))).steps) == 1


def test_rows_column_sums_take_in_what_feeds_them():
    p = after("rows", lambda x, y: (x * y).sum(0) * 2, *weights((5, 6), (5, 6)))
    assert names(p) == ["multiply sum multiply"]
    assert p.steps[0].graph.axes == (0,)


@pytest.mark.parametrize(
    "limits", [Limits(longest_row=5), Limits(passes=2), Limits(small=0, fewest_rows=5)]
)
def test_rows_that_do_not_pay_stay_apart(limits):
    p = after("rows", lambda x: x.softmax(-1), wg.randn(4, 6), limits=limits)
    assert len(p.steps) in (2, 4)
    for step in p.steps:
        graph = step.graph
        passes = graph.levels + any(not r.row for r in graph.results)
        assert passes <= 2


def test_rows_no_step_leads_back_into_itself():
    def f(x, w):
        a = x.exp()
        return a * (a @ w).sum(1, keepdims=True)  # the product lies between a and its reader

    p = after("order", f, *weights((4, 4), (4, 4)))
    written = {slot.index for slot in p.inputs}
    for step in p.steps:
        assert step.reads() <= written
        written |= step.writes()


# siblings
def test_siblings_read_memory_once():
    p = after("siblings", lambda x: (x.sum(1), x.max(1), (x * x).sum(1)), wg.randn(4, 6))
    assert len(p.steps) == 1 and len(p.steps[0].outs) == 3
    p = after("siblings", lambda x: (x.sin(), x.cos()), wg.randn(4, 6))
    assert names(p) == ["sin cos"]


def test_siblings_over_other_axes_or_in_a_chain_stay_apart():
    assert len(after("siblings", lambda x: (x.sum(1), x.sum(0)), wg.randn(4, 6)).steps) == 2
    f = lambda x: (x.sum(), (x * (x @ x.sum(0)).sum()).sum())  # noqa: E731
    p = after("siblings", f, wg.randn(4, 4))
    assert names(p)[0].startswith("sum") and names(p)[-1].endswith("sum")


# unread
def test_unread_results_are_not_stored_and_what_led_to_them_is_not_computed():
    graph = Graph(
        (4,),
        (),
        (float32, float32),
        (
            Statement(add.body, (0, 0), (float32, float32), float32),
            Statement(multiply.body, (0, 1), (float32, float32), float32),
        ),
        (plain(~0), plain(~1)),
    )
    given = [Slot(i, (4,), float32) for i in range(2)]
    outs = tuple(Slot(i, (4,), float32) for i in (2, 3))
    step = fused(graph, tuple(slot.whole() for slot in given), outs)
    (left,) = PASSES["unread"](Program([step], given, (2,), {}, 4), LIMITS).steps
    assert [out.index for out in left.outs] == [2]
    assert left.name == "add" and left.reads() == {0}
    (left,) = PASSES["unread"](Program([step], given, (2, 3), {}, 4), LIMITS).steps
    assert left is step


# memory
def test_plan_gives_a_result_that_nothing_reads_memory_of_its_own():
    given = [Slot(i, (4,), float32) for i in range(1)]
    outs = tuple(Slot(i, (4,), float32) for i in (1, 2))
    graph = Graph((4,), (), (float32,), (), (plain(0), plain(0)))
    step = fused(graph, (given[0].whole(),), outs)
    last = Step(Copy(), (outs[1].whole(),), (Slot(3, (4,), float32),))
    plan = plan_memory(Program([step, last], given, (3,), {}, 4), wg.device("numpy"))
    assert plan.places[1] != plan.places[2]


# folds
def folds(p: Program) -> list[int]:
    """Return for each step with folds the elements that one thread folds."""
    found = []
    for step in p.steps:
        graph = step.graph
        if any(isinstance(s.what, Fold) for s in graph.statements):
            found.append(int(np.prod([graph.shape[a] for a in graph.axes])))
    return found


def test_folds_of_few_elements_stay():
    assert folds(after("folds", lambda x: x.sum(1), wg.randn(4, 200))) == [200]


@pytest.mark.parametrize("shape", [(4096,), (64, 64), (2, 4096), (4096, 2)])
def test_folds_of_many_elements_have_lanes(shape):
    f = lambda x: x.abs().sum(0 if len(shape) > 1 and shape[0] > 2 else -1)  # noqa: E731
    limits = Limits(small_row=32, chain=64)
    found = folds(after("folds", f, wg.randint(-9, 9, shape), limits=limits))
    assert len(found) > 1 and max(found) <= 64


def test_folds_of_prime_length_are_done_by_the_device():
    p = after("folds", lambda x: (x * 2).sum() + 1, wg.randn(10007))
    assert kinds(p) == ["fused", "reduce", "fused"]
    assert p.steps[1].work.fold is SUM


def test_folds_of_prime_length_read_expanded_memory_as_it_lies():
    p = after("folds", lambda x: wg.broadcast_to(x, (300, 10007)).max(1), wg.randn(10007))
    assert kinds(p) == ["reduce", "fused"]
    (read,) = p.steps[0].refs()
    assert read.slot == p.inputs[0].index and read.layout.strides == (0, 1)


def test_folds_of_all_axes_are_over_one():
    p = after("folds", lambda x: x.sum(), wg.randn(64, 512))
    assert all(n <= LIMITS.chain for n in folds(p)) and set(kinds(p)) == {"fused"}


# batches
def test_batches_hold_small_independent_steps():
    xs = weights((3, 4), (5,), (2, 2))
    p = after("batches", lambda *xs: [x.tanh() * 2 for x in xs], *xs)
    assert kinds(p) == ["batch"] and len(p.steps[0].work.parts) == 3


@pytest.mark.parametrize(
    "limits", [Limits(small=3), Limits(parts=1), Limits(buffers=2), Limits(statements=2)]
)
def test_batches_respect_limits(limits):
    xs = weights((3, 4), (5,))
    p = after("batches", lambda *xs: [x.tanh() * 2 for x in xs], *xs, limits=limits)
    assert kinds(p) == ["fused", "fused"]


def test_batches_hold_no_step_that_needs_another():
    p = after("batches", lambda x, y: (x.sum(), (y * x.sum()).tanh()), *weights((4, 5), (6,)))
    for step in p.steps:
        parts = step.work.parts if isinstance(step.work, Batch) else (step,)
        assert not any(a.writes() & b.reads() for a in parts for b in parts)


# order, and all together
def test_order_updates_come_after_the_readers_of_the_old_value():
    a, b = line(0), line(1)
    update = binary(add, line(2), a.whole(), b.whole())
    reader = binary(multiply, line(3), a.whole(), b.whole())
    other = binary(multiply, line(4), line(3).whole(), b.whole())
    p = replace(by_hand([update, reader, other], [a, b], 4), updates={0: 2})
    assert PASSES["order"](p, LIMITS).steps == [reader, update, other]


def test_order_leaves_readers_that_follow_from_the_update():
    a, b = line(0), line(1)
    steps = [
        binary(add, line(2), a.whole(), b.whole()),
        binary(add, line(3), line(2).whole(), a.whole()),  # reads both the new and the old value
    ]
    p = replace(by_hand(steps, [a, b], 3), updates={0: 2})
    assert PASSES["order"](p, LIMITS).steps == steps


def test_passes_an_mlp_trains_in_eight_kernels():
    model = nn.MLP(784, [128, 10], seed=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    p = after("order", step, wg.rand(64, 784), wg.randint(0, 10, (64,)))
    assert len(p.steps) <= 8, str(p)
    assert kinds(p).count("matmul") == 5


def test_growing_looks_for_detours_of_few_producers(monkeypatch):
    """A chain whose reverse reads of all of it: asked of each producer alone, it is the square."""
    params = [wg.nn.Parameter(wg.tensor(0.1 * (i % 7))) for i in range(80)]

    def step(x):
        for p in params:
            x = wg.tanh(x * p) + p
        x.sum().backward()

    program = traced(step, wg.ones(4)).program
    asked = []
    leads = Order.leads
    monkeypatch.setattr(Order, "leads", lambda order, a, b: asked.append(a) or leads(order, a, b))
    made = simplify(program, numpy.LIMITS, numpy.WITHOUT)
    assert len(asked) < len(program.steps)
    monkeypatch.undo()
    order, dropped = Order(made), 0
    for b in made.steps:
        makers = Joiner(made, numpy.LIMITS).producers(b)
        found = list(order.not_behind(makers, b))
        assert all(order.leads(a, b) for a in makers if a not in found)
        dropped += len(makers) - len(found)
    assert dropped
