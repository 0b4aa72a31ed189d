"""Kernels that write to tensors themselves, and what the tape has to say to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import tape
from ..backends.base import Device
from ..backends.tracing import tracing
from ..core import Tensor, wrap
from ..core.batched import Batched
from ..core.interpret import current
from ..errors import ArgumentError, GradientError, ShapeError, VmapError
from ..interrupts import interrupts_wait
from ..tape import identity
from . import hosts
from .calls import Ready


def in_place(
    where: str, call: Ready, names: frozenset[str], device: Device, inputs: Sequence[Tensor]
) -> list[Tensor]:
    """Run a kernel that writes to those of its inputs that have these names.

    Raises: GradientError, ShapeError, ArgumentError and VmapError, before anything has changed.
    """
    targets = {n: x for n, x in zip(call.inputs, inputs, strict=True) if n in names}
    _check_targets(where, targets, dict(zip(call.inputs, inputs, strict=True)))
    results = call.plan.results
    into = [targets.get(r.name) for r in results]
    arrays = [x.array for x in inputs]
    direct = tracing() is None and not current.get().interpreters
    for r, x in zip(results, into, strict=True):
        if x is not None and direct:
            plain = r.placement.shape == r.placement.held and not x.array.storage.shared
            direct = plain and hosts.may_write_into(device, x.array)
    if not direct:
        made = call.run(device, arrays)
        for i, x in enumerate(into):
            if x is not None:
                identity.rewrite(x, made[i], owned=True)
        return [wrap(y) if x is None else x for x, y in zip(into, made, strict=True)]
    held = call.held(device, arrays)
    straight = [None if x is None else x.array for x in into]
    with interrupts_wait():  # new values are told from old ones by the version
        plan = call.plan
        made = device.dispatch_into(
            call.shader, held, call.params, plan.groups, plan.makes, straight
        )
        for x in into:
            if x is not None:
                identity.overwritten(x)
    seen = call.seen(made)
    return [wrap(y) if x is None else x for x, y in zip(into, seen, strict=True)]


def _check_targets(where: str, targets: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> None:
    """Raise where what is written in place cannot be, or would lose a gradient."""
    names = ", ".join(targets)
    for name, x in targets.items():
        if isinstance(x.array.storage, Batched):
            raise VmapError(
                f"{where}: {name} is written in place, and vmap came: leave it out of inplace="
            )
        if tape.is_followed(x):
            raise GradientError(
                f"{where}: {name} is written in place, and the tape follows it: use "
                f"no_grad(), give {name}.detach(), or leave {name} out of inplace="
            )
        layout = x.array.layout
        if not layout.contiguous and layout.overlaps:
            raise ShapeError(
                f"{where}: {name} of shape {x.shape} is an expanded view, whose elements "
                "share memory: give a copy()"
            )
    for other, x in inputs.items():
        if tape.is_followed(x):
            raise GradientError(
                f"{where}: {other} requires grad, and {names} written in place would lose "
                f"its gradient: use no_grad(), give {other}.detach(), or leave {names} out of "
                "inplace="
            )
    storages = [x.array.storage for x in targets.values()]
    if len(set(storages)) < len(storages):
        raise ArgumentError(f"{where}: {names} are written in place, and share memory")
