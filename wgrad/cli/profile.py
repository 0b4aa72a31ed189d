"""`wgrad profile script.py`: which kernels a script runs, for which lines, and how long."""

from __future__ import annotations

import argparse
import os
import sys

from ..profile import profile
from ..profile.table import BY
from .script import run_script

ABOUT = {"help": "run a script and show which kernels took how long"}
USAGE = "[--by {kernel,op,line}] [--limit N] [--trace FILE] [--json] [--wall]"
SCRIPT = "a Python script that uses wgrad"
NEEDED = f"the name of {SCRIPT}"
OPTIONS = {"--by": True, "--limit": True, "--trace": True, "--json": False, "--wall": False}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--by", choices=list(BY), default="kernel", help="what the rows are (default: %(default)s)"
    )
    parser.add_argument(
        "--limit", type=_limit, default=20, help="how many rows (default: %(default)s; 0: all)"
    )
    parser.add_argument(
        "--trace", metavar="FILE", help="write a trace that https://ui.perfetto.dev opens"
    )
    parser.add_argument(
        "--json", action="store_true", help="print all as JSON, in one line, in the table's place"
    )
    parser.add_argument(
        "--wall", action="store_true", help="time by the host's clock, not by the GPU's own"
    )


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run a script, then print the table; the status is the script's."""
    if not os.path.isfile(options.script):
        parser.error(f"there is no script {options.script!r}")
    if options.trace is not None:
        try:
            with open(options.trace, "a", encoding="utf-8"):
                pass  # what cannot be written is said before the script runs
        except OSError as error:
            parser.error(str(error))
    measured = profile(clock="wall" if options.wall else "auto")
    try:
        with measured:
            run_script(options.script, options.rest)
    except SystemExit as end:
        _show(measured, options)
        if isinstance(end.code, str):  # Python prints it, and ends with 1
            raise
        return 0 if end.code is None else int(end.code)
    except BaseException:
        _show(measured, options)
        raise
    _show(measured, options)
    return 0


def _show(measured: profile, options: argparse.Namespace) -> None:
    """Print what was measured, after what the script printed."""
    if options.json:
        print(measured.to_json())
    else:
        print(measured.table(by=options.by, limit=options.limit or None))
    if options.trace is not None:
        measured.chrome_trace(options.trace)
    sys.stdout.flush()


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} came; a whole number of at least 0 is needed")
    return int(text)
