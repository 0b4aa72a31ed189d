"""Whether a tensor is still what its history says: versions, and identities without a history."""

from __future__ import annotations

from typing import Any

from ..backends.array import Array
from ..core import Node, Value, wrap
from ..errors import GradientError
from ..origin import place


def check_history(x: Value, where: str) -> None:
    """Raise GradientError when `x` was changed, through a view, since its op computed it.

    A view of a leaf is an exception: it shows the leaf's new values, as its history says.
    """
    node = x.node
    if node is None or node.op is None or node.version == x.array.storage.version:
        return
    origin: Node | None = node
    while origin is not None and origin.op is not None and origin.op.is_view:
        (origin,) = origin.parents
    if origin is None or origin.op is None:
        return
    raise GradientError(
        f"{where}: the memory of a result of {node.op.name} at {place(node.origin)} was "
        "assigned to through a view, so its history no longer leads to its values: assign to a "
        "copy(), use .detach(), or build the result with wg.where or wg.concat"
    )


def unfollowed(array: Array) -> Node:
    """Return the node of a tensor without history, though its memory holds tracked values.

    It tells the tensor from those made before these values came, whose history they lack.
    """
    node = Node()
    node.version = array.storage.version
    return node


def unrecorded(x: Any) -> Any:
    """Return `x` without what the innermost level has recorded of it: `detach` cuts all levels."""
    if x.node is None or x.node.outer is None:
        return x.detach()
    node = Node()
    node.outer = x.node.outer
    return wrap(x.array, node)


def is_tracked(x: Value) -> bool:
    """Return whether gradients lead to `x`, or to the batch that it is an example of."""
    node = x.node
    while node is not None:
        if node.requires_grad:
            return True
        node = node.outer
    return False


def check_assigned(x: Value, where: str) -> None:
    """Raise GradientError when `x` was made before tracked values were assigned to its memory."""
    history, node = x.array.storage.history, x.node
    if history is None or (node is not None and node.version >= history):
        return
    if node is None or node.op is None:  # else `check_history` says more
        raise GradientError(
            f"{where}: tracked values were assigned to the memory of this tensor through another "
            "one, so their gradient would be lost here: use the tensor that was assigned to, take "
            "the view anew, or detach() that tensor"
        )
