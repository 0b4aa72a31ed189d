"""Calls in turn: what one call after the other would do, with less between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import optim
from wgrad.program.compiled import in_turn


class Case:
    """A step of one parameter, with a rate that falls by a schedule inside it."""

    def __init__(self, device: Any, scheduled: bool = False):
        self.w = wg.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
        self.rule = optim.Adam([self.w], lr=0.1)
        state: list[Any] = [self.w, self.rule]
        if scheduled:
            schedule = optim.lr_scheduler.LambdaLR(self.rule, lambda n: 0.5**n)
            state.append(schedule)

        @wg.compile(state=state)
        def step(x: Any) -> Any:
            self.rule.zero_grad()
            loss = (self.w * x).square().sum()
            loss.backward()
            self.rule.step()
            if scheduled:
                schedule.step()
            return loss

        self.step = step

    def seen(self) -> Any:
        held = self.w.array.storage.version, self.rule.state_dict()["state"][0]["step"]
        return self.w.numpy().tolist(), self.w.grad.numpy().tolist(), *map(int, held)


def _calls(device: Any, *sizes: int) -> list[list[Any]]:
    data = wg.tensor(np.arange(60).reshape(20, 3) / 50, "float32", device)
    return [[data[i : i + n] if n > 1 else data[i]] for i, n in enumerate(sizes)]


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("sizes", [[1] * 6, [1, 1, 1, 2, 2, 2, 1, 1], [1]])
def test_calls_in_turn_are_what_they_are_one_by_one(numpy_device, sizes, scheduled):
    calls = _calls(numpy_device, *sizes)
    one, other = Case(numpy_device, scheduled), Case(numpy_device, scheduled)
    for _ in range(2):
        for leaves in calls:
            last = one.step(*leaves)
        assert in_turn(other.step, calls).item() == last.item()
        assert other.seen() == one.seen()


def test_a_call_in_turn_that_fails_leaves_those_before_it_done(numpy_device):
    calls = _calls(numpy_device, *[1] * 5)
    one, other = Case(numpy_device), Case(numpy_device)
    for leaves in (calls[0], *calls[:3]):
        one.step(*leaves)
    other.step(*calls[0])
    (executor,) = [s.captures[0].executor for s in other.step._signatures.values()]
    run, left = executor.run, [3]

    def fails(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise wg.errors.OutOfMemoryError("no room")
        return run(*args)

    executor.run = fails
    with pytest.raises(wg.errors.OutOfMemoryError):
        in_turn(other.step, calls)
    assert other.seen() == one.seen()


def test_views_of_a_batch_cost_no_dispatch_and_no_new_bindings(webgpu, monkeypatch):
    case, calls = Case(webgpu), _calls(webgpu, *[1] * 8)
    expected = Case("numpy")
    in_turn(case.step, calls)
    in_turn(case.step, calls)
    bound: list[Any] = []
    bind = webgpu.gpu.bind_group
    monkeypatch.setattr(webgpu.gpu, "bind_group", lambda *args: bound.append(args) or bind(*args))
    webgpu.synchronize()
    before = wg.stats()
    in_turn(case.step, calls)
    after = wg.stats()
    kernels = len(case.step.launches().launches)
    assert after["dispatches"] - before["dispatches"] == 8 * kernels
    assert after["submits"] - before["submits"] == 8 and not bound
    for _ in range(3):
        in_turn(expected.step, _calls("numpy", *[1] * 8))
    assert np.allclose(case.w.numpy(), expected.w.numpy(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_moves_come_between_what_was_recorded_before_and_after(webgpu, dtype):
    taken = wg.compile(lambda x: x * 1)
    data, found = wg.tensor(np.arange(40), dtype, webgpu), []
    for i in range(4):
        view = data[10 * i : 10 * i + 10]
        found.append(taken(view))
        data.assign(data + 1)  # after the move, before the next
        found.append(webgpu.window(view.array))
        data.assign(wg.tensor(np.arange(40) + i + 1, dtype, webgpu))  # an upload, after it
    for i, (x, window) in enumerate(zip(found[::2], found[1::2], strict=True)):
        assert (x.numpy() == np.arange(10 * i, 10 * i + 10) + i).all()
        if i:  # the first begins where its memory does
            held = wg.core.wrap(type(x.array)(window, x.array.layout, x.dtype))
            assert (held.numpy() == np.arange(10 * i, 10 * i + 10) + i + 1).all()
