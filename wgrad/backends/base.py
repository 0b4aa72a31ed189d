"""The protocol between operations and devices. Knows nothing of tensors, gradients or the tape.

A device owns storages and offers a dozen kernel families. Operands arrive valid: shapes agree,
axes are in range, indices were checked; a family never broadcasts and never promotes. Results are
fresh contiguous storages unless a method says otherwise.
"""

from __future__ import annotations

import functools
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import DTypeError, OutOfMemoryError, TraceError
from ..layout import Layout, Shape

Number = bool | int | float


births = itertools.count()


class Storage:
    """Flat memory on one device, shared by every view of it.

    `version` counts the writes that replaced its values: the tape compares versions to find out
    that a value it saved is gone. `bounds` holds the least and greatest value of integer data
    where the host knows them, so that indices can be checked without a readback. `born` numbers
    storages in the order of their making. `history` is the version since which values here may
    follow from tracked ones that were assigned (indexing/assignment.py). `shared` says that another
    library holds the memory as well: it keeps its place, and nothing is known about its values.
    """

    __slots__ = (
        "__weakref__",
        "_bounds",
        "born",
        "buffer",
        "device",
        "history",
        "shared",
        "size",
        "version",
    )

    def __init__(self, device: Device, buffer: Any, size: int):
        self.device = device
        self.buffer = buffer
        self.size = size
        self.version = 0
        self.born = next(births)
        self.history: int | None = None
        self.shared = False
        self._bounds: tuple[int, int] | None = None

    @property
    def bounds(self) -> tuple[int, int] | None:
        return self._bounds

    @bounds.setter
    def bounds(self, known: tuple[int, int] | None) -> None:
        self._bounds = None if self.shared else known

    def share(self) -> None:
        """Remember that another library holds the memory as well, and may write to it."""
        self.shared = True
        self._bounds = None

    def adopt(self, fresh: Any) -> Any:
        """Take `fresh` for buffer, and return the one of the two that is not needed any more.

        Shared memory stays where it is, and takes the values.
        """
        if self.shared:
            self.buffer[:] = fresh
            return fresh
        left, self.buffer = self.buffer, fresh
        return left


class Array:
    """A typed view of a storage: what a kernel reads and writes."""

    __slots__ = ("dtype", "layout", "storage")

    def __init__(self, storage: Storage, layout: Layout, dtype: DType):
        self.storage = storage
        self.layout = layout
        self.dtype = dtype

    @property
    def shape(self) -> Shape:
        return self.layout.shape

    def view(self, layout: Layout) -> Array:
        """Return another view of the same storage."""
        return Array(self.storage, layout, self.dtype)


OPERANDS = "abcdefghijklmnop"  # names of an elementwise kernel's operands
MAX_TENSORS = 7  # of them that are tensors: 8 storage buffers are portable, and one is the output


@dataclass(frozen=True, eq=False)
class Body:
    """The code of an elementwise kernel, once per language.

    `wgsl` is an expression over `a`, `b`, `c`, `d` in the operands' WGSL types, or a function
    from the operands' dtypes to one; it may call the functions of shaders/lib. `numpy` takes
    arrays and Python numbers in the same order and returns a new array.
    """

    name: str
    wgsl: str | Callable[..., str]
    numpy: Callable[..., Any]

    def expression(self, dtypes: Sequence[DType]) -> str:
        """Return the WGSL expression for operands of `dtypes`; T and A in it become types.

        T is the type of the last operand, A that of the first.
        """
        text = self.wgsl if isinstance(self.wgsl, str) else self.wgsl(*dtypes)
        text = re.sub(r"\bT\b", str(dtypes[-1].wgsl), text)
        return re.sub(r"\bA\b", str(dtypes[0].wgsl), text)

    def functions(self, dtypes: Sequence[DType], out: DType) -> str:
        """Return WGSL that declares `fn body` over the operands."""
        names = zip(OPERANDS, dtypes, strict=False)
        parameters = ", ".join(f"{name}: {dtype.wgsl}" for name, dtype in names)
        return f"fn body({parameters}) -> {out.wgsl} {{ return {self.expression(dtypes)}; }}"


# The devices whose `with` blocks this context is in. The stack lives in the context, not on the
# device, for several threads may enter one device at once.
_entered: ContextVar[tuple[Device, ...]] = ContextVar("wgrad_devices", default=())


def current_device() -> Device | None:
    """Return the device whose `with` block we are in, or None."""
    stack = _entered.get()
    return stack[-1] if stack else None


