"""Texts and files that users give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ArgumentError, shown
from .dbg import without_dbg
from .language import Source, read, read_file

SUFFIX = ".wgsl"


def source_of(text: Any, where: str) -> Source:
    """Return the source of a text, or of a file: a path, or a name that ends with .wgsl.

    Raises: ArgumentError for anything else, and for a file that is not there; ShaderError for a
    wrong directive.
    """
    if isinstance(text, Source):
        return text
    from ..backends.webgpu import shaders  # which needs wgpu for all but its texts

    folders = (shaders.folder() / "lib", shaders.folder())
    if isinstance(text, str) and not (text.endswith(SUFFIX) and "\n" not in text):
        return without_dbg(read(text, folders=folders))
    if isinstance(text, (str, Path)):
        return without_dbg(read_file(Path(text), folders=folders))
    raise ArgumentError(f"{where}: {shown(text)} came, and WGSL or the path of a file is needed")
