"""The tape: backward passes, what they refuse, modes of recording, and how long things live."""

from __future__ import annotations

import asyncio
import gc
import inspect
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import core, tape


def leaf(data: Any, dtype: str = "float32") -> wg.Tensor:
    return wg.tensor(data, dtype=dtype, requires_grad=True)


# Accumulation.


def test_backward_twice_gives_exactly_twice(device):
    x = leaf([2.0, 3.0])
    y = wg.sum(x * x * x)
    y.backward()
    once = x.grad.tolist()
    y.backward()
    assert x.grad.tolist() == [2 * g for g in once] == [24, 54]


def test_gradients_accumulate_over_all_paths_and_passes(device):
    x = leaf(3.0)
    (x * x + 2 * x + x).backward()
    assert x.grad.item() == 9
    (5 * x).backward()
    assert x.grad.item() == 14


def test_zero_grad_gives_zeros_and_no_grad_gives_none(device):
    x = leaf([1.0, 2.0])
    x.zero_grad()
    assert x.grad is None  # there was none to clear
    wg.sum(x).backward()
    x.zero_grad()
    assert x.grad.tolist() == [0, 0]
    assert x.grad.dtype is x.dtype and x.grad.device is device
    wg.sum(x * 3).backward()
    assert x.grad.tolist() == [3, 3]
    x.grad = None
    assert x.grad is None


def test_set_grad_is_the_start_of_what_accumulates(device):
    x = leaf([1.0, 2.0])
    x.set_grad([10.0, 20.0])
    wg.sum(x).backward()
    assert x.grad.tolist() == [11, 21]
    x.grad = wg.tensor([0.0, 1.0])
    assert x.grad.tolist() == [0, 1]


def test_leaf_that_no_slope_reaches_has_a_gradient_of_zeros(device):
    x, y = leaf([1.0, -2.0]), leaf(3.0)
    (wg.sum(wg.sign(x)) + y).backward()
    assert x.grad.tolist() == [0, 0]
    assert y.grad.item() == 1


def test_backward_from_a_leaf_itself(device):
    x = leaf(5.0)
    x.backward()
    assert x.grad.item() == 1


def test_backward_with_a_gradient(device):
    x = leaf([1.0, 2.0])
    (x * x).backward([1.0, 10.0])
    assert x.grad.tolist() == [2, 40]
    (x * x).backward(gradient=wg.tensor([1.0, 1.0]))
    assert x.grad.tolist() == [4, 44]


def test_backward_of_a_root_that_is_not_0d_needs_a_gradient(device):
    x = leaf([1.0, 2.0])
    with pytest.raises(wg.errors.GradientError, match=r"shape \(2,\) needs gradient="):
        (x * x).backward()
    with pytest.raises(wg.errors.GradientError, match=r"shape \(1,\) needs gradient="):
        (x[:1] * 2).backward()
    assert x.grad is None


def test_backward_without_a_graph_is_an_error(device):
    for make in (
        lambda: wg.tensor(1.0),
        lambda: leaf(1.0).detach(),
        lambda: leaf(1.0) > 0,
        lambda: leaf(1.0).astype("int32"),
    ):
        with pytest.raises(wg.errors.GradientError, match="does not require grad"):
            make().backward()


