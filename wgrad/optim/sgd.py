"""Stochastic gradient descent, with momentum, Nesterov's variant and weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..backends.array import Array, Body
from ..backends.tracing import changing, traced_by
from ..checks.arguments import checked_flag
from ..creation import zeros_like
from ..errors import ArgumentError, DTypeError, shown
from ..interrupts import interrupts_wait, whole
from ..nn.module import prepare_value
from ..ops.movement import cast
from ..tensor import Tensor
from .optimizer import Optimizer, checked_number, kept_in, map_arrays


# One kernel each, instead of a multiplication and an addition. Nothing records a step, so these
# are no ops: they have no derivative.
def _numpy_step(a: Any, b: Any, c: Any) -> Any:
    step = np.multiply(b, c)
    if isinstance(step, np.ndarray):  # one array, not two: a step is bound by memory
        return np.subtract(a, step, out=step)
    return a - step


_STEP = Body("sgd_step", "a - c * b", _numpy_step)
_DECAYED_STEP = Body(
    "sgd_decayed_step", "a - c * (b + d * a)", lambda a, b, c, d: a - c * (b + d * a)
)
_ADD_SCALED = Body("sgd_add_scaled", "a + c * b", lambda a, b, c: a + c * b)

_SETTINGS = ("lr", "momentum", "nesterov", "weight_decay")


class SGD(Optimizer):
    """Stochastic gradient descent, as PyTorch defines it.

    With the gradient g of a parameter p, in this order:

        g = g + weight_decay * p
        v = momentum * v + g        the first time v = g
        p = p - lr * v              with nesterov: p - lr * (g + momentum * v)

    Raises: what Optimizer raises; ArgumentError for nesterov without momentum.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    read_each_run = frozenset({"_lr", "_momentum", "_weight_decay"})
    _momentum: float
    _weight_decay: float

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr)
        self.momentum, self.nesterov, self.weight_decay = _checked_settings(
            momentum, nesterov, weight_decay
        )
        self._velocity: list[Tensor | None] = [None] * len(self.params)

    @property
    def momentum(self) -> float:
        """How much of the velocity each step keeps: at least 0."""
        return self._as_read("_momentum")

    @momentum.setter
    def momentum(self, value: float) -> None:
        self._assign("_momentum", value)

    @property
    def weight_decay(self) -> float:
        """How strongly the parameters are drawn to 0: at least 0."""
        return self._as_read("_weight_decay")

    @weight_decay.setter
    def weight_decay(self, value: float) -> None:
        self._assign("_weight_decay", value)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in _SETTINGS)
        return f"SGD({len(self.params)} parameters, {settings})"

    @whole
    def step(self) -> None:
        """Change every parameter that has a gradient, in place: one kernel each when plain."""
        for i, p in enumerate(self.params):
            if self._is_moved(p):
                if self._is_found and self._velocity[i] is None and self._momentum:
                    changing(self._velocity)
                    with traced_by(None):  # state that a program finds, not one that it makes
                        self._velocity[i] = zeros_like(p, kept_in(p))
                assert p.grad is not None
                self._step(i, p, p.grad.array)

    def _step(self, i: int, p: Tensor, g: Array) -> None:
        names = ("_lr", "_momentum", "_weight_decay")
        lr, momentum, decay = [self._number(getattr, self, name) for name in names]
        if not self._momentum:
            if decay:
                p._write(map_arrays(_DECAYED_STEP, p.array, g, lr, decay), owned=True)
            else:
                p._write(map_arrays(_STEP, p.array, g, lr), owned=True)
            return
        kind = kept_in(p)
        if decay:
            g = map_arrays(_ADD_SCALED, g, p.array, decay, dtype=kind)
        v = self._velocity[i]
        if v is None:
            fresh = g if decay else cast(p.device, g, kind)  # v is written to
            v = self._velocity[i] = Tensor(fresh)
        else:
            if v.device is not p.device:  # the parameter was moved
                v = self._velocity[i] = v.to(p.device)
            v._write(map_arrays(_ADD_SCALED, g, v.array, momentum, dtype=kind), owned=True)
        ahead = (
            map_arrays(_ADD_SCALED, g, v.array, momentum, dtype=kind) if self.nesterov else v.array
        )
        p._write(map_arrays(_STEP, p.array, ahead, lr), owned=True)

    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot: the settings, and each parameter's velocity (None before a step)."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {**settings, "velocity": [None if v is None else v.copy() for v in self._velocity]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot of an SGD over parameters of the same shapes, in the same order.

        When this raises, nothing has changed. Raises: ArgumentError, ShapeError, DTypeError.
        """
        where = "SGD.load_state_dict"
        names = (*_SETTINGS, "velocity")
        if not isinstance(state, Mapping) or set(state) != set(names):
            came = shown(list(state)) if isinstance(state, Mapping) else type(state).__name__
            raise ArgumentError(f"{where}: {came} came, and a dict of {list(names)} is needed")
        velocity = state["velocity"]
        if not isinstance(velocity, (list, tuple)):
            raise DTypeError(
                f"{where}: velocity is {type(velocity).__name__}, and a list is needed"
            )
        if len(velocity) != len(self.params):
            raise ArgumentError(
                f"{where}: {len(velocity)} velocities came for {len(self.params)} parameters"
            )
        lr = checked_number(state["lr"], f"{where}: lr")
        settings = _checked_settings(*(state[name] for name in _SETTINGS[1:]))
        ready = [
            None if v is None else prepare_value(v, p, f"{where}: velocity {i}", kept_in(p)).copy()
            for i, (v, p) in enumerate(zip(velocity, self.params, strict=True))
        ]
        with interrupts_wait():
            self.lr, self._velocity = lr, ready
            self.momentum, self.nesterov, self.weight_decay = settings


def _checked_settings(momentum: Any, nesterov: Any, weight_decay: Any) -> tuple[float, bool, float]:
    momentum = checked_number(momentum, "SGD: momentum")
    nesterov = checked_flag(nesterov, "SGD", "nesterov")
    if nesterov and not momentum:
        raise ArgumentError("SGD: nesterov=True needs a momentum greater than 0")
    return momentum, nesterov, checked_number(weight_decay, "SGD: weight_decay")
