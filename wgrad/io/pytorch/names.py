"""What pickles of PyTorch may name: storages, dtypes, and the functions that make tensors of them.

A storage is a piece of memory, and a tensor a strided view of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from ..leaves import BFLOAT16, NUMPY, Leaf
from .machine import Name

MOST_REPEATED = 1 << 26  # bytes that a view may show beyond what its storage has

# What PyTorch's storages of a dtype are called; the newer dtypes have none of their own.
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
UNTYPED = "uint8"  # what an UntypedStorage counts in


@dataclass(eq=False)
class Storage:
    """A piece of memory of a file; its bytes may be known only at the end of it."""

    dtype: str
    numel: int
    read: Callable[[], Any] | None = None  # gives the bytes, as a buffer
    views: dict[Any, Leaf] = field(default_factory=dict)


@dataclass(eq=False)
class View:
    """A tensor, as a pickle describes it."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def leaf(self, order: str) -> Leaf:
        """Return its elements; two tensors that are the same view are one leaf.

        `order` is the order of bytes, "<" or ">". Raises: ValueError for one that leaves its
        storage, or is much larger.
        """
        key = self.dtype, self.offset, self.shape, self.strides
        known = self.storage.views.get(key)
        if known is not None:
            return known
        kind = NUMPY[self.dtype].newbyteorder(order)  # type: ignore[arg-type]  # "<" or ">"
        assert self.storage.read is not None
        memory = np.frombuffer(self.storage.read(), np.uint8)
        whole = memory[: len(memory) // kind.itemsize * kind.itemsize].view(
            np.uint8 if self.dtype == "bool" else kind
        )
        size = prod(self.shape)
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((n - 1) * s for n, s in steps)
        if size and last >= len(whole):
            raise ValueError(f"a tensor of shape {self.shape} that leaves its storage")
        if size * kind.itemsize > len(memory) + MOST_REPEATED:
            raise ValueError(f"a tensor of shape {self.shape} over {len(memory)} bytes")
        if size:
            bytes_apart = tuple(s * kind.itemsize for s in self.strides)
            begin = whole[self.offset :]
            data = np.lib.stride_tricks.as_strided(begin, self.shape, bytes_apart, writeable=False)
        else:
            data = np.zeros(self.shape, whole.dtype)
        made = Leaf(data != 0 if self.dtype == "bool" else data, self.dtype)
        self.storage.views[key] = made
        return made


def _counts(*values: Any) -> bool:
    return all(type(n) is int and 0 <= n < 2**63 for n in values)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> View:
    return _view(storage, offset, shape, strides, storage.dtype)


def _tensor_of(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> View:
    """Make what newer dtypes are: a view of bytes, whose dtype comes after the hooks."""
    return _view(storage, offset, shape, strides, rest[2].value)


def _view(storage: Any, offset: Any, shape: Any, strides: Any, dtype: Any) -> View:
    fits = type(storage) is Storage and type(shape) is type(strides) is tuple
    if not fits or len(shape) != len(strides) or not _counts(offset, *shape, *strides):
        raise ValueError("a tensor of numbers that are none of sizes and strides")
    if dtype not in NUMPY:
        raise ValueError(f"a tensor of {dtype}")
    if len(shape) > 32:
        raise ValueError(f"a tensor of {len(shape)} axes")
    return View(storage, dtype, offset, shape, strides)


def _first(value: Any, *rest: Any) -> Any:
    if type(value) is not View:
        raise ValueError("a parameter of no tensor")
    return value


def _typed(make: Any, kind: Any, given: Any, state: Any) -> Any:
    """Make a tensor of a subclass, which is a tensor here."""
    if not isinstance(make, Name) or make.call is None or type(given) is not tuple:
        raise ValueError("a tensor that is made by no function")
    return _first(make.call(*given))


def _mapping(*given: Any) -> dict[Any, Any]:
    """Make an OrderedDict, or a dict: empty, or of a list of pairs of a key and a value."""
    made = {}
    for pairs in given:
        for key, value in pairs:
            if type(key) not in (str, int):
                raise ValueError(f"a key of type {type(key).__name__}")
            made[key] = value
    return made


def _size(*given: Any) -> tuple[int, ...]:
    (shape,) = given or ((),)
    if not isinstance(shape, (tuple, list)) or not _counts(*shape):
        raise ValueError("a shape of no sizes")
    return tuple(shape)


def _device(kind: Any, index: Any = None) -> str:
    return str(kind)[:40] if index is None else f"{str(kind)[:40]}:{int(index)}"


_FUNCTIONS: dict[str, Callable[..., Any] | None] = {
    "collections.OrderedDict": _mapping,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _typed,
    "torch.Size": _size,
    "torch.device": _device,
    "torch.Tensor": None,
    "torch.nn.parameter.Parameter": None,
    "torch.nn.parameter.Buffer": None,
}
NAMES = {name: Name(name, call) for name, call in _FUNCTIONS.items()}
NAMES |= {f"torch.{s}": Name(f"torch.{s}", value=dtype) for s, dtype in STORAGES.items()}
NAMES |= {
    name: Name(name, value=UNTYPED)
    for name in ("torch.storage.UntypedStorage", "torch.UntypedStorage")
}
NAMES |= {f"torch.{dtype}": Name(f"torch.{dtype}", value=dtype) for dtype in NUMPY}
