"""What a judge says of a text: messages at places of the file that a person edits."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ShaderError
from ..language import Source
from ..reports import Report


@dataclass(frozen=True)
class Message:
    """What a judge says about a place: `severity` is "error", "warning" or "info".

    Line and column count characters from 1, and are 0 where no place was named.
    """

    text: str
    file: str = ""
    line: int = 0
    column: int = 0
    severity: str = "error"
    source_line: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else ""
        lines = [f"{place}{self.severity}: {self.text}"]
        if self.line:
            lines += [f"    {self.source_line}", " " * (self.column + 3) + "^"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Judgement(Report):
    """A judge's verdict. `absent` says why it was not asked, and `version` what it is."""

    judge: str
    messages: tuple[Message, ...] = ()
    absent: str = ""
    version: str = ""

    @property
    def ok(self) -> bool:
        """Whether it found no error; True for a judge that is not there."""
        return not any(x.severity == "error" for x in self.messages)

    def __str__(self) -> str:
        said = self.version and f" ({self.version})"
        if self.absent:
            return f"{self.judge}: not asked: {self.absent}"
        lines = [f"{self.judge}{said}: {'accepts' if self.ok else 'REFUSES'}"]
        lines += ["  " + x.replace("\n", "\n  ") for x in map(str, self.messages)]
        return "\n".join(lines)


def of_error(error: ShaderError) -> Message:
    """Return an error of ours as a message."""
    return Message(
        error.reason,
        error.file or "",
        error.line or 0,
        error.column or 0,
        source_line=error.source_line or "",
    )


def placed(
    source: Source, line: int, column: int, text: str, severity: str = "error", unit: str = ""
) -> Message:
    """Return a message at a place of the text that was judged, as the person's file has it.

    `unit` says what the judge's columns count, where it is not characters: an encoding's bytes
    ("utf-8"), or units of two bytes ("utf-16").
    """
    lines = source.text.split("\n")
    if not 1 <= line <= len(lines):
        return Message(text, source.name, severity=severity)
    if unit:
        coded = lines[line - 1].encode(unit)[: (column - 1) * (2 if unit == "utf-16-le" else 1)]
        column = len(coded.decode(unit, "ignore")) + 1
    at = source.place_at(line, max(column, 1))
    return Message(text, at.file, at.line, at.column, severity, at.text)
