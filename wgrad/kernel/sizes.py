"""How large results are, and how many workgroups run: from what a user says of both."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from ..backends.shader import Groups
from ..errors import ArgumentError, CallError, ShapeError, shown
from ..layout import Shape, normalize_shape

MOST_GROUPS = 65535  # along an axis, on every adapter


def asked(function: Callable, values: Mapping[str, Any], inputs: Sequence[str], where: str) -> Any:
    """Call a user's function with the values that its parameters name, else with the inputs'.

    Raises: CallError where its parameters are neither names that are known, nor as many as inputs.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin has no signature
        return function(*[values[x] for x in inputs])
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return function(**values)
    needed = [p for p in plain if p.default is p.empty]
    known = [p.name for p in plain if p.name in values and p.kind is not p.POSITIONAL_ONLY]
    if known and all(p.name in known for p in needed):
        return function(**{name: values[name] for name in known})
    if len(plain) == len(parameters) and not len(needed) <= len(inputs) <= len(plain):
        raise CallError(
            f"{where}: a function of {', '.join(p.name for p in plain) or 'nothing'} came; its "
            f"parameters may be called {', '.join(values)}, or are the {len(inputs)} inputs"
        )
    return function(*[values[x] for x in inputs])


def shape_of(
    spec: Any, shapes: Mapping[str, Shape], inputs: Sequence[str], where: str, name: str
) -> Shape:
    """Return the shape of a result: of an input by its name, a tuple, or what a function says."""
    if isinstance(spec, str):
        if spec not in shapes:
            known = ", ".join(shapes) or "none"
            raise CallError(f"{where}: outputs: {name} is like {spec!r}; there are inputs: {known}")
        return shapes[spec]
    if callable(spec):
        spec = asked(spec, shapes, inputs, f"{where}: outputs: {name}")
    if isinstance(spec, (int, tuple, list)) and not isinstance(spec, bool):
        return normalize_shape(spec, f"{where}: outputs: {name}")
    raise ArgumentError(
        f"{where}: outputs: {name}={shown(spec)} came, and the name of an input, a shape or a "
        "function of the inputs' shapes is needed"
    )


def groups_of(
    threads: Any,
    groups: Any,
    leads: Mapping[str, Shape],
    inputs: Sequence[str],
    shapes: Mapping[str, Shape],
    workgroup: Groups,
    where: str,
) -> Groups:
    """Return how many workgroups run along each axis. Raises: CallError, ArgumentError."""
    if groups is not None:
        counts = _three(groups, shapes, inputs, where, "groups")
    elif isinstance(threads, str):
        if threads not in leads:
            known = ", ".join(leads)
            raise CallError(f"{where}: threads={threads!r} came; there are {known}")
        counts = _covered(_per_axis(leads[threads], workgroup, where, threads), workgroup)
    else:
        counts = _covered(_three(threads, shapes, inputs, where, "threads"), workgroup)
    for axis, n in zip("xyz", counts, strict=True):
        if n > MOST_GROUPS:
            raise ArgumentError(
                f"{where}: {n} workgroups along {axis} are needed, and {MOST_GROUPS} are the most: "
                "let each invocation do more, use a larger @workgroup_size, or a second axis"
            )
    return counts


def _covered(counts: Groups, workgroup: Groups) -> Groups:
    x, y, z = (-(-n // size) for n, size in zip(counts, workgroup, strict=True))
    return x, y, z


def _per_axis(lead: Shape, workgroup: Groups, where: str, name: str) -> Groups:
    """Return the threads of a tensor: in one row, or an axis for each, its last along x."""
    if workgroup[1:] == (1, 1):
        return prod(lead), 1, 1
    if len(lead) > 3:
        raise ShapeError(
            f"{where}: threads={name!r} has {len(lead)} axes, and workgroups have three: give "
            "threads= as a tuple"
        )
    x, y, z = (*lead[::-1], 1, 1, 1)[:3]
    return x, y, z


def _three(
    spec: Any, shapes: Mapping[str, Shape], inputs: Sequence[str], where: str, name: str
) -> Groups:
    if callable(spec):
        spec = asked(spec, shapes, inputs, f"{where}: {name}")
    counts = spec if isinstance(spec, (tuple, list)) else (spec,)
    whole = all(type(n) is int and n >= 0 for n in counts)
    if not whole or not 1 <= len(counts) <= 3:
        raise ArgumentError(
            f"{where}: {name}={shown(spec)} came, and one to three counts are needed, or a "
            f"function that returns them{', or a name' if name == 'threads' else ''}"
        )
    x, y, z = (*counts, 1, 1)[:3]
    return x, y, z
