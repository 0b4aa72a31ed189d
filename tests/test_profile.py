"""wg.profile: every kernel is timed and tied to its op, its line and its text, on both devices."""

from __future__ import annotations

import contextvars
import json
import re
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pages
import pytest

import wgrad as wg
from wgrad import cli
from wgrad.backends import events as observing
from wgrad.backends.timing import timers
from wgrad.backends.webgpu import dispatches as dispatches_module
from wgrad.backends.webgpu import gpu as gpu_module
from wgrad.backends.webgpu import roof as gpu_roof
from wgrad.backends.webgpu import stamps
from wgrad.errors import ArgumentError, CallError, DeviceError, FileError, IndexRangeError
from wgrad.profile import Roof, Timing
from wgrad.profile.report import Report, as_trace
from wgrad.profile.table import duration, table_of

HERE = Path(__file__).name


def line_of(event: Any) -> int:
    """Return the number of the line that an event is of, which is in this file."""
    name, _, number = event.line.rpartition(", line ")
    assert Path(name).name == HERE
    return int(number)


def here() -> int:
    return sys._getframe(1).f_lineno


def nobody_measures() -> bool:
    return not observing.WATCHERS and timers.get() == ()


@pytest.fixture(params=["auto", "wall"])
def clock(request) -> str:
    return request.param


def test_every_kernel_is_tied_to_its_op_line_and_text(device, clock):
    a = wg.ones((8, 8))
    with wg.profile(clock) as p:
        first = here() + 1
        b = a @ a
        c = b.tanh()
        c.sum()
    assert [e.op for e in p.events] == [e.name for e in p.events] == ["matmul", "tanh", "sum"]
    assert [line_of(e) for e in p.events] == [first, first + 1, first + 2]
    on_gpu = device.name == "webgpu"
    for event in p.events:
        assert event.device == device.name and not event.replayed
        assert event.duration_ns > 0 and event.start_ns > 0
        assert (event.groups > 0) == on_gpu == ("fn main" in event.wgsl)
        assert event.clock == ("gpu" if on_gpu and clock == "auto" else "wall")
        assert event.op in event.kernel or event.kernel == "reduce"
    starts = [e.start_ns for e in p.events]
    assert starts == sorted(starts)
    product, tanh, total = p.events
    assert (product.flops, tanh.flops, total.flops) == (2 * 8**3, 64, 64)
    assert (product.bytes, tanh.bytes, total.bytes) == (512, 512, 260)
    assert nobody_measures()


def test_kernels_are_called_by_words(webgpu):
    turn = wg.kernel.elementwise("fn turn(v: vec2f, a: f32) -> vec2f { return a * v.yx; }")
    with wg.profile() as p:
        turn(wg.ones(3, 2), 0.5)
        wg.ones(8, 9).sum(axis=0)
    names = [e.kernel for e in p.events if "fill" not in e.kernel]
    assert names == ["turn fours", "reduce sum float32 float32"]


def test_starts_are_on_the_clock_of_the_host(device, clock):
    x = wg.ones(1000)
    x.exp().tolist()
    before = time.perf_counter_ns()
    with wg.profile(clock) as p:
        x.exp()
    after = time.perf_counter_ns()
    (event,) = p.events
    slack = 10**7  # the clocks of a GPU and of the host are compared by a round trip
    assert before - slack < event.start_ns
    assert event.start_ns + event.duration_ns < after + slack


def test_bytes_are_those_of_tensors_not_of_buffers(device):
    row, matrix = wg.ones(100), wg.ones((300, 100))
    with wg.profile() as p:
        row + matrix  # the row is read once
        matrix[::2].exp()
        matrix.sum(axis=0)
    assert [e.bytes for e in p.events[:2]] == [4 * (100 + 2 * 30000), 4 * 2 * 15000]
    # One kernel, or several that hand sums on.
    assert sum(e.bytes for e in p.events[2:]) >= 4 * (30000 + 100)
    assert [e.flops for e in p.events[2:] if e.flops is not None] == [30000]


def test_backward_passes_are_timed_at_the_line_that_asked(device):
    w = wg.parameter([[1.0, 2.0], [3.0, 4.0]])
    with wg.profile() as p:
        loss = (w @ w).sum()
        line = here() + 1
        loss.backward()
    late = [e.op for e in p.events if line_of(e) == line]
    assert late.count("matmul") == 2 and len(p.events) > len(late)


