"""A recorded function taken apart into scalar operations, small vectors element by element.

What only moves elements (reshape, slice, concat, ...) is run once on the numbers of the scalars,
and so becomes nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backends.array import Array
from ...core.op import Op
from ...creation import tensor
from ...errors import ArgumentError
from ...layout import Shape
from ...ops.families import Elementwise
from ...ops.linear import View
from ...ops.reduction import Reduction
from ...tensor import Tensor
from ..labels import label_of
from ..recorder import DETACH, Recorded, Recorder
from .rows import MANY, check_row, slope

MOST = 200  # scalar operations that a page draws
MOVING = ("reshape", "copy", "to_device", "concat", "embed", "embed_diagonal")
PRODUCTS = ("matmul", "matmul_transposed")


@dataclass
class Scalar:
    """One number of the graph: an input, a constant, or the result of an operation."""

    label: str
    value: float
    kind: str = "constant"  # "input", "constant" or "operation"
    op: str = ""
    args: tuple[int | float, ...] = ()  # places of scalars (int), and numbers (float)


@dataclass
class Scalars:
    """All numbers in order, and those slopes that the operations need."""

    found: list[Scalar] = field(default_factory=list)
    root: int = 0
    # By operation, the numbers among its inputs, and the input: as code and as text.
    slopes: dict[tuple, tuple[str, str]] = field(default_factory=dict)

    def add(self, scalar: Scalar) -> int:
        """Add a number, and return its place."""
        self.found.append(scalar)
        return len(self.found) - 1


def numbers_of(args: tuple[int | float, ...]) -> dict[int, float]:
    """Return the inputs that are plain numbers, by their place."""
    return {i: x for i, x in enumerate(args) if isinstance(x, float)}


def taken_apart(
    recorder: Recorder, calls: list[Recorded], inputs: dict[str, Any], out: Tensor, where: str
) -> Scalars:
    """Return the scalars of what was recorded. Raises: ArgumentError for what has no row."""
    made = Scalars()
    places: dict[int, np.ndarray] = {}
    for name, x in inputs.items():
        places[recorder.key(x)] = _named(made, name, x.numpy(), "input")
    for call in calls:
        given = []
        for key, x in zip(call.keys, call.inputs, strict=True):
            if not isinstance(x, Tensor):
                plain: Any = x
                given.append(np.full((), float(plain), dtype=object))
                continue
            if key not in places:
                places[key] = _named(made, label_of(x), x.numpy(), "constant")
            given.append(places[key])
        places[call.made] = _apart(made, call, given, label_of(call.out), where)
        count = sum(s.kind == "operation" for s in made.found)
        if count > MOST:
            raise ArgumentError(
                f"{where}: the function has more than {MOST} scalar operations, and a page shows "
                f"at most {MOST}: take fewer or smaller inputs"
            )
    made.root = int(places[recorder.key(out)].reshape(-1)[0])
    for scalar in made.found:
        if scalar.kind == "operation" and scalar.op not in MANY:
            numbers = numbers_of(scalar.args)
            for i in range(len(scalar.args)):
                key = scalar.op, tuple(numbers.items()), i
                if i not in numbers and key not in made.slopes:
                    made.slopes[key] = slope(scalar.op, i, numbers, where)
    return made


def _named(made: Scalars, name: str, values: np.ndarray, kind: str) -> np.ndarray:
    """Add every element of an array, and return their places in its shape."""
    places = np.empty(values.shape, dtype=object)
    for at in np.ndindex(values.shape):
        text = f"{name}[{', '.join(map(str, at))}]" if at and name else name
        places[at] = made.add(Scalar(text, float(values[at]), kind))
    return places


def _apart(
    made: Scalars, call: Recorded, given: list[np.ndarray], label: str, where: str
) -> np.ndarray:
    op, values = call.op, call.out.numpy()
    if _moves(op, call):
        return _moved(made, call, given)
    out = np.empty(values.shape, dtype=object)

    def put(at: Shape, name: str, args: tuple[Any, ...]) -> None:
        text = f"{label}[{', '.join(map(str, at))}]" if at and label else label
        out[at] = made.add(Scalar(text, float(values[at]), "operation", name, args))

    if isinstance(op, Elementwise) or op is DETACH:
        check_row(op.name, where)
        for at in np.ndindex(values.shape):
            put(at, op.name, tuple(x[at] if x.shape else x.item() for x in given))
    elif isinstance(op, Reduction) and op.name in MANY:
        axes = call.params["axes"]
        if call.params.get("ties", "all") != "all":
            check_row(f"{op.name} with ties={call.params['ties']!r}", where)
        (x,) = given
        for at in np.ndindex(values.shape):
            rest = iter(at)
            if call.params["keepdims"]:
                index = tuple(slice(None) if i in axes else at[i] for i in range(x.ndim))
            else:
                index = tuple(slice(None) if i in axes else next(rest) for i in range(x.ndim))
            put(at, op.name, tuple(np.asarray(x[index], dtype=object).reshape(-1)))
    elif op.name in PRODUCTS:
        a, b = given
        b = b if op.name == "matmul" else np.swapaxes(b, -1, -2)
        for at in np.ndindex(values.shape):
            row, column = a[at[:-1]], np.swapaxes(b, -1, -2)[(*at[:-2], at[-1])]
            put(at, "dot", (*row, *column))
    else:
        check_row(op.name, where)
    return out


def _moves(op: Op, call: Recorded) -> bool:
    if op.name == "astype":  # what no value changes by
        return call.params["dtype"].is_floating or not call.params["source"].is_floating
    return isinstance(op, View) or op.name in MOVING


def _moved(made: Scalars, call: Recorded, given: list[np.ndarray]) -> np.ndarray:
    """Run an operation that moves elements on their places; 0 stands for what it adds itself."""
    arrays: list[Array | float] = []
    device = call.out.device
    for x, source in zip(given, call.inputs, strict=True):
        if isinstance(source, Tensor):
            host = (x.astype(np.float64) + 1) if x.size else np.zeros(x.shape)
            arrays.append(tensor(host, dtype="float64", device=device).array)
        else:
            arrays.append(0.0)
    if call.op.name in ("astype", "copy", "to_device"):
        return given[0]
    moved = device.download(call.op.run(device, tuple(arrays), call.params))
    places = np.empty(moved.shape, dtype=object)
    zero = -1
    for at in np.ndindex(moved.shape):
        if moved[at] == 0 and zero < 0:
            zero = made.add(Scalar("", 0.0))
        places[at] = zero if moved[at] == 0 else int(moved[at]) - 1
    return places
