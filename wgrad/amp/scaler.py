"""GradScaler: losses scaled up before backward(), so that small gradients are no zeros in float16.

The scale is a tensor, and whether a step counts is one, too, so all of it belongs into a compiled
step. The host reads how many were skipped, for optimizers that count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import tape
from ..backends.tracing import UNBACKED, changing
from ..checks.arguments import checked_flag, count
from ..creation import zeros
from ..creation.host import tensor
from ..creation.inputs import as_float
from ..dtypes import int32
from ..errors import ArgumentError, GradientError, shown
from ..ops.elementwise import isfinite, logical_not, logical_or, where
from ..ops.reduction import all_ as all_true
from ..optim.optimizer import Optimizer
from ..optim.remembered import State, tensors_of
from ..tensor import Tensor

_NUMBERS = ("growth_factor", "backoff_factor", "growth_interval")


class GradScaler:
    """Scales losses, takes the scale off the gradients, and skips steps that are not finite.

    After a step with an inf or NaN among the gradients the scale is multiplied by
    `backoff_factor`, and nothing else has changed; after `growth_interval` good steps in a row it
    is multiplied by `growth_factor`. Where the optimizer counts its steps, as Adam does, the next
    step waits until the device knows whether this one was skipped.

    `scaler.unscale_(optimizer)` before `step` is for those who look at the gradients, or clip them.
    With `enabled=False` losses and steps are what they are without it. Raises: ArgumentError for
    factors and intervals out of range.

    >>> w = wg.parameter([2.0])
    >>> optimizer = wg.optim.SGD([w], lr=0.5)
    >>> scaler = wg.GradScaler(init_scale=1024.0)
    >>> scaler.scale((w * w).sum()).backward()
    >>> w.grad  # 1024 times as large, so that nothing small is lost in float16
    tensor([4096.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([0.], requires_grad=True)
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._enabled = checked_flag(enabled, "GradScaler", "enabled")
        self._growth = as_float(growth_factor, "GradScaler", "growth_factor", above=1.0)
        self._backoff = as_float(backoff_factor, "GradScaler", "backoff_factor", above=0.0)
        if self._backoff >= 1:
            raise ArgumentError(
                f"GradScaler: backoff_factor={shown(backoff_factor)} came; it has to be below 1"
            )
        self._interval = count(growth_interval, "GradScaler", "growth_interval", least=1)
        self._scale = tensor(as_float(init_scale, "GradScaler", "init_scale", above=0.0))
        self._good = zeros((), dtype=int32)  # steps since the scale has changed
        # Of optimizers whose gradients are unscaled: whether one was not finite, by their ids.
        self._failed: dict[int, Tensor] = {}

    def is_enabled(self) -> bool:
        """Return whether it scales."""
        return self._enabled

    def get_scale(self) -> float:
        """Return the scale as a number, for which the host waits."""
        return self._scale.item() if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """Return a loss times the scale, or a list, tuple or dict of losses."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Mapping):
            return {k: self.scale(x) for k, x in outputs.items()}
        if isinstance(outputs, (list, tuple)):
            return type(outputs)([self.scale(x) for x in outputs])
        if not isinstance(outputs, Tensor):
            raise ArgumentError(f"GradScaler.scale: {shown(outputs)} came, and a loss is needed")
        self._move(outputs)
        return outputs * self._scale

    def _move(self, like: Tensor) -> None:
        if like.device is not self._scale.device:
            changing(self, "_scale", "_good")
            self._scale, self._good = self._scale.to(like.device), self._good.to(like.device)

    def unscale_(self, optimizer: Optimizer) -> None:
        """Take the scale off the gradients of an optimizer's parameters.

        Raises: GradientError where that was done since the last update.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._failed:
            raise GradientError(
                "GradScaler: unscale_() or step() came twice for one optimizer, and update() is "
                "needed in between"
            )
        tape.recording(False, self._unscale, optimizer)

    def _unscale(self, optimizer: Optimizer) -> None:
        changing(self._failed)
        failed: Any = None
        for p in optimizer.params:
            if p.grad is None:
                continue
            self._move(p)
            p.grad.assign(p.grad / self._scale)
            bad = logical_not(all_true(isfinite(p.grad)))
            failed = bad if failed is None else logical_or(failed, bad)
        if failed is None:
            raise GradientError(
                "GradScaler: no parameter of the optimizer has a gradient: call "
                "scale(loss).backward() first"
            )
        self._failed[id(optimizer)] = failed

    def step(self, optimizer: Optimizer) -> None:
        """Take the optimizer's step if all its gradients are finite, unscaled if they are not yet.

        Whether they are is found out on the device: the step is taken, and where it was wrong all
        that it wrote gets its old values.
        """
        if not self._enabled:
            optimizer.step()
            return
        if id(optimizer) not in self._failed:
            self.unscale_(optimizer)
        failed = self._failed[id(optimizer)]
        written = _written(optimizer)
        before = [x.detach().copy() for x in written]
        optimizer.step()

        def choose() -> None:
            for x, old in zip(written, before, strict=True):
                x.assign(where(failed, old, x.detach()))
            optimizer._undo_where(failed)

        tape.recording(False, choose)

    def update(self, new_scale: Any = None) -> None:
        """Change the scale by what the steps since the last update have met, or to `new_scale`."""
        if self._enabled:
            tape.recording(False, self._update, new_scale)

    def _update(self, new_scale: Any) -> None:
        if new_scale is None and not self._failed:
            raise GradientError("GradScaler: update() came before step() or unscale_()")
        failures = list(self._failed.values())
        if all(x.array.storage.buffer is not UNBACKED for x in failures):
            changing(self._failed)  # else a trace knows already, and would keep what it made
        self._failed.clear()
        if new_scale is not None:
            self._scale.assign(new_scale)
            return
        failed = failures[0]
        for other in failures[1:]:
            failed = logical_or(failed, other)
        good = where(failed, 0, self._good + 1)
        full = good >= self._interval
        grown = self._scale * self._growth
        grown = where(isfinite(grown), grown, self._scale)
        factor = where(full, grown, self._scale)
        self._scale.assign(where(failed, self._scale * self._backoff, factor))
        self._good.assign(where(full, 0, good))

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and the numbers, by PyTorch's names: {} where it is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth,
            "backoff_factor": self._backoff,
            "growth_interval": self._interval,
            "_growth_tracker": int(self._good.item()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned. Raises: ArgumentError for anything else."""
        if not self._enabled:
            return
        names = ("scale", *_NUMBERS, "_growth_tracker")
        if not isinstance(state_dict, Mapping) or set(state_dict) != set(names):
            came = shown(list(state_dict)) if isinstance(state_dict, Mapping) else shown(state_dict)
            raise ArgumentError(
                f"GradScaler.load_state_dict: {came} came, and a dict of {', '.join(names)} is "
                "needed"
            )
        numbers = {name: state_dict[name] for name in _NUMBERS}
        made = GradScaler(state_dict["scale"], **numbers)
        good = count(state_dict["_growth_tracker"], "GradScaler.load_state_dict", "_growth_tracker")
        self._growth, self._backoff, self._interval = made._growth, made._backoff, made._interval
        self._scale.assign(made._scale.item())
        self._good.assign(good)


def _written(optimizer: Optimizer) -> list[Tensor]:
    """Return what a step may write to, with the state that it would only make then."""
    written: list[Tensor] = []
    for i, p in enumerate(optimizer.params):
        if p.grad is None or not p.requires_grad:
            continue
        written.append(p)
        state = State(optimizer, i)
        for name in optimizer.state:
            kept = state[name]
            if name in state.new:
                changing(optimizer._memory[name])
                optimizer._memory[name][i] = kept
            written += tensors_of(kept)
    return written
