"""Files to one text: `#include`, `#define` and `#ifdef`, with a map back to what a person edits.

A line whose first character is `#` is a directive:

    #include "shapes.wgsl"     the file's text, once; beside this file, or in the library's folders
    #define SIZE 64            the word SIZE is 64 from here on; without a value, it is only known
    #undef SIZE
    #ifdef SIZE, #ifndef SIZE, #else, #endif

Lines that are left out stay as empty lines, and other text stays as it is, so that a text without
includes keeps its line numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ...errors import ShaderError
from . import limits
from .places import Original, Piece, Place, Source, error_at

_DIRECTIVE = re.compile(r"\s*#\s*(\w*)\s*(.*?)\s*(?://.*)?", re.DOTALL)
_NAME = re.compile(r"[^\W\d]\w*")
_WORD = re.compile(r"//.*|/\*|\*/|[^\W\d]\w*|[0-9]\w*", re.DOTALL)
_OLD_INCLUDE = re.compile(r"// include: (\S+)\s*")  # of the library's own files
_DEEP = 32  # includes inside each other
Reading = Callable[[Path], bytes]  # of a file; OSError where that cannot be


def read(
    text: str,
    name: str = "<text>",
    *,
    path: Path | None = None,
    folders: Iterable[Path] = (),
    defines: Mapping[str, object] | None = None,
    reading: Reading = Path.read_bytes,
) -> Source:
    """Return a text with its directives followed.

    `path` is the file that it comes from: files are included from beside it, and then from
    `folders`. `defines` are names that are known from the start. `reading` is asked for the content
    of each file that may be meant, also where there is none.

    Example:
        >>> read("#define N 2\\nconst twice = N * 2;\\n").text
        '\\nconst twice = 2 * 2;\\n'

    Raises: ShaderError for a directive that is wrong, and a file that is missing or not UTF-8.
    """
    known = {word: _text_of(value) for word, value in (defines or {}).items()}
    if not known and "#" not in text and "// include:" not in text:
        return Source(text, name, (Piece(0, Original(name, text, path), 0),))
    reader = _Reader(tuple(folders), known, name, reading)
    reader.follow(Original(name, text, path))
    return reader.source()


def read_file(
    path: str | Path,
    *,
    folders: Iterable[Path] = (),
    defines: Mapping[str, object] | None = None,
    reading: Reading = Path.read_bytes,
) -> Source:
    """Return the text of a file with its directives followed. Raises: as `read`."""
    path = Path(path)
    try:
        data = reading(path)
    except OSError as error:
        raise ShaderError(f"{path} cannot be read: {error.strerror or error}") from error
    text = decoded(data, str(path))
    return read(text, str(path), path=path, folders=folders, defines=defines, reading=reading)


def decoded(data: bytes, name: str) -> str:
    """Return bytes as text. Raises: ShaderError with the line where they are not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        reason = f"the byte 0x{data[error.start]:02x} is not UTF-8, which WGSL is written in"
        raise ShaderError(reason, file=name, line=line, column=column) from None


