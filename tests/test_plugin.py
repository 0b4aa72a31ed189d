"""The pytest plugin, in projects outside this repository: what is green there has run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_wgrad
import wgrad as wg
from pytest_wgrad import IDLE, MISSING
from wgrad.doctor import examination

ROOT = Path(pytest_wgrad.__file__).parent
# A project knows the plugin by its entry point, or by name where none is installed.
FOUND = importlib.metadata.entry_points(group="pytest11", name="pytest_wgrad")
NAMED = [] if FOUND else ["-p", "pytest_wgrad"]
HIDDEN = ("XDG_RUNTIME_DIR", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "WGRAD_REQUIRE", "PYTEST_ADDOPTS")
QUICK = ["-p", "no:hypothesispytest", "-p", "no:unraisableexception", "-p", "no:threadexception"]
NOWHERE = dict.fromkeys(("VK_DRIVER_FILES", "VK_ICD_FILENAMES"), "/nowhere.json")

IN_USE = """
import pytest
import wgrad as wg

def test_each(wgrad_device):
    assert wg.default_device() is wgrad_device
    assert (wg.ones(3) * 2).tolist() == [2, 2, 2]

@pytest.mark.wgrad(device="webgpu")
def test_marked():
    assert wg.default_device().name == "webgpu"
    wg.stats(reset=True)
    assert (wg.ones(3) * 2).tolist() == [2, 2, 2]
    wg.stats(reset=True)  # hides nothing

@pytest.mark.wgrad(device="numpy")
def test_marked_with_the_fixture(wgrad_device):
    assert wgrad_device.name == "numpy"

@pytest.mark.parametrize("wgrad_device", ["numpy"], indirect=True)
def test_that_names_its_devices_itself(wgrad_device):
    assert wgrad_device.name == "numpy"
"""
# It means to run on the GPU, and has forgotten to say so: new tensors go to NumPy here.
ON_NUMPY = """
import wgrad as wg

def test_sum():
    with wg.device("numpy"):
        assert wg.ones(3).sum().item() == 3
"""
UNITTEST = """
import unittest
import pytest
import wgrad as wg

@pytest.mark.wgrad
class Case(unittest.TestCase):
    def test_device(self):
        assert wg.default_device().name == "webgpu"

@pytest.mark.wgrad(device="cuda")
class Wrong(unittest.TestCase):
    def test_device(self):
        pass
"""
MARKS = ['"webgpu"', 'devise="webgpu"', 'device="cuda"', 'device="webgpu:"', "device=3"]
WITHOUT = """
import sys

def test_it():
    assert "pytest_wgrad" in sys.modules
    assert not {"wgrad", "wgpu", "numpy"} & sys.modules.keys()
"""


def code(page: str, language: str = "python") -> list[str]:
    """Return the fenced blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def clean(**variables: str) -> dict[str, str]:
    """Return an environment in which nobody has set up anything for drivers or for wgrad."""
    kept = {k: v for k, v in os.environ.items() if k not in HIDDEN}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the files of a project."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_in_use.py").write_text(IN_USE)
    (folder / "test_on_numpy.py").write_text(ON_NUMPY)
    (folder / "test_page.py").write_text("\n\n".join(code("docs/ci.md")))
    (folder / "test_unittest.py").write_text(UNITTEST)
    (folder / "test_without.py").write_text(WITHOUT)
    for i, mark in enumerate(MARKS):
        text = f"import pytest\n@pytest.mark.wgrad({mark})\ndef test_it():\n    pass"
        (folder / f"test_mark_{i}.py").write_text(text)
    return folder


