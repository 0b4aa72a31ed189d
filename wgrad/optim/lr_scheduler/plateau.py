"""ReduceLROnPlateau: a smaller learning rate once a metric has stopped getting better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...checks.arguments import count
from ...errors import ArgumentError, shown
from ...tensor import Tensor
from ..optimizer import Optimizer
from ..settings import at_least_zero
from .base import Counted, LRScheduler, choice, each_group, share


class ReduceLROnPlateau(LRScheduler):
    """lr = lr * factor once a metric has not got better in more than `patience` steps.

    Better is less (`mode="min"`) or more ("max") than the best so far, by `threshold`: a share of
    it ("rel") or an amount ("abs"). After that, `cooldown` steps are not counted. No rate falls
    below min_lr (one, or a list of one a group), and none changes by less than eps.

    Raises: what LRScheduler raises; ArgumentError unless factor < 1.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    >>> for loss in (1.0, 0.5, 0.5, 0.5, 0.5):
    ...     optimizer.step()
    ...     scheduler.step(loss)
    >>> optimizer.lr
    0.5
    """

    best = Counted("The best metric so far.")
    num_bad_epochs = Counted("How many steps have not been better.")
    cooldown_counter = Counted("How many steps are not counted yet.")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ):
        self._begin(optimizer)
        name = self._name
        self.mode = choice(mode, ("min", "max"), name, "mode")
        self.factor = share(factor, name, "factor")
        if self.factor == 1:
            raise ArgumentError(f"{name}: factor={shown(factor)} came, and less than 1 is needed")
        self.patience = count(patience, name, "patience")
        self.threshold = at_least_zero(threshold, f"{name}: threshold")
        self.threshold_mode = choice(threshold_mode, ("rel", "abs"), name, "threshold_mode")
        self.cooldown = count(cooldown, name, "cooldown")
        self.min_lrs = each_group(min_lr, optimizer, name, "min_lr")
        self.eps = at_least_zero(eps, f"{name}: eps")
        self._now = {
            "last_epoch": 0,
            "best": math.inf if mode == "min" else -math.inf,
            "num_bad_epochs": 0,
            "cooldown_counter": 0,
        }
        self._note_rates()

    @property
    def in_cooldown(self) -> bool:
        """Whether steps are not counted now."""
        return bool(self.cooldown_counter > 0)

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Note a metric, a number or a tensor of one, and lower the rates if it is time to.

        It belongs between compiled steps: the metric is read by the host. Raises: ArgumentError.
        """
        if (tracer := self._finder()) is not None:
            tracer.refuse(
                f"{self._name}.step reads its metric on the host: return the metric from the "
                "compiled function, and step the scheduler after it"
            )
        if isinstance(metrics, Tensor) and metrics.size == 1:
            metrics = metrics.item()
        try:
            value = float(metrics)
        except (TypeError, ValueError, OverflowError):
            came = f"a tensor {metrics.shape}" if isinstance(metrics, Tensor) else shown(metrics)
            raise ArgumentError(f"{self._name}.step: {came} came, and a number is needed") from None
        self._metric = value
        try:
            self._take_turn(None)
        finally:
            del self._metric

    def _advance(self) -> None:
        now = self._now
        now["last_epoch"] += 1
        if self._is_better(self._metric, now["best"]):
            now["best"], now["num_bad_epochs"] = self._metric, 0
        else:
            now["num_bad_epochs"] += 1
        if now["cooldown_counter"] > 0:
            now["cooldown_counter"] -= 1
            now["num_bad_epochs"] = 0
        if now["num_bad_epochs"] > self.patience:
            now["cooldown_counter"], now["num_bad_epochs"] = self.cooldown, 0
            self._reduce()
        self._note_rates()

    def _reduce(self) -> None:
        rates = self._rates()
        if len(rates) != len(self.min_lrs):
            raise ArgumentError(
                f"{self._name}: min_lr has {len(self.min_lrs)} entries, and the optimizer has "
                f"{len(rates)} groups by now"
            )
        lower = [
            max(lr * self.factor, least) for lr, least in zip(rates, self.min_lrs, strict=True)
        ]
        pairs = zip(rates, lower, strict=True)
        self._set("lr", [new if lr - new > self.eps else lr for lr, new in pairs])

    def _is_better(self, metric: float, best: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * metric < sign * best * (1 - sign * self.threshold)
        return sign * metric < sign * best - self.threshold
