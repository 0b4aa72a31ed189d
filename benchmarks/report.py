"""The table: printed for people, and kept as markdown, a section for each device."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from .harness import Row

RESULTS = Path(__file__).parent / "RESULTS.md"
HEADINGS = ("work", "ours", "ms", "kernels", "theirs", "ms", "ratio", "aimed at", "")

PREAMBLE = """# Results

What `python -m benchmarks --write` measured, a section for each device that ours ran on. A time is
the median of alternating rounds, per step, with the wait for the device at the end of a round only.
MLPs take batches of 64; blocks are timed forward and backward.
Ratios of one run compare; milliseconds of different machines do not.

![How the cost of a step grows](growth.png)
"""


def cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table."""
    case, ours, theirs = row.case, row.ours, row.theirs
    kernels = "" if ours.kernels is None else str(ours.kernels)
    head = (case.work, ours.name, milliseconds(ours), kernels)
    if theirs is None:
        middle = ("", "", "", _limits(row))
    else:
        middle = (theirs.name, milliseconds(theirs), _ratio(row), _goal(row.goal))
    return (*head, *middle, _verdict(row))


def milliseconds(timing) -> str:
    """Return a time with three digits that count; "absent" where there is none."""
    if timing.absent or not timing.seconds:
        return "absent"
    value = timing.median * 1e3
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _ratio(row: Row) -> str:
    speedup = row.speedup
    if speedup is None:
        return ""
    return f"{speedup:.2f} x faster" if speedup >= 1 else f"{1 / speedup:.2f} x slower"


def _goal(goal: float | None) -> str:
    if goal is None:
        return ""
    if goal == 1:
        return "ahead"
    return f"at least {goal:.3g} x faster" if goal > 1 else f"at most {1 / goal:.3g} x slower"


def _limits(row: Row) -> str:
    limit, kernels = row.case.limit, row.case.kernels
    wanted = [f"less than {limit:g} s"] if limit is not None else []
    wanted += [f"{kernels} kernel{'s' * (kernels != 1)}"] if kernels is not None else []
    return ", ".join(wanted)


def _verdict(row: Row) -> str:
    if row.absent:
        return f"absent: {row.absent}"
    words = {None: "", True: "met", False: "MISSED"}[row.met]
    return ", ".join(x for x in (words, _rate(row)) if x)


def _rate(row: Row) -> str:
    """Return what ours reached on a GPU, where the work of a step is known."""
    problem, seconds = row.case.problem, row.ours.median
    if not row.case.gpu:
        return ""
    if problem.flops:
        return f"{problem.flops / seconds / 1e12:.2f} TFLOP/s"
    return f"{problem.traffic / seconds / 1e9:.0f} GB/s"


def table(rows: Sequence[Row], title: str) -> Table:
    """Return the table for a terminal."""
    out = Table(title=title)
    for heading in HEADINGS:
        right = heading in ("ms", "kernels")
        out.add_column(heading, justify="right" if right else "left", no_wrap=heading == "ms")
    work = None
    for row in rows:
        if work not in (None, row.case.name):
            out.add_section()
        work = row.case.name
        out.add_row(*cells(row), style="bold red" if row.met is False else None)
    return out


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown; columns of numbers are on the right."""
    marks = ["--:" if h in ("ms", "kernels") else "---" for h in headings]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, marks, *escaped)) + "\n"


def write(heading: str, body: str, path: Path = RESULTS) -> None:
    """Put a section into the results, in the place of the one with the same heading."""
    text = path.read_text(encoding="utf-8") if path.exists() else PREAMBLE
    section = f"## {heading}\n\n{body.strip()}\n"
    old = re.compile(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", re.M | re.S)
    if old.search(text):
        text = old.sub(lambda match: section + "\n", text, count=1)
    else:
        text = f"{text.rstrip()}\n\n{section}"
    path.write_text(text.rstrip() + "\n", encoding="utf-8")
