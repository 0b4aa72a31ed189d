"""compile: a function that is traced once per signature and replayed afterwards."""

from __future__ import annotations

import copy
import functools
import gc
import sys
import threading
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import Any, Generic, ParamSpec, TypeVar, overload

from .. import forking, tape
from ..backends.events import WATCHERS, held
from ..backends.tracing import tracing
from ..core import interpreters
from ..devices import default_device
from ..errors import ArgumentError
from ..interrupts import interruptible, interrupts_wait, is_between, whole
from ..origin import warn
from ..tensor import Tensor
from .build import Executor, History, build
from .capture import Capture
from .collecting import uncollected
from .explain import Explanation, explain
from .finish import program_account
from .floats import FloatArguments, Floats
from .ir import Program
from .names import names_in
from .observe import Observation
from .tree import take_apart
from .watch import TooMuchError, Watch

LIMIT = 16  # captures of one function; more say that something changes from call to call
PLAIN = 256  # signatures left uncompiled that are remembered
PATIENCE = 4  # traces of one signature in a row that differ, before it is left uncompiled


class Signature:
    """What calls with like arguments share: their captures, confirmed or waiting to be."""

    def __init__(self) -> None:
        self.captures: list[Capture] = []  # the one used last comes first
        self.pending: list[Capture] = []
        self.disagreements = 0
        self.surprises = 0  # traces in a row that ran code which no trace had run before
        self.is_plain = False


