"""Texts and files that users give."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CallError, shown
from .dbg import without_dbg
from .language import Source, read, read_file

SUFFIX = ".wgsl"
LONGEST_PATH = 1000  # characters that might be one


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
    _check_is_file(text, where)
    if is_path(text):
        return without_dbg(read_file(Path(text), folders=folders, reading=reading))
    if isinstance(text, str):
        return without_dbg(read(text, folders=folders, reading=reading))
    raise CallError(f"{where}: {shown(text)} came, and WGSL or the path of a file is needed")


def _check_is_file(text: Any, where: str) -> None:
    """Raise CallError for a folder, and for the path of a file that would be taken for WGSL."""
    if not isinstance(text, (str, Path)) or len(str(text)) > LONGEST_PATH or "\n" in str(text):
        return
    if os.path.isdir(text):
        raise CallError(f"{where}: {str(text)!r} is a folder, and a file of WGSL is needed")
    if not is_path(text) and os.path.isfile(text):
        raise CallError(
            f"{where}: {text!r} is taken for WGSL, for it does not end with {SUFFIX}: give "
            f"pathlib.Path({text!r}) where the file is meant"
        )


def is_path(text: Any) -> bool:
    """Whether a file is meant: a path, or a string of one line that ends with .wgsl."""
    if isinstance(text, str):
        return text.endswith(SUFFIX) and "\n" not in text
    return isinstance(text, Path)


def is_ours(file: str) -> bool:
    """Whether a file is one of wgrad's own shaders."""
    from ..backends.webgpu import shaders

    return Path(file).is_relative_to(shaders.folder())
