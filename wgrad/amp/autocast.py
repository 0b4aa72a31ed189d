"""autocast: an interpreter that says in which float each operation computes."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import checked_flag
from ..core import Input, Interpreter, Op, Value, apply
from ..core.interpret import Interpreted, current, within
from ..dtypes import DType, as_dtype, float16, float32, float64
from ..errors import DTypeError
from ..ops.families import with_dtype
from ..ops.host import Host
from ..ops.linear import Bilinear
from ..ops.reduction import Reduction
from ..ops.scan import Running
from ..tensor import Tensor

# Elementwise operations whose results leave float16's range or digits sooner than their inputs do.
_WIDE = frozenset(
    {
        *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp", "pow", "square"),
        *("reciprocal", "hypot", "sinh", "cosh", "tan", "acos", "asin", "softplus", "logsigmoid"),
        *("erfinv", "lgamma", "digamma", "polygamma", "binary_cross_entropy", "cumulative_sum"),
        *("overlap_add", "scatter_add"),
    }
)


class Autocasting(Interpreter):
    """Products get float16; sums, and what grows fast, get float32; all else what comes."""

    is_transparent = compiles = True
    narrows = True

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        wanted = self._wanted(op)
        if wanted is not None and not any(_dtype(x) is float64 for x in inputs):
            other = float32 if wanted is float16 else float16
            given = [with_dtype(x, wanted) if _dtype(x) is other else x for x in inputs]
            return apply(op, *given, **params)
        return apply(op, *inputs, **params)

    @staticmethod
    def _wanted(op: Op) -> DType | None:
        if isinstance(op, Bilinear):
            return float16
        is_wide = isinstance(op, (Reduction, Running, Host)) or op.name in _WIDE
        return float32 if is_wide else None


class _Plain(Autocasting):
    """Lets everything compute as it is: an inner block in which nothing is converted."""

    narrows = False

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        return within(current.get().exact(), apply, op, *inputs, **params)


def _dtype(x: Any) -> DType | None:
    return x.dtype if isinstance(x, Value) else None


class autocast(Interpreted):
    """Compute products in float16 inside the block, and sums in float32: mixed precision.

    `matmul`, `linear`, convolutions and attention take their operands in float16 (and add up in
    float32); reductions, exponentials and logarithms, and with them softmax, losses and norms, take
    float32. What is float64 stays so. Parameters keep their dtype and get gradients in it. Call
    backward() outside of the block, with the loss scaled by a `GradScaler`.

    It is a decorator, too, and belongs inside or around a compiled function. With `enabled=False`
    it does nothing. Raises: DTypeError for another dtype; what an operation raises on a device
    without float16.

    >>> a, b = wg.ones((2, 2)), wg.ones((2, 2))
    >>> with wg.autocast():
    ...     product = a @ b
    ...     total = product.sum()
    >>> product.dtype, total.dtype
    (wgrad.float16, wgrad.float32)
    """

    interpreter = Autocasting()

    def __init__(self, dtype: Any = float16, enabled: bool = True):
        if as_dtype(dtype) is not float16:
            raise DTypeError(f"autocast: dtype={dtype} came, and float16 is what it computes in")
        if not checked_flag(enabled, "autocast", "enabled"):
            self.interpreter = _Plain()
