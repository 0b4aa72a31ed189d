"""`python -m benchmarks web`: exports our steps, has the page run all, and makes the table."""

from __future__ import annotations

import datetime
import importlib.util
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .. import report
from . import steps
from .browser import answers
from .steps import Step

HERE = Path(__file__).parent
SILENCE = 900.0  # seconds without a word of the page: software adapters compile for long
OURS, BY_HAND = "exported", "by hand"
CONTENDERS = {
    OURS: "wgrad",
    BY_HAND: "byhand",
    "borch.ts": "borch",
    "jax-js": "jax",
    "TF.js": "tfjs",
}
AGREES = 1e-3  # of the losses, of the larger
HEADINGS = ("work", "who", "first step, ms", "ms, loss read", "to ours", "ms", "to ours", "")


@dataclass(frozen=True)
class Outcome:
    """What a contender did on a step: milliseconds, or why there are none."""

    step: Step
    who: str
    first: float = 0.0
    reading: Sequence[float] = ()
    running: Sequence[float] = ()
    absent: str = ""


@dataclass(frozen=True)
class Run:
    """What one page did: `about` names contenders, browser and adapter."""

    about: dict[str, Any]
    outcomes: Sequence[Outcome]


def measure(
    made: Sequence[Step],
    rounds: int,
    count: int,
    contenders: Sequence[str],
    tell: Callable,
    shown: bool = False,
) -> Run:
    """Run the page, headless or `shown` in the user's browser. Raises: AbsentError without one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problems = [_laid_out(step, folder / step.name) for step in made]
        plan = {
            "problems": problems,
            "contenders": {x: f"/page/peers/{CONTENDERS[x]}.js" for x in contenders},
            "rounds": rounds,
            "count": count,
            "steps": steps.STEPS,
        }
        folders = {
            "page": HERE,
            "steps": folder,
            "npm": HERE / "node_modules",
            "borch": _borch(),
        }
        about: dict[str, Any] = {}
        outcomes: list[Outcome] = []
        for told in answers(folders, {"plan": json.dumps(plan)}, SILENCE, shown):
            if told.kind == "about":
                about = told.value
                tell(f"{about['agent']}, {about['adapter']}")
            elif told.kind == "now":
                tell(told.value)
            elif told.kind == "rows":
                step = next(x for x in made if x.name == told.value["problem"])
                outcomes += _outcomes(step, told.value["rows"], about["contenders"])
    return Run(about, outcomes)


def _borch() -> Path:
    """Return the folder of borch.ts, which comes in the wheel of pyborch."""
    found = importlib.util.find_spec("borch_webgpu")
    return Path(found.origin).parent if found is not None and found.origin else Path("/nowhere")


def _laid_out(step: Step, folder: Path) -> dict[str, Any]:
    """Write a step's numbers and our export of it, and return what the page is told."""
    step.export(folder)

    def written(name: str, x: Any) -> dict[str, Any]:
        (folder / f"{name}.raw").write_bytes(x.tobytes())
        url = f"/steps/{step.name}/{name}.raw"
        return {"url": url, "shape": x.shape, "dtype": x.dtype.name}

    return {
        "name": step.name,
        "work": step.work,
        "lr": step.lr,
        "folder": f"/steps/{step.name}/",
        "x": written("x", step.x),
        "y": written("y", step.y),
        "weights": {name: written(f"weight-{name}", x) for name, x in step.weights.items()},
    }


def _outcomes(step: Step, rows: dict[str, Any], about: dict[str, str]) -> list[Outcome]:
    """Return who did what; one whose losses are others has computed something else."""
    wanted = step.losses()
    found = []
    for who in about:
        row = rows.get(who, {"absent": about[who].removeprefix("absent: ")})
        if "absent" in row:
            found.append(Outcome(step, who, absent=row["absent"]))
            continue
        off = max(
            abs(a - b) / max(abs(b), 1e-6) for a, b in zip(row["losses"], wanted, strict=True)
        )
        if not off <= AGREES:
            losses = ", ".join(f"{x:.5g}" for x in row["losses"])
            absent = f"it computes something else: losses {losses}"
            found.append(Outcome(step, who, absent=absent))
        else:
            found.append(Outcome(step, who, row["first"], row["reading"], row["running"]))
    return found


def lines(run: Run) -> list[tuple[str, ...]]:
    """Return the rows of the table."""
    found = []
    for step in dict.fromkeys(x.step.name for x in run.outcomes):
        rows = [x for x in run.outcomes if x.step.name == step]
        ours = next(x for x in rows if x.who == OURS)
        found += [_line(x, ours) for x in rows]
    return found


def _line(x: Outcome, ours: Outcome) -> tuple[str, ...]:
    if x.absent:
        return (x.step.work, x.who, "", "", "", "", "", f"absent: {x.absent}")
    cells: list[str] = [f"{x.first:.0f}"]
    for name in ("reading", "running"):
        cells.append(f"{median(getattr(x, name)):.2f}")
        cells.append("" if x is ours or ours.absent else _ratio(getattr(x, name), ours, name))
    return (x.step.work, x.who, *cells, _verdict(x, ours))


def _ratio(times: Sequence[float], ours: Outcome, name: str) -> str:
    return f"{median(times) / median(getattr(ours, name)):.2f}"


def _verdict(x: Outcome, ours: Outcome) -> str:
    """Say whether ours met its goal against a contender."""
    if x is ours or ours.absent:
        return ""
    ratios = [median(getattr(x, n)) / median(getattr(ours, n)) for n in ("reading", "running")]
    if x.who == BY_HAND:
        return f"at most 1.2 x slower: {'met' if min(ratios) >= 1 / 1.2 else 'MISSED'}"
    words = f"ahead: {'met' if min(ratios) > 1 else 'MISSED'}"
    first = x.first * 1.5 >= ours.first
    return f"{words}; first step within 1.5: {'met' if first else 'MISSED'}"


def markdown(run: Run) -> str:
    """Return the section of the results."""
    who = "; ".join(x for x in run.about["contenders"].values() if not x.startswith("absent"))
    browser = next((x for x in run.about["agent"].split() if "Chrome" in x), "a browser")
    return (
        f"{datetime.date.today().isoformat()}. {browser.replace('/', ' ')}, "
        f"{run.about['adapter']}; {who}. One page, alternating rounds. A first step is from the "
        "making of weights to the first loss, with all that is compiled; a step uploads its "
        "batch, and reads the loss each time or once at the end of a round.\n\n"
        + report.markdown(HEADINGS, lines(run))
    )
