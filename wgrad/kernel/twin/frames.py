"""What a compiled function works on while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .masks import DEAD, Mask


class Shared:
    """What all functions of one run have in common.

    `cells` are the private variables, `spots` the buffers and workgroup memory; `limit` says how
    often a loop may run.
    """

    __slots__ = ("cells", "groups", "limit", "spots")

    def __init__(self, cells: list, limit: int):
        self.cells = cells
        self.limit = limit
        self.spots: dict[str, Any] = {}
        self.groups: Any = None


class Frame:
    """The variables of one call.

    `masks` are the lanes for which a variable was declared: who assigns to it for these very lanes
    needs no mask. `result` is what was returned so far, `done` for which lanes. `jumps` are the
    lanes that wait for the end of a switch, or for the next round of a loop.
    """

    __slots__ = ("cells", "done", "jumps", "masks", "n", "result", "shared")

    def __init__(self, slots: int, jumps: int, n: int, shared: Shared):
        self.cells: list[Any] = [None] * slots
        self.masks: list[Mask] = [None] * slots
        self.jumps: list[Mask] = [DEAD] * jumps
        self.n = n
        self.shared = shared
        self.result: Any = None
        self.done: Mask = DEAD


# What an expression and a statement are compiled to. A statement returns who goes on behind it.
Eval: TypeAlias = Callable[[Frame, Mask], Any]
Run: TypeAlias = Callable[[Frame, Mask], Mask]
