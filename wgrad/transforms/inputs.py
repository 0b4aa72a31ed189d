"""What transforms share: floating inputs, in trees too; one result; inputs not assigned to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ..creation import tensor
from ..errors import ArgumentError, DTypeError, GradientError, shown
from ..tensor import Tensor


def as_input(x: Any, op: str, position: int) -> Tensor:
    """Return a differentiable input: tensors as they are, numbers and arrays as float tensors."""
    if is_tree(x):  # as a whole, which has no place in a matrix
        raise DTypeError(
            f"{op}: argument {position} is a {type(x).__name__}, and one tensor is needed"
        )
    value = x if isinstance(x, Tensor) else tensor(x, dtype=None)
    if not isinstance(x, Tensor) and not value.dtype.is_floating:
        value = value.astype(float)
    if not value.dtype.is_floating:
        raise DTypeError(
            f"{op}: argument {position} is {value.dtype.name}, and only a floating dtype can be "
            "differentiated"
        )
    return value


def output(y: Any, op: str) -> Tensor:
    if not isinstance(y, Tensor):
        raise GradientError(f"{op}: the function returned {type(y).__name__}, not a tensor")
    return y


def versions(inputs: Sequence[Tensor]) -> list[int]:
    return [x.array.storage.version for x in inputs]


def check_inputs(inputs: Sequence[Tensor], before: list[int], op: str) -> None:
    """Raise GradientError when the function assigned to what it is differentiated by."""
    if versions(inputs) != before:
        raise GradientError(
            f"{op}: the function assigned to its own input, which has no derivative then: assign "
            "to a copy()"
        )


def is_tree(x: Any) -> bool:
    """Return whether an argument is a dict, or a tuple or list with a tensor or a dict in it."""
    if isinstance(x, (tuple, list)):
        return any(isinstance(part, Tensor) or is_tree(part) for part in x)
    return isinstance(x, dict)


def with_leaves(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Return a tree of tuples, lists and dicts with `change` of every leaf in its place."""
    if isinstance(tree, dict):
        return {k: with_leaves(x, change) for k, x in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [with_leaves(x, change) for x in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return change(tree)


def leaves_of(tree: Any) -> list[Any]:
    """Return what stands in a tree, in order; None is nothing."""
    found: list[Any] = []
    with_leaves(tree, found.append)
    return [x for x in found if x is not None]


def numbered(args: Iterable[tuple[int, Any]], op: str) -> tuple[list[Tensor], list[Any]]:
    """Return the differentiable inputs in arguments, and each argument as a tree of numbers.

    An argument comes with its position. A number is the place of an input, for `filled`.
    """
    leaves: list[Tensor] = []

    def number(x: Any, position: int) -> int:
        leaves.append(as_input(x, op, position))
        return len(leaves) - 1

    trees = [
        with_leaves(x, partial(number, position=i)) if is_tree(x) else number(x, i) for i, x in args
    ]
    return leaves, trees


def filled(trees: Sequence[Any], leaves: Sequence[Tensor]) -> tuple[Any, ...]:
    """Return trees of numbers with `leaves` in the place of their numbers."""
    return tuple([with_leaves(tree, leaves.__getitem__) for tree in trees])


def leaves_like(tree: Any, other: Any, where: str) -> list[Any]:
    """Return the leaves of `other` in order. Raises: ArgumentError unless it is like `tree`."""
    if not isinstance(tree, (dict, tuple, list)):
        return [other]
    if isinstance(tree, dict):
        keys: list[Any] = list(tree)
        fits = isinstance(other, dict) and other.keys() == tree.keys()
    else:
        keys = list(range(len(tree)))
        fits = isinstance(other, (tuple, list)) and len(other) == len(tree)
    if not fits:
        parts = f"the keys {shown(keys)}" if isinstance(tree, dict) else f"{len(keys)} parts"
        raise ArgumentError(
            f"{where} came as {shown(other)}, and a {type(tree).__name__} of {parts} is needed"
        )
    return [x for k in keys for x in leaves_like(tree[k], other[k], f"{where}[{k!r}]")]
