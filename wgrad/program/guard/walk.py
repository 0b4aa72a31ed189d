"""Walking through the Python state that code reads, and writing down what it finds.

The walk goes from the roots over what code names (closure cells, globals, defaults, `self`) into
objects, containers, modules and optimizers, other functions and classes. It writes down a token for
each thing found (what the state is, by value), and the very objects, whose identity is quick to
compare.

Where nothing is known yet, it goes wherever code could lead. An `Observation` says which code ran:
then only functions that ran are entered, and of objects and classes only the attributes that this
code names; a thing whose state cannot be seen is a `refusal`. Not entered are wgrad's own, NumPy's
and the standard library's functions (but for their closures, and those of the standard library
that ran on the user's behalf).
"""

from __future__ import annotations

import argparse
import collections
import functools
import gc
import logging
import operator
import os
import threading
import types
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...backends.array import Storage
from ...backends.base import Device
from ...core import Node, Op, Value
from ...dtypes import DType
from ...random import Generator
from ..trace.names import names_of_class
from ..trace.observe import Observation
from ..trace.tree import is_closed, token
from .code import CodeNotes
from .identity import is_parameter, logging_of, target
from .notes import TooMuchError, a_kind, named, read_each_run, slots_of
from .opaque import CACHE, DICE, global_dice, hides, is_fixed, is_spent, state_of_dice, value_of
from .parts import parts_of

_OPAQUE = (Device, DType, Generator, Node, Storage)
_OPEN_CLASSES = (
    types.SimpleNamespace, argparse.Namespace, threading.local, type(os.environ),
    collections.UserDict, collections.UserList, collections.ChainMap,
)  # fmt: skip
_READERS = (operator.attrgetter, operator.methodcaller)  # of attributes that no code names
_REFLECTING = (getattr, hasattr, setattr, delattr, vars, dir)


