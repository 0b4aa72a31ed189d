"""What the examples share: their arguments, the figure that each promises, and its picture."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.extras import needed


@dataclass(frozen=True)
class Goal:
    """What an example promises when it runs at full length: a figure, and its bounds."""

    what: str
    least: float = -np.inf
    most: float = np.inf
    form: str = ".2%"  # how the figure is written

    def bounds(self) -> str:
        """Return the bounds in words."""
        least, most = (format(x, self.form) for x in (self.least, self.most))
        words = [f"at least {least}"] * (self.least > -np.inf)
        return " and ".join(words + [f"at most {most}"] * (self.most < np.inf))


def panels(down: int, across: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Return a figure of matplotlib's, width x height inches, and its axes, row by row."""
    kind = needed("matplotlib.figure", "viz", "panels").Figure
    figure = kind(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(down, across, squeeze=False).flat)


def tiles(images: Any, across: int) -> Any:
    """Return images (n, height, width) as one NumPy array, `across` in a row, with 0 between."""
    framed = np.pad(np.asarray(images), ((0, -len(images) % across), (1, 1), (1, 1)))
    rows = framed.reshape(-1, across, *framed.shape[1:])
    return np.vstack([np.hstack(list(row)) for row in rows])


def main(
    run: Callable[[Any], tuple[float, Any]], goal: Any, arguments: Any = None, **settings: Any
) -> int:
    """Run an example on the device that was asked for; return the exit status.

    `run(options)` returns the figure that `goal`, or goal(options), is about, and a picture to save
    (of matplotlib's or of `wg.viz`), or several in a dict, by what is added to the file's name.
    `settings` are the example's own options with their defaults: a number, or words of which the
    first is the default. The status is 0, 1 where the goal is missed, or 2 where it cannot run.
    """
    home = run.__globals__  # of the example
    name, lines = Path(home["__file__"]).stem, home["__doc__"].strip().splitlines()
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=lines[0])
    parser.add_argument("--device", help='"numpy", "webgpu", "webgpu:<part of a name>" or "auto"')
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    parser.add_argument("--output", type=Path, default=Path(), help="the folder for the picture")
    for key, value in settings.items():
        words = {"choices": value, "default": value[0]} if isinstance(value, tuple) else {}
        how = words or {"type": type(value), "default": value, "help": f"{value}"}
        parser.add_argument(f"--{key}", **how)
    options = parser.parse_args(arguments)
    try:
        with wg.device(options.device) as device:
            print(f"device: {device.name} ({device.description})")
            start = time.perf_counter()
            wg.manual_seed(options.seed)
            found, pictures = run(options)
            print(f"time: {time.perf_counter() - start:.1f} s")
            for path in save(pictures, options.output, name):
                print(f"picture: {path}")
    except wg.errors.WgradError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    goal = goal if isinstance(goal, Goal) else goal(options)
    print(f"{goal.what}: {found:{goal.form}}")
    missed = not goal.least <= found <= goal.most
    if missed:
        print(f"{name}: {found:{goal.form}} is not {goal.bounds()}", file=sys.stderr)
    return int(missed)


def save(pictures: Any, folder: Path, name: str) -> list[Path]:
    """Save a picture, or several, to `folder`; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, picture in (pictures if isinstance(pictures, dict) else {"": pictures}).items():
        ending = {wg.viz.Picture: ".svg", wg.viz.Interactive: ".html"}.get(type(picture), ".png")
        paths.append(folder / f"{name}{suffix}{ending}")
        picture.savefig(paths[-1], dpi=80) if ending == ".png" else picture.save(paths[-1])
    return paths
