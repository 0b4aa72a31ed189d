"""The bilinear map: a matrix for each output between two inputs."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ShapeError
from ..ops.reduction import sum_
from ..shaping import reshape
from .linalg import linear


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Tensor:
    """Return y[k] = input1 @ weight[k] @ input2 + bias[k].

    Shapes: input1 (..., n), input2 (..., m), weight (k, n, m), bias (k,) -> (..., k).
    Raises: ShapeError, DTypeError.
    """
    weight = as_tensor(weight, "bilinear")
    x1, x2 = (as_tensor(x, "bilinear", weight) for x in (input1, input2))
    k, n, m = weight.shape if len(weight.shape) == 3 else (0, 0, 0)
    if (
        len(weight.shape) != 3
        or x1.shape[-1:] != (n,)
        or x2.shape[-1:] != (m,)
        or x1.shape[:-1] != x2.shape[:-1]
    ):
        raise ShapeError(
            f"bilinear: inputs {x1.shape} and {x2.shape} and weight {weight.shape} disagree: "
            "(..., n), (..., m) and (k, n, m) are needed"
        )
    lead = x1.shape[:-1]
    right = reshape(linear(x2, reshape(weight, (k * n, m))), (*lead, k, n))
    out = sum_(right * reshape(x1, (*lead, 1, n)), axis=-1)
    if bias is None:
        return out
    bias = as_tensor(bias, "bilinear", weight)
    if bias.shape != (k,):
        raise ShapeError(f"bilinear: bias {bias.shape} came, and ({k},) is needed")
    return out + bias
