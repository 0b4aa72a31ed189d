"""What a function does to one gradient, and how much it rests on what the gradient was before.

A gradient is None, cleared (`tape.ZERO`) or a tensor. A replay is right only for an entry state
that led the traced function the same way, so the guard asks for as much as the function saw.
"""

from __future__ import annotations

from typing import Any

from ...core import Node, Value
from ...tape import ZERO

PRESENCE = 1  # the function saw whether it was None
KIND = 2  # ... whether it was a tensor, and which layout that had
NEED = {"read": PRESENCE | KIND, "add": KIND, "fill": PRESENCE, "clear": 0, "set": 0}


class Touched:
    """One gradient: its state before, what of it the function saw, and its state now.

    `stage` says what the present state follows from. "entry": it is the state before. "cleared":
    zeros, or None if that was the state before. "known": the trace alone, given the guard.
    """

    def __init__(self, node: Node):
        self.node = node
        self.before = node.grad
        self.seen = 0
        self.stage = "entry"

    def happens(self, how: str) -> None:
        """Note what is about to be done to the gradient; the words are those of touch_grad."""
        if self.stage == "entry":
            self.seen |= NEED[how]
            if how == "clear":
                self.stage = "known" if self.seen & PRESENCE else "cleared"
            elif how != "fill" or self.before is None:
                self.stage = "known"
        elif self.stage == "cleared" and how != "clear":
            if how == "read":
                self.seen |= PRESENCE
            self.stage = "known"

    @property
    def rests_as_it_was(self) -> bool:
        """Whether the gradient is the one that was found, if perhaps with other values."""
        return self.stage == "entry" or (
            isinstance(self.node.grad, Value) and self.node.grad is self.before and self.seen > 0
        )


def entry_state(grad: Any, seen: int) -> Any:
    """Return a key of a gradient's state: what differs is what a function that saw `seen` saw."""
    state: list[Any] = []
    if seen & PRESENCE:
        state.append(grad is None)
    if seen & KIND and isinstance(grad, Value):
        x = grad.array
        tracked = grad.node is not None and grad.node.requires_grad
        state += [x.layout, x.storage.size, x.dtype, x.storage.device, tracked]
    if seen == PRESENCE | KIND:
        state.append(grad is ZERO)
    return state
