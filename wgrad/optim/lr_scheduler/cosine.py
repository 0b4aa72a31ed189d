"""Schedulers along a cosine: one that goes down and up, and one that starts again."""

from __future__ import annotations

import math
from typing import Any

from ...checks.arguments import count
from ...errors import ArgumentError, shown
from ..optimizer import Optimizer
from ..settings import at_least_zero
from .base import Counted, LRScheduler


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * t / T_max)) / 2 at step t.

    After T_max steps it rises again, as the cosine does. Computed from the last rate, as PyTorch
    does, so that it goes together with other schedulers.

    Raises: what LRScheduler raises. Source: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    >>> for _ in range(5):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.85 0.5 0.15 0.0
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ):
        self.T_max = count(T_max, self._name, "T_max", least=1)
        self.eta_min = at_least_zero(eta_min, f"{self._name}: eta_min")
        super().__init__(optimizer, last_epoch)

    def _height(self, t: int) -> float:
        return 1 + math.cos(math.pi * t / self.T_max)

    def get_lr(self) -> list[float]:
        t, low = self.last_epoch, self.eta_min
        if self._initial:
            return self._rates()
        if self._step_count == 1 and t > 0:
            return self._closed_lr()
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # just past the lowest point, where 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                lr + (base - low) * rise
                for base, lr in zip(self.base_lrs, self._rates(), strict=True)
            ]
        factor = self._height(t) / self._height(t - 1)
        return [max(0.0, factor * (lr - low) + low) for lr in self._rates()]  # not -1e-20

    def _closed_lr(self) -> list[float]:
        low, height = self.eta_min, self._height(self.last_epoch)
        return [low + (lr - low) * height / 2 for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2.

    T_cur counts steps since the last restart, which comes after T_i of them: at first T_0, and
    T_mult times as many after each restart.

    Raises: what LRScheduler raises. Source: Loshchilov and Hutter, https://arxiv.org/abs/1608.03983

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for _ in range(5):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.5 1.0 0.5 1.0
    """

    T_cur = Counted("Steps since the last restart.")
    T_i = Counted("Steps from the last restart to the next.")

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ):
        self.T_0 = count(T_0, self._name, "T_0", least=1)
        self.T_mult = count(T_mult, self._name, "T_mult", least=1)
        self.eta_min = at_least_zero(eta_min, f"{self._name}: eta_min")
        self._now = {"T_cur": last_epoch, "T_i": T_0}
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        low, height = self.eta_min, 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [low + (lr - low) * height / 2 for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go one step on, or to `epoch`, which may lie between two (epoch + batch / batches).

        Raises: ArgumentError for a negative epoch.
        """
        if epoch is not None:
            self._check_order()
            at_least_zero(epoch, f"{self._name}.step: epoch")
            if self._finder() is not None:
                raise ArgumentError(
                    f"{self._name}.step: epoch={shown(epoch)} came in a compiled function, where "
                    "step() without it counts by itself"
                )
            self._move(epoch)
            return
        super().step()

    def _move(self, epoch: Any = None) -> None:
        now = self._now
        if epoch is None and now["last_epoch"] < 0:
            epoch = 0
        if epoch is None:
            epoch = now["last_epoch"] + 1
            now["T_cur"] += 1
            if now["T_cur"] >= now["T_i"]:
                now["T_cur"], now["T_i"] = now["T_cur"] % now["T_i"], now["T_i"] * self.T_mult
        elif epoch < self.T_0:
            now["T_cur"], now["T_i"] = epoch, self.T_0
        elif self.T_mult == 1:
            now["T_cur"] = epoch % self.T_0
        else:
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            now["T_i"] = self.T_0 * self.T_mult**n
            now["T_cur"] = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
        now["last_epoch"] = math.floor(epoch)
        self._check_groups()
        self._set("lr", self.get_lr())
        self._note_rates()
