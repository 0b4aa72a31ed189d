"""Comparing what was found by identity: quick, and sooner said to have changed than to be the same.

Everything is written down as lists of (container, what was in it); the objects are kept alive by
these lists, so that no other can take their place in memory. To compare, all of them make one row,
which is walked along at the speed of C.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import attrgetter, call, is_
from typing import Any, NamedTuple

import numpy as np

MISSING = object()
_OFTEN = 8  # looks after which the comparisons are written out, which takes about a millisecond
_MOST = 1000  # objects: more take long to compile, and a row is quick enough for each
_END = object()  # of a row: where two rows that differ in length would part
bases = attrgetter("__bases__")
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
        self._row: _Row | None = None
        self._count = 0  # of looks
        self._written_out: Callable[[], bool] = _never

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
        row = self._row
        if row is None:  # the first time all has been added
            row = self._row = _Row(self)
        self._count += 1
        if self._count == _OFTEN and len(row) <= _MOST:
            self._written_out = written_out(self)
        try:
            same = self._written_out()
        except (ValueError, AttributeError):  # other sizes, an emptied cell
            return False
        return (same or row.holds()) and all(get(x) == value for get, x, value in self.values)


class _Row:
    """What was added, one object after the other, and what gives those that are there now."""

    def __init__(self, same: Identities):
        dicts = [(d, keys) for d, keys, _ in same.dicts] + [(d, k) for d, k, *_ in same.chosen]
        names = [*same.names, *((d.get, names, values) for d, _, names, values in same.chosen)]
        fixed = [x for x in same.attributes if x[0] not in _OF_ANY_NUMBER]
        self._others = [x for x in same.attributes if x[0] in _OF_ANY_NUMBER]
        self._dicts = [d for d, _ in dicts]
        self._values = [d.values for d, *_ in same.dicts]
        self._lists = [x for x, _ in same.lists]
        self._gets = list(chain.from_iterable(repeat(get, len(n)) for get, n, _ in names))
        self._names = list(chain.from_iterable(n for _, n, _ in names))
        self._readers = [get for get, *_ in fixed]
        self._owners = [x for _, x, _ in fixed]
        self._sizes = [*(len(keys) for _, keys in dicts), *(len(x) for _, x in same.lists)]
        parts = (
            *(keys for _, keys in dicts),
            *(values for *_, values in same.dicts),
            *(values for _, values in same.lists),
            *(values for *_, values in names),
            *(values for *_, values in fixed),
        )
        self._objects = [*chain.from_iterable(parts), _END]
        self._live = [d.values for d, _ in same.truths]
        self._truths = [*chain.from_iterable(truths for _, truths in same.truths), _END]

    def __len__(self) -> int:
        return len(self._objects)

    def holds(self) -> bool:
        """Whether they are the same."""
        sizes = [*map(len, self._dicts), *map(len, self._lists)]
        if sizes != self._sizes:
            return False
        now = chain(
            chain.from_iterable(self._dicts),
            chain.from_iterable(map(call, self._values)),
            chain.from_iterable(self._lists),
            map(call, self._gets, self._names),
            chain.from_iterable(map(call, self._readers, self._owners)),
            (_END,),
        )
        truths = chain(map(bool, chain.from_iterable(map(call, self._live))), (_END,))
        try:
            if not (all(map(is_, now, self._objects)) and all(map(is_, truths, self._truths))):
                return False
            for get, x, values in self._others:
                if len(seen := get(x)) != len(values) or not all(map(is_, seen, values)):
                    return False
        except (ValueError, AttributeError):  # an emptied cell, an attribute that is gone
            return False
        return True


def _never() -> bool:
    return False


def written_out(same: Identities) -> Callable[[], bool]:
    """Return a function of one comparison after the other; what it says to be so, `_Row` says too.

    In the midst of a step caches are cold: what counts is how much code and how many objects a
    look comes by, and these are half as many as along a row. Where the sizes are others it raises
    ValueError.
    """
    given: dict[int, Any] = {}

    def named(x: Any) -> str:
        given[id(x)] = x
        return f"o{id(x)}"

    def compared(made: str, objects: Sequence[Any]) -> Iterator[str]:
        names = [f"x{i}" for i in range(len(objects))]
        if not names:
            yield f"() = {made}"
            return
        yield f"{', '.join(names)}, = {made}"
        tests = (f"{name} is {named(x)}" for name, x in zip(names, objects, strict=True))
        yield f"if not ({' and '.join(tests)}): return False"

    def lines() -> Iterator[str]:
        for d, keys, values in same.dicts:
            yield from compared(named(d), keys)
            yield from compared(f"{named(d)}.values()", values)
        for d, keys, names, values in same.chosen:
            yield from compared(named(d), keys)
            for name, x in zip(names, values, strict=True):
                yield f"if {named(d)}.get({named(name)}) is not {named(x)}: return False"
        for get, names, values in same.names:
            for name, x in zip(names, values, strict=True):
                yield f"if {named(get)}({named(name)}) is not {named(x)}: return False"
        for x, items in same.lists:
            yield from compared(named(x), items)
        for get, x, values in same.attributes:
            yield from compared(f"{named(get)}({named(x)})", values)
        for d, truths in same.truths:
            now = [f"x{i}" for i in range(len(truths))]
            yield f"[{', '.join(now)}] = {named(d)}.values()"
            for name, truth in zip(now, truths, strict=True):
                yield f"if {'not ' if truth else ''}{name}: return False"

    body = "\n    ".join([*lines(), "return True"])
    space: dict[str, Any] = {}
    exec(f"def holds({', '.join(f'o{n}' for n in given)}):\n    {body}", space)
    holds = space["holds"]
    holds.__defaults__ = tuple(given.values())
    return holds


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


_OF_ANY_NUMBER = (elements, bases)  # they give now more objects, now fewer


def context(x: contextvars.ContextVar) -> tuple:
    """Return the value of a context variable."""
    return (x.get(MISSING),)


def fingerprint(x: Any) -> Any:
    """Return a key that arrays with the same content share."""
    plain = np.ndarray.view(x, np.ndarray) if isinstance(x, np.ndarray) else x  # not a subclass's
    return plain.shape, plain.dtype.str, plain.tobytes()
