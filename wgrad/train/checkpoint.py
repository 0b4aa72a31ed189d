"""Checkpoints: the file of a run, by wg.save and wg.load: whole or not at all, and data alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, FileError, MissingFileError
from ..io import load, save
from ..io.paths import tidy

PathLike = str | os.PathLike


def write(path: PathLike, state: Any) -> None:
    """Write what `wg.save` takes, in the safetensors format whatever the path ends in.

    Raises: FileError, DTypeError; the file that was there is untouched then.
    """
    save(state, path, format="safetensors")


def read(path: PathLike) -> Any:
    """Return what `write` was given; tensors lie on the NumPy device.

    Raises: ArgumentError for a file that is none of these, or broken; MissingFileError.
    """
    path = os.fspath(path)
    try:
        return load(path, "numpy")
    except MissingFileError:
        raise
    except FileError as error:
        raise ArgumentError(
            f"checkpoint: {path!s} is no checkpoint, or broken ({error}): give another "
            "path, or remove it to begin anew"
        ) from error


def check_writable(path: PathLike, what: str) -> None:
    """Raise ArgumentError where no file can be written at `path`; its folder is made.

    What a killed run left behind there is removed.
    """
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb"):
            pass
        part.unlink()
        tidy(target)
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
