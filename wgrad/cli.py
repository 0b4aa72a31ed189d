"""The command line: `python -m wgrad bisect script.py`, `python -m wgrad numerics`."""

from __future__ import annotations

import argparse
import math
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from . import environment, numerics
from .devices import device
from .errors import WgradError
from .program.diagnose.bisect import Finding, watching
from .program.diagnose.differences import TOLERANCE


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m wgrad", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="{bisect,numerics}")
    bisect = commands.add_parser(
        "bisect",
        help="run a script and find the pass or kernel at fault where compiled results differ",
        usage="python -m wgrad bisect [-h] [--tolerance TOLERANCE] script.py [argument ...]",
        epilog="What follows -- goes to the script, also what reads as an option of this command.",
        allow_abbrev=False,
    )
    bisect.add_argument(
        "--tolerance",
        type=_tolerance,
        default=TOLERANCE,
        help="of the largest magnitude of a result that may be off (default: %(default)s)",
    )
    bisect.add_argument("script", nargs="?", help="a Python script that uses wg.compile")
    bisect.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the script")
    measured = commands.add_parser(
        "numerics", help="measure the errors of elementwise functions against float64"
    )
    measured.add_argument("--device", help="what wg.device takes (default: the default device)")
    measured.add_argument("--write", metavar="FILE", help="keep the table in a file of markdown")
    mine, after = _split(arguments)
    options = parser.parse_args(mine)
    if options.command is None:
        parser.error("no command came; bisect or numerics is needed")
    try:
        environment.check()
    except WgradError as error:
        parser.error(str(error))
    if options.command == "numerics":
        if after:
            measured.error(f"{' '.join(after)} came after --, and nothing is needed there")
        try:
            return _numerics(options.device, options.write)
        except (OSError, WgradError) as error:
            measured.error(str(error))
    if options.script is None:
        bisect.error("no script came; the name of a Python script that uses wg.compile is needed")
    if not os.path.isfile(options.script):
        bisect.error(f"there is no script {options.script!r}")
    return _bisect(options.script, [*options.rest, *after], options.tolerance)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before "--" and those after it.

    A tolerance that follows the script, whose arguments begin there, is put in front of it.
    """
    left = list(arguments)
    end = left.index("--") if "--" in left else len(left)
    left, after = left[:end], left[end + 1 :]
    if left[:1] != ["bisect"]:
        return left, after
    options: list[str] = []
    rest = left[1:]
    if rest[-1:] == ["--tolerance"]:  # without a number: the parser says so
        return ["bisect", "--tolerance"], after
    for i in reversed(range(len(rest))):
        if rest[i] == "--tolerance" or rest[i].startswith("--tolerance="):
            count = 2 if rest[i] == "--tolerance" else 1
            options = rest[i : i + count] + options
            del rest[i : i + count]
    return ["bisect", *options, *rest], after


def _tolerance(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} came; a finite number of at least 0 is needed")
    return number


def _bisect(script: str, rest: Sequence[str], tolerance: float) -> int:
    """Run a script as if by Python; say what is wrong in the programs that it compiles."""
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        print(finding, flush=True)  # at once: the script may fail over it

    argv, path = sys.argv, sys.path[:]
    sys.argv = [script, *rest]
    sys.path[0] = os.path.dirname(os.path.abspath(script))  # where it finds its own modules
    try:
        with watching(report, tolerance) as programs:
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    finally:
        sys.argv, sys.path[:] = argv, path
    if not programs:
        print("bisect: the script compiled nothing")
    elif not findings:
        print(f"bisect: all of {len(programs)} compiled programs compute what their ops do")
    return 1 if findings else 0


def _numerics(name: str | None, path: str | None) -> int:
    """Measure a device, and print the table; the status says whether every contract is kept."""
    chosen = device(name)
    if path is not None:
        with open(path, "a", encoding="utf-8"):
            pass  # what cannot be written is said before all is measured
    results = numerics.measure(chosen)
    section = numerics.table(chosen, results)
    print(section, end="")
    if path is not None:
        file = Path(path)
        old = file.read_text(encoding="utf-8")
        file.write_text(numerics.written(old, section), encoding="utf-8")
    return 0 if all(r.ok for r in results) else 1
