"""What is public: every name of every namespace, what it stands for, and where it is written."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import wgrad as wg


@dataclass(frozen=True)
class Name:
    """A public name. `path` leads to it in Python, and `written` is how users write it."""

    path: str
    written: str
    value: Any
    first: str = ""  # the path of the name that the same object had before, for another name of it

    @property
    def is_documented(self) -> bool:
        """Whether it is a function, a class or an operation, rather than a number or a dtype."""
        return callable(self.value) and not isinstance(self.value, ModuleType)


def itself(value: Any) -> Any:
    """Return what stands behind a door, which differs from name to name."""
    return getattr(value, "body", None) or inspect.unwrap(value)


def namespaces() -> dict[str, ModuleType]:
    """Return the public namespaces by the names that users write."""
    return {x if x.startswith("wg") else f"wg.{x}": module for x, module in wg._NAMESPACES.items()}


@functools.cache
def names() -> list[tuple[str, ModuleType, list[Name]]]:
    """Return every namespace with its names, in the order of the alphabet."""
    seen: dict[int, str] = {}
    all_of_them = []
    for label, module in namespaces().items():
        found = []
        for name in module.__all__:  # in which other names of a thing come after its own
            value, path = vars(module)[name], f"{module.__name__}.{name}"
            if isinstance(value, ModuleType) or name.startswith("__"):
                continue
            first = ""
            if callable(value):
                first = seen.setdefault(id(itself(value)), path)
            found.append(Name(path, f"{label}.{name}", value, first if first != path else ""))
        found.sort(key=lambda x: (x.path.lower(), x.path))
        all_of_them.append((label, module, found))
    return all_of_them