class Walk(CodeNotes):
    """What `roots` (name, object) lead to; with `ran`, only what that code reads."""

    def __init__(
        self,
        roots: Sequence[tuple[str, Any]],
        ran: Observation | None,
        whole: bool,
        weakly: bool = False,
    ):
        super().__init__(ran, whole)
        self._weakly = weakly  # then nothing is kept, and weak references are like others
        self._references: list[tuple[tuple, weakref.ref]] = []
        self.dice: dict[int, tuple[tuple, Any, Any]] = {}  # generators: path, object, state
        self.lost: dict[int, types.CodeType] = {}  # ran as closures that were not found
        self._objects: list[Any] = []
        for name, x in reversed(roots):
            self._stack.append(((name,), x, frozenset(), 0))
        self._empty_stack()
        if weakly:
            return
        for name in sorted(ran.loggers) if ran is not None else ():
            self._enter((f"logging.getLogger({name!r})",), logging.getLogger(name), frozenset(), 0)
            self._empty_stack()
        for code, names in self.ran.codes.values() if self.ran is not None else ():
            if id(code) not in self._entered:  # reached in a way of its own, a registry for one
                path = (code.co_qualname,)
                if code.co_freevars and not is_closed(names.get("__name__")):
                    self.lost[id(code)] = code
                self._note(path, ("code", id(code)))
                self._body(path, code, names)
                self._empty_stack()
        if self.ran is not None and not self.ran.names.isdisjoint(("import_module", "__import__")):
            self._modules(("sys.modules",))
            self._empty_stack()
        self.same.names.append((type, tuple(self._objects), tuple(map(type, self._objects))))
        self._follow_references()
        for name, x in global_dice():
            self.dice[id(x)] = (name,), x, state_of_dice(x)

    def _follow_references(self) -> None:
        """Watch what only weak references lead to, which is not to be kept alive by that.

        So it is written down by value, and walked through anew whenever it is compared.
        """
        alone = [
            (p, r) for p, r in self._references if r() is not None and id(r()) not in self.seen
        ]
        if not alone:
            return
        names = tuple((named(path), reference) for path, reference in alone)
        walk = Walk([(n, r()) for n, r in names], self.ran, self._all, weakly=True)
        for path, token_ in zip(walk.paths, walk.tokens, strict=True):
            self._note(path, token_)
        self.reads_all = self.reads_all or walk.reads_all
        self.refusal = self.refusal or walk.refusal
        self.storages |= walk.storages
        self.tensors |= walk.tensors
        self.named_tensors += walk.named_tensors
        self.dice |= walk.dice
        self.seen |= walk.seen
        self.places |= walk.places
        # An id in a token stands for an object only as long as that lives.
        alive = tuple(filter(None, map(_reference, walk.seen.values())))
        self.same.values.append((_alive, alive, True))
        look = functools.partial(_weak_tokens, self.ran, self._all)
        self.same.values.append((look, names, walk.tokens))

    def _empty_stack(self) -> None:
        while self._stack:
            self._enter(*self._stack.pop())

    def _enter(self, path: tuple, x: Any, names: frozenset[str], inside: int) -> None:
        answer: Any = getattr(type(x), "__getattribute__", None)
        if isinstance(answer, types.FunctionType) and not is_closed(answer.__module__):
            self._answering(path, x)
            return
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
        elif isinstance(x, weakref.ref):
            self._note(path, kind)
            self.same.values.append((target, x, target(x)))
            if self._weakly:
                self._later(path, (("", x()),))
            else:
                self._references.append((path, x))
        elif not self._items(path, x, kind, inside):
            inner = parts_of(x, self.same)
            if inner is None:
                self._object(path, x, kind, inside)
            else:
                self._note(path, kind)
                self._later(path, inner, None, inside)

    def _answering(self, path: tuple, x: Any) -> None:
        """Ask nothing of an object whose class says by code of its own what attributes it has."""
        self._meet(path, x)
        self._note(path, (type(x), id(x)))
        if len(path) == 2:
            self._objects.append(x)
        self._refuse(path, f"is {a_kind(type(x))}, whose __getattribute__ hides its state")

    def _object(self, path: tuple, x: Any, kind: type, inside: int) -> None:
        top = kind.__module__.partition(".")[0]
        ours = top == "wgrad" and not isinstance(x, _OPAQUE)
        if isinstance(x, Op) and not x.leads_on:
            self._note(path, (kind, id(x), x.edition))
            return
        if isinstance(x, _READERS) or any(x is f for f in _REFLECTING):
            self.reads_all = True
        wrapped = getattr(x, "__wrapped__", None) if callable(x) else None
        if wrapped is not None and is_closed(kind.__module__):  # Compiled, lru_cache
            self._note(path, (kind, id(x)))
            if isinstance(x, CACHE):
                self._cached(path, x)
            own = tuple([n for n in vars(x) if not n.startswith("_") and self._reads(n)])
            self.same.choose(vars(x), own)
            self._later(path, (("", wrapped), *((f".{n}", vars(x)[n]) for n in own)))
            return
        is_library = is_closed(kind.__module__) and not ours and not isinstance(x, _OPEN_CLASSES)
        self._judge(path, x, kind, inside)
        if isinstance(
            x, logging.Logger
        ):  # what it puts out is nobody's business, whether it does is
            self.same.attributes.append((logging_of, x, logging_of(x)))
            self._note(path, (kind, id(x), logging_of(x)))
            self._later(path, [(".parent", x.parent)])
            return
        if isinstance(x, Generator):
            self._slots(path, x, ("seed", "counter"), 2)
        is_one = is_library and (inside == 2 or self.ran is None or top == "logging")
        if isinstance(x, _OPAQUE) or is_one:
            self._note(path, (kind, id(x)))
            return
        inside = max(inside, is_library)
        namespace = getattr(x, "__dict__", None)
        state = id(x) if is_library or hides(kind) else None
        self._note(path, (kind, value_of(x) or state))
        if len(path) == 2:  # arguments are not to be kept alive
            self._objects.append(x)
        if namespace is not None:
            code = names_of_class(kind)
            self._dict(path, namespace, read_each_run(kind), inside, ours=code)
            if self.ran is not None and self.ran.searched and hasattr(kind, "named_parameters"):
                rest = [k for k in namespace if not self._reads(k, code)]
                self._search([((path, f".{k}"), namespace[k]) for k in rest])
        if not ours:
            self._slots(path, x, slots_of(kind), inside)
        if not is_closed(kind.__module__):
            self._later(path, (("'s class", kind),))

    def _judge(self, path: tuple, x: Any, kind: type, inside: int) -> None:
        """Refuse an object whose state cannot be seen, and remember what draws random numbers."""
        if isinstance(x, DICE):
            self.dice[id(x)] = path, x, state_of_dice(x)
        elif is_spent(x) and inside < 2:
            self._refuse(path, f"is {a_kind(kind)}, whose place among its items cannot be seen")
        elif not inside and not is_fixed(x) and not isinstance(x, _OPEN_CLASSES):
            self._refuse(path, f"is {a_kind(kind)}, whose state cannot be seen")

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
                self.same.names.append((is_parameter, (x,), (is_parameter(x),)))
                if is_parameter(x) or self.ran.searched > 1:
                    self._later(path, [("", x)])
            elif hasattr(type(x), "named_parameters"):
                self._later(path, [("", x)])
            elif isinstance(x, dict):
                self.same.choose(x, tuple(x))
                stack += [((path, f"[{k!r}]"), v) for k, v in x.items()]
            elif isinstance(x, (list, tuple)):
                self.same.lists.append((x, tuple(x)))
                stack += [((path, f"[{i}]"), v) for i, v in enumerate(x)]

    def _cached(self, path: tuple, x: Any) -> None:
        """Watch that a cache keeps what it has: what is computed anew may differ."""
        entries = [d for d in gc.get_referents(x) if type(d) is dict and d is not vars(x)]
        if len(entries) != 1:
            self._refuse(path, "is a cache whose entries cannot be seen")
            return
        keys = tuple(entries[0])
        self.same.names.append((entries[0].get, keys, tuple(entries[0].values())))
        self._note(path, tuple(map(id, entries[0].values())))


def _reference(x: Any) -> weakref.ref | None:
    try:
        return weakref.ref(x)
    except TypeError:  # plain containers, which tokens tell by what is in them
        return None


def _alive(references: tuple[weakref.ref, ...]) -> bool:
    return all(r() is not None for r in references)


def _weak_tokens(ran: Observation | None, whole: bool, names: tuple) -> list[Any] | None:
    """Return what a walk finds at weak references now; None where that is too much."""
    try:
        return Walk([(n, r()) for n, r in names], ran, whole, weakly=True).tokens
    except TooMuchError:
        return None
