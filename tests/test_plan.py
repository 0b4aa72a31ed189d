"""Memory plans, by a checker of their own, and views of views by index arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from programs import traced

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.families import Matmul, Write
from wgrad.dtypes import DType, float32, int32
from wgrad.layout import Layout, compose
from wgrad.ops.elementwise import add
from wgrad.program.ir import (
    Batch,
    Fused,
    Graph,
    Lookup,
    Product,
    Program,
    Ref,
    Slot,
    Step,
    fused,
    plain,
    single,
)
from wgrad.program.lower.plan import Place, Plan, nbytes, plan_memory
from wgrad.program.passes import simplify
from wgrad.program.passes.limits import Limits

pytestmark = pytest.mark.usefixtures("numpy_device")


def checked(program: Program) -> Plan:
    """Return the plan of a program, after a run on paper: who owns which memory when."""
    plan = plan_memory(program, wg.device("numpy"))
    memory = program.memory()
    owner: dict[Place, int] = {}
    for i, slot in enumerate(program.inputs):
        assert plan.places[slot.index] == Place("input", i)
        owner[plan.places[slot.index]] = slot.index
    for step in program.steps:
        for slot in step.reads():
            assert owner[plan.places[slot]] == slot, f"{step} reads %{slot}, which is gone"
        homes = [plan.places[out.index] for out in step.outs]
        assert len(set(homes)) == len(homes), f"{step} writes two results to one place"
        for out, home in zip(step.outs, homes, strict=True):
            if home.kind == "block":
                assert nbytes(out, wg.device("numpy")) <= plan.blocks[home.index]
            for x in step.refs():
                if plan.places[x.slot] == home:
                    assert element_wise(step, x, out), f"{step} writes %{out.index} over %{x.slot}"
            owner[home] = out.index
    for i, slot in enumerate(program.outputs):
        assert plan.places[slot] == Place("output", i) and owner[Place("output", i)] == slot
    for old, new in program.updates.items():
        home = plan.places[new]
        assert home.index == plan.places[old].index and home.kind in ("input", "swap")
        assert owner[home] == new
    for i, slot in enumerate(program.inputs):  # an input that is not updated keeps its values
        if slot.index not in program.updates:
            assert owner[Place("input", i)] == slot.index
    assert set(plan.places) == set(memory)
    return plan


def element_wise(step: Step, x: Ref, out: Slot) -> bool:
    """Whether each element of x is read by the one thread that writes the same place of out."""
    work = step.work
    if isinstance(work, Batch):
        parts = work.parts
        (mine,) = (p for p in parts if out.index in p.writes())
        others = [p for p in parts if p is not mine and x.slot in p.reads()]
        return not others and (x.slot not in mine.reads() or element_wise(mine, x, out))
    if isinstance(work, Write):
        return x.slot == step.inputs[0].slot and x.slot not in {r.slot for r in step.inputs[1:]}
    if isinstance(work, Matmul) and x in step.inputs[:2]:
        return False
    if not isinstance(work, (Fused, Product)):
        return False
    graph = work.graph
    tables = {s.args[0] for s in graph.statements if s.what.name == "gather"}
    shift = work.factors // 2  # the factors are no operands, the product is one
    if any(y == x and i - shift in tables for i, y in enumerate(step.inputs)):
        return False
    result = graph.results[[o.index for o in step.outs].index(out.index)]
    places = np.arange(out.size).reshape(graph.kept if result.row else graph.shape)
    if result.row:
        places = places.reshape(graph.row_shape)
    return np.array_equal(addresses(x.layout), np.broadcast_to(places, graph.shape))


def addresses(layout: Layout) -> np.ndarray:
    """Return where each element of a view lies."""
    found = np.full(layout.shape, layout.offset)
    for axis, (n, stride) in enumerate(zip(layout.shape, layout.strides, strict=True)):
        line = np.arange(n) * stride
        found = found + line.reshape([-1 if a == axis else 1 for a in range(len(layout.shape))])
    return found


def planned(f: Callable, *args: Any) -> tuple[Program, Plan]:
    """Return what f(*args) does after all passes, and its plan, which has been checked."""
    program = simplify(traced(f, *args).program, Limits())
    return program, checked(program)


def kinds(program: Program, plan: Plan) -> list[str]:
    """Return what kind of place each update is in."""
    return [plan.places[new].kind for new in program.updates.values()]


# Where things live.
def test_plan_updates_are_in_place():
    w = wg.randn(3, 4)
    assert kinds(*planned(lambda x: w.assign(w * 0.9 + x), wg.randn(3, 4))) == ["input"]


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.T * 2,
        lambda w: w @ w,
        lambda w: wg.take(w, [2, 0, 1], 0) + 1,
        lambda w: wg.flip(w, 0) + w,
        lambda w: w[0] + w,
    ],
    ids=["transposed", "factors", "lookup", "flipped", "one row"],
)
def test_plan_updates_that_read_other_elements_are_swapped(change):
    w = wg.randn(3, 3)
    assert kinds(*planned(lambda: w.assign(change(w)))) == ["swap"]


A, B = (Slot(i, (4,), float32) for i in (0, 1))


def line(index: int, n: int = 4, dtype: DType = float32) -> Slot:
    """Return a slot of n elements."""
    return Slot(index, (n,), dtype)


def total(out: Slot, *inputs: Slot) -> Step:
    """Return the fused step of a copy, or of the sum of two slots."""
    graph = Graph(out.shape, (), (float32,), (), (plain(0),))
    if len(inputs) == 2:
        graph = single(add.body, (float32, float32), float32, out.shape, ())
    return fused(graph, tuple(x.whole() for x in inputs), (out,))


def by_hand(*steps: Step, outputs: tuple[int, ...] = (), update: int | None = None) -> Program:
    """Return a program over A and B; at its end A holds slot `update`."""
    return Program(list(steps), [A, B], outputs, {} if update is None else {0: update}, 99)


def test_plan_updates_read_by_later_steps_are_swapped():
    early = by_hand(total(line(3), A, B), total(line(2), A, B), outputs=(3,), update=2)
    assert kinds(early, checked(early)) == ["input"]
    late = by_hand(total(line(2), A, B), total(line(3), line(2), A), outputs=(3,), update=2)
    assert kinds(late, checked(late)) == ["swap"]


def test_plan_updates_of_another_size_or_type_are_swapped():
    for out, x in ((line(2, 3), line(1, 3)), (line(2, dtype=int32), A)):
        program = by_hand(total(out, x), update=2)
        assert kinds(program, plan_memory(program, wg.device("numpy"))) == ["swap"]


def test_plan_keeps_a_table_whose_first_entries_lie_where_the_result_does():
    index = line(1, dtype=int32)
    graph = single(Lookup(1, 1), (float32, int32), float32, (4,), ())
    step = fused(graph, (A.whole(), index.whole()), (line(2),))
    program = Program([step], [A, index], (), {0: 2}, 99)
    assert kinds(program, checked(program)) == ["swap"]


@pytest.mark.parametrize(("value", "kind"), [(A, "swap"), (B, "input")])
def test_plan_writes_in_place_what_is_not_read_from_there(value, kind):
    half = Ref(value.index, Layout((2,), (1,)), float32)
    step = Step(Write(Layout((2,), (1,), 1)), (A.whole(), half), (line(2),))
    program = by_hand(step, update=2)
    assert kinds(program, checked(program)) == [kind]


@pytest.mark.parametrize("unread", [False, True])
def test_plan_results_of_one_step_lie_apart(unread):
    t, u, v, w = (line(i) for i in (2, 3, 4, 5))
    made = [] if unread else [total(t, A), total(u, B)]
    both = total(v, A, B) if unread else total(v, t, u)
    graph = replace(both.graph, results=(plain(~0), plain(0)))
    both = fused(graph, both.inputs, (v, w))
    last = total(line(6), w, w if unread else v)
    assert len(checked(by_hand(*made, both, last, outputs=(6,))).blocks) == 2


def test_plan_a_block_that_was_taken_over_is_not_free():
    t, u, v = (line(i) for i in (2, 3, 4))
    steps = total(t, A), total(u, t, B), total(v, A, B), total(line(5), u, v)
    plan = checked(by_hand(*steps, outputs=(5,)))
    assert plan.places[2] == plan.places[3] != plan.places[4]


def test_plan_writes_to_a_part_are_in_place():
    w = wg.randn(3, 3)
    assert kinds(*planned(lambda x: w[1].assign(x), wg.randn(3))) == ["input"]
    assert kinds(*planned(lambda: w[1].assign(w[0].copy()))) == ["input"]


def test_plan_two_results_never_share_a_place():
    w, v = wg.randn(4), wg.randn(4)

    def swap():
        a, b = w * 1.5, v * 2.5
        w.assign(b)
        v.assign(a)

    planned(swap)
    planned(lambda x: (x.sin(), x.cos(), (x.sin() + x.cos()).sum()), wg.randn(4))


def test_plan_blocks_are_used_again():
    def f(x):
        for _ in range(6):
            x = (x @ x).tanh()
        return x

    program, plan = planned(f, wg.rand(8, 8))
    assert len(plan.blocks) == 2 and len(program.steps) == 6
    assert plan.block_bytes == 2 * 8 * 8 * 4


def test_plan_of_a_training_step_updates_every_parameter_in_place():
    model = nn.MLP(12, [8, 4], seed=0)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x, y):
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(wg.rand(8, 12), wg.randint(0, 4, (8,)))
    found = kinds(*planned(step, wg.rand(8, 12), wg.randint(0, 4, (8,))))
    assert found.count("input") >= 6 and len(found) >= 8  # others read the weights too late


def test_plan_checker_sees_a_block_that_is_given_away_too_early(monkeypatch):
    from wgrad.program.lower import plan as planning

    monkeypatch.setattr(planning, "may_overwrite", lambda step, old, out: True)
    with pytest.raises(AssertionError, match="over"):
        w = wg.randn(3, 3)
        planned(lambda: w.assign(w.T * 2))


# Views of views.
@st.composite
def layouts(draw: st.DrawFn, size: int, ndim: int = 3) -> Layout:
    """Draw a view into `size` elements of memory."""
    shape, strides, offset = [], [], draw(st.integers(0, size - 1))
    low = high = offset
    for _ in range(draw(st.integers(0, ndim))):
        stride = draw(st.integers(-6, 6))
        room = (size - 1 - high if stride > 0 else low) // abs(stride) if stride else 3
        n = draw(st.integers(1, min(4, room + 1)))
        low, high = low + min(0, stride * (n - 1)), high + max(0, stride * (n - 1))
        shape.append(n)
        strides.append(stride)
    return Layout(tuple(shape), tuple(strides), offset)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_compose_shows_what_both_views_show(data):
    inner = data.draw(layouts(60))
    if not inner.size:
        return
    outer = data.draw(layouts(inner.size))
    found = compose(outer, inner.shape, inner)
    if found is not None:
        expected = addresses(inner).reshape(-1)[addresses(outer)]
        assert found.shape == outer.shape
        assert np.array_equal(addresses(found), expected)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.permutations(range(3)), st.tuples(*[st.integers(1, 4)] * 3), st.data())
def test_compose_says_what_strides_can(order, shape, data):
    """A slice of a permuted dense array is a view of it, whatever the order."""
    dense = Layout.dense(shape)
    inner = Layout(
        tuple(shape[a] for a in order), tuple(dense.strides[a] for a in order), dense.offset
    )
    seen = Layout.dense(inner.shape)
    steps = [data.draw(st.sampled_from([1, 2, -1])) for _ in order]
    outer = Layout(
        tuple(-(-n // abs(s)) for n, s in zip(inner.shape, steps, strict=True)),
        tuple(t * s for t, s in zip(seen.strides, steps, strict=True)),
        sum(t * (n - 1) for t, n, s in zip(seen.strides, inner.shape, steps, strict=True) if s < 0),
    )
    found = compose(outer, inner.shape, inner)
    assert found is not None
    assert np.array_equal(addresses(found), addresses(inner).reshape(-1)[addresses(outer)])


def test_compose_of_an_empty_view_is_empty():
    turned = Layout((2, 3), (1, 2))
    for outer in (Layout((0, 6), (6, 1)), Layout((3, 0), (5, 1), 5)):
        found = compose(outer, (2, 3), turned)
        assert found is not None and found.shape == outer.shape


TWELVE = st.sampled_from([(12,), (2, 6), (4, 3), (2, 2, 3), (1, 12), (6, 1, 2)])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data(), TWELVE, TWELVE, st.booleans())
def test_reshape_shows_the_same_elements_in_order(data, before, after, flipped):
    layout = Layout.dense(before).permute(data.draw(st.permutations(range(len(before)))))
    if flipped:
        n = layout.shape[0]
        steps = (-1, *(1 for _ in before[1:]))
        layout = layout.slice((n - 1, *(0 for _ in before[1:])), layout.shape, steps)
    found = layout.reshape(after)
    if found is not None:
        assert np.array_equal(addresses(found).reshape(-1), addresses(layout).reshape(-1))


def test_compose_refuses_what_no_strides_say():
    turned = Layout((3, 2), (1, 3))
    assert compose(Layout((6,), (1,)), (3, 2), turned) is None
    assert compose(Layout((2,), (2,)), (3, 2), turned) is not None
