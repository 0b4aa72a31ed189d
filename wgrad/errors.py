"""The exception tree. Every error that wgrad raises on purpose is a `WgradError`.

Each class is also the built-in kind that a Python user would catch:

    WgradError
    ├── ShapeError              ValueError    shapes, sizes, strides that do not fit
    │   └── AxisError           IndexError    an axis that the tensor does not have
    ├── ArgumentError           ValueError    an argument outside its domain
    │   └── CallError           TypeError     arguments of kinds that a function cannot work with
    ├── DTypeError              TypeError     dtypes that do not fit, or that the device lacks
    ├── UnknownNameError        AttributeError  PyTorch's name for something, and ours for it
    ├── IndexRangeError         IndexError    an index or a class label outside its range
    ├── LinAlgError             LinAlgError   NumPy's, a ValueError: a matrix without the result
    ├── GradientError           RuntimeError  misuse of the tape
    ├── AnomalyError            FloatingPointError  a NaN or inf that detect_anomaly has found
    ├── DeviceError             RuntimeError  no such device, tensors of two devices, a lost device
    │   └── ForkedError         RuntimeError  a GPU opened before this process was forked
    ├── TraceError              RuntimeError  a function that cannot be compiled as it is
    ├── InterchangeError        BufferError   memory that two libraries cannot share
    ├── ShaderError             RuntimeError  WGSL that is wrong, or that the driver refuses
    ├── InterpreterError        RuntimeError  an interpreter that answers with no tensor
    ├── ObserverError           RuntimeError  an observer that raised when it was told
    ├── VmapError               RuntimeError  a function that cannot be mapped over a batch
    ├── FileError               OSError, ValueError  a file that is not what it should be
    │   └── MissingFileError    FileNotFoundError    no file of that name
    ├── OutOfMemoryError        MemoryError   the device has no room
    └── MissingDependencyError  ImportError   an optional package is not installed

A message says in one sentence what came and what is needed, and is raised before anything is
dispatched: no tensor has changed when one of these arrives. Two come later: the IndexRangeError
for an index that a compiled function computed (see `compile`), and an ObserverError, at the end of
the block that observes.
"""

from typing import Any

import numpy as np


class WgradError(Exception):
    """The root of every exception that wgrad raises on purpose.

    >>> try:
    ...     wg.zeros((2, 3)) @ wg.zeros((2, 3))
    ... except wg.errors.WgradError as error:
    ...     print(type(error).__name__)
    ShapeError
    """


class ShapeError(WgradError, ValueError):
    """Shapes, sizes or strides that do not fit together.

    >>> wg.zeros(3) + wg.zeros(2)
    Traceback (most recent call last):
        ...
    wgrad.errors.ShapeError: add: shapes (3,) and (2,) do not broadcast: axis -1 has 3 and 2
    """


class AxisError(ShapeError, IndexError):
    """An axis that the tensor does not have.

    >>> wg.sum(wg.zeros(3), axis=1)
    Traceback (most recent call last):
        ...
    wgrad.errors.AxisError: sum: axis 1 is out of range; the tensor's axes are -1 to 0
    """


class ArgumentError(WgradError, ValueError):
    """An argument outside its domain.

    >>> wg.clip(wg.zeros(3), 2, 1)
    Traceback (most recent call last):
        ...
    wgrad.errors.ArgumentError: clip: min 2 is greater than max 1
    """


class CallError(ArgumentError, TypeError):
    """Arguments that do not fit a function's signature, or of kinds that it cannot work with.

    >>> wg.sort(wg.zeros(3), ascending=True)
    Traceback (most recent call last):
        ...
    wgrad.errors.CallError: sort: ascending=True came, and no argument has that name; sort(x,
      axis=-1, descending=False, stable=True) is its call
    """


class DTypeError(WgradError, TypeError):
    """Dtypes (or types) that do not fit, or that the device lacks.

    >>> wg.matmul(wg.tensor([True]), wg.tensor([True]))
    Traceback (most recent call last):
        ...
    wgrad.errors.DTypeError: matmul: bool tensors came and numbers are needed: convert with
      .astype()
    """


