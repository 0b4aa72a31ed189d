"""The environment variables that wgrad reads, each checked where it is read, in one sentence.

They are read when they are needed, so that a program may set them after the import. All of them are
checked once before that: when the first device is chosen (`check`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from .errors import ArgumentError, shown
from .origin import WEBGPU

T = TypeVar("T")
VARIABLES: dict[str, Variable] = {}  # every one that this process reads, by name


class Variable(Generic[T]):
    """An environment variable: how its text is understood, and what may stand in it.

    `parse` returns the value of a text; what it raises as a ValueError says which text is needed.
    Empty text is as good as none.
    """

    def __init__(self, name: str, parse: Callable[[str], T], default: T):
        self.name = name
        self._parse = parse
        self._default = default
        VARIABLES[name] = self

    def read(self) -> T:
        """Return the value of now. Raises: ArgumentError, which names the variable and its text."""
        text = os.environ.get(self.name, "")
        if not text:
            return self._default
        try:
            return self._parse(text)
        except ValueError as error:
            raise ArgumentError(f"{self.name}={shown(text)} came, and {error}") from None


def check() -> None:
    """Read every variable once. Raises: ArgumentError for the first that cannot be understood."""
    for variable in VARIABLES.values():
        variable.read()


def one_of(values: Mapping[str, T], needed: str) -> Callable[[str], T]:
    """Return a parser of one word among some. `needed` says which, in words."""

    def parse(text: str) -> T:
        if text not in values:
            raise ValueError(needed)
        return values[text]

    return parse


def count(text: str) -> int:
    """Return the number that a text is. Raises: ValueError unless it is a whole one, at least 0."""
    if not text.isdecimal():
        raise ValueError("it must be a whole number of at least 0")
    return int(text)


def _folder(text: str) -> Path:
    path = os.path.expanduser(text)
    if os.path.exists(path) and not os.path.isdir(path) and text != os.devnull:
        raise ValueError(f"it must be a folder, or {os.devnull} to keep nothing")
    return Path(path)


AUTOTUNE = Variable(
    "WGRAD_AUTOTUNE",
    one_of(
        {"0": False, "1": True},
        "it must be 0 (use what was measured before) or 1 (measure each new kind of matrix "
        "product)",
    ),
    False,
)
CACHE_DIR: Variable[Path | None] = Variable("WGRAD_CACHE_DIR", _folder, None)
WGPU = Variable(
    "WGRAD_WGPU",
    one_of(
        {name: name for name in WEBGPU},
        "it must be wgpu (WebGPU by wgpu-native) or wgpudawn (by Dawn)",
    ),
    WEBGPU[0],
)
