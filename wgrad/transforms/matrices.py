"""Whole matrices of derivatives: jacobian and hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import guarded
from ..creation import tensor
from ..errors import ArgumentError, shown
from ..shaping import reshape, stack
from ..tensor import Tensor
from .forward import jvp
from .inputs import as_input, output
from .reverse import grad, vjp


def basis(x: Tensor) -> list[Tensor]:
    """Return the unit tensors of the shape of `x`, in order."""
    eye = np.eye(x.size, dtype=x.dtype.numpy).reshape(x.size, *x.shape)
    return [tensor(e, x.dtype, x.device) for e in eye]


def jacobian(f: Callable, mode: str = "auto") -> Callable[..., Tensor]:
    """Return a function that gives the Jacobian of f by its first argument.

    Shapes: f: (n...) -> (m...) gives (m..., n...). `mode` is "forward" (one pass a column),
    "reverse" (one pass a row) or "auto": whichever has fewer.
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(
            f'jacobian: mode {shown(mode)} came; "auto", "forward" or "reverse" needed'
        )

    def compute(x: Any, *rest: Any, **kwargs: Any) -> Tensor:
        x = as_input(x, "jacobian", 0)
        if mode != "forward":
            out, pull = vjp(lambda a: f(a, *rest, **kwargs), x)
            if mode == "reverse" or out.size <= x.size:
                rows = [pull(e) for e in basis(out)]
                if not rows:
                    return Tensor(x.device.full((*out.shape, *x.shape), 0, out.dtype))
                return reshape(stack(rows), (*out.shape, *x.shape))
        columns = []
        for e in basis(x):
            out, column = jvp(lambda a: f(a, *rest, **kwargs), (x,), (e,))
            columns.append(column)
        if not columns:
            shape = output(f(x, *rest, **kwargs), "jacobian").shape
            return Tensor(x.device.full((*shape, *x.shape), 0, x.dtype))
        return reshape(stack(columns, axis=-1), (*columns[0].shape, *x.shape))

    return guarded(compute, "jacobian")


def hessian(f: Callable) -> Callable[..., Tensor]:
    """Return a function that gives the Hessian of f by its first argument.

    Shapes: f: (n...) -> () gives (n..., n...).
    """
    return jacobian(grad(f), mode="forward")
