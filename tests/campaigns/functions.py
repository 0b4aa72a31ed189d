"""WGSL functions as ops: value and derivatives against differences and float64.

Each program is a row of a table (tests/kernel/judge/judge_table.py): its derivatives in reverse and
forward mode and those of second order, in float64 on NumPy against differences, and then on the
device, eager and compiled.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device

sys.path.append(str(Path(__file__).parents[1] / "kernel" / "judge"))

from judge_harness import faults_of_devices, faults_of_differences
from judge_table import TABLE

SHARE = 2  # tests/kernel/judge tries all rows


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    row = TABLE[rng.integers(len(TABLE))]
    with wg.device("numpy"):
        faults = faults_of_differences(row)
    for compiled in (False, True):
        how = "compiled" if compiled else "eager"
        found = faults_of_devices([row], [range(5)], compiled)
        faults += [f"{how}: {x}" for x in found]
    return "\n".join(faults) or None
