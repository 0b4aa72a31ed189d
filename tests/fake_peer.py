"""A peer for the tests of the benchmarks: it computes nothing, and misbehaves when told to."""

from __future__ import annotations

import os

import numpy as np

from benchmarks.peers.base import About, AbsentError, Peer, Step
from benchmarks.problems import Add


def start(value: float = 1.0, trouble: str = "", adapter: str = "") -> FakePeer:
    if trouble == "start":
        raise AbsentError("it is on holiday")
    return FakePeer(value, trouble, adapter)


class FakePeer(Peer):
    """Returns `value`, plus how often it was called; `trouble` says when it fails."""

    checked = 2

    def __init__(self, value: float, trouble: str, adapter: str):
        self.value, self.trouble, self.adapter, self.calls = value, trouble, adapter, 0

    def about(self) -> About:
        return About(
            f"fake {os.environ.get('FAKE_VERSION', '0')}", "thin air", adapter=self.adapter
        )

    def kernels(self, step: Step) -> int | None:
        return 7

    def add(self, problem: Add) -> Step:
        self.calls = 0

        def step() -> tuple:
            self.calls += 1
            if self.trouble == "step":
                raise ValueError("a step failed\nand more")
            if self.trouble == "death" and self.calls > self.checked + 2:
                os._exit(3)
            return (np.full(3, self.value + self.calls, np.float32),)

        return step
