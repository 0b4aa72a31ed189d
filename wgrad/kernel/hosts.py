"""What runs a kernel on the NumPy device: the user's function, or the text itself by the twin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..backends.array import Array
from ..backends.base import Device
from ..backends.shader import Groups
from ..errors import CallError, ShapeError
from .entry import Entry
from .language.layouts import size_of
from .memory import Placement
from .sizes import asked
from .twin.kernels import KernelTwin

Runner = Callable[[Sequence[np.ndarray], bytes, Groups], None]


def runner(
    entry: Entry, function: Callable | None, inputs: Sequence[str], outputs: Sequence[str]
) -> Runner:
    """Return what a `Shader` has for NumPy: it changes the memory of the bindings it writes."""
    return _Twin(entry) if function is None else _User(entry, function, inputs, outputs)


class _User:
    """A function of the user's, of arrays as tensors see them."""

    def __init__(
        self, entry: Entry, function: Callable, inputs: Sequence[str], outputs: Sequence[str]
    ):
        self.entry, self.function = entry, function
        self.inputs, self.outputs = inputs, outputs

    def __call__(self, memory: Sequence[np.ndarray], params: bytes, groups: Groups) -> None:
        entry = self.entry
        arrays = {
            x.name: _seen(part, entry.placements[x.name])
            for x, part in zip(entry.storage, memory, strict=True)
        }
        given = {n: arrays[n].copy() if n in self.outputs else arrays[n] for n in self.inputs}
        values = {**entry.constants, **entry.uniforms.read(params), **given}
        made = asked(self.function, values, self.inputs, f"{entry.name}: numpy")
        _put(made, arrays, self.outputs, entry.name)


class _Twin:
    """The text itself; in float64 where an array is of that."""

    def __init__(self, entry: Entry):
        self.entry = entry
        self.made: dict[bool, KernelTwin] = {}

    def __call__(self, memory: Sequence[np.ndarray], params: bytes, groups: Groups) -> None:
        entry = self.entry
        wide = any(x.dtype == np.float64 for x in memory)
        if wide not in self.made:
            self.made[wide] = KernelTwin(
                entry.typed,
                entry.name,
                overrides=entry.constants,
                float64=wide,
                limit=entry.rounds or sys.maxsize,
            )
        arrays = {x.name: part for x, part in zip(entry.storage, memory, strict=True)}
        words = np.frombuffer(params, np.uint8)
        uniforms = {
            name: words[start : start + size_of(kind)]
            for (name, kind), start in zip(
                entry.uniforms.kinds.items(), entry.uniforms.starts.values(), strict=True
            )
        }
        made = self.made[wide]({**arrays, **uniforms}, groups)
        for name, result in made.items():
            np.copyto(arrays[name], result.reshape(arrays[name].shape), "unsafe")


def _seen(x: np.ndarray, placement: Placement) -> np.ndarray:
    """Return what of a binding's memory is the tensor."""
    if placement.shape == placement.held:
        return x
    inside: Any = (..., *(slice(0, n) for n in placement.shape))
    return x[inside]


def _put(made: Any, arrays: Mapping[str, np.ndarray], outputs: Sequence[str], where: str) -> None:
    if isinstance(made, Mapping):
        by_name = dict(made)
    else:
        parts = made if isinstance(made, (tuple, list)) else (made,)
        if len(parts) != len(outputs):
            raise CallError(
                f"{where}: numpy= returned {len(parts)} arrays, and the outputs are "
                f"{', '.join(outputs)}"
            )
        by_name = dict(zip(outputs, parts, strict=True))
    for name in outputs:
        if name not in by_name:
            raise CallError(f"{where}: numpy= returned no {name}")
        value, target = np.asarray(by_name[name]), arrays[name]
        if value.shape != target.shape:
            raise ShapeError(
                f"{where}: numpy= returned shape {value.shape} for {name}, and {target.shape} is "
                "needed"
            )
        np.copyto(target, value, "unsafe")


def may_write_into(device: Device, x: Array) -> bool:
    """Whether a device lets a kernel write to a view itself."""
    may = getattr(device, "may_write_into", None)
    return may(x) if may is not None else x.layout.contiguous
