"""Memory shared with other libraries: asarray, from_dlpack, and what Tensor.__dlpack__ answers.

Tensors of the NumPy device live in host memory that NumPy, PyTorch and JAX can hold as well. What
another owner writes there is in the tensor at once, but unknown to the tape and to compiled
functions: a storage's version counts only what wgrad itself writes. Two tensors that were made of
one array are two storages, and nothing here knows that they overlap either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..backends.array import Array, Storage
from ..backends.numpy import as_numpy
from ..backends.tracing import tracing
from ..core import Tensor, wrap
from ..devices import device as find_device
from ..dtypes import DType, as_dtype
from ..errors import (
    ArgumentError,
    DTypeError,
    InterchangeError,
    WgradError,
    shown,
)
from ..layout import Layout
from .host import DeviceLike, from_host, host_array

CPU = (1, 0)  # DLPack's device types: the host,
WEBGPU = (15, 0)  # and a WebGPU buffer, which is no memory that another library could map
_OURS = {d.numpy: d for d in dtypes.ALL}


def asarray(
    obj: Any, dtype: Any = None, device: DeviceLike = None, copy: bool | None = None
) -> Tensor:
    """Return `obj` as a tensor: a tensor, a number, nested lists, or any library's array.

    Arrays are what has `__dlpack__` or `__array__`. Nothing is copied when `obj` is a tensor of
    that dtype and device already, which is returned itself, or a writable array in host memory, of
    a dtype of ours, for the NumPy device: then the tensor and the array are one memory, and what is
    written to one is in the other, unseen by the tape. Everything else is copied: another dtype
    (without `dtype`, floats become float32 and integers int32, as in `wg.tensor`) or device,
    numbers and lists, and memory that may not be written to, such as JAX's. `copy=True` copies
    always, and `copy=False` never. A tensor keeps its history.

    Raises: ArgumentError for `copy=False` where only a copy can be had, in a sentence that says
    why; and what `wg.tensor` raises.

    >>> a = np.zeros(2, np.float32)
    >>> x = wg.asarray(a, device="numpy")  # no copy: one memory
    >>> a[0] = 5
    >>> x
    tensor([5., 0.])
    """
    _check_copy(copy, "asarray")
    if isinstance(obj, Tensor):
        return _as_other(obj, obj.dtype if dtype is None else as_dtype(dtype), device, copy)
    target = find_device(device)
    foreign = not isinstance(obj, (bool, int, float, list, tuple, np.generic))
    data = _host_view(obj, "asarray") if foreign else obj
    why = "numbers and lists have no memory that could be shared"
    if foreign:
        host = host_array(data, "asarray")
        chosen = dtypes.infer(host) if dtype is None else as_dtype(dtype)
        lent, why = _lent(host, chosen, target)
        if lent is not None and not copy:
            return lent
    if copy is False:
        raise ArgumentError(f"asarray: copy=False came, and {why}")
    return from_host(data, "asarray", dtype, target)


def from_dlpack(x: Any, device: DeviceLike = None, copy: bool | None = None) -> Tensor:
    """Return the array `x` of any library, which has `__dlpack__`, as a tensor of the same dtype.

    It lands on the NumPy device, in the memory of `x`, unless `device` is another or `copy` is
    True; memory that may not be written to is copied. `wg.asarray` also converts the dtype.

    Raises: DTypeError for a dtype that is none of ours; ArgumentError for `copy=False` where only
    a copy can be had; InterchangeError where `x` is not in host memory or refuses.
    """
    _check_copy(copy, "from_dlpack")
    if isinstance(x, Tensor):
        _check_no_grad(x, "from_dlpack")
        return _as_other(x.detach(), x.dtype, device, copy, "from_dlpack")
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(
            f"from_dlpack: {shown(x)} came, and an array with __dlpack__ is needed: use wg.asarray"
        )
    data = _imported(x, "from_dlpack")
    chosen = _OURS.get(data.dtype)
    if chosen is None:
        raise DTypeError(
            f"from_dlpack: data of {data.dtype} came, and wgrad has "
            f"{', '.join(d.name for d in dtypes.ALL)}: wg.asarray converts"
        )
    target = find_device("numpy" if device is None else device)
    lent, why = _lent(data, chosen, target)
    if lent is not None and not copy:
        return lent
    if copy is False:
        raise ArgumentError(f"from_dlpack: copy=False came, and {why}")
    return from_host(data, "from_dlpack", chosen, target)


def _check_copy(copy: Any, where: str) -> None:
    if copy is not None and not isinstance(copy, bool):
        raise ArgumentError(f"{where}: copy={shown(copy)} came; True, False or None is needed")


def _as_other(
    x: Tensor, dtype: DType, device: DeviceLike, copy: bool | None, where: str = "asarray"
) -> Tensor:
    """Return a tensor as another, or the same, dtype and device."""
    target = x.device if device is None else find_device(device)
    alike = dtype is x.dtype and target is x.device
    if copy is False and not alike:
        raise ArgumentError(
            f"{where}: copy=False came, and a {x.dtype.name} tensor on {x.device.name} is copied "
            f"to be {dtype.name} on {target.name}"
        )
    if alike:
        return x.copy() if copy else x
    target.check_dtype(dtype, where)
    # The conversion runs where both dtypes exist.
    x = x.astype(dtype) if dtype is not x.dtype and dtype in x.device.dtypes else x
    x = x.to(target)
    return x if x.dtype is dtype else x.astype(dtype)


def _host_view(obj: Any, where: str) -> Any:
    """Return an array of another library as NumPy's, in the same memory if possible."""
    if isinstance(obj, np.ndarray) or not hasattr(obj, "__dlpack__"):
        return obj
    try:
        return _imported(obj, where)
    except (WgradError, MemoryError):
        if not hasattr(obj, "__array__"):
            raise
    try:
        return np.asarray(obj)  # what DLPack cannot say, such as a dtype of its own
    except WgradError:
        raise
    except Exception as error:
        raise _refused(obj, where, error) from None


