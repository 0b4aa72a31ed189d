"""Observers are told afterwards, and only read; interpreters are asked before."""

from __future__ import annotations

import contextvars
import itertools

import numpy as np
import pytest

import wgrad as wg
from wgrad import core, nn, optim
from wgrad.backends.events import WATCHERS, CallEvent, KernelEvent
from wgrad.backends.webgpu import launches
from wgrad.errors import ArgumentError, InterpreterError, ObserverError


def calls(events: list) -> list[str]:
    return [e.op for e in events if isinstance(e, CallEvent)]


def kernels(events: list) -> list[KernelEvent]:
    return [e for e in events if isinstance(e, KernelEvent)]


def test_observer_is_told_of_calls_and_kernels_with_their_line(device):
    x = wg.ones((2, 3))
    with wg.observe() as events:
        y = wg.exp(x).sum()
    assert calls(events) == ["exp", "sum"] and y.shape == ()
    exp = next(e for e in events if e.op == "exp" and e.kind == "call")
    assert exp.inputs[0].shape == (2, 3) and exp.out.dtype == "float32"
    assert "test_observing.py, line" in exp.line and exp.depth == 0
    assert [k.op for k in kernels(events)] == ["exp", "sum"]
    for k in kernels(events):
        assert k.device == device.name and k.nbytes >= 24 and "test_observing.py" in k.line
        assert (k.groups > 0) is (device.name == "webgpu")


def test_bytes_of_a_kernel_are_those_of_its_tensors(device):
    x, y = wg.ones(1000), wg.ones(1000)
    with wg.observe() as events:
        x + y
        x[:10] * 2.0
    assert [k.nbytes for k in kernels(events)] == [12000, 80 if device.name == "numpy" else 4040]


def test_observer_is_told_of_what_is_no_op(device):
    p = wg.parameter(wg.ones(3))
    optimizer = optim.SGD([p], lr=0.1)
    (p * p).sum().backward()
    with wg.observe() as events:
        wg.rand(3)
        wg.zeros(3)
        wg.tensor([1.0, 2.0])
        p.detach().assign([1.0, 2.0, 3.0])
        optimizer.step()
    told = calls(events)
    assert {"random", "full", "upload", "assign"} <= set(told)
    assert told[-1] == "assign" and len(told) > 5  # the step: its kernel, and the new values


def test_observer_sees_the_inside_of_a_custom_op():
    @wg.custom_op(backward=lambda ct, out, x: ct)
    def double(x):
        return wg.exp(x) + x

    with wg.observe() as events:
        double(wg.ones(2))
    found = [(e.op, e.depth) for e in events if e.kind == "call"]
    assert found[-3:] == [("exp", 1), ("add", 1), ("double", 0)]


def test_observed_function_runs_compiled_and_tells_of_its_kernels(device):
    @wg.compile
    def f(x):
        return wg.exp(x) * 2 + wg.sin(x)

    x = wg.ones(4)
    with wg.observe() as traced:
        for _ in range(2):
            f(x)
    assert {"exp", "sin"} <= set(calls(traced)) and kernels(traced)
    with wg.observe() as replayed:
        out = f(x)
    assert calls(replayed) == []
    (kernel,) = kernels(replayed)
    assert kernel.replayed and kernel.op.split() == ["exp", "multiply", "sin", "add"]
    assert "test_observing.py, line" in kernel.line
    assert kernel.groups > 0 or device.name == "numpy"
    np.testing.assert_array_equal(out.numpy(), f(x).numpy())


def test_unfused_program_tells_of_its_steps(device):
    f = wg.compile(lambda x: wg.exp(x) * 2, fuse=False)
    x = wg.ones(4)
    for _ in range(2):
        f(x)
    with wg.observe() as events:
        f(x)
    assert [(k.op, k.replayed) for k in kernels(events)] == [("exp", True), ("multiply", True)]


def test_observer_changes_nothing_of_what_compile_does():
    """What it appends to, counts and reads is no state of the function."""
    seen = {"count": 0}

    def count(event):
        seen["count"] += 1

    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @wg.compile
    def step(x):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    with wg.observe(count):
        for _ in range(4):
            step(wg.ones((5, 3)))
    assert len(step.programs) == 2 or step.program  # it was compiled: a warning would fail
    assert seen["count"] > 10


def test_an_observer_that_raises_is_named_and_interrupts_nothing(device):
    told = []

    def angry(event):
        told.append(event)
        raise KeyError("no")

    p = wg.parameter(wg.ones(3))
    optimizer = optim.Adam([p], lr=0.1)
    (p * p).sum().backward()
    f = wg.compile(lambda x: x * 3)
    found = []
    words = r"angry raised KeyError\('no'\) when it was told of \w+"
    with pytest.raises(ObserverError, match=words), wg.observe(angry):
        optimizer.step()
        found += [f(wg.ones(1)).tolist() for _ in range(4)]
    assert len(told) == 1 and found == [[3]] * 4 and WATCHERS == []
    q = wg.parameter(wg.ones(3))
    other = optim.Adam([q], lr=0.1)
    (q * q).sum().backward()
    other.step()
    np.testing.assert_array_equal(p.numpy(), q.numpy())
    with pytest.raises(ZeroDivisionError), wg.observe(angry):
        _ = wg.ones(1) + 1 / 0


