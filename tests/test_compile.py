"""Compiled functions: every call, traced or replayed, leaves what a plain call leaves."""

import gc
import threading

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import wgrad as wg
from wgrad import nn, optim


def same(a: wg.Tensor, b: wg.Tensor, exact: bool = False) -> None:
    assert a.shape == b.shape and a.dtype is b.dtype
    if exact:
        assert np.array_equal(a.numpy(), b.numpy(), equal_nan=True)
    else:
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-6, atol=2e-6)


def twice(f, *args, fuse=True):
    """Call compiled f (two traces, a replay) and f itself; check that all agree."""
    g = wg.compile(f, fuse=fuse)
    plain = f(*args)
    for _ in range(3):
        same(g(*args), plain)
    assert len(g.programs) == 1
    return g


# The same as eager.
@pytest.mark.parametrize("fuse", [True, False])
def test_compile_trains_as_eager_does(device, fuse):
    def train(compiled: bool):
        model = nn.MLP(6, [8, 3], seed=3)
        optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-3)

        def step(x, y):
            loss = nn.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = wg.compile(step, fuse=fuse) if compiled else step
        data, labels = wg.rand(40, 6), wg.randint(0, 3, (40,))
        losses = []
        for i in range(12):
            optimizer.lr = 0.2 / (1 + i)  # a setting that changes from step to step
            k = i % 5 * 8
            losses.append(run(data[k : k + 8], labels[k : k + 8]).item())
        if compiled:
            assert len(run.programs) == 1
        grads = [p.grad.numpy() for p in model.parameters()]
        return losses, [p.numpy() for p in model.parameters()], grads, optimizer.state_dict()

    wg.manual_seed(5)
    plain = train(False)
    wg.manual_seed(5)
    found = train(True)
    np.testing.assert_allclose(found[0], plain[0], rtol=1e-5)
    for a, b in zip(found[1] + found[2], plain[1] + plain[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for i, entry in plain[3]["state"].items():
        same(found[3]["state"][i]["momentum_buffer"], entry["momentum_buffer"])


@pytest.mark.parametrize("outside", ["zero_grad", "none", "accumulate"])
def test_compile_leaves_gradients_as_eager_does(device, outside):
    w = wg.parameter([1.0, 2.0, 3.0])
    plain = wg.parameter([1.0, 2.0, 3.0])

    def f(w, x):
        (w * w * x).sum().backward()

    step = wg.compile(lambda x: f(w, x))
    for i in range(5):
        x = wg.full((3,), i + 1.0)
        step(x)
        f(plain, x)
        assert w.grad.tolist() == plain.grad.tolist()
        if outside == "zero_grad":
            w.zero_grad()
            plain.zero_grad()
        elif outside == "none":
            w.grad = plain.grad = None
    assert len(step.programs) <= 2


def test_compile_finds_new_gradients_made_outside(device):
    w = wg.parameter([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.5)
    step = wg.compile(lambda: optimizer.step())
    for i in range(3):
        w.grad = None
        (w * (i + 1.0)).sum().backward()
        step()
    assert w.tolist() == [1 - 0.5 * 6, 2 - 0.5 * 6]
    assert len(step.programs) == 1


def test_compile_assign_and_views(device):
    state = wg.zeros(6)

    @wg.compile
    def step(x):
        state[2:4].assign(x * 2)
        state[::-2].assign(state[::-2] + 1)
        return state.sum()

    plain = np.zeros(6, np.float32)
    version = state.array.storage.version
    for i in range(3):
        x = np.array([i, i + 1], np.float32)
        plain[2:4] = x * 2
        plain[::-2] += 1
        assert step(wg.tensor(x)).item() == plain.sum()
        assert state.tolist() == plain.tolist()
    assert state.array.storage.version > version


def test_compile_updates_an_argument_in_place(device):
    @wg.compile
    def double(x):
        x.assign(x * 2)

    for start in (1.0, 5.0):
        x = wg.tensor([start, 2.0])
        double(x)
        double(x)
        assert x.tolist() == [4 * start, 8.0]


def test_compile_random_numbers_go_on_as_in_eager(device):
    def f(x):
        return x + wg.rand(4) + wg.randn(4) * wg.rand(1)

    g = wg.compile(f)
    x = wg.zeros(4)
    wg.manual_seed(7)
    plain = [f(x) for _ in range(3)]
    after = wg.get_rng_state()
    wg.manual_seed(7)
    for p in plain:
        same(g(x), p)
    assert wg.get_rng_state() == after
    assert plain[0].tolist() != plain[1].tolist()


def test_compile_nested_containers_and_static_arguments(device):
    @wg.compile
    def f(batch, scale, mode="sum"):
        a, (b, c) = batch["a"], batch["rest"]
        out = {"total": a * scale + b, "same": c}
        return out if mode == "sum" else [a]

    batch = {"a": wg.ones(2), "rest": (wg.ones(2), wg.zeros(3))}
    for _ in range(2):
        out = f(batch, 3)
        assert out["total"].tolist() == [4, 4] and out["same"].tolist() == [0, 0, 0]
    assert f(batch, 4)["total"].tolist() == [5, 5]
    assert f(batch, 3, mode="other")[0].tolist() == [1, 1]
    assert len(f.programs) == 3
    assert f(batch, 3)["same"] is batch["rest"][1]


def test_compile_tensors_found_outside_are_inputs_not_constants(device):
    w = wg.tensor([1.0, 2.0])
    f = wg.compile(lambda x: x * w)
    x = wg.tensor([3.0, 4.0])
    assert f(x).tolist() == [3, 8]
    w.assign([10.0, 20.0])
    assert f(x).tolist() == [30, 80]


def test_compile_forward_and_higher_derivatives(device):
    x = wg.tensor([0.5, -1.0, 2.0])
    twice(lambda x: wg.jvp(lambda a: a.tanh() * a, (x,), (x * 2,))[1], x)
    twice(lambda x: wg.hessian(lambda a: (a**3).sum() + a.prod())(x), x)


def test_compile_inside_compile_and_in_threads(device):
    inner = wg.compile(lambda x: x * 2)
    outer = wg.compile(lambda x: inner(x) + 1)
    seen = {}

    def work(i):
        with device:
            seen[i] = [outer(wg.full((3,), float(k))).tolist() for k in range(i, i + 5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == {i: [[2.0 * k + 1] * 3 for k in range(i, i + 5)] for i in range(4)}


def test_compile_follows_train_and_eval(device):
    class Layer(nn.Module):
        def forward(self, x):
            return x * 2 if self.training else x

    layer = Layer()
    f = wg.compile(lambda x: layer(x))
    x = wg.ones(2)
    assert f(x).tolist() == [2, 2]
    layer.eval()
    assert f(x).tolist() == [1, 1]
    layer.train()
    assert f(x).tolist() == [2, 2]


# What it refuses, and what it leaves alone.
def test_compile_results_refuse_a_backward_pass_and_forward_mode_is_right(device):
    w = wg.parameter([1.0, 2.0])
    f = wg.compile(lambda x: (x * x * w).sum())
    x = wg.tensor([3.0, 4.0])
    with pytest.raises(wg.errors.GradientError, match="compiled function"):
        f(x).backward()
    with pytest.raises(wg.errors.GradientError, match="compiled function"):
        (f(x) + (w * 2).sum()).backward()
    assert w.grad is None
    with pytest.warns(UserWarning, match="gradients pass through it"):
        assert wg.grad(lambda x: f(x))(x).tolist() == [6, 16]
    assert f(x).detach().item() == 41
    with wg.no_grad():
        assert not f(x).requires_grad
    value, slope = wg.jvp(f, (x,), (wg.ones(2),))
    assert value.item() == 41 and slope.item() == 22
    assert not wg.compile(lambda x: x * 2)(x).requires_grad


def test_compile_refuses_to_read_a_value_and_names_the_line(device):
    w = wg.parameter([1.0])
    w.grad = wg.tensor([7.0])
    version = w.array.storage.version
    state = wg.get_rng_state()

    @wg.compile
    def f(x):
        wg.rand(3)
        (w * x).sum().backward()
        with wg.no_grad():
            w.assign(w * 2)
        return x.sum().item()

    with pytest.raises(wg.errors.TraceError, match=r"test_compile\.py, line \d+"):
        f(wg.ones(1))
    assert w.tolist() == [1] and w.grad.tolist() == [7]
    assert w.array.storage.version == version and wg.get_rng_state() == state
    assert w.is_leaf and w.requires_grad


def test_compile_checks_labels_before_every_run(device):
    f = wg.compile(lambda x, y: nn.cross_entropy(x, y))
    x = wg.rand(4, 3)
    f(x, wg.tensor([0, 1, 2, 0]))
    with pytest.raises(wg.errors.IndexRangeError, match="label 3"):
        f(x, wg.tensor([0, 1, 3, 0]))
    same(f(x, wg.tensor([2, 1, 0, 0])), nn.cross_entropy(x, wg.tensor([2, 1, 0, 0])))


def test_compile_refuses_unhashable_arguments(device):
    f = wg.compile(lambda x, *rest: x * 2)
    with pytest.raises(wg.errors.ArgumentError, match="ndarray"):
        f(wg.ones(1), np.ones(1))
    assert f(wg.ones(1)).tolist() == [2]


def test_compile_warns_when_signatures_do_not_end(device):
    f = wg.compile(lambda x, k: x + k)
    x = wg.ones(1)
    with pytest.warns(UserWarning, match="16 signatures"):
        for k in range(20):
            assert f(x, k).tolist() == [1 + k]
    assert len(f.programs) <= 16


def test_compile_results_and_captures_do_not_leak(device):
    f = wg.compile(lambda x: (x * 2).sum())
    x = wg.ones(1000)
    f(x)
    f(x).numpy()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        last = f(x)
    last.numpy()  # on a GPU, recorded work is let go when it is submitted
    gc.collect()
    assert len(gc.get_objects()) - before < 100


# Random programs.
UNARY = ["tanh", "abs", "sigmoid", "relu", "square", "negative", "sin"]
BINARY = ["add", "multiply", "subtract", "maximum", "minimum"]
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(UNARY), st.integers(0, 9)),
        st.tuples(st.sampled_from(BINARY), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("number"), st.integers(0, 9), st.sampled_from([0.5, -1.25, 2.0])),
        st.tuples(
            st.sampled_from(["T", "flip", "sum0", "sum1", "row", "mm", "max"]), st.integers(0, 9)
        ),
    ),
    min_size=1,
    max_size=14,
)


def build(plan, x, y):
    """Run a random plan over square matrices; every intermediate is one again."""
    values = [x, y]
    for name, i, *rest in plan:
        a = values[i % len(values)]
        if name in UNARY:
            out = getattr(wg, name)(a)
        elif name in BINARY:
            out = getattr(wg, name)(a, values[rest[0] % len(values)])
        elif name == "number":
            out = a * rest[0] + 0.25
        elif name == "T":
            out = a.T
        elif name == "flip":
            out = wg.flip(a, 1)
        elif name in ("sum0", "sum1", "max"):
            reduced = a.max(axis=1, keepdims=True) if name == "max" else a.mean(int(name[3]), True)
            out = wg.broadcast_to(reduced, a.shape)
        elif name == "row":
            out = a * 0.5 + a[:1]
        else:
            out = (a @ values[-1]) * 0.1
        values.append(out)
    return values[-1].tanh()


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps, st.integers(1, 5))
def test_compile_random_programs_equal_eager(plan, n):
    with wg.device("numpy"):
        rng = np.random.default_rng(n)
        x, y = (wg.tensor(rng.standard_normal((n, n)).astype("f4")) for _ in range(2))

        def with_gradients(x, y):
            value, grads = wg.value_and_grad(lambda x, y: build(plan, x, y).sum(), (0, 1))(x, y)
            return build(plan, x, y), value, *grads

        plain = with_gradients(x, y)
        for fuse in (True, False):
            g = wg.compile(with_gradients, fuse=fuse)
            for _ in range(2):
                for a, b in zip(g(x, y), plain, strict=True):
                    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-5)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(plan=steps)
def test_compile_random_programs_agree_on_the_gpu(webgpu, plan):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((4, 4)).astype("f4") for _ in range(2))
    g = wg.compile(lambda x, y: build(plan, x, y))
    found = g(wg.tensor(x), wg.tensor(y))
    with wg.device("numpy"):
        plain = build(plan, wg.tensor(x), wg.tensor(y))
    np.testing.assert_allclose(found.numpy(), plain.numpy(), rtol=1e-4, atol=1e-4)
