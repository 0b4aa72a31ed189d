"""Graphs over another domain: two steps can become one once both are over the same.

A graph is seen over another shape of as many elements, spread over rows, or read through a view.
Each function returns None where strides cannot say it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ...backends.array import Number, reduced_shape
from ...layout import Layout, Shape, compose
from .graph import Graph
from .slots import Inputs, Ref

Seen = tuple[Graph, Inputs]


def seen_through(graph: Graph, inputs: Inputs, view: Layout) -> Seen | None:
    """Return an elementwise graph computed only where `view` of its dense result looks."""
    if view == Layout.dense(graph.shape):
        return graph, inputs
    if graph.axes or graph.asks:
        return None
    if not all(r.is_plain for r in graph.results):
        return None  # the view is one of an output that has more elements than the domain
    return _over(graph, inputs, view.shape, (), lambda x: compose(view, graph.shape, x))


def reshaped(graph: Graph, inputs: Inputs, shape: Shape, axes: Shape) -> Seen | None:
    """Return a graph over another shape; the elements, and those of every row, stay the same."""
    if (graph.shape, graph.axes) == (shape, axes):
        return graph, inputs
    if graph.asks:
        return None
    if graph.axes or axes:
        alike = _trailing(graph.shape, graph.axes) == _trailing(shape, axes)
        if _trailing(shape, axes) is None or not alike:
            return None
    elif prod(shape) != prod(graph.shape):
        return None
    dense = Layout.dense(shape)
    return _over(graph, inputs, shape, axes, lambda x: compose(dense, graph.shape, x))


def as_elements(graph: Graph, inputs: Inputs, shape: Shape, axes: Shape) -> Seen | None:
    """Return an elementwise graph as one over the elements of a domain with rows."""
    flat = reshaped(graph, inputs, shape, ())
    return None if flat is None else (replace(flat[0], axes=axes), flat[1])


def as_rows(graph: Graph, inputs: Inputs, shape: Shape, axes: Shape) -> Seen | None:
    """Return an elementwise graph as one over the rows of a domain: computed once for each."""
    kept = reduced_shape(shape, axes)
    flat = reshaped(graph, inputs, kept, ())
    if flat is None or graph.asks:
        return None
    graph, inputs = flat

    def spread(layout: Layout) -> Layout:
        steps = iter(layout.strides)
        strides = tuple(0 if a in axes else next(steps) for a in range(len(shape)))
        return Layout(shape, strides, layout.offset)

    results = tuple([r._replace(row=True) for r in graph.results])
    return _over(replace(graph, results=results), inputs, shape, axes, spread)


def _trailing(shape: Shape, axes: Shape) -> tuple[int, int] | None:
    """Return (rows, elements of a row) where the folded axes come last, else None."""
    first = len(shape) - len(axes)
    if axes != tuple(range(first, len(shape))):
        return None
    return prod(shape[:first]), prod(shape[first:])


def _over(
    graph: Graph,
    inputs: Inputs,
    shape: Shape,
    axes: Shape,
    place: Callable[[Layout], Layout | None],
) -> Seen | None:
    """Return a graph over another domain, on which `place` says what becomes of layouts."""
    refs = {x.layout for x in inputs if isinstance(x, Ref)}
    layouts = {x: place(x) for x in refs | {x for r in graph.results for x in r.places}}
    if None in layouts.values():
        return None
    known: Any = layouts.__getitem__  # of which none is None
    results = tuple([r.relaid(known) for r in graph.results])
    return replace(graph, shape=shape, axes=axes, results=results), relaid(inputs, known)


def relaid(inputs: Sequence[Ref | Number], place: Callable[[Layout], Layout]) -> Inputs:
    """Return inputs with other layouts; numbers have none."""
    return tuple([replace(x, layout=place(x.layout)) if isinstance(x, Ref) else x for x in inputs])
