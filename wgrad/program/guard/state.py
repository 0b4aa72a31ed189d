"""Declared state: the tensors, numbers and modes in what a user has named, and where each stands.

A module, an optimizer, or another object with `state_dict` and `load_state_dict` is its attributes.
Of attributes that are none of these, nor plain values or containers, only the identity counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter, eq, is_
from typing import Any

from ...backends.array import Storage
from ...backends.base import Device
from ...core import Node
from ...dtypes import DType
from ...errors import ArgumentError, shown
from ...random import Generator
from ...recent import Recent
from ...tensor import Tensor
from ..trace.outline import Outside
from ..trace.tree import Same, token
from .notes import named, read_each_run

KINDS = "modules, optimizers, tensors, generators, and lists, tuples and dicts of them"
STRUCTURES = 64  # of one declaration that are told apart
_OPAQUE = (Device, DType, Node, Storage)
_array, _node, _tracked, _hooks = map(attrgetter, ("array", "node", "requires_grad", "hooks"))


class Is(Same):
    """An object in a token: equal to itself alone, and kept alive."""

    __slots__ = ("what",)

    def __init__(self, what: Any):
        super().__init__(what)
        self.what = what


def holds_state(x: Any) -> bool:
    """Whether an object says of itself that it has state, as modules and optimizers do."""
    kind = type(x)
    return hasattr(kind, "state_dict") and hasattr(kind, "load_state_dict")


def _token(x: Any) -> Any:
    plain = token(x)
    return Is(x) if plain is None else plain


class State:
    """What roots (name, object) hold now. Raises: ArgumentError for what is no state."""

    def __init__(self, roots: Iterable[tuple[str, Any]]):
        self.entries: dict[str, Any] = {}  # by path: what a program takes for granted
        self.loose: set[str] = set()  # paths of what an optimizer makes for itself
        self.tensors: list[Tensor] = []
        self.places: dict[int, int] = {}  # of tensors, by id
        self.memory_places: dict[Storage, int] = {}
        self.paths: dict[str, Storage] = {}  # of tensors, to their memory
        self.nodes: set[Node] = set()
        self.generators: set[Generator] = set()
        self.dicts: list[dict] = []  # and the attributes of objects
        self.lists: list[list] = []
        self.known: dict[int, Any] = {}  # all objects, by id
        # Each with whether it has to be state, and whether an optimizer may make it anew.
        stack = [((name,), x, True, False) for name, x in reversed(list(roots))]
        loose: list[tuple] = []  # comes last, for what is added there moves no other place
        while stack or loose:
            if not stack:
                stack, loose = loose[::-1], []
            item = stack.pop()
            inner = self._enter(*item)
            if inner and inner[0][3] and not item[3]:  # all of one object's are alike
                loose += inner
            else:
                stack += reversed(inner)
        self.memory = list(self.memory_places)
        self._nodes = [x.node for x in self.tensors if x.node is not None]
        self._sizes = [*map(len, self.dicts), *map(len, self.lists)]
        self._objects = list(self._now())

    def _now(self) -> Iterable[Any]:
        """Give all objects that the state is made of, one after the other, at the speed of C."""
        return chain(
            chain.from_iterable(self.dicts),
            chain.from_iterable(map(dict.values, self.dicts)),
            chain.from_iterable(self.lists),
            map(_array, self.tensors),
            map(_node, self.tensors),
            map(_tracked, self._nodes),
            map(_hooks, self._nodes),
        )

    def holds(self) -> bool:
        """Whether all objects are the very same."""
        sizes = chain(map(len, self.dicts), map(len, self.lists))
        return all(map(eq, sizes, self._sizes)) and all(map(is_, self._now(), self._objects))

    @property
    def structure(self) -> Any:
        """A key: one program runs over all states that share it."""
        return tuple(self.entries.items())

    def difference(self, other: State) -> str | None:
        """Return the path of the first thing that differs, but for what optimizers make."""
        paths = [*self.entries, *(p for p in other.entries if p not in self.entries)]
        changed = (p for p in paths if self.entries.get(p) != other.entries.get(p))
        return next((p for p in changed if p not in other.loose and p not in self.loose), None)

    def _enter(self, path: tuple, x: Any, strict: bool, loose: bool) -> list[tuple]:
        """Note one object, and return what is to be looked at next."""
        name = named(path)
        if loose:
            self.loose.add(name)
        if isinstance(x, Tensor):
            self.entries[name] = self._tensor(name, x)
            return []
        if id(x) in self.known:
            self.entries[name] = Is(x)
            return []
        if isinstance(x, Generator):
            self.generators.add(x)
        elif isinstance(x, (dict, list, tuple)):
            return self._container(path, name, x, strict, loose)
        elif holds_state(x) or (not strict and self._is_ours(x)):
            return self._object(path, name, x, loose)
        elif strict:
            raise ArgumentError(f"compile: {name} is {shown(x)}, and state= takes {KINDS}")
        self.entries[name] = _token(x)
        return []

    @staticmethod
    def _is_ours(x: Any) -> bool:
        """Whether an object is a part of an optimizer or a module that is none by itself."""
        ours = type(x).__module__.startswith("wgrad.") and not isinstance(x, _OPAQUE)
        return ours and hasattr(x, "__dict__") and not callable(x)

    def _container(self, path: tuple, name: str, x: Any, strict: bool, loose: bool) -> list[tuple]:
        self.known[id(x)] = x
        keys = tuple([_token(k) for k in x]) if isinstance(x, dict) else len(x)
        # What a snapshot brings to an optimizer comes in new lists.
        self.entries[name] = type(x), keys, None if loose or isinstance(x, tuple) else Is(x)
        if isinstance(x, dict):
            self.dicts.append(x)
            return [((path, f"[{k!r}]"), v, strict, loose) for k, v in x.items()]
        if isinstance(x, list):
            self.lists.append(x)
        return [((path, f"[{i}]"), v, strict, loose) for i, v in enumerate(x)]

    def _object(self, path: tuple, name: str, x: Any, loose: bool) -> list[tuple]:
        self.known[id(x)] = x
        kind, namespace = type(x), vars(x)
        live = read_each_run(kind)
        chosen = tuple([k for k in namespace if k not in live])
        self.dicts.append(namespace)
        mode = getattr(x, "training", None)
        self.entries[name] = Is(x), mode, tuple([k for k in chosen if k != "training"])
        loose = loose or bool(live)
        return [((path, f".{k}"), namespace[k], False, loose) for k in chosen if k != "training"]

    def _tensor(self, name: str, x: Tensor) -> Any:
        array, node = x.array, x.node
        if node is not None and node.op is not None:
            raise ArgumentError(
                f"compile: {name} is computed from other tensors, and state is what is computed "
                "from: detach() it"
            )
        if id(x) not in self.places:
            self.places[id(x)] = len(self.tensors)
            self.tensors.append(x)
            self.known[id(x)] = x
        self.paths[name] = array.storage
        place = self.memory_places.setdefault(array.storage, len(self.memory_places))
        layout = array.layout
        token_ = (layout, array.storage.size, array.dtype, array.storage.device, place)
        if node is None:
            return token_
        self.nodes.add(node)
        hooks = tuple((node.hooks or {}).values())
        if node.hooks is not None:
            self.dicts.append(node.hooks)
        return *token_, Is(node), node.requires_grad, hooks


class Declaration(Outside):
    """Declared state over time: what it is now, and which of the structures met so far it has."""

    def __init__(self, roots: list[tuple[str, Any]]):
        self.roots = roots
        self._numbers: Recent[Any] = Recent(STRUCTURES)
        self._count = 0
        self.changed: str | None = None  # what differed when the structure was last another
        self.take(State(roots))

    def take(self, now: State) -> None:
        """Let the state be what it is now."""
        self.now = now
        self.tensors = now.places.keys()
        self.storages = now.memory_places.keys()
        self.places, self.memory_places = now.places, now.memory_places
        self.here, self.memory = now.tensors, now.memory
        structure = now.structure
        number = self._numbers[structure]
        if number is None:
            self._count += 1
            number = self._count
            self._numbers.keep(structure, number)
        self.number = number

    def look(self) -> None:
        """See whether anything has been exchanged for something else since the last look."""
        if not self.now.holds():
            before = self.now
            self.take(State(self.roots))
            self.changed = self.now.difference(before) or self.changed

    def holds(self) -> bool:
        """Whether a program still fits, which the look before the call has said."""
        return True
