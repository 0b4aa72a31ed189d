"""Numbers as WGSL writes them, to Python's values. Knows no tokens."""

from __future__ import annotations

import math
import re
import struct

_INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)([iu]?)")
_DECIMAL = re.compile(
    r"((?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)([fh]?)"
    r"|(0|[1-9][0-9]*)([fh])"
)
_HEX = re.compile(
    r"(0[xX](?:[0-9a-fA-F]+\.[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
    r"|0[xX][0-9a-fA-F]+[pP][+-]?[0-9]+)([fh]?)"
)
_MOST = {"i": 2**31 - 1, "u": 2**32 - 1, "": 2**63 - 1}
_NAMES = {"i": "i32", "u": "u32", "f": "f32", "h": "f16"}


def read_number(text: str) -> tuple[int | float, str]:
    """Return the value and the suffix of a number. Raises: ValueError, which says what is wrong."""
    if len(text) > 400:
        raise ValueError(f"a number of {len(text)} characters is too long")
    match = _INTEGER.fullmatch(text)
    if match:
        digits, suffix = match.groups()
        value = int(digits, 0)
        if value > _MOST[suffix]:
            what = _NAMES.get(suffix, "an integer")
            raise ValueError(f"{text} is too large for {what}: at most {_MOST[suffix]}")
        return value, suffix
    match = _HEX.fullmatch(text)
    if match:
        return _hexadecimal(text, match[1], match[2])
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number")
    suffix = match[2] or match[4] or ""
    number = float(match[1] or match[3])
    if not math.isfinite(rounded(number, suffix)):
        raise ValueError(f"{text} is too large for {_NAMES.get(suffix, 'a number')}")
    return number, suffix


def _hexadecimal(text: str, digits: str, suffix: str) -> tuple[float, str]:
    """Return what a hexadecimal number with a point or an exponent says. It has to be exact."""
    try:
        number = float.fromhex(digits)
    except OverflowError:
        number = math.inf
    if not math.isfinite(rounded(number, suffix)):
        raise ValueError(f"{text} is too large for {_NAMES.get(suffix, 'a number')}")
    if suffix and "p" not in digits.lower():
        raise ValueError(f"{text}: a hexadecimal number has a suffix only after an exponent")
    if rounded(number, suffix) != number:
        raise ValueError(f"{text} has more digits than {_NAMES[suffix]} can hold")
    return number, suffix


def rounded(number: float, suffix: str) -> float:
    """Return a number rounded to what its suffix says; infinite where it is too large."""
    form = {"f": "<f", "h": "<e"}.get(suffix)
    if form is None:
        return number
    try:
        return struct.unpack(form, struct.pack(form, number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
