"""Checks of the arguments of matrix functions: stacks of matrices in a floating dtype."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..core import Tensor, check_devices
from ..creation.inputs import as_tensor, as_tensors
from ..errors import ShapeError
from ..layout import broadcast_shapes
from ..ops.families import expanded, with_dtype
from .precision import floating


def matrices(x: Any, op: str, square: bool = False) -> Tensor:
    """Return a stack of matrices. Raises: ShapeError."""
    x = as_tensor(x, op)
    _check(x, op, square)
    return floating(x)


def equations(a: Any, b: Any, op: str) -> tuple[Tensor, Tensor]:
    """Return square matrices and right sides of one dtype, with equal leading axes.

    Raises: ShapeError, DeviceError.
    """
    a, b = as_tensors(op, a, b)
    _check(a, op, True)
    if len(b.shape) < 2 or b.shape[-2] != a.shape[-1]:
        raise ShapeError(
            f"{op}: a {a.shape} and b {b.shape} disagree: b needs {a.shape[-1]} rows, as many as a"
        )
    check_devices(op, (a, b))
    lead = broadcast_shapes(op, a.shape[:-2], b.shape[:-2])
    common = dtypes.promote(a.dtype, b.dtype)
    if not common.is_floating:
        common = dtypes.float32
    a, b = (expanded(with_dtype(x, common), (*lead, *x.shape[-2:])) for x in (a, b))
    return a, b


def _check(x: Tensor, op: str, square: bool) -> None:
    if len(x.shape) < 2:
        raise ShapeError(f"{op}: shape {x.shape} came, and at least 2 axes are needed")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{op}: shape {x.shape} came, and square matrices are needed")
