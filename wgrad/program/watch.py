"""Watching the Python state that a function reads, so that a change between calls is noticed.

A walk goes from the function over what its code names (closure cells, globals, defaults, `self`)
into objects, containers, modules and optimizers, other functions and classes. It writes down a
token for each thing found (what the state is, by value), and the very objects, whose identity is
quick to compare. Only when an identity differs is the walk repeated.

Before the first trace nothing is known, and the walk goes wherever code could lead. Later an
`Observation` says which code runs: only functions that ran are entered, and of objects and classes
only the attributes that this code names. Then a thing whose state cannot be seen is a `refusal`.

Not entered: wgrad's own, NumPy's and the standard library's functions (but for their closures, and
those of the standard library that run on the user's behalf).
"""

from __future__ import annotations

import argparse
import array
import collections
import contextlib
import contextvars
import functools
import gc
import operator
import os
import re
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ..backends.array import Storage
from ..backends.base import Device
from ..core import Node, Op, Value, place
from ..dtypes import DType
from ..errors import TraceError
from ..random import Generator
from ..tape import reachable
from .identity import Chosen, Identities
from .names import BY_STRING, first_use, names_in, names_of_class, nested
from .observe import Observation
from .opaque import CACHE, DICE, QUIET, global_dice, hides, is_fixed, is_spent, state_of_dice
from .tree import is_closed, token

LIMIT = 50_000  # things to watch; a function that sees more runs as it is
_MOST_BYTES = 1 << 26  # of arrays, which are compared as a whole
_OPAQUE = (Device, DType, Generator, Node, Storage)
_OPEN_CLASSES = (
    types.SimpleNamespace, argparse.Namespace, threading.local, type(os.environ),
    collections.UserDict, collections.UserList, collections.ChainMap,
)  # fmt: skip
_READERS = (operator.attrgetter, operator.methodcaller)  # of attributes that no code names
_MISSING = object()
_VIEWS: Any = tuple(type(f({})) for f in (dict.keys, dict.values, dict.items))
_plain_tensor = attrgetter("array", "node")
_noded_tensor = attrgetter("array", "node", "node.requires_grad", "node.hooks")
_flags = attrgetter("requires_grad", "retains_grad", "hooks")
_code = attrgetter("__code__", "__defaults__", "__kwdefaults__", "__closure__")


class TooMuchError(TraceError):
    """A function sees more than is worth comparing before every run."""


