"""graph: what was computed as a drawing, values and operations from left to right."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from ..core import Node, Value
from ..core.tracing import tracing
from ..creation import ones_like
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError, TraceError, shown
from ..layout import Shape
from ..nn import Module
from ..tape import pull_back, reachable, recording
from ..tensor import Tensor
from .drawing import Arrow, Box, Cell, Drawing
from .folding import Group, boxes, folded, visible
from .picture import Picture
from .recorder import record, traced
from .taped import taped
from .trace import Item, Trace, Use

MOST = 300  # boxes that a layout is asked for
SYMBOLS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "pow": "**", "matmul": "@",
    "matmul_transposed": "@ T", "negative": "-", "equal": "==", "not_equal": "!=", "less": "<",
    "less_equal": "<=", "greater": ">", "greater_equal": ">=", "square": "** 2",
    "reciprocal": "1 /", "permute_dims": "permute", "broadcast_to": "broadcast",
}  # fmt: skip


def graph(
    y: Tensor | Callable,
    *inputs: Any,
    grads: bool = True,
    fold: bool = True,
    depth: int | None = None,
    limit: int = 120,
    names: Any = None,
    engine: str = "auto",
) -> Picture:
    """Draw what led to a tensor: its values, their gradients, and the operations between them.

    ```python
    a, b = (wg.label(wg.parameter(x), name) for x, name in ((2.0, "a"), (-3.0, "b")))
    picture = wg.viz.graph(wg.label(a * b, "y"))
    picture.dot  # Graphviz' language; .svg, .save("graph.svg"), and shown in a notebook
    ```

    A value is a box `label | shape | data | grad` (a single number has no shape), an operation an
    ellipse; a pointer that rests on one is told the line of the program. Gradients are those of
    `y`, of every value and not only of leaves; they are computed for the drawing, with the hooks
    that tensors have, and no `.grad` changes. A value that nothing holds any more is computed anew
    from what its inputs hold now, or left out.

    Of a tensor the tape is drawn, which knows no numbers that gradients do not need, and no
    modules. Given a function or a module and its inputs, `graph(model, x)` calls it once, and draws
    all that it computes, with the names of its parameters.

    `fold`: a graph of more than `limit` boxes has calls of modules drawn as one box each, or else
    what one line of the program computed; `picture.note` says so. `depth` asks for it: 0 draws a
    call of a module as one box, 1 each module directly inside of it, and so on. `names` gives
    labels: a module, whose parameters have names, or a dict of tensors by name. `engine`
    is "dot" (graphviz), "python" (grandalf) or "auto", which is the first that is there.

    Raises: GradientError for a tensor without history, ShapeError for gradients of more than one
    number (draw `y.sum()`, or with `grads=False`), ArgumentError for a graph that is too large.
    """
    where = "graph"
    _check_size(depth, "depth", 0)
    _check_size(limit, "limit", 3)
    if tracing() is not None:
        raise TraceError("graph: a compiled function draws nothing: draw outside of it")
    if isinstance(y, Value):
        if inputs:
            raise DTypeError(
                f"graph: a tensor and {len(inputs)} inputs came, and inputs are for a function"
            )
        trace, out, title = _of_tensor(y, named(names)), y, "graph"
    elif callable(y):
        recorder, out = record(y, inputs, {}, where)
        known = [*named(names), *named(y if isinstance(y, Module) else None)]
        known += [pair for root in recorder.roots for pair in named(root)]
        known += _arguments(y, inputs)
        trace = traced(recorder, out, known, where)
        title = getattr(y, "__name__", type(y).__name__)
    else:
        raise DTypeError(f"graph: {shown(y)} came, and a tensor or a function is needed")
    # Of a module, one box of all of it would say nothing.
    groups, note = folded(trace, limit, depth, fold, 1 if isinstance(y, Module) else 0)
    many = boxes(trace, groups)
    if many > MOST:
        raise ArgumentError(
            f"graph: the drawing would have {many:,} boxes, and at most {MOST} can be laid out: "
            "leave fold=True, or take a smaller depth or limit"
        )
    shown_items = [trace.items[key] for key in visible(trace, groups)]
    if grads:
        give_gradients(out, shown_items, where)
    drawing = draw(trace, groups, shown_items, title, grads)
    return Picture(drawing, where, engine, note)


def _check_size(x: Any, name: str, least: int) -> None:
    if x is not None and (type(x) is not int or x < least):
        raise ArgumentError(f"graph: {name}={shown(x)} came, and an integer from {least} is needed")


def _of_tensor(y: Tensor, names: Iterable[tuple[str, Value]]) -> Trace:
    if y.node is None or not y.node.requires_grad:
        raise GradientError(
            "graph: the tensor has no history: nothing that led to it requires grad, or it was "
            "computed inside no_grad(); graph(function, *inputs) draws a function of any inputs"
        )
    return taped(y, names)


def named(source: Any) -> list[tuple[str, Value]]:
    """Return (name, tensor) pairs of a module or a dict. Raises: DTypeError."""
    if source is None:
        return []
    if isinstance(source, Module):
        return source._named_tensors()  # type: ignore[return-value]
    if isinstance(source, Mapping) and all(isinstance(x, Value) for x in source.values()):
        return [(str(name), x) for name, x in source.items()]
    raise DTypeError(
        f"graph: names={shown(source)} came, and a module or a dict of tensors by name is needed"
    )


def _arguments(function: Any, inputs: Iterable[Any]) -> list[tuple[str, Value]]:
    """Return the tensors among a function's inputs with the names of its arguments."""
    target = function.forward if isinstance(function, Module) else function
    try:
        bound = inspect.signature(target).bind(*inputs).arguments
    except (TypeError, ValueError):  # a builtin has no signature
        return []
    found: list[tuple[str, Value]] = []
    for name, x in bound.items():
        if isinstance(x, Value):
            found.append((name, x))
        elif isinstance(x, (tuple, list)):
            found += [(f"{name}[{i}]", v) for i, v in enumerate(x) if isinstance(v, Value)]
    return found


