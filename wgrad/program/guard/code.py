"""What a walk writes down of code: functions, the names that they read, classes and modules."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from ...checks.door import is_door
from ..trace.names import names_in, names_of_class, nested
from ..trace.observe import Observation
from ..trace.tree import is_closed
from .identity import bases, cell_contents, is_filled
from .notes import Notes

_OF_FUNCTIONS = frozenset({"__closure__", "__defaults__", "__kwdefaults__", "__code__"})
_code = attrgetter("__code__", "__defaults__", "__kwdefaults__", "__closure__")


class CodeNotes(Notes):
    """Notes of data, and of the functions, classes and modules that lead there."""

    def __init__(self, ran: Observation | None, whole: bool):
        super().__init__(ran, whole)
        self._entered: set[int] = set()  # ids of code

    def _namespace(self, path: tuple, d: dict, names: tuple[str, ...], inner: frozenset) -> None:
        """Watch the chosen names of a namespace, and of the builtins those that it lacks."""
        present = tuple([n for n in names if n in d])
        lacking = tuple([n for n in names if n not in d])
        builtins = vars(sys.modules["builtins"])
        values = tuple(map(builtins.get, lacking))
        if present:
            self.same.names.append((d.get, present, tuple(map(d.get, present))))
        if lacking:
            self.same.names.append((d.__contains__, lacking, (False,) * len(lacking)))
            self.same.names.append((builtins.get, lacking, values))
        self._note(path, ("names", present, tuple(map(id, values))))
        inside = 2 if is_closed(d.get("__name__")) else 0
        self._later(path, ((f".{n}", d[n]) for n in present), inner, inside)
        theirs = [(n, x) for n, x in zip(lacking, values, strict=True) if not _is_builtin(x)]
        self._later(path, ((f".{n}", x) for n, x in theirs))

    def _module(self, path: tuple, x: types.ModuleType, names: frozenset[str], inside: int) -> None:
        self._note(path, ("module", id(x)))
        if self.ran is not None:
            names = self.ran.names
        chosen: Iterable[str] = names
        if is_closed(x.__name__) and (self.ran is None or inside):
            chosen = {"environ"} & names if x is os else ()
        elif self._all and not is_closed(x.__name__) and self.ran is not None:
            chosen = vars(x)
        self._namespace(path, vars(x), tuple(sorted(n for n in chosen if n in vars(x))), names)
        if x is sys and "modules" in names and not inside:
            self._modules(path)

    def _modules(self, path: tuple) -> None:
        """Watch the user's modules, which code has asked for by name."""
        mine = [(n, m) for n, m in list(sys.modules.items()) if not is_closed(n)]
        self._later(path, ((f" {n}", m) for n, m in mine if isinstance(m, types.ModuleType)))

    def _function(self, path: tuple, f: types.FunctionType) -> None:
        if is_door(f):
            self._note(path, ("door", id(f)))
            self._later(path, ((".__wrapped__", vars(f)["__wrapped__"]),))
            return
        cells = f.__closure__ or ()
        code, home = f.__code__, f.__globals__.get("__name__")
        ran = self.ran is None or id(code) in self.ran.codes
        looked_into = self.ran is not None and not self.ran.names.isdisjoint(_OF_FUNCTIONS)
        if not ran and not looked_into and not is_closed(home):
            self._note(path, ("function", id(f)))
            self._dict(path, vars(f))  # what others may read of it
            return
        self._note(path, ("function", id(code), len(cells)))
        filled = []
        for name, cell in zip(code.co_freevars, cells, strict=True):
            if is_filled(cell):
                filled.append((name, cell, cell.cell_contents))
            else:  # not assigned yet
                self._note((path, name), "empty")
        if filled:
            held = tuple(c for _, c, _ in filled), tuple(v for *_, v in filled)
            self.same.names.append((cell_contents, *held))
        self._later(path, ((f": {name}", v) for name, _, v in filled))
        self.same.attributes.append((_code, f, _code(f)))
        self._later(path, (("'s defaults", f.__defaults__), ("'s defaults", f.__kwdefaults__)))
        self._dict(path, vars(f))
        if not is_closed(home) or (ran and self.ran is not None):
            self._body(path, code, f.__globals__)

    def _body(self, path: tuple, code: types.CodeType, names: dict) -> None:
        """Watch the globals that a piece of code names."""
        self._entered.update(map(id, nested(code)))
        read = names_in(code)
        chosen = read.variables
        if self.ran is not None and id(names) in self.ran.whole:
            chosen = tuple(n for n in names if not n.startswith("__"))
        self._namespace((path, ": global"), names, chosen, read.attributes)
        package = names.get("__package__") or ""
        modules = (sys.modules.get(n) or sys.modules.get(f"{package}.{n}") for n in read.imports)
        imported = ((f" {m.__name__}", m) for m in modules if m)
        self._later((path, ": import"), imported, read.attributes)

    def _class(self, path: tuple, cls: type) -> None:
        for base in cls.__mro__:
            if not is_closed(base.__module__) and (base is cls or id(base) not in self.seen):
                self._meet(path, base)
                members = vars(base)
                ours = names_of_class(cls)
                names = tuple([n for n in members if self._reads(n, ours)])
                self.same.choose(members, names)
                self.same.attributes.append((bases, base, base.__bases__))
                self._note(path, ("members", names, tuple(map(id, base.__bases__))))
                inner = [
                    (f".{name}", members[name])
                    for name in names
                    if not name.startswith("__") or isinstance(members[name], types.FunctionType)
                ]
                self._later(path, inner)
        if not is_closed(type(cls).__module__):
            self._later(path, [("'s class", type(cls))])


def _is_builtin(x: Any) -> bool:
    return getattr(x, "__module__", None) == "builtins"
