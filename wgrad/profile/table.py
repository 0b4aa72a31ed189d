"""The table of a profile: where the time went, and how near that came to what the device can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..backends.timing import Timing
from .report import Report
from .roof import Roof

BY: dict[str, Callable[[Timing], str]] = {
    "kernel": lambda e: e.kernel,
    "op": lambda e: e.op,
    "line": lambda e: e.line,
}
WIDEST = 60  # letters of a name
_CLOCKS = {
    "gpu": "by the GPU's own clock, each kernel in a pass of its own",
    "wall": "by the host's clock",
    "wall gpu": "by the host's clock, which waits for the GPU before and after each kernel: that "
    "is in the times",
}


@dataclass
class _Row:
    """The kernels that have one key on one device."""

    name: str
    device: str
    nanoseconds: int = 0
    count: int = 0
    bytes: int = 0
    flops: int = 0
    is_counted: bool = False  # whether its arithmetic is known

    def add(self, event: Timing) -> None:
        self.nanoseconds += event.duration_ns
        self.count += 1
        self.bytes += event.bytes
        self.flops += event.flops or 0
        self.is_counted = self.is_counted or event.flops is not None


def table_of(report: Report, by: str, limit: int | None) -> str:
    """Return a report as a table, the rows that took longest first."""
    if not report.events:
        return "profile: no kernel ran in the block"
    rows = _rows(report.events, BY[by])
    total = sum(row.nanoseconds for row in rows)
    shown = rows if limit is None else rows[:limit]
    several = len(report.devices) > 1
    head = (by, "time", "share", "count", "GB/s", "GFLOP/s", "of the roof")
    cells = [head, *(_cells(row, total, report.roofs.get(row.device), several) for row in shown)]
    lines = list(_laid_out(cells))
    if len(rows) > len(shown):
        rest = rows[len(shown) :]
        time = duration(sum(row.nanoseconds for row in rest))
        lines.append(f"and {len(rest)} more, {time} together")
    lines.append(
        f"in all {duration(total)} in {sum(row.count for row in rows)} kernels, of "
        f"{duration(report.duration_ns)} in the block"
    )
    lines += _notes(report)
    return "\n".join(lines)


def _rows(events: Sequence[Timing], key: Callable[[Timing], str]) -> list[_Row]:
    rows: dict[tuple[str, str], _Row] = {}
    for event in events:
        name = key(event)
        place = name, event.device
        if place not in rows:
            rows[place] = _Row(name, event.device)
        rows[place].add(event)
    return sorted(rows.values(), key=lambda row: -row.nanoseconds)


def _cells(row: _Row, total: int, roof: Roof | None, several: bool) -> tuple[str, ...]:
    name = row.name if len(row.name) <= WIDEST else _shortened(row.name)
    seconds = row.nanoseconds / 1e9
    near = "-"
    if roof is not None and seconds and row.is_counted:
        share, which = roof.share(row.bytes, row.flops, seconds)
        near = f"{share:.0%} {which}" if share >= 0.005 else f"<1% {which}"
    return (
        f"{name} ({row.device})" if several else name,
        duration(row.nanoseconds),
        f"{row.nanoseconds / total:.1%}" if total else "-",
        str(row.count),
        _rate(row.bytes, seconds),
        _rate(row.flops, seconds),
        near,
    )


def _shortened(name: str) -> str:
    """Return the end of a path, or the beginning of a list of ops."""
    if ", line " in name:
        return "..." + name[3 - WIDEST :]
    return name[: WIDEST - 3] + "..."


def _rate(amount: int, seconds: float) -> str:
    if not (amount and seconds):
        return "-"
    rate = amount / seconds / 1e9
    return f"{rate:.3g}" if rate >= 0.01 else "<0.01"


def duration(nanoseconds: int) -> str:
    """Return a time with three digits, in the unit that suits it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds} ns"


def _laid_out(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i in (0, 6) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _notes(report: Report) -> Iterator[str]:
    """Say of each device what it is, how it was timed, and what its roof is."""
    for name, description in report.devices.items():
        clocks = {
            "wall gpu" if e.clock == "wall" and e.groups else e.clock
            for e in report.events
            if e.device == name
        }
        how = "; ".join(_CLOCKS[clock] for clock in sorted(clocks))
        roof = report.roofs.get(name)
        best = ""
        if roof is not None:
            best = f"; the roof is {roof.bandwidth / 1e9:.3g} GB/s, {roof.flops / 1e9:.3g} GFLOP/s"
        yield f"{name}: {description}, timed {how}{best}"
