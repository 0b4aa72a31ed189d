"""The tracer: takes the devices' place while a function runs once, and writes down the work.

Tensors made inside have shapes and no values. Real storages that the function touches become
inputs; what it writes to them is written down, not done. What the function changes in tensors all
the same (versions, nodes, gradients, generators) is logged, so that a failed trace can be undone.
"""

from __future__ import annotations

import functools
import hashlib
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple, NoReturn
from weakref import WeakKeyDictionary

import numpy as np

from ..backends import families
from ..backends.array import Array, Number, Storage
from ..backends.base import Device
from ..backends.faults import Faults
from ..backends.tracing import UNBACKED, Live, traced_by
from ..backends.varying import Varying
from ..core import Node, Value, caller, place
from ..core.batched import everything, memory
from ..dtypes import DType, bool_, int32
from ..errors import TraceError
from ..interrupts import whole
from ..layout import Layout, Shape
from ..ops.elementwise import where
from ..ops.indexing import Allowed, checked, outlier
from ..ops.intervals import union
from .bounded import Suspect, bounded, settled
from .grads import Touched
from .ir import Draws, Step
from .slots import Ref, Slot

Origin = Any  # what `caller` returns


class Given(Array):
    """An argument's array while a trace runs, or a view of it: it knows which argument's.

    Such a view may outlive its trace, in which alone its position means something.
    """

    __slots__ = ("position", "trace")

    def __init__(self, x: Array, layout: Layout, position: int, trace: int):
        super().__init__(x.storage, layout, x.dtype)
        self.position = position
        self.trace = trace

    def view(self, layout: Layout) -> Array:
        return Given(self, layout, self.position, self.trace)


class Roots(NamedTuple):
    """Arrays from outside that the values of one made inside are taken from, and from `static`.

    `whole` says that all of their values are there; else it may be some.
    """

    arrays: tuple[Array, ...]
    static: tuple[int, int] | None
    whole: bool


class Check:
    """A range that the values of an array from outside must lie in before every run.

    The value `besides`, if there is one, is allowed as well.
    """

    def __init__(self, array: Array, least: int, greatest: int, besides: int | None = None):
        self.array = array
        self.range = least, greatest, besides