class Watch:
    """The state that `roots` (name, object) lead to, at the time of its making.

    With `ran`, what some calls did, only as much of it as that code reads.
    """

    def __init__(self, roots: Sequence[tuple[str, Any]], ran: Observation | None = None):
        self._roots = [(name, _finder(x)) for name, x in roots]
        self.ran = ran
        self._all = ran is None or ran.reflects
        self._walk(roots)
        if self._reads_all and not self._all:
            self._all = True
            self._walk(roots)

    def _walk(self, roots: Sequence[tuple[str, Any]]) -> None:
        self.tokens: list[Any] = []
        self.paths: list[tuple] = []
        self.seen: dict[int, Any] = {}  # tensors and containers by id, kept alive by the lists here
        self._order: dict[int, int] = {}
        self._places: dict[int, tuple] = {}
        self._entered: set[int] = set()  # ids of code
        self._reads_all = False  # whether something that was met may read any attribute
        self.storages: set[Storage] = set()
        self.tensors: set[int] = set()  # ids of those seen, which live while they are watched
        self.found: list[tuple[tuple, Any]] = []  # the tensors and their paths, until `forget`
        self.dice: dict[int, tuple[tuple, Any, Any]] = {}  # generators: path, object, state
        self.refusal: str | None = None
        self.lost: dict[int, types.CodeType] = {}  # ran as closures that were not found
        self._same = Identities()
        self._bytes = 0
        self._objects: list[Any] = []
        self._stack: list[tuple[tuple, Any, Any, bool]] = []
        for name, x in reversed(roots):
            self._stack.append(((name,), x, frozenset(), False))
        self._empty_stack()
        for code, names in self.ran.codes.values() if self.ran is not None else ():
            if id(code) not in self._entered:  # reached in a way of its own, a registry for one
                path = (code.co_qualname,)
                if code.co_freevars and not is_closed(names.get("__name__")):
                    self.lost[id(code)] = code
                self._note(path, ("code", id(code)))
                self._body(path, code, names)
                self._empty_stack()
        self._same.names.append((type, tuple(self._objects), tuple(map(type, self._objects))))
        for name, x in global_dice():
            self.dice[id(x)] = (name,), x, state_of_dice(x)

    def _empty_stack(self) -> None:
        while self._stack:
            self._enter(*self._stack.pop())

    def holds(self) -> bool:
        """Whether the state is now what it was."""
        if self._same.hold():
            return True
        try:
            fresh = Watch([(name, find()) for name, find in self._roots], self.ran)
        except TooMuchError:
            return False
        if fresh.tokens != self.tokens:
            return False
        fresh.forget()
        self.__dict__.update(fresh.__dict__)
        return True

    def forget(self) -> None:
        """Let go of objects that are needed only while a function is traced."""
        self.seen, self._order, self._places, self.found, self.dice = {}, {}, {}, [], {}

    def difference(self, other: Watch) -> str | None:
        """Return the name of the first thing that differs; None where nothing does."""
        if self.tokens == other.tokens:
            return None
        pairs = zip(self.tokens, other.tokens, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            at = min(len(self.tokens), len(other.tokens))
        longer = self if len(self.tokens) > len(other.tokens) else other
        return longer.at(longer.paths[at])

    def name_of(self, x: Any) -> str | None:
        """Return what a tensor, its node or its storage is called; None for one not found."""
        for path, found in self.found:
            if any(part is x for part in (found, found.node, found.array.storage)):
                return self.at(path)
        return None

    def place_of(self, x: Any) -> str:
        """Return what an object that was met is called."""
        return self.at(self._places[id(x)])

    def asked_since(self, after: Watch, ran: Observation) -> str | None:
        """Return what a call that `ran` in between rests on and nobody can see, if anything."""
        for key, (path, _, state) in after.dice.items():
            if key in self.dice and self.dice[key][2] != state:
                return f"it draws from {after.at(path)}, whose numbers a replay would not draw"
        for key, code in after.lost.items():
            if key in ran.codes:
                where = place((code, 0))
                return f"it runs {code.co_qualname} of {where}, a closure that is kept out of sight"
        return after.refusal

    # The walk.
    def _note(self, path: tuple, what: Any) -> None:
        self.paths.append(path)
        self.tokens.append(what)
        if len(self.tokens) > LIMIT:
            raise TooMuchError(
                f"more than {LIMIT} things are to be watched, the last is {named(path)}"
            )

    def _refuse(self, path: tuple, why: str) -> None:
        if self.ran is not None and self.refusal is None:
            self.refusal = f"{self.at(path)} {why}"

    def at(self, path: tuple) -> str:
        """Return the name of a thing, and where code first reads it."""
        text = named(path)
        last = re.search(r"([^\W\d]\w*)[^\w]*$", re.sub(r"\[[^\]]*\]", "", text))
        codes = [code for code, _ in self.ran.codes.values()] if self.ran is not None else []
        use = first_use(last[1], codes) if last else None
        return text if use is None else f"{text} ({place(use)})"

    def _reads(self, name: Any, ours: frozenset[str] = frozenset()) -> bool:
        """Whether an attribute may be read by the code that ran, or by ours."""
        if self._all or self.ran is None or not isinstance(name, str):
            return True
        return name in self.ran.names or name in ours or name.startswith("__")

    def _later(
        self, path: tuple, items: Iterable[tuple[str, Any]], names: Any = None, inside: bool = False
    ) -> None:
        """Visit these next, in their order; `inside` what is not the user's."""
        found = [((path, key), x, names or frozenset(), inside) for key, x in items]
        self._stack += found[::-1]

    def _enter(self, path: tuple, x: Any, names: frozenset[str], inside: bool) -> None:
        plain = token(x) if not isinstance(x, (type, np.void)) else None
        if plain is not None:
            self._note(path, plain)
            if type(x).__module__ != "builtins" and getattr(x, "__dict__", None):
                if id(x) not in self.seen:
                    self._meet(path, x)
                    self._dict(path, vars(x))  # of an enum's member, of a number with attributes
                    self._later(path, (("'s class", type(x)),))
            return
        if id(x) in self.seen:
            self._note(path, ("again", self._order[id(x)]))
            return
        self._meet(path, x)
        kind = type(x)
        if isinstance(x, Value):
            self._tensor(path, x)
        elif isinstance(x, types.FunctionType):
            self._function(path, x)
        elif isinstance(x, types.ModuleType):
            self._module(path, x, names, inside)
        elif isinstance(x, type):
            self._note(path, ("class", id(x)))
            self._class(path, x)
        elif not (self._items(path, x, kind, inside) or self._parts(path, x, kind, inside)):
            self._object(path, x, kind, inside)

    def _meet(self, path: tuple, x: Any) -> None:
        """Remember an object, where it is, and how many were met before it."""
        self.seen[id(x)] = x
        self._places[id(x)] = path
        self._order.setdefault(id(x), len(self._order))

    def _items(self, path: tuple, x: Any, kind: type, inside: bool) -> bool:
        """Watch a container, and tell whether it is one."""
        if isinstance(x, (list, tuple, collections.deque)):
            self._note(path, (kind, len(x), getattr(x, "maxlen", None)))
            if not isinstance(x, tuple):
                self._same.lists.append((x, tuple(x)))
            self._later(path, ((f"[{i}]", v) for i, v in enumerate(x)), None, inside)
        elif isinstance(x, (set, frozenset)):
            self._note(path, (kind, tuple([token(v) or id(v) for v in x])))
            self._same.lists.append((x, tuple(x)))
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
            self._same.attributes.append((_elements, x, _elements(x)))
            self._later(path, ((f"[{i}]", v) for i, v in enumerate(_elements(x))), None, inside)
        elif isinstance(x, (bytearray, array.array, np.ndarray, np.void)):
            self._data(path, x, kind)
        else:
            return False
        self._extras(path, x, inside)
        return True

    def _data(self, path: tuple, x: Any, kind: type) -> None:
        """Watch the bytes of an array."""
        get = _fingerprint if isinstance(x, (np.ndarray, np.void)) else bytes
        self._bytes += getattr(x, "nbytes", len(x))
        if self._bytes > _MOST_BYTES:
            raise TooMuchError(
                f"more than {_MOST_BYTES >> 20} MiB of arrays are to be watched, the last is "
                f"{named(path)}: make it a tensor"
            )
        found = get(x)
        self._note(path, (kind, id(x), found))
        self._same.values.append((get, x, found))

    def _parts(self, path: tuple, x: Any, kind: type, inside: bool) -> bool:
        """Watch what only leads to other objects, and tell whether it does."""
        inner: list[tuple[str, Any]]
        if isinstance(x, contextvars.ContextVar):
            self._same.attributes.append((_context, x, _context(x)))
            inner = [("", v) for v in _context(x)]
        elif isinstance(x, _VIEWS):
            inner = [("", x.mapping)]
        elif isinstance(x, types.MethodType):
            inner = [(": self", x.__self__), ("", x.__func__)]
        elif isinstance(x, (types.BuiltinFunctionType, types.MethodWrapperType)):
            owner = getattr(x, "__self__", None)
            if owner is None or isinstance(owner, types.ModuleType):
                self._reads_all = self._reads_all or x.__name__ in (*BY_STRING, "vars", "dir")
                return False
            self._note((path, ".__name__"), x.__name__)
            inner = [("", owner)]
        elif isinstance(x, functools.partial):
            inner = [(".func", x.func), (".args", x.args), (".keywords", x.keywords)]
        elif isinstance(x, (staticmethod, classmethod)):
            inner = [("", x.__func__)]
        elif isinstance(x, property):
            inner = [("", x.fget), (".setter", x.fset), (".deleter", x.fdel)]
        elif isinstance(x, weakref.ref):
            self._same.values.append((_target, x, _target(x)))
            inner = [("", x())]
        elif isinstance(x, types.CellType):
            inner = [("", x.cell_contents)] if _is_filled(x) else []
            self._same.values.append((_is_filled, x, _is_filled(x)))
            self._same.cells.append(((x,), tuple(v for _, v in inner)) if inner else ((), ()))
        elif isinstance(x, memoryview):
            inner = [("", x.obj)]
        else:
            return False
        self._note(path, kind)
        self._later(path, inner, None, inside)
        return True

    def _extras(self, path: tuple, x: Any, inside: bool) -> None:
        """Watch what a container of a class of its own is besides its items."""
        kind = type(x)
        namespace = getattr(x, "__dict__", None)
        if namespace is not None and namespace is not x:
            self._dict(path, namespace, inside=inside, whole=is_closed(kind.__module__))
        if not is_closed(kind.__module__) and vars(kind).get("_fields") is None:
            self._slots(path, x, _slots_of(kind), inside)
            self._later(path, (("'s class", kind),), None, inside)

    def _tensor(self, path: tuple, x: Any) -> None:
        array, node = x.array, x.node
        found = [id(node), id(array.storage), array.layout, array.dtype]
        self.storages.add(array.storage)
        self.tensors.add(id(x))
        self.found.append((path, x))
        if node is None:
            self._same.attributes.append((_plain_tensor, x, (array, None)))
        else:
            hooks = node.hooks
            found += [node.requires_grad, tuple(hooks or ())]
            values = array, node, node.requires_grad, hooks
            self._same.attributes.append((_noded_tensor, x, values))
            if hooks is not None:
                self._dict(path, hooks, whole=True)
            if node.op is not None:  # its history holds for this version
                self._history(path, node)
                found.append(array.storage.version)
                self._same.values.append((_version, x, array.storage.version))
        self._note(path, ("tensor", *found))

    def _history(self, path: tuple, root: Node) -> None:
        """Watch what a backward pass through a graph from outside looks at: hooks and flags."""
        for node in reachable(root):
            if id(node) not in self.seen:
                self._meet(path, node)
                self._same.attributes.append((_flags, node, _flags(node)))
                self._note(path, (node.requires_grad, node.retains_grad))
                if node.hooks is not None:
                    self._dict(path, node.hooks, whole=True)

    def _dict(
        self,
        path: tuple,
        d: Any,
        skipped: frozenset[str] = frozenset(),
        inside: bool = False,
        whole: bool = False,
        ours: frozenset[str] = frozenset(),
    ) -> None:
        """Watch a dict, or what may be read of it; of what is `skipped` only whether it is true."""
        names = tuple([k for k in d if k not in skipped and (whole or self._reads(k, ours))])
        if skipped:
            self._same.names.append((d.get, names, tuple(map(d.get, names))))
            live = Chosen(d, tuple(k for k in d if k in skipped))
            truths = tuple(map(bool, live.values()))
            self._same.truths.append((live, truths))
            self._note(path, ("dict", names, truths))
        else:
            self._same.choose(d, names)
            self._note(path, ("dict", tuple([token(k) or id(k) for k in names])))
        is_namespace = id(d) not in self.seen  # of an object, which was met instead
        items = ((f".{k}" if is_namespace else f"[{k!r}]", d[k]) for k in names)
        self._later(path, items, None, inside)

    def _slots(self, path: tuple, x: Any, names: Iterable[str], inside: bool) -> None:
        """Watch attributes that are in no dict, as far as they are read."""
        chosen = tuple([n for n in names if self._reads(n)])
        if chosen:
            get = functools.partial(_attributes, chosen)
            self._same.attributes.append((get, x, get(x)))
            self._later(path, zip([f".{n}" for n in chosen], get(x), strict=True), None, inside)

    def _namespace(self, path: tuple, d: dict, names: tuple[str, ...], inner: frozenset) -> None:
        """Watch the chosen names of a namespace."""
        self._same.names.append(
            (functools.partial(_look_up, d), names, tuple(_look_up(d, n) for n in names))
        )
        inside = is_closed(d.get("__name__"))
        self._later(path, ((f".{n}", d.get(n, _MISSING)) for n in names), inner, inside)

    def _module(
        self, path: tuple, x: types.ModuleType, names: frozenset[str], inside: bool
    ) -> None:
        self._note(path, ("module", id(x)))
        if self.ran is not None:
            names = self.ran.names
        chosen: Iterable[str] = names
        if is_closed(x.__name__) and (self.ran is None or inside):
            chosen = {"environ"} & names if x is os else ()
        elif self._all and not is_closed(x.__name__) and self.ran is not None:
            chosen = vars(x)
        self._namespace(path, vars(x), tuple(sorted(n for n in chosen if n in vars(x))), names)

    def _function(self, path: tuple, f: types.FunctionType) -> None:
        cells = f.__closure__ or ()
        code, home = f.__code__, f.__globals__.get("__name__")
        ran = self.ran is None or id(code) in self.ran.codes
        if not ran and not is_closed(home):
            self._note(path, ("function", id(f)))  # which is all that others can know of it
            self._same.attributes.append((_code, f, _code(f)))
            return
        self._note(path, ("function", id(code), len(cells)))
        filled = []
        for name, cell in zip(code.co_freevars, cells, strict=True):
            if _is_filled(cell):
                filled.append((name, cell, cell.cell_contents))
            else:  # not assigned yet
                self._note((path, name), "empty")
        self._same.cells.append((tuple(c for _, c, _ in filled), tuple(v for *_, v in filled)))
        self._later(path, ((f": {name}", v) for name, _, v in filled))
        self._same.attributes.append((_code, f, _code(f)))
        self._later(path, (("'s defaults", f.__defaults__), ("'s defaults", f.__kwdefaults__)))
        if vars(f):
            self._dict(path, vars(f))
        if not is_closed(home) or (ran and self.ran is not None):
            self._body(path, code, f.__globals__)

    def _body(self, path: tuple, code: types.CodeType, names: dict) -> None:
        """Watch the globals that a piece of code names."""
        self._entered.update(map(id, nested(code)))
        found = names_in(code)
        builtins = vars(sys.modules["builtins"])
        chosen = tuple(n for n in found.variables if n in names or n not in builtins)
        if self.ran is not None and id(names) in self.ran.whole:
            chosen = tuple(n for n in names if not n.startswith("__"))
        self._namespace((path, ": global"), names, chosen, found.attributes)
        package = names.get("__package__") or ""
        modules = (sys.modules.get(n) or sys.modules.get(f"{package}.{n}") for n in found.imports)
        imported = ((f" {m.__name__}", m) for m in modules if m)
        self._later((path, ": import"), imported, found.attributes)

    def _class(self, path: tuple, cls: type) -> None:
        for base in cls.__mro__:
            if not is_closed(base.__module__) and (base is cls or id(base) not in self.seen):
                self._meet(path, base)
                members = vars(base)
                ours = names_of_class(cls)
                names = tuple([n for n in members if self._reads(n, ours)])
                self._same.choose(members, names)
                self._note(path, ("members", names))
                inner = [
                    (f".{name}", members[name])
                    for name in names
                    if not name.startswith("__") or isinstance(members[name], types.FunctionType)
                ]
                self._later(path, inner)

    def _object(self, path: tuple, x: Any, kind: type, inside: bool) -> None:
        top = kind.__module__.partition(".")[0]
        ours = top == "wgrad" and not isinstance(x, _OPAQUE)
        if isinstance(x, Op) and not hasattr(x, "backward"):  # custom ones lead to user's code
            self._note(path, (kind, id(x)))
            return
        if isinstance(x, _READERS):
            self._reads_all = True
        wrapped = getattr(x, "__wrapped__", None) if callable(x) else None
        if wrapped is not None and is_closed(kind.__module__):  # Compiled, lru_cache
            self._note(path, (kind, id(x)))
            if isinstance(x, CACHE):
                self._cached(path, x)
            self._later(path, (("", wrapped),))
            return
        if isinstance(x, DICE):
            self.dice[id(x)] = path, x, state_of_dice(x)
        elif is_spent(x):
            self._refuse(path, f"is {_a(kind)}, whose place among its items cannot be seen")
        elif not inside and not is_fixed(x) and not isinstance(x, _OPEN_CLASSES):
            self._refuse(path, f"is {_a(kind)}, whose state cannot be seen")
        is_library = is_closed(kind.__module__) and not ours and not isinstance(x, _OPEN_CLASSES)
        if isinstance(x, _OPAQUE) or (is_library and (inside or self.ran is None or top in QUIET)):
            self._note(path, (kind, id(x)))
            return
        namespace = getattr(x, "__dict__", None)
        self._note(path, (kind, id(x)) if is_library and hides(kind) else kind)
        if len(path) == 2:  # arguments are not to be kept alive
            self._objects.append(x)
        if namespace is not None:
            code = names_of_class(kind)
            self._dict(path, namespace, read_each_run(kind), is_library, is_library, code)
            if self.ran is not None and self.ran.searched and hasattr(kind, "named_parameters"):
                rest = [k for k in namespace if not self._reads(k, code)]
                self._search([((path, f".{k}"), namespace[k]) for k in rest])
        if not ours:
            self._slots(path, x, _slots_of(kind), is_library)
        if not is_closed(kind.__module__):
            self._later(path, (("'s class", kind),))

    def _search(self, stack: list[tuple[tuple, Any]]) -> None:
        """Watch which modules and tensors a module finds in attributes that no code names."""
        assert self.ran is not None
        met: set[int] = set()
        while stack:
            path, x = stack.pop()
            if id(x) in met:
                continue
            met.add(id(x))
            if isinstance(x, Value):
                self._same.names.append((_is_parameter, (x,), (_is_parameter(x),)))
                if _is_parameter(x) or self.ran.searched > 1:
                    self._later(path, [("", x)])
            elif hasattr(type(x), "named_parameters"):
                self._later(path, [("", x)])
            elif isinstance(x, dict):
                self._same.choose(x, tuple(x))
                stack += [((path, f"[{k!r}]"), v) for k, v in x.items()]
            elif isinstance(x, (list, tuple)):
                self._same.lists.append((x, tuple(x)))
                stack += [((path, f"[{i}]"), v) for i, v in enumerate(x)]

    def _cached(self, path: tuple, x: Any) -> None:
        """Watch that a cache keeps what it has: what is computed anew may differ."""
        found = [d for d in gc.get_referents(x) if type(d) is dict and d is not vars(x)]
        if len(found) != 1:
            self._refuse(path, "is a cache whose entries cannot be seen")
            return
        keys = tuple(found[0])
        self._same.names.append((found[0].get, keys, tuple(found[0].values())))
        self._note(path, tuple(map(id, found[0].values())))


def _finder(x: Any) -> Callable[[], Any]:
    """Return what gives `x` back; what is known by its identity is not kept alive by it."""
    same: Any = type(x).__eq__
    if same is object.__eq__:
        with contextlib.suppress(TypeError):
            return weakref.ref(x)
    return lambda: x


def read_each_run(kind: type) -> frozenset[str]:
    """Return the attributes that a class's `step` reads anew for every run of a program."""
    for cls in kind.__mro__:
        if "step" in vars(cls):
            return vars(cls).get("read_each_run", frozenset())
    return frozenset()


def _look_up(d: dict, name: str) -> Any:
    return d.get(name, _MISSING)


def _attributes(names: tuple[str, ...], x: Any) -> tuple:
    return tuple([getattr(x, n, _MISSING) for n in names])


def _slots_of(kind: type) -> list[str]:
    found: list[str] = []
    for cls in kind.__mro__:
        names = vars(cls).get("__slots__", ())
        found += [names] if isinstance(names, str) else list(names)
    return [n for n in found if not n.startswith("__")]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _a(kind: type) -> str:
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{module}{kind.__qualname__}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _is_parameter(x: Any) -> bool:
    return bool(x.node is not None and x.node.op is None and x.node.requires_grad)


def _target(x: Any) -> int:
    return id(x())


def _version(x: Any) -> int:
    return x.array.storage.version


def _elements(x: np.ndarray) -> tuple:
    return tuple(x.ravel().tolist())


def _context(x: contextvars.ContextVar) -> tuple:
    return (x.get(_MISSING),)


def _fingerprint(x: Any) -> Any:
    return x.shape, x.dtype.str, x.tobytes()


def named(path: tuple) -> str:
    """Return a path as text: "step: net.layers[0].weight"."""
    parts: list[str] = []
    while len(path) == 2:
        path, key = path
        parts.append(key)
    text = "".join([*path, *reversed(parts)])
    return text
