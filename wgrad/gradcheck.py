"""gradcheck: anyone's gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import tape
from .creation import host_array, tensor
from .creation.inputs import as_float
from .dtypes import float16
from .errors import ArgumentError, GradientError
from .interrupts import handled_outside
from .tensor import Tensor
from .transforms import basis, vjp

_SETTINGS = ("eps", "atol", "rtol")


def gradcheck(
    f: Callable,
    inputs: Sequence[Any],
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> bool:
    """Return True when f's gradients agree with central differences; otherwise raise.

    f takes tensors and returns a tensor of any shape. Floating inputs on the NumPy device are
    checked in float64 (eps 1e-6, atol 1e-6, rtol 1e-4), on other devices in float32 (eps 1e-2,
    atol 1e-2, rtol 1e-2).

    Raises: GradientError that names the input, the entry and both numbers.

    >>> wg.gradcheck(lambda x: wg.sin(x) * x, [wg.tensor([0.5, 1.0])])
    True
    """
    many = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    values: list[Any] = []
    checked: list[int] = []
    for i, x in enumerate(many):
        value = x.detach() if isinstance(x, Tensor) else x
        if not isinstance(value, Tensor) and host_array(value, "gradcheck").dtype.kind == "f":
            value = tensor(value)
        if isinstance(value, Tensor) and value.dtype.is_floating:
            if value.device.name == "numpy":
                value = value.astype("float64")
            elif value.dtype is float16:  # whose steps are wider than differences are taken over
                value = value.astype("float32")
            checked.append(i)
        values.append(value)
    if not checked:
        raise GradientError("gradcheck: no floating input came, and one is needed")
    exact = all(values[i].dtype.name == "float64" for i in checked)
    usual = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-4} if exact else dict.fromkeys(_SETTINGS, 1e-2)
    eps, atol, rtol = (
        usual[name] if given is None else as_float(given, "gradcheck", name)
        for name, given in zip(_SETTINGS, (eps, atol, rtol), strict=True)
    )
    if not (eps > 0 and atol >= 0 and rtol >= 0):  # nor is NaN
        raise ArgumentError(
            f"gradcheck: eps={eps}, atol={atol}, rtol={rtol} came; a step greater than 0 and "
            "tolerances of at least 0 are needed"
        )

    def run(*args: Tensor) -> Tensor:
        full = list(values)
        for i, x in zip(checked, args, strict=True):
            full[i] = x
        return f(*full)

    points = [values[i] for i in checked]
    out, pull = vjp(run, *points)
    if not out.dtype.is_floating:
        raise GradientError(f"gradcheck: the function returned {out.dtype.name}, not a float")
    rows: list[list[np.ndarray]] = [[] for _ in points]
    for e in basis(out):
        pulled = pull(e)
        for row, g in zip(rows, pulled if len(points) > 1 else (pulled,), strict=True):
            row.append(g.numpy())
    for which, point in enumerate(points):
        host = point.numpy()
        for entry in np.ndindex(*host.shape):
            ends = []
            for step in (eps, -eps):
                moved = host.copy()
                moved[entry] += step
                args = list(points)
                args[which] = tensor(moved, point.dtype, point.device)
                value = handled_outside(tape.recording, False, run, *args)
                ends.append(np.asarray(value.numpy(), np.float64))
            numeric = ((ends[0] - ends[1]) / (2 * eps)).reshape(-1)
            analytic = np.array([row[entry] for row in rows[which]], np.float64)
            for j in np.flatnonzero(~np.isclose(analytic, numeric, rtol, atol, equal_nan=True)):
                place = f"[{', '.join(map(str, entry))}]" if entry else ""
                raise GradientError(
                    f"gradcheck: input {checked[which]}{place}: the gradient of output {j} is "
                    f"{analytic[j]:.6g}, and differences of {eps:g} give {numeric[j]:.6g}"
                )
    return True
