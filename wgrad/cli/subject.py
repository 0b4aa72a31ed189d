"""What commands about a file of WGSL share: which op of it is meant, its inputs, and errors."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..devices import device
from ..errors import CallError, DeviceError, ShaderError, WgradError
from ..kernel.entry import Checked
from ..kernel.library import Library
from ..kernel.texts import source_of

FINE, FAILED, WRONG = 0, 1, 2  # the status of a command


def configure(parser: argparse.ArgumentParser, inputs: bool = True) -> None:
    """Say what all commands about a file take."""
    parser.add_argument("file", help="a file of WGSL")
    parser.add_argument(
        "--entry", metavar="NAME", help="which function, if several may be meant; or which kernel"
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_setting,
        help="a number for a parameter, a member of a uniform, or an override; 1,2,3 for a vector",
    )
    parser.add_argument("--device", help="what wg.device takes (default: the default device)")
    parser.add_argument("--json", action="store_true", help="print JSON, in one line")
    if inputs:
        parser.add_argument(
            "--input",
            metavar="[NAME=]FILE",
            action="append",
            default=[],
            help="a .npy file, for inputs in their order or for one by its name",
        )


def guarded(
    options: argparse.Namespace, parser: argparse.ArgumentParser, work: Callable[[], int]
) -> int:
    """Do `work()`, and say what is wrong without a traceback; return the status.

    What is wrong in a shader is 1, what is wrong in the words of the command 2.
    """
    if not os.path.isfile(options.file):
        parser.error(f"there is no file {options.file!r}")
    try:
        with device(options.device) if options.device else contextlib.nullcontext():
            return work()
    except (ShaderError, DeviceError) as error:
        told(options, error)
        return FAILED
    except (OSError, WgradError) as error:
        if options.json:
            told(options, error)
            return WRONG
        parser.error(str(error))


def told(options: argparse.Namespace, error: Exception) -> None:
    """Print an error, as JSON where that was asked for."""
    if not options.json:
        print(error, file=sys.stderr)
        return
    answer: dict[str, Any] = {"ok": False, "error": getattr(error, "reason", str(error))}
    for name in ("file", "line", "column"):
        if getattr(error, name, None) is not None:
            answer[name] = getattr(error, name)
    print(json.dumps(answer))


class Subject(NamedTuple):
    """What a command is about: an op of a file, by its name; a compute shader, or a function."""

    text: Checked
    library: Library
    name: str

    @property
    def is_kernel(self) -> bool:
        """Whether it is a compute shader."""
        return self.name in self.text.kernels

    @property
    def op(self) -> Any:
        """The op."""
        return self.library[self.name]


def chosen(
    options: argparse.Namespace,
    reading: Callable[[Path], bytes] = Path.read_bytes,
    likely: str | None = None,
) -> Subject:
    """Return what of the file is meant: by --entry, else the op that is called `likely`.

    Raises: CallError where nothing is, or several may be; ShaderError for what is wrong in it.
    """
    text = Checked(source_of(Path(options.file), "wgrad", reading))
    name = options.entry or (likely if likely in text.ops else text.main)
    have = ", ".join(text.ops) or "nothing"
    if name is None:
        raise CallError(f"{options.file}: --entry is needed, for it has {have}")
    if name not in text.ops:
        raise CallError(f"{options.file} has no {name!r} that can be run; it has {have}")
    return Subject(text, Library(text), name)


def read_inputs(
    given: Sequence[str], parser: argparse.ArgumentParser
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Return the arrays of files, those in order and those by name."""
    ordered, named = [], {}
    for text in given:
        name, path = named_path(text)
        try:
            data = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            parser.error(f"{path} is no .npy file that can be read: {error}")
        if not isinstance(data, np.ndarray):
            parser.error(f"{path} holds several arrays, and a .npy file of one is needed")
        if name:
            named[name] = data
        else:
            ordered.append(data)
    return ordered, named


def kernel_of(
    about: Subject,
    ordered: Sequence[np.ndarray],
    named: dict[str, np.ndarray],
    shape: tuple[int, ...] | None,
    **how: Any,
) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a compute shader, and its inputs by name, from arrays in order and by name.

    What it writes and nobody gives is made anew, of `shape` or that of its first input; `how` is
    what else Library.kernel takes. Raises: CallError for too many arrays.
    """
    name, whole = about.name, about.library.kernel(about.name)  # all that it writes is an input
    rest = [x for x in whole.inputs if x not in named]
    if len(ordered) < len(rest):  # what it only reads comes first
        rest = [x for x in rest if x not in whole.outputs] + [x for x in rest if x in whole.outputs]
    if len(ordered) > len(rest):
        raise CallError(
            f"{name}: {len(ordered)} arrays came in order, and it takes {', '.join(rest) or 'none'}"
        )
    given = {**dict(zip(rest, ordered, strict=False)), **named}
    first = next((x for x in whole.inputs if x in given), None)
    fresh = {x: shape or first for x in whole.outputs if x not in given}
    return about.library.kernel(name, outputs=fresh, **how), given


def named_path(text: str) -> tuple[str, str]:
    """Return the name in front of a path, or "", and the path."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and name.isidentifier() else ("", text)


def settings(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return what --set said, by name."""
    values: dict[str, Any] = {}
    for name, value in options.set:
        if name in values:
            parser.error(f"--set {name} came twice")
        values[name] = value
    return values


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} came; NAME=VALUE is needed, as in dt=0.1")
    try:
        return name.strip(), json.loads(f"[{value}]" if "," in value else value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{value!r} came for {name}; a number, true, false, or numbers with commas are needed"
        ) from None


def sizes(text: str) -> tuple[int, ...]:
    """Return numbers as in 512x512 or 1000000."""
    parts = text.lower().split("x")
    if not all(x.strip().isdecimal() and int(x) > 0 for x in parts):
        raise argparse.ArgumentTypeError(f"{text!r} came; whole numbers are needed, as in 512x512")
    return tuple(map(int, parts))


def threads(text: str) -> Any:
    """Return what --threads says: the name of an array, or numbers."""
    return text if text.isidentifier() else sizes(text)
