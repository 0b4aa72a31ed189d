"""What MkDocs asks while it builds the pages.

Pages link to each other and to files by paths that work in the repository. Here the pages from
outside docs/ get a place in the site, and links are turned to where a thing is there: a page, a
picture, or the text of a file.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import reference  # noqa: E402  # which imports wgrad, from this tree
import sources  # noqa: E402

# Pages that lie elsewhere, by what they are called in the site.
ELSEWHERE = {
    "index.md": "README.md",
    "gallery.md": "examples/shaders/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "numerics.md": "NUMERICS.md",
    "results.md": "benchmarks/RESULTS.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
PICTURES = (".png", ".svg", ".html")
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"(^```.*?^```$)", re.M | re.S)
TABLE = re.compile(r"<!-- names of (\w+) -->")


def origin(page: str) -> str:
    """Return where a page of the site lies in the repository."""
    return ELSEWHERE.get(page, f"docs/{page}")


def target(link: str, page: str) -> tuple[str, str]:
    """Return the path in the repository that a link of a page leads to, and its anchor."""
    path, _, anchor = link.partition("#")
    if not path:
        return origin(page), anchor
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin(page)), path)), anchor


def links(text: str) -> list[str]:
    """Return the links of a text that lead to files, outside of code."""
    prose = "".join(FENCE.split(text)[::2])
    return [m[1] for m in LINK.findall(prose) if "://" not in m[1] and not m[1].startswith("#")]


def place(path: str) -> str:
    """Return where a file of the repository is in the site."""
    for page, source in ELSEWHERE.items():
        if path == source:
            return page
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.endswith(PICTURES):
        return f"pictures/{path}"
    return sources.address(path, ROOT)


def on_config(config: Any) -> Any:
    """Put the reference into the navigation, and call anchors what they are called on GitHub."""
    pages = [{title: path} for path, (title, _) in reference.pages().items()]
    for section in config.nav:
        if "Reference" in section:
            section["Reference"] = pages
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from elsewhere, the reference, and what all of them link to."""
    for page, path in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text("utf-8")))
    wanted = set()
    for file in files.documentation_pages():
        wanted |= {target(x, file.src_uri)[0] for x in links(file.content_string)}
    known = {file.src_uri for file in files}
    new = {x for x in wanted if place(x) not in known and (ROOT / x).exists()}  # others are told
    for path in sorted(sources.reached(new, ROOT)):
        if path.endswith(PICTURES):
            files.append(File.generated(config, place(path), abs_src_path=str(ROOT / path)))
        elif place(path) not in known:
            files.append(File.generated(config, place(path), content=sources.page(path, ROOT)))
    for page, (_, text) in reference.pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn a page's links to where things are in the site, and write the tables of names."""
    here = page.file.src_uri
    if here.startswith("reference/"):
        return markdown

    def turned(match: re.Match) -> str:
        link = match[2]
        if "://" in link or link.startswith("#"):
            return match[0]
        path, anchor = target(link, here)
        there = os.path.relpath(place(path), posixpath.dirname(here) or ".")
        return f"{match[1]}{there}{'#' * bool(anchor)}{anchor}{match[3]}"

    parts = FENCE.split(markdown)
    parts[::2] = [LINK.sub(turned, x) for x in parts[::2]]
    return TABLE.sub(lambda m: reference.others_table(m[1]), "".join(parts))
