"""Labels: the names that a person gives to tensors, for drawings alone.

A label hangs on the identity that the tape knows a tensor by, so that it is still there when the
tensor itself has gone and only its result leads back to it; on the tensor where nothing follows it.
Nothing is kept alive by a label, and copies, detached tensors and files have none.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary, WeakValueDictionary

from ..core import Node, Value
from ..errors import ArgumentError, DTypeError, shown
from ..tensor import Tensor

_of_nodes: WeakKeyDictionary[Node, str] = WeakKeyDictionary()
_of_tensors: WeakValueDictionary[int, Value] = WeakValueDictionary()  # those that nothing follows
_texts: dict[int, str] = {}  # theirs, by the same key


def label(x: Tensor, name: str) -> Tensor:
    """Give a tensor a name for drawings, and return the tensor itself.

    `wg.viz.graph` shows it. It is no part of the value: repr, copies and files do not have it.

    ```python
    w = wg.label(wg.parameter(-3.0), "w")
    y = wg.label(w * 2, "y")
    ```

    Raises: DTypeError for what is no tensor, ArgumentError for what is no text.
    """
    if not isinstance(x, Value):
        raise DTypeError(f"label: {shown(x)} came, and a tensor is needed")
    if not isinstance(name, str):
        raise ArgumentError(f"label: the name {shown(name)} came, and a text is needed")
    if x.node is not None:
        _of_nodes[x.node] = name
        return x
    for key in [k for k in _texts if k not in _of_tensors]:  # of tensors that have gone
        del _texts[key]
    _of_tensors[id(x)] = x
    _texts[id(x)] = name
    return x


def label_of(x: Value) -> str:
    """Return the label of a tensor, or ""."""
    if x.node is not None and x.node in _of_nodes:
        return _of_nodes[x.node]
    return _texts.get(id(x), "") if _of_tensors.get(id(x)) is x else ""


def label_of_node(node: Node) -> str:
    """Return the label of what has this identity, or ""."""
    return _of_nodes.get(node, "")


def labelled_arrays() -> dict[int, str]:
    """Return the labels of tensors that nothing follows, by the identity of their arrays."""
    return {id(x.array): _texts[key] for key, x in list(_of_tensors.items())}