class UnknownNameError(WgradError, AttributeError):
    """A name that PyTorch has; the message says what to write here.

    >>> wg.rsqrt
    Traceback (most recent call last):
        ...
    wgrad.errors.UnknownNameError: wg.rsqrt is not here: write 1 / wg.sqrt(x)
    """


class IndexRangeError(WgradError, IndexError):
    """An index or a class label outside its range.

    >>> wg.tensor([1, 2, 3])[3]
    Traceback (most recent call last):
        ...
    wgrad.errors.IndexRangeError: indexing: index 3 is out of range for axis 0, whose extent is 3
    """


class LinAlgError(WgradError, np.linalg.LinAlgError):
    """A matrix that has no such result: one that is singular, or not positive definite.

    >>> wg.linalg.inv(wg.zeros((2, 2)))
    Traceback (most recent call last):
        ...
    wgrad.errors.LinAlgError: inv: a singular matrix came, and one with an inverse is needed
    """


class GradientError(WgradError, RuntimeError):
    """Misuse of the tape: no graph, a wrong gradient, a saved tensor that was assigned to.

    >>> wg.zeros(3).sum().backward()
    Traceback (most recent call last):
        ...
    wgrad.errors.GradientError: backward: the tensor does not require grad: nothing that led to
      it was recorded
    """


class AnomalyError(WgradError, FloatingPointError):
    """An operation gave NaN or inf inside `detect_anomaly`.

    >>> with wg.device("numpy"), wg.detect_anomaly():
    ...     y = wg.log(wg.tensor([-1.0]))
    Traceback (most recent call last):
        ...
    wgrad.errors.AnomalyError: detect_anomaly: log at ... gave NaN in 1 of 1 elements of its
      result of shape (1,), the first at [0], from a of shape (1,) from -1 to -1
    """


class DeviceError(WgradError, RuntimeError):
    """No such device, tensors of two devices in one operation, or a device that was lost.

    >>> wg.device("tpu")
    Traceback (most recent call last):
        ...
    wgrad.errors.DeviceError: device 'tpu' is unknown: "numpy", "webgpu", "webgpu:<part of an
      adapter's name>" or "auto" is needed; a GPU is "webgpu" here, of whatever make
    """


class TraceError(WgradError, RuntimeError):
    """A function that cannot be compiled: it reads a value, seeds, or works on two devices.

    >>> @wg.compile(state=[])
    ... def f(x):
    ...     return x * x.sum().item()
    >>> f(wg.ones(3))
    Traceback (most recent call last):
        ...
    wgrad.errors.TraceError: compile: item reads a value (or moves one to another
      device) at ...; inside a compiled function tensors have no values: return the tensor and
      read it outside
    """


class ForkedError(DeviceError):
    """A GPU that was opened before this process was forked.

    >>> issubclass(wg.errors.ForkedError, RuntimeError)  # the message says how to start processes
    True
    """


class InterchangeError(WgradError, BufferError):
    """Memory that two libraries cannot share: a GPU's, or that of a tensor that requires grad.

    >>> np.from_dlpack(wg.parameter([1.0]))
    Traceback (most recent call last):
        ...
    wgrad.errors.InterchangeError: __dlpack__: the tensor requires grad, which another owner
      would not see: use .detach()
    """


