"""vmap: the same results as a loop over the examples, in as many dispatches as for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from table import DIFFERENTIABLE, ROWS, Row, leading

import wgrad as wg
from wgrad import nn
from wgrad.core import REGISTRY, apply
from wgrad.errors import (
    ArgumentError,
    AxisError,
    DTypeError,
    GradientError,
    ShapeError,
    VmapError,
    WgradError,
)
from wgrad.ops.linear import Linear

B = 3
# Rows that ask for values: for the extent of their result, or for one of Python.
READS_VALUES = ("unique_", "nonzero", "bincount-plain", "masked_select", "allclose")


def parts(out: Any) -> tuple[wg.Tensor, ...]:
    return tuple(out) if isinstance(out, (tuple, list)) else (out,)


def assert_alike(found: wg.Tensor, expected: wg.Tensor, rtol: float = 2e-5) -> None:
    assert found.shape == expected.shape and found.dtype is expected.dtype
    a, b = found.numpy(), expected.numpy()
    if a.dtype.kind == "f":
        np.testing.assert_allclose(a, b, rtol, 1e-5)
    else:
        np.testing.assert_array_equal(a, b)


def assert_is_the_loop(row: Row, dtype: str) -> None:
    """All inputs in a batch, the first alone, and the last alone."""
    rng = np.random.default_rng(0)
    samples = [row.samples(rng, dtype) for _ in range(B)]
    examples = [[wg.tensor(x, dtype=x.dtype) for x in sample] for sample in samples]
    n = len(row.args)
    masks = {(True,) * n, (True,) + (False,) * (n - 1), (False,) * (n - 1) + (True,)}
    for mask in sorted(masks):
        if row.id.startswith("setitem") and not mask[0]:
            continue  # every example would assign to what all share
        given = [
            wg.stack([e[i] for e in examples]) if m else examples[0][i] for i, m in enumerate(mask)
        ]
        axes = tuple(0 if m else None for m in mask)
        found = parts(wg.vmap(row.call, axes, randomness="same")(*given))
        loop = [
            parts(row.call(*(e[i] if m else examples[0][i] for i, m in enumerate(mask))))
            for e in examples
        ]
        for k, out in enumerate(found):
            assert_alike(out, wg.stack([each[k] for each in loop]))


def by_id(rows: list) -> Any:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.id)


MAPPED = [row for row in ROWS if not row.id.startswith(READS_VALUES)]


def test_every_op_has_a_batching_rule():
    assert [name for name, op in REGISTRY.items() if op.batch is None] == []


@by_id(MAPPED)
def test_vmap_is_the_loop(row: Row, numpy_device):
    for dtype in sorted({row.dtypes[0], row.dtypes[-1]}):  # rules move axes of any dtype alike
        assert_is_the_loop(row, dtype)


def test_vmap_is_the_loop_on_a_gpu(webgpu):
    """A third of the rows: the rules are made of operations, which know their device themselves."""
    for row in MAPPED[::3]:
        if "float64" not in row.id and row.dtypes[0] != "float64" and row.id != "astype-float32":
            assert_is_the_loop(row, row.dtypes[0])


@by_id([row for row in ROWS if row.id.startswith(READS_VALUES)])
def test_vmap_of_what_asks_for_values_is_refused(row: Row, device, rng):
    given = [wg.stack([wg.tensor(x)] * B) for x in row.samples(rng, row.dtypes[0])]
    with pytest.raises(VmapError, match="value of one example"):
        wg.vmap(row.call)(*given)


# Derivatives and batches of a function are made of those of its ops, each of which has a row here.
@by_id(leading([row for row in DIFFERENTIABLE if not row.id.startswith(READS_VALUES)]))
def test_derivatives_inside_vmap_and_around_it_are_those_of_the_loop(row: Row, numpy_device):
    rng = np.random.default_rng(1)
    samples = [row.smooth_samples(rng) for _ in range(B)]
    examples = [[wg.tensor(x, dtype=x.dtype) for x in sample] for sample in samples]
    batch = [wg.stack(list(x)) for x in zip(*examples, strict=True)]

    def total(*args: Any) -> wg.Tensor:
        out = parts(row.call(*args))[0]
        return (out * wg.cos(out)).sum() if out.dtype.is_floating else out.sum() * args[0].sum()

    gradient = wg.grad(total, argnums=row.grad)
    loop = [gradient(*e) for e in examples]
    inside = wg.vmap(gradient, randomness="same")(*batch)
    around = wg.grad(
        lambda *args: wg.vmap(total, randomness="same")(*args).sum(), argnums=row.grad
    )(*batch)
    for k in range(len(row.grad)):
        expected = wg.stack([each[k] for each in loop])
        assert_alike(inside[k], expected, 1e-9)
        assert_alike(around[k], expected, 1e-9)
        assert not inside[k].requires_grad and not around[k].requires_grad
    i = row.grad[0]

    def along(*args: Any) -> wg.Tensor:
        def f(x: Any) -> wg.Tensor:
            return total(*(*args[:i], x, *args[i + 1 :]))

        return wg.jvp(f, (args[i],), (wg.cos(args[i]),))[1]

    assert_alike(
        wg.vmap(along, randomness="same")(*batch), wg.stack([along(*e) for e in examples]), 1e-9
    )


# Axes and trees.
def test_axes_say_where_the_examples_are(device):
    x, y = wg.randn(4, B), wg.randn(B, 4)
    out = wg.vmap(lambda a, b: a * b, in_axes=(1, 0), out_axes=-1)(x, y)
    np.testing.assert_array_equal(out.numpy(), x.numpy() * y.numpy().T)
    out = wg.vmap(lambda a, b: a + b, (None, -2))(x[:, 0], y)
    np.testing.assert_array_equal(out.numpy(), x.numpy()[:, 0] + y.numpy())


def test_arguments_and_results_are_trees(device):
    x, w = wg.randn(B, 4), wg.randn(4)

    def f(tree, pair):
        return {"sum": tree["x"] + pair[0], "both": [tree["w"], (pair[1] * 2, None)]}

    axes = ({"x": 0, "w": None}, (0, None))
    places = {"sum": 1, "both": [None, 0]}
    out = wg.vmap(f, axes, places)({"x": x, "w": w}, (x, w))
    np.testing.assert_array_equal(out["sum"].numpy(), (2 * x).numpy().T)
    np.testing.assert_array_equal(out["both"][0].numpy(), w.numpy())
    doubled, nothing = out["both"][1]
    np.testing.assert_array_equal(doubled.numpy(), np.stack([2 * w.numpy()] * B))
    assert nothing is None
    assert wg.vmap(lambda a, k: a * k, (0, None))(x, 2.0).shape == x.shape
    assert wg.vmap(lambda a, k=1: a * k)(x, k=w).shape == x.shape


def test_what_is_the_same_for_all_examples_has_memory_of_its_own(device):
    w = wg.ones(2)
    out = wg.vmap(lambda x: w)(wg.zeros(B))
    out += 1
    assert w.tolist() == [1, 1] and out.tolist() == [[2, 2]] * B


def test_chunks_are_one_batch(device):
    x = wg.randn(7, 3)

    def f(a):
        return {"sum": a.sum(), "a": a * 2}

    whole, chunked = wg.vmap(f)(x), wg.vmap(f, chunk_size=3)(x)
    for k in whole:
        np.testing.assert_allclose(chunked[k].numpy(), whole[k].numpy(), 1e-6)
    assert wg.vmap(lambda a: a * 2, out_axes=1, chunk_size=2)(x).shape == (3, 7)


def test_an_empty_batch_is_one(device):
    assert wg.vmap(lambda a: wg.exp(a).sum())(wg.zeros((0, 3))).shape == (0,)


def test_vmap_nests(device):
    x, y = wg.randn(B, 4), wg.randn(2, 4)
    out = wg.vmap(lambda a: wg.vmap(lambda b: (a * b).sum())(y))(x)
    np.testing.assert_allclose(out.numpy(), x.numpy() @ y.numpy().T, 1e-5)
    f = wg.grad(lambda w, a: wg.tanh(w * a).sum())
    outer = wg.vmap(wg.vmap(f, (0, None)), (None, 0))
    loop = [[f(y[j], x[i]).numpy() for j in range(2)] for i in range(B)]
    np.testing.assert_allclose(outer(y, x).numpy(), loop, 1e-5, 1e-6)


def test_gradients_of_any_order_pass_through_gradients_of_examples(device):
    """grad(vmap(grad)), also by what the function captures, and with recording off outside."""
    w, x = wg.randn(3, 2), wg.randn(B, 3)

    def loss(w, a):
        return wg.tanh(a @ w).sum()

    def penalty(w):
        return (wg.vmap(lambda a: wg.grad(loss)(w, a))(x) ** 2).sum()

    def looped(w):
        return wg.stack([(wg.grad(loss)(w, x[i]) ** 2).sum() for i in range(B)]).sum()

    expected = wg.grad(looped)(w).numpy()
    np.testing.assert_allclose(wg.grad(penalty)(w).numpy(), expected, 1e-4, 1e-5)
    p = wg.parameter(w)
    penalty(p).backward()
    np.testing.assert_allclose(p.grad.numpy(), expected, 1e-4, 1e-5)
    values, slopes = wg.vmap(wg.value_and_grad(loss), (None, 0))(p, x)
    assert values.requires_grad and slopes.requires_grad
    with wg.no_grad():
        off = wg.vmap(wg.grad(loss), (None, 0))(p, x)
    assert not off.requires_grad
    np.testing.assert_array_equal(off.numpy(), slopes.numpy())
    cut = wg.grad(lambda w: wg.vmap(lambda a: (a @ w * (a @ w).detach()).sum())(x).sum())(w)
    whole = wg.grad(lambda w: ((x @ w) * (x @ w).detach()).sum())(w)
    np.testing.assert_allclose(cut.numpy(), whole.numpy(), 1e-5)


def test_recording_off_inside_holds_for_all_levels(device):
    p = wg.parameter(wg.ones(2))

    def f(a):
        with wg.no_grad():
            scale = (a * p).sum()
        return (a * p).sum() * scale

    x = wg.randn(B, 2)
    wg.vmap(f)(x).sum().backward()
    expected = (x.numpy() * x.numpy().sum(1, keepdims=True)).sum(0)
    np.testing.assert_allclose(p.grad.numpy(), expected, 1e-5)


def test_vmap_of_vjp_and_of_jvp(device):
    w = wg.randn(3, 2)
    _, pull = wg.vjp(wg.sin, w)
    cts = wg.randn(B, 3, 2)
    found = wg.vmap(pull)(cts)
    np.testing.assert_allclose(found.numpy(), cts.numpy() * np.cos(w.numpy()), 1e-5, 1e-6)
    tangents = wg.vmap(lambda t: wg.jvp(wg.sin, (w,), (t,))[1])(cts)
    np.testing.assert_allclose(tangents.numpy(), found.numpy(), 1e-5, 1e-6)
    around = wg.jvp(lambda x: wg.vmap(wg.sin)(x), (w,), (cts[0],))[1]
    np.testing.assert_allclose(around.numpy(), found.numpy()[0], 1e-5, 1e-6)
    assert not found.requires_grad and not tangents.requires_grad


def test_compiled_vmap_and_vmap_of_what_is_compiled(device):
    w, x = wg.randn(3, 2), wg.randn(B, 3)
    f = wg.vmap(wg.grad(lambda w, a: wg.tanh(a @ w).sum()), (None, 0))
    compiled = wg.compile(f)
    expected = f(w, x).numpy()
    for _ in range(3):
        np.testing.assert_allclose(compiled(w, x).numpy(), expected, 1e-5, 1e-6)
    assert compiled.program.steps
    twice = wg.vmap(compiled, (None, 0))(w, wg.stack([x, x]))
    np.testing.assert_allclose(twice.numpy(), [expected] * 2, 1e-5, 1e-6)


def test_indices_of_examples_are_checked(device):
    table, index = wg.randn(5, 2), wg.tensor([[0, 4], [1, 1], [2, 3]])
    take = wg.vmap(lambda i: wg.take(table, i, axis=0))
    np.testing.assert_array_equal(take(index).numpy(), table.numpy()[index.numpy()])
    with pytest.raises(wg.errors.IndexRangeError, match="5"):
        take(index + 1)
    compiled = wg.compile(take)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(index).numpy(), table.numpy()[index.numpy()])
    with pytest.raises(wg.errors.IndexRangeError):
        compiled(index + 1).numpy()


def test_compiled_vmap_of_labels_and_of_assignment(device):
    """What a trace asks of indices, and of what is assigned to, it asks of the whole batch."""
    x, labels = wg.randn(B, 4, 5), wg.randint(0, 5, (B, 4))

    def loss(a, y):
        b = a * 1
        b[0] = a[1] * a[2]
        return wg.cross_entropy(b, y)

    each = wg.vmap(wg.grad(loss))
    expected = np.stack([wg.grad(loss)(x[i], labels[i]).numpy() for i in range(B)])
    compiled = wg.compile(each)
    for _ in range(3):
        np.testing.assert_allclose(compiled(x, labels).numpy(), expected, 1e-4, 1e-6)
    np.testing.assert_allclose(each(x, labels).numpy(), expected, 1e-4, 1e-6)
    with pytest.raises(wg.errors.IndexRangeError):
        each(x, labels + 5)


# Assignment and random numbers.
def test_examples_are_assigned_to(device):
    x = wg.randn(B, 4)

    def f(a):
        b = a.copy()
        b[0] = a[1]
        b[1:3] += 1
        b[a > 0] = 7
        b[wg.tensor([3, 3])] = wg.stack([a[0], a[2]])
        b *= 2
        return b

    before = x.numpy()
    np.testing.assert_allclose(wg.vmap(f)(x).numpy(), np.stack([f(a).numpy() for a in x]), 1e-6)
    np.testing.assert_array_equal(x.numpy(), before)
    wg.vmap(lambda a: a.assign(a * 2))(x)
    np.testing.assert_array_equal(x.numpy(), before * 2)


def test_assignment_inside_vmap_is_differentiated(device):
    x = wg.randn(B, 3)

    def f(a):
        b = a * 1
        b[0] = a[1] * a[2]
        return (b * b).sum()

    found = wg.vmap(wg.grad(f))(x)
    np.testing.assert_allclose(
        found.numpy(), np.stack([wg.grad(f)(a).numpy() for a in x]), 1e-5, 1e-6
    )
    around = wg.grad(lambda x: wg.vmap(f)(x).sum())(x)
    np.testing.assert_allclose(around.numpy(), found.numpy(), 1e-5, 1e-6)


def test_gradients_that_an_assignment_would_lose_are_refused_as_outside(device):
    def through_a_view(a):
        b = wg.zeros(3) + a.detach()
        b[0:2][1] = a[0]
        return b.sum()

    def older_view(a):
        b = wg.zeros(3) + a.detach()
        view = b[0:2]
        b[0] = a[0]
        return view.sum()

    def new_view(a):
        b = wg.zeros(3) + a.detach()
        b[0] = a[0] * a[1]
        return b[0:2].sum()

    x = wg.randn(B, 3)
    for f in (through_a_view, older_view):
        for call in (lambda f=f: wg.grad(f)(x[0]), lambda f=f: wg.vmap(wg.grad(f))(x)):
            with pytest.raises(GradientError):
                call()
    p = wg.parameter(x)
    with pytest.raises(GradientError, match="leaf that requires grad"):
        wg.vmap(lambda a: a.__setitem__(0, 1.0))(p)
    np.testing.assert_array_equal(p.numpy(), x.numpy())
    for f in (through_a_view, older_view):
        with pytest.raises(GradientError):
            wg.grad(lambda x, f=f: wg.vmap(f)(x).sum())(x)
    loop = np.stack([wg.grad(new_view)(a).numpy() for a in x])
    np.testing.assert_allclose(wg.vmap(wg.grad(new_view))(x).numpy(), loop, 1e-6)
    around = wg.grad(lambda x: wg.vmap(new_view)(x).sum())(x)
    np.testing.assert_allclose(around.numpy(), loop, 1e-6)


def test_assigning_examples_to_what_they_share_is_refused(device):
    w = wg.zeros(2)
    for f in (lambda a: w.assign(a), lambda a: w.__setitem__(0, a[0]), lambda a: w.__iadd__(a)):
        with pytest.raises(VmapError, match="all examples of a vmap share"):
            wg.vmap(f)(wg.ones((B, 2)))
    assert w.tolist() == [0, 0]
    wg.vmap(lambda a: (w.assign([1.0, 2.0]), a)[1])(wg.ones((B, 2)))
    assert w.tolist() == [1, 2]


def test_an_expanded_batch_is_not_assigned_to(device):
    x = wg.broadcast_to(wg.ones(2), (B, 2))
    with pytest.raises(ShapeError, match="expanded view"):
        wg.vmap(lambda a: a.assign(a * 2))(x)


def test_random_numbers_are_the_same_or_different(device):
    x = wg.zeros((B, 2))
    draws = (
        lambda: wg.rand(4),
        lambda: wg.randn(4, dtype="float16") if wg.float16 in device.dtypes else wg.randn(4),
        lambda: wg.randint(0, 1000, (4,)),
        lambda: wg.randperm(50),
        lambda: nn.functional.dropout(wg.ones(50)),
    )
    for draw in draws:

        def f(a, draw=draw):
            return a.sum() + draw()

        with pytest.raises(VmapError, match="randomness"):
            wg.vmap(f)(x)
        same = wg.vmap(f, randomness="same")(x).numpy()
        assert (same == same[0]).all()
        different = wg.vmap(f, randomness="different")(x).numpy()
        assert not (different[0] == different[1]).all() and different.shape == same.shape
    nested = wg.vmap(
        lambda a: wg.vmap(lambda b: b + wg.rand(()), randomness="same")(a), randomness="different"
    )
    rows = nested(x).numpy()
    assert (rows[:, 0] == rows[:, 1]).all() and len(set(rows[:, 0])) == B


# What is not an op of ours.
def test_custom_ops_are_mapped(device):
    @wg.custom_op(backward=lambda ct, out, x, w: (ct * w * 3, ct * x * 3))
    def thrice(x, w):
        return x * w * 3

    x, w = wg.randn(B, 2), wg.randn(2)

    def f(a, w):
        return (thrice(a, w) ** 2).sum()

    for g in (wg.grad(f), wg.grad(f, argnums=1)):
        loop = np.stack([g(a, w).numpy() for a in x])
        np.testing.assert_allclose(wg.vmap(g, (0, None))(x, w).numpy(), loop, 1e-5)
    around = wg.grad(lambda w: wg.vmap(f, (0, None))(x, w).sum())(w)
    np.testing.assert_allclose(around.numpy(), loop.sum(0), 1e-5)


def test_an_op_without_a_rule_runs_in_a_loop_and_says_so(device):
    class Mine(Linear):
        batch = None

    double = Mine(
        "double", lambda device, x: REGISTRY["add"].run(device, (x, x), {}), lambda ct: ct, ""
    )
    x = wg.randn(B, 2)
    with pytest.warns(UserWarning, match="double has no batching rule"):
        out = wg.vmap(lambda a: apply(double, a) + 1)(x)
    np.testing.assert_array_equal(out.numpy(), x.numpy() * 2 + 1)


# Modules.
class Attends(nn.Module):
    def __init__(self):
        self.attention = nn.MultiheadAttention(4, 2)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        y = self.attention(x, x, x)
        return self.out((y[0] if isinstance(y, tuple) else y).mean(axis=1))


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)), (6,)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(12, 2),
        ).eval(),
        (2, 4, 4),
    ),
    "attention": (Attends, (3, 4)),
}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_examples_of_a_model_come_in_one_pass(name, device):
    make, shape = MODELS[name]
    model = make()
    params = {n: p.detach() for n, p in model.named_parameters()}

    def loss(params, x, y):
        out = wg.functional_call(model, params, (wg.expand_dims(x, 0),))
        return wg.cross_entropy(out, wg.expand_dims(y, 0))

    each = wg.vmap(wg.grad(loss), in_axes=(None, 0, 0))

    def work(n: int) -> int:
        """Return how many kernels the gradients of n examples take."""
        x, y = wg.randn(n, *shape), wg.randint(0, 2, (n,))
        with wg.observe() as events:
            each(params, x, y)
        return sum(e.kind == "kernel" for e in events)

    assert work(4) == work(16)
    x, y = wg.randn(4, *shape), wg.randint(0, 2, (4,))
    found = each(params, x, y)
    loop = [wg.grad(loss)(params, x[i], y[i]) for i in range(4)]
    compiled = wg.compile(each)
    for _ in range(3):
        replayed = compiled(params, x, y)
    for k in params:
        expected = np.stack([g[k].numpy() for g in loop])
        np.testing.assert_allclose(found[k].numpy(), expected, 1e-4, 1e-6)
        np.testing.assert_allclose(replayed[k].numpy(), expected, 1e-4, 1e-6)


def test_an_ensemble_of_models_runs_at_once(device):
    models = [nn.Linear(3, 2) for _ in range(B)]
    stacked = {k: wg.stack([getattr(m, k).detach() for m in models]) for k in ("weight", "bias")}
    x = wg.randn(5, 3)
    out = wg.vmap(lambda p: wg.functional_call(models[0], p, x))(stacked)
    for found, model in zip(out, models, strict=True):
        np.testing.assert_allclose(found.numpy(), model(x).numpy(), 1e-5, 1e-6)


def test_backward_outside_of_vmap_reaches_the_parameters_inside(device):
    model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), wg.randn(B, 3)
    wg.vmap(lambda a: model(a).sum())(x).sum().backward()
    mapped = [p.grad.numpy() for p in model.parameters()]
    model.zero_grad()
    model(x).sum().backward()
    for g, p in zip(mapped, model.parameters(), strict=True):
        np.testing.assert_allclose(g, p.grad.numpy(), 1e-5, 1e-6)


def test_statistics_of_examples_are_not_those_of_a_shared_module(device):
    norm = nn.BatchNorm1d(3)
    with pytest.raises(VmapError, match="all examples of a vmap share"):
        wg.vmap(norm)(wg.randn(B, 5, 3))


def test_gradients_of_examples_have_memory_of_their_own(device):
    x = wg.randn(B, 2)
    a, b = wg.vmap(wg.grad(lambda a, b: (a + b).sum(), argnums=(0, 1)))(x, x)
    a += 5
    assert (b.numpy() == 1).all()


def test_compiled_dropout_of_examples_draws_anew_in_every_run(device):
    f = wg.compile(lambda x: wg.vmap(lambda a: nn.functional.dropout(a), randomness="different")(x))
    runs = [f(wg.ones((B, 50))).numpy() for _ in range(4)]
    assert (runs[2] != runs[3]).any() and (runs[3][0] != runs[3][1]).any()


def test_functional_call_leaves_the_module_as_it_was(device):
    model = nn.Linear(2, 1)
    weight, before = model.weight, model.weight.numpy()
    x, w = wg.ones((1, 2)), wg.parameter([[3.0, 4.0]])
    out = wg.functional_call(model, {"weight": w}, x)
    np.testing.assert_allclose(out.numpy(), [7 + model.bias.numpy()], 1e-6)
    out.sum().backward()
    assert w.grad.tolist() == [[1, 1]] and weight.grad is None
    with pytest.raises(ShapeError):
        wg.functional_call(model, {"weight": w}, (wg.ones((1, 3)),))
    assert model.weight is weight and weight.requires_grad
    np.testing.assert_array_equal(weight.numpy(), before)
    norm = nn.BatchNorm1d(2)
    state = {k: v.detach().copy() for k, v in norm.state_dict().items()}
    kept = norm.state_dict()
    wg.functional_call(norm, state, (wg.randn(8, 2),))
    assert any((state[k] - kept[k]).abs().max().item() > 0 for k in kept)
    for k, v in norm.state_dict().items():
        np.testing.assert_array_equal(v.numpy(), kept[k].numpy())


def test_functional_call_takes_every_name_of_a_tied_tensor(device):
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    x, w = wg.randn(3, 2), wg.randn(2, 2)
    expected = x.numpy() @ w.numpy().T @ w.numpy().T
    for names in (["0.weight"], ["1.weight"], list(model.state_dict())):
        found = wg.functional_call(model, dict.fromkeys(names, w), x)
        np.testing.assert_allclose(found.numpy(), expected, 1e-5, 1e-6)
    assert wg.functional_call(model, model.state_dict(), x).shape == (3, 2)
    with pytest.raises(ArgumentError, match=r"0\.weight and 1\.weight are two names of one"):
        wg.functional_call(model, {"0.weight": w, "1.weight": w * 2}, x)


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"weigth": wg.ones((1, 2))}, ArgumentError, "no parameter or buffer 'weigth'"),
        ({"weight": wg.ones(2)}, ShapeError, "the module's has"),
        ({"weight": 3.0}, DTypeError, "a tensor is needed"),
        ([wg.ones(2)], DTypeError, "a dict by name"),
    ],
)
def test_functional_call_checks_what_it_is_given(params, error, words):
    with pytest.raises(error, match=words):
        wg.functional_call(nn.Linear(2, 1), params, (wg.ones((1, 2)),))
    with pytest.raises(ArgumentError, match="a module is needed"):
        wg.functional_call(wg.exp, {}, ())


def test_the_same_numbers_are_the_same_in_every_chunk(device):
    def noisy(x: wg.Tensor) -> wg.Tensor:
        return x + wg.rand(3) + wg.randint(0, 100, (3,))

    def check(out: wg.Tensor) -> None:
        rows = out.numpy().reshape(-1, 3)
        assert (rows == rows[0]).all()

    chunked = wg.vmap(noisy, randomness="same", chunk_size=2)
    x = wg.zeros((5, 3))
    check(chunked(x))
    check(wg.vmap(chunked, randomness="same", chunk_size=1)(wg.zeros((3, 5, 3))))
    assert (chunked(x).numpy() != chunked(x).numpy()).any()  # each call draws anew
    compiled = wg.compile(lambda x: (chunked(x), wg.rand(3)))
    state = wg.get_rng_state()
    runs = [compiled(x) for _ in range(4)]
    for out, _ in runs:
        check(out)
    wg.set_rng_state(state)
    for out, last in runs:
        np.testing.assert_array_equal(out.numpy(), chunked(x).numpy())
        np.testing.assert_array_equal(last.numpy(), wg.rand(3).numpy())


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_jacobian_in_parts_draws_once(device, mode):
    def masked(x: wg.Tensor) -> wg.Tensor:
        return wg.tensor([2.0, 3.0, 4.0]) @ (x * (wg.rand(6, 6) > 0.5))[:3]

    square = wg.ones((6, 6))
    for size in (1, 2, 5):
        state = wg.get_rng_state()
        found = wg.jacobian(lambda x: masked(x) * 1.0, mode, chunk_size=size)(square)
        after = wg.get_rng_state()
        wg.set_rng_state(state)
        expected = wg.jacobian(masked, mode)(square)
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
        assert wg.get_rng_state() == after


def test_an_example_that_was_kept_says_so(device):
    kept = []
    wg.vmap(lambda a: kept.append(a) or a)(wg.ones((3, 2)))
    for use in (
        lambda: kept[0].numpy(),
        lambda: kept[0] + 1,
        lambda: wg.vmap(lambda a: a + kept[0])(wg.ones((3, 2))),
    ):
        with pytest.raises(VmapError, match="kept, and used after its vmap had ended"):
            use()


def test_pytorchs_names_of_the_axes_are_taken():
    out = wg.vmap(lambda a, b: a * b, in_dims=(1, None), out_dims=1)(wg.ones((2, 3)), wg.ones(2))
    assert out.shape == (2, 3)


def test_backward_inside_is_refused_for_what_it_is(device):
    w = wg.parameter([1.0, 2.0])

    def f(x: wg.Tensor) -> wg.Tensor:
        (x * w).sum().backward()
        return x

    with pytest.raises(GradientError, match="inside vmap"):
        wg.vmap(f)(wg.ones((3, 2)))


# Matrices of derivatives.
def test_jacobians_say_what_they_cannot_take(numpy_device):
    x = wg.ones(2)
    for call, words in (
        (lambda: wg.jacobian(lambda p: p["a"])({"a": x}), "jacobian: argument 0 is a dict"),
        (lambda: wg.hessian(lambda p: p[0].sum())([x, x]), "hessian: argument 0 is a list"),
        (lambda: wg.jacobian(lambda a: (a, a))(x), "jacobian: the function returned tuple"),
        (lambda: wg.jacobian(lambda a: (a, a), "forward")(x), "jacobian: the function returned"),
    ):
        with pytest.raises((DTypeError, GradientError), match=words):
            call()


def test_matrices_of_derivatives_take_one_pass(device):
    x = wg.randn(4)

    def kernels(f, x):
        with wg.observe() as events:
            f(x)
        return sum(e.kind == "kernel" for e in events)

    for mode in ("forward", "reverse"):
        f = wg.jacobian(lambda a: wg.sin(a) * a.sum(), mode)
        assert kernels(f, x) == kernels(f, wg.randn(9))
        loop = wg.jacobian(lambda a: wg.sin(a) * a.sum(), mode, chunk_size=1)(x)
        np.testing.assert_allclose(f(x).numpy(), loop.numpy(), 1e-5, 1e-6)
    h = wg.hessian(lambda a: (wg.sin(a) * a.sum()).sum())
    assert kernels(h, x) == kernels(h, wg.randn(9))
    np.testing.assert_allclose(h(x).numpy(), h(x).numpy().T, 1e-4, 1e-5)


def test_jacobian_of_a_rule_that_looks_at_values_takes_one_row_at_a_time(device):
    @wg.custom_op(backward=lambda ct, out, x: wg.tensor(ct.numpy() * 2.0))
    def double(x):
        return x * 2

    found = wg.jacobian(lambda x: double(x), "reverse")(wg.ones(3))
    np.testing.assert_array_equal(found.numpy(), 2 * np.eye(3))
    branches = wg.jacobian(lambda x: x * 2 if x.sum() > 0 else x, "forward")(wg.ones(3))
    np.testing.assert_array_equal(branches.numpy(), 2 * np.eye(3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own import
def test_vmap_agrees_with_torch(numpy_device):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    w, x, y = (rng.standard_normal(s) for s in ((4, 3), (5, 4), (5, 3)))

    def ours(w, a, b):
        return (wg.softmax(wg.tanh(a @ w), axis=-1) * b).sum()

    def theirs(w, a, b):
        return (torch.softmax(torch.tanh(a @ w), -1) * b).sum()

    tensors = [wg.tensor(v, dtype="float64") for v in (w, x, y)]
    others = [torch.tensor(v) for v in (w, x, y)]
    axes = (None, 0, 0)
    np.testing.assert_allclose(
        wg.vmap(wg.grad(ours), axes)(*tensors).numpy(),
        torch.func.vmap(torch.func.grad(theirs), axes)(*others).numpy(),
        1e-10,
    )
    np.testing.assert_allclose(
        wg.vmap(wg.hessian(lambda b: ours(tensors[0], b, tensors[2][0])))(tensors[1]).numpy(),
        torch.func.vmap(torch.func.hessian(lambda b: theirs(others[0], b, others[2][0])))(
            others[1]
        ).numpy(),
        1e-8,
        1e-10,
    )


# Bad input.
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: wg.vmap(wg.exp, 3)(x), AxisError, "axis 3 came for argument 0"),
        (lambda x: wg.vmap(wg.exp, "a")(x), ArgumentError, "an integer or None"),
        (lambda x: wg.vmap(wg.exp, True)(x), ArgumentError, "an integer or None"),
        (lambda x: wg.vmap(wg.add, (0,))(x, x), ArgumentError, "1 entries, and 2 arguments"),
        (lambda x: wg.vmap(wg.add)(x, x[:1]), ShapeError, "argument 0 has 2 .*argument 1 has 1"),
        (lambda x: wg.vmap(wg.exp, None)(x), ArgumentError, "no argument has a batch axis"),
        (lambda x: wg.vmap(lambda: x)(), ArgumentError, "no argument has a batch axis"),
        (lambda x: wg.vmap(lambda a: 3.0)(x), DTypeError, "result of the function is 3.0"),
        (lambda x: wg.vmap(lambda a: {"y": "z"})(x), DTypeError, "result 'y'"),
        (lambda x: wg.vmap(lambda a, b: a)(x, 3.0), DTypeError, "argument 1 is 3.0"),
        (lambda x: wg.vmap(wg.exp, out_axes=5)(x), AxisError, "axis 5 came for result"),
        (lambda x: wg.vmap(wg.exp, out_axes=None)(x), ArgumentError, "differs from example"),
        (lambda x: wg.vmap(lambda a: a, ({"k": 0},))({"j": x}), ArgumentError, "has the keys"),
        (lambda x: wg.vmap(lambda a: a, ((0, 0),))((x,)), ArgumentError, "2 axes came"),
        (lambda x: wg.vmap(wg.exp, ((0,),))(x), ArgumentError, "one tensor"),
        (lambda x: wg.vmap(wg.exp, randomness="no")(x), ArgumentError, "randomness='no'"),
        (lambda x: wg.vmap(wg.exp, chunk_size=0)(x), ArgumentError, "chunk_size is 0"),
        (lambda x: wg.vmap(5), ArgumentError, "a function is needed"),
        (lambda x: wg.vmap(lambda a: a if a.sum() > 0 else -a)(x), VmapError, "wg.where"),
        (lambda x: wg.vmap(lambda a: a * a.sum().item())(x), VmapError, "value of one example"),
        (lambda x: wg.vmap(lambda a: float(a.sum()))(x), VmapError, "value of one example"),
    ],
)
def test_bad_input_is_named(call, error, words, device):
    with pytest.raises(error, match=words) as caught:
        call(wg.ones((2, 3)))
    assert "\n" not in str(caught.value)
    assert wg.exp(wg.zeros(1)).tolist() == [1]


def test_backward_of_an_example_is_refused(device):
    p = wg.parameter(wg.ones(2))
    with pytest.raises(GradientError, match=r"take wg\.grad"):
        wg.vmap(lambda a: (a * a.requires_grad_()).sum().backward())(wg.ones((B, 2)))
    assert p.grad is None


def test_an_example_that_outlives_its_vmap_has_no_value(device):
    kept = []
    wg.vmap(lambda a: kept.append(a) or a)(wg.ones((B, 2)))
    assert "example of a vmap" in repr(kept[0])
    with pytest.raises(WgradError):
        (kept[0] + 1).numpy()