class Tracer:
    """One capture: the steps so far, and which slot each storage's values are in now."""

    def __init__(self, frozen: frozenset[Storage] = frozenset()) -> None:
        self.device: Device | None = None
        self.steps: list[Step] = []
        self.origins: list[Origin] = []  # the user's line of each step
        self.dtypes: list[DType] = []  # of each slot
        # Storages that exist only in the trace; those alive at its end hold results or state.
        self.made: WeakKeyDictionary[Storage, int] = WeakKeyDictionary()
        # Real storages: the slot of their values at first, apart for each way to reach them (by
        # which argument, or None), and, once written to, the slot of their values now.
        self.initial: dict[tuple[Storage, int | None], int] = {}
        self.current: dict[Storage, int] = {}
        self.versions: dict[Storage, int] = {}  # of those written to, before
        self.constants: dict[int, tuple[Storage, Any]] = {}  # host data by slot, and its digest
        self.frozen = frozen
        self.grads: dict[Node, Touched] = {}
        self.generators: dict[Any, list[int]] = {}  # counter at first, numbers taken
        self.checks: list[Check] = []
        self.choices: list[Check] = []  # where they fail another program is needed
        self.callbacks: list[tuple[Callable[..., None], tuple]] = []
        self.guards: list[tuple[Callable[..., bool], tuple]] = []
        self.histories: dict[Storage, int] = {}
        self.start = Node().sequence  # later nodes were made inside
        self.refusal: TraceError | None = None  # what was refused first
        self.assigned: str | None = None  # why no replay would do what the function does
        self.searched = 0  # whether a module looked for its parameters (1), for buffers too (2)
        self._log: list[Callable[[], None]] = []
        self._roots: WeakKeyDictionary[Storage, Roots] = WeakKeyDictionary()
        self.suspects: list[Suspect] = []  # range checks that the program makes itself
        self.faults: Faults | None = None
        self._drawing: tuple[int, int] = (0, 0)

    def given(self, x: Array, position: int) -> Given:
        """Return the array of an argument, as the function is to see it."""
        return Given(x, x.layout, position, self.start)

    def position_of(self, x: Array) -> int | None:
        """Return which argument an array is a view of; None where the function found it itself."""
        return x.position if isinstance(x, Given) and x.trace == self.start else None

    def refuse(self, what: str) -> NoReturn:
        """Raise a TraceError that ends the trace, even if the function catches it."""
        error = TraceError(f"compile: {what}")
        if self.refusal is None:
            self.refusal = error
        raise error

    # Slots.
    def new_slot(self, dtype: DType) -> int:
        """Return a slot that no step writes yet."""
        self.dtypes.append(dtype)
        return len(self.dtypes) - 1

    def _one_device(self, device: Device) -> None:
        if self.device is None:
            self.device = device
        elif device is not self.device:
            self.refuse(
                f"the function at {place(caller())} works on {self.device.name} and on "
                f"{device.name}; one device is needed"
            )

    def static_bounds(self, storage: Storage) -> tuple[int, int] | None:
        """Return the bounds of a storage that do not follow from values from outside."""
        return None if storage in self._roots else storage.bounds

    def own_bounds(self, x: Array) -> tuple[int, int] | None:
        """Return the bounds of an array unless its values come from outside."""
        return x.storage.bounds if self._root(x) is None else None

    def slot_of(self, x: Array) -> int:
        """Return where the values of an array's storage are now; a real one becomes an input."""
        storage = memory(x)
        slot = self.made.get(storage)
        if slot is None:
            slot = self.current.get(storage)
        if slot is None:
            if storage.buffer is UNBACKED:
                self.refuse(
                    f"the function at {place(caller())} uses a tensor that was made in "
                    "another trace, which has not ended or has failed"
                )
            self._one_device(storage.device)
            key = storage, self.position_of(x)
            slot = self.initial.get(key)
            if slot is None:
                slot = self.initial[key] = self.new_slot(x.dtype)
        return slot

    def _set_slot(self, target: Array, slot: int, source: Array | None) -> None:
        """Let the values of the target's storage be in `slot`: all those of `source`, or None."""
        storage = target.storage
        if storage in self.made:
            self.made[storage] = slot
        else:
            if storage in self.frozen:
                self.refuse(
                    f"the function at {place(caller())} writes to a tensor that was declared frozen"
                )
            if storage not in self.current:
                self.slot_of(target)
                self.versions[storage] = storage.version
                self.changing(storage, "version", "bounds", "history")
            self.current[storage] = slot
        roots = None if source is None else self._root(source)
        if roots is None:
            self._roots.pop(storage, None)
        else:
            self._roots[storage] = roots

    def ref(self, x: Array) -> Ref:
        """Return a view as the program sees it."""
        return Ref(self.slot_of(x), x.layout, x.dtype)

    def _add(self, device: Device, work: families.Family, operands: families.Operands) -> Array:
        self._one_device(device)
        refs = tuple([self.ref(x) if isinstance(x, Array) else _fixed(x) for x in operands])
        shape, dtype = work.result(operands)
        layout = Layout.dense(shape)
        storage = device.unbacked(layout.size)
        slot = self.made[storage] = self.new_slot(dtype)
        self.steps.append(Step(work, refs, (Slot(slot, shape, dtype),)))
        self.origins.append(caller())
        return Array(storage, layout, dtype)

    # The device protocol.
    @whole
    def upload(self, device: Device, data: np.ndarray, dtype: DType) -> Array:
        self._one_device(device)
        with traced_by(None):  # host data is an input that is the same in every run
            real = device.upload(data, dtype)
        storage = device.unbacked(real.storage.size)
        slot = self.made[storage] = self.new_slot(dtype)
        digest = hashlib.blake2b(np.ascontiguousarray(data).tobytes(), digest_size=16).digest()
        self.constants[slot] = real.storage, (data.shape, digest, caller())
        return Array(storage, real.layout, dtype)

    def download(self, device: Device, x: Array) -> NoReturn:
        self.refuse(
            f"the function reads a value (or moves one to another device) at "
            f"{place(caller())}; inside a compiled function tensors have no values: return the "
            "tensor and read it outside"
        )

    def host(
        self, device: Device, name: str, function: Any, operands: Sequence[Array], dtype: DType
    ) -> NoReturn:
        self.refuse(
            f"{name} at {place(caller())} is computed by NumPy on the host, and a compiled "
            "function does not leave its device: call it outside, and pass its result as argument"
        )

    def synchronize(self, device: Device) -> NoReturn:
        self.refuse(f"the function waits for the device at {place(caller())}")

    def number(self, device: Device, x: Varying, dtype: DType) -> Array:
        """Return a number that each run reads anew as an array without axes."""
        return self._add(device, families.Full((), x.live(), dtype), ())

    def noted(
        self, device: Device, work: families.Family, operands: families.Operands
    ) -> Array | None:
        """Write down work of a kernel family, and return its result unless it is in place."""
        if isinstance(work, families.Random):
            work = Draws(work.kind, *self._drawing, work.shape)
        out = self._add(device, work, operands)
        if isinstance(work, families.InPlace):
            layout, (target, *values) = work.target, operands
            whole = layout.contiguous and layout.size == target.storage.size
            moved = values[0] if whole and isinstance(work, families.Write) else None
            self._set_slot(target, self.made[out.storage], moved)
            return None
        if isinstance(work, families.Copy):
            self._follow(out, operands)
        elif isinstance(work, families.Gather):
            self._follow(out, operands[:1], whole=False)
        elif isinstance(work, families.Place):
            around = None if work.fill is None or not out.dtype.is_integer else int(work.fill)
            self._follow(out, operands, None if around is None else (around, around))
        return out

    def replace(self, device: Device, target: Array, fresh: Array) -> None:
        whole = target.layout.contiguous and target.layout.size == target.storage.size
        if whole and fresh.layout.contiguous and fresh.storage.size == fresh.layout.size:
            self._set_slot(target, self.slot_of(fresh), fresh)
        else:
            self.noted(device, *families.Write.of(target, fresh))

    # What other modules tell.
    def _root(self, x: Array) -> Roots | None:
        """Return where the values of `x` come from, if from outside; else None."""
        storage = memory(x)
        if storage in self.made or storage in self.current:
            return self._roots.get(storage)
        return Roots((x,), None, True)

    def _follow(
        self,
        out: Array,
        pieces: Sequence[Array],
        static: tuple[int, int] | None = None,
        whole: bool = True,
    ) -> None:
        """Remember where the values of `out` come from: those of pieces, all of them if `whole`."""
        if not out.dtype.is_integer:
            return
        arrays: list[Array] = []
        for x in pieces:
            roots, known = self._root(x), self.own_bounds(x)
            if roots is not None:
                arrays += roots.arrays
                whole = whole and roots.whole
                known = roots.static
            elif known is None and x.layout.size:
                return
            static = known if static is None else union(static, known or static)
        if arrays:
            self._roots[out.storage] = Roots(tuple(dict.fromkeys(arrays)), static, whole)

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
            self.checks += [Check(root, *allowed.limits) for root in roots.arrays]
        elif fits and self._fit(roots, *allowed.limits):
            self.choices += [Check(root, *allowed.limits) for root in roots.arrays]
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
        found = x.array.storage.bounds if roots is None else roots.static
        if (roots is None or found is not None) and not (
            found is not None and least <= found[0] and found[1] <= greatest
        ):
            return False
        fits = roots is None or self._fit(roots, least, greatest)
        if fits and roots is not None:
            self.choices += [Check(root, least, greatest) for root in roots.arrays]
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

    def setting_assigned(self, what: str) -> None:
        """Note that the function assigns what programs read anew: it is left uncompiled.

        In the run of this trace, what has been read so far is what it was.
        """
        self.assigned = self.assigned or f"it assigns {what} at {place(caller())} in every call"
        self.steps = [
            replace(s, inputs=tuple([float(x) if isinstance(x, Live) else x for x in s.inputs]))
            for s in self.steps
        ]

    def asks(self, what: str) -> None:
        """Note that the function asks for what a replay would not ask for again."""
        where = place(caller())
        told = f"it calls {what} at {where}: the answer may be another at each call"
        self.assigned = self.assigned or told

    def each_run(self, callback: Callable[..., None], *args: Any) -> None:
        """Call `callback(1, *args)` before every later run; with -1 to undo it when that fails."""
        self.callbacks.append((callback, args))

    def numbers_taken(self, generator: Any, first: int, count: int) -> None:
        """Remember that the function drew from a generator."""
        if generator not in self.generators:
            self.generators[generator] = [first, 0]
            self._log.append(lambda: setattr(generator, "counter", first))
        state = self.generators[generator]
        offset = first - state[0]
        if offset >= state[1]:  # else they were taken before, and are used once more
            offset = state[1]
            state[1] += count
        self._drawing = list(self.generators).index(generator), offset

    # Undoing.
    def changing(self, owner: Any, *names: str) -> None:
        """Remember attributes of `owner`, or the content of a list or dict, as they are now.

        What the function makes itself is not kept alive by that, for what lives on at the end of a
        trace is taken for a result.
        """
        if isinstance(owner, Node) and owner.sequence > self.start:
            return
        if not names:
            self._log.append(_restorer(owner))
        for name in names:
            value = getattr(owner, name)
            if not (isinstance(value, Node) and value.sequence > self.start):  # it was another
                self._log.append(_setter(owner, name, value))

    def undo(self) -> None:
        """Leave everything outside as it was before the trace."""
        while self._log:
            self._log.pop()()


def _fixed(x: Any) -> Number:
    return float(x) if type(x) is Varying else x


def _setter(owner: Any, name: str, value: Any) -> Callable[[], None]:
    """Return what gives an attribute back its value, should its owner still live."""
    try:
        found = weakref.ref(owner)
    except TypeError:
        return functools.partial(setattr, owner, name, value)

    def restore() -> None:
        left = found()
        if left is not None:
            setattr(left, name, value)

    return restore


def _restorer(container: Any) -> Callable[[], None]:
    content = container.copy()

    def restore() -> None:
        container.clear()
        (container.update if isinstance(container, dict) else container.extend)(content)

    return restore
