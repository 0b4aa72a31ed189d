"""Lowers programs for WebGPU: a pure function from a program and an adapter's facts to launches.

No adapter is open. Fused steps become kernels of their own (fused.py), and products take what
follows them into theirs; every other step is planned by the kernel families that eager ops run by.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from ...backends.array import Array
from ...backends.families import Dispatch, InPlace, Matmul
from ...backends.shader import Groups
from ...backends.tracing import Live
from ...backends.webgpu.buffers import Buffer, Window
from ...backends.webgpu.facts import Facts
from ...backends.webgpu.launches import Binding, Held, Launch, Launches, folded
from ...backends.webgpu.launching import scalar_bits
from ...backends.webgpu.matmul import Products
from ...backends.webgpu.planner import Planner
from ...backends.webgpu.problem import Config, Hot, Kernel, Problem, Scratch
from ...backends.webgpu.windows import cuts
from ...errors import OutOfMemoryError
from ..ir import Batch, Fused, Loop, Program, Ref, Slot, Step
from ..passes.folds import split_long_folds
from ..passes.joining import PRODUCT
from ..passes.lift import lift_to_graphs
from ..passes.limits import Limits
from ..passes.products import as_fused
from .fused import epilogue, fused_kernel
from .module import Module
from .plan import Blocks, Place, nbytes, plan_memory
from .turns import Turns
from .windows import Cutter, Stretch

MATMUL_SCALARS = 96  # where `scalars` begin in the Params of lib/matmul.wgsl


def limits_for(facts: Facts) -> Limits:
    """Return what one kernel may hold on an adapter."""
    if facts.is_software:
        return Limits(buffers=facts.buffers)
    # A GPU wants thousands of threads: a column is walked by one, a row by a workgroup.
    return Limits(buffers=facts.buffers, fewest_columns=1 << 13, threads=1 << 14)


def prepared(program: Program, facts: Facts) -> Program:
    """Return a program whose steps are what `lower` gives launches to.

    What no pass has lifted or split, because it was switched off, is now; and the parts of a batch
    that touches large slots are steps.
    """
    limits = limits_for(facts)
    program = split_long_folds(lift_to_graphs(program, limits), limits)
    large = _large_slots(program, Planner(facts))
    steps: list[Step] = []
    for step in program.steps:
        work = step.work
        steps += work.parts if isinstance(work, Batch) and _is_large(step, large) else (step,)
    return program.with_steps(steps)


def live_numbers(program: Program) -> list[Live]:
    """Return the numbers that a program reads anew for every run, each once, in order."""
    numbers: dict[object, Live] = {}
    for step in program.steps:
        inside = live_numbers(step.work.body) if isinstance(step.work, Loop) else ()
        for x in (*step.inputs, *inside):
            if isinstance(x, Live):
                numbers.setdefault(x.call, x)
    return list(numbers.values())


def lower(program: Program, facts: Facts, products: Products | None = None) -> Launches:
    """Return the launches of a program that the passes have left.

    `products` say how matrix products are computed: by rules alone, unless something was measured.
    Raises: ArgumentError for facts of no adapter; DTypeError and OutOfMemoryError for a program
    with a dtype, or with memory, that there is no room for on such an adapter.
    """
    facts.check()
    planner = Planner(facts)
    for dtype in dict.fromkeys(slot.dtype for slot in program.memory().values()):
        planner.check_dtype(dtype, "lower")
    launches = _Lowering(prepared(program, facts), facts, products).launches()
    held = [x.nbytes for x in (*launches.inputs, *launches.outputs)]
    if (most := max((*held, *launches.blocks), default=0)) > facts.largest_buffer:
        raise OutOfMemoryError(
            f"lower: a buffer of {most} bytes is needed, and a buffer has at most "
            f"{facts.largest_buffer}"
        )
    return launches


def _large_slots(program: Program, planner: Planner) -> frozenset[int]:
    """Return the slots that one binding does not hold."""
    most = planner.facts.largest_binding
    memory = program.memory()
    return frozenset(i for i, slot in memory.items() if nbytes(slot, planner) > most)


def _is_large(step: Step, large: frozenset[int]) -> bool:
    """Whether one binding, or a count in u32, may not suffice for something that a step touches."""
    return not large.isdisjoint(step.reads() | step.writes()) or any(
        x.layout.size > cuts.MOST_ELEMENTS for x in step.refs()
    )


class _Noted(Products):
    """Notes the configurations that others choose."""

    def __init__(self, products: Products):
        super().__init__(products.facts)
        self._products = products
        self.chosen: dict[str, Config] = {}

    def choose(self, problem: Problem) -> Config:
        config = self.chosen[problem.kind] = self._products.choose(problem)
        return config

    @property
    def shuffles(self) -> bool:
        return self._products.shuffles


class _Lowering:
    """One program on its way to launches."""

    def __init__(self, program: Program, facts: Facts, products: Products | None):
        self._program = program
        self._products = _Noted(products or Products(facts))
        self._planner = Planner(facts, self._products)
        self._large = _large_slots(program, self._planner)
        self._slots = program.memory()
        self._plan = plan_memory(program, self._planner)
        self._blocks = Blocks(self._plan.blocks)
        # Where memory lives that is not the steps' own; several buffers may stand for one place.
        self._places: dict[Buffer, Place] = {}
        self._buffers: dict[object, Buffer] = {}
        self._steps: list[int] = []  # of each launch
        for i, step in enumerate(program.steps):
            if any(out.size for out in step.outs):
                self._lower(step)
            self._steps += [i] * (len(self._planner.planned) - len(self._steps))

    # Steps.
    def _lower(self, step: Step) -> None:
        if _is_large(step, self._large):
            if not (step.is_fused and self._in_windows(step)):
                self._by_families(step)
        elif isinstance(step.work, Loop):
            self._loop(step, step.work)
        elif isinstance(step.work, (Fused, Batch)):
            self._fused(step, self._memory_of)
        elif isinstance(step.work, Matmul):
            self._product(step, step.work)
        else:
            self._by_families(step)

    def _memory_of(self, slot: int) -> object:
        return self._plan.places.get(slot, slot)

    def _buffer(self, memory: object) -> Buffer:
        """Return the buffer that stands for a place, a part of one, or a slot without one."""
        if isinstance(memory, Stretch):
            return Window(self._buffer(memory.memory), memory.start, memory.nbytes)
        if memory not in self._buffers:
            buffer = self._buffers[memory] = self._planner.memory(0, 0).buffer
            if isinstance(memory, Place):
                self._places[buffer] = memory
        return self._buffers[memory]

    def _planned(self, x: Ref) -> Array:
        """Return a view of memory of a slot's own size in its place."""
        slot = self._slots[x.slot]
        storage = self._planner.memory(slot.size, nbytes(slot, self._planner))
        self._places[storage.buffer] = self._plan.places[slot.index]
        return Array(storage, x.layout, x.dtype)

    def _fused(self, step: Step, memory_of: Callable[[int], object]) -> None:
        hardware = not self._planner.facts.is_software
        kernel, module, groups = fused_kernel(step, memory_of, hardware)
        self._launch(kernel, map(self._buffer, module.memory), b"", groups, module)

    def _launch(
        self,
        kernel: Kernel,
        buffers: Iterable[Buffer],
        params: bytes,
        groups: int | Groups,
        module: Module,
        hot: Hot[Kernel] | None = None,
    ) -> None:
        """Note a launch whose params end with the numbers of a module, or have room for them."""
        words = bytearray(params)
        first = MATMUL_SCALARS if params else 0
        words.extend(bytes(max(0, first + 4 * len(module.numbers) - len(words))))
        live = []
        for at, (x, dtype) in enumerate(module.numbers):
            struct.pack_into("<I", words, first + 4 * at, scalar_bits(x, dtype))
            if isinstance(x, Live):
                live.append((first + 4 * at, x, dtype))
        self._planner.launch(kernel, tuple(buffers), bytes(words), groups, tuple(live), hot)

    def _in_windows(self, step: Step) -> bool:
        """Lower a fused step that touches large slots piece by piece; False where it has none."""
        facts = self._planner.facts
        bounds = cuts.Bounds(facts.largest_binding, facts.align)
        pieces = Cutter(self._planner, bounds, self._large, self._memory_of).pieces(step)
        for piece, parts in pieces or ():
            self._fused(piece, lambda slot, parts=parts: parts.get(slot) or self._memory_of(slot))  # type: ignore[misc]
        return pieces is not None

    def _product(self, step: Step, work: Matmul) -> None:
        """Lower a matmul with what follows it, as kernels after it where its axes are too many."""
        a, b = step.inputs[:2]
        assert isinstance(a, Ref) and isinstance(b, Ref)
        problem = Problem.of(a.layout, b.layout, a.dtype, work.lead, work.inner)
        after = as_fused(step)
        if problem is None:
            factors = [self._planned(x) for x in (a, b)]
            (made,) = Matmul(work.lead, work.inner).run(self._planner, factors)
            self._buffers[PRODUCT] = made.storage.buffer
            self._fused(after, self._memory_of)
            return
        output, module = epilogue(after.graph, after.inputs, step.outs, problem.n, self._memory_of)
        scratch: Buffer | None = None
        for kernel, params, groups, which, hot in self._products.plan(problem, output):
            buffers: list[Buffer] = []
            for x in which:
                if isinstance(x, Scratch):
                    scratch = scratch or self._planner.memory(0, x.nbytes).buffer
                    buffers.append(scratch)
                elif isinstance(x, str):
                    buffers.append(self._buffer(self._memory_of((a if x == "a" else b).slot)))
                else:
                    buffers.append(self._buffer(module.memory[x]))
            self._launch(kernel, buffers, params, groups, module, hot)

    def _by_families(self, step: Step) -> None:
        """Lower a step by the methods that eager ops are run by."""
        args: list[Any] = [self._planned(x) if isinstance(x, Ref) else x for x in step.inputs]
        read = {self._plan.places[slot] for slot in step.reads()}
        if isinstance(step.work, Dispatch):
            self._dispatch(step, step.work, args)
            return
        if isinstance(step.work, InPlace):
            base = step.inputs[0]
            assert isinstance(base, Ref)
            if self._plan.places[step.out.index] == self._plan.places[base.slot]:
                step.work.into(self._planner, args[0], args[1:])
                return
        made = step.work.now(_stream).run(self._planner, args)
        for out, x in zip(step.outs, made, strict=True):
            place = self._plan.places[out.index]
            if place in read:  # which is all read by now
                target = self._planned(out.whole())
                self._planner.write(target, x.view(target.layout))
            else:
                self._places[x.storage.buffer] = place

    def _dispatch(self, step: Step, work: Dispatch, args: list[Any]) -> None:
        """Lower a user's shader: it writes to memory in its place."""
        places = [self._plan.places[out.index] for out in step.outs]
        into: list[Array | None] = []
        for make, place in zip(work.makes, places, strict=True):
            source = None if make.source is None else step.inputs[make.source]
            same = isinstance(source, Ref) and self._plan.places[source.slot] == place
            into.append(args[make.source] if same and make.source is not None else None)
        made = self._planner.dispatch_over(work, args, into)
        for place, x in zip(places, made, strict=True):
            self._places[x.storage.buffer] = place

    def _loop(self, step: Step, work: Loop) -> None:
        """Lower the body once, and note its launches for every turn, over the memory of each."""
        body = lower(work.body, self._planner.facts, self._products)
        refs = [x for x in step.inputs if isinstance(x, Ref)]
        outs = [self._planned(out.whole()) for out in step.outs]
        turns = Turns(self._planner, work, body, live_numbers(work.body))
        turns.note([self._planned(x) for x in refs], outs)

    # Launches.
    def launches(self) -> Launches:
        """Return what was noted as plain data."""
        program, bound = self._program, self._bound()
        numbers = {x.call: i for i, x in enumerate(live_numbers(program))}
        kernels: dict[Kernel, int] = {}

        def binding(buffer: Buffer) -> Binding:
            place = bound[buffer.whole]
            window = (buffer.start, buffer.nbytes) if isinstance(buffer, Window) else (0, None)
            return Binding(place.kind, place.index, *window)

        def place(kernel: Kernel) -> int:
            return kernels.setdefault(kernel, len(kernels))

        def counted(groups: int | Groups) -> int | Groups:
            return groups if isinstance(groups, tuple) else prod(folded(groups))

        launches = tuple(
            Launch(
                kernel=place(x.kernel),
                bindings=tuple([binding(b) for b in x.buffers]),
                params=x.params,
                groups=counted(x.groups),
                step=step,
                numbers=tuple([(at, numbers[n.call], dtype.name) for at, n, dtype in x.numbers]),
                draw=x.draw,
                hot=x.hot and Hot(place(x.hot.kernel), counted(x.hot.groups), x.hot.after),
            )
            for x, step in zip(self._planner.planned, self._steps, strict=True)
        )
        places = [self._plan.places[new] for new in program.updates.values()]
        return Launches(
            facts=self._planner.facts,
            kernels=tuple(kernels),
            launches=launches,
            inputs=tuple(map(self._held, program.inputs)),
            outputs=tuple(self._held(self._slots[i]) for i in program.outputs),
            swaps=tuple(place.index for place in places if place.kind == "swap"),
            blocks=tuple(self._blocks.sizes),
            constants=tuple(self._planner.constants),
            numbers=len(numbers),
            generators=1 + max((x.draw[0] for x in launches if x.draw is not None), default=-1),
            chosen=self._products.chosen,
            shuffles=bool(self._products.chosen) and self._products.shuffles,
        )

    def _held(self, slot: Slot) -> Held:
        return Held(slot.dtype.name, slot.shape, nbytes(slot, self._planner))

    def _bound(self) -> dict[Buffer, Place]:
        """Return where every buffer lives; memory that steps take for themselves is in blocks."""
        launches = self._planner.planned
        last = {b.whole: i for i, x in enumerate(launches) for b in x.buffers}
        places = dict(self._places)
        for i, storage in enumerate(self._planner.constants.values()):
            places[storage.buffer] = Place("constant", i)
        for i, x in enumerate(launches):
            used = dict.fromkeys(b.whole for b in x.buffers)
            for one in used:
                if one not in places:
                    places[one] = Place("block", self._blocks.take(one.nbytes))
            for one in used:
                if last[one] == i and one not in self._places and places[one].kind == "block":
                    self._blocks.give(places[one].index)
        return places


def _stream(generator: int, offset: int) -> tuple[tuple[int, int], int]:
    """Stand for a place in a generator's stream, as the planner takes it."""
    return (generator, 0), offset
