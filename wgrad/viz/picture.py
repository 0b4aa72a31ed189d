"""Picture: a drawing that can be looked at, saved and read as text."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, MissingDependencyError, shown
from .drawing import Drawing
from .layouts import Layout, laid_out, run_dot
from .svg import svg


class Picture:
    """What `wg.viz.graph` and `wg.viz.program` return: shown by notebooks, and saved to files.

    `dot` is the drawing in Graphviz' language, which needs nothing installed; `svg` is laid out by
    graphviz' program `dot` where it is on the PATH, else by grandalf (the extra "viz").
    `note` says what was left out of it, or is "".

    >>> a, b = wg.label(wg.parameter(2.0), "a"), wg.label(wg.parameter(-3.0), "b")
    >>> picture = wg.viz.graph(wg.label(a * b, "y"))
    >>> picture.dot.startswith("digraph"), picture.note
    (True, '')
    """

    def __init__(
        self,
        drawing: Drawing,
        where: str,
        engine: str = "auto",
        note: str = "",
        below: str = "",
        more: tuple[float, float] = (0, 0),
    ):
        self.drawing = drawing
        self.note = note
        self._where = where
        self._engine = engine
        self._below = below
        self._more = more

    @cached_property
    def dot(self) -> str:
        """The drawing in Graphviz' language."""
        return self.drawing.dot()

    @cached_property
    def layout(self) -> Layout:
        """Where everything lies. Raises: MissingDependencyError."""
        return laid_out(self.drawing, self._engine, self._where)

    @cached_property
    def svg(self) -> str:
        """The picture as SVG, for a light and a dark background. Raises: MissingDependencyError."""
        return svg(self.drawing, self.layout, self._below, self._more)

    @property
    def html(self) -> str:
        """A page of its own with the picture."""
        return (
            '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
            f'<title>wgrad</title><meta name="color-scheme" content="light dark">\n'
            f"<body>\n{self.svg}</body></html>\n"
        )

    def save(self, path: str | os.PathLike) -> Path:
        """Write the picture to a file, and return its path: .svg, .dot, .html or .png.

        A .png is made by graphviz' program dot. Raises: ArgumentError for another ending,
        MissingDependencyError for what has to be installed.
        """
        target = checked_path(path, "save", (".svg", ".dot", ".html", ".png"))
        if target.suffix == ".png":
            target.write_bytes(run_dot(self.dot, "png", "save"))
        else:
            text = {".svg": "svg", ".dot": "dot", ".html": "html"}[target.suffix]
            target.write_text(getattr(self, text), encoding="utf-8", newline="\n")
        return target

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg
        except MissingDependencyError:  # a notebook then shows the repr, which says so
            return None

    def __repr__(self) -> str:
        boxes, arrows = len(self.drawing.boxes), len(self.drawing.arrows)
        note = f"; {self.note}" if self.note else ""
        return f"<picture {self.drawing.title}: {boxes} boxes, {arrows} arrows{note}>"


def checked_path(path: Any, where: str, endings: tuple[str, ...]) -> Path:
    """Return a path whose ending is one of `endings`. Raises: ArgumentError."""
    if not isinstance(path, (str, os.PathLike)) or Path(path).suffix not in endings:
        raise ArgumentError(
            f"{where}: {shown(path)} came, and the path of a file that ends in "
            f"{', '.join(endings)} is needed"
        )
    return Path(path)
