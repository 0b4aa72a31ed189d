"""Settings of an optimizer: checked when they are assigned, and noted when a trace reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from ..checks.arguments import checked_flag, size
from ..core.tracing import Tracer, tracing
from ..errors import ArgumentError, shown
from ..tensor import Tensor
from .turns import next_turn

if TYPE_CHECKING:
    from .optimizer import Optimizer

Check = Callable[[Any, str], Any]
# What schedulers write down in a group beside its settings, by PyTorch's names.
NOTES = frozenset({"initial_lr", "min_lr", "max_lr", "base_momentum", "max_momentum", "swa_lr"})


def at_least_zero(value: Any, where: str) -> float:
    """Return a number that is finite and at least 0. Raises: ArgumentError."""
    number = _number(value)
    if not 0 <= number < math.inf:
        raise ArgumentError(
            f"{where} is {shown(value)}, and a finite number of at least 0 is needed"
        )
    return number


def below_one(value: Any, where: str) -> float:
    """Return a number of at least 0 and below 1: a share that is kept. Raises: ArgumentError."""
    number = at_least_zero(value, where)
    if number >= 1:
        raise ArgumentError(f"{where} is {shown(value)}, and a number below 1 is needed")
    return number


def two_below_one(value: Any, where: str) -> tuple[float, float]:
    """Return a pair of numbers of at least 0 and below 1. Raises: ArgumentError."""
    first, second = _several(value, 2, where)
    return below_one(first, where), below_one(second, where)


def two_at_least_zero(value: Any, where: str) -> tuple[float, float]:
    """Return a pair of finite numbers of at least 0. Raises: ArgumentError."""
    first, second = _several(value, 2, where)
    return at_least_zero(first, where), at_least_zero(second, where)


def three_finite(value: Any, where: str) -> tuple[float, ...]:
    """Return three finite numbers. Raises: ArgumentError."""
    return tuple([finite(x, where) for x in _several(value, 3, where)])


def finite(value: Any, where: str) -> float:
    """Return a finite number of either sign. Raises: ArgumentError."""
    number = _number(value)
    if not -math.inf < number < math.inf:
        raise ArgumentError(f"{where} is {shown(value)}, and a finite number is needed")
    return number


def flag(value: Any, where: str) -> bool:
    """Return True or False. Raises: ArgumentError."""
    return checked_flag(value, *where.split(": "))


def count(value: Any, where: str) -> int:
    """Return an integer of at least 1. Raises: ArgumentError."""
    return size(value, where)


def _several(value: Any, n: int, where: str) -> Any:
    if not isinstance(value, (tuple, list)) or len(value) != n:
        words = {2: "two", 3: "three"}
        raise ArgumentError(f"{where} is {shown(value)}, and {words[n]} numbers are needed")
    return value


def _number(value: Any) -> float:
    """Return what a number is as a float; NaN for what is none."""
    try:
        return math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


class Setting:
    """A setting of an optimizer, as an attribute of its class: what it is, and how it is checked.

    `check(value, where)` returns the value to keep, or raises an error that begins with `where`.
    Read from an optimizer it is the number that all its groups share; assigned, that of each.

    >>> class Plain(wg.optim.Optimizer):
    ...     scale = wg.optim.Setting("What steps are multiplied by.")
    ...
    ...     def __init__(self, params, lr=0.1, scale=1.0):
    ...         super().__init__(params, lr=lr, scale=scale)
    ...
    ...     def update(self, p, g, state, now):
    ...         return p - now["lr"] * now["scale"] * g
    >>> optimizer = Plain([wg.parameter(1.0)], scale=2.0)
    >>> optimizer.scale
    2.0
    >>> optimizer.scale = -1.0
    Traceback (most recent call last):
        ...
    wgrad.errors.ArgumentError: Plain: scale is -1.0, and a finite number of at least 0 is needed
    """

    def __init__(self, doc: str, check: Check = at_least_zero):
        self.__doc__ = doc
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Optimizer | None, kind: type | None = None) -> Any:
        if optimizer is None:
            return self
        first, *others = [group[self.name] for group in optimizer.param_groups]
        if any(x != first for x in others):
            raise ArgumentError(
                f"{kind.__name__ if kind else 'Optimizer'}: {self.name} differs from group to "
                f"group: read optimizer.param_groups[0][{self.name!r}]"
            )
        return first

    def __set__(self, optimizer: Optimizer, value: Any) -> None:
        groups = optimizer.param_groups
        checked = [group.checked({self.name: value}) for group in groups]  # all before any
        for group, values in zip(groups, checked, strict=True):
            group.assign(values)


def finder(trace: Any) -> Tracer | None:
    """Return the tracer that runs now, unless it is the one that made the optimizer (`trace`)."""
    tracer = tracing()
    return None if tracer is None or tracer.start == trace else tracer


class UnknownSettingError(ArgumentError, KeyError):
    """A setting was asked for that an optimizer does not have."""

    __str__ = Exception.__str__  # a KeyError shows its text in quotes


class _Values(dict[str, Any]):
    """The settings of a group by their names. Raises: UnknownSettingError for another name."""

    def __init__(self, kind: type[Optimizer], values: Mapping[str, Any]):
        super().__init__(values)
        self.kind = kind

    def __missing__(self, name: str) -> Any:
        raise UnknownSettingError(
            f"{self.kind.__name__}: the setting {shown(name)} was asked for, and "
            f"{', '.join(self)} are there"
        )


class Group(MutableMapping[str, Any]):
    """Parameters that share settings, as in PyTorch: `group["params"]`, `group["lr"] = 0.01`.

    What is assigned is checked at once. Raises: ArgumentError for a name that is no setting.
    """

    # A program reads these numbers anew for every run; where one decides what is computed, it says
    # so by itself (live.py).
    read_each_run = frozenset({"values_now", "before"})
    __hash__ = object.__hash__

    def __init__(
        self,
        kind: type[Optimizer],
        trace: Any,
        params: list[Tensor],
        values: Mapping[str, Any],
        first: int,
    ):
        self.kind, self.trace = kind, trace
        self.params, self.first = params, first  # the place of its first parameter among all
        self.before: dict[int, dict[str, Any]] = {}  # its settings before turns, by their places
        self.values_now: dict[str, Any] = {}
        self.values_now = _Values(kind, self.checked(values))

    def checked(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return new settings as they will be kept. Raises: what their checks raise."""
        where, known = self.kind.__name__, self.kind.settings()
        for name in changes:
            if name not in known and name not in NOTES:
                raise ArgumentError(
                    f"{where}: {shown(name)} came as a setting, and {', '.join(known)} are there"
                )
        checked = {
            name: (known[name].check if name in known else at_least_zero)(x, f"{where}: {name}")
            for name, x in changes.items()
        }
        self.kind.check({**self.values_now, **checked})
        return checked

    def assign(self, checked: Mapping[str, Any]) -> None:
        """Take over new settings."""
        if (tracer := finder(self.trace)) is not None:
            tracer.changing(self.values_now)
            for name in checked:
                tracer.cannot_repeat(f"assigns {self.kind.__name__}.{name}", " in every call")
        self.values_now.update(checked)

    def _is_still(self, name: str, value: Any) -> bool:
        return bool(self.values_now[name] == value)

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        value = self.values_now[name]
        if (tracer := finder(self.trace)) is not None:
            numbers = isinstance(value, (float, tuple))  # a scheduler changes nothing else
            if numbers and next_turn(tracer.callbacks, self, 0) is not None:
                what = f"reads {self.kind.__name__}.{name} after a scheduler's step"
                tracer.cannot_repeat(what, " in every call")
            tracer.require(self._is_still, name, value)
        return value

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise ArgumentError(
                f"{self.kind.__name__}: params of a group were assigned, which stay as they are: "
                "add_param_group adds others"
            )
        self.assign(self.checked({name: value}))

    def __delitem__(self, name: str) -> None:
        raise ArgumentError(f"{self.kind.__name__}: a setting of a group cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self.values_now))

    def __len__(self) -> int:
        return 1 + len(self.values_now)

    def __repr__(self) -> str:
        return f"{{'params': {len(self.params)} tensors, {str(dict(self.values_now))[1:]}"
