"""Watching the Python state that a function can see, so that a change between calls is noticed.

A walk goes from the function over what its code names (closure cells, globals, defaults, `self`)
into objects, containers, modules and optimizers, other functions and classes. It writes down a
token for each thing found (what the state is, by value) and the containers with the very objects
in them, whose identity is quick to compare. Only when an identity differs is the walk repeated.

Not entered: wgrad's own, NumPy's and the standard library's classes and functions (closures
excepted, for decorators have them), and objects whose state Python cannot list. Of a NumPy array
of more than 64 KiB a thousand elements are compared.
"""

from __future__ import annotations

import argparse
import array
import collections
import contextlib
import contextvars
import dis
import functools
import os
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, is_
from typing import Any

import numpy as np

from ..backends.array import Storage
from ..backends.base import Device
from ..core import Node, Op, Value
from ..dtypes import DType
from ..errors import TraceError
from ..random import Generator
from ..tape import reachable
from .tree import is_closed, token

LIMIT = 50_000  # things to watch; a function that sees more runs as it is
_WHOLE = 1 << 16  # bytes of an array that are compared
_OPAQUE = (Device, DType, Generator, Node, Storage)
_OPEN_CLASSES = (
    types.SimpleNamespace, argparse.Namespace, threading.local, type(os.environ),
    collections.UserDict, collections.UserList, collections.ChainMap,
)  # fmt: skip
_MISSING = object()
_VIEWS: Any = tuple(type(f({})) for f in (dict.keys, dict.values, dict.items))
_contents = attrgetter("cell_contents")
_plain_tensor = attrgetter("array", "node")
_noded_tensor = attrgetter("array", "node", "node.requires_grad", "node.hooks")
_flags = attrgetter("requires_grad", "retains_grad", "hooks")
_code = attrgetter("__code__", "__defaults__", "__kwdefaults__", "__closure__")


class TooMuchError(TraceError):
    """A function sees more than is worth comparing before every run."""


@functools.lru_cache(maxsize=1024)
def names_in(code: types.CodeType) -> tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]:
    """Return what a piece of code and the code nested in it name: globals, attributes, imports."""
    names: dict[str, None] = {}
    imports: dict[str, None] = {}
    attributes: set[str] = set()
    stack = [code]
    while stack:
        found = stack.pop()
        for step in dis.get_instructions(found):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                names[step.argval] = None
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
                attributes.add(step.argval)
            elif step.opname == "IMPORT_NAME":
                imports[step.argval] = None
        # Names may be given as strings: getattr(module, "name"), globals()["name"].
        strings = {c for c in found.co_consts if isinstance(c, str) and c.isidentifier()}
        attributes |= strings
        if "globals" in found.co_names:
            names.update(dict.fromkeys(sorted(strings)))
        stack.extend(c for c in found.co_consts if isinstance(c, types.CodeType))
    return tuple(names), frozenset(attributes), tuple(imports)