def test_replays_are_timed_kernel_by_kernel(device, clock):
    def f(x):
        y = (x * 2 + 1).tanh()
        return (y @ y).exp()

    step = wg.compile(f)
    x = wg.ones((16, 16))
    for _ in range(3):
        step(x)
    with wg.observe() as heard:
        plain = step(x)
    kernels = [e for e in heard if e.kind == "kernel"]
    with wg.profile(clock) as p:
        timed = step(x)
        step(x)
    assert timed.tolist() == plain.tolist()
    assert [(e.op, e.line, e.kernel) for e in p.events] == 2 * [
        (e.op, e.line, e.kernel) for e in kernels
    ]
    for event in p.events:
        assert event.replayed and event.duration_ns >= 0
        assert line_of(event) in (f.__code__.co_firstlineno + 1, f.__code__.co_firstlineno + 2)
        assert event.flops and event.bytes
    assert sum(e.flops for e in p.events) == 2 * (3 * 256 + 2 * 16**3 + 256)
    if device.name == "webgpu":
        assert {e.wgsl for e in p.events} <= set(re.split(r"\n\n(?=// kernel)", step.wgsl())) | {
            k.code for k in step.launches().kernels
        }


def test_replays_without_fusion_are_timed(device):
    step = wg.compile(lambda x: (x * 2 + 1).sum(), fuse=False)
    x = wg.ones(100)
    for _ in range(3):
        step(x)
    with wg.profile() as p:
        step(x)
    assert [e.op for e in p.events] == ["multiply", "add", "sum"]
    assert all(e.replayed for e in p.events)


