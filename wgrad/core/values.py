"""Value and Node: what ops take and return, and the identity that derivatives follow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..dtypes import DType
from ..layout import Shape

if TYPE_CHECKING:
    from .op import Op


class Value:
    """What ops take and return: an array and, where something follows it, its identity."""

    __slots__ = ("__weakref__", "array", "node")

    def __init__(self, array: Array, node: Node | None = None):
        self.array = array
        self.node = node

    @property
    def shape(self) -> Shape:
        """The extent of each axis."""
        return self.array.layout.shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.array.dtype

    @property
    def device(self) -> Device:
        """Where the elements live."""
        return self.array.storage.device


Input = Value | Number
_sequence = itertools.count(1)


class Node:
    """The identity of one value: where it came from, and what is kept for its gradient.

    A leaf has no op. A node never refers to its own tensor, only to what its rules need of the
    inputs, so the graph lives exactly as long as the tensors that lead to it.
    """

    __slots__ = (
        "__weakref__",
        "grad",
        "hooks",
        "is_parameter",
        "op",
        "origin",
        "outer",
        "params",
        "parents",
        "requires_grad",
        "retains_grad",
        "saved",
        "sequence",
        "shapes",
        "version",
    )

    def __init__(self, requires_grad: bool = False):
        self.sequence = next(_sequence)  # later calls have larger numbers than their inputs
        self.requires_grad = requires_grad
        self.is_parameter = requires_grad  # a leaf once asked for gradients; frozen, it stays one
        self.op: Op | None = None
        self.params: Mapping[str, Any] = {}
        self.parents: tuple[Node | None, ...] = ()
        self.saved: Mapping[str, Any] = {}
        self.shapes: tuple[Shape, ...] = ()
        self.origin: tuple[CodeType, int] | None = None
        self.version = 0  # of the result's storage when it was computed
        self.grad: Any = None
        self.hooks: dict[int, Callable] | None = None
        self.retains_grad = False
        self.outer: Node | None = None  # of one example: the identity of the whole batch
