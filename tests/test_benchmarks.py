"""The benchmarks compare what they say, and survive what peers do. Nothing here looks at times."""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec
from statistics import median
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import wgrad as wg
from benchmarks import __main__ as program
from benchmarks import cases, growth, harness, report, workers
from benchmarks.cases import CASES, Case
from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.harness import Row, Timing, disagreement, measure
from benchmarks.peers import tinygrad
from benchmarks.peers.base import AbsentError, Peer
from benchmarks.peers.numpy import NumpyPeer
from benchmarks.problems import (
    Add,
    Attention,
    Cnn,
    Matmul,
    Mlp,
    NormBlock,
    Reduction,
    Softmax,
    TinySteps,
)


def fake(name: str, **options) -> Contender:
    return Contender(name, "fake_peer", options)


def row(ours: float, theirs: float, goal: float | None, **case) -> Row:
    made = Case("case", "work", Add(3), {"theirs": goal}, **case)
    return Row(made, Timing("ours", [ours], kernels=2), Timing("theirs", [theirs]), goal)


# Goals and ratios.


@pytest.mark.parametrize(
    ("ours", "theirs", "goal", "met", "ratio", "wanted"),
    [
        (1.0, 9.0, 8, True, "9.00 x faster", "at least 8 x faster"),
        (1.0, 7.9, 8, False, "7.90 x faster", "at least 8 x faster"),
        (1.2, 1.0, 1 / 1.3, True, "1.20 x slower", "at most 1.3 x slower"),
        (1.4, 1.0, 1 / 1.3, False, "1.40 x slower", "at most 1.3 x slower"),
        (1.1, 1.0, 1, False, "1.10 x slower", "ahead"),
        (1.0, 1.0, 1, True, "1.00 x faster", "ahead"),
        (5.0, 1.0, None, None, "5.00 x slower", ""),
    ],
)
def test_row_says_the_ratio_and_whether_the_goal_is_met(ours, theirs, goal, met, ratio, wanted):
    made = row(ours, theirs, goal)
    assert made.met is met
    verdict = {True: "met", False: "MISSED", None: ""}[met]
    assert report.cells(made)[-3:] == (ratio, wanted, verdict)


@pytest.mark.parametrize(
    ("limit", "kernels", "met", "wanted"),
    [
        (2.0, None, True, "less than 2 s"),
        (0.5, None, False, "less than 0.5 s"),
        (None, 2, True, "2 kernels"),
        (None, 1, False, "1 kernel"),
        (2.0, 1, False, "less than 2 s, 1 kernel"),
    ],
)
def test_row_without_a_peer_holds_ours_to_its_limits(limit, kernels, met, wanted):
    case = Case("case", "work", Add(3), limit=limit, kernels=kernels)
    made = Row(case, Timing("ours", [1.0], kernels=2), None, None)
    assert made.met is met and report.cells(made)[-2] == wanted


def test_row_of_an_absent_peer_says_why_and_judges_nothing():
    made = row(1.0, 1.0, 8)
    made.theirs = Timing("theirs", absent="it is on holiday")
    assert made.met is None and made.speedup is None
    assert report.cells(made)[5:] == (
        "absent",
        "",
        "at least 8 x faster",
        "absent: it is on holiday",
    )


def test_timing_takes_the_median_of_its_rounds():
    assert Timing("ours", [5.0, 1.0, 2.0]).median == median([5.0, 1.0, 2.0]) == 2.0


def test_rate_is_that_of_the_work_on_a_gpu():
    case = Case("case", "work", Matmul(1000), {"theirs": 0.6}, gpu=True)
    made = Row(case, Timing("ours", [1e-3]), Timing("theirs", [1e-3]), 0.6)
    assert report.cells(made)[-1] == "met, 2.00 TFLOP/s"


# Declarations.


def test_cases_name_contenders_that_exist_and_none_twice():
    names = [c.name for c in CASES]
    assert len(set(names)) == len(names)
    for case in [*CASES, *(case for _, _, case in growth.cases())]:
        assert {case.ours, *case.goals} <= set(CONTENDERS), case.name
        assert case.ours not in case.goals
        assert case.goals or case.limit is not None


def test_cases_for_gpus_are_left_out_on_software_and_cuda_with_them():
    plain, gpu = cases.chosen(), cases.chosen(gpu=True)
    assert {c.name for c in gpu} - {c.name for c in plain} == {"gpu-matmul", "gpu-add"}
    assert not any("torch CUDA" in c.goals for c in plain)
    assert "torch CUDA" in next(c for c in gpu if c.name == "attention").goals
    assert [c.name for c in cases.chosen("matmul-5")] == ["matmul-512"]


def test_program_lists_the_cases_and_refuses_what_is_none(capsys):
    assert program.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(case.name in listed and case.work in listed for case in CASES)
    assert program.main(["--only", "no such case"]) == 2
    with pytest.raises(SystemExit):
        program.main(["--rounds", "0"])


