"""Clipping: gradients made smaller where they are large, all at once or element by element.

All of it is computed on the device: nothing waits for a number, and a compiled step keeps its
program.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ...backends.varying import Varying
from ...checks.arguments import checked_flag, number
from ...core.tracing import tracing
from ...creation import zeros
from ...dtypes import float16, float32
from ...errors import ArgumentError, DTypeError, GradientError, shown
from ...functional import norm
from ...ops.elementwise import maximum, minimum
from ...shaping import stack
from ...tensor import Tensor


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Return the norm of all elements of some tensors together, a scalar on the first's device.

    `norm_type` is the p of a p-norm, or `inf` for the largest size; without tensors the norm is 0.
    With error_if_nonfinite the host reads it, which no compiled function can, and NaN and inf are
    an error. Raises: ArgumentError, DTypeError, GradientError.

    ```python
    nn.utils.get_total_norm([wg.tensor([3.0]), wg.tensor([[4.0]])]).item()  # 5.0
    ```

    >>> wg.nn.utils.get_total_norm([wg.tensor([3.0]), wg.tensor([4.0])])
    tensor(5.)
    """
    name = "get_total_norm"
    return _total(
        [x.detach() for x in _tensors(tensors, name)], norm_type, error_if_nonfinite, name
    )


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Shrink all gradients by one factor, so that their norm together is at most max_norm.

    The factor is min(1, max_norm / (norm + 1e-6)). Returns the norm from before, a scalar tensor.
    The other arguments are those of get_total_norm. Parameters without a gradient are passed over.
    It follows `backward()` and comes before `optimizer.step()`, inside a compiled step too.

    Raises: ArgumentError for a negative max_norm; DTypeError, GradientError.

    >>> w = wg.parameter([3.0, 4.0])
    >>> w.square().sum().backward()  # a gradient of norm 10
    >>> wg.nn.utils.clip_grad_norm_([w], max_norm=5.0)
    tensor(10.)
    >>> wg.round(w.grad)
    tensor([3., 4.])
    """
    name = "clip_grad_norm_"
    params = _with_gradients(parameters, name)
    limit = _limit(max_norm, name, "max_norm")
    total = _total([p.grad.detach() for p in params], norm_type, error_if_nonfinite, name)  # type: ignore[union-attr]
    _scale(params, limit, total)
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor
) -> None:
    """Shrink all gradients by one factor, for a norm that is known: from get_total_norm.

    The factor is min(1, max_norm / (total_norm + 1e-6)). Raises: ArgumentError, DTypeError.
    """
    name = "clip_grads_with_norm_"
    params = _with_gradients(parameters, name)
    if not isinstance(total_norm, Tensor) or total_norm.size != 1:
        came = total_norm.shape if isinstance(total_norm, Tensor) else shown(total_norm)
        raise ArgumentError(f"{name}: total_norm={came} came, and a tensor of one number is needed")
    _scale(params, _limit(max_norm, name, "max_norm"), total_norm.detach().reshape(()))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of every gradient into the range from -clip_value to clip_value.

    Parameters without a gradient are passed over.

    Raises: ArgumentError for a negative clip_value; DTypeError.

    >>> w = wg.parameter([3.0, 0.25])
    >>> w.square().sum().backward()
    >>> wg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([1. , 0.5])
    """
    name = "clip_grad_value_"
    params = _with_gradients(parameters, name)
    limit = _limit(clip_value, name, "clip_value")
    for p in params:
        grad = p.grad.detach()  # type: ignore[union-attr]  # they have one
        _give(p, minimum(maximum(grad, -limit), limit))


def _total(tensors: list[Tensor], norm_type: Any, error_if_nonfinite: Any, where: str) -> Tensor:
    """Return the norm of all tensors together."""
    order = float(number(norm_type, where, "norm_type"))
    if math.isnan(order):
        raise ArgumentError(f"{where}: norm_type=nan came, and the p of a norm is needed")
    strict = checked_flag(error_if_nonfinite, where, "error_if_nonfinite")
    tracer = tracing()
    if strict and tracer is not None:
        tracer.refuse(
            f"{where} with error_if_nonfinite=True reads the norm on the host: return the norm "
            "from the compiled function and look at it there, or find the cause with "
            "wg.detect_anomaly()"
        )
    if not tensors:
        return zeros(())
    wide = [x.astype(float32) if x.dtype is float16 else x for x in tensors]
    norms = [norm(x, ord=order) for x in wide]
    first = norms[0]
    if len(norms) > 1:
        # In the widest dtype among them, on one device.
        dtype = max((x.dtype for x in norms), key=lambda d: d.itemsize)
        first = norm(stack([x.to(first.device).astype(dtype) for x in norms]), ord=order)
    if strict and not math.isfinite(first.item()):
        raise GradientError(
            f"{where}: the norm is {first.item()}, and a finite one is needed: "
            "wg.detect_anomaly() finds the operation that gave NaN or inf"
        )
    return first


def _scale(params: list[Tensor], limit: Any, total: Tensor) -> None:
    if not params:
        return
    factor = minimum(limit / (total + 1e-6), 1.0)
    here = {total.device: factor}
    for p in params:
        grad = p.grad.detach()  # type: ignore[union-attr]  # they have one
        if grad.device not in here:
            here[grad.device] = factor.to(grad.device)
        _give(p, (grad * here[grad.device]).astype(grad.dtype))


def _give(p: Tensor, values: Tensor) -> None:
    """Give a gradient new values, in place where each element has memory of its own."""
    grad = p.grad.detach()  # type: ignore[union-attr]  # it has one
    if grad.array.layout.overlaps:
        p.set_grad(values)
    else:
        grad.assign(values)


def _limit(value: Any, where: str, name: str) -> Any:
    """Return a number of at least 0; a float argument of a compiled function stays one."""
    seen = value.seen() if type(value) is Varying else value
    if isinstance(seen, (int, float)) and not isinstance(seen, bool) and seen >= 0:
        return value
    raise ArgumentError(
        f"{where}: {name}={shown(value)} came, and a number of at least 0 is needed"
    )


def _tensors(given: Any, where: str) -> list[Tensor]:
    listed = [given] if isinstance(given, Tensor) else given
    if isinstance(listed, str) or not isinstance(listed, Iterable):
        raise DTypeError(f"{where}: {shown(given)} came, and tensors are needed")
    found = []
    for x in listed:  # one at a time: they may be endless
        if not isinstance(x, Tensor):
            raise DTypeError(f"{where}: {shown(x)} came, and a tensor is needed")
        if not x.dtype.is_floating:
            raise DTypeError(f"{where}: a {x.dtype.name} tensor came, and floats are needed")
        found.append(x)
    return found


def _with_gradients(given: Any, where: str) -> list[Tensor]:
    return [p for p in _tensors(given, where) if p.grad is not None]
