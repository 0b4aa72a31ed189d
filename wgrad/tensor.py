"""Tensor: operators and methods over the functions of the other modules; thin on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import core, dtypes, functional, indexing, shaping, tape
from .backends.base import changing
from .core import Node, Value
from .dtypes import as_dtype
from .errors import (
    ArgumentError,
    DeviceError,
    DTypeError,
    ForkedError,
    GradientError,
    ShapeError,
    WgradError,
    shown,
)
from .layout import Shape, broadcast_shapes
from .ops import elementwise as ew
from .ops import movement, reduction
from .ops.families import expanded, with_dtype


class Tensor(Value):
    """An array on a device that can be differentiated through.

    Made by `wg.tensor` and its kin, not by calling the class. `.backward()` fills the `.grad` of
    the leaves that require gradients; everything else follows NumPy. `x += y` is `x = x + y`, a
    new tensor, so that what the tape saved stays true; `x[...] = y` and `assign` write in place.
    """

    __slots__ = ()
    __array_priority__ = 1000  # NumPy arrays on the left of an operator leave it to us
    __array_ufunc__ = None

    # What it is.
    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.array.layout.size

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix, as a view. Raises: ShapeError unless there are 2 axes."""
        if self.ndim != 2:
            raise ShapeError(f"T: shape {self.shape} came and 2 axes are needed; see mT")
        return shaping.transpose(self, 0, 1)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged, as a view."""
        return shaping.matrix_transpose(self)

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len: a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=1000)
        notes = []
        if self.dtype not in (dtypes.float32, dtypes.bool_, dtypes.int32):
            notes.append(f"dtype={self.dtype.name}")
        if self.device.name != "numpy":
            notes.append(f"device={self.device.name!r}")
        if self.node is not None and self.node.op is not None and self.requires_grad:
            notes.append(f"from {self.node.op.name}")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return "tensor(" + ", ".join([text, *notes]) + ")"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if not self.shape else object.__format__(self, spec)

    __hash__ = object.__hash__

    # Out of the device.
    def numpy(self) -> np.ndarray:
        """Return the values as a new NumPy array; waits for the device."""
        return self.device.download(self.array)

    def item(self) -> bool | int | float:
        """Return the only element as a Python number. Raises: ShapeError when there are others."""
        if self.size != 1:
            raise ShapeError(f"item: shape {self.shape} has {self.size} elements and 1 is needed")
        return self.numpy().item()

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self.numpy().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ArgumentError(
                "__array__: copy=False came, and a tensor is copied to become a NumPy array: "
                "numpy.from_dlpack shares its memory"
            )
        return self.numpy().astype(dtype or self.dtype.numpy, copy=False)

    def __dlpack__(
        self,
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
        from .creation import to_dlpack

        return to_dlpack(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        from .creation import dlpack_device

        return dlpack_device(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return the module whose functions take this tensor: `wgrad`, by the Array API standard.

        Raises: ArgumentError for a version of the standard that it does not follow.
        """
        from .inspection import namespace

        return namespace(api_version)

    def __complex__(self) -> complex:
        return complex(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if not self.dtype.is_integer or self.shape:
            raise DTypeError(
                f"index: a {self.dtype.name} tensor of shape {self.shape} came; a 0-d integer "
                "tensor is needed"
            )
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"bool: shape {self.shape} has {self.size} elements; use .any() or .all()"
            )
        return bool(self.item())

    # Somewhere else, as something else.
    def to(self, device: Any) -> Tensor:
        """Return the tensor on `device`; itself when it is there already. Differentiable."""
        from .devices import device as find_device

        target = find_device(device)
        if target is self.device:
            return self
        target.check_dtype(self.dtype, "to")
        return core.apply(movement.to_device, self, device=target, source=self.device)

    def to_device(self, device: Any, /, *, stream: None = None) -> Tensor:
        """Return `to(device)`, by the name of the Array API standard; no device has streams."""
        if stream is not None:
            raise ArgumentError(f"to_device: stream={shown(stream)} came, and None is needed")
        return self.to(device)

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """Return a copy as `dtype`; floats become integers by truncation. Differentiable.

        Without `copy` a tensor that has the dtype already is returned itself.
        """
        found = as_dtype(dtype)
        self.device.check_dtype(found, "astype")
        if found is not self.dtype:
            return with_dtype(self, found)
        return self.copy() if copy else self

    def detach(self) -> Tensor:
        """Return the same values (shared, not copied) with no history."""
        out = Tensor(self.array)
        if self.array.storage.history is not None:
            out.node = tape.unfollowed(self.array)
        return out

    def copy(self) -> Tensor:
        """Return a copy in memory of its own. Differentiable; `.detach().copy()` has no history."""
        return core.apply(movement.copy_, self)

    def assign(self, value: Any) -> Tensor:
        """Replace the values, in place, and return the tensor; `value` broadcasts to its shape.

        Every view of the same memory sees the new values. The result has no history: gradients
        stop here. What the tape saved before can no longer be used, and backward() says so.

        Raises: ShapeError; GradientError when `value` requires grad (its history would be lost).
        """
        value = self._for_assignment(value, "assign")
        if value.requires_grad and tape.is_recording():
            raise GradientError(
                "assign: the value requires grad, and assigning would lose its history: use "
                "value.detach(), or no_grad()"
            )
        for listener in core.listeners():
            refuse = getattr(listener, "refuse_assignment", None)
            if refuse is not None:
                refuse(value)
        value._check_fits(self.shape, "assign")
        self._check_memory("assign")
        with tape.no_grad():
            source = expanded(with_dtype(value, self.dtype), self.shape).array
        self._write(source)
        return self

    def _for_assignment(self, value: Any, where: str) -> Tensor:
        """Return what is assigned here as a tensor, of any shape. Raises: DTypeError, ..."""
        from .creation import tensor

        if not isinstance(value, Tensor):
            if not self.dtype.is_floating and np.asarray(value).dtype.kind == "f":
                raise DTypeError(
                    f"{where}: floating values came for a {self.dtype.name} tensor: convert them "
                    "first"
                )
            return tensor(value, dtype=self.dtype, device=self.device)
        if value.device is not self.device:
            raise DeviceError(
                f"{where}: the value is on {value.device.name} and the tensor on {self.device.name}"
            )
        if value.dtype.rank > self.dtype.rank:
            raise DTypeError(
                f"{where}: {value.dtype.name} values do not fit a {self.dtype.name} tensor: "
                "convert with .astype() first"
            )
        return value

    def _check_fits(self, shape: Shape, where: str) -> None:
        """Raise ShapeError unless the tensor broadcasts to `shape`."""
        if broadcast_shapes(where, self.shape, shape) != shape:
            raise ShapeError(f"{where}: shape {self.shape} does not fit shape {shape}")

    def _check_memory(self, where: str) -> None:
        """Raise ShapeError for a view in which several elements share memory."""
        layout = self.array.layout
        if 0 in layout.strides and any(
            s == 0 and n > 1 for s, n in zip(layout.strides, layout.shape, strict=True)
        ):
            raise ShapeError(
                f"{where}: the tensor of shape {self.shape} is an expanded view, whose elements "
                "share memory: assign to a copy()"
            )

    def _write(self, source: Any, owned: bool = False) -> None:
        """Give the tensor the values of an array, which nobody else holds when `owned`."""
        bounds = source.storage.bounds
        if owned:
            self.device.replace(self.array, source)
        else:
            self.device.write(self.array, source)
        self._has_changed(bounds)

    def _has_changed(self, bounds: tuple[int, int] | None = None) -> None:
        """Note that the values are others now; `bounds` are those of all of them."""
        storage, layout = self.array.storage, self.array.layout
        storage.version += 1
        whole = layout.contiguous and layout.size == storage.size
        storage.bounds = bounds if whole else None
        if whole:
            storage.history = None
        if self.node is not None and not (self.node.op is None and self.node.requires_grad):
            changing(self, "node")
            # A leaf stays one; any other identity was that of the old values.
            tracked_beside = self.array.storage.history is not None
            self.node = tape.unfollowed(self.array) if tracked_beside else None

    # Gradients.
    @property
    def requires_grad(self) -> bool:
        """Whether backward() passes through or ends at this tensor."""
        return self.node is not None and self.node.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, value: bool = True) -> Tensor:
        """Make this leaf require gradients, or not, and return it. Raises: GradientError."""
        if value and not self.dtype.is_floating:
            raise GradientError(
                f"requires_grad: {self.dtype.name} cannot require gradients; a floating dtype is "
                "needed"
            )
        if not self.is_leaf:
            raise GradientError(
                "requires_grad: only a leaf can be changed; use .detach() for a copy of this "
                "result without history"
            )
        if self.node is None:
            changing(self, "node")
            self.node = Node()
        changing(self.node, "requires_grad")
        self.node.requires_grad = bool(value)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether nothing recorded made this tensor."""
        return self.node is None or self.node.op is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() added up here; None before the first, zeros after
        zero_grad()."""
        node = self.node
        if node is None:
            return None
        tape.touch_grad(node, "read")
        if node.grad is tape.ZERO:
            node.grad = Tensor(self.device.full(self.shape, 0, self.dtype))
        return node.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        self.set_grad(value)

    def set_grad(self, value: Any) -> None:
        """Set the gradient by hand; None removes it. Raises: GradientError, ShapeError."""
        if value is None:
            if self.node is not None:
                tape.touch_grad(self.node, "set")
                self.node.grad = None
            return
        if not self.requires_grad:
            raise GradientError("set_grad: the tensor does not require grad")
        assert self.node is not None
        tape.touch_grad(self.node, "set")
        self.node.grad = self._as_cotangent(value, "set_grad")

    def _as_cotangent(self, value: Any, where: str) -> Tensor:
        """Return `value` as a gradient of this tensor: its shape, dtype and device, or an error."""
        from .creation import tensor

        if not isinstance(value, Tensor):
            value = tensor(value, dtype=self.dtype, device=self.device)
        if value.shape != self.shape:
            raise _GradientShapeError(
                f"{where}: a gradient of shape {value.shape} came for a tensor of "
                f"shape {self.shape}"
            )
        if value.dtype is not self.dtype:
            raise DTypeError(
                f"{where}: a {value.dtype.name} gradient came for a {self.dtype.name} tensor"
            )
        if value.device is not self.device:
            raise DeviceError(
                f"{where}: the gradient is on {value.device.name} and the tensor on "
                f"{self.device.name}"
            )
        return value

    def zero_grad(self) -> None:
        """Set the gradient, if there is one, to zeros."""
        if self.node is not None:
            tape.touch_grad(self.node, "clear")
            if self.node.grad is not None:
                self.node.grad = tape.ZERO

    def retain_grad(self) -> None:
        """Make backward() keep the gradient of this intermediate result in `.grad`."""
        if not self.requires_grad:
            raise GradientError("retain_grad: the tensor does not require grad")
        assert self.node is not None
        changing(self.node, "retains_grad")
        self.node.retains_grad = True

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call `hook(gradient)` when this tensor's gradient is complete, in every backward pass.

        A tensor that it returns takes the gradient's place. Returns a handle with `remove()`.
        """
        if not self.requires_grad:
            raise GradientError("register_hook: the tensor does not require grad")
        assert self.node is not None
        return HookHandle(self.node, hook)

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the gradients of this tensor to the `.grad` of every leaf that leads to it.

        `gradient` is the cotangent to start from; a 0-d tensor starts from 1. Calling it twice
        adds twice. With `create_graph` the gradients can be differentiated themselves.

        Raises: GradientError without a graph, for a root that is not 0-d without `gradient`, and
        when a saved tensor was assigned to; ShapeError for a gradient of the wrong shape.
        """
        if not self.requires_grad:
            raise GradientError(
                "backward: the tensor does not require grad: nothing that led to it was recorded"
            )
        if gradient is None:
            if self.shape:
                raise GradientError(
                    f"backward: a root of shape {self.shape} needs gradient=, a tensor of that "
                    "shape; only a 0-d root starts from 1"
                )
            gradient = Tensor(self.device.full((), 1, self.dtype))
        tape.check_history(self, "backward")
        ct = self._as_cotangent(gradient, "backward")
        assert self.node is not None
        tape.backward(self.node, ct, create_graph)

    # Copies and pickles: values and what a leaf carries; never the graph.
    def __deepcopy__(self, memo: dict) -> Tensor:
        grad = None if self.grad is None else self.grad.detach().copy()
        leaf = self.requires_grad and self.is_leaf
        return _rebuilt(self.detach().copy(), leaf, grad if leaf else None)

    def __reduce__(self) -> tuple[Any, ...]:
        grad = None if self.grad is None else self.grad.numpy()
        return _unpickle, (
            self.numpy(),
            self.dtype.name,
            self.device.name,
            self.requires_grad and self.is_leaf,
            grad,
        )

    # Indexing.
    def __getitem__(self, key: Any) -> Tensor:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        indexing.setitem(self, key, value)

    # Operators.
    def __add__(self, other: Any) -> Tensor:
        return ew.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ew.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ew.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ew.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ew.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ew.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ew.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ew.divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ew.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ew.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ew.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ew.remainder(other, self)

    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ew.floor_divide(self, other), ew.remainder(self, other)

    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return ew.floor_divide(other, self), ew.remainder(other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return ew.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return ew.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return ew.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return ew.bitwise_right_shift(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return functional.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return functional.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return functional.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return functional.matmul(other, self)

    def __neg__(self) -> Tensor:
        return ew.negative(self)

    def __pos__(self) -> Tensor:
        return core.apply(movement.alias, self)

    def __abs__(self) -> Tensor:
        return ew.abs_(self)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise, as in NumPy
        return ew.equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]  # likewise
        return ew.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ew.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ew.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ew.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ew.greater_equal(self, other)

    def __and__(self, other: Any) -> Tensor:
        return ew.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return ew.bitwise_and(other, self)

    def __or__(self, other: Any) -> Tensor:
        return ew.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return ew.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Tensor:
        return ew.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return ew.bitwise_xor(other, self)

    def __invert__(self) -> Tensor:
        return ew.bitwise_invert(self)

    # The common functions as methods.
    def exp(self) -> Tensor:
        return ew.exp(self)

    def log(self) -> Tensor:
        return ew.log(self)

    def sqrt(self) -> Tensor:
        return ew.sqrt(self)

    def square(self) -> Tensor:
        return ew.square(self)

    def sin(self) -> Tensor:
        return ew.sin(self)

    def cos(self) -> Tensor:
        return ew.cos(self)

    def tanh(self) -> Tensor:
        return ew.tanh(self)

    def sigmoid(self) -> Tensor:
        return ew.sigmoid(self)

    def relu(self) -> Tensor:
        return ew.relu(self)

    def abs(self) -> Tensor:
        return ew.abs_(self)

    def sign(self) -> Tensor:
        return ew.sign(self)

    def acos(self) -> Tensor:
        return ew.acos(self)

    def acosh(self) -> Tensor:
        return ew.acosh(self)

    def asin(self) -> Tensor:
        return ew.asin(self)

    def asinh(self) -> Tensor:
        return ew.asinh(self)

    def atan(self) -> Tensor:
        return ew.atan(self)

    def atanh(self) -> Tensor:
        return ew.atanh(self)

    def ceil(self) -> Tensor:
        return ew.ceil(self)

    def cosh(self) -> Tensor:
        return ew.cosh(self)

    def erf(self) -> Tensor:
        return ew.erf(self)

    def exp2(self) -> Tensor:
        return ew.exp2(self)

    def expm1(self) -> Tensor:
        return ew.expm1(self)

    def floor(self) -> Tensor:
        return ew.floor(self)

    def log1p(self) -> Tensor:
        return ew.log1p(self)

    def log2(self) -> Tensor:
        return ew.log2(self)

    def log10(self) -> Tensor:
        return ew.log10(self)

    def round(self) -> Tensor:
        return ew.round_(self)

    def sinh(self) -> Tensor:
        return ew.sinh(self)

    def tan(self) -> Tensor:
        return ew.tan(self)

    def trunc(self) -> Tensor:
        return ew.trunc(self)

    def pow(self, exponent: Any) -> Tensor:
        return functional.pow(self, exponent)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        return functional.clip(self, min, max)

    def sum(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
        return functional.sum(self, axis, keepdims, dtype=dtype)

    def prod(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Tensor:
        return functional.prod(self, axis, keepdims, dtype=dtype)

    def cumulative_sum(
        self, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
    ) -> Tensor:
        return functional.cumulative_sum(self, axis, dtype=dtype, include_initial=include_initial)

    def cumulative_prod(
        self, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
    ) -> Tensor:
        return functional.cumulative_prod(self, axis, dtype=dtype, include_initial=include_initial)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return functional.mean(self, axis, keepdims)

    def var(self, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0) -> Tensor:
        return functional.var(self, axis, keepdims, correction=correction)

    def std(self, axis: Any = None, keepdims: bool = False, *, correction: float = 0.0) -> Tensor:
        return functional.std(self, axis, keepdims, correction=correction)

    def norm(self, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Tensor:
        return functional.norm(self, axis, keepdims, ord)

    def max(self, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
        return functional.max(self, axis, keepdims, ties)

    def min(self, axis: Any = None, keepdims: bool = False, ties: str = "all") -> Tensor:
        return functional.min(self, axis, keepdims, ties)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.any_(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.all_(self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return functional.argmax(self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return functional.argmin(self, axis, keepdims)

    def softmax(self, axis: int = -1) -> Tensor:
        return functional.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        return functional.log_softmax(self, axis)

    def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return functional.logsumexp(self, axis, keepdims)

    def matmul(self, other: Any) -> Tensor:
        return functional.matmul(self, other)

    def reshape(self, *shape: Any, copy: bool | None = None) -> Tensor:
        return shaping.reshape(self, _one_or_many(shape), copy=copy)

    def view(self, *shape: Any) -> Tensor:
        return shaping.view(self, _one_or_many(shape))

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        return shaping.flatten(self, start_axis, end_axis)

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        return shaping.transpose(self, axis0, axis1)

    def moveaxis(self, source: Any, destination: Any) -> Tensor:
        return shaping.moveaxis(self, source, destination)

    def permute_dims(self, *axes: Any) -> Tensor:
        return shaping.permute_dims(self, _one_or_many(axes))

    def broadcast_to(self, *shape: Any) -> Tensor:
        return shaping.broadcast_to(self, _one_or_many(shape))

    def expand_dims(self, axis: Any) -> Tensor:
        return shaping.expand_dims(self, axis)

    def squeeze(self, axis: Any = None) -> Tensor:
        return shaping.squeeze(self, axis)

    def flip(self, axis: Any = None) -> Tensor:
        return shaping.flip(self, axis)

    def roll(self, shift: Any, axis: Any = None) -> Tensor:
        return shaping.roll(self, shift, axis)

    def tile(self, repetitions: Any) -> Tensor:
        return shaping.tile(self, repetitions)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        return shaping.repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return shaping.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return functional.trace(self, offset, axis1, axis2)

    def argsort(self, axis: int = -1, descending: bool = False) -> Tensor:
        return indexing.argsort(self, axis, descending)

    def sort(self, axis: int = -1, descending: bool = False) -> Tensor:
        return indexing.sort(self, axis, descending)

    def topk(self, k: int, axis: int = -1, largest: bool = True) -> Any:
        return indexing.topk(self, k, axis, largest)

    def nonzero(self) -> Any:
        return indexing.nonzero(self)

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        return indexing.take(self, indices, axis)


# A method says what the function of its name says.
for _name in [n for n in vars(Tensor) if not n.startswith("_")]:
    _method = vars(Tensor)[_name]
    if callable(_method) and not _method.__doc__:
        for _home in (functional, shaping, indexing, ew, reduction):
            _function = getattr(_home, _name, None) or getattr(_home, _name + "_", None)
            if _function is not None and _function.__doc__:
                _method.__doc__ = _function.__doc__
                break


class _GradientShapeError(GradientError, ShapeError):
    """A gradient of the wrong shape is both misuse of the tape and a wrong shape."""


class HookHandle:
    """What `register_hook` returns; `remove()` takes the hook away."""

    _keys = itertools.count()  # not the handle's id, which is free again when nobody keeps it

    def __init__(self, node: Node, hook: Callable):
        changing(node, "hooks")
        if node.hooks is None:
            node.hooks = {}
        self._hooks = node.hooks
        self._key = next(self._keys)
        self._hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook away; removing twice does nothing."""
        changing(self._hooks)
        self._hooks.pop(self._key, None)


def _one_or_many(items: tuple[Any, ...]) -> Any:
    """Return the arguments of x.reshape(2, 3) and of x.reshape((2, 3)) alike."""
    return items[0] if len(items) == 1 and isinstance(items[0], (tuple, list)) else items


def _rebuilt(out: Tensor, requires_grad: bool, grad: Tensor | None) -> Tensor:
    if requires_grad:
        out.requires_grad_()
        out.set_grad(grad)
    return out


def _unpickle(data: np.ndarray, dtype: str, device: str, requires_grad: bool, grad: Any) -> Tensor:
    """Rebuild a pickled tensor on its device, or on the default one where that does not exist."""
    from .creation import tensor
    from .devices import default_device, log
    from .devices import device as find_device

    try:
        target = find_device(device)
    except ForkedError:
        raise
    except WgradError as error:
        target = default_device()
        log.warning("unpickling onto %s instead of %s: %s", target.name, device, error)
    out = tensor(data, dtype, target)
    return _rebuilt(out, requires_grad, None if grad is None else tensor(grad, dtype, target))


core.set_tensor_type(Tensor)
