"""What a compiled function sees of Python: a change between calls traces anew."""

import argparse
import functools
import operator
import types

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.program.guard.identity import Identities
from wgrad.program.guard.watch import Watch
from wgrad.program.trace.tree import token

SCALE = 2.0
HELPER = types.SimpleNamespace(scale=2.0)


def reads_global(x):
    return x * SCALE


def calls_another(x):
    def nested(y):
        return reads_global(y)

    return nested(x)


class Layer(nn.Module):
    factor = 1.0

    def __init__(self):
        self.scale = 2.0
        self.parts = [nn.Linear(2, 2, seed=1), {"inner": nn.Linear(2, 2, seed=2)}]

    def forward(self, x):
        x = self.parts[1]["inner"](self.parts[0](x)) * self.scale * self.factor
        return x * 3 if self.training else x


def check(f, change, *args):
    """Compile f, let it settle, change something, and compare with f itself."""
    g = wg.compile(f)
    for _ in range(4):
        g(*args)
    traces = len(g.programs)
    before = f(*args).numpy()
    change()
    plain = f(*args).numpy()
    assert not np.array_equal(before, plain), "the change changes nothing"
    for _ in range(3):
        np.testing.assert_allclose(g(*args).numpy(), plain, rtol=1e-6)
    assert len(g.programs) == traces + 1, "it has to be traced again, and to settle"
    return g


def test_watch_sees_globals_of_the_function_and_of_those_it_calls(device, monkeypatch):
    x = wg.ones(2)
    check(reads_global, lambda: monkeypatch.setitem(globals(), "SCALE", 5.0), x)
    check(calls_another, lambda: monkeypatch.setitem(globals(), "SCALE", 7.0), x)


def test_watch_sees_closures_defaults_partials_and_methods(device):
    x, scale = wg.ones(2), 2.0

    def rescale(value):
        nonlocal scale
        scale = value

    check(lambda x: x * scale, lambda: rescale(3.0), x)

    def with_default(x, k=2.0):
        return x * k

    check(with_default, lambda: setattr(with_default, "__defaults__", (5.0,)), x)
    settings = {"k": 2.0}
    check(lambda x: x * settings["k"], lambda: settings.update(k=-2.0), x)
    part = functools.partial(with_default, k=[2.0])
    part = functools.partial(lambda x, k: x * k[0], k=[2.0])
    check(part, lambda: part.keywords["k"].__setitem__(0, 9.0), x)
    layer = Layer()
    check(layer.forward, lambda: setattr(layer, "scale", 4.0), x)


def test_watch_sees_what_modules_are_made_of(device, monkeypatch):
    x = wg.ones((1, 2))
    for change in (
        lambda m: m.eval(),
        lambda m: setattr(m, "scale", 3.0),
        lambda m: setattr(m, "extra", 1) or m.parts.__setitem__(0, nn.Linear(2, 2, seed=9)),
        lambda m: m.parts[1].update(inner=nn.Linear(2, 2, seed=8)),
        lambda m: setattr(m.parts[0], "weight", wg.parameter(np.eye(2))),
        lambda m: setattr(m.parts[0], "bias", None),
        lambda m: monkeypatch.setattr(Layer, "factor", 6.0),
        lambda m: monkeypatch.setattr(Layer, "forward", lambda self, x: x * self.scale),
    ):
        model = Layer()
        check(lambda x, model=model: model(x), lambda model=model, do=change: do(model), x)


def test_watch_sees_objects_arrays_sets_and_slots(device):
    class Slotted:
        __slots__ = ("k",)

    x = wg.ones(2)
    slotted, array = Slotted(), np.array([1.0, 2.0], np.float32)
    slotted.k = 2.0
    names, options = {"a"}, argparse.Namespace(k=2.0)
    check(lambda x: x * slotted.k, lambda: setattr(slotted, "k", 4.0), x)
    check(lambda x: x * wg.tensor(array), lambda: array.__setitem__(0, 9.0), x)
    check(lambda x: x * len(names), lambda: names.add("b"), x)
    check(lambda x: x * options.k, lambda: setattr(options, "k", 4.0), x)
    check(lambda x: x * HELPER.scale, lambda: setattr(HELPER, "scale", HELPER.scale + 1), x)


