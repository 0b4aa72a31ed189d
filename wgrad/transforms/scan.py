"""scan: a loop over time, of a step that hands a carry from one place to the next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..checks.arguments import checked_flag, count
from ..core import Value, interpreters
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, ShapeError, shown
from ..shaping import stack
from ..tape import is_recording
from ..tensor import Tensor
from .checkpoint import checkpoint as checkpointed
from .inputs import leaves_of, with_leaves
from .loops import captured
from .results import slices


def scan(
    f: Callable,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    checkpoint: bool = False,
) -> tuple[Any, Any]:
    """Call `carry, y = f(carry, x)` for each `x` along the first axis of `xs`; return (carry, ys).

    `init` is the first carry; the last one is returned, with all `y` stacked along a new first
    axis. `init`, `xs` and what f returns are tensors, or tuples, lists and dicts of them, nested at
    will. Every carry has the structure, the shapes and the dtypes of `init`; `y` may be None. With
    xs=None f gets None, `length` times. With `reverse` it goes from the last `x` to the first, and
    each `y` stands where its `x` does.

    Gradients pass through it: to `init`, `xs`, and the tensors that f uses besides. For the
    backward pass it keeps what the gradient of each turn needs, or with `checkpoint` only the
    carries, and computes the rest again.

    A compiled function traces one turn, and one of the reverse, whatever the length is: so f must
    do the same in every turn. Where f writes to a tensor from outside all turns are traced, and for
    gradients of higher order, too.

    Shapes: xs (length, ...), x (...), y (...), ys (length, ...).

    Raises: ArgumentError for no or unequal lengths, and where f returns no pair or a carry of
    another structure; ShapeError for a carry of another shape or dtype.

    >>> def step(total, x):
    ...     total = total + x
    ...     return total, total * 10
    >>> wg.scan(step, wg.tensor(0.0), wg.tensor([1.0, 2.0, 3.0]))
    (tensor(6.), tensor([10., 30., 60.]))
    """
    is_reverse = checked_flag(reverse, "scan", "reverse")
    first = with_leaves(init, lambda x: as_tensor(x, "scan: init"))
    given = with_leaves(xs, lambda x: None if x is None else as_tensor(x, "scan: xs"))
    n = _length(given, length)
    step = checkpointed(f) if checked_flag(checkpoint, "scan", "checkpoint") else f
    known = Structure(first)

    def turn(carry: Any, x: Any) -> tuple[Any, Any]:
        carry, y = pair(step(carry, x))
        known.check(carry)
        return carry, y

    def in_turns(carry: Any, xs: Any) -> tuple[Any, Any]:
        return unrolled(turn, carry, xs, n, is_reverse)

    return captured(turn, first, given, n, is_reverse, in_turns) or in_turns(first, given)


def unrolled(f: Callable, carry: Any, xs: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    """Do what `scan` does call by call."""
    ys: list[Any] = [None] * length
    xs = with_leaves(xs, _apart)
    for i in reversed(range(length)) if reverse else range(length):
        carry, ys[i] = f(carry, with_leaves(xs, partial(_at, i=i)))
    return carry, stacked(ys)


def _apart(x: Any) -> Any:
    """Return what gives slices by their numbers; their gradients are put together once."""
    if x is None or not (x.requires_grad and is_recording()) or interpreters():
        return _Sliced(x)
    return _Sliced(slices(x))


class _Sliced:
    """Slices, as a leaf of a tree."""

    def __init__(self, slices: Any):
        self.slices = slices


def _at(x: _Sliced, i: int) -> Any:
    return None if x.slices is None else x.slices[i]


def pair(made: Any) -> tuple[Any, Any]:
    """Return the carry and y that a step returned."""
    if not isinstance(made, (tuple, list)) or len(made) != 2:
        raise ArgumentError(f"scan: f returned {shown(made)}, and a pair (carry, y) is needed")
    return made[0], made[1]


class Structure:
    """How a carry is built, to be compared with others."""

    def __init__(self, carry: Any):
        self._form = _form(carry)
        self._leaves = [(x.shape, x.dtype) for x in leaves_of(carry)]

    def check(self, carry: Any) -> None:
        """Raise ArgumentError or ShapeError for a carry that is built otherwise."""
        form = _form(carry)
        if form != self._form:
            raise ArgumentError(
                f"scan: f returned a carry of the structure {form}, and that of init is needed: "
                f"{self._form}"
            )
        for i, (x, (shape, dtype)) in enumerate(zip(leaves_of(carry), self._leaves, strict=True)):
            if x.shape != shape or x.dtype is not dtype:
                raise ShapeError(
                    f"scan: part {i} of the carry that f returned is {x.dtype.name} of shape "
                    f"{x.shape}, and that of init is needed: {dtype.name} of shape {shape}"
                )


def _form(tree: Any) -> str:
    """Return how tuples, lists and dicts lie in each other, in words that Python has for it."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {_form(x)}" for k, x in tree.items()) + "}"
    if isinstance(tree, (tuple, list)):
        inside = ", ".join(map(_form, tree))
        return f"[{inside}]" if isinstance(tree, list) else f"({inside})"
    return "tensor" if isinstance(tree, Value) else shown(tree)


def stacked(ys: list[Any]) -> Any:
    """Return trees of tensors as one tree of tensors with a new first axis."""
    form = _form(ys[0])
    for y in ys:
        if _form(y) != form:
            raise ArgumentError(
                f"scan: f returned y of the structure {_form(y)} after {form}, and one is needed"
            )
    columns = zip(*map(leaves_of, ys), strict=True)
    made = iter([stack(column) for column in columns])
    return with_leaves(ys[0], lambda x: None if x is None else next(made))


def _length(xs: Any, length: int | None) -> int:
    lengths: dict[int, Tensor] = {}
    for x in leaves_of(xs):
        if not x.shape:
            raise ArgumentError(
                "scan: a 0-d tensor came among xs, and an axis to go along is needed"
            )
        lengths.setdefault(x.shape[0], x)
    if length is not None:
        lengths.setdefault(count(length, "scan", "length", least=1), Tensor)  # type: ignore[arg-type]
    if not lengths:
        raise ArgumentError("scan: neither xs nor length came, and one of them is needed")
    if len(lengths) > 1:
        raise ArgumentError(f"scan: the lengths {sorted(lengths)} came, and all are to be equal")
    (n,) = lengths
    if n < 1:
        raise ArgumentError("scan: xs of length 0 came, and at least one step is needed")
    return n