def _imported(x: Any, where: str) -> np.ndarray:
    try:
        return np.from_dlpack(x)
    except (MemoryError, WgradError):
        raise
    except Exception as error:  # every library has its own for what it cannot export
        raise _refused(x, where, error) from None


def _refused(x: Any, where: str, error: Exception) -> InterchangeError:
    reason = " ".join(str(error).split()).rstrip(".")
    return InterchangeError(
        f"{where}: {type(x).__module__}.{type(x).__name__} came, and its library does not hand it "
        f"over as host memory ({reason})"
    )


def _lent(data: np.ndarray, dtype: DType, target: Any) -> tuple[Tensor | None, str]:
    """Return a tensor in the memory of `data`, or None and why that cannot be."""
    if target.name != "numpy":
        return None, f"host memory is copied to get to {target.name}"
    if data.dtype != dtype.numpy:
        return None, f"{data.dtype} data is converted to {dtype.name}: ask for its own dtype"
    item = data.dtype.itemsize
    aligned = data.flags.aligned and all(s % item == 0 for s in data.strides)
    if not data.dtype.isnative or not aligned:
        return None, "the data lies in memory as no tensor does (byte order or alignment)"
    if not data.flags.writeable:
        return None, "memory that may not be written to is copied"
    if tracing() is not None:
        return None, "inside a compiled function host data is copied"
    strides = tuple(s // item for s in data.strides)
    if data.size == 0:
        flat, layout = np.empty(0, data.dtype), Layout.dense(data.shape)
    else:
        # All from the first to the last element in memory, as one flat array.
        ends = [(n - 1) * s for n, s in zip(data.shape, strides, strict=True)]
        low, high = sum(min(e, 0) for e in ends), sum(max(e, 0) for e in ends)
        first = data[(*[slice(-1, None) if e < 0 else slice(1) for e in ends], ...)]
        flat = np.lib.stride_tricks.as_strided(first, (high - low + 1,), (item,))
        layout = Layout(data.shape, strides, -low)
    storage = Storage(target, flat, flat.size)
    storage.share()
    return wrap(Array(storage, layout, dtype)), ""


def lend(x: Tensor, dl_device: tuple[int, int] | None, copy: bool | None) -> np.ndarray:
    """Return what another library may hold of `x`: its memory, or a copy where that is asked for.

    A view that runs backwards is copied, for PyTorch aborts the process when it is given one.
    Raises: InterchangeError, whose class is also BufferError.
    """
    _check_no_grad(x, "__dlpack__")
    if dl_device not in (None, CPU, dlpack_device(x)):
        raise InterchangeError(
            f"__dlpack__: device {shown(dl_device)} is asked for, and {CPU}, the host, is possible"
        )
    if (tracer := tracing()) is not None:
        tracer.refuse("the function hands a tensor to another library: do it outside")
    if x.device.name != "numpy":
        if dl_device == CPU and copy is not False:
            return x.numpy()
        raise InterchangeError(
            f"__dlpack__: the tensor is on {x.device.name}, whose memory no other library sees: "
            'use .to("numpy")'
        )
    backwards = min(x.array.layout.strides, default=0) < 0
    if backwards and copy is False:
        raise InterchangeError(
            "__dlpack__: copy=False came for a view that runs backwards, which is copied"
        )
    if backwards or copy:
        return x.numpy()
    x.array.storage.share()
    return as_numpy(x.array)


def _check_no_grad(x: Tensor, where: str) -> None:
    if x.requires_grad:
        raise InterchangeError(
            f"{where}: the tensor requires grad, which another owner would not see: use .detach()"
        )


def dlpack_device(x: Tensor) -> tuple[int, int]:
    """Return DLPack's words for where `x` lives: a device type, and which of them."""
    return CPU if x.device.name == "numpy" else WEBGPU


def to_dlpack(
    x: Tensor,
    *,
    stream: None = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """Hand the memory to another library: `numpy.from_dlpack(x)`, `torch.from_dlpack(x)`.

    On the NumPy device both then hold one memory; what the other writes is unseen by the tape.
    A view that runs backwards is copied. Raises: InterchangeError (a BufferError) for a tensor
    that requires grad, and for one on a GPU unless the host (1, 0) is asked for.
    """
    _check_copy(copy, "__dlpack__")
    if stream is not None:
        raise InterchangeError(
            f"__dlpack__: stream={shown(stream)} came, and host memory has none: None is needed"
        )
    data = lend(x, dl_device, copy)
    try:
        return data.__dlpack__(max_version=max_version)
    except (BufferError, TypeError, ValueError) as error:
        raise InterchangeError(f"__dlpack__: NumPy refuses ({error})") from None
