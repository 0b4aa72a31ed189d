"""A capture: one traced call of a function, and how to do again all that the call did.

The trace runs the function; its program then computes what the function computed, so a traced call
leaves what a plain one leaves. A replay runs the program alone and does to tensors outside, to
their versions, gradients and generators, what the function did to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any, NamedTuple

from .. import random, tape
from ..backends.array import Array, Storage
from ..backends.base import Device
from ..backends.events import held
from ..backends.threefry import split_seed
from ..backends.tracing import traced_by
from ..core import Node, Op, Value, caller, place
from ..dtypes import DType
from ..errors import GradientError
from ..interrupts import interruptible
from ..layout import Layout
from ..ops.indexing import outlier
from ..tape import identity
from ..tensor import Tensor
from .build import Executor
from .finish import (
    Bindings,
    NodeKey,
    Source,
    bound_steps,
    make_program,
    shifted,
)
from .grads import KIND, Touched, entry_state
from .ir import Program
from .loan import Loan
from .observe import Observation, Observer
from .trace import Tracer
from .tree import Same, fill, take_apart, template
from .watch import Watch

NO, HISTORY, LEAF = range(3)  # whether a tensor requires grad, and why


class Made(NamedTuple):
    """A tensor that each run makes anew: a view of an output (by number) or of a Source."""

    where: Any
    layout: Layout
    dtype: DType
    status: int
    grad: int | None  # which handed-out tensor is the gradient of a leaf
    bounds: tuple[int, int] | None


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


class Capture:
    """What one traced call did. It has to be `prepare`d and then `finish`ed."""

    program: Program
    executor: Executor | None
    watch_after: Watch | None  # what the call left
    ran: Observation  # what ran in the call
    asked: str | None  # what the call asked of the world
    release: Callable[[], None]  # tells the observers what the traced call has told so far

    def __init__(
        self,
        function: Callable,
        args: tuple,
        kwargs: dict,
        leaves: Sequence[Tensor],
        watch: Watch,
        frozen: frozenset[Storage],
        look: Callable[[Observation], Watch | None],
    ):
        self.watch = watch
        self._tracer = tracer = Tracer(frozen)
        self._leaves = leaves
        self._nodes = [(x.node, x.requires_grad) for x in leaves]
        self._containers = _containers(args, kwargs)
        before = _arguments(args, kwargs)
        try:
            out = self._call(function, args, kwargs)
            self.changes_arguments = _arguments(args, kwargs) != before
            self.watch_after = after = look(self.ran)
            # Whether the walk before the call knew all that would run.
            self.is_settled = after is not None and after.ran is watch.ran
            if after is not None:
                self.asked = self.asked or watch.asked_since(after, self.ran)
            self._known = watch.seen
            if after is not None and not self.is_settled:
                self._known = watch.seen | after.seen
            self._finish_trace(out)
        except BaseException:
            tracer.undo()
            raise

    def _call(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Run the function with the tracer in the devices' place; it may be interrupted."""
        tracer, outside = self._tracer, copy_context()
        swapped = []  # in the order of the arguments, a tensor that comes twice only once
        try:
            for i, x in enumerate(self._leaves):
                if tracer.position_of(x.array) is None:
                    swapped.append((x, x.array, tracer.given(x.array, i)))
                    x.array = swapped[-1][2]
            observer = Observer()
            try:
                with held() as self.release, traced_by(tracer), observer:
                    out = interruptible(outside, function, *args, **kwargs)
                with traced_by(tracer):
                    tracer.settle()
            finally:
                observer.seen.searched = tracer.searched
                self.ran, self.asked = observer.seen, observer.refusal or tracer.assigned
            if tracer.refusal is not None:  # which the function caught, to go another way
                raise tracer.refusal
            return out
        finally:
            for x, array, mine in swapped:
                if x.array is mine:
                    x.array = array

    # The end of the trace.
    def _finish_trace(self, out: Any) -> None:
        tracer = self._tracer
        self.device: Device | None = tracer.device
        self._faults = tracer.faults
        self._handed: list[Any] = []  # the tensors of this call, then how to make them
        self._specs: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._argument: dict[int, int] = {}  # the first position of each, by its id
        for i, x in enumerate(self._leaves):
            self._argument.setdefault(id(x), i)
        self._shown: dict[Storage, None] = {}  # storages from outside that views show
        self._made: dict[Storage, int] = {}  # storages made inside, and their number
        self._entries = {
            id(t.before): node for node, t in tracer.grads.items() if isinstance(t.before, Value)
        }
        found: dict[int, tuple[int, Tensor]] = {}
        self._template, account = template(out, found, self._known)
        self._results = [self._number(x) for _, x in found.values()]
        touched = [(node, t, self._action(t)) for node, t in tracer.grads.items()]
        self._argument_effects = self._effects_on_arguments()
        bindings = self._bindings = Bindings(tracer, self._leaves, self.watch, set(self._shown))
        self._effects = [
            Effect(
                bindings.node_key(node), t.seen, entry_state(t.before, t.seen), *action,
                not t.seen & KIND and action[0] == "set",
            )
            for node, t, action in touched
        ]  # fmt: skip
        self._specs = [self._bound(spec) for spec in self._specs]
        self._written = [
            Written(bindings.whole[s][0], s.version - tracer.versions[s], tracer.static_bounds(s))
            for s in tracer.current
        ]
        for s in tracer.frozen:
            tracer.relies_on(s)
        self._steps = bound_steps(tracer, bindings)
        self._set_guards(bindings)
        self._origins = tracer.origins
        self.account = self._make_account(account)

    def _action(self, t: Touched) -> tuple[str, Any]:
        if t.stage == "cleared":
            return "clear", None
        if t.rests_as_it_was:
            return "keep", None
        grad = t.node.grad
        return "set", self._number(grad) if isinstance(grad, Value) else grad

    def _number(self, x: Any) -> int:
        """Return the number of a tensor among those handed out."""
        if id(x) not in self._numbers:
            number = self._numbers[id(x)] = len(self._handed)
            self._handed.append(x)
            self._specs.append(None)
            self._specs[number] = self._spec(x)
        return self._numbers[id(x)]

    def _spec(self, x: Tensor) -> Any:
        if id(x) in self._argument:
            return Source("argument", self._argument[id(x)])
        if id(x) in self._entries:
            return Source("grad", self._entries[id(x)])
        if id(x) in self._known:
            return Source("object", x)
        storage, layout, dtype = x.array.storage, x.array.layout, x.array.dtype
        status, grad = NO, None
        if x.requires_grad and x.node is not None:
            status = LEAF if x.is_leaf and x.node.sequence > self._tracer.start else HISTORY
            if status == LEAF and isinstance(x.node.grad, Value):
                grad = self._number(x.node.grad)
        known = self._tracer.static_bounds(storage)
        if storage in self._tracer.made:
            where: Any = self._made.setdefault(storage, len(self._made))
        else:
            self._shown[storage] = None
            where, known = x.array, None
        return Made(where, layout, dtype, status, grad, known)

    def _bound(self, spec: Any) -> Any:
        if isinstance(spec, Source) and spec.kind == "grad":
            return Source("grad", self._bindings.node_key(spec.of))
        if isinstance(spec, Made) and isinstance(spec.where, Array):
            return spec._replace(where=self._bindings.whole[spec.where.storage][0])
        return spec

    def _effects_on_arguments(self) -> list[tuple[int, bool, bool | None, int | None]]:
        """Return (argument, whether it loses its node, its new requires_grad, its gradient)."""
        found: list[tuple[int, bool, bool | None, int | None]] = []
        for i, (x, (node, tracked)) in enumerate(zip(self._leaves, self._nodes, strict=True)):
            grad = None
            if x.node is not None and x.node.sequence > self._tracer.start:
                if isinstance(x.node.grad, Value):
                    grad = self._number(x.node.grad)
            loses = node is not None and x.node is not node
            changed = x.requires_grad if x.requires_grad != tracked else None
            if loses or changed is not None:
                found.append((i, loses, changed, grad))
        return found

    def _set_guards(self, bindings: Bindings) -> None:
        tracer = self._tracer
        self._sources = [bindings.sources[slot] for slot in sorted(bindings.sources)]
        self._pins = list(bindings.pins.items())
        self._found = bindings.found
        self._outer = {e.key for e in self._effects if not isinstance(e.key, int)}
        self._fixed_grads = list(bindings.fixed_grads.items())
        self._histories = list(tracer.histories.items())
        self._guards = tracer.guards
        writes = {w.source for w in self._written}
        self._writes = [s for s in self._sources if s in writes]
        self._reads = [s for s in self._sources if s not in writes and s.kind != "constant"]
        self._callbacks = tracer.callbacks
        current = random.global_generator()
        self._generators = [(g, g is current, taken) for g, (_, taken) in tracer.generators.items()]
        self._checks, self._choices = (
            [(tracer.position_of(c.array), self._relative(c.array), c.range) for c in checks]
            for checks in (tracer.checks, tracer.choices)
        )

    def _relative(self, x: Array) -> Array:
        """Return an array whose offset counts from where its argument begins."""
        position = self._tracer.position_of(x)
        start = 0 if position is None else self._leaves[position].array.layout.offset
        return Array(x.storage, shifted(x.layout, -start), x.dtype)

    def _make_account(self, result: Any) -> dict[str, Any]:
        """Return all that a second trace has to repeat, by what it is called in a warning."""
        tracer = self._tracer
        inputs = [
            (s.kind, tracer.constants[slot][1][:2] if s.kind == "constant" else s.of)
            for slot, s in sorted(self._bindings.sources.items())
        ]
        handed = [
            Same(x.of) if isinstance(x, Source) and x.kind == "object" else x for x in self._specs
        ]
        return {
            "an operation": [step.account for step in self._steps],
            "a tensor that it uses": inputs,
            "a generator that it draws from": [
                ("global" if is_global else g, n) for g, is_global, n in self._generators
            ],
            "what it writes to": self._written,
            "what it does to a gradient": self._effects,
            "what it does to its arguments": self._argument_effects,
            "what it returns": [result, self._results, handed],
            "what each step counts": self._callbacks,
        }  # fmt: skip

    def difference(self, other: Capture) -> str | None:
        """Return what differs between two traces, and where; None where all is the same."""
        for what, mine in self.account.items():
            theirs = other.account[what]
            if mine == theirs:
                continue
            pairs = enumerate(zip(mine, theirs, strict=False))
            at = next((i for i, (a, b) in pairs if a != b), min(len(mine), len(theirs)))
            if what == "an operation":
                longer = self if len(mine) > at else other
                return f"{what} at {place(longer._origins[at])}"
            detail = self._named(what, at) if len(mine) > at else None
            return what if detail is None else f"{what}, {detail},"
        return None

    def _named(self, what: str, at: int) -> str | None:
        """Return which part of an account is meant, while the trace lasts."""
        if what == "a tensor that it uses":
            slot, source = sorted(self._bindings.sources.items())[at]
            if source.kind == "constant":
                return f"made of host data at {place(self._tracer.constants[slot][1][2])}"
            reads = (
                place(origin)
                for step, origin in zip(self._steps, self._origins, strict=True)
                if any(ref.slot == slot for ref in step.refs())
            )
            read = next(reads, None)
            return f"{self._name(source)}{'' if read is None else f', used at {read}'}"
        if what == "what it writes to":
            return self._name(self._written[at].source)
        if what == "what it does to a gradient":
            return self._name(Source("grad", self._effects[at].key))
        if what == "what it does to its arguments":
            return f"tensor argument {self._argument_effects[at][0]}"
        return None

    def _name(self, source: Source) -> str:
        if isinstance(source.of, int):
            text = f"tensor argument {source.of}"
        else:
            looks = (w.name_of(source.of) for w in (self.watch_after, self.watch) if w is not None)
            text = next((name for name in looks if name is not None), "one that has no name")
        return f"that of {text}" if source.kind == "grad" else text

    def kept(self) -> list[Storage]:
        """Return the storages made inside that live on, and are not handed out."""
        return [s for s in self._tracer.made if s not in self._made]

    def keeps(self) -> str | None:
        """Return what the call left in Python state that a replay would not, and where."""
        assert self.watch_after is not None
        for x in self.watch_after.found:
            what, position = None, self._tracer.position_of(x.array)
            if position is not None:
                what = f"a view of tensor argument {position}"
            elif x.array.storage in self._tracer.made:
                what = f"a tensor that is made at {self.kept_at(x.array.storage)}"
            elif id(x) not in self.watch.seen:
                numbers = (i for i, leaf in enumerate(self._leaves) if leaf is x)
                what = next((f"tensor argument {i}" for i in numbers), None)
            if what is not None:
                return f"{what} in {self.watch_after.place_of(x)}"
        for x in self._containers:
            if id(x) in self.watch_after.seen and id(x) not in self.watch.seen:
                return f"a container among its arguments in {self.watch_after.place_of(x)}"
        kept = self.kept()
        return f"a tensor that is made at {self.kept_at(kept[0])}" if kept else None

    def kept_at(self, storage: Storage) -> str:
        """Return where a kept storage was made."""
        slot = self._tracer.made[storage]
        for step, origin in zip(self._tracer.steps, self._tracer.origins, strict=True):
            if slot in step.writes():
                return place(origin)
        constant = self._tracer.constants.get(slot)
        return place(constant[1][2] if constant else None)

    # The first run.
    def cut(self) -> None:
        """Take the history off what is handed out, which frees what only the graph holds."""
        for i, (x, spec) in enumerate(zip(self._handed, self._specs, strict=True)):
            if isinstance(spec, Made) and spec.status == HISTORY:
                fresh = Tensor(x.array)
                fresh.node = _lost_history(fresh)
                self._handed[i] = fresh
        for effect in self._effects:
            if effect.action == "set" and isinstance(effect.value, int):
                self._node(effect.key, self._leaves).grad = self._handed[effect.value]

    def prepare(self) -> None:
        """Make the program, which also computes what lives on without being handed out."""
        tracer = self._tracer
        self._alive = [*self._made, *self.kept()]
        updates: dict = {self._bindings.whole[s][1]: slot for s, slot in tracer.current.items()}
        outputs: list = [tracer.made[s] for s in self._alive]
        self.program = make_program(tracer, self._bindings, self._steps, outputs, updates)

    def undo(self) -> None:
        """Leave everything outside as it was before the trace."""
        self._tracer.undo()

    def first_run(self, executor: Executor | None) -> Any:
        """Give values to what the trace left without, and return the function's result.

        When that fails everything is as before the trace.
        """
        tracer = self._tracer
        try:
            self.executor = executor
            if executor is not None:
                starts = [
                    (split_seed(g.seed), first) for g, (first, _) in tracer.generators.items()
                ]
                outs = executor.run(
                    [self._first_input(s) for s in self._sources],
                    lambda g, offset: (starts[g][0], starts[g][1] + offset),
                )
                for storage, new in zip(self._alive, outs, strict=True):
                    storage.buffer, new.buffer = new.buffer, storage.buffer
                self._expect_faults(executor)
        except BaseException:
            tracer.undo()
            raise
        result = fill(self._template, [self._handed[i] for i in self._results])
        # Only the trace needed these, and they hold memory.
        del self._tracer, self._bindings, self._leaves, self._nodes, self._alive, self._handed
        del self._steps, self._numbers, self._argument, self._entries, self._shown, self._made
        del self._containers, self._known
        self.watch.forget()
        if self.watch_after is not None:
            self.watch_after.forget()
        return result

    def _expect_faults(self, executor: Executor) -> None:
        """Raise what the program found to be out of range; on a GPU that comes with a wait."""
        if self._faults is not None:
            executor.device.expect(self._faults)

    def _first_input(self, source: Source) -> Storage:
        if source.kind == "grad":
            return self._bindings.entry_grad(source.of).array.storage
        return self._storage(source, self._leaves)

    # Replays.
    def _node(self, key: NodeKey, leaves: Sequence[Tensor]) -> Any:
        return leaves[key].node if isinstance(key, int) else key

    def _storage(self, source: Source, leaves: Sequence[Tensor]) -> Storage:
        kind, of = source
        if kind == "window":
            array = leaves[of].array
            return array.storage.device.window(array)
        if kind == "argument":
            return leaves[of].array.storage
        if kind == "grad":
            return self._node(of, leaves).grad.array.storage
        if kind == "faults":
            assert self._faults is not None
            return self._faults.records.storage
        return of

    def fits(self, leaves: Sequence[Tensor]) -> bool:
        """Whether all that the traced call rested on is now as it was then."""
        return (
            self.enters_alike(leaves)
            and self.watch.holds()
            and self._finds_alike(leaves)
            and self._within(self._choices, leaves)
        )

    def _finds_alike(self, leaves: Sequence[Tensor]) -> bool:
        """Whether the function meets the arguments by itself exactly where it did."""
        known = self.watch.tensors
        for x, found in zip(leaves, self._found, strict=True):
            if (x if id(x) in known else None) is not found:
                return False
            if found is None and x.node in self._outer:
                return False
        return True

    def enters_alike(self, leaves: Sequence[Tensor]) -> bool:
        """Whether tensors, arguments and gradients are as they were; attributes left aside."""
        for i, (offset, size, storage) in self._pins:
            array = leaves[i].array
            if array.layout.offset != offset or array.storage.size != size:
                return False
            if storage is not None and array.storage is not storage:
                return False
        for effect in self._effects:
            if effect.seen:
                node = self._node(effect.key, leaves)
                if node is None or entry_state(node.grad, effect.seen) != effect.entry:
                    return False
        for key, storage in self._fixed_grads:
            if self._node(key, leaves).grad.array.storage is not storage:
                return False
        if self._writes:
            writes = {self._origin(s, leaves) for s in self._writes}
            if len(writes) != len(self._writes):
                return False
            if not writes.isdisjoint([self._origin(s, leaves) for s in self._reads]):
                return False
        return all(s.version == version for s, version in self._histories) and all(
            holds(*args) for holds, args in self._guards
        )

    def _origin(self, source: Source, leaves: Sequence[Tensor]) -> Storage:
        """Return the storage that an input's values come from."""
        if source.kind == "window":
            return leaves[source.of].array.storage
        return self._storage(source, leaves)

    def values_fit(self, leaves: Sequence[Tensor]) -> bool:
        """Whether indices and exponents from outside are still in their ranges."""
        return self._within(self._checks, leaves)

    @staticmethod
    def _within(checks: Sequence[tuple[int | None, Array, Any]], leaves: Sequence[Tensor]) -> bool:
        for position, array, limits in checks:
            if position is not None:
                at = leaves[position].array
                array = Array(at.storage, shifted(array.layout, at.layout.offset), array.dtype)
            if array.layout.size and outlier(Value(array), *limits) is not None:
                return False
        return True

    def replay(self, leaves: Sequence[Tensor]) -> Any:
        """Do once more what the function did, and return what it returned."""
        entries = [
            self._node(s.of, leaves).grad if isinstance(s, Source) and s.kind == "grad" else None
            for s in self._specs
        ]
        inputs = [self._storage(s, leaves) for s in self._sources]
        starts = []
        current = random.global_generator()
        for generator, is_global, count in self._generators:
            starts.append((current if is_global else generator).take(count))
        for callback, args in self._callbacks:
            callback(1, *args)
        loan = Loan()
        for effect in self._effects:
            if effect.replaced and self._faults is None:  # else the run may turn out to be void
                loan.take(self._node(effect.key, leaves))
        outs: list[Storage] = []
        try:
            if self.executor is not None:
                outs = self.executor.run(
                    inputs,
                    lambda g, offset: (starts[g][0], starts[g][1] + offset),
                    loan.spare,
                )
                self._expect_faults(self.executor)
            loan.settle()
        except BaseException:
            loan.undo()
            for (generator, is_global, count), _ in zip(self._generators, starts, strict=True):
                (current if is_global else generator).counter -= count
            for callback, args in self._callbacks:
                callback(-1, *args)
            raise
        return self._hand_over(outs, leaves, entries)

    def _hand_over(self, outs: list[Storage], leaves: Sequence[Tensor], entries: list[Any]) -> Any:
        """Do to tensors outside what the function did, and return its result."""
        for source, times, known in self._written:
            storage = self._storage(source, leaves)
            identity.rewritten(storage, times, known)
        handed = [
            self._make(spec, outs, leaves) if entry is None else entry
            for spec, entry in zip(self._specs, entries, strict=True)
        ]
        for x, spec in zip(handed, self._specs, strict=True):
            if isinstance(spec, Made) and spec.grad is not None:
                x.node.grad = handed[spec.grad]
        for key, _, _, action, value, _ in self._effects:
            if action == "set":
                node = self._node(key, leaves)
                node.grad = handed[value] if isinstance(value, int) else value
            elif action == "clear":
                node = self._node(key, leaves)
                if node is not None and node.grad is not None:
                    node.grad = tape.ZERO
        for i, loses, tracked, grad in self._argument_effects:
            x = leaves[i]
            if loses:
                x.node = None
            if tracked is not None:
                x.requires_grad_(tracked)
            if grad is not None:
                assert x.node is not None
                x.node.grad = handed[grad]
        return fill(self._template, [handed[i] for i in self._results])

    def _make(self, spec: Any, outs: list[Storage], leaves: Sequence[Tensor]) -> Any:
        if isinstance(spec, Source):
            return leaves[spec.of] if spec.kind == "argument" else spec.of
        where, layout, dtype, status, _, known = spec
        if isinstance(where, int):
            storage = outs[where]
            storage.bounds = known
        else:
            storage = self._storage(where, leaves)
        x = Tensor(Array(storage, layout, dtype))
        if status == HISTORY:
            x.node = _lost_history(x)
        elif status == LEAF:
            x.node = Node(requires_grad=True)
        return x


