"""Objects that only lead to others: methods, partial functions, views, cells."""

from __future__ import annotations

import contextvars
import functools
import types
from typing import Any

from .identity import Identities, cell_contents, context, is_filled

_VIEWS: Any = tuple(type(f({})) for f in (dict.keys, dict.values, dict.items))


def parts_of(x: Any, same: Identities) -> list[tuple[str, Any]] | None:
    """Return what an object leads to, by what it is called; None where it is more than that.

    Where that may change, `same` is told.
    """
    if isinstance(x, contextvars.ContextVar):
        same.attributes.append((context, x, context(x)))
        return [("", v) for v in context(x)]
    if isinstance(x, _VIEWS):
        return [("", x.mapping)]
    if isinstance(x, types.MethodType):
        return [(": self", x.__self__), ("", x.__func__)]
    if isinstance(x, (types.BuiltinFunctionType, types.MethodWrapperType)):
        owner = getattr(x, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return None
        return [(".__name__", x.__name__), ("", owner)]
    if isinstance(x, functools.partial):
        return [(".func", x.func), (".args", x.args), (".keywords", x.keywords)]
    if isinstance(x, (staticmethod, classmethod)):
        return [("", x.__func__)]
    if isinstance(x, property):
        return [("", x.fget), (".setter", x.fset), (".deleter", x.fdel)]
    if isinstance(x, types.CellType):
        same.values.append((is_filled, x, is_filled(x)))
        if not is_filled(x):
            return []
        same.names.append((cell_contents, (x,), (x.cell_contents,)))
        return [("", x.cell_contents)]
    if isinstance(x, memoryview):
        return [("", x.obj)]
    return None
