"""The front door of public functions: what it checks, what it lets through, and what it says."""

from __future__ import annotations

import copy
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.core import Op
from wgrad.errors import ArgumentError, CallError, DTypeError, OutOfMemoryError, WgradError
from wgrad.nn import functional as F
from wgrad.ops.families import Elementwise


def public() -> Iterator[tuple[str, Any]]:
    """Yield every public function, and every public method of the public classes."""
    for home in (x for x in wg._NAMESPACES.values() if x is not wg.errors):
        for name in home.__all__:
            value = getattr(home, name)
            if not str(getattr(value, "__module__", "")).startswith("wgrad") or not callable(value):
                continue
            if inspect.isclass(value):
                for attribute, member in inspect.getmembers(value, inspect.isfunction):
                    if not attribute.startswith("_") and member.__module__.startswith("wgrad"):
                        yield f"{home.__name__}.{name}.{attribute}", member
            else:
                yield f"{home.__name__}.{name}", value


def test_every_public_function_has_a_door():
    found = dict(public())
    assert len(found) > 400
    # A door is a wrapper; ops have theirs in their class.
    without = [
        name
        for name, value in found.items()
        if not hasattr(value, "__wrapped__")
        and not hasattr(type(value).__call__, "__wrapped__")
        and not isinstance(value, Elementwise)
    ]
    assert without == []


def test_what_makes_every_tensor_has_no_door():
    for function in (
        wg.Tensor.__init__,
        wg.Tensor.shape.fget,
        wg.Tensor.__add__,
        nn.Linear.__call__,
    ):
        assert not hasattr(function, "__wrapped__")


def test_doors_are_found_by_their_names():
    for name, value in public():
        if name.count(".") == 1 and not isinstance(value, Op):
            assert pickle.loads(pickle.dumps(value)) is value is copy.deepcopy(value)
            assert value.__doc__ and "self" not in inspect.signature(value).parameters
    assert F.softmax is wg.softmax and F.softmax.__name__ == "softmax"


