"""Texts and files that users give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ArgumentError, CallError, shown
from .language import Source, read, read_file

SUFFIX = ".wgsl"


def source_of(text: Any, where: str, error: type[Exception] = ArgumentError) -> Source:
    """Return the source of a text, or of a file: a path, or a name that ends with .wgsl.

    Files are included from beside it, then from those of wgrad.

    Raises: ArgumentError (or `error`) for anything else; ShaderError for a file that is not there
    and for a wrong directive.
    """
    if isinstance(text, Source):
        return text
    from ..backends.webgpu import shaders  # which needs wgpu for all but its texts

    folders = (shaders.folder() / "lib", shaders.folder())
    if isinstance(text, str) and not (text.endswith(SUFFIX) and "\n" not in text):
        return read(text, folders=folders)
    if isinstance(text, (str, Path)):
        return read_file(Path(text), folders=folders)
    raise error(f"{where}: {shown(text)} came, and WGSL or the path of a file is needed")


def opened(text: Any, where: str) -> Source:
    """Return the source of a kernel: as `source_of`, with a CallError for what is no text."""
    return source_of(text, where, CallError)
