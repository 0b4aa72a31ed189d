"""The code of pages runs as it stands, listings are what it prints, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pages
import pytest
from conftest import need
from pages import PAGES, ROOT, code


def test_readme_trains_something_in_about_twenty_lines(device, capsys):
    program = code("README.md")[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    exec(compile(program, "README.md", "exec"), {})
    out = capsys.readouterr().out
    losses = [float(x) for x in re.findall(r"step \d+: loss (\d\.\d+)", out)]
    assert len(losses) == 4 and losses[-1] < losses[0]
    right = re.search(rf"([\d.]+)% of new points are right, on {device.name}", out)
    assert right is not None and float(right[1]) > 97


# Pages whose blocks are run here, each as one program on every device.
RUN = (
    "README.md",
    "docs/compile.md",
    "docs/devices.md",
    "docs/functions.md",
    "docs/gradients.md",
    "docs/training.md",
    "docs/wrong-numbers.md",
)
TUTORIAL = sorted(x.relative_to(ROOT).as_posix() for x in (ROOT / "docs/tutorial").glob("*.md"))
# The other pages with code, and the tests that run them.
ELSEWHERE = {
    "CONTRIBUTING.md": "test_additions.py",
    "docs/ci.md": "test_plugin.py",
    "docs/from-jax.md": "test_first_hour.py",
    "docs/from-numpy.md": "test_first_hour.py",
    "docs/from-pytorch.md": "test_from_pytorch.py",
    "docs/pictures.md": "viz/test_page.py",
    "docs/profiling.md": "test_profile.py",
    "docs/publish.md": "export/test_publish.py",
    "docs/save-and-load.md": "io/test_save_load.py",
    "docs/your-own-shader.md": "kernel/test_library.py",
}


def test_readme_is_two_screens_and_one_picture():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100 and text.count("![") == 1


@pytest.mark.parametrize("page", RUN)
def test_blocks_run_one_after_the_other(page, device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    pages.run(page, names)
    for block in code(page):
        for line in block.splitlines():
            shape = re.match(r"(wg\.\S.*\S)\s+# (\(\d.*\))$", line)
            if shape:
                assert eval(shape[1], names).shape == eval(shape[2])


@pytest.mark.parametrize("page", TUTORIAL)
def test_the_tutorial_runs_and_prints_what_it_says(page, tmp_path, monkeypatch):
    """With NumPy where a page is not about a GPU."""
    pytest.importorskip("grandalf")
    monkeypatch.chdir(tmp_path)
    with need("webgpu" if "webgpu" in "".join(code(page)) else "numpy"):
        pages.run(page)


def test_every_page_with_code_is_run_by_a_test():
    known = {*RUN, *TUTORIAL, *ELSEWHERE}
    assert {
        x.relative_to(ROOT).as_posix() for x in PAGES if "\n```python\n" in x.read_text()
    } == known
    for page, test in ELSEWHERE.items():
        text = (ROOT / "tests" / test).read_text(encoding="utf-8")
        listings = [x for x in pages.blocks((ROOT / page).read_text()) if x.language == "text"]
        assert Path(page).name in text and (not listings or "pages.run(" in text or "code(" in text)


def test_a_listing_that_is_stale_is_told(tmp_path, monkeypatch, numpy_device):
    """What a listing may leave open is times, `...`, and numbers where it says `measured`."""
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    lines = ("print('sum  took 12.5 ms on abacus')", "print('max 3 GB/s')")
    body = "```python\n{}\n{}\n```\n\nso:\n\n{{}}```text\n{{}}```\n".format(*lines)
    good = [
        ("", "sum took 3 us on abacus\nmax 3 GB/s\n"),
        ("", "sum took 3 us on ...\nmax 3 GB/s\n"),
        ("<!-- listing: measured -->\n", "max 4 GB/s\nsum took 1 s on abacus\n"),
        ("<!-- listing: llvmpipe -->\n", "for another device\n"),
    ]
    stale = [
        ("", "sum took 12.5 ms on abacus\n"),
        ("", "sum took 12.5 ms on abacus\nmax 4 GB/s\n"),
        ("", "sum took 12.5 on abacus\nmax 3 GB/s\n"),
        ("<!-- listing: measured -->\n", "max 4 GB/s\nmax 4 GB/s\n"),
    ]
    for comment, text in good:
        (tmp_path / "page.md").write_text(body.format(comment, text))
        pages.run("page.md")
    for comment, text in stale:
        (tmp_path / "page.md").write_text(body.format(comment, text))
        with pytest.raises(AssertionError, match=r"page\.md, line 2"):
            pages.run("page.md")
    pages.write("page.md")
    pages.run("page.md")


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
    """To the tutorial by its first page, of which each leads to the next."""
    texts = {x.relative_to(ROOT).as_posix(): x.read_text(encoding="utf-8") for x in PAGES}
    for before, page in zip(["README.md", *TUTORIAL], TUTORIAL, strict=False):
        assert f"{Path(page).name})" in texts[before], page
    for page in set(texts) - {"README.md", "CHANGELOG.md", *TUTORIAL}:
        assert page in texts["README.md"], page


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_are_those_of_the_makefile(name):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    used = re.findall(r"(?:`|^)make (\w+)", (ROOT / name).read_text(encoding="utf-8"), re.M)
    assert "test" in used and set(used) <= set(targets)
