"""Random programs: compiled, and after every pass, they do what they do eagerly.

`WGRAD_FUZZ=1000 pytest tests/test_fuzz_compile.py` tries 1000 fresh ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, given, reject, settings
from programs import Traced, traced

import wgrad as wg
from wgrad import optim
from wgrad.backends.array import Array
from wgrad.environment import Variable, count
from wgrad.layout import Layout
from wgrad.program.ir import Program
from wgrad.program.lower import numpy as source
from wgrad.program.passes import PASSES, simplify
from wgrad.program.passes.limits import Limits
from wgrad.program.run.plain import PlainExecutor

MOST = 300  # elements of a value
FRESH = Variable("WGRAD_FUZZ", count, 0).read()
Make = Callable[["Run", int, int, int], wg.Tensor]

UNARY: list[Callable] = [
    wg.tanh,
    wg.abs,
    wg.sigmoid,
    wg.relu,
    wg.negative,
    wg.sin,
    lambda x: wg.exp(wg.tanh(x)),
    lambda x: wg.log(wg.abs(x) + 1),
    lambda x: wg.sqrt(x * x + 0.5),
    lambda x: wg.reciprocal(wg.abs(x) + 0.5),
    lambda x: x * 1 / 1 - 0.0,
    lambda x: x * 0.5 + 0.25,
    lambda x: 1 - x,
    lambda x: wg.clip(x, -1, 1),
    lambda x: x + wg.rand(*x.shape),
    lambda x: x * wg.randn(*x.shape[-1:]),
    lambda x: x * wg.ones(x.shape) + wg.zeros(x.shape),
]
BINARY = [wg.add, wg.subtract, wg.multiply, wg.maximum, wg.minimum]
COMPARE = [wg.less, wg.greater_equal, wg.equal, wg.not_equal]
FOLDS = [wg.sum, wg.mean, wg.max, wg.min, wg.prod, wg.logsumexp]


class Run:
    """One call of a random function: the values so far, and the tensors that live outside."""

    def __init__(self, args: list[wg.Tensor], state: list[wg.Tensor], labels: wg.Tensor):
        self.floats = list(args)
        self.others: list[wg.Tensor] = [labels * 2 - 1, args[0] > 0]  # int32 and bool
        self.state = state
        self.labels = labels

    def any(self, i: int) -> wg.Tensor:
        return self.floats[-1 - i % min(len(self.floats), 6)]

    def like(self, x: wg.Tensor, i: int) -> wg.Tensor:
        """Return a value that broadcasts to the shape of x."""
        y = self.any(i)
        try:
            fits = np.broadcast_shapes(x.shape, y.shape) == x.shape
        except ValueError:
            fits = False
        return y if fits else y.sum() * 0.1


def axes(x: wg.Tensor, i: int) -> Any:
    """Return some axes of x, or None."""
    found = tuple(a for a in range(x.ndim) if i >> a & 1)
    return found or None


def view(x: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Return a part of x: steps, flips, single places."""
    key: list[Any] = []
    for n in x.shape:
        i, kind = divmod(i, 5)
        key.append(
            [slice(None), slice(None, None, -1), slice(j % 2, None, 2), slice(None, n - 1), n - 1][
                kind if n > 1 else 0
            ]
        )
    return x[tuple(key)]


