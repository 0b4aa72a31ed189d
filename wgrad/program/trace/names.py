"""What a piece of code names: the globals, attributes and modules that running it may touch."""

from __future__ import annotations

import dis
import functools
import re
import sys
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from ..guard.identity import is_filled

# Functions that find an attribute by a string; their calls are looked at one by one.
BY_STRING = frozenset({"getattr", "hasattr", "setattr", "delattr"})
# Whoever names one of these may touch any attribute of any object.
_REFLECTING = frozenset({
    "vars", "dir", "attrgetter", "methodcaller", "getmembers", "__dict__",
    "__getattribute__", "__getstate__", "__reduce__", "__reduce_ex__", "__match_args__",
})  # fmt: skip
_GLOBAL = (
    "LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS",
)  # fmt: skip
_SIMPLE_LOADS = ("LOAD_CONST", "LOAD_FAST", "LOAD_GLOBAL", "LOAD_DEREF")
_WORD_AFTER_DOT = re.compile(r"\.([^\W\d]\w*)")


class Names(NamedTuple):
    """What code names, with the code nested in it; `reflects` where that may be anything."""

    variables: tuple[str, ...]
    attributes: frozenset[str]
    imports: tuple[str, ...]
    reflects: bool


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> Names:
    """Return what a piece of code and the code nested in it name."""
    variables: dict[str, None] = {}
    imports: dict[str, None] = {}
    attributes: set[str] = set()
    reflects = False
    for part in nested(code):
        attributes.update(part.co_names)
        reflects = reflects or not _REFLECTING.isdisjoint(part.co_names)
        for step in dis.get_instructions(part):
            if step.opname in _GLOBAL:
                variables[step.argval] = None
                # As a value, to be called where nobody looks: map(getattr, ...).
                reflects |= step.argval in BY_STRING and "NULL" not in step.argrepr
            elif step.opname == "IMPORT_NAME":
                imports[step.argval] = None
            elif step.opname == "MATCH_CLASS":
                reflects = True
        # Names may be given as strings: getattr(module, "name"), globals()["name"].
        strings = {x for c in part.co_consts for x in _words(c)}
        attributes |= strings
        if "globals" in part.co_names:
            variables.update(dict.fromkeys(sorted(strings)))
    return Names(tuple(variables), frozenset(attributes), tuple(imports), reflects)


def nested(code: CodeType) -> list[CodeType]:
    """Return a piece of code and all code within it."""
    codes = [code]
    for x in codes:
        codes.extend(c for c in x.co_consts if isinstance(c, CodeType))
    return codes


def _words(constant: Any) -> Iterable[str]:
    if isinstance(constant, str):
        if constant.isidentifier():
            yield constant
        elif "." in constant:
            yield from words_of(constant)
    elif isinstance(constant, (tuple, frozenset)):
        for x in constant:
            yield from _words(x)


def words_of(text: str) -> list[str]:
    """Return the attributes that a dotted name, or a text to be formatted, may name."""
    return [*_WORD_AFTER_DOT.findall(text), *(x for x in text.split(".") if x.isidentifier())]


@functools.lru_cache(maxsize=1024)
def asks_for_a_constant(code: CodeType, at: int) -> bool:
    """Whether the call at an offset is `getattr(x, "name")`, or such, with the name in the code."""
    before: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if step.offset == at:
            if step.opname != "CALL" or step.arg not in (2, 3) or len(before) < step.arg:
                return False
            last = before[-(step.arg - 1) :]  # the name, and with three arguments one more
            is_constant = last[0].opname == "LOAD_CONST" and isinstance(last[0].argval, str)
            return is_constant and last[-1].opname in _SIMPLE_LOADS
        if step.opname != "PRECALL":
            before.append(step)
    return False


def first_use(name: str, codes: Iterable[CodeType]) -> tuple[CodeType, int] | None:
    """Return where code first stores what is called `name`, or else touches it: code, offset."""
    use = None
    for code in codes:
        for step in dis.get_instructions(code):
            if step.argval == name and step.opname.startswith("STORE"):
                return code, step.offset
            if step.argval == name and step.opname.startswith(("LOAD", "IMPORT")):
                use = use or (code, step.offset)
    return use


@functools.lru_cache(maxsize=1024)
def names_of_class(kind: type) -> frozenset[str]:
    """Return the names that wgrad's own code may read of objects of a class that builds on it."""
    own = {".".join(m.split(".")[:2]) for m in (cls.__module__ for cls in kind.__mro__)}
    packages = [name for name in own if name.startswith("wgrad.")]
    modules = {p: tuple(n for n in sys.modules if f"{n}.".startswith(f"{p}.")) for p in packages}
    return frozenset().union(*(_names_of_package(p, modules[p]) for p in packages))


@functools.cache
def _names_of_package(package: str, modules: tuple[str, ...]) -> frozenset[str]:
    """Return all that code in a package of wgrad, as far as it is loaded, calls something."""
    names: set[str] = set()
    for module in map(sys.modules.__getitem__, modules):
        for name, x in vars(module).items():
            names.update(() if name.startswith("__") else _words(x))
            if str(getattr(x, "__module__", "")).startswith(package):
                for member in vars(x).values() if isinstance(x, type) else [x]:
                    for part in _parts(member):
                        names |= _identifiers(part)
    return frozenset(names)


def _parts(member: Any) -> tuple[Any, ...]:
    """Return the functions of a member of a class; other objects are not asked for anything."""
    if isinstance(member, property):
        return member.fget, member.fset
    return (member.__func__ if isinstance(member, (staticmethod, classmethod)) else member,)


def _identifiers(function: Any) -> set[str]:
    """Return what the code of a function names, and of the functions that it wraps."""
    names: set[str] = set()
    stack, met = [function], set()
    while stack:
        x = stack.pop()
        if not isinstance(x, FunctionType) or id(x) in met:
            continue
        met.add(id(x))
        for inner in nested(x.__code__):
            given = inner.co_varnames[: inner.co_argcount + inner.co_kwonlyargcount]
            names.update(inner.co_names, given, *map(_words, inner.co_consts))
        stack += [cell.cell_contents for cell in x.__closure__ or () if is_filled(cell)]
    return names
