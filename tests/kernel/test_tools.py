"""The examples in the documentation of the tools for shaders run."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import wgrad as wg

TOOLS = ("bench", "check", "debug", "guard", "validate")


@pytest.mark.parametrize("name", TOOLS)
def test_examples_run(name, webgpu):
    tool = getattr(wg.kernel, name)
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(tool, name, globs={"wg": wg, "np": np})
    assert found.examples and doctest.DocTestRunner().run(found).failed == 0


def test_reports_are_data(webgpu):
    op = wg.kernel.elementwise("fn f(x: f32) -> f32 { return sqrt(x); }")
    report = wg.kernel.check(op, [-1.0], gradients=False)
    data = report.to_dict()
    assert data["ok"] is False and data["nans"] == [
        {"where": [0], "inputs": {"x": -1.0}, "device": "numpy float64"}
    ]
    assert '"inputs": {"x": -1.0}' in report.to_json()
