"""What runs a kernel on the NumPy device: the user's function, or the text itself by the twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..backends.array import Array
from ..backends.base import Device
from ..backends.shader import Groups
from ..errors import CallError, ShapeError
from .entry import Entry
from .memory import Form
from .sizes import asked

HAS_TWIN = False  # whether a text runs without a function of the user's

Runner = Callable[[Sequence[np.ndarray], bytes, Groups], None]


def runner(
    entry: Entry,
    function: Callable | None,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> Runner:
    """Return what a `Shader` has for NumPy: it changes the memory of the bindings it writes."""
    names = [x.name for x in entry.storage]
    where = entry.name

    def run(memory: Sequence[np.ndarray], params: bytes, groups: Groups) -> None:
        assert function is not None  # a call asks for it before
        arrays = {n: _seen(x, entry.forms[n]) for n, x in zip(names, memory, strict=True)}
        given = {n: arrays[n].copy() if n in outputs else arrays[n] for n in inputs}
        values = {**entry.constants, **entry.uniforms.read(params), **given}
        made = asked(function, values, inputs, f"{where}: numpy")
        _put(made, arrays, outputs, where)

    return run


def _seen(x: np.ndarray, form: Form) -> np.ndarray:
    """Return what of a binding's memory is the tensor."""
    if form.shape == form.held:
        return x
    inside: Any = (..., *(slice(0, n) for n in form.shape))
    return x[inside]


def _put(made: Any, arrays: Mapping[str, np.ndarray], outputs: Sequence[str], where: str) -> None:
    if isinstance(made, Mapping):
        found = dict(made)
    else:
        parts = made if isinstance(made, (tuple, list)) else (made,)
        if len(parts) != len(outputs):
            raise CallError(
                f"{where}: numpy= returned {len(parts)} arrays, and the outputs are "
                f"{', '.join(outputs)}"
            )
        found = dict(zip(outputs, parts, strict=True))
    for name in outputs:
        if name not in found:
            raise CallError(f"{where}: numpy= returned no {name}")
        value, target = np.asarray(found[name]), arrays[name]
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
