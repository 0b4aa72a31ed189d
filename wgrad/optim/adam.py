"""Adam and AdamW: steps by running averages of the gradient and of its square."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..backends.array import Body
from ..backends.tracing import changing, traced_by
from ..core.tracing import tracing
from ..creation import zeros_like
from ..errors import ArgumentError, DTypeError, shown
from ..interrupts import interrupts_wait, whole
from ..nn.module import prepare_value
from ..tensor import Tensor
from .optimizer import Optimizer, checked_number, kept_in, map_arrays

# One kernel each. The numbers come ready from the host: 1 - beta2 in float32 would lose digits.
_FIRST = Body(
    "adam_first",
    "a + c * (b - a)",
    lambda a, b, c: a + c * (b - a),
)
_SECOND = Body(
    "adam_second",
    "c * a + d * (b * b)",
    lambda a, b, c, d: c * a + d * (b * b),
)
_STEP = Body(
    "adam_step",
    "e * a - d * (b / (sqrt(c) * f + g))",
    lambda a, b, c, d, e, f, g: e * a - d * (b / (np.sqrt(c) * f + g)),
)
_DECAY = Body("adam_decay", "a + c * b", lambda a, b, c: a + c * b)

_SETTINGS = ("lr", "betas", "eps", "weight_decay")


class Adam(Optimizer):
    """Adam, as PyTorch defines it.

    With the gradient g of a parameter p and the number t of its steps so far, this one included:

        g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr / (1 - beta1 ** t) * m / (sqrt(v / (1 - beta2 ** t)) + eps)

    `betas`, `eps` and `weight_decay` may be assigned between steps, as `lr` may.

    Raises: what Optimizer raises; ArgumentError for betas outside 0 to 1 (1 excluded).
    Source: Kingma and Ba, https://arxiv.org/abs/1412.6980
    """

    read_each_run = frozenset({"_lr", "_betas", "_eps", "_weight_decay", "_steps"})
    _decoupled = False
    _betas: tuple[float, float]
    _eps: float
    _weight_decay: float

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self._steps = [0] * len(self.params)
        self._moments: list[tuple[Tensor, Tensor] | None] = [None] * len(self.params)

    @property
    def betas(self) -> tuple[float, float]:
        """How much of the averages of the gradient and of its square each step keeps."""
        return self._as_read("_betas")

    @betas.setter
    def betas(self, value: tuple[float, float]) -> None:
        where = f"{self._name}: betas"
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ArgumentError(f"{where} is {shown(value)}, and two numbers are needed")
        first, second = (checked_number(x, where) for x in value)
        if first >= 1 or second >= 1:
            raise ArgumentError(f"{where} is {shown(value)}, and numbers below 1 are needed")
        self._assign("_betas", (first, second))

    @property
    def eps(self) -> float:
        """What is added to the root of the average square: at least 0."""
        return self._as_read("_eps")

    @eps.setter
    def eps(self, value: float) -> None:
        self._assign("_eps", checked_number(value, f"{self._name}: eps"))

    @property
    def weight_decay(self) -> float:
        """How strongly the parameters are drawn to 0: at least 0."""
        return self._as_read("_weight_decay")

    @weight_decay.setter
    def weight_decay(self, value: float) -> None:
        self._assign("_weight_decay", checked_number(value, f"{self._name}: weight_decay"))

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in _SETTINGS)
        return f"{self._name}({len(self.params)} parameters, {settings})"

    @whole
    def step(self) -> None:
        """Change every parameter that has a gradient, in place, by three kernels."""
        tracer = tracing() if self._is_found else None
        chosen = [i for i, p in enumerate(self.params) if self._is_moved(p)]
        if tracer is not None:
            changing(self._steps)
            tracer.each_run(self._advance, tuple(chosen))
        self._advance(1, tuple(chosen))
        # Parameters that have taken equally many steps share their numbers, and go on doing so.
        leaders: dict[int, int] = {}
        for i in chosen:
            leader = leaders.setdefault(self._steps[i], i)
            if tracer is not None and leader != i:
                tracer.require(self._in_step, leader, i)
            self._step(i, leader)

    def _advance(self, by: int, chosen: tuple[int, ...]) -> None:
        for i in chosen:
            self._steps[i] += by

    def _in_step(self, i: int, j: int) -> bool:
        return self._steps[i] == self._steps[j]

    # The numbers of a step, which a program reads anew for every run.
    def _keep(self, which: int) -> float:
        return self._betas[which]

    def _take(self, which: int) -> float:
        return 1 - self._betas[which]

    def _size(self, i: int) -> float:
        return self._lr / (1 - self._betas[0] ** self._steps[i])

    def _shrink(self) -> float:
        return 1 - self._lr * self._weight_decay if self._decoupled else 1.0

    def _correction(self, i: int) -> float:
        return 1 / math.sqrt(1 - self._betas[1] ** self._steps[i])

    def _step(self, i: int, leader: int) -> None:
        p = self.params[i]
        assert p.grad is not None
        g = p.grad.array
        if self._weight_decay and not self._decoupled:
            g = map_arrays(_DECAY, g, p.array, self._number(getattr, self, "_weight_decay"))
        m, v = self._moments_of(i, p)
        m._write(map_arrays(_FIRST, m.array, g, self._number(self._take, 0)), owned=True)
        square = map_arrays(
            _SECOND, v.array, g, self._number(self._keep, 1), self._number(self._take, 1)
        )
        v._write(square, owned=True)
        numbers = (
            self._number(self._size, leader),
            self._number(self._shrink),
            self._number(self._correction, leader),
            self._number(getattr, self, "_eps"),
        )
        p._write(map_arrays(_STEP, p.array, m.array, v.array, *numbers), owned=True)

    def _moments_of(self, i: int, p: Tensor) -> tuple[Tensor, Tensor]:
        found = self._moments[i]
        if found is None or found[0].device is not p.device:
            if self._is_found:
                changing(self._moments)
                with traced_by(None):  # state that a program finds, not one that it makes
                    found = self._fresh(found, p)
            else:
                found = self._fresh(found, p)
            self._moments[i] = found
        return found

    @staticmethod
    def _fresh(found: tuple[Tensor, Tensor] | None, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return averages where the parameter is: those found, or zeros."""
        if found is None:
            return zeros_like(p, kept_in(p)), zeros_like(p, kept_in(p))
        return found[0].to(p.device), found[1].to(p.device)

    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot: the settings, and each parameter's steps and averages (or None)."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        moments = [m and (m[0].copy(), m[1].copy()) for m in self._moments]
        return {**settings, "steps": list(self._steps), "moments": moments}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot of an optimizer over parameters of the same shapes, in their order.

        When this raises, nothing has changed. Raises: ArgumentError, ShapeError, DTypeError.
        """
        where = f"{self._name}.load_state_dict"
        names = (*_SETTINGS, "steps", "moments")
        if not isinstance(state, Mapping) or set(state) != set(names):
            came = shown(list(state)) if isinstance(state, Mapping) else type(state).__name__
            raise ArgumentError(f"{where}: {came} came, and a dict of {list(names)} is needed")
        steps, moments = state["steps"], state["moments"]
        for name, value in (("steps", steps), ("moments", moments)):
            if not isinstance(value, (list, tuple)):
                raise DTypeError(f"{where}: {name} is {type(value).__name__}, and a list is needed")
            if len(value) != len(self.params):
                raise ArgumentError(
                    f"{where}: {len(value)} {name} came for {len(self.params)} parameters"
                )
        if any(type(t) is not int or t < 0 for t in steps):
            raise ArgumentError(f"{where}: steps are {shown(steps)}, and counts are needed")
        ready: list[tuple[Tensor, Tensor] | None] = []
        for i, (pair, p) in enumerate(zip(moments, self.params, strict=True)):
            if pair is None:
                ready.append(None)
                continue
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ArgumentError(f"{where}: moments {i} is no pair of tensors")
            kind = kept_in(p)
            m, v = (prepare_value(x, p, f"{where}: moments {i}", kind).copy() for x in pair)
            ready.append((m, v))
        trial = type(self)(self.params, *(state[name] for name in _SETTINGS))
        with interrupts_wait():
            self.lr, self.betas = trial.lr, trial.betas
            self.eps, self.weight_decay = trial.eps, trial.weight_decay
            self._steps, self._moments = list(steps), ready


class AdamW(Adam):
    """Adam whose weight decay is a step of its own: p = p * (1 - lr * weight_decay) first.

    The gradient and its averages know nothing of the decay. Raises: what Adam raises.
    Source: Loshchilov and Hutter, https://arxiv.org/abs/1711.05101
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)