class Watch:
    """The state that `roots` (name, object) lead to, at the time of its making."""

    def __init__(self, roots: Sequence[tuple[str, Any]]):
        self._roots = [(name, _finder(x)) for name, x in roots]
        self.tokens: list[Any] = []
        self.paths: list[tuple] = []
        self.seen: dict[int, Any] = {}  # tensors and containers by id, kept alive by the lists here
        self._order: dict[int, int] = {}
        self.storages: set[Storage] = set()
        self.tensors: set[int] = set()  # ids of those seen, which live while they are watched
        # (container, keys, values) and the like: what is compared by identity.
        self._dicts: list[tuple[Any, tuple, tuple]] = []
        self._lists: list[tuple[Any, tuple]] = []
        self._names: list[tuple[Callable, tuple, tuple]] = []
        self._cells: list[tuple[tuple, tuple]] = []
        self._attributes: list[tuple[Callable, Any, tuple]] = []
        self._truths: list[tuple[Any, tuple]] = []
        self._values: list[tuple[Callable, Any, Any]] = []
        self._stack: list[tuple[tuple, Any, Any]] = []
        for name, x in reversed(roots):
            self._stack.append(((name,), x, frozenset()))
        while self._stack:
            self._enter(*self._stack.pop())

    def holds(self) -> bool:
        """Whether the state is now what it was."""
        if self._is_identical():
            return True
        try:
            fresh = Watch([(name, find()) for name, find in self._roots])
        except TooMuchError:
            return False
        if fresh.tokens != self.tokens:
            return False
        fresh.forget()
        self.__dict__.update(fresh.__dict__)
        return True

    def forget(self) -> None:
        """Let go of objects that are needed only while a function is traced."""
        self.seen, self._order = {}, {}

    def difference(self, other: Watch) -> str | None:
        """Return the name of the first thing that differs; None where nothing does."""
        if self.tokens == other.tokens:
            return None
        pairs = zip(self.tokens, other.tokens, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            at = min(len(self.tokens), len(other.tokens))
        longer = self if len(self.tokens) > len(other.tokens) else other
        return _named(longer.paths[at])

    def _is_identical(self) -> bool:
        for d, keys, values in self._dicts:
            if len(d) != len(keys) or not all(map(is_, d, keys)):
                return False
            if not all(map(is_, d.values(), values)):
                return False
        for x, values in self._lists:
            if len(x) != len(values) or not all(map(is_, x, values)):
                return False
        for get, names, values in self._names:
            if not all(map(is_, map(get, names), values)):
                return False
        try:
            for cells, values in self._cells:
                if not all(map(is_, map(_contents, cells), values)):
                    return False
            for get, x, values in self._attributes:
                if not all(map(is_, get(x), values)):
                    return False
        except (ValueError, AttributeError):  # an emptied cell, an attribute that is gone
            return False
        for d, values in self._truths:
            if not all(map(is_, map(bool, d.values()), values)):
                return False
        return all(get(x) == value for get, x, value in self._values)

    # The walk.
    def _note(self, path: tuple, what: Any) -> None:
        self.paths.append(path)
        self.tokens.append(what)
        if len(self.tokens) > LIMIT:
            raise TooMuchError(
                f"more than {LIMIT} things are to be watched, the last is {_named(path)}"
            )

    def _later(self, path: tuple, items: Iterable[tuple[str, Any]], names: Any = None) -> None:
        """Visit these next, in their order."""
        self._stack += [((path, key), x, names or frozenset()) for key, x in items][::-1]

    def _enter(self, path: tuple, x: Any, names: frozenset[str]) -> None:
        plain = token(x) if not isinstance(x, type) else None
        if plain is not None:
            self._note(path, plain)
            return
        kind = type(x)
        if id(x) in self.seen:
            self._note(path, ("again", self._order[id(x)]))
            return
        self._meet(x)
        if isinstance(x, Value):
            self._tensor(path, x)
        elif isinstance(x, (list, tuple, collections.deque)):
            self._note(path, (kind, len(x)))
            if not isinstance(x, tuple):
                self._lists.append((x, tuple(x)))
            self._later(path, ((f"[{i}]", v) for i, v in enumerate(x)))
            self._extras(path, x)
        elif isinstance(x, (set, frozenset)):
            self._note(path, (kind, frozenset(x)))
            self._values.append((frozenset, x, frozenset(x)))
        elif isinstance(x, np.ndarray) and x.dtype.hasobject:
            self._note(path, (kind, id(x), x.shape))
            self._attributes.append((_elements, x, _elements(x)))
            self._later(path, ((f"[{i}]", v) for i, v in enumerate(_elements(x))))
        elif isinstance(x, (bytearray, array.array)):
            self._note(path, (kind, id(x), bytes(x)))
            self._values.append((bytes, x, bytes(x)))
        elif isinstance(x, contextvars.ContextVar):
            self._note(path, (kind, id(x)))
            self._attributes.append((_context, x, _context(x)))
            self._later(path, (("", v) for v in _context(x)))
        elif isinstance(x, _VIEWS):
            self._note(path, kind)
            self._later(path, (("", x.mapping),))
        elif isinstance(x, np.ndarray):
            self._note(path, (kind, id(x), _fingerprint(x)))
            self._values.append((_fingerprint, x, _fingerprint(x)))
        elif isinstance(x, types.FunctionType):
            self._function(path, x)
        elif isinstance(x, types.MethodType):
            self._note(path, kind)
            self._later(path, (("__self__", x.__self__), ("__func__", x.__func__)))
        elif isinstance(x, functools.partial):
            self._note(path, kind)
            self._later(path, (("func", x.func), ("args", x.args), ("keywords", x.keywords)))
        elif isinstance(x, (staticmethod, classmethod)):
            self._note(path, kind)
            self._later(path, (("__func__", x.__func__),))
        elif isinstance(x, property):
            self._note(path, kind)
            self._later(path, (("fget", x.fget),))
        elif isinstance(x, types.ModuleType):
            self._note(path, ("module", id(x)))
            if x is os and "environ" in names:
                self._later(path, ((".environ", os.environ),))
            if not is_closed(x.__name__):
                self._namespace(
                    path, vars(x), tuple(n for n in sorted(names) if n in vars(x)), names
                )
        elif isinstance(x, type):
            self._note(path, ("class", id(x)))
            self._class(path, x)
        else:
            self._object(path, x)

    def _meet(self, x: Any) -> None:
        """Remember an object, and how many were met before it."""
        self.seen[id(x)] = x
        self._order.setdefault(id(x), len(self._order))

    def _extras(self, path: tuple, x: Any) -> None:
        """Watch what a container of the user's own class is besides its items."""
        if not is_closed(type(x).__module__) and vars(type(x)).get("_fields") is None:
            namespace = getattr(x, "__dict__", None)
            if namespace is not None and namespace is not x:
                self._dict(path, namespace)
            self._later(path, (("'s class", type(x)),))

    def _tensor(self, path: tuple, x: Any) -> None:
        array, node = x.array, x.node
        found = [id(node), id(array.storage), array.layout, array.dtype]
        self.storages.add(array.storage)
        self.tensors.add(id(x))
        if node is None:
            self._attributes.append((_plain_tensor, x, (array, None)))
        else:
            hooks = node.hooks
            found += [node.requires_grad, tuple(hooks or ())]
            self._attributes.append((_noded_tensor, x, (array, node, node.requires_grad, hooks)))
            if hooks is not None:
                self._dict(path, hooks)
            if node.op is not None:  # its history holds for this version
                self._history(path, node)
                found.append(array.storage.version)
                self._values.append((_version, x, array.storage.version))
        self._note(path, ("tensor", *found))

    def _history(self, path: tuple, root: Node) -> None:
        """Watch what a backward pass through a graph from outside looks at: hooks and flags."""
        for node in reachable(root):
            if id(node) not in self.seen:
                self._meet(node)
                self._attributes.append((_flags, node, _flags(node)))
                self._note(path, (node.requires_grad, node.retains_grad))
                if node.hooks is not None:
                    self._dict(path, node.hooks)

    def _dict(self, path: tuple, d: Any, skipped: frozenset[str] = frozenset()) -> None:
        """Watch a whole dict; of what is `skipped` only whether it is true."""
        if skipped:
            names = tuple(k for k in d if k not in skipped)
            self._names.append((d.get, names, tuple(map(d.get, names))))
            live = _Chosen(d, tuple(k for k in d if k in skipped))
            truths = tuple(map(bool, live.values()))
            self._truths.append((live, truths))
            self._note(path, ("dict", names, truths))
        else:
            names = tuple(d)
            self._dicts.append((d, names, tuple(d.values())))
            keys = [token(k) or id(k) for k in names]
            self._note(path, ("dict", tuple(keys)))
        self._later(path, ((f".{k}" if isinstance(k, str) else f"[{k!r}]", d[k]) for k in names))

    def _namespace(self, path: tuple, d: dict, names: tuple[str, ...], inner: frozenset) -> None:
        """Watch the chosen names of a namespace."""
        self._names.append(
            (functools.partial(_look_up, d), names, tuple(_look_up(d, n) for n in names))
        )
        self._later(path, ((f".{n}", d.get(n, _MISSING)) for n in names), inner)

    def _function(self, path: tuple, f: types.FunctionType) -> None:
        cells = f.__closure__ or ()
        code = f.__code__
        self._note(path, ("function", id(code), len(cells)))
        filled = []
        for name, cell in zip(code.co_freevars, cells, strict=True):
            try:
                filled.append((name, cell, cell.cell_contents))
            except ValueError:  # not assigned yet
                self._note((path, name), "empty")
        self._cells.append((tuple(c for _, c, _ in filled), tuple(v for *_, v in filled)))
        self._later(path, ((f": {name}", v) for name, _, v in filled))
        home = f.__globals__.get("__name__")
        if is_closed(home):
            return
        self._attributes.append((_code, f, _code(f)))
        names, attributes, imports = names_in(code)
        self._later(path, (("'s defaults", f.__defaults__), ("'s defaults", f.__kwdefaults__)))
        if vars(f):
            self._dict(path, vars(f))
        builtins = vars(sys.modules["builtins"])
        chosen = tuple(n for n in names if n in f.__globals__ or n not in builtins)
        self._namespace((path, ": global"), f.__globals__, chosen, attributes)
        package = f.__globals__.get("__package__") or ""
        found = (sys.modules.get(n) or sys.modules.get(f"{package}.{n}") for n in imports)
        self._later((path, ": import"), ((f" {m.__name__}", m) for m in found if m), attributes)

    def _class(self, path: tuple, cls: type) -> None:
        for base in cls.__mro__:
            if not is_closed(base.__module__) and (base is cls or id(base) not in self.seen):
                self._meet(base)
                members = vars(base)
                self._dicts.append((members, tuple(members), tuple(members.values())))
                self._note(path, ("members", tuple(members)))
                inner = [
                    (f".{name}", x)
                    for name, x in members.items()
                    if not name.startswith("__") or isinstance(x, types.FunctionType)
                ]
                self._later(path, inner)

    def _object(self, path: tuple, x: Any) -> None:
        kind = type(x)
        wrapped = getattr(x, "__wrapped__", None) if callable(x) else None
        if wrapped is not None and is_closed(kind.__module__):  # Compiled, lru_cache
            self._note(path, (kind, id(x)))
            self._later(path, (("", wrapped),))
            return
        namespace = getattr(x, "__dict__", None)
        ours = kind.__module__.partition(".")[0] == "wgrad" and not isinstance(x, _OPAQUE)
        if isinstance(x, (dict, types.MappingProxyType)):
            self._note(path, kind)
            self._dict(path, x)
            self._extras(path, x)
        elif ours or isinstance(x, _OPEN_CLASSES) or not is_closed(kind.__module__):
            self._note(path, kind)
            if isinstance(x, Op) and not hasattr(x, "backward"):
                return
            if namespace is not None:
                self._dict(path, namespace, read_each_run(kind))
            slots = [
                name
                for cls in kind.__mro__
                for name in _slots(cls)
                if not name.startswith("__") and hasattr(x, name)
            ]
            if slots and not ours:
                get = attrgetter(*slots, "__class__")
                self._attributes.append((get, x, get(x)))
                self._later(path, ((f".{name}", getattr(x, name)) for name in slots))
            if not is_closed(kind.__module__):
                self._later(path, (("'s class", kind),))
        else:
            self._note(path, (kind, id(x)))


def _finder(x: Any) -> Callable[[], Any]:
    """Return what gives `x` back; what is known by its identity is not kept alive by it."""
    same: Any = type(x).__eq__
    if same is object.__eq__:
        with contextlib.suppress(TypeError):
            return weakref.ref(x)
    return lambda: x


class _Chosen:
    """Some values of a dict."""

    def __init__(self, d: dict, names: tuple[str, ...]):
        self._d = d
        self._names = names

    def values(self) -> Iterable[Any]:
        return map(self._d.get, self._names)


def read_each_run(kind: type) -> frozenset[str]:
    """Return the attributes that a class's `step` reads anew for every run of a program."""
    for cls in kind.__mro__:
        if "step" in vars(cls):
            return vars(cls).get("read_each_run", frozenset())
    return frozenset()


def _look_up(d: dict, name: str) -> Any:
    return d.get(name, _MISSING)


def _slots(cls: type) -> tuple[str, ...]:
    found = vars(cls).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


def _version(x: Any) -> int:
    return x.array.storage.version


def _elements(x: np.ndarray) -> tuple:
    return tuple(x.ravel().tolist())


def _context(x: contextvars.ContextVar) -> tuple:
    return (x.get(_MISSING),)


def _fingerprint(x: np.ndarray) -> Any:
    some = x if x.nbytes <= _WHOLE else x.reshape(-1)[:: -(-x.size // 1000)]
    return x.shape, x.dtype.str, some.tobytes()


def _named(path: tuple) -> str:
    parts: list[str] = []
    while len(path) == 2:
        path, key = path
        parts.append(key)
    text = "".join([*path, *reversed(parts)])
    return text
