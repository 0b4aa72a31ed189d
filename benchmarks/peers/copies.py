"""The yardstick of single passes over memory: a plain copy of what the problem reads."""

from __future__ import annotations

import wgrad as wg

from ..problems import Problem
from .base import Step
from .ours import OurPeer


def start(device: str = "webgpu") -> CopyPeer:
    return CopyPeer(device, compiled=False)


class CopyPeer(OurPeer):
    """Computes a problem once, by us, and then only copies its arrays in every step."""

    def build(self, problem: Problem) -> Step:
        found = super().build(problem)()
        given = [x.array for x in self._given(problem).values()]

        def step() -> tuple[wg.Tensor, ...]:
            for array in given:
                self.device.copy(array)
            return found

        return step
