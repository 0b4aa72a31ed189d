"""Environment variables: what may stand in each; all else is said in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import wgrad as wg
from wgrad import environment
from wgrad.errors import ArgumentError
from wgrad.program.passes import PASSES, SWITCHED_OFF

ROOT = Path(__file__).parent.parent


def run(*command: str, **variables: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WGRAD_")}
    clean["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**clean, **variables},
    )


WRONG = [
    ("WGRAD_AUTOTUNE", "banana", "WGRAD_AUTOTUNE='banana' came, and it must be 0 "),
    ("WGRAD_PASSES_OFF", "rows,lines", "WGRAD_PASSES_OFF='rows,lines' came, and 'lines' is no "),
    ("WGRAD_WGPU", "webgl", "WGRAD_WGPU='webgl' came, and it must be wgpu (WebGPU by "),
    ("WGRAD_CACHE_DIR", __file__, "it must be a folder, or /dev/null"),
]


@pytest.mark.parametrize(("name", "text", "said"), WRONG, ids=lambda x: str(x)[:20])
def test_wrong_values_are_said_in_one_sentence_on_every_device(name, text, said, monkeypatch):
    monkeypatch.setenv(name, text)
    with pytest.raises(ArgumentError) as caught:
        environment.VARIABLES[name].read()
    assert said in str(caught.value) and "\n" not in str(caught.value)
    done = run("-c", "import wgrad as wg; wg.zeros(1)", **{name: text, "WGRAD_DEVICE": "numpy"})
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("wgrad.errors.ArgumentError: ") and said in last
    assert "During handling" not in done.stderr and "direct cause" not in done.stderr


@pytest.mark.parametrize("name", [name for name, _, _ in WRONG])
def test_empty_values_are_none(name, monkeypatch):
    monkeypatch.setenv(name, "")
    empty = environment.VARIABLES[name].read()
    monkeypatch.delenv(name)
    assert environment.VARIABLES[name].read() == empty
    assert not empty or name == "WGRAD_WGPU"


def test_values_are_understood(monkeypatch, tmp_path):
    monkeypatch.setenv("WGRAD_CACHE_DIR", str(tmp_path))
    assert environment.CACHE_DIR.read() == tmp_path
    monkeypatch.setenv("WGRAD_CACHE_DIR", os.devnull)
    assert environment.CACHE_DIR.read() == Path(os.devnull)
    monkeypatch.setenv("WGRAD_CACHE_DIR", "~/caches")
    assert environment.CACHE_DIR.read() == Path.home() / "caches"
    monkeypatch.setenv("WGRAD_PASSES_OFF", " rows,,dead ")
    assert SWITCHED_OFF.read() == {"rows", "dead"} <= PASSES.keys()


def test_commands_end_with_a_sentence():
    done = run("-m", "wgrad", "numerics", "--device", "numpy", WGRAD_AUTOTUNE="banana")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "WGRAD_AUTOTUNE='banana' came" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("name", "text"), [("WGRAD_REQUIRE", "gpu"), ("WGRAD_FUZZ", "many")])
def test_the_suite_says_what_it_does_not_understand(name, text):
    done = run("-m", "pytest", "--collect-only", "-q", "tests/test_layout.py", **{name: text})
    assert done.returncode != 0 and f"{name}='{text}' came" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_every_variable_is_read_in_one_place():
    # WGRAD_DEVICE, the system's folders, what makes a driver's layer complain, Vulkan's own
    allowed = {"environment.py", "devices.py", "cache.py", "device.py", "vulkan.py"}
    found = [p.name for p in (ROOT / "wgrad").rglob("*.py") if "os.environ.get" in p.read_text()]
    assert set(found) <= allowed
    assert wg.default_device() is not None
