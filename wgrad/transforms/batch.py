"""vmap: a function of one example made a function of a batch, which all run at once.

An interpreter answers for every operation with the same operation on the whole batch, by the
batching rule of its family. It nests with itself and with both modes of differentiation.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..backends.array import Storage
from ..checks import guarded
from ..checks.arguments import checked_choice
from ..checks.arguments import size as checked_size
from ..core import Input, Interpreter, Op, Value, apply
from ..core.batched import Batched, lowered, raised
from ..core.interpret import current, within
from ..creation import tensor
from ..errors import (
    ArgumentError,
    AxisError,
    DTypeError,
    GradientError,
    InterpreterError,
    ShapeError,
    VmapError,
    shown,
)
from ..ops.families import expanded
from ..origin import warn
from ..repeated import Draws
from ..shaping import concat, moveaxis, reshape, stack
from ..tape import identity, is_followed
from ..tape.record import record
from ..tensor import Tensor

RANDOMNESS = ("error", "same", "different")


class Batching(Interpreter):
    """One level of vmap: answers for operations on examples with operations on whole batches."""

    has_level = True

    def __init__(self, size: int, randomness: str):
        self.size = size
        self.randomness = randomness
        # Since when memory may hold values that are tracked at this level (Storage.history).
        self.histories: WeakKeyDictionary[Storage, int | None] = WeakKeyDictionary()

    def is_mine(self, x: Any) -> bool:
        """Return whether `x` is a tensor of this level."""
        if not isinstance(x, Value):
            return False
        storage = x.array.storage
        return isinstance(storage, Batched) and storage.level is self

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        mine = [self.is_mine(x) for x in inputs]
        now = current.get()
        below = now.switched(now.recording[:-1])  # for what runs on whole batches
        if not any(mine) and not op.lifts:
            return within(below, apply, op, *inputs, **params)
        given: list[Any] = list(inputs)
        wholes = [lowered(x) if m else x for x, m in zip(given, mine, strict=True)]
        batched = [
            m and not x.array.storage.shared_by_all for x, m in zip(given, mine, strict=True)
        ]
        shared = not any(batched)
        if shared:
            whole = within(below, apply, op, *wholes, **params)
        elif op.batch is None:
            whole = within(below, self._one_by_one, op, wholes, batched, params)
        else:
            whole = within(below, op.batch, self, wholes, batched, params)
            if whole.shape[:1] != (self.size,):
                raise InterpreterError(
                    f"{op.name}: its batching rule returned shape {whole.shape}, and the batch "
                    f"axis of {self.size} is needed in front"
                )
        out = raised(whole, self, shared)
        if now.records and (
            self.histories
            or any(
                m and x.node is not None and x.node.requires_grad
                for x, m in zip(given, mine, strict=True)
            )
        ):
            record(op, tuple([self.lifted(x) for x in inputs]), params, out)
        return out

    def lifted(self, x: Any) -> Any:
        """Return `x` as a tensor of this level; one from outside is the same for all examples."""
        return raised(x, self, True) if isinstance(x, Tensor) and not self.is_mine(x) else x

    def in_front(self, inputs: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
        """Return the inputs of a batching rule with the batch axis in front of all tensors."""
        return [
            expanded(reshape(x, (1, *x.shape)), (self.size, *x.shape))
            if isinstance(x, Tensor) and not b
            else x
            for x, b in zip(inputs, batched, strict=True)
        ]

    def _one_by_one(self, op: Op, wholes: list[Any], batched: list[bool], params: dict) -> Tensor:
        warn(
            f"vmap: {op.name} has no batching rule, so it runs once for each of {self.size} "
            "examples: the results are right, but no faster than a loop"
        )
        if not self.size:
            raise VmapError(f"vmap: {op.name} has no batching rule, and an empty batch came")
        examples = [
            apply(op, *[x[i] if b else x for x, b in zip(wholes, batched, strict=True)], **params)
            for i in range(self.size)
        ]
        return stack(examples)

    def follows(self, x: Value) -> bool:
        now = current.get()
        if not self.is_mine(x):
            return False
        at = now.interpreters.index(self)
        below = now.until(at)
        return within(below, is_followed, lowered(x))

    def adopted(self, x: Value) -> None:
        if self.is_mine(x) and x.node is not None and x.node.outer is not None:
            whole = lowered(x)
            identity.assigned(whole.node, whole.array)

    def refuse_assignment(self, value: Any) -> None:
        if self.follows(value):
            raise GradientError(
                "assign: the value of one example is followed outside of vmap, and assigning would "
                "lose that: build the result with wg.where or wg.concat"
            )


def vmap(
    f: Callable,
    in_axes: Any = 0,
    out_axes: Any = 0,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return f, a function of one example, as a function of a batch of them, all at once.

    f takes and returns tensors, or tuples, lists and dicts of them. `in_axes` says which axis of
    each argument counts the examples: a number for all of them, or a tuple with an entry for each,
    which is a number, None for an argument that all examples share, or a tuple, list or dict of
    these. Arguments by name are shared. `out_axes` says in the same way where the results get the
    batch axis; None is for results that are the same for all. `chunk_size` is how many examples run
    at once, where all of them would need too much memory.

    Random numbers inside are an error unless `randomness` says whether they are the "same" for all
    examples or "different". It nests with itself, grad, vjp and jvp, and inside wg.compile. An op
    that has no batching rule runs in a loop, with a warning. `backward()` inside is refused: it
    would add the gradients of all examples up; take wg.grad.

    Raises: ShapeError for batch sizes that differ; AxisError; ArgumentError for `in_axes` that do
    not fit the arguments, and where none has a batch axis; DTypeError for results that are no
    tensors; VmapError where f asks for the value of one example, or assigns values of examples to a
    tensor that they share.

    >>> dot = lambda a, b: (a * b).sum()  # of two vectors
    >>> x, y = wg.tensor([[1.0, 2.0], [3.0, 4.0]]), wg.tensor([10.0, 1.0])
    >>> wg.vmap(dot)(x, x)  # (B, n), (B, n) gives (B,)
    tensor([ 5., 25.])
    >>> wg.vmap(dot, in_axes=(0, None))(x, y)  # the same y for all examples
    tensor([12., 34.])
    >>> wg.vmap(wg.grad(lambda w, x: (w * x).sum() ** 2), in_axes=(None, 0))(y, x).shape
    (2, 2)
    """
    checked_choice(randomness, RANDOMNESS, "vmap", "randomness")
    if chunk_size is not None:
        chunk_size = checked_size(chunk_size, "vmap: chunk_size")

    def compute(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes
        if isinstance(axes, (tuple, list)):
            if len(axes) != len(args):
                raise ArgumentError(
                    f"vmap: in_axes has {len(axes)} entries, and {len(args)} arguments came"
                )
            axes = tuple(axes)
        places: list[tuple[Tensor, str]] = []
        wholes = _mapped(args, axes, "argument", lambda *leaf: _front(places, *leaf))
        if not places:
            raise ArgumentError(
                "vmap: no argument has a batch axis: in_axes gives a number to one of them at least"
            )
        size, first = places[0][0].shape[0], places[0][1]
        for x, where in places[1:]:
            if x.shape[0] != size:
                raise ShapeError(
                    f"vmap: {first} has {size} examples and {where} has {x.shape[0]}: all need the "
                    "same number"
                )
        if chunk_size is None or size <= chunk_size:
            return run(wholes, size, kwargs)
        parts = []
        draws = Draws()
        for start in range(0, size, chunk_size):
            chunk = slice(start, min(start + chunk_size, size))
            part = _leaves(wholes, functools.partial(_Whole.part, chunk=chunk))
            with draws.one_pass() if randomness == "same" else nullcontext():
                parts.append(run(part, chunk.stop - start, kwargs))
        return _mapped(parts[0], out_axes, "result", _joined, *parts[1:])

    def run(wholes: Any, size: int, kwargs: dict) -> Any:
        level = Batching(size, randomness)
        given = _leaves(wholes, lambda w: raised(w.tensor, level))
        now = current.get()
        inside = now.switched((*now.recording, now.records)).inside(level)
        out = within(inside, f, *given, **kwargs)
        return _mapped(out, out_axes, "result", lambda *leaf: _whole(level, *leaf))

    return guarded(compute, "vmap")


class _Whole:
    """A batch, its axis in front, in the place of an argument of one example."""

    def __init__(self, x: Tensor):
        self.tensor = x

    def part(self, chunk: slice) -> _Whole:
        """Return some of the examples."""
        return _Whole(self.tensor[chunk])


def _front(places: list[tuple[Tensor, str]], x: Any, axis: Any, where: str) -> Any:
    """Return an argument with its batch axis in front, and note it; others as they are."""
    if axis is None:
        return x
    if isinstance(x, np.ndarray):
        x = tensor(x)
    if not isinstance(x, Tensor):
        raise DTypeError(
            f"vmap: {where} is {shown(x)}, and a tensor is needed where in_axes is {axis}: None "
            "shares it"
        )
    axis = _axis(axis, where, len(x.shape), x.shape)
    whole = x if axis == 0 else moveaxis(x, axis, 0)
    places.append((whole, where))
    return _Whole(whole)


def _axis(axis: Any, where: str, rank: int, shape: Any) -> int:
    try:
        at = None if isinstance(axis, bool) else operator.index(axis)
    except TypeError:
        at = None
    if at is None:
        raise ArgumentError(
            f"vmap: the axis of {where} is {shown(axis)}, and an integer or None is needed"
        )
    if not -rank <= at < rank:
        raise AxisError(f"vmap: axis {at} came for {where} of shape {shape}")
    return at % rank


def _whole(level: Batching, x: Any, axis: Any, where: str) -> Any:
    """Return a result for the whole batch."""
    if x is None:
        return None
    if not isinstance(x, Tensor):
        raise DTypeError(
            f"vmap: {where} of the function is {shown(x)}, and a tensor, or a tuple, list or dict "
            "of tensors, is needed"
        )
    whole = lowered(x) if level.is_mine(x) else x
    shared = not level.is_mine(x) or x.array.storage.shared_by_all  # type: ignore[attr-defined]
    if axis is None:
        if not shared:
            raise ArgumentError(
                f"vmap: out_axes is None for {where}, which differs from example to example"
            )
        return whole
    axis = _axis(axis, where, len(x.shape) + 1, x.shape)
    if shared:
        (whole,) = level.in_front([whole], [False])
        whole = whole.copy()
    return whole if axis == 0 else moveaxis(whole, 0, axis)


def _joined(x: Any, axis: Any, where: str, *more: Any) -> Any:
    """Return the results of chunks as one."""
    if x is None or axis is None:
        return x
    return concat([x, *more], axis=axis)


# Tuples, lists and dicts.
def _mapped(tree: Any, axes: Any, where: str, f: Callable[..., Any], *more: Any) -> Any:
    """Return `tree` with f(leaf, axis, its name, *leaves of more) in each leaf's place.

    `axes` is one entry for all that lies below it, or a tuple, list or dict like the tree.
    """
    if isinstance(tree, (tuple, list)):
        if isinstance(axes, (tuple, list)):
            if len(axes) != len(tree):
                raise ArgumentError(
                    f"vmap: {len(axes)} axes came for {where}, which has {len(tree)} parts"
                )
            each: Sequence[Any] = axes
        elif isinstance(axes, dict):
            raise ArgumentError(f"vmap: a dict of axes came for {where}, a {type(tree).__name__}")
        else:
            each = [axes] * len(tree)
        parts = [
            _mapped(x, a, f"{where} {i}", f, *(m[i] for m in more))
            for i, (x, a) in enumerate(zip(tree, each, strict=True))
        ]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        if isinstance(axes, dict) and axes.keys() != tree.keys():
            raise ArgumentError(
                f"vmap: axes for {shown(list(axes))} came for {where}, which has the keys "
                f"{shown(list(tree))}"
            )
        if isinstance(axes, (tuple, list)):
            raise ArgumentError(f"vmap: {type(axes).__name__} of axes came for {where}, a dict")
        return {
            k: _mapped(
                x, axes[k] if isinstance(axes, dict) else axes, f"{where} {k!r}", f,
                *(m[k] for m in more),
            )
            for k, x in tree.items()
        }  # fmt: skip
    if isinstance(axes, (tuple, list, dict)):
        raise ArgumentError(f"vmap: {shown(axes)} came as the axis of {where}, one tensor")
    return f(tree, axes, where, *more)


def _leaves(tree: Any, f: Callable[[Any], Any]) -> Any:
    """Return `tree` with f(whole) in the place of every batch."""

    def each(x: Any, *_: Any) -> Any:
        return f(x) if isinstance(x, _Whole) else x

    return _mapped(tree, None, "", each)
