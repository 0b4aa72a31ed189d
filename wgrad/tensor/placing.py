"""What `to` is given: a device, a dtype, both, or a tensor to be like."""

from __future__ import annotations

from typing import Any

from ..backends.base import Device
from ..core import Value
from ..devices import device as find_device
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, shown


def place_and_dtype(device: Any, dtype: Any, where: str) -> tuple[Device | None, DType | None]:
    """Return the device and the dtype that `to(device, dtype)` means; None for what is left out."""
    if isinstance(device, (DType, Value)) and dtype is not None:
        raise ArgumentError(
            f"{where}: {shown(device)} came as the device, and dtype={shown(dtype)} besides: "
            "to(device, dtype), to(dtype) or to(tensor) is needed"
        )
    if isinstance(device, Value):
        return device.device, device.dtype
    if isinstance(device, DType):
        return None, device
    if device is None and dtype is None:
        raise ArgumentError(f"{where}: nothing came, and a device or a dtype is needed")
    place = None if device is None else find_device(device)
    return place, None if dtype is None else as_dtype(dtype)
