"""The pytest plugin, in projects outside this repository: what is green there has run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from drivers import crashing

import pytest_wgrad
import wgrad as wg
from pytest_wgrad import IDLE, MISSING, STATE, open_device
from wgrad import doctor
from wgrad.doctor import examination, vulkan

ROOT = Path(pytest_wgrad.__file__).parent
# A project knows the plugin by its entry point, or by name where none is installed.
FOUND = importlib.metadata.entry_points(group="pytest11", name="pytest_wgrad")
NAMED = [] if FOUND else ["-p", "pytest_wgrad"]
HIDDEN = ("XDG_RUNTIME_DIR", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "WGRAD_REQUIRE", "PYTEST_ADDOPTS")
QUICK = ["-p", "no:hypothesispytest", "-p", "no:unraisableexception", "-p", "no:threadexception"]
ON_LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux's loader is told where drivers are"
)

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
ON_A_GPU = """
import pytest
import wgrad as wg

def test_each(wgrad_device):
    assert (wg.ones(3) * 2).tolist() == [2, 2, 2]

@pytest.mark.wgrad(device="webgpu:part")
def test_on_an_adapter():
    assert wg.default_device().name != "numpy"
    assert (wg.ones(3) * 2).tolist() == [2, 2, 2]
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
OF_ONES = """
import wgrad as wg

def test_ones():
    wg.ones(3)
"""
# As in an environment that lacks wgpu, here and in every child.
HIDE = """
import sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "wgpu":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Finder)
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
    (folder / "test_of_ones.py").write_text(OF_ONES)
    (folder / "test_page.py").write_text("\n\n".join(code("docs/ci.md")))
    (folder / "test_unittest.py").write_text(UNITTEST)
    (folder / "test_on_a_gpu.py").write_text(ON_A_GPU.replace("part", part()))
    for name in ("hidden", "no drivers", "crash"):
        (folder / name).mkdir()
    (folder / "hidden" / "sitecustomize.py").write_text(HIDE)
    (folder / "test_without.py").write_text(WITHOUT)
    for i, mark in enumerate(MARKS):
        text = f"import pytest\n@pytest.mark.wgrad({mark})\ndef test_it():\n    pass"
        (folder / f"test_mark_{i}.py").write_text(text)
    return folder


def part() -> str:
    """Return a part of the adapter's name."""
    return getattr(open_device("webgpu"), "description", "NVIDIA").split()[0].upper()


def named(drivers: Path) -> dict[str, str]:
    """Return the variables that have the loader take these drivers, and no other ones."""
    return dict.fromkeys(vulkan.CHOSEN, str(drivers))


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
            "by its name": (["test_on_a_gpu.py", "-v"], {"WGRAD_REQUIRE": f"webgpu:{part()}"}),
            "idle, by its name": (["test_on_numpy.py", f"--wgrad-require=webgpu:{part()}"], {}),
            "no such name": (["test_on_numpy.py", "--wgrad-require=webgpu:nonesuch"], {}),
            "no name": (["test_on_numpy.py", "--wgrad-require=webgpu: "], {}),
            "unittest": (["test_unittest.py"], {}),
            "marks": ([f"test_mark_{i}.py" for i in range(len(MARKS))], {}),
        },
    )


@pytest.fixture(scope="module")
def without_adapter(project):
    """What sessions say where Vulkan's loader finds no driver, or one that is broken."""
    required = {"WGRAD_REQUIRE": "webgpu"}
    nowhere = named(Path("/nowhere.json"))
    cases = {
        "required": (["test_on_numpy.py"], required),
        "required by its name": (["test_on_numpy.py"], {"WGRAD_REQUIRE": "webgpu:nonesuch"}),
        "not required": (["test_in_use.py", "-rs"], {}),
        "nowhere": (["test_on_numpy.py"], {**required, **nowhere}),
    }
    if (manifest := crashing(project / "crash")) is not None:
        broken = named(manifest)
        cases["crash"] = ["test_on_numpy.py"], {**required, **broken}
        cases["crash, not required"] = ["test_in_use.py", "-rs"], broken
        cases["crash, by the variable"] = ["test_of_ones.py"], {"WGRAD_DEVICE": "webgpu", **broken}
    return sessions(project, cases, **named(project / "no drivers"))[0]


@pytest.fixture(scope="module")
def without_wgpu(project):
    """What sessions say in an environment that lacks wgpu."""
    cases = {
        "required": (["test_on_numpy.py", "--wgrad-require=webgpu"], {}),
        "not required": (["test_in_use.py", "-rs"], {}),
    }
    return sessions(project, cases, PYTHONPATH=f"{project / 'hidden'}{os.pathsep}{ROOT}")[0]


# The three false greens.


@ON_LINUX
def test_a_project_that_requires_a_missing_adapter_fails(without_adapter):
    for case, name in (("required", "webgpu"), ("required by its name", "webgpu:nonesuch")):
        status, out = without_adapter[case]
        assert status == MISSING and "passed" not in out
        assert f"{name} is required, and there is none: there is no Vulkan driver: Debian" in out
        assert "apt-get install mesa-vulkan-drivers libvulkan1" in out


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
    said = (
        r"='(wepgpu|webgpu,GPU)' came, and '(wepgpu|GPU)' is not \"numpy\", \"webgpu\" or \"webgpu:"
    )
    assert re.search(said, out) and "Traceback" not in out


