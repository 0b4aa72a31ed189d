"""SVG: a drawing and its layout as a text that needs nothing beside it, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from .drawing import LETTER, LINE, PAD, Box, Cell, Drawing
from .layouts import Layout, Point

MARGIN = 12.0
# Colours by name: of a light background, and of a dark one.
COLORS = {
    "ink": ("#1f2430", "#e4e7ee"),
    "soft": ("#6b7385", "#98a1b3"),
    "line": ("#aab2c2", "#566074"),
    "paper": ("#ffffff", "#171a21"),
    "fill": ("#f7f8fb", "#1f242e"),
    "leaf": ("#eef4ff", "#1c2a44"),
    "op": ("#fff3dc", "#40331a"),
    "opline": ("#e0a93b", "#a97d29"),
    "group": ("#eef7ef", "#1c3324"),
    "groupline": ("#74b27f", "#4d8a5a"),
    "grad": ("#b3261e", "#ff9d92"),
    "tangent": ("#8a5a00", "#e8b862"),
    "data": ("#1c55a8", "#9cc2ff"),
}


def variables(which: int) -> str:
    """Return the colours as CSS variables: 0 for light, 1 for dark."""
    return "".join(f"--wg-{name}:{pair[which]};" for name, pair in COLORS.items())


RULES = (
    ".wg text{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;"
    "fill:var(--wg-ink);white-space:pre}"
    ".wg .shape,.wg .text{fill:var(--wg-soft)}"
    ".wg .beside{fill:var(--wg-soft);stroke:var(--wg-paper);stroke-width:4px;paint-order:stroke}"
    ".wg .label,.wg .name{font-weight:600}"
    ".wg .grad{fill:var(--wg-grad)}.wg .data{fill:var(--wg-data)}"
    ".wg .box{fill:var(--wg-fill);stroke:var(--wg-line)}.wg .leaf .box{fill:var(--wg-leaf)}"
    ".wg .op .box{fill:var(--wg-op);stroke:var(--wg-opline)}"
    ".wg .group .box,.wg .kernel .box{fill:var(--wg-group);stroke:var(--wg-groupline)}"
    ".wg .cut{stroke:var(--wg-line);stroke-width:1}"
    ".wg .arrow{fill:none;stroke:var(--wg-line);stroke-width:1.3}"
    ".wg .tip{fill:var(--wg-line);stroke:none}"
    ".wg .area{fill:var(--wg-leaf);stroke:var(--wg-data)}"
    ".wg .limit{stroke:var(--wg-grad);stroke-dasharray:4 3}"
    ".wg .paper{fill:var(--wg-paper)}"
)
STYLE = f".wg{{{variables(0)}}}@media (prefers-color-scheme:dark){{.wg{{{variables(1)}}}}}{RULES}"


def number(x: float) -> str:
    """Return a coordinate with one digit behind the point, and none that says nothing."""
    text = f"{x:.1f}"
    return text[:-2] if text.endswith(".0") else text


def svg(
    drawing: Drawing, layout: Layout, below: str = "", more: tuple[float, float] = (0, 0)
) -> str:
    """Return a drawing as SVG.

    `below` is SVG that stands under it, in a frame whose width and height are `more`.
    """
    wide = max(layout.width, more[0]) + 2 * MARGIN
    high = layout.height + 2 * MARGIN + (more[1] + MARGIN if below else 0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="wg" role="img" width="{number(wide)}" '
        f'height="{number(high)}" viewBox="0 0 {number(wide)} {number(high)}">',
        f"<title>{escape(drawing.title)}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%" rx="6"/>',
        *body(drawing, layout, ((wide - 2 * MARGIN - layout.width) / 2, 0)),
    ]
    if below:
        at = f"translate({number(MARGIN)} {number(layout.height + 2 * MARGIN)})"
        lines.append(f'<g transform="{at}">{below}</g>')
    return "\n".join([*lines, "</svg>", ""])


def body(drawing: Drawing, layout: Layout, shift: Point = (0, 0)) -> list[str]:
    """Return the elements of a drawing: arrows first, so that boxes lie over them."""
    dx, dy = MARGIN + shift[0], MARGIN + shift[1]
    lines, beside = [], []
    for i, (arrow, curve) in enumerate(zip(drawing.arrows, layout.curves, strict=True)):
        moved = [(x + dx, y + dy) for x, y in curve]
        lines.append(
            f'<g class="edge" id="edge-{i}"><path class="arrow" d="{_path(moved)}"/>'
            f'<path class="tip" d="{_tip(moved)}"/></g>'
        )
        beside += _beside(moved, arrow.text)
    lines += beside  # over all arrows
    for box in drawing.boxes:
        x, y = layout.centres[box.key]
        lines += _box(box, x + dx, y + dy)
    return lines


def _path(points: Sequence[Point]) -> str:
    """Return a curve that ends a little before its last point, where the tip is."""
    (x1, y1), (x0, y0) = points[-1], points[-2]
    long = math.hypot(x1 - x0, y1 - y0) or 1.0
    cut = min(5.0, long)
    last = (x1 - (x1 - x0) / long * cut, y1 - (y1 - y0) / long * cut)
    words = [f"{number(x)} {number(y)}" for x, y in (*points[:-1], last)]
    return f"M{words[0]} C{', '.join(words[1:])}"


def _tip(points: Sequence[Point]) -> str:
    (x1, y1), (x0, y0) = points[-1], points[-2]
    long = math.hypot(x1 - x0, y1 - y0)
    ux, uy = ((x1 - x0) / long, (y1 - y0) / long) if long > 1e-6 else (1.0, 0.0)
    bx, by = x1 - 7 * ux, y1 - 7 * uy
    corners = ((x1, y1), (bx - 3.2 * uy, by + 3.2 * ux), (bx + 3.2 * uy, by - 3.2 * ux))
    return "M" + " L".join(f"{number(x)} {number(y)}" for x, y in corners) + " Z"


def _beside(points: Sequence[Point], text: str) -> list[str]:
    if not text:
        return []
    at = len(points) // 2
    (xa, ya), (xb, yb) = points[at - 1], points[at]
    x, y = (xa + xb) / 2 + 5, (ya + yb) / 2
    return [f'<text class="beside" x="{number(x)}" y="{number(y)}">{escape(text)}</text>']


def _box(box: Box, x: float, y: float) -> list[str]:
    w, h = box.size
    left, top = x - w / 2, y - h / 2
    lines = [f"<g class={quoteattr(box.kind)} id={quoteattr(box.key)}>"]
    if box.note:
        lines.append(f"<title>{escape(box.note)}</title>")
    if box.kind == "op":
        lines.append(
            f'<ellipse class="box" cx="{number(x)}" cy="{number(y)}" rx="{number(w / 2)}" '
            f'ry="{number(h / 2)}"/>'
        )
        lines.append(_text(box.rows[0][0], x, y, "middle", box.key))
        return [*lines, "</g>"]
    round_ = 8 if box.kind in ("group", "kernel") else 3
    lines.append(
        f'<rect class="box" x="{number(left)}" y="{number(top)}" width="{number(w)}" '
        f'height="{number(h)}" rx="{round_}"/>'
    )
    for i, row in enumerate(box.rows):
        middle = top + LINE * (i + 0.5)
        spare = w - sum(c.letters * LETTER + 2 * PAD for c in row)
        at = left
        for j, cell in enumerate(row):
            wide = cell.letters * LETTER + 2 * PAD + spare / len(row)
            if j:
                lines.append(
                    f'<path class="cut" d="M{number(at)} {number(middle - LINE / 2)} '
                    f'v{number(LINE)}"/>'
                )
            lines.append(_text(cell, at + wide / 2, middle, "middle", box.key))
            at += wide
        if i and (row[0].kind, box.rows[i - 1][0].kind) != ("data", "data"):
            lines.append(
                f'<path class="cut" d="M{number(left)} {number(middle - LINE / 2)} h{number(w)}"/>'
            )
    return [*lines, "</g>"]


def _text(cell: Cell, x: float, y: float, anchor: str, key: str) -> str:
    name = f" id={quoteattr(f'{key}-{cell.kind}')}" if cell.width else ""
    return (
        f'<text class={quoteattr(cell.kind)}{name} x="{number(x)}" y="{number(y + 4)}" '
        f'text-anchor="{anchor}">{escape(cell.text)}</text>'
    )
