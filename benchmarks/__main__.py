"""`python -m benchmarks`: one table of ratios; says what was missed, and fails for nothing."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

import wgrad as wg

from . import eager
from .harness import describe, measure


def main() -> None:
    """Measure every case and print the table."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title="wgrad: eager dispatch")
    for heading in ("work", "ours, ms", "theirs, ms", "theirs is", "ratio", "aimed at", ""):
        table.add_column(heading, justify="right" if "ms" in heading else "left")
    try:
        console.print(wg.device("webgpu").description)
        cases = list(eager.webgpu_cases())
    except wg.errors.WgradError as error:
        console.print(f"WebGPU cases left out: {error}")
        cases = []
    for case in [*cases, eager.mlp_case()]:
        table.add_row(*describe(measure(case)))
    console.print(table)


if __name__ == "__main__":
    main()
