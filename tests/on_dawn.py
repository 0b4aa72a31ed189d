"""Runs a share of the table of operations by Dawn, whose compiler Tint is that of Chrome.

python tests/on_dawn.py 16     # every 16th row, forward and backward; in a process of its own

The last line says how many rows were right, or why none was tried.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["WGRAD_WGPU"] = "wgpudawn"
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from table import ROWS, Row, assert_matches

import wgrad as wg
from wgrad.backends.base import Device


def gradients(row: Row, arrays: list[np.ndarray], device: Device) -> list[np.ndarray]:
    """Return the gradients of the weighted sum of a row's results by its inputs."""
    with device:
        inputs = [wg.tensor(x, dtype=x.dtype) for x in arrays]
        for i in row.grad:
            inputs[i].requires_grad_()
        out = row.call(*inputs)
        weights = np.cos(np.arange(out.size)).reshape(out.shape).astype(np.float32)
        wg.sum(out * wg.tensor(weights)).backward()
        return [inputs[i].grad.numpy() for i in row.grad]


def main(every: int) -> str:
    """Try the rows; return the last line."""
    try:
        dawn = wg.device("webgpu")
    except wg.errors.WgradError as error:
        return f"absent: {error}"
    assert dawn.description.endswith(", by Dawn"), dawn.description
    rng = np.random.default_rng(0)
    rows = [row for row in ROWS if "float32" in row.dtypes and row.result("float32") != "float64"]
    for row in rows[::every]:
        with dawn:
            arrays = row.samples(rng, "float32")
            out = row.call(*(wg.tensor(x, dtype=x.dtype) for x in arrays))
            assert_matches(row, out, row.expected(arrays), "float32")
        if row.grad and "float64" in row.dtypes:
            smooth = row.smooth_samples(rng, "float32")
            wanted = gradients(row, smooth, wg.device("numpy"))
            for a, b in zip(gradients(row, smooth, dawn), wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=row.id)
    return f"{len(rows[::every])} rows, {wg.stats()['dispatches']} dispatches: right"


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
