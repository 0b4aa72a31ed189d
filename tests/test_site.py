"""`make docs`: the pages build without a warning, show what they are about, and ask nobody else."""

from __future__ import annotations

import functools
import html
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pages
import pytest
import yaml
from check_jsonschema import builtin_schemas
from pages import ROOT

import wgrad as wg
from wgrad.kernel.validation.chromium import program

BROWSER = program()
OPENED = ("index.html", "tutorial/6-compile.html", "reference/wg.html")
# Nothing that a build makes is garbage before its end, and looking for some takes a sixth of it.
BUILD = "import gc; gc.disable(); from mkdocs.__main__ import cli; cli()"
# Three pages in frames of one, which looks at what is drawn in each: nothing of height 0 counts.
DRIVER = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
{frames}<pre id="said"></pre><script>
addEventListener("load", () => {{
  const seen = (x) => x.getBoundingClientRect().height > 0;
  const said = [...document.querySelectorAll("iframe")].map(({{contentDocument: page}}) => ({{
    text: page.querySelector("article").innerText,
    tables: [...page.querySelectorAll("article table")].filter(seen).length,
    code: [...page.querySelectorAll("article pre code span[class]")].filter(seen).length,
    pictures: [...page.querySelectorAll("article img")].filter((x) => x.naturalWidth > 99).length,
    signatures: [...page.querySelectorAll(".doc-signature")].filter(seen).length,
    search: page.querySelectorAll("[data-md-component=search-query]").length,
  }}));
  document.getElementById("said").textContent = JSON.stringify(said);
}});
</script>"""


class Served(SimpleHTTPRequestHandler):
    """Answers with the files of the site, and with the driver."""

    missing: list[str] = []  # noqa: RUF012  # of all requests

    def do_GET(self) -> None:
        if self.path != "/driver":
            super().do_GET()
            return
        frames = "".join(f'<iframe src="{x}" width="1200" height="800"></iframe>' for x in OPENED)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(DRIVER.format(frames=frames).encode())

    def send_error(self, code: int, *args: Any, **kwargs: Any) -> None:
        self.missing.append(f"{code} {self.path}")
        super().send_error(code, *args, **kwargs)

    def log_message(self, *args: Any) -> None:
        pass


def shown(site: Path, folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what a browser has on the pages, and what was wrong: messages, and files not there."""
    Served.missing = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Served, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        done = subprocess.run(
            [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--enable-logging=stderr", "--log-level=0", f"--user-data-dir={folder}",
             "--dump-dom", f"http://127.0.0.1:{server.server_address[1]}/driver"],
            capture_output=True, text=True, timeout=400, check=True,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    found = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)
    assert found is not None and found[1], done.stdout[-2000:]
    wrong = [x for x in done.stderr.splitlines() if "CONSOLE" in x]
    return json.loads(html.unescape(found[1])), wrong + Served.missing


@pytest.mark.slow
def test_the_pages_build_without_a_warning_and_a_browser_shows_them(tmp_path):
    for module in ("mkdocs", "material", "mkdocstrings_handlers"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f'{module} is not installed: pip install "wgrad[docs]" brings it')
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "WARNING" not in said and "built in" in said, said

    # Every public name is there; functions and classes with signatures, and what they say.
    lacking = []
    for label, module in wg._NAMESPACES.items():
        label = label if label.startswith("wg") else f"wg.{label}"
        page = (site / "reference" / f"{label}.html").read_text(encoding="utf-8")
        parts = dict(re.findall(r'<h3 id="([\w.]+)"(.*?)(?=<h3 |</article>)', page, re.S))
        for name in module.__all__:
            value = getattr(module, name)
            if name.startswith("__") or not callable(value) or isinstance(value, type(wg)):
                continue
            part = parts.get(f"{module.__name__}.{name}", "")
            is_error = isinstance(value, type) and issubclass(value, Exception)
            has_signature = "doc-signature" in part or is_error or value is wg.Tensor
            is_another = 'autorefs autorefs-internal"' in part and (
                "another name" in part or "too." in part
            )
            if not is_another and not (has_signature and re.search(r"<p>\S", part)):
                lacking.append(f"{label}.{name}")
    assert not lacking

    for path in OPENED:  # nothing comes from elsewhere
        page = (site / path).read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img|iframe)[^>]*"(?:https?:)?//[^>]*', page), path
    if BROWSER is None:
        pytest.skip("the pages are built; no Chromium is on the PATH to look at them")
    (start, tutorial, reference), wrong = shown(site, tmp_path / "browser")
    assert not wrong
    assert start["pictures"] == 1 and start["tables"] == 1 and "Twenty lines" in start["text"]
    assert tutorial["code"] > 50 and "passes (steps left)" in tutorial["text"]
    assert reference["signatures"] > 250 and "e ** a" in reference["text"]
    assert all(x["search"] for x in (start, tutorial, reference))


def test_a_source_distribution_has_what_the_pages_link():
    sdist = pytest.importorskip("hatchling.builders.sdist")
    carried = {x.distribution_path for x in sdist.SdistBuilder(str(ROOT)).recurse_included_files()}
    folders = {parent.as_posix() for x in carried for parent in Path(x).parents}
    lacking = []
    for page in pages.PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
        targets = [os.path.normpath(page.parent / x) for x in links if "://" not in x]
        paths = {Path(x).relative_to(ROOT).as_posix() for x in [page, *targets]}
        lacking += [f"{page.name}: {x}" for x in paths - carried - folders]
    assert not lacking


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize("path", [ROOT / "CITATION.cff", *FORMS], ids=lambda path: path.name)
def test_forms_and_the_citation_fit_their_schemas(path):
    kind = {"CITATION.cff": "citation-file-format", "config.yml": "github-issue-config"}
    schema = builtin_schemas.get_builtin_schema(
        f"vendor.{kind.get(path.name, 'github-issue-forms')}"
    )
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.validate(given, schema)
    if path.name == "CITATION.cff":
        assert given["version"] == wg.__version__
