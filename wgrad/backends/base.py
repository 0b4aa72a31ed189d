"""The protocol between operations and devices. Knows nothing of tensors, gradients or the tape.

A device owns storages and offers the kernel families of families.py, each as a method, and `host`
for what has no kernel.
Operands arrive valid: shapes agree, axes are in range, indices were checked; a family never
broadcasts and never promotes. Results are fresh contiguous storages unless a method says otherwise.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import DTypeError, OutOfMemoryError
from ..layout import Layout, Shape
from ..origin import called, caller, place
from ..statistics import COUNTERS
from .array import Array, Body, Number, Operands, Storage
from .events import WATCHERS, hears, observed
from .families import FAMILIES, Family
from .faults import Faults
from .fold import Fold
from .functions import Function
from .shader import Groups, Make, Shader
from .tracing import DeviceTracer, tracing, unheard

# The devices whose `with` blocks this context is in. The stack lives in the context, not on the
# device, for several threads may enter one device at once.
_entered: ContextVar[tuple[Device, ...]] = ContextVar("wgrad_devices", default=())


def current_device() -> Device | None:
    """Return the device whose `with` block we are in, or None."""
    stack = _entered.get()
    return stack[-1] if stack else None


def _asks_tracer(method: Callable, family: type[Family] | None = None) -> Callable:
    """Return a device method that leaves its work to the tracer, when one captures.

    The work of a family is noted as such; MEMORY says what becomes of the rest.
    """

    name = method.__name__

    def operations(*args: Any, **kwargs: Any) -> int | None:
        if family is None:
            return None
        work, operands = family.of(*args, **kwargs)
        return work.operations(operands)

    @functools.wraps(method)
    def run(self: Device, *args: Any, **kwargs: Any) -> Any:
        if WATCHERS and hears():
            where = None if tracing() is not None else _timed_as(self, name, family)
            return observed(run, name, self, args, kwargs, where, operations)
        tracer = tracing()
        if tracer is None:
            try:
                return method(self, *args, **kwargs)
            except MemoryError as error:
                if isinstance(error, OutOfMemoryError):
                    raise
                raise OutOfMemoryError(f"{self.name}: {error or 'no memory is left'}") from error
        if family is None:
            return unheard(MEMORY[name](tracer), self, *args, **kwargs)
        work, operands = family.of(*args, **kwargs)
        return unheard(tracer.noted, self, work, operands)

    return run


def _timed_as(device: Device, name: str, family: type[Family] | None) -> str | None:
    """Return whose time a method takes that is timed as a whole; None for what launches kernels."""
    if family is None and name != "host":
        return None
    if not device.launches:
        return device.name
    return "host" if family is None else None


class Device(ABC):
    """One place where tensors live and kernels run; `with device:` makes it the default.

    >>> device = wg.device("numpy")
    >>> with device:  # where new tensors go in the block
    ...     x = wg.zeros(3)
    >>> x.device is device, device.name
    (True, 'numpy')
    """

    name: str  # "numpy", "webgpu": what `wg.device()` takes
    description: str  # for people: the adapter, its type, its driver
    dtypes: frozenset[DType]
    launches = False  # whether it tells of its kernels itself, one by one

    def __init_subclass__(cls) -> None:
        families: dict[str, type[Family] | None] = {f.method: f for f in FAMILIES}
        for name, family in (families | dict.fromkeys(MEMORY)).items():
            if name in vars(cls):
                setattr(cls, name, _asks_tracer(vars(cls)[name], family))

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
                f"({self.why_not(dtype)})"
            )

    def why_not(self, dtype: DType) -> str:
        """Return why the device does not hold a dtype, for an error's end."""
        return f"{dtype.name} lives on the numpy device alone"

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

    def expect(self, faults: Faults) -> None:
        """Raise the error that a dispatched run notes in `faults`, now or at the next wait."""
        error = faults.settle()
        if error is not None:
            raise error

    # Kernel families.
    @abstractmethod
    def map(
        self, body: Body, operands: Operands, dtypes: Sequence[DType], shape: Shape, dtype: DType
    ) -> Array:
        """Apply `body` to every element; operands have `shape` or are numbers of `dtypes`."""

    @abstractmethod
    def call(
        self,
        function: Function,
        operands: Sequence[Array | Number],
        shape: Shape,
        inner: Shape,
        planes: bool,
    ) -> Array:
        """Return what a function gives at every point of `shape`: see families.Call.

        Operands have `shape` and the dtypes of the function, or are numbers of these.
        """

    @abstractmethod
    def reduce(self, fold: Fold, x: Array, axes: Shape, dtype: DType) -> Array:
        """Reduce over sorted `axes` (at least one); they leave the shape.

        Products of floats neither overflow nor vanish on the way to a number: float64's exponents
        are enough for them.
        """

    @abstractmethod
    def scan(self, fold: Fold, x: Array, axis: int, back: bool) -> Array:
        """Running totals along `axis`, from its end if `back`; see reduce."""

    @abstractmethod
    def matmul(self, a: Array, b: Array, lead: int | None = None, inner: int = 1) -> Array:
        """(*batch, *rows, *inner) @ (*batch, *inner, *columns) -> (*batch, *rows, *columns).

        `lead` axes are the batch (None: all but two), which are equal, as are the `inner` ones
        that are summed over. Sums over nothing are 0.
        """

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

    @abstractmethod
    def dispatch(
        self,
        shader: Shader,
        operands: Sequence[Array | Number],
        params: bytes,
        numbers: Sequence[int],
        groups: Groups,
        makes: Sequence[Make],
    ) -> list[Array]:
        """Run a whole shader and return what it makes: see families.Dispatch.

        Operands are arrays in the order of the bindings, then the numbers.
        """

    def dispatch_into(
        self,
        shader: Shader,
        operands: Sequence[Array],
        params: bytes,
        groups: Groups,
        makes: Sequence[Make],
        into: Sequence[Array | None],
    ) -> list[Array]:
        """Run a whole shader, and let it write to the arrays of `into` themselves.

        Such an array is contiguous and is what the make begins with; None is one that is made.
        What this changes no tracer hears of.
        """
        made = self.dispatch(shader, operands, params, (), groups, makes)
        for i, target in enumerate(into):
            if target is not None:
                self.write(target, made[i])
                made[i] = target
        return made

    @_asks_tracer
    def host(
        self,
        name: str,
        function: Callable[..., np.ndarray],
        operands: Sequence[Array],
        dtype: DType,
    ) -> Array:
        """Return what `function` makes of the operands as NumPy arrays, which it leaves alone.

        For a GPU that is a trip to the host, which waits for everything before it: it is counted.
        `name` is the op that it is for.
        """
        COUNTERS.host_trips += 1
        result = function(*[self.download(x) for x in operands])
        return self.upload(np.asarray(result, order="C"), dtype)

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


def _refused(tracer: DeviceTracer, what: str, more: str = "") -> Callable[..., Any]:
    """Return what refuses to do something, with the user's line in the midst of the sentence."""
    return lambda device, *args: tracer.refuse(
        f"{what.format(*args, called=called())} at {place(caller())}{more}"
    )


# What touches memory besides the kernel families, and what stands for it while one traces.
MEMORY: dict[str, Callable[[DeviceTracer], Callable[..., Any]]] = {
    "upload": lambda tracer: tracer.upload,
    "replace": lambda tracer: tracer.replace,
    "download": lambda tracer: _refused(
        tracer,
        "{called} reads a value (or moves one to another device)",
        "; inside a compiled function tensors have no values: return the tensor and read it "
        "outside",
    ),
    "host": lambda tracer: _refused(
        tracer,
        "{0}",
        " is computed by NumPy on the host, and a compiled function does not leave its device: "
        "call it outside, and pass its result as argument",
    ),
    "synchronize": lambda tracer: _refused(tracer, "the function waits for the device"),
}
