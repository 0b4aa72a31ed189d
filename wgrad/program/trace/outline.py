"""What a traced call did, told so that it can be done again when the trace is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from ... import random
from ...backends.array import Array, Storage
from ...backends.faults import Faults
from ...tensor import Tensor
from .finish import Bindings, NodeKey, Source, shifted
from .tracer import Range, Tracer

Generated = tuple[random.Generator, bool, int]  # a generator, whether it is the global one, numbers
Ranged = tuple[Source, Array, tuple[int, int, int | None]]  # an array, from its argument's start


class Outside:
    """What stands outside of a function, as the policy that guards its programs sees it."""

    tensors: Collection[int]  # ids of those that the function can reach by itself
    storages: Collection[Storage]  # their memory
    # The places of declared tensors (by id) and of their memory, and what stands there now: it may
    # be another one at a later run.
    places: Mapping[int, int] = MappingProxyType({})
    memory_places: Mapping[Storage, int] = MappingProxyType({})
    here: Sequence[Tensor] = ()
    memory: Sequence[Storage] = ()

    def holds(self) -> bool:
        """Whether all of that is as it was when a program was traced."""
        raise NotImplementedError


class Effect(NamedTuple):
    """What a run does to one gradient: leave it ("keep"), "clear" it, or "set" a value."""

    key: NodeKey
    seen: int
    entry: Any
    action: str
    value: Any  # None, ZERO, or the number of a handed-out tensor
    replaced: bool


class Written(NamedTuple):
    """A storage from outside that a run writes to, and how often."""

    source: Source
    times: int
    bounds: tuple[int, int] | None


class ArgumentEffect(NamedTuple):
    """What a run does to the identity of an argument."""

    position: int
    loses_node: bool
    requires_grad: bool | None  # what it is afterwards, where that changes
    grad: int | None  # which handed-out tensor is its gradient


@dataclass(frozen=True, eq=False)
class Outline:
    """What a run of the program of a call takes, leaves and returns, and what it rests on."""

    # What a run does.
    sources: list[Source]  # of the program's inputs
    specs: list[Any]  # how to make each tensor that is handed out: a Source, or Made
    template: Any  # of the result
    results: list[int]  # the numbers of its tensors
    effects: list[Effect]
    argument_effects: list[ArgumentEffect]
    written: list[Written]
    generators: list[Generated]
    callbacks: list[tuple[Callable[..., None], tuple]]
    faults: Faults | None
    # What it rests on.
    pins: list[tuple[int, tuple[int, int, Storage | None]]]
    reached: list[Tensor | None]  # arguments that the function can reach by itself as well
    fixed_grads: list[tuple[NodeKey, Storage]]
    histories: list[tuple[Storage, int]]
    guards: list[tuple[Callable[..., bool], tuple]]
    checks: list[Ranged]
    choices: list[Ranged]

    def node(self, key: NodeKey, leaves: Sequence[Tensor]) -> Any:
        """Return the node that a key means in a run with these arguments."""
        return leaves[key].node if isinstance(key, int) else key

    def storage(self, source: Source, leaves: Sequence[Tensor], outside: Outside) -> Storage:
        """Return the memory that a source means in a run with these arguments."""
        kind, of = source
        if kind == "window":
            array = leaves[of].array
            return array.storage.device.window(array)
        if kind == "argument":
            return leaves[of].array.storage
        if kind == "state":
            return outside.memory[of]
        if kind == "grad":
            return self.node(of, leaves).grad.array.storage
        if kind == "faults":
            assert self.faults is not None
            return self.faults.records.storage
        return of


def generated(tracer: Tracer) -> list[Generated]:
    """Return which random numbers a trace drew."""
    current = random.global_generator()
    return [(g, g is current, taken) for g, (_, taken) in tracer.generators.items()]


def ranges(
    checks: Sequence[Range],
    bindings: Bindings,
    leaves: Sequence[Tensor],
    besides: Sequence[Ranged] = (),
) -> list[Ranged]:
    """Return what has to lie in a range before each run, leaving out what `besides` see to.

    An array of an argument has an offset from where that begins. Of several ranges for one array
    those are left that others do not imply: each costs time in every run.
    """
    found: list[Ranged] = []
    for x, limits in checks:
        position = bindings.tracer.position_of(x)
        if position is None:
            source, layout = bindings.fixed(x.storage), x.layout
        else:
            source = Source("argument", position)
            layout = shifted(x.layout, -leaves[position].array.layout.offset)
        made: Ranged = source, Array(x.storage, layout, x.dtype), limits
        if not any(_implies(other, made) for other in (*besides, *found)):
            found = [other for other in found if not _implies(made, other)]
            found.append(made)
    return found


def _implies(one: Ranged, other: Ranged) -> bool:
    """Whether integers that lie in the range of `one` lie in that of `other`, of the same array."""
    (source, x, (low, high, besides)), (of, y, (least, greatest, allowed)) = one, other
    if source != of or x.dtype is not y.dtype or x.layout != y.layout:
        return False
    return least <= low and high <= greatest and besides in (None, allowed)
