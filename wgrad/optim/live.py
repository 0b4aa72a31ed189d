"""Settings and step counts in a traced step: they act as floats, and each run reads them anew.

A program in whose trace one of them was compared runs only while the comparison comes out alike.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..backends.tracing import Live
from ..backends.varying import OPERATORS, Expression, Numbers, Varying, read_number
from ..core.tracing import Tracer
from .settings import Group
from .turns import Turning, next_turn, turns

if TYPE_CHECKING:
    from .optimizer import Optimizer


class StepNumbers(Numbers):
    """The settings and counts of one step of an optimizer that a traced function finds.

    A place is a group with the name of a setting (and which of a pair), or the place of a
    parameter, which stands for the number of its steps.
    """

    def __init__(self, optimizer: Optimizer, counted: tuple[int, ...], tracer: Tracer):
        super().__init__()
        self.given = _Given(self)
        self._optimizer = optimizer
        self._callbacks = tracer.callbacks
        self._at = len(tracer.callbacks)
        self._key = id(optimizer), self._at
        self._lives: dict[Expression, Live] = {}
        self._held: dict[tuple[Expression, Any, tuple], Any] = {}
        self._holding: Callable[[], bool] | None = None
        self._before: Counter[int] = Counter()  # steps of parameters that come before this one
        self._after: Counter[int] = Counter()  # and after it, as far as the trace had come at _end
        self._leaders: dict[int, int] = {}
        self._turns: list[tuple[Turning, int]] = []  # before this step, where something is held
        self._require: Callable[..., None] | None = tracer.require  # until the step ends
        if counted:
            tracer.callbacks.append((optimizer._advance, (counted,)))
        self._end = len(tracer.callbacks)

    # Those of the same step in another trace are the same numbers.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepNumbers) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    # What is read.
    def values(self, group: Group) -> Mapping[str, Any]:
        """Return the settings of a group at this step: a run takes all schedulers' turns first."""
        place = next_turn(self._callbacks, group, self._at)
        return group.values_now if place is None else group.before[place]

    def count(self, i: int) -> float:
        """Return how many steps of a parameter there were with this one: a run counts all first."""
        if self._end < len(self._callbacks):  # asked for each parameter, and hardly ever so
            self._end = len(self._callbacks)
            self._after = self._counted(self._at + 1)
        return float(self._optimizer._steps[i] - self._after[i])

    def leaf(self, place: Any) -> tuple[Any, ...]:
        """Return what stands at a place, for those who compute numbers elsewhere.

        ("count", optimizer, i, n): the steps of parameter i, of which n come after this one; or
        ("setting", group, name, item, turns): a setting as it is before the last turns of a run,
        which are given as (scheduler, how many).
        """
        if isinstance(place, int):
            self.count(place)
            return "count", self._optimizer, place, self._after[place]
        group, name, item = place
        later = Counter(
            owner
            for _, owner in turns(self._callbacks, self._at)
            if any(group is g for g in owner._turned_groups())
        )
        return "setting", group, name, item, tuple(later.items())

    def _count_to_be(self, i: int) -> float:
        """Return what `count` will be in a run that has not begun."""
        return float(self._optimizer._steps[i] + 1 + self._before[i])

    def _counted(self, first: int, last: int | None = None) -> Counter[int]:
        """Return how many of the steps in a part of the trace each parameter takes."""
        advance, part = self._optimizer._advance, self._callbacks[first:last]
        return Counter(i for f, args in part if f == advance for i in args[0])

    def steps(self, i: int) -> Varying:
        """Return the count as a number; parameters that have taken equally many share it."""
        leader = self._leaders.setdefault(self._optimizer._steps[i], i)
        if leader != i:
            self._hold(("-", ("argument", leader), ("argument", i)), bool, ())
        return Varying(self, ("argument", leader))

    def settings(self, group: Group) -> Mapping[str, Any]:
        """Return the settings of a group as numbers that vary, where they are numbers."""
        return _Settings(self, group)

    def live(self, expression: Expression) -> Live:
        if expression not in self._lives:  # one is read once in a run
            self._lives[expression] = _Quick(read_number, self, expression)
        return self._lives[expression]

    # What the program rests on.
    def ask(self, place: Any) -> None:
        self._hold(("argument", place), float, ())

    def may_fail(self, expression: Expression) -> None:
        self._hold(expression, _is_float, ())

    def outcome(self, number: Varying, method: Callable[..., Any], *args: float) -> Any:
        return self._hold(number.expression, method, args)

    def end(self) -> None:
        super().end()
        self._require = None

    def _hold(self, expression: Expression, method: Callable[..., Any], args: tuple) -> Any:
        key = expression, method, args
        if key not in self._held:
            if self._require is not None:  # now there is something to ask for before each run
                self._require(self._hold_still)
                self._require = None
            self._held[key] = method(self.read(expression), *args)
        return self._held[key]

    def _hold_still(self) -> bool:
        """Whether all that a trace rested on would be the same in the run that comes now."""
        optimizer = self._optimizer
        if optimizer._undone.is_unsure:
            optimizer._undone.settle(optimizer._steps)
        if self._holding is None:
            self._before = self._counted(0, self._at)
            self._turns = [(owner, at) for at, owner in turns(self._callbacks, 0, self._at)]
            space: dict[str, Any] = {}
            parts = []
            for (expression, method, args), outcome in self._held.items():
                names = [_named(x, space) for x in (method, *args, outcome)]
                source = _source(expression, space, self._count_to_be, _now)
                inside = ", ".join([source, *names[1:-1]])
                parts.append(f"{names[0]}({inside}) == {names[-1]}")
            self._holding = eval(f"lambda: {' and '.join(parts) or True}", space)
        if not self._turns:
            try:
                return self._holding()
            except ArithmeticError:
                return False
        taken: list[tuple[Turning, int]] = []
        try:
            for owner, place in self._turns:  # as the run will, before it comes to this step
                owner._turn(1, place)
                taken.append((owner, place))
            return self._holding()
        except ArithmeticError:
            return False
        finally:
            for owner, place in reversed(taken):
                owner._turn(-1, place)


