"""How cost grows: the time of a training step against width, depth and batch, as a plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .cases import Case
from .harness import Row, measure
from .problems import Mlp
from .workers import Pool

PLOT = Path(__file__).parent / "growth.png"

AXES: dict[str, tuple[tuple[int, ...], Callable[[int], Mlp]]] = {
    "width, one hidden layer, batch 64": (
        (64, 128, 256, 512, 1024, 2048),
        lambda n: Mlp((n, n, 10)),
    ),
    "hidden layers, 64 wide, batch 64": (
        (1, 2, 4, 8, 16, 32, 64),
        lambda n: Mlp((64,) * (n + 1) + (10,)),
    ),
    "batch, MLP 256-128-10": (
        (1, 4, 16, 64, 256, 1024, 4096),
        lambda n: Mlp((256, 128, 10), batch=n),
    ),
}


def cases() -> Iterator[tuple[str, int, Case]]:
    """Yield (axis, size, case)."""
    for axis, (sizes, problem) in AXES.items():
        for n in sizes:
            work = f"{axis}: {n}"
            yield axis, n, Case(f"growth-{n}", work, problem(n), {"eager": None})


def points(pool: Pool, rounds: int, tell: Callable[[str], None]) -> dict[str, list[tuple]]:
    """Measure and return for each axis its points (size, row)."""
    found: dict[str, list[tuple[int, Row]]] = {axis: [] for axis in AXES}
    for axis, n, case in cases():
        tell(case.work)
        found[axis] += [(n, row) for row in measure(case, pool, rounds)]
    return found


def plot(found: dict[str, list[tuple[int, Row]]], title: str, path: Path = PLOT) -> None:
    """Draw the points, compiled and eager, a panel for each axis. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(1, len(found), figsize=(11, 3.4), sharey=True)
    for panel, (axis, rows) in zip(panels, found.items(), strict=True):
        rows = [(n, row) for n, row in rows if not row.absent]
        for name in ("ours", "theirs"):
            timings = [(n, getattr(row, name)) for n, row in rows]
            if timings:
                label = timings[0][1].name
                times = [t.median * 1e3 for _, t in timings]
                panel.plot([n for n, _ in timings], times, marker="o", markersize=3, label=label)
        panel.set(yscale="log", xlabel=axis)
        panel.set_xscale("log", base=2)
        for axis_of_plot in (panel.xaxis, panel.yaxis):
            axis_of_plot.set_major_formatter(ticker.FormatStrFormatter("%g"))
        panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_minor_formatter(ticker.NullFormatter())
        panel.grid(True, which="major", alpha=0.3)
    panels[0].set_ylabel("ms a step")
    panels[0].legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
