"""Compiled functions whose state is declared: one trace, and all that they find is named before."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import textwrap
import time
import warnings
import weakref

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import ArgumentError, IndexRangeError, TraceError


class Net(nn.Module):
    def __init__(self):
        # No bias: the gradient of one that a norm takes off again is but noise.
        self.layers = [nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8)]
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(8, 3)
        self.scale = 1.0

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.out(self.drop(x.relu())) * self.scale


def counted(function, **options):
    """Return a compiled function and a list that has an entry for each time its body ran."""
    ran = []

    def body(*args, **kwargs):
        ran.append(len(ran))
        return function(*args, **kwargs)

    return wg.compile(body, **options), ran


def trainer(make=optim.Adam, **settings):
    wg.manual_seed(5)
    model = Net()
    optimizer = make(model.parameters(), **settings)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


def values(model, optimizer):
    tensors = [*model.state_dict().values(), *(p.grad for p in model.parameters())]
    for kept in optimizer.state_dict()["state"].values():
        tensors += [x for x in kept.values() if isinstance(x, wg.Tensor)]
    return [x.numpy() for x in tensors]


def same(found, plain):
    assert len(found) == len(plain)
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


BATCH = 16


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (optim.Adam, {"lr": 0.05}),
        (optim.AdamW, {"lr": 0.05}),
        (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ],
)
def test_declared_training_equals_eager(device, make, settings):
    """With batch statistics, dropout, a changing rate, and a turn to evaluation in the midst."""
    ends = []
    for is_declared in (False, True):
        model, optimizer, step = trainer(make, **settings)
        run, ran = counted(step, state=[model, optimizer]) if is_declared else (step, [])
        losses = []
        for i in range(8):
            optimizer.lr = settings["lr"] / (1 + i)
            losses.append(run(wg.rand(BATCH, 6), wg.randint(0, 3, (BATCH,))).item())
        assert len(ran) == is_declared
        ends.append([np.array(losses), *values(model, optimizer), np.array(wg.get_rng_state()[1])])
    same(ends[1], ends[0])


def test_declared_values_are_followed_without_a_trace(device):
    model, optimizer, step = trainer(lr=0.05)
    other, theirs, plain = trainer(lr=0.05)
    x, y = wg.rand(BATCH, 6), wg.randint(0, 3, (BATCH,))
    run, ran = counted(step, state={"optimizer": optimizer, "model": model})

    def both(change=lambda model, optimizer: None):
        for m, o, f in ((model, optimizer, run), (other, theirs, plain)):
            change(m, o)
            wg.manual_seed(1)
            f(x, y)
        same(values(model, optimizer), values(other, theirs))

    start = copy.deepcopy((other.state_dict(), theirs.state_dict()))
    both()
    later = copy.deepcopy((other.state_dict(), theirs.state_dict()))
    both()
    both(lambda m, o: m.load_state_dict(later[0]))
    both(lambda m, o: o.load_state_dict(later[1]))  # new tensors take the places of others
    both()
    both(wg.no_grad()(lambda m, o: m.out.weight.assign(m.out.weight * 0.5)))
    both(lambda m, o: setattr(o, "lr", 0.001))
    assert len(ran) == 1
    both(lambda m, o: m.load_state_dict(start[0]))
    assert len(ran) == 1


def test_declared_modes_have_programs_of_their_own(device):
    model = Net()
    f, ran = counted(lambda x: model(x), state=model)
    x = wg.rand(BATCH, 6)
    model.eval()
    evaluated = model(x).numpy()
    for _ in range(3):
        np.testing.assert_allclose(f(x).numpy(), evaluated, rtol=1e-5, atol=1e-6)
    model.train()
    wg.manual_seed(3)
    f(x)
    f(x)
    assert len(ran) == 2
    assert f(x).tolist() != f(x).tolist()  # dropout draws anew
    model.eval()
    np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)
    assert len(ran) == 2


def test_declared_structures_that_change_are_traced_anew(device):
    model = Net()
    model.eval()
    f, ran = counted(lambda x: model(x), state=[model])
    x = wg.rand(4, 6)

    def check(traces):
        for _ in range(2):
            np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)
        assert len(ran) == traces

    check(1)
    model.layers.append(nn.Linear(8, 8).eval())
    check(2)
    model.out.weight.requires_grad_(False)
    check(3)
    model.scale = 2.0
    check(4)
    model.out.weight.requires_grad_(True)
    model.scale = 1.0
    check(4)  # as it was
    model.out = nn.Linear(8, 3)
    check(5)
    model.layers[1].running_mean = wg.ones(8)  # another buffer in its place
    check(5)
    model.note = "new"
    check(6)


def test_declared_requires_grad_decides_what_is_trained(device):
    w, b = wg.parameter([1.0, 2.0]), wg.parameter([1.0])
    optimizer = optim.SGD([w, b], lr=0.5)

    def step(x):
        optimizer.zero_grad()
        (w * x + b).sum().backward()
        optimizer.step()

    f, _ = counted(step, state=[optimizer])
    f(wg.ones(2))
    assert (w.tolist(), b.tolist()) == ([0.5, 1.5], [0.0])
    b.requires_grad_(False)
    f(wg.ones(2))
    f(wg.ones(2))
    assert (w.tolist(), b.tolist()) == ([-0.5, 0.5], [0.0])


def test_declared_gradients_gather_as_eager_ones(device):
    w = wg.parameter([1.0, 2.0])
    f, ran = counted(lambda x: (w * x).sum().backward(), state=[w])
    for i in range(1, 5):
        f(wg.ones(2))
        assert w.grad.tolist() == [i, i]
    assert len(ran) == 2  # without a gradient, and with one
    w.grad = None
    f(wg.ones(2))
    assert w.grad.tolist() == [1, 1]
    assert len(ran) == 2


# What is refused.
class Box:
    def __init__(self, x):
        self.x = x


def test_declared_strays_are_refused_by_name(device):
    w, stray = wg.parameter([1.0, 2.0]), wg.parameter([3.0, 4.0])
    box = Box(wg.ones(2))
    own = wg.Generator(3)
    sgd = optim.SGD([w], lr=0.1, momentum=0.9)

    def steps(x):
        (w * x).sum().backward()
        sgd.step()

    cases = [
        (
            lambda x: x * stray,
            "uses .*stray, a tensor of shape \\(2,\\) at .*test_declared.py, line",
        ),
        (lambda x: x * box.x, "box.x"),
        (lambda x: stray.assign(x), "stray"),
        (lambda x: stray.zero_grad(), "gradient of .*stray"),
        (lambda x: x * wg.rand(2, generator=own), "draws from Generator\\(seed=3.*neither"),
        (steps, "is not in state="),
    ]
    for f, words in cases:
        run = wg.compile(f, state=[w])
        with pytest.raises(TraceError, match=words):
            run(wg.ones(2))
        assert w.grad is None and stray.tolist() == [3, 4] and own.counter == 0
    for f, _ in cases[:2]:  # declared, they are used
        run = wg.compile(f, state=[w, stray, box.x])
        assert run(wg.ones(2)).tolist() == f(wg.ones(2)).tolist() == run(wg.ones(2)).tolist()


def test_declared_frozen_tensors_are_declared(device):
    table = wg.tensor([1.0, 2.0])
    f = wg.compile(lambda x: x * table, state=[], freeze=[table])
    assert [f(wg.ones(2)).tolist() for _ in range(3)] == [[1, 2]] * 3


def test_declared_arguments_are_state(device):
    model = nn.Linear(2, 2)
    own = wg.Generator(3)
    f, ran = counted(lambda m, x, g=None: m(x) + wg.rand(2, generator=g), state=[])
    other = nn.Linear(2, 2)
    x = wg.ones((1, 2))
    for m in (model, other, model, other, model):
        wg.manual_seed(3)
        found = f(m, x)
        wg.manual_seed(3)
        np.testing.assert_allclose(found.numpy(), (m(x) + wg.rand(2)).numpy(), rtol=1e-6)
    assert len(ran) == 2
    model.weight = wg.parameter(wg.zeros((2, 2)))
    wg.manual_seed(3)
    f(model, x)
    assert len(ran) == 3
    twin = wg.Generator(3)
    for _ in range(3):
        np.testing.assert_allclose(
            f(model, x, g=own).numpy(), (model(x) + wg.rand(2, generator=twin)).numpy(), rtol=1e-6
        )
    assert own.counter == twin.counter


def test_declared_generators_and_the_global_one_go_on(device):
    own, twin = wg.Generator(7), wg.Generator(7)
    f, ran = counted(lambda: (wg.rand(3, generator=own), wg.rand(2)), state=[own])
    wg.manual_seed(1)
    found = [[x.tolist() for x in f()] for _ in range(3)]
    wg.manual_seed(1)
    plain = [[wg.rand(3, generator=twin).tolist(), wg.rand(2).tolist()] for _ in range(3)]
    assert found == plain and len(ran) == 1


KEPT: list = []


class Keeps(nn.Module):
    def __init__(self):
        self.calls = 0
        self.last = wg.zeros(2)
        self.parts = []

    def counts(self, x):
        self.calls += 1
        return x * 2

    def keeps(self, x):
        self.last = x * 2
        return self.last

    def gathers(self, x):
        self.parts.append(x * 2)
        return x * 2

    def hides(self, x):
        KEPT.append(x * 2)
        return x * 2

    def turns(self, x):
        self.eval()
        return x * 2


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("counts", r"changes state.calls, which a replay would not"),
        ("keeps", r"keeps a tensor that is made at .*test_declared.py, line \d+ in state.last"),
        ("gathers", r"keeps a tensor .* in state.parts\[0\]"),
        ("hides", r"keeps a tensor that is made at .*test_declared.py, line"),
        ("turns", r"changes state, which a replay would not"),
    ],
)
def test_declared_changes_that_no_replay_makes_are_refused(device, method, words):
    model = Keeps()
    last = model.last
    f = wg.compile(getattr(model, method), state=model)
    with pytest.raises(TraceError, match=words):
        f(wg.ones(2))
    KEPT.clear()
    assert model.calls == 0 and model.last is last and model.parts == [] and model.training
    g = wg.compile(lambda x: x * 2 + model.last, state=model)
    assert [g(wg.ones(2)).tolist() for _ in range(3)] == [[2, 2]] * 3


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (lambda x: x * random.random(), "random.Random.random at .*line"),
        (lambda x: x * np.random.rand(), "random"),
        (lambda x: x * time.perf_counter(), "calls time.perf_counter at .*line"),
        (lambda x: float(x.sum()) * x, "reads a value"),
    ],
)
def test_declared_asks_nothing_of_the_world(device, does, words):
    with pytest.raises(TraceError, match=words):
        wg.compile(does, state=[])(wg.ones(2))


def test_declared_containers_among_arguments_stay(device):
    def f(xs):
        xs.append(xs[0] * 2)
        return xs[0]

    with pytest.raises(TraceError, match="changes the containers among its arguments"):
        wg.compile(f, state=[])([wg.ones(2)])


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("model", "state is 'model', and state= takes modules, optimizers"),
        (3, "state is 3"),
        ([None], r"state\[0\] is None"),
        ({"a": [1.0]}, r"state\['a'\]\[0\] is 1.0"),
        ([np.ones(2)], r"state\[0\] is "),
        ([lambda x: x], r"state\[0\] is <function"),
        ([nn.Linear], r"state\[0\] is <class"),
        ({wg.float32}, "state is "),
    ],
)
def test_declared_state_that_is_none_is_refused_at_once(state, words):
    with pytest.raises(ArgumentError, match=f"^compile: {words}"):
        wg.compile(lambda x: x, state=state)


def test_declared_state_is_no_function_and_no_result(device):
    def f(x):
        return x

    w = wg.parameter([1.0])
    with pytest.raises(ArgumentError, match=r"state\[0\] is <function"):
        wg.compile(f, state=[f])
    with pytest.raises(ArgumentError, match=r"state\[0\] is <compiled"):
        wg.compile(f, state=[wg.compile(nn.Linear(2, 2))])
    with pytest.raises(ArgumentError, match=r"state\[0\] is computed from other tensors"):
        wg.compile(f, state=[w * 2])


# What is not looked at.
def test_declared_python_state_is_read_once(device):
    box = Box(2.0)
    f, ran = counted(lambda x: x * box.x, state=[])
    assert f(wg.ones(1)).item() == 2
    box.x = 3.0
    assert f(wg.ones(1)).item() == 2
    assert len(ran) == 1


def test_declared_memory_that_is_shared_is_seen(device):
    a = wg.tensor([1.0, 2.0])
    f, _ = counted(lambda x: (a.assign(a + x), a * 1.0)[1], state=[a])
    assert f(wg.ones(2)).tolist() == [2, 3]
    assert f(a).tolist() == [4, 6]
    assert f(a).tolist() == [8, 12]
    assert f(wg.ones(2)).tolist() == [9, 13]
    assert f(a.detach()).tolist() == [18, 26]


def test_declared_results_may_be_state(device):
    a = wg.tensor([1.0, 2.0])
    holder = {"a": a}
    f, ran = counted(lambda x: (holder["a"], x + holder["a"]), state=holder)
    assert f(wg.ones(2))[0] is a
    assert f(wg.ones(2))[0] is a
    other = holder["a"] = wg.tensor([5.0, 5.0])
    found = f(wg.ones(2))
    assert found[0] is other and found[1].tolist() == [6, 6]
    assert len(ran) == 1


def test_declared_indices_are_checked_in_every_run(device):
    table, index = wg.tensor([1.0, 2.0, 3.0]), wg.tensor([0, 2])
    f, _ = counted(lambda: wg.take(table, index), state=[table, index])
    assert f().tolist() == [1, 3]
    index.assign(wg.tensor([1, 1]))
    assert f().tolist() == [2, 2]
    index.assign(wg.tensor([1, 9]))
    with pytest.raises(IndexRangeError):
        f()
    index.assign(wg.tensor([2, 1]))
    assert f().tolist() == [3, 2]


def test_declared_shapes_and_floats_have_programs_of_their_own(device):
    w = wg.tensor(2.0)
    f, ran = counted(lambda x, a: x * w * a, state=[w])
    for n in (1, 2, 1, 2):
        assert f(wg.ones(n), 0.5).tolist() == [1.0] * n
    assert len(ran) == 2
    for a in (0.25, 0.75, 3.5, 8.5):  # a float that varies is an input
        assert f(wg.ones(1), a).item() == 2 * a
    assert len(ran) == 3


def test_declared_errors_of_the_function_change_nothing(device):
    model, optimizer, step = trainer(lr=0.05)
    before = [x.numpy() for x in model.state_dict().values()]

    def fails(x, y):
        step(x, y)
        raise KeyError("mine")

    f = wg.compile(fails, state=[model, optimizer])
    with pytest.raises(KeyError, match="mine"):
        f(wg.rand(BATCH, 6), wg.randint(0, 3, (BATCH,)))
    same([x.numpy() for x in model.state_dict().values()], before)
    assert optimizer.state_dict()["state"] == {}
    assert all(p.grad is None for p in model.parameters())
    step(wg.rand(BATCH, 6), wg.randint(0, 3, (BATCH,)))  # goes on


def test_declared_functions_are_copied_with_their_state(device):
    model = nn.Linear(2, 2)
    f = wg.compile(model, state=model)
    g = copy.deepcopy(f)
    x = wg.ones((1, 2))
    with wg.no_grad():
        g.weight.assign(g.weight * 0)
        assert g(x).tolist() == [g.bias.tolist()]
        assert g(x).tolist() == [g.bias.tolist()]
        assert f(x).tolist() == model(x).tolist()
    again = pickle.loads(pickle.dumps(f))
    with wg.no_grad():
        assert again(x).tolist() == f(x).tolist()


def test_declared_objects_that_hold_each_other(device):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    a.other, b.other = b, a
    f, ran = counted(lambda x: a(b(x)), state=[a, b, (a, b)])
    x = wg.ones((1, 2))
    for _ in range(3):
        np.testing.assert_allclose(f(x).numpy(), a(b(x)).numpy(), rtol=1e-6)
    assert len(ran) == 1


def test_declared_arguments_that_hold_state_are_let_go(device):
    f = wg.compile(lambda m, x: m(x), state=[])
    layers: weakref.WeakSet = weakref.WeakSet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are so many
        for _ in range(60):
            layer = nn.Linear(2, 2).eval()
            layers.add(layer)
            f(layer, wg.ones((1, 2)))
    del layer
    gc.collect()
    assert len(layers) < 40


def test_declared_example_of_the_documentation_runs(device):
    lines = wg.compile.__doc__.split("\n")
    first = next(i for i, line in enumerate(lines) if line.strip().startswith("model = "))
    last = next(i for i, line in enumerate(lines) if "optimizer.lr" in line)
    names = {"wg": wg, "nn": nn, "optim": optim}
    exec(textwrap.dedent("\n".join(lines[first : last + 1])), names)
    names["step"](wg.ones((4, 2)), wg.zeros((4, 1)))
    assert len(names["step"].programs) == 1


def test_declared_as_a_decorator_on_both_devices(device):
    w = wg.parameter([1.0, 2.0])

    @wg.compile(state=[w])
    def f(x):
        return x @ w

    assert [f(wg.ones(2)).item() for _ in range(2)] == [3, 3]
    assert "compiled" in repr(f) and f.programs and f.explain() is not None


def test_declared_modules_that_move_take_their_programs_along(webgpu, numpy_device):
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU()).to(webgpu)
    f, ran = counted(lambda x: model(x), state=model)
    for device in (webgpu, numpy_device, webgpu, numpy_device):
        model.to(device)
        x = wg.ones((2, 6), device=device)
        for _ in range(2):
            np.testing.assert_allclose(f(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)
    assert len(ran) == 2


def test_declared_optimizers_that_get_more_parameters_are_traced_anew(device):
    w, b = wg.parameter([1.0, 2.0]), wg.parameter([1.0])
    optimizer = optim.SGD([w], lr=0.5, momentum=0.5)

    def step(x):
        optimizer.zero_grad()
        (w * x + b).sum().backward()
        optimizer.step()

    f, ran = counted(step, state=[optimizer, b])  # what the optimizer makes moves b no further
    f(wg.ones(2))
    f(wg.ones(2))
    assert (w.tolist(), b.tolist()) == ([-0.25, 0.75], [1.0])
    assert len(ran) == 2  # the gradient of b is none at first, and gathers then
    b.grad = None
    optimizer.add_param_group({"params": [b]})
    for _ in range(3):
        f(wg.ones(2))
    assert len(ran) == 3 and b.tolist() == [1 - 1 - 1.5 - 1.75]


def test_declared_settings_assigned_inside_are_refused(device):
    w = wg.parameter([1.0])
    optimizer = optim.SGD([w], lr=0.5)

    def step(lr):
        optimizer.lr = lr
        (w * 2).sum().backward()
        optimizer.step()

    f = wg.compile(step, state=[optimizer])
    with pytest.raises(TraceError, match=r"assigns SGD.lr at .*test_declared.py, line"):
        f(0.25)
    assert optimizer.lr == 0.5 and w.tolist() == [1] and w.grad is None


def test_declared_gradients_pass_through_as_always(device):
    w = wg.parameter([2.0])
    f = wg.compile(lambda x: x * w, state=[w])
    assert wg.grad(lambda x: (x * w).sum())(wg.ones(1)).tolist() == [2]
    with pytest.warns(UserWarning, match="runs uncompiled where gradients pass through it"):
        assert wg.grad(lambda x: f(x).sum())(wg.ones(1)).tolist() == [2]
    assert wg.vmap(f)(wg.ones((3, 1))).tolist() == [[2]] * 3
