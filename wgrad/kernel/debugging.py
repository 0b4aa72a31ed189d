"""wg.kernel.debug: the values that `dbg(x)` calls in a text see, in one invocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import tape
from ..creation import host_array, tensor
from ..custom import CustomOp
from ..devices import device as device_of
from ..errors import ArgumentError, shown
from ..tensor import Tensor
from .compute import ComputeKernel
from .dbg import taken_out
from .forms import Form, form_of, written
from .fronts import newest
from .instruments import Instruments, names_of
from .language import check, parse
from .language import syntax as s
from .language.types import F16, F32, I32, U32, Matrix, Scalar, Type, Vector, concrete
from .reports import Report, laid_out
from .reports import at as placed
from .reruns import Rerun
from .shaderop import ShaderOp

KEPT = 1024  # values of a run
WORDS = 17  # of each: the call, and up to 16 components

_HELPER = """
fn {function}(x: {kind}, call: u32) -> {kind} {{
    if ({on}) {{
        let k = {report}[0];
        {report}[0] = k + 1u;
        if (k < {kept}u) {{
            let start = 1u + k * {words}u;
            {report}[start] = call;
            {stores}
        }}
    }}
    return x;
}}
"""
_TO_WORD = {
    F32: "bitcast<u32>({})",
    I32: "bitcast<u32>({})",
    U32: "{}",
    F16: "bitcast<u32>(f32({}))",
}
_FROM_WORD = {
    F32: "bitcast<f32>({})",
    I32: "bitcast<i32>({})",
    U32: "{}",
    F16: "f16(bitcast<f32>({}))",
}


@dataclass(frozen=True)
class Seen:
    """A value that a call of dbg saw: the text of its argument, and its place in the file.

    Vectors are lists of their components, matrices lists of columns.
    """

    text: str
    value: Any
    file: str
    line: int
    column: int


@dataclass(frozen=True)
class DebugReport(Report):
    """What the dbg calls of one invocation saw, in the order in which they ran.

    `lost` counts values for which there was no room.
    """

    name: str
    at: tuple[int, ...]
    values: tuple[Seen, ...]
    lost: int

    @property
    def ok(self) -> bool:
        """Whether all values are there."""
        return not self.lost

    def __str__(self) -> str:
        lines = [f"{self.name}, {placed(self.at) or 'the only one'}:"]
        rows = [(f"{x.file}:{x.line}", x.text, "=", _as_text(x.value)) for x in self.values]
        lines += ["  " + x for x in laid_out(rows)] if rows else ["  no dbg call ran"]
        return "\n".join([*lines, f"  and {self.lost} more" if self.lost else ""]).rstrip()


def debug(kernel: Any, *inputs: Any, at: Any = 0, **named: Any) -> DebugReport:
    """Run a kernel or an op, and return what its `dbg(x)` calls see in one invocation.

    WGSL that comes through wgrad may call `dbg(x)` on numbers, bools, vectors and matrices,
    anywhere in functions. It gives x, and costs nothing unless it is debugged.

    `kernel` is what `wg.kernel.compute` or `wg.kernel.elementwise` returned, or WGSL of a compute
    shader, or the path of a file; `inputs` and `named` are what it is called with. `at` is an
    invocation (x, y, z) of a compute shader, or x alone; of a function of elements the index of an
    element, of one number counting through all of them, or of one for each axis. It runs on a GPU,
    with copies of what it would change.

    Raises: ArgumentError for an invocation or an element that there is not; ShaderError for a dbg
    of a structure or an array, or in a constant; DeviceError without a GPU.

    Example:
        >>> op = wg.kernel.elementwise('''
        ... fn f(x: f32) -> f32 {
        ...     let y = dbg(x * x);
        ...     return y + 1.0;
        ... }''')
        >>> print(wg.kernel.debug(op, [2.0, 3.0], at=1))
        f, [1]:
          <text>:3  x * x  =  9.0
    """
    inner = newest(kernel.forward if isinstance(kernel, CustomOp) else kernel)
    if isinstance(inner, ShaderOp):
        return _of_element(inner, inputs, named, at)
    call = Rerun(inner, inputs, named, "kernel.debug")
    sizes = [n * k for n, k in zip(call.plan.groups, call.entry.workgroup, strict=True)]
    where = _index(at, sizes, "invocation", call.kernel.name)
    where = (*where, 0, 0)[:3]
    source = call.kernel.checked.source.written
    made = _Debugged(parse(source), call.kernel.name, call.constants, where)
    if not made.is_used:
        return DebugReport(call.kernel.name, where, (), 0)
    device = call.device
    zeros = {
        n: tensor(np.zeros(x.shape), x.dtype, device)
        for n, x in call.results.items()
        if n not in call.inputs
    }
    copies = {n: x.copy() for n, x in call.inputs.items() if n in call.results}
    report = made.empty(device)
    altered = call.altered(made.text, made.report)
    call.run(altered, {**zeros, **copies, made.report: report})
    return made.read(report, call.kernel.name, where)


def _index(at: Any, sizes: Sequence[int], what: str, name: str) -> tuple[int, ...]:
    """Return a place in a grid of sizes. Raises: ArgumentError."""
    given = at if isinstance(at, (tuple, list)) else (at,)
    if not all(type(x) is int for x in given):
        raise ArgumentError(f"kernel.debug: at={shown(at)} came, and integers are needed")
    fits = len(given) <= len(sizes) and all(0 <= x < n for x, n in zip(given, sizes, strict=False))
    if not fits:
        there = " x ".join(map(str, sizes))
        raise ArgumentError(f"kernel.debug: {name} has no {what} {shown(at)}: there are {there}")
    return tuple(given)


def _of_element(op: ShaderOp, inputs: Sequence[Any], named: Mapping, at: Any) -> DebugReport:
    """Debug a function of elements: a kernel calls it with the inputs of one element."""
    function = op.function
    arrays = [
        x.detach().numpy() if isinstance(x, Tensor) else host_array(x, "kernel.debug")
        for x in op._placed(inputs, dict(named))
    ]
    forms = function.inputs
    leads = [x.shape[: x.ndim - len(f.inner)] for x, f in zip(arrays, forms, strict=True)]
    try:
        lead = np.broadcast_shapes(*leads)
    except ValueError as error:
        raise ArgumentError(f"kernel.debug: {op.name}: the inputs do not fit: {error}") from None
    if isinstance(at, (tuple, list)):
        where = _index(at, lead, "element", op.name)
    else:
        (flat,) = _index(at, (prod(lead),), "element", op.name)
        where = tuple(int(i) for i in np.unravel_index(flat, lead)) if lead else ()
    if len(where) != len(lead):
        raise ArgumentError(
            f"kernel.debug: at={shown(at)} came, and elements have {len(lead)} axes"
        )
    words: list[np.ndarray] = []
    for x, form in zip(arrays, forms, strict=True):
        one = np.broadcast_to(x, (*lead, *form.inner))[where].reshape(-1)
        kind = np.uint32 if form.scalar not in (F32, F16, I32) else np.int32
        kind = np.float32 if form.scalar in (F32, F16) else kind  # type: ignore[assignment]
        words.append(one.astype(kind).view(np.uint32))
    assert op.text is not None  # a derivative is not what a person holds
    module, entry = _calling(parse(op.text.source.written), op.name, forms)
    constants = op.text.constants
    made = _Debugged(module, entry, constants, (0, 0, 0))
    if not made.is_used:
        return DebugReport(op.name, where, (), 0)
    device = device_of("webgpu")
    report = made.empty(device)
    kernel = ComputeKernel(
        made.text, entry, groups=1, constants=constants, inplace=made.report, where="kernel.debug"
    )
    tape.recording(False, kernel, tensor(np.concatenate(words), "uint32", device), report)
    return made.read(report, op.name, where)


def _calling(module: s.Module, name: str, forms: Sequence[Form]) -> tuple[s.Module, str]:
    """Return a module with an entry point that calls a function, and what that is called."""
    taken = names_of(module)
    data, entry = "wgrad_input", "wgrad_main"
    while data in taken or entry in taken:
        data, entry = f"{data}_", f"{entry}_"
    arguments, at = [], 0
    for form in forms:
        pattern = _FROM_WORD.get(form.scalar, "({} != 0u)")
        arguments.append(
            written(form, [pattern.format(f"{data}[{at + k}]") for k in range(form.size)])
        )
        at += form.size
    text = (
        f"@group(0) @binding(0) var<storage, read> {data}: array<u32>;"
        f"@compute @workgroup_size(1) fn {entry}() {{ _ = {name}({', '.join(arguments)}); }}"
    )
    others = tuple(
        x
        for x in module.declarations
        if not isinstance(x, s.GlobalVar) and not (isinstance(x, s.Function) and _is_entry(x))
    )
    return s.Module(module.directives, (*others, *parse(text).declarations)), entry


def _is_entry(node: s.Function) -> bool:
    return any(x.name in ("compute", "vertex", "fragment") for x in node.attributes)


class _Debugged:
    """A text whose dbg calls write to a report, in one invocation."""

    def __init__(
        self, module: s.Module, entry: str, constants: Mapping[str, Any], where: tuple[int, ...]
    ):
        bare, calls = taken_out(module)
        self.typed = typed = check(bare, overrides=constants)
        self.put = put = Instruments(typed, entry, atomic=False)
        self.report = put.report
        self.calls = calls
        self._sites: dict[int, list[int]] = {}
        for i, (argument, _) in enumerate(calls):
            self._sites.setdefault(id(argument), []).append(i)
        self._helpers: dict[Type, str] = {}
        self.kinds: list[Form] = []
        on = put.name("on")
        put.declare(f"var<private> {on}: bool;")
        put.begin(f"{on} = all({put.invocation} == vec3u({', '.join(map(str, where))}));")
        self.kinds = [self._form(argument, call) for argument, call in calls]
        self.text = put.text(lambda f: f.but(body=self._rewritten(f.body)))
        self._check_constants()

    def _form(self, argument: Any, call: s.Call) -> Form:
        """Return how the value of a call lies in the report. Raises: ShaderError."""
        kind = concrete(self.typed.type_of(argument))
        form = form_of(kind) if isinstance(kind, (Scalar, Vector, Matrix)) else None
        if form is None:
            raise call.span.error(
                f"dbg takes numbers, bools, vectors and matrices, and {kind} came: give its parts"
            )
        return form

    def _rewritten(self, node: Any) -> Any:
        made = node
        if isinstance(node, (s.Let, s.Var)):
            made = node if node.value is None else node.but(value=self._rewritten(node.value))
        elif id(node) not in self.typed.constants and not isinstance(node, (s.Const, s.Attribute)):
            made = node.mapped(self._rewritten)
        for i in self._sites.pop(id(node), ()):
            made = s.call(self._helper(self.kinds[i]), made, s.number(i, "u"))
        return made

    def _check_constants(self) -> None:
        """Raise where a dbg stands in a constant, which nothing computes at run time."""
        point = self.put.point
        others = [x.node for n, x in self.typed.functions.items() if n not in point.functions]
        unused = {id(x) for f in others for x in f.walk()}
        for argument, call in self.calls:
            if id(argument) in self._sites and id(argument) not in unused:
                value = self.typed.constant(argument)
                raise call.span.error(
                    f"dbg stands in a constant, where nothing is run: its value is {value}"
                )

    def _helper(self, form: Form) -> str:
        """Return the function that notes values of a type."""
        if form.type not in self._helpers:
            name = self._helpers[form.type] = self.put.name(f"dbg_{len(self._helpers)}")
            word = _TO_WORD.get(form.scalar, "select(0u, 1u, {})")
            stores = " ".join(
                f"{self.report}[start + {k + 1}u] = {word.format(f'x{path}')};"
                for k, path in enumerate(form.paths)
            )
            self.put.declare(
                _HELPER.format(
                    function=name,
                    kind=form.type,
                    on=self.put.name("on"),
                    report=self.report,
                    kept=KEPT,
                    words=WORDS,
                    stores=stores,
                )
            )
        return self._helpers[form.type]

    @property
    def is_used(self) -> bool:
        """Whether there is a dbg call that may be reached."""
        return bool(self._helpers)

    def empty(self, device: Any) -> Tensor:
        """Return a report to be written."""
        return tensor(np.zeros(1 + KEPT * WORDS, np.uint32), "uint32", device)

    def read(self, report: Tensor, name: str, where: tuple[int, ...]) -> DebugReport:
        """Return what a run noted."""
        words = report.numpy()
        count = int(words[0])
        noted = []
        for row in words[1:].reshape(KEPT, WORDS)[:count]:
            form, (_, call) = self.kinds[row[0]], self.calls[row[0]]
            argument = call.arguments[0]
            place = call.span.place
            text = argument.span.text if argument.span.source else ""
            value = _value(form, row[1 : 1 + form.size])
            noted.append(Seen(text, value, place.file, place.line, place.column))
        return DebugReport(name, where, tuple(noted), max(0, count - KEPT))


def _value(form: Form, words: np.ndarray) -> Any:
    kinds = {F32: np.float32, F16: np.float32, I32: np.int32, U32: np.uint32}
    values = words.view(kinds[form.scalar]) if form.scalar in kinds else words.astype(bool)
    return values.reshape(form.inner).tolist()


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_as_text, value))})"
    return f"{value:.7g}" if isinstance(value, float) and value != int(value) else str(value)
