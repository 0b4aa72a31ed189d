"""`wgrad doctor`, `wgrad devices`: what they find, and how they name what is broken."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from drivers import crashing

from wgrad import cli
from wgrad.doctor import examination as examine
from wgrad.doctor import selftest, vulkan
from wgrad.doctor.children import DiedError, asked
from wgrad.version import __version__

GPU = {
    "name": "webgpu",
    "adapter": "a GPU",
    "type": "CPU",
    "backend": "Vulkan",
    "driver": "1.0",
    "dtypes": ["float32"],
}
HOST = {**GPU, "name": "numpy", "adapter": "NumPy", "backend": "NumPy"}
LISTED = [{"doing": "loading the drivers"}, {"adapters": 1}, {"device": HOST}, {"device": GPU}]
ALONE = [{"adapters": 0}, {"device": HOST}]
COUNTS = {"dispatches": 9, "pipelines_compiled": 5, "compile_seconds": 0.5}
RIGHT = [{"opened": "webgpu"}, *({"kernel": x, "wrong": None} for x in selftest.TRIED), COUNTS]


@pytest.fixture
def answers(monkeypatch):
    """What children answer, by the module they run; an exception is raised."""
    found = {examine.PROBE: LISTED, examine.SELFTEST: RIGHT, vulkan.OPENING: []}

    def answer(flag: str, what: str, *rest: str, **variables: str):
        rows = found[what]
        if isinstance(rows, Exception):
            raise rows
        return rows

    monkeypatch.setattr(examine, "asked", answer)
    return found


def told(capsys, *command: str) -> tuple[int, str]:
    status = cli.main(command)
    return status, capsys.readouterr().out


def test_an_adapter_that_works_is_fine(answers, capsys):
    status, out = told(capsys, "doctor")
    assert status == 0 and out.startswith(f"wgrad {__version__}, Python 3")
    assert "webgpu: a GPU (CPU, Vulkan, 1.0), float32\n  self-test: 10 of 10 kernels are" in out
    assert out.endswith("all is well\n")
    status, out = told(capsys, "doctor", "--json")
    report = json.loads(out)
    assert status == report["status"] == 0 and report["problems"] == []
    assert report["devices"][1]["test"]["kernels"]["sort"] == "right"
    status, out = told(capsys, "devices", "--json")
    assert status == 0 and [x["name"] for x in json.loads(out)] == ["numpy", "webgpu"]


def test_kinds_of_trouble_have_statuses_of_their_own(answers, capsys, monkeypatch):
    for name in vulkan.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    some = [vulkan.Manifest("/etc/a.json", "/lib/a.so", None)]
    monkeypatch.setattr(vulkan, "manifests", lambda: some)
    wrong = [*RIGHT[:4], {"kernel": "sort", "wrong": "3 came, and 2 is right"}]
    aborted = DiedError("it was ended by SIGABRT", [], "")
    died = DiedError("it was ended by SIGSEGV", [*RIGHT[:3], {"doing": "running sort"}], "ouch")
    cases = [
        (examine.WRONG, examine.SELFTEST, wrong, "webgpu, sort: 3 came, and 2 is right"),
        (examine.DIED, examine.SELFTEST, died, "ended the process while running sort: it was "),
        (examine.BROKEN, examine.PROBE, aborted, "the driver of /etc/a.json ends the process"),
        (examine.NO_WGPU, examine.PROBE, [*ALONE, {"missing": "pip install wgpu"}], "pip install"),
    ]
    if sys.platform.startswith("linux"):
        cases.append((examine.NO_ADAPTER, examine.PROBE, ALONE, "install mesa-vulkan-drivers"))
    assert len({status for status, *_ in cases}) == len(cases)
    for wanted, module, rows, said in cases:
        before, answers[module] = answers[module], rows
        status, out = told(capsys, "doctor")
        assert (status, said in out) == (wanted, True), out
        assert "all is well" not in out
        answers[module] = before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Vulkan's loader is on Linux")
def test_what_is_missing_is_named_with_its_package(answers, capsys, monkeypatch, tmp_path):
    answers[examine.PROBE] = ALONE
    answers[vulkan.OPENING] = [{"error": "libvulkan.so.1: cannot open shared object file: No"}]
    monkeypatch.setattr(vulkan, "manifests", list)
    status, out = told(capsys, "doctor")
    assert status == examine.NO_ADAPTER and "apt-get install libvulkan1\n" in out
    assert "apt-get install mesa-vulkan-drivers libvulkan1" in out
    monkeypatch.undo()
    (tmp_path / "words.json").write_text("{}")
    (tmp_path / "gone.json").write_text('{"ICD": {"library_path": "./libgone.so"}}')
    monkeypatch.setenv("VK_DRIVER_FILES", f"{tmp_path}{os.pathsep}/nowhere.json")
    problems = {Path(x.file).name: x.problem for x in vulkan.manifests()}
    assert problems["nowhere.json"] == "it cannot be read (No such file or directory)"
    assert "names no library_path" in problems["words.json"]
    assert problems["gone.json"].endswith("libgone.so does not exist")


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libvulkan.so.1", "libvulkan1"),
        ("libLLVM-15.so.1", "libllvm15"),
        ("libLLVM.so.19.1", "libllvm19"),
        ("libX11-xcb.so.1", "libx11-xcb1"),
        ("libdrm_amdgpu.so.1", "libdrm-amdgpu1"),
        ("libxcb-dri3.so.0", "libxcb-dri3-0"),
        ("libz.so.1", "zlib1g"),
    ],
)
def test_packages_of_libraries(library, package):
    assert vulkan.package_of(library) == package


def test_wrong_words_are_a_usage_error(capsys):
    for command in (["doctor", "--device", "cuda"], ["devices", "--fast"]):
        with pytest.raises(SystemExit) as end:
            cli.main(command)
        assert end.value.code == 2
    assert "--device cuda came; numpy, webgpu or" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"wgrad {__version__}\n"


# With processes and devices.


def test_a_child_that_dies_is_told_of(monkeypatch):
    text = 'import os, sys; print(\'{"doing": "this"}\', flush=True); os.abort()'
    with pytest.raises(DiedError) as caught:
        asked("-S", "-c", text)
    assert caught.value.rows == [{"doing": "this"}]
    if os.name == "posix":
        assert caught.value.how == "it was ended by SIGABRT"
    monkeypatch.setattr("wgrad.doctor.children.SECONDS", 0.3)
    with pytest.raises(DiedError, match="did not come to an end in 0"):
        asked("-S", "-c", "import time; time.sleep(60)")


def test_the_self_test_is_right_on_each_device(device, capsys):
    selftest.main(device.name)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"opened": device.name, "description": device.description} in rows
    verdicts = {row["kernel"]: row["wrong"] for row in rows if "kernel" in row}
    assert verdicts == dict.fromkeys(selftest.TRIED) and len(verdicts) == 10


def test_the_self_test_finds_a_wrong_kernel(webgpu, monkeypatch):
    calls = iter([1.0, 2.0])
    import wgrad as wg

    assert selftest._difference(lambda: wg.ones(4) * next(calls), webgpu) == (
        "1.0 came, and 2.0 is right; 4 of 4 differ"
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Vulkan's loader is on Linux")
def test_a_driver_that_crashes_is_named(webgpu, tmp_path, monkeypatch, capsys):
    if (manifest := crashing(tmp_path)) is None:
        pytest.skip("a driver that crashes is made with a C compiler, and there is none")
    for name in vulkan.CHOSEN:
        monkeypatch.setenv(name, str(manifest))
    status, out = told(capsys, "doctor")
    assert status == examine.BROKEN
    assert f"the driver of {manifest} ends the process that loads it: it was ended by SIG" in out
