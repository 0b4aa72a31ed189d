"""Texts of users: from a string, or from a file with all that it includes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import CallError, shown
from .language.places import Source
from .language.source import read, read_file


def opened(text: Any, where: str) -> Source:
    """Return the text that a person gave: WGSL itself, or a file of it.

    A `pathlib.Path`, and a string of one line that ends with ".wgsl", name a file. Files are
    included from beside it (from the current folder, for a string), then from those of wgrad.

    Raises: ShaderError for a file that cannot be read; CallError for anything else.
    """
    if isinstance(text, Source):
        return text
    if isinstance(text, Path) or (isinstance(text, str) and _names_a_file(text)):
        return read_file(text, folders=_folders())
    if isinstance(text, str):
        return read(text, folders=_folders())
    raise CallError(f"{where}: {shown(text)} came, and WGSL or the path of a file is needed")


def _names_a_file(text: str) -> bool:
    return text.endswith(".wgsl") and "\n" not in text


def _folders() -> tuple[Path, ...]:
    from ..backends.webgpu import shaders

    return (shaders.folder(),)
