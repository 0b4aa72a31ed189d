"""Measured choices of matmul kernels: the cache on disk, and what may be chosen at all."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from programs import traced

import wgrad as wg
from wgrad import environment
from wgrad.backends.webgpu import cache, tune
from wgrad.backends.webgpu.cache import Results
from wgrad.backends.webgpu.configs import candidates, default
from wgrad.backends.webgpu.matmul import Products
from wgrad.backends.webgpu.problem import Config, Problem
from wgrad.backends.webgpu.tune import Measured
from wgrad.layout import Layout
from wgrad.program.lower.webgpu import lower

ABOUT = {"device": "some adapter", "description": "driver 1.2"}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A cache folder of the test's own, which does not exist yet."""
    monkeypatch.setenv("WGRAD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def problem(m: int, k: int, n: int) -> Problem:
    found = Problem.of(Layout.dense((m, k)), Layout.dense((k, n)), wg.float32)
    assert found is not None
    return found


# The cache.


def test_cache_folder_is_that_of_the_platform(monkeypatch):
    monkeypatch.setenv("WGRAD_CACHE_DIR", "/chosen")
    assert cache.folder() == Path("/chosen")
    monkeypatch.delenv("WGRAD_CACHE_DIR")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, f"/{variable}")
    for platform, expected in [
        ("linux", Path("/XDG_CACHE_HOME/wgrad")),
        ("darwin", Path("~/Library/Caches/wgrad").expanduser()),
        ("win32", Path("/LOCALAPPDATA/wgrad")),
    ]:
        monkeypatch.setattr(cache.sys, "platform", platform)
        assert cache.folder() == expected
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == Path("~/.cache/wgrad").expanduser()


def test_cache_keeps_choices_of_one_adapter_apart_from_others(home):
    Results(ABOUT).put("x", [1, 2])
    assert Results(ABOUT).get("x") == [1, 2]
    assert Results(ABOUT).get("y") is None
    assert Results({**ABOUT, "description": "driver 1.3"}).get("x") is None
    assert len(list(home.iterdir())) == 1


def test_cache_merges_what_others_wrote_meanwhile(home):
    first, second = Results(ABOUT), Results(ABOUT)
    assert first.get("x") is second.get("x") is None
    first.put("x", 1)
    second.put("y", 2)
    first.put("z", 3)
    last = Results(ABOUT)
    assert [last.get(kind) for kind in "xyz"] == [1, 2, 3]


def stored(choices: object, **changes: object) -> bytes:
    whole = {"format": cache.FORMAT, "about": ABOUT, "choices": choices, **changes}
    return json.dumps(whole).encode()


