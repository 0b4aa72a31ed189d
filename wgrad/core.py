"""Op, Call, apply and the listeners: every use of every operation passes through here.

`apply` runs an op on the inputs' device and tells the listeners of the current context. The tape
and forward mode are listeners, and so are the tracer, the profiler and the graph drawing; this
module knows none of them, and no op either.
"""

from __future__ import annotations

import inspect
import itertools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from types import CodeType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .backends.array import Array, Number
from .backends.base import Device
from .dtypes import DType
from .errors import DeviceError, OutOfMemoryError
from .layout import Shape

if TYPE_CHECKING:
    from .tensor import Tensor

INPUT_NAMES = ("a", "b", "c", "d")  # how rules and kernels call an op's inputs
SAVED_NAMES = frozenset({*INPUT_NAMES, "inputs", "out"})  # what a rule keeps alive by naming it


class Value:
    """What ops take and return: an array and, where something follows it, its identity."""

    __slots__ = ("__weakref__", "array", "node")

    def __init__(self, array: Array, node: Node | None = None):
        self.array = array
        self.node = node

    @property
    def shape(self) -> Shape:
        """The extent of each axis."""
        return self.array.layout.shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.array.dtype

    @property
    def device(self) -> Device:
        """Where the elements live."""
        return self.array.storage.device


P = ParamSpec("P")
R = TypeVar("R")
Input = Value | Number
_sequence = itertools.count(1)


class Node:
    """The identity of one value: where it came from, and what is kept for its gradient.

    A leaf has no op. A node never refers to its own tensor, only to what its rules need of the
    inputs, so the graph lives exactly as long as the tensors that lead to it.
    """

    __slots__ = (
        "__weakref__",
        "grad",
        "hooks",
        "is_parameter",
        "op",
        "origin",
        "params",
        "parents",
        "requires_grad",
        "retains_grad",
        "saved",
        "sequence",
        "shapes",
        "version",
    )

    def __init__(self, requires_grad: bool = False):
        self.sequence = next(_sequence)  # later calls have larger numbers than their inputs
        self.requires_grad = requires_grad
        self.is_parameter = requires_grad  # a leaf once asked for gradients; frozen, it stays one
        self.op: Op | None = None
        self.params: Mapping[str, Any] = {}
        self.parents: tuple[Node | None, ...] = ()
        self.saved: Mapping[str, Any] = {}
        self.shapes: tuple[Shape, ...] = ()
        self.origin: tuple[CodeType, int] | None = None
        self.version = 0  # of the result's storage when it was computed
        self.grad: Any = None
        self.hooks: dict[int, Callable] | None = None
        self.retains_grad = False


class Call:
    """One use of an op, as listeners see it."""

    __slots__ = ("inputs", "op", "out", "params")

    def __init__(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any], out: Tensor):
        self.op = op
        self.inputs = inputs
        self.params = params
        self.out = out

    def env(self) -> dict[str, Any]:
        """Return all that a rule may name, with the values themselves."""
        shapes = tuple(x.shape if isinstance(x, Value) else () for x in self.inputs)
        named = zip(INPUT_NAMES, self.inputs, strict=False)  # joining ops have more inputs
        extra = {"inputs": self.inputs, "out": self.out, "shapes": shapes}
        return {**self.params, **dict(named), **extra}


class Rule:
    """A derivative rule, whose parameters name what it needs.

    `lambda out: 1 - out * out` needs the output, `lambda b: b` the second input, and both get
    exactly that: what no rule names is not kept alive. A rule may name the inputs (a, b, c, d, or
    all of them as `inputs`), `out`, the op's parameters, `shapes` (of all inputs), `position`
    (which input it is for) and, in a transpose, `ct`, the cotangent of the output.
    """

    __slots__ = ("function", "names", "saves")

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self.names = tuple(inspect.signature(function).parameters)
        self.saves = tuple(n for n in self.names if n in SAVED_NAMES)

    def __call__(self, env: Mapping[str, Any]) -> Any:
        return self.function(*[env[name] for name in self.names])