P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """What `compile` returns: call it like the function."""

    def __init__(self, function: Callable, fuse: bool, freeze: Iterable[Tensor] = ()):
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._fuse = fuse
        self._freeze = tuple(freeze)
        self._clear()

    def _clear(self) -> None:
        self._signatures: OrderedDict[Any, Signature] = OrderedDict()
        self._executors: OrderedDict[Any, Executor] = OrderedDict()
        self._histories: weakref.WeakKeyDictionary[Executor, History] = weakref.WeakKeyDictionary()
        self._objects: dict[int, Any] = {}  # static arguments by id: weak references, or themselves
        self._newest: Capture | None = None
        self._floats = FloatArguments()
        self._ran = Observation()  # what any trace so far ran
        self._too_much = ""
        self._traced = 0  # calls in a row that were traced
        self._warned = False
        self._told = False
        self._reason = "the arguments change"
        self._lock = threading.RLock()
        forking.register(self, "_lock", order=0, forget=Compiled._clear)

    # Calling it.
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if tracing() is not None or is_between() or interpreters():
            # Inside another compiled function, in the handler of a signal that came in the midst of
            # a trace, or where every operation is asked about (forward mode, vmap).
            return self._function(*args, **kwargs)
        leaves: list[Tensor] = []
        objects: list[Any] = []
        key: Any
        floats: Floats | None = None
        if not kwargs and all([type(x) is Tensor for x in args]):
            leaves, key = [*args], len(args)  # type: ignore[list-item]  # they are
        else:
            key = take_apart((args, kwargs), leaves, objects)
            floats = self._floats.of(args, kwargs, key)
            if floats is not None:
                key = floats.key
        if tape.passes_through(leaves):
            self._tell_of_gradients()
            return self._function(*args, **kwargs)
        key = key, tape.is_recording(), default_device(), *map(_signature, leaves), _pattern(leaves)
        with self._lock:
            signature = self._signatures.get(key)
            if signature is None:
                signature = self._add_signature(key, objects)
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
                    self._traced = 0
                    with interrupts_wait():
                        if not WATCHERS:
                            return capture.replay(leaves)
                        with held() as release:  # observers may run programs that share memory
                            replayed = capture.replay(leaves)
                        release()
                        return replayed
            else:
                if not signature.is_plain:
                    try:
                        ran = self._trace(signature, args, kwargs, leaves, objects, floats)
                    except BaseException:
                        if not signature.captures and not signature.pending:
                            self._forget(key)  # calls that fail leave nothing behind
                        raise
                    if not (signature.captures or signature.pending or signature.is_plain):
                        self._forget(key)
                    if ran is not None:
                        return ran[0]
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Find what is compiled to have, the parameters and the mode of a module for instance."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._function, name)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def _roots(self, objects: Sequence[Any], leaves: Sequence[Tensor]) -> list[tuple[str, Any]]:
        hooks = [h for x in leaves if x.node is not None for h in (x.node.hooks or {}).values()]
        return [
            (self._name, self._function),
            *((type(x).__name__, x) for x in objects),
            *(("a hook of an argument", h) for h in hooks),
        ]

    @whole
    @uncollected
    def _trace(
        self,
        signature: Signature,
        args: tuple,
        kwargs: dict,
        leaves: list[Tensor],
        objects: list[Any],
        floats: Floats | None,
    ) -> tuple[Any] | None:
        """Trace the call, run what it did, and see whether an earlier trace did the same.

        Return what the call returned; None where it is for the function itself to run.
        """
        frozen = frozenset(x.array.storage for x in self._freeze)
        roots = self._roots(objects, leaves)
        is_known = signature.captures or signature.pending
        watch = self._look(roots, self._ran if is_known else None)
        if watch is None:
            self._give_up(signature, self._too_much)
            return None
        self._note_reason(signature, watch)
        expected = [c for c in signature.pending if self._meets_again(c, watch, leaves)]

        def look(ran: Observation) -> Watch | None:
            self._ran = self._ran.joined(ran)
            return self._look(roots, self._ran)

        capture = self._capture(floats, args, kwargs, leaves, watch, frozen, look)
        try:
            twin = next((c for c in signature.pending if self._is_twin(capture, c)), None)
            capture.cut()
            if twin is not None and capture.kept():
                gc.collect()
            reason = self._judge(signature, capture, twin, expected)
            executor = self._executor_of(capture)
        except BaseException:
            capture.undo()
            raise
        with held() as release:
            result = capture.first_run(executor)
        self._newest = capture
        if floats is not None and floats.are_fixed():
            pass  # a program for these values alone, which no other call finds
        elif twin is not None:
            signature.pending.remove(twin)
            signature.captures.insert(0, capture)
            signature.disagreements = signature.surprises = 0
        else:
            signature.pending = [*signature.pending[-PATIENCE:], capture]
        if reason is not None:
            self._give_up(signature, reason)
        self._make_room(signature)
        capture.release()
        release()
        return (result,)

    def _capture(
        self,
        floats: Floats | None,
        args: tuple,
        kwargs: dict,
        leaves: list[Tensor],
        watch: Watch,
        *others: Any,
    ) -> Capture:
        """Trace a call, with its floats as inputs as far as that can be."""
        others = leaves, watch, *others
        if floats is None or not floats.places:
            return Capture(self._function, args, kwargs, *others)
        if not (_looks_at_types(self._ran) or floats.fail()):
            try:
                capture = Capture(self._function, *floats.stand_ins(args, kwargs), *others)
            except (TypeError, ZeroDivisionError):
                pass  # something takes true floats alone: all is as it was, and gets them
            else:
                if not _looks_at_types(capture.ran):
                    return capture
                capture.undo()
            finally:
                floats.end()
            if changed := watch.change():
                warn(
                    f"compile: {self._name} was run twice in one call, for it needs a true float "
                    f"where a number varies: it has changed {changed} twice. Pass that number as a "
                    "0-d tensor"
                )
        floats.fix()
        return Capture(self._function, args, kwargs, *others)

    def _note_reason(self, signature: Signature, watch: Watch) -> None:
        """Remember why none of the captures of a known signature could be used."""
        earlier = [*signature.captures, *signature.pending]
        if earlier:
            alike = [c.watch for c in earlier if c.watch.ran is watch.ran]  # which are comparable
            changed = alike[0].difference(watch) if alike else None
            what = changed or "the state of a gradient, or the memory of an argument,"
            self._reason = f"{what} changes"

    def _look(self, roots: list[tuple[str, Any]], ran: Observation | None) -> Watch | None:
        """Return the state as it is now; None, and why in `_too_much`, where that is too much."""
        try:
            return Watch(roots, ran)
        except TooMuchError as error:
            self._too_much = str(error)
            return None

    @staticmethod
    def _is_twin(capture: Capture, earlier: Capture) -> bool:
        """Whether a trace, which ran nothing new, did what an earlier one did."""
        return capture.is_settled and capture.difference(earlier) is None

    @staticmethod
    def _meets_again(capture: Capture, watch: Watch, leaves: list[Tensor]) -> bool:
        """Whether a trace now begins in the state in which an earlier one ended, and began."""
        after = capture.watch_after
        return (
            after is not None
            and after.ran is watch.ran
            and after.tokens == watch.tokens
            and capture.enters_alike(leaves)
        )

    def _judge(
        self,
        signature: Signature,
        capture: Capture,
        twin: Capture | None,
        expected: list[Capture],
    ) -> str | None:
        """Return why the signature is to be left uncompiled, if it is."""
        if capture.watch_after is None:
            return self._too_much
        if capture.asked is not None and any(c.asked is not None for c in signature.pending):
            return capture.asked
        if twin is not None:
            if capture.changes_arguments:
                return "every call changes the containers among its arguments"
            kept = capture.keeps()
            if kept is not None:
                return f"every call keeps {kept}"
            changed = capture.watch.difference(capture.watch_after)
            if changed is not None:
                return f"every call changes {changed}, which a replay would not"
        elif signature.pending and not capture.is_settled:
            signature.surprises += 1
            if signature.surprises >= PATIENCE:
                return "every call runs code that is made anew"
        elif expected:
            signature.disagreements += 1
            if signature.disagreements >= PATIENCE:
                return f"{capture.difference(expected[-1])} differs from call to call"
        return None

    def _executor_of(self, capture: Capture) -> Executor | None:
        """Return what runs the program of a capture, which another of its kind may have."""
        capture.prepare()
        program = capture.program
        device = capture.device
        if device is None or not (program.outputs or program.updates):
            return None
        key = program_account(program), device
        executor = self._executors.get(key)
        if executor is None:
            history = History(program)
            with held():  # nothing runs yet
                executor = interruptible(
                    copy_context(), build, program, device, self._fuse, history=history
                )
            self._executors[key], self._histories[executor] = executor, history
            if len(self._executors) > LIMIT:
                self._executors.popitem(last=False)
        else:
            self._executors.move_to_end(key)
        capture.program = executor.program
        return executor

    # Signatures.
    def _add_signature(self, key: Any, objects: list[Any]) -> Signature:
        for x in objects:
            if id(x) not in self._objects:
                self._objects[id(x)] = self._reference(x)
        if self._signatures:
            last = next(reversed(self._signatures))
            self._reason = _what_changes(last, key)
        plain = [k for k, s in self._signatures.items() if s.is_plain]
        if len(plain) >= PLAIN:
            self._forget(plain[0])
        signature = self._signatures[key] = Signature()
        return signature

    def _reference(self, x: Any) -> Any:
        """Return a reference to a static argument, whose signatures go when it goes."""
        number, mine = id(x), weakref.ref(self)

        def forget(_: Any) -> None:
            compiled = mine()
            if compiled is not None:
                compiled._objects.pop(number, None)
                for key in [k for k in compiled._signatures if _names(k, number)]:
                    compiled._signatures.pop(key, None)
                    compiled._newest = None  # it may hold what the object held

        try:
            return weakref.ref(x, forget)
        except TypeError:
            return x

    def _tell_of_gradients(self) -> None:
        if not self._told:
            self._told = True
            warn(
                f"compile: {self._name} runs uncompiled where gradients pass through it, with the "
                "right results but no faster: compile the function that takes the gradient or "
                "calls backward(), or pass detach()ed tensors"
            )

    def _give_up(self, signature: Signature, reason: str) -> None:
        signature.is_plain = True
        signature.captures, signature.pending = [], []
        warn(
            f"compile: {self._name} runs uncompiled for these arguments, with the right results "
            f"but no faster: {reason}"
        )

    @property
    def _name(self) -> str:
        return getattr(self._function, "__qualname__", type(self._function).__name__)

    def _make_room(self, current: Signature) -> None:
        """Drop the captures used longest ago when there are too many, and say why there are."""
        key = next(k for k, s in self._signatures.items() if s is current)
        self._signatures.move_to_end(key)
        count = sum(len(s.captures) + len(s.pending) for s in self._signatures.values())
        self._traced += 1
        if not self._warned and (count > LIMIT or (self._traced > LIMIT and not current.is_plain)):
            self._warned = True
            warn(
                f"compile: {self._name} was traced for {LIMIT} signatures or states, and each "
                f"costs a trace: {self._reason} from call to call (pass numbers that change as 0-d "
                "tensors, above all floats that an if, round() or a function of math asks for). "
                "The oldest are dropped from now on"
            )
        if count <= LIMIT:
            return
        for old in list(self._signatures):
            signature = self._signatures[old]
            if signature.pending and signature is not current:
                signature.pending.pop(0)
            elif signature.captures and (signature is not current or len(signature.captures) > 1):
                signature.captures.pop()
            else:
                continue
            if not signature.pending and not signature.captures:
                self._forget(old)
            return

    def _forget(self, key: Any) -> None:
        """Drop a signature, and the static arguments that no other one names."""
        self._signatures.pop(key, None)
        left = list(self._signatures)
        for number in [n for n in self._objects if not any(_names(k, n) for k in left)]:
            del self._objects[number]

    # What was captured.
    @property
    def programs(self) -> list[Program]:
        """The programs traced so far, in the order of their signatures."""
        return [c.program for s in self._signatures.values() for c in (*s.captures, *s.pending)]

    @property
    def program(self) -> Program:
        """The program traced last. Raises: ArgumentError before the first call."""
        return self._captured("program").program

    def explain(self) -> Explanation:
        """Return what the program traced last does, kernel by kernel: print it.

        Raises: ArgumentError before the first call, and for a function that runs nothing.
        """
        executor = self._executor("explain")
        return explain(executor, self._histories[executor], executor.device)

    def wgsl(self) -> str:
        """Return the kernels of the program traced last.

        Raises: ArgumentError before the first call, and where no kernels were made.
        """
        return self._text("wgsl", "it runs on WebGPU, fused")

    def source(self) -> str:
        """Return the Python source that the program traced last became, on the NumPy device.

        Raises: ArgumentError before the first call, and where none was made.
        """
        return self._text("source", "it runs on NumPy, fused")

    def _captured(self, what: str) -> Capture:
        if self._newest is None:
            raise ArgumentError(
                f"compile: {what} of {self._name} was asked for, and it has to be called first"
            )
        return self._newest

    def _executor(self, what: str) -> Any:
        found = self._captured(what).executor
        if found is None:
            raise ArgumentError(
                f"compile: {what} of {self._name} was asked for, and it runs nothing on a device"
            )
        return found

    def _text(self, what: str, needed: str) -> str:
        executor = self._executor(what)
        found = getattr(executor, what, None)
        if found is None:
            raise ArgumentError(
                f"compile: {what} of {self._name} was asked for, which there is when {needed}; it "
                f"runs on {executor.device.name}, {type(executor).__name__}"
            )
        return found() if callable(found) else found

    # Copies: the function, and none of the captures.
    def __deepcopy__(self, memo: dict) -> Compiled:
        return Compiled(copy.deepcopy(self._function, memo), self._fuse, self._freeze)

    def __reduce__(self) -> Any:
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        for part in getattr(self, "__qualname__", "").split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__  # pickled by name, as functions are
        return Compiled, (self._function, self._fuse, self._freeze)

    def __repr__(self) -> str:
        return f"<compiled {self._name}>"


