"""What every scheduler has: an optimizer, a count of its steps, rates for groups, saved state."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from ...checks.arguments import checked_choice
from ...errors import ArgumentError, DTypeError, shown
from ...interrupts import interrupts_wait
from ...origin import warn
from ..optimizer import Optimizer
from ..settings import Group, at_least_zero, finder
from ..turns import Turning, turns


class Counted:
    """What a scheduler changes at each step, as an attribute: a program does not rest on it."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, scheduler: LRScheduler | None, kind: type | None = None) -> Any:
        if scheduler is None:
            return self
        if self.name not in scheduler._now:
            raise AttributeError(f"{type(scheduler).__name__!r} object has no {self.name!r} yet")
        return scheduler._read(self.name)

    def __set__(self, scheduler: LRScheduler, value: Any) -> None:
        if (tracer := scheduler._finder()) is not None:
            tracer.changing(scheduler._now)
            what = f"assigns {type(scheduler).__name__}.{self.name}"
            tracer.cannot_repeat(what, " in every call")
        scheduler._now[self.name] = value


class LRScheduler(Turning):
    """A schedule of learning rates: `step()` sets that of each group to what comes next.

    `step()` follows `optimizer.step()`, after each batch or each epoch, between compiled steps or
    inside one, which goes on in the same program. One of your own is a subclass whose `get_lr`
    returns a rate for each group, from `last_epoch` (the number of steps so far), `base_lrs` (the
    rates at first) and `optimizer.param_groups`, as below.

    `last_epoch` is where the schedule goes on: -1 for its begin, else the groups need the
    "initial_lr" that an optimizer's state brings. Raises: ArgumentError for what is no optimizer,
    for numbers out of range, and for lists that have not one entry a group.

    >>> class Halving(wg.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * 0.5**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=0.5)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    read_each_run = frozenset({"_now", "_before"})
    last_epoch = Counted("How many steps there were.")
    _step_count = Counted("How many calls of step() there were, and one for the beginning.")
    _last_lr = Counted("The rates of the groups after the last step.")
    _initial = False  # are the rates at first computed now?
    _unsaved: frozenset[str] = frozenset()  # attributes that only the constructor sets
    _functions: frozenset[str] = frozenset()  # attributes that are functions, or lists of them

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self._begin(optimizer)
        self._now |= {"last_epoch": _epoch(last_epoch, self._name), "_step_count": 0}
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                if "initial_lr" not in group:
                    group["initial_lr"] = group["lr"]
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"{self._name}: last_epoch={last_epoch} came, and group {i} has no initial_lr: "
                    "load the optimizer's state first"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._start()

    def _begin(self, optimizer: Any) -> None:
        """Take the optimizer. Subclasses that read its groups in `__init__` call it first."""
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"{self._name}: optimizer={shown(optimizer)} came, and an optimizer is needed"
            )
        self.optimizer = optimizer
        self._now = {**getattr(self, "_now", {})}
        self._before = {}

    def _start(self) -> None:
        """Set the rates at first."""
        self._now["_step_count"] = 1
        self._initial = True
        try:
            self._move()
        finally:
            self._initial = False

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _turned_groups(self) -> Sequence[Group]:
        return self.optimizer.param_groups

    def _finder(self) -> Any:
        return finder(self.optimizer._trace)

    # Reading.
    def _is_still(self, name: str, value: Any) -> bool:
        return bool(self._now[name] == value)

    def _read(self, name: str) -> Any:
        value = self._now[name]
        if (tracer := self._finder()) is not None:
            if any(self._now is x for _, o in turns(tracer.callbacks, 0) for x in o._states()):
                what = f"reads {self._name}.{name} after its step()"
                tracer.cannot_repeat(what, " in every call")
            tracer.require(self._is_still, name, value)
        return value

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group, as the last step left it."""
        return list(self._last_lr)

    # A step.
    def get_lr(self) -> list[float]:
        """Return the learning rates of the groups at `last_epoch`."""
        raise NotImplementedError(f"{self._name}: the class defines no get_lr(self)")

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Set the learning rate of each group to the next of the schedule.

        When this raises, nothing has changed. Warns when it comes before the first
        `optimizer.step()`, which then would not see the first rate.
        """
        self._check_order()
        self._take_turn(self._finder())

    def _check_order(self) -> None:
        if self._now.get("_step_count") == 1 and not self.optimizer._has_stepped:
            warn(
                f"{self._name}.step: it came before the first optimizer.step(), which does not see "
                "the first learning rate: step the optimizer first"
            )

    def _advance(self) -> None:
        self._now["_step_count"] += 1
        self._move()

    def _move(self, epoch: int | None = None) -> None:
        """Go to the next epoch, or to a given one, and set the rates."""
        self._check_groups()
        closed: Callable[[], list[float]] | None = getattr(self, "_closed_lr", None)
        self._now["last_epoch"] = self._now["last_epoch"] + 1 if epoch is None else epoch
        self._set("lr", self.get_lr() if epoch is None or closed is None else closed())
        self._note_rates()

    def _check_groups(self) -> None:
        if len(self.base_lrs) != len(self._turned_groups()):
            raise ArgumentError(
                f"{self._name}.step: the optimizer has {len(self._turned_groups())} groups by now, "
                f"and had {len(self.base_lrs)} when the scheduler was made: make another"
            )

    def _note_rates(self) -> None:
        self._now["_last_lr"] = [g.values_now["lr"] for g in self._turned_groups()]

    def _set(self, name: str, values: Any) -> None:
        """Set one setting of all groups."""
        groups = self._turned_groups()
        if not isinstance(values, (list, tuple)) or len(values) != len(groups):
            raise ArgumentError(
                f"{self._name}: {shown(values)} came for {name}, and a list of {len(groups)}, one "
                "a group, is needed"
            )
        checked = [g.checked({name: x}) for g, x in zip(groups, values, strict=True)]
        assigning = self._now.get("_last_lr") is None  # by hand, before the first turn
        for group, x in zip(groups, checked, strict=True):
            group.assign(x) if assigning else group.values_now.update(x)

    # Saving and loading.
    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot by PyTorch's names: numbers, words, lists and dicts; no functions."""
        return self._own_state()

    def _own_state(self) -> dict[str, Any]:
        aside = self._unsaved | {"optimizer", "_now", "_before", "_initial"}
        own = {
            k: _told(x) if k in self._functions else x
            for k, x in vars(self).items()
            if k not in aside
        }
        return copy.deepcopy({**own, **self._now})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot of such a scheduler; PyTorch's of the same name will do.

        The optimizer's rates are part of its own state. When this raises, nothing has changed.
        Raises: ArgumentError, DTypeError.
        """
        where = f"{self._name}.load_state_dict"
        if not isinstance(state, Mapping):
            raise DTypeError(f"{where}: {type(state).__name__} came, and a dict is needed")
        own = self._own_state()
        missing = [k for k in own if k not in state]
        if missing:
            raise ArgumentError(f"{where}: {shown(list(state))} came, without {missing}")
        for k, x in own.items():
            if k not in self._functions and not _alike(x, state[k]):
                raise ArgumentError(f"{where}: {k} is {shown(state[k])}, where {shown(x)} was")
        taken = copy.deepcopy({k: state[k] for k in own})
        if (tracer := self._finder()) is not None:
            tracer.cannot_repeat(f"loads a state of {self._name}", " in every call")
            tracer.changing(self._now)
            tracer.changing(self, *[k for k in own if k not in self._now])
        with interrupts_wait():
            for k, x in taken.items():
                if k in self._now:
                    self._now[k] = x
                elif k in self._functions:
                    _remind(vars(self)[k], x)
                else:
                    vars(self)[k] = x


def _told(x: Any) -> Any:
    """Return what is saved of functions: of an object that is called its attributes."""
    if isinstance(x, list):
        return [_told(f) for f in x]
    return vars(x) if hasattr(x, "__dict__") and not isinstance(x, FunctionType) else None


def _remind(x: Any, saved: Any) -> None:
    """Give objects that are called the attributes that were saved."""
    if isinstance(x, list) and isinstance(saved, (list, tuple)):
        for f, s in zip(x, saved, strict=False):
            _remind(f, s)
    elif isinstance(saved, Mapping) and hasattr(x, "__dict__"):
        vars(x).update(saved)


def _epoch(value: Any, where: str) -> int:
    if type(value) is not int or value < -1:
        raise ArgumentError(
            f"{where}: last_epoch={shown(value)} came, and an integer of at least -1 is needed"
        )
    return value


def _alike(own: Any, came: Any) -> bool:
    """Whether a saved value could stand for one that is there."""
    if own is None or came is None:
        return True
    if isinstance(own, (bool, str)):
        return type(came) is type(own)
    if isinstance(own, (int, float)):
        return isinstance(came, (int, float)) and not isinstance(came, bool)
    if isinstance(own, (list, tuple)):
        several = isinstance(came, (list, tuple)) and len(came) == len(own)
        return several and all(_alike(x, y) for x, y in zip(own, came, strict=True))
    return isinstance(came, Mapping) if isinstance(own, Mapping) else True


def each_group(value: Any, optimizer: Optimizer, where: str, name: str) -> list[float]:
    """Return a number for each group: those of a list, or one for all. Raises: ArgumentError."""
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) != count:
        raise ArgumentError(
            f"{where}: {name} has {len(values)} entries, and one for each of {count} groups is "
            "needed"
        )
    return [at_least_zero(x, f"{where}: {name}") for x in values]


def share(value: Any, where: str, name: str, above: bool = False) -> float:
    """Return a number from 0 to 1; with `above`, greater than 0. Raises: ArgumentError."""
    number = at_least_zero(value, f"{where}: {name}")
    if number > 1 or (above and not number):
        least = "above 0 and up to 1" if above else "from 0 to 1"
        raise ArgumentError(f"{where}: {name}={shown(value)} came, and a number {least} is needed")
    return number


def momentum_name(optimizer: Optimizer, where: str) -> str:
    """Return the setting that is cycled as the momentum. Raises: ArgumentError for none."""
    known = optimizer.settings()
    for name in ("betas", "momentum"):
        if name in known:
            return name
    raise ArgumentError(
        f"{where}: cycle_momentum=True came, and {type(optimizer).__name__} has neither momentum "
        "nor betas: pass cycle_momentum=False"
    )


def choice(value: Any, options: tuple[str, ...], where: str, name: str) -> str:
    """Return one of several words. Raises: ArgumentError."""
    return checked_choice(value, options, where, name)
