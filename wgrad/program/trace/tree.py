"""Nested tuples, lists and dicts with tensors in them: taken apart and put together.

What is no tensor is described by a token: equal tokens are values that a function cannot tell
apart. Objects that compare by identity are told apart by it.
"""

from __future__ import annotations

import copy
import enum
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from ...backends.varying import Varying
from ...core import Value
from ...errors import ArgumentError

_PLAIN = frozenset({int, bool, str, bytes, type(None), type(...), range})
# einops computes shapes and calls us: what else it reads are caches of its own.
_CLOSED = frozenset({"wgrad", "numpy", "einops", "builtins", *sys.stdlib_module_names})


def token(x: Any) -> Any:
    """Return a key that equal numbers, strings and the like share; None for other objects.

    Types count, floats count by their bits: 1, True and 1.0 differ, as do 0.0 and -0.0.
    """
    kind = type(x)
    if kind in _PLAIN:
        return kind, x
    if kind is Varying and x.is_settled:
        kind, x = float, float(x)
    if kind is Varying:
        return kind, x.expression
    if kind is float:
        return kind, struct.pack("d", x)
    if kind is complex:
        return kind, struct.pack("dd", x.real, x.imag)
    if kind is slice:
        parts = token(x.start), token(x.stop), token(x.step)
        return None if None in parts else (kind, parts)
    if isinstance(x, (enum.Enum, type)):
        return kind, x
    if isinstance(x, np.generic):
        return kind, x.tobytes()
    if isinstance(x, (float, int, str, bytes)):  # of a subclass
        return kind, repr(x)
    return None


def is_closed(module: Any) -> bool:
    """Whether the code of a module is not the user's."""
    return not isinstance(module, str) or module.partition(".")[0] in _CLOSED


class Same:
    """An object as a part of a key: equal to itself alone, and not kept alive by it."""

    __slots__ = ("number",)

    def __init__(self, x: Any):
        self.number = id(x)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.number == other.number

    def __hash__(self) -> int:
        return self.number


def take_apart(value: Any, leaves: list[Any], objects: list[Any]) -> Any:
    """Return a hashable account of all in `value` but its tensors, which go to `leaves`.

    Objects that are no plain values go to `objects`, too. Raises: ArgumentError for what is
    neither hashable nor a container.
    """
    if isinstance(value, Value):
        leaves.append(value)
        return Value
    kind = type(value)
    if isinstance(value, (tuple, list)):
        return kind, tuple([take_apart(x, leaves, objects) for x in value])
    if isinstance(value, dict):
        keys = tuple([_hashable(k, objects) for k in value])
        return kind, keys, tuple([take_apart(x, leaves, objects) for x in kind.values(value)])
    return _hashable(value, objects)


def _hashable(value: Any, objects: list[Any]) -> Any:
    plain = token(value)
    if plain is not None:
        return plain
    kind = type(value)
    if isinstance(value, (tuple, frozenset)):
        parts = [_hashable(x, objects) for x in value]
        return kind, tuple(parts) if isinstance(value, tuple) else frozenset(parts)
    objects.append(value)
    if getattr(kind, "__eq__", None) is object.__eq__ or isinstance(value, Value):
        return kind, Same(value)
    try:
        hash(value)
    except TypeError:
        if not is_closed(kind.__module__):
            return kind, Same(value)  # a dataclass, say: its state is watched
        is_array = hasattr(value, "dtype")
        advice = "make it a tensor with wg.tensor" if is_array else "a tuple or frozenset would do"
        raise ArgumentError(
            f"compile: an argument of type {kind.__name__} came; arguments are tensors, hashable "
            f"values, and tuples, lists and dicts of them: {advice}"
        ) from None
    return kind, value


@dataclass(slots=True)
class Leaf:
    """The place of a tensor in a template."""

    index: int


@dataclass(slots=True)
class Static:
    """An object in a template that is handed out as it is."""

    value: Any


def template(
    value: Any, leaves: dict[int, tuple[int, Any]], known: Mapping[int, Any]
) -> tuple[Any, Any]:
    """Return (what `fill` makes the same value of, an account of it to compare).

    Containers are made anew at every filling, but for the `known` ones (by id), which existed
    before. A tensor that occurs twice is one leaf: `leaves` gets the number of each, by its id.
    """
    if isinstance(value, Value):
        i, _ = leaves.setdefault(id(value), (len(leaves), value))
        return Leaf(i), ("tensor", i)
    kind = type(value)
    if isinstance(value, (tuple, list, dict)) and id(value) not in known:
        if isinstance(value, dict):
            pairs = [template(x, leaves, known) for x in value.values()]
            made = copy.copy(value)
            made.update(zip(value, [p[0] for p in pairs], strict=True))
            return made, (kind, tuple(map(_account, value)), tuple(p[1] for p in pairs))
        pairs = [template(x, leaves, known) for x in value]
        return _like(value, [p[0] for p in pairs]), (kind, tuple(p[1] for p in pairs))
    if kind is Varying:
        value = float(value)
    return Static(value), _account(value)


def _account(value: Any) -> Any:
    plain = token(value)
    return plain if plain is not None else (type(value), Same(value))


def fill(x: Any, tensors: Sequence[Any]) -> Any:
    """Return the value of a template, with these tensors as its leaves."""
    kind = type(x)
    if kind is Leaf:
        return tensors[x.index]
    if kind is Static:
        return x.value
    if isinstance(x, dict):
        made = copy.copy(x)
        for key, item in x.items():
            made[key] = fill(item, tensors)
        return made
    return _like(x, [fill(item, tensors) for item in x])


def filler(x: Any, numbers: Sequence[int]) -> Callable[[Sequence[Any]], Any]:
    """Return what fills a template, given tensors of which the leaves are those of `numbers`."""
    items = x if type(x) is tuple else (x,)
    if all(type(item) is Leaf for item in items):
        places = [numbers[item.index] for item in items]
        if type(x) is Leaf or len(places) > 1:
            return itemgetter(*places)
        if len(places) == 1:
            return lambda tensors: (tensors[places[0]],)
    return lambda tensors: fill(x, [tensors[i] for i in numbers])


def _like(value: Any, items: list[Any]) -> Any:
    """Return a tuple or list of the type of `value` with other items."""
    if isinstance(value, tuple):
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if type(value) is list:
        return items
    made = copy.copy(value)
    made[:] = items
    return made
