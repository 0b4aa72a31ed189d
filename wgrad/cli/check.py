"""`wgrad check file.wgsl`: whether compilers take a file, and whether its gradients are right."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..kernel.checking import check
from ..kernel.compute import ComputeKernel
from ..kernel.library import Library, load
from ..kernel.validation import validate
from . import subject

ABOUT = {
    "help": "check a file of WGSL: its types, what compilers say, and with --input its gradients",
    "description": (
        "Read a file, check its types, and ask the compiler naga. With --input or --set the op is "
        "run on every device at hand, and values and gradients are compared with float64."
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    subject.configure(parser)
    parser.add_argument(
        "--all", action="store_true", help="ask all compilers at hand, Chromium's too, for seconds"
    )


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Check it, and print what was found; the status says whether all is well."""
    return subject.guarded(options, parser, lambda: _run(options, parser))


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    judged = validate(Path(options.file), None if options.all else ["wgrad", "naga"])
    reports: dict[str, Any] = {"text": judged}
    ops: list[str] = []
    if judged.ok:
        ops = _ops(load(Path(options.file)))
    if judged.ok and (options.input or options.set):
        about = subject.chosen(options)
        ordered, named = subject.read_inputs(options.input, parser)
        values: dict[str, Any] = {**named, **subject.settings(options, parser)}
        reports[about.name] = check(about.op, *ordered, **values)
    fine = all(x.ok for x in reports.values())
    if options.json:
        contents = {key: json.loads(x.to_json()) for key, x in reports.items()}
        print(json.dumps({"ok": fine, "ops": ops, "reports": contents}))
    else:
        print(
            "\n".join([str(judged), *("  " + x for x in ops), *map(str, [*reports.values()][1:])])
        )
    return subject.FINE if fine else subject.FAILED


def _ops(library: Library) -> list[str]:
    """Return a line for each function and kernel that can be called."""
    ops = [library[name] for name in library]
    return [
        repr(x).strip("<>") if isinstance(x, ComputeKernel) else f"function {x.function.says}"
        for x in ops
    ]
