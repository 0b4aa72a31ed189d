"""OneCycleLR: the learning rate goes up once and far down, and the momentum against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...checks.arguments import checked_flag, count
from ...errors import ArgumentError
from ..optimizer import Optimizer
from ..settings import at_least_zero
from .base import choice, each_group, share
from .cyclic import Momenta


class OneCycleLR(Momenta):
    """The learning rate goes from max_lr / div_factor to max_lr, and down to a small one.

    It rises in the first pct_start of total_steps (or of epochs * steps_per_epoch) steps, and falls
    to max_lr / div_factor / final_div_factor in the others; with three_phase, first back to where
    it began, in as many steps as it rose. In between it follows a cosine or a line
    (`anneal_strategy`). With cycle_momentum the momentum, or the first of betas, goes from
    max_momentum to base_momentum while the rate rises, and back.

    Raises: what LRScheduler raises; ArgumentError for an optimizer that has no momentum, without
    a number of steps, and for a step past the last one.
    Source: Smith and Topin, https://arxiv.org/abs/1708.07120

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=0.1, momentum=0.9)
    >>> scheduler = wg.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> for _ in range(9):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    0.04 0.52 1.0 0.95 0.81 0.61 0.39 0.19 0.05
    """

    _unsaved = frozenset({"pct_start", "three_phase", "base_momentums", "max_momentums"})

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self._begin(optimizer)
        name = self._name
        self.total_steps = self._total(total_steps, epochs, steps_per_epoch)
        self.pct_start = share(pct_start, name, "pct_start")
        self.three_phase = checked_flag(three_phase, name, "three_phase")
        self._anneal_func_type = choice(anneal_strategy, ("cos", "linear"), name, "anneal_strategy")
        peaks = each_group(max_lr, optimizer, name, "max_lr")
        div, final = _divisor(div_factor, name, "div_factor"), final_div_factor
        final = _divisor(final, name, "final_div_factor")
        self.cycle_momentum = checked_flag(cycle_momentum, name, "cycle_momentum")
        if self.cycle_momentum:
            self._momenta_at_first(base_momentum, max_momentum, last_epoch)
        if last_epoch == -1:
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["initial_lr"], group["max_lr"] = peak / div, peak
                group["min_lr"] = peak / div / final
        super().__init__(optimizer, last_epoch)

    def _total(self, total: Any, epochs: Any, steps: Any) -> int:
        if total is not None:
            return count(total, self._name, "total_steps", least=1)
        if epochs is None or steps is None:
            raise ArgumentError(
                f"{self._name}: neither total_steps came nor epochs and steps_per_epoch, and how "
                "many steps there will be is needed"
            )
        per_epoch = count(steps, self._name, "steps_per_epoch", least=1)
        return count(epochs, self._name, "epochs", least=1) * per_epoch

    def _phases(self) -> list[tuple[float, str, str, str, str]]:
        """Return the last step of each phase, and which numbers of a group it goes between."""
        rise = self.pct_start * self.total_steps
        up = rise - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"
        end = self.total_steps - 1
        if not self.three_phase:
            return [up, (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        down = 2 * rise - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"
        return [up, down, (end, "initial_lr", "min_lr", "max_momentum", "max_momentum")]

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (1 + math.cos(math.pi * part))

    def get_lr(self) -> list[float]:
        t, first = self.last_epoch, 0.0
        if t > self.total_steps:
            raise ArgumentError(
                f"{self._name}.step: step {t} came, and the schedule has {self.total_steps}: make "
                "it with as many as there will be"
            )
        phases = self._phases()
        for phase in phases:
            if t <= phase[0] or phase is phases[-1]:
                break
            first = phase[0]
        last, *names = phase
        length = last - first
        part = (t - first) / length if length else 1.0
        groups = [group.values_now for group in self._turned_groups()]
        if self.cycle_momentum:
            momenta = [self._between(g[names[2]], g[names[3]], part) for g in groups]
            self._set_momenta([max(0.0, x) for x in momenta])
        return [max(0.0, self._between(g[names[0]], g[names[1]], part)) for g in groups]


def _divisor(value: Any, where: str, name: str) -> float:
    number = at_least_zero(value, f"{where}: {name}")
    if not number:
        raise ArgumentError(f"{where}: {name}=0 came, and a number above 0 is needed")
    return number
