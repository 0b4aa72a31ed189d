"""summary: what a model's modules give for an input, and what they hold, as a table."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import tape
from ..errors import ArgumentError, shown
from ..interrupts import handled_outside
from ..random import global_generator
from ..tensor import Tensor
from .module import Module


class SummaryRow(NamedTuple):
    """What `summary` says of one module."""

    name: str  # its path, "" for the model itself
    kind: str  # its class
    output_shape: Any  # of its last call; a tuple of shapes for several tensors, None for none
    parameters: int  # elements of the parameters that it holds itself
    trainable: int  # those that are not frozen
    bytes: int  # of the parameters and buffers that it holds itself
    calls: int  # how often the model called it


class Summary:
    """What a model is made of: `rows`, one for each module, and sums over all of them.

    print() shows it as a table, and notebooks as HTML.
    """

    def __init__(self, rows: list[SummaryRow], model: Module):
        self.rows = rows
        params = model.parameters()
        self.parameters: int = sum(x.size for x in params)
        self.trainable: int = sum(x.size for x in params if x.requires_grad)
        self.bytes: int = sum(_bytes(x) for x in (*params, *model.buffers()))

    def _cells(self) -> list[list[str]]:
        return [
            [
                row.name or "(model)",
                row.kind,
                "" if row.output_shape is None else str(row.output_shape),
                f"{row.parameters:,}" if row.parameters else "",
                f"{row.bytes:,}" if row.bytes else "",
            ]
            for row in self.rows
        ]

    def _totals(self) -> str:
        frozen = self.parameters - self.trainable
        return (
            f"{self.parameters:,} parameters, {self.trainable:,} trained and {frozen:,} frozen; "
            f"{self.bytes:,} bytes with buffers"
        )

    def __str__(self) -> str:
        table = [list(_TITLES), *self._cells()]
        widths = [max(len(line[i]) for line in table) for i in range(len(_TITLES))]
        lines = []
        for line in table:
            cells = [
                text.rjust(width) if i > 2 else text.ljust(width)
                for i, (text, width) in enumerate(zip(line, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([*lines, lines[1], self._totals()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: list[str], tag: str) -> str:
            inner = "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in cells)
            return f"<tr>{inner}</tr>"

        body = "".join(row(cells, "td") for cells in self._cells())
        return (
            f"<table><thead>{row(list(_TITLES), 'th')}</thead><tbody>{body}</tbody></table>"
            f"<p>{html.escape(self._totals())}</p>"
        )


_TITLES = ("name", "module", "output", "parameters", "bytes")


def summary(model: Module, *inputs: Any) -> Summary:
    """Return a table of a model's modules: the shapes they give for inputs, and what they hold.

    The model runs once, model(*inputs), in evaluation and without the tape; its modes and the
    global stream of random numbers are then what they were. Without inputs nothing runs, and there
    are no shapes. What its forward does to Python state stays done.
    Raises: ArgumentError for what is no module; what the model raises.

    >>> net = wg.nn.Sequential(wg.nn.Linear(64, 32), wg.nn.ReLU(), wg.nn.Linear(32, 10))
    >>> table = wg.nn.summary(net, wg.ones(1, 64))
    >>> table.parameters, table.rows[1].output_shape
    (2410, (1, 32))
    """
    if not isinstance(model, Module):
        raise ArgumentError(f"summary: {shown(model)} came, and a module is needed")
    named = model.named_modules()
    shapes: dict[int, Any] = {}
    calls: dict[int, int] = {}

    def note(module: Module, args: Any, out: Any) -> None:
        shapes[id(module)] = _shape(out)
        calls[id(module)] = calls.get(id(module), 0) + 1

    if inputs:
        _run(model, inputs, [x for _, x in named], note)
    rows = []
    for name, module in named:
        own = [x for _, x in module.named_parameters(recurse=False)]
        held = [*own, *(x for _, x in module.named_buffers(recurse=False))]
        rows.append(
            SummaryRow(
                name,
                type(module).__name__,
                shapes.get(id(module)),
                sum(x.size for x in own),
                sum(x.size for x in own if x.requires_grad),
                sum(map(_bytes, held)),
                calls.get(id(module), 0),
            )
        )
    return Summary(rows, model)


def _run(model: Module, inputs: tuple, modules: list[Module], note: Callable) -> None:
    """Run a model with a hook on each module, and put everything back."""
    before = [{k: vars(x)[k] for k in _TOUCHED if k in vars(x)} for x in modules]
    stream = global_generator()
    counter = stream.counter
    handles = [x.register_forward_hook(note) for x in modules]
    try:
        model.eval()
        handled_outside(tape.recording, False, lambda: model(*inputs))
    finally:
        for handle in handles:
            handle.remove()
        for x, had in zip(modules, before, strict=True):
            for name in _TOUCHED:
                vars(x).pop(name, None)
            vars(x).update(had)
        stream.counter = counter


_TOUCHED = ("training", "_hooks")


def _shape(out: Any) -> Any:
    if isinstance(out, Tensor):
        return out.shape
    if isinstance(out, dict):
        out = tuple(out.values())
    if isinstance(out, (tuple, list)):
        return tuple(_shape(x) for x in out)
    return None


def _bytes(x: Tensor) -> int:
    return x.size * x.dtype.itemsize
