"""Handlers of signals that raise, or work with tensors, at any point of a call."""

import gc
import os
import signal
import threading
import warnings

import numpy as np
import pytest
from campaigns.signals import Points

import wgrad as wg
from wgrad import interrupts, nn, optim
from wgrad.errors import DeviceError, TraceError
from wgrad.interrupts import interrupts_wait


class TimeoutSignalError(Exception):
    """What a handler raises."""


def raises(number, frame):
    raise TimeoutSignalError


@pytest.fixture
def handler():
    """Return a function that installs a handler of SIGUSR1; what was there comes back."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda function: signal.signal(signal.SIGUSR1, function)
    signal.signal(signal.SIGUSR1, before)


def send():
    signal.raise_signal(signal.SIGUSR1)


def training(kind=optim.Adam):
    w, b = wg.parameter(np.ones((3, 2))), wg.parameter(np.zeros(2))
    optimizer = kind([w, b], lr=0.1)
    x = wg.tensor([[1.0, 2, 3], [4, 5, 7]])
    seen = wg.zeros(())

    def step():
        loss = nn.functional.dropout((x @ w + b).tanh(), 0.5).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.assign(seen + 1)
        return loss.detach()

    step.state = [x, seen, optimizer]

    def state():
        found = [p.numpy() for p in (w, b, seen)] + [p.grad.numpy() for p in (w, b)]
        counts = [*optimizer._steps, w.array.storage.version, wg.get_rng_state()[1]]
        return [*map(np.ndarray.tolist, found), counts]

    return step, state, optimizer


def points_of(function):
    found = Points()
    found.during(function)
    return found.count


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("declared", [False, True])
def test_interrupts_leave_a_compiled_step_done_or_not_begun(device, handler, traced, declared):
    handler(raises)
    step, state, _ = training()
    compiled = wg.compile(step, state=step.state if declared else None)
    for _ in range(4):
        compiled()
    if traced:
        compiled._clear()
    at, done, undone = 1, 0, 0
    while True:
        before = state()
        points = Points(at, send)
        try:
            points.during(compiled)
            break  # there are no more points
        except TimeoutSignalError:
            pass
        found = state()
        if found == before:
            undone += 1
        else:  # the counts are those of one more step, and so are the weights
            done += 1
            assert found[-1] == [before[-1][0] + 1] * 2 + [before[-1][2] + 1, before[-1][3] + 4]
            assert found[2] == before[2] + 1 and found[0] != before[0]
        if traced:
            compiled._clear()
        at += 1499 if traced else 23
    assert undone > 2 and (traced or done > 2)
    before = state()[2]
    compiled()
    assert state()[2] == before + 1


def test_interrupts_of_a_replay_end_in_the_state_of_the_plain_steps(device, handler):
    handler(raises)
    (plain, right, _), (step, state, _) = training(), training()
    compiled = wg.compile(step)
    wg.manual_seed(0)
    for _ in range(7):
        plain()
    wg.manual_seed(0)
    for _ in range(4):
        compiled()
    while state()[2] < 7:
        for at in (40, 100, 200):
            if state()[2] < 7:
                try:
                    Points(at, send).during(compiled)
                except TimeoutSignalError:
                    pass
    for a, b in zip(state(), right(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_interrupts_leave_an_eager_optimizer_step_done_or_not_begun(device, handler):
    handler(raises)
    step, state, optimizer = training()
    step()
    for at in range(1, points_of(optimizer.step), 41):
        (*before, counts) = state()
        try:
            Points(at, send).during(optimizer.step)
        except TimeoutSignalError:
            pass
        *after, now = state()
        assert now[0] == now[1] and now[0] - counts[0] in (0, 1)
        moved = [a != b for a, b in zip(after[:2], before[:2], strict=True)]
        assert moved == [now[0] > counts[0]] * 2


def test_interrupts_leave_all_gradients_added_or_none(device, handler):
    handler(raises)
    a, b, c = (wg.parameter([float(i)]) for i in (1, 2, 3))
    loss = (a * b + b * c + c.tanh()).sum()
    loss.backward()
    last = [p.grad.item() for p in (a, b, c)]
    right = list(last)
    for at in range(1, points_of(loss.backward), 53):
        last = [p.grad.item() for p in (a, b, c)]
        try:
            Points(at, send).during(loss.backward)
        except TimeoutSignalError:
            pass
        added = [p.grad.item() - was for p, was in zip((a, b, c), last, strict=True)]
        assert added == [0, 0, 0] or np.allclose(added, right, rtol=1e-3)


def test_a_hook_that_raises_leaves_no_gradient_added(device):
    a, b = wg.parameter([1.0]), wg.parameter([2.0])
    a.set_grad([5.0])

    def fails(ct):
        raise ValueError("mine")

    a.register_hook(fails)
    with pytest.raises(ValueError, match="mine"):
        (a * b).sum().backward()
    assert a.grad.tolist() == [5] and b.grad is None


def test_interrupts_leave_the_tape_and_the_device_as_they_were(device, handler):
    handler(raises)
    x = wg.parameter([[1.0, -2.0, 3.0]])
    work = [
        lambda: nn.functional.log_softmax(x),
        lambda: wg.grad(lambda a: a.tanh().sum())(x),
        lambda: wg.jvp(lambda a: a.tanh(), (x,), (wg.ones_like(x),)),
        lambda: wg.argmax(x, axis=1),
        lambda: wg.no_grad(lambda: x * 2)(),
        lambda: x.detach().copy().assign(2.0),
        lambda: wg.norm(x),
    ]
    for function in work:
        for at in range(1, points_of(function), 151):
            try:
                Points(at, send).during(function)
            except TimeoutSignalError:
                pass
            assert (x * 2).requires_grad and wg.default_device() is device


def test_a_handler_that_works_with_tensors_disturbs_nothing(device, handler):
    step, state, optimizer = training()
    compiled, told = wg.compile(step), []

    def works(number, frame):
        told.append(((wg.arange(3.0) * 2).tolist(), wg.rand(2, generator=wg.Generator(1)).tolist()))
        told.append(optimizer.params[0].sum().item())

    handler(works)
    wg.manual_seed(0)
    right, expected, _ = training()
    for _ in range(6):
        right()
    wg.manual_seed(0)
    Points(3000, send).during(compiled)  # a trace
    for at in (5, 60, 150, 230, 300):
        Points(at, send).during(compiled)
    for a, b in zip(state(), expected(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert len(told) >= 6 and all(x[0] == [0, 2, 4] and x[1] == told[0][1] for x in told[::2])


def test_a_handler_may_call_the_very_step_that_it_interrupts(device, handler):
    step, state, _ = training()
    compiled = wg.compile(step)
    for _ in range(4):
        compiled()
    handler(lambda number, frame: compiled())
    for at in (10, 70, 140, 200):
        before = state()
        Points(at, send).during(compiled)
        found = state()
        assert found[2] == before[2] + 2 and found[-1][:2] == [before[-1][0] + 2] * 2


def test_a_handler_amid_a_plain_call_records_as_outside_of_it(device, handler):
    w, x = wg.parameter([1.0, 2.0]), wg.zeros(2)
    own, inner, told = wg.parameter(3.0), wg.compile(lambda y: y * 2), []

    def works(number, frame):
        own.zero_grad()
        (own * own).backward()
        told.append((own.grad.item(), inner(wg.ones(1)).item()))

    def assigns():
        x[1:] = [5.0]
        x.assign(wg.ones(2))

    handler(works)
    calls = (lambda: w.tanh().sum().backward(), lambda: wg.grad(lambda y: y.tanh().sum())(w))
    for call in (*calls, assigns):
        call()
        for at in range(1, points_of(call), 29):
            Points(at, send).during(call)
    assert len(told) > 40 and set(told) == {(6.0, 2.0)}
    with wg.no_grad():  # what the program itself has switched is switched for handlers
        handler(lambda number, frame: told.append((own * own).requires_grad))
        Points(9, send).during(assigns)
    assert told[-1] is False


def test_a_compiled_function_in_a_hook_is_compiled(device):
    inner, w = wg.compile(lambda g: g * 2 + 1), wg.parameter([1.0, 2.0])
    w.register_hook(inner)
    for _ in range(4):
        w.square().sum().backward()
    assert inner.program.steps


def test_a_handler_amid_a_trace_is_not_traced(device, handler):
    w, values = wg.tensor([1.0, 2.0]), []
    handler(lambda number, frame: values.append((w * 3).tolist()))

    @wg.compile
    def f(x, signal_too):
        y = x * w
        if signal_too:
            send()
        w.assign(y)
        return y

    assert f(wg.full((2,), 2.0), True).tolist() == [2, 4]
    assert values == [[3, 6]] and "multiply" in str(f.program) and len(f.program.steps) < 4
    other = wg.compile(lambda x: x + 1)
    handler(lambda number, frame: values.append(other(wg.ones(1)).item()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what sends signals is left uncompiled
        f(wg.ones(2), True)
    assert values[-1] == 2


def test_a_handler_amid_a_trace_is_refused_what_has_no_values_yet(device, handler):
    w, told = wg.parameter([1.0, 2.0]), []

    def reads(number, frame):
        try:
            w.grad.numpy()
        except TraceError as error:
            told.append(str(error))

    handler(reads)

    @wg.compile
    def step(x):
        (w * x).sum().backward()
        send()
        w.zero_grad()
        return x * 1

    step(wg.ones(2))
    assert len(told) == 1 and "handler" in told[0]


def test_a_handler_that_raises_amid_a_trace_undoes_it(device, handler):
    handler(raises)
    step, state, _ = training()
    step()
    before = state()

    def interrupted():
        loss = step()
        send()
        return loss

    with pytest.raises(TimeoutSignalError):
        wg.compile(interrupted)()
    assert state() == before


def test_signals_that_came_meanwhile_are_all_handled_once(handler):
    told = []
    handler(lambda number, frame: told.append(number))
    before = signal.signal(signal.SIGALRM, raises)
    try:
        with pytest.raises(TimeoutSignalError), interrupts_wait():
            for _ in range(2):
                signal.raise_signal(signal.SIGALRM)
                send()
            with interrupts_wait():
                pass
            assert not told
        assert told == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGALRM) is raises
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_signal_that_another_handler_has_delivered_is_not_delivered_twice(handler):
    told = []

    def works(number, frame):
        told.append(number)
        with interrupts_wait():  # as every call of a driver has
            pass

    handler(works)
    before = signal.signal(signal.SIGALRM, works)
    try:
        with interrupts_wait():
            signal.raise_signal(signal.SIGALRM)
            send()
        assert sorted(told) == sorted([signal.SIGALRM, signal.SIGUSR1])
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_a_handler_raises_amid_a_read_arrives_as_it_is(webgpu, handler):
    handler(raises)
    x = wg.tensor([1.0, 2.0])

    def read():
        return (x * 2).tolist()

    counts = [points_of(read) for _ in range(4)]  # the first has kernels and memory to get
    for at in range(1, min(counts), 3):
        with pytest.raises(TimeoutSignalError):
            Points(at, send).during(read)


def test_handlers_wait_in_the_main_thread_alone():
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with interrupts_wait():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass
    leave.set()
    thread.join()


def test_a_timer_amid_reads_and_steps(device, handler):
    found, inside = [], []

    def reads(number, frame):
        if not inside:  # the timer may be faster than what it starts
            inside.append(True)
            found.append((wg.ones(3) + 1).tolist())
            inside.clear()

    before = signal.signal(signal.SIGALRM, reads)
    step, state, _ = training()
    compiled = wg.compile(step)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.003)
        for _ in range(60):
            compiled()
            (wg.arange(4.0) + 1).numpy()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert state()[2] == 60 and state()[-1][:2] == [60, 60]
    assert found and all(x == [2, 2, 2] for x in found)


def test_a_handler_that_works_as_a_block_begins_leaves_the_next_one_waiting(handler, monkeypatch):
    seen = []

    def works(number, frame):
        with interrupts_wait():
            seen.append("handled")

    def install_and_send(install=interrupts._install):
        install()
        monkeypatch.setattr(interrupts, "_install", install)
        send()

    handler(works)
    monkeypatch.setattr(interrupts, "_install", install_and_send)
    with interrupts_wait():
        send()
        seen.append("done")
    assert seen == ["handled", "done", "handled"]


def test_a_handler_that_submits_what_was_about_to_be_submitted(webgpu, handler):
    x = wg.tensor([1.0, 2.0])
    handler(lambda number, frame: (x + 1).tolist())
    for at in range(1, points_of(lambda: (x * 2).tolist())):
        assert Points(at, send).during(lambda: (x * 2).tolist()) == [2, 4]


def test_a_finalizer_amid_a_call_of_the_driver_is_refused(webgpu, monkeypatch):
    told = []
    y = wg.tensor([1.0, 2.0]) * 2
    queue = webgpu.gpu.raw.queue
    submit = type(queue).submit

    class Finalized:
        def __del__(self):
            try:
                (wg.ones(2) + 1).numpy()
            except DeviceError as error:
                told.append(str(error))

    def submits(self, commands):
        one = Finalized()
        one.itself = one
        del one
        gc.collect()
        submit(self, commands)

    with monkeypatch.context() as patch:
        patch.setattr(type(queue), "submit", submits)
        assert y.tolist() == [2, 4]
    assert told and "amid a call of its driver" in told[0]
    assert (y + 1).tolist() == [3, 5]
