"""Leaves: tensors and arrays on their way to a file or out of one, with the dtypes of files.

What a file holds is turned into what a device has: see `Leaf.on`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import dtypes
from ..backends.base import Device
from ..creation import tensor
from ..dtypes import DType
from ..errors import FileError

# What elements are in files, by the names that the formats agree on. NumPy has no bfloat16: it is
# the upper half of a float32, and held as its bits.
BFLOAT16 = "bfloat16"
NUMPY = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64"),
    )
} | {BFLOAT16: np.dtype("<u2")}
_NARROW = ("float16", BFLOAT16)


@dataclass(eq=False)
class Leaf:
    """The elements of one tensor. Two places that hold the same leaf hold the same tensor.

    `kind` is what it was when it was saved: a "tensor", a NumPy "array" or a NumPy "number".
    `ours` says that wgrad wrote it, so that its dtype was chosen by the user.
    """

    data: np.ndarray
    dtype: str  # a key of NUMPY
    kind: str = "tensor"
    ours: bool = False
    made: dict[Any, Any] = field(default_factory=dict, repr=False)

    def on(self, device: Device, dtype: DType | None, where: str) -> Any:
        """Return the tensor (or array) on a device, in the nearest dtype that this has.

        bfloat16 becomes float32, and so does float16 unless wgrad wrote it and the device has it;
        float64 stays on the NumPy device. Integers become int32 or uint32. With `dtype`, floats
        become that.

        Raises: FileError for integers beyond 32 bits.
        """
        if self.kind != "tensor":
            return self.host()
        if device not in self.made:
            self.made[device] = self._tensor(device, dtype, where)
        return self.made[device]

    def host(self) -> Any:
        """Return the elements as NumPy has them, in memory of their own."""
        data = widened(self.data) if self.dtype == BFLOAT16 else self.data
        data = data.astype(data.dtype.newbyteorder("="))
        return data[()] if self.kind == "number" else data

    def _tensor(self, device: Device, dtype: DType | None, where: str) -> Any:
        data = widened(self.data) if self.dtype == BFLOAT16 else self.data
        floats = data.dtype.kind == "f"
        chosen = dtype if floats and dtype is not None else self._nearest(device)
        if chosen.is_integer and data.dtype.itemsize >= 4 and data.size:
            info = np.iinfo(chosen.numpy)
            low, high = data.min(), data.max()
            if low < info.min or high > info.max:
                raise FileError(
                    f"{where} holds {self.dtype} from {low} to {high}, and {chosen.name}, the "
                    f"widest that devices have, holds {info.min} to {info.max}"
                )
        return tensor(data, chosen, device=device)

    def _nearest(self, device: Device) -> DType:
        kind = NUMPY[self.dtype].kind
        if self.dtype == "bool":
            return dtypes.bool_
        if self.dtype in ("float16", "float64") and (self.ours or self.dtype not in _NARROW):
            own = dtypes.as_dtype(self.dtype)
            return own if own in device.dtypes else dtypes.float32
        if self.dtype in ("float32", *_NARROW) or kind == "f":
            return dtypes.float32
        return dtypes.int32 if kind == "i" else dtypes.uint32


def widened(bits: np.ndarray) -> np.ndarray:
    """Return the float32 numbers that bfloat16 bits are; NaN keep theirs."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def name_of(dtype: np.dtype) -> str | None:
    """Return how files call a NumPy dtype; None for those that they do not have."""
    name = dtype.newbyteorder("=").name
    return name if name in NUMPY and name != BFLOAT16 else None
