"""Schedulers made of others: one after the other, or all at each step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...checks.arguments import count
from ...errors import ArgumentError, DTypeError, shown
from ...interrupts import interrupts_wait
from ..optimizer import Optimizer
from .base import LRScheduler
from .plateau import ReduceLROnPlateau


class _Leading(LRScheduler):
    """A scheduler that leads others, all of one optimizer."""

    _unsaved = frozenset({"_schedulers"})

    def _lead(self, schedulers: Any, optimizer: Any) -> None:
        """Take the schedulers. Raises: ArgumentError."""
        name = self._name
        if not isinstance(schedulers, (list, tuple)) or not schedulers:
            raise ArgumentError(
                f"{name}: schedulers={shown(schedulers)} came, and a list of schedulers is needed"
            )
        for i, x in enumerate(schedulers):
            if not isinstance(x, LRScheduler):
                raise ArgumentError(f"{name}: scheduler {i} is {shown(x)}, and no scheduler")
            if isinstance(x, ReduceLROnPlateau):
                raise ArgumentError(
                    f"{name}: scheduler {i} is a ReduceLROnPlateau, whose step needs a metric: "
                    "step it apart"
                )
        self._begin(schedulers[0].optimizer if optimizer is None else optimizer)
        for i, x in enumerate(schedulers):
            if x.optimizer is not self.optimizer:
                raise ArgumentError(
                    f"{name}: scheduler {i}, a {type(x).__name__}, changes the rates of another "
                    "optimizer, and all of one optimizer are needed"
                )
        self._schedulers: list[LRScheduler] = list(schedulers)

    def _states(self) -> list[dict[str, Any]]:
        return [self._now, *[state for x in self._schedulers for state in x._states()]]

    def _plain(self) -> Iterator[LRScheduler]:
        """Yield those that lead no others."""
        for x in self._schedulers:
            if isinstance(x, _Leading):
                yield from x._plain()
            else:
                yield x

    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot by PyTorch's names, with those of the schedulers in "_schedulers"."""
        return {**self._own_state(), "_schedulers": [x.state_dict() for x in self._schedulers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot of such a scheduler; PyTorch's of the same name will do.

        When this raises, nothing has changed. Raises: ArgumentError, DTypeError.
        """
        where = f"{self._name}.load_state_dict"
        given = state.get("_schedulers") if isinstance(state, Mapping) else None
        if not isinstance(given, (list, tuple)) or len(given) != len(self._schedulers):
            raise ArgumentError(
                f"{where}: {shown(given)} came as _schedulers, and the states of "
                f"{len(self._schedulers)} are needed"
            )
        before = [x.state_dict() for x in self._schedulers]
        with interrupts_wait():
            try:
                for x, s in zip(self._schedulers, given, strict=True):
                    x.load_state_dict(s)
                super().load_state_dict(state)
            except (ArgumentError, DTypeError):
                for x, s in zip(self._schedulers, before, strict=True):
                    x.load_state_dict(s)
                raise


class SequentialLR(_Leading):
    """One scheduler after the other: the next one begins at each of the steps in milestones.

    Raises: what LRScheduler raises; ArgumentError for schedulers of another optimizer, for a
    ReduceLROnPlateau, and unless there is one milestone less than schedulers.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> S = wg.optim.lr_scheduler
    >>> first, then = S.ConstantLR(optimizer, 0.25, total_iters=9), S.ExponentialLR(optimizer, 0.5)
    >>> scheduler = S.SequentialLR(optimizer, [first, then], milestones=[2])
    >>> for _ in range(5):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    0.25 0.25 1.0 0.5 0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ):
        if not isinstance(optimizer, Optimizer):
            self._begin(optimizer)  # raises
        self._lead(schedulers, optimizer)
        several = isinstance(milestones, (list, tuple))
        if not several or len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"{self._name}: milestones={shown(milestones)} came for {len(schedulers)} "
                f"schedulers, and a list of {len(schedulers) - 1} is needed"
            )
        self._milestones = [count(x, self._name, "milestones") for x in milestones]
        if any(a >= b for a, b in zip(self._milestones, self._milestones[1:], strict=False)):
            raise ArgumentError(
                f"{self._name}: milestones={shown(milestones)} came, and growing ones are needed"
            )
        self._now["last_epoch"] = last_epoch + 1
        self._set("lr", [group["initial_lr"] for group in optimizer.param_groups])
        for x in self._plain():  # each has set its first rate by now, one on the other
            x._now["last_epoch"] -= 1
        self._start()

    def _start(self) -> None:
        self._schedulers[bisect_right(self._milestones, 0)]._start()
        self._note_rates()

    def _check_order(self) -> None:
        if self._now["last_epoch"] == 0:
            self._schedulers[0]._check_order()

    def _move(self, epoch: int | None = None) -> None:
        """Begin anew at an epoch, where another scheduler leads to this one."""
        self._now["last_epoch"] = t = epoch or 0
        self._schedulers[bisect_right(self._milestones, t)]._move(t)
        self._note_rates()

    def _advance(self) -> None:
        self._now["last_epoch"] = t = self._now["last_epoch"] + 1
        i = bisect_right(self._milestones, t)
        scheduler = self._schedulers[i]
        if i and self._milestones[i - 1] == t:
            scheduler._move(0)
        else:
            scheduler._advance()
        self._note_rates()


class ChainedScheduler(_Leading):
    """All schedulers at each step: what they multiply the learning rate by comes together.

    Raises: what LRScheduler raises; ArgumentError for schedulers of another optimizer, and for a
    ReduceLROnPlateau.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> S = wg.optim.lr_scheduler
    >>> warmup, decay = S.ConstantLR(optimizer, 0.5, total_iters=2), S.ExponentialLR(optimizer, 0.5)
    >>> scheduler = S.ChainedScheduler([warmup, decay])
    >>> for _ in range(4):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    0.5 0.25 0.25 0.125
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._lead(schedulers, optimizer)
        self._note_rates()

    @property
    def last_epoch(self) -> int:
        """How many steps there were."""
        return int(self._schedulers[0].last_epoch)

    def _start(self) -> None:
        for x in self._schedulers:
            x._start()
        self._note_rates()

    def _move(self, epoch: int | None = None) -> None:
        for x in self._schedulers:
            x._move(epoch)
        self._note_rates()

    def _check_order(self) -> None:
        self._schedulers[0]._check_order()

    def _advance(self) -> None:
        for x in self._schedulers:
            x._advance()
        self._note_rates()
