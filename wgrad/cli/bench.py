"""`wgrad bench file.wgsl`: how long a function of a file takes."""

from __future__ import annotations

import argparse

from ..kernel.benchmarking import bench
from . import subject

ABOUT = {
    "help": "measure how long a function of a file takes",
    "description": (
        "Run a function on random numbers, and print the median time of its kernels, how much the "
        "times spread, and GB/s of its inputs and results."
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    subject.configure(parser, inputs=False)
    parser.add_argument(
        "--shape",
        type=subject.sizes,
        action="append",
        help="of the elements, as 1000000 or 512x512; may come several times (default: 1000000)",
    )
    parser.add_argument(
        "--gradient", action="store_true", help="measure the backward pass with the forward pass"
    )
    parser.add_argument("--rounds", type=int, default=11, help="how often (default: %(default)s)")


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Measure it, and print a table; the status says whether it ran."""
    return subject.guarded(options, parser, lambda: _run(options, parser))


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    about = subject.chosen(options)
    if about.is_kernel:
        parser.error(
            f"{about.name} is a compute shader, whose inputs are not known: measure it by "
            "wg.kernel.bench(..., inputs=...)"
        )
    report = bench(
        about.op,
        options.shape or [(1_000_000,)],
        gradient=options.gradient,
        rounds=options.rounds,
        **subject.settings(options, parser),
    )
    print(report.to_json() if options.json else report)
    return subject.FINE if report.ok else subject.FAILED