def test_a_replay_changes_what_it_changes_when_it_is_timed(device, clock):
    w = wg.parameter([1.0, 2.0, 3.0])
    optimizer = wg.optim.SGD([w], lr=0.5)

    @wg.compile
    def step(x):
        loss = (w * x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x = wg.ones(3)
    for _ in range(4):
        step(x)
    with wg.profile(clock) as p:
        step(x)
        step(x)
    assert w.tolist() == [-2.0, -1.0, 0.0] and p.events
    step(x)
    assert w.tolist() == [-2.5, -1.5, -0.5]


def test_more_dispatches_than_the_query_set_holds(webgpu, monkeypatch):
    for module in (stamps, dispatches_module):
        monkeypatch.setattr(module, "PAIRS", 7)
    monkeypatch.setattr(stamps, "WHOLE", 7)
    monkeypatch.setattr(gpu_module, "WHOLE", 7)
    monkeypatch.setattr(gpu_module, "BATCH", 5)
    monkeypatch.setattr(webgpu.gpu, "_stamps", None)

    def f(x):
        for _ in range(10):
            x = x.reshape(4, 4) @ x.reshape(4, 4)
        return x

    with webgpu:
        x = wg.eye(4)
        step = wg.compile(f)
        for _ in range(3):
            step(x)
        with wg.profile() as p:
            y = f(x)
            assert len(p.events) == 10  # reading them waits
            y = y + 1
            z = step(x)
        assert z.tolist() == wg.eye(4).tolist()
        assert webgpu.gpu.stamps().room == 7
    assert [e.op for e in p.events].count("matmul") == 20 and len(p.events) == 21
    assert all(e.duration_ns >= 0 and e.clock == "gpu" for e in p.events)
    starts = [e.start_ns for e in p.events]
    assert len(set(starts)) == len(starts)


def test_adapters_without_timestamps_are_timed_by_the_host(webgpu, monkeypatch):
    monkeypatch.setattr(webgpu.gpu, "features", webgpu.gpu.features - {"timestamp-query"})
    monkeypatch.setattr(webgpu.gpu, "_stamps", None)
    with webgpu:
        x = wg.ones(10)
        with wg.profile() as p:
            x + 1
    assert [e.clock for e in p.events] == ["wall"] and p.events[0].duration_ns > 0
    assert "by the host's clock, which waits for the GPU before and after" in p.table(roof=False)


def test_what_numpy_does_for_a_gpu_is_timed_as_the_hosts(device):
    a = wg.eye(4) * 2
    with wg.profile() as p:
        wg.linalg.inv(a)
    event = max(p.events, key=lambda e: e.op == "inv")
    assert event.op == "inv" and event.flops is None
    assert event.device == ("host" if device.name == "webgpu" else "numpy")
    assert str(p) and json.loads(p.to_json())


def test_blocks_nest_and_see_what_ran_in_them(device):
    x = wg.ones(10)
    with wg.profile() as outer:
        x + 1
        with wg.profile() as inner:
            x * 2
        x - 1
    x / 2
    assert [e.op for e in inner.events] == ["multiply"]
    assert [e.op for e in outer.events] == ["add", "multiply", "subtract"]
    assert outer.events[1] is inner.events[0]


def test_a_block_beside_observers_leaves_each_what_it_is_told(device):
    """`sum` is told by operations alone: devices call it reduce."""
    x = wg.ones(10)
    with wg.observe() as heard:
        with wg.profile() as p:
            x + 1
        x.sum()
    x * 2
    with wg.profile() as q:
        with wg.observe() as more:
            x + 1
        x.sum()
    assert [e.op for e in heard if e.kind == "kernel"] == ["add", "sum"]
    assert [e.op for e in more if e.kind == "kernel"] == [e.op for e in p.events] == ["add"]
    assert [e.op for e in q.events] == ["add", "sum"] and nobody_measures()


def test_an_exception_ends_the_block_and_what_ran_is_there(device):
    x, other = wg.ones(10), wg.ones(3)
    p = wg.profile()
    with pytest.raises(KeyError, match="of the block"), p:
        x + 1
        raise KeyError("of the block")
    assert [e.op for e in p.events] == ["add"] and nobody_measures()
    with pytest.raises(wg.errors.ShapeError), p:  # and it can be entered again
        x * other
    with p:
        x * 2
    assert [e.op for e in p.events] == ["add", "multiply"]


def test_a_fault_in_the_block_is_the_one_that_is_raised(webgpu):
    with webgpu:
        x = wg.ones(10)
        with pytest.raises(IndexRangeError), wg.profile() as p:
            x + 1
            wg.take(x, wg.tensor([11]))
    assert [e.op for e in p.events][:1] == ["add"]


def test_what_the_end_of_a_block_finds_hides_no_exception_of_the_block(webgpu, monkeypatch):
    def lost() -> None:
        raise DeviceError("lost")

    monkeypatch.setattr(webgpu.gpu, "settle", lost)
    with webgpu:
        x = wg.ones(10)
        with pytest.raises(KeyError, match="of the block"), wg.profile():
            x + 1
            raise KeyError("of the block")
        with pytest.raises(DeviceError, match="lost"), wg.profile():
            x + 1
    assert nobody_measures()


def test_a_block_that_is_open_is_not_entered_again(numpy_device):
    with wg.profile() as p:
        with pytest.raises(ArgumentError, match="open already"), p:
            pass
        wg.ones(3) + 1
    assert [e.op for e in p.events][-1] == "add" and nobody_measures()


def test_other_threads_are_not_measured_unless_they_share_the_context(device):
    x = wg.ones(10)

    def work():
        with device:
            (x * 2).tolist()

    with wg.profile() as p:
        x + 1
        plain = threading.Thread(target=work)
        plain.start()
        plain.join()
        shared = threading.Thread(target=contextvars.copy_context().run, args=(work,))
        shared.start()
        shared.join()
    assert [e.op for e in p.events] == ["add", "multiply"]


def test_two_threads_measure_each_their_own(device):
    x = wg.ones(10)
    x + 1, x * 2, x - 3  # the kernels are there
    found: dict[str, list[str]] = {}

    def work(name, op):
        with device, wg.profile() as p:
            for _ in range(50):
                op(x, 2)
        found[name] = [e.op for e in p.events]

    threads = [
        threading.Thread(target=work, args=(name, getattr(wg, name)))
        for name in ("add", "multiply", "subtract")
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {name: [name] * 50 for name in ("add", "multiply", "subtract")}


def test_a_context_that_outlives_the_block_adds_nothing(device):
    x = wg.ones(10)
    with wg.profile() as p:
        x + 1
        later = contextvars.copy_context()
    with wg.profile():
        later.run(lambda: x * 2)
    assert [e.op for e in p.events] == ["add"]


def test_a_function_that_starts_a_profile_is_left_uncompiled(device):
    found = []

    @wg.compile
    def f(x):
        with wg.profile() as p:
            y = x * 2
        found.append([e.op for e in p.events])
        return y + 1

    x = wg.ones(4)
    with pytest.warns(UserWarning, match=rf"starts a profile at .*{HERE}, line \d+: put the block"):
        for _ in range(3):
            assert f(x).tolist() == [3.0] * 4
    assert found[-1] == ["multiply"] and nobody_measures()


def test_the_call_that_is_traced_is_timed_as_its_program_runs(device):
    step = wg.compile(lambda x: (x * 2 + 1).sum())
    with wg.profile() as p:
        assert step(wg.ones(4)).item() == 12.0
    assert "sum" in p.events[-1].op


def test_vmap_and_forward_mode_are_timed(device):
    x = wg.ones((3, 4))
    with wg.profile() as p:
        wg.vmap(lambda v: v.exp())(x)
        wg.jvp(wg.sin, (x,), (x,))
    assert {"exp", "sin"} <= {e.op for e in p.events}


def test_measuring_matrix_products_is_not_timed(webgpu):
    gpu = webgpu.gpu
    with webgpu:
        (wg.ones(64) + 1).tolist()
        with wg.profile() as p:
            webgpu.products._exchanges()
    assert p.events == [] and gpu.stamps().room == stamps.PAIRS


def event(**changes: Any) -> Timing:
    base = {
        "op": "add", "line": "a.py, line 1", "kernel": "add flat", "device": "gpu", "start_ns": 0,
        "duration_ns": 1000, "groups": 1, "bytes": 500, "flops": 100, "wgsl": "fn main() {}",
        "replayed": False, "clock": "gpu",
    }  # fmt: skip
    return Timing(**{**base, **changes})


ROOF = Roof("gpu", 1e9, 1e9)


def report(*events: Any, **changes: Any) -> Report:
    base = {
        "start_ns": 0,
        "duration_ns": 10**6,
        "devices": {"gpu": "a GPU"},
        "roofs": {"gpu": ROOF},
    }
    return Report(events, **{**base, **changes})


def test_the_table_adds_up_and_puts_the_most_first():
    made = report(
        event(),
        event(start_ns=1000, line="a.py, line 2"),
        event(op="copy", kernel="copy", duration_ns=6000, bytes=0, flops=None),
    )
    lines = table_of(made, "kernel", None).split("\n")
    head = ["kernel", "time", "share", "count", "GB/s", "GFLOP/s", "of the roof"]
    assert re.split(r"  +", lines[0]) == head
    assert re.split(r"  +", lines[1]) == ["copy", "6 us", "75.0%", "1", "-", "-", "-"]
    cells = ["add flat", "2 us", "25.0%", "2", "0.5", "0.1", "50% memory"]
    assert re.split(r"  +", lines[2]) == cells
    assert lines[3] == "in all 8 us in 3 kernels, of 1 ms in the block"
    assert lines[4] == (
        "gpu: a GPU, timed by the GPU's own clock, each kernel in a pass of its own; the roof is "
        "1 GB/s, 1 GFLOP/s"
    )
    by_line = table_of(made, "line", None)
    assert "a.py, line 1" in by_line and "a.py, line 2" in by_line
    short = table_of(made, "op", 1).split("\n")
    assert short[1].startswith("copy") and short[2] == "and 1 more, 2 us together"


def test_the_table_says_arithmetic_where_that_is_the_limit_and_names_devices():
    made = report(
        event(flops=2000, bytes=8),
        event(device="numpy", wgsl="", groups=0, clock="wall"),
        devices={"gpu": "a GPU", "numpy": "NumPy"},
    )
    text = table_of(made, "op", None)
    assert "add (gpu)" in text and "200% arithmetic" in text and "add (numpy)" in text
    assert "numpy: NumPy, timed by the host's clock" in text.split("\n")


def test_an_empty_table_is_a_sentence(numpy_device):
    with wg.profile() as p:
        pass
    assert str(p) == "profile: no kernel ran in the block" and p.events == []
    assert json.loads(p.to_json())["events"] == []


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1500, "1.5 us"), (2_340_000, "2.34 ms"), (10**10, "10 s")],
)
def test_durations_are_short(nanoseconds, text):
    assert duration(nanoseconds) == text