class Live(float):
    """A number that may change between the runs of a program: each run calls for it anew.

    Devices see the float that it was when it was made. `call` is the function and its arguments;
    two numbers whose calls are equal are one and the same in a program.
    """

    __slots__ = ("call",)

    call: tuple[Callable[..., float], tuple[Any, ...]]

    def __new__(cls, function: Callable[..., float], *args: Any) -> Live:
        made = super().__new__(cls, function(*args))
        made.call = function, args
        return made

    @classmethod
    def of(cls, owner: Any, name: str) -> Live:
        """Return the number that is now the attribute `name` of `owner`."""
        return cls(getattr, owner, name)

    def read(self) -> float:
        """Return the number that it is now."""
        function, args = self.call
        return float(function(*args))


class _Unbacked:
    """The buffer of a storage that a traced function made, until its program has run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(
            "compile: a tensor was used that a function made while it was traced; it has no values "
            "until the trace ends, for other threads, and none at all after a trace that failed"
        )


UNBACKED = _Unbacked()


_tracer: ContextVar[Any] = ContextVar("wgrad_tracer", default=None)


def tracing() -> Any:
    """Return the tracer (program/trace.py) that captures this context's work, or None."""
    return _tracer.get()


@contextmanager
def traced_by(tracer: Any) -> Iterator[None]:
    """Let `tracer` have the work of this block instead of the devices; None suspends it."""
    token = _tracer.set(tracer)
    try:
        yield
    finally:
        _tracer.reset(token)


def changing(owner: Any, *names: str) -> None:
    """Tell the tracer, if one captures, that attributes of `owner` are about to change.

    They are put back when its trace fails; so is the content of a list or dict (with no names).
    """
    tracer = _tracer.get()
    if tracer is not None:
        tracer.changing(owner, *names)


def _asks_tracer(method: Callable) -> Callable:
    """Return a device method that leaves its work to the tracer, when one captures."""

    @functools.wraps(method)
    def run(self: Device, *args: Any, **kwargs: Any) -> Any:
        tracer = _tracer.get()
        if tracer is None:
            try:
                return method(self, *args, **kwargs)
            except MemoryError as error:
                if isinstance(error, OutOfMemoryError):
                    raise
                raise OutOfMemoryError(f"{self.name}: {error or 'no memory is left'}") from error
        return getattr(tracer, method.__name__)(self, *args, **kwargs)

    return run


