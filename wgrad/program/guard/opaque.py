"""What Python cannot see into: which functions written in C ask for more than their arguments, and
which objects hide what they are.

A function of the interpreter, of NumPy or of the standard library is passed by when it is known to
do nothing but compute, or only to put something out. All others may answer otherwise at the next
call (a clock, a file, a queue), and so may objects of types that are not known here.
"""

from __future__ import annotations

import _thread
import array
import collections
import datetime
import decimal
import fractions
import functools
import io
import operator
import pathlib
import pickle
import random
import re
import struct
import sys
import types
import typing
import zoneinfo
from typing import Any

import numpy as np

# Modules of functions that only compute.
_PURE = frozenset({
    "builtins", "math", "cmath", "itertools", "_operator", "_functools", "_collections", "_abc",
    "_struct", "_bisect", "_heapq", "_statistics", "unicodedata", "binascii", "zlib", "_json",
    "_sre", "_codecs", "_string", "_typing", "_weakref", "_contextvars", "_datetime", "_warnings",
    "_ast", "_tokenize", "numpy",
})  # fmt: skip
_IMPURE = frozenset({
    "builtins.input", "builtins.open", "builtins.breakpoint", "builtins.compile",
    "numpy.fromfile", "_codecs.open", "_weakref.getweakrefcount", "_weakref.getweakrefs",
    "_contextvars.copy_context",
})  # fmt: skip
# What only puts something out, or does nothing that a replay would miss.
_HARMLESS = frozenset({
    "sys.intern", "sys.exc_info", "sys.is_finalizing", "sys.audit", "posix.fspath", "nt.fspath",
    "gc.collect", "time.sleep", "_thread.allocate_lock", "_thread.RLock", "_imp.lock_held",
    "_imp.acquire_lock", "_imp.release_lock",
})  # fmt: skip
_ASKS = frozenset({"now", "today", "utcnow"})  # of classes whose other methods only compute
_WRITES = frozenset({"write", "writelines", "flush", "__enter__", "__exit__", "release", "close"})
# Modules of the standard library, and of einops, that only compute, or put something out: what they
# do is their own.
QUIET = frozenset({
    "abc", "contextlib", "einops", "enum", "functools", "importlib", "logging", "re", "traceback",
    "typing", "types", "warnings", "weakref", "_weakrefset", "linecache", "tokenize",
})  # fmt: skip
FILES = ("importlib.metadata", "importlib.resources")  # modules of theirs that read those
# Functions in Python, by their packages, that tell of the process, and not of their arguments. In
# QUIET nothing else would be noticed, and what they look at lies out of sight elsewhere.
ASKING = frozenset({
    "linecache.getline", "linecache.getlines", "linecache.checkcache",
    "logging.getLevelName", "logging.getLevelNamesMapping", "logging.getHandlerByName",
    "logging.getHandlerNames", "logging.getLoggerClass", "logging.getLogRecordFactory",
    "logging.Logger.hasHandlers", "logging.Logger.getChildren",
    "multiprocessing.BaseProcess.name", "numpy.geterr", "numpy.geterrcall", "numpy.getbufsize",
    "numpy.get_printoptions", "threading.Thread.name", "threading.Thread.daemon",
    "tokenize.open", "traceback.extract_stack", "traceback.format_stack", "traceback.walk_stack",
})  # fmt: skip
# Of QUIET, what reads no attribute of a user's object unless the user's code calls it: drivers log,
# and caches let go of what is dead, in some traces and not in others.
HOUSEKEEPING = frozenset({
    "_weakrefset", "abc", "linecache", "logging", "tokenize", "traceback", "warnings", "weakref",
})  # fmt: skip

_LOCKS = (type(_thread.allocate_lock()), type(_thread.RLock()))
_Lookup: Any = functools.lru_cache(lambda: None)
CACHE = type(_Lookup)
# Builtin kinds whose methods work on what they hold, and which are watched or never change.
_WATCHED: Any = (
    int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, slice,
    memoryview, array.array, collections.deque, types.MappingProxyType, np.ndarray, np.generic,
    np.ufunc, np.dtype,
)  # fmt: skip
_WATCHED_MODULES = frozenset({"builtins", "collections", "array", "numpy", "itertools"})
# Kinds that never change, or of which only the identity counts.
_FIXED: Any = (
    types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.ClassMethodDescriptorType, types.GetSetDescriptorType,
    types.MemberDescriptorType, types.CodeType, types.GenericAlias, types.UnionType,
    types.NotImplementedType, typing.TypeVar, np.ufunc, np.dtype, re.Pattern, re.Match,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, zoneinfo.ZoneInfo,
    decimal.Decimal, operator.itemgetter, operator.attrgetter, operator.methodcaller,
    struct.Struct, BaseException, *_LOCKS,
)  # fmt: skip
_VALUES: Any = (
    datetime.date, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal,
    fractions.Fraction, pathlib.PurePath,
)  # fmt: skip
DICE: Any = (
    random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator,
    np.random.SeedSequence,
)  # fmt: skip


