"""The families of ops: how each kind runs, and how both derivative modes follow from its rules.

An elementwise op or a reduction (reduction.py) declares *partials*; reverse mode multiplies the
cotangent by them, forward mode the tangent. A linear op (linear.py) declares its *transpose*;
forward mode is the op itself. A family holds no formula of any particular op.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, overload

import numpy as np

from .. import dtypes
from ..backends.array import Array, Body, Number, kept_shape
from ..backends.base import Device
from ..backends.tracing import tracing
from ..backends.varying import Varying
from ..checks import guarded
from ..checks.net import CAUGHT, outside, translated
from ..core import INPUT_NAMES, REGISTRY, Call, Input, Op, Tensor, Value, apply, check_devices, wrap
from ..creation import from_host, host_array
from ..dtypes import DType
from ..errors import CallError, DTypeError, ShaderError, WgradError
from ..layout import Shape, broadcast_shapes
from . import intervals
from .accuracy import Accuracy

NUMBERS = (bool, int, float)


def guarded_op(method: Callable) -> Any:
    """Put the door around an op's call, so that its errors begin with the op's name."""
    return guarded(method, lambda op: op.name)


def scale(x: Tensor, partial: Any) -> Tensor | None:
    """Return x * partial, where neither an infinite partial makes NaN of an x of 0, nor an
    infinite x of a boolean partial, which selects.

    So what does not count gets no derivative: the other branch of a `where`, masked elements, terms
    of weight 0, also where their own derivatives are infinite or NaN.
    """
    if isinstance(partial, Value):
        if partial.dtype is dtypes.bool_:
            return apply(REGISTRY["where"], partial, x, 0.0)
        return apply(REGISTRY["weighted"], x, partial)
    if partial == 1:
        return x
    if partial == 0:
        return None
    if partial == -1:
        return apply(REGISTRY["negative"], x)
    op = "multiply" if math.isfinite(partial) else "weighted"
    return apply(REGISTRY[op], x, float(partial))


def add_up(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Return the sum of those parts that are there, or None."""
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else apply(REGISTRY["add"], total, part)
    return total


def dense(call: Call, tangents: Sequence[Tensor | None]) -> list[Tensor]:
    """Return the tangents of a call's inputs, zeros for those that are not there."""
    return [
        wrap(x.device.full(x.shape, 0, x.dtype)) if t is None else t
        for t, x in zip(tangents, call.inputs, strict=True)
        if isinstance(x, Value)
    ]


def with_dtype(x: Any, dtype: DType) -> Any:
    """Return `x` as `dtype`, through the `astype` op when it is another one."""
    return x if x.dtype is dtype else apply(REGISTRY["astype"], x, dtype=dtype, source=x.dtype)


def expanded(x: Any, shape: Shape) -> Any:
    """Return `x` broadcast to `shape`, through the `broadcast_to` op when it has another one."""
    return x if x.shape == shape else apply(REGISTRY["broadcast_to"], x, shape=shape)


def spread(x: Tensor, shape: Shape, axes: Shape) -> Tensor:
    """Return a reduction's result repeated over the `axes` that it was reduced over."""
    kept = kept_shape(shape, axes)
    lead = len(kept) - len(x.shape)
    if kept != (1,) * lead + x.shape:  # else broadcasting puts the axes back by itself
        x = apply(REGISTRY["reshape"], x, shape=kept)
    return expanded(x, shape)


# How a parameter changes when a batch axis of extent n comes first, by its name: the same in all
# ops but those that say otherwise.
_BEHIND: dict[str, Callable[[Any, int], Any]] = {
    "axis": lambda a, n: a + 1,
    "axis1": lambda a, n: a + 1,
    "axis2": lambda a, n: a + 1,
    "axes": lambda axes, n: tuple(a + 1 for a in axes),
    "shape": lambda shape, n: (n, *shape),
    "starts": lambda starts, n: (0, *starts),
    "sizes": lambda sizes, n: (n, *sizes),
    "steps": lambda steps, n: (1, *steps),
}


