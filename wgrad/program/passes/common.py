"""Common subexpressions: a step that repeats an earlier one is replaced by its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backends.base import Live
from ..ir import Program, Ref, Step


def merge_common(program: Program) -> Program:
    """Return the program with equal steps made one. A kept slot keeps a step of its own."""
    seen: dict[Any, int] = {}
    same: dict[int, int] = {}
    steps: list[Step] = []
    for step in program.steps:
        inputs = tuple(_renamed(x, same) for x in step.inputs)
        step = replace(step, inputs=inputs)
        key = _key(step)
        if step.out not in program.kept and key in seen:
            same[step.out] = seen[key]
            continue
        if step.out not in program.kept:
            seen.setdefault(key, step.out)
        steps.append(step)
    return program.with_steps(steps)


def _renamed(x: Any, same: dict[int, int]) -> Any:
    return replace(x, slot=same.get(x.slot, x.slot)) if isinstance(x, Ref) else x


def _key(step: Step) -> Any:
    """Return what equal steps have in common; numbers by type and bits, for 0.0 == -0.0 == 0."""
    inputs = tuple(
        (x.slot, x.layout.shape, x.layout.strides, x.layout.offset, x.dtype)
        if isinstance(x, Ref)
        else (type(x), id(x) if isinstance(x, Live) else repr(x))
        for x in step.inputs
    )
    params = tuple(
        (k, repr(v) if k in ("value", "target") else v) for k, v in sorted(step.params.items())
    )
    return step.kind, inputs, step.shape, step.dtype, params
