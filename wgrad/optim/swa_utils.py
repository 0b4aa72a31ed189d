"""Averages of a model's weights over its training, and what belongs to them, by PyTorch's names.

Averages lie on the model's device and are computed there, inside a compiled step too.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..checks.arguments import checked_flag, count
from ..creation import DeviceLike, ones_like, zeros, zeros_like
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..ops.elementwise import where
from ..tape import no_grad
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler, choice, each_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Tensor], Tensor]
Pairs = list[tuple[Tensor, Tensor]]
Averages = Callable[[list[Tensor], list[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return `average, new, n -> decay * average + (1 - decay) * new`: an exponential average.

    Raises: ArgumentError for a decay outside 0 to 1.
    """
    keep = _decay(decay, "get_ema_avg_fn")

    def ema_update(average: Tensor, new: Tensor, n: Any) -> Tensor:
        return keep * average + (1 - keep) * new

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """Return what does as get_ema_avg_fn says for all of a list, in place.

    Raises: ArgumentError for a decay outside 0 to 1.
    """
    update = get_ema_avg_fn(_decay(decay, "get_ema_multi_avg_fn"))
    return _in_place(update)


def get_swa_avg_fn() -> Average:
    """Return `average, new, n -> average + (new - average) / (n + 1)`: the mean of all."""
    return _mean


def get_swa_multi_avg_fn() -> Averages:
    """Return what does as get_swa_avg_fn says for all of a list, in place."""
    return _in_place(_mean)


def _mean(average: Tensor, new: Tensor, n: Any) -> Tensor:
    return average + (new - average) / (n + 1)


def _in_place(update: Average) -> Averages:
    def updates(averages: list[Tensor], news: list[Tensor], n: Any) -> None:
        for average, new in zip(averages, news, strict=True):
            average.assign(update(average, new, n))

    return updates


