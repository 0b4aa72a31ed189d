"""Same adapter, same input, same bits: run twice, and by two processes, eager and compiled."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wgrad as wg

WORK = {
    "sum": lambda x, i: (x.sum(), x.sum(0), x.sum(1), x[:, 1:].mean()),
    "cumulative_sum": lambda x, i: (x.cumulative_sum(0), x.cumulative_sum(1)),
    "matmul": lambda x, i: x @ x.T,
    "scatter_add": lambda x, i: wg.scatter_add(wg.zeros((5, x.shape[1])), i, x, 0),
    "softmax": lambda x, i: wg.softmax(x),
    "gradient": wg.grad(lambda x, i: (wg.softmax(x) * x.sum(1, keepdims=True)).sum()),
    "random": lambda x, i: (wg.rand(50, generator=wg.Generator(3)), x.argmax(1)),
}


def digests(name: str) -> dict[str, str]:
    """Return a digest of the bits of every result of the work, by way of running it."""
    rng = np.random.default_rng(0)
    with wg.device(name):
        x = wg.tensor(rng.standard_normal((600, 517)).astype(np.float32))
        index = wg.tensor(rng.integers(0, 5, 600).astype(np.int32))
        places = wg.broadcast_to(index[:, None], x.shape)
        found = {}
        for work, function in WORK.items():
            compiled = wg.compile(function)
            for way, run in (("eager", function), ("compiled", compiled), ("replay", compiled)):
                out = run(x, places)
                digest = hashlib.sha256()
                for tensor in out if isinstance(out, tuple) else (out,):
                    digest.update(tensor.numpy().tobytes())
                found[f"{work} {way}"] = digest.hexdigest()
    return found


@pytest.fixture
def elsewhere(device):
    """What another process computes."""
    root = Path(__file__).parent.parent
    command = f"import json, test_determinism as t; print(json.dumps(t.digests({device.name!r})))"
    paths = [str(root), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_results_are_the_same_bits_run_twice_and_by_two_processes(device, elsewhere):
    first = digests(device.name)
    assert digests(device.name) == first
    assert elsewhere == first
    for work in WORK:
        assert first[f"{work} compiled"] == first[f"{work} replay"]


def test_no_kernel_adds_floats_by_atomics():
    """Their order is nobody's: sums would differ from run to run."""
    for path in (Path(__file__).parent.parent / "shaders").rglob("*.wgsl"):
        assert "atomicAdd" not in path.read_text(encoding="utf-8"), path.name
