"""Checks that transforms share: floating inputs, one tensor as result, inputs not assigned to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..creation import tensor
from ..errors import DTypeError, GradientError
from ..tensor import Tensor


def as_input(x: Any, op: str, position: int) -> Tensor:
    """Return a differentiable input: tensors as they are, numbers and arrays as float tensors."""
    if is_tree(x):
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
