"""Where a piece of WGSL stands: in which file, on which line, at which column. Knows no syntax.

A `Source` is the text that the parser reads. It may be put together from several files: then its
pieces say which part of the text comes from which file, and every place that a person is shown is
one in a file that they edit.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from ...errors import ShaderError

MADE = "<made>"  # the file of what no text was read for


class Place(NamedTuple):
    """A place as a person sees it: the file's name, line and column from 1, and the line's text."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Original:
    """A text as somebody wrote it, with what errors call it, and its file where it has one."""

    __slots__ = ("name", "text", "path", "_starts")

    def __init__(self, name: str, text: str, path: Path | None = None):
        self.name = name
        self.text = text
        self.path = path
        self._starts: list[int] | None = None

    def place(self, offset: int) -> Place:
        """Return the place of a character."""
        if self._starts is None:
            self._starts = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]
        row = bisect_right(self._starts, offset) - 1
        start = self._starts[row]
        end = self.text.find("\n", start)
        line = self.text[start : end if end >= 0 else None].rstrip("\r")
        return Place(self.name, row + 1, offset - start + 1, line)


class Piece(NamedTuple):
    """From `start` on, the text is that of `original` from `offset` on.

    `fixed` means that all of the piece stands at `offset`: what a #define was replaced by.
    """

    start: int
    original: Original
    offset: int
    fixed: bool = False


class Source:
    """A text to be parsed, and where its parts come from.

    `written` is the same text as the person wrote it, where something in it is hidden from parsers.
    """

    __slots__ = ("name", "text", "pieces", "written", "_starts")

    def __init__(
        self,
        text: str,
        name: str = "<text>",
        pieces: tuple[Piece, ...] = (),
        written: Source | None = None,
    ):
        self.name = name
        self.text = text
        self.written = written or self
        self.pieces = pieces or (Piece(0, Original(name, text), 0),)
        self._starts = [piece.start for piece in self.pieces]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the text comes from, each once."""
        paths = dict.fromkeys(p.original.path for p in self.pieces if p.original.path)
        return tuple(path for path in paths if path is not None)

    def place_at(self, line: int, column: int) -> Place:
        """Return the place of a line and column of this text, both from 1, as compilers name it."""
        lines = self.text.split("\n")
        before = lines[: min(line, len(lines)) - 1]
        return self.place(sum(len(x) + 1 for x in before) + column - 1)

    def place(self, offset: int) -> Place:
        """Return the place of a character in the file that it comes from."""
        piece = self.pieces[max(bisect_right(self._starts, offset) - 1, 0)]
        return piece.original.place(piece.offset + (0 if piece.fixed else offset - piece.start))

    def error(self, message: str, offset: int) -> ShaderError:
        """Return the error which says that something is wrong at a character."""
        return error_at(self.place(offset), message)

    def __repr__(self) -> str:
        return f"<source {self.name}, {len(self.text)} characters>"


class Span(NamedTuple):
    """The part of a source, from `start` up to but without `end`, that a node was read from."""

    source: Source | None
    start: int
    end: int

    @property
    def place(self) -> Place:
        """The place where it begins. A node that no text was read for stands at `<made>:1:1`."""
        if self.source is None:
            return Place(MADE, 1, 1, "")
        return self.source.place(self.start)

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.place.file

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.place.line

    @property
    def column(self) -> int:
        """The column, from 1."""
        return self.place.column

    @property
    def text(self) -> str:
        """What stands there."""
        return "" if self.source is None else self.source.text[self.start : self.end]

    def error(self, message: str) -> ShaderError:
        """Return the error which says that something is wrong here."""
        return error_at(self.place, message)


NOWHERE = Span(None, 0, 0)


def error_at(place: Place, message: str) -> ShaderError:
    """Return the error of a place: it shows the line, and a caret below what is wrong."""
    return ShaderError(
        message, file=place.file, line=place.line, column=place.column, source_line=place.text
    )