def _looks_at_types(ran: Observation) -> bool:
    """Whether code that ran asks for the type of something, which tells a stand-in from a float."""
    return any("type" in names_in(code).variables for code, _ in ran.codes.values())


def _signature(x: Tensor) -> tuple:
    """Return what a trace takes for granted of an argument."""
    array, node = x.array, x.node
    layout = array.layout
    if node is None:
        return layout.shape, layout.strides, array.dtype, array.storage.device
    hooks = tuple(node.hooks.values()) if node.hooks else ()
    return (
        layout.shape,
        layout.strides,
        array.dtype,
        array.storage.device,
        node.requires_grad,
        node.op is None,  # a gradient goes on beyond what has a history
        hooks,
    )


def _pattern(leaves: list[Tensor]) -> Any:
    """Return which arguments are one tensor, and which share memory."""
    count = len(leaves)
    storages = [x.array.storage for x in leaves]
    if len(set(storages)) == count:
        return None
    return tuple(map(storages.index, storages)), tuple([
        next(i for i, y in enumerate(leaves) if y is x) for x in leaves
    ])  # fmt: skip


def _names(key: Any, number: int) -> bool:
    """Whether the object of this id is a part of a key."""
    if isinstance(key, (tuple, frozenset)):
        return any(_names(x, number) for x in key)
    return getattr(key, "number", None) == number


