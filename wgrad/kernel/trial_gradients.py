"""The gradients of an op that is tried: by differences, in both modes, and on every device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from .. import tape
from ..backends.base import Device
from ..creation import tensor
from ..errors import GradientError, WgradError
from ..tensor import Tensor
from ..transforms import vjp
from .comparing import Part, compared
from .slopes import STEP, Differences, Slopes
from .trials import Trial, ran

MOVED = 64  # elements of an input that differences are taken of, where each one costs a run
KINK = 1e-3  # how far the slopes of two sides are apart there
MODES: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12}  # of one against the other, in float64
GRADIENT: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6}  # of differences in float64


class Gradients(Trial):
    """Compares gradients."""

    def differentiable(self, wanted: Sequence[np.ndarray]) -> bool:
        """Return whether there is a float to differentiate by, and a rule for it."""
        if not any(x.dtype.kind == "f" for x in wanted) or not self._floats():
            return False
        if getattr(self.op, "rule", self) is None:  # a compute kernel without its gradient
            self.note("gradients", "", True, "no gradient was given with .backward")
            return False
        return True

    def differentiate(self) -> None:
        """Compare all gradients."""
        if self.shader is not None:
            self.pointwise()
        else:
            self.summed()

    def spread(self, device: Device, wide: bool = False) -> tuple[list[Any], list[int]]:
        """Return the inputs with the axes of all points, and which have derivatives."""
        assert self.shader is not None
        function = self.shader.function
        inputs, named = self.placed(device, wide)
        ordered = self.shader._placed(inputs, named)
        arrays = [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in ordered]
        leads = [
            x.shape[: x.ndim - len(f.inner)] for x, f in zip(arrays, function.inputs, strict=True)
        ]
        lead = np.broadcast_shapes(*leads)
        made, active = [], []
        for i, (x, form) in enumerate(zip(arrays, function.inputs, strict=True)):
            dtype = "float64" if wide and form.dtype.name == "float32" else form.dtype
            full = np.broadcast_to(x, (*lead, *form.inner)).copy()
            made.append(tensor(full, dtype, device))
            if form.dtype.is_floating:
                active.append(i)
        return made, active

    def pointwise(self) -> None:
        """Compare the derivatives of a function of elements."""
        assert self.shader is not None
        function = self.shader.function
        where = "numpy float64"
        try:
            inputs, active = self.spread(self.numpy, wide=True)
            inner = len(function.result.inner)
            with self.numpy:
                slopes = Slopes(self.op, inputs, active, inner)
                rows = slopes.reverse()
        except WgradError as error:
            self.note("gradients", where, False, error)
            return
        names = [function.names[i] for i in active]
        if self.half:
            self.note("gradients by differences", where, True, "float16 is too coarse for them")
        else:
            for name, gradient, by in zip(names, rows, slopes.differences(), strict=True):
                part = f"gradient by {name}: differences"
                self.parts.append(_against(part, gradient, by, slopes.value, GRADIENT))
        try:
            with self.numpy:
                columns = slopes.forward()
        except GradientError as error:
            self.note("forward mode", where, True, error)
        else:
            close = self.settings if self.half else MODES
            for name, gradient, wanted in zip(names, columns, rows, strict=True):
                part = f"gradient by {name}: forward mode against reverse"
                self.parts.append(compared(part, where, gradient, wanted, ulps=False, **close))
        weights = np.random.default_rng(0).uniform(0.5, 1.5, slopes.value.shape)
        flat = weights.reshape(*slopes.points, prod(slopes.result), 1)
        sums = [((flat * x).sum(-2), (flat * np.abs(x)).sum(-2)) for x in rows]
        self.each("gradients", (names, weights, sums), self.pulled)

    def pulled(self, label: str, device: Device, through: bool, expected: Any) -> None:
        """Compare gradients of a device with those in float64."""
        names, weights, wanted = expected
        inputs, active = self.spread(device)

        def step(ct: Any, *given: Any) -> Any:
            def partly(*xs: Any) -> Any:
                full = list(given)
                for i, x in zip(active, xs, strict=True):
                    full[i] = x
                return self.op(*full)

            _, pull = vjp(partly, *[given[i] for i in active])
            made = pull(ct)
            return list(made) if isinstance(made, tuple) else [made]

        result = self.shader.function.result.dtype  # type: ignore[union-attr]
        made = ran(step, through, [tensor(weights, result, device), *inputs], {})
        for name, x, (exact, size) in zip(names, made, wanted, strict=True):
            gradient = x.numpy().reshape(exact.shape)
            self.parts.append(
                compared(f"gradient by {name}", label, gradient, exact, scale=size, **self.settings)
            )

    def summed(self) -> None:
        """Compare the gradients of a weighted sum of the results."""
        where = "numpy float64"
        try:
            inputs, named = self.placed(self.numpy, wide=True)
            self.active = [
                i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.dtype.is_floating
            ]
            if not self.active:
                return
            with self.numpy:
                made = tape.recording(False, self.called, *inputs, **named)
                self.weights = [
                    np.random.default_rng(i).uniform(0.5, 1.5, y.shape)
                    for i, y in enumerate(made)
                    if y.dtype.is_floating
                ]
                exact = [x.numpy() for x in self._pulled_sum(*inputs, **named)]
                for i, gradient in zip(self.active, exact, strict=True):
                    self.parts.append(self._moved(i, gradient, inputs, named))
        except WgradError as error:
            self.note("gradients", where, False, error)
            return
        self.each("gradients", exact, self._sums)

    def _sum(self, *inputs: Any, **named: Any) -> Any:
        made = [y for y in self.called(*inputs, **named) if y.dtype.is_floating]
        parts = [
            (y * tensor(w, y.dtype, y.device)).sum()
            for y, w in zip(made, self.weights, strict=True)
        ]
        return sum(parts[1:], parts[0])

    def _pulled_sum(self, *inputs: Any, **named: Any) -> list[Any]:
        """Return the gradients of the weighted sum by the active inputs."""

        def partly(*xs: Any) -> Any:
            full = list(inputs)
            for i, x in zip(self.active, xs, strict=True):
                full[i] = x
            return self._sum(*full, **named)

        out, pull = vjp(partly, *[inputs[i] for i in self.active])
        made = pull(tensor(1.0, out.dtype, out.device))
        return list(made) if isinstance(made, tuple) else [made]

    def _sums(self, label: str, device: Device, through: bool, exact: Sequence[Any]) -> None:
        inputs, named = self.placed(device)
        made = ran(self._pulled_sum, through, inputs, named)
        for i, x, y in zip(self.active, made, exact, strict=True):
            size = np.abs(y).max(initial=0.0)
            part = f"gradient by {self.names[i]}"
            self.parts.append(compared(part, label, x.numpy(), y, scale=size, **self.settings))

    def _moved(self, which: int, gradient: np.ndarray, inputs: list[Any], named: dict) -> Part:
        """Compare a gradient with differences, of some elements that are spread over the input."""
        host = np.asarray(inputs[which].numpy())
        places = np.unique(np.linspace(0, host.size - 1, min(host.size, MOVED)).astype(int))
        wanted = []
        for place in places:
            ends = []
            for sign in (1, -1):
                moved = host.copy()
                step = STEP * max(1.0, abs(float(host.flat[place])))
                moved.flat[place] += sign * step
                given = list(inputs)
                given[which] = tensor(moved, inputs[which].dtype, self.numpy)
                ends.append(float(tape.recording(False, self._sum, *given, **named).numpy()))
            wanted.append((ends[0] - ends[1]) / (2 * step))
        name = f"gradient by {self.names[which]}: differences"
        flat = gradient.reshape(-1)[places]
        part = compared(name, "numpy float64", flat, np.array(wanted), ulps=False, **GRADIENT)
        if part.where is not None:
            where = np.unravel_index(places[part.where[0]], host.shape)
            part = replace(part, where=tuple(int(i) for i in where))
        return _noted(part, len(places) < host.size, f"{len(places)} of {host.size} elements")


def _against(
    name: str,
    derivatives: np.ndarray,
    by: Differences,
    value: np.ndarray,
    settings: Mapping[str, Any],
) -> Part:
    """Compare derivatives with differences: at a kink, with the nearest between its two slopes."""
    size = np.maximum(np.abs(by.low), np.abs(by.high))
    kink = by.high - by.low > KINK * np.maximum(size, 1)
    wanted = np.where(kink, np.clip(derivatives, by.low, by.high), by.middle)
    noise = np.abs(value).reshape(*by.middle.shape[:-1], 1) * 1e-9 / settings["rtol"]
    here, there = (np.where(by.known, x, 0.0) for x in (derivatives, wanted))
    part = compared(name, "numpy float64", here, there, scale=noise, ulps=False, **settings)
    left = int(np.count_nonzero(~by.known))
    return _noted(
        part, left > 0, f"{left} are left out: a function value beside them is not finite"
    )


def _noted(part: Part, when: bool, note: str) -> Part:
    return replace(part, note="; ".join(x for x in (part.note, note) if x)) if when else part
