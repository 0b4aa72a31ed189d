"""The numbers of a step that is traced: they pass for floats, and each run reads them anew.

What they decide, a comparison or a function of Python, the program rests on, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..backends.tracing import tracing
from ..backends.varying import Expression, Numbers, Varying
from .settings import Group

if TYPE_CHECKING:
    from .optimizer import Optimizer


class StepNumbers(Numbers):
    """The settings and counts of one step of an optimizer that a traced function finds.

    A place is a group with the name of a setting (and which of a pair), or the place of a
    parameter, which stands for the number of its steps.
    """

    has_powers = True

    def __init__(self, optimizer: Optimizer, chosen: tuple[int, ...]):
        super().__init__()
        self.given = _Given(self)
        tracer = tracing()
        self._optimizer = optimizer
        self._callbacks = tracer.callbacks
        self._at = len(tracer.callbacks)
        self._key = id(optimizer), self._at
        self._in_run = True
        self._held: dict[tuple[Expression, Any, tuple], Any] = {}
        self._leaders: dict[int, int] = {}
        self._pairs: list[tuple[int, int]] = []
        tracer.require(self._hold_still)
        if optimizer.counts_steps:
            tracer.each_run(optimizer._advance, chosen)

    # Those of the same step in another trace are the same numbers.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepNumbers) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    # What is read.
    def count(self, i: int) -> int:
        """Return how many steps of a parameter there were with this one.

        A run counts all its steps first, and the questions before it come before all of them.
        """
        steps = self._optimizer._steps[i]
        at = self._at + 1
        others = self._callbacks[at:] if self._in_run else self._callbacks[:at]
        size = sum(f == self._optimizer._advance and i in args[0] for f, args in others)
        return steps - size if self._in_run else steps + size

    def steps(self, i: int) -> Varying:
        """Return the count as a number; parameters that have taken equally many share it."""
        leader = self._leaders.setdefault(self.count(i), i)
        if leader != i:
            self._pairs.append((leader, i))
        return Varying(self, ("argument", leader))

    def settings(self, group: Group) -> Mapping[str, Any]:
        """Return the settings of a group as numbers that vary, where they are numbers."""
        return _Settings(self, group)

    # What the program rests on.
    def ask(self, place: Any) -> None:
        self._hold(("argument", place), float, ())

    def divide_by(self, divisor: Expression) -> None:
        self._hold(divisor, bool, ())

    def outcome(self, number: Varying, method: Callable[..., Any], *args: float) -> Any:
        return self._hold(number.expression, method, args)

    def _hold(self, expression: Expression, method: Callable[..., Any], args: tuple) -> Any:
        key = expression, method, args
        if key not in self._held:
            self._held[key] = method(self.read(expression), *args)
        return self._held[key]

    def _hold_still(self) -> bool:
        """Whether all that a trace rested on would be the same in the run that comes now."""
        self._in_run = False
        try:
            return all(
                method(self.read(expression), *args) == outcome
                for (expression, method, args), outcome in self._held.items()
            ) and all(self.count(i) == self.count(j) for i, j in self._pairs)
        except ArithmeticError:
            return False
        finally:
            self._in_run = True


class _Given:
    """What a number is that stands at a place."""

    def __init__(self, numbers: StepNumbers):
        self._numbers = numbers

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, int):
            return float(self._numbers.count(place))
        group, name, item = place
        value = group.values_now[name]
        return value if item is None else value[item]


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
