"""A short, seeded share of every campaign (tests/campaigns), on each device."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from campaigns import base

from wgrad.backends.base import Device

SHARE = 15  # programs; a campaign whose programs are long says fewer in SHARE of its own


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
def test_a_campaign_that_would_try_nothing_says_so(
    arguments: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Run as the command is, but in this process: one of its own takes a second to start."""
    folder = str(Path(base.__file__).parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [folder, *arguments.split()])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(folder, run_name="__main__")
    assert left.value.code == 2 and told in capsys.readouterr().err
