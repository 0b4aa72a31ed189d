"""Tint in a browser: a page of this machine compiles the text, and posts what was said."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import threading
from typing import Any

from ..language import Source
from . import chromium
from .verdicts import Judgement, placed

ABSENT = re.compile("extension '.*' is not allowed in the current environment")
SECONDS = 60.0  # until it has to have answered
PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const post = (x) => fetch(location.pathname, {method: "POST", body: JSON.stringify(x)});
try {
  if (!navigator.gpu) throw new Error("it has no WebGPU");
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("it has no WebGPU adapter");
  const wanted = ["shader-f16", "subgroups"].filter((x) => adapter.features.has(x));
  const device = await adapter.requestDevice({requiredFeatures: wanted});
  device.pushErrorScope("validation");
  const code = await (await fetch(location.pathname + "/text")).text();
  const module = device.createShaderModule({code});
  const info = await module.getCompilationInfo();
  await device.popErrorScope();
  await post({agent: navigator.userAgent, messages: info.messages.map((x) => (
    {text: x.message, severity: x.type, line: x.lineNum, column: x.linePos}))});
} catch (error) {
  await post({failed: String(error.message || error)});
}
</script>"""


def judge(source: Source) -> Judgement:
    """Return what Tint says, in a browser that is found on the PATH."""
    browser = chromium.program()
    if browser is None:
        return Judgement("tint", absent=chromium.NOWHERE)
    answer = _asked(browser, source.text)
    if "failed" in answer:
        return Judgement("tint", absent=f"{browser}: {answer['failed']}")
    messages = tuple(
        placed(source, x["line"], x["column"], x["text"], x["severity"], "utf-16-le")
        for x in answer["messages"]
    )
    for x in messages:
        if ABSENT.match(x.text):  # which says something about this machine, not about the text
            return Judgement("tint", absent=f"{browser}: {x.text}")
    words = [x for x in answer["agent"].split() if "Chrom" in x]
    return Judgement("tint", messages, version=" ".join(words).replace("/", " "))


def _asked(program: str, text: str) -> dict[str, Any]:
    """Return what the page posted; `failed` says why nothing came."""
    # What few programs need is imported when it is.
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    path = "/" + secrets.token_hex(16)  # which other programs of this machine do not know
    answer: dict[str, Any] = {}
    came = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = {path: (PAGE, "text/html"), f"{path}/text": (text, "text/plain")}.get(
                self.path, (None, "")
            )
            if body is None:
                self.send_error(404)
                return
            data = body.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == path:
                answer.update(json.loads(data))
            self.send_response(204)
            self.end_headers()
            came.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}{path}"
        with chromium.opened(program, url) as process:
            _wait(came, process)
    except OSError as error:
        return {"failed": str(error)}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return answer or {"failed": f"it did not answer within {SECONDS:g} seconds"}


def _wait(came: threading.Event, process: subprocess.Popen) -> None:
    """Wait for an answer, but not for a browser that has ended."""
    for _ in range(int(SECONDS * 10)):
        if came.wait(0.1):
            return
        if process.poll() is not None and not came.wait(1.0):
            return
