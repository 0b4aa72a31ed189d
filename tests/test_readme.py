"""The code in README.md runs as it stands, and the links of all pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


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


# Pages whose blocks are run here, each as one program; the others have tests of their own.
RUN = ("README.md", "docs/compile.md", "docs/devices.md", "docs/functions.md", "docs/gradients.md")


@pytest.mark.parametrize("page", RUN)
def test_blocks_run_one_after_the_other(page, device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = code(page)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)
        for line in block.splitlines():
            shape = re.match(r"(wg\.\S.*\S)\s+# (\(\d.*\))$", line)
            if shape:
                assert eval(shape[1], names).shape == eval(shape[2])


def anchors(text: str) -> set[str]:
    """Return what links to the headings of a page are called."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", x.lower()).replace(" ", "-") for x in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    links = [x for x in re.findall(r"\]\(([^)]+)\)", text) if "://" not in x]
    paths = re.findall(r"`((?:wgrad|shaders|tests|examples|docs)/[\w/.]*)`", text)
    assert all((ROOT / path).exists() for path in paths), paths
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_readme_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.name in ("README.md", "CHANGELOG.md") or page.name in text, page


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_are_those_of_the_makefile(name):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    used = re.findall(r"(?:`|^)make (\w+)", (ROOT / name).read_text(encoding="utf-8"), re.M)
    assert "test" in used and set(used) <= set(targets)
