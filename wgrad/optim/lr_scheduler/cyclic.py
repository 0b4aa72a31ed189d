"""CyclicLR: the learning rate goes up and down between two, and the momentum against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...checks.arguments import checked_flag, count
from ...errors import ArgumentError, shown
from ..optimizer import Optimizer
from ..settings import at_least_zero
from .base import LRScheduler, choice, each_group, momentum_name


class Momenta(LRScheduler):
    """A schedule that sets the momentum too, or the first of betas."""

    cycle_momentum: bool
    use_beta1: bool

    def _momenta_at_first(self, base: Any, most: Any, last_epoch: int) -> None:
        """Check and note what the momentum goes between, and set it unless a schedule goes on."""
        optimizer, name = self.optimizer, momentum_name(self.optimizer, self._name)
        self.use_beta1 = name == "betas"
        self.base_momentums = each_group(base, optimizer, self._name, "base_momentum")
        self.max_momentums = each_group(most, optimizer, self._name, "max_momentum")
        if last_epoch == -1:
            self._set_momenta(self.max_momentums)
            for group, low, high in zip(
                optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                group["base_momentum"], group["max_momentum"] = low, high

    def _set_momenta(self, values: Sequence[float]) -> None:
        if self.use_beta1:
            betas = [g.values_now["betas"] for g in self._turned_groups()]
            self._set("betas", [(x, *b[1:]) for x, b in zip(values, betas, strict=True)])
        else:
            self._set("momentum", list(values))


class CyclicLR(Momenta):
    """The learning rate goes from base_lr to max_lr in step_size_up steps, and back.

    `mode` says how cycle n (from 1) is lower: "triangular" not at all, "triangular2" by
    1 / 2 ** (n - 1), "exp_range" by gamma ** t at step t. `scale_fn`, a function of n or, with
    scale_mode="iterations", of t, takes their place. With cycle_momentum the momentum, or the first
    of betas, goes from max_momentum to base_momentum meanwhile, and back.

    Raises: what LRScheduler raises; ArgumentError for an optimizer that has no momentum.
    Source: Smith, https://arxiv.org/abs/1506.01186

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0, momentum=0.9)
    >>> scheduler = wg.optim.lr_scheduler.CyclicLR(optimizer, 1.0, 3.0, step_size_up=2)
    >>> for _ in range(5):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 2.0 3.0 2.0 1.0
    """

    _functions = frozenset({"_scale_fn_custom"})

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ):
        self._begin(optimizer)
        name = self._name
        bases = each_group(base_lr, optimizer, name, "base_lr")
        self.max_lrs = each_group(max_lr, optimizer, name, "max_lr")
        up = count(step_size_up, name, "step_size_up", least=1)
        down = up if step_size_down is None else step_size_down
        self.total_size = float(up + count(down, name, "step_size_down", least=1))
        self.step_ratio = up / self.total_size
        self.mode = choice(mode, ("triangular", "triangular2", "exp_range"), name, "mode")
        self.gamma = at_least_zero(gamma, f"{name}: gamma")
        if scale_fn is not None and not callable(scale_fn):
            raise ArgumentError(
                f"{name}: scale_fn={shown(scale_fn)} came, and a function is needed"
            )
        self._scale_fn_custom = scale_fn
        self.scale_mode = choice(scale_mode, ("cycle", "iterations"), name, "scale_mode")
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = checked_flag(cycle_momentum, name, "cycle_momentum")
        if last_epoch == -1:
            self._set("lr", bases)
        if self.cycle_momentum:
            self._momenta_at_first(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def _scale(self, cycle: int) -> float:
        at = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(at)
        if self.mode == "exp_range":
            return self.gamma**at
        return 1.0 if self.mode == "triangular" else 0.5 ** (at - 1)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        up = x <= self.step_ratio
        height = x / self.step_ratio if up else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            self._set_momenta([most - (most - least) * height for least, most in pairs])
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]