def give_gradients(y: Tensor, items: Iterable[Item], where: str) -> None:
    """Give items the gradients of `y` by them; no `.grad` changes. Raises: ShapeError."""
    if y.node is None or not y.node.requires_grad:
        return
    if y.size != 1:
        raise ShapeError(
            f"{where}: shape {y.shape} came, and gradients are those of one number: draw the sum, "
            "or pass grads=False"
        )
    wanted: dict[Node, list[Item]] = {}
    for item in items:
        if item.node is not None:
            wanted.setdefault(item.node, []).append(item)

    def visit(node: Node, ct: Tensor) -> bool:
        for item in wanted.get(node, ()):
            item.grad = ct
        return True

    recording(False, pull_back, reachable(y.node), ones_like(y.detach()), visit)


def draw(trace: Trace, groups: list[Group], items: list[Item], title: str, grads: bool) -> Drawing:
    """Return the drawing of a trace."""
    drawing = Drawing(title)
    home = {i: g for g, group in enumerate(groups) for i in group.uses}
    there = {item.key for item in items}
    arrows: dict[Arrow, None] = {}
    by_key = {item.key: item for item in items}
    told: set[int] = set()

    def tell(key: int) -> None:
        if key in by_key and key not in told:
            told.add(key)
            drawing.boxes.append(_value(by_key[key], grads, key == trace.root))

    for g, group in enumerate(groups):
        uses = [trace.uses[i] for i in group.uses]
        for key in (key for use in uses for key in use.inputs if key is not None):
            tell(key)
        single = len(uses) == 1
        drawing.boxes.append(
            _operation(f"o{g}", uses[0]) if single else _group(f"o{g}", group, trace)
        )
        for use in uses:
            for given in use.inputs:
                if given in there and home.get(_maker(trace, given)) != g:
                    arrows[Arrow(f"v{given}", f"o{g}")] = None
            if use.out in there:
                arrows[Arrow(f"o{g}", f"v{use.out}")] = None
                tell(use.out)
    drawing.arrows = list(arrows)
    return drawing


