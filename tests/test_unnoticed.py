"""What a compiled function could do otherwise than the function, in silence."""

import array
import collections
import contextvars
import dataclasses
import fractions
import os
import sys
import threading
import types

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import TraceError

SETTINGS = types.ModuleType("settings_of_a_test")


def settled(function, *args):
    """Return the function compiled, and called until it is replayed."""
    compiled = wg.compile(function)
    for _ in range(3):
        compiled(*args)
    return compiled


def test_unnoticed_an_argument_begins_to_have_a_history(device):
    def f(x):
        (x * x).sum().backward()

    g = wg.compile(f)
    for _ in range(3):
        g(wg.tensor([1.0, 2.0], requires_grad=True))
    w = wg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match="gradients pass through it"):
        g(w * 2)
    assert w.grad.tolist() == [8, 16]


def test_unnoticed_a_refusal_that_the_function_catches(device):
    def f(x):
        try:
            return x * x.sum().item()
        except Exception:
            return x * 0

    with pytest.raises(TraceError, match="reads a value"):
        wg.compile(f)(wg.ones(2))


def test_unnoticed_the_state_of_the_random_numbers(device):
    with pytest.raises(TraceError, match="get_rng_state"):
        wg.compile(lambda x: x * wg.get_rng_state()[1])(wg.ones(2))


def test_unnoticed_a_change_of_the_default_device(device):
    def f(x):
        wg.set_default_device(None)
        return x * 2

    with pytest.raises(TraceError, match="set_default_device"):
        wg.compile(f)(wg.ones(2))


@pytest.mark.parametrize("make", [optim.SGD, optim.AdamW])
def test_unnoticed_settings_of_an_optimizer_that_the_function_reads(device, make):
    w = wg.parameter([1.0, 2.0])
    optimizer = make([w], lr=0.5)
    g = settled(lambda x: x * optimizer.lr + optimizer.weight_decay, wg.ones(2))
    optimizer.lr = 0.25
    expected = 0.25 + optimizer.weight_decay
    np.testing.assert_allclose(g(wg.ones(2)).numpy(), expected, rtol=1e-6)


def imports_inside(x):
    import settings_of_a_test

    return x * settings_of_a_test.SCALE


def imports_from_inside(x):
    from settings_of_a_test import SCALE

    return x * SCALE


def names_by_string(x):
    return x * getattr(SETTINGS, "SCALE")  # noqa: B009


def names_a_global_by_string(x):
    return x * globals()["SCALE"]


def reads_the_environment(x):
    return x * float(os.environ["WGRAD_TEST_SCALE"])


@pytest.mark.parametrize(
    "function",
    [
        imports_inside,
        imports_from_inside,
        names_by_string,
        names_a_global_by_string,
        reads_the_environment,
    ],
)
def test_unnoticed_names_that_are_no_names_in_the_code(device, monkeypatch, function):
    monkeypatch.setitem(sys.modules, "settings_of_a_test", SETTINGS)

    def choose(scale):
        monkeypatch.setattr(SETTINGS, "SCALE", scale, raising=False)
        monkeypatch.setitem(globals(), "SCALE", scale)
        monkeypatch.setenv("WGRAD_TEST_SCALE", str(scale))

    choose(2.0)
    g = settled(function, wg.ones(2))
    choose(5.0)
    assert g(wg.ones(2)).tolist() == [5.0, 5.0]


class OwnList(list):
    scale = 2.0


class OwnDict(dict):
    scale = 2.0


