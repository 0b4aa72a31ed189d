"""Random functions of tensors, drawn by hypothesis: what compiled functions are compared with.

A recipe is plain data. A `World` makes of it a function, the tensors that the function captures and
its arguments, so that every way of running it starts from the same numbers. Values stay moderate,
and comparisons are with odd numbers, so that the last bit of a float seldom decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import wgrad as wg
from wgrad import optim

SHAPES = ((), (1,), (4,), (3, 4), (1, 3), (4, 1), (2, 3, 4), (2, 1, 3), (3, 5), (0, 3), (8,))
LARGEST = 200  # elements of a value: enough for every rule, and quick


class Picks:
    """Numbers of a recipe, one by one, and zeros when they are used up."""

    def __init__(self, numbers: tuple[int, ...]):
        self._numbers = iter(numbers)

    def __call__(self, n: int) -> int:
        """Return one of 0 to n - 1."""
        return next(self._numbers, 0) % n

    def of(self, items: Any) -> Any:
        """Return one of a sequence."""
        return items[self(len(items))]

    def axes(self, ndim: int) -> tuple[int, ...]:
        """Return some axes, at least one where there are any."""
        chosen = tuple(a for a in range(ndim) if self(2))
        return chosen or tuple(range(ndim))

    def view(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """Return an index that slices, with steps of both signs."""
        return tuple(self._slice(n) for n in shape)

    def _slice(self, n: int) -> Any:
        start = self(2) if n > 1 else 0
        step = (1, 1, -1, 2, -2)[self(5)]
        return (
            slice(start, None, step)
            if step > 0
            else slice(None, start - 1 if start else None, step)
        )


@dataclass(frozen=True)
class Recipe:
    """What a random function does; `mode` says how gradients are made of it."""

    ops: tuple[tuple[str, tuple[int, ...]], ...]
    shapes: tuple[tuple[int, ...], ...]
    mode: str
    outputs: tuple[int, ...]


UNARY: tuple[Callable, ...] = (
    wg.tanh,
    wg.sin,
    wg.sigmoid,
    wg.relu,
    wg.negative,
    wg.abs,
    lambda x: (-x.abs()).exp(),
    lambda x: (x.abs() + 0.1).sqrt(),
    lambda x: (x.abs() + 0.5).log(),
    lambda x: x.tanh() ** 2,
    lambda x: x * -0.75,
    lambda x: 1.5 - x,
    lambda x: 1 / (x.abs() + 0.5),
    lambda x: x * 1 + 0,
    lambda x: x.clip(-0.61, 0.83),
    lambda x: x + wg.ones_like(x) * 2,
)
BINARY: tuple[Callable, ...] = (
    wg.add,
    wg.subtract,
    wg.multiply,
    wg.maximum,
    wg.minimum,
    lambda a, b: a / (b.abs() + 0.5),
)
WHOLE: tuple[Callable, ...] = (
    lambda a, b: a + b,
    lambda a, b: a - b * 2,
    lambda a, b: a * b,
    wg.maximum,
    lambda a, b: wg.where(a < b, a, -b),
    lambda a, b: (a == b).astype(wg.int32) + 1,
)


class Run:
    """One run of a recipe: a pool of values that grows op by op."""

    def __init__(self, world: World, values: list[wg.Tensor]):
        self.world = world
        self.pool = values

    def all(self, ops: tuple) -> list[wg.Tensor]:
        """Do all ops, and return the pool."""
        for name, numbers in ops:
            made = getattr(self, f"do_{name}")(Picks(numbers))
            for x in made if isinstance(made, list) else [made]:
                if x is not None and x.size <= LARGEST and x.ndim <= 4:
                    self.pool.append(x)
        return self.pool

    # What an op works on.
    def any(self, pick: Picks) -> wg.Tensor:
        """Return a value, more often a late one."""
        back = pick(3) + 1 if pick(2) else pick(64) + 1
        return self.pool[-1 - (back - 1) % len(self.pool)]

    def real(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        return x if x.dtype.is_floating else x.astype(self.world.dtype) * 0.25

    def whole(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        if x.dtype.is_floating:
            return (x.detach().clip(-9, 9) * 1.7 + 0.0317).astype(wg.int32)
        return x.astype(wg.int32)

    def truth(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        return x if x.dtype is wg.bool else x > 0.3173

    def like(self, b: wg.Tensor, a: wg.Tensor) -> wg.Tensor:
        """Return what can be broadcast with `a`: means over the axes that disagree."""
        pairs = zip(reversed(range(b.ndim)), reversed(a.shape), strict=False)
        odd = tuple(i for i, n in pairs if b.shape[i] != n and 1 not in (b.shape[i], n))
        if not odd:
            return b
        fold = b.any if b.dtype is wg.bool else b.sum
        return fold(odd, keepdims=True)

    # The ops.
    def do_unary(self, pick: Picks) -> wg.Tensor:
        f = pick.of(UNARY)
        return f(self.real(pick))

    def do_binary(self, pick: Picks) -> wg.Tensor:
        f, a, b = pick.of(BINARY), self.real(pick), self.real(pick)
        return f(a, self.like(b, a))

    def do_whole(self, pick: Picks) -> wg.Tensor:
        f, a, b = pick.of(WHOLE), self.whole(pick), self.whole(pick)
        return f(a, self.like(b, a))

    def do_logic(self, pick: Picks) -> wg.Tensor:
        a, b = self.truth(pick), self.truth(pick)
        f = pick.of((wg.logical_and, wg.logical_or, wg.logical_xor))
        return ~f(a, self.like(b, a)) if pick(2) else f(a, self.like(b, a))

    def do_where(self, pick: Picks) -> wg.Tensor:
        a, b, test = self.real(pick), self.real(pick), self.truth(pick)
        b = self.like(b, a)
        both = wg.broadcast_to(test, test.shape) if not a.ndim else self.like(test, a + b)
        return wg.where(both, a, b if pick(2) else 0.5)

    def do_compare(self, pick: Picks) -> wg.Tensor:
        a, b = self.real(pick), self.real(pick)
        return pick.of((wg.less, wg.greater, wg.not_equal))(a, self.like(b, a) * 0.837 + 0.1213)

    def do_cast(self, pick: Picks) -> wg.Tensor:
        return pick.of((self.whole, self.truth, self.real))(pick)

    def do_reduce(self, pick: Picks) -> wg.Tensor:
        x, keep = self.real(pick), bool(pick(2))
        axes = pick.axes(x.ndim)
        names = (
            ("sum",) if 0 in x.shape else ("sum", "mean", "max", "min", "sum", "logsumexp", "prod")
        )
        name = pick.of(names)
        return getattr(x if name != "prod" else x.tanh() + 0.5, name)(axes, keepdims=keep)

    def do_count(self, pick: Picks) -> wg.Tensor | None:
        x = self.whole(pick)
        axes, name = pick.axes(x.ndim), pick.of(("sum", "max", "any", "all", "min"))
        if 0 in x.shape:
            return None
        return getattr(x if name in ("sum", "max", "min") else x > 1, name)(
            axes, keepdims=bool(pick(2))
        )

    def do_arg(self, pick: Picks) -> wg.Tensor | None:
        x = self.whole(pick)
        if not x.ndim or 0 in x.shape:
            return None
        return pick.of((wg.argmax, wg.argmin))(x, axis=pick(x.ndim))

    def do_norm(self, pick: Picks) -> wg.Tensor | None:
        x = self.real(pick)
        if not x.ndim or 0 in x.shape:
            return None
        axis, which = pick(x.ndim), pick(3)
        if which == 2:
            x = x - x.mean(axis, keepdims=True)
            return x / ((x * x).mean(axis, keepdims=True) + 0.01).sqrt()
        return (wg.softmax, wg.log_softmax)[which](x, axis=axis)

    def do_matmul(self, pick: Picks) -> wg.Tensor | None:
        a, b = self.real(pick), self.real(pick)
        if pick(4) == 0:
            b = a.mT if a.ndim > 1 else a
        a, b = (x.expand_dims(0) if not x.ndim else x for x in (a, b))
        if pick(3):  # matrices more often than vectors
            a, b = (x.expand_dims(0) if x.ndim == 1 else x for x in (a, b))
        k = min(a.shape[-1], b.shape[-2] if b.ndim > 1 else b.shape[0])
        a, b = a[..., :k], (b[..., :k, :] if b.ndim > 1 else b[:k])
        lead = min(a.ndim, b.ndim) - 2
        if any(
            a.shape[-3 - i] != b.shape[-3 - i] and 1 not in (a.shape[-3 - i], b.shape[-3 - i])
            for i in range(max(lead, 0))
        ):
            b = b.sum(tuple(range(b.ndim - 2)))
        return (a @ b) * 0.5

    def do_layer(self, pick: Picks) -> wg.Tensor:
        x = self.real(pick)
        x = x.reshape(1, x.size) if x.ndim < 2 or not x.size else x.reshape(-1, x.shape[-1])
        w = self.world.leaf((x.shape[1], 3 + pick(2)), "layer")
        b = self.world.leaf((w.shape[1],), "bias")
        y = x @ w + b
        return pick.of((wg.tanh, wg.relu, lambda y: y, lambda y: y.softmax(-1)))(y)

    def do_slice(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        return x[pick.view(x.shape)]

    def do_item(self, pick: Picks) -> wg.Tensor | None:
        x = self.any(pick)
        return x[pick(x.shape[0])] if x.ndim and x.shape[0] else None

    def do_permute(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        left = list(range(x.ndim))
        return x.permute_dims(tuple(left.pop(pick(len(left))) for _ in range(x.ndim)))

    def do_reshape(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        divisors = [d for d in range(1, x.size + 1) if x.size % d == 0] or [0]
        first = pick.of(divisors)
        if not x.size:
            return x.reshape(x.shape[::-1])
        return x.reshape(first, x.size // first) if pick(2) else x.reshape(-1)

    def do_expand(self, pick: Picks) -> wg.Tensor:
        x = self.any(pick)
        if pick(2):
            return x.expand_dims(pick(x.ndim + 1))
        return wg.broadcast_to(x, (2, *(3 if n == 1 else n for n in x.shape)))

    def do_copy(self, pick: Picks) -> wg.Tensor:
        return self.any(pick).copy()

    def do_join(self, pick: Picks) -> wg.Tensor | None:
        x, y = self.real(pick), self.real(pick)
        which = pick(3)
        if which == 0:
            return wg.pad(x, tuple((pick(2), pick(3)) for _ in x.shape)) if x.ndim else None
        y = x.tanh() if y.shape != x.shape else y
        axis = pick(x.ndim + (which == 1)) if x.ndim or which == 1 else 0
        if which == 1:
            return wg.stack([x, y, x], axis)
        return wg.concat([x, y, x], axis) if x.ndim else None

    def do_take(self, pick: Picks) -> wg.Tensor | None:
        x = self.any(pick)
        x = self.real(pick) if x.dtype is wg.bool else x
        if not x.ndim or 0 in x.shape:
            return None
        axis, which = pick(x.ndim), pick(3)
        n = x.shape[axis]
        if which == 0:
            return wg.take(x, self.world.index((5,), n), axis=axis)
        if which == 1:
            shape = tuple(pick(2) + 1 if a == axis else m for a, m in enumerate(x.shape))
            return wg.take_along_axis(x, self.world.index(shape, n), axis=axis)
        return wg.take(x, self.world.index((2, 2), n), axis=axis)

    def do_scatter(self, pick: Picks) -> wg.Tensor | None:
        x = self.real(pick)
        if not x.ndim or 0 in x.shape:
            return None
        axis = pick(x.ndim)
        return wg.scatter_add(x, self.world.index(x.shape, x.shape[axis]), x * 0.5, axis=axis)

    def do_hot(self, pick: Picks) -> wg.Tensor:
        return wg.one_hot(self.world.index((4,), 3), 3).astype(self.world.dtype)

    def do_entropy(self, pick: Picks) -> wg.Tensor | None:
        x = self.real(pick)
        if x.ndim < 2 or 0 in x.shape:
            return None
        x = x.reshape(-1, x.shape[-1])
        return wg.cross_entropy(x, self.world.index((x.shape[0],), x.shape[1]))

    def do_random(self, pick: Picks) -> wg.Tensor:
        shape = pick.of(SHAPES)
        return pick.of((wg.rand, wg.randn))(*shape).astype(self.world.dtype)

    def do_constant(self, pick: Picks) -> wg.Tensor:
        shape = pick.of(SHAPES)
        return pick.of((wg.zeros, wg.ones, lambda s: wg.full(s, -0.0)))(shape).astype(
            self.world.dtype
        )

    def do_state(self, pick: Picks) -> wg.Tensor:
        return self.world.state(pick)

    def do_assign(self, pick: Picks) -> wg.Tensor | None:
        """Write to captured memory, or to a view of it; a later op may read either."""
        if self.world.recipe.mode != "values":
            return None
        target, which = self.world.state(pick), pick(4)
        value = self.real(pick).detach()
        if which == 1:
            target = target[pick.view(target.shape)]
        elif which == 2 and target.ndim > 1:
            target = target.T
        if which == 3:
            value = target * 0.5 + 0.25
        elif value.shape != target.shape:
            value = wg.broadcast_to(value.sum() * 0.1, target.shape)
        target.assign(value.clip(-5, 5))
        return target


OPS = tuple(name[3:] for name in vars(Run) if name.startswith("do_"))
OFTEN = ("unary", "binary", "reduce", "norm", "matmul", "layer", "slice", "assign", "permute")


class World:
    """A recipe come to life: the function, its arguments and the tensors that it captures."""

    def __init__(self, recipe: Recipe, dtype: Any = wg.float32):
        self.recipe = recipe
        self.dtype = dtype
        self.captured: dict[Any, wg.Tensor] = {}
        self._rng = np.random.default_rng(len(recipe.ops))
        self._optimizer: Any = None
        for i, shape in enumerate(((3, 4), (4,), (2, 6))):
            self.captured["state", i] = self._real(shape)
        self.arguments = [
            wg.parameter(self._real(s)) if self._learns else self._real(s) for s in recipe.shapes
        ]
        self._prepare()

    @property
    def _learns(self) -> bool:
        return self.recipe.mode in ("backward", "sgd", "adam")

    def _real(self, shape: tuple[int, ...]) -> wg.Tensor:
        return wg.tensor(self._rng.standard_normal(shape).astype("f4"), dtype=self.dtype)

    def _prepare(self) -> None:
        """Make what the function captures, of which only a run tells the shapes; change nothing."""
        states = [(x, x.numpy().copy()) for x in list(self.captured.values())]
        drawn = wg.get_rng_state()
        Run(self, list(self.arguments)).all(self.recipe.ops)
        wg.set_rng_state(drawn)
        for x, value in states:
            x.assign(wg.tensor(value, dtype=x.dtype))
        rate = 0.1
        learned = [x for k, x in self.captured.items() if k[0] == "leaf"]
        if self._learns:
            learned = [*self.arguments, *learned]
        if self.recipe.mode == "sgd":
            self._optimizer = optim.SGD(learned, lr=rate, momentum=0.9)
        elif self.recipe.mode == "adam":
            self._optimizer = optim.Adam(learned, lr=rate, eps=0.1)  # no 0/0 where slopes vanish

    # What ops ask for.
    def leaf(self, shape: tuple[int, ...], what: str) -> wg.Tensor:
        """Return a captured parameter."""
        key = "leaf", what, shape
        if key not in self.captured:
            x = self._real(shape)
            self.captured[key] = wg.parameter(x) if self._learns else x
        return self.captured[key]

    def index(self, shape: tuple[int, ...], extent: int) -> wg.Tensor:
        """Return captured indices below `extent`."""
        key = "index", shape, extent
        if key not in self.captured:
            self.captured[key] = wg.tensor(self._rng.integers(0, extent, shape).astype("i4"))
        return self.captured[key]

    def state(self, pick: Picks) -> wg.Tensor:
        """Return captured memory that ops may write to."""
        return self.captured["state", pick(3)]

    # Running.
    def function(self, *args: wg.Tensor) -> list[wg.Tensor]:
        """Return some of what the recipe computes, and what its mode adds."""
        mode = self.recipe.mode
        if mode == "values":
            return self._outputs(Run(self, list(args)).all(self.recipe.ops))
        made: list[wg.Tensor] = []

        def loss(*xs: wg.Tensor) -> wg.Tensor:
            pool = Run(self, list(xs)).all(self.recipe.ops)
            made[:] = pool
            total = (xs[0] * 0.1).sum()
            for x in self._outputs(pool):
                if x.dtype.is_floating:
                    total = total + x.tanh().sum()
            return total

        if mode == "grad":
            value, slopes = wg.value_and_grad(loss, tuple(range(len(args))))(*args)
            return [value, *slopes]
        if self._optimizer is not None:
            self._optimizer.zero_grad()
        value = loss(*args)
        value.backward()
        if self._optimizer is not None:
            self._optimizer.step()
        return [value.detach()]

    def _outputs(self, pool: list[wg.Tensor]) -> list[wg.Tensor]:
        return [pool[-1], *(pool[-1 - i % len(pool)] for i in self.recipe.outputs)]

    def observed(self) -> list[wg.Tensor]:
        """Return every tensor that a run may have changed."""
        tensors = [*self.arguments, *self.captured.values()]
        return [*tensors, *(x.grad for x in tensors if x.grad is not None)]

    def calls(self, change: Callable[[Callable], Callable], count: int = 4) -> Iterator[np.ndarray]:
        """Iterate over the results of some calls, and then over what they left behind."""
        wg.manual_seed(5)
        f = change(self.function)
        for _ in range(count):
            for x in f(*self.arguments):
                yield x.numpy().copy()
        for x in self.observed():
            yield x.numpy().copy()


def recipes(most: int = 14) -> st.SearchStrategy[Recipe]:
    """Return a strategy of recipes."""
    op = st.tuples(
        st.sampled_from([*OPS, *OFTEN, *OFTEN]),
        st.lists(st.integers(0, 60), min_size=2, max_size=9).map(tuple),
    )
    return st.builds(
        Recipe,
        st.lists(op, min_size=1, max_size=most).map(tuple),
        st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3).map(tuple),
        st.sampled_from(("values", "values", "grad", "backward", "sgd", "adam")),
        st.lists(st.integers(0, 6), max_size=2).map(tuple),
    )


def close(found: np.ndarray, expected: np.ndarray, rtol: float) -> bool:
    """Whether two results are the same, floats but for rounding."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if found.dtype.kind != "f":
        return np.array_equal(found, expected)
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))))
    return np.allclose(found, expected, rtol=rtol, atol=rtol * scale, equal_nan=True)
