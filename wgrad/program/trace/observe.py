"""What a function does in Python while it is traced: which code runs, and what it asks of others.

An `Observer` is told of every call by `sys.setprofile`. It writes down the user's code that runs
(and the standard library's on the user's behalf), so that exactly what that code names is watched,
and the first call of a function whose answer may be another next time. Calls that wgrad makes, and
modules that only compute, are passed by.
"""

from __future__ import annotations

import logging
import sys
from _lsprof import Profiler  # what cProfile is, in C
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FrameType, ModuleType
from typing import Any, cast

from ...core import place
from ...origin import DRIVING
from ..guard.opaque import ASKING, FILES, HOUSEKEEPING, QUIET, verdict
from .collecting import rest, work
from .names import BY_STRING, asks_for_a_constant, names_in, words_of
from .tree import is_closed

_OURS, _QUIET, _LIBRARY, _USER = range(4)
_OURS_TOO = frozenset({"wgrad", *DRIVING})  # constants are uploaded in the middle of a trace
_GET_LOGGER = logging.Manager.getLogger.__code__
_GET_ROOT = logging.getLogger.__code__
_WHOLE_OBJECT = frozenset({"vars", "dir", "__reduce_ex__", "__reduce__", "__getstate__", "__dir__"})


class Observation:
    """What ran in some calls: code by its id, with the globals it saw.

    `names` are all attributes that it may touch, unless it `reflects`; of the namespaces in
    `whole` (by id) any name may have been read. `searched` says whether a module looked for its
    members: 1 for parameters and modules, 2 for buffers as well. `loggers` are the names of those
    that were asked for by name.
    """

    def __init__(self) -> None:
        self.codes: dict[int, tuple[CodeType, dict]] = {}
        self.names: frozenset[str] = frozenset()
        self.whole: dict[int, dict] = {}
        self.reflects = False
        self.searched = 0
        self.loggers: frozenset[str] = frozenset()

    def joined(self, other: Observation) -> Observation:
        """Return what ran in either; self where the other has nothing new."""
        made, has_more = Observation(), False
        for name, mine in vars(self).items():
            theirs = getattr(other, name)
            is_level = isinstance(mine, int)  # or a truth; all others are sets, or dicts by id
            both = max(mine, theirs) if is_level else mine | theirs
            has_more = has_more or (both > mine if is_level else len(both) > len(mine))
            setattr(made, name, both)
        return made if has_more else self


def _package_of(frame: FrameType) -> str:
    """Return the name of the package whose code runs in a frame, "" where it has none."""
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""


