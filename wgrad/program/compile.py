"""compile: a function that is traced once per signature and replayed afterwards."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from .. import random, tape
from ..backends.base import Array, Device, Storage, traced_by, tracing
from ..core import Node, Op, Value, caller, listeners
from ..devices import default_device
from ..errors import GradientError, TraceError
from ..layout import Layout
from ..ops.indexing import bounds, check_indices
from ..tensor import Tensor
from .execute import Executor
from .ir import Program, Ref
from .passes import simplify
from .trace import Tracer
from .tree import replaced, take_apart

LIMIT = 16  # signatures of one function; more say that something changes from call to call


class Capture:
    """One traced signature: its program, and how it is tied to what lives outside."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, fuse: bool):
        leaves: list[Tensor] = []
        take_apart((args, kwargs), leaves)
        tracer = Tracer()
        standins: list[Tensor] = []
        for i, x in enumerate(leaves):
            if x.requires_grad and not x.is_leaf:
                raise TraceError(
                    f"compile: tensor argument {i} has a history, which would end here: pass "
                    ".detach()"
                )
            standin = tracer.argument(x.array)
            if x.dtype.is_integer:  # known before the trace, in which nothing can be read
                standin.storage.bounds = bounds(x)
            standins.append(Tensor(standin, x.node))
        self.arg_nodes = [x.node if x.requires_grad else None for x in leaves]
        self.offsets = [x.array.layout.offset for x in leaves]
        called, named = replaced((args, kwargs), standins, _is_tensor)
        try:
            with traced_by(tracer):
                out = function(*called, **named)
            found: list[Tensor] = []
            take_apart(out, found)
            self.refs = [tracer.ref(x.array) for x in found]
            self.tracked = [x.requires_grad for x in found]
            self.result = replaced(out, [_RESULT] * len(found), _is_tensor)
        except BaseException:
            _undo(tracer)
            raise
        del out, found, called, named, standins  # and with them the graph that led to the results
        self._tie(tracer, self.refs)
        self.device = tracer.device
        self.program = simplify(tracer.program, fuse)
        self.executor = Executor(self.program, self.device) if self.device is not None else None

    def _tie(self, tracer: Tracer, refs: list[Ref]) -> None:
        """Note what lives outside: inputs, updates, gradients, generators, checks."""
        program = tracer.program
        stand_ins = {s: i for i, s in enumerate(tracer.arguments)}
        self.captured = list(tracer.captured)
        self.arg_updates = [
            (i, tracer.made[s]) for s, i in stand_ins.items() if tracer.made[s] != program.inputs[i]
        ]
        self.updates = [(s, tracer.current[s], count) for s, count in tracer.writes.items()]
        # Storages of the trace that something still holds: gradients, new state.
        self.made = [(s, slot) for s, slot in tracer.made.items() if s not in stand_ins]
        self.guards = tracer.guards
        self.grads = [
            _Grad(node, before, node in tracer.grads_cleared, node.grad)
            for node, before in tracer.grads_before.items()
        ]
        # A gradient is found through its leaf: backward() may make a new tensor for every call.
        self.grad_of = {
            g.before.array.storage: g.node for g in self.grads if isinstance(g.before, Tensor)
        }
        current = random.global_generator()
        self.generators = {g: (g is current, taken) for g, (_, taken) in tracer.generators.items()}
        self.checks = [
            (stand_ins.get(s, s), dtype, size, op, what)
            for s, dtype, size, op, what in tracer.checks
        ]
        _rewind_generators(tracer)
        program.kept = {
            *(r.slot for r in refs),
            *(slot for _, slot in self.arg_updates),
            *(slot for _, slot, _ in self.updates),
            *(slot for _, slot in self.made),
        }
        self.dtypes = {r.slot: r.dtype for step in program.steps for r in step.refs()}
        self.dtypes |= {r.slot: r.dtype for r in refs}
        self.dtypes |= {step.out: step.dtype for step in program.steps}

    def fits(self, leaves: list[Tensor]) -> bool:
        """Whether gradients and settings stand as they did when this was traced."""
        nodes = zip(self.arg_nodes, leaves, strict=True)
        return (
            all(n is None or x.node is n for n, x in nodes)
            and all(g.fits() for g in self.grads)
            and all(holds() for holds in self.guards)
        )

    def _outside(self, storage: Storage) -> Storage:
        """Return the storage that now plays the part that `storage` had in the trace."""
        node = self.grad_of.get(storage)
        return storage if node is None else node.grad.array.storage

    def run(self, leaves: list[Tensor]) -> Any:
        """Do once more what the function did, and return what it returned."""
        for where, dtype, size, op, what in self.checks:
            if isinstance(where, int):
                index = leaves[where].detach()
            else:
                index = Tensor(Array(where, Layout.dense((where.size,)), dtype))
            check_indices(index, size, op, what)
        inputs = [x.array.storage for x in leaves] + [self._outside(s) for s in self.captured]
        shifts = {
            slot: x.array.layout.offset - before
            for slot, x, before in zip(self.program.inputs, leaves, self.offsets, strict=False)
            if x.array.layout.offset != before
        }
        starts = {
            g: (random.global_generator() if is_global else g).take(taken)
            for g, (is_global, taken) in self.generators.items()
        }

        def draw(generator: Any, offset: int) -> tuple[tuple[int, int], int]:
            key, first = starts[generator]
            return key, first + offset

        kept: dict[int, Storage] = dict(zip(self.program.inputs, inputs, strict=True))
        if self.executor is not None:
            kept = self.executor.run(inputs, shifts, draw)
        return self._hand_over(kept, inputs, leaves)

    def _hand_over(
        self, kept: dict[int, Storage], inputs: list[Storage], leaves: list[Tensor]
    ) -> Any:
        """Put the values of the kept slots where they belong, each storage to one owner."""
        given = set(inputs)  # these belong to others, and a storage is given away once

        def own(slot: int) -> Storage:
            storage = kept[slot]
            if storage in given:
                whole = Array(storage, Layout.dense((storage.size,)), self.dtypes[slot])
                storage = storage.device.copy(whole).storage
            given.add(storage)
            return storage

        results: dict[int, Storage] = {}
        tensors = []
        for ref, tracked in zip(self.refs, self.tracked, strict=True):
            if ref.slot not in results:
                results[ref.slot] = own(ref.slot)
            out = Tensor(Array(results[ref.slot], ref.layout, ref.dtype))
            if tracked:
                out.node = _lost_history(out)
            tensors.append(out)
        targets = [(s, slot, 0) for s, slot in self.made]
        targets += [(self._outside(s), slot, count) for s, slot, count in self.updates]
        targets += [(leaves[i].array.storage, slot, 1) for i, slot in self.arg_updates]
        fresh = [own(slot) for _, slot, _ in targets]
        for (storage, _, writes), new in zip(targets, fresh, strict=True):
            storage.buffer, new.buffer = new.buffer, storage.buffer
            storage.version += writes
            if writes:
                storage.bounds = None
        for g in self.grads:
            if g.after is not g.before:
                g.node.grad = g.after
        return replaced(self.result, tensors, lambda x: x is _RESULT)


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
        raise NotImplementedError  # no listener hears of it


