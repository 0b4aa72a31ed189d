"""The work of a trace: its steps, and the slots that the values of storages are in.

Tensors made inside have shapes and no values. Real storages that the function touches become
inputs; what it writes to them is written down, not done, and what changes in them all the same is
logged, so that a failed trace can be undone.
"""

from __future__ import annotations

import functools
import hashlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from ...backends import families
from ...backends.array import Array, Number, Storage
from ...backends.base import Device
from ...backends.faults import Faults
from ...backends.tracing import UNBACKED, traced_by
from ...backends.varying import Varying
from ...core import Node, caller, place
from ...core.batched import memory
from ...core.tracing import Stream
from ...dtypes import DType
from ...errors import TraceError
from ...interrupts import whole
from ...layout import Layout, Shape
from ...ops.intervals import union
from ..ir import Draws, Later, Ref, Slot, Step, span

if TYPE_CHECKING:
    from .loops import Turn

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
    """Where the integers of an array made inside come from: from `arrays` from outside.

    Some may be others, between the bounds `static`. With `whole`, all that these arrays hold is
    there; else it may be a part.
    """

    arrays: tuple[Array, ...]
    static: tuple[int, int] | None
    whole: bool


class Anew(NamedTuple):
    """A copy of the elements of a slot from `first` on."""

    slot: Slot
    first: int


class Permitted(Protocol):
    """What a function may use of what it finds outside, where its state was declared."""

    def has(self, storage: Storage) -> bool:
        """Whether it may use memory."""

    def has_node(self, node: Node) -> bool:
        """Whether it may use the gradient of a node."""

    def has_generator(self, generator: Stream) -> bool:
        """Whether it may draw numbers from a generator."""

    def name_of(self, x: Any) -> str:
        """Return what it calls a tensor, its node or its memory."""