def test_diamonds_visit_every_value_once(device):
    """2 ** 60 paths lead to the leaf, and each value passes its complete gradient once."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1


def test_branches_that_do_not_lead_to_the_root_are_left_alone(device):
    x, y = leaf(2.0), leaf(3.0)
    unused = wg.exp(x * y)
    (x * 4).backward()
    assert x.grad.item() == 4 and y.grad is None
    assert unused.requires_grad


# Own memory.


def test_gradients_own_their_memory(device):
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    ct = wg.tensor([5.0, 6.0])
    (a + b).backward(ct)  # one cotangent reaches both
    a.grad.assign([0.0, 0.0])
    assert b.grad.tolist() == [5, 6]
    assert ct.tolist() == [5, 6]
    ct.assign([9.0, 9.0])
    assert b.grad.tolist() == [5, 6]


def test_gradients_of_views_own_their_memory(device):
    a, b = leaf([[1.0, 2.0]]), leaf([[3.0], [4.0]])
    (a.reshape(2) + b.reshape(2)).backward([5.0, 6.0])
    a.grad.assign(0.0)
    assert b.grad.tolist() == [[5], [6]]
    c = leaf([1.0, 2.0, 3.0])
    wg.sum(c).backward()  # an expanded 1
    c.grad[0].assign(7.0)
    assert c.grad.tolist() == [7, 1, 1]


def test_retained_gradients_own_their_memory(device):
    x = leaf([1.0, 2.0])
    y = +x
    y.retain_grad()
    y.backward([1.0, 1.0])
    y.grad.assign(9.0)
    assert x.grad.tolist() == [1, 1]


def test_gradients_from_a_custom_rule_own_their_memory(device):
    """The rule of a product hands out its own inputs."""
    product = wg.custom_op(lambda a, b: a * b, backward=lambda ct, out, a, b: (b, a))
    a, b = leaf([2.0]), leaf([3.0])
    product(a, b).backward([1.0])
    a.grad.assign(0.0)
    assert b.tolist() == [3]


# Leaves, views of them, and what requires grad.


def test_requires_grad_follows_floating_results_alone(device):
    x = leaf([1.0, 2.0])
    assert (x * 2).requires_grad
    assert not (x > 1).requires_grad
    assert not x.astype("int32").requires_grad
    assert not wg.argmax(x).requires_grad
    assert not (wg.tensor([1.0]) * 2).requires_grad
    assert not x.detach().requires_grad
    assert x.copy().requires_grad and not x.detach().copy().requires_grad
    assert x.is_leaf and not (x * 2).is_leaf


def test_requires_grad_of_a_leaf_can_be_switched(device):
    x = wg.tensor([1.0, 2.0])
    x.requires_grad = True
    wg.sum(x * x).backward()
    assert x.grad.tolist() == [2, 4]
    x.requires_grad_(False)
    assert not (x * 2).requires_grad


def test_requires_grad_of_a_result_cannot_be_switched(device):
    y = leaf(1.0) * 2
    with pytest.raises(wg.errors.GradientError, match="only a leaf"):
        y.requires_grad_(False)


def test_detached_values_are_constants(device):
    x = leaf(3.0)
    (x * x.detach()).backward()
    assert x.grad.item() == 3


def test_leaf_among_inputs_that_are_not_followed(device):
    x, c = leaf([1.0, 2.0]), wg.tensor([3.0, 4.0])
    wg.sum(x * c).backward()
    assert x.grad.tolist() == [3, 4]
    assert c.grad is None


def test_only_leaves_keep_gradients_unless_asked(device):
    x = leaf(2.0)
    y = x * 3
    z = y * y
    z.backward()
    assert y.grad is None
    y.retain_grad()
    z.backward()
    assert y.grad.item() == 12
    assert x.grad.item() == 72


# Hooks.


def test_hook_sees_the_complete_gradient_once_a_pass(device):
    x = leaf(2.0)
    y = x * 3
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    out = y * y + y
    out.backward()
    out.backward()
    assert seen == [13, 13]
    assert x.grad.item() == 78


def test_hook_result_takes_the_gradients_place(device):
    x = leaf(2.0)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    leaf_handle = x.register_hook(lambda g: g + 1)
    y.backward()
    assert x.grad.item() == 31
    leaf_handle.remove()
    leaf_handle.remove()
    x.set_grad(None)
    y.backward()
    assert x.grad.item() == 30


def test_hooks_run_in_the_order_of_their_registration(device):
    x = leaf(1.0)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    x.backward()
    assert x.grad.item() == 20


def test_hook_may_remove_itself(device):
    x = leaf(1.0)
    seen: list[int] = []

    def hook(g: wg.Tensor) -> None:
        seen.append(1)
        handle.remove()

    handle = x.register_hook(hook)
    (x * 1.0).backward()
    (x * 1.0).backward()
    assert seen == [1]


@pytest.mark.parametrize("wrong", [1.0, "x", [1.0, 2.0]])
def test_hook_that_returns_something_else_is_an_error(wrong: Any, device):
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: wrong)
    with pytest.raises(wg.errors.GradientError, match=r"hook: it returned .* shape \(2,\)"):
        wg.sum(x).backward()
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: g[:1])
    with pytest.raises(wg.errors.GradientError, match="hook"):
        wg.sum(x).backward()


def test_hook_on_an_untracked_tensor_is_an_error(device):
    with pytest.raises(wg.errors.GradientError, match="register_hook"):
        wg.tensor(1.0).register_hook(print)
    with pytest.raises(wg.errors.GradientError, match="retain_grad"):
        wg.tensor(1.0).retain_grad()


# Recording off and on.


def test_no_grad_as_a_block_and_enable_grad_inside(device):
    x = leaf(2.0)
    with wg.no_grad():
        assert not (x * 2).requires_grad
        with wg.enable_grad():
            y = x * 2
        assert not (x * 2).requires_grad
    assert y.requires_grad and (x * 2).requires_grad


def test_no_grad_ends_with_an_exception_too(device):
    x = leaf(2.0)
    with pytest.raises(KeyError), wg.no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_no_grad_object_can_be_entered_again_and_nested(device):
    x = leaf(2.0)
    switch = wg.no_grad()
    with switch, switch:
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    with switch:
        assert not (x * 2).requires_grad


@pytest.mark.parametrize("decorate", [wg.no_grad, wg.no_grad()], ids=["bare", "called"])
def test_no_grad_as_a_decorator(decorate: Callable, device):
    @decorate
    def double(x: wg.Tensor, *, times: int = 1) -> wg.Tensor:
        """Double."""
        return x * 2 * times

    x = leaf(2.0)
    assert double(x, times=3).item() == 12
    assert not double(x).requires_grad
    assert (x * 2).requires_grad
    assert double.__name__ == "double" and double.__doc__ == "Double."


@pytest.mark.parametrize("decorate", [wg.enable_grad, wg.enable_grad()], ids=["bare", "called"])
def test_enable_grad_as_a_decorator(decorate: Callable, device):
    @decorate
    def double(x: wg.Tensor) -> wg.Tensor:
        return x * 2

    with wg.no_grad():
        assert double(leaf(2.0)).requires_grad


def test_no_grad_decorates_async_functions_across_their_awaits(device):
    x = leaf(2.0)
    found: dict[str, bool] = {}

    @wg.no_grad
    async def quiet(gate: asyncio.Event) -> None:
        found["before"] = (x * 2).requires_grad
        await gate.wait()
        found["after"] = (x * 2).requires_grad

    async def main() -> None:
        gate = asyncio.Event()
        task = asyncio.ensure_future(quiet(gate))
        await asyncio.sleep(0)
        found["beside"] = (x * 2).requires_grad  # while the other waits inside no_grad
        gate.set()
        await task
        found["end"] = (x * 2).requires_grad

    asyncio.run(main())
    assert inspect.iscoroutinefunction(quiet)
    assert found == {"before": False, "after": False, "beside": True, "end": True}


def test_no_grad_block_in_one_task_does_not_reach_another(device):
    x = leaf(2.0)
    found: list[bool] = []

    async def quiet(inside: asyncio.Event, done: asyncio.Event) -> None:
        with wg.no_grad():
            inside.set()
            await done.wait()
            found.append((x * 2).requires_grad)

    async def main() -> None:
        inside, done = asyncio.Event(), asyncio.Event()
        task = asyncio.ensure_future(quiet(inside, done))
        await inside.wait()
        found.append((x * 2).requires_grad)
        done.set()
        await task

    asyncio.run(main())
    assert found == [True, False]


def test_no_grad_does_not_reach_other_threads(device):
    x = leaf(2.0)
    inside, done = threading.Event(), threading.Event()
    found: dict[str, bool] = {}

    def quiet() -> None:
        with wg.no_grad():
            inside.set()
            done.wait(10)
            found["quiet"] = (x * 2).requires_grad

    thread = threading.Thread(target=quiet)
    thread.start()
    assert inside.wait(10)
    found["main"] = (x * 2).requires_grad
    with wg.no_grad():
        other = threading.Thread(
            target=lambda: found.update(fresh=(x * 2).requires_grad)  # starts in no block
        )
        other.start()
        other.join()
    done.set()
    thread.join()
    assert found == {"quiet": False, "main": True, "fresh": True}


def test_one_switch_entered_by_many_threads(device):
    x = leaf(2.0)
    switch = wg.no_grad()
    wrong: list[str] = []

    def work() -> None:
        for _ in range(50):
            with switch:
                if (x * 2).requires_grad:
                    wrong.append("inside")
            if not (x * 2).requires_grad:
                wrong.append("outside")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_generators_are_refused_by_the_decorator():
    def values():
        yield 1

    async def later():
        yield 1

    for function in (values, later):
        for decorate in (wg.no_grad, wg.no_grad(), wg.enable_grad):
            with pytest.raises(
                wg.errors.ArgumentError, match=f"{function.__name__} is a generator"
            ):
                decorate(function)


def test_leaves_made_inside_no_grad_are_still_leaves(device):
    with wg.no_grad():
        x = wg.tensor([1.0, 2.0], requires_grad=True)
        y = wg.zeros(2, requires_grad=True)
    wg.sum(x * x + y).backward()
    assert x.grad.tolist() == [2, 4] and y.grad.tolist() == [1, 1]


# Gradients of gradients by backward().


def test_create_graph_makes_gradients_that_can_be_differentiated(device):
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    assert first.item() == 12 and first.requires_grad
    x.set_grad(None)
    first.backward()
    assert x.grad.item() == 12


def test_gradients_without_create_graph_are_constants(device):
    x = leaf(2.0)
    (x**3).backward()
    assert not x.grad.requires_grad


# Values assigned to after the tape saved them.


def _line(f: Callable) -> int:
    """Return the line of a test function that ends with the comment # here."""
    lines, start = inspect.getsourcelines(f)
    return start + next(i for i, text in enumerate(lines) if text.rstrip().endswith("# here"))