_no_history = _NoHistory("compile", (lambda: None,))


def _lost_history(out: Tensor) -> Node:
    """Return the node of a result that would require grad without compile."""
    parent = Node(requires_grad=True)
    node = Node(requires_grad=True)
    node.op, node.parents, node.origin = _no_history, (parent,), caller()
    node.version = out.array.storage.version
    return node


class _Grad:
    """What a function did to one gradient: it was `before`, it is `after`."""

    def __init__(self, node: Node, before: Any, cleared: bool, after: Any):
        self.node = node
        self.before = before
        self.cleared = cleared
        self.after = after

    def fits(self) -> bool:
        """Whether the gradient is now in the state that the trace found it in."""
        if self.cleared:
            return True
        now = self.node.grad
        if not isinstance(self.before, Tensor):
            return now is None or now is tape.ZERO
        if not isinstance(now, Tensor):
            return False
        mine, other = now.array, self.before.array
        return (
            mine.layout.shape == other.layout.shape
            and mine.layout.strides == other.layout.strides
            and mine.layout.offset == other.layout.offset
            and mine.storage.size == other.storage.size
            and mine.storage.device is other.storage.device
        )


_RESULT = object()  # stands for a tensor in what a function returned


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Value)


def _rewind_generators(tracer: Tracer) -> None:
    """Give back the numbers that a trace took: the runs of the program take them."""
    for generator, (first, _) in tracer.generators.items():
        generator.counter = first