def test_wrong_arguments_are_told_in_a_sentence(numpy_device):
    for wrong in ("gpu", None, 5, [1]):
        with pytest.raises(ArgumentError, match="clock="):
            wg.profile(clock=wrong)
    with wg.profile() as p:
        wg.ones(3) + 1
    with pytest.raises(ArgumentError, match="'kernel', 'op', 'line'"):
        p.table(by="file")
    for limit in (0, -1, 1.5, "3", True):
        with pytest.raises(ArgumentError, match="limit="):
            p.table(limit=limit)
    with pytest.raises(wg.errors.DeviceError):
        wg.profile.roof("nothing")


def check_trace(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Check what the Trace Event Format asks for, and return the complete events of kernels."""
    assert set(found) == {"displayTimeUnit", "traceEvents", "shaders"}
    assert found["displayTimeUnit"] in ("ms", "ns")
    rows = found["traceEvents"]
    for row in rows:
        assert row["ph"] in ("M", "X") and isinstance(row["name"], str)
        assert isinstance(row["pid"], int) and isinstance(row["tid"], int)
        assert isinstance(row["args"], dict)
        if row["ph"] == "X":
            assert row["ts"] >= 0 and row["dur"] >= 0 and isinstance(row["cat"], str)
    lines: dict[tuple[int, int], list] = {}
    for row in rows:
        if row["ph"] == "X":
            lines.setdefault((row["pid"], row["tid"]), []).append(row)
    names = {row["pid"] for row in rows if row["name"] == "process_name"}
    assert {pid for pid, _ in lines} <= names
    for line in lines.values():  # those of one line follow each other
        line.sort(key=lambda row: row["ts"])
        for one, after in pairwise(line):
            assert one["ts"] + one["dur"] <= after["ts"] + 1e-6
    return [row for row in rows if row["ph"] == "X" and row["pid"] != 0]


def test_a_trace_goes_to_a_path_and_to_no_open_file(numpy_device, tmp_path):
    with wg.profile() as p:
        wg.ones(2) + 1
    with open(tmp_path / "open", "w") as file, pytest.raises(CallError, match="path of a file"):
        p.chrome_trace(file.fileno())
    assert file.closed and not (tmp_path / "open").read_text()
    with pytest.raises(FileError, match="cannot be written"):
        p.chrome_trace(tmp_path / "no" / "trace.json")


def test_the_trace_has_the_form_that_perfetto_reads(device, tmp_path):
    x = wg.ones((8, 8))
    step = wg.compile(lambda x: (x * 2 + 1).sum())
    for _ in range(3):
        step(x)
    with wg.profile() as p:
        (x @ x).tanh()
        step(x)
    p.chrome_trace(tmp_path / "trace.json")
    found = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    rows = check_trace(found)
    assert [row["name"] for row in rows] == [e.op for e in p.events]
    assert [row["args"]["line"] for row in rows] == [e.line for e in p.events]
    assert rows[0]["args"]["flops"] == 1024 and rows[0]["cat"] == "eager"
    assert rows[-1]["cat"] == "replay"
    if device.name == "webgpu":
        for row, e in zip(rows, p.events, strict=True):
            assert found["shaders"][row["args"]["wgsl"]] == e.wgsl


def test_kernels_that_overlap_lie_on_lines_of_their_own(tmp_path):
    made = report(event(), event(start_ns=500), event(start_ns=1000), event(start_ns=3000))
    rows = check_trace(json.loads(as_trace(made)))
    assert [row["tid"] for row in rows] == [0, 1, 0, 0]


def test_json_has_everything_and_each_text_once(device):
    x = wg.ones(10)
    with wg.profile() as p:
        for _ in range(5):
            x = x + 1
    found = json.loads(p.to_json())
    assert (found["format"], found["version"]) == ("wgrad profile", 1)
    assert found["duration_ns"] > 0 and list(found["devices"]) == [device.name]
    assert len(found["events"]) == 5
    on_gpu = device.name == "webgpu"
    assert len(found["shaders"]) == on_gpu
    for row, e in zip(found["events"], p.events, strict=True):
        assert row["op"] == "add" and row["duration_ns"] == e.duration_ns
        assert row["wgsl"] == (0 if on_gpu else None)


def test_the_roof_is_measured_once(device, monkeypatch):
    roof = wg.profile.roof()
    assert roof.device == device.name and roof.bandwidth > 0 and roof.flops > 0
    assert wg.profile.roof(device) is roof and "GB/s" in str(roof)
    with wg.profile() as p:
        wg.ones(10) + 1
        again = wg.profile.roof(device.name, again=True)
    assert again is not roof and wg.profile.roof() is again
    assert p.events[-1].op == "add"  # measuring it is not what was measured
    assert again.share(0, 0, 0.0) == (0.0, "memory")
    assert "the roof is" in str(p)


def test_the_roof_of_a_gpu_is_kept_on_disk(webgpu, tmp_path, monkeypatch):
    monkeypatch.setenv("WGRAD_CACHE_DIR", str(tmp_path))
    first = gpu_roof.measured(webgpu)
    (file,) = tmp_path.glob("roof-*.json")
    monkeypatch.setattr(gpu_roof, "_seconds", None)  # whoever measures calls it
    assert gpu_roof.measured(webgpu) == first
    file.write_text("{")
    with pytest.raises(TypeError):
        gpu_roof.measured(webgpu)


def test_the_page_and_the_docstring_run_as_they_stand(device, capsys):
    page = (Path(__file__).parent.parent / "docs" / "profiling.md").read_text(encoding="utf-8")
    out = pages.run("docs/profiling.md")
    assert "matmul" in out and "profiling.md, line" in out and "GFLOP/s" in out
    fields = re.findall(r"^\| `(.*?)` \|", page.partition("| `event.`")[2], re.M)
    known = {name for row in fields for name in row.split("`, `")}
    assert known == set(Timing.__slots__)
    (example,) = re.findall(r"```python\n(.*?)```", wg.profile.__doc__ or "", re.S)
    exec(textwrap.dedent(example), {"wg": wg})
    assert "of the roof" in capsys.readouterr().out


# As a user runs it.

SCRIPT = """
import sys
import wgrad as wg
from beside import size

with wg.device(sys.argv[1]):
    x = wg.ones((size, size))
    print("says", sys.argv[2:], (x @ x).sum().item())
    if "fail" in sys.argv:
        raise SystemExit(7)
    if "raise" in sys.argv:
        raise ValueError("of the script")
"""


@pytest.fixture
def script(tmp_path) -> str:
    (tmp_path / "beside.py").write_text("size = 8\n")
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT))
    return str(tmp_path / "train.py")


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "wgrad", "profile", *words], capture_output=True, text=True
    )


def test_the_command_prints_a_table_after_what_the_script_prints(webgpu, script, tmp_path):
    trace = tmp_path / "out.json"
    done = run("--by=line", script, "webgpu", "--lr", "2", "--trace", str(trace))
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0] == "says ['--lr', '2'] 512.0" and lines[1].split()[0] == "line"
    assert re.search(r"train\.py, line 8 .*%", done.stdout) and "\x1b" not in done.stdout
    rows = check_trace(json.loads(trace.read_text(encoding="utf-8")))
    assert {"matmul", "sum"} <= {row["name"] for row in rows}


@pytest.mark.parametrize(
    ("how", "status", "words"), [("fail", 7, ""), ("raise", 1, "ValueError: of the script")]
)
def test_the_status_of_the_command_is_the_scripts(script, how, status, words):
    done = run("--json", script, "numpy", how)
    assert done.returncode == status and words in done.stderr
    said, found = done.stdout.rstrip("\n").split("\n")
    assert said.startswith("says")
    assert [e["op"] for e in json.loads(found)["events"]][-2:] == ["matmul", "sum"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "no script came; the name of a Python script that uses wgrad is needed"),
        (["nothing.py"], "there is no script 'nothing.py'"),
        (["--limit", "-1", "x.py"], "'-1' came; a whole number of at least 0 is needed"),
        (["--by", "file", "x.py"], "invalid choice: 'file'"),
    ],
)
def test_the_command_says_what_is_needed(words, sentence, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["profile", *words])
    assert end.value.code == 2 and sentence in capsys.readouterr().err


def test_the_package_has_a_command_of_its_own(monkeypatch, capsys):
    root = Path(__file__).parent.parent
    scripts = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["wgrad"].partition(":")
    assert getattr(sys.modules[module], name) is cli.start
    monkeypatch.setattr(sys, "argv", ["wgrad", "profile"])
    with pytest.raises(SystemExit):
        cli.start()
    assert "usage: wgrad profile [-h] [--by" in capsys.readouterr().err
