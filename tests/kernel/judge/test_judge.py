"""WGSL functions as ops: values and derivatives of both orders and modes, through what users call.

A compiled step holds many functions, for every shader text takes time, and each of them with one of
its derivatives. `python tests/campaigns functions` tries all of them in all ways, eager as well.
"""

from __future__ import annotations

import pytest
from judge_harness import faults_of_devices, faults_of_differences, trial
from judge_table import CASES, TABLE, Row

from wgrad.backends.base import Device

GROUP = 16
# The tests of derivatives have those of these rows on a GPU in all ways: here each fourth will do.
DERIVED = {case.name for case in CASES}
COMPILED = [row for i, row in enumerate(TABLE) if row.name not in DERIVED or i % 4 == 0]
GROUPS = [COMPILED[i : i + GROUP] for i in range(0, len(COMPILED), GROUP)]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_derivatives_in_float64_are_those_of_differences(row: Row, numpy_device: Device) -> None:
    faults = faults_of_differences(row, twice=is_small(row) and row.name not in DERIVED)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group[0].name)
def test_compiled_steps_agree_with_float64(group: list[Row], webgpu: Device) -> None:
    ways = [(0, 1 + TABLE.index(row) % (4 if is_small(row) else 2)) for row in group]
    faults = faults_of_devices(group, ways, compiled=True)
    assert not faults, "\n".join(faults)


def is_small(row: Row) -> bool:
    """Return whether derivatives of second order are not too long a text, and run, for a suite."""
    forms = trial(row.name).op.function.inputs
    return sum(x.size for x in forms) <= 8


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_both_devices_agree_with_float64(compiled: bool, device: Device) -> None:
    rows = TABLE[::14]
    faults = faults_of_devices(rows, [(0, 1, 2)] * len(rows), compiled)
    assert not faults, "\n".join(faults)