def sessions(project: Path, cases: dict, **variables: str) -> tuple[dict, str]:
    """Return (status, what was printed) of each case, and what the process printed beside it."""
    asked, answers = project / "cases.json", project / "answers.json"
    asked.write_text(json.dumps([[[*NAMED, *words], more] for words, more in cases.values()]))
    script = Path(__file__).parent / "many_sessions.py"
    done = subprocess.run(
        [sys.executable, str(script), str(asked), str(answers)],
        cwd=project,
        env=clean(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    came = json.loads(answers.read_text())
    return dict(zip(cases, came, strict=True)), done.stdout + done.stderr


@pytest.fixture(scope="module")
def with_adapter(project):
    """What sessions say where there is an adapter."""
    return sessions(
        project,
        {
            "in use": (["test_in_use.py", "--wgrad-require=webgpu"], {}),
            "page": (["test_page.py", "--wgrad-require=webgpu"], {}),
            "idle": (["test_on_numpy.py", "--wgrad-require=webgpu"], {}),
            "idle, by the variable": (["test_on_numpy.py"], {"WGRAD_REQUIRE": "numpy, webgpu"}),
            "nothing required": (["test_on_numpy.py"], {"WGRAD_REQUIRE": ""}),
            "listed": (["test_on_numpy.py", "--wgrad-require=webgpu", "--collect-only"], {}),
            "misspelt": (["test_on_numpy.py", "--wgrad-require=wepgpu"], {}),
            "misspelt, by the variable": (["test_on_numpy.py"], {"WGRAD_REQUIRE": "webgpu,GPU"}),
            "unittest": (["test_unittest.py"], {}),
            "marks": ([f"test_mark_{i}.py" for i in range(len(MARKS))], {}),
        },
    )


@pytest.fixture(scope="module")
def without_adapter(project):
    """What sessions say where Vulkan's loader finds no driver."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Vulkan's loader can be told that there are no drivers")
    return sessions(
        project,
        {
            "required": (["test_on_numpy.py"], {"WGRAD_REQUIRE": "webgpu"}),
            "not required": (["test_in_use.py", "-rs"], {}),
        },
        **NOWHERE,
    )[0]


# The three false greens.


def test_a_project_that_requires_a_missing_adapter_fails(without_adapter):
    status, out = without_adapter["required"]
    assert status == MISSING and "passed" not in out
    assert "webgpu is required, and there is none: webgpu: no WebGPU adapter was found" in out


@pytest.mark.parametrize("case", ["idle", "idle, by the variable"])
def test_a_project_that_requires_an_adapter_and_leaves_it_idle_fails(webgpu, with_adapter, case):
    status, out = with_adapter[0][case]
    assert status == IDLE and "1 passed" in out
    assert "= wgrad: no kernel was dispatched =" in out and "or set WGRAD_DEVICE=webgpu" in out
    assert with_adapter[0]["nothing required"][0] == with_adapter[0]["listed"][0] == 0


@pytest.mark.parametrize("case", ["misspelt", "misspelt, by the variable"])
def test_a_misspelt_requirement_fails(with_adapter, case):
    status, out = with_adapter[0][case]
    assert status == pytest.ExitCode.USAGE_ERROR and "passed" not in out
    said = r"='(wepgpu|webgpu,GPU)' came, and '(wepgpu|GPU)' is none of numpy, webgpu"
    assert re.search(said, out) and "Traceback" not in out


# What runs where.


def test_tests_run_on_their_devices_and_the_last_line_proves_it(webgpu, with_adapter):
    status, out = with_adapter[0]["in use"]
    assert status == 0 and "5 passed" in out
    assert f"wgrad: webgpu is required, and is {webgpu.description}\n" in out
    line = next(x for x in out.splitlines() if "dispatches" in x)
    assert re.fullmatch(
        rf"wgrad: {re.escape(webgpu.description)}: [1-9]\d* dispatches, [1-9]\d* kernels compiled "
        r"in \d+\.\d CPU seconds; 2 tests asked for webgpu",
        line,
    )


def test_workers_counts_are_added(webgpu, project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *NAMED, *QUICK, "-n1", "test_in_use.py"],
        cwd=project,
        env=clean(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(x for x in done.stdout.splitlines() if "dispatches" in x)
    assert line.startswith(f"wgrad: {webgpu.description}: ") and " 0 dispatches" not in line
    assert line.endswith("2 tests asked for webgpu")


def test_without_a_requirement_what_is_missing_is_skipped_with_the_reason(without_adapter):
    status, out = without_adapter["not required"]
    assert status == 0 and "3 passed, 2 skipped" in out
    assert "no webgpu device: webgpu: no WebGPU adapter was found: install" in out


def test_a_wrong_mark_says_what_is_needed(with_adapter):
    status, out = with_adapter[0]["marks"]
    assert status == pytest.ExitCode.INTERRUPTED
    for mark in MARKS:
        written = mark.replace('"', "'")
        assert f"test_it: @pytest.mark.wgrad({written}) came; device= is needed, with" in out


def test_a_mark_on_a_unittest_holds_too(webgpu, with_adapter):
    status, out = with_adapter[0]["unittest"]
    assert status == 1 and "1 passed, 1 error" in out and "During handling" not in out
    assert "test_device: @pytest.mark.wgrad(device='cuda') came; device= is needed" in out


def test_a_project_without_wgrad_pays_nothing(project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *NAMED, *QUICK, "-q", "test_without.py"],
        cwd=project,
        env=clean(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "wgrad" not in done.stdout, done.stdout


def test_a_process_on_webgpu_prints_nothing_by_itself(webgpu, with_adapter):
    """Mesa's device_select layer asks for Wayland, whose library complains of a missing folder."""
    assert with_adapter[1] == ""


def test_the_entry_point_is_the_name_of_the_module():
    """So `-p pytest_wgrad`, which our own suite needs in old environments, loads no second one."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\npytest_wgrad = "pytest_wgrad"\n' in text


def test_the_page_about_ci_does_what_it_says(webgpu, with_adapter):
    status, out = with_adapter[0]["page"]
    assert status == 0 and "3 passed" in out
    line = next(x for x in out.splitlines() if "dispatches" in x)
    (shown,) = code("docs/ci.md", "text")
    form = re.compile(r"(wgrad: ).*(: )\d+( dispatches, )\d+( kernels compiled in )\d+\.\d(.*)")
    assert form.fullmatch(shown.strip()).groups() == form.fullmatch(line).groups()


def test_the_page_about_ci_has_every_status():
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    sessions, doctors = re.findall(r"^\| status \|.*\n\|---.*\n((?:\| \d+ .*\n)+)", text, re.M)
    assert set(re.findall(r"^\| (\d+) ", sessions, re.M)) == {"4", str(MISSING), str(IDLE)}
    names = ("FINE", "WRONG", "NO_ADAPTER", "BROKEN", "DIED", "NO_WGPU")
    wanted = {"2", *(str(getattr(examination, name)) for name in names)}
    assert set(re.findall(r"^\| (\d+) ", doctors, re.M)) == wanted
    assert examination.NO_ADAPTER == MISSING


def test_counts_go_on_when_they_start_again(webgpu):
    from wgrad import statistics

    before = statistics.whole()["dispatches"]
    (wg.ones(3) * 2).tolist()
    wg.stats(reset=True)
    assert wg.stats()["dispatches"] == 0
    (wg.ones(3) * 2).tolist()
    assert statistics.whole()["dispatches"] == before + 2 * wg.stats()["dispatches"] > before
