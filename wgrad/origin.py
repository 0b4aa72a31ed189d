"""The user's place in the program: which line outside wgrad a call came from."""

from __future__ import annotations

import dis
import itertools
import sys
import warnings
from types import CodeType, FrameType

WEBGPU = ("wgpu", "wgpudawn")  # the packages that bring WebGPU,
DRIVING = (*WEBGPU, "cffi")  # and all whose code runs on our behalf alone
_UNPACK, _MORE = dis.opmap["UNPACK_SEQUENCE"], dis.opmap["EXTENDED_ARG"]
_ours: set[str] = set()  # names of wgrad's modules


def caller(ours: int = 0) -> tuple[CodeType, int] | None:
    """Return the user's place in the program: the innermost frame outside wgrad.

    `ours` is how many of the innermost ones, from the caller's on, are known to be wgrad's.
    """
    frame = sys._getframe(1 + ours)
    while frame is not None:
        names = frame.f_globals
        # No call for a frame of ours: there are many to each op, and a trace hears every call.
        name = names["__name__"] if "__name__" in names else ""  # noqa: SIM401
        if type(name) is not str:
            return frame.f_code, frame.f_lasti
        if name not in _ours:
            if name != "wgrad" and not name.startswith("wgrad."):
                return frame.f_code, frame.f_lasti
            _ours.add(name)
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return None


def called() -> str:
    """Return what the user's line called of wgrad: "nonzero", or "float" for `float(x)`."""
    frame: FrameType | None = sys._getframe(1)
    name = ""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("wgrad"):
        if frame.f_code.co_name != "door":  # which stands around all public functions
            name = frame.f_code.co_name
        frame = frame.f_back
    return name.strip("_")


def unpacked() -> int | None:
    """Return into how many names the caller's caller unpacks what it asks for items; else None."""
    frame = sys._getframe(2)
    code, at = frame.f_code.co_code, frame.f_lasti
    if at < 0 or code[at] != _UNPACK or (at and code[at - 2] == _MORE):
        return None
    return code[at + 1]


def place(origin: tuple[CodeType, int] | None) -> str:
    """Return "file.py, line 12" for what `caller` returned.

    What an instruction has no line for (the start of a closure, a cleanup) is of the line before.
    """
    if origin is None:
        return "an unknown line"
    code, last = origin
    lines = [line for line, *_ in itertools.islice(code.co_positions(), last // 2 + 1)]
    number = next((line for line in reversed(lines) if line is not None), code.co_firstlineno)
    return f"{code.co_filename}, line {number}"


def warn(text: str) -> None:
    """Warn at the user's line."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("wgrad"):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