def _is_float(x: Any) -> bool:
    return type(x) is float  # and no complex number


class _Quick(Live):
    """A number that is read by code made for it, once its trace has ended."""

    @functools.cached_property
    def read(self) -> Callable[[], float]:
        numbers, expression = self.call[1]
        space: dict[str, Any] = {}
        source = _source(expression, space, numbers.count, numbers.values)
        return eval(f"lambda: {source}", space)


class _Given:
    """The numbers that stand at places."""

    def __init__(self, numbers: StepNumbers):
        self._numbers = numbers

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, int):
            return self._numbers.count(place)
        group, name, item = place
        value = self._numbers.values(group)[name]
        return value if item is None else value[item]


def _now(group: Group) -> Mapping[str, Any]:
    return group.values_now


def _named(x: Any, space: dict[str, Any]) -> str:
    name = f"x{len(space)}"
    space[name] = x
    return name


def _source(
    expression: Expression,
    space: dict[str, Any],
    count: Callable[[int], float],
    values: Callable[[Group], Mapping[str, Any]],
) -> str:
    """Return what Python computes for an expression; `space` gets the names in it."""
    what, *sides = expression
    if what == "constant":
        return _named(float.fromhex(sides[0]), space)
    if what == "argument":
        place = sides[0]
        if isinstance(place, int):
            return f"{_named(count, space)}({place})"
        group, name, item = place
        setting = f"{_named(values(group), space)}[{name!r}]"
        return setting if item is None else f"{setting}[{item}]"
    parts = [_source(side, space, count, values) for side in sides]
    if len(parts) == 2 and what in OPERATORS:
        return f"({parts[0]} {what} {parts[1]})"
    return f"{_named(OPERATORS.get(what, what), space)}({', '.join(parts)})"


def number_of(function: Callable[..., float], *numbers: Any) -> Any:
    """Return `function(*numbers)`, which stands for what it will be where one of these does."""
    live = [x for x in numbers if type(x) is Varying]
    if not live:
        return function(*numbers)
    sides = [x.expression if type(x) is Varying else ("constant", float(x).hex()) for x in numbers]
    return Varying(live[0]._numbers, (function, *sides))


class _Settings(Mapping[str, Any]):
    """The settings of a group, made numbers that vary as they are read."""

    def __init__(self, numbers: StepNumbers, group: Group):
        self._numbers, self._group = numbers, group

    def __iter__(self) -> Iterator[str]:
        return iter(self._group.values_now)

    def __len__(self) -> int:
        return len(self._group.values_now)

    def __getitem__(self, name: str) -> Any:
        value = self._group.values_now[name]
        if isinstance(value, tuple) and all(type(x) is float for x in value):
            return tuple([self._number(name, i) for i in range(len(value))])
        if type(value) is float:
            return self._number(name, None)
        return self._group[name]  # which the program rests on

    def _number(self, name: str, item: int | None) -> Varying:
        return Varying(self._numbers, ("argument", (self._group, name, item)))
