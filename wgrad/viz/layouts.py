"""Where boxes lie and how arrows run: by graphviz' `dot`, or by grandalf, which is Python alone.

Both are told sizes, and give coordinates: what is drawn there is one and the same (svg.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import ArgumentError, MissingDependencyError, shown
from ..extras import needed
from .drawing import Box, Drawing

Point = tuple[float, float]
ENGINES = ("auto", "dot", "python")
BETWEEN, BESIDE = 44.0, 22.0  # points between ranks, and between neighbours in one


@dataclass
class Layout:
    """The centre of every box by its key, the curves of the arrows, and the size of it all.

    A curve is a start and then triples of points, as those of Bézier are written in SVG.
    """

    centres: dict[str, Point]
    curves: list[list[Point]]
    width: float
    height: float


def laid_out(drawing: Drawing, engine: str, where: str) -> Layout:
    """Return the layout of a drawing. Raises: ArgumentError, MissingDependencyError."""
    if not isinstance(engine, str) or engine not in ENGINES:
        raise ArgumentError(f"{where}: engine={shown(engine)} came, and one of {ENGINES} is needed")
    if engine == "dot" or (engine == "auto" and _has_graphviz(where)):
        return _by_dot(drawing, where)
    return _by_grandalf(drawing, where)


def _has_graphviz(where: str) -> bool:
    """Whether the program and a package that imports are there."""
    if shutil.which("dot") is None:
        return False
    try:
        needed("graphviz", "viz", where)
    except MissingDependencyError:
        return False
    return True


def run_dot(text: str, form: str, where: str) -> bytes:
    """Return what graphviz' program dot makes of a text. Raises: MissingDependencyError."""
    graphviz = needed("graphviz", "viz", where)
    try:
        return graphviz.pipe("dot", form, text.encode())
    except graphviz.ExecutableNotFound as error:
        raise MissingDependencyError(
            f"{where}: graphviz' program dot, which is asked for, is not on the PATH: install "
            'graphviz, or take engine="python" and save a .svg'
        ) from error


def _by_dot(drawing: Drawing, where: str) -> Layout:
    """Ask graphviz, for boxes of our sizes; names are numbers, so that nothing is quoted."""
    number = {box.key: i for i, box in enumerate(drawing.boxes)}
    rank, tail, head = ("TB", "s", "n") if drawing.down else ("LR", "e", "w")
    lines = [
        f"digraph {{ rankdir={rank}; nodesep={BESIDE / 72}; ranksep={BETWEEN / 72};"
        "nslimit=1; nslimit1=1; mclimit=0.5;",
        f"edge [arrowhead=none, tailport={tail}, headport={head}];",
    ]
    for i, box in enumerate(drawing.boxes):
        w, h = box.size
        shape = "ellipse" if box.kind == "op" else "box"
        lines.append(
            f'n{i} [label="", shape={shape}, fixedsize=true, width={w / 72:.4f}, '
            f"height={h / 72:.4f}];"
        )
    lines += [f"n{number[a.tail]} -> n{number[a.head]};" for a in drawing.arrows]
    plain = run_dot("\n".join([*lines, "}"]), "plain", where).decode()
    centres: dict[str, Point] = {}
    curves: dict[tuple[str, str], list[list[Point]]] = {}
    width = height = 0.0
    for line in plain.splitlines():
        word, *rest = line.split()
        if word == "graph":
            width, height = float(rest[1]) * 72, float(rest[2]) * 72
        elif word == "node":
            x, y = float(rest[1]) * 72, height - float(rest[2]) * 72
            centres[drawing.boxes[int(rest[0][1:])].key] = x, y
        elif word == "edge":
            many = int(rest[2])
            flat = [float(v) * 72 for v in rest[3 : 3 + 2 * many]]
            points = [(x, height - y) for x, y in zip(flat[::2], flat[1::2], strict=True)]
            curves.setdefault((rest[0], rest[1]), []).append(points)
    ordered = [curves[f"n{number[a.tail]}", f"n{number[a.head]}"].pop(0) for a in drawing.arrows]
    return Layout(centres, ordered, width, height)


