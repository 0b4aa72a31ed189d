"""Fusion of elementwise steps: a map whose only reader is another map moves into it.

Both then are one kernel, and what went between them is never stored. A constant moves into its
reader as a number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ...backends.base import MAX_TENSORS, OPERANDS, Number
from ...layout import Layout
from ..fused import Fused
from ..ir import Program, Ref, Step

MAX_STATEMENTS = 64  # of one kernel: longer ones compile slowly and spill registers
MAX_STRIDED = 4  # tensors of a kernel in which at least one is not contiguous (map_strided.wgsl)


def fuse_maps(program: Program) -> Program:
    """Return the program with maps and constants moved into the maps that alone read them."""
    readers = Counter(slot for step in program.steps for slot in {r.slot for r in step.refs()})
    readers.update(program.kept)
    makers: dict[int, Step] = {}
    gone: set[int] = set()
    steps: list[Step] = []
    for step in program.steps:
        if step.kind == "map":
            step = _absorb(step, makers, readers, gone)
            makers[step.out] = step
        elif step.kind == "full":
            makers[step.out] = step
        steps.append(step)
    return program.with_steps([s for s in steps if s.out not in gone])


def _absorb(step: Step, makers: dict[int, Step], readers: Counter, gone: set[int]) -> Step:
    """Return `step` with the makers of its inputs moved into it, as far as they fit."""
    fused, inputs = _without_repeats(Fused.of(step), list(step.inputs))
    i = 0
    while i < len(inputs):
        x = inputs[i]
        maker = makers.get(x.slot) if isinstance(x, Ref) else None
        grown = None
        if maker is not None and isinstance(x, Ref):
            grown = _grown(fused, inputs, i, maker, step, readers[x.slot] == 1)
        if grown is None:
            i += 1
            continue
        assert isinstance(x, Ref)
        fused, inputs = grown
        if readers[x.slot] == 1:
            gone.add(x.slot)
    if not any(s.body is not step.params["body"] for s in fused.statements) and inputs == list(
        step.inputs
    ):
        return step
    params = {"body": fused.body(), "dtypes": fused.dtypes}
    return replace(step, inputs=tuple(inputs), params=params)


def _grown(
    fused: Fused, inputs: list[Ref | Number], i: int, maker: Step, step: Step, alone: bool
) -> tuple[Fused, list[Ref | Number]] | None:
    """Return the kernel with input `i` computed inside it, or None when that does not fit."""
    x = inputs[i]
    assert isinstance(x, Ref)
    if maker.kind == "full":  # every view of a constant is that constant, for every reader
        return fused, [*inputs[:i], maker.params["value"], *inputs[i + 1 :]]
    if not alone or not x.whole():
        return None
    contiguous = all(y.whole() for y in maker.refs())
    if maker.shape != step.shape and not contiguous:
        return None
    added = [
        replace(y, layout=Layout.dense(step.shape))
        if isinstance(y, Ref) and maker.shape != step.shape
        else y
        for y in maker.inputs
    ]
    grown, merged = _without_repeats(
        fused.with_inlined(i, Fused.of(maker)), [*inputs[:i], *added, *inputs[i + 1 :]]
    )
    tensors = [y for y in merged if isinstance(y, Ref)]
    strided = not all(y.whole() for y in tensors)
    fits = (
        len(merged) <= len(OPERANDS)
        and len(tensors) <= (MAX_STRIDED if strided else MAX_TENSORS)
        and len(grown.statements) <= MAX_STATEMENTS
    )
    return (grown, merged) if fits else None


def _without_repeats(fused: Fused, inputs: list[Ref | Number]) -> tuple[Fused, list[Ref | Number]]:
    """Return a kernel that reads every view once; numbers are left alone."""
    j = 1
    while j < len(inputs):
        x = inputs[j]
        first = next((i for i in range(j) if isinstance(x, Ref) and _same(inputs[i], x)), None)
        if first is None:
            j += 1
        else:
            fused = fused.with_merged(first, j)
            inputs = [*inputs[:j], *inputs[j + 1 :]]
    return fused, inputs


def _same(x: Ref | Number, y: Ref) -> bool:
    return (
        isinstance(x, Ref)
        and (x.slot, x.dtype) == (y.slot, y.dtype)
        and (x.layout.shape, x.layout.strides, x.layout.offset)
        == (y.layout.shape, y.layout.strides, y.layout.offset)
    )
