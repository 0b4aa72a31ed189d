"""Derivatives of functions of elements, all points at once: in both modes, and by differences.

A result's component moves with the components of the inputs at its own point alone, so moving one
component of an input everywhere tells its derivatives at all points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .. import tape
from ..creation import tensor
from ..transforms import jvp, vjp

STEP = 1e-6  # of differences, relative to the number where that is above 1


class Differences(NamedTuple):
    """Derivatives by differences: in the middle, and the lowest and highest that may be meant.

    At a kink those two are the slopes of its sides. `known` is False where a side has no value.
    """

    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    known: np.ndarray


class Slopes:
    """An op at some points, on one device: (*S, *type) arrays for its inputs.

    `active` are the places of the inputs that are differentiated, and derivatives are arrays of
    shape (*S, components of the result, components of that input).
    """

    def __init__(self, op: Callable, inputs: Sequence[Any], active: Sequence[int], inner: int):
        self.op, self.inputs, self.active = op, list(inputs), tuple(active)
        self.value = self._at()
        axes = self.value.ndim - inner
        self.points, self.result = self.value.shape[:axes], self.value.shape[axes:]

    def _at(self, which: int = 0, moved: np.ndarray | None = None) -> np.ndarray:
        given = list(self.inputs)
        if moved is not None:
            like = given[which]
            given[which] = tensor(moved, like.dtype, like.device)
        return np.asarray(tape.recording(False, self.op, *given).numpy(), np.float64)

    def _components(self, which: int) -> int:
        return prod(self.inputs[which].shape[len(self.points) :])

    def _flat(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(*self.points, prod(x.shape[len(self.points) :]))

    def _partly(self, *xs: Any) -> Any:
        given = list(self.inputs)
        for i, x in zip(self.active, xs, strict=True):
            given[i] = x
        return self.op(*given)

    def _one(self, like: Any, k: int) -> Any:
        """Return a tensor of an input's kind that is 1 in a component, everywhere."""
        made = np.zeros(like.shape)
        self._flat(made)[..., k] = 1
        return tensor(made, like.dtype, like.device)

    def reverse(self) -> list[np.ndarray]:
        """Return the derivatives by the active inputs, in reverse mode."""
        primals = [self.inputs[i] for i in self.active]
        out, pull = vjp(self._partly, *primals)
        rows = []
        for r in range(prod(self.result)):
            made = pull(self._one(out, r))
            rows.append(made if len(primals) > 1 else (made,))
        return [
            np.stack([self._flat(row[i].numpy()).astype(np.float64) for row in rows], axis=-2)
            for i in range(len(primals))
        ]

    def forward(self) -> list[np.ndarray]:
        """Return the derivatives by the active inputs, in forward mode."""
        primals = [self.inputs[i] for i in self.active]
        by_input = []
        for i, x in enumerate(primals):
            columns = []
            for k in range(self._components(self.active[i])):
                tangents = [self._one(x, k) if j == i else _zero(p) for j, p in enumerate(primals)]
                _, made = jvp(self._partly, primals, tangents)
                columns.append(self._flat(made.numpy()).astype(np.float64))
            by_input.append(np.stack(columns, axis=-1))
        return by_input

    def differences(self) -> list[Differences]:
        """Return the derivatives by the active inputs, by differences."""
        base = self._flat(self.value)
        by_input = []
        for which in self.active:
            here = np.asarray(self.inputs[which].numpy(), np.float64)
            columns = []
            for k in range(self._components(which)):
                sides = []
                for sign in (1, -1):
                    moved = here.copy()
                    part = self._flat(moved)[..., k]
                    start = part.copy()
                    part += sign * STEP * np.maximum(1, np.abs(start))
                    with np.errstate(all="ignore"):
                        rise = self._flat(self._at(which, moved)) - base
                        sides.append(rise / (part - start)[..., None])
                a, b = sides
                with np.errstate(all="ignore"):
                    known = np.isfinite(a) & np.isfinite(b)
                    columns.append(((a + b) / 2, np.minimum(a, b), np.maximum(a, b), known))
            by_input.append(
                Differences(*(np.stack(x, axis=-1) for x in zip(*columns, strict=True)))
            )
        return by_input


def _zero(x: Any) -> Any:
    return tensor(np.zeros(x.shape), x.dtype, x.device)
