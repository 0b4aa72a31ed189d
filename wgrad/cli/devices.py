"""`wgrad devices`: the devices of this machine, by the names that `wg.device` takes."""

from __future__ import annotations

import argparse
import json
import sys

from .. import doctor
from .doctor import line_of

ABOUT = {"help": "list the devices of this machine"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--json", action="store_true", help="print JSON, in one line")


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print a line for each; the status is 0, or that of `wgrad doctor` where there is no GPU."""
    report = doctor.listed()
    if options.json:
        print(json.dumps(report.devices))
    else:
        for device in report.devices:
            print(line_of(device))
    for problem in report.problems:
        print(problem, file=sys.stderr)
    return report.status
