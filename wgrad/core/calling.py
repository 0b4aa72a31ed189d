"""apply and the listeners: every use of every operation passes through here.

`apply` runs an op on the inputs' device and tells the listeners of the current context. The tape
and forward mode are listeners, and so are the tracer, the profiler and the graph drawing; this
module knows none of them, and no op either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from ..backends.array import Array, Number
from ..backends.base import Device
from ..errors import DeviceError, OutOfMemoryError
from .op import Call, Op
from .values import Input, Node, Tensor, Value

P = ParamSpec("P")
R = TypeVar("R")
Listener = Callable[[Call], None]
_default_listeners: tuple[Listener, ...] = ()
chosen_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("wgrad_listeners")
_tensor_type: type[Tensor]


def set_tensor_type(cls: type[Tensor]) -> None:
    """Tell `apply` what to wrap results in (tensor.py stands above this module)."""
    global _tensor_type
    _tensor_type = cls


def add_default_listener(listener: Listener) -> None:
    """Let `listener` hear the calls of every context that does not choose its own listeners."""
    global _default_listeners
    _default_listeners = (*_default_listeners, listener)


def listeners() -> tuple[Listener, ...]:
    """Return the listeners of the current context, in the order in which they are told."""
    return chosen_listeners.get(_default_listeners)


def heard_by(
    chosen: tuple[Listener, ...], function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Return what a function returns, whose calls exactly the `chosen` listeners hear.

    It is no `with` block, whose end a signal's handler that raises can prevent.
    """
    # Unpacked, not called: no handler runs between this and the `try`.
    (token,) = map(chosen_listeners.set, (chosen,))
    try:
        return function(*args, **kwargs)
    finally:
        chosen_listeners.reset(token)


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """Return `array` as a tensor that nothing follows."""
    return _tensor_type(array, node)


def apply(op: Op, *inputs: Input, **params: Any) -> Tensor:
    """Run `op` and tell the listeners. At least one input is a Value; all are of one device.

    Raises: DeviceError when the inputs live on two devices.
    """
    device: Device | None = None
    arrays: list[Array | Number] = []
    for value in inputs:
        if isinstance(value, Value):
            array = value.array
            if device is None:
                device = array.storage.device
            elif device is not array.storage.device:
                check_devices(op.name, inputs)
            arrays.append(array)
        else:
            arrays.append(value)
    assert device is not None
    try:
        out = _tensor_type(op.run(device, tuple(arrays), params), None)
    except MemoryError as error:  # NumPy's own; a GPU's comes in our words
        if isinstance(error, OutOfMemoryError):
            raise
        raise OutOfMemoryError(f"{op.name}: device {device.name} has no room: {error}") from error
    heard = chosen_listeners.get(_default_listeners)
    if heard:
        call = Call(op, inputs, params, out)
        for listener in heard:
            listener(call)
    return out


def check_devices(op: str, inputs: Iterable[Any]) -> None:
    """Raise DeviceError when tensors among the inputs live on two devices."""
    devices = [x.device for x in inputs if isinstance(x, Value)]
    for device in devices[1:]:
        if device is not devices[0]:
            raise DeviceError(
                f"{op}: one tensor is on {devices[0].name} and another on {device.name}: move one "
                "with .to(device)"
            )
