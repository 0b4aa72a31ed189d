"""Runs of wg.fit that are killed (SIGKILL) at random moments and gone on with: four times each.

On the NumPy device, where a process costs little; `python tests/killed.py FOLDER webgpu 4 0` is the
same on a GPU.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from wgrad.backends.base import Device

DEVICE = "numpy"
SHARE = 1
KILLS = 4


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Return what differs from a run that nobody killed, or None."""
    if device.name != DEVICE:
        return None
    script = Path(__file__).parents[1] / "killed.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(script), folder, device.name]
        command += [str(KILLS), str(rng.integers(2**31))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout.strip()
    return None if told == "same" else told + done.stderr