def shaped(x: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Return the elements of x, or several of each, in another shape."""
    kind = j % 7
    if kind == 0:
        return x.reshape(-1) if x.size else x
    if kind == 1 and x.ndim:
        order = np.random.default_rng(i).permutation(x.ndim)
        return x.permute_dims(tuple(int(a) for a in order))
    if kind == 2:
        return wg.expand_dims(x, i % (x.ndim + 1))
    if kind == 3 and x.ndim > 1 and x.size:
        return x.mT.reshape((x.shape[0], -1))
    if kind == 4:
        return wg.broadcast_to(x, (i % 3 + 1, *x.shape))
    if kind == 5 and x.size % 2 == 0 and x.size:
        return x.reshape((2, -1)) if i % 2 else x.reshape((-1, 2))
    return wg.squeeze(x) if kind == 6 else x.copy()


def product(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
    """Return x times y, or times itself where they do not fit."""
    if not x.ndim:
        return x * y.sum()
    tries = [y, y.mT] if y.ndim > 1 else [y]
    for other in tries:
        if other.ndim and other.shape[-2 if other.ndim > 1 else -1] == x.shape[-1]:
            try:
                return x @ other * 0.3
            except wg.errors.ShapeError:
                continue
    return (x.mT @ x if x.ndim > 1 else x @ x) * 0.3


def looked_up(run: Run, x: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Return elements of x at indices: those of the labels (0 and 1), or fixed ones."""
    if not x.ndim or not x.size:
        return wg.one_hot(run.labels[: i % 4 + 1], 3)
    axis, kind = i % x.ndim, j % 5
    n = x.shape[axis]
    if kind == 0 or n < 2:
        return wg.take(x, [0, n - 1, 0], axis)
    if kind == 1:
        return wg.take(x, run.labels[: j % 3 + 1], axis)
    places = run.labels[: j % 3 + 1].reshape(tuple(-1 if a == axis else 1 for a in range(x.ndim)))
    if kind == 2:
        return wg.take_along_axis(x, places, axis)
    shape = tuple(places.shape[axis] if a == axis else m for a, m in enumerate(x.shape))
    if kind == 3:
        return wg.scatter_add(x, wg.broadcast_to(places, shape), wg.ones(shape, x.dtype), axis)
    rows = x.reshape((-1, x.shape[-1]))
    if rows.shape[0] > 6 or rows.shape[-1] < 2:
        return wg.one_hot(run.labels, 2) * x.sum()
    return wg.cross_entropy(rows, run.labels[: rows.shape[0]], reduction=("mean", "none")[i % 2])


def joined(x: wg.Tensor, y: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Return several tensors as one, or one with an edge."""
    y = wg.broadcast_to(y, x.shape)
    if not x.ndim or j % 3 == 0:
        return wg.stack([x, y, x], i % (x.ndim + 1))
    if j % 3 == 1:
        return wg.concat([y, x], i % x.ndim)
    if not x.size or i % 4 == 0:
        return wg.pad(x, [((i + a) % 2, i % 3) for a in range(x.ndim)], value=0.5)
    if i % 4 == 1:
        return wg.pad(x, [((j + a) % 2, j % 3) for a in range(x.ndim)], "reflect") * 0.5
    if i % 4 == 2:
        return wg.roll(x, (j, i), (0, -1)) * 0.5  # work, also where it moves nothing
    parts = wg.unstack(x, j % x.ndim)
    return wg.tril(wg.stack([parts[0], parts[-1]])) if x.ndim > 1 else wg.diag(x, 1)


def whole(run: Run, i: int, j: int) -> wg.Tensor:
    """Make another integer or truth value, and return floats that follow from it."""
    x = run.others[i % len(run.others)]
    y = run.others[-1]
    if x.dtype is wg.bool:
        made = [~x, x.any(), wg.logical_xor(x, x.all()), x.astype(int)][j % 4]
    else:
        made = [x * 3 - 1, x.sum(), x > 0, -x, x.max()][j % 5]
    run.others.append(made)
    return (
        wg.where(y, made.astype(run.any(0).dtype), 0.5)
        if y.dtype is wg.bool and (y.shape == made.shape)
        else made.astype(run.any(0).dtype)
    )


def chosen(run: Run, x: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Return a choice by a comparison."""
    test = COMPARE[j % 4](x, run.like(x, i) * 0.5)
    run.others.append(test)
    return wg.where(test, x, run.like(x, j))


def assigned(run: Run, x: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Write to what lives outside, or to a part of it, and return it as it is then."""
    target = run.state[i % len(run.state)]
    part = [target, target[::-1], target[1:], target.T, target[..., ::2]][j % 5]
    value = x.detach()
    try:
        fits = np.broadcast_shapes(part.shape, value.shape) == part.shape
    except ValueError:
        fits = False
    part.assign((value if fits else value.sum()).tanh() + part * 0.5)
    return target.copy()


def softened(x: wg.Tensor, i: int, j: int) -> wg.Tensor:
    """Return a softmax over an axis."""
    if not x.ndim:
        return x.tanh()
    return (wg.softmax if j % 2 else wg.log_softmax)(x, i % x.ndim)


OPS: list[Make] = [
    lambda r, i, j, k: UNARY[j % len(UNARY)](r.any(i)),
    lambda r, i, j, k: UNARY[k % len(UNARY)](r.any(i)),
    lambda r, i, j, k: BINARY[j % 5](r.any(i), r.like(r.any(i), k)),
    lambda r, i, j, k: BINARY[k % 5](r.like(r.any(i), j), r.any(i)),
    lambda r, i, j, k: FOLDS[j % 6](r.any(i), axes(r.any(i), k), bool(j & 8)),
    lambda r, i, j, k: r.any(i) - r.any(i).mean(axes(r.any(i), k), True),
    lambda r, i, j, k: softened(r.any(i), j, k),
    lambda r, i, j, k: product(r.any(i), r.any(j)),
    lambda r, i, j, k: view(r.any(i), j * 11 + k, k),
    lambda r, i, j, k: shaped(r.any(i), j, k),
    lambda r, i, j, k: looked_up(r, r.any(i), j, k),
    lambda r, i, j, k: joined(r.any(i), r.like(r.any(i), i + 1), j, k),
    lambda r, i, j, k: whole(r, j, k),
    lambda r, i, j, k: chosen(r, r.any(i), j, k),
    lambda r, i, j, k: assigned(r, r.any(i), j, k),
]
Plan = list[tuple[int, int, int, int]]


def carried_out(plan: Plan, run: Run) -> list[wg.Tensor]:
    """Do what a plan says, leaving out what the values do not allow; return the last values."""
    for op, i, j, k in plan:
        try:
            made = OPS[op](run, i, j, k)
        except (wg.errors.ShapeError, wg.errors.ArgumentError, wg.errors.GradientError):
            continue  # a maximum of nothing, a product of what does not fit
        if made.size <= MOST and made.ndim < 6:
            run.floats.append(made)
    return run.floats[-3:]


class World:
    """A random function and all that it touches: made anew for each way to run it."""

    def __init__(self, plan: Plan, shape: tuple[int, ...], mode: str, dtype: str = "float32"):
        self.plan, self.mode = plan, mode
        self.rng = np.random.default_rng(len(plan) + sum(shape))
        self.shape, self.dtype = shape, dtype
        self.state = [self.normal(3, 4), self.normal(4)]
        self.weights = [wg.parameter(self.normal(*s)) for s in (shape, shape[-1:])]
        self.optimizer = optim.SGD(self.weights, lr=0.1, momentum=0.5)
        wg.manual_seed(7)

    def normal(self, *shape: int) -> wg.Tensor:
        """Return halves: ties and zeros come up, and small sums of them are exact."""
        return wg.tensor((self.rng.integers(-5, 6, shape) / 2).astype(self.dtype))

    def args(self) -> list[wg.Tensor]:
        """Return the arguments of the next call."""
        labels = self.rng.integers(0, 2, 6).astype("int32")
        return [self.normal(*self.shape), self.normal(*self.shape[1:]), wg.tensor(labels)]

    def __call__(self, x: wg.Tensor, y: wg.Tensor, labels: wg.Tensor) -> Any:
        def values(*inputs: wg.Tensor) -> list[wg.Tensor]:
            return carried_out(self.plan, Run(list(inputs), self.state, labels))

        def loss(*inputs: wg.Tensor) -> wg.Tensor:
            total = inputs[0].sum() * 0.1
            for v in inputs[1:]:
                total = total + v.square().mean()
            for v in values(*inputs):
                if v.size:
                    total = total + v.tanh().mean()
            return total

        if self.mode == "gradient":
            value, slopes = wg.value_and_grad(loss, (0, 1))(x, y)
            return [value, *slopes]
        if self.mode in ("step", "accumulate"):
            if self.mode == "step":
                self.optimizer.zero_grad()
            found = loss(x, y, *self.weights)
            found.backward()
            self.optimizer.step()
            return [found]
        return values(x, y)

    def outside(self) -> list[wg.Tensor]:
        """Return what lives on after a call."""
        grads = [w.grad for w in self.weights if w.grad is not None]
        return [*self.state, *self.weights, *grads]


def history(world: World, change: Callable[[Callable], Callable], calls: int) -> list[np.ndarray]:
    """Return all results of some calls, and what they left outside."""
    run = change(world)
    found = []
    for _ in range(calls):
        out = run(*world.args())
        found += [x.numpy() for x in (*out, *world.outside())]
    return found


def agree(found: list[np.ndarray], expected: list[np.ndarray], tolerance: float, how: str) -> None:
    assert len(found) == len(expected), how
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), how
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=how)
        else:
            assert np.array_equal(a, b), how


def values(found: Traced, executor: Any) -> list[np.ndarray]:
    """Return the outputs of a run, and the inputs as it leaves them."""
    inputs = found.copies()
    outputs = executor.run(inputs, found.draw)
    memory = executor.program.memory()
    slots = [*(memory[s] for s in executor.program.outputs), *found.program.inputs]
    return [
        found.device.download(Array(x, Layout.dense(slot.shape), slot.dtype)).copy()
        for slot, x in zip(slots, [*outputs, *inputs], strict=True)
    ]


TIGHT = [
    Limits(buffers=4, statements=4, numbers=2),
    Limits(longest_row=2, parts=2, small=4),
    Limits(small=0, fewest_rows=3, fewest_columns=3, passes=2),
    Limits(small_row=2, chain=32, threads=8, scatters_compare=False),
]


def ways(program: Program) -> list[tuple[str, Program]]:
    """Return what passes make of a program: some of them, and under many limits."""
    names = list(PASSES)
    made = [
        (f"up to {n}", simplify(program, Limits(), names[i + 1 :])) for i, n in enumerate(names)
    ]
    made += [(f"without {name}", simplify(program, Limits(), {name})) for name in names]
    return made + [(str(limits), simplify(program, limits)) for limits in TIGHT]


plans = st.lists(
    st.tuples(
        st.integers(0, len(OPS) - 1), st.integers(0, 5), st.integers(0, 16), st.integers(0, 16)
    ),
    min_size=1,
    max_size=14,
)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
modes = st.sampled_from(["values", "gradient", "step", "accumulate"])


def tried(examples: int) -> Callable:
    """Return how many examples are tried: always the same, or many fresh ones."""
    return settings(
        max_examples=FRESH or examples,
        deadline=None,
        derandomize=not FRESH,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@tried(18)
@given(plans, shapes, modes, st.sampled_from(["float32", "float32", "float64"]))
def test_fuzz_compiled_equals_eager(plan, shape, mode, dtype):
    with wg.device("numpy"), warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = history(World(plan, shape, mode, dtype), lambda f: f, 4)
        for fuse in (True, False):
            compiled = lambda f, fuse=fuse: wg.compile(lambda *a: f(*a), fuse=fuse)  # noqa: E731
            found = history(World(plan, shape, mode, dtype), compiled, 4)
            agree(found, plain, 1e-4, f"fuse={fuse}")


@tried(6)
@given(plans, shapes, modes)
def test_fuzz_passes_change_no_value(plan, shape, mode):
    with wg.device("numpy") as device:
        world = World(plan, shape, mode)
        try:
            found = traced(lambda *a: world(*a), *world.args())
        except LookupError:
            reject()  # it runs nothing
        expected = values(found, PlainExecutor(found.program, device))
        for how, program in ways(found.program):
            agree(values(found, PlainExecutor(program, device)), expected, 1e-4, how)
        for limits in (Limits(), *TIGHT):
            executor = source.NumpyExecutor(simplify(found.program, limits), device)
            agree(values(found, executor), expected, 1e-4, f"source {limits}")


@tried(6)
@given(plan=plans, shape=shapes, mode=modes)
def test_fuzz_compiled_on_the_gpu_equals_numpy(webgpu, plan, shape, mode):
    with wg.device("numpy"):
        plain = history(World(plan, shape, mode), lambda f: f, 3)
    compiled = lambda f: wg.compile(lambda *a: f(*a))  # noqa: E731
    agree(history(World(plan, shape, mode), compiled, 3), plain, 1e-3, "webgpu")
