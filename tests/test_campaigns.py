"""A short, seeded share of every campaign (tests/campaigns), on each device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from campaigns import base

from wgrad.backends.base import Device

SHARE = 40  # programs; a campaign whose programs are long says fewer in SHARE of its own


@pytest.mark.parametrize("name", base.names())
def test_campaign_finds_nothing(name: str, device: Device) -> None:
    campaign = base.load(name)
    numbers = range(getattr(campaign, "SHARE", SHARE))
    found = list(base.differences(campaign, device, seed=0, numbers=numbers))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("windows --device numpy", "tries nothing on numpy"),
        ("eager --device banana", "device 'banana' is unknown"),
        ("eager --count 0", "--count"),
    ],
)
def test_a_campaign_that_would_try_nothing_says_so(arguments: str, told: str) -> None:
    command = [sys.executable, str(Path(base.__file__).parent), *arguments.split()]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 2 and told in found.stderr and "Traceback" not in found.stderr
