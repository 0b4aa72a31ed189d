"""A headless Chromium with WebGPU on SwiftShader: where it is found, started, and ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NOWHERE = f"none of {', '.join(NAMES)} is on the PATH"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"),
    *("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-vulkan=swiftshader"),
    *("--enable-features=Vulkan", "--disable-extensions", "--mute-audio"),
)


def program() -> str | None:
    """Return the path of a Chromium; None where none is on the PATH."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def opened(browser: str, url: str) -> Iterator[subprocess.Popen]:
    """Have a browser show a page, and end it with all processes that it has started.

    Its settings live in a folder of their own, which goes with it. Raises: OSError.
    """
    import tempfile  # what few programs need is imported when it is

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [browser, *FLAGS, f"--user-data-dir={folder}", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a group of processes, to be ended together
        )
        try:
            yield process
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError, AttributeError):  # it ended, or Windows
                process.kill()
            process.wait()
