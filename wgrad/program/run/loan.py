"""Gradients that a run replaces: their memory may serve in it, and they come back if it fails.

Memory that nothing else refers to is `spare`: what runs the program may hand it out anew, if it
writes there only when nothing can fail any more.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

from ... import tape
from ...backends.array import Array, Storage
from ...backends.tracing import UNBACKED
from ...core import Node
from ...tensor import Tensor


class _Lent:
    """The memory of a gradient without the gradient, which can be made of it again."""

    def __init__(self, x: Tensor):
        storage = x.array.storage
        self.buffer = storage.buffer
        self.tensor, self.storage = weakref.ref(x), weakref.ref(storage)
        self._device, self._size = storage.device, storage.size
        self._layout, self._dtype = x.array.layout, x.array.dtype
        self._state = storage.version, storage.history, storage.bounds

    def again(self) -> Tensor:
        """Return the gradient: the very tensor, if something else holds it."""
        tensor = self.tensor()
        if tensor is not None:
            return tensor
        storage = self.storage()
        if storage is None:
            storage = self._device.unbacked(self._size)
            storage.buffer = self.buffer
            storage.version, storage.history, storage.bounds = self._state
        return Tensor(Array(storage, self._layout, self._dtype))


class Loan:
    """Gradients taken off their nodes, until `settle` or `undo`."""

    def __init__(self) -> None:
        self.spare: list[Any] = []  # buffers on a GPU; elsewhere memory is not handed on
        self._grads: list[tuple[Node, Tensor | _Lent]] = []
        self._ends: list[tuple[Any, Any]] = []  # buffers, and what the ends of storages call

    def take(self, node: Node) -> None:
        """Take the gradient of a node away, and leave zeros in its place."""
        if isinstance(node.grad, Tensor):
            grad: Tensor | _Lent = node.grad
            if _is_plain(node.grad):
                grad = _Lent(node.grad)
                if hasattr(grad.buffer, "give_back"):
                    self._ends.append((grad.buffer, grad.buffer.give_back))
                    grad.buffer.give_back = partial(self.spare.append, grad.buffer)
            node.grad = tape.ZERO
            if isinstance(grad, _Lent) and grad.storage() is not None:
                grad = grad.again()  # something else holds it, and so may we
            self._grads.append((node, grad))
        elif node.grad is not None:
            self._grads.append((node, node.grad))
            node.grad = tape.ZERO

    def settle(self) -> None:
        """End after a run that took what it needed of `spare`."""
        self._end()
        for buffer in self.spare:
            buffer.give_back()

    def undo(self) -> None:
        """End after a run that failed: all gradients are again what they were."""
        self._end()
        for node, grad in self._grads:
            node.grad = grad.again() if isinstance(grad, _Lent) else grad

    def _end(self) -> None:
        for buffer, give_back in self._ends:
            buffer.give_back = give_back


def _is_plain(x: Tensor) -> bool:
    """Whether a gradient is nothing but its numbers, in memory that is wgrad's alone."""
    storage: Storage = x.array.storage
    is_ours = storage.buffer is not UNBACKED and not storage.shared
    return type(x) is Tensor and x.node is None and is_ours
