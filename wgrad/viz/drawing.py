"""A drawing: boxes and arrows, before anybody has said where they lie; and its DOT text.

Knows no tensors and no coordinates. Sizes are in points, and follow from the texts alone, for all
texts are set in a font whose letters are equally wide: so a drawing is the same on every machine.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

LETTER, LINE, PAD = 7.25, 24.0, 8.0  # of 12 point type: a letter's width, a row's height, the rest


@dataclass(frozen=True)
class Cell:
    """One field of a box: its text, what it is ("label", "shape", "data", "grad", ...)."""

    text: str
    kind: str = "text"
    width: int = 0  # in letters: room for texts that come later

    @property
    def letters(self) -> int:
        """How many letters wide it is."""
        return max(letters(self.text), self.width, 1)


@dataclass(frozen=True)
class Box:
    """A node: rows of cells ("record", "group", ...), or one text in an ellipse ("op")."""

    key: str
    kind: str
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""  # what it says when a pointer rests on it

    @property
    def size(self) -> tuple[float, float]:
        """Its width and height."""
        widest = max(sum(c.letters * LETTER + 2 * PAD for c in row) for row in self.rows)
        if self.kind == "op":
            return max(widest + 2, 34.0), 34.0
        return widest, LINE * len(self.rows)


@dataclass(frozen=True)
class Arrow:
    """An edge from a box to another, with a text beside it."""

    tail: str
    head: str
    text: str = ""


@dataclass
class Drawing:
    """Boxes, each with a key of its own, and arrows between them; they make no circle."""

    title: str
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    down: bool = False  # whether it runs from top to bottom instead of left to right

    def dot(self) -> str:
        """Return the drawing in Graphviz' language."""
        lines = [
            f"digraph {_quoted(self.title)} {{",
            f"  rankdir={'TB' if self.down else 'LR'};",
            '  node [fontname="monospace", fontsize=11];',
            '  edge [fontname="monospace", fontsize=9, arrowsize=0.7];',
        ]
        for box in self.boxes:
            lines.append(f"  {_quoted(box.key)} [{_attributes(box, self.down)}];")
        for arrow in self.arrows:
            more = f" [label={_quoted(arrow.text)}]" if arrow.text else ""
            lines.append(f"  {_quoted(arrow.tail)} -> {_quoted(arrow.head)}{more};")
        return "\n".join([*lines, "}", ""])


def letters(text: str) -> int:
    """Return how many letters' room a text takes: those of East Asia take two."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


_SPECIAL = str.maketrans({c: f"\\{c}" for c in '\\"{}|<> '} | {"\n": "\\n"})


def _attributes(box: Box, down: bool) -> str:
    if box.kind == "op":
        return f"label={_quoted(box.rows[0][0].text)}, shape=ellipse"
    rows = ["|".join(c.text.translate(_SPECIAL) for c in row) for row in box.rows]
    # Fields lie across the direction that the drawing runs in, and braces turn them.
    inner = "|".join(f"{{{row}}}" for row in rows)
    label = f"{{{inner}}}" if down else inner
    style = ', style="rounded"' if box.kind == "group" else ""
    return f'label="{label}", shape={"Mrecord" if box.kind == "group" else "record"}{style}'