def test_assigned_input_raises_and_names_the_op_and_the_line(device):
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * w  # here
    with wg.no_grad():
        w.assign([0.0, 0.0])
    with pytest.raises(wg.errors.GradientError) as caught:
        wg.sum(y).backward()
    line = _line(test_assigned_input_raises_and_names_the_op_and_the_line)
    assert f"input b of multiply at {__file__}, line {line} was assigned to" in str(caught.value)
    assert x.grad is None


def test_assigned_output_raises(device):
    x = leaf([1.0, 2.0])
    y = wg.exp(x)  # here
    z = wg.sum(y * 2)
    with wg.no_grad():
        y.detach().assign([0.0, 0.0])  # a view of the same memory
    with pytest.raises(wg.errors.GradientError) as caught:
        z.backward()
    line = _line(test_assigned_output_raises)
    assert f"output of exp at {__file__}, line {line}" in str(caught.value)


def test_assigned_view_raises(device):
    x, w = leaf(2.0), wg.tensor([3.0, 4.0, 5.0])
    y = wg.sum(x * w)
    w[1:2].assign(0.0)
    with pytest.raises(wg.errors.GradientError, match="multiply"):
        y.backward()


def test_assigned_input_of_a_composition_names_the_users_line(device):
    x = leaf([[1.0, 2.0]])
    w = wg.tensor([[1.0], [1.0]])
    y = x @ w  # here
    w.assign(0.0)
    with pytest.raises(wg.errors.GradientError) as caught:
        y.backward([[1.0]])
    line = _line(test_assigned_input_of_a_composition_names_the_users_line)
    assert f"matmul at {__file__}, line {line}" in str(caught.value)