def _by_grandalf(drawing: Drawing, where: str) -> Layout:
    """Lay out layer by layer (Sugiyama), each part that hangs together below the last one.

    grandalf draws from top to bottom; from left to right is the same with the axes exchanged.
    """
    graphs = needed("grandalf.graphs", "viz", where)
    layouts = needed("grandalf.layouts", "viz", where)
    vertices = {box.key: graphs.Vertex(box.key) for box in drawing.boxes}
    for box in drawing.boxes:
        w, h = box.size
        view = layouts.VertexViewer(w, h) if drawing.down else layouts.VertexViewer(h, w)
        vertices[box.key].view = view
    pairs = list(dict.fromkeys((a.tail, a.head) for a in drawing.arrows))  # it wants each once
    cores = [  # made here, for grandalf's own search keeps arrows in the order of their addresses
        graphs.graph_core(
            [vertices[key] for key in part],
            [graphs.Edge(vertices[a], vertices[b]) for a, b in pairs if a in part],
        )
        for part in _parts(list(vertices), pairs)
    ]
    bends: dict[tuple[str, str], list[tuple[int, float]]] = {}
    places: dict[str, tuple[int, int, float]] = {}  # part, rank, place in the rank
    depths: list[list[tuple[float, float]]] = []  # by part and rank: where it begins and ends
    shift = 0.0
    for part, core in enumerate(cores):
        plan = layouts.SugiyamaLayout(core)
        plan.xspace, plan.yspace = BESIDE, BETWEEN
        plan.dw = plan.dh = 2.0  # arrows that pass a rank take little room
        plan.init_all(inverted_edges=[], optimize=True)
        plan.draw(4)
        low, high = float("inf"), float("-inf")
        for rank in plan.layers:
            _apart(list(rank))
            low = min([low, *(v.view.xy[0] - v.view.w / 2 for v in rank)])
            high = max([high, *(v.view.xy[0] + v.view.w / 2 for v in rank)])
        ends, at = [], 0.0
        for r, rank in enumerate(plan.layers):
            depth = max(v.view.h for v in rank)
            ends.append((at, at + depth))
            at += depth + BETWEEN
            for v in rank:
                if not isinstance(v, layouts.DummyVertex):
                    places[v.data] = part, r, v.view.xy[0] - low + shift
        depths.append(ends)
        for edge, ctrl in plan.ctrls.items():
            key = edge.v[0].data, edge.v[1].data
            bends[key] = [
                (r, v.view.xy[0] - low + shift)
                for r, v in sorted(ctrl.items())
                if isinstance(v, layouts.DummyVertex)
            ]
        shift += high - low + 2 * BESIDE
    centres = {k: (sum(depths[p][r]) / 2, across) for k, (p, r, across) in places.items()}
    sizes = {box.key: box.size if not drawing.down else box.size[::-1] for box in drawing.boxes}
    curves = []
    for arrow in drawing.arrows:
        tail, head = centres[arrow.tail], centres[arrow.head]
        ends = depths[places[arrow.tail][0]]
        path = [(tail[0] + sizes[arrow.tail][0] / 2, tail[1])]
        for r, across in bends.get((arrow.tail, arrow.head), ()):
            path += [(ends[r][0], across), (ends[r][1], across)]
        path.append((head[0] - sizes[arrow.head][0] / 2, head[1]))
        curves.append(_curved(path))
    depth = max(end for ends in depths for _, end in ends)
    width, height = depth, max(shift - 2 * BESIDE, 0.0)
    if drawing.down:
        centres = {k: (y, x) for k, (x, y) in centres.items()}
        curves = [[(y, x) for x, y in curve] for curve in curves]
        width, height = height, width
    return Layout(centres, curves, width, height)


def _parts(keys: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[dict[str, None]]:
    """Return the boxes that hang together, each part in the order of `keys`."""
    near: dict[str, list[str]] = {key: [] for key in keys}
    for a, b in pairs:
        near[a].append(b)
        near[b].append(a)
    parts: list[dict[str, None]] = []
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            continue
        found, stack = {key}, [key]
        while stack:
            fresh = [x for x in near[stack.pop()] if x not in found]
            found.update(fresh)
            stack += fresh
        seen |= found
        parts.append(dict.fromkeys(x for x in keys if x in found))
    return parts


def _apart(rank: list) -> None:
    """Move the boxes of a rank apart where two overlap, in their order."""
    edge = float("-inf")
    for v in rank:
        x, y = v.view.xy
        x = max(x, edge + v.view.w / 2)
        v.view.xy = x, y
        edge = x + v.view.w / 2 + BESIDE / 2


def _curved(path: Sequence[Point]) -> list[Point]:
    """Return a curve through points that leaves and reaches each of them along the first axis."""
    curve = [path[0]]
    for (x0, y0), (x1, y1) in pairwise(path):
        middle = (x0 + x1) / 2
        curve += [(middle, y0), (middle, y1), (x1, y1)]
    return curve


def overlapping(layout: Layout, boxes: Sequence[Box]) -> list[tuple[str, str]]:
    """Return the pairs of boxes that overlap."""
    rects = []
    for box in boxes:
        (x, y), (w, h) = layout.centres[box.key], box.size
        rects.append((x - w / 2, x + w / 2, y - h / 2, y + h / 2, box.key))
    rects.sort()
    found = []
    for i, a in enumerate(rects):
        for b in rects[i + 1 :]:
            if b[0] >= a[1] - 1e-6:
                break
            if a[2] < b[3] - 1e-6 and b[2] < a[3] - 1e-6:
                found.append((a[4], b[4]))
    return found
