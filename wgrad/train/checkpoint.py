"""Checkpoints: nested state in one file, which is there whole or not at all.

A file is written beside its place, forced to the disk, and put in place by one rename: whenever a
process is killed, the old file or the new one is there. What is in a file is data; reading it runs
no code.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..creation import tensor
from ..errors import ArgumentError, DTypeError, shown
from ..tensor import Tensor

PathLike = str | os.PathLike


def write(path: PathLike, state: Any) -> None:
    """Write nested dicts, lists, tuples, numbers, strings, None and tensors, atomically.

    A tensor that stands in several places is written once. Raises: OSError; DTypeError for other
    objects. The file that was there is untouched then.
    """
    arrays: dict[str, np.ndarray] = {}
    names: dict[int, str] = {}

    def plain(x: Any, where: str) -> Any:
        if isinstance(x, Tensor):
            if id(x) not in names:
                names[id(x)] = f"t{len(arrays)}"
                arrays[names[id(x)]] = x.detach().numpy()
            return {"$tensor": names[id(x)]}
        if isinstance(x, Mapping):
            pairs = [[plain(k, where), plain(v, f"{where}.{k}")] for k, v in x.items()]
            simple = all(type(k) is str and not k.startswith("$") for k in x)
            return dict(pairs) if simple else {"$dict": pairs}
        if isinstance(x, (list, tuple)):
            items = [plain(v, f"{where}.{i}") for i, v in enumerate(x)]
            return items if isinstance(x, list) else {"$tuple": items}
        if isinstance(x, (np.bool_, np.number)):
            x = x.item()
        if x is None or isinstance(x, (bool, int, float, str)):
            return x
        raise DTypeError(
            f"checkpoint: {where[1:]} is {shown(x)}, and dicts, lists, numbers, strings and "
            "tensors can be kept"
        )

    text = json.dumps(plain(state, ""))
    arrays["state"] = np.frombuffer(text.encode(), np.uint8)
    atomically(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def read(path: PathLike) -> Any:
    """Return what `write` was given; tensors lie on the NumPy device.

    Raises: ArgumentError for a file that is none of these, or broken; FileNotFoundError.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as found:
            text = found["state"].tobytes().decode()
            arrays = {name: found[name] for name in found.files if name != "state"}
        held: dict[str, Tensor] = {}

        def tensor_of(name: str) -> Tensor:
            if name not in held:
                x = arrays[name]
                held[name] = tensor(x, x.dtype.name, "numpy")
            return held[name]

        def nested(x: Any) -> Any:
            if isinstance(x, list):
                return [nested(v) for v in x]
            if not isinstance(x, dict):
                return x
            if set(x) == {"$tensor"}:
                return tensor_of(x["$tensor"])
            if set(x) == {"$tuple"}:
                return tuple(nested(v) for v in x["$tuple"])
            if set(x) == {"$dict"}:
                return {nested(k): nested(v) for k, v in x["$dict"]}
            return {k: nested(v) for k, v in x.items()}

        return nested(json.loads(text))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ArgumentError(
            f"checkpoint: {path!s} is no checkpoint, or broken ({error}): give another "
            "path, or remove it to begin anew"
        ) from error


def atomically(path: PathLike, put: Callable[[Any], Any]) -> None:
    """Let `put(file)` write a file that takes the place of `path` once it is whole."""
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        with open(part, "wb") as file:
            put(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    if os.name == "posix":  # the rename itself reaches the disk
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(path: PathLike, what: str) -> None:
    """Raise ArgumentError where no file can be written at `path`; its folder is made."""
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb"):
            pass
        part.unlink()
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder")
    except OSError as error:
        raise ArgumentError(
            f"fit: {what}={os.fspath(path)} cannot be written ({error.strerror or error}): give a "
            "path in a folder that can"
        ) from error


def check_model(model: Any, saved: Mapping[str, Any], path: PathLike) -> None:
    """Raise ArgumentError where a saved state is of another model: all that differs is listed."""
    own = {name: tuple(x.shape) for name, x in model.state_dict().items()}
    found = {name: tuple(x.shape) for name, x in saved.items()}
    wrong = [f"{name} is missing" for name in own if name not in found]
    wrong += [f"{name} {found[name]} is not in the model" for name in found if name not in own]
    wrong += [
        f"{name} has shape {found[name]}, and {own[name]} is needed"
        for name in own
        if name in found and own[name] != found[name]
    ]
    if wrong:
        raise ArgumentError(
            f"fit: the checkpoint {os.fspath(path)} is of another model: {'; '.join(wrong)}"
        )
