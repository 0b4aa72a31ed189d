"""A replay: what a traced call did is done again by running its program, without the function.

It does to tensors outside, to their versions, gradients and generators, what the function did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ... import random, tape
from ...backends.array import Array, Storage
from ...core import Node, Value
from ...ops.indexing import outlier
from ...tape import identity
from ...tensor import Tensor
from ..ir import Program
from ..trace.finish import FIXED, Source, shifted
from ..trace.grads import entry_state
from ..trace.handed import HISTORY, LEAF, NO, Made, lost_history
from ..trace.outline import Effect, Ranged
from ..trace.recording import Recording
from ..trace.tree import filler
from .build import Executor
from .loan import Loan


class Replay:
    """A program, what it is bound to at each run, and what the traced call rested on."""

    def __init__(self, recording: Recording, executor: Executor | None):
        self.program: Program = recording.program if executor is None else executor.program
        self.executor = executor
        self.outside = recording.outside
        self._did = outline = recording.outline
        # What all runs have in common is looked at once, and not in each.
        self._inputs: list[Any] = [s.of if s.kind in FIXED else None for s in outline.sources]
        sought = [(i, s) for i, s in enumerate(outline.sources) if s.kind not in FIXED]
        self._windows = [(i, s.of) for i, s in sought if s.kind == "window"]
        self._sought = [(i, s) for i, s in sought if s.kind != "window"]
        written = {w.source for w in outline.written}
        writes = [s for s in outline.sources if s in written]
        reads = [s for s in outline.sources if s not in written and s.kind != "constant"]
        self._own = {s.of for s in writes if s.kind in FIXED}
        self._clash = not self._own.isdisjoint([s.of for s in reads if s.kind in FIXED])
        self._clash = self._clash or len(set(writes)) != len(writes)
        self._writes = [s for s in writes if s.kind not in FIXED]
        self._reads = reads if self._writes else [s for s in reads if s.kind not in FIXED]
        self._reads = self._reads if writes else []
        self._read_windows = [s.of for s in self._reads if s.kind == "window"]
        self._reads = [s for s in self._reads if s.kind != "window"]
        self._rewritten = [
            (w.source.of, w.times, w.bounds) for w in outline.written if w.source.kind in FIXED
        ]
        self._written = [w for w in outline.written if w.source.kind not in FIXED]
        self._outer = {e.key for e in outline.effects if not isinstance(e.key, int)}
        self._seen = [e for e in outline.effects if e.seen]
        self._guards = _distinct(outline.guards)
        self._entries = [
            (i, s)
            for i, s in enumerate(outline.specs)
            if isinstance(s, Source) and s.kind == "grad"
        ]
        self._owners = [
            (i, s.grad)
            for i, s in enumerate(outline.specs)
            if isinstance(s, Made) and s.grad is not None
        ]
        # Most of what is handed out are new views of outputs, and most gradients are such views.
        made = [(i, s) for i, s in enumerate(outline.specs) if _is_view_of_output(s)]
        self._views = [(i, s.where, s.layout, s.dtype) for i, s in made]
        self._bounds = [(s.where, s.bounds) for _, s in made if s.bounds is not None]
        views = {i for i, _ in made}
        self._others = [(i, s) for i, s in enumerate(outline.specs) if i not in views]
        changes = [e for e in outline.effects if e.action != "keep"]
        self._grads: list[tuple[Any, int]] = [(e.key, e.value) for e in changes if _is_plain(e)]
        self._effects = [e for e in changes if not _is_plain(e)]
        self._result = filler(outline.template, outline.results)
        # Where there are faults the run may turn out to be void; and where outputs never take the
        # memory of gradients, to take it from these at the start would win nothing.
        takes = getattr(executor, "takes_spare", False)
        lends = takes and outline.faults is None
        self._lent = [e.key for e in outline.effects if e.replaced and lends]
        # Whether a run rests on nothing that the one before has handed out, nor on its memory.
        gradients = self._entries or any(s.kind == "grad" for s in outline.sources)
        rests = gradients or outline.argument_effects or outline.faults
        self._is_free = not (rests or takes)

    @property
    def calls_back(self) -> bool:
        """Whether a run calls Python code, such as an optimizer's count of its steps."""
        return bool(self._did.callbacks)

    # Whether it may run.
    def fits(self, leaves: Sequence[Tensor]) -> bool:
        """Whether all that the traced call rested on is now as it was then."""
        return (
            self.enters_alike(leaves)
            and self.outside.holds()
            and self._finds_alike(leaves)
            and self._within(self._did.choices, leaves)
        )

    def _finds_alike(self, leaves: Sequence[Tensor]) -> bool:
        """Whether the arguments that it also reaches by itself (globals, say) are those of then."""
        known = self.outside.tensors
        for x, same in zip(leaves, self._did.reached, strict=True):
            if (x if id(x) in known else None) is not same:
                return False
            if same is None and x.node in self._outer:
                return False
        return True

    def enters_alike(self, leaves: Sequence[Tensor]) -> bool:
        """Whether tensors, arguments and gradients are as they were; attributes left aside."""
        did = self._did
        for i, (offset, size, storage) in did.pins:
            array = leaves[i].array
            if array.layout.offset != offset or array.storage.size != size:
                return False
            if storage is not None and array.storage is not storage:
                return False
        for effect in self._seen:
            node = did.node(effect.key, leaves)
            if node is None or entry_state(node.grad, effect.seen) != effect.entry:
                return False
        for key, storage in did.fixed_grads:
            if did.node(key, leaves).grad.array.storage is not storage:
                return False
        if self._clash:
            return False
        writes = self._own
        if self._writes:
            writes = writes.union([did.storage(s, leaves, self.outside) for s in self._writes])
            if len(writes) != len(self._own) + len(self._writes):
                return False
        for of in self._read_windows:
            if leaves[of].array.storage in writes:
                return False
        for source in self._reads:
            if did.storage(source, leaves, self.outside) in writes:
                return False
        for storage, version in did.histories:
            if storage.version != version:
                return False
        return all(holds(*args) for holds, args in self._guards)

    def values_fit(self, leaves: Sequence[Tensor]) -> bool:
        """Whether indices and exponents from outside are still in their ranges."""
        return self._within(self._did.checks, leaves)

    def _within(self, checks: Sequence[Ranged], leaves: Sequence[Tensor]) -> bool:
        for source, array, limits in checks:
            if source.kind == "argument":
                storage = leaves[source.of].array.storage
            else:
                storage = self._did.storage(source, leaves, self.outside)
            known, (least, greatest, _) = storage.bounds, limits
            if known is not None and least <= known[0] and known[1] <= greatest:
                continue
            layout = array.layout
            if source.kind == "argument":
                layout = shifted(layout, leaves[source.of].array.layout.offset)
            values = Value(Array(storage, layout, array.dtype))
            if layout.size and outlier(values, *limits) is not None:
                return False
        return True

    # A run.
    def run(self, leaves: Sequence[Tensor]) -> Any:
        """Do once more what the function did, and return what it returned."""
        did = self._did
        entries = {i: did.node(s.of, leaves).grad for i, s in self._entries}
        loan = Loan()
        for key in self._lent:
            loan.take(did.node(key, leaves))
        return self._hand_over(self._outs(leaves, loan), leaves, entries)

    def run_each(self, calls: Iterable[Sequence[Tensor]]) -> Any:
        """Do what some calls did, at least one, and return what the last of them returned.

        The next call is asked for when one is done, and no other code may look in between: what a
        run hands out, such as gradients, is made of the results of the last one alone.
        """
        if not self._is_free:
            for leaves in calls:
                result = self.run(leaves)
            return result
        outs: list[Storage] | None = None
        before: Sequence[Tensor] = ()
        try:
            for leaves in calls:
                outs, before = self._outs(leaves, Loan()), leaves
        except BaseException:
            if outs is not None:
                self._hand_over(outs, before, {})
            raise
        assert outs is not None
        return self._hand_over(outs, before, {})

    def _outs(self, leaves: Sequence[Tensor], loan: Loan) -> list[Storage]:
        """Run the program, and return its outputs; if that fails, nothing has changed."""
        did = self._did
        inputs = self._inputs.copy()
        for i, of in self._windows:
            array = leaves[of].array
            storage, layout = array.storage, array.layout
            is_whole = layout.offset == 0 and layout.size == storage.size
            inputs[i] = storage if is_whole else storage.device.window(array)
        for i, source in self._sought:
            inputs[i] = did.storage(source, leaves, self.outside)
        starts = []
        current: Any = random.global_generator() if did.generators else None
        for generator, is_global, count in did.generators:
            starts.append((current if is_global else generator).take(count))
        called = []
        outs: list[Storage] = []
        try:
            for callback, args in did.callbacks:  # which may call the user's schedule
                callback(1, *args)
                called.append((callback, args))
            if self.executor is not None:
                outs = self.executor.run(
                    inputs,
                    lambda g, offset: (starts[g][0], starts[g][1] + offset),
                    loan.spare,
                )
                if did.faults is not None:  # on a GPU that comes with a wait
                    self.executor.device.expect(did.faults)
            loan.settle()
        except BaseException:
            loan.undo()
            for (generator, is_global, count), _ in zip(did.generators, starts, strict=True):
                (current if is_global else generator).counter -= count
            for callback, args in reversed(called):
                callback(-1, *args)
            raise
        identity.rewritten(self._rewritten)
        if self._written:
            outer = [did.storage(w.source, leaves, self.outside) for w in self._written]
            pairs = zip(outer, self._written, strict=True)
            identity.rewritten([(storage, w.times, w.bounds) for storage, w in pairs])
        return outs

    def _hand_over(
        self, outs: list[Storage], leaves: Sequence[Tensor], entries: dict[int, Any]
    ) -> Any:
        """Do to other tensors outside what the function did, and return its result."""
        did = self._did
        handed: list[Any] = [None] * len(did.specs)
        for where, known in self._bounds:
            outs[where].bounds = known
        for i, where, layout, dtype in self._views:
            handed[i] = Tensor(Array(outs[where], layout, dtype))
        for i, spec in self._others:
            entry = entries.get(i)
            handed[i] = self._make(spec, outs, leaves) if entry is None else entry
        for i, number in self._owners:
            handed[i].node.grad = handed[number]
        for node, number in self._grads:
            node.grad = handed[number]
        for key, _, _, action, value, _ in self._effects:
            node = did.node(key, leaves)
            if action == "set":
                node.grad = handed[value] if isinstance(value, int) else value
            elif node is not None and node.grad is not None:
                node.grad = tape.ZERO
        for i, loses, tracked, grad in did.argument_effects:
            x = leaves[i]
            if loses:
                x.node = None
            if tracked is not None:
                x.requires_grad_(tracked)
            if grad is not None:
                assert x.node is not None
                x.node.grad = handed[grad]
        return self._result(handed)

    def _make(self, spec: Any, outs: list[Storage], leaves: Sequence[Tensor]) -> Any:
        if isinstance(spec, Source):
            if spec.kind == "declared":
                return self.outside.here[spec.of]
            return leaves[spec.of] if spec.kind == "argument" else spec.of
        where, layout, dtype, status, _, known = spec
        if isinstance(where, int):
            storage = outs[where]
            storage.bounds = known
        else:
            storage = self._did.storage(where, leaves, self.outside)
        x = Tensor(Array(storage, layout, dtype))
        if status == HISTORY:
            x.node = lost_history(x)
        elif status == LEAF:
            x.node = Node(requires_grad=True)
        return x


def _is_view_of_output(spec: Any) -> bool:
    """Whether a run hands out no more than a view of an output, which nothing follows."""
    return isinstance(spec, Made) and isinstance(spec.where, int) and spec.status == NO


def _is_plain(effect: Effect) -> bool:
    """Whether a gradient that is the same in all runs becomes a tensor that is handed out."""
    is_set = effect.action == "set" and isinstance(effect.value, int)
    return is_set and not isinstance(effect.key, int)


def _distinct(guards: Sequence[tuple[Any, tuple]]) -> list[tuple[Any, tuple]]:
    """Return guards without those that ask the very same thing again."""
    kept: dict[Any, tuple[Any, tuple]] = {}
    for holds, args in guards:
        owner, function = getattr(holds, "__self__", None), getattr(holds, "__func__", holds)
        kept.setdefault((id(owner), id(function), *map(id, args)), (holds, args))
    return list(kept.values())
