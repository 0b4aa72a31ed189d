"""A short, seeded share of every campaign (tests/campaigns), on each device."""

from __future__ import annotations

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
