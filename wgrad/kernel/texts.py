"""Texts and files that users give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CallError, shown
from .dbg import without_dbg
from .language import Source, read, read_file

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
        return without_dbg(read_file(Path(text), folders=folders, reading=reading))
    if isinstance(text, str):
        return without_dbg(read(text, folders=folders, reading=reading))
    raise CallError(f"{where}: {shown(text)} came, and WGSL or the path of a file is needed")


def is_path(text: Any) -> bool:
    """Whether a file is meant: a path, or a string of one line that ends with .wgsl."""
    if isinstance(text, str):
        return text.endswith(SUFFIX) and "\n" not in text
    return isinstance(text, Path)


def is_ours(file: str) -> bool:
    """Whether a file is one of wgrad's own shaders."""
    from ..backends.webgpu import shaders

    return Path(file).is_relative_to(shaders.folder())