class Observer:
    """Observes what this thread calls in its `with` block; then `seen` has it."""

    def __init__(self) -> None:
        self.seen = Observation()
        self.refusal: str | None = None  # the first call whose answer may change, and where
        self._roles: dict[int, int] = {}  # of namespaces, by id
        self._alive: list[dict] = []
        self._ours: set[int] = set()
        self._passed: dict[int, Any] = {}  # functions that only compute
        self._words: set[str] = set()
        self._quiet: dict[int, CodeType] = {}  # which may read attributes, too
        self._import: FrameType | None = None  # a module's body runs, in this frame

    def __enter__(self) -> Observer:
        rest()
        self._before = cast(Any, sys.getprofile())
        if isinstance(self._before, Profiler):
            self._before.disable()
        sys.setprofile(self._listener())
        return self

    def __exit__(self, *exc: object) -> None:
        if isinstance(self._before, Profiler):
            sys.setprofile(None)
            self._before.enable()
        else:
            sys.setprofile(self._before)
        work()
        names = [names_in(code) for code, _ in self.seen.codes.values()]
        quiet = [code.co_names for code in self._quiet.values()]
        named = (x.attributes for x in names)
        self.seen.names = self.seen.names.union(self._words, *named, *quiet)
        self.seen.reflects = self.seen.reflects or any(x.reflects for x in names)

    def _listener(self) -> Callable[[FrameType, str, Any], None]:
        """Return what is told of every call and return: nearly all are ours, and passed by."""
        ours, passed = self._ours, self._passed

        def heard(frame: FrameType, event: str, arg: Any) -> None:
            if id(frame.f_globals) in ours:
                return
            if self._import is not None:
                if frame is self._import and event == "return":
                    self._import = None
            elif event == "call":
                self._entered(frame)
            elif event == "c_call" and id(arg) not in passed:
                if isinstance(arg, BuiltinFunctionType):  # others are told as calls of their own
                    self._called(frame, arg)

        return heard

    def _role(self, frame: FrameType) -> int:
        names = frame.f_globals
        role = self._roles.get(id(names))
        if role is None:
            name, top = names.get("__name__"), _package_of(frame)
            if top in _OURS_TOO:
                role = _OURS
            elif top in QUIET and not str(name).startswith(FILES):
                role = _QUIET
            else:
                role = _LIBRARY if isinstance(name, str) and is_closed(name) else _USER
            self._roles[id(names)] = role
            self._alive.append(names)
            if role == _OURS:
                self._ours.add(id(names))
        return role

    def _is_the_users(self, frame: FrameType | None, *through: int) -> bool:
        """Whether a frame is the user's, or the first beyond frames of other roles is."""
        while frame is not None and self._role(frame) in through:
            frame = frame.f_back
        return frame is not None and self._role(frame) == _USER

    def _entered(self, frame: FrameType) -> None:
        code = frame.f_code
        if id(code) in self.seen.codes:
            return
        role = self._role(frame)
        if role == _OURS:
            return
        if role != _USER and frame.f_back is not None and self._role(frame.f_back) == _USER:
            self._asked(frame, code)
        if code is _GET_LOGGER and self._is_the_users(frame.f_back, _QUIET, _LIBRARY):
            self.seen.loggers |= {frame.f_locals["name"]}
        if role == _QUIET and (
            _package_of(frame) not in HOUSEKEEPING
            or self._is_the_users(frame.f_back, _QUIET, _LIBRARY)
        ):
            self._quiet[id(code)] = code
        if not self._is_the_users(frame, _LIBRARY):
            return
        if code.co_name == "<module>" and self._role(frame.f_back or frame) == _QUIET:
            self._import = frame
            return
        self.seen.codes[id(code)] = code, frame.f_globals

    def _called(self, frame: FrameType, function: Any) -> None:
        if not self._is_the_users(frame, _LIBRARY):
            return
        name, owner = function.__name__, function.__self__
        if type(owner) is str:
            if name in ("format", "format_map"):
                self._words.update(words_of(owner))
            return
        if name == "globals":
            self.seen.whole[id(frame.f_globals)] = frame.f_globals
        elif name in BY_STRING:
            if not asks_for_a_constant(frame.f_code, frame.f_lasti):
                self.seen.reflects = True
        elif name in _WHOLE_OBJECT:
            self.seen.reflects = True
        else:
            self._judge(frame, function)

    def _judge(self, frame: FrameType, function: Any) -> None:
        asked = verdict(function)
        if asked is None:
            if isinstance(function.__self__, ModuleType):  # a method is another object each time
                self._passed[id(function)] = function
        else:
            self._refuse(frame, asked)

    def _asked(self, frame: FrameType, code: CodeType) -> None:
        """Notice a function in Python, called by the user's code, that tells of the process."""
        name = f"{_package_of(frame)}.{code.co_qualname}"
        if code is _GET_ROOT and not frame.f_locals["name"]:
            self.seen.loggers |= {logging.root.name}
        elif name in ASKING and frame.f_back is not None:
            self._refuse(frame.f_back, name)

    def _refuse(self, frame: FrameType, asked: str) -> None:
        """Remember the first call whose answer may change, and who makes it."""
        if self.refusal is None:
            caller, by = frame, ""
            while caller.f_back is not None and self._role(caller) == _LIBRARY:
                by = caller.f_code.co_qualname
                caller = caller.f_back
            what = f"{by}, which calls {asked}," if by else asked
            where = place((caller.f_code, caller.f_lasti))
            self.refusal = f"it calls {what} at {where}: the answer may be another at each call"