def _what_changes(old: Any, new: Any) -> str:
    """Return which part of two keys differs, in words."""
    if old[0] != new[0]:
        return "arguments that are no tensors change"
    if old[1:3] != new[1:3]:
        return "no_grad, or the default device, changes"
    for i, (a, b) in enumerate(zip(old[3:-1], new[3:-1], strict=True)):
        for name, x, y in zip(("shape", "strides", "dtype", "device"), a, b, strict=False):
            if x != y:
                return f"the {name} of tensor argument {i} changes ({x}, then {y})"
        if a != b:
            return f"requires_grad (or a hook) of tensor argument {i} changes"
    return "which arguments share memory changes"


@overload
def compile(
    function: Callable[P, R], *, fuse: bool = True, freeze: Iterable[Tensor] = ()
) -> Compiled[P, R]: ...
@overload
def compile(
    function: None = None, *, fuse: bool = True, freeze: Iterable[Tensor] = ()
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...
def compile(
    function: Callable | None = None, *, fuse: bool = True, freeze: Iterable[Tensor] = ()
) -> Any:
    """Return `function` traced once per signature and replayed afterwards; also a decorator.

    The first calls with new shapes, dtypes, devices or other arguments run the function with
    tensors that have no values, and write down the work: forward, backward(), optimizer steps and
    assign() become one program, which is run at once. When two such traces are the same, later
    calls run the program alone. They leave tensors, gradients, versions and random numbers as the
    function would. Results have no history, and a backward pass that leads to one is an error:
    backward() belongs inside. Where gradients pass through the function (one of its arguments has a
    history, or grad, vjp or the like take its derivative) the function itself runs, with a warning;
    forward mode runs the function itself.

    Tensors that the function finds outside are inputs; those of `freeze` are promised to change
    hardly ever: writing to one inside is an error, and a change outside costs a trace. Python
    state that the code which ran has read (closures, globals, attributes, items, environment
    variables) is watched, and a change between calls traces anew; what it never read may change
    freely. A function runs uncompiled, with a warning that names the thing and the line, where
    a replay would not do what it does: where it changes such state itself, keeps arguments,
    results or other tensors that it makes, or does other work at every call; and where its course
    may rest on what nobody can see: random numbers that are not wgrad's, iterators, the clock,
    files, queues, other threads, other functions written in C that are not known to compute only.

    What is left: what only puts something out (print, logging, warnings, sleep) is done while the
    function is traced, and not again. Not watched are state that code in C reads by itself (NumPy's
    error mode, the context of decimal numbers, the time zone), what the standard library's modules
    hold beyond the names that the code uses (the handlers of loggers, names of processes, what
    platform and linecache remember), the answers of gc.collect() and id(), and the state of random
    numbers that are not wgrad's where it is only read.

    Integers that the function computes may index. Where interval arithmetic, or a look at the
    arguments before a run, cannot tell that they are in range, the run uses the nearest ones that
    are, counts the others, and raises an IndexRangeError that names the operation and its line: at
    the end of the call on NumPy, and on a GPU at the next wait for it (a value read, synchronize),
    for the first run since the last wait that had some. On NumPy nothing has changed then. On a GPU
    every tensor from outside that the run assigns to (parameters, state) has kept its values; what
    the run returned, and gradients, follow from the replaced indices, and what is counted on the
    host (versions, steps of optimizers, random numbers taken) is one call further.

    A Python float among the arguments is a part of what a trace takes for granted until it comes
    with a second value; from then on it is an input, and later values cost no trace. What asks for
    the value in Python (an `if`, a comparison, int(), round(), a format, math.sqrt) makes it fixed
    again, while `+ - * / **` and abs() follow it. Fixed too are 0, 1, -1, what is not finite,
    integers, and floats inside containers.

    With fuse=False elementwise steps stay kernels of their own. Raises: TraceError when the
    function reads a value, or works on two devices; nothing has changed then. ArgumentError for
    arguments that are neither tensors nor hashable.
    """
    if function is None:
        return lambda f: Compiled(f, fuse, freeze)
    if not callable(function):
        raise ArgumentError(f"compile: {type(function).__name__} came, and a function is needed")
    return Compiled(function, fuse, freeze)
