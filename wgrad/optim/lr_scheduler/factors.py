"""Schedulers that multiply the learning rate by something at each step."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...checks.arguments import count
from ...errors import ArgumentError, shown
from ..optimizer import Optimizer
from ..settings import at_least_zero, finite
from .base import LRScheduler, share

Factor = Callable[[int], float]


class _ByFunctions(LRScheduler):
    """A schedule that asks a function for each group."""

    _functions = frozenset({"lr_lambdas"})

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int):
        self._begin(optimizer)
        groups = len(optimizer.param_groups)
        several = isinstance(lr_lambda, (list, tuple))
        self.lr_lambdas: list[Any] = list(lr_lambda) if several else [lr_lambda] * groups  # type: ignore[arg-type]
        if len(self.lr_lambdas) != groups:
            raise ArgumentError(
                f"{self._name}: lr_lambda has {len(self.lr_lambdas)} entries, and one for each of "
                f"{groups} groups is needed"
            )
        for f in self.lr_lambdas:
            if not callable(f):
                raise ArgumentError(
                    f"{self._name}: lr_lambda={shown(f)} came, and a function of the number of "
                    "steps is needed"
                )
        super().__init__(optimizer, last_epoch)

    def _factors(self) -> list[float]:
        t = self.last_epoch
        return [at_least_zero(f(t), f"{self._name}: lr_lambda({t})") for f in self.lr_lambdas]


class LambdaLR(_ByFunctions):
    """lr = initial_lr * lr_lambda(t), where t is the number of steps so far.

    `lr_lambda` is one function, or a list of one a group; none is part of the state.

    Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=8.0)
    >>> scheduler = wg.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> for _ in range(4):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    8.0 4.0 2.67 2.0
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ):
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr * f for lr, f in zip(self.base_lrs, self._factors(), strict=True)]


class MultiplicativeLR(_ByFunctions):
    """lr = lr * lr_lambda(t) at step t.

    `lr_lambda` is one function, or a list of one a group; none is part of the state.
    Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda t: 0.5)
    >>> for _ in range(4):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.5 0.25 0.125
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ):
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[float]:
        if self._initial:
            return self._rates()
        return [lr * f for lr, f in zip(self._rates(), self._factors(), strict=True)]


class StepLR(LRScheduler):
    """lr = lr * gamma at every step_size-th step.

    Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(5):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 1.0 0.5 0.5 0.25
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ):
        self.step_size = count(step_size, self._name, "step_size", least=1)
        self.gamma = at_least_zero(gamma, f"{self._name}: gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        factor = 1.0 if t == 0 or t % self.step_size else self.gamma
        return [lr * factor for lr in self._rates()]

    def _closed_lr(self) -> list[float]:
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """lr = lr * gamma at each of the steps in milestones.

    Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(5):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.5 0.5 0.25 0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ):
        if isinstance(milestones, str) or not isinstance(milestones, Iterable):
            raise ArgumentError(
                f"{self._name}: milestones={shown(milestones)} came, and a list of integers is "
                "needed"
            )
        self.milestones = Counter(count(x, self._name, "milestones") for x in milestones)
        self.gamma = at_least_zero(gamma, f"{self._name}: gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones.get(self.last_epoch, 0)
        return [lr * factor for lr in self._rates()]

    def _closed_lr(self) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """lr = initial_lr * factor in the first total_iters steps, and initial_lr afterwards.

    Raises: what LRScheduler raises; ArgumentError unless 0 < factor <= 1.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> for _ in range(4):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    0.5 0.5 1.0 1.0
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.factor = share(factor, self._name, "factor", above=True)
        self.total_iters = count(total_iters, self._name, "total_iters")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if t == 0:
            return [lr * self.factor for lr in self._rates()]
        return [lr * (1.0 / self.factor if t == self.total_iters else 1.0) for lr in self._rates()]

    def _closed_lr(self) -> list[float]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [lr * factor for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """lr = initial_lr * f, where f goes from start_factor to end_factor in total_iters steps.

    Raises: what LRScheduler raises; ArgumentError unless start_factor is above 0 and both are at
    most 1.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> for _ in range(5):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    0.25 0.5 0.75 1.0 1.0
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor = share(start_factor, self._name, "start_factor", above=True)
        self.end_factor = share(end_factor, self._name, "end_factor")
        self.total_iters = count(total_iters, self._name, "total_iters", least=1)
        super().__init__(optimizer, last_epoch)

    def _factor(self, t: int) -> float:
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(self.total_iters, t) / self.total_iters

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if t == 0:
            return [lr * self.start_factor for lr in self._rates()]
        if self._initial or t > self.total_iters:
            return self._rates()
        return [lr * (self._factor(t) / self._factor(t - 1)) for lr in self._rates()]

    def _closed_lr(self) -> list[float]:
        return [lr * self._factor(self.last_epoch) for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = lr * gamma at each step.

    Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(4):
    ...     print(optimizer.lr, end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.5 0.25 0.125
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = at_least_zero(gamma, f"{self._name}: gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr * (1.0 if self._initial else self.gamma) for lr in self._rates()]

    def _closed_lr(self) -> list[float]:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """lr = initial_lr * (1 - t / total_iters) ** power, and 0 from step total_iters on.

    Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4)
    >>> for _ in range(5):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.75 0.5 0.25 0.0
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ):
        self.total_iters = count(total_iters, self._name, "total_iters", least=1)
        self.power = finite(power, f"{self._name}: power")
        super().__init__(optimizer, last_epoch)

    def _left(self, t: int) -> float:
        return 1.0 - min(self.total_iters, t) / self.total_iters

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if self._initial or t > self.total_iters:
            return self._rates()
        factor = (self._left(t) / self._left(t - 1)) ** self.power
        return [lr * factor for lr in self._rates()]

    def _closed_lr(self) -> list[float]:
        return [lr * self._left(self.last_epoch) ** self.power for lr in self.base_lrs]
