"""Tensor: operators and methods over the functions of the other modules; thin on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import core, dtypes, functional, indexing, shaping, tape
from ..backends.tracing import changing
from ..core import Node, Value
from ..core.batched import differs, everything
from ..creation import dlpack_device, host_array, tensor, to_dlpack
from ..devices import default_device, log
from ..devices import device as find_device
from ..dtypes import as_dtype
from ..errors import (
    ArgumentError,
    CallError,
    DeviceError,
    DTypeError,
    ForkedError,
    GradientError,
    ShapeError,
    VmapError,
    WgradError,
    shown,
)
from ..inspection import namespace, of_ufunc
from ..interrupts import handled_outside, interrupts_wait
from ..layout import Shape, broadcast_shapes
from ..ops import elementwise as ew
from ..ops import movement, reduction
from ..ops.families import expanded, with_dtype
from ..origin import unpacked
from ..tape import identity
from .aliases import Aliases
from .gradients import Gradients
from .methods import Methods
from .operators import Operators
from .placing import place_and_dtype
from .ported import Size, one_or_many


class Tensor(Operators, Methods, Aliases, Gradients):
    """An array on a device that can be differentiated through.

    Made by functions such as `wg.tensor`, not by calling the class. `.backward()` fills the `.grad`
    of the leaves that require gradients; everything else follows NumPy. `x += y`, `x[...] = y` and
    `assign` write in place; but where the tape follows x or y, `x += y` is `x = x + y`, a new
    tensor, so that what was saved stays true, and for a leaf that requires grad an error.

    >>> x = wg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad, x.shape, x.dtype
    (tensor([2., 4., 6.]), (3,), wgrad.float32)
    >>> y = wg.zeros(3)
    >>> y[1:] = x.detach()[:2]
    >>> y.numpy()
    array([0., 1., 2.], dtype=float32)
    """

    __slots__ = ()
    __array_priority__ = 1000  # NumPy arrays on the left of an operator leave it to us

    # What it is.
    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Size:
        """The number of elements; called, as in PyTorch, the shape: `x.size()`, `x.size(0)`."""
        layout = self.array.layout
        return Size(layout.size, layout.shape)

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
            raise CallError("len: a 0-d tensor came, which has no length: x.item() is its number")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise CallError("iter: a 0-d tensor came, which has no rows: x.item() is its number")
        wanted, rows = unpacked(), len(self)
        if wanted is not None and wanted != rows:
            hint = (
                "; max, min, median and sort return values alone: argmax(x, axis), argmin and "
                "argsort have their places"
            )
            raise ShapeError(
                f"unpacking: a tensor of shape {self.shape} came for {wanted} names, and it has "
                f"{rows} rows{hint if wanted == 2 else ''}"
            )
        return (self[i] for i in range(rows))

    def __repr__(self) -> str:
        if differs(self):
            return f"<an example of a vmap: {self.dtype.name} of shape {self.shape}>"
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

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return of_ufunc(ufunc, method, inputs, kwargs)

    __dlpack__ = to_dlpack
    __dlpack_device__ = dlpack_device

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return the module whose functions take this tensor: `wgrad`, by the Array API standard.

        Raises: ArgumentError for a version of the standard that it does not follow.
        """
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
    def to(self, device: Any = None, dtype: Any = None) -> Tensor:
        """Return the tensor on `device` and as `dtype`; itself where it is so. Differentiable.

        A dtype may come first, `x.to(wg.float32)`, and another tensor instead of both, whose device
        and dtype are taken. What is left out stays as it is.
        """
        target, kind = place_and_dtype(device, dtype, "to")
        (target or self.device).check_dtype(kind or self.dtype, "to")
        if target is None or target is self.device:
            return self if kind is None else self.astype(kind, copy=False)
        # Converted on the device that has both dtypes.
        here = self.astype(kind, copy=False) if kind in self.device.dtypes else self
        there = core.apply(movement.to_device, here, device=target, source=self.device)
        return there if kind is None else there.astype(kind, copy=False)

    def to_device(self, device: Any, /, *, stream: None = None) -> Tensor:
        """Return `to(device)`, by the name of the Array API standard; no device has streams."""
        if stream is not None:
            raise ArgumentError(f"to_device: stream={shown(stream)} came, and None is needed")
        return self.to(device)

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """Return a copy as `dtype`; floats become integers by truncation. Differentiable.

        Without `copy` a tensor that has the dtype already is returned itself.
        """
        target = as_dtype(dtype)
        self.device.check_dtype(target, "astype")
        if target is not self.dtype:
            return with_dtype(self, target)
        return self.copy() if copy else self

    def detach(self) -> Tensor:
        """Return the same values (shared, not copied) with no history."""
        return Tensor(self.array, tape.unfollowed(self.array))

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
        for interpreter in core.interpreters():
            interpreter.refuse_assignment(value)
        value._check_fits(self.shape, "assign")
        self._check_memory("assign")
        self._write(handled_outside(tape.recording, False, self._ready, value).array)
        return self

    def _ready(self, value: Tensor) -> Tensor:
        """Return what is assigned in the tensor's own dtype and shape."""
        return expanded(with_dtype(value, self.dtype), self.shape)

    def _for_assignment(self, value: Any, where: str) -> Tensor:
        """Return what is assigned here as a tensor, of any shape. Raises: DTypeError, ..."""
        if not isinstance(value, Tensor):
            value = host_array(value, where)
            if not self.dtype.is_floating and value.dtype.kind == "f":
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
        whole = everything(self).array
        if not whole.layout.contiguous and whole.layout.overlaps:
            raise ShapeError(
                f"{where}: the tensor of shape {self.shape} is an expanded view, whose elements "
                "share memory: assign to a copy()"
            )

    _write = identity.write

    # Copies and pickles: values and what a leaf carries; never the graph.
    def __deepcopy__(self, memo: dict) -> Tensor:
        grad = None if self.grad is None else self.grad.detach().copy()
        leaf = self.requires_grad and self.is_leaf
        return _rebuilt(self.detach().copy(), leaf, grad, self.is_parameter)

    def __reduce__(self) -> tuple[Any, ...]:
        grad = None if self.grad is None else self.grad.numpy()
        return _unpickle, (
            self.numpy(),
            self.dtype.name,
            self.device.name,
            self.requires_grad and self.is_leaf,
            grad,
            self.is_parameter,
        )

    # Indexing.
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem

    # Functions of which one argument is written as several.
    def reshape(self, *shape: Any, copy: bool | None = None) -> Tensor:
        """Return `wg.reshape(x, shape)`: `x.reshape(2, -1)` or `x.reshape((2, -1))`."""
        return shaping.reshape(self, one_or_many(shape), copy=copy)

    def view(self, *shape: Any) -> Tensor:
        """Return `wg.view(x, shape)`, which never copies: `x.view(2, -1)` or `x.view((2, -1))`."""
        return shaping.view(self, one_or_many(shape))

    def permute_dims(self, *axes: Any) -> Tensor:
        """Return `wg.permute_dims(x, axes)`: `x.permute_dims(1, 0)` or `x.permute_dims((1, 0))`."""
        return shaping.permute_dims(self, one_or_many(axes))

    def broadcast_to(self, *shape: Any) -> Tensor:
        """Return `wg.broadcast_to(x, shape)`, with one shape or its extents one by one."""
        return shaping.broadcast_to(self, one_or_many(shape))

    # Functions whose second argument has a name here.
    def pow(self, exponent: Any) -> Tensor:
        """Return `x ** exponent`, as `wg.pow` does."""
        return functional.pow(self, exponent)

    def matmul(self, other: Any) -> Tensor:
        """Return the matrix product `x @ other`, as `wg.matmul` does."""
        return functional.matmul(self, other)


def _rebuilt(out: Tensor, requires_grad: bool, grad: Tensor | None, parameter: bool) -> Tensor:
    if requires_grad or parameter:
        out.requires_grad_()
        out.set_grad(grad)
        out.requires_grad_(requires_grad)
    return out


def _unpickle(
    data: np.ndarray,
    dtype: str,
    device: str,
    requires_grad: bool,
    grad: Any,
    parameter: bool = False,
) -> Tensor:
    """Rebuild a pickled tensor on its device, or on the default one where that does not exist."""
    try:
        target = find_device(device)
    except ForkedError:
        raise
    except WgradError as error:
        target = default_device()
        log.warning("unpickling onto %s instead of %s: %s", target.name, device, error)
    out = tensor(data, dtype, target)
    gradient = None if grad is None else tensor(grad, dtype, target)
    return _rebuilt(out, requires_grad, gradient, parameter)


core.set_tensor_type(Tensor)
