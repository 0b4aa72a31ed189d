"""The examples that a function is exported with: their names, and the sizes that they vary in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...checks.arguments import integer
from ...core import Tensor, Value
from ...creation import tensor
from ...errors import ArgumentError, shown
from ...nn.module import Module
from .sizes import Axis


def as_example(x: Any) -> Tensor:
    """Return an example as a tensor."""
    made: Any = x if isinstance(x, Value) else tensor(x)
    return made


def named_inputs(model: Any, examples: list[Tensor], given: Any) -> list[str]:
    """Return the names of inputs: those that were given, or of the arguments.

    Raises: ArgumentError.
    """
    if given is not None:
        return checked_names(given, len(examples), "input_names")
    try:
        forward = inspect.unwrap(model.forward) if isinstance(model, Module) else model
        known = [
            p.name
            for p in inspect.signature(forward).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "self"
        ]
    except (TypeError, ValueError):
        known = []
    return [known[i] if i < len(known) else f"input_{i}" for i in range(len(examples))]


def checked_names(given: Any, count: int, what: str) -> list[str]:
    """Return names of so many things. Raises: ArgumentError."""
    names = [given] if isinstance(given, str) else list(given)
    if len(names) != count or any(not isinstance(n, str) or not n for n in names):
        raise ArgumentError(
            f"onnx.export: {what}={shown(given)} came, and {count} of them are needed, as text"
        )
    if len(set(names)) != count:
        raise ArgumentError(f"onnx.export: {what}={shown(given)} has one name twice")
    return names


def varying(given: Mapping[str, Any], names: list[str], examples: list[Tensor]) -> list[Axis]:
    """Return what varies, and how: each extent alone, then all together. Raises: ArgumentError."""
    found: dict[str, dict[tuple[str, int], int]] = {}
    for name, chosen in given.items():
        if name not in names:
            raise ArgumentError(f"onnx.export: dynamic_axes has {shown(name)}; inputs are {names}")
        shape = examples[names.index(name)].shape
        pairs = chosen if isinstance(chosen, Mapping) else {a: f"{name}_{a}" for a in chosen}
        for axis, symbol in pairs.items():
            at = integer(axis, "onnx.export", "dynamic_axes")
            if not -len(shape) <= at < len(shape) or not isinstance(symbol, str):
                raise ArgumentError(
                    f"onnx.export: dynamic_axes has {shown(symbol)} for axis {shown(axis)} of "
                    f"{name}, of shape {shape}; a name for the extent of one of its axes is needed"
                )
            if not shape[at]:
                raise ArgumentError(f"onnx.export: axis {at} of the example {name} is empty")
            found.setdefault(symbol, {})[name, at % len(shape)] = shape[at]
    axes = []
    for i, (symbol, places) in enumerate(found.items()):
        extent, *others = places.values()
        if any(n != extent for n in others):
            raise ArgumentError(f"onnx.export: the axes {shown(symbol)} differ in the examples")
        alone = [extent + (i == j) for j in range(len(found))]
        axes.append(Axis(symbol, tuple(places), (extent, *alone, extent + 2 * i + 3)))
    return axes


def sized(examples: list[Tensor], names: list[str], axes: Sequence[Axis], run: int) -> list[Tensor]:
    """Return the inputs of a run: copies of the examples, repeated to fill its sizes."""
    made = []
    for name, x in zip(names, examples, strict=True):
        data = x.numpy()
        for axis in axes:
            for where, at in axis.places:
                if where == name:
                    data = np.take(data, np.arange(axis.extents[run]) % data.shape[at], at)
        made.append(tensor(data, x.dtype, device=x.device))
    return made
