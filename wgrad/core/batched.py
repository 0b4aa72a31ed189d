"""One example of a batch, as the function that is mapped sees it: vmap's tensors.

Such a tensor has the shape of one example and no values of its own: its storage is a `Batched`,
which names the array of all examples, the batch axis first. What follows the whole batch (the tape,
forward mode) is kept beside what follows the example, as `Node.outer`. The level that a tensor
belongs to is the interpreter that made it.
"""

from __future__ import annotations

from typing import Any

from ..backends.array import Array, Storage
from ..errors import VmapError
from ..layout import Layout
from .interpret import interpreters
from .op import Node, Tensor, Value


class Batched(Storage):
    """Stands for the memory of one example; what is known of it is known of the whole batch.

    If `shared` the array of `whole` is that of every example, and has no batch axis: the storage is
    then as good as the array's own.
    """

    __slots__ = ("level", "shared_by_all", "whole")

    def __init__(self, whole: Array, level: Any, shared: bool):
        self.whole = whole
        self.level = level
        self.shared_by_all = shared
        self.device = whole.storage.device
        self.size = whole.storage.size if shared else Layout.dense(whole.shape[1:]).size
        self.born = whole.storage.born
        self.shared = whole.storage.shared

    @property
    def buffer(self) -> Any:
        """The memory of a value that all examples share. Raises: VmapError for any other."""
        if self.shared_by_all:
            return self.whole.storage.buffer
        if self.level not in levels():
            raise VmapError(
                "vmap: a tensor of one example was kept, and used after its vmap had ended: return "
                "it from the function, which gives those of all examples"
            )
        raise VmapError(
            "vmap: the value of one example was asked for (by item(), bool(), numpy(), int() or an "
            "`if`), and all examples are computed at once: use wg.where instead of `if`, or return "
            "the tensor and read it outside"
        )

    @property
    def version(self) -> int:
        return self.whole.storage.version

    @version.setter
    def version(self, value: int) -> None:
        self.whole.storage.version = value

    @property
    def bounds(self) -> tuple[int, int] | None:
        return self.whole.storage.bounds

    @bounds.setter
    def bounds(self, known: tuple[int, int] | None) -> None:
        self.whole.storage.bounds = known

    @property
    def history(self) -> int | None:
        """The history at this level; that of the whole batch is checked where it is used."""
        return self.level.histories.get(memory(self.whole))

    @history.setter
    def history(self, value: int | None) -> None:
        self.level.histories[memory(self.whole)] = value


def raised(x: Tensor, level: Any, shared: bool = False) -> Tensor:
    """Return the example that a whole batch stands for at a level, or a value `shared` by all."""
    array = x.array
    layout = array.layout if shared else Layout.dense(array.shape[1:])
    node = None
    if x.node is not None:
        node = Node()
        node.outer = x.node
    return type(x)(Array(Batched(array, level, shared), layout, array.dtype), node)


def lowered(x: Value) -> Any:
    """Return the whole batch of an example, with what follows that; without the batch axis where
    the value is shared by all."""
    storage = x.array.storage
    assert isinstance(storage, Batched)
    whole = storage.whole
    if storage.shared_by_all and x.array.layout is not whole.layout:
        whole = whole.view(x.array.layout)
    return type(x)(whole, None if x.node is None else x.node.outer)


def everything(x: Any) -> Any:
    """Return the tensor of all examples at all levels: `x` itself where it is no example."""
    while isinstance(x.array.storage, Batched):
        x = lowered(x)
    return x


def memory(x: Array) -> Storage:
    """Return the storage that holds the values of an array, for all examples."""
    storage = x.storage
    while isinstance(storage, Batched):
        storage = storage.whole.storage
    return storage


def levels() -> list[Any]:
    """Return the levels of batches that this context is inside of, the innermost last."""
    return [i for i in interpreters() if i.has_level]


def differs(x: Value) -> bool:
    """Return whether a value differs from example to example, at any level."""
    while isinstance(x.array.storage, Batched):
        if not x.array.storage.shared_by_all:
            return True
        x = lowered(x)
    return False
