"""What commands about a file of WGSL share: which op of it is meant, its inputs, and errors."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..devices import device
from ..errors import DeviceError, ShaderError, WgradError
from ..kernel.library import Library, load

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
    found: dict[str, Any] = {"ok": False, "error": getattr(error, "reason", str(error))}
    for name in ("file", "line", "column"):
        if getattr(error, name, None) is not None:
            found[name] = getattr(error, name)
    print(json.dumps(found))


def chosen(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[Library, str]:
    """Return the ops of the file, and the name of the one that is meant."""
    library = load(options.file)
    names = dir(library)
    if options.entry is not None:
        if options.entry not in names:
            have = ", ".join(names) or "none"
            parser.error(f"{options.file} has no {options.entry!r} that can be run; it has {have}")
        return library, options.entry
    name = library.main
    if name is None:
        have = ", ".join(names) or "none"
        parser.error(f"{options.file}: --entry is needed, one of: {have}")
    return library, name


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


def named_path(text: str) -> tuple[str, str]:
    """Return the name in front of a path, or "", and the path."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and name.isidentifier() else ("", text)


def settings(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return what --set said, by name."""
    found: dict[str, Any] = {}
    for name, value in options.set:
        if name in found:
            parser.error(f"--set {name} came twice")
        found[name] = value
    return found


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

