"""Assertions for tests: gradients are right, devices agree, a function compiles.

    import wgrad as wg

    def test_softplus(wgrad_device):
        x = wg.linspace(-3, 3, 7)
        wg.testing.assert_gradients(lambda x: wg.log(1 + wg.exp(x)), x)

They raise AssertionError for what a test is there to find, and wgrad's own errors for the rest. The
fixture `wgrad_device` is that of the pytest plugin, which these do not need.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .backends.base import Device
from .creation import host_array, tensor
from .devices import default_device, device, stats
from .errors import DeviceError, GradientError, TraceError
from .gradcheck import gradcheck
from .program.compile import compile
from .program.compiled import Compiled
from .tensor import Tensor

BITS = {"float16": 11, "float32": 24, "float64": 53}  # of a float's mantissa


def assert_gradients(
    f: Callable,
    *inputs: Any,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> None:
    """Assert that f's gradients agree with central differences, on the default device.

    `inputs` are what f takes: tensors or arrays of any shape; all that are floats are looked at. f
    returns a tensor of floats of any shape. `eps` is the step of the differences, `atol` and `rtol`
    are how far both may be apart; without them they are those of `wg.gradcheck`.

        >>> wg.testing.assert_gradients(lambda x: wg.sin(x) * x, [0.5, 1.0])

    Raises: AssertionError that names the input, the entry and both numbers.
    """
    try:
        gradcheck(f, inputs, eps, atol, rtol)
    except GradientError as error:
        raise AssertionError(str(error).replace("gradcheck", "assert_gradients", 1)) from None


def assert_devices_agree(
    f: Callable,
    *inputs: Any,
    ulp: float = 4.0,
    atol: float = 0.0,
    on: str | Device | None = None,
) -> None:
    """Assert that f gives on a GPU what it gives on NumPy, and that the GPU had work.

    `inputs` are what f takes. Tensors, arrays and lists of numbers become tensors of the device,
    all else is given as it is. f returns a tensor, or tuples, lists and dicts of tensors. Floats
    may differ by `ulp` steps from one float of their dtype to the next, or by `atol`; infinite ones
    are equal, as are NaNs, integers and bools. `on` is the other device; without it, it is the
    default device, or "webgpu" where that is NumPy.

        >>> wg.testing.assert_devices_agree(wg.tanh, [0.5, 1.0], ulp=2)

    Raises: AssertionError that names the entry and both values, or says that nothing was
    dispatched; DeviceError where there is no other device.
    """
    op = "assert_devices_agree"
    chosen = default_device() if on is None else device(on)
    if chosen.name == "numpy":
        if on is not None:
            raise DeviceError(f"{op}: on={on!r} came; a device other than numpy is needed")
        chosen = device("webgpu")
    before = stats()["dispatches"]
    came = dict(_leaves(_run(f, inputs, chosen, op), "the result", chosen, op))
    after = stats()["dispatches"]
    if after == before:
        raise AssertionError(f"{op}: no kernel was dispatched on {chosen.name}: f computes nothing")
    reference = device("numpy")
    wanted = dict(_leaves(_run(f, inputs, reference, op), "the result", reference, op))
    if came.keys() != wanted.keys():
        raise AssertionError(
            f"{op}: {chosen.name} gives {', '.join(came)}, and numpy gives {', '.join(wanted)}"
        )
    for place, x in came.items():
        _compare(f"{op}: {place}", x, wanted[place], ulp, atol, chosen.name)


def assert_compiles(f: Callable, *inputs: Any, kernels: int | None = None) -> None:
    """Assert that f runs as one compiled program, with its own results, on the default device.

    `inputs` are what f takes; arrays become tensors. f leaves nothing behind, since it is called
    several times: what trains is given as `wg.compile(step, state=...)`, and only then compared
    with itself. `kernels` is how many kernels a run of the program launches, at most; on NumPy,
    how many steps it has.

        >>> wg.testing.assert_compiles(lambda x: wg.tanh(x) * 2 + 1, [0.5, 1.0], kernels=1)

    Raises: AssertionError that says why f runs uncompiled, what differs, or which kernels run.
    """
    op = "assert_compiles"
    chosen = default_device()
    given = [_given(x, chosen, op) for x in inputs]
    is_compiled = isinstance(f, Compiled)
    compiled: Any = f if is_compiled else compile(f)
    plain = None if is_compiled else dict(_leaves(f(*given), "the result", chosen, op))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for _ in range(3):  # two traces that agree, and a replay
                result = compiled(*given)
        except TraceError as error:
            raise AssertionError(str(error).replace("compile", op, 1)) from None
    if not any(signature.captures for signature in compiled._signatures.values()):
        why = "; ".join(str(w.message) for w in caught) or "no two traces of it agree"
        raise AssertionError(f"{op}: it runs uncompiled: {why}")
    if plain is not None:
        for place, x in _leaves(result, "the result", chosen, op):
            _compare(f"{op}: {place}", x, plain[place], 16, 1e-6, "the compiled program", "f")
    if kernels is not None:
        found = [] if compiled._signatures.newest.executor is None else compiled.explain().kernels
        counts = [max(k.dispatches, int(chosen.name == "numpy")) for k in found]
        if sum(counts) > kernels:
            names = ", ".join(k.name for k, n in zip(found, counts, strict=True) if n)
            raise AssertionError(
                f"{op}: {sum(counts)} kernels run where at most {kernels} are allowed: {names}"
            )


def _run(f: Callable, inputs: tuple, where: Device, op: str) -> Any:
    with where:
        return f(*[_given(x, where, op) for x in inputs])


def _given(x: Any, where: Device, op: str) -> Any:
    """Return an input as f gets it: a tensor of the device, or what it was."""
    if isinstance(x, Tensor):
        moved = x.detach().to(where)
        return moved.requires_grad_() if x.requires_grad else moved
    if isinstance(x, (np.ndarray, list)):
        return tensor(host_array(x, op), device=where)
    return x


def _leaves(x: Any, place: str, where: Device, op: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of a result, each with the place that it has there."""
    if isinstance(x, Tensor):
        if x.device is not where:
            raise AssertionError(f"{op}: {place} is on {x.device.name}, and f ran on {where.name}")
        yield place, x.detach().numpy()
    elif isinstance(x, dict):
        for key, value in x.items():
            yield from _leaves(value, f"{place}[{key!r}]", where, op)
    elif isinstance(x, (tuple, list)):
        for i, value in enumerate(x):
            yield from _leaves(value, f"{place}[{i}]", where, op)
    elif x is not None:
        yield place, np.asarray(x)