def _undo(tracer: Tracer) -> None:
    """Leave everything outside as it was before a trace that failed."""
    for node, grad in tracer.grads_before.items():
        node.grad = grad
    for storage, count in tracer.writes.items():
        storage.version -= count
    _rewind_generators(tracer)


class Compiled:
    """What `compile` returns: call it like the function."""

    def __init__(self, function: Callable, fuse: bool):
        functools.update_wrapper(self, function)
        self._function = function
        self._fuse = fuse
        self._captures: dict[Any, list[Capture]] = {}
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        followed = any(heard is not tape.record for heard in listeners())
        if tracing() is not None or followed:
            # Inside another compiled function, or where forward mode follows every operation.
            return self._function(*args, **kwargs)
        leaves: list[Tensor] = []
        rest = take_apart((args, kwargs), leaves)
        key = (rest, *map(_signature, leaves), tape.is_recording(), default_device())
        with self._lock:
            captures = self._captures.setdefault(key, [])
            for capture in captures:
                if capture.fits(leaves):
                    return capture.run(leaves)
            self._make_room(key)
            capture = Capture(self._function, args, kwargs, self._fuse)
            captures.append(capture)
            return capture.run(leaves)

    def _make_room(self, key: Any) -> None:
        count = sum(map(len, self._captures.values()))
        if count == LIMIT:
            warnings.warn(
                f"compile: {self._function.__qualname__} was traced for {LIMIT} signatures; shapes "
                "or values that are not tensors change from call to call, and each costs a trace "
                "(pass numbers that change as 0-d tensors). The oldest are dropped from now on",
                stacklevel=4,
            )
        if count >= LIMIT:
            oldest = next(k for k, v in self._captures.items() if v)
            self._captures[oldest].pop(0)
            if oldest != key and not self._captures[oldest]:
                del self._captures[oldest]

    @property
    def programs(self) -> list[Program]:
        """The programs traced so far, in the order of their signatures."""
        return [c.program for captures in self._captures.values() for c in captures]


def _signature(x: Tensor) -> tuple:
    layout = x.array.layout
    whole = x.array.storage.size
    return layout.shape, layout.strides, whole, x.dtype, x.device, x.requires_grad


def compile(function: Callable | None = None, *, fuse: bool = True) -> Any:
    """Return `function` traced once per signature and replayed afterwards; also a decorator.

    The first call with new shapes, dtypes, devices or other arguments runs the function with
    tensors that have no values and writes down the work: forward, backward(), optimizer steps and
    assign() become one program of fused kernels. Later calls run the program alone: Python code
    that is no tensor work (print, a changed list, the clock) does not run again. Results have no
    history, and a backward pass that leads to one is an error; forward mode runs the function
    itself. Tensors that the function finds outside are inputs, and are updated in place as
    without compile; random numbers go on from call to call.

    With fuse=False elementwise steps stay kernels of their own. Raises: TraceError when the
    function reads a value, or works on two devices; nothing has changed then.
    """
    if function is None:
        return lambda f: Compiled(f, fuse)
    return Compiled(function, fuse)
