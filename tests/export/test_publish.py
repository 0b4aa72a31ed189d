"""docs/publish.md: its code runs, in Python and in Chromium."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import wgrad as wg

PAGE = Path(wg.__file__).parents[1] / "docs" / "publish.md"


def code(kind: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return "\n\n".join(re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL))


def test_the_code_of_the_page_runs(chromium, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with wg.device("numpy"):
        exec(compile(code("python"), str(PAGE), "exec"), {})
    url = chromium.serve(tmp_path / "page", "published")
    script = code("js").replace('import { load } from "./page/wgrad.js";', "")
    script = f"""const {{ load }} = await import(given.url + "wgrad.js");
        {script.replace('"./page/"', "given.url")}
        return [loss.length, out.length, bytes.length, test.ok, m.title, m.settings];"""
    losses, outs, size, ok, title, settings = chromium.run(script, url=url)
    assert losses == 1 and outs == 128 and size > 1000 and ok
    assert title == "Signs of a product" and settings["optimizer.param_groups.0.lr"] == 0.001


def test_the_examples_of_the_docstrings_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", wg.export.web.__doc__ or "", re.DOTALL)
    line = re.search(r"^ +(wg\.export\.html.*)$", wg.export.html.__doc__ or "", re.MULTILINE)
    assert block is not None and line is not None
    with wg.device("numpy"):
        names = {"wg": wg, "nn": wg.nn, "optim": wg.optim}
        exec(textwrap.dedent(block[1]) + "\n" + line[1], names)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["line.html", "page"]
