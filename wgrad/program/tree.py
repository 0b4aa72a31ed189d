"""Nested tuples, lists and dicts with tensors in them: taken apart and put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..core import Value
from ..errors import ArgumentError


def take_apart(value: Any, leaves: list[Any]) -> Any:
    """Append the tensors in `value` to `leaves`; return a hashable account of all the rest."""
    if isinstance(value, Value):
        leaves.append(value)
        return Value
    if isinstance(value, (tuple, list)):
        return type(value), tuple(take_apart(x, leaves) for x in value)
    if isinstance(value, dict):
        return dict, tuple((k, take_apart(x, leaves)) for k, x in value.items())
    try:
        hash(value)
    except TypeError:
        raise ArgumentError(
            f"compile: an argument of type {type(value).__name__} came; arguments are tensors, "
            "hashable values, and tuples, lists and dicts of them (make arrays tensors)"
        ) from None
    return type(value), value


def replaced(value: Any, leaves: Iterable[Any], is_leaf: Callable[[Any], bool]) -> Any:
    """Return `value` with its leaves, in the order of `take_apart`, replaced by others."""
    return _rebuilt(value, iter(leaves), is_leaf)


# No closure over itself: that is a reference cycle, which would keep tensors until a collection.
def _rebuilt(x: Any, rest: Iterator[Any], is_leaf: Callable[[Any], bool]) -> Any:
    if is_leaf(x):
        return next(rest)
    if isinstance(x, dict):
        return {k: _rebuilt(v, rest, is_leaf) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        items = [_rebuilt(v, rest, is_leaf) for v in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return x
