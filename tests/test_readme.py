"""The code in README.md runs as it stands, and the links of all pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def code(name: str, language: str = "python") -> list[str]:
    """Return the fenced blocks of a language."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_readme_trains_something_in_about_twenty_lines(device, capsys):
    program = code("README.md")[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    exec(compile(program, "README.md", "exec"), {})
    out = capsys.readouterr().out
    losses = [float(x) for x in re.findall(r"step \d+: loss (\d\.\d+)", out)]
    assert len(losses) == 4 and losses[-1] < losses[0]
    right = re.search(rf"([\d.]+)% of new points are right, on {device.name}", out)
    assert right is not None and float(right[1]) > 97


def test_readme_blocks_run_one_after_the_other(device):
    names: dict = {}
    blocks = code("README.md")
    assert len(blocks) == 7
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
        for line in block.splitlines():
            shape = re.match(r"(wg\.\S.*\S)\s+# (\(\d.*\))$", line)
            if shape:
                assert eval(shape[1], names).shape == eval(shape[2])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_paths_lead_to_files(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [x for x in re.findall(r"\]\(([^)]+)\)", text) if "://" not in x]
    paths = re.findall(r"`((?:wgrad|shaders|tests|examples)/[\w/.]*)`", text)
    assert links or paths
    for path in (*links, *paths):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_are_those_of_the_makefile(name):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    used = re.findall(r"(?:`|^)make (\w+)", (ROOT / name).read_text(encoding="utf-8"), re.M)
    assert "test" in used and set(used) <= set(targets)
