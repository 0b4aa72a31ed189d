"""Value, Node, Op, Rule, Call and the registry: what operations are, take and return."""

from __future__ import annotations

import inspect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import CodeType, MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..backends.array import Array, Number
from ..backends.base import Device
from ..dtypes import DType
from ..errors import CallError, DeviceError, shown
from ..layout import Shape

INPUT_NAMES = ("a", "b", "c", "d")  # how rules and kernels call an op's inputs
SAVED_NAMES = frozenset({*INPUT_NAMES, "inputs", "out"})  # what a rule keeps alive by naming it
AnyOp = TypeVar("AnyOp", bound="Op")
REGISTRY: dict[str, Op] = {}  # every op by its name: what tests and tools iterate over


class Value:
    """What ops take and return: an array and, where something follows it, its identity."""

    __slots__ = ("__weakref__", "array", "node")

    def __init__(self, array: Array, node: Node | None = None):
        if not isinstance(array, Array):
            raise CallError(
                f"Tensor: {shown(array)} came: tensors are made by wg.tensor(data), or by "
                "wg.zeros(shape) and its kin"
            )
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


if TYPE_CHECKING:
    from ..tensor import Tensor as Tensor
else:
    # The one type that looks upward: what users are given is a Value with operators and methods,
    # of a class that stands above all the functions it has. Annotations and isinstance() need no
    # more than this; `wrap` makes one.
    Tensor = Value

Input = Value | Number
_sequence = itertools.count(1)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


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
        "outer",
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
        self.params: Mapping[str, Any] = _NOTHING
        self.parents: tuple[Node | None, ...] = ()
        self.saved: Mapping[str, Any] = _NOTHING
        self.shapes: tuple[Shape, ...] = ()
        self.origin: tuple[CodeType, int] | None = None
        self.version = 0  # of the result's storage when it was computed
        self.grad: Any = None
        self.hooks: dict[int, Callable] | None = None
        self.retains_grad = False
        self.outer: Node | None = None  # of one example: the identity of the whole batch


class Call:
    """One use of an op: what it was applied to, and what it gave."""

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
        return self.function(*map(env.__getitem__, self.names))


class Sealed:
    """What compiled functions look at as a whole: which one it is, and its edition."""

    edition = 0  # another one where it does something else by now
    is_sealed = True

    def leads_to(self) -> Iterable[Any]:
        """Return the functions of the user's that it calls, whose state is looked at too."""
        return ()


class Op(Sealed, ABC):
    """One operation: how it runs, and how derivatives pass through it in both directions."""

    calls_back = False  # whether it runs a function of the user's, whose errors are its own
    lifts = False  # whether its result has an identity of its own at the innermost level (vmap)
    # The batching rule: batch(level, inputs, batched, params) gives the result for a whole batch,
    # its axis first. Those inputs that are `batched` have that axis too. None: a loop.
    batch: Callable[..., Tensor] | None = None
    # pulls(positions, ct, env), where one run gives the cotangents of all inputs: see `pull`.
    pulls: Callable[..., Sequence[Tensor | None]] | None = None
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

    def renamed(self, name: str) -> Self:
        """Return the same operation under another name, which its errors and observers then say."""
        alias = object.__new__(type(self))
        vars(alias).update(vars(self), name=name, __name__=name)
        return alias

    def rule(self, position: int) -> Rule | None:
        """Return the rule of an input; the last rule serves all further ones."""
        try:
            return self.rules[position]
        except IndexError:
            return self.rules[-1] if self.rules else None

    def shape_of(self, inputs: Sequence[Input], params: Mapping[str, Any]) -> Shape | None:
        """Return the shape of the output; None where only running tells."""
        return None

    @abstractmethod
    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        """Compute the output."""

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        """Return the cotangent of one input, given the output's; None for none.

        `env` is what rules may name, besides `ct` and `position`.
        """
        rule = self.rule(position)
        assert rule is not None
        return rule({**env, "ct": ct, "position": position})

    @abstractmethod
    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        """Return the output's tangent, given the inputs' (None where there is none, not all)."""


def register(op: AnyOp, batch: Callable[..., Tensor] | None = None, example: str = "") -> AnyOp:
    """Add an op to the registry and return it.

    `batch` is a batching rule of its own, if any; `example`, what a user may type and is shown,
    ends its documentation.
    """
    assert op.name not in REGISTRY, op.name
    if example:
        op.__doc__ = f"{op.__doc__}\n\n{inspect.cleandoc(example)}"
    REGISTRY[op.name] = op
    if batch is not None:
        op.batch = MethodType(batch, op)
    return op


def check_devices(op: str, inputs: Iterable[Any]) -> None:
    """Raise DeviceError when tensors among the inputs live on two devices."""
    devices = [x.array.storage.device for x in inputs if isinstance(x, Value)]
    for device in devices[1:]:
        if device is not devices[0]:
            raise DeviceError(
                f"{op}: one tensor is on {devices[0].name} and another on {device.name}: move one "
                "with .to(device)"
            )