class Work:
    """The steps so far, and which slot each storage's values are in now."""

    def __init__(
        self, frozen: frozenset[Storage] = frozenset(), declared: Permitted | None = None
    ) -> None:
        self._declared = declared
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
        self.start = Node().sequence  # later nodes were made inside
        self.refusal: TraceError | None = None  # what was refused first
        self._log: list[Callable[[], None]] = []
        self._roots: WeakKeyDictionary[Storage, Roots] = WeakKeyDictionary()
        self.faults: Faults | None = None
        self._drawing: tuple[int, int] = (0, 0)
        self._anew: dict[int, list[Anew]] = {}  # by slot: what is read in its place now
        self.turns: list[Turn] = []  # those that are traced now
        # What has other values in each turn of a loop: its slot there, and whose it is.
        self.inner: WeakKeyDictionary[Storage, tuple[int, Turn]] = WeakKeyDictionary()

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

    def _refuse_stray(self, does: str) -> NoReturn:
        self.refuse(
            f"the function {does} at {place(caller())}, which is neither an argument nor in "
            "state=: add it to one of them"
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
        if slot is None and storage in self.inner:
            slot, turn = self.inner[storage]
            if not any(t.may_read(turn) for t in self.turns):
                self.refuse(
                    f"the function at {place(caller())} uses a tensor that a turn of a scan made, "
                    "and only what it returns is there outside: return it as y"
                )
        if slot is None:
            if storage.buffer is UNBACKED:
                self.refuse(
                    f"the function at {place(caller())} uses a tensor that was made in "
                    "another trace, which has not ended or has failed"
                )
            self._one_device(storage.device)
            position = self.position_of(x)
            declared = self._declared
            if position is None and declared is not None and not declared.has(storage):
                self._refuse_stray(f"uses {declared.name_of(storage)} of shape {x.shape}")
            key = storage, position
            slot = self.initial.get(key)
            if slot is None:
                slot = self.initial[key] = self.new_slot(x.dtype)
        return slot

    def _set_slot(self, target: Array, slot: int, source: Array | None) -> None:
        """Let the values of the target's storage be in `slot`: all those of `source`, or None."""
        storage = target.storage
        if self.turns:
            self._written_in_turns(storage)
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

    def _written_in_turns(self, storage: Storage) -> None:
        """Remember what a write in a turn changes, and whether a loop could do that."""
        for turn in self.turns:
            if storage.born < turn.start or storage in self.inner:
                turn.why = f"it writes to a tensor from outside at {place(caller())}"
        tables: list[Any] = [self.made, self.current, self._roots]
        before = [table.get(storage) for table in tables]
        known = storage.version, storage.bounds, storage.history
        weak = weakref.ref(storage)

        def restore() -> None:
            back = weak()
            if back is None:
                return
            back.version, back.bounds, back.history = known
            for table, value in zip(tables, before, strict=True):
                if value is None:
                    table.pop(back, None)
                else:
                    table[back] = value

        self._log.append(restore)

    def ref(self, x: Array) -> Ref:
        """Return a view as the program sees it."""
        slot = self.slot_of(x)
        for again in self._anew.get(slot, ()):
            first, end = span(x.layout)
            if again.first <= first and end <= again.first + again.slot.size:
                layout = Layout(x.layout.shape, x.layout.strides, x.layout.offset - again.first)
                return Ref(again.slot.index, layout, x.dtype)
        return Ref(slot, x.layout, x.dtype)

    @contextmanager
    def once_more(self, arrays: Sequence[Array]) -> Iterator[None]:
        outer, anew = self._anew, dict[int, list[Anew]]()
        for x in arrays:
            first, end = span(x.layout)
            if end > first and self.steps:
                last = self.steps[-1].outs[-1].whole()
                flat = x.view(Layout((end - first,), (1,), first))
                (made,) = self.add(x.storage.device, Later(), (flat, last))
                copied = Anew(Slot(self.made[made.storage], made.shape, x.dtype), first)
                anew.setdefault(self.slot_of(x), []).append(copied)
        self._anew = {**outer, **anew}
        try:
            yield
        finally:
            self._anew = outer

    def add(
        self,
        device: Device,
        work: families.Family,
        operands: families.Operands,
        results: Sequence[tuple[Shape, DType]] | None = None,
    ) -> list[Array]:
        """Write down a step, and return its results; `results` says what they are like."""
        self._one_device(device)
        numbers = [float(x) if type(x) is Varying else x for x in operands]
        refs = tuple([self._operand(x) for x in numbers])
        made: list[Array] = []
        slots: list[Slot] = []
        for shape, dtype in work.results(operands) if results is None else results:
            layout = Layout.dense(shape)
            storage = device.unbacked(layout.size)
            slot = self.made[storage] = self.new_slot(dtype)
            slots.append(Slot(slot, shape, dtype))
            made.append(Array(storage, layout, dtype))
        self.steps.append(Step(work, refs, tuple(slots)))
        self.origins.append(caller())
        return made

    def _operand(self, x: Any) -> Ref | Number:
        return x if isinstance(x, Ref) else self.ref(x) if isinstance(x, Array) else x

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

    def noted(
        self, device: Device, work: families.Family, operands: families.Operands
    ) -> Array | list[Array] | None:
        """Write down work of a kernel family, and return its result unless it is in place."""
        if isinstance(work, families.Random):
            work = Draws(work.kind, *self._drawing, work.shape)
        made = self.add(device, work, operands)
        if isinstance(work, families.Dispatch):
            return made
        (out,) = made
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

    # Where integers come from.
    def _root(self, x: Array) -> Roots | None:
        """Return where the values of `x` come from, if from outside; else None."""
        storage = memory(x)
        if storage in self.made or storage in self.current or storage in self.inner:
            return self._roots.get(storage)
        return Roots((x,), None, True)

    def follow(self, out: Array, x: Array) -> None:
        """Remember that the values of `out` are a part of those of `x`."""
        self._follow(out, (x,), whole=False)

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


def _setter(owner: Any, name: str, value: Any) -> Callable[[], None]:
    """Return what gives an attribute back its value, should its owner still live."""
    try:
        owner_ref = weakref.ref(owner)
    except TypeError:
        return functools.partial(setattr, owner, name, value)

    def restore() -> None:
        left = owner_ref()
        if left is not None:
            setattr(left, name, value)

    return restore


def _restorer(container: Any) -> Callable[[], None]:
    content = container.copy()

    def restore() -> None:
        container.clear()
        (container.update if isinstance(container, dict) else container.extend)(content)

    return restore
