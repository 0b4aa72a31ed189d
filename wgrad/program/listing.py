"""Programs as text: a line for each step, and one for each statement of a fused step."""

from __future__ import annotations

from collections.abc import Sequence

from ..backends.array import OPERANDS, Number
from ..backends.tracing import Live
from .graph import Graph
from .ir import Batch, Fused, Product, Program, Step
from .slots import Ref, Slot


def listing(program: Program) -> str:
    """Return a program for people to read."""
    lines = ["inputs " + ", ".join(map(shown_slot, program.inputs))]
    for step in program.steps:
        lines += step_lines(step)
    if program.updates:
        pairs = (f"%{new} -> %{old}" for old, new in program.updates.items())
        lines.append("update " + ", ".join(pairs))
    if program.outputs:
        lines.append("return " + ", ".join(f"%{i}" for i in program.outputs))
    return "\n".join(lines)


def step_lines(step: Step) -> list[str]:
    """Return the lines of one step: its outputs, its inputs by letter, its statements."""
    outs = ", ".join(map(shown_slot, step.outs))
    match step.work:
        case Fused(graph):
            return [f"{outs} = fused", *_graph(graph, step.inputs, step.outs)]
        case Batch(parts):
            lines = [line for part in parts for line in step_lines(part)]
            return [f"batch of {len(parts)}", *("    " + line for line in lines)]
        case Product(graph=graph):
            a, b = step.inputs[:2]
            head = f"{outs} = matmul({shown_input(a)}, {shown_input(b)})"
            return [head, *_graph(graph, ["the product", *step.inputs[2:]], step.outs)]
    words = [*map(shown_input, step.inputs), *(f"{k}={v}" for k, v in step.work.notes.items())]
    return [f"{outs} = {step.name}({', '.join(words)})"]


def shown_slot(slot: Slot) -> str:
    """Return a slot with its dtype and shape."""
    return f"%{slot.index} {slot.dtype.name}{list(slot.shape)}"


def shown_input(x: Ref | Number | str) -> str:
    """Return a view, or a number, in a few words."""
    if isinstance(x, str):
        return x
    if not isinstance(x, Ref):
        return f"{float(x):.6g} (read at every run)" if isinstance(x, Live) else f"{x:.6g}"
    layout = x.layout
    view = "" if x.whole() else f" strides {list(layout.strides)}"
    start = f" from {layout.offset}" if layout.offset else ""
    return f"%{x.slot}{list(layout.shape)}{view}{start}"


def _graph(graph: Graph, inputs: Sequence[Ref | Number | str], outs: Sequence[Slot]) -> list[str]:
    axes = f", folded over axes {list(graph.axes)}" if graph.axes else ""
    lines = [f"    over {list(graph.shape)}{axes}"]
    names = [_letter(i) for i in range(len(inputs))]
    lines += [f"    {n} = {shown_input(x)}" for n, x in zip(names, inputs, strict=True)]

    def name(value: int) -> str:
        return names[value] if value >= 0 else f"v{~value}"

    rows = graph.rows([x if isinstance(x, Ref) else 0 for x in inputs])[1]
    for j, s in enumerate(graph.statements):
        args = [*(f"axis {a}" for a in s.asks), *map(name, s.args)]
        row = "    (once per row)" if rows[j] else ""
        lines.append(f"    v{j} = {s.what.name}({', '.join(args)}){row}")
    for out, result in zip(outs, graph.results, strict=True):
        lines.append(f"    %{out.index} = {name(result.value)}")
    return lines


def _letter(i: int) -> str:
    return OPERANDS[i] if i < len(OPERANDS) else f"x{i}"