def test_assigning_what_no_rule_needs_is_allowed(device):
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = wg.sum(x + w)
    with wg.no_grad():
        w.assign([0.0, 0.0])
    y.backward()
    assert x.grad.tolist() == [1, 1] and w.grad.tolist() == [1, 1]


def test_assigning_after_backward_is_allowed(device):
    x = leaf([1.0, 2.0])
    wg.sum(x * x).backward()
    with wg.no_grad():
        x.assign(x - 0.5 * x.grad)
    assert x.tolist() == [0, 0]
    assert x.requires_grad and x.is_leaf
    x.zero_grad()
    wg.sum((x + 1) * (x + 1)).backward()
    assert x.grad.tolist() == [2, 2]


def test_assigned_result_has_no_history(device):
    x = leaf([1.0, 2.0])
    y = x * 2
    y.assign([5.0, 6.0])
    assert not y.requires_grad and y.is_leaf
    assert y.tolist() == [5, 6]


# Long chains, and how long things live.


def test_many_operations_backwards_in_bounded_memory():
    """Without recursion (the limit is 150 frames), at most 1,000 bytes an operation."""
    script = """
        import gc, resource, sys
        import wgrad as wg
        gc.disable()  # the collector would walk the growing graph again and again
        wg.set_default_device("numpy")
        x = wg.tensor(1.0, requires_grad=True)
        (x * 1.0).backward()
        x.zero_grad()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sys.setrecursionlimit(150)
        y = x
        for _ in range(40_000):
            y = y * 1.0 + 0.5
        y.backward()
        unit = 1 if sys.platform == "darwin" else 1024
        used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
        print(x.grad.item(), used)
        del y  # the graph goes from its end, without recursion either
        print("gone")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    grad, used, gone = done.stdout.split()
    assert float(grad) == 1 and gone == "gone"
    assert int(used) < 1000 * 80_000


def test_twenty_thousand_operations_backwards_on_the_gpu(webgpu):
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y * 1.0 + 0.5
    y.backward()
    assert x.grad.item() == 1
    assert y.item() == 5001


def test_wide_graphs_backwards(device):
    xs = [leaf(float(i)) for i in range(300)]
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    total.backward()
    assert all(x.grad.item() == 1 for x in xs)


def _live_nodes() -> int:
    gc.collect()
    return sum(type(o) is core.Node for o in gc.get_objects())


def test_graph_goes_with_its_last_tensor_and_needs_no_collector(device):
    gc.collect()
    before = _live_nodes()
    gc.disable()
    try:
        x = leaf([1.0, 2.0])
        y = wg.softmax(wg.exp(x) * 2) @ wg.ones(2)
        nodes = [weakref.ref(n) for n in tape.reachable(y.node)]
        assert len(nodes) > 5
        y.backward()
        del y
        assert [n() for n in nodes].count(None) == len(nodes) - 1  # all but the leaf's
    finally:
        gc.enable()
    del x
    assert _live_nodes() == before


def test_tensors_in_reference_cycles_leave_the_device_sound(device):
    """The collector finalises what a cycle holds in any order, the device's buffers included."""
    gc.collect()
    for _ in range(3):
        holder: list[Any] = [leaf([1.0, 2.0]), wg.arange(1000)]
        holder += [wg.exp(holder[0]), holder]
        wg.sum(holder[2]).backward()
        del holder
        gc.collect()
    x = leaf([3.0, 4.0])
    wg.sum(x * x).backward()
    assert x.grad.tolist() == [6, 8]
    np.testing.assert_array_equal((wg.arange(1000) + 1).numpy(), np.arange(1, 1001))


