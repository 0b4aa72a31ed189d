"""What was measured, as data: a report, and how it is written for other tools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..backends.timing import Timing
from .roof import Roof

FORMAT, VERSION = "wgrad profile", 1
HOST = 0  # the process of a trace that the block itself is in


@dataclass(frozen=True)
class Report:
    """The kernels of a block in the order of their starts, and when the block was open."""

    events: Sequence[Timing]
    start_ns: int
    duration_ns: int
    devices: Mapping[str, str]  # what each is, by its name
    roofs: Mapping[str, Roof]


def as_json(report: Report) -> str:
    """Return a report as JSON: each text of a kernel once."""
    shaders: dict[str, int] = {}
    rows = []
    for event in report.events:
        row = asdict(event)
        text = row["wgsl"]
        row["wgsl"] = shaders.setdefault(text, len(shaders)) if text else None
        rows.append(row)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "start_ns": report.start_ns,
        "duration_ns": report.duration_ns,
        "devices": dict(report.devices),
        "events": rows,
        "shaders": list(shaders),
    }
    return json.dumps(document)


def as_trace(report: Report) -> str:
    """Return a report in the Trace Event Format: a process for each device, times in microseconds.

    Kernels that overlap lie on lines of their own, for events of one line have to nest.
    """
    shaders: dict[str, str] = {}
    rows: list[dict[str, Any]] = [_meta("process_name", HOST, 0, "Python")]
    start = min([report.start_ns, *(e.start_ns for e in report.events)])
    rows.append(
        _complete("profile", "block", report.start_ns - start, report.duration_ns, HOST, 0, {})
    )
    for pid, (name, description) in enumerate(report.devices.items(), HOST + 1):
        rows.append(_meta("process_name", pid, 0, f"{name}: {description}"))
        ends: list[int] = []  # of what lies on each line so far
        for event in report.events:
            if event.device != name:
                continue
            tid = next((i for i, end in enumerate(ends) if end <= event.start_ns), len(ends))
            if tid == len(ends):
                ends.append(0)
                rows.append(_meta("thread_name", pid, tid, "kernels"))
            ends[tid] = event.start_ns + event.duration_ns
            args = {
                "line": event.line,
                "kernel": event.kernel,
                "bytes": event.bytes,
                "groups": event.groups,
                "replayed": event.replayed,
                "clock": event.clock,
            }
            if event.flops is not None:
                args["flops"] = event.flops
            if event.wgsl:
                args["wgsl"] = shaders.setdefault(event.wgsl, f"{event.kernel} {len(shaders)}")
            kind = "replay" if event.replayed else "eager"
            rows.append(
                _complete(event.op, kind, event.start_ns - start, event.duration_ns, pid, tid, args)
            )
    document = {
        "displayTimeUnit": "ns",
        "traceEvents": rows,
        "shaders": {name: text for text, name in shaders.items()},
    }
    return json.dumps(document)


def _meta(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _complete(
    name: str, kind: str, start: int, duration: int, pid: int, tid: int, args: dict[str, Any]
) -> dict[str, Any]:
    times = {"ts": start / 1000, "dur": duration / 1000}
    return {"ph": "X", "name": name, "cat": kind, **times, "pid": pid, "tid": tid, "args": args}
