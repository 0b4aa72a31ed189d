"""Random functions as NumPy source without each of the passes, and as kernels on the GPU.

`WGRAD_FUZZ=5000 python -m pytest tests/test_fuzz_lowering.py` tries as many, each time others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from programs import Traced, traced
from randomized import OPS, SHAPES, random_case

import wgrad as wg
from wgrad.environment import Variable, count
from wgrad.layout import Layout
from wgrad.program.ir import Program
from wgrad.program.lower.numpy import LIMITS, NumpyExecutor
from wgrad.program.passes import PASSES, simplify
from wgrad.program.run.build import build
from wgrad.program.run.plain import PlainExecutor

FUZZ = Variable("WGRAD_FUZZ", count, 0).read()


def fuzzed(examples: int):
    return settings(
        max_examples=FUZZ or examples,
        deadline=None,
        derandomize=not FUZZ,
        suppress_health_check=list(HealthCheck),
    )


functions = st.tuples(
    st.lists(OPS, min_size=1, max_size=10),
    st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)


def case(*function) -> Traced:
    """Return the program of a random function; one that runs nothing is no case."""
    f, tensors = random_case(*function)
    try:
        return traced(f, *tensors)
    except LookupError:
        reject()


def results(executor, found: Traced) -> list[np.ndarray]:
    """Return outputs and updated inputs of two runs, one after the other."""
    inputs = found.copies()
    outs = [x for _ in range(2) for x in (*executor.run(inputs, found.draw), *inputs)]
    return [x.buffer.copy() for x in outs]


def same(a: list[np.ndarray], b: list[np.ndarray], what: object, program: Program) -> None:
    """Check that results are alike, all but the last bits: long sums are cut into shorter ones."""
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype
        if x.dtype.kind == "f":
            with np.errstate(all="ignore"):
                fine = np.allclose(x, y, rtol=2e-5, atol=1e-6, equal_nan=True)
        else:
            fine = np.array_equal(x, y)
        assert fine, (what, x, y, str(program))


@fuzzed(20)
@given(functions)
def test_fuzz_every_pass_can_be_switched_off(numpy_device, function):
    found = case(*function)
    right = results(PlainExecutor(found.program, numpy_device), found)
    for name in PASSES:
        program = simplify(found.program, replace(LIMITS, scatters_compare=True), {name})
        same(results(NumpyExecutor(program, numpy_device), found), right, name, program)


@fuzzed(8)
@given(functions)
def test_fuzz_kernels_compute_what_ops_do(webgpu, function):
    ops, shapes, _, slope = function
    found = case(ops, shapes, False, slope)

    def on_host(executor) -> list[np.ndarray]:
        inputs, slots = found.copies(), found.program.memory()
        outs = executor.run(inputs, found.draw)
        made = [slots[i] for i in found.program.outputs]
        pairs = zip((*outs, *inputs), (*made, *found.program.inputs), strict=True)
        return [
            webgpu.download(wg.backends.array.Array(x, Layout.dense((s.size,)), s.dtype))
            for x, s in pairs
        ]

    right = on_host(PlainExecutor(found.program, webgpu))
    executor = build(found.program, webgpu)
    for a, b in zip(on_host(executor), right, strict=True):
        if a.dtype.kind == "f":
            scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * scale)
        else:
            # A float may round the other way.
            assert np.count_nonzero(a != b) <= 0.1 * a.size, str(executor.program)
