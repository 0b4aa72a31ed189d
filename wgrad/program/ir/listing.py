"""Parts of programs as text: what a step reads, and a line for each statement of a graph."""

from __future__ import annotations

from collections.abc import Sequence

from ...backends.array import OPERANDS, Number
from ...backends.tracing import Live
from .graph import Graph
from .slots import Ref, Slot


def shown_input(x: Ref | Number | str) -> str:
    """Return a view, or a number, in a few words."""
    if isinstance(x, (Ref, str)):
        return str(x)
    return f"{float(x):.6g} (read at every run)" if isinstance(x, Live) else f"{x:.6g}"


def graph_lines(
    graph: Graph, inputs: Sequence[Ref | Number | str], outs: Sequence[Slot]
) -> list[str]:
    """Return the lines of a graph: its domain, its inputs by letter, its statements."""
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
        values = [name(value) for value in result.values]
        lines.append(f"    %{out.index} = {values[0] if len(values) == 1 else ', '.join(values)}")
    return lines


def _letter(i: int) -> str:
    return OPERANDS[i] if i < len(OPERANDS) else f"x{i}"