def containers():
    """Return (a name, a function of nothing, what makes it return 5) for all kinds."""
    octets, numbers, plain = bytearray([2]), array.array("d", [2.0]), {"a": 2.0}
    user, local = collections.UserDict(a=2.0), threading.local()
    chain, other = collections.ChainMap({"a": 2.0}), {"a": 2.0}
    context: contextvars.ContextVar = contextvars.ContextVar("context", default=2.0)
    objects, own, owned = np.array([2.0, None], dtype=object), OwnList(), OwnDict()
    proxy, values = types.MappingProxyType(plain), other.values()
    local.a = 2.0
    return [
        ("bytearray", lambda: octets[0], lambda: octets.__setitem__(0, 5)),
        ("array", lambda: numbers[0], lambda: numbers.__setitem__(0, 5.0)),
        ("UserDict", lambda: user["a"], lambda: user.__setitem__("a", 5.0)),
        ("ChainMap", lambda: chain["a"], lambda: chain.__setitem__("a", 5.0)),
        ("local", lambda: local.a, lambda: setattr(local, "a", 5.0)),
        ("context", context.get, lambda: context.set(5.0)),
        ("objects", lambda: objects[0], lambda: objects.__setitem__(0, 5.0)),
        ("list", lambda: own.scale, lambda: setattr(own, "scale", 5.0)),
        ("dict", lambda: owned.scale, lambda: setattr(owned, "scale", 5.0)),
        ("proxy", lambda: proxy["a"], lambda: plain.__setitem__("a", 5.0)),
        ("values", lambda: sum(values), lambda: other.__setitem__("a", 5.0)),
    ]


@pytest.mark.parametrize("n", range(11), ids=[c[0] for c in containers()])
def test_unnoticed_changes_in_containers_of_all_kinds(device, n):
    _, find, change = containers()[n]
    if isinstance(find, types.FunctionType):
        g = settled(lambda x: x * find(), wg.ones(2))
    else:
        context = find.__self__
        g = settled(lambda x: x * context.get(), wg.ones(2))
    change()
    assert g(wg.ones(2)).tolist() == [5.0, 5.0]


def test_unnoticed_what_a_hook_of_an_argument_sees(device):
    scale = [2.0]
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda ct: ct * scale[0])
    g = settled(lambda x: (x * x).sum().backward(), x)
    scale[0], x.grad = 10.0, None
    g(x)
    assert x.grad.tolist() == [20.0, 40.0]


def test_unnoticed_hooks_and_retained_gradients_in_a_graph_from_outside(device):
    scale = [2.0]
    w = wg.tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda ct: ct * scale[0])
    z = w * 3
    g = settled(lambda: (z * z).sum().backward())
    scale[0], w.grad = 10.0, None
    g()
    assert w.grad.tolist() == [180.0, 360.0]
    handle, w.grad = w.register_hook(lambda ct: ct * 7), None
    g()
    assert w.grad.tolist() == [1260.0, 2520.0]
    handle.remove()
    z.retain_grad()
    g()
    assert z.grad.tolist() == [6.0, 12.0]


def test_unnoticed_state_of_an_object_that_has_no_hash(device):
    @dataclasses.dataclass
    class Trainer:
        scale: float

        @wg.compile
        def step(self, x):
            return x * self.scale

    trainer = Trainer(2.0)
    for _ in range(3):
        trainer.step(wg.ones(2))
    trainer.scale = 4.0
    assert trainer.step(wg.ones(2)).tolist() == [4.0, 4.0]


def test_compiled_module_shows_what_the_module_is_now(device):
    model = nn.Linear(2, 2)
    g = wg.compile(model)
    g.eval()
    assert g.training is model.training is False
    assert [id(p) for p in g.parameters()] == [id(p) for p in model.parameters()]


@pytest.mark.filterwarnings("ignore:compile")
def test_compiled_function_left_uncompiled_may_wait_for_another_thread(device):
    made, waits, ended = [], [], []

    def f(x):
        made.append(x * 1)
        if waits and threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=g, args=(x,), daemon=True)
            thread.start()
            thread.join(5)
            ended.append(not thread.is_alive())
        return x * 2

    g = wg.compile(f)
    x = wg.ones(2)
    for _ in range(4):
        g(x)
    assert len(made) == 4, "it runs uncompiled"
    waits.append(True)
    assert g(x).tolist() == [2.0, 2.0]
    assert ended == [True]


@pytest.mark.filterwarnings("ignore:compile")
def test_compiled_function_keeps_nothing_of_calls_that_failed_or_went_by(device):
    def f(x, k):
        if k < 0:
            raise ValueError
        return x * float(k)

    g = wg.compile(f)
    x = wg.ones(2)
    for i in range(1, 40):
        with pytest.raises(ValueError):
            g(x, -i)
        g(x, fractions.Fraction(i, 7))
    assert len(g._signatures) <= 17
    assert len(g._signatures.objects) <= 17