BROKEN = {
    "empty": b"",
    "cut short": stored({"x": 1})[:-5],
    "not text": b"\xff\xfe\x00\x80",
    "a list": b"[]",
    "a number": b"7",
    "no choices": b"{}",
    "choices of another kind": stored([1, 2]),
    "another format": stored({"x": 1}, format=cache.FORMAT + 1),
    "another adapter": stored({"x": 1}, about={}),
    "nested too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_cache_that_is_broken_is_empty_and_is_written_anew(home, content):
    results = Results(ABOUT)
    home.mkdir()
    results.path.write_bytes(content)
    assert results.get("x") is None
    results.put("x", 5)
    assert Results(ABOUT).get("x") == 5


def test_cache_without_a_place_works_and_says_so_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WGRAD_CACHE_DIR", str(tmp_path / "file" / "below"))
    results = Results(ABOUT)
    with caplog.at_level(logging.WARNING, logger="wgrad"):
        results.put("x", 1)
        results.put("y", 2)
    assert results.get("x") == 1 and results.get("y") == 2
    assert len(caplog.records) == 1 and "not kept on disk" in caplog.text


def test_cache_whose_file_is_a_folder_works_and_leaves_no_rubbish(home, caplog):
    results = Results(ABOUT)
    results.path.mkdir(parents=True)
    results.put("x", 1)
    assert results.get("x") == 1 and "not kept" in caplog.text
    assert list(home.iterdir()) == [results.path]


def test_cache_without_a_home_works(monkeypatch, caplog):
    def homeless() -> Path:
        raise RuntimeError("could not determine home directory")

    monkeypatch.setattr(cache, "folder", homeless)
    results = Results(ABOUT)
    results.put("x", 1)
    assert results.get("x") == 1 and "home" in caplog.text


def test_cache_of_several_writing_processes_is_always_whole(home):
    script = """
        import json, sys
        from wgrad.backends.webgpu.cache import Results
        mine = Results({"device": "shared"})
        for i in range(60):
            mine.put(f"{sys.argv[1]} {i}", i)
            assert Results(mine.about).get("nothing") is None
            found = json.loads(mine.path.read_text())
            assert found["about"] == mine.about, found
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    writers = [subprocess.Popen([*command, name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(list(home.iterdir())) == 1  # and no temporary file
    left = Results({"device": "shared"})
    assert any(left.get(f"{name} 59") == 59 for name in "abc")


# The environment.


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True)]
)
def test_autotune_variable_says_whether_to_measure(monkeypatch, value, expected):
    monkeypatch.delenv("WGRAD_AUTOTUNE", raising=False)
    if value is not None:
        monkeypatch.setenv("WGRAD_AUTOTUNE", value)
    assert environment.AUTOTUNE.read() is expected


@pytest.mark.parametrize("value", ["yes", "2", "True", " "])
def test_autotune_variable_of_another_value_is_an_error(webgpu, monkeypatch, value):
    monkeypatch.setenv("WGRAD_AUTOTUNE", value)
    with pytest.raises(wg.errors.ArgumentError, match=r"WGRAD_AUTOTUNE.*must be 0 .* or 1 "):
        Measured(webgpu.gpu)


# Measuring.


@pytest.fixture
def measured(monkeypatch) -> list[str]:
    """The kinds that were measured; no time is taken: the last candidate always wins."""
    kinds: list[str] = []

    def measure(products, what, configs):
        kinds.append(what.kind)
        return [tune.Timing(c, 100.0 - 50 * (c == configs[-1])) for c in configs]

    monkeypatch.setattr(tune, "measure", measure)
    return kinds


def test_without_autotune_rules_choose_and_nothing_is_measured(webgpu, home, measured, monkeypatch):
    monkeypatch.setenv("WGRAD_AUTOTUNE", "0")
    what = problem(64, 128, 10)
    assert Measured(webgpu.gpu).choose(what) == default(what, webgpu.facts.is_software)
    assert measured == [] and not home.exists()


def test_autotune_measures_a_kind_once_and_its_choice_lasts(webgpu, home, measured, monkeypatch):
    monkeypatch.setenv("WGRAD_AUTOTUNE", "1")
    what = problem(64, 128, 10)
    winner = candidates(what, webgpu.facts.is_software)[-1]
    first = Measured(webgpu.gpu)
    assert first.choose(what) == first.choose(what) == winner
    # The same sizes elsewhere in memory are the same kind; other sizes are not.
    assert first.choose(what._replace(a=what.a._replace(offset=8))) == winner
    first.choose(problem(64, 128, 12))
    assert len(measured) == 2
    for mode in "01":
        monkeypatch.setenv("WGRAD_AUTOTUNE", mode)
        assert Measured(webgpu.gpu).choose(what) == winner
    assert len(measured) == 2


@pytest.mark.parametrize("known", [None, 7, "matmul", [], ["matmul"], ["matvec", 3, 1, 1, 1], {}])
def test_choice_on_disk_that_is_no_candidate_is_ignored(webgpu, home, monkeypatch, known):
    monkeypatch.setenv("WGRAD_AUTOTUNE", "0")
    what = problem(64, 128, 10)
    products = Measured(webgpu.gpu)
    Results(tune.about(webgpu.gpu)).put(what.kind, known)
    assert products.choose(what) == default(what, webgpu.facts.is_software)


def test_problem_too_large_to_copy_is_not_measured(webgpu, home, measured, monkeypatch):
    monkeypatch.setenv("WGRAD_AUTOTUNE", "1")
    what = problem(1, 2**30, 1)
    assert Measured(webgpu.gpu).choose(what) == default(what, webgpu.facts.is_software)
    assert measured == []


def test_fastest_is_the_default_unless_another_is_clearly_faster():
    ways = [Config("matmul", height, 64, 1, False) for height in (16, 8, 4)]
    timings = [
        tune.Timing(way, ticks) for way, ticks in zip(ways, (100.0, 97.0, 98.0), strict=True)
    ]
    assert tune.fastest(timings) == ways[0]
    assert tune.fastest([*timings, tune.Timing(ways[1], 60.0)]) == ways[1]
    assert tune.fastest([]) is None


@pytest.mark.parametrize("dtype", [wg.float32, wg.int32, wg.uint32], ids=lambda d: d.name)
def test_candidates_are_measured_when_they_are_right(webgpu, dtype):
    a = Layout((2, 20, 300), (0, 1, -20), 20 * 300 + 1)  # broadcast, transposed and flipped
    what = Problem.of(a, Layout.dense((2, 300, 8)), dtype)
    products = Measured(webgpu.gpu)
    ways = candidates(what, webgpu.facts.is_software)[:4]
    held = wg.stats()["bytes_allocated"]
    timings = tune.measure(products, what, ways)
    assert [t.config for t in timings] == ways and all(t.ticks > 0 for t in timings)
    assert wg.stats()["bytes_allocated"] == held


def test_wrong_candidate_is_rejected(webgpu, monkeypatch, caplog):
    wrong, right = (Config("matmul", 4, 64, 1, turned) for turned in (True, False))
    products = Measured(webgpu.gpu)
    plan = products.plan

    def short(what, config):
        launches = plan(what, config=config)
        if config == wrong:  # a workgroup too few: the last tile of the result stays as it was
            launches[-1] = launches[-1]._replace(groups=launches[-1].groups - 1)
        return launches

    monkeypatch.setattr(products, "plan", short)
    with caplog.at_level(logging.WARNING, logger="wgrad"):
        timings = tune.measure(products, problem(4, 64, 68), [wrong, right])
    assert [t.config for t in timings] == [right]
    assert "is wrong here" in caplog.text


def test_candidate_that_does_not_compile_is_rejected(webgpu, monkeypatch, caplog):
    products = Measured(webgpu.gpu)
    compiled = webgpu.gpu.pipeline

    def pipeline(kernel):
        if kernel.label.startswith("matvec"):
            raise wg.errors.ShaderError("no such kernel")
        return compiled(kernel)

    monkeypatch.setattr(webgpu.gpu, "pipeline", pipeline)
    right = Config("matmul", 4, 64, 1, False)
    ways = [Config("matvec", 4, 64, 1, False), right]
    timings = tune.measure(products, problem(4, 64, 68), ways)
    assert [t.config for t in timings] == [right]
    assert "no such kernel" in caplog.text


def test_measuring_that_fails_leaves_the_rules(webgpu, home, monkeypatch, caplog):
    monkeypatch.setenv("WGRAD_AUTOTUNE", "1")

    def full(self):
        raise wg.errors.OutOfMemoryError("no room")

    monkeypatch.setattr(tune._Bench, "fill", full)
    what = problem(64, 128, 10)
    assert Measured(webgpu.gpu).choose(what) == default(what, webgpu.facts.is_software)
    assert "no room" in caplog.text


def test_lowering_takes_what_was_measured(webgpu, home, monkeypatch):
    monkeypatch.setenv("WGRAD_AUTOTUNE", "1")
    found = traced(wg.matmul, wg.ones((4, 64)), wg.ones((64, 68)))
    products = Measured(webgpu.gpu)
    launches = lower(found.program, webgpu.facts, products)
    assert launches.chosen == {kind: Config(*x) for kind, x in products.results._rows.items()}
    monkeypatch.setattr(Measured, "choose", None)
    again = Products(webgpu.facts, launches.chosen, launches.shuffles)
    assert lower(found.program, webgpu.facts, again) == launches


def test_host_times_what_an_adapter_without_timestamps_runs(webgpu, monkeypatch):
    monkeypatch.setattr(webgpu.gpu, "features", frozenset())
    monkeypatch.setattr(webgpu.gpu, "_stamps", None)
    way = Config("matmul", 4, 64, 1, False)
    (timing,) = tune.measure(Measured(webgpu.gpu), problem(4, 64, 68), [way])
    assert timing.ticks > 0 and webgpu.gpu._stamps is None
