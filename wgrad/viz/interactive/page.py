"""The page: a function's scalar graph, drawn, with the code that computes it, in one HTML file."""

from __future__ import annotations

import html
import inspect
import json
import os
import textwrap
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ...checks.arguments import function as check_function
from ...core import REGISTRY
from ...creation import tensor
from ...devices import device as find_device
from ...errors import ArgumentError, DTypeError, ShapeError, WgradError, shown
from ...tensor import Tensor
from ..drawing import Arrow, Box, Cell, Drawing
from ..graph import SYMBOLS
from ..layouts import Layout, laid_out
from ..picture import checked_path
from ..recorder import DETACH, leading, record
from ..svg import MARGIN, RULES, body, number, variables
from .rows import MANY, ROWS, helpers, literal
from .scalars import MOST, Scalars, numbers_of, taken_apart

HERE = Path(__file__).parent
ROOM = 13  # letters: what "data -12.3456" takes


class Interactive:
    """What `wg.viz.interactive` returns: one HTML page, shown by notebooks.

    >>> page = wg.viz.interactive(lambda a, b: wg.tanh(a * b), a=2.0, b=-3.0)
    >>> page.html.startswith("<!doctype html>")
    True
    """

    def __init__(self, html: str, title: str):
        self.html = html
        self._title = title

    def save(self, path: str | os.PathLike) -> Path:
        """Write the page to a file that ends in .html, and return its path.

        Raises: ArgumentError for another ending.
        """
        target = checked_path(path, "save", (".html",))
        target.write_text(self.html, encoding="utf-8", newline="\n")
        return target

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" width="100%" height="640" '
            'style="border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<interactive page of {self._title}: save it, or show it in a notebook>"


def interactive(f: Any, /, **inputs: Any) -> Interactive:
    """Make a page of a function in which a person moves its inputs and sees every gradient.

    ```python
    page = wg.viz.interactive(lambda a, b: (a * b + a).tanh(), a=0.5, b=-1.0)
    page.save("neuron.html")
    ```

    `f` is called once by these names, with float64 tensors of the NumPy device, and returns one
    number; inputs are numbers or small arrays, whose elements are moved one by one. The page shows
    the graph of scalar operations, with sliders and fields for the inputs, gradients shown or
    hidden, and both modes of differentiation step by step, with the rule of each operation. It
    needs no network and nothing beside it. What `f` decides in Python (`if`, loops) is drawn as it
    ran at these inputs.

    Raises: DTypeError for a function that returns no tensor, ShapeError for more than one number,
    ArgumentError for an operation that the page cannot compute, and for too many of them.
    """
    where = "interactive"
    check_function(f, where, "f")
    if not inputs:
        raise ArgumentError("interactive: no input came, and at least one is needed, as in a=2.0")
    given = {name: _input(name, x) for name, x in inputs.items()}
    with find_device("numpy"):
        recorder, out = record(f, (), given, where)
    if out.size != 1:
        raise ShapeError(
            f"{where}: the function returned shape {out.shape}, and one number is needed: draw "
            "its sum"
        )
    scalars = taken_apart(recorder, leading(recorder, out), given, out, where)
    if not any(x.kind == "operation" for x in scalars.found):
        raise ArgumentError(f"{where}: the function computes nothing that could be drawn")
    title = _title(f)
    return Interactive(_page(scalars, title, _source(f), where), title)


def _input(name: str, x: Any) -> Tensor:
    try:
        made = tensor(x.numpy() if isinstance(x, Tensor) else x, dtype="float64", device="numpy")
    except WgradError:
        raise DTypeError(
            f"interactive: {name}={shown(x)} came, and a number or a small array is needed"
        ) from None
    if not np.isfinite(made.numpy()).all():
        raise ArgumentError(f"interactive: {name}={shown(x)} came, and finite numbers are needed")
    if made.size > MOST or not made.size:
        raise ArgumentError(
            f"interactive: {name} has {made.size} elements, and from 1 to {MOST} can be moved"
        )
    return made


def _title(f: Any) -> str:
    name = getattr(f, "__name__", type(f).__name__)
    return "a function" if name == "<lambda>" else name


def _source(f: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(f))
    except (OSError, TypeError):  # what was typed in, or is no function of Python's
        return "(its source is not at hand)"


def _page(scalars: Scalars, title: str, source: str, where: str) -> str:
    drawing, users = _drawing(scalars, title)
    layout = laid_out(drawing, "python", where)
    style = (
        f":root{{{variables(0)}}}\n@media (prefers-color-scheme: dark){{:root{{{variables(1)}}}}}\n"
        + RULES.replace("}", "}\n")
        + (HERE / "page.css").read_text(encoding="utf-8")
    )
    texts = {
        "title": html.escape(title),
        "style": style,
        "picture": _svg(drawing, layout),
        "source": html.escape(source),
        "rows": _rows(scalars, users),
        "script": (HERE / "page.js").read_text(encoding="utf-8"),
    }
    page = Template((HERE / "page.html").read_text(encoding="utf-8"))
    return page.substitute(texts)


