"""Texts and files that users give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import CallError, shown
from .judge import Judge
from .language import Source, Typed, check, parse, read, read_file

SUFFIX = ".wgsl"


def source_of(text: Any, where: str, reading: Callable[[Path], bytes] = Path.read_bytes) -> Source:
    """Return the source of a text, or of a file: a path, or a name that ends with .wgsl.

    Files are included from beside it, and from those of wgrad. `reading` reads each of them.
    Raises: CallError for anything else; ShaderError for a wrong directive, and for a file that is
    not there.
    """
    if isinstance(text, Source):
        return text
    from ..backends.webgpu import shaders  # which needs wgpu for all but its texts

    folders = (shaders.folder() / "lib", shaders.folder())
    if is_path(text):
        return read_file(Path(text), folders=folders, reading=reading)
    if isinstance(text, str):
        return read(text, folders=folders, reading=reading)
    raise CallError(f"{where}: {shown(text)} came, and WGSL or the path of a file is needed")


def is_path(text: Any) -> bool:
    """Whether a file is meant: a path, or a string of one line that ends with .wgsl."""
    if isinstance(text, str):
        return text.endswith(SUFFIX) and "\n" not in text
    return isinstance(text, Path)


class Text:
    """A text that has been parsed and checked, with values for what it declares with `override`.

    Raises: ShaderError for what is wrong in it; ArgumentError for an override that it lacks.
    """

    def __init__(self, source: Source, constants: Mapping[str, Any] | None = None):
        self.source = source
        self.constants = dict(constants or {})
        self.module = parse(source)
        self.judge = Judge(source)
        self.typed  # noqa: B018  # what is wrong in it is said now

    @cached_property
    def typed(self) -> Typed:
        """What it means, with the constants."""
        return check(self.module, overrides=self.constants)

    @property
    def functions(self) -> list[str]:
        """The functions that no pipeline starts with."""
        return [n for n in self.typed.functions if n not in self.typed.entry_points]