# Comparing.


def test_disagreement_is_measured_by_the_largest_value():
    ours = [[np.array([100.0, 0.0])], [np.array([1.0])]]
    assert disagreement(ours, [[np.array([100.0, 1.0])]]) == pytest.approx(0.01)
    assert disagreement(ours, ours) == 0
    assert disagreement(ours, [[np.array([np.nan, 0.0])]]) == np.inf
    assert disagreement(ours, [[np.array([100.0])]]) == np.inf


def test_rounds_hold_enough_steps_and_begin_with_another_each_time():
    assert harness.steps_of(1.0) == 1
    assert harness.steps_of(harness.ROUND / 20) == 20
    assert harness.steps_of(1e-9) == harness.STEPS
    assert [harness.rotated([1, 2, 3], k) for k in range(4)] == [
        [1, 2, 3],
        [2, 3, 1],
        [3, 1, 2],
        [1, 2, 3],
    ]


# Workers.


def test_worker_answers_requests_in_its_own_process():
    contender = Contender("fake", "fake_peer", {"value": 4.0}, {"FAKE_VERSION": "12"})
    worker = workers.Worker(contender)
    try:
        assert worker.about.library == "fake 12"
        built = worker.ask("build", Add(3))
        assert [[list(x) for x in step] for step in built.outputs] == [[[5.0] * 3], [[6.0] * 3]]
        assert built.kernels == 7 and built.seconds > 0
        assert worker.ask("time", 3) > 0 and worker.ask("first", Add(3)) > 0
        with pytest.raises(AbsentError, match="Matmul is not written for it"):
            worker.ask("build", Matmul(2))
        with pytest.raises(AbsentError, match="no problem was built"):
            worker.ask("time", 1)
    finally:
        worker.close()
    assert not worker.alive


@pytest.mark.parametrize("missing", ["tinygrad", "pydawn"])
def test_tinygrad_says_which_package_it_needs(missing, monkeypatch):
    spec = SimpleNamespace(origin="pydawn/__init__.py")
    monkeypatch.setattr(tinygrad, "find_spec", lambda name: None if name == missing else spec)
    name = {"pydawn": "dawn-python"}.get(missing, missing)
    with pytest.raises(AbsentError, match=f"{name} is not installed"):
        tinygrad.start()


def test_pool_starts_again_what_ended_and_not_what_never_was():
    contenders = {
        "dying": fake("dying", trouble="death"),
        "absent": fake("absent", trouble="start"),
        "missing": Contender("missing", "no_such_library"),
    }
    with workers.Pool(contenders) as pool:
        first = pool.get("dying")
        assert pool.get("dying") is first
        first.ask("build", Add(3))
        with pytest.raises(AbsentError, match="its process ended with 3"):
            first.ask("time", 5)
        assert pool.get("dying") is not first
        assert pool.get("dying").alive
        for name, why in (("absent", "it is on holiday"), ("missing", "no_such_library")):
            for _ in range(2):
                with pytest.raises(AbsentError, match=why):
                    pool.get(name)


def test_measure_times_only_who_agrees_with_ours(monkeypatch):
    monkeypatch.setattr(harness, "PAUSE", 0.0)
    monkeypatch.setattr(harness, "STEPS", 2)
    contenders = {
        "ours": fake("ours", adapter="A"),
        "elsewhere": fake("elsewhere", adapter="B"),
        "agrees": fake("agrees", value=1.0001, adapter="A"),
        "differs": fake("differs", value=3.0),
        "absent": fake("absent", trouble="start"),
        "fails": fake("fails", trouble="step"),
        "dies": fake("dies", trouble="death"),
        "fresh": Contender("fresh", "fake_peer", fresh=True),
    }
    goals = {name: None for name in contenders if name != "ours"}
    with workers.Pool(contenders) as pool:
        rows = measure(Case("case", "work", Add(3), goals, ours="ours", kernels=7), pool, 2)
    found = {r.theirs.name: r for r in rows if r.theirs}
    for name in ("agrees", "fresh"):
        assert len(found[name].theirs.seconds) == 2 and found[name].absent is None
    assert found["differs"].absent == "disagrees with ours by 1 of the largest value"
    assert found["elsewhere"].absent == "it runs on B, and ours on A"
    assert found["absent"].absent == "it is on holiday"
    assert found["fails"].absent == "ValueError: a step failed"
    assert found["dies"].absent == "its process ended with 3"
    assert rows[-1].theirs is None and rows[-1].met is True
    assert len(rows[0].ours.seconds) == 2


# The report.


def test_table_shows_every_row_and_marks_what_was_missed():
    console = Console(width=150, file=io.StringIO())
    console.print(report.table([row(1.0, 9.0, 8), row(1.0, 7.0, 8)], "title"))
    text = console.file.getvalue()
    assert "title" in text and "met" in text and "MISSED" in text


