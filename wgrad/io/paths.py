"""Files as whole things: read as mapped memory, written under another name and then renamed.

Knows no format.
"""

from __future__ import annotations

import contextlib
import glob
import mmap
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CallError, FileError, MissingFileError, shown

_POPULATE_READ = 22  # Linux's MADV_POPULATE_READ, which Python has no name for; others refuse it
_AT_ONCE = 1 << 32  # bytes that are no trouble to hold besides the tensors made of them


def as_path(path: Any, where: str) -> Path:
    """Return a path that came as text or as a path. Raises: CallError."""
    try:
        text = os.fspath(path)
    except TypeError:
        raise CallError(f"{where}: {shown(path)} came, and the path of a file is needed") from None
    if not isinstance(text, str) or not text or "\0" in text:
        raise CallError(f"{where}: {shown(path)} came, and the path of a file is needed")
    return Path(text)


def told(path: Path) -> str:
    """Return a path as messages have it, in whole unless it is very long."""
    text = repr(str(path))
    return text if len(text) <= 200 else f"'...{text[-190:]}"


def mapped(path: Path, where: str) -> memoryview:
    """Return the bytes of a file, which are read as they are used.

    Raises: MissingFileError; FileError for a folder, a device, and what may not be read.
    """
    try:
        # A pipe that nobody writes to would keep `open` waiting.
        handle = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except FileNotFoundError:
        raise MissingFileError(f"{where}: there is no file {told(path)}") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{where}: {told(path)} cannot be opened ({_said(error)})") from None
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder" if stat.S_ISDIR(about.st_mode) else "no regular file"
            raise FileError(f"{where}: {told(path)} is {kind}, and a file is needed")
        if not about.st_size:
            raise FileError(f"{where}: {told(path)} is empty")
        return memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{where}: {told(path)} cannot be read ({_said(error)})") from None
    finally:
        os.close(handle)


def read_ahead(data: memoryview) -> None:
    """Have mapped memory at hand before it is copied: page by page it comes half as fast."""
    if len(data) <= _AT_ONCE and isinstance(data.obj, mmap.mmap):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            data.obj.madvise(_POPULATE_READ)


@contextlib.contextmanager
def written(path: Path, where: str) -> Iterator[Path]:
    """Give the name of a file to write beside `path`; at the end of the block it takes its place.

    Until then `path` is what it was, whatever happens, also when the process is killed: what is
    left behind then is a file whose name ends in ".part". A link keeps leading to where it leads.
    A file that was there keeps who may read it; a new one is as `open` makes it.

    Raises: MissingFileError where there is no such folder; FileError for a full disk, and the like.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise FileError(f"{where}: {told(path)} is a folder, and a file is needed")
    if not target.parent.is_dir():
        raise MissingFileError(f"{where}: there is no folder {told(target.parent)}")
    part = target.with_name(f"{_part_prefix(target)}{secrets.token_hex(6)}.part")
    try:
        mode = _usual_mode(part)
        yield part
        os.chmod(part, mode)  # safetensors' library writes files that only their owner may read
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, part)
        _sync(part, os.O_RDWR)
        os.replace(part, target)
        if os.name == "posix":  # elsewhere folders cannot be opened
            _sync(target.parent, os.O_RDONLY)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{where}: {told(path)} cannot be written ({_said(error)})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _usual_mode(path: Path) -> int:
    """Return who may read a new file at `path`, by one made there: asking for the umask sets it."""
    path.touch(exist_ok=False)
    mode = stat.S_IMODE(path.stat().st_mode)
    path.unlink()
    return mode


def _part_prefix(target: Path) -> str:
    return f".{target.name[:200]}."


def tidy(path: Path) -> None:
    """Remove what `written` left behind beside `path` where the process was killed.

    Only for a file that nobody else is writing to now.
    """
    target = Path(os.path.realpath(path))
    prefix = _part_prefix(target)
    for other in target.parent.glob(f"{glob.escape(prefix)}*.part"):
        if len(other.name) == len(prefix) + len("0123456789ab.part"):
            with contextlib.suppress(OSError):
                other.unlink()


def _sync(path: Path, how: int) -> None:
    """Return when all of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())
