"""What exported models are compared with: onnxruntime, and what is read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgrad as wg

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def arrays(out: Any) -> list[np.ndarray]:
    """Return the tensors of a result as arrays."""
    if isinstance(out, dict):
        out = list(out.values())
    items = out if isinstance(out, (tuple, list)) else [out]
    if any(isinstance(x, tuple) for x in items):
        return [a for x in items for a in arrays(x)]
    return [x.numpy() for x in items if x is not None]


def run(path: Path, *inputs: Any) -> list[np.ndarray]:
    """Return what onnxruntime makes of a file."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    return session.run(None, dict(zip(names, [x.numpy() for x in inputs], strict=True)))


def close(found: list[np.ndarray], wanted: list[np.ndarray], atol: float = 1e-5) -> None:
    assert len(found) == len(wanted)
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert a.shape == b.shape, i
        np.testing.assert_allclose(a.astype(float), b.astype(float), 1e-5, atol, err_msg=str(i))


def agree(path: Path, function: Any, *inputs: Any, more: tuple = (), **options: Any) -> Any:
    """Export a function; compare it with onnxruntime and with what is read back.

    `more` are other inputs to run it on. Returns what was read back.
    """
    wg.onnx.export(function, inputs, path, **options)
    again = wg.onnx.load(path)
    for given in (inputs, *more):
        wanted = arrays(function(*given))
        close(run(path, *given), wanted)
        close(arrays(again(*given)), wanted)
    return again


def kinds(path: Path) -> list[str]:
    """Return the operators of a file, constants aside."""
    return [n.op_type for n in onnx.load(path).graph.node if n.op_type != "Constant"]


def numbers(*shape: int, seed: int = 0) -> Any:
    return wg.randn(*shape, generator=wg.Generator(seed))