def _maker(trace: Trace, key: int | None) -> int:
    """Return the place of the use that made an item, -1 for a leaf."""
    if not trace.makers:
        trace.makers.update({use.out: i for i, use in enumerate(trace.uses)})
    return trace.makers.get(key, -1)  # type: ignore[arg-type]


def _value(item: Item, grads: bool, is_root: bool) -> Box:
    cells = [Cell(item.label, "label")] if item.label else []
    if item.shape:
        cells.append(Cell(shape_text(item.shape), "shape"))
    data = item.data
    if data is not None:
        cells.append(Cell(f"data {summary(data)}", "data"))
    if grads and item.grad is not None:
        cells.append(Cell(f"grad {summary(item.grad.numpy())}", "grad"))
    if not cells:
        cells = [Cell("?", "shape")]
    return Box(f"v{item.key}", "leaf" if item.is_leaf else "value", (tuple(cells),))


def _operation(key: str, use: Use) -> Box:
    return Box(key, "op", ((Cell(title_of(use), "name"),),), _told(use))


def title_of(use: Use) -> str:
    """Return what an operation is called in a drawing: "tanh", "+", "** 2"."""
    symbol = SYMBOLS.get(use.name, use.name)
    if not use.numbers:
        return symbol
    numbers = " ".join(f"{float(x):.4g}" for x in use.numbers.values())
    if 0 in use.numbers and len(use.inputs) == 2:
        return f"{numbers} {symbol}"
    return f"{symbol} {numbers}"


def _told(use: Use) -> str:
    path, _, line = use.line.rpartition(", ")
    return f"{use.name} at {PurePath(path).name}, {line}" if path else use.name


def _group(key: str, group: Group, trace: Trace) -> Box:
    uses = [trace.uses[i] for i in group.uses]
    inside = {k for use in uses for k in use.inputs if k is not None}
    sizes = {k: trace.items[k].shape for k in inside if trace.items[k].is_parameter}
    rows = [(Cell(group.title, "name"),), (Cell(f"{len(uses):,} operations", "text"),)]
    if sizes:
        count = sum(int(np.prod(shape)) for shape in sizes.values())
        rows.append((Cell(f"{count:,} parameters", "text"),))
    return Box(key, "group", tuple(rows), ", ".join(dict.fromkeys(use.name for use in uses)))


def shape_text(shape: Shape) -> str:
    """Return a shape as drawings have it: "3 × 4"."""
    return " × ".join(map(str, shape)) if len(shape) > 1 else f"({shape[0]},)"


def summary(x: np.ndarray) -> str:
    """Return values as a few letters: all of a few, else the least and the greatest."""
    if not x.shape:
        return figure(x.item())
    if 0 < x.size <= 3 and x.ndim == 1:
        return "[" + ", ".join(figure(v) for v in x.tolist()) + "]"
    if not x.size:
        return "[]"
    if x.dtype.kind == "f" and np.isnan(x).any():
        return f"{int(np.isnan(x).sum())} NaN of {x.size}"
    least, most = x.min().item(), x.max().item()
    return figure(least) if least == most else f"{figure(least)} … {figure(most)}"


def figure(x: float | int | bool) -> str:
    """Return a number with four digits behind the point, or four in all where that says little."""
    if isinstance(x, (bool, int)):
        return str(x)
    if x == 0 or 1e-3 <= abs(x) < 1e5 or x != x or abs(x) == float("inf"):
        text = f"{x:.4f}"
        return text[1:] if text == "-0.0000" else text
    return f"{x:.3e}"
