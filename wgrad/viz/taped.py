"""The tape as a trace: what leads to a tensor, read off what the tape has kept.

The tape keeps what gradients need, and no more. The values of the rest are found on the tensors
that are still there; where these have gone too, they are computed anew from those of their inputs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

from ..core import INPUT_NAMES, Node, Value, apply, place, wrap
from ..errors import WgradError
from ..tape import reachable, recording
from ..tensor import Tensor
from .labels import label_of_node, labelled_arrays
from .trace import Item, Trace, Use

AGAIN = 2000  # in larger graphs nothing is computed anew


def taped(y: Tensor, names: Iterable[tuple[str, Value]]) -> Trace:
    """Return the trace of a tensor that has a history."""
    assert y.node is not None
    nodes = sorted(reachable(y.node), key=lambda node: node.sequence)
    keys = {node: i for i, node in enumerate(nodes)}
    alive = _alive(keys)
    alive[y.node] = y
    given = {x.node: name for name, x in names if x.node is not None}
    arrays = labelled_arrays()
    trace = Trace(keys[y.node])
    others: dict[int, int] = {}  # keys of arrays that the tape kept of untracked inputs
    for node in nodes:
        label = label_of_node(node) or given.get(node, "")
        key, leaf = keys[node], node.op is None
        item = Item(key, (), label, node, is_leaf=leaf, is_parameter=leaf and node.is_parameter)
        trace.items[key] = item
        if node in alive:
            _hold(item, alive[node].array, None if leaf else node.version)
    for node in nodes:
        if node.op is None:
            continue
        inputs: list[int | None] = []
        numbers: dict[int, float] = {}
        for i, parent in enumerate(node.parents):
            kept = _kept(node, i)
            if parent is not None and parent in keys:
                inputs.append(keys[parent])
                if trace.items[keys[parent]].array is None and isinstance(kept, tuple):
                    _hold(trace.items[keys[parent]], kept[0], kept[2])
            elif isinstance(kept, tuple):
                array, _, version = kept
                at = others.setdefault(id(array), len(nodes) + len(others))
                if at not in trace.items:
                    trace.items[at] = Item(at, (), arrays.get(id(array), ""))
                    _hold(trace.items[at], array, version)
                inputs.append(at)
            else:
                inputs.append(None)
                if isinstance(kept, (bool, int, float)):
                    numbers[i] = kept
        out = trace.items[keys[node]]
        if isinstance(node.saved.get("out"), tuple) and out.array is None:
            _hold(out, node.saved["out"][0], node.saved["out"][2])
        line = place(node.origin) if node.origin else ""
        trace.uses.append(Use(node.op.name, tuple(inputs), numbers, keys[node], line))
        for i, at_input in enumerate(inputs):  # of those whose values have gone
            if at_input is not None and trace.items[at_input].array is None and node.shapes:
                trace.items[at_input].shape = node.shapes[i]
    if len(nodes) <= AGAIN:
        recording(False, _compute_again, trace)
    return trace


def _hold(item: Item, array: Any, version: int | None) -> None:
    item.array, item.shape = array, array.layout.shape
    item.edition = array.storage.version if version is None else version


def _kept(node: Node, i: int) -> Any:
    """Return what the tape has kept of input `i`: (array, node, version), a number, or None."""
    for name in (i, INPUT_NAMES[i] if i < len(INPUT_NAMES) else i):
        if name in node.saved:
            return node.saved[name]  # type: ignore[index]  # a place, in ops of many inputs
    every = node.saved.get("inputs")
    return every[i] if isinstance(every, list) else None


def _alive(keys: dict[Node, int]) -> dict[Node, Any]:
    """Return the tensors that are still there, by what the tape knows them by.

    The tape does not lead to them, so that it keeps none alive: Python's collector does.
    """
    found: dict[Node, Any] = {}
    for x in gc.get_objects():
        if type(x) is Tensor and x.node is not None and x.node in keys:
            before = found.get(x.node)
            if before is None or before.array.storage.version != x.node.version:
                found[x.node] = x
    return found


def _compute_again(trace: Trace) -> None:
    """Compute the values that nothing holds any more from those of their inputs."""
    for use in trace.uses:
        item = trace.items[use.out]
        node = item.node
        if node is None or node.op is None or item.is_known:
            continue
        inputs: list[Any] = []
        for i, key in enumerate(use.inputs):
            if key is None:
                inputs.append(use.numbers.get(i))
            else:
                source = trace.items[key]
                known = source.array if source.is_known else None
                inputs.append(None if known is None else wrap(known))
        if any(x is None for x in inputs) or node.op.calls_back:
            continue
        try:
            made = apply(node.op, *inputs, **node.params)
        except WgradError:  # what it was given then is no longer what its input is now
            continue
        _hold(item, made.array, None)