def test_transforms_leave_nothing_behind(device):
    x = wg.tensor([1.0, 2.0])

    def f(x: wg.Tensor) -> wg.Tensor:
        return wg.sum(wg.tanh(x) * x)

    before = _live_nodes()
    wg.grad(f)(x)
    wg.hessian(f)(x)
    wg.jvp(f, (x,), (x,))
    wg.jacobian(wg.exp)(x)
    wg.gradcheck(f, [x])
    assert _live_nodes() == before


def test_training_steps_leave_nothing_behind(device):
    w = leaf([[0.5, -0.5]])
    x = wg.tensor([[1.0], [2.0]])

    def step() -> None:
        w.zero_grad()
        wg.mean((w @ x - 1) ** 2).backward()
        with wg.no_grad():
            w.assign(w - 0.01 * w.grad)

    step()
    before = _live_nodes()
    for _ in range(20):
        step()
    assert _live_nodes() == before


def test_only_what_a_rule_names_is_kept(device):
    """An addition keeps neither input alive, an exponential only its output."""
    x = leaf([1.0, 2.0])
    a = x * 2.0
    storage = weakref.ref(a.array.storage)
    y = a + 1.0
    del a
    assert storage() is None
    e = wg.exp(y)
    inside, outside = weakref.ref(y.array.storage), weakref.ref(e.array.storage)
    z = e * 1.0
    del y, e
    assert inside() is None and outside() is not None
    z.backward([1.0, 1.0])
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([3.0, 5.0]), rtol=1e-5)