def test_an_observer_may_compute_and_changes_nothing_by_it(device):
    """Programs share memory: what an observer runs must not come in the midst of another."""
    double = wg.compile(lambda x: (wg.exp(x) @ wg.sin(x)) * 2)
    f = wg.compile(lambda x: wg.sort((wg.exp(x) @ wg.sin(x)) * 3) + 1)
    x = wg.randn(4, 4)
    for _ in range(3):
        expected, _ = f(x).numpy(), double(x)
    with wg.observe(lambda event: double(wg.ones((4, 4)))):
        np.testing.assert_array_equal(f(x).numpy(), expected)


def test_observers_of_a_generator_leave_out_of_turn():
    def generator():
        with wg.observe() as events:
            wg.ones(1) + 1
            yield events
            wg.ones(1) * 2

    it = generator()
    first = next(it)
    with wg.observe() as second:
        for _ in it:
            pass
        wg.exp(wg.ones(1))
    assert "add" in calls(first) and "exp" in calls(second) and "multiply" in calls(second)
    assert WATCHERS == []
    before = len(first)
    wg.exp(wg.ones(1))
    assert len(first) == before


def test_nothing_is_told_after_the_block(device):
    """A task or a thread that was given the context may work on."""
    with wg.observe() as events:
        inside = contextvars.copy_context()
    assert inside.run(wg.exp, wg.ones(2)).shape == (2,)
    assert events == []


def test_blocks_of_one_observer_nest():
    told = []
    observer = wg.observe(told.append)
    with observer:
        with observer:
            pass
        wg.exp(wg.ones(1))
    assert "exp" in calls(told) and WATCHERS == []


def test_an_error_without_words_is_named():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    def angry(event):
        raise MuteError(1)

    with pytest.raises(ObserverError, match=r"angry raised MuteError\(1\) when"), wg.observe(angry):
        wg.ones(1)


def test_groups_are_those_that_run(webgpu, monkeypatch):
    """More than one dimension holds are folded into two, which may be a few more."""
    monkeypatch.setattr(launches, "GROUPS_PER_DIMENSION", 2)
    x = wg.zeros(5000)
    with wg.observe() as events:
        y = x + 1
    (kernel,) = kernels(events)
    assert kernel.groups == 4 and y.tolist() == [1] * x.size


def test_observe_wants_a_function():
    with pytest.raises(ArgumentError, match="observe"):
        wg.observe(3)


def test_interpreters_are_asked_in_turn_and_pass_on():
    asked = []

    class Says(core.Interpreter):
        def __init__(self, name):
            self.name = name

        def call(self, op, inputs, params):
            asked.append(self.name)
            return core.apply(op, *inputs, **params)

    def f(x):
        return core.interpreted(Says("inner"), wg.exp, x)

    out = core.interpreted(Says("outer"), f, wg.zeros(2))
    assert asked == ["inner", "outer"] and out.tolist() == [1, 1]
    assert core.interpreters() == ()


@pytest.mark.parametrize("answer", [None, 3, "x"])
def test_an_interpreter_that_returns_nonsense_is_named(answer):
    class Wrong(core.Interpreter):
        def call(self, op, inputs, params):
            return answer

    with pytest.raises(InterpreterError, match=r"exp: the interpreter Wrong answered .*tensor"):
        core.interpreted(Wrong(), wg.exp, wg.zeros(2))
    assert core.interpreters() == ()


@pytest.mark.parametrize("use", [wg.exp, wg.sum, wg.matrix_transpose, lambda x: x + 1])
def test_an_interpreter_that_returns_a_wrong_shape_is_named(use):
    class Wrong(core.Interpreter):
        def call(self, op, inputs, params):
            return wg.zeros((2, 2, 2))

    with pytest.raises(InterpreterError, match=r"Wrong answered .* shape \(2, 2, 2\), and shape"):
        core.interpreted(Wrong(), use, wg.zeros((2, 3)))


@pytest.mark.parametrize("by", [None, 3, core.Interpreter])
def test_what_is_no_interpreter_is_named(by):
    with pytest.raises(InterpreterError, match=r"interpreted: .* came, and an Interpreter is need"):
        core.interpreted(by, wg.exp, wg.zeros(2))


def test_forward_mode_and_the_tape_nest_under_an_observer():
    x = wg.parameter(wg.tensor(0.5))
    for order in itertools.permutations("ab"):
        with wg.observe():
            f = wg.grad(wg.sin) if order[0] == "a" else lambda t: wg.jvp(wg.sin, (t,), (1.0,))[1]
            g = wg.grad(f) if order[1] == "a" else lambda t, f=f: wg.jvp(f, (t,), (1.0,))[1]
            assert g(x).item() == pytest.approx(-np.sin(0.5), rel=1e-5)
