"""`wgrad doctor`: which devices there are, whether they compute right, and what is missing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from .. import doctor
from ..environment import WGPU

ABOUT = {
    "help": "find out which devices there are and whether they work",
    "description": (
        "Say which versions, drivers and devices there are, run ten kernels on each adapter and "
        "compare them with NumPy. Drivers run in processes of their own, so one that crashes is "
        "told of. The status is 0 where all is right, 1 for a wrong result, 20 without an adapter, "
        "22 for a driver that does not load, 23 for an adapter that dies at work, 24 without wgpu."
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--device", help="try this one only (default: all adapters)")
    parser.add_argument("--json", action="store_true", help="print JSON, in one line")


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Examine, and print the report; return its status."""
    name = options.device
    if name not in (None, "numpy", "webgpu") and not str(name).startswith("webgpu:"):
        parser.error(f"--device {name} came; numpy, webgpu or webgpu:<part of a name> is needed")
    report = doctor.examine(name)
    if options.json:
        print(json.dumps(asdict(report)))
        return report.status
    v = report.versions
    package = WGPU.read()
    print(
        f"wgrad {v['wgrad']}, Python {v['python']}, NumPy {v['numpy']}, "
        f"{package} {v[package] or 'missing'}, on {v['system']}"
    )
    for manifest in report.drivers:
        print(f"driver {manifest['file']}: {manifest['problem'] or manifest['library']}")
    for device in report.devices:
        print(line_of(device))
        if "test" in device:
            print(f"  {_verdict(device['test'])}")
    for problem in report.problems:
        print(f"problem: {problem}")
    if not report.problems:
        print("all is well")
    return report.status


def line_of(device: dict[str, Any]) -> str:
    """Return the line about a device."""
    by = device.get("implementation")
    return (
        f"{device['name']}: {device['adapter']} ({device['type']}, {device['backend']}, "
        f"{device['driver']}){f', by {by}' if by else ''}, {' '.join(device['dtypes'])}"
    )


def _verdict(test: dict[str, Any]) -> str:
    kernels = test["kernels"]
    right = sum(x == "right" for x in kernels.values())
    text = f"self-test: {right} of {len(kernels)} kernels are right"
    if "died" in test:
        return f"{text}, then it died, {test['died']}"
    return (
        f"{text}; {test['dispatches']} dispatches, {test['pipelines_compiled']} kernels compiled "
        f"in {test['compile_seconds']:.1f} CPU seconds"
        if "dispatches" in test
        else text
    )