def _svg(drawing: Drawing, layout: Layout) -> str:
    wide, high = (number(x + 2 * MARGIN) for x in (layout.width, layout.height))
    inside = "\n".join(body(drawing, layout))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wg" viewBox="0 0 {wide} {high}" '
        f'style="max-width:{wide}px;min-width:{number(0.7 * layout.width)}px">\n{inside}\n</svg>'
    )


def _drawing(scalars: Scalars, title: str) -> tuple[Drawing, list[int]]:
    """Return the drawing, and for every arrow the operation that it belongs to."""
    drawing, users = Drawing(title), []
    needed = {scalars.root, *(i for i, s in enumerate(scalars.found) if s.kind == "input")}
    for scalar in scalars.found:
        needed.update(x for x in scalar.args if isinstance(x, int))
    for i, scalar in enumerate(scalars.found):
        if i not in needed:
            continue
        if scalar.kind == "operation":
            text = ((Cell(_symbol(scalar.op, scalar.args), "name"),),)
            drawing.boxes.append(Box(f"o{i}", "op", text, scalar.op))
            for x in dict.fromkeys(x for x in scalar.args if isinstance(x, int)):
                drawing.arrows.append(Arrow(f"v{x}", f"o{i}"))
                users.append(i)
            drawing.arrows.append(Arrow(f"o{i}", f"v{i}"))
            users.append(i)
        cells = [Cell(scalar.label, "label") if scalar.label else Cell(f"#{i}", "shape")]
        cells += [Cell("", "data", ROOM), Cell("", "grad", ROOM + 3)]
        kind = "value" if scalar.kind == "operation" else "leaf"
        drawing.boxes.append(Box(f"v{i}", kind, (tuple(cells),)))
    return drawing, users


def _symbol(op: str, args: tuple[int | float, ...]) -> str:
    symbol = {"dot": "@"}.get(op, SYMBOLS.get(op, op))
    numbers = numbers_of(args)
    text = " ".join(f"{x:.4g}" for x in numbers.values())
    if not text:
        return symbol
    return f"{text} {symbol}" if 0 in numbers else f"{symbol} {text}"


def _rows(scalars: Scalars, users: list[int]) -> str:
    """Return what the script interprets: nodes, operations, and helpers."""
    names: dict[tuple, str] = {}
    nodes = []
    for scalar in scalars.found:
        node: dict[str, Any] = {"label": scalar.label, "kind": scalar.kind}
        if scalar.kind == "operation":
            numbers = tuple(numbers_of(scalar.args).items())
            key = scalar.op, numbers
            names.setdefault(key, " ".join([scalar.op, *(repr(x) for _, x in numbers)]))
            node["op"] = names[key]
        nodes.append(
            json.dumps(node)[:-1]
            + f', "value": {literal(scalar.value)}'
            + (f', "args": [{", ".join(map(_argument, scalar.args))}]' if scalar.args else "")
            + "}"
        )
    ops = [f"  {json.dumps(name)}: {_op(key, scalars)}" for key, name in names.items()]
    listed = ",\n  ".join(nodes)
    return (
        f"{helpers()}\nconst OPS = {{\n"
        + ",\n".join(ops)
        + f"\n}};\nconst NODES = [\n  {listed}\n];\nconst ROOT = {scalars.root};\n"
        + f"const EDGES = {json.dumps(users)};  // the operation that each arrow belongs to\n"
    ).replace("</", "<\\/")


def _argument(x: int | float) -> str:
    return str(x) if isinstance(x, int) else f"{{number: {literal(x)}}}"


def _op(key: tuple, scalars: Scalars) -> str:
    name, numbers = key
    if name in MANY:
        value, by = MANY[name]
        told = {"sum": "1", "dot": "its partner"}.get(name, "by its rule")
        return (
            f"{{value: (x) => {value}, slope: (x, out, i) => {by}, "
            f"told: () => {json.dumps(told)}, shown: {json.dumps(name)}}}"
        )
    count = 1 if name == DETACH.name else len(REGISTRY[name].rules)
    codes, texts = [], []
    for i in range(count):
        code, text = scalars.slopes.get((name, numbers, i), ("0", ""))
        codes.append(f"() => {code}")
        texts.append(text)
    letters = "[a, b, c, d]"
    return (
        f"{{value: ({letters}) => {ROWS[name].value}, "
        f"slope: ({letters}, out, i) => [{', '.join(codes)}][i](), "
        f"told: (i) => {json.dumps(texts)}[i], shown: {json.dumps(ROWS[name].shown)}}}"
    )
