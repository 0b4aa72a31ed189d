"""The bisection names what is at fault: a pass, a kernel, or nothing."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from programs import traced

import wgrad as wg
from wgrad import cli
from wgrad.program import passes
from wgrad.program.bisect import bisect
from wgrad.program.lower import calls, module
from wgrad.program.passes import PASSES

SCRIPT = """
import sys
import wgrad as wg

w = wg.parameter([[1.0, 2.0], [3.0, 4.0]])

@wg.compile
def step(x):
    loss = ((x @ w).tanh().softmax(-1) * 2).square().sum()
    w.zero_grad()
    loss.backward()
    return loss

for _ in range(3):
    step(wg.ones((3, 2)))
print("arguments", *sys.argv[1:])
"""


def work(x, y):
    return ((x @ y).tanh() + x.sum(0)).softmax(-1), wg.rand(3)


def arguments():
    rng = np.random.default_rng(0)
    return wg.tensor(rng.standard_normal((4, 3))), wg.tensor(rng.standard_normal((3, 3)))


def test_bisect_finds_nothing_in_what_is_right(device):
    found = traced(work, *arguments())
    before = [x.buffer for x in found.inputs]
    assert bisect(found.program, found.device, found.inputs, found.draw) is None
    assert [x.buffer for x in found.inputs] == before


@pytest.mark.parametrize("name", ["maps", "rows"])
def test_bisect_names_the_pass_at_fault(device, monkeypatch, name):
    right = PASSES[name]

    def broken(program, limits):
        """Let the last number of the first fused step that has one be another."""
        program = right(program, limits)
        steps = list(program.steps)
        for i, step in enumerate(steps):
            numbers = [k for k, x in enumerate(step.inputs) if isinstance(x, float)]
            if step.kind == "fused" and numbers:
                inputs = list(step.inputs)
                inputs[numbers[-1]] = -0.25
                steps[i] = replace(step, inputs=tuple(inputs))
                return program.with_steps(steps)
        raise AssertionError("no number to change")

    found = traced(lambda x, y: (work(x * 1.5 + 0.5, y)[0] * 3).tanh() * 2, *arguments())
    monkeypatch.setitem(passes.PASSES, name, broken)
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and finding.pass_name == name and finding.step is None
    assert f"the pass {name!r}" in str(finding) and "inputs %" in str(finding)


def test_bisect_names_the_kernel_at_fault(webgpu, monkeypatch):
    monkeypatch.setitem(module._COMBINE, "sum", "x + y * 1.01")
    found = traced(work, *arguments())
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and finding.pass_name is None
    assert "sum" in finding.step.name
    text = str(finding)
    assert "y * 1.01" in text and "v0 = " in text and "is right" in text


def test_bisect_names_the_call_at_fault(numpy_device, monkeypatch):
    monkeypatch.setitem(calls.REDUCERS, "sum", np.multiply)
    found = traced(lambda x: (x * 3).sum(0) + 1, arguments()[0])
    right = dict(calls.REDUCERS, sum=np.add)
    monkeypatch.setattr("wgrad.backends.numpy.REDUCERS", right)
    finding = bisect(found.program, found.device, found.inputs, found.draw)
    assert finding is not None and "sum" in finding.step.name
    assert "multiply" in finding.text


def test_bisect_of_a_script_says_that_all_is_well(tmp_path, capfd):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "wgrad", "bisect", str(script), "one", "--two"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "arguments one --two" in done.stdout
    assert "all of 1 compiled programs compute what their ops do" in done.stdout


def test_bisect_of_a_script_reports_and_fails(tmp_path, capsys, monkeypatch, webgpu):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setitem(module._COMBINE, "max", "max(x, y) + 100.0")
    monkeypatch.setitem(module._COMBINE, "sum", "x - y")
    assert cli.main(["bisect", str(script)]) == 1
    assert "a kernel computes something else" in capsys.readouterr().out


def test_bisect_of_a_script_lets_its_errors_through(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("raise ValueError('mine')")
    with pytest.raises(ValueError, match="mine"):
        cli.main(["bisect", str(script)])
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit):
        cli.main(["bisect", str(script)])


def test_passes_are_switched_off_by_the_environment(device, monkeypatch):
    f = lambda x: (x * 2 + 1).softmax(-1)  # noqa: E731
    x = arguments()[0]
    plain = f(x).numpy()
    fused = wg.compile(f)
    fused(x)
    for off in ("rows, siblings", "lift", ",".join(PASSES)):
        monkeypatch.setenv("WGRAD_PASSES_OFF", off)
        apart = wg.compile(f)
        np.testing.assert_allclose(apart(x).numpy(), plain, rtol=1e-6)
        assert len(apart.program.steps) > len(fused.program.steps)
    monkeypatch.setenv("WGRAD_PASSES_OFF", "rows,lines")
    with pytest.raises(wg.errors.ArgumentError, match="'lines' is no pass; there are constants"):
        wg.compile(f)(x)
