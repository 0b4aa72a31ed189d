"""`wgrad numerics`: the errors of elementwise functions, measured against float64."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import numerics
from ..devices import device
from ..errors import WgradError

ABOUT = {"help": "measure the errors of elementwise functions against float64"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--device", help="what wg.device takes (default: the default device)")
    parser.add_argument("--write", metavar="FILE", help="keep the table in a file of markdown")


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Measure a device, and print the table; the status says whether every contract is kept."""
    try:
        return _measured(options.device, options.write)
    except (OSError, WgradError) as error:
        parser.error(str(error))


def _measured(name: str | None, path: str | None) -> int:
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
