"""The garbage collector rests while a program is made, and is then as it was."""

from __future__ import annotations

import gc

import pytest

import wgrad as wg
from wgrad.errors import TraceError
from wgrad.program.collecting import rest, work


@pytest.mark.parametrize("enabled", [True, False])
def test_rests_that_overlap_end_with_the_last(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        rest()
        rest()
        work()
        assert not gc.isenabled()
        work()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_a_trace_that_fails_lets_the_collector_work_again(numpy_device):
    def f(x: wg.Tensor) -> float:
        return x.item()

    assert gc.isenabled()
    with pytest.raises(TraceError):
        wg.compile(f)(wg.ones(()))
    assert gc.isenabled()
