"""examples/ci: the files fit their schemas, and their commands are there and mean something.

No container and no runner is started. Shells run every command line with a PATH that holds nothing
but notes: each program writes down what it was told. What they were told is then tried for real as
far as that needs no root and no network: options of `wgrad` and of pytest by their own parsers,
packages by `apt-get --simulate` where apt-get has lists of packages.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import pytest_wgrad
from wgrad import cli, doctor

FOLDER = Path(__file__).parent.parent / "examples" / "ci"
DRIVERS = {"libvulkan1", "mesa-vulkan-drivers"}
CACHE = "MESA_SHADER_CACHE_DIR"
NOTE = '#!/bin/sh\necho "$(/usr/bin/basename "$0")\t$*" >> {log}\n'


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    lines = [x for x in text.splitlines() if x.strip() and not x.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [(w, rest.strip()) for w, _, rest in (x.partition(" ") for x in whole.splitlines())]


def workflow() -> dict:
    return yaml.safe_load((FOLDER / "github.yml").read_text(encoding="utf-8"))


def pipeline() -> dict:
    return yaml.safe_load((FOLDER / "gitlab.yml").read_text(encoding="utf-8"))


def commands_of_docker() -> list[str]:
    rows = dockerfile()
    last = json.loads(next(rest for word, rest in rows if word == "CMD"))
    return [rest for word, rest in rows if word == "RUN"] + [shlex.join(last)]


def commands_of_github() -> list[str]:
    return [step["run"] for step in workflow()["jobs"]["webgpu"]["steps"] if "run" in step]


def commands_of_gitlab() -> list[str]:
    return [*pipeline()["webgpu"]["before_script"], *pipeline()["webgpu"]["script"]]


RECIPES = {
    "Dockerfile": commands_of_docker,
    "github.yml": commands_of_github,
    "gitlab.yml": commands_of_gitlab,
}
PROGRAMS = ("apt-get", "dpkg-query", "mkdir", "pip", "pytest", "python", "python3", "rm", "useradd")
PROGRAMS += ("wgrad",)


@pytest.fixture(params=RECIPES)
def told(request, tmp_path):
    """What the programs of a recipe were told, in their order: [program, argument, ...]."""
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("the commands are a shell's, and there is none")
    log, notes = tmp_path / "log", tmp_path / "bin"
    notes.mkdir()
    for name in PROGRAMS:
        (notes / name).write_text(NOTE.format(log=log))
        (notes / name).chmod(0o755)
    (notes / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (notes / "sudo").chmod(0o755)
    for line in RECIPES[request.param]():
        subprocess.run(
            [shell, "-eu", "-c", line],
            cwd=tmp_path,
            env={"PATH": str(notes), "GITHUB_OUTPUT": str(tmp_path / "output")},
            check=True,
        )
    return [line.replace("\t", " ").split() for line in log.read_text().splitlines()]


def arguments(told: list[list[str]], *program: str) -> list[str]:
    """Return what follows a program's name, in the one call of it."""
    (found,) = [row[len(program) :] for row in told if tuple(row[: len(program)]) == program]
    return found


def test_the_driver_is_installed(told, request):
    rest = arguments(told, "apt-get", "install")
    packages = [x for x in rest if not x.startswith("-")]
    assert set(packages) >= DRIVERS and "--no-install-recommends" in rest and "-y" in rest
    if "Dockerfile" not in request.node.name:
        assert set(packages) == DRIVERS  # which are among those of the Dockerfile
        return
    known = shutil.which("apt-get") and subprocess.run(
        ["apt-cache", "show", *DRIVERS], capture_output=True, check=False
    )
    if known and known.returncode == 0:  # a Debian with lists of packages
        done = subprocess.run(
            ["apt-get", "--simulate", "-o", "Debug::NoLocking=1", "install", *rest],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_the_adapter_is_proved_before_the_tests(told, monkeypatch):
    rest = arguments(told, "wgrad")
    asked = []
    monkeypatch.setattr(doctor, "examine", lambda name: asked.append(name) or doctor.Report({}))
    monkeypatch.setattr("wgrad.cli.doctor.json.dumps", lambda report: "")
    assert cli.main([*rest, "--json"]) == 0 and asked == ["webgpu:llvmpipe"]
    assert told.index(["wgrad", *rest]) < len(told) - 1


def test_the_tests_require_the_adapter(told):
    last = told[-1]
    words = last[3:] if last[:3] == ["python", "-m", "pytest"] else last[1:]
    assert last[0] in ("python", "pytest") and "--wgrad-require=webgpu" in words
    parser = pytest.Parser(_ispytest=True)
    pytest_wgrad.pytest_addoption(parser)
    options, rest = parser.parse_known_and_unknown_args(words)
    assert pytest_wgrad._required("", options.wgrad_require) == {"webgpu"}
    assert all(x.startswith("--junitxml=") for x in rest)


def test_the_image_is_slim_and_its_user_has_no_rights():
    rows = dockerfile()
    words = [word for word, _ in rows]
    assert rows[0][0] == "FROM" and re.fullmatch(r"debian:\w+-slim", rows[0][1])
    user = words.index("USER")
    assert rows[user][1] not in ("root", "0") and f" {rows[user][1]}" in rows[user - 1][1]
    assert [w for w, _ in rows[:user]] == ["FROM", "RUN", "RUN"]  # all else is done without rights
    assert words.count("USER") == words.count("CMD") == 1 and words[-1] == "CMD"


def test_the_shader_cache_is_kept_where_mesa_writes_it():
    job = workflow()["jobs"]["webgpu"]
    (kept,) = [s["with"] for s in job["steps"] if s.get("uses", "").startswith("actions/cache@")]
    assert job["env"][CACHE] == "${{ github.workspace }}/" + kept["path"]
    assert kept["key"].startswith(kept["restore-keys"]) and "github.run_id" in kept["key"]
    of_gitlab = pipeline()["webgpu"]
    assert of_gitlab["variables"][CACHE] == "$CI_PROJECT_DIR/.cache/mesa"
    assert of_gitlab["cache"]["paths"] == [".cache/"]
    environment = dict(x.split("=") for w, rest in dockerfile() if w == "ENV" for x in rest.split())
    volume = re.search(r"-v mesa:(\S+)", (FOLDER / "Dockerfile").read_text())
    assert volume is not None and environment[CACHE].startswith(f"{volume[1]}/")


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_the_files_fit_their_schemas(name):
    checker = pytest.importorskip("check_jsonschema", reason="of the extra dev")
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[name]
    words = ["--builtin-schema", schema, str(FOLDER / f"{name}.yml")]
    with pytest.raises(SystemExit) as end:
        checker.main(words)
    assert not end.value.code