def fails(function: Callable, *args: Any, **kwargs: Any) -> WgradError:
    """Return the error of ours, whose message is one sentence."""
    with pytest.raises(WgradError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return caught.value


class Parameterlike:
    """What PyTorch's parameters do when NumPy asks for their data."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on a tensor that requires grad")


def test_flags_are_true_or_false(device):
    x = wg.tensor([[1.0, 2.0]])
    for wrong in (np.zeros(0), "False", [], None, 1, wg.tensor(True), nn.ReLU()):
        for call in (
            lambda v: x.sum(keepdims=v),
            lambda v: wg.max(x, 0, v),
            lambda v: wg.mean(x, 0, v),
            lambda v: wg.tensor([1.0], requires_grad=v),
            lambda v: x.requires_grad_(v),
            lambda v: nn.Linear(2, 2, v),
            lambda v: nn.Linear(2, 2).train(v),
            lambda v: F.dropout(x, training=v),
            lambda v: wg.random.randn(2, requires_grad=v),
        ):
            assert "True or False is needed" in str(fails(call, wrong))
    assert x.sum(axis=1, keepdims=np.True_).shape == (1, 1)


def test_numbers_are_numbers(device):
    x, w = wg.tensor([[1.0, 2.0]]), [wg.parameter([1.0])]
    for wrong in ("1", [1.0], nn.ReLU(), {}, 1j, lambda: 1):
        for call in (
            lambda v: F.layer_norm(x, 2, eps=v),
            lambda v: F.elu(x, v),
            lambda v: wg.gradcheck(lambda y: y * y, [x], atol=v),
            lambda v: wg.gradcheck(lambda y: y * y, [x], eps=v),
            lambda v: optim.Adam(w, v),
            lambda v: wg.std(x, correction=v),
        ):
            assert "number" in str(fails(call, wrong))


def test_callbacks_can_be_called(numpy_device):
    for call in (
        wg.grad,
        wg.vmap,
        wg.observe,
        wg.no_grad,
        wg.jacobian,
        wg.parameter(1.0).register_hook,
    ):
        for wrong in (5, "f", [], wg.ones(2)):
            assert "a function is needed" in str(fails(call, wrong))


def test_callbacks_that_may_be_missing_may_be_none(numpy_device):
    rule = optim.SGD([wg.parameter([1.0])], lr=0.1)
    rule.step(None)
    assert len(list(wg.data.DataLoader([1, 2], collate_fn=None, worker_init_fn=None))) == 2
    for call in (rule.step, lambda f: wg.data.DataLoader([1, 2], collate_fn=f)):
        for wrong in (5, "f", []):
            assert "a function is needed" in str(fails(call, wrong))


@pytest.mark.parametrize("data", [range(10**12), range(10**19), range(-(10**12), 0, 3)])
def test_huge_ranges_take_no_memory(data, device):
    for call in (wg.tensor, wg.sum, wg.zeros(3).assign, lambda r: wg.take(wg.ones(3), r)):
        assert isinstance(fails(call, data), (OutOfMemoryError, ArgumentError, DTypeError))
    for call in (wg.zeros, wg.stack, wg.concat, wg.ones(3).reshape, lambda r: optim.SGD(r, 0.1)):
        fails(call, data)
    assert wg.tensor(range(5, 0, -2)).tolist() == [5, 3, 1]
    assert wg.tensor(range(0)).shape == (0,)


def test_optimizers_do_not_wait_for_the_end_of_what_they_are_given():
    def endless() -> Iterator[int]:
        while True:
            yield 1

    assert isinstance(fails(optim.SGD, endless(), lr=0.1), DTypeError)


def test_data_that_cannot_be_read_says_why(device):
    for call in (wg.tensor, wg.exp, wg.sum, nn.Linear(2, 2), lambda x: wg.ones(2) + x):
        error = fails(call, Parameterlike())
        assert isinstance(error, DTypeError) and "Can't call numpy()" in str(error)
        assert isinstance(error.__cause__, RuntimeError)
    torch = pytest.importorskip("torch")
    assert "detach()" in str(fails(wg.tensor, torch.nn.Parameter(torch.zeros(2))))


def test_calls_that_do_not_fit_say_how_to_call(device):
    x = wg.tensor([[1.0, 2.0]])
    error = fails(wg.sum, input=x)
    assert isinstance(error, CallError) and isinstance(error, TypeError)
    assert "no argument has that name (x is its name here)" in str(error)
    assert str(error).endswith("sum(x, axis=None, keepdims=False, *, dtype=None) is its call")
    assert "(correction is its name here)" in str(fails(x.var, unbiased=True))
    for call in (wg.softmax, lambda: wg.matmul(x), lambda: nn.Linear(2), lambda: x.reshape(a=1)):
        assert "is its call" in str(fails(call))
    assert "2 are needed: add(x1, x2, /) is its call" in str(fails(wg.add, x))
    assert "where came by name; exp(x, /) is its call" in str(fails(wg.exp, x, where=x))
    assert "Linear" in str(fails(nn.Linear, 2, 2, features=3))


def test_arguments_come_by_pytorchs_names_too(device):
    x = wg.tensor([[1.0, 2.0], [3.0, 5.0]])
    for call in (
        lambda k: x.sum(**k), lambda k: wg.mean(x, **k), lambda k: wg.all(x, **k),
        lambda k: wg.std(x, **k), lambda k: wg.linalg.vector_norm(x, **k),
    ):  # fmt: skip
        theirs, ours = call({"dim": 1, "keepdim": True}), call({"axis": 1, "keepdims": True})
        assert theirs.shape == (2, 1) and theirs.tolist() == ours.tolist()
    assert nn.Softmax(dim=0)(x).tolist() == F.softmax(x, dim=0).tolist() == x.softmax(0).tolist()
    assert x.transpose(dim0=0, dim1=1).shape == x.flip(dims=(0,)).shape == (2, 2)
    assert x.flatten(start_dim=0).shape == (4,) and "axis" in str(inspect.signature(wg.sum))
    for call in (wg.sum, wg.any, wg.softmax, F.log_softmax):
        error = fails(call, x, axis=0, dim=1)
        assert isinstance(error, ArgumentError) and "two names of one argument" in str(error)
    assert "two names" in str(fails(x.mean, keepdims=True, keepdim=True))
    assert "two names" in str(fails(nn.GLU, axis=0, dim=0))
    assert "multiple values" in str(fails(x.sum, 0, dim=1))
    assert "axis 5" in str(fails(x.sum, dim=5))


def test_what_nobody_foresaw_is_named_and_chained(numpy_device, monkeypatch):
    ours: dict[str, Any] = {"__name__": "wgrad.somewhere"}
    exec("def broken(*args): return {}['missing']", ours)
    monkeypatch.setattr("wgrad.functional.reductions.counted", ours["broken"])
    error = fails(wg.sum, [1.0, 2.0], 0)
    assert str(error).startswith("sum: x=[1.0, 2.0], axis=0 came, which sum(x, axis=None")
    assert "KeyError: 'missing'" in str(error) and isinstance(error.__cause__, KeyError)


def test_bugs_of_ours_are_not_dressed_up(numpy_device, monkeypatch):
    for kind in (AssertionError, NameError, NotImplementedError, OSError):

        def broken(*args: Any, kind: type = kind) -> Any:
            raise kind("a bug")

        monkeypatch.setattr("wgrad.functional.reductions.counted", broken)
        with pytest.raises(kind, match="a bug"):
            wg.sum([1.0])


def raising(error: type[BaseException]) -> Callable:
    def callback(*args: Any) -> Any:
        raise error("of the callback")

    return callback


class Broken(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.shape["a"]


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, RuntimeError, MemoryError])
def test_exceptions_of_callbacks_pass_as_they_are(error, numpy_device):
    x, w = wg.tensor([1.0, 2.0]), wg.parameter([1.0, 2.0])
    f = raising(error)
    w.register_hook(f)

    def parameters() -> Iterator[Any]:
        yield w
        raise error("of the callback")

    for call in (
        lambda: wg.grad(f)(x),
        lambda: wg.vjp(f, x),
        lambda: wg.jvp(f, (x,), (x,)),
        lambda: wg.jacobian(f)(x),
        lambda: wg.hessian(f)(x),
        lambda: wg.gradcheck(f, [x]),
        lambda: wg.vmap(f)(x),
        lambda: wg.functional_call(nn.Sequential(f), {}, x),
        lambda: wg.compile(f)(x),
        lambda: wg.no_grad(f)(),
        lambda: wg.custom_op(f, backward=f)(x),
        lambda: nn.Sequential(f)(x),
        lambda: (w * 2).sum().backward(),
        lambda: optim.SGD(parameters(), 0.1),
    ):
        with pytest.raises(error, match="of the callback") as caught:
            call()
        assert type(caught.value) is error
    with pytest.raises(TypeError, match="indices must be integers") as caught:
        Broken()(x)
    assert type(caught.value) is TypeError


def test_dtypes_that_a_device_lacks_are_said_before_a_shader_is_made(webgpu):
    x, y = wg.ones((2, 3)), wg.ones(2, dtype="float64", device="numpy")
    for call in (
        lambda: nn.LogSoftmax()(x, y),
        lambda: wg.std(x, y),
        lambda: F.mse_loss(x, y),
        lambda: F.kl_div(x, y),
        lambda: x + y,
    ):
        error = fails(call)
        assert "shader" not in str(error) and not isinstance(error, wg.errors.ShaderError)


def test_a_stack_that_was_used_up_outside_is_not_ours(numpy_device):
    x = wg.tensor(1.0)

    def deeper() -> Any:
        wg.sum(x)
        return deeper()

    with pytest.raises(RecursionError) as caught:
        deeper()
    assert type(caught.value) is RecursionError


def test_doors_do_not_change_what_is_seen_of_a_function():
    assert str(inspect.signature(wg.diff)).startswith("(x: ")
    assert list(inspect.signature(nn.Linear).parameters)[:2] == ["in_features", "out_features"]
    assert wg.Tensor.sum.__name__ == "sum" and "sum over axes" in wg.Tensor.sum.__doc__
    assert sys.modules[wg.sum.__module__] is wg


def test_errors_go_by_the_name_that_was_called(numpy_device):
    x, y = wg.ones((2, 3)), wg.ones(4)
    wrong = {
        "clip": lambda home: home.clip(x, 2, 1),
        "clamp": lambda home: home.clamp(x, 2, 1),
        "subtract": lambda home: home.subtract(x, y),
        "sub": lambda home: home.sub(x, y),
        "true_divide": lambda home: home.true_divide(x, "s"),
        "neg": lambda home: home.neg(x, x),
        "unsqueeze": lambda home: home.unsqueeze(x, 9),
        "bmm": lambda home: home.bmm(x, y),
        "cumsum": lambda home: home.cumsum(x, 7),
        "swapdims": lambda home: home.swapdims(x, 0, 7),
    }
    for name, call in wrong.items():
        for home in (wg, wg.Tensor):
            assert str(fails(call, home)).startswith(f"{name}: "), name
    assert str(fails(wg.cat, [])).startswith("cat: ")
    assert str(fails(lambda: x - y)).startswith("subtract: ")
    assert wg.Tensor.sub is wg.sub and pickle.loads(pickle.dumps(wg.sub)) is wg.sub
    assert wg.sub(x, 1).tolist() == wg.zeros((2, 3)).tolist()


def test_an_error_of_a_function_that_is_called_stays_its_own(numpy_device):
    x = wg.tensor([1.0, 2.0])
    for call in (
        lambda: wg.compile(lambda x: x.nothing())(x),
        lambda: wg.vmap(lambda x: x.nothing())(x),
        lambda: wg.grad(lambda x: wg.nothing(x))(x),
    ):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'") as caught:
            call()
        assert not isinstance(caught.value, wg.errors.WgradError)


def test_a_function_that_takes_other_arguments_is_told_of(numpy_device):
    x = wg.tensor([1.0, 2.0])
    for call in (wg.grad(lambda x, y: x), wg.vmap(lambda x, y: x), wg.compile(lambda x, y: x)):
        with pytest.raises(
            wg.errors.CallError, match=r"other arguments .*positional argument: 'y'"
        ):
            call(x)


def test_a_public_class_of_the_core_has_its_door():
    with pytest.raises(CallError, match="observe"):
        wg.observe(print, print)