def in_front(op: Op, level: Any, inputs: list[Any], batched: list[bool], params: dict) -> Tensor:
    """Apply an op to a whole batch: the batching rule of all that treats leading axes alike.

    Every input gets the batch axis in front, by a view, and parameters that count axes move on.
    """
    moved = {k: _BEHIND[k](v, level.size) if k in _BEHIND else v for k, v in params.items()}
    return apply(op, *level.in_front(inputs, batched), **moved)


def as_they_are(op: Op, level: Any, inputs: list[Any], batched: list[bool], params: dict) -> Tensor:
    """Apply an op to a whole batch that counts its axes from the end."""
    return apply(op, *level.in_front(inputs, batched), **params)


# How the Array API standard calls the arguments of elementwise functions, by their number.
ARGUMENTS = ((), ("x",), ("x1", "x2"), ("condition", "x1", "x2"))


def placed(names: Sequence[str]) -> inspect.Signature:
    """Return the signature of a call whose arguments have names, but are taken by place alone."""
    return inspect.Signature(
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]
    )


_ALIKE = frozenset({"same", "number", "float", "compare"})  # kinds that take floats as they are


P = ParamSpec("P")  # an op's inputs
Q = ParamSpec("Q")  # those after the first


class Elementwise(Op, Generic[P]):
    """An op that treats every element alike. Calling it promotes and broadcasts its inputs.

    `kind` says which dtypes it computes in: "same" (the promoted one), "number" (likewise, but
    not bool), "integer" and "bits" (likewise, but integers, or integers and bools, only), "float"
    (integers become float32), "compare" (promoted in, bool out), "logical" (bools) or "select" (a
    bool, then promoted).
    """

    batch = in_front

    def __init__(
        self,
        name: str,
        body: Body,
        kind: str,
        partials: Sequence,
        arguments: Sequence[str],
        doc: str,
        interval: intervals.Rule | None = None,
        accuracy: Accuracy | None = None,
    ):
        told = ", ".join(f"{a} is {x}" for a, x in zip(INPUT_NAMES, arguments, strict=False))
        super().__init__(name, partials, f"{doc} Here {told}.")
        self.interval = interval
        self.accuracy = accuracy
        self.body = body
        self.kind = kind
        self.arity = len(arguments)
        self.__signature__ = placed(arguments)  # what inspect.signature shows
        self.wants_shapes = any(rule is not None and "shapes" in rule.names for rule in self.rules)
        self._resolved: dict[tuple, tuple[tuple[DType, ...], DType]] = {}
        self._floating: dict[DType, tuple[tuple[DType, ...], DType]] = {}
        # Slopes that are numbers, and None for those that rules compute.
        self._slopes = [rule and getattr(rule.function, "constant", None) for rule in self.rules]

    @overload
    def __get__(
        self: Elementwise[Concatenate[Any, Q]], x: Value, owner: Any = None
    ) -> Callable[Q, Tensor]: ...
    @overload
    def __get__(self, x: Any, owner: Any = None) -> Self: ...
    def __get__(self, x: Any, owner: Any = None) -> Any:
        """Return the op with its first input given: `exp = ew.exp` makes a method of tensors."""
        return MethodType(self, x) if isinstance(x, Value) else self

    def __call__(self, *inputs: P.args, **named: P.kwargs) -> Tensor:
        try:  # the door is built in: a wrapper would cost the hottest path a call
            if len(inputs) != self.arity or named:
                raise self._unfit(inputs, named)
            first: Array | None = None
            agree = ready_made = floats = True
            for x in inputs:
                if isinstance(x, Value):
                    if first is None:
                        first = x.array
                    elif first.layout.shape != x.array.layout.shape:
                        agree = ready_made = False
                    elif first.dtype is not x.array.dtype:
                        ready_made = False
                elif type(x) is Varying:
                    return _called(self, self._entered(inputs))
                elif type(x) not in NUMBERS:
                    return _called(self, coerce(self.name, inputs))
                elif type(x) is not float:
                    floats = False
            if first is None:
                return _called(self, coerce(self.name, inputs))
            if ready_made and first.dtype.is_floating and self.kind in _ALIKE:
                if self.kind != "compare" or (floats and first.dtype is not dtypes.float16):
                    if floats:  # the common case: nothing to convert
                        return apply(self, *inputs)  # type: ignore[arg-type]
                    return apply(self, *_as_floats(inputs, first.dtype, self.name))
            return self._converted(inputs, first.layout.shape if agree else None)
        except ShaderError as error:
            raise error.with_traceback(outside(error.__traceback__)) from error.__cause__
        except WgradError:
            raise
        except CAUGHT as error:
            ours = translated(error, self.name, self, inputs, {})
            if ours is None:
                raise
            raise ours from error

    def _unfit(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> Exception:
        """Return the error for a call with too many inputs, too few, or named ones."""
        call = f"{self.name}{self.__signature__} is its call"
        if named:
            return CallError(f"{self.name}: {', '.join(named)} came by name; {call}")
        return DTypeError(
            f"{self.name}: {len(inputs)} inputs came and {self.arity} are needed: {call}"
        )

    def _converted(self, inputs: Sequence[Any], shape: Shape | None) -> Tensor:
        """Apply the op to inputs of several dtypes, or of shapes that differ (None)."""
        if shape is None:
            shapes = [x.array.layout.shape for x in inputs if isinstance(x, Value)]
            shape = broadcast_shapes(self.name, *shapes)
        ins, _ = self.resolve(inputs)
        ready: list[Input] = []
        for x, dtype in zip(inputs, ins, strict=True):
            if not isinstance(x, Value):
                x = dtypes.cast_scalar(x, dtype, self.name)
                if self.kind == "compare":  # x == 0.1 is true of what 0.1 was rounded to
                    x = dtypes.rounded(x, dtype)
            else:
                if x.array.dtype is not dtype:
                    check_devices(self.name, inputs)  # before anything is converted
                    x = with_dtype(x, dtype)
                if x.array.layout.shape != shape:
                    x = expanded(x, shape)
            ready.append(x)
        return apply(self, *ready)

    def _entered(self, inputs: Sequence[Any]) -> list[Any]:
        """Return inputs with numbers that vary as arrays of a trace, if they can be."""
        plain = [x.seen() if type(x) is Varying else x for x in inputs]
        first = next((x for x in inputs if isinstance(x, Value)), None)
        tracer = tracing()
        if (
            tracer is None
            or first is None
            or any(not isinstance(x, Value) and type(x) not in NUMBERS for x in plain)
        ):
            return [float(x) if type(x) is Varying else x for x in inputs]
        ins, _ = self.resolve(plain)
        device = first.device
        return [
            x
            if type(x) is not Varying
            # A number beside float16 keeps float32's digits, which an array of it would not.
            else float(x)
            if not dtype.is_floating or dtype is dtypes.float16
            else wrap(device.full((), x.live(), dtype))
            for x, dtype in zip(inputs, ins, strict=True)
        ]

    def resolve(self, inputs: Sequence[Any]) -> tuple[tuple[DType, ...], DType]:
        """Return the dtypes that inputs (tensors, arrays or numbers) are used in, and the output's.

        Raises: DTypeError for dtypes that the op does not take.
        """
        key = tuple([
            x.array.dtype if isinstance(x, Value) else getattr(x, "dtype", None) or type(x)
            for x in inputs
        ])  # fmt: skip
        known = self._resolved.get(key)
        if known is None:
            known = self._resolved[key] = self._resolve(inputs)
        return known

    def _resolve(self, inputs: Sequence[Any]) -> tuple[tuple[DType, ...], DType]:
        bools = {"logical": len(inputs), "select": 1}.get(self.kind, 0)
        for x in inputs[:bools]:
            if getattr(x, "dtype", dtypes.bool_) is not dtypes.bool_:
                raise DTypeError(
                    f"{self.name}: a {x.dtype.name} tensor came and bool is needed: compare it "
                    "with something, or convert with .astype()"
                )
        common = dtypes.bool_
        for x in inputs[bools:]:
            if hasattr(x, "dtype"):
                common = dtypes.promote(common, x.dtype)
        for x in inputs[bools:]:
            if not hasattr(x, "dtype"):
                common = dtypes.promote_scalar(common, x)
        if self.kind == "float" and not common.is_floating:
            common = dtypes.float32
        if self.kind == "number" and common is dtypes.bool_:
            raise DTypeError(
                f"{self.name}: a bool tensor came and a number is needed: convert with .astype()"
            )
        if self.kind in ("integer", "bits") and not (
            common.is_integer or (common is dtypes.bool_ and self.kind == "bits")
        ):
            wanted = "integers are" if self.kind == "integer" else "integers or bools are"
            raise DTypeError(
                f"{self.name}: {common.name} came and {wanted} needed: compare it with something, "
                "or convert with .astype()"
            )
        ins = (dtypes.bool_,) * bools + (common,) * (len(inputs) - bools)
        return ins, dtypes.bool_ if self.kind in ("compare", "logical") else common

    def shape_of(self, inputs: Sequence[Any], params: Mapping[str, Any]) -> Shape:
        return next(x.shape for x in inputs if isinstance(x, Value))

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        first = inputs[0]
        if isinstance(first, Array) and first.dtype.is_floating and self.kind in _ALIKE:
            known = self._floating.get(first.dtype)  # what `resolve` would say, without asking
            if known is None:
                known = self._floating[first.dtype] = self.resolve(inputs)
            ins, out = known
        else:
            ins, out = self.resolve(inputs)
            first = next(x for x in inputs if isinstance(x, Array))
        if len(inputs) > 1:  # a kernel reads memory as what it is told, whatever lies there
            for x, wanted in zip(inputs, ins, strict=True):
                if type(x) is not float and isinstance(x, Array) and x.dtype is not wanted:
                    inputs = _converted_arrays(device, inputs, ins)
                    break
        made = device.map(self.body, inputs, ins, first.layout.shape, out)
        if out.is_integer and self.interval is not None:
            made.storage.bounds = intervals.derived(self.interval, inputs, ins, out)
        return made

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        slope = self._slopes[position]
        if slope is None:
            rule = self.rules[position]
            assert rule is not None
            slope = rule(env)
        return scale(ct, slope)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        env = call.env()
        return add_up(
            [
                scale(t, rule(env))
                for t, rule in zip(tangents, self.rules, strict=True)
                if t is not None and rule is not None
            ]
        )


def _as_floats(inputs: Sequence[Any], dtype: DType, op: str) -> tuple[Any, ...]:
    """Return inputs with all numbers as floats, which stand beside tensors of a float dtype."""
    return tuple([x if isinstance(x, Value) else dtypes.cast_scalar(x, dtype, op) for x in inputs])


def _called(op: Callable[..., Tensor], inputs: Sequence[Any]) -> Tensor:
    return op(*inputs)


def _converted_arrays(
    device: Device, inputs: tuple[Array | Number, ...], wanted: Sequence[DType]
) -> tuple[Array | Number, ...]:
    """Return inputs with every array in the dtype that it is used in, for rules that mix them."""
    return tuple(
        REGISTRY["astype"].run(device, (x,), {"dtype": dtype, "source": x.dtype})
        if isinstance(x, Array) and x.dtype is not dtype
        else x
        for x, dtype in zip(inputs, wanted, strict=True)
    )


def coerce(op: str, inputs: Sequence[Any]) -> tuple[Input, ...]:
    """Return inputs of which at least one is a tensor, making tensors of arrays and lists.

    NumPy's numbers become Python's: weak, and with all their digits.
    """
    device = next((x.device for x in inputs if isinstance(x, Value)), None)
    kinds = {x.dtype for x in inputs if isinstance(x, Value)}
    like = next((d for d in (dtypes.float64, dtypes.float16) if d in kinds), dtypes.float32)
    made: list[Input] = []
    for x in inputs:
        if isinstance(x, Value) or type(x) in NUMBERS:
            made.append(x)
        elif isinstance(x, (np.bool_, np.integer, np.floating)):
            made.append({"b": bool, "f": float}.get(x.dtype.kind, int)(x))
        elif isinstance(x, int):  # of a class of its own, such as x.size
            made.append(int(x))
        else:
            host = host_array(x, op)
            made.append(from_host(host, op, dtypes.beside(host, like), device))
    if not any(isinstance(x, Value) for x in made):
        made[0] = from_host(made[0], op)
    return tuple(made)