def verdict(function: Any) -> str | None:
    """Return what a function written in C is called if its answer may change; else None."""
    name, owner = function.__name__, function.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        module = getattr(owner, "__name__", None) or function.__module__ or ""
        full = f"{module}.{name}"
        if full in _HARMLESS or (module.partition(".")[0] in _PURE and full not in _IMPURE):
            return None if not module.startswith("numpy.random") else full
        return full
    if isinstance(owner, type):
        module = owner.__module__
        if name == "__new__" or (module.partition(".")[0] in _PURE and name not in _ASKS):
            return None
        if module in ("datetime", "decimal", "re", "weakref") and name not in _ASKS:
            return None
        return f"{module}.{owner.__qualname__}.{name}"
    kind = type(owner)
    full = f"{kind.__module__}.{kind.__qualname__}.{name}"
    if isinstance(owner, DICE):
        return full
    if name in vars(object):  # what every object has
        return None
    if isinstance(owner, (_WATCHED, _FIXED)) or kind.__module__ in _WATCHED_MODULES:
        # A lock says nothing about other threads unless it is asked.
        return full if isinstance(owner, _LOCKS) and name not in _WRITES else None
    if isinstance(owner, io.IOBase) or kind.__module__ == "_io":
        return None if name in _WRITES else full
    if kind.__module__ in ("_contextvars", "types", "functools", "weakref", "_struct", "_json"):
        return None
    return full


def state_of_dice(x: Any) -> Any:
    """Return what a generator of random numbers, NumPy's or the standard library's, is at now."""
    try:
        if isinstance(x, random.Random):
            return x.getstate()
        if isinstance(x, np.random.Generator):
            x = x.bit_generator
        elif isinstance(x, np.random.RandomState):
            return pickle.dumps(x.get_state(legacy=False))
        if isinstance(x, np.random.SeedSequence):
            return x.n_children_spawned
        return pickle.dumps(x.state)
    except (NotImplementedError, AttributeError):  # one without a state: what it draws is asked for
        return None


def global_dice() -> list[tuple[str, Any]]:
    """Return the generators that `random` and `numpy.random` draw from."""
    dice: list[tuple[str, Any]] = [("random", random._inst)]
    mtrand = sys.modules.get("numpy.random.mtrand")
    if mtrand is not None:
        dice.append(("numpy.random", mtrand._rand))
    return dice


def is_spent(x: Any) -> bool:
    """Whether an object is an iterator whose place Python cannot see, but not a file to write."""
    step = getattr(type(x), "__next__", None)
    if step is None or isinstance(step, types.FunctionType):
        return False
    try:
        return not isinstance(x, io.IOBase) or x.readable()
    except ValueError:  # it is closed
        return False


def is_fixed(x: Any) -> bool:
    """Whether an object never changes, or is nothing but its identity."""
    return isinstance(x, (_FIXED, types.ModuleType)) or not hides(type(x))  # type: ignore[arg-type]


@functools.lru_cache(maxsize=4096)
def hides(kind: type) -> bool:
    """Whether objects of a type hold more, in C, than their attributes, slots and items.

    A type adds a pointer for each slot, for its `__dict__` and for weak references; what it adds
    besides is its own. (Base objects are a counter and a type.)
    """
    for cls in kind.__mro__[:-1]:
        base = cls.__base__ or object
        members = [x for x in vars(cls).values() if type(x) is types.MemberDescriptorType]
        extras = len(members) + ("__dict__" in vars(cls)) + ("__weakref__" in vars(cls))
        if cls.__basicsize__ - base.__basicsize__ > extras * struct.calcsize("P"):
            return cls not in _WATCHED
    return False


def value_of(x: Any) -> Any:
    """Return a key that equal dates, durations, fractions, paths share; None for others."""
    return repr(x) if isinstance(x, _VALUES) else None
