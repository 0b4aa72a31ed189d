"""Whole matrices of derivatives: jacobian and hessian, many rows or columns in one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import guarded
from ..checks.arguments import checked_choice
from ..checks.arguments import size as checked_size
from ..creation import tensor
from ..errors import VmapError
from ..repeated import Draws
from ..shaping import concat, moveaxis, reshape, stack
from ..tensor import Tensor
from .batch import vmap
from .forward import jvp
from .inputs import as_input, output
from .reverse import grad, vjp

AT_ONCE = 1 << 22  # elements of directions that go through a function in one pass


def basis(x: Tensor) -> list[Tensor]:
    """Return the unit tensors of the shape of `x`, in order."""
    return list(_units(x, 0, x.size))


def _units(x: Tensor, start: int, stop: int) -> Tensor:
    """Return some of the unit tensors of the shape of `x`, one after the other."""
    eye = np.eye(stop - start, x.size, start, dtype=x.dtype.numpy)
    return tensor(eye.reshape(stop - start, *x.shape), x.dtype, x.device)


def _swept(f: Callable, x: Tensor, chunk_size: int | None) -> Tensor:
    """Return f of every unit tensor of the shape of `x`, one after the other."""
    size = chunk_size or max(1, AT_ONCE // x.size)
    mapped = vmap(f, randomness="same")
    draws = Draws()

    def one_by_one(units: Tensor) -> Tensor:
        results = []
        for e in units:
            with draws.one_pass():
                results.append(f(e))
        return stack(results)

    parts = []
    for start in range(0, x.size, size):
        units = _units(x, start, min(start + size, x.size))
        try:
            with draws.one_pass():
                parts.append(mapped(units))
        except VmapError:  # a rule of the user's that looks at values takes one at a time
            parts.append(one_by_one(units))
    return parts[0] if len(parts) == 1 else concat(parts)


def jacobian(f: Callable, mode: str = "auto", chunk_size: int | None = None) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of f by its first argument.

    Shapes: f: (n...) -> (m...) gives (m..., n...). `mode` is "forward" (a direction for each
    column), "reverse" (one for each row) or "auto": whichever needs fewer. All directions go
    through f at once (see `vmap`), or `chunk_size` of them, which needs less memory. Random numbers
    that f draws are the same for all of them.

    Raises: ArgumentError; and as `vjp` and `jvp` do.

    >>> wg.jacobian(lambda x: x * x)(wg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    checked_choice(mode, ("auto", "forward", "reverse"), "jacobian", "mode")
    return _jacobian(f, mode, chunk_size, "jacobian")


def _jacobian(f: Callable, mode: str, chunk_size: int | None, op: str) -> Callable[..., Any]:
    if chunk_size is not None:
        chunk_size = checked_size(chunk_size, f"{op}: chunk_size")

    def compute(x: Any, *rest: Any, **kwargs: Any) -> Tensor:
        x = as_input(x, op, 0)

        def g(a: Tensor) -> Tensor:
            return output(f(a, *rest, **kwargs), op)

        if mode != "forward":
            out, pull = vjp(g, x)
            if mode == "reverse" or out.size <= x.size:
                if not out.size:
                    return Tensor(x.device.full((*out.shape, *x.shape), 0, out.dtype))
                return reshape(_swept(pull, out, chunk_size), (*out.shape, *x.shape))
        if not x.size:
            shape = g(x).shape
            return Tensor(x.device.full((*shape, *x.shape), 0, x.dtype))
        columns = _swept(lambda e: jvp(g, (x,), (e,))[1], x, chunk_size)
        return reshape(moveaxis(columns, 0, -1), (*columns.shape[1:], *x.shape))

    return guarded(compute, op)


def hessian(f: Callable, chunk_size: int | None = None) -> Callable[..., Any]:
    """Return a function that gives the Hessian of f by its first argument.

    Shapes: f: (n...) -> () gives (n..., n...). `chunk_size` as in `jacobian`.

    >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(wg.tensor([1.0, 3.0]))
    tensor([[6., 2.],
            [2., 0.]])
    """
    return _jacobian(grad(f), "forward", chunk_size, "hessian")