def test_write_replaces_the_section_of_its_device_alone(tmp_path):
    path = tmp_path / "RESULTS.md"
    report.write("one (CPU)", "first", path)
    report.write("two", "second", path)
    report.write("one (CPU)", report.markdown(("work", "ms"), [("a | b", "1.00")]), path)
    text = path.read_text()
    assert text.startswith(report.PREAMBLE.strip())
    assert text.count("## one (CPU)\n") == 1 and "first" not in text
    assert text.index("## one") < text.index("## two") and text.endswith("## two\n\nsecond\n")
    assert "| work | ms |\n| --- | --: |\n| a \\| b | 1.00 |\n" in text


# The mathematics.


@pytest.fixture
def ours(request):
    """Our peer on NumPy, eager; it sets the default device, which is set back."""
    from benchmarks.peers.ours import OurPeer

    yield OurPeer("numpy", compiled=False)
    wg.set_default_device(None)


def outputs(peer: Peer, problem, steps: int = 3) -> list[list[np.ndarray]]:
    step = peer.build(problem)
    return [[np.asarray(peer.host(x)) for x in step()] for _ in range(steps)]


def torch_peer() -> Peer:
    pytest.importorskip("torch")
    from benchmarks.peers.torch import TorchPeer

    return TorchPeer("cpu")


SMALL = Mlp((12, 7, 5, 4), batch=6)


def test_mlp_by_hand_learns_what_ours_learns(ours):
    expected = outputs(NumpyPeer(), SMALL)
    assert expected[2][0] < expected[0][0]
    assert disagreement(outputs(ours, SMALL), expected) < 1e-5


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_mlp_by_hand_learns_what_torch_learns(optimizer):
    problem = Mlp((12, 7, 4), batch=6, optimizer=optimizer, lr=0.05)
    assert disagreement(outputs(torch_peer(), problem), outputs(NumpyPeer(), problem)) < 1e-5


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(
    "problem",
    [
        *(SMALL, Cnn(3, side=10), NormBlock(5, 8, 6), Attention(2, 2, 5, 4)),
        *(Softmax(4, 7), Reduction((4, 7)), Reduction((4, 7), 0)),
    ],
    ids=str,
)
def test_problems_mean_the_same_to_torch_and_ours(ours, problem):
    assert disagreement(outputs(ours, problem), outputs(torch_peer(), problem)) < 1e-5


def test_copies_copy_and_return_what_ours_do(webgpu):
    from benchmarks.peers.copies import CopyPeer
    from benchmarks.peers.ours import OurPeer

    problem = Reduction((40, 30), 1)
    try:
        copies = CopyPeer("webgpu", compiled=False)
        expected = outputs(OurPeer("webgpu", compiled=False), problem)
        assert disagreement(outputs(copies, problem), expected) == 0
        assert disagreement(outputs(NumpyPeer(), problem), expected) < 1e-6
        assert copies.kernels(copies.build(problem)) == 1
    finally:
        wg.set_default_device(None)


def test_problems_of_gpus_know_their_work():
    assert Matmul(10).flops == 2000 and Add(10).traffic == 120
    assert Mlp((2, 2)).flops == Mlp((2, 2)).traffic == 0


def test_recordings_by_hand_run_in_order(webgpu):
    from benchmarks.byhand import ByHand, Dispatch, Recording
    from benchmarks.peers.wgpu import SHADERS

    def each(name: str, number: float, source: int, target: int) -> Dispatch:
        text = (SHADERS / f"{name}.wgsl").read_text()
        buffers = ((source, "read"), (target, "read_write"))
        return Dispatch(text, buffers, (1, 1), struct.pack("f", number))

    x = np.arange(8, dtype=np.float32)
    steps = [each("multiply_number", 3, 0, 1), each("add_number", 1, 1, 0)]
    replay = ByHand(webgpu.gpu.info["device"]).record(
        Recording(steps, [x, np.zeros_like(x)], [(0, 4, (2, 2)), (1, 0, (8,))])
    )
    replay()
    replay()
    twice, before = replay.read()
    np.testing.assert_allclose(twice, (9 * x + 4)[4:].reshape(2, 2))
    np.testing.assert_allclose(before, 9 * x + 3)


def test_wgpu_by_hand_computes_what_ours_does(webgpu):
    from benchmarks.peers.ours import OurPeer
    from benchmarks.peers.wgpu import WgpuPeer

    try:
        ours, hand = OurPeer("webgpu", compiled=False), WgpuPeer("")
        for problem in (TinySteps(3, 70), Add(1000), Matmul(24)):
            assert disagreement(outputs(ours, problem), outputs(hand, problem)) < 1e-6
        step = ours.build(TinySteps(3, 70))
        step()
        assert ours.kernels(step) == 6
    finally:
        wg.set_default_device(None)
