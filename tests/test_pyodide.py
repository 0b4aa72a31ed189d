"""wgrad in a browser's Python: Pyodide, under node, trains on NumPy what CPython does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
HERE = ROOT / "tests" / "pyodide"


def answer(*command: str | Path) -> dict:
    """Return what a child printed last; skip where it says that something is absent."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("WGRAD_")}
    done = subprocess.run(
        [str(x) for x in command],
        capture_output=True,
        text=True,
        check=False,
        env={**env, "PYTHONPATH": str(ROOT), "WGRAD_DEVICE": "numpy"},
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    last = done.stdout.strip().splitlines()[-1]
    if last.startswith("absent: "):
        pytest.skip(last)
    return json.loads(last)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules" / "pyodide").is_dir(),
    reason="needs node, and npm install --prefix tests/pyodide",
)
def test_pyodide_trains_as_cpython_does():
    there = answer("node", HERE / "run.mjs", ROOT, HERE / "training.py")
    here = answer(sys.executable, HERE / "training.py")
    assert there["devices"] == ["numpy"]  # there is no wgpu
    assert here["losses"][0][-1] < 0.8 * here["losses"][0][0]
    np.testing.assert_allclose(there["losses"], here["losses"], rtol=1e-5)
