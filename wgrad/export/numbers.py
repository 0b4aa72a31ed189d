"""Numbers that every run reads anew, as data: expressions over counters and settings.

A program's launches say where the numbers stand in their params; here is what they are. In JSON a
number is itself, or one of

    ["count", k, n]     counter k of the export, less n
    ["setting", j]      setting j of the export
    ["table", x, first, t, holds]   the values of table t for x = first, first + 1, ...; the last
                        one holds on, or there are no more
    [operator, x, y]    + - * / ** of two, and "abs", "sqrt" of one
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..backends.tracing import Live
from ..backends.varying import OPERATORS
from ..errors import ArgumentError, TraceError
from ..optim import Optimizer
from ..optim.turns import Turning

NAMES = {math.sqrt: "sqrt", abs: "abs"}  # of functions that a page has as well


class Counters:
    """All that counts in an export: steps of parameters, and turns of schedulers.

    Parameters of an optimizer whose steps are as many, and are counted by the same programs, share
    a counter. `schedule` is how many turns of a scheduler, or values of a function of the user's,
    are written down.
    """

    def __init__(self, optimizers: Mapping[str, Optimizer], schedule: int):
        self.optimizers = list(optimizers.values())
        self._paths = list(optimizers)  # where each stands in the state
        self.schedule = schedule
        self.starts: list[int] = []
        self._before = [list(x._steps) for x in self.optimizers]  # traces count, too
        self._advances: list[dict[Any, int]] = []  # by program: of schedulers, and (optimizer, i)
        self._places: dict[Any, int] = {}
        self.tables: list[list[Any]] = []
        self._tables: dict[Any, int] = {}
        self.states: dict[Turning, list[Any]] = {}  # what schedulers save, by their turns
        self._turns: dict[Any, tuple[Turning, list[float]]] = {}  # settings by the same keys
        self.settings: list[dict[str, Any]] = []
        self._settings: dict[Any, int] = {}
        self.runs: list[list[list[int]]] = []

    # Which counters there are.
    def add(
        self,
        callbacks: Sequence[tuple[Callable[..., None], tuple]],
        name: str,
        state: Sequence[Any],
    ) -> None:
        """Note what each run of one more program counts. Raises: ArgumentError."""
        counts: dict[Any, int] = {}
        for function, args in callbacks:
            owner = getattr(function, "__self__", None)
            if isinstance(owner, Optimizer) and function == owner._advance:
                at = self._of(owner)
                for i in args[0]:
                    counts[at, i] = counts.get((at, i), 0) + 1
            elif isinstance(owner, Turning):
                if not any(owner is x for x in state):
                    raise ArgumentError(
                        f"export.web: {name} takes turns of {type(owner).__name__}, which is not "
                        "in state=: add it there"
                    )
                counts[owner] = counts.get(owner, 0) + 1
            else:
                raise TraceError(f"export.web: {name} counts what a page cannot: {function!r}")
        self._advances.append(counts)

    def _of(self, optimizer: Optimizer) -> int:
        return next(i for i, x in enumerate(self.optimizers) if x is optimizer)

    def close(self) -> None:
        """Give numbers to the counters, when all programs are known."""
        kinds: dict[Any, int] = {}
        for at, optimizer in enumerate(self.optimizers):
            for i in range(len(optimizer.params)):
                by = tuple(x.get((at, i), 0) for x in self._advances)
                kind = at, self._before[at][i], by
                if kind not in kinds:
                    kinds[kind] = len(self.starts)
                    self.starts.append(self._before[at][i])
                self._places[at, i] = kinds[kind]
        for counts in self._advances:
            for owner in counts:
                if isinstance(owner, Turning) and owner not in self._places:
                    self._places[owner] = len(self.starts)
                    self.starts.append(0)
                    self._unrolled(owner)
        for counts in self._advances:
            row = {self._places[x]: n for x, n in counts.items()}
            self.runs.append([[k, n] for k, n in row.items()])

    def count_of(self, optimizer: Optimizer, i: int) -> int:
        """Return the counter of a parameter's steps."""
        return self._places[self._of(optimizer), i]

    def counter_of(self, owner: Turning) -> int | None:
        """Return the counter of a scheduler's turns; None where no program takes them."""
        return self._places.get(owner)

    # Expressions.
    def setting(self, group: Any, name: str, item: int | None) -> int:
        """Return the number of a setting."""
        key = id(group), name, item
        if key not in self._settings:
            value = group.values_now[name]
            self._settings[key] = len(self.settings)
            at = next(i for i, x in enumerate(self.optimizers) if group in x.param_groups)
            nth = self.optimizers[at].param_groups.index(group)
            words = ["param_groups", str(nth), name] + ([] if item is None else [str(item)])
            path = ".".join([*([self._paths[at]] if self._paths[at] else []), *words])
            now = value if item is None else value[item]
            self.settings.append({"name": path, "value": now, "fixed": False})
        return self._settings[key]

    def told(self, live: Live) -> Any:
        """Return a number of a program as JSON."""
        numbers, expression = live.call[1]
        return self._told(numbers, expression)

    def _told(self, numbers: Any, expression: Any) -> Any:
        what, *sides = expression
        if what == "constant":
            return float.fromhex(sides[0])
        if what == "argument":
            return self._leaf(*numbers.leaf(sides[0]))
        parts = [self._told(numbers, side) for side in sides]
        if isinstance(what, str) and what in OPERATORS:
            return [what, *parts]
        if what in NAMES:
            return [NAMES[what], *parts]
        return self._table(what, parts)

    def _leaf(self, kind: str, *of: Any) -> Any:
        if kind == "count":
            optimizer, i, less = of
            return ["count", self.count_of(optimizer, i), less]
        group, name, item, later = of
        if (id(group), name, item) not in self._turns:
            return ["setting", self.setting(group, name, item)]
        owner, values = self._turns[id(group), name, item]
        turn = ["count", self._places[owner], dict(later).get(owner, 0)]
        return ["table", turn, 0, self.table(values), False]

    def _table(self, function: Callable, parts: list[Any]) -> Any:
        """Return the values of a function that only Python has, one for each count of steps."""
        leaves = {tuple(x) for x in _leaves(parts)}
        counts = [x for x in leaves if x[0] == "count"]
        if len(counts) != 1 or "table" in str(parts):
            raise TraceError(
                f"export.web: {getattr(function, '__name__', function)} computes a number in every "
                "run from more than one count of steps, or from a schedule, which only Python can"
            )
        (count,) = counts
        first = self.starts[count[1]] + 1 - count[2]
        values = []
        for at in range(first, first + self.schedule):
            given = {count: float(at)}
            for x in leaves:
                if x[0] == "setting":
                    given[x] = self.settings[x[1]]["value"]
                    self.settings[x[1]]["fixed"] = True
            values.append(float(function(*[_value(x, given) for x in parts])))
        while len(values) > 1 and values[-1] == values[-2]:
            values.pop()
        return ["table", list(count), first, self.table(values), len(values) < self.schedule]

    def table(self, values: Sequence[Any]) -> int:
        """Return the number of a table."""
        key = tuple(values)
        if key not in self._tables:
            self._tables[key] = len(self.tables)
            self.tables.append(list(values))
        return self._tables[key]

    def scheduled(self, group: Any, name: str, item: int | None) -> tuple[str, int, int] | None:
        """Return the mark of a setting that a schedule changes; None for others."""
        if (id(group), name, item) not in self._turns:
            return None
        owner, values = self._turns[id(group), name, item]
        return "table", self.table(values), self._places[owner]

    # Schedules.
    def _unrolled(self, owner: Turning) -> None:
        """Write down what a scheduler's turns make of settings, and of what it saves of itself."""
        groups = owner._turned_groups()
        kept = [(x, dict(x)) for x in (*owner._states(), *[g.values_now for g in groups])]
        rows: list[dict[Any, float]] = []
        states: list[Any] = []
        try:
            for turn in range(self.schedule + 1):
                if turn:
                    try:
                        owner._advance()
                    except ArgumentError:  # a schedule that has an end
                        break
                rows.append({k: x for g in groups for k, x in _floats(g)})
                states.append(owner.state_dict() if hasattr(owner, "state_dict") else None)
        finally:
            for x, values in kept:
                x.clear()
                x.update(values)
        self.states[owner] = states
        for group in groups:
            for key, first in _floats(group):
                floats = [row[key] for row in rows]
                if any(x != first for x in floats):
                    if key in self._turns:
                        other = type(self._turns[key][0]).__name__
                        raise TraceError(
                            f"export.web: {other} and {type(owner).__name__} both change a setting "
                            "in the exported programs: chain them in one ChainedScheduler"
                        )
                    self._turns[key] = owner, floats


def _floats(group: Any) -> Iterator[tuple[Any, float]]:
    """Yield the keys of a group's settings that are floats, and their values."""
    for name, value in group.values_now.items():
        if type(value) is float:
            yield (id(group), name, None), value
        elif isinstance(value, tuple):
            for i, x in enumerate(value):
                yield (id(group), name, i), x


def _leaves(x: Any) -> list[list[Any]]:
    if not isinstance(x, list):
        return []
    if x and x[0] in ("count", "setting"):
        return [x]
    return [leaf for y in x for leaf in _leaves(y)]


def _value(x: Any, given: dict[tuple, float]) -> Any:
    if not isinstance(x, list):
        return x
    if x[0] in ("count", "setting"):
        return given[tuple(x)]
    if x[0] == "sqrt":
        return math.sqrt(_value(x[1], given))
    return OPERATORS[x[0]](*[_value(y, given) for y in x[1:]])


def check_schedule(schedule: Any) -> int:
    """Return a number of turns. Raises: ArgumentError."""
    if type(schedule) is not int or not 1 <= schedule <= 1_000_000:
        raise ArgumentError(
            f"export.web: schedule={schedule!r} came, and a number of turns from 1 to 1000000 is "
            "needed"
        )
    return schedule
