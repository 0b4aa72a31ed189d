"""One call of a kernel on its way to a device: what it is given, how large, and how it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from .. import dtypes
from ..backends.array import Array, Number
from ..backends.base import Device
from ..backends.shader import Groups, Make, Shader
from ..backends.tracing import Live
from ..core import Value
from ..creation.host import from_host, host_array
from ..dtypes import DType
from ..errors import ArgumentError, DTypeError, ShapeError
from ..layout import Shape
from . import memory
from .entry import Entry
from .language.layouts import members, stride_of
from .language.types import Array as ArrayType
from .language.types import Structure
from .memory import Placement, check_dtype, held_shape, lead_of
from .sizes import groups_of, shape_of

HALF = 2  # bytes


class Result(NamedTuple):
    """A result: the binding's name, how it lies there, and the shape of the tensor."""

    name: str
    placement: Placement
    lead: Shape
    shape: Shape
    dtype: DType


class Plan(NamedTuple):
    """What follows from the shapes and dtypes of a call's inputs."""

    leads: tuple[Shape, ...]  # of the inputs
    makes: tuple[Make, ...]
    results: tuple[Result, ...]
    groups: Groups
    odd: frozenset[str]  # bindings with an odd count of float16, which fill no whole words


class Specs(NamedTuple):
    """What a user says of a kernel's sizes."""

    outputs: Mapping[str, Any]
    threads: Any
    groups: Any


class Ready(NamedTuple):
    """A call with all that it is given, but the inputs."""

    entry: Entry
    shader: Shader
    inputs: tuple[str, ...]
    plan: Plan
    params: bytes
    live: tuple[tuple[int, Live], ...]

    def run(self, device: Device, inputs: Sequence[Array | Number]) -> list[Array]:
        """Run it, and return its results as tensors see them."""
        operands: list[Any] = self.held(device, inputs)
        operands += [x for _, x in self.live]
        places = tuple([at for at, _ in self.live])
        plan = self.plan
        made = device.dispatch(self.shader, operands, self.params, places, plan.groups, plan.makes)
        return self.seen(made)

    def held(self, device: Device, inputs: Sequence[Array | Number]) -> list[Array]:
        """Return the memory that bindings show of the inputs."""
        placements = self.entry.placements
        return [
            memory.held(device, x, placements[name], lead)
            for name, x, lead in zip(self.inputs, inputs, self.plan.leads, strict=True)
            if isinstance(x, Array)
        ]

    def seen(self, made: Sequence[Array]) -> list[Array]:
        """Return the results as tensors see them, given their memory."""
        return [
            memory.seen(x, r.placement, r.lead)
            for x, r in zip(made, self.plan.results, strict=True)
        ]


def tensors(entry: Entry, given: Mapping[str, Any], device: Device, where: str) -> list[Any]:
    """Return what was given for bindings as tensors of the declared types.

    Raises: DTypeError, ShapeError, ArgumentError.
    """
    wide = any(isinstance(x, Value) and x.dtype is dtypes.float64 for x in given.values())
    converted = []
    for name, x in given.items():
        placement = entry.placements[name]
        if isinstance(x, Value):
            if x.dtype is not placement.dtype:
                check_dtype(placement, x.dtype, where, name, device)
        else:
            data = host_array(x, f"{where}: {name}")
            if placement.dtype.is_integer and data.dtype.kind == "f":
                raise DTypeError(f"{where}: {name} is {placement.kind}, and floats came")
            dtype = (
                dtypes.float64 if wide and placement.dtype is dtypes.float32 else placement.dtype
            )
            x = from_host(data, f"{where}: {name}", dtype, device)
        converted.append(x)
    return converted


def planned(
    entry: Entry,
    specs: Specs,
    inputs: Sequence[str],
    given: Sequence[tuple[Shape, DType]],
    around: Mapping[str, Shape],
    where: str,
) -> Plan:
    """Return what follows from the inputs' shapes and dtypes.

    `around` are shapes that sizes may be said by besides. Raises: ShapeError, ArgumentError.
    """
    shapes = dict(around)
    shapes |= {name: shape for name, (shape, _) in zip(inputs, given, strict=True)}
    kinds = {name: dtype for name, (_, dtype) in zip(inputs, given, strict=True)}
    leads = {n: lead_of(entry.placements[n], shapes[n], where, n) for n in inputs}
    wide = dtypes.float64 in kinds.values()
    results: list[Result] = []
    for name in entry.writes:
        placement = entry.placements[name]
        if name in kinds:
            shape, lead, dtype = shapes[name], leads[name], kinds[name]
        else:
            spec = specs.outputs[name]
            if spec is None:
                shape = _declared(placement, where, name)
            else:
                shape = shape_of(spec, shapes, inputs, where, name)
            lead = lead_of(placement, shape, where, name)
            dtype = (
                dtypes.float64 if wide and placement.dtype is dtypes.float32 else placement.dtype
            )
        results.append(Result(name, placement, lead, shape, dtype))
    counted = {**around, **leads, **{r.name: r.lead for r in results}}
    known = {**shapes, **{r.name: r.shape for r in results}}
    threads = specs.threads if specs.threads is not None else results[0].name
    groups = groups_of(threads, specs.groups, counted, inputs, known, entry.workgroup, where)
    makes = tuple(
        Make(
            held_shape(r.placement, r.lead),
            r.dtype,
            inputs.index(r.name) if r.name in kinds else None,
            entry.reads(r.name) or 0 in groups,
        )
        for r in results
    )
    if 0 not in groups:
        for name in (*inputs, *(r.name for r in results)):
            if 0 in known[name]:
                raise ShapeError(
                    f"{where}: {name} is empty, and WebGPU binds no memory of 0 bytes: {groups} "
                    "workgroups would run"
                )
    bound = {**leads, **{r.name: r.lead for r in results}}
    odd = frozenset(n for n, lead in bound.items() if _is_odd(entry.placements[n], lead))
    return Plan(tuple(leads[n] for n in inputs), makes, tuple(results), groups, odd)


def _is_odd(placement: Placement, lead: Shape) -> bool:
    """Whether an array whose length is open has an odd count of float16."""
    kind = placement.kind
    if placement.dtype is not dtypes.float16 or placement.elements is not None:
        return False
    last = members(kind)[-1].type if isinstance(kind, Structure) else kind
    return isinstance(last, ArrayType) and stride_of(last) == HALF and bool(prod(lead) % 2)


def _declared(placement: Placement, where: str, name: str) -> Shape:
    """Return the shape that the text itself says."""
    if not placement.is_array:
        return placement.shape
    if placement.elements is None:
        raise ArgumentError(
            f"{where}: outputs: {name} is {placement.kind}, whose length is open: say its shape"
        )
    return (placement.elements, *placement.shape)