def test_watch_sees_static_arguments(device):
    model, x = Layer(), wg.ones((1, 2))
    g = check(lambda m, x: m(x), model.eval, model, x)
    other = Layer()
    other.scale = 10.0
    np.testing.assert_allclose(g(other, x).numpy(), other(x).numpy(), rtol=1e-6)


def test_watch_sees_loaded_states_and_assigned_values(device):
    model, x = nn.Linear(2, 2, seed=0), wg.ones((1, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)

    def step(x):
        model(x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        return model.weight.sum()

    g = wg.compile(step)
    twin = nn.Linear(2, 2, seed=0)
    plain = optim.SGD(twin.parameters(), lr=0.5, momentum=0.9)
    for i in range(12):
        if i == 5:
            state, weights = optimizer.state_dict(), model.state_dict()
        if i == 8:
            optimizer.load_state_dict(state)
            plain.load_state_dict(state)
            model.load_state_dict(weights)
            twin.load_state_dict(weights)
        g(x)
        twin(x).sum().backward()
        plain.step()
        plain.zero_grad()
        np.testing.assert_allclose(model.weight.numpy(), twin.weight.numpy(), rtol=1e-6)


def test_watch_sees_requires_grad_and_hooks(device):
    model, x = nn.Linear(2, 2, seed=0), wg.ones((1, 2))
    scale = [2.0]

    @wg.compile
    def step(x):
        model.zero_grad()
        model(x).sum().backward()

    for _ in range(4):
        step(x)
    assert len(step.programs) == 1
    model.weight.set_grad([[7.0, 7.0], [7.0, 7.0]])
    model.weight.requires_grad_(False)  # frozen: cleared like the others, and then left alone
    for _ in range(3):
        step(x)
        assert model.weight.grad.tolist() == [[0, 0], [0, 0]]
        assert model.bias.grad.tolist() == [1, 1]
    model.weight.requires_grad_(True)
    handle = model.weight.register_hook(lambda g: g * scale[0])
    for _ in range(3):
        step(x)
        assert model.weight.grad.tolist() == [[2, 2], [2, 2]]
    scale[0] = 5.0  # what the hook sees is watched, too
    for _ in range(3):
        step(x)
        assert model.weight.grad.tolist() == [[5, 5], [5, 5]]
    handle.remove()
    for _ in range(3):
        step(x)
        assert model.weight.grad.tolist() == [[1, 1], [1, 1]]


def test_watch_sees_an_optimizers_kind_and_lets_its_numbers_change(device):
    def train(compiled):
        p = wg.parameter([1.0, 2.0])
        optimizer = optim.SGD([p], lr=0.5)

        def step():
            p.grad = None
            (p * p).sum().backward()
            optimizer.step()

        run = wg.compile(step) if compiled else step
        for i in range(20):
            optimizer.lr = 0.5 / (i + 1)
            if i == 8:
                optimizer.momentum = 0.5
            if i == 14:
                optimizer.weight_decay = 0.25
            run()
        if compiled:
            assert len(run.programs) == 3
        return p.numpy()

    np.testing.assert_allclose(train(True), train(False), rtol=1e-6)


def test_watch_follows_a_module_to_another_device(webgpu):
    model = nn.Linear(2, 2, seed=0, device="numpy")
    f = wg.compile(lambda x: model(x))
    x = wg.ones((1, 2))
    with wg.device("numpy"):
        for _ in range(3):
            f(wg.ones((1, 2)))
    model.to(webgpu)
    for _ in range(3):
        np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-6)


def test_watch_an_own_optimizer_may_use_its_numbers_as_they_are(device):
    class Plain(optim.SGD):
        def step(self):
            for p in self.params:
                p.assign(p.detach() - p.grad * self.lr)

    def train(compiled):
        p = wg.parameter([1.0, 2.0])
        optimizer = Plain([p], lr=0.5)

        def step():
            p.grad = None
            (p * p).sum().backward()
            optimizer.step()

        run = wg.compile(step) if compiled else step
        for i in range(6):
            optimizer.lr = 0.5 / (i // 3 + 1)
            run()
        return p.tolist()

    assert train(True) == train(False)


def test_watch_takes_equal_values_for_unchanged(device):
    config = {"k": 1000.0, "names": ["a", ("b", 1)]}
    x, w = wg.ones(2), wg.tensor([3.0, 4.0])
    held = [w]
    f = wg.compile(lambda x: x * config["k"] * len(config["names"]) + held[0])
    for _ in range(4):
        config["k"] = float("1e3")
        config["names"] = ["a", ("b", 1)]
        held[0] = wg.Tensor(w.array)
        assert f(x).tolist() == [2003, 2004]
    assert len(f.programs) == 1


def test_watch_tells_numbers_apart_by_type_and_bits():
    assert len({token(x) for x in (1, True, 1.0, np.float32(1), 1j, "1", b"1")}) == 7
    assert token(0.0) != token(-0.0) and token(float("nan")) == token(float("nan"))
    assert token([]) is None and token(slice(1, 2)) == token(slice(1, 2)) != token(slice(1.0, 2))


def test_watch_names_what_differs():
    model = Layer()
    roots = [("step", lambda x: model(x))]
    first = Watch(roots)
    assert first.holds()
    model.parts[1]["inner"].in_features = 7
    assert not first.holds()
    second = Watch(roots)
    assert first.difference(second) == "step: model.parts[1]['inner'].in_features"


def test_watch_gives_up_on_more_than_can_be_compared(device, monkeypatch):
    monkeypatch.setattr("wgrad.program.guard.notes.LIMIT", 100)
    many = list(range(200))
    f = wg.compile(lambda x: x * many[1])
    with pytest.warns(UserWarning, match="more than 100 things"):
        assert f(wg.ones(1)).tolist() == [1]
    many[1] = 5
    assert f(wg.ones(1)).tolist() == [5]


class Base:
    shift = 1.0


class Derived(Base):
    pass


DERIVED = Derived()


def test_watch_meets_a_class_that_it_met_as_a_base(device):
    base = Base
    g = wg.compile(lambda x: x + DERIVED.shift + base.shift)
    for _ in range(3):
        assert g(wg.zeros(2)).tolist() == [2, 2]


def test_watch_sees_an_object_that_moves_from_one_list_to_the_next(device):
    lists = [[1.0], [2.0, 3.0]]

    def f(x):
        return x * len(lists[0]) + x * x * len(lists[1])

    check(f, lambda: lists[0].append(lists[1].pop(0)), wg.ones(2) * 2)


def test_watch_tells_calls_apart_that_come_one_after_the_other(device):
    shared = wg.ones(4)
    step = wg.compile(lambda x, y: x * 2 + y)
    rows = [
        (wg.ones(4), wg.ones(4)),
        (shared, shared),
        (wg.ones(8)[4:], wg.ones(8)[:4]),
        (wg.ones(4, dtype="int32"), wg.ones(4)),
        (wg.ones(4, requires_grad=True), wg.ones(4)),
        (wg.ones(4), 1.0),
    ]
    for _ in range(4):
        for x, y in rows:
            out = step(x, y)
            np.testing.assert_array_equal(out.numpy(), np.full(4, 3.0, "f"))
            assert out.requires_grad == x.requires_grad
            with wg.no_grad():
                assert not step(x, y).requires_grad


class _Holder:
    def __init__(self):
        self.value = self


def _looked_at():
    """Return containers of every kind, added to Identities, each with a change to it."""
    same = Identities()
    whole, part, live = {"a": _Holder()}, {"a": 1, "b": 2}, {"a": 0}
    listed, held = [1], _Holder()
    same.choose(whole, ("a",))
    same.choose(part, ("b",))
    same.truths.append((live, (False,)))
    same.lists.append((listed, (1,)))
    same.names.append((type, (held,), (_Holder,)))
    same.attributes.append((operator.attrgetter("value", "value"), held, (held, held)))
    return same, {
        "a value": lambda: whole.update(a=_Holder()),
        "a key": lambda: whole.update(b=whole.pop("a")),
        "one more": lambda: whole.update(b=1),
        "one less": lambda: whole.clear(),
        "a chosen value": lambda: part.update(b=3),
        "another key beside": lambda: part.update(c=part.pop("a")),
        "a truth": lambda: live.update(a=1),
        "an item": lambda: listed.__setitem__(0, True),
        "one item more": lambda: listed.append(1),
        "a class": lambda: setattr(held, "__class__", type("Other", (_Holder,), {})),
        "an attribute": lambda: setattr(held, "value", None),
        "a lost attribute": lambda: delattr(held, "value"),
    }


@pytest.mark.parametrize("change", _looked_at()[1])
def test_watch_notices_a_change_after_many_looks(change):
    same, changes = _looked_at()
    assert all([same.hold() for _ in range(20)])
    changes[change]()
    assert not same.hold()
