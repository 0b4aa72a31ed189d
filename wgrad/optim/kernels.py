"""Kernels of a step: each does in one pass over memory what several operations would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends.array import Body
from ..backends.varying import Varying
from ..dtypes import DType
from ..tensor import Tensor


class StepKernel:
    """An elementwise kernel over tensors of one shape and device, and numbers.

    It takes float16 beside float32. Nothing records it: it has no derivative.
    """

    def __init__(self, name: str, wgsl: str, numpy: Callable[..., Any]):
        self._body = Body(name, wgsl, numpy)

    def __call__(self, first: Tensor, *others: Any, dtype: DType | None = None) -> Tensor:
        """Return the result, in `dtype` or that of the first operand."""
        x = first.array
        operands, kinds = [x], [x.dtype]
        for y in others:
            if isinstance(y, Tensor):
                y = y.array
                kinds.append(y.dtype)
            else:
                kinds.append(x.dtype)
                if type(y) is Varying:
                    y = y.live()
            operands.append(y)
        return Tensor(
            x.storage.device.map(self._body, operands, kinds, x.layout.shape, dtype or x.dtype)
        )


NEGATED = StepKernel("negated_gradient", "-a", np.negative)
