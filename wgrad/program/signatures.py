"""The signatures of a compiled function: what calls with like arguments share."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..backends.base import Device
from ..core.interpret import Context, current
from ..devices import default_device
from ..dtypes import DType
from ..layout import Layout
from ..origin import warn
from ..tensor import Tensor
from .run.replay import Replay

LIMIT = 16  # captures of one function; more say that something changes from call to call
PLAIN = 256  # signatures left uncompiled that are remembered


class Signature:
    """What calls with like arguments share: programs to replay, and traces that wait for a twin."""

    def __init__(self) -> None:
        self.captures: list[Replay] = []  # the one used last comes first
        self.pending: list[Any] = []  # of guard/watched.py
        self.disagreements = 0
        self.surprises = 0  # traces in a row that ran code which no trace had run before
        self.is_plain = False

    def replays(self) -> list[Replay]:
        """Return all programs, the confirmed ones first."""
        return [*self.captures, *[trial.replay for trial in self.pending]]


class LastCall(NamedTuple):
    """A call whose arguments were tensors that nothing follows: another like it has its signature.

    To see that it is like it takes a fraction of making a key, and looking for it.
    """

    key: Any
    signature: Signature
    declared: Any  # what the policy told calls apart by
    context: Context
    device: Device  # the default one
    kinds: list[tuple[Layout, DType, Device]]

    @staticmethod
    def of(key: Any, signature: Signature, leaves: Sequence[Tensor]) -> LastCall | None:
        """Return what is remembered of a call; None for one that is not of this kind."""
        context = current.get()
        if context.special or key[-1] is not None or any([x.node is not None for x in leaves]):
            return None
        arrays = [x.array for x in leaves]
        kinds = [(x.layout, x.dtype, x.storage.device) for x in arrays]
        return LastCall(key, signature, key[1], context, default_device(), kinds)

    def was_like(self, args: Sequence[Any]) -> bool:
        """Whether a call with these arguments has the same signature, or None for its key."""
        if current.get() is not self.context or default_device() is not self.device:
            return False
        if len(args) != len(self.kinds) or not self.signature.captures:
            return False
        storages = set()
        for x, (layout, dtype, device) in zip(args, self.kinds, strict=True):
            if type(x) is not Tensor or x.node is not None:
                return False
            array = x.array
            storage = array.storage
            if array.layout is not layout or array.dtype is not dtype:
                return False
            if storage.device is not device or storage in storages:
                return False
            storages.add(storage)
        return True


class Signatures(OrderedDict[Any, Signature]):
    """The signatures by their keys, the one used longest ago first; `name` is the function's."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.objects: dict[int, Any] = {}  # static arguments by id: weak references, or themselves
        self.newest: Replay | None = None  # the program traced last
        self.reason = "the arguments change"
        self.traced = 0  # calls in a row that were traced
        self._warned = False

    def add(self, key: Any, objects: Sequence[Any]) -> Signature:
        """Return a new signature; `objects` are the static arguments in its key."""
        for x in objects:
            if id(x) not in self.objects:
                self.objects[id(x)] = self._reference(x)
        if self:
            self.reason = what_changes(next(reversed(self)), key)
        plain = [k for k, s in self.items() if s.is_plain]
        if len(plain) >= PLAIN:
            self.forget(plain[0])
        signature = self[key] = Signature()
        return signature

    def _reference(self, x: Any) -> Any:
        """Return a reference to a static argument, whose signatures go when it goes."""
        number, mine = id(x), weakref.ref(self)

        def forget(_: Any) -> None:
            signatures = mine()
            if signatures is not None:
                signatures.objects.pop(number, None)
                for key in [k for k in signatures if _names(k, number)]:
                    signatures.pop(key, None)
                    signatures.newest = None  # it may hold what the object held

        try:
            return weakref.ref(x, forget)
        except TypeError:
            return x

    def forget(self, key: Any) -> None:
        """Drop a signature, and the static arguments that no other one names."""
        self.pop(key, None)
        left = list(self)
        for number in [n for n in self.objects if not any(_names(k, n) for k in left)]:
            del self.objects[number]

    def give_up(self, signature: Signature, reason: str) -> None:
        """Leave a signature uncompiled, and say why."""
        signature.is_plain = True
        signature.captures, signature.pending = [], []
        warn(
            f"compile: {self._name} runs uncompiled for these arguments, with the right results "
            f"but no faster: {reason}"
        )

    def make_room(self, current: Signature) -> None:
        """Drop the captures used longest ago when there are too many, and say why there are."""
        key = next(k for k, s in self.items() if s is current)
        self.move_to_end(key)
        count = sum(len(s.captures) + len(s.pending) for s in self.values())
        self.traced += 1
        if not self._warned and (count > LIMIT or (self.traced > LIMIT and not current.is_plain)):
            self._warned = True
            warn(
                f"compile: {self._name} was traced for {LIMIT} signatures or states, and each "
                f"costs a trace: {self.reason} from call to call (pass numbers that change as 0-d "
                "tensors, above all floats that an if, round() or a function of math asks for). "
                "The oldest are dropped from now on"
            )
        if count <= LIMIT:
            return
        for old in list(self):
            signature = self[old]
            if signature.pending and signature is not current:
                signature.pending.pop(0)
            elif signature.captures and (signature is not current or len(signature.captures) > 1):
                signature.captures.pop()
            else:
                continue
            if not signature.pending and not signature.captures:
                self.forget(old)
            return


def signature_of(x: Tensor) -> tuple:
    """Return what a trace takes for granted of an argument."""
    array, node = x.array, x.node
    layout = array.layout
    memory = layout.shape, layout.strides, array.dtype, array.storage.device
    if node is None:
        return memory
    is_leaf = node.op is None  # a gradient goes on beyond what has a history
    return *memory, node.requires_grad, is_leaf, tuple((node.hooks or {}).values())


def pattern_of(leaves: list[Tensor]) -> Any:
    """Return which arguments are one tensor, and which share memory."""
    count = len(leaves)
    storages = [x.array.storage for x in leaves]
    if len(set(storages)) == count:
        return None
    return tuple(map(storages.index, storages)), tuple([
        next(i for i, y in enumerate(leaves) if y is x) for x in leaves
    ])  # fmt: skip


def _names(key: Any, number: int) -> bool:
    """Whether the object of this id is a part of a key."""
    if isinstance(key, (tuple, frozenset)):
        return any(_names(x, number) for x in key)
    return getattr(key, "number", None) == number


def what_changes(old: Any, new: Any) -> str:
    """Return which part of two keys differs, in words."""
    if old[0] != new[0]:
        return "arguments that are no tensors change"
    if old[1] != new[1]:
        return "the structure of what was declared changes"
    if old[2:4] != new[2:4]:
        return "no_grad, autocast or the default device changes"
    for i, (a, b) in enumerate(zip(old[4:-1], new[4:-1], strict=True)):
        for name, x, y in zip(("shape", "strides", "dtype", "device"), a, b, strict=False):
            if x != y:
                return f"the {name} of tensor argument {i} changes ({x}, then {y})"
        if a != b:
            return f"requires_grad (or a hook) of tensor argument {i} changes"
    return "which arguments share memory changes"
