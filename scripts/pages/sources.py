"""Texts that pages lead to (sources, shaders, tests), as pages of their own without any script."""

from __future__ import annotations

import html
import os
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; }}
pre {{ font: 13px/1.45 ui-monospace, monospace; overflow-x: auto; }}
</style></head><body>
<p><a href="{home}index.html">wgrad</a> / <code>{title}</code></p>
{body}
</body></html>
"""


def address(path: str, root: Path) -> str:
    """Return where the page about a file or a folder is in the site."""
    return f"source/{path}/index.html" if (root / path).is_dir() else f"source/{path}.html"


def page(path: str, root: Path) -> str:
    """Return the page about a file or a folder."""
    home = "../" * address(path, root).count("/")
    if not (root / path).is_dir():
        body = f"<pre>{html.escape((root / path).read_text(encoding='utf-8'))}</pre>"
        return PAGE.format(title=path, home=home, body=body)
    here = os.path.dirname(address(path, root))
    items = [
        f'<li><a href="{os.path.relpath(address(x, root), here)}">{Path(x).name}</a></li>'
        for x in inside(path, root)
    ]
    return PAGE.format(title=path, home=home, body=f"<ul>{''.join(items)}</ul>")


def inside(path: str, root: Path) -> list[str]:
    """Return what lies in a folder and is text: files and folders, by their paths."""
    found = sorted((root / path).iterdir(), key=lambda x: (x.is_file(), x.name))
    return [
        x.relative_to(root).as_posix()
        for x in found
        if (x.is_dir() and x.name not in ("__pycache__", "pictures"))
        or x.suffix in (".py", ".wgsl", ".md", ".yml", ".toml", ".js", ".html", ".css", ".typed")
    ]


def reached(paths: set[str], root: Path) -> set[str]:
    """Return paths, and all that lies in those that are folders."""
    found, todo = set(), list(paths)
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += inside(path, root) if (root / path).is_dir() else []
    return found
