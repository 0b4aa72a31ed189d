"""A WGSL function as an op: how it runs, and its derivatives, which are such ops too."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import product
from typing import Any

from .. import dtypes
from ..backends.array import Array, Number
from ..backends.base import Device
from ..backends.tracing import tracing
from ..backends.varying import Varying
from ..core import Call, Op, Tensor, Value, apply, check_devices, wrap
from ..creation import from_host, host_array
from ..dtypes import DType
from ..errors import CallError, DTypeError, GradientError, ShaderError, ShapeError, shown
from ..layout import Layout, broadcast_shapes
from ..ops.families import NUMBERS, expanded, guarded_op, in_front, with_dtype
from ..ops.movement import permute_, reshape_, slice_
from .derive import pull, push
from .entry import Checked
from .forms import Form
from .function import ElementFunction
from .language.places import MADE, Span


class ShaderOp(Op):
    """A function of WGSL, applied at every point of the axes that its inputs share.

    Each input ends with the axes of its type, and the axes before those broadcast. With `planes`
    the components of the result come first, each dense by itself, instead of last.
    """

    def __init__(
        self,
        function: ElementFunction,
        planes: bool = False,
        numpy: Any = None,
        text: Checked | None = None,
    ):
        self.planes = planes
        self.numpy = numpy
        self.text = text  # that a person wrote; None for derivatives
        floats = function.result.dtype.is_floating
        rules = [
            (lambda inputs: inputs) if floats and x.dtype.is_floating else None
            for x in function.inputs
        ]
        super().__init__(function.name, rules, f"{function.says}, a function of WGSL.")
        self.wants_shapes = False
        self.function = function
        self._derived: dict[tuple, ShaderOp] = {}
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, kind) for name in function.names]
        )

    # Calls.
    @guarded_op
    def __call__(self, *inputs: Any, **named: Any) -> Tensor:
        return apply(self, *self._ready(self._placed(inputs, named)))

    def _placed(self, inputs: Sequence[Any], named: dict[str, Any]) -> list[Any]:
        """Return the inputs in the order of the parameters."""
        try:
            return list(self.__signature__.bind(*inputs, **named).arguments.values())
        except TypeError as error:
            call = f"{self.name}{self.__signature__}"
            raise CallError(f"{self.name}: {error}; {call} is its call") from None

    def _ready(self, inputs: list[Any]) -> list[Any]:
        """Return inputs in the dtypes of the parameters, over one shape."""
        name, forms = self.name, self.function.inputs
        check_devices(name, inputs)
        first = next((x for x in inputs if isinstance(x, Value)), None)
        device = None if first is None else first.device
        double = any(isinstance(x, Value) and x.dtype is dtypes.float64 for x in inputs)
        made: list[Any] = []
        for x, form, parameter in zip(inputs, forms, self.function.names, strict=True):
            what = f"{name}: {parameter}"
            wanted = _wanted(form, double)
            if type(x) is Varying:
                x = self._entered(x, wanted, device)
            elif type(x) in NUMBERS and not form.inner:
                x = dtypes.cast_scalar(_number(x, wanted, what), wanted, what)
                if device is not None:
                    made.append(x)
                    continue
                x = from_host(x, what, wanted)  # an op needs a tensor: the first input becomes one
            if not isinstance(x, Value):
                data = host_array(x, what)
                kept = data.dtype.kind in ("f" if wanted.is_floating else "iu")
                x = from_host(
                    data, what, wanted if kept and wanted is not dtypes.bool_ else None, device
                )
            device = x.device
            made.append(_converted(x, wanted, what, form))
        leads = [
            x.shape[: len(x.shape) - len(form.inner)]
            for x, form in zip(made, forms, strict=True)
            if isinstance(x, Value)
        ]
        lead = broadcast_shapes(name, *leads)
        return [
            expanded(x, (*lead, *form.inner)) if isinstance(x, Value) else x
            for x, form in zip(made, forms, strict=True)
        ]

    def _entered(self, x: Varying, wanted: DType, device: Any) -> Any:
        """Return a number that varies from replay to replay as an array of a trace."""
        if tracing() is None or not wanted.is_floating:
            return float(x)
        return wrap(device.full((), x.live(), wanted))

    # Running.
    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        if self.text is not None:
            self.text.judge.ask(device)
        forms, result = self.function.inputs, self.function.result
        operands: list[Array | Number] = []
        for x, form in zip(inputs, forms, strict=True):
            operands += _components(x, form) if isinstance(x, Array) else [x]
        double = any(isinstance(x, Array) and x.dtype is dtypes.float64 for x in inputs)
        shape = next(x.layout.shape for x in operands if isinstance(x, Array))
        function = self.function.on_device(double, self.numpy)
        return device.call(function, operands, shape, result.inner, self.planes)

    def batch(self, level: Any, inputs: list, batched: list[bool], params: dict) -> Tensor:
        """Apply the op to a whole batch; planes come before it, and go behind it."""
        made = in_front(self, level, inputs, batched, params)
        if not self.planes:
            return made
        rest = range(2, len(made.shape))
        return apply(permute_, made, axes=(1, 0, *rest))

    # Derivatives.
    def pulls(self, positions: Sequence[int], ct: Tensor, env: dict[str, Any]) -> list:
        """Return the cotangents of inputs.

        One op gives them all, in planes; but a vector or a matrix has one of its own, whose
        components lie as in the input: there a leaf's gradient needs no copy. Where the input was
        expanded, a sum follows, which makes memory of its own.
        """
        inputs = env["inputs"]
        alone = [
            i for i in positions if self.function.inputs[i].inner and _is_dense(inputs[i].array)
        ]
        rest = tuple(i for i in positions if i not in alone)
        made: dict[int, Tensor] = {}
        for group in [*((i,) for i in alone), *((rest,) if rest else ())]:
            made.update(zip(group, self._pulled(group, ct, inputs), strict=True))
        return [made[i] for i in positions]

    def _pulled(self, group: tuple[int, ...], ct: Tensor, inputs: Sequence[Any]) -> list:
        """Return the cotangents of inputs that one op computes."""
        several = len(group) > 1
        op = self._derivative(pull, group, planes=several)
        packed = apply(op, *inputs, _planes_last(ct) if self.planes else ct)
        made, first = [], 0
        for i in group:
            form = self.function.inputs[i]
            if several:
                part = _part(packed, first, form)
            else:
                part = _shaped(packed, (*packed.shape[:-1], *form.inner))
            first += form.size
            made.append(with_dtype(part, inputs[i].dtype))
        return made

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        return self.pulls((position,), ct, env)[0]

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        given = {i: t for i, t in enumerate(tangents) if t is not None}
        op = self._derivative(push, tuple(given), self.planes)
        return apply(op, *call.inputs, *given.values())

    def _derivative(self, direction: Any, active: Sequence[int], planes: bool) -> ShaderOp:
        key = direction, tuple(active), planes
        if key not in self._derived:
            try:
                made = direction(self.function.function, active)
                of = self.function
                self._derived[key] = ShaderOp(
                    ElementFunction(made, of.precise, of.origin, of.rounds), planes
                )
            except ShaderError as error:
                raise _without_rule(error, self.name, self.function.origin) from error
        return self._derived[key]

    # Texts.
    def wgsl(self) -> str:
        """Return the WGSL that runs: the function, with all that it uses.

        In kernels each name has a mark behind it that belongs to what it stands for, so that
        functions of several texts may stand together.
        """
        return self.function.text()

    def derivative_wgsl(self, *parameters: str, forward: bool = False) -> str:
        """Return the WGSL of the derivative by `parameters` (all of floats, where none is given).

        It is that of reverse mode, which takes the inputs and a weight for each component of the
        result (`ct`) and returns the derivatives by all components of the parameters. With
        `forward` it takes the inputs and a tangent for each parameter, and returns the result's.

        Raises: GradientError for a parameter without a derivative, or one that there is not.
        """
        names = self.function.names
        able = [n for n, rule in zip(names, self.rules, strict=True) if rule is not None]
        for name in parameters or able:
            if name not in able:
                has = ", ".join(able) or "none"
                raise GradientError(f"{self.name}: no derivative by {name!r}; there is by {has}")
        if not able:
            raise GradientError(
                f"{self.name}: it has no derivative, for it takes or gives no floats"
            )
        active = [i for i, n in enumerate(names) if n in (parameters or able)]
        return self._derivative(push if forward else pull, active, not forward).wgsl()


def _wanted(form: Form, double: bool) -> DType:
    return dtypes.float64 if double and form.dtype is dtypes.float32 else form.dtype


def _number(x: Any, wanted: DType, what: str) -> Any:
    if (wanted is dtypes.bool_) is not (type(x) is bool):
        kind, needed = ("bool", "True or False") if wanted is dtypes.bool_ else ("number", "one")
        raise DTypeError(f"{what} is a {kind}, and {shown(x)} came: give {needed}")
    return x


def _converted(x: Any, wanted: DType, what: str, form: Form) -> Any:
    """Return a tensor in the dtype of its parameter, whose last axes it has."""
    inner = form.inner
    if inner and x.shape[-len(inner) :] != inner:
        raise ShapeError(
            f"{what} is {form.type}, and a tensor of shape {x.shape} came: its last axes have to "
            f"be {inner}"
        )
    given = x.dtype
    if given is wanted:
        return x
    loses = not wanted.is_floating  # what an integer of another type cannot hold
    if loses or dtypes.bool_ in (given, wanted):
        raise DTypeError(
            f"{what} is {form.type}, and {given.name} came: convert with .astype({wanted.name!r})"
        )
    return with_dtype(x, wanted)


def _components(x: Array, form: Form) -> list[Array]:
    """Return a view of each component over the axes before those of the type."""
    inner = len(form.inner)
    layout = x.layout
    lead = len(layout.shape) - inner
    shape, strides = layout.shape[:lead], layout.strides[:lead]
    return [
        x.view(
            Layout(
                shape,
                strides,
                layout.offset
                + sum(i * s for i, s in zip(place, layout.strides[lead:], strict=True)),
            )
        )
        for place in product(*map(range, form.inner))
    ]


def _planes_last(x: Any) -> Any:
    """Return planes as components of a last axis."""
    return apply(permute_, x, axes=(*range(1, len(x.shape)), 0))


def _is_dense(x: Array) -> bool:
    """Return whether no element stands for several."""
    return all(
        step or extent == 1 for extent, step in zip(x.layout.shape, x.layout.strides, strict=True)
    )


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else apply(reshape_, x, shape=shape)


def _part(packed: Any, first: int, form: Form) -> Any:
    """Return some of the planes as a tensor of a form."""
    shape = packed.shape[1:]
    n = len(shape)
    starts, sizes, steps = (first, *(0,) * n), (form.size, *shape), (1,) * (n + 1)
    part = apply(slice_, packed, starts=starts, sizes=sizes, steps=steps)
    if not form.inner:
        return _shaped(part, shape)
    return _shaped(_planes_last(part), (*shape, *form.inner))


def _without_rule(error: ShaderError, name: str, origin: Span) -> ShaderError:
    """Return the error with advice; one that has no place in the text is put at the function."""
    what = f"the derivative of {name} needs it: give a rule of your own with backward="
    if error.file in (None, MADE):
        return origin.error(f"{error.reason}; {what}")
    return ShaderError(
        f"{error.reason}; {what}",
        file=error.file,
        line=error.line,
        column=error.column,
        source_line=error.source_line,
    )
