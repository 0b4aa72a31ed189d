"""`wgrad bench file.wgsl`: how long a function of a file takes."""

from __future__ import annotations

import argparse
from typing import Any

from ..kernel.benchmarking import bench
from . import subject

ABOUT = {
    "help": "measure how long a function or a compute shader of a file takes",
    "description": (
        "Run a function or a compute shader on arrays from .npy files, or on random numbers of "
        "--shape, and print the median time of its kernels, how much the times spread, and GB/s "
        "of its inputs and results. What a compute shader writes has the shape of its first input."
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    subject.configure(parser)
    parser.add_argument(
        "--shape",
        type=subject.sizes,
        action="append",
        help="of random inputs, as 1000000 or 512x512; may come several times (default: 1000000)",
    )
    parser.add_argument(
        "--groups", type=subject.sizes, help="how many workgroups of a compute shader run"
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
    ordered, named = subject.read_inputs(options.input, parser)
    if (ordered or named) and options.shape:
        parser.error("--shape is for random inputs, and --input came")
    if options.groups and not about.is_kernel:
        parser.error(f"--groups is for compute shaders, and {about.name} is a function")
    op, given = about.op, [*ordered]
    if about.is_kernel:
        op, by_name = _kernel(about, ordered, named, options)
        given = [by_name[x] for x in op.inputs if x in by_name]
        if given and len(given) < len(op.inputs):
            parser.error(f"--input: {about.name} takes {', '.join(op.inputs)}")
    elif named or (given and len(given) != len(op.function.names)):
        parser.error(f"--input: {op.function.says} takes its arrays in order, all or none")
    shapes = [given[0].shape] if given else options.shape or [(1_000_000,)]
    report = bench(
        op,
        shapes,
        inputs=(lambda shape: given) if given else None,
        gradient=options.gradient,
        rounds=options.rounds,
        **subject.settings(options, parser),
    )
    print(report.to_json() if options.json else report)
    return subject.FINE if report.ok else subject.FAILED


def _kernel(
    about: subject.Subject, ordered: list, named: dict, options: argparse.Namespace
) -> tuple[Any, dict[str, Any]]:
    """Return a compute shader that makes what it writes anew, and its inputs by name."""
    how = {"groups": options.groups}
    if ordered or named:
        return subject.kernel_of(about, ordered, named, None, **how)
    whole = about.library.kernel(about.name)
    read = [x for x in whole.inputs if x not in whole.outputs]
    fresh = dict.fromkeys(whole.outputs, read[0]) if read else {}
    return about.library.kernel(about.name, outputs=fresh, **how), {}
