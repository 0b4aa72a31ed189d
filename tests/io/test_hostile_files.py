"""Files with something wrong in them, 100 of each format (tests/campaigns/files.py tries more)."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("safetensors")
pytest.importorskip("onnx")

from campaigns import files


@pytest.mark.parametrize("kind", sorted(files.originals()))
def test_mutated_files_are_read_or_refused(kind, numpy_device):
    assert files.tried(kind, files.originals()[kind]) is None
    rng = np.random.default_rng(0)
    found = [files.tried(kind, files.drawn(kind, rng)) for _ in range(100)]
    assert [x for x in found if x is not None] == []


def test_whole_files_are_read(numpy_device, tmp_path):
    import wgrad as wg

    for kind in ("safetensors", "pytorch", "pickles in a row"):
        path = tmp_path / "x"
        path.write_bytes(files.originals()[kind])
        found = wg.load(path)
        assert found["weight"] is found["tied"] and found["turned"].shape == (3, 3)
