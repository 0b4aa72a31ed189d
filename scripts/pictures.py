"""Make the pictures of docs/pictures.md by running its code, and a screenshot of the page in it.

    python scripts/pictures.py

The screenshot needs Chromium, and is left as it is without.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import wgrad as wg
from wgrad.kernel.validation.chromium import NOWHERE, program

ROOT = Path(__file__).parent.parent


def run_page() -> None:
    """Run the code of the page, which saves its pictures below the current directory."""
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    with wg.device("numpy"):
        for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
            # Under a name of its own, so that Python finds the source of its functions.
            path = Path(tempfile.mkdtemp(prefix="wgrad-page-")) / "page.py"
            path.write_text(block, encoding="utf-8")
            try:
                exec(compile(block, str(path), "exec"), names)
            finally:
                shutil.rmtree(path.parent)


def take_screenshot() -> None:
    """Take a picture of the interactive page in the midst of its reverse pass."""
    browser = program()
    if browser is None:
        print(f"{NOWHERE}: docs/pictures/interactive.png is left as it is")
        return
    folder = ROOT / "docs" / "pictures"
    page = (folder / "neuron.html").as_uri() + "#mode=reverse&step=2"
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={home}", "--window-size=1400,600"),
                *(f"--screenshot={folder / 'interactive.png'}", page),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    os.chdir(ROOT)
    run_page()
    take_screenshot()