class ShaderError(WgradError, RuntimeError):
    """WGSL that is wrong, or that the driver refuses.

    Where a place in a text is known, the message has it, with the line and a caret below:

        waves.wgsl:3:12: unknown name 'amplitud'
          return amplitud * sin(x);
                 ^

    `file`, `line` and `column` (both from 1), `source_line` and `reason` hold its parts; they are
    None, and `reason` is the message, where no place is known.

    >>> wg.kernel.elementwise("fn f(x: f32) -> f32 { return y; }")
    Traceback (most recent call last):
        ...
    wgrad.errors.ShaderError: <text>:1:30: unknown name 'y'
      fn f(x: f32) -> f32 { return y; }
                                   ^
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        source_line: str | None = None,
    ):
        self.reason = reason
        self.file, self.line, self.column = file, line, column
        self.source_line = source_line
        super().__init__(reason)

    def __str__(self) -> str:
        if self.file is None:
            return self.reason
        return f"{self.file}:{self.line}:{self.column}: {self.reason}{self._excerpt()}"

    def _excerpt(self) -> str:
        """Return the line and a caret, or that part of a long line which has the column."""
        if not self.source_line or self.column is None:
            return ""
        before, after = self.source_line[: self.column - 1], self.source_line[self.column - 1 :]
        if len(before) > 100:
            before = "..." + before[-60:]
        if len(after) > 100:
            after = after[:100] + "..."
        shown = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in before + after)
        space = "".join(c if c == "\t" else " " for c in shown[: len(before)])
        return f"\n  {shown}\n  {space}^"

    def __reduce__(self) -> tuple:
        return _shader_error, (
            self.reason,
            {
                "file": self.file,
                "line": self.line,
                "column": self.column,
                "source_line": self.source_line,
            },
        )


def _shader_error(reason: str, place: dict[str, Any]) -> ShaderError:
    return ShaderError(reason, **place)


class InterpreterError(WgradError, RuntimeError):
    """An interpreter, which is asked before an operation runs, answered with no tensor.

    >>> issubclass(wg.errors.InterpreterError, wg.errors.WgradError)
    True
    """


class ObserverError(WgradError, RuntimeError):
    """An observer raised when it was told of what had run, which was done all the same.

    >>> with wg.observe(lambda event: 1 / 0):
    ...     y = wg.exp(wg.zeros(3))
    Traceback (most recent call last):
        ...
    wgrad.errors.ObserverError: observe: <lambda> raised ZeroDivisionError('division by zero')
      when it was told of full, and was told no more: all calls have run
    """


class VmapError(WgradError, RuntimeError):
    """A function that cannot be mapped over a batch: it asks for the value of one example.

    >>> wg.vmap(lambda x: x * 2 if x > 0 else x)(wg.ones(3))
    Traceback (most recent call last):
        ...
    wgrad.errors.VmapError: vmap: the value of one example was asked for (by item(), bool(),
      numpy(), int() or an `if`), and all examples are computed at once: use wg.where instead of
      `if`, or return the tensor and read it outside
    """


class FileError(WgradError, OSError, ValueError):
    """A file that is not what it should be: cut off, corrupt, of another kind, or hostile.

    >>> with open("model.safetensors", "w") as file:
    ...     _ = file.write("no model")
    >>> wg.load("model.safetensors")
    Traceback (most recent call last):
        ...
    wgrad.errors.FileError: load: 'model.safetensors' is no file of safetensors or of PyTorch:
      it begins with b'no model'
    """


class MissingFileError(FileError, FileNotFoundError):
    """There is no file of that name, or no folder to write it into.

    >>> wg.load("no-such-file.safetensors")
    Traceback (most recent call last):
        ...
    wgrad.errors.MissingFileError: load: there is no file 'no-such-file.safetensors'
    """


class OutOfMemoryError(WgradError, MemoryError):
    """The device has no room for a buffer.

    >>> issubclass(wg.errors.OutOfMemoryError, MemoryError)
    True
    """


class WorkerError(WgradError, RuntimeError):
    """A worker of a data loader ended on its own, or took too long.

    >>> issubclass(wg.errors.WorkerError, RuntimeError)
    True
    """


class MissingDependencyError(WgradError, ImportError):
    """An optional package is not installed.

    >>> issubclass(wg.errors.MissingDependencyError, ImportError)  # it says what to install
    True
    """


__all__ = [name for name, x in vars().items() if isinstance(x, type) and issubclass(x, WgradError)]


def shown(value: Any, depth: int = 2) -> str:
    """Return a value as short text for a message, however large or deep it is."""
    if isinstance(value, int) and value.bit_length() > 100:
        return f"an integer of {value.bit_length()} bits"  # Python refuses to print the largest
    if type(value) in (tuple, list):
        items = [shown(x, depth - 1) for x in value[:6]] if depth else []
        text = ", ".join([*items, "..."] if len(items) < len(value) else items)
        comma = "," if type(value) is tuple and len(value) == 1 else ""
        return f"({text}{comma})" if type(value) is tuple else f"[{text}]"
    try:
        shape = value.shape if hasattr(value, "dtype") else None
        if type(shape) is tuple and shape:
            return f"an array of shape {shown(shape)}"
        text = repr(value)
    except Exception:  # a message about bad input must not fail on it
        text = type(value).__name__
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
