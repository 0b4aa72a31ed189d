"""What the Array API standard asks of a namespace about itself: its version, capabilities, dtypes.

Here too are its functions of dtypes. `wgrad` itself is the namespace.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from . import dtypes
from .backends.base import Device
from .core import Tensor, Value
from .creation import asarray
from .creation.inputs import as_tensor
from .devices import default_device, devices
from .devices import device as find_device
from .dtypes import DType, as_dtype
from .errors import ArgumentError, CallError, DTypeError, WgradError, shown
from .layout import MAX_AXES

__array_api_version__ = "2024.12"
_VERSIONS = ("2021.12", "2022.12", "2023.12", __array_api_version__)  # each adds to the one before


class _Standard(ModuleType):
    """The namespace for libraries: `wgrad`, and the names that the standard has for wider integers.

    Libraries write `xp.int64` where any integers will do, for counts and places. They get int32,
    the widest there is; for people who write `wg.int64` there is an error that says so.
    """

    int64 = dtypes.int32
    uint64 = dtypes.uint32

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules[__package__], name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(sys.modules[__package__]), "int64", "uint64"})


_STANDARD = _Standard("wgrad", __doc__)


def namespace(api_version: str | None = None) -> ModuleType:
    """Return the namespace that follows a version of the standard. Raises: ArgumentError."""
    if api_version is not None and (
        not isinstance(api_version, str) or api_version not in _VERSIONS
    ):
        raise ArgumentError(
            f"__array_namespace__: version {shown(api_version)} of the standard came; one of "
            f"{', '.join(_VERSIONS)} is needed"
        )
    return _STANDARD


# Functions of the standard that NumPy's ufuncs have another name for.
_OF_UFUNCS = {
    **{f"arc{f}": f"a{f}" for f in ("cos", "sin", "tan", "cosh", "sinh", "tanh")},
    **{"arctan2": "atan2", "absolute": "abs", "fabs": "abs", "conjugate": "conj", "rint": "round"},
    **{f: f"bitwise_{f}" for f in ("invert", "left_shift", "right_shift")},
    "power": "pow",
}


def of_ufunc(ufunc: np.ufunc, method: str, inputs: tuple, kwargs: Mapping[str, Any]) -> Any:
    """Return what the function of the same meaning as a ufunc of NumPy makes of tensors.

    So `np.exp(x)` is `wg.exp(x)`, and an array on the left of an operator meets a tensor. Raises:
    CallError for what has no such function, and for all that NumPy would write into.
    """
    name = ufunc.__name__
    if method == "__call__" and not kwargs:
        if ufunc is np.divmod:
            return tuple(of_ufunc(f, method, inputs, {}) for f in (np.floor_divide, np.remainder))
        function = getattr(_STANDARD, _OF_UFUNCS.get(name, name), None)
        if function is not None:
            return function(*inputs)
    written = name if method == "__call__" else f"{name}.{method}"
    more = f" with {', '.join(kwargs)}" if kwargs else ""
    raise CallError(
        f"np.{written}{more}: a tensor came, which it cannot work with: give it x.numpy()"
    )


_KINDS = {
    "bool": lambda d: d is dtypes.bool_,
    "signed integer": lambda d: d.numpy.kind == "i",
    "unsigned integer": lambda d: d.numpy.kind == "u",
    "integral": lambda d: d.is_integer,
    "real floating": lambda d: d.is_floating,
    "complex floating": lambda d: False,
    "numeric": lambda d: d.rank > 0,
}


def isdtype(dtype: DType, kind: Any) -> bool:
    """Return whether `dtype` is of `kind`: a dtype, a name of the standard, or a tuple of them.

    The names are bool, signed integer, unsigned integer, integral, real floating, complex floating
    and numeric. Raises: ArgumentError, DTypeError.

    >>> wg.isdtype(wg.float32, "real floating")
    True
    """
    given = as_dtype(dtype)
    if isinstance(kind, tuple):
        return any([isdtype(given, k) for k in kind])  # a list: every kind is checked
    if isinstance(kind, DType):
        return given is kind
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ArgumentError(
            f"isdtype: kind {shown(kind)} came; a dtype, a tuple, or one of {', '.join(_KINDS)} is "
            "needed"
        )
    return _KINDS[kind](given)


def astype(x: Tensor, dtype: Any, copy: bool = True, device: str | Device | None = None) -> Tensor:
    """Return `x` as `dtype`, on `device` if given; floats become integers by truncation.

    Without `copy` a tensor that has the dtype already is returned itself. Differentiable.

    >>> wg.astype(wg.tensor([1.9, -1.9]), wg.int32)  # or x.astype(wg.int32)
    tensor([ 1, -1])
    """
    x = as_tensor(x, "astype")
    if device is None or find_device(device) is x.device:
        return x.astype(dtype, copy)
    return asarray(x, as_dtype(dtype), device)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """Return the dtype that an operation on tensors, dtypes and Python numbers computes in.

    Numbers are weak: they matter only where their kind is higher than that of all others. Raises:
    DTypeError for int32 with uint32, whose values no dtype of ours can all hold; ArgumentError
    unless a tensor or a dtype is among them.

    >>> wg.result_type(wg.int32, wg.float32)
    wgrad.float32

    >>> wg.result_type(wg.tensor([1, 2]), 1)  # a number alone is weak
    wgrad.int32
    """
    numbers = [x for x in arrays_and_dtypes if type(x) in (bool, int, float)]
    others = [_dtype_of(x) for x in arrays_and_dtypes if type(x) not in (bool, int, float)]
    if not others:
        raise ArgumentError(
            f"result_type: {shown(arrays_and_dtypes)} came, and at least one tensor or dtype is "
            "needed"
        )
    common = others[0]
    for other in others[1:]:
        common = dtypes.promote(common, other)
    for number in numbers:
        common = dtypes.promote_scalar(common, number)
    return common


def can_cast(from_: Any, to: Any) -> bool:
    """Return whether promotion may turn a dtype (or a tensor's) into `to`.

    >>> wg.can_cast(wg.int32, wg.float32), wg.can_cast(wg.float32, wg.int32)
    (True, False)
    """
    source, target = _dtype_of(from_), as_dtype(to)
    try:
        return dtypes.promote(source, target) is target
    except DTypeError:
        return False


def _dtype_of(x: Any) -> DType:
    return x.dtype if isinstance(x, Value) else as_dtype(x)


@dataclass(frozen=True)
class FloatInfo:
    """What `finfo` says of a floating dtype."""

    bits: int
    eps: float  # from 1 to the next number
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """What `iinfo` says of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: Any) -> FloatInfo:
    """Return the limits of a floating dtype, or of a tensor's. Raises: DTypeError.

    >>> wg.finfo(wg.float32).eps == 2.0**-23
    True
    """
    dtype = _dtype_of(type)
    if not dtype.is_floating:
        raise DTypeError(f"finfo: {dtype.name} came, and a floating dtype is needed: see iinfo")
    info = np.finfo(dtype.numpy)
    return FloatInfo(
        int(info.bits),
        float(info.eps),
        float(info.max),
        float(info.min),
        float(info.smallest_normal),
        dtype,
    )


