"""Loops on NumPy: the body of a loop as source, in a `for` over the views that its turns see.

What turns see of a stack of slices is one array with the turns as its first axis, made once: NumPy
hands its parts out turn by turn. A carry that a turn does not write in place goes to and fro
between two pieces of memory; one that is an output, too, is read next where that lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from weakref import ref

import numpy as np

from ...backends import threefry
from ...backends.base import Device
from ...backends.families import Draw
from ...layout import Layout, compose
from ..ir import Loop, Ref, Slot, Step, slice_of
from .calls import Argument, Calls, Temp
from .names import Memory, Static, Turning
from .plan import Place, nbytes, plan_memory
from .source import Lines, indented
from .steps import add_calls

_KEPT = 1 << 12  # turns of which all that they see is kept


class Turns:
    """The turns of a loop. A call wants what draws, and the views in `given`, in order."""

    __name__ = "turns"

    def __init__(self, work: Loop, device: Device):
        self.work, self.name = work, work.name
        body = work.body
        memory: dict[Place, Memory] = {}
        for i in range(len(body.inputs)):
            is_carry = work.fixed <= i < work.fixed + work.carries
            memory[Place("input", i)] = Turning(f"x{i}", not is_carry)
            memory[Place("swap", i)] = Turning(f"w{i}")
        for i in range(len(body.outputs)):
            memory[Place("output", i)] = Turning(f"y{i}")
        self._memory = memory
        made = Lines(body, device, plan_memory(body, device, mends=True), memory)
        self._names = made.names
        self.block_bytes: int = made.block_bytes
        self.given: dict[str, tuple[Place, Layout]] = {}  # by name: which memory, how looked at
        text = "\n".join(self._lines(made, device)) + "\n"
        self.source = text + "".join(f"\n# {x.name}\n{x.source}" for x in made.loops)
        space = made.names.space
        space |= {"copyto": np.copyto, "bits": threefry.bits, "inf": np.inf}
        space |= {"drawing": work.drawing, "parts": self._parts}
        self._kept: dict[str, tuple[ref[np.ndarray], list[np.ndarray]]] = {}
        exec(compile(text, "<turns>", "exec"), space)  # our own text, from our own names
        self._space, self._run = space, space["run"]

    def __del__(self) -> None:
        getattr(self, "_space", {}).clear()  # its function refers to it

    def __call__(self, draw: Draw, *views: np.ndarray) -> None:
        self._run(draw, *views)

    def _parts(self, name: str, x: np.ndarray) -> Iterable[np.ndarray]:
        """Return what turns see of a stack, one after the other.

        Of an array that comes again in every run they are made once.
        """
        seen, parts = self._kept.get(name, (None, []))
        again = seen is not None and seen() is x
        if not (again and parts):
            parts = [x[i, ...] for i in range(len(x))] if again or x.ndim == 1 else []
            self._kept[name] = ref(x), parts if again and len(x) <= _KEPT else []
        return parts or x

    def slot(self, place: Place) -> Slot:
        """Return the slot of the body that an input or an output is."""
        body = self.work.body
        if place.kind == "output":
            return self._slots[body.outputs[place.index]]
        return body.inputs[place.index]

    def is_sliced(self, place: Place) -> bool:
        """Whether each turn sees another part of what the memory is of."""
        first = self.work.fixed + self.work.carries
        return place.kind == "output" or place.index >= first

    # The source.
    def _lines(self, made: Lines, device: Device) -> Iterator[str]:
        work, names = self.work, made.names
        self._slots = made.slots
        moved, from_, first, last, defaults = [], [], [], [], []
        used = set(made.places.values())
        for i in range(work.fixed, work.fixed + work.carries):
            if Place("swap", i) not in used:
                continue
            other = Static(f"m{i}", nbytes(work.body.inputs[i], device))
            self.block_bytes += other.bytes.size
            now, then = self._pairs(made, Place("input", i), Place("swap", i))
            for name, (layout, dtype) in self._turning(Place("swap", i)).views.items():
                defaults.append(f"{name}={names.view(other, layout, dtype)}")
            moved += [*now, *then]
            from_ += [*then, *now]
            if work.length % 2:  # so that the last turn writes where the results are to be
                first.append(f"copyto({then[0]}, {now[0]})")
                first.append(f"{', '.join([*now, *then])} = {', '.join([*then, *now])}")
        for carry, output in work.tied:
            now, then = self._pairs(
                made, Place("input", work.fixed + carry), Place("output", output)
            )
            moved += now
            from_ += then
            first.append(f"end{carry} = {now[0]}")
            last.append(f"copyto(end{carry}, {now[0]})")
        for place, memory in self._memory.items():
            if place.kind != "swap" and isinstance(memory, Turning):
                self.given |= {name: (place, layout) for name, (layout, _) in memory.views.items()}
        yield from (f"# {note}" for note in names.notes)
        yield f"def run({', '.join(['draw', *self.given, *defaults])}):"
        drawn = [line for line in names.start if "draw(" in line]
        first += [line for line in names.start if line not in drawn]
        draws = drawn or any("draw" in line for line in made.lines)
        first += [f"{flag} = not vdot({x}, {x}) < inf" for x, flag in made.doubts.items()]
        yield from indented([*first, *(["stream = draw"] if draws else []), self._for()])
        if draws:
            yield from indented(["draw = drawing(stream, turn)", *drawn], 2)
        yield from indented(made.lines or ["pass"], 2)
        yield "        pass"
        if moved:
            yield f"        {', '.join(moved)} = {', '.join(from_)}"
        yield from indented(last)

    def _turning(self, place: Place) -> Turning:
        memory = self._memory[place]
        assert isinstance(memory, Turning)
        return memory

    def _pairs(self, made: Lines, a: Place, b: Place) -> tuple[list[str], list[str]]:
        """Return the names of the same views of two pieces of memory, those of all of it first."""
        x, y, slot = self._turning(a), self._turning(b), self.slot(a)
        whole = Layout.dense(slot.shape), slot.dtype.numpy
        seen = dict.fromkeys([whole, *x.views.values(), *y.views.values()])
        one = [made.names.view(x, *how) for how in seen]
        other = [made.names.view(y, *how) for how in seen]
        return list(dict.fromkeys(one)), list(dict.fromkeys(other))

    def _for(self) -> str:
        stacks = [(x, how) for x, (place, how) in self.given.items() if self.is_sliced(place)]
        targets = "".join(f"{name}, " for name, _ in stacks)
        parts = [f"parts({name!r}, {name})" for name, _ in stacks]
        turns = range(self.work.length)
        if not stacks:
            return f"for turn in {turns!r}:"
        return f"for turn, {targets.rstrip()} in zip({turns!r}, {', '.join(parts)}):"


@add_calls.register
def _loop(work: Loop, made: Calls, step: Step) -> Temp | None:
    """Carries get their first values; then the turns run with the memory of all."""
    refs = [x for x in step.inputs if isinstance(x, Ref)]
    filled = [i for i, out in enumerate(step.outs) if out.size]
    turns = Turns(work, made.device)
    for i in filled:
        out = step.outs[i]
        args: list[Argument] = [refs[work.fixed + i]] if i < work.carries else []
        lines = ["copyto({out}, {0})"] if args else []
        if i == filled[-1]:
            copies: dict[int, Temp] = {}
            for place, layout in turns.given.values():
                args.append(_view(turns, made, step, refs, copies, place, layout))
            names = [f"{{{j}}}" for j in range(len(args) - len(turns.given), len(args))]
            lines.append(f"{{f}}({', '.join(['draw', *names])})")
        text = "\n".join(lines) or "pass"
        made.add(text, turns, args, out.shape, out.dtype.numpy, safe=False, target=out.index)
    return None


def _view(
    turns: Turns,
    made: Calls,
    step: Step,
    refs: list[Ref],
    copies: dict[int, Temp],
    place: Place,
    layout: Layout,
) -> Argument:
    """Return what the turns see of some memory, for all of them if it is sliced."""
    work, slot = turns.work, turns.slot(place)
    if place.kind == "output":
        whole: Ref | Temp = step.outs[work.carries + place.index].whole()
    elif work.fixed <= place.index < work.fixed + work.carries:
        whole = step.outs[place.index - work.fixed].whole()
    else:
        whole = copies.get(place.index, refs[place.index])
    if not turns.is_sliced(place):
        part = compose(layout, slot.shape, whole.layout)
        assert part is not None, "what is the same in every turn is dense"
        return replace(whole, layout=part)
    part = compose(layout, slot.shape, slice_of(whole.layout, 0))
    if part is None:  # no strides can show both views
        assert isinstance(whole, Ref)
        whole = copies[place.index] = made.copy(whole, slot.dtype.numpy)
        part = layout
    n, stride, offset = work.length, whole.layout.strides[0], part.offset
    if work.is_reverse:
        offset, stride = offset + (n - 1) * stride, -stride
    return replace(whole, layout=Layout((n, *part.shape), (stride, *part.strides), offset))
