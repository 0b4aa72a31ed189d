"""What a walk writes down: data by value, and the very objects, whose identity is quick to compare.

Containers, arrays and tensors are written down here. Which objects are visited, and which of their
attributes, is for the walk (walk.py) to say.
"""

from __future__ import annotations

import array
import collections
import functools
import re
import types
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from ...backends.array import Storage
from ...core import Node, place
from ...errors import TraceError
from ...tape import reachable
from ..trace.names import first_use
from ..trace.observe import Observation
from ..trace.tree import is_closed, token
from .identity import Chosen, Identities, attributes, elements, fingerprint, version

LIMIT = 50_000  # things to watch; a function that sees more runs as it is
_MOST_BYTES = 1 << 26  # of arrays, which are compared as a whole
_plain_tensor = attrgetter("array", "node")
_noded_tensor = attrgetter("array", "node", "node.requires_grad", "node.hooks")
_flags = attrgetter("requires_grad", "retains_grad", "hooks")


class TooMuchError(TraceError):
    """A function sees more than is worth comparing before every run."""


class Notes:
    """What was found; with `ran`, only what that code reads is written down, unless `whole`."""

    def __init__(self, ran: Observation | None, whole: bool):
        self.ran = ran
        self._all = whole  # whether any attribute may be read
        self.reads_all = False  # whether something that was met may read any attribute
        self.tokens: list[Any] = []
        self.paths: list[tuple] = []
        self.seen: dict[int, Any] = {}  # tensors and containers by id, kept alive by the lists here
        self._order: dict[int, int] = {}
        self.places: dict[int, tuple] = {}
        self.storages: set[Storage] = set()
        self.tensors: set[int] = set()  # ids of those seen, which live while they are watched
        self.named_tensors: list[tuple[tuple, Any]] = []  # by their paths, until `forget`
        self.refusal: str | None = None
        self.same = Identities()
        self._bytes = 0
        self._stack: list[tuple[tuple, Any, Any, int]] = []  # what is to be visited

    def _note(self, path: tuple, what: Any) -> None:
        self.paths.append(path)
        self.tokens.append(what)
        if len(self.tokens) > LIMIT:
            raise TooMuchError(
                f"more than {LIMIT} things are to be watched, the last is {named(path)}"
            )

    def _refuse(self, path: tuple, why: str) -> None:
        if self.ran is not None and self.refusal is None:
            self.refusal = f"{at_use(path, self.ran)} {why}"

    def _reads(self, name: Any, ours: frozenset[str] = frozenset()) -> bool:
        """Whether an attribute may be read by the code that ran, or by ours."""
        if self._all or self.ran is None or not isinstance(name, str):
            return True
        return name in self.ran.names or name in ours or name.startswith("__")

    def _later(
        self, path: tuple, items: Iterable[tuple[str, Any]], names: Any = None, inside: int = 0
    ) -> None:
        """Visit these next, in their order: the user's, or what is `inside` something else.

        1 is for what an object of the standard library holds, 2 for what one of its modules does.
        """
        visits = [((path, key), x, names or frozenset(), inside) for key, x in items]
        self._stack += visits[::-1]

    def _meet(self, path: tuple, x: Any) -> None:
        """Remember an object, where it is, and how many were met before it."""
        self.seen[id(x)] = x
        self.places[id(x)] = path
        self._order.setdefault(id(x), len(self._order))

    def _data(self, path: tuple, x: Any, kind: type) -> None:
        """Watch the bytes of an array."""
        get = fingerprint if isinstance(x, (np.ndarray, np.void)) else bytes
        self._bytes += memoryview(x).nbytes if isinstance(x, (bytearray, array.array)) else x.nbytes
        if self._bytes > _MOST_BYTES:
            raise TooMuchError(
                f"more than {_MOST_BYTES >> 20} MiB of arrays are to be watched, the last is "
                f"{named(path)}: make it a tensor"
            )
        content = get(x)
        self._note(path, (kind, id(x), content))
        self.same.values.append((get, x, content))

    def _dict(
        self,
        path: tuple,
        d: Any,
        skipped: frozenset[str] = frozenset(),
        inside: int = 0,
        whole: bool = False,
        ours: frozenset[str] = frozenset(),
    ) -> None:
        """Watch a dict, or what may be read of it; of what is `skipped` only whether it is true."""
        names = tuple([k for k in d if k not in skipped and (whole or self._reads(k, ours))])
        if skipped:
            self.same.choose(d, names)
            live = Chosen(d, tuple(k for k in d if k in skipped))
            truths = tuple(map(bool, live.values()))
            self.same.truths.append((live, truths))
            self._note(path, ("dict", names, truths))
        else:
            self.same.choose(d, names)
            self._note(path, ("dict", tuple([token(k) or id(k) for k in names])))
        is_namespace = id(d) not in self.seen  # of an object, which was met instead
        items = ((f".{k}" if is_namespace else f"[{k!r}]", d[k]) for k in names)
        self._later(path, items, None, inside)

    def _slots(self, path: tuple, x: Any, names: Iterable[str], inside: int) -> None:
        """Watch attributes that are in no dict, as far as they are read."""
        chosen = tuple([n for n in names if self._reads(n)])
        if chosen:
            get = functools.partial(attributes, chosen)
            self.same.attributes.append((get, x, get(x)))
            self._later(path, zip([f".{n}" for n in chosen], get(x), strict=True), None, inside)

    def _history(self, path: tuple, root: Node) -> None:
        """Watch what a backward pass through a graph from outside looks at: hooks and flags."""
        for node in reachable(root):
            if id(node) not in self.seen:
                self._meet(path, node)
                self.same.attributes.append((_flags, node, _flags(node)))
                self._note(path, (node.requires_grad, node.retains_grad))
                if node.hooks is not None:
                    self._dict(path, node.hooks, whole=True)

    def _items(self, path: tuple, x: Any, kind: type, inside: int) -> bool:
        """Watch a container, and tell whether it is one."""
        if isinstance(x, (list, tuple, collections.deque)):
            self._note(path, (kind, len(x), getattr(x, "maxlen", None)))
            if not isinstance(x, tuple):
                self.same.lists.append((x, tuple(x)))
            self._later(path, ((f"[{i}]", v) for i, v in enumerate(x)), None, inside)
        elif isinstance(x, (set, frozenset)):
            self._note(path, (kind, tuple([token(v) or id(v) for v in x])))
            self.same.lists.append((x, tuple(x)))
            self._later(path, ((" an element", v) for v in x if token(v) is None), None, inside)
        elif isinstance(x, (dict, types.MappingProxyType)):
            self._note(path, kind)
            self._dict(path, x, inside=inside, whole=True)
            keys = [k for k in x if token(k) is None]
            self._later(path, ((" a key", k) for k in keys), None, inside)
            if isinstance(x, collections.defaultdict):
                self._slots(path, x, ("default_factory",), inside)
        elif isinstance(x, np.ndarray) and x.dtype.hasobject:
            self._note(path, (kind, id(x), x.shape))
            self.same.attributes.append((elements, x, elements(x)))
            self._later(path, ((f"[{i}]", v) for i, v in enumerate(elements(x))), None, inside)
        elif isinstance(x, (bytearray, array.array, np.ndarray, np.void)):
            self._data(path, x, kind)
        else:
            return False
        self._extras(path, x, inside)
        return True

    def _extras(self, path: tuple, x: Any, inside: int) -> None:
        """Watch what a container of a class of its own is besides its items."""
        kind = type(x)
        namespace = getattr(x, "__dict__", None)
        if namespace is not None and namespace is not x:
            self._dict(path, namespace, inside=inside, whole=is_closed(kind.__module__))
        if not is_closed(kind.__module__) and vars(kind).get("_fields") is None:
            self._slots(path, x, slots_of(kind), inside)
            self._later(path, (("'s class", kind),), None, inside)

    def _tensor(self, path: tuple, x: Any) -> None:
        array, node = x.array, x.node
        parts = [id(node), id(array.storage), array.layout, array.dtype]
        self.storages.add(array.storage)
        self.tensors.add(id(x))
        self.named_tensors.append((path, x))
        if node is None:
            self.same.attributes.append((_plain_tensor, x, (array, None)))
        else:
            hooks = node.hooks
            parts += [node.requires_grad, tuple(hooks or ())]
            values = array, node, node.requires_grad, hooks
            self.same.attributes.append((_noded_tensor, x, values))
            if hooks is not None:
                self._dict(path, hooks, whole=True)
            if node.op is not None:  # its history holds for this version
                self._history(path, node)
                parts.append(array.storage.version)
                self.same.values.append((version, x, array.storage.version))
        self._note(path, ("tensor", *parts))


def slots_of(kind: type) -> list[str]:
    slots: list[str] = []
    for cls in kind.__mro__:
        names = vars(cls).get("__slots__", ())
        slots += [names] if isinstance(names, str) else list(names)
    return [n for n in slots if not n.startswith("__")]


def a_kind(kind: type) -> str:
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{module}{kind.__qualname__}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def named(path: tuple) -> str:
    """Return a path as text: "step: net.layers[0].weight"."""
    parts: list[str] = []
    while len(path) == 2:
        path, key = path
        parts.append(key)
    text = "".join([*path, *reversed(parts)])
    return text


def at_use(path: tuple, ran: Observation | None) -> str:
    """Return the name of a thing, and where the code that ran stores or reads it."""
    text = named(path)
    last = re.search(r"([^\W\d]\w*)[^\w]*$", re.sub(r"\[[^\]]*\]", "", text))
    codes = [code for code, _ in ran.codes.values()] if ran is not None else []
    use = first_use(last[1], codes) if last else None
    return text if use is None else f"{text} ({place(use)})"


def read_each_run(kind: type) -> frozenset[str]:
    """Return the attributes that a class reads anew for every run of a program."""
    return getattr(kind, "read_each_run", frozenset())
