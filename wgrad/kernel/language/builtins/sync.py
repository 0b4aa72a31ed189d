"""Functions that several invocations take part in: atomics, barriers, subgroups, derivatives."""

from __future__ import annotations

from ..types import (
    BOOL,
    U32,
    Array,
    Atomic,
    Field,
    Pointer,
    Structure,
    Type,
    has_atomics,
    is_constructible,
    rank,
)
from .base import CONCRETE, INTEGER, WORD, Match, builtin

builtin("atomicLoad", "atomic<T> -> T", T=WORD, effect=True)
builtin("atomicStore", "atomic<T>, T", T=WORD, effect=True)
for _name in ("Add", "Sub", "Max", "Min", "And", "Or", "Xor", "Exchange"):
    builtin(f"atomic{_name}", "atomic<T>, T -> T", T=WORD, effect=True)


def _exchange(templates: tuple[Type, ...], kinds: tuple[Type, ...]) -> Match | str:
    pointer = kinds[0] if kinds else None
    if isinstance(pointer, Pointer) and isinstance(pointer.store, Atomic) and len(kinds) == 3:
        kind = pointer.store.element
        if all(rank(x, kind) is not None for x in kinds[1:]):
            fields = (Field("old_value", kind), Field("exchanged", BOOL))
            result = Structure(f"__atomic_compare_exchange_result_{kind}", fields)
            return Match((pointer, kind, kind), result)
    took = ", ".join(map(str, kinds))
    what = "it takes a pointer to an atomic, the value to compare with and the new one"
    return f"atomicCompareExchangeWeak({took}) is not defined: {what}"


builtin("atomicCompareExchangeWeak", resolve=_exchange, effect=True)

for _name in ("storageBarrier", "textureBarrier", "workgroupBarrier", "subgroupBarrier"):
    builtin(_name, "", effect=True, stage="compute")


def _length(templates: tuple[Type, ...], kinds: tuple[Type, ...]) -> Match | str:
    if len(kinds) == 1 and isinstance(kinds[0], Pointer):
        store = kinds[0].store
        if isinstance(store, Array) and store.count is None:
            return Match(kinds, U32)
    took = ", ".join(map(str, kinds))
    what = "it takes a pointer to an array of a buffer: arrayLength(&x)"
    return f"arrayLength({took}) is not defined: {what}"


builtin("arrayLength", resolve=_length)


def _uniform_load(templates: tuple[Type, ...], kinds: tuple[Type, ...]) -> Match | str:
    if len(kinds) == 1 and isinstance(kinds[0], Pointer) and kinds[0].space == "workgroup":
        store = kinds[0].store
        if isinstance(store, Atomic):
            return Match(kinds, store.element)
        if is_constructible(store) and not has_atomics(store):
            return Match(kinds, store)
    took = ", ".join(map(str, kinds))
    return f"workgroupUniformLoad({took}) is not defined: it takes a pointer to workgroup memory"


builtin("workgroupUniformLoad", resolve=_uniform_load, effect=True, stage="compute")

for _name in ("dpdx", "dpdxCoarse", "dpdxFine", "dpdy", "dpdyCoarse", "dpdyFine"):
    builtin(_name, "f32 -> f32", "vecN<f32> -> vecN<f32>", stage="fragment")
for _name in ("fwidth", "fwidthCoarse", "fwidthFine"):
    builtin(_name, "f32 -> f32", "vecN<f32> -> vecN<f32>", stage="fragment")

for _name in ("Add", "ExclusiveAdd", "InclusiveAdd", "Mul", "ExclusiveMul", "InclusiveMul"):
    builtin(f"subgroup{_name}", "V -> V", T=CONCRETE, needs="subgroups")
for _name in ("Max", "Min", "BroadcastFirst"):
    builtin(f"subgroup{_name}", "V -> V", T=CONCRETE, needs="subgroups")
for _name in ("And", "Or", "Xor"):
    builtin(f"subgroup{_name}", "V -> V", T=WORD, needs="subgroups")
for _name in ("All", "Any"):
    builtin(f"subgroup{_name}", "bool -> bool", needs="subgroups")
builtin("subgroupElect", " -> bool", needs="subgroups")
builtin("subgroupBallot", "bool -> vec4<u32>", " -> vec4<u32>", needs="subgroups")
for _name in ("subgroupBroadcast", "quadBroadcast"):
    builtin(_name, "V, I -> V", T=CONCRETE, I=INTEGER, needs="subgroups", fixed=(1,))
builtin("subgroupShuffle", "V, I -> V", T=CONCRETE, I=INTEGER, needs="subgroups")
for _name in ("ShuffleDown", "ShuffleUp", "ShuffleXor"):
    builtin(f"subgroup{_name}", "V, u32 -> V", T=CONCRETE, needs="subgroups")
for _name in ("Diagonal", "X", "Y"):
    builtin(f"quadSwap{_name}", "V -> V", T=CONCRETE, needs="subgroups")