def _text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Reader:
    """What has been read so far."""

    def __init__(
        self, folders: tuple[Path, ...], known: dict[str, str], name: str, reading: Reading
    ):
        self.folders = folders
        self.reading = reading
        self.known = known
        self.name = name
        self.parts: list[str] = []
        self.pieces: list[Piece] = []
        self.size = 0
        self.done: set[Path] = set()
        self.open: list[Path] = []

    def source(self) -> Source:
        return Source("".join(self.parts), self.name, tuple(self.pieces))

    def emit(self, text: str, original: Original, offset: int, fixed: bool = False) -> None:
        """Add text that comes from a place."""
        if not text:
            return
        last = self.pieces[-1] if self.pieces else None
        runs_on = (
            last is not None
            and not (fixed or last.fixed)
            and last.original is original
            and last.offset + self.size - last.start == offset
        )
        if not runs_on:
            self.pieces.append(Piece(self.size, original, offset, fixed))
        self.parts.append(text)
        self.size += len(text)
        if self.size > limits.TEXT:
            what = f"the text with all that it includes has more than {limits.TEXT} characters"
            raise error_at(original.place(offset), what)

    def follow(self, original: Original) -> None:
        """Add a file, line by line."""
        path = original.path.resolve() if original.path else None
        if path is not None:
            self.done.add(path)
            self.open.append(path)
        # What #ifdef left open: (where, whether its lines count, whether an #else may come).
        conditions: list[tuple[int, bool, bool]] = []
        offset = depth = 0  # depth: comments inside each other that are open
        for line in original.text.splitlines(keepends=True):
            active = all(c[1] for c in conditions)
            if depth == 0 and line.lstrip().startswith("#"):
                self.directive(original, offset, line, active, conditions)
            elif not active:
                self.emit(_ending(line), original, offset + len(line) - len(_ending(line)))
            elif not (depth == 0 and self.old_include(original, offset, line)):
                depth = self.line(original, offset, line, depth)
            offset += len(line)
        if conditions:
            where = conditions[-1][0]
            raise error_at(original.place(where), "this has no #endif")
        if path is not None:
            self.open.pop()

    def directive(
        self,
        original: Original,
        offset: int,
        line: str,
        active: bool,
        conditions: list[tuple[int, bool, bool]],
    ) -> None:
        """Do what a directive says, and leave an empty line for it."""
        at = offset + len(line) - len(line.lstrip())
        match = _DIRECTIVE.fullmatch(line)
        assert match is not None
        word, rest = match.groups()

        def wrong(message: str) -> ShaderError:
            return error_at(original.place(at), message)

        if word in ("ifdef", "ifndef", "define", "undef"):
            name = _NAME.match(rest)
            if name is None:
                raise wrong(f"#{word} needs a name")
            value = rest[name.end() :]
            if value and word != "define":
                raise wrong(f"#{word} takes one name, not {rest!r}")
            if value and not value[0].isspace():
                raise wrong("#define takes a name and a value; macros with arguments are not known")
            if word in ("ifdef", "ifndef"):
                conditions.append((at, (name[0] in self.known) == (word == "ifdef"), True))
            elif active and word == "define":
                self.known[name[0]] = value.strip()
            elif active:
                self.known.pop(name[0], None)
        elif word in ("else", "endif"):
            if rest:
                raise wrong(f"#{word} takes nothing behind it, not {rest!r}")
            if not conditions or (word == "else" and not conditions[-1][2]):
                raise wrong(f"#{word} without #ifdef")
            where, counts, _ = conditions.pop()
            if word == "else":
                conditions.append((where, not counts, False))
        elif word == "include":
            if active:
                quoted = re.fullmatch(r'"([^"]+)"|<([^>]+)>', rest)
                if quoted is None:
                    raise wrong('#include needs a file in quotes: #include "shapes.wgsl"')
                self.include(original, at, quoted[1] or quoted[2])
        else:
            known = "#include, #define, #undef, #ifdef, #ifndef, #else, #endif"
            raise wrong(f"#{word} is not known; there are {known}")
        self.emit(_ending(line), original, offset + len(line) - len(_ending(line)))

    def old_include(self, original: Original, offset: int, line: str) -> bool:
        """Follow `// include: ...` in a file of the library, and return whether there was one."""
        match = _OLD_INCLUDE.fullmatch(line)
        if match is None or original.path is None:
            return False
        if not any(original.path.is_relative_to(folder) for folder in self.folders):
            return False
        self.include(original, offset, match[1])
        self.emit(_ending(line), original, offset + len(line) - len(_ending(line)))
        return True

    def include(self, original: Original, offset: int, wanted: str) -> None:
        """Add a file, if it is not there yet."""
        here = original.path.parent if original.path else Path()
        place = original.place(offset)
        path, data = self.included_file(wanted, (here, *self.folders), place)
        if path.resolve() in self.open:
            raise error_at(place, f"{wanted!r} includes itself, here or through other files")
        if path.resolve() in self.done:
            return
        if len(self.open) >= _DEEP:
            raise error_at(place, f"more than {_DEEP} files include each other")
        text = decoded(data, os.path.normpath(path))
        included = Original(os.path.normpath(path), text, path)
        self.follow(included)
        if not text.endswith("\n"):
            self.emit("\n", included, len(text))

    def included_file(
        self, wanted: str, folders: tuple[Path, ...], place: Place
    ) -> tuple[Path, bytes]:
        """Return the first file of that name in some folders, and its content."""
        for folder in folders:
            path = folder / wanted
            try:
                return path, self.reading(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                what = f"{path} cannot be read: {error.strerror or error}"
                raise error_at(place, what) from error
        places = ", ".join(map(str, folders))
        raise error_at(place, f"there is no {wanted!r} in {places}")

    def line(self, original: Original, offset: int, line: str, depth: int) -> int:
        """Add a line with its words replaced, and return how many comments are open behind it."""
        if not self.known and not depth and "/*" not in line:
            self.emit(line, original, offset)
            return 0
        done = 0
        for match in _WORD.finditer(line):
            word = match[0]
            if word == "/*":
                depth += 1
            elif word == "*/":
                depth = max(0, depth - 1)
            elif word.startswith("//"):
                # In a comment that spans lines, what follows the two strokes may still end it.
                for mark in re.findall(r"/\*|\*/", word[2:]) if depth else ():
                    depth += 1 if mark == "/*" else -1
            elif not depth and self.known.get(word):
                self.emit(line[done : match.start()], original, offset + done)
                value = self.value(word, original, offset + match.start())
                self.emit(value, original, offset + match.start(), fixed=True)
                done = match.end()
        self.emit(line[done:], original, offset + done)
        return depth

    def value(self, word: str, original: Original, offset: int, inside: tuple = ()) -> str:
        """Return what stands for a word, with the words in it replaced."""

        def other(match: re.Match) -> str:
            name = match[0]
            if name in inside or name == word or not self.known.get(name):
                return name
            return self.value(name, original, offset, (*inside, word))

        text = _NAME.sub(other, self.known[word])
        if len(text) > limits.TEXT or len(inside) > _DEEP:
            raise error_at(original.place(offset), f"{word!r} stands for too long a text")
        return text


def _ending(line: str) -> str:
    """Return how a line ends."""
    return line[len(line.rstrip("\r\n")) :]