class Device(ABC):
    """One place where tensors live and kernels run; `with device:` makes it the default."""

    name: str  # "numpy", "webgpu": what `wg.device()` takes
    description: str  # for people: the adapter, its type, its driver
    dtypes: frozenset[DType]

    def __init_subclass__(cls) -> None:
        for name in PROTOCOL:
            if name in vars(cls):
                setattr(cls, name, _asks_tracer(vars(cls)[name]))

    def __enter__(self) -> Device:
        _entered.set((*_entered.get(), self))
        return self

    def __exit__(self, *exc: object) -> None:
        # This device's own last entry: a generator may leave its block out of turn.
        stack = list(_entered.get())
        last = max(i for i, device in enumerate(stack) if device is self)
        _entered.set((*stack[:last], *stack[last + 1 :]))

    def __repr__(self) -> str:
        return f"<wgrad device {self.name}: {self.description}>"

    def __str__(self) -> str:
        return self.name

    def check_dtype(self, dtype: DType, where: str) -> None:
        """Raise DTypeError when the device does not hold `dtype`."""
        if dtype not in self.dtypes:
            names = ", ".join(sorted(d.name for d in self.dtypes))
            raise DTypeError(
                f"{where}: device {self.name} has no {dtype.name}; it has {names} "
                "(float64 lives on the numpy device alone)"
            )

    def itemsize(self, dtype: DType) -> int:
        """Return the bytes of an element in this device's memory."""
        return dtype.itemsize

    # Memory.
    @abstractmethod
    def upload(self, data: np.ndarray, dtype: DType) -> Array:
        """Return a device copy of C-contiguous host data, which is of `dtype.numpy` already."""

    @abstractmethod
    def download(self, x: Array) -> np.ndarray:
        """Return a new C-contiguous host copy; waits for the device."""

    @abstractmethod
    def full(self, shape: Shape, value: Number, dtype: DType) -> Array:
        """Return an array whose every element is `value`."""

    @abstractmethod
    def unbacked(self, size: int) -> Storage:
        """Return a storage of `size` elements that is UNBACKED until a program fills it."""

    def window(self, x: Array) -> Storage:
        """Return a storage to be read only that begins with the elements of a contiguous view."""
        return x.storage if x.layout.offset == 0 else self.copy(x).storage

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until everything that was dispatched has run."""

    # Kernel families.
    @abstractmethod
    def map(
        self,
        body: Body,
        operands: Sequence[Array | Number],
        dtypes: Sequence[DType],
        shape: Shape,
        dtype: DType,
    ) -> Array:
        """Apply `body` to every element; operands have `shape` or are numbers of `dtypes`."""

    @abstractmethod
    def reduce(self, kind: str, x: Array, axes: Shape, dtype: DType) -> Array:
        """Reduce over sorted `axes` (at least one); they leave the shape. Kinds: REDUCTIONS."""

    @abstractmethod
    def scan(self, kind: str, x: Array, axis: int, back: bool) -> Array:
        """Running totals along `axis`, from its end if `back`. Kinds: "sum", "prod"."""

    @abstractmethod
    def matmul(self, a: Array, b: Array) -> Array:
        """(..., n, k) @ (..., k, m) with equal leading axes; sums over k of 0 are 0."""

    @abstractmethod
    def copy(self, x: Array) -> Array:
        """Return a fresh contiguous copy."""

    @abstractmethod
    def write(self, target: Array, x: Array) -> None:
        """Copy `x` into the view `target` of equal shape and dtype; they may overlap."""

    @abstractmethod
    def place(
        self,
        pieces: Sequence[Array],
        targets: Sequence[Layout],
        shape: Shape,
        fill: Number | None,
    ) -> Array:
        """Return `fill` in `shape`, with each piece in the view of it that its target says.

        Pieces are of one dtype and do not overlap; None says that they leave nothing open.
        """

    @abstractmethod
    def gather(self, x: Array, index: Array, axis: int) -> Array:
        """out[.., j, ..] = x[.., index[.., j, ..], ..]; index has the output's shape."""

    @abstractmethod
    def scatter_add(self, index: Array, values: Array, axis: int, size: int) -> Array:
        """The transpose of gather into zeros whose `axis` has `size`; adds in index order."""

    @abstractmethod
    def scatter(self, target: Array, index: Array, values: Array, axis: int) -> None:
        """target[.., index[j], ..] = values[.., j, ..] in place, along `axis`; the last j wins.

        `index` has one axis; `values` has the target's shape but for `axis`, and other memory.
        """

    @abstractmethod
    def argsort(self, x: Array, axis: int, descending: bool) -> Array:
        """Return the int32 positions along `axis` in the order of the values, ties by position.

        NaN counts as greater than every number, -0 as equal to 0.
        """

    @abstractmethod
    def searchsorted(self, x: Array, values: Array, right: bool) -> Array:
        """Return how many of `x` (one axis, in the order of argsort) come before each value, int32.

        Equal ones do too if `right`. Both have one dtype, and it is not bool.
        """

    @abstractmethod
    def random(self, kind: str, key: tuple[int, int], counter: int, shape: Shape) -> Array:
        """Threefry numbers `counter`, `counter`+1, ...: "bits" (uint32), "uniform", "normal"."""

    @_asks_tracer
    def replace(self, target: Array, fresh: Array) -> None:
        """Give `target` the values of `fresh`, an array of equal shape that nobody else holds.

        Where the target is the whole of its storage the buffers change places, which costs
        nothing; views of the storage see the new values either way.
        """
        layout = target.layout
        if (
            layout.contiguous
            and fresh.layout.contiguous
            and layout.size == target.storage.size == fresh.storage.size
        ):
            fresh.storage.buffer = target.storage.adopt(fresh.storage.buffer)
        else:
            self.write(target, fresh)


# What a tracer captures: all that touches memory.
PROTOCOL = (
    "upload",
    "download",
    "full",
    "synchronize",
    "map",
    "reduce",
    "scan",
    "matmul",
    "copy",
    "write",
    "place",
    "gather",
    "scatter_add",
    "scatter",
    "argsort",
    "searchsorted",
    "random",
)
REDUCTIONS = ("sum", "prod", "max", "min", "any", "all")


def reduced_shape(shape: Shape, axes: Shape) -> Shape:
    """Return `shape` without `axes`."""
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def kept_shape(shape: Shape, axes: Shape) -> Shape:
    """Return `shape` with extent 1 at `axes`."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def batch_gather_shape(index: Array, axis: int, size: int) -> Shape:
    """Return the shape of the array that `index` gathers from: its own, but `size` along `axis`."""
    shape = index.layout.shape
    return (*shape[:axis], size, *shape[axis + 1 :])