def _compare(
    what: str,
    came: np.ndarray,
    wanted: np.ndarray,
    ulp: float,
    atol: float,
    name: str,
    other: str = "numpy",
) -> None:
    """Raise AssertionError for the entry that differs most, if one differs by too much."""
    if came.shape != wanted.shape or came.dtype != wanted.dtype:
        raise AssertionError(
            f"{what} is {came.dtype.name} {came.shape} of {name}, and {wanted.dtype.name} "
            f"{wanted.shape} of {other}"
        )
    if came.dtype.kind != "f":
        errors = np.where(came == wanted, 0.0, np.inf)
    else:
        errors = _steps(came, wanted)
        with np.errstate(invalid="ignore"):  # infinities minus themselves
            gap = np.abs(came.astype(np.float64) - wanted.astype(np.float64))
            errors[(gap <= atol) | (gap <= 0)] = 0
    if not errors.size or not errors.max() > ulp:
        return
    at = np.unravel_index(int(np.argmax(errors)), errors.shape)
    entry = f"[{', '.join(map(str, at))}]" if at else ""
    text = f"{what}{entry} is {came[at]!s} of {name}, and {wanted[at]!s} of {other}"
    if np.isfinite(errors[at]):
        text += f": {errors[at]:.1f} steps between floats apart, where {ulp:g} are allowed"
    raise AssertionError(f"{text} ({int((errors > ulp).sum())} of {errors.size} entries differ)")


def _steps(came: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how many steps of the dtype lie between floats; infinity where one alone is finite."""
    info = np.finfo(wanted.dtype)
    a, b = came.astype(np.float64), wanted.astype(np.float64)
    size = np.clip(np.abs(b), float(info.tiny), float(info.max))
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.ldexp(np.abs(a - b), BITS[wanted.dtype.name] - np.frexp(size)[1])
    errors = np.where(np.isnan(errors), np.inf, errors)
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, errors)


__all__ = ["assert_compiles", "assert_devices_agree", "assert_gradients"]