def _decay(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ArgumentError(
            f"{where}: decay={shown(value)} came, and a number from 0 to 1 is needed"
        )
    return value


class AveragedModel(Module):
    """A copy of a model, `module`, whose parameters are averages of the model's over its training.

    `update_parameters(model)` takes the model's parameters in: the first time as they are, then by
    `avg_fn(average, new, n)`, which returns the new average, or `multi_avg_fn(averages, news, n)`,
    which changes all of a list in place; n is the number of times before, a float tensor. Without
    either it is the mean of all. Buffers are the model's of the last time, or with use_buffers
    averaged too, where they are floats. Called, it runs the copy.

    Raises: ArgumentError for what is no module, and for both functions. Source: Izmailov et al.,
    https://arxiv.org/abs/1803.05407

    >>> model = wg.nn.Linear(2, 1)
    >>> average = wg.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):  # as if trained to these
    ...     _ = wg.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight
    tensor([[3., 3.]], requires_grad=True)
    """

    def __init__(
        self,
        model: Module,
        device: DeviceLike = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if not isinstance(model, Module):
            raise ArgumentError(f"AveragedModel: {shown(model)} came, and a module is needed")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("AveragedModel: avg_fn and multi_avg_fn came, and one is possible")
        for f in (avg_fn, multi_avg_fn):
            if f is not None and not callable(f):
                raise ArgumentError(f"AveragedModel: {shown(f)} came, and a function is needed")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        for p in self.module.parameters():
            p.set_grad(None)
        tensors = [*self.module.parameters(), *self.module.buffers()]
        where_it_is = tensors[0].device if tensors else device
        self.n_averaged = zeros((), dtype=int, device=where_it_is)
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = checked_flag(use_buffers, "AveragedModel", "use_buffers")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the copy returns."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of a model in. When this raises, nothing has changed.

        Raises: ArgumentError, ShapeError or DTypeError for a model of another kind than the copied.
        """
        averaged, copied = self._pairs(model)
        first, n = self.n_averaged == 0, self.n_averaged
        averages = [a.detach() for a, _ in averaged]
        news = [x for _, x in averaged]
        if self.multi_avg_fn is not None:
            results = [a.copy() for a in averages]
            by_type: dict[Any, list[int]] = {}
            for i, a in enumerate(averages):
                by_type.setdefault((a.device, a.dtype), []).append(i)
            for (device, dtype), at in by_type.items():
                count_now = n.to(device).astype(dtype)
                self.multi_avg_fn([results[i] for i in at], [news[i] for i in at], count_now)
        else:
            update = self.avg_fn or _mean
            results = [
                self._fitting(update(a, x, n.to(a.device).astype(a.dtype)), a)
                for a, x in zip(averages, news, strict=True)
            ]
        for a, x, result in zip(averages, news, results, strict=True):
            a.assign(where(first.to(a.device), x, result))
        for a, x in copied:
            a.detach().assign(x)
        n.assign(n + 1)

    def _pairs(self, model: Any) -> tuple[Pairs, Pairs]:
        """Return what is averaged and what is copied, each with the model's, on the same device."""
        name = "AveragedModel.update_parameters"
        if not isinstance(model, Module):
            raise ArgumentError(f"{name}: {shown(model)} came, and a module is needed")
        averaged: Pairs = []
        copied: Pairs = []
        for kind in ("parameters", "buffers"):
            own, given = (dict(getattr(m, f"named_{kind}")()) for m in (self.module, model))
            if list(own) != list(given):
                raise ArgumentError(
                    f"{name}: {kind} {shown(list(given))} came, and {shown(list(own))} are needed"
                )
            for key, a in own.items():
                x = given[key].detach().to(a.device)
                if x.shape != a.shape:
                    raise ShapeError(f"{name}: {key} has shape {x.shape}, and had {a.shape}")
                if x.dtype is not a.dtype:
                    raise DTypeError(f"{name}: {key} is {x.dtype.name}, and was {a.dtype.name}")
                averages = kind == "parameters" or (self.use_buffers and a.dtype.is_floating)
                (averaged if averages else copied).append((a, x))
        return averaged, copied

    @staticmethod
    def _fitting(result: Any, like: Tensor) -> Tensor:
        if not isinstance(result, Tensor) or result.shape != like.shape:
            came = f"a tensor {result.shape}" if isinstance(result, Tensor) else shown(result)
            raise ArgumentError(
                f"AveragedModel.update_parameters: avg_fn returned {came}, and a tensor "
                f"{like.shape} is needed"
            )
        return result.detach().astype(like.dtype)


@no_grad
def update_bn(loader: Iterable[Any], model: Module, device: DeviceLike = None) -> None:
    """Compute anew the running statistics of the BatchNorm layers of a model, over a loader.

    An item is an input, or a tuple or list that begins with one; it is moved to `device` if that is
    given. The model is in training mode meanwhile. Averages of weights need it, for they were
    trained with other statistics. Raises: ArgumentError.
    """
    if not isinstance(model, Module):
        raise ArgumentError(f"update_bn: {shown(model)} came, and a module is needed")
    if not isinstance(loader, Iterable):
        raise ArgumentError(f"update_bn: {shown(loader)} came, and a loader of inputs is needed")
    norms = [x for x in model.modules() if isinstance(x, _BatchNorm)]
    if not norms:
        return
    momenta, modes = [x.momentum for x in norms], [(x, x.training) for x in model.modules()]
    for x in norms:
        for kept, fill in (
            (x.running_mean, zeros_like),
            (x.running_var, ones_like),
            (x.num_batches_tracked, zeros_like),
        ):
            if kept is not None:
                kept.assign(fill(kept))
        x.momentum = None
    model.train()
    try:
        for item in loader:
            given = item[0] if isinstance(item, (list, tuple)) else item
            model(given.to(device) if device is not None else given)
    finally:
        for x, momentum in zip(norms, momenta, strict=True):
            x.momentum = momentum
        for module, mode in modes:
            module.training = mode


class SWALR(LRScheduler):
    """The learning rate goes to swa_lr in anneal_epochs steps, and stays there.

    It follows a cosine or a line (`anneal_strategy`) from what the rate is when it begins;
    `swa_lr` is one number, or a list of one a group. Raises: what LRScheduler raises.

    >>> optimizer = wg.optim.SGD([wg.parameter(1.0)], lr=1.0)
    >>> scheduler = wg.optim.swa_utils.SWALR(optimizer, swa_lr=0.2, anneal_epochs=2)
    >>> for _ in range(4):
    ...     print(round(optimizer.lr, 2), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    1.0 0.6 0.2 0.2
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        self._begin(optimizer)
        name = self._name
        rates = each_group(swa_lr, optimizer, name, "swa_lr")
        self._anneal_strategy = choice(anneal_strategy, ("cos", "linear"), name, "anneal_strategy")
        self.anneal_epochs = count(anneal_epochs, name, "anneal_epochs")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """Return how far the rate has come after some steps: from 0 to 1."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        step = max(1, step) if self.anneal_epochs == 0 else step
        before, part = self._part(step - 1), self._part(step)
        out = []
        for group in self._turned_groups():
            end, lr = group.values_now["swa_lr"], group.values_now["lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            out.append(max(0.0, end * part + start * (1 - part)))
        return out
