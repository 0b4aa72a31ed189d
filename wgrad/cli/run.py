"""`wgrad run file.wgsl`: a function or a compute shader of a file, run on arrays from files."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from . import subject

ABOUT = {
    "help": "run a function or a compute shader of a file on arrays",
    "description": (
        "Run a function at every element of its inputs, or a compute shader. Arrays come from "
        ".npy files and go to such. What a shader writes and no --input names is made anew, of "
        "--shape or of the first input's shape."
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    subject.configure(parser)
    parser.add_argument(
        "--output",
        metavar="[NAME=]FILE",
        action="append",
        default=[],
        help="a .npy file to be written, for outputs in their order or for one by its name",
    )
    parser.add_argument(
        "--shape", type=subject.sizes, help="of outputs of a compute shader, as 512x512"
    )
    parser.add_argument(
        "--threads",
        type=subject.threads,
        help="how many invocations, as 512x512, or an array's name",
    )
    parser.add_argument(
        "--groups", type=subject.sizes, help="how many workgroups, in the place of --threads"
    )


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run it, say what came out, and write it."""
    return subject.guarded(options, parser, lambda: _run(options, parser))


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    about = subject.chosen(options)
    name = about.name
    ordered, named = subject.read_inputs(options.input, parser)
    values = subject.settings(options, parser)
    if about.is_kernel:
        how = {"threads": options.threads, "groups": options.groups}
        kernel, given = subject.kernel_of(about, ordered, named, options.shape, **how)
        made = kernel(**given, **values)
        several = made if isinstance(made, tuple) else (made,)
        made = dict(zip(kernel.outputs, several, strict=True))
    else:
        if options.threads or options.groups or options.shape:
            parser.error(
                f"--threads, --groups and --shape are for compute shaders, and {name} is a function"
            )
        made = {name: about.op(*ordered, **named, **values)}
    paths = _paths(options.output, list(made), parser)
    rows = []
    for output, x in made.items():
        data = x.numpy()
        if output in paths:
            with open(paths[output], "wb") as file:  # np.save would add .npy to a name without
                np.save(file, data)
        rows.append(_row(output, data, paths.get(output)))
    if options.json:
        first = next(iter(made.values()))
        print(json.dumps({"ok": True, "device": first.device.name, "outputs": rows}))
    else:
        print("\n".join(map(_line, rows)))
    return subject.FINE


def _paths(given: list[str], outputs: list[str], parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return which output goes to which file."""
    paths: dict[str, str] = {}
    for text in given:
        name, path = subject.named_path(text)
        name = name or next((x for x in outputs if x not in paths), "")
        if name not in outputs:
            parser.error(f"--output {text}: there are the outputs {', '.join(outputs)}")
        paths[name] = path
    return paths


def _row(name: str, data: np.ndarray, path: str | None) -> dict[str, Any]:
    """Return what is said of an output."""
    row: dict[str, Any] = {"name": name, "dtype": str(data.dtype), "shape": list(data.shape)}
    numbers = data[np.isfinite(data)] if data.dtype.kind == "f" else data
    if numbers.size:
        row["min"], row["max"] = numbers.min().item(), numbers.max().item()
        row["mean"] = float(numbers.astype(np.float64).mean())
    if numbers.size < data.size:
        row["not_finite"] = data.size - numbers.size
    if path is not None:
        row["file"] = path
    return row


def _line(row: dict[str, Any]) -> str:
    text = f"{row['name']}: {row['dtype']} {tuple(row['shape'])}"
    if "min" in row:
        text += f", from {row['min']:.6g} to {row['max']:.6g}, mean {row['mean']:.6g}"
    if "not_finite" in row:
        text += f", {row['not_finite']} NaN or infinite"
    return f"{text}, written to {row['file']}" if "file" in row else text
