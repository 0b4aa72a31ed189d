"""Comparing what was found by identity: quick, and sooner said to have changed than to be the same.

Everything is written down as lists of (container, what was in it), which are compared at the speed
of C; the objects are kept alive by these lists, so that no other can take their place in memory.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from operator import attrgetter, is_
from typing import Any, NamedTuple

import numpy as np

MISSING = object()
cell_contents = attrgetter("cell_contents")
version = attrgetter("array.storage.version")  # how often a tensor's memory was written to
# What decides, beside its parents, whether a logger puts something out.
logging_of = attrgetter("level", "disabled", "manager.disable")


class Identities:
    """Containers, namespaces and values as they were when each was added."""

    def __init__(self) -> None:
        self.dicts: list[tuple[Any, tuple, tuple]] = []  # keys and values
        self.chosen: list[tuple[Any, tuple, tuple, tuple]] = []  # keys, and some with their values
        self.lists: list[tuple[Any, tuple]] = []
        self.names: list[tuple[Callable, tuple, tuple]] = []
        self.attributes: list[tuple[Callable, Any, tuple]] = []
        self.truths: list[tuple[Any, tuple]] = []
        self.values: list[tuple[Callable, Any, Any]] = []  # compared by ==

    def choose(self, d: Any, names: tuple) -> None:
        """Add some entries of a dict, and which keys it has."""
        values = tuple([d[n] for n in names])
        keys = tuple(d)
        if len(names) == len(keys):
            self.dicts.append((d, keys, values))
        else:
            self.chosen.append((d, keys, names, values))

    def hold(self) -> bool:
        """Whether everything is still the very object, or the value, that it was."""
        for d, keys, values in self.dicts:
            if len(d) != len(keys) or not all(map(is_, d, keys)):
                return False
            if not all(map(is_, d.values(), values)):
                return False
        for d, keys, names, values in self.chosen:
            if len(d) != len(keys) or not all(map(is_, d, keys)):
                return False
            if not all(map(is_, map(d.get, names), values)):
                return False
        for x, values in self.lists:
            if len(x) != len(values) or not all(map(is_, x, values)):
                return False
        try:
            for get, names, values in self.names:
                if not all(map(is_, map(get, names), values)):
                    return False
            for get, x, values in self.attributes:
                if not all(map(is_, get(x), values)):
                    return False
        except (ValueError, AttributeError):  # an emptied cell, an attribute that is gone
            return False
        for d, values in self.truths:
            if not all(map(is_, map(bool, d.values()), values)):
                return False
        return all(get(x) == value for get, x, value in self.values)


class Chosen(NamedTuple):
    """Some values of a dict."""

    d: dict
    names: tuple[str, ...]

    def values(self) -> Iterable[Any]:
        return map(self.d.get, self.names)


def attributes(names: tuple[str, ...], x: Any) -> tuple:
    """Return attributes by name, MISSING for those that are not there."""
    return tuple([getattr(x, n, MISSING) for n in names])


def is_filled(cell: Any) -> bool:
    """Whether a closure's cell was assigned to."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def is_parameter(x: Any) -> bool:
    """Whether a tensor is a leaf that requires grad."""
    return bool(x.node is not None and x.node.op is None and x.node.requires_grad)


def target(x: Any) -> int:
    """Return the id of what a weak reference leads to."""
    return id(x())


def elements(x: np.ndarray) -> tuple:
    """Return the objects in an array of objects."""
    return tuple(x.ravel().tolist())


def context(x: contextvars.ContextVar) -> tuple:
    """Return the value of a context variable."""
    return (x.get(MISSING),)


def fingerprint(x: Any) -> Any:
    """Return a key that arrays with the same content share."""
    plain = np.ndarray.view(x, np.ndarray) if isinstance(x, np.ndarray) else x  # not a subclass's
    return plain.shape, plain.dtype.str, plain.tobytes()
