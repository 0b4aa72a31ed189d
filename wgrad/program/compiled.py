"""Compiled: what `compile` returns, which finds the program for a call or has one made."""

from __future__ import annotations

import copy
import functools
import itertools
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from .. import forking, tape
from ..backends.events import WATCHERS, held
from ..backends.tracing import tracing
from ..backends.webgpu.launches import Launches
from ..core import interpreters
from ..devices import default_device
from ..errors import ArgumentError
from ..interrupts import interrupts_wait, is_between
from ..origin import warn
from ..tensor import Tensor
from .diagnose.explain import Explanation, explain
from .guard.policy import Call, Function, Policy
from .guard.watched import Watched
from .ir import Program
from .run.executors import Executors
from .run.replay import Replay
from .signatures import LIMIT, LastCall, Signature, Signatures, pattern_of, signature_of
from .trace.floats import FloatArguments, Floats
from .trace.tree import take_apart

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """What `compile` returns: call it like the function.

    >>> f = wg.compile(lambda x: wg.tanh(x) * 2 + 1)
    >>> f(wg.zeros(3)), f(wg.ones(5)).shape
    (tensor([1., 1., 1.]), (5,))
    >>> len(f.programs)  # one for each shape
    2
    """

    def __init__(
        self,
        function: Callable,
        fuse: bool,
        freeze: Iterable[Tensor] = (),
        policy: Callable[[Function], Policy] = Watched,
    ):
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._fuse = fuse
        self._freeze = tuple(freeze)
        self._made_by = policy
        self._clear()

    def _clear(self) -> None:
        self._signatures = Signatures(self._name)
        self._executors = Executors(self._fuse, LIMIT)
        self._policy = self._made_by(
            Function(self._function, self._name, self._freeze, self._signatures, self._executors)
        )
        self._floats = FloatArguments()
        self._last: LastCall | None = None
        self._told = False
        self._lock = threading.RLock()
        forking.register(self, "_lock", order=0, forget=Compiled._clear)

    # Calling it.
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        asked = interpreters()
        if tracing() is not None or is_between() or not all([i.compiles for i in asked]):
            # Inside another compiled function, in the handler of a signal that came in the midst of
            # a trace, or where something follows every operation (forward mode, vmap).
            return self._function(*args, **kwargs)
        leaves: list[Tensor] = []
        objects: list[Any] = []
        key: Any = None
        floats: Floats | None = None
        last = self._last
        signature: Signature | None = None
        if last is not None and not kwargs and last.was_like(args):
            leaves, signature = [*args], last.signature  # type: ignore[list-item]  # as below
        elif not kwargs and all([type(x) is Tensor for x in args]):
            leaves, key = [*args], len(args)  # type: ignore[list-item]  # they are
        else:
            key = take_apart((args, kwargs), leaves, objects)
            floats = self._floats.of(args, kwargs, key)
            if floats is not None:
                key = floats.key
        if signature is None and tape.passes_through(leaves):
            self._tell_of_gradients()
            return self._function(*args, **kwargs)
        signatures = self._signatures
        with self._lock:
            declared = self._policy.key(objects)
            if signature is None or last is None or declared != last.declared:
                plain = not objects and not kwargs
                key = self._key(len(args) if key is None else key, declared, leaves)
                signature = signatures.get(key)
                if signature is None:
                    signature = signatures.add(key, objects)
                self._last = LastCall.of(key, signature, leaves) if plain else None
            else:
                key = last.key
            if floats is not None:
                floats.enter()
            captures = signature.captures
            if floats is not None and floats.fail():
                captures = []
            # What runs uncompiled runs outside the lock: it may wait for other threads.
            for i, capture in enumerate(captures):
                if capture.fits(leaves):
                    if i:
                        signature.captures.insert(0, signature.captures.pop(i))
                    if not capture.values_fit(leaves):
                        break  # the function itself raises what there is to raise
                    signatures.traced = 0
                    with interrupts_wait():
                        if not WATCHERS:
                            return capture.run(leaves)
                        with held() as release:  # observers may run programs that share memory
                            replayed = capture.run(leaves)
                        release()
                        return replayed
            else:
                if not signature.is_plain:
                    try:
                        ran = self._policy.trace(
                            signature, Call(key, args, kwargs, leaves, objects, floats)
                        )
                    except BaseException:
                        if not signature.captures and not signature.pending:
                            signatures.forget(key)  # calls that fail leave nothing behind
                        raise
                    if not (signature.captures or signature.pending or signature.is_plain):
                        signatures.forget(key)
                    if ran is not None:
                        return ran[0]
        return self._function(*args, **kwargs)

    def _key(self, arguments: Any, declared: Any, leaves: list[Tensor]) -> Any:
        """Return what calls share that are alike, of which the first two are parts."""
        modes = tape.is_recording(), interpreters()
        alike = *map(signature_of, leaves), pattern_of(leaves)
        return arguments, declared, modes, default_device(), *alike

    def __getattr__(self, name: str) -> Any:
        """Find what is compiled to have, the parameters and the mode of a module for instance."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._function, name)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def _tell_of_gradients(self) -> None:
        if not self._told:
            self._told = True
            warn(
                f"compile: {self._name} runs uncompiled where gradients pass through it, with the "
                "right results but no faster: compile the function that takes the gradient or "
                "calls backward(), or pass detach()ed tensors"
            )

    @property
    def _name(self) -> str:
        return getattr(self._function, "__qualname__", type(self._function).__name__)

    # What was captured.
    @property
    def programs(self) -> list[Program]:
        """The programs traced so far, in the order of their signatures."""
        return [r.program for s in self._signatures.values() for r in s.replays()]

    @property
    def program(self) -> Program:
        """The program traced last. Raises: ArgumentError before the first call."""
        return self._captured("program").program

    def explain(self) -> Explanation:
        """Return what the program traced last does, kernel by kernel: print it.

        Raises: ArgumentError before the first call, and for a function that runs nothing.
        """
        executor = self._executor("explain")
        return explain(executor, self._executors.history(executor), executor.device)

    def wgsl(self) -> str:
        """Return the kernels of the program traced last.

        Raises: ArgumentError before the first call, and where no kernels were made.
        """
        return self._made("wgsl", "it runs on WebGPU, fused")()

    def launches(self) -> Launches:
        """Return all that one run of the program traced last does on a GPU, as plain data.

        `step.launches().to_json()` writes it down, for a bug report or to be run elsewhere:
        kernels, bindings, numbers, workgroups and memory. Raises: as `wgsl`.
        """
        return self._made("launches", "it runs on WebGPU, fused")

    def source(self) -> str:
        """Return the Python source that the program traced last became, on the NumPy device.

        Raises: ArgumentError before the first call, and where none was made.
        """
        return self._made("source", "it runs on NumPy, fused")

    def _none(self, what: str, why: str) -> ArgumentError:
        return ArgumentError(f"compile: {what} of {self._name} was asked for, {why}")

    def _captured(self, what: str) -> Replay:
        if self._signatures.newest is None:
            raise self._none(what, "and it has to be called first")
        return self._signatures.newest

    def _executor(self, what: str) -> Any:
        executor = self._captured(what).executor
        if executor is None:
            raise self._none(what, "and it runs nothing on a device")
        return executor

    def _made(self, what: str, needed: str) -> Any:
        executor = self._executor(what)
        if not hasattr(executor, what):
            runs = f"it runs on {executor.device.name}, {type(executor).__name__}"
            raise self._none(what, f"which there is when {needed}; {runs}")
        return getattr(executor, what)

    # Copies: the function, and none of the captures.
    def __deepcopy__(self, memo: dict) -> Compiled:
        policy = copy.deepcopy(self._made_by, memo)
        return Compiled(copy.deepcopy(self._function, memo), self._fuse, self._freeze, policy)

    def __reduce__(self) -> Any:
        named: Any = sys.modules.get(getattr(self, "__module__", ""))
        for part in getattr(self, "__qualname__", "").split("."):
            named = getattr(named, part, None)
        if named is self:
            return self.__qualname__  # pickled by name, as functions are
        return Compiled, (self._function, self._fuse, self._freeze, self._made_by)

    def __repr__(self) -> str:
        return f"<compiled {self._name}>"


def in_turn(step: Compiled[..., R], calls: Sequence[list[Tensor]]) -> R:
    """Call `step` with each of these tensors, one call after the other; return the last result.

    What calls rest on besides their arguments is looked at once for many of them, as no other code
    runs in between, and the handlers of signals wait until they are done.
    """
    done = 0
    while done < len(calls):
        last = step(*calls[done])
        done += 1
        if done + 1 < len(calls):
            count, last = _replayed(step, calls[done:], last)
            done += count
    return last


def _replayed(step: Compiled, calls: Sequence[list[Tensor]], last: Any) -> tuple[int, Any]:
    """Replay one program for the first of these calls, as many as it fits.

    Return how many these are, and the last result (`last` before there is one).
    """
    done = 0

    def keyed(leaves: list[Tensor]) -> Any:
        return step._key(len(leaves), step._policy.key([]), leaves)

    if tracing() is not None or is_between() or WATCHERS or interpreters():
        return done, last
    with step._lock, interrupts_wait():
        key = keyed(calls[0])
        signature = step._signatures.get(key)
        if signature is None or not signature.captures:
            return done, last
        replay = signature.captures[0]
        alike = [*map(signature_of, calls[0])], pattern_of(calls[0])

        def fitting() -> Iterator[list[Tensor]]:
            nonlocal done
            for leaves in calls:
                if (
                    tape.passes_through(leaves)
                    or ([*map(signature_of, leaves)], pattern_of(leaves)) != alike
                    or not replay.fits(leaves)
                    or not replay.values_fit(leaves)
                ):
                    break
                yield leaves
                done += 1
                if replay.calls_back and keyed(leaves) != key:
                    break

        if (first := next(fits := fitting(), None)) is not None:
            last = replay.run_each(itertools.chain([first], fits))
    return done, last
