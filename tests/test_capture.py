"""Aliases, gradients, results, faults: a replay leaves everything as the function would."""

import copy
import gc
import pickle
import signal
import threading
import time
import warnings
import weakref
from collections import namedtuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.webgpu.runner import Runner
from wgrad.errors import ArgumentError, GradientError, IndexRangeError, OutOfMemoryError, TraceError

Pair = namedtuple("Pair", "left right")


def alike(make, calls=6, programs=None):
    """Run two copies of a scenario, one compiled, and compare what each leaves after every call.

    `make()` returns (the function, the arguments of call i, what to compare after it).
    """
    plain_f, plain_args, plain_state = make()
    f, args, state = make()
    compiled = wg.compile(f)
    for i in range(calls):
        expected = plain_f(*plain_args(i))
        found = compiled(*args(i))
        assert_same(found, expected, i)
        assert_same(state(), plain_state(), i)
    if programs is not None:
        assert len(compiled.programs) == programs
    return compiled


def assert_same(a, b, i):
    assert type(a) is type(b), (i, a, b)
    if isinstance(a, wg.Tensor):
        assert a.shape == b.shape and a.dtype is b.dtype and a.requires_grad == b.requires_grad
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, err_msg=f"call {i}")
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y, i)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert_same(list(a.values()), list(b.values()), i)
    else:
        assert a == b, i


# Arguments that share memory.
def test_capture_one_tensor_as_argument_twice(device):
    def make():
        x, y = wg.tensor([1.0, 2.0]), wg.tensor([3.0, 4.0])

        def f(a, b):
            a.assign(a + 1)
            return b * 1.0

        return f, lambda i: [(x, x), (x, y), (y, y), (y, x)][i % 4], lambda: [x, y]

    alike(make, 16)


