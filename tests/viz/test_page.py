"""docs/pictures.md: its code runs, and the pictures beside it are what the code makes."""

from __future__ import annotations

import importlib.util
import inspect
import re
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import wgrad as wg

for module in ("grandalf", "matplotlib"):
    pytest.importorskip(module)

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "pictures"


def pictures_of(page: str) -> set[str]:
    return set(re.findall(r"\]\(pictures/([\w.-]+)\)", page))


def test_the_page_makes_the_pictures_that_are_kept(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "scripts" / "pictures.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = tmp_path / "docs" / "pictures"
    made.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    script.run_page()
    page = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"print\(layers\.note\)  # (.*)", page)
    assert capsys.readouterr().out.strip() == said
    assert pictures_of(page) == {path.name for path in made.iterdir()} | {"interactive.png"}
    pages = "".join(x.read_text(encoding="utf-8") for x in KEPT.parent.glob("*.md"))
    assert pictures_of(pages) == {path.name for path in KEPT.iterdir() if path.is_file()}
    for name in ("neuron.svg", "layers.svg", "neuron.html"):
        kept = (KEPT / name).read_text(encoding="utf-8")
        assert (made / name).read_text(encoding="utf-8") == kept, f"{name}: run scripts/pictures.py"
    assert ET.parse(KEPT / "step.svg").getroot().tag.endswith("svg")  # passes may change it


@pytest.mark.parametrize(
    "name", [n for n in wg.viz.__all__ if not inspect.isclass(vars(wg.viz)[n])]
)
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch, numpy_device):
    (example,) = re.findall(r"```python\n(.*?)```", getattr(wg.viz, name).__doc__, re.S)
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(example), {"wg": wg})
