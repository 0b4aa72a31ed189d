"""The front door: what stands around every public function and method, once.

It checks what can be told from a parameter's annotation alone, whatever the function is: that flags
are True or False, and that numbers are numbers. What PyTorch calls otherwise (`dim`, `keepdim`) it
hands on by our name. It costs one call, and looks at named arguments
only; what a function must look at itself it does inside, where it knows more. Exceptions that come
out go through the net. Functions that we call ourselves have no door.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from ..errors import ShaderError, WgradError
from .arguments import checked_flag, number, respelled, spellings
from .arguments import function as called_back
from .net import CAUGHT, outside, translated

Check = Callable[[Any, str, str], Any]
_doors: dict[Any, Any] = {}  # one for each function and name, in however many places it is public


def _optional(check: Check) -> Check:
    return lambda value, where, name: None if value is None else check(value, where, name)


CHECKS: dict[str, Check] = {
    "bool": checked_flag,
    "bool | None": _optional(checked_flag),
    "float": number,
    "float | None": _optional(number),
    "bool | int | float": number,
    "Callable": called_back,
    "Callable | None": _optional(called_back),
}
_INNERMOST = re.compile(r"\[[^\[\]]*\]")


def _kind(note: Any) -> str:
    """Return an annotation without what stands in brackets: a Callable is one of any kind."""
    text, before = str(note), ""
    while text != before:
        text, before = _INNERMOST.sub("", text), text
    return text


def guarded(function: Any, name: str | Callable[[Any], str] = "", module: str = "") -> Any:
    """Return a function with a door.

    `name` is what messages call it, or a function that tells it from the first argument; `module`
    is where it is found by its name, if that is not where it was written.
    """
    signature = getattr(function, "__signature__", None)
    if signature is not None:
        known = tuple(signature.parameters)
        by_place = len(known)
    else:
        code = inspect.unwrap(function).__code__  # a decorator takes *args
        known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        by_place = code.co_argcount
    notes = function.__annotations__
    kinds = {p: _kind(notes.get(p, "")) for p in known}
    checks = {p: CHECKS[kind] for p, kind in kinds.items() if kind in CHECKS}
    places = [(i, p) for i, p in enumerate(known[:by_place]) if p in checks]
    first = places[0][0] if places else by_place + 1000  # no argument has that place
    itself = function.__name__  # what it calls itself, which is another name for an alias
    called = name or itself
    others = spellings(known)

    def door(*args: Any, **kwargs: Any) -> Any:
        try:
            if kwargs and others and not others.keys().isdisjoint(kwargs):
                kwargs = respelled(kwargs, others, _name(called, args))
            if checks and (kwargs or len(args) > first):
                args = _checked(called, checks, places, args, kwargs)
            return function(*args, **kwargs)
        except ShaderError as error:
            raise error.with_traceback(outside(error.__traceback__)) from error.__cause__
        except WgradError as error:
            if called != itself:
                _rename(error, itself, _name(called, args))
            raise
        except CAUGHT as error:
            ours = translated(error, _name(called, args), function, args, kwargs)
            if ours is None:
                raise
            raise ours from error

    functools.update_wrapper(door, function)
    if module:
        door.__module__, door.__qualname__ = module, function.__name__
    return door


_DOOR = guarded(_kind).__code__


def is_door(function: FunctionType) -> bool:
    """Whether a function is a door, which has no state but the function behind it."""
    return function.__code__ is _DOOR


def _rename(error: Exception, itself: str, name: str) -> None:
    """Let an error of a function speak of it by the name that it was called by."""
    text = str(error)
    if text.startswith(f"{itself}:"):
        error.args = (name + text[len(itself) :], *error.args[1:])


def _name(called: str | Callable[[Any], str], args: tuple) -> str:
    if isinstance(called, str):
        return called
    return called(args[0]) if args else "wgrad"


def _checked(
    called: str | Callable[[Any], str],
    checks: Mapping[str, Check],
    places: Iterable[tuple[int, str]],
    args: tuple,
    kwargs: dict[str, Any],
) -> tuple:
    """Return positional arguments checked; named ones are replaced in `kwargs`."""
    for name in kwargs:
        if name in checks:
            kwargs[name] = checks[name](kwargs[name], _name(called, args), name)
    for i, name in places:
        if i < len(args):
            value = checks[name](args[i], _name(called, args), name)
            args = (*args[:i], value, *args[i + 1 :])
    return args


def hang(*modules: ModuleType) -> None:
    """Put a door around every public function of these modules, and every method of their classes.

    Public is what `__all__` names. Only what is wgrad's own; an op has its door built in. A class's
    methods are those it has from our classes, with the special ones that take any arguments. What
    is public under several names has a door for each, so that its errors say the one it went by.
    """
    for module in modules:
        for name in module.__all__:
            value = getattr(module, name)
            if not str(getattr(value, "__module__", "")).startswith("wgrad"):
                continue
            if isinstance(value, FunctionType):
                if (value, name) not in _doors:
                    door = guarded(value, name, module.__name__)
                    door.__name__ = door.__qualname__ = name
                    _doors[value, name] = _doors[door, name] = door
                setattr(module, name, _doors[value, name])
            elif hasattr(value, "renamed"):
                setattr(module, name, _op(value, name))
            elif inspect.isclass(value) and not issubclass(value, BaseException):
                hang_on_class(value)


# Special methods that get a door: those that take arguments of any kind. The other operators are
# ops, which have their own.
_SPECIAL = frozenset(
    {"__init__", "__new__", "__getitem__", "__setitem__", "__delitem__", "__pow__", "__rpow__"}
    | {"__array__", "__array_namespace__", "__dlpack__", "__dlpack_device__"}
    | {"__matmul__", "__rmatmul__", "__ipow__", "__imatmul__", "__format__"}
)


def hang_on_class(cls: type, *special: str) -> None:
    """Put a door around the public methods of a class and of those of ours that it is made of.

    `special` names further methods. What a class has of the core stays as it is, for whatever
    makes a tensor calls it.
    """
    for base in cls.__mro__:
        module = base.__module__
        inner = base is not cls and module.startswith("wgrad.core.")
        if base in _doors or not module.startswith("wgrad") or inner:
            continue
        _doors[base] = base
        if issubclass(base, tuple):
            continue  # a named tuple of results
        for name, member in list(vars(base).items()):
            if name.startswith("_") and name not in _SPECIAL and name not in special:
                continue
            if isinstance(member, property) and member.fset is not None:
                where = f"{base.__name__}.{name}"
                setattr(base, name, member.setter(guarded(member.fset, where)))
            elif isinstance(member, FunctionType) and not inspect.isgeneratorfunction(member):
                setattr(base, name, guarded(member, _caller(base, name)))
            elif hasattr(member, "renamed"):
                setattr(base, name, _op(member, name))
            elif isinstance(member, (staticmethod, classmethod)) and isinstance(
                member.__func__, FunctionType
            ):
                # Its first argument is no object of the class; a function kept there has its name.
                kind, plain = type(member), member.__func__
                called = f"{cls.__name__}.{name}" if plain.__name__ == name else plain.__name__
                setattr(base, name, kind(guarded(plain, called)))


def _op(op: Any, name: str) -> Any:
    """Return an op under a name, the same one wherever that is."""
    if op.name == name:
        return op
    return _doors.setdefault((op, name), op.renamed(name))


def _caller(cls: type, name: str) -> Any:
    """Return what messages call a method of a class."""
    if name in ("__init__", "forward", "__call__"):
        return lambda x: type(x).__name__
    if name == "__new__":
        return cls.__name__
    if cls.__module__.startswith("wgrad.tensor"):
        special = {"__getitem__": "indexing", "__setitem__": "assign"}
        return special.get(name, name.strip("_") if name.startswith("_") else name)
    return lambda x: f"{type(x).__name__}.{name}"
