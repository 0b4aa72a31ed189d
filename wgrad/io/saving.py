"""save and load: which format a file has or gets, and where what it holds goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checks.arguments import checked_choice
from ..creation import DeviceLike
from ..devices import device as find_device
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError, FileError, shown
from ..random.generator import refuse_in_trace
from . import pytorch, safetensors, sharded
from .nesting import restored, taken
from .paths import as_path, mapped, told

FORMATS = ("safetensors", "pytorch")
_PYTORCH = (".pt", ".pth", ".bin", ".ckpt")  # suffixes that mean PyTorch's format
_OTHERS = {  # how other files begin, and what to do with them
    b"\x89HDF\r\n\x1a\n": "an HDF5 file; wgrad has no reader for it",
    b"\x93NUMPY": "a NumPy array; numpy.load reads it",
    b"GGUF": "a GGUF file; wgrad has no reader for it",
    b"\x08": "perhaps an ONNX model; wg.onnx.load reads those",
}


def save(obj: Any, path: Any, *, format: str | None = None) -> None:
    """Write a model, or whatever a training run has to keep, to a file.

    `obj` is a module, a tensor, or dicts, lists and tuples of tensors, NumPy arrays, numbers,
    strings, bools and None, nested at will; what has a `state_dict()` is taken by it.

    Tensors are written under dotted names ("model.0.weight"), the rest as JSON in the header; those
    that share their memory once. The format is safetensors, or for the suffixes .pt, .pth, .bin and
    .ckpt that of PyTorch, whose torch.load reads it; format="safetensors" or "pytorch" says it.
    The file is there as a whole or not at all: it is written under another name beside `path`, and
    takes its place when it is on the disk.

    Raises: DTypeError for what cannot be saved; ArgumentError; FileError where the file cannot be
    written; MissingDependencyError without the package safetensors.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> wg.save({"model": wg.nn.Linear(2, 1), "epoch": 3}, path)
    >>> run = wg.load(path)
    >>> run["epoch"], run["model"]["weight"].shape
    (3, (1, 2))
    """
    refuse_in_trace("save")
    target = as_path(path, "save")
    if format is not None:
        checked_choice(format, FORMATS, "save", "format")
    as_pytorch = format == "pytorch" or (format is None and target.suffix.lower() in _PYTORCH)
    writer = pytorch if as_pytorch else safetensors
    writer.write(taken(obj, "save"), target, "save")


def load(path: Any, device: DeviceLike = None, *, dtype: Any = None, into: Any = None) -> Any:
    """Return what a file holds: the nesting that was saved, with tensors on `device`.

    Reads safetensors, PyTorch's files (zipped or of before 2020) without PyTorch, and the JSON
    index of models in several files. No code in a file is ever run. What the file holds says what
    it is, not its name.

    With `into`, a module or dicts and lists of what has a `load_state_dict()`, these take over
    what was saved of them, all of them or, when this raises, none.

    Tensors get the nearest dtype that the device has: bfloat16, and float16 that wgrad did not
    write, become float32; float64 stays where the device has it; integers become int32 or uint32.
    `dtype` is what floats become instead.

    Raises: MissingFileError; FileError for what is cut off, corrupt, of another format, would run
    code, or holds integers beyond 32 bits; ArgumentError, ShapeError, DTypeError where `into` does
    not fit; MissingDependencyError without the package safetensors.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.safetensors")
    >>> model, again = wg.nn.Linear(2, 1), wg.nn.Linear(2, 1)
    >>> wg.save({"model": model, "epoch": 3}, path)
    >>> wg.load(path, into={"model": again})["epoch"]
    3
    >>> bool((again.weight == model.weight).all())
    True
    """
    refuse_in_trace("load")
    target = find_device(device)
    chosen = None if dtype is None else as_dtype(dtype)
    if chosen is not None:
        if not chosen.is_floating:
            raise DTypeError(f"load: dtype={chosen.name} came, and a floating one is needed")
        target.check_dtype(chosen, "load")
    file = as_path(path, "load")
    value = restored(_read(file), target, chosen, f"load: {told(file)}")
    if into is not None:
        pairs = list(_paired(value, into, ""))
        _take_over(pairs)
    return value


def _read(path: Path, nested: bool = False) -> Any:
    """Return what a file holds as plain nested data. Raises: FileError."""
    head = bytes(mapped(path, "load")[:4096])
    if head.startswith(b"PK") or head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return pytorch.read(path, "load")
    if head[8:9] == b"{":
        return safetensors.read(path, "load")
    if head.lstrip()[:1] == b"{" and not nested:
        return sharded.read(path, "load", lambda file: _read(file, True))
    kind = next((text for magic, text in _OTHERS.items() if head.startswith(magic)), None)
    said = f"it is {kind}" if kind else f"it begins with {shown(head[:8])}"
    raise FileError(f"load: {told(path)} is no file of safetensors or of PyTorch: {said}")


def _paired(value: Any, into: Any, path: str) -> Any:
    """Yield (what takes over, what was saved of it, its path)."""
    at = f" at {shown(path)}" if path else ""
    if callable(getattr(into, "load_state_dict", None)) and not isinstance(into, type):
        yield into, value, path
    elif isinstance(into, Mapping):
        for key, x in into.items():
            if not isinstance(value, Mapping) or key not in value:
                came = f"only {shown(list(value))}" if isinstance(value, Mapping) else "no dict"
                raise ArgumentError(f"load: into has {shown(key)}{at}, and the file has {came}")
            yield from _paired(value[key], x, f"{path}.{key}" if path else str(key))
    elif isinstance(into, (list, tuple)):
        if not isinstance(value, (list, tuple)) or len(value) != len(into):
            raise ArgumentError(f"load: into has {len(into)} entries{at}, and the file has others")
        for i, (x, saved) in enumerate(zip(into, value, strict=True)):
            yield from _paired(saved, x, f"{path}.{i}" if path else str(i))
    else:
        raise DTypeError(
            f"load: into is {shown(into)}{at}; a module, or dicts and lists of what has a "
            "load_state_dict(), is needed"
        )


def _take_over(pairs: list[tuple[Any, Any, str]]) -> None:
    """Have all take over what was saved of them; when one refuses, all are what they were."""
    before = [x.state_dict() for x, _, _ in pairs[:-1]]
    for i, (x, saved, _) in enumerate(pairs):
        try:
            x.load_state_dict(saved)
        except BaseException:
            for (earlier, _, _), state in zip(pairs[:i], before, strict=False):
                earlier.load_state_dict(state)
            raise