def test_a_requirement_names_an_adapter(webgpu, with_adapter):
    status, out = with_adapter[0]["by its name"]
    assert status == 0 and "3 passed" in out
    assert f"webgpu:{part()} is required, and is {webgpu.description}\n" in out
    assert f"::test_each[webgpu:{part()}] PASSED" in out
    status, out = with_adapter[0]["idle, by its name"]
    assert status == IDLE and f"webgpu:{part()} is required, 0 tests asked for a GPU" in out
    elsewhere = pytest_wgrad.Use(adapters={"another GPU": 5}, counts={"dispatches": 5})
    assert pytest_wgrad._used(elsewhere, "webgpu")
    assert not pytest_wgrad._used(elsewhere, f"webgpu:{part()}")


def test_a_requirement_of_an_adapter_that_is_not_there_says_what_is(webgpu, with_adapter):
    status, out = with_adapter[0]["no such name"]
    assert status == pytest.ExitCode.USAGE_ERROR and "Traceback" not in out
    said = "webgpu:nonesuch is required, and no adapter's name contains 'nonesuch'; there are '"
    assert said + webgpu.description.split()[0] in out
    status, out = with_adapter[0]["no name"]
    assert status == pytest.ExitCode.USAGE_ERROR and "'webgpu:' is not \"numpy\"" in out


def test_names_of_adapters_may_have_commas():
    llvmpipe = "webgpu:llvmpipe (LLVM 15.0.6, 256 bits) (Vulkan)"
    assert pytest_wgrad._required("", f"numpy,, {llvmpipe} , webgpu") == {
        "numpy", "webgpu", llvmpipe,
    }  # fmt: skip


# Drivers that are there and broken, and no wgpu.


@ON_LINUX
def test_a_loader_that_is_pointed_nowhere_is_said(without_adapter):
    status, out = without_adapter["nowhere"]
    assert status == examination.BROKEN and "passed" not in out
    assert "/nowhere.json: it cannot be read (No such file or directory); VK_DRIVER_FILES" in out
    assert "names it: correct or unset that" in out


@ON_LINUX
def test_a_driver_that_crashes_ends_a_session_in_order(without_adapter, project):
    if "crash" not in without_adapter:
        pytest.skip("a driver that crashes is made with a C compiler, and there is none")
    said = (
        f"the driver of {project / 'crash' / 'crash.json'} ends the process that loads it: it was"
    )
    status, out = without_adapter["crash"]
    assert status == examination.BROKEN and "passed" not in out
    assert f"webgpu is required, and there is none: {said} ended by SIGABRT; update or" in out
    status, out = without_adapter["crash, not required"]
    assert status == 0 and "3 passed, 2 skipped" in out
    assert f"wgrad: 2 skipped, no webgpu device: webgpu: {said}" in out
    status, out = without_adapter["crash, by the variable"]
    assert status == 1 and f"WGRAD_DEVICE=webgpu: webgpu: {said}" in out


def test_without_wgpu_tests_skip_and_a_requirement_fails(without_wgpu):
    said = "the package wgpu does not import (No module named 'wgpu'): pip install wgpu"
    status, out = without_wgpu["required"]
    assert status == examination.NO_WGPU and "passed" not in out
    assert f"webgpu is required, and there is none: webgpu: {said}" in out
    status, out = without_wgpu["not required"]
    assert status == 0 and "3 passed, 2 skipped" in out
    assert f"wgrad: 2 skipped, no webgpu device: webgpu: {said}" in out


def test_workers_do_not_try_drivers_again(monkeypatch):
    class Node:
        workerinput: dict = {}  # noqa: RUF012
        config = types.SimpleNamespace(stash=pytest.Stash())

    Node.config.stash[STATE] = pytest_wgrad.State(frozenset({"webgpu"}), pytest_wgrad.Use())
    asked = []
    monkeypatch.setattr(doctor, "trouble", lambda: asked.append(1))
    monkeypatch.setattr(pytest_wgrad, "_adapters", dict)
    for _ in range(2):
        assert pytest_wgrad.try_drivers(Node.config) is None
    pytest_wgrad.pytest_configure_node(Node)
    worker = types.SimpleNamespace(stash=pytest.Stash(), workerinput=Node.workerinput)
    worker.stash[STATE] = pytest_wgrad.State(frozenset({"webgpu"}), pytest_wgrad.Use())
    assert pytest_wgrad.try_drivers(worker) is None and asked == [1]


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


@ON_LINUX
def test_without_a_requirement_what_is_missing_is_skipped_with_the_reason(without_adapter):
    status, out = without_adapter["not required"]
    assert status == 0 and "3 passed, 2 skipped" in out
    assert "[1] test_in_use.py:" in out
    assert "wgrad: 2 skipped, no webgpu device: webgpu: there is no Vulkan driver: Debian" in out


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
    kept = {str(getattr(examination, name)) for name in ("BROKEN", "NO_WGPU")}
    assert set(re.findall(r"^\| (\d+) ", sessions, re.M)) == {"4", str(MISSING), str(IDLE), *kept}
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
