"""The contenders: which peer, on which device, in which environment; by the names of the table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Contender:
    """How to start a peer: `module` has a function `start` that takes the options.

    `environment` is what its process starts with. With `fresh` every round is a process of
    its own, and what is timed are the first calls of the step; of its CPU time, with `cpu`.
    """

    name: str
    module: str
    options: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False
    cpu: bool = False


# A compiled shader that a driver keeps on disk would make the first call a second one.
NO_CACHES = {"MESA_SHADER_CACHE_DISABLE": "true", "WGRAD_CACHE_DIR": os.devnull}
# As many as PyTorch gets, on every machine.
THREADS = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}

OURS = "benchmarks.peers.ours"
CONTENDERS = {
    c.name: c
    for c in (
        Contender("compiled", OURS),
        Contender("eager", OURS, {"compiled": False}),
        Contender("ops", OURS, {"composed": True}),
        Contender("ops, eager", OURS, {"compiled": False, "composed": True}),
        Contender("first calls", OURS, environment=NO_CACHES, fresh=True),
        Contender("cold", OURS, environment=NO_CACHES, fresh=True, cpu=True),
        Contender("cold, eager", OURS, {"compiled": False}, NO_CACHES, fresh=True, cpu=True),
        Contender(
            "cold tinygrad",
            "benchmarks.peers.tinygrad",
            environment={**NO_CACHES, "CACHELEVEL": "0"},
            fresh=True,
            cpu=True,
        ),
        Contender("compiled, NumPy", OURS, {"device": "numpy"}, THREADS),
        Contender("eager, NumPy", OURS, {"device": "numpy", "compiled": False}, THREADS),
        Contender("a copy", "benchmarks.peers.copies"),
        Contender("NumPy by hand", "benchmarks.peers.numpy", environment=THREADS),
        Contender("wgpu by hand", "benchmarks.peers.wgpu"),
        Contender("builtin", "benchmarks.peers.wgpu"),
        Contender("tinygrad", "benchmarks.peers.tinygrad"),
        Contender("torch CPU", "benchmarks.peers.torch", {"device": "cpu"}, THREADS),
        Contender("torch CUDA", "benchmarks.peers.torch", {"device": "cuda"}),
    )
}
