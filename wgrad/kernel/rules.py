"""Backward rules of kernels: a shader, or a function of operations, that gets what it names.

A rule sees the forward kernel's inputs and outputs by the names of their bindings, and for each
output y the gradient of what follows, d_y. It gives d_x for an input x. Where a binding is both, x
is what was given, and out_x (with d_out_x) is the result.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core import Value
from ..errors import CallError, GradientError, shown
from ..layout import Shape

if TYPE_CHECKING:
    from .compute import ComputeKernel


class Names:
    """What a rule of a kernel may name."""

    def __init__(self, kernel: ComputeKernel):
        self.inputs = kernel.inputs
        placements = kernel.entry.placements
        self.floats = [n for n in kernel.inputs if placements[n].dtype.is_floating]
        self.outputs = {f"out_{n}" if n in kernel.inputs else n: n for n in kernel.outputs}
        self.cts = {f"d_{k}": n for k, n in self.outputs.items() if placements[n].dtype.is_floating}
        self.gradients = {f"d_{n}": n for n in self.floats}


class PythonRule:
    """A function of operations."""

    def __init__(self, kernel: ComputeKernel, function: Callable):
        self.names = Names(kernel)
        self.function = function
        self.where = f"{kernel.name}.backward"
        uniforms = [*kernel.entry.uniforms.names, *kernel.entry.typed.overrides]
        known = [*self.names.inputs, *self.names.outputs, *self.names.cts, *uniforms]
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise CallError(f"{self.where}: {shown(function)} says no parameters") from None
        for p in parameters:
            if p.name not in known and p.default is p.empty:
                raise CallError(
                    f"{self.where}: the function takes {p.name!r}, and there are {', '.join(known)}"
                )
        self.asked = [p.name for p in parameters if p.name in known]
        self.needs = frozenset(self.asked)

    def gradients(
        self, values: Mapping[str, Any], numbers: Mapping[str, Any], shapes: Mapping[str, Shape]
    ) -> dict[str, Any]:
        """Return the gradients of inputs by their names; `shapes` are those of all there is."""
        arguments = {**numbers, **values}
        for name in self.asked:
            if name not in arguments:
                raise CallError(f"{self.where}: {name} was not given in the call by this name")
        made = self.function(**{name: arguments[name] for name in self.asked})
        if isinstance(made, Mapping):
            return {self._input(k): x for k, x in made.items()}
        parts = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        order = self.names.inputs if len(parts) == len(self.names.inputs) else self.names.floats
        if len(parts) != len(order):
            raise GradientError(
                f"{self.where}: the function returned {len(parts)} gradients; one for each of "
                f"{', '.join(self.names.inputs)} is needed, or a dict by name"
            )
        return dict(zip(order, parts, strict=True))

    def _input(self, name: str) -> str:
        owner = self.names.gradients.get(name, name)
        if owner not in self.names.inputs:
            known = ", ".join(self.names.gradients)
            raise GradientError(f"{self.where}: {name!r} came, and there are {known}")
        return owner


class ShaderRule:
    """A compute shader: its bindings d_x are gradients, and all others what the rule names."""

    def __init__(self, kernel: ComputeKernel, rule: ComputeKernel):
        self.names = names = Names(kernel)
        self.rule = rule
        self.where = f"{kernel.name}.backward"
        known = [*names.inputs, *names.outputs, *names.cts]
        entry = rule.entry
        for x in entry.storage:
            if x.name in names.gradients and x.access != "read":
                continue
            if x.name not in known or x.access != "read":
                what = (
                    f"{x.name} is none of the gradients {', '.join(names.gradients)}, which alone "
                    "are written"
                    if x.access != "read"
                    else f"there is no {x.name}: a rule reads {', '.join(known)}"
                )
                raise x.node.span.error(f"{self.where}: {what}")
        for name in entry.uniforms.names:
            if not kernel.entry.uniforms.knows(name):
                there = ", ".join(kernel.entry.uniforms.names) or "none"
                node = next(
                    x.node
                    for x in entry.typed.bindings
                    if x.name == name or x.name == entry.uniforms.owners.get(name)
                )
                raise node.span.error(
                    f"{self.where}: the uniform {name} is none of the forward kernel's: {there}"
                )
        self.needs = frozenset(x.name for x in entry.storage if x.access == "read")

    def gradients(
        self, values: Mapping[str, Any], numbers: Mapping[str, Any], shapes: Mapping[str, Shape]
    ) -> dict[str, Any]:
        """Return the gradients of inputs by their names; `shapes` are those of all there is."""
        rule = self.rule
        given = {n: values[n] for n in rule.inputs}
        uniforms = rule.entry.uniforms
        chosen = {
            k: x for k, x in numbers.items() if uniforms.knows(k) or k in rule.entry.typed.overrides
        }
        made = rule._called(given, chosen, around=shapes)
        return {self.names.gradients[n]: x for n, x in zip(rule.outputs, made, strict=True)}


Rule = PythonRule | ShaderRule


def checked(
    gradients: Mapping[str, Any], inputs: Mapping[str, Any], wanted: Sequence[str], where: str
) -> None:
    """Raise GradientError unless the gradients that are wanted are there, and fit."""
    for name in wanted:
        if name not in gradients:
            raise GradientError(
                f"{where}: the rule gives no d_{name}, and the input {name} requires grad: use "
                f"{name}.detach(), or add it"
            )
        part, shape = gradients[name], inputs[name]
        if part is not None and (not isinstance(part, Value) or part.shape != shape):
            raise GradientError(
                f"{where}: {shown(part)} came for d_{name}, and a tensor of shape {shape} is needed"
            )
