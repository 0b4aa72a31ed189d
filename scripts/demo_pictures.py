"""Visit the demos of examples/web in Chromium, and keep docs/pictures/web-*.png.

    python scripts/demo_pictures.py [digits graph splat writer]

Chromium is spoken to through two pipes, by its DevTools protocol; --screenshot takes its picture
before a GPU has answered.
"""

from __future__ import annotations

import base64
import functools
import http.server
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image

from wgrad.kernel.validation.chromium import FLAGS, NOWHERE, program

ROOT = Path(__file__).parent.parent
WIDTH = 900
DRAW = """
const pad = at("pad");
pad.setPointerCapture = () => {};
const fire = (kind, [x, y]) => {
  const box = pad.getBoundingClientRect();
  const place = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
  const hand = { buttons: 1, pointerId: 1, isPrimary: true };
  pad.dispatchEvent(new PointerEvent(kind, { ...place, ...hand }));
};
const seven = () => {
  for (const line of [[[.25, .2], [.75, .2], [.45, .88]], [[.38, .52], [.7, .52]]]) {
    line.forEach((point, i) => fire(i ? "pointermove" : "pointerdown", point));
  }
};
for (let i = 0; i < 3; i++) {
  seven();
  at("labels").children[7].click();
}
seven();
"""
TRAIN = """
at("train").click();
await pause(%d);
at("train").click();
await pause(3);
"""
# What a visitor does, for how many seconds, and whether at night.
VISITS = {
    "digits": (DRAW + TRAIN % 6, False),
    "graph": ("", False),
    "splat": (TRAIN % 60, False),
    "writer": (TRAIN % 300, True),
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: Any) -> None:
        pass


class Chromium:
    """A headless Chromium with one page."""

    def __init__(self, program: str, profile: str):
        theirs, self._to = os.pipe()
        self._from, answers = os.pipe()

        def places() -> None:  # it reads 3 and writes 4
            kept = os.dup(theirs), os.dup(answers)
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            preexec_fn=places, close_fds=False, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._numbers, self._rest, self._session = itertools.count(1), b"", {}
        target = self("Target.createTarget", url="about:blank")["targetId"]
        attached = self("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def __call__(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params} | self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                self._rest += os.read(self._from, 1 << 20)
            answer, _, self._rest = self._rest.partition(b"\0")
            found = json.loads(answer)
            if found.get("id") == number:
                return found["result"]

    def run(self, script: str) -> None:
        text = f"""(async () => {{
            const at = (id) => document.getElementById(id);
            const pause = (s) => new Promise((done) => setTimeout(done, 1000 * s));
            while (!globalThis.model) await pause(0.1);
            {script}
            await pause(1);
        }})()"""
        told = self("Runtime.evaluate", expression=text, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"])

    def close(self) -> None:
        self("Browser.close")
        self._process.wait()


def picture(chromium: Chromium, url: str, script: str, night: bool) -> Image.Image:
    """Visit a page, and return how it looks then, as far down as it is filled."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if night else "light"}
    chromium("Emulation.setEmulatedMedia", features=[scheme])
    size = {"width": WIDTH, "height": 300, "deviceScaleFactor": 1, "mobile": False}
    chromium("Emulation.setDeviceMetricsOverride", **size)
    chromium("Page.navigate", url=url)
    time.sleep(1)  # until the old page is gone
    chromium.run(script)
    height = chromium("Page.getLayoutMetrics")["cssContentSize"]["height"]
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    data = chromium("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").quantize(200, dither=0)


def main(names: list[str]) -> None:
    browser = program()
    if browser is None:
        sys.exit(NOWHERE)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        handler = functools.partial(Quiet, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        chromium = Chromium(browser, f"{folder}/profile")
        for name in names or VISITS:
            script = ROOT / "examples" / "web" / f"{name}.py"
            subprocess.run([sys.executable, script, "--out", f"{folder}/{name}"], check=True)
            path = ROOT / "docs" / "pictures" / f"web-{name}.png"
            picture(chromium, f"{url}/{name}/", *VISITS[name]).save(path, optimize=True)
            print(f"picture: {path}")
        chromium.close()
        server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
