"""Comparing what was found by identity: quick, and sooner said to have changed than to be the same.

Everything is written down as lists of (container, what was in it), which are compared at the speed
of C; the objects are kept alive by these lists, so that no other can take their place in memory.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from operator import attrgetter, is_
from typing import Any

import numpy as np

MISSING = object()
_contents = attrgetter("cell_contents")


class Identities:
    """Containers, namespaces and values as they were when each was added."""

    def __init__(self) -> None:
        self.dicts: list[tuple[Any, tuple, tuple]] = []  # keys and values
        self.chosen: list[tuple[Any, tuple, tuple, tuple]] = []  # keys, and some with their values
        self.lists: list[tuple[Any, tuple]] = []
        self.names: list[tuple[Callable, tuple, tuple]] = []
        self.cells: list[tuple[tuple, tuple]] = []
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
        """Whether all is the very same."""
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
        for get, names, values in self.names:
            if not all(map(is_, map(get, names), values)):
                return False
        try:
            for cells, values in self.cells:
                if not all(map(is_, map(_contents, cells), values)):
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


class Chosen:
    """Some values of a dict."""

    def __init__(self, d: dict, names: tuple[str, ...]):
        self._d = d
        self._names = names

    def values(self) -> Iterable[Any]:
        return map(self._d.get, self._names)


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


def version(x: Any) -> int:
    """Return how often a tensor's memory was written to."""
    return x.array.storage.version


def elements(x: np.ndarray) -> tuple:
    """Return the objects in an array of objects."""
    return tuple(x.ravel().tolist())


def context(x: contextvars.ContextVar) -> tuple:
    """Return the value of a context variable."""
    return (x.get(MISSING),)


def fingerprint(x: Any) -> Any:
    """Return what equal arrays have in common."""
    plain = np.ndarray.view(x, np.ndarray) if isinstance(x, np.ndarray) else x  # not a subclass's
    return plain.shape, plain.dtype.str, plain.tobytes()


def logging_of(x: Any) -> tuple:
    """Return what decides, beside its parents, whether a logger puts something out."""
    return x.level, x.disabled, x.manager.disable
