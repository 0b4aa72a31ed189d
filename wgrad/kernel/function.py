"""WGSL functions for devices: one that takes components, and gives components."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from .. import dtypes
from ..backends import functions
from ..dtypes import DType
from .declarations import declarations, valued
from .derive import Function
from .forms import Form, form_of, written
from .language.places import Span
from .language.types import F16, Array, Scalar
from .rounds import Counters, library
from .twin.functions import Twin


class ElementFunction:
    """A checked function whose parameters and result lie in tensors.

    `origin` is where the text has the function that it was derived of. A call runs at most `rounds`
    rounds of loops whose end the text does not say; None for any number.

    Raises: ShaderError, with the place, for a type that no tensor holds.
    """

    def __init__(
        self,
        function: Function,
        precise: bool = False,
        origin: Span | None = None,
        rounds: int | None = None,
    ):
        self.rounds = rounds
        self.function = function = valued(function)
        self.origin = origin or function.node.span
        self.precise = precise
        self.name = function.name
        info = function.typed.functions[function.name]
        self.names = tuple(x.name for x in info.parameters)
        if not self.names:
            raise info.node.span.error(f"{self.name} has no parameters: an op is of some inputs")
        self.inputs: tuple[Form, ...] = tuple(
            _form(x.type, f"parameter {x.name} of {self.name}", node)
            for x, node in zip(info.parameters, info.node.parameters, strict=True)
        )
        self.result = _form(info.result, f"what {self.name} returns", info.node)
        self._functions: dict[tuple[bool, Any], functions.Function] = {}

    @property
    def says(self) -> str:
        """What it takes and gives, as in its text."""
        takes = zip(self.names, self.inputs, strict=True)
        return f"{self.name}({', '.join(f'{n}: {x.type}' for n, x in takes)}) -> {self.result.type}"

    def on_device(self, double: bool, numpy: Any = None) -> functions.Function:
        """Return what devices call; with `double`, floats are float64, on NumPy alone.

        `numpy` stands for the twin: it takes a list of components for each parameter that has
        several, and returns one of the result's.
        """
        key = double, numpy
        if key not in self._functions:
            self._functions[key] = self._made(double, numpy)
        return self._functions[key]

    def text(self) -> str:
        """Return what runs, by the names of its text: those on devices have a mark behind them."""
        return "\n\n".join(declarations(self.function, self.precise)[0])

    def _made(self, double: bool, numpy: Any) -> functions.Function:
        entry, code = self._device_code
        ins = [_of(x, double) for x in self.inputs for _ in range(x.size)]
        return functions.Function(
            name=self.name,
            entry=entry,
            code=code,
            parts=self.result.paths,
            ins=tuple(ins),
            out=_of(self.result, double),
            numpy=self._twin(double) if numpy is None else self._given(numpy),
            key=(double, numpy),
        )

    def _twin(self, double: bool) -> Any:
        """Return a function that interprets the text; that is compiled when it is first called."""
        made: list[Any] = []

        def run(*operands: Any) -> Sequence[Any]:
            if not made:
                made.append(
                    Twin(
                        self.function.typed,
                        self.name,
                        float64=double,
                        limit=self.rounds or sys.maxsize,
                    ).numpy
                )
            return made[0](*operands)

        return run

    def _given(self, numpy: Any) -> Any:
        """Return a function of the user's as one of components."""

        def run(*operands: Any) -> Sequence[Any]:
            rest = iter(operands)
            grouped = [[next(rest) for _ in range(x.size)] for x in self.inputs]
            made = numpy(
                *[x[0] if not f.inner else x for x, f in zip(grouped, self.inputs, strict=True)]
            )
            return made if self.result.inner else [made]

        return run

    @cached_property
    def _device_code(self) -> tuple[str, tuple[str, ...]]:
        """The function that takes components, by its name, and all its WGSL."""
        counters = Counters(self.function.typed, self.rounds, self.origin)
        code, name = declarations(self.function, self.precise, counters)
        forms = (*self.inputs, self.result)
        look = counters.look(self.name)
        if look is None and all(isinstance(x.type, Scalar) and x.scalar != F16 for x in forms):
            return name, code
        parameters: list[str] = []
        arguments: list[str] = []
        for x in self.inputs:
            first = len(parameters)
            half = x.scalar == F16
            kind = "f32" if half else str(x.scalar)
            parameters += [f"c{first + k}: {kind}" for k in range(x.size)]
            components = [f"c{first + k}" for k in range(x.size)]
            arguments.append(written(x, [f"f16({c})" for c in components] if half else components))
        value, result = f"{name}({', '.join(arguments)})", self.result
        lines = [f"    return {value};"]
        if look is not None:
            lines = [f"    let made = {value};", "    return made;"]
        kind = str(result.type)
        if result.scalar == F16:
            components = [f"f32(made{path})" for path in result.paths]
            kind = kind.replace("f16", "f32")
            whole = components[0] if not result.inner else f"{kind}({', '.join(components)})"
            lines = [f"    let made = {value};", f"    return {whole};"]
        head = [f"fn {name}_of({', '.join(parameters)}) -> {kind} {{"]
        if look is not None:
            head = [look.comment, *head, "    wgrad_rounds = 0u;"]
            lines.insert(1, f"    wgrad_look({look.key}u);")
            code = (library(), *code)
        return f"{name}_of", (*code, "\n".join([*head, *lines, "}"]))


def _of(form: Form, double: bool) -> DType:
    return dtypes.float64 if double and form.dtype is dtypes.float32 else form.dtype


def _form(kind: Any, what: str, node: Any) -> Form:
    form = form_of(kind)
    if form is None or (isinstance(kind, Array) and node.span.source is not None):
        raise node.span.error(
            f"{what} is {'nothing' if kind is None else kind}, which no tensor holds: an op takes "
            "and gives numbers, bools, vectors and matrices; other functions may be called by it"
        )
    return form
