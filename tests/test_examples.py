"""The examples do what they promise; XOR and the neuron are golden cases."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import wgrad as wg

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The neuron.


def test_scalar_gives_the_golden_values_and_gradients(device):
    found = load("scalar").neuron()
    assert found["out"].item() == pytest.approx(0.70710678, abs=1e-6)
    gradients = {"n": 0.5, "x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0, "b": 0.5, "out": 1.0}
    for name, expected in gradients.items():
        assert found[name].grad.item() == pytest.approx(expected, abs=1e-6), name


def test_scalar_prints_them(device, capsys):
    load("scalar").main()
    out = capsys.readouterr().out
    assert re.search(r"^x1 +2\.0000 +-1\.5000$", out, re.M)
    assert "differences agree" in out


# XOR.


def test_xor_is_learned_from_other_seeds(numpy_device):
    """Than those below, which are 0 on the GPU and 1 in the program."""
    xor = load("xor")
    assert max(xor.train(seed)[1] for seed in (2, 3)) < 0.05


def test_xor_is_learned_on_the_gpu(webgpu):
    xor = load("xor")
    assert xor.train(0)[1] < 0.05


def test_xor_takes_the_same_path_on_the_gpu(webgpu):
    """Compared early: a rate this high makes the path chaotic later, for any rounding."""
    xor = load("xor")
    _, error = xor.train(0, epochs=100)
    with wg.device("numpy"):
        _, expected = xor.train(0, epochs=100)
        _, untrained = xor.train(0, epochs=0)
    assert expected < 0.5 * untrained
    np.testing.assert_allclose(error, expected, rtol=1e-4)


def test_xor_runs_as_a_program(capsys):
    assert load("xor").main(["--device", "numpy", "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "device: numpy (NumPy" in out and re.search(r"^1 xor 0: +(0\.9|1\.0)", out, re.M)


# Digits.


def test_digits_is_a_program_that_reaches_its_goal():
    """As `make demo` runs it: end to end, in a process of its own."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "digits.py", "--device", "numpy"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert "device: numpy (NumPy" in done.stdout and "dispatches 0" in done.stdout
    assert len(re.findall(r"^ +\d+ +\d\.\d{4} +\d\d\.\d\d%$", done.stdout, re.M)) == 30
    found = re.search(r"held out: 360 of 1797 images, (\d\d\.\d\d)% recognised", done.stdout)
    assert found is not None and float(found[1]) >= 96


def test_digits_reaches_its_goal_from_another_seed():
    assert load("digits").main(["--device", "numpy", "--seed", "1"]) == 0


def test_digits_learns_on_the_gpu_what_it_learns_on_numpy(webgpu, capsys):
    digits = load("digits")
    before = wg.stats()["dispatches"]
    accuracies = {}
    for name in ("webgpu", "numpy"):
        with wg.device(name):
            accuracies[name] = digits.run(epochs=3, seed=0)
    assert wg.stats()["dispatches"] - before > 36 * 5  # batches, and kernels in each at the least
    assert f"device: webgpu ({webgpu.description})" in capsys.readouterr().out
    assert accuracies["numpy"] > 0.85
    assert accuracies["webgpu"] == pytest.approx(accuracies["numpy"], abs=0.02)


def test_digits_learns_compiled_what_it_learns_eagerly(device, capsys):
    digits = load("digits")
    compiled, eager = (digits.run(epochs=3, seed=0, eager=eager) for eager in (False, True))
    assert compiled == pytest.approx(eager, abs=0.005) and compiled > 0.85


def test_digits_fails_when_it_learns_too_little(capsys):
    assert load("digits").main(["--device", "numpy", "--epochs", "1"]) == 1
    assert "is less than 96%" in capsys.readouterr().err


def test_digits_says_what_is_wrong_in_one_line(capsys, monkeypatch):
    digits = load("digits")
    assert digits.main(["--device", "abacus"]) == 2
    assert digits.main(["--device", "numpy", "--seed", "-1"]) == 2
    err = capsys.readouterr().err
    assert "device 'abacus' is unknown" in err and "seed -1" in err and len(err.splitlines()) == 2
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(wg.errors.MissingDependencyError, match=r"pip install 'wgrad\[examples\]'"):
        digits.load_digits()
    assert digits.main(["--device", "numpy"]) == 2
    assert "scikit-learn, which is not installed" in capsys.readouterr().err


def test_digits_holds_out_every_fifth_image(numpy_device):
    digits = load("digits")
    images, labels = digits.load_digits()
    x, y, x_test, y_test = digits.split(images, labels)
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == (
        (1437, 64),
        (1437,),
        (360, 64),
        (360,),
    )
    np.testing.assert_array_equal(x_test.numpy(), images[::5].astype(np.float32))
    np.testing.assert_array_equal(y_test.numpy(), labels[::5])
    rest = np.delete(np.arange(1797), np.arange(0, 1797, 5))
    np.testing.assert_array_equal(x.numpy(), images[rest].astype(np.float32))
    np.testing.assert_array_equal(y.numpy(), labels[rest])
