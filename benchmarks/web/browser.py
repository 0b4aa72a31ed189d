"""A server of folders, and a headless Chromium that opens its page. Knows no problem."""

from __future__ import annotations

import contextlib
import json
import mimetypes
import queue
import threading
import webbrowser
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wgrad.kernel.validation.chromium import NOWHERE, opened, program

from ..peers.base import AbsentError


class Told:
    """What a page posted: `kind` is the end of the path, `value` what it sent."""

    def __init__(self, kind: str, value: Any):
        self.kind, self.value = kind, value


def answers(
    folders: dict[str, Path], texts: dict[str, str], seconds: float, shown: bool = False
) -> Iterator[Told]:
    """Open `/page/page.html` in a browser, and yield what it posts, until that is "done".

    The browser is a headless one, or with `shown` the user's own, with the GPU that it has.

    Paths are those of `folders`, by the first word of them, and of `texts`. A page that posts
    nothing for so many seconds is given up.

    Raises: AbsentError without a browser, or where it ends or falls silent.
    """
    browser = "the user's browser" if shown else program()
    if browser is None:
        raise AbsentError(NOWHERE)
    told: queue.Queue[Told] = queue.Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folders, texts, told))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/page/page.html"
    try:
        if shown:
            print(f"open {url} in a browser, which shows the table too", flush=True)
            # Some browsers keep who opens them waiting until they are closed.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with contextlib.nullcontext() if shown else opened(browser, url):
            while True:
                try:
                    found = told.get(timeout=seconds)
                except queue.Empty:
                    raise AbsentError(f"{browser} said nothing for {seconds:g} seconds") from None
                if found.kind == "failed":
                    raise AbsentError(f"{browser}: {found.value}")
                yield found
                if found.kind == "done":
                    return
    finally:
        server.shutdown()
        server.server_close()


def _handler(folders: dict[str, Path], texts: dict[str, str], told: queue.Queue[Told]) -> type:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, _, rest = self.path.partition("?")[0].strip("/").partition("/")
            file = folders.get(name, Path("/nowhere")) / rest
            if name in texts:
                self._answer(texts[name].encode(), "application/json")
            elif file.is_file():
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self._answer(file.read_bytes(), kind)
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            data = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            # Before it is answered: what the page posts next comes in another thread.
            told.put(Told(self.path.rpartition("/")[2], data))
            self._answer(b"", "text/plain")

        def _answer(self, data: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
