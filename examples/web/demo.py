"""What the demos share: a folder with a page beside an export, and a server to look at it."""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wgrad as wg

PAGES = Path(__file__).parent / "pages"


def main(
    build: Callable[[Path, Any], None], arguments: list[str] | None = None, **settings: int
) -> int:
    """Build a demo, and serve it until Ctrl-C if asked; return the exit status.

    `build(folder, options)` exports to folder/model, and writes the files that the page reads. The
    page is `pages/<name>.html`, with `<name>.js` and what all pages share. `settings` are the
    demo's own options, with their defaults.
    """
    home = build.__globals__
    name, lines = Path(home["__file__"]).stem, home["__doc__"].strip().splitlines()
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=lines[0])
    parser.add_argument("--out", type=Path, default=Path("build/web") / name, help="the folder")
    parser.add_argument("--serve", action="store_true", help="show the page on this machine")
    parser.add_argument("--port", type=int, default=8000, help="of the server (default: 8000)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    for key, value in settings.items():
        parser.add_argument(f"--{key}", type=int, default=value, help=f"(default: {value})")
    options = parser.parse_args(arguments)
    try:
        with wg.device("numpy"):
            wg.manual_seed(options.seed)
            options.out.mkdir(parents=True, exist_ok=True)
            build(options.out, options)
        for path in (f"{name}.html", f"{name}.js", "common.css", "common.js"):
            target = "index.html" if path.endswith(".html") else path
            shutil.copyfile(PAGES / path, options.out / target)
        print(f"page: {options.out / 'index.html'} (browsers open it from a server: --serve)")
        if options.serve:
            serve(options.out, options.port)
    except (wg.errors.WgradError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0


class Files(http.server.SimpleHTTPRequestHandler):
    """Files that no browser keeps: the next build has others by the same names."""

    # Some Windows machines call .js text/plain, which browsers do not run.
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript"
    }

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a browser that leaves hangs up
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Requests are nobody's news."""


def serve(folder: Path, port: int) -> None:
    """Serve a folder to this machine until Ctrl-C: at a port, or a free one where it is taken."""
    handler = functools.partial(Files, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with server:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        print(f"open {url} in a browser (Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
