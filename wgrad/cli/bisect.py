"""`wgrad bisect script.py`: which pass or kernel is at fault where compiled results differ."""

from __future__ import annotations

import argparse
import math
import os

from ..program.diagnose.bisect import Finding, watching
from ..program.diagnose.differences import TOLERANCE
from .script import run_script

ABOUT = {"help": "run a script and find the pass or kernel at fault where compiled results differ"}
USAGE = "[--tolerance TOLERANCE]"
SCRIPT = "a Python script that uses wg.compile"
NEEDED = f"the name of {SCRIPT}"
OPTIONS = {"--tolerance": True}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=TOLERANCE,
        help="of the largest magnitude of a result that may be off (default: %(default)s)",
    )


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run a script; say what is wrong in the programs that it compiles."""
    if not os.path.isfile(options.script):
        parser.error(f"there is no script {options.script!r}")
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        print(finding, flush=True)  # at once: the script may fail over it

    try:
        with watching(report, options.tolerance) as programs:
            run_script(options.script, options.rest)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    if not programs:
        print("bisect: the script compiled nothing")
    elif not findings:
        print(f"bisect: all of {len(programs)} compiled programs compute what their ops do")
    return 1 if findings else 0


def _tolerance(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} came; a finite number of at least 0 is needed")
    return number
