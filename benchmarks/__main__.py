"""`python -m benchmarks`: one table of ratios; says what was missed, and fails for nothing."""

from __future__ import annotations

import argparse
import datetime
import platform
import sys

from rich.console import Console

from . import growth, pages, report, training
from .cases import CASES, chosen
from .contenders import CONTENDERS
from .harness import measure
from .peers.base import About, AbsentError
from .workers import Pool


def main(argv: list[str] | None = None) -> int:
    """Measure what the arguments ask for, print the table, and keep it with --write."""
    options = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    if options.list:
        for case in CASES:
            console.print(f"{case.name:16} {case.work}{' (on a GPU)' * case.gpu}", highlight=False)
        return 0
    if options.what == "training":
        console.print(training.table(options.rounds or 9))
        return 0
    if options.what == "web":
        return _web(options, console)
    if options.what == "pages":
        table, places = pages.compared()
        console.print(table, highlight=False)
        if options.write:
            pages.draw(places)
        return 0
    if not chosen(options.only, gpu=True):
        console.print(f"no case's name contains {options.only!r}: see --list", highlight=False)
        return 2
    with Pool(CONTENDERS) as pool:
        about = _ours(pool, console)
        if options.what == "growth":
            _growth(pool, about, options.rounds or 3, console)
            return 0
        rows = []
        cases = chosen(options.only, gpu=not about.software)
        with console.status("") as status:
            for case in cases:
                status.update(case.work)
                rows += measure(case, pool, options.rounds or 9)
        versions = _versions(pool)
        console.print(report.table(rows, f"{about.device}: a step, medians of one run"))
        console.print(versions, highlight=False)
        if options.write:
            today = datetime.date.today().isoformat()
            body = report.markdown(report.HEADINGS, [report.cells(row) for row in rows])
            report.write(about.device, f"{today}. {versions}\n\n{body}")
            console.print(f"written to {report.RESULTS.name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("table", "growth", "training", "pages", "web"),
        default="table",
    )
    parser.add_argument("--only", metavar="NAME", default="", help="cases whose name contains it")
    parser.add_argument("--rounds", type=_rounds, metavar="N", help="alternating rounds, else 9")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--show", action="store_true", help="web: in a browser of one's own")
    parser.add_argument("--write", action="store_true", help="keep the table in RESULTS.md")
    return parser


def _rounds(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} came, and at least 1 is needed")
    return count


def _ours(pool: Pool, console: Console) -> About:
    """Return what our WebGPU device is, or what NumPy is where there is none."""
    try:
        return pool.get("compiled").about
    except AbsentError as error:
        console.print(f"WebGPU is absent: {error}")
        return pool.get("compiled, NumPy").about


def _versions(pool: Pool) -> str:
    """Return who took part, each library once for each device."""
    found = {f"{about.library} ({about.device})": None for about in pool.about().values()}
    return f"Python {platform.python_version()}; {'; '.join(sorted(found))}"


def _web(options: argparse.Namespace, console: Console) -> int:
    from .web import run, steps

    made = [make() for make in steps.ALL if options.only in make.__name__]
    try:
        found = run.measure(
            made, options.rounds or 5, 5, list(run.CONTENDERS), console.print, options.show
        )
    except AbsentError as error:
        console.print(f"absent: {error}", highlight=False)
        return 2
    section = run.markdown(found)
    console.print(section, highlight=False, markup=False, soft_wrap=True)
    if options.write:
        report.write(f"In a browser, on {found.about['adapter']}", section)
        console.print(f"written to {report.RESULTS.name}")
    return 0


def _growth(pool: Pool, about: About, rounds: int, console: Console) -> None:
    with console.status("") as status:
        found = growth.points(pool, rounds, status.update)
    rows = [row for points in found.values() for _, row in points]
    console.print(report.table(rows, f"{about.device}: how a step's cost grows"))
    growth.plot(found, f"An SGD step on {about.device}")
    console.print(f"drawn to {growth.PLOT.name}")


if __name__ == "__main__":
    raise SystemExit(main())
