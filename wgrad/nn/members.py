"""What a module holds: a search of its attributes, and of the lists and dicts in them.

Knows a module as a `Holder` alone: something that says what it holds by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..backends.tracing import members_read
from ..tensor import Tensor


class Holder:
    """What holds tensors and other holders by name: its attributes, unless a class says others."""

    _unsaved: frozenset[str] = frozenset()  # what is held and not saved, by name

    def _held(self) -> list[tuple[Any, Any]]:
        """Return what is held, by name."""
        return list(vars(self).items())


def members(
    root: Any, every: bool = False, saved: bool = False
) -> Iterator[tuple[str, Tensor | Holder]]:
    """Yield every tensor and module in `root` once, with its path, in the order of definition.

    With `every`, it comes under each of its paths, unless there is no end of them; with `saved`,
    what a module does not save is left out. A stack instead of recursion: a chain of a thousand
    modules is no deeper than one.
    """
    members_read()
    once = not every or _circular(root)
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        name, item = stack.pop()
        if once and id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, (Tensor, Holder)):
            yield name, item
        inner = _items(item, saved)
        stack.extend((f"{name}.{key}" if name else str(key), x) for key, x in reversed(inner))


def held(module: Holder) -> Iterator[tuple[str, Tensor | Holder]]:
    """Yield what the module holds without passing through another module, by path."""
    seen: set[int] = set()
    stack = [(str(key), x) for key, x in reversed(_items(module))]
    while stack:
        name, item = stack.pop()
        if isinstance(item, (Tensor, Holder)):
            yield name, item
        elif id(item) not in seen:
            seen.add(id(item))
            stack.extend((f"{name}.{key}", x) for key, x in reversed(_items(item)))


def _circular(root: Any) -> bool:
    """Whether something in `root` holds what it lies in."""
    around: set[int] = set()  # what the item at hand lies in
    done: set[int] = set()
    stack = [(root, False)]
    while stack:
        item, leaving = stack.pop()
        if leaving:
            around.discard(id(item))
            done.add(id(item))
        elif id(item) in around:
            return True
        elif id(item) not in done:
            around.add(id(item))
            stack.append((item, True))
            stack.extend((x, False) for _, x in _items(item))
    return False


def _items(item: Any, saved: bool = False) -> list[tuple[Any, Any]]:
    """Return what a module or a container holds that may hold tensors, by key."""
    pairs: list[tuple[Any, Any]]
    if isinstance(item, Holder):
        pairs = item._held()
        if saved and item._unsaved:
            pairs = [(k, x) for k, x in pairs if k not in item._unsaved]
    elif isinstance(item, dict):
        pairs = list(item.items())
    elif isinstance(item, (list, tuple)):
        pairs = list(enumerate(item))
    else:
        return []
    return [(k, x) for k, x in pairs if isinstance(x, (Tensor, Holder, list, tuple, dict))]
