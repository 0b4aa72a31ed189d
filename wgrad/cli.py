"""The command line: `python -m wgrad bisect script.py`."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence

from .program.bisect import TOLERANCE, Finding, watching


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m wgrad")
    commands = parser.add_subparsers(dest="command", required=True)
    bisect = commands.add_parser(
        "bisect",
        help="run a script and find the pass or kernel at fault where compiled results differ",
    )
    bisect.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)s")
    bisect.add_argument("script", help="a Python script that uses wg.compile")
    bisect.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the script")
    options = parser.parse_args(arguments)
    return _bisect(options.script, options.rest, options.tolerance)


def _bisect(script: str, rest: Sequence[str], tolerance: float) -> int:
    """Run a script as if by Python; say what is wrong in the programs that it compiles."""
    findings: list[Finding | None] = []
    before = sys.argv
    sys.argv = [script, *rest]
    try:
        with watching(findings.append, tolerance):
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    finally:
        sys.argv = before
    wrong = [finding for finding in findings if finding is not None]
    for finding in wrong:
        print(finding)
    if not findings:
        print("bisect: the script compiled nothing")
    elif not wrong:
        print(f"bisect: all of {len(findings)} compiled programs compute what their ops do")
    return 1 if wrong else 0
