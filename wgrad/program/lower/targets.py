"""Where the calls of a step write their results: to the memory of its output slots, or registers.

The memory plan lets a step write over what it reads element by element. Here it is done call by
call, so a call may write into a slot's memory only when no later call reads what was there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ...layout import Layout
from ..ir import Ref, Slot
from .calls import Arrayed, Call, Calls, Temp
from .plan import Blocks

Memory = Callable[[int], Any]  # what slots that share their memory have in common


def with_targets(step: Calls, memory: Memory) -> list[Call]:
    """Return the calls of a step with targets, and copies of results that lie elsewhere."""
    results = list(_kept_apart(step, memory))
    calls = step.calls
    latest = _latest_reads(calls, memory)
    copied = []
    for slot, x, into in results:
        if (
            into is None
            and isinstance(x, Temp)
            and _whole(x, calls[x.index])
            and x.dtype == slot.dtype.numpy
        ):
            call = calls[x.index]
            if call.target is None and _may_write(
                calls, x.index, memory(slot.index), latest, memory
            ):
                call.target = slot.index
                continue
        copied.append((slot, x, into))
    written = {memory(slot.index) for slot, *_ in results}
    for slot, x, into in copied:
        if into is None and _may_wait(step, x, slot, written, memory):
            _wait(calls, x.index, slot)  # type: ignore[union-attr]  # it is a result of a call
        elif into is None:
            step.copy(x, slot.dtype.numpy, target=slot.index)
        else:
            args = (x, Ref(slot.index, into, slot.dtype))
            how = {"safe": False, "target": slot.index}
            step.add("copyto({1}, {0})", None, args, slot.shape, slot.dtype.numpy, **how)
    last = last_uses(calls)
    for i, call in reversed(list(enumerate(calls))):
        if call.target is not None:
            place = memory(call.target)
            for other in reusable(calls, i, last):
                if calls[other].target is None and _may_write(calls, other, place, latest, memory):
                    calls[other].target = call.target
                    break
    return calls


def _may_wait(step: Calls, x: Arrayed, slot: Slot, written: set[Any], memory: Memory) -> bool:
    """Whether the call that makes a result may come last, where nothing else reads its memory.

    No other call may want the result, and none write what it reads.
    """
    if not isinstance(x, Temp):
        return False
    call = step.calls[x.index]
    users = sum(x.index in other.temps() for other in step.calls)
    users += sum(isinstance(y, Temp) and y.index == x.index for _, y, _ in step.results)
    return (
        users == 1
        and call.target is None
        and bool(call.text)
        and _whole(x, call)
        and x.dtype == slot.dtype.numpy
        and not any(isinstance(y, Ref) and memory(y.slot) in written for y in call.args)
    )


def _wait(calls: list[Call], i: int, slot: Slot) -> None:
    """Let a call come after all others, and write to a slot; in its place nothing is left."""
    calls.append(replace(calls[i], target=slot.index))
    calls[i] = Call("", None, (), (0,), calls[i].dtype)


def _kept_apart(step: Calls, memory: Memory) -> Iterator[tuple[Slot, Arrayed, Layout | None]]:
    """Iterate over the results, with copies of those that another result may be written over."""
    taken = Counter(memory(slot.index) for slot, *_ in step.results)
    for slot, x, into in step.results:
        if isinstance(x, Ref):
            place = memory(x.slot)
            if taken[place] > (place == memory(slot.index)):
                x = step.copy(x, x.dtype.numpy)
        yield slot, x, into


def _latest_reads(calls: list[Call], memory: Memory) -> dict[Any, int]:
    return {
        memory(x.slot): i for i, call in enumerate(calls) for x in call.args if isinstance(x, Ref)
    }


def _may_write(
    calls: list[Call], i: int, place: Any, latest: dict[Any, int], memory: Memory
) -> bool:
    """Whether call `i` may write to memory: nothing after it reads what was there before."""
    if latest.get(place, -1) > i:
        return False
    call = calls[i]
    return call.safe or not any(
        isinstance(x, Ref) and memory(x.slot) == place
        for position, x in enumerate(call.args)
        if position not in call.aligned
    )


def _whole(x: Temp, call: Call) -> bool:
    return x.layout.contiguous and x.layout.size == call.size


def last_uses(calls: list[Call]) -> dict[int, int]:
    """Return for each result that is read the call that reads it last."""
    return {t: i for i, call in enumerate(calls) for t in call.temps()}


def reusable(calls: list[Call], i: int, last: dict[int, int]) -> list[int]:
    """Return the results whose memory call `i` may write to: they die in it, and are alike."""
    call = calls[i]
    temps = [x for position in call.aligned if isinstance(x := call.args[position], Temp)]
    if not call.safe:  # what is read elsewhere, too, is not written over
        others = [x for i, x in enumerate(call.args) if i not in call.aligned]
        elsewhere = {x.index for x in others if isinstance(x, Temp)}
        temps = [x for x in temps if x.index not in elsewhere]
    return [
        x.index
        for x in temps
        if last[x.index] == i
        and _whole(x, calls[x.index])
        and (calls[x.index].size, calls[x.index].dtype) == (call.size, call.dtype)
    ]


class Registers(Blocks):
    """Scratch memory that all steps share: between two steps all of it is free."""

    def assign(self, calls: list[Call]) -> dict[int, int]:
        """Return the register of every call of a step that has no target."""
        last = last_uses(calls)
        at: dict[int, int] = {}
        for i, call in enumerate(calls):
            if call.target is None:
                inherited = [at[x] for x in reusable(calls, i, last) if x in at]
                size = call.size * call.dtype.itemsize
                at[i] = inherited[0] if inherited else self.take(size)
            dead = {at[t] for t in (*call.temps(), i) if t in at and last.get(t, i) == i}
            for register in sorted(dead - ({at[i]} if i in last and i in at else set())):
                self.give(register)
        return at
