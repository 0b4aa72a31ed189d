"""The child that tries a device: ten kernels, each against NumPy. `-m wgrad.doctor.selftest NAME`.

Each is of another kind (a map, folds, products, indices, scans, a sort, random numbers, a compiled
step), so that together they use what programs use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import grad
from ..backends.base import Device
from ..creation import arange, tensor
from ..devices import device, stats
from ..errors import WgradError
from ..functional import cumulative_sum, softmax, sum
from ..indexing import sort
from ..ops.elementwise import exp, sin, tanh
from ..program.compile import compile
from ..random import Generator, rand
from .children import told

_ROWS = np.sin(np.arange(48 * 40, dtype=np.float32)).reshape(48, 40)


def _map() -> Any:
    return tanh(tensor(_ROWS)) * 2.0 + exp(-tensor(_ROWS))


def _fold() -> Any:
    return sum(tensor(_ROWS) ** 2, axis=1)


def _compiled() -> Any:
    step = compile(lambda x: softmax(x * 5.0 - 1.0, axis=-1))
    return step(tensor(_ROWS))


def _product() -> Any:
    return tensor(_ROWS) @ tensor(_ROWS).T


def _transposed() -> Any:
    return (tensor(_ROWS).T + 1.0).reshape(-1)[3:]


def _gather() -> Any:
    return tensor(_ROWS)[tensor(np.arange(47, 0, -3, dtype=np.int32))]


def _gradient() -> Any:
    x = tensor(_ROWS, requires_grad=True)
    return grad(sum(sin(x[::2] * x[1::2])), [x])[0]


def _scan() -> Any:
    return cumulative_sum(arange(3000) % 7, axis=0)


def _sort() -> Any:
    return sort(tensor(_ROWS).reshape(-1))


def _random() -> Any:
    return rand(500, generator=Generator(7))


TRIED: dict[str, Callable[[], Any]] = {
    "map": _map,
    "fold": _fold,
    "matrix product": _product,
    "copy of a transposed view": _transposed,
    "gather": _gather,
    "gradient, with scatter": _gradient,
    "scan": _scan,
    "sort": _sort,
    "random numbers": _random,
    "compiled softmax": _compiled,
}


def main(name: str) -> None:
    """Open a device, and run the kernels; the rows say what comes next, and what came out."""
    told(doing="opening the device")
    try:
        chosen = device(name)
    except WgradError as error:
        told(error=str(error))
        return
    told(opened=chosen.name, description=chosen.description)
    for kernel, run in TRIED.items():
        told(doing=f"running {kernel}")
        try:
            wrong = _difference(run, chosen)
        except WgradError as error:
            wrong = str(error)
        told(kernel=kernel, wrong=wrong)
    told(**{x: stats()[x] for x in ("dispatches", "pipelines_compiled", "compile_seconds")})


def _difference(run: Callable[[], Any], chosen: Device) -> str | None:
    """Return what differs between a device and NumPy, or None."""
    with chosen:
        came = np.asarray(run().numpy())
    with device("numpy"):
        wanted = np.asarray(run().numpy())
    if came.shape != wanted.shape or came.dtype != wanted.dtype:
        return f"{came.dtype} {came.shape} came, and {wanted.dtype} {wanted.shape} is right"
    right = np.isclose(came, wanted, rtol=1e-4, atol=1e-5)
    if right.all():
        return None
    at = tuple(np.argwhere(~right)[0])
    return f"{came[at]} came, and {wanted[at]} is right; {(~right).sum()} of {right.size} differ"


if __name__ == "__main__":
    main(sys.argv[1])
