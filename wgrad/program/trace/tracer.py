"""The tracer: takes the devices' place while a function runs once, and writes down what it does.

The work itself is written down by `Work`; here is what a program rests on (ranges of integers,
states of gradients, settings) and what a run does besides (numbers drawn, steps counted).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

from ...backends import families
from ...backends.array import Array, Storage
from ...backends.base import Device
from ...backends.faults import Allowed
from ...backends.tracing import Live, traced_by
from ...core import Node, Value, caller, place
from ...core.batched import everything, memory
from ...core.tracing import Tracer as Contract
from ...dtypes import bool_, int32
from ...interrupts import whole
from ...layout import Layout, Shape
from ...ops.elementwise import where
from ...ops.indexing import checked, outlier
from ..ir import Ref, Slot, Step
from .bounded import Suspect, bounded, settled
from .grads import Touched
from .loops import Turn
from .work import Permitted, Roots, Work


class Range(NamedTuple):
    """What integers from outside must lie in: the least, the greatest, another one or None."""

    array: Array
    limits: tuple[int, int, int | None]


class Mark(NamedTuple):
    """A point of a trace: how far it had come, and what generators had given."""

    steps: int
    log: int
    taken: dict[Any, tuple[int, int]]
    counts: list[int]  # of suspects, callbacks and gradients


class Tracer(Work, Contract):
    """One trace: the work, and what it rests on and does besides."""

    def __init__(
        self, frozen: frozenset[Storage] = frozenset(), declared: Permitted | None = None
    ) -> None:
        super().__init__(frozen, declared)
        self.grads: dict[Node, Touched] = {}
        self.generators: dict[Any, list[int]] = {}  # counter at first, numbers taken
        self.checks: list[Range] = []  # before every run
        self.choices: list[Range] = []  # where they fail another program is needed
        self.callbacks: list[tuple[Callable[..., None], tuple]] = []
        self.guards: list[tuple[Callable[..., bool], tuple]] = []
        self.histories: dict[Storage, int] = {}
        self.assigned: str | None = None  # why no replay would do what the function does
        self.searched = 0  # whether a module looked for its parameters (1), for buffers too (2)
        self.suspects: list[Suspect] = []  # range checks that the program makes itself

    # What other modules tell.
    @whole
    def checked(self, x: Value, allowed: Allowed) -> Any:
        """Return integers that all are `allowed`, and see to it in every later run.

        What comes from outside is checked before a run; of what is computed from it, where that is
        not enough, the program itself finds out.
        """
        roots = self._root(x.array)
        if roots is None:
            known = x.array.storage.bounds
            if allowed.holds(known):
                return x
            data = self.constants.get(self.made.get(x.array.storage, -1))
            if data is not None:
                with traced_by(None):
                    checked(Value(Array(data[0], x.array.layout, x.dtype)), allowed)
                return x
            if known is not None and allowed.excludes(known):
                raise allowed.error(known[0], "")
            return self._bounded(x, allowed)
        fits = roots.static is None or allowed.holds(roots.static)
        if fits and roots.whole:  # an integer out of range there is one here
            with traced_by(None):
                for root in roots.arrays:
                    if root.layout.size:
                        checked(Value(root), allowed)
            self.checks += [Range(root, allowed.limits) for root in roots.arrays]
        elif fits and self._fit(roots, *allowed.limits):
            self.choices += [Range(root, allowed.limits) for root in roots.arrays]
        else:
            return self._bounded(x, allowed)
        return x

    def _bounded(self, x: Value, allowed: Allowed) -> Value:
        made, suspect = bounded(x, allowed, place(caller()))
        self.suspects.append(suspect)
        return made

    @staticmethod
    def _fit(roots: Roots, least: int, greatest: int, besides: int | None = None) -> bool:
        """Whether all integers in arrays from outside are in a range now."""
        with traced_by(None):
            return all(
                not root.layout.size or outlier(Value(root), least, greatest, besides) is None
                for root in roots.arrays
            )

    @whole
    def range_chosen(self, x: Value, least: int, greatest: int) -> bool:
        """Whether integers lie in a range now; if so, the program is for runs where they do."""
        x = everything(x)
        roots = self._root(x.array)
        static = x.array.storage.bounds if roots is None else roots.static
        if (roots is None or static is not None) and not (
            static is not None and least <= static[0] and static[1] <= greatest
        ):
            return False
        fits = roots is None or self._fit(roots, least, greatest)
        if fits and roots is not None:
            self.choices += [Range(root, (least, greatest, None)) for root in roots.arrays]
        return fits

    def settle(self) -> None:
        """End a trace whose program checks ranges itself: note what it finds, and keep the rest."""
        if not self.suspects:
            return
        assert self.device is not None
        with traced_by(None):
            records = self.device.full((len(self.suspects), 2), 0, int32)
        self.faults, noted, failed = settled(self.suspects, records)
        self.suspects.clear()  # they hold results, as a function would that keeps some
        first: dict[Storage, int] = {}
        for (storage, _), slot in self.initial.items():
            first.setdefault(storage, slot)
        shapes = {out.index: out.shape for step in self.steps for out in step.outs}
        for storage, slot in list(self.current.items()):
            shape = shapes.get(slot, (storage.size,))
            if storage.size and prod(shape) == storage.size:
                self._unless(failed, storage, first[storage], shape)
        self.device.replace(records, noted)

    def _unless(self, failed: Array, storage: Storage, first: int, shape: Shape) -> None:
        """Let a storage from outside end with the values that it had, if a check has failed."""
        layout, now = Layout.dense(shape), self.current[storage]
        dtype = self.dtypes[now]
        flag = Ref(self.slot_of(failed), failed.layout.expand(shape), bool_)
        inputs = (flag, Ref(first, layout, dtype), Ref(now, layout, dtype))
        out = Slot(self.new_slot(dtype), shape, dtype)
        work = families.Map(where.body, (bool_, dtype, dtype), shape, dtype)
        self.steps.append(Step(work, inputs, (out,)))
        self.origins.append(caller())
        self.current[storage] = out.index
        self._roots.pop(storage, None)
        storage.bounds = None

    def grad_touched(self, node: Node, how: str) -> None:
        """Remember a gradient as it was, and how much of that the function saw."""
        if node.sequence > self.start:
            return  # made inside, and nobody's business
        if self._declared is not None and not self._declared.has_node(node):
            self._refuse_stray(f"uses the gradient of {self._declared.name_of(node)}")
        touched = self.grads.get(node)
        if touched is None:
            touched = self.grads[node] = Touched(node)
            self.changing(node, "grad")
        touched.happens(how)

    def restored(self, owner: Node, storage: Storage) -> None:
        """Remember the version of a value that a graph from outside saved."""
        if owner.sequence < self.start and storage not in self.made and storage not in self.current:
            self.relies_on(storage)

    def relies_on(self, storage: Storage) -> None:
        """Let the program hold only while nobody writes to a storage."""
        self.histories.setdefault(storage, storage.version)

    def require(self, holds: Callable[..., bool], *args: Any) -> None:
        """Trace anew once `holds(*args)` is no longer true: the path taken rests on it."""
        self.guards.append((holds, args))

    def history_assigned(self, x: Array) -> None:
        """Refuse tracked values for a tensor from outside: their history would end with the run."""
        if memory(x) not in self.made:
            self.refuse(
                f"the function assigns tracked values to a tensor from outside at "
                f"{place(caller())}: make the tensor inside, or assign inside no_grad()"
            )

    def cannot_repeat(self, what: str, more: str = "") -> None:
        """Note that a replay would not do what the function does: it is left uncompiled.

        In the run of this trace, numbers that are read anew for every run are what they were.
        """
        self.assigned = self.assigned or f"it {what} at {place(caller())}{more}"
        self.steps = [
            replace(s, inputs=tuple([float(x) if isinstance(x, Live) else x for x in s.inputs]))
            for s in self.steps
        ]

    def members_read(self, buffers: bool) -> None:
        self.searched = max(self.searched, 1 + buffers)

    def numbers_taken(self, generator: Any, first: int, count: int) -> None:
        """Remember that the function drew from a generator."""
        if generator not in self.generators:
            self.generators[generator] = [first, 0]
            self._log.append(lambda: setattr(generator, "counter", first))
        if self._declared is not None and not self._declared.has_generator(generator):
            self._refuse_stray(f"draws from {generator!r}")
        state = self.generators[generator]
        offset = first - state[0]
        if offset >= state[1]:  # else they were taken before, and are used once more
            offset = state[1]
            state[1] += count
        self._drawing = list(self.generators).index(generator), offset

    # Turns of loops.
    def turn(self, device: Device, of: Turn | None = None) -> Turn:
        return Turn(self, device, of)

    def mark(self) -> Mark:
        """Return what `back_to` goes back to."""
        taken = {g: (g.counter, state[1]) for g, state in self.generators.items()}
        counts = [len(x) for x in (self.suspects, self.callbacks, self.grads)]
        return Mark(len(self.steps), len(self._log), taken, counts)

    def since(self, mark: Mark) -> str | None:
        """Return what was done since a mark that no loop does; None where nothing was."""
        now = self.mark()
        if now.taken != mark.taken:
            return "it draws random numbers"
        return "it does more than compute" if now.counts != mark.counts else None

    def back_to(self, mark: Mark) -> None:
        """Forget what was done since a mark."""
        del self.steps[mark.steps :], self.origins[mark.steps :]
        del self.suspects[mark.counts[0] :], self.callbacks[mark.counts[1] :]
        while len(self._log) > mark.log:
            self._log.pop()()
        for generator, state in self.generators.items():
            counter, state[1] = mark.taken.get(generator, (state[0], 0))
            generator.counter = counter