def _arguments(args: tuple, kwargs: dict) -> tuple[Any, list[int]]:
    """Return what arguments are, to be compared with what they are after a call."""
    found: list[Any] = []
    return take_apart((args, kwargs), found, []), list(map(id, found))


def _containers(*values: Any) -> list[Any]:
    """Return the lists and dicts, in whatever they lie, that arguments are."""
    found: list[Any] = []
    stack = list(values)
    while stack:
        x = stack.pop()
        if isinstance(x, (list, dict)):
            found.append(x)
        if isinstance(x, (list, tuple, dict)):
            stack.extend(x.values() if isinstance(x, dict) else x)
    return found


class _NoHistory(Op):
    """Stands where the history of a result would begin: a backward pass that comes here fails.

    Without it the gradients of what went into a compiled function would be missing in silence.
    """

    def run(self, device: Device, inputs: tuple, params: dict) -> Array:
        raise NotImplementedError  # it is put into nodes, and never applied

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        raise GradientError(
            "backward: this leads into a compiled function, whose results have no history: call "
            "backward() or wg.grad inside the function, or detach() its result"
        )

    def push(self, call: Any, tangents: Any) -> Tensor | None:
        raise NotImplementedError  # nor does an interpreter


_no_history = _NoHistory("compile", (lambda: None,))


def _lost_history(out: Tensor) -> Node:
    """Return the node of a result that would require grad without compile."""
    parent = Node(requires_grad=True)  # of this level of differentiation, which looks no further
    node = Node(requires_grad=True)
    node.op, node.parents, node.origin = _no_history, (parent,), caller()
    identity.stamp(node, out.array)
    return node