class Op(ABC):
    """One operation: how it runs, and how derivatives pass through it in both directions."""

    is_view = False  # whether the result shows the memory of the input, where it can

    def __init__(self, name: str, rules: Sequence[Callable | None], doc: str = ""):
        self.name = name
        self.__name__ = name
        self.__module__ = "wgrad"  # where pickle finds it by its name
        self.__doc__ = doc
        self.rules = tuple(rule and Rule(rule) for rule in rules)
        # Whether `pull` wants the inputs' shapes, which are then kept with every call.
        self.wants_shapes = True

    def __repr__(self) -> str:
        return f"<wgrad op {self.name}>"

    def __reduce__(self) -> str:
        return self.name

    def rule(self, position: int) -> Rule | None:
        """Return the rule of an input; the last rule serves all further ones."""
        return self.rules[min(position, len(self.rules) - 1)] if self.rules else None

    @abstractmethod
    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        """Compute the output."""

    @abstractmethod
    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        """Return the cotangent of one input, given the output's; None for none.

        `env` is what rules may name; one dict serves all inputs of one call.
        """

    @abstractmethod
    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        """Return the output's tangent, given the inputs' (None where there is none, not all)."""


Listener = Callable[[Call], None]
_default_listeners: tuple[Listener, ...] = ()
chosen_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("wgrad_listeners")
_tensor_type: type[Tensor]


def set_tensor_type(cls: type[Tensor]) -> None:
    """Tell `apply` what to wrap results in (tensor.py stands above this module)."""
    global _tensor_type
    _tensor_type = cls


def add_default_listener(listener: Listener) -> None:
    """Let `listener` hear the calls of every context that does not choose its own listeners."""
    global _default_listeners
    _default_listeners = (*_default_listeners, listener)


def listeners() -> tuple[Listener, ...]:
    """Return the listeners of the current context, in the order in which they are told."""
    return chosen_listeners.get(_default_listeners)


def heard_by(
    chosen: tuple[Listener, ...], function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Return what a function returns, whose calls exactly the `chosen` listeners hear.

    It is no `with` block, whose end a signal's handler that raises can prevent.
    """
    # Unpacked, not called: no handler runs between this and the `try`.
    (token,) = map(chosen_listeners.set, (chosen,))
    try:
        return function(*args, **kwargs)
    finally:
        chosen_listeners.reset(token)


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """Return `array` as a tensor that nothing follows."""
    return _tensor_type(array, node)


def apply(op: Op, *inputs: Input, **params: Any) -> Tensor:
    """Run `op` and tell the listeners. At least one input is a Value; all are of one device.

    Raises: DeviceError when the inputs live on two devices.
    """
    device: Device | None = None
    arrays: list[Array | Number] = []
    for value in inputs:
        if isinstance(value, Value):
            array = value.array
            if device is None:
                device = array.storage.device
            elif device is not array.storage.device:
                check_devices(op.name, inputs)
            arrays.append(array)
        else:
            arrays.append(value)
    assert device is not None
    try:
        out = _tensor_type(op.run(device, tuple(arrays), params), None)
    except MemoryError as error:  # NumPy's own; a GPU's comes in our words
        if isinstance(error, OutOfMemoryError):
            raise
        raise OutOfMemoryError(f"{op.name}: device {device.name} has no room: {error}") from error
    heard = chosen_listeners.get(_default_listeners)
    if heard:
        call = Call(op, inputs, params, out)
        for listener in heard:
            listener(call)
    return out


def check_devices(op: str, inputs: Iterable[Any]) -> None:
    """Raise DeviceError when tensors among the inputs live on two devices."""
    devices = [x.device for x in inputs if isinstance(x, Value)]
    for device in devices[1:]:
        if device is not devices[0]:
            raise DeviceError(
                f"{op}: one tensor is on {devices[0].name} and another on {device.name}: move one "
                "with .to(device)"
            )


_our_globals: set[int] = set()  # ids of the namespaces of wgrad's modules


def caller() -> tuple[CodeType, int] | None:
    """Return the user's place in the program: the innermost frame outside wgrad."""
    frame = sys._getframe(1)
    while frame is not None:
        names = frame.f_globals
        if id(names) not in _our_globals:
            name = names.get("__name__", "")
            if name != "wgrad" and not name.startswith("wgrad."):
                return frame.f_code, frame.f_lasti
            _our_globals.add(id(names))  # of a module, which lives as long as the process
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return None


def place(origin: tuple[CodeType, int] | None) -> str:
    """Return "file.py, line 12" for what `caller` returned.

    What an instruction has no line for (the start of a closure, a cleanup) is of the line before.
    """
    if origin is None:
        return "an unknown line"
    code, last = origin
    lines = [line for line, *_ in itertools.islice(code.co_positions(), last // 2 + 1)]
    found = next((line for line in reversed(lines) if line is not None), code.co_firstlineno)
    return f"{code.co_filename}, line {found}"