def iinfo(type: Any) -> IntegerInfo:
    """Return the limits of an integer dtype, or of a tensor's. Raises: DTypeError.

    >>> wg.iinfo(wg.int32).max
    2147483647
    """
    dtype = _dtype_of(type)
    if not dtype.is_integer:
        raise DTypeError(f"iinfo: {dtype.name} came, and an integer dtype is needed: see finfo")
    info = np.iinfo(dtype.numpy)
    return IntegerInfo(int(info.bits), int(info.max), int(info.min), dtype)


class NamespaceInfo:
    """What `wg` offers, by the inspection part of the Array API standard."""

    def capabilities(self) -> dict[str, Any]:
        """Return whether masks index, whether shapes may depend on data, and the most axes.

        On a GPU such shapes are a readback.
        """
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": MAX_AXES,
        }

    def default_device(self) -> Device:
        """Return the device that new tensors go to."""
        return default_device()

    def default_dtypes(self, *, device: str | Device | None = None) -> dict[str, DType]:
        """Return the dtypes that data without one takes; there is none for complex numbers."""
        find_device(device)
        return {
            "real floating": dtypes.float32,
            "integral": dtypes.int32,
            "indexing": dtypes.int32,
        }

    def dtypes(self, *, device: str | Device | None = None, kind: Any = None) -> dict[str, DType]:
        """Return the dtypes that a device has, by their names: all, or those of a kind.

        Only those of the standard, which does not know float16.
        """
        has = find_device(device).dtypes - {dtypes.float16}
        return {d.name: d for d in dtypes.ALL if d in has and (kind is None or isdtype(d, kind))}

    def devices(self) -> list[Device]:
        """Return the devices of this machine, opened; one that cannot be opened is left out."""
        opened_so_far = []
        for row in devices():
            try:
                opened = find_device(row.name)
            except WgradError:
                continue
            if opened not in opened_so_far:
                opened_so_far.append(opened)
        return opened_so_far


def array_namespace_info() -> NamespaceInfo:
    """Return what the namespace offers: capabilities, devices and dtypes."""
    return NamespaceInfo()
