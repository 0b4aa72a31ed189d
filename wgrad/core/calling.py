"""apply: every use of every operation passes through here.

Interpreters are asked before the operation runs, the tape records it, and observers are told
afterwards, and only read. This module knows none of them by name, and no operation either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..errors import OutOfMemoryError
from .interpret import ask, current
from .observe import watched
from .op import Input, Node, Op, Tensor, Value, check_devices

_tensor_type: type[Tensor]
_record: Callable[[Op, tuple[Input, ...], dict[str, Any], Tensor], None]


def set_tensor_type(cls: type[Tensor]) -> None:
    """Tell `apply` what to wrap results in (tensor.py stands above this module)."""
    global _tensor_type
    _tensor_type = cls


def set_recorder(record: Callable[[Op, tuple[Input, ...], dict[str, Any], Tensor], None]) -> None:
    """Tell `apply` what records calls (the tape stands above this module)."""
    global _record
    _record = record


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """Return `array` as a tensor that nothing follows."""
    return _tensor_type(array, node)


def apply(op: Op, *inputs: Input, **params: Any) -> Tensor:
    """Run `op` and return its result. At least one input is a Value; all are of one device.

    Raises: DeviceError when the inputs live on two devices.
    """
    now = current.get()
    if now.special:
        if now.interpreters:
            return ask(now, op, inputs, params)
        return watched(now, apply, op, inputs, params)
    device: Device | None = None
    arrays: list[Array | Number] = []
    followed = False  # whether the tape has anything to look at
    for value in inputs:
        if isinstance(value, Value):
            array = value.array
            storage = array.storage
            if device is None:
                device = storage.device
            elif device is not storage.device:
                if not op.calls_back:
                    check_devices(op.name, inputs)
            if value.node is not None or storage.history is not None:
                followed = True
            arrays.append(array)
        else:
            arrays.append(value)
    assert device is not None
    try:
        out = _tensor_type(op.run(device, tuple(arrays), params), None)
    except MemoryError as error:  # NumPy's own; a GPU's comes in our words
        if isinstance(error, OutOfMemoryError) or op.calls_back:
            raise
        raise OutOfMemoryError(f"{op.name}: device {device.name} has no room: {error}") from error
    if followed and now.records:
        _record(op, inputs, params, out)
    return out
