"""The contenders: which peer, on which device, in which environment; by the names of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Contender:
    """How to start a peer: `module` has a function `start` that takes the options.

    `environment` is set before the module is imported. With `fresh` every round is a process of
    its own, and what is timed are the first calls of the step.
    """

    name: str
    module: str
    options: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False


# A compiled shader that a driver keeps on disk would make the first call a second one.
NO_CACHES = {"MESA_SHADER_CACHE_DISABLE": "true", "WGRAD_CACHE": "0"}

CONTENDERS = {
    c.name: c
    for c in (
        Contender("compiled", "benchmarks.peers.ours"),
        Contender("eager", "benchmarks.peers.ours", {"compiled": False}),
        Contender("first calls", "benchmarks.peers.ours", environment=NO_CACHES, fresh=True),
        Contender("compiled, NumPy", "benchmarks.peers.ours", {"device": "numpy"}),
        Contender("eager, NumPy", "benchmarks.peers.ours", {"device": "numpy", "compiled": False}),
        Contender("NumPy by hand", "benchmarks.peers.numpy"),
        Contender("wgpu by hand", "benchmarks.peers.wgpu"),
        Contender("tinygrad", "benchmarks.peers.tinygrad"),
        Contender("torch CPU", "benchmarks.peers.torch", {"device": "cpu"}),
        Contender("torch CUDA", "benchmarks.peers.torch", {"device": "cuda"}),
    )
}
