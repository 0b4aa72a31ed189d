"""The net: foreign exceptions that leave our code become errors of wgrad.

A check that knows its argument says more, and comes first. What slips through all of them ends
here: the exception is chained, so that its traceback shows the place, and the sentence says which
function was called, what with, and how it may be called. Not caught are exceptions that code of the
user's raised, wherever we called it, and those that no argument causes (a failed assertion, an
unknown name): those are bugs of ours, and look like them.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any

from ..errors import ArgumentError, CallError, IndexRangeError, OutOfMemoryError, WgradError, shown
from ..origin import DRIVING

# What an argument of the wrong kind or size may cause.
CAUGHT = (
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    BufferError,
    MemoryError,
)
_LIBRARIES = ("numpy", *DRIVING)  # called by our code alone, so it is ours to answer for
_STANDARD = os.path.dirname(os.__file__)
_DEEP = 200  # frames of our own code, from which an exhausted stack is our argument's doing

# What an object is asked for by Python or NumPy when it is an argument of ours.
_SAID = frozenset(
    {"__array__", "__array_interface__", "__array_struct__", "__dlpack__", "__dlpack_device__"}
    | {"__index__", "__int__", "__float__", "__complex__", "__bool__", "__len__", "__contains__"}
    | {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__format__"}
    | {"__getattr__", "__getattribute__", "__repr__", "__torch_function__", "__fspath__"}
)

_LOOKUPS = ("__getattr__", "unknown")  # of ours, which answer whoever looks a name up
_MISFIT = re.compile(r"[\w.<>]+\(\) (missing|takes|got) ")

# What PyTorch's users call arguments, for a hint.
OTHER_NAMES = {
    "unbiased": "correction",
    "ddof": "correction",
    "a_min": "min",
    "a_max": "max",
    "tensors": "arrays",
    "input": "x",
    "learning_rate": "lr",
    "num_classes": "classes",
    "size": "shape",
    "map_location": "device",
}


def translated(
    error: Exception, name: str, function: Callable, args: tuple, kwargs: Mapping[str, Any]
) -> Exception | None:
    """Return the error of ours for one that came out of `function`; None to let it pass."""
    if isinstance(error, (WgradError, NotImplementedError)):
        return None
    frames = _frames(error.__traceback__)
    if not _is_ours(frames):
        return None
    if isinstance(error, RecursionError) and len(frames) < _DEEP:
        return None  # the stack was used up by whoever called us
    text = " ".join(str(error).split())
    reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"{name}: there is no room for it ({_cut(reason)})")
    call = _call(name, function)
    called = function, inspect.unwrap(function)
    names = [getattr(f, n, "") for f in called for n in ("__name__", "__qualname__")]
    itself = text.startswith(tuple(f"{n}() " for n in names))
    if not itself and isinstance(error, TypeError) and _MISFIT.match(text):
        # A function of the user's, which no frame of its own shows: it was not entered.
        return CallError(f"{name}: a function that it calls takes other arguments ({_cut(text)})")
    if itself and hasattr(function, "__signature__"):  # what it wraps takes more
        text = _misfit(function, args, kwargs)
    if len(frames) == 1 or (isinstance(error, TypeError) and itself):  # the call itself failed
        return CallError(f"{name}: {_unfit(function, kwargs, text)}; {call} is its call")
    came = _came(function, args, kwargs)
    kind: type[WgradError] = ArgumentError
    if isinstance(error, (TypeError, AttributeError)):
        kind = CallError
    elif isinstance(error, IndexError) and function.__name__ == "__getitem__":
        kind = IndexRangeError  # by which Python's iteration over places knows the end
    return kind(f"{name}: {came} came, which {call} cannot work with ({_cut(reason)})")


def _frames(traceback: TracebackType | None) -> list[FrameType]:
    """Return the frames that an exception passed through, the door's first."""
    frames = []
    while traceback is not None:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


def outside(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback, unless it is all our own code's: then None.

    What is wrong stands in a shader, and no line of Python that led there says more of it.
    """
    theirs = [f for f in _frames(traceback) if _package(f) not in ("wgrad", *_LIBRARIES)]
    return traceback if any(not _is_standard(f) for f in theirs) else None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_standard(frame: FrameType) -> bool:
    """Whether a frame is of Python's own library."""
    path = frame.f_code.co_filename
    return (path.startswith(_STANDARD) and "site-packages" not in path) or path.startswith("<froz")


def _is_ours(frames: list[FrameType]) -> bool:
    """Whether our code raised, or a library that it called, or what an argument says of itself.

    The last is a method such as `__array__` or `__index__`, which nobody calls by its name.
    """
    theirs: FrameType | None = None  # the outermost frame of the user's beneath our innermost one
    for frame in reversed(frames):
        package = _package(frame)
        if package == "wgrad" and frame is frames[-1] and frame.f_code.co_name in _LOOKUPS:
            continue
        if package == "wgrad":
            return theirs is None or theirs.f_code.co_name in _SAID
        if package not in _LIBRARIES and not _is_standard(frame):
            theirs = frame
    return False


def _cut(text: str, most: int = 120) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _call(name: str, function: Callable) -> str:
    """Return how a function may be called, without annotations."""
    try:
        parameters = [
            p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()
        ]
    except (TypeError, ValueError):
        return name
    if parameters and parameters[0].name == "self":
        del parameters[0]
    text = str(inspect.Signature(parameters)).replace("<class 'float'>", "float")
    return f"{name.rpartition('.')[2]}{_cut(text)}"


def _misfit(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> str:
    """Return in Python's words what does not fit a signature."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return ""


def _unfit(function: Callable, kwargs: Mapping[str, Any], text: str) -> str:
    """Return what is wrong with a call that does not fit a signature."""
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return text
    for given in kwargs:
        if given not in known:
            hint = OTHER_NAMES.get(given)
            more = f" ({hint} is its name here)" if hint in known else ""
            return f"{given}={shown(kwargs[given])} came, and no argument has that name{more}"
    return _cut(text.partition("() ")[2] or text)


def _came(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> str:
    """Return what came, by name, without the object of a method."""
    try:
        bound = inspect.signature(function).bind_partial(*args, **kwargs).arguments
        parts = [f"{k}={shown(v)}" for k, v in bound.items() if k != "self"]
    except (TypeError, ValueError):
        parts = [shown(x) for x in args] + [f"{k}={shown(v)}" for k, v in kwargs.items()]
    return _cut(", ".join(parts)) or "nothing"
