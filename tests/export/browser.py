"""One headless Chromium for many scripts: its page asks for the next, and posts what it gave."""

from __future__ import annotations

import base64
import contextlib
import json
import mimetypes
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wgrad.kernel.validation.chromium import opened

PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const bytes = (x) => x instanceof Uint8Array || x instanceof Float32Array || x instanceof Int32Array
  || x instanceof Uint32Array;
const coded = (k, x) => bytes(x) ? {$bytes: btoa(Array.from(
  new Uint8Array(x.buffer, x.byteOffset, x.byteLength), (c) => String.fromCharCode(c)).join("")),
  kind: x.constructor.name} : typeof x === "number" && !Number.isFinite(x) ? String(x) : x;
const decoded = (k, x) => x?.$bytes === undefined ? x : new ({Float32Array, Int32Array, Uint32Array,
  Uint8Array})[x.kind](Uint8Array.from(atob(x.$bytes), (c) => c.charCodeAt(0)).buffer);
for (;;) {
  const answer = await fetch("/next");
  if (answer.status !== 200) break;
  const {script, given} = JSON.parse(await answer.text(), decoded);
  let told;
  try {
    const f = new (async () => {}).constructor("given", script);
    told = {value: await f(given) ?? null};
  } catch (error) {
    told = {name: error.name, failed: String(error.message), stack: String(error.stack)};
  }
  await fetch("/told", {method: "POST", body: JSON.stringify(told, coded)});
}
</script>"""


class PageError(Exception):
    """What a script raised in the page."""


class Browser:
    """A Chromium on SwiftShader, with a server whose folders are those that were put there."""

    def __init__(self, program: str):
        self._next: queue.Queue[str | None] = queue.Queue()
        self._told: queue.Queue[dict] = queue.Queue()
        self.folders: dict[str, Path] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/next":
                    script = outer._next.get()
                    outer._answer(self, script.encode() if script else b"", "application/json",
                                  200 if script else 204)  # fmt: skip
                    return
                _, name, *rest = path.split("/")
                if name == "":
                    outer._answer(self, PAGE.encode(), "text/html")
                    return
                file = outer.folders.get(name, Path("/nowhere")).joinpath(*rest)
                if file.is_dir():
                    file /= "index.html"
                if not file.is_file():
                    self.send_error(404)
                    return
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                outer._answer(self, file.read_bytes(), kind)

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer._answer(self, b"", "text/plain", 204)
                outer._told.put(json.loads(data, object_hook=_decoded))

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # it is gone
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._shown = contextlib.ExitStack()
        self._shown.enter_context(opened(program, self.url))

    @staticmethod
    def _answer(handler: BaseHTTPRequestHandler, data: bytes, kind: str, status: int = 200) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Cache-Control", "no-store")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def serve(self, folder: Path, name: str) -> str:
        """Serve a folder, and return its URL."""
        self.folders[name] = folder
        return f"{self.url}{name}/"

    def run(self, script: str, seconds: float = 120, **given: Any) -> Any:
        """Run the body of an async function of `given` in the page, and return what it returns."""
        self._next.put(json.dumps({"script": script, "given": _coded(given)}))
        return self.told(seconds)

    def told(self, seconds: float) -> Any:
        """Return what a page posts next. Raises: PageError for what it raised."""
        told = self._told.get(timeout=seconds)
        if "failed" in told:
            error = PageError(told["failed"])
            error.__notes__ = [told["stack"]]
            error.kind = told["name"]  # type: ignore[attr-defined]
            raise error
        return told["value"]

    def close(self) -> None:
        self._next.put(None)
        self._shown.close()
        self._server.shutdown()
        self._server.server_close()


def _coded(x: Any) -> Any:
    import numpy as np

    if isinstance(x, bytes):
        return {"$bytes": base64.b64encode(x).decode(), "kind": "Uint8Array"}
    if isinstance(x, np.ndarray):
        kind = {"f": "Float32", "i": "Int32", "u": "Uint32", "b": "Uint8"}[x.dtype.kind]
        data = x.astype({"f": "f4", "i": "i4", "u": "u4", "b": "u1"}[x.dtype.kind])
        return {"$bytes": base64.b64encode(data.tobytes()).decode(), "kind": f"{kind}Array"}
    if isinstance(x, dict):
        return {k: _coded(v) for k, v in x.items()}
    return [_coded(v) for v in x] if isinstance(x, (list, tuple)) else x


def _decoded(x: dict) -> Any:
    import numpy as np

    if "$bytes" not in x:
        return x
    data = base64.b64decode(x["$bytes"])
    if x["kind"] == "Uint8Array":
        return data
    return np.frombuffer(
        data, {"Float32Array": "f4", "Int32Array": "i4", "Uint32Array": "u4"}[x["kind"]]
    )
