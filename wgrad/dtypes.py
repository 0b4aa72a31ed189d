"""Element types, promotion and the conversion of Python numbers. Knows no tensor and no device.

float32, int32, uint32 and bool live on every device; float16 on NumPy and on adapters that have it;
float64 on the NumPy device alone. Promotion is NumPy's, kept within these six: where NumPy would
leave for a wider float only because an integer met a float, the result is the float, as in PyTorch;
int32 and uint32 do not mix, for only int64 holds both.
Python numbers are weak: they take the tensor's dtype unless their kind is higher.

float16 is how memory holds numbers, not how code computes: operands are widened to float32, and
every op rounds its result once. So a sum or a product accumulates in float32, and a number beside a
float16 tensor keeps its float32 digits (but comparisons round it to float16 first).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import ArgumentError, DTypeError, shown


@dataclass(frozen=True, eq=False)
class DType:
    """An element type.

    `numpy` is the type of host memory. `wgsl` is the type that WGSL code computes in, `storage` the
    one that buffers hold (a bool is not host-shareable in WGSL, so it is stored as a u32 of 0 or
    1); None where WGSL has none.

    >>> wg.float32.name, wg.float32.itemsize, wg.float32.is_floating
    ('float32', 4, True)
    >>> wg.tensor([1, 2]).dtype is wg.int32
    True
    """

    name: str
    numpy: np.dtype
    rank: int  # position in the order of kinds: bool 0, integers 1, floats 2
    wgsl: str | None
    storage: str | None

    is_floating: bool = field(init=False, default=False)
    is_integer: bool = field(init=False, default=False)
    computes: np.dtype = field(init=False)  # what NumPy computes in: float32 for float16

    def __post_init__(self) -> None:
        # Attributes, not properties: every call of every op asks.
        object.__setattr__(self, "is_floating", self.rank == 2)
        object.__setattr__(self, "is_integer", self.rank == 1)
        half = self.numpy == np.float16
        object.__setattr__(self, "computes", np.dtype(np.float32) if half else self.numpy)

    @property
    def itemsize(self) -> int:
        """Bytes of one element in host (NumPy) memory."""
        return self.numpy.itemsize

    def __repr__(self) -> str:
        return f"wgrad.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)  # dtypes are singletons, also through pickle and deepcopy

    def __deepcopy__(self, memo: dict) -> DType:
        return self


bool_ = DType("bool", np.dtype(np.bool_), 0, "bool", "u32")
int32 = DType("int32", np.dtype(np.int32), 1, "i32", "i32")
uint32 = DType("uint32", np.dtype(np.uint32), 1, "u32", "u32")
float16 = DType("float16", np.dtype(np.float16), 2, "f32", "f16")
float32 = DType("float32", np.dtype(np.float32), 2, "f32", "f32")
float64 = DType("float64", np.dtype(np.float64), 2, None, None)

ALL = (bool_, int32, uint32, float16, float32, float64)
_FLOATS = (float16, float32, float64)  # each holds all values of those before it
_BY_NAME = {d.name: d for d in ALL}
# What arbitrary NumPy data becomes when no dtype is asked for: the nearest of ours.
_BY_NUMPY_KIND = {"b": bool_, "i": int32, "u": uint32, "f": float32}

_PROMOTE: dict[tuple[DType, DType], DType] = {}
for _x in ALL:
    for _y in ALL:
        if _x.rank != _y.rank:
            _PROMOTE[_x, _y] = _x if _x.rank > _y.rank else _y
        elif _x.is_floating:
            _PROMOTE[_x, _y] = max(_x, _y, key=_FLOATS.index)
        elif {_x, _y} != {int32, uint32}:
            _PROMOTE[_x, _y] = _x


def as_dtype(spec: Any) -> DType:
    """Return the DType that `spec` names: a DType, a name, a NumPy dtype, or float, int, bool.

    Python's `float` and `int` mean float32 and int32, as does data without a dtype.
    Raises: DTypeError for anything else, NumPy's other dtypes included.
    """
    if isinstance(spec, DType):
        return spec
    if spec is float:
        return float32
    if spec is int:
        return int32
    dtype = None
    if isinstance(spec, str):
        dtype = _BY_NAME.get(spec)
    elif isinstance(spec, (type, np.dtype)):
        with contextlib.suppress(TypeError):
            dtype = _BY_NAME.get(np.dtype(spec).name)
    if dtype is None:
        names = ", ".join(_BY_NAME)
        raise DTypeError(f"dtype {shown(spec)} is not one of wgrad's: {names}")
    return dtype


def infer(array: np.ndarray) -> DType:
    """Return the dtype that host data takes when none is asked for.

    All floats become float32, on every device: float16 and float64 have to be asked for.

    Raises: DTypeError for complex, object, string and time data.
    """
    dtype = _BY_NUMPY_KIND.get(array.dtype.kind)
    if dtype is None:
        raise DTypeError(
            f"data of NumPy dtype {array.dtype} cannot become a tensor: numbers or booleans are "
            "needed"
        )
    return dtype


def beside(array: np.ndarray, dtype: DType) -> DType | None:
    """Return what host data becomes beside a tensor of `dtype`; None for what `infer` says.

    Floats become float64 where the tensor is; data of NumPy's float16 stays where the tensor is it.
    """
    if dtype is float64 and array.dtype.kind == "f":
        return float64
    return float16 if dtype is float16 and array.dtype == np.float16 else None


def rounded(value: Any, dtype: DType) -> Any:
    """Return a number as memory of a dtype holds it: float16 has fewer digits than a kernel."""
    return float(held(value, dtype.numpy)) if dtype is float16 else value


def held(value: Any, dtype: np.dtype) -> np.ndarray:
    """Return a number as host memory of a NumPy dtype holds it, in an array without axes.

    Whatever makes a number a constant on the host calls this: beyond a float's range it is an
    infinity, as where a device converts it, and NumPy does not warn.
    """
    with np.errstate(over="ignore"):
        return np.array(value, dtype)


def promote(a: DType, b: DType) -> DType:
    """Return the dtype that an operation on `a` and `b` computes in.

    Raises: DTypeError for int32 with uint32, whose values no dtype of ours can all hold.
    """
    common = _PROMOTE.get((a, b))
    if common is None:
        raise DTypeError(
            f"{a.name} and {b.name} came together, and neither holds all values of the other: "
            "convert one with .astype()"
        )
    return common


def scalar_rank(value: bool | int | float) -> int:
    """Return the kind of a Python (or NumPy) number: 0 for bool, 1 for int, 2 for float."""
    if isinstance(value, (bool, np.bool_)):
        return 0
    return 1 if isinstance(value, (int, np.integer)) else 2


def promote_scalar(dtype: DType, value: bool | int | float) -> DType:
    """Return the dtype of an operation between a tensor of `dtype` and a Python number."""
    rank = scalar_rank(value)
    if rank <= dtype.rank:
        return dtype
    return int32 if rank == 1 else float32


def cast_scalar(value: Any, dtype: DType, where: str) -> bool | int | float:
    """Return the Python number `value` as one of `dtype`.

    Raises: ArgumentError when an integer dtype cannot hold it (out of range, NaN, a fraction).
    """
    if dtype is bool_:
        return bool(value)
    if dtype.is_floating:
        try:
            return float(value)
        except OverflowError:
            raise ArgumentError(f"{where}: {shown(value)} is too large for {dtype.name}") from None
    number = float(value) if scalar_rank(value) == 2 else int(value)
    if isinstance(number, float) and (not math.isfinite(number) or number != int(number)):
        raise ArgumentError(f"{where}: {value} is not an integer, and {dtype.name} needs one")
    info = np.iinfo(dtype.numpy)
    if not info.min <= int(number) <= info.max:
        raise ArgumentError(
            f"{where}: {shown(value)} does not fit {dtype.name}, which holds {info.min} to "
            f"{info.max}"
        )
    return int(number)


def cast_array(array: np.ndarray, dtype: DType, where: str) -> np.ndarray:
    """Return host data as a C-contiguous array of `dtype`, which may share memory with `array`.

    Raises: DTypeError for data that is not numeric; ArgumentError when an integer dtype cannot
    hold a value (out of range, NaN, infinite).
    """
    infer(array)
    if dtype.is_integer and array.size and array.dtype != dtype.numpy:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArgumentError(f"{where}: the data holds NaN or infinity, and {dtype.name} cannot")
        info = np.iinfo(dtype.numpy)
        low, high = array.min(), array.max()
        if low < info.min or high > info.max:
            raise ArgumentError(
                f"{where}: the data runs from {low} to {high}, and {dtype.name} holds "
                f"{info.min} to {info.max}"
            )
    with np.errstate(over="ignore", invalid="ignore"):  # float64 beyond float32 becomes inf
        return np.ascontiguousarray(array, dtype=dtype.numpy).reshape(array.shape)