def test_capture_an_argument_that_the_function_finds_by_itself_too(device):
    def make():
        w, v = wg.tensor([1.0, 2.0]), wg.tensor([10.0, 20.0])

        def f(a):
            w.assign(w + a)
            return a * 2

        return f, lambda i: (w if i // 3 % 2 == 0 else v,), lambda: [w, v]

    alike(make, 12)


def test_capture_an_argument_that_comes_to_share_memory_with_what_is_written(device):
    def make():
        w, v = wg.tensor([1.0, 2.0]), wg.tensor([10.0, 20.0])

        def f(a):
            b = a * 3
            w.assign(w + a)
            return b + a * 2

        return f, lambda i: (v if i < 4 else w.detach(),), lambda: [w, v]

    alike(make, 9)


def test_capture_an_argument_with_memory_in_common_with_a_closure(device):
    def make():
        data = wg.arange(12.0)
        rows = data[0:4]

        def f(x):
            return x + rows

        return f, lambda i: (data[i : i + 4] if i > 3 else data[0:4],), lambda: data

    compiled = alike(make, 8, programs=1)
    assert compiled(wg.ones(4)).tolist() == [1, 2, 3, 4]


def test_capture_a_written_argument_that_overlaps_another(device):
    def make():
        data = wg.arange(8.0)

        def f(x, y):
            x.assign(y * 2)
            return x + y

        return f, lambda i: (data[i % 3 : i % 3 + 4], data[2:6]), lambda: data

    alike(make, 9)


def test_capture_an_argument_that_becomes_one_the_function_finds(device):
    def make():
        w, v = wg.parameter([1.0]), wg.parameter([2.0])

        def clears(p):
            p.zero_grad()
            (w * 3 + p * 0.0).sum().backward()
            return w * (2 if p is w else 1)

        return clears, lambda i: ([w, v][i // 4 % 2],), lambda: grads_of(w, v)

    alike(make, 16)

    def make_only_effect():
        w, v = wg.parameter([1.0]), wg.parameter([2.0])

        def clears(p):
            w.requires_grad  # the function finds w, and uses nothing of it
            p.grad = None

        def args(i):
            w.set_grad([1.0])
            v.set_grad([1.0])
            return ([w, v][i // 4 % 2],)

        return clears, args, lambda: grads_of(w, v)

    alike(make_only_effect, 16)


def test_capture_views_of_arguments_that_outlive_a_trace(device):
    kept = {}

    def keeps(x):
        kept["view"] = x[2:4]
        return x * 1.0

    data = wg.arange(8.0)
    first = wg.compile(keeps)
    first(data[1:7])
    second = wg.compile(lambda y: y + kept["view"])
    for i in range(4):
        assert second(wg.full((2,), float(i))).tolist() == [3 + i, 4 + i]
    third = wg.compile(lambda y, z: y + z)
    view = kept["view"]
    for i in range(4):
        assert third(wg.full((2,), float(i)), view).tolist() == [3 + i, 4 + i]


def test_capture_minibatches_replay_one_program_at_any_offset(device):
    data, more = wg.rand(40, 3), wg.rand(16, 3)
    f = wg.compile(lambda x, y: (x * 2).sum(axis=0) + y[0])
    for source in (data, more):
        for k in range(0, 12, 4):
            x, y = source[k : k + 4], source[k + 1 : k + 5]
            np.testing.assert_allclose(
                f(x, y).numpy(), (x.numpy() * 2).sum(0) + y.numpy()[0], rtol=1e-6
            )
    assert len(f.programs) == 1


def test_capture_strided_and_written_views_at_changing_offsets(device):
    def make():
        data = wg.arange(24.0).reshape(4, 6)

        def f(x):
            x.assign(x * 2)
            return x[:, ::-1]

        return f, lambda i: (data[:, i % 2 : i % 2 + 2],), lambda: data

    alike(make, 8)


# Results.
def test_capture_returned_arguments_views_and_shared_memory(device):
    w = wg.tensor([5.0, 6.0])

    @wg.compile
    def f(x):
        y = x * 2
        return Pair(x, [x[1:], w, w[:1], y, y, y[::-1]])

    for i in range(4):
        x = wg.tensor([float(i), 1.0])
        out = f(x)
        assert out.left is x and out.right[1] is w and type(out) is Pair
        out.right[0].assign(9.0)
        assert x.tolist() == [i, 9]
        out.right[2].assign(float(i))
        assert w.tolist() == [i, 6]
        assert out.right[3] is out.right[4]
        out.right[5][0] = 7.0
        assert out.right[3].tolist() == [2 * i, 7]


def test_capture_a_returned_tensor_from_outside_that_is_another_one_later(device):
    held = [wg.ones(3)]
    f = wg.compile(lambda x: (x * 2, held[0]))
    for i in range(9):
        if i % 3 == 0:
            held[0] = wg.full((3,), float(i))
        out = f(wg.ones(3))
        assert out[1] is held[0] and out[0].tolist() == [2, 2, 2]


def test_capture_results_that_are_no_tensors(device):
    names = ["a"]
    f = wg.compile(lambda x: {"x": x + 1, 2: (None, 1.5, names), "n": x.shape})
    for _ in range(4):
        out = f(wg.ones(2))
        assert list(out) == ["x", 2, "n"] and out[2][:2] == (None, 1.5) and out["n"] == (2,)
        assert out[2][2] is names
        out["n"] = 0  # the dict is the caller's


def test_capture_a_leaf_made_inside_is_a_leaf(device):
    def f(x):
        p = wg.parameter([1.0, 2.0])
        (p * x).sum().backward()
        return p

    g = wg.compile(f)
    for i in range(4):
        p = g(wg.tensor([float(i), 1.0]))
        assert p.is_leaf and p.requires_grad and p.grad.tolist() == [i, 1]
        (p * p).sum().backward()
        assert p.grad.tolist() == [i + 2, 5]


def test_capture_host_data_returned_and_written_is_fresh_each_time(device):
    def f(x):
        t = wg.tensor([1.0, 2.0])
        t[0] = x
        return t, wg.tensor([3])

    g = wg.compile(f)
    for i in range(4):
        t, three = g(wg.tensor(float(i)))
        assert t.tolist() == [i, 2] and three.tolist() == [3]
        t.assign(0.0)
        three.assign(0)


def test_capture_argument_that_begins_to_require_grad(device):
    def f(x):
        x.requires_grad_()
        (x * x).sum().backward()
        return x.grad

    g = wg.compile(f)
    for i in range(4):
        x = wg.tensor([float(i), 1.0])
        assert g(x).tolist() == [2 * i, 2]
        assert x.requires_grad and x.grad.tolist() == [2 * i, 2]


# Gradients.
def grads_of(*params):
    return [p.grad if p.node.grad is not None else None for p in params]


@pytest.mark.parametrize("inside", ["nothing", "none", "zero before", "zero after", "none after"])
@pytest.mark.parametrize("outside", ["nothing", "none", "zero", "set"])
def test_capture_gradients_in_every_state(numpy_device, inside, outside):
    def make():
        w, idle = wg.parameter([1.0, 2.0]), wg.parameter([1.0])

        def f(x):
            if inside == "none":
                w.grad = idle.grad = None
            if inside == "zero before":
                w.zero_grad()
                idle.zero_grad()
            (w * w * x).sum().backward()
            if inside == "zero after":
                w.zero_grad()
            if inside == "none after":
                w.grad = None
            return w * 1.0

        def args(i):
            for p in (w, idle):
                if outside == "none" or (outside == "set" and i % 2):
                    p.grad = None
                elif outside == "zero":
                    p.zero_grad()
                elif outside == "set":
                    p.set_grad([3.0] * p.size)
            return (wg.tensor([1.0 + i, 2.0]),)

        return f, args, lambda: grads_of(w, idle)

    alike(make, 8)


def test_capture_gradients_kept_by_the_user_keep_their_values(device):
    w = wg.parameter([1.0, 2.0])

    @wg.compile
    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        return w.grad

    kept = []
    for i in range(5):
        out = f(wg.tensor([float(i), 1.0]))
        assert out is w.grad
        kept.append(w.grad)
    assert [g.tolist() for g in kept] == [[i, 1] for i in range(5)]
    assert len({id(g) for g in kept}) == 5


def test_capture_gradients_that_are_replaced_free_their_memory_before_a_run(webgpu):
    w = wg.parameter([1.0, 2.0])

    @wg.compile
    def f(x):
        w.zero_grad()
        (w * x).sum().backward()

    for _ in range(3):
        f(wg.ones(2))
    (capture,) = next(iter(f._signatures.values())).captures
    run, old = capture.executor.run, weakref.ref(w.grad.array.storage)

    def looks(*args):
        assert old() is None
        return run(*args)

    capture.executor.run = looks
    f(wg.full((2,), 3.0))
    assert w.grad.tolist() == [3, 3]


@pytest.mark.parametrize("held", ["nothing", "the tensor", "a view"])
def test_capture_gradients_that_are_replaced_come_back_when_a_run_fails(device, held, monkeypatch):
    w, v = wg.parameter(np.arange(5000.0)), wg.parameter([3.0])
    adam = optim.Adam([w, v], lr=0.5)

    @wg.compile
    def f(x):
        adam.zero_grad()
        (w * x * v).sum().backward()
        adam.step()
        return wg.rand(2)

    for i in range(4):
        f(wg.full((5000,), float(i)))
    (capture,) = next(iter(f._signatures.values())).captures
    others = {"nothing": None, "the tensor": w.grad, "a view": w.grad[1:]}[held]
    held_before = None if others is None else others.numpy()

    def state():
        kept = adam.state_dict()["state"]
        tensors = [w, v, w.grad, v.grad, kept[0]["exp_avg"], kept[0]["exp_avg_sq"]]
        counts = [x["step"] for x in kept.values()], wg.random.global_generator().counter
        return counts, [(x.tolist(), x.array.storage.version) for x in tensors]

    before = state()

    def full(*args):
        raise MemoryError("no room") if device.name == "numpy" else OutOfMemoryError("no room")

    if device.name == "numpy":
        monkeypatch.setattr(capture.executor, "_run", full)
    else:
        monkeypatch.setattr(Runner, "_run_into", full)
    with pytest.raises(OutOfMemoryError, match="no room") as caught:
        f(wg.full((5000,), 9.0))
    assert state() == before
    assert held != "the tensor" or w.grad is others
    del caught
    gc.collect()
    noise = [wg.full((5000,), 7.0) for _ in range(4)]  # in what the failed run gave back
    assert state() == before
    monkeypatch.undo()
    f(wg.full((5000,), 2.0))
    assert w.grad.tolist() != before[1][2][0] and noise[0].tolist()[0] == 7
    if others is not None:
        np.testing.assert_array_equal(others.numpy(), held_before)


def test_capture_gradients_that_are_replaced_lend_their_memory(webgpu):
    w = wg.parameter(np.arange(50_000.0))

    @wg.compile
    def f(x):
        w.zero_grad()
        (w * x).sum().backward()

    for _ in range(3):
        f(wg.ones(1))
    buffers, created = set(), wg.stats()["buffers_created"]
    for i in range(4):
        f(wg.full((1,), float(i)))
        buffers.add(w.grad.array.storage.buffer.uid)
        assert w.grad[-1].item() == i
    assert len(buffers) == 1 and wg.stats()["buffers_created"] <= created + 2


def test_capture_gradients_accumulate_in_place_in_one_tensor(device):
    w = wg.parameter([1.0, 2.0])
    f = wg.compile(lambda x: (w * x).sum().backward())
    f(wg.ones(2))
    first, version = w.grad, w.grad.array.storage.version
    for i in range(5):
        f(wg.ones(2))
        assert w.grad is first and first.tolist() == [2 + i, 2 + i]
        assert first.array.storage.version == version + i + 1


def test_capture_gradients_go_to_the_leaf_that_was_passed(device):
    f = wg.compile(lambda p, x: (p * x).sum().backward())
    leaves = [wg.parameter([float(i), 1.0]) for i in range(6)]
    for i, p in enumerate(leaves):
        f(p, wg.tensor([2.0, float(i)]))
    assert [p.grad.tolist() for p in leaves] == [[2, i] for i in range(6)]
    assert len(f.programs) == 1


def test_capture_gradient_that_is_an_argument_or_was_found(device):
    w, found = wg.parameter([1.0, 2.0]), wg.tensor([8.0, 8.0])

    @wg.compile
    def f(g, mine):
        w.set_grad(g if mine else found)

    for i in range(4):
        g = wg.tensor([float(i), 0.0])
        f(g, True)
        assert w.grad is g
    for _ in range(3):
        f(g, False)
        assert w.grad is found


def test_capture_reading_a_gradient_that_is_none_or_cleared(device):
    def make():
        w = wg.parameter([1.0])

        def f(x):
            seen = w.grad is None
            out = x * (2 if seen else 3)
            w.zero_grad()
            return out, w.grad is None

        def args(i):
            if i % 4 == 2:
                w.set_grad([1.0])
            if i % 4 == 0:
                w.grad = None
            return (wg.ones(1),)

        return f, args, lambda: grads_of(w)

    alike(make, 16)


def test_capture_whether_a_cleared_gradient_was_there(device):
    def make():
        w = wg.parameter([1.0])

        def f(x):
            w.zero_grad()
            return x * (2 if w.grad is None else 3)

        def args(i):
            if i % 8 == 0:
                w.grad = None
            if i % 8 == 4:
                w.set_grad([5.0])
            return (wg.ones(1),)

        return f, args, lambda: grads_of(w)

    alike(make, 20)


def test_capture_a_history_from_outside_still_holds(device):
    def make():
        w = wg.parameter([2.0, 3.0])
        doubled = w * w

        def f(x):
            (doubled * x).sum().backward()

        return f, lambda i: (wg.tensor([1.0, float(i)]),), lambda: grads_of(w)

    alike(make)
    w = wg.parameter([2.0, 3.0])
    doubled = w * w
    g = wg.compile(lambda x: (doubled * x).sum().backward())
    for _ in range(4):
        g(wg.ones(2))
    with wg.no_grad():
        w.assign([1.0, 1.0])
    with pytest.raises(GradientError, match="assigned"):
        g(wg.ones(2))


# Versions.
def test_capture_versions_rise_so_that_the_tape_notices(device):
    w, buffer = wg.parameter([1.0, 2.0]), wg.tensor([1.0, 1.0])

    @wg.compile
    def f(x):
        buffer.assign(buffer + x)
        buffer[0] = x[1]

    plain = wg.tensor([1.0, 1.0])
    for i in range(4):
        saved = (w * buffer).sum()
        f(wg.tensor([1.0, 2.0]))
        plain.assign(plain + wg.tensor([1.0, 2.0]))
        plain[0] = wg.tensor(2.0)
        assert buffer.array.storage.version == plain.array.storage.version == 2 * (i + 1)
        with pytest.raises(GradientError, match="assigned"):
            saved.backward()


# State that the function makes.
class Cell:
    def __init__(self):
        self.h = wg.zeros(2)
        self.count = 0
        self.seen = []
        self.cache = None

    def rebinds(self, x):
        self.h = (self.h + x) * 0.5
        return self.h * 1.0

    def counts(self, x):
        self.count += 1
        return x * self.count

    def counts_unused(self, x):
        self.count += 1
        return x * 2

    def collects(self, x):
        self.seen.append(x * 2)
        return self.seen[0] + len(self.seen)

    def clock(self, x):
        return x * float(time.perf_counter_ns())


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("rebinds", "h"),
        ("counts", "operation at .*test_capture.py, line"),
        ("counts_unused", "self.*count"),
        ("collects", "operation|keeps|seen"),
    ],
)
def test_capture_state_made_by_the_function_leaves_it_uncompiled(device, method, words):
    cell, plain = Cell(), Cell()
    f = wg.compile(getattr(cell, method))
    with pytest.warns(UserWarning, match=f"runs uncompiled.*({words})"):
        for i in range(10):
            x = wg.tensor([1.0, float(i)])
            np.testing.assert_allclose(f(x).numpy(), getattr(plain, method)(x).numpy(), rtol=1e-6)
            assert cell.count == plain.count and len(cell.seen) == len(plain.seen)
            np.testing.assert_allclose(cell.h.numpy(), plain.h.numpy(), rtol=1e-6)
    assert len(f.programs) == 0


def test_capture_work_that_differs_by_the_clock_leaves_it_uncompiled(device):
    f = wg.compile(Cell().clock)
    with pytest.warns(UserWarning, match=r"calls time.perf_counter_ns at .*test_capture.py, line"):
        for _ in range(8):
            f(wg.ones(1))


def test_capture_tensors_kept_where_nothing_is_watched_leave_it_uncompiled(device):
    kept = weakref.WeakKeyDictionary()
    key = types_object()

    def f(x):
        kept[key] = y = x * 2
        return y + 1

    g = wg.compile(f)
    with pytest.warns(UserWarning, match=r"keeps a tensor that is made at .*test_capture"):
        for i in range(4):
            assert g(wg.full((1,), float(i))).tolist() == [2 * i + 1]
            assert kept[key].tolist() == [2 * i]


def types_object():
    class Key:
        pass

    return Key()


def test_capture_a_cache_filled_by_the_first_call_is_compiled(device):
    class Lazy:
        cache = None

        def __call__(self, x):
            if self.cache is None:
                self.cache = wg.ones(2) * 3
            return x * self.cache

    f = wg.compile(Lazy())
    for i in range(6):
        assert f(wg.tensor([float(i), 1.0])).tolist() == [3 * i, 3]
    assert len(f.programs) <= 2
    assert f._signatures and all(s.captures for s in f._signatures.values())


def test_capture_containers_of_arguments_that_the_function_changes(device):
    def f(batch):
        batch["x"] = batch["x"] * 2
        batch["n"] += 1
        return batch["x"] + 1

    def counts(batch):
        batch["n"] += 1
        return batch["x"] * 2 + 1

    for function in (f, counts):
        g = wg.compile(function)
        with pytest.warns(UserWarning, match="containers among its arguments"):
            for i in range(4):
                batch = {"x": wg.full((1,), float(i)), "n": 0}
                assert g(batch).tolist() == [2 * i + 1] and batch["n"] == 1


# Random numbers.
def test_capture_generators_from_outside_and_made_inside(device):
    def with_own(x, generator):
        return x + wg.rand(2, generator=generator)

    f = wg.compile(with_own)
    mine, plain = wg.Generator(3), wg.Generator(3)
    for _ in range(5):
        found, expected = f(wg.zeros(2), mine), with_own(wg.zeros(2), plain)
        assert found.tolist() == expected.tolist() and mine.counter == plain.counter

    made_inside = wg.compile(lambda x: x + wg.rand(2, generator=wg.Generator(3)))
    with pytest.warns(UserWarning, match="generator"):
        results = {tuple(made_inside(wg.zeros(2)).tolist()) for _ in range(8)}
    assert len(results) == 1


@pytest.mark.parametrize(
    "act",
    [lambda: wg.manual_seed(1), lambda: wg.set_rng_state((1, 0)), lambda: wg.randperm(4)],
)
def test_capture_seeding_inside_is_refused_with_its_line(device, act):
    state = wg.get_rng_state()
    f = wg.compile(lambda x: (act(), x)[1])
    with pytest.raises(TraceError, match=r"test_capture\.py, line"):
        f(wg.ones(1))
    assert wg.get_rng_state() == state


def test_capture_seeding_between_calls_is_followed(device):
    f = wg.compile(lambda x: nn_dropout(x))
    for seed in (1, 2, 1, 2):
        wg.manual_seed(seed)
        found = [f(wg.ones(8)).tolist() for _ in range(3)]
        wg.manual_seed(seed)
        assert found == [nn_dropout(wg.ones(8)).tolist() for _ in range(3)]


def nn_dropout(x):
    return wg.where(wg.rand(*x.shape) < 0.5, x * 2, 0.0)


# What is checked before every run.
def test_capture_checks_indices_assigned_inside_and_views_of_innocent_parts(device):
    index, table = wg.tensor([0, 1]), wg.tensor([5.0, 6.0, 7.0])

    @wg.compile
    def f(new):
        index.assign(new)
        return table.take(index)

    for new in ([0, 2], [1, 1], [2, 0]):
        assert f(wg.tensor(new)).tolist() == [5 + i for i in new]
    with pytest.raises(IndexRangeError, match="index 3"):
        f(wg.tensor([0, 3]))
    padded = wg.tensor([-1, 0, 1, 2, 2, -1])
    assert f(padded[1:3]).tolist() == [5, 6] and f(padded[3:5]).tolist() == [7, 7]


def test_capture_checks_exponents_before_every_run(device):
    f = wg.compile(lambda x, n: x**n)
    x = wg.tensor([2, 3])
    for n in ([1, 2], [3, 0], [2, 2]):
        assert f(x, wg.tensor(n)).tolist() == [2 ** n[0], 3 ** n[1]]
    with pytest.raises(ArgumentError, match="power -1"):
        f(x, wg.tensor([1, -1]))


def test_capture_takes_positions_that_it_computes(device):
    picks = wg.compile(lambda x: x.take(x.argmax()))
    for _ in range(3):
        assert picks(wg.tensor([1.0, 5.0, 2.0])).item() == 5


# Faults.
def test_capture_a_failed_trace_changes_nothing(device):
    w, v = wg.parameter([1.0]), wg.parameter([2.0])
    buffer, labels, plain = wg.tensor([1.0, 2.0]), wg.tensor([1, 2]), wg.tensor([3.0])
    model = nn.Linear(1, 1, seed=0)
    optimizer = wg.optim.SGD([w], lr=0.1, momentum=0.9)
    generator = wg.Generator(5)
    handle = v.register_hook(lambda g: g * 2)
    w.set_grad([7.0])
    v.zero_grad()
    kept = []

    def snapshot():
        storages = [x.array.storage for x in (w, v, buffer, labels, plain)]
        return (
            [x.tolist() for x in (w, v, buffer, labels, plain)],
            [(s.version, s.bounds) for s in storages],
            [(x.node and (x.node.requires_grad, x.node.hooks, x.node.retains_grad))
             for x in (w, v, buffer, plain)],
            w.grad.tolist(), id(w.grad), model.weight.grad, v.node.grad,
            wg.get_rng_state(), generator.counter, optimizer.state_dict(),
        )  # fmt: skip

    @wg.compile
    def f(x):
        wg.rand(3)
        wg.rand(2, generator=generator)
        (w * x + v * x + model(wg.ones((1, 1))).sum()).sum().backward()
        optimizer.step()
        w.zero_grad()
        buffer[0] = 5.0
        labels.assign(wg.tensor([7, 8]))
        plain.requires_grad_()
        v.register_hook(lambda g: g)
        handle.remove()
        v.requires_grad_(False)
        w.retain_grad()
        kept.append(x * 2)
        raise ValueError("on purpose")

    before = snapshot()
    for _ in range(2):
        with pytest.raises(ValueError, match="on purpose"):
            f(wg.ones(1))
        assert snapshot() == before
    with pytest.raises(TraceError, match="trace that failed"):
        kept[0].numpy()
    with pytest.raises(TraceError, match="another trace"):
        wg.compile(lambda: kept[0] + 1)()


def test_capture_a_first_run_that_fails_changes_nothing(device, monkeypatch):
    w = wg.parameter([1.0, 2.0])

    @wg.compile
    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        with wg.no_grad():
            w.assign(w - w.grad)
        return wg.rand(1)

    def fails(*args, **_):
        raise MemoryError("none left")

    state, version = wg.get_rng_state(), w.array.storage.version
    with monkeypatch.context() as patch:
        patch.setattr("wgrad.program.run.executors.build", fails)
        with pytest.raises(MemoryError):
            f(wg.ones(2))
    assert w.grad is None and w.tolist() == [1, 2] and w.array.storage.version == version
    assert wg.get_rng_state() == state
    for _ in range(3):
        f(wg.ones(2))
    (capture,) = next(iter(f._signatures.values())).captures
    state, version = wg.get_rng_state(), w.array.storage.version
    with monkeypatch.context() as patch:
        patch.setattr(capture.executor, "run", fails, raising=False)
        with pytest.raises(MemoryError):
            f(wg.ones(2))
    assert w.array.storage.version == version and wg.get_rng_state() == state
    assert w.tolist() == [-2, -1]


def test_capture_an_interrupt_leaves_all_as_it_was_or_done(device, monkeypatch):
    w = wg.tensor([1.0])

    @wg.compile
    def f(x, stop):
        w.assign(w + x)
        if stop:
            raise KeyboardInterrupt
        return w * 1.0

    with pytest.raises(KeyboardInterrupt):
        f(wg.ones(1), True)
    assert w.tolist() == [1] and w.array.storage.version == 0
    assert [f(wg.ones(1), False).item() for _ in range(4)] == [2, 3, 4, 5]


def test_capture_an_interrupt_of_a_replay_waits_for_its_end(device):
    w = wg.parameter([1.0, 1.0])

    @wg.compile
    def f(x):
        w.zero_grad()
        (w * x).sum().backward()
        return x * 2

    for _ in range(3):
        f(wg.ones(2))
    (capture,) = next(iter(f._signatures.values())).captures
    run = capture.executor.run

    def interrupted(*args):
        outs = run(*args)
        signal.raise_signal(signal.SIGINT)
        return outs

    capture.executor.run = interrupted
    with pytest.raises(KeyboardInterrupt):
        f(wg.full((2,), 5.0))
    assert w.grad.tolist() == [5, 5]


def test_capture_refuses_what_has_no_place_in_a_trace(device):
    other = wg.device("numpy")
    for act in (
        lambda x: x.numpy(), lambda x: x.item(), bool, float, repr, lambda x: x.tolist(),
        lambda x: range(3)[x.astype(int)], lambda x: wg.tensor([x, 1.0]),
    ):  # fmt: skip
        f = wg.compile(lambda x, act=act: act(x))
        with pytest.raises(TraceError, match=r"test_capture\.py, line \d+"):
            f(wg.ones(()))
    if device is not other:
        far = wg.ones(2, device=other)
        with pytest.raises(TraceError, match=r"test_capture\.py, line \d+"):
            wg.compile(lambda x: x.to(other))(wg.ones(2))
        with pytest.raises(TraceError, match="one device is needed"):
            wg.compile(lambda x: (x + 1, far + 1))(wg.ones(2))


def test_capture_other_threads_get_an_error_in_words(device):
    w, errors = wg.parameter([1.0]), []

    def look():
        try:
            w.grad.numpy()
        except TraceError as error:
            errors.append(str(error))

    @wg.compile
    def f(x):
        (w * x).sum().backward()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    f(wg.ones(1))
    assert len(errors) == 1 and "traced" in errors[0]
    assert w.grad.tolist() == [1]


def test_capture_calls_of_one_function_wait_for_each_other(device):
    w = wg.tensor([0.0])

    @wg.compile
    def f(x):
        w.assign(w + x)

    def work():
        with device:
            for _ in range(20):
                f(one)

    one = wg.ones(1)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert w.tolist() == [80]


# Keys.
def test_capture_static_arguments_by_type_and_value(device):
    f = wg.compile(lambda x, k: wg.where(x > 0, x * 0 + 1, k * x))
    g = wg.compile(lambda x, *rest, **named: x + len(rest))
    x = wg.tensor([-1.0])
    with np.errstate(all="ignore"):
        signs = [np.signbit(f(x, k).numpy())[0] for k in (0.0, -0.0, 0.0, -0.0)]
    assert signs == [True, False, True, False]
    for k in (1, True, 1.0, float("nan"), float("nan"), "1", (1,), [1], {1: 2}, {True: 2}):
        g(x, k)
    assert len(g.programs) == 9  # NaN is itself
    g(x, a=wg.ones(1), b=1)
    g(x, b=1, a=wg.ones(1))
    assert len(g.programs) == 11


def test_capture_order_of_dicts_counts(device):
    f = wg.compile(lambda d: [v * (i + 1) for i, v in enumerate(d.values())])
    one, two = wg.ones(1), wg.full((1,), 2.0)
    for _ in range(3):
        assert [x.item() for x in f({"a": one, "b": two})] == [1, 4]
        assert [x.item() for x in f({"b": two, "a": one})] == [2, 2]


def test_capture_objects_as_arguments_are_not_kept_alive(device):
    f = wg.compile(lambda m, x: m(x))
    x = wg.ones((1, 2))
    for seed in range(2):
        model = nn.Linear(2, 2, seed=seed)
        for _ in range(2):
            np.testing.assert_allclose(f(model, x).numpy(), model(x).numpy(), rtol=1e-6)
        gone = weakref.ref(model), weakref.ref(model.weight)
        del model
        gc.collect()
        assert gone[0]() is None and gone[1]() is None
        assert not f._signatures


def test_capture_refuses_unhashable_arguments_and_says_what_to_do(device):
    f = wg.compile(lambda x, *rest: x)
    for bad, advice in ((np.ones(1), "wg.tensor"), ({1, 2}, "frozenset")):
        with pytest.raises(ArgumentError, match=advice):
            f(wg.ones(1), bad)


def test_capture_warning_of_too_many_signatures_says_what_changes(device):
    f = wg.compile(lambda x: x + 1)
    with pytest.warns(UserWarning, match=r"shape of tensor argument 0 changes \(\(\d+,\), then"):
        for n in range(1, 20):
            assert f(wg.ones(n)).tolist() == [2] * n
    assert len(f.programs) <= 16
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        f(wg.ones(30))


# The object.
class Model:
    def __init__(self, k):
        self.k = k

    @wg.compile
    def forward(self, x):
        """Scale."""
        return x * self.k

    @wg.compile(fuse=False)
    def other(self, x):
        return x + self.k


@wg.compile
def at_module_level(x):
    return x * 2


def test_compiled_methods_serve_every_instance(device):
    a, b = Model(2.0), Model(3.0)
    for _ in range(3):
        assert a.forward(wg.ones(1)).item() == 2 and b.forward(wg.ones(1)).item() == 3
        assert a.other(wg.ones(1)).item() == 3
    a.k = 5.0
    assert a.forward(wg.ones(1)).item() == 5
    assert Model.forward.__doc__ == "Scale." and Model.forward.__name__ == "forward"


def test_compiled_functions_copy_and_pickle_without_their_captures(device):
    at_module_level(wg.ones(1))
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    model = nn.Linear(1, 1, seed=0)
    model.run = wg.compile(model.forward)
    x = wg.ones((1, 1))
    expected = model.run(x).item()
    twin = copy.deepcopy(model)
    assert twin.run.programs == [] and twin.run._function.__self__ is twin
    with wg.no_grad():
        model.weight.assign(model.weight * 2)
    assert twin.run(x).item() == pytest.approx(expected)
    again = pickle.loads(pickle.dumps(model.run))
    assert again(x).item() == pytest.approx(model.run(x).item())


def test_compiled_says_when_it_was_not_called_yet(device):
    f = wg.compile(lambda x: x * 2 + 1)
    for ask in (lambda: f.program, f.explain, f.wgsl):
        with pytest.raises(ArgumentError, match="called first"):
            ask()
    f(wg.ones(2))
    assert "%" in str(f.program)
    with pytest.raises(ArgumentError, match="a function is needed"):
        wg.compile(3)


def test_compiled_inside_compiled_is_a_part_of_it(device):
    scale = [2.0]
    inner = wg.compile(lambda x: x * scale[0])
    outer = wg.compile(lambda x: inner(x) + 1)
    for _ in range(3):
        assert outer(wg.ones(1)).item() == 3
    assert inner.programs == []
    scale[0] = 4.0
    assert outer(wg.ones(1)).item() == 5


def test_compiled_frozen_tensors_may_not_be_written_inside(device):
    table = wg.tensor([1.0, 2.0])
    f = wg.compile(lambda x: x * table, freeze=[table])
    for _ in range(3):
        assert f(wg.ones(2)).tolist() == [1, 2]
    table.assign([3.0, 4.0])
    for _ in range(3):
        assert f(wg.ones(2)).tolist() == [3, 4]
    writes = wg.compile(lambda x: table.assign(x), freeze=[table])
    with pytest.raises(TraceError, match=r"test_capture\.py, line \d+ writes to .*frozen"):
        writes(wg.ones(2))


# Random functions with effects.
EFFECTS = [
    "assign", "assign part", "assign column", "assign argument", "add", "take", "argument view",
    "backward", "zero", "none", "use grad", "keep grad", "grad of argument", "draw", "host", "swap",
]  # fmt: skip
OUTSIDE = ["nothing", "zero", "none", "set", "write", "seed"]


class World:
    """What a random function works on, and the function itself."""

    def __init__(self, plan):
        self.plan = plan
        self.data = wg.tensor(np.linspace(-1, 1, 40, dtype="f4").reshape(10, 4))
        self.buffer = wg.tensor(np.linspace(0, 1, 8, dtype="f4").reshape(2, 4))
        self.params = [wg.parameter(np.full((2, 4), k)) for k in (0.5, -0.25)]
        self.index = wg.tensor([[0], [1]])

    def __call__(self, x, y):
        out, results = x * 1.0, []
        for name, k in self.plan:
            p = self.params[k]
            if name == "assign":
                self.buffer.assign((self.buffer + out.detach()).tanh())
            elif name == "assign part":
                self.buffer[k, 1:3] = out.detach()[0, :2]
            elif name == "assign column":
                self.buffer.T[k::2].assign(self.buffer.T[k::2] * 0.5)
            elif name == "assign argument":
                y.assign((out.detach() * 0.5).tanh())
            elif name == "add":
                out = (out + self.buffer * p).tanh()
            elif name == "take":
                out = out + wg.take_along_axis(self.buffer, self.index, axis=1) * p
            elif name == "argument view":
                results.append(y[k:])
            elif name == "backward":
                (out * p * y).sum().backward()
            elif name == "zero":
                p.zero_grad()
            elif name == "none":
                p.grad = None
            elif name == "use grad":
                out = out * 2 if p.grad is None else out + p.grad.detach().tanh()
            elif name == "keep grad":
                results.append(p.grad)
            elif name == "grad of argument":
                out = out + wg.grad(lambda a, p=p: (a * a * p).sum())(y)
            elif name == "draw":
                out = out + wg.rand(2, 4)
            elif name == "host":
                constant = wg.tensor([[1.0, 2.0, 3.0, 4.0]])
                out = out * 0.5 + constant
                results.append(constant)
            else:
                self.buffer.assign(y)
        return out.detach(), results

    def arguments(self, kind, call):
        rows = self.data[call : call + 2]
        return {
            "rows": (rows, self.data[call + 1 : call + 3]),
            "same": (rows, rows),
            "buffer": (rows, self.buffer),
            "param": (self.params[0].detach(), self.buffer[:, ::-1]),
            "fresh": (wg.full((2, 4), 0.1 * call), wg.full((2, 4), 0.3)),
        }[kind]

    def act(self, what, call):
        for p in self.params:
            if what == "zero":
                p.zero_grad()
            elif what == "none":
                p.grad = None
            elif what == "set":
                p.set_grad(wg.full((2, 4), 0.1 * call))
        if what == "write":
            self.buffer[0] = 0.5
        if what == "seed":
            wg.manual_seed(call)

    def state(self):
        grads = [p.node.grad for p in self.params]
        kinds = [g if g is None or isinstance(g, wg.Tensor) else "zero" for g in grads]
        versions = [
            x.array.storage.version for x in (self.data, self.buffer, self.index, *self.params)
        ]
        return [self.data, self.buffer, *self.params, *kinds, versions, wg.get_rng_state()]


def agrees(plan, calls, fuse):
    plain, world = World(plan), World(plan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f = wg.compile(world, fuse=fuse)
        start = wg.get_rng_state()
        expected, found = (history(w, run, start, calls) for w, run in ((plain, plain), (world, f)))
    for i, (a, b) in enumerate(zip(expected, found, strict=True)):
        try:
            assert_near(b, a)
        except AssertionError as error:  # to show programs takes longer than all else here
            error.add_note(f"in call {i} of {f.programs}")
            raise


def history(world, run, start, calls):
    """Return what every call returned and left; the first error ends it."""
    wg.set_rng_state(start)
    found = []
    for i, (kind, outside) in enumerate(calls):
        world.act(outside, i)
        try:
            out = run(*world.arguments(kind, i % 6))
        except GradientError as error:  # something saved was assigned to
            return [*found, str(error)]
        found.append(snapshot([out, world.state()]))
    return found


def snapshot(x):
    if isinstance(x, wg.Tensor):
        return x.numpy()
    return [snapshot(y) for y in x] if isinstance(x, (list, tuple)) else x


def assert_near(a, b):
    if isinstance(a, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_near(x, y)
    else:
        assert a == b


plans = st.lists(st.tuples(st.sampled_from(EFFECTS), st.integers(0, 1)), min_size=3, max_size=9)
kinds = st.sampled_from(["rows", "same", "buffer", "param", "fresh"])
# The same few calls over and over, so that most of them are replays.
histories = st.lists(st.tuples(kinds, st.sampled_from(OUTSIDE)), min_size=1, max_size=3).map(
    lambda few: few[:1] * 5 + few * 4
)
quiet = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@settings(quiet, max_examples=20)
@given(plans, histories, st.booleans())
@example(  # a fused step had a result that nothing read, and it lay where another one did
    [(name, 0) for name in ("assign", "draw", "swap", "assign", "add")],
    [("rows", "nothing")] * 9,
    True,
)
@example(
    [(name, 0) for name in ("swap", "swap", "grad of argument", "assign", "add")],
    [("rows", "nothing")] * 9,
    True,
)
def test_capture_random_functions_with_effects_equal_eager(plan, calls, fuse):
    with wg.device("numpy"):
        agrees(plan, calls, fuse)


@settings(quiet, max_examples=5)
@given(plans, histories)
def test_capture_random_functions_with_effects_equal_eager_on_the_gpu(webgpu, plan, calls):
    agrees(plan, calls, False)
