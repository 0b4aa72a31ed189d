"""Where the lines of a shader text come from, for errors: the files that a person edits.

A text is put together from files under shaders/, functions of theirs, and lines that wgrad writes.
Nothing is noted while that is done, for nearly all texts compile: the files' own lines are found in
the text again, the longest runs first. Knows no GPU.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import ShaderError

# What naga draws: the name it was given, or "wgsl", and the place in the text.
_PLACE = re.compile(r"^ *┌─ .*:(\d+):(\d+)$", re.MULTILINE)
_REASON = re.compile(r"^Shader (?:'.*' parsing|validation) error: (.*)$", re.MULTILINE)
_CARET = re.compile(r"^ *│ [│╰ ]*[─]*\^+ (?!naga::)(.*)$", re.MULTILINE)
_NOTE = re.compile(r"^ *= (.*)$", re.MULTILINE)
# What Tint writes: the place, the reason, and the line itself; then notes in the same way.
_TINT = re.compile(r"^(?:.*: )?:?(\d+):(\d+) error: (.*)\n(.*)$", re.MULTILINE)
_TINT_NOTE = re.compile(r"^:?\d+:\d+ note: (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"// replace: (\S+)")


@dataclass(frozen=True)
class Origin:
    """The file and line (from 1) that a line of a text comes from.

    Where wgrad wrote the line, `block` names the part of the file that it stands in, or is "a line"
    that it has replaced; "" where it is the file's own.
    """

    file: str
    line: int
    block: str = ""


def origins(text: str, files: Mapping[str, str]) -> list[Origin | None]:
    """Return for each line of a text where it comes from, among files; None from none of them."""
    lines = text.split("\n")
    sources = {name: content.split("\n") for name, content in files.items()}
    by_line: list[Origin | None] = [None] * len(lines)
    known: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, content in sources.items():
        for at, line in enumerate(content):
            if _tells(line):
                known[line].append((name, at))
    for first, last, name, at in _runs(lines, sources, known):
        for i in range(first, last):
            by_line[i] = by_line[i] or Origin(name, at + i - first + 1)
    _fill(by_line, sources)
    return by_line


def _tells(line: str) -> bool:
    """Whether a line says something: brackets and blanks are everywhere."""
    return any(c.isalnum() for c in line)


def _runs(
    lines: Sequence[str],
    sources: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[tuple[str, int]]],
) -> list[tuple[int, int, str, int]]:
    """Return (first, last, file, line there) of equal lines in a row, the longest first.

    The lines of a block count where its mark is among them: else it is not the file's own block,
    and what is alike there is so by chance.
    """
    runs = []
    seen = set()
    for i, line in enumerate(lines):
        for name, at in known.get(line, ()):
            if (i - at, name, at) in seen:
                continue
            first, end = i, i
            content = sources[name]
            while first and at - (i - first) and lines[first - 1] == content[at - (i - first) - 1]:
                first -= 1
            while end < len(lines) and at + end - i < len(content):
                if lines[end] != content[at + end - i]:
                    break
                seen.add((i - at, name, at + end - i))
                end += 1
            start = at - (i - first)
            own = _own(content, start)
            first += own - start
            if first < end:
                runs.append((first, end, name, own))
    return sorted(runs, key=lambda run: (run[0] - run[1], run[0]))


def _own(content: Sequence[str], start: int) -> int:
    """Return the first line from `start` on that is in no block which begins before it."""
    end = None
    for at in range(start):
        if _BLOCK.match(content[at]):
            end = content.index(f"// end: {content[at][12:]}", at)
    return start if end is None or end < start else end + 1


def _fill(by_line: list[Origin | None], sources: Mapping[str, Sequence[str]]) -> None:
    """Find the places of lines that wgrad wrote, by the lines of one file around them."""
    i = 0
    while i < len(by_line):
        if by_line[i] is not None:
            i += 1
            continue
        end = i
        while end < len(by_line) and by_line[end] is None:
            end += 1
        for before, after in _around(by_line[:i], by_line[end:]):
            gap = range(before.line + 1, after.line)
            places: list[Origin | None]
            if len(gap) == end - i and by_line[i - 1] is before and by_line[end] is after:
                # As many lines as there were: each was replaced.
                places = [Origin(before.file, line, "a line") for line in gap]
            else:
                places = [_block(before, gap, sources[before.file])] * (end - i)
            if places[0] is not None:
                by_line[i:end] = places
                break
        i = end


def _around(
    above: Sequence[Origin | None], below: Sequence[Origin | None]
) -> Iterator[tuple[Origin, Origin]]:
    """Yield the last line above and the first one below of each file that has some at both sides.

    Functions from other files may lie between.
    """
    first: dict[str, Origin] = {}
    for x in below:
        if x is not None and not x.block:
            first.setdefault(x.file, x)
    for x in reversed(above):
        if x is not None and not x.block and x.file in first:
            yield x, first.pop(x.file)


def _block(before: Origin, gap: range, content: Sequence[str]) -> Origin | None:
    """Return the block of a file that stood in a gap."""
    for line in gap:
        name = _BLOCK.match(content[line - 1])
        if name:
            return Origin(before.file, line, f"block {name[1]!r}")
    return None


class Said(NamedTuple):
    """What a compiler says of a text: why it is refused, and where, from 1."""

    reason: str
    row: int
    column: int


def told(words: str) -> Said | None:
    """Return what the words of naga or of Tint say; None where they name no place."""
    if (tint := _TINT.search(words)) is not None:
        row, column, reason, line = int(tint[1]), int(tint[2]), tint[3], tint[4]
        note = _TINT_NOTE.search(words)
        before = line.encode()[: column - 1].decode(errors="ignore")  # it counts bytes
        return Said(f"{reason}; {note[1]}" if note else reason, row, len(before) + 1)
    place = _PLACE.search(words)
    if place is None:
        return None
    said = _REASON.search(words)
    parts = [said[1].strip() if said else "it is refused"]
    parts += dict.fromkeys(x[1].strip() for x in (_CARET.search(words), _NOTE.search(words)) if x)
    return Said("; ".join(parts), int(place[1]), int(place[2]))


def explained(label: str, code: str, words: str, files: Mapping[str, str], at: str) -> ShaderError:
    """Return the error for what a compiler says of a text, at the place in the file that it is of.

    `at` is the user's line that needed the shader.
    """
    said = told(words)
    head = f"webgpu: shader {label}, which {at} needs, does not compile"
    if said is None:
        return ShaderError(f"{head}: {words}")
    row, column = said.row, said.column
    lines = code.split("\n")
    reason = f"{head}: {said.reason}"
    origin = origins(code, files)[row - 1] if row <= len(lines) else None
    source_line = lines[row - 1] if row <= len(lines) else None
    if origin is None:
        return ShaderError(
            f"{reason} (in line {row} of its text, which is of no file)",
            file=f"<{label}>", line=row, column=column, source_line=source_line,
        )  # fmt: skip
    if origin.block:
        reason += f" (in what wgrad wrote in the place of {origin.block})"
    return ShaderError(
        reason, file=origin.file, line=origin.line, column=column, source_line=source_line
    )
