"""detect_anomaly: every operation's result is looked at, and the first NaN or inf is an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from .backends.array import Array
from .core import INPUT_NAMES, Input, Interpreter, Op, Value, apply
from .core.interpret import Interpreted
from .core.tracing import tracing
from .errors import AnomalyError
from .origin import caller, place
from .tape.reverse import pulled
from .tensor import Tensor


class _Watch(Interpreter):
    """Looks at what each operation gives."""

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        out = apply(op, *inputs, **params)
        if out.dtype.is_floating and (tracing() is None):
            _check(op, inputs, out)
        return out


class detect_anomaly(Interpreted):
    """Raise an error at the first operation inside the block that gives NaN or inf.

    The error names the operation, your line, what its inputs held, and whether it ran forward or as
    the gradient of another operation, with the line of that one. An inf counts where no input was
    one: a mask of -inf is none. Compiled functions run uncompiled inside, operation by operation,
    so that it is found there too; every result is read by the host, so all of it is slow. It is a
    decorator, too.

    Raises: AnomalyError, which is a FloatingPointError.

    >>> with wg.detect_anomaly():
    ...     y = wg.log(wg.tensor([1.0, -1.0]))
    Traceback (most recent call last):
        ...
    wgrad.errors.AnomalyError: detect_anomaly: log at ... gave NaN in 1 of 2 elements of its
      result of shape (2,), the first at [1], from a of shape (2,) from -1 to 1
    """

    interpreter = _Watch()

    def __enter__(self) -> detect_anomaly:
        if (tracer := tracing()) is not None:
            tracer.refuse(
                f"the function enters detect_anomaly at {place(caller())}, which reads values: "
                "enter it around the call"
            )
        super().__enter__()
        return self


def _check(op: Op, inputs: tuple[Input, ...], out: Tensor) -> None:
    values = _values(out.array)
    if np.isfinite(values).all():
        return
    given = [_values(x.array) if isinstance(x, Value) else np.asarray(x) for x in inputs]
    has_nan = bool(np.isnan(values).any())
    if not has_nan and any(np.isinf(x).any() for x in given):
        return
    wrong = np.isnan(values) if has_nan else np.isinf(values)
    first = tuple(map(int, np.argwhere(wrong)[0]))
    of_node = pulled()
    if of_node is None or of_node.op is None:
        where = f"{op.name} at {place(caller())}"
    else:
        # The line is that of the forward pass: backward() is called at one line for all.
        where = (
            f"the gradient of {of_node.op.name} at {place(of_node.origin)}, computed by {op.name},"
        )
    at = f", the first at {list(first)}" if first else ""
    told = [_told(i, x, v) for i, (x, v) in enumerate(zip(inputs, given, strict=True))]
    raise AnomalyError(
        f"detect_anomaly: {where} gave {_kinds(values)} in {int(wrong.sum())} of {values.size} "
        f"elements of its result of shape {values.shape}{at}, from {', '.join(told)}"
    )


def _values(x: Array) -> np.ndarray:
    return np.asarray(x.storage.device.download(x))


def _told(i: int, x: Any, values: np.ndarray) -> str:
    """Return what an input is, and what it holds."""
    name = INPUT_NAMES[i] if i < len(INPUT_NAMES) else f"input {i}"
    if not isinstance(x, Value):
        return f"{name} = {x}"
    what = f"{name} of shape {values.shape}"
    if not values.size:
        return what
    if kinds := _kinds(values):
        return f"{what} that already held {kinds}"
    return f"{what} from {values.min():.6g} to {values.max():.6g}"


def _kinds(values: np.ndarray) -> str:
    if values.dtype.kind != "f":
        return ""
    checks = (("NaN", np.isnan), ("inf", np.isposinf), ("-inf", np.isneginf))
    return " and ".join(name for name, check in checks if check(values).any())
