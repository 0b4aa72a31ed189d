"""The examples do what they promise; XOR and the neuron are golden cases."""

from __future__ import annotations

import importlib
import importlib.util
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wgrad as wg

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """Examples import what they share from their own folder."""
    monkeypatch.syspath_prepend(str(EXAMPLES))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def program(monkeypatch, capsys, tmp_path):
    """Run an example as its command line does; return its status, its figure, what it printed."""
    for package in ("grandalf", "matplotlib", "sklearn"):
        pytest.importorskip(package)

    def run(name: str, *arguments: str) -> tuple[Any, float, str]:
        words = [f"{name}.py", "--output", str(tmp_path / "pictures"), *arguments]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        said = capsys.readouterr()
        assert ended.value.code in (0, 1), said.err
        pictures = re.findall(r"^picture: (.*)$", said.out, re.M)
        assert pictures and all(is_drawn(Path(path)) for path in pictures)
        return ended.value.code, float(said.out.split()[-1].rstrip("%")), said.out

    return run


def is_drawn(path: Path) -> bool:
    """Whether a picture shows something."""
    if path.suffix != ".png":
        return len(re.findall("<path|<script", path.read_text(encoding="utf-8"))) > 0
    return bool(pytest.importorskip("matplotlib.image").imread(path)[..., :3].std() > 0.02)


# What they share.


def test_examples_end_with_their_figure_and_a_status(capsys, tmp_path):
    pytest.importorskip("grandalf")
    pytest.importorskip("matplotlib")
    common = importlib.import_module("common")
    drawn = wg.parameter(1.0, device="numpy").exp()
    goal = common.Goal("share", least=0.5, most=0.75)

    def run(options):
        return options.share, {"-a": common.panels(1, 1, 2, 2)[0], "-b": wg.viz.graph(drawn)}

    def end(*words: str) -> tuple[int, str, str]:
        arguments = ["--device", "numpy", "--output", str(tmp_path / "new"), *words]
        return common.main(run, goal, arguments, share=0.6, kind=("x", "y")), *capsys.readouterr()

    status, out, err = end()
    assert (status, err) == (0, "") and out.endswith("share: 60.00%\n")
    assert {x.name for x in (tmp_path / "new").iterdir()} == {
        "test_examples-a.png", "test_examples-b.svg",
    }  # fmt: skip
    status, _, err = end("--share", "0.8")
    assert status == 1 and "80.00% is not at least 50.00% and at most 75.00%" in err
    status, out, err = end("--device", "abacus")
    assert (status, out) == (2, "") and err.startswith("test_examples: device 'abacus' is unknown")
    with pytest.raises(SystemExit):
        end("--kind", "z")


def test_the_page_of_examples_leads_to_files_and_has_every_picture():
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")
    kept = {path.name for path in (EXAMPLES.parent / "docs" / "pictures" / "examples").iterdir()}
    assert kept == set(re.findall(r"\]\(pictures/examples/([\w.-]+)\)", page))
    named = re.findall(r"^python examples/(\w+\.py)", page, re.M)
    assert len(named) >= 9 and all((EXAMPLES / name).exists() for name in named)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_have_less_than_a_hundred_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 100


# The neuron.


def test_scalar_gives_the_golden_values_and_gradients(device):
    found = load("scalar").neuron()
    assert found["out"].item() == pytest.approx(0.70710678, abs=1e-6)
    gradients = {"n": 0.5, "x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0, "b": 0.5, "out": 1.0}
    for name, expected in gradients.items():
        assert found[name].grad.item() == pytest.approx(expected, abs=1e-6), name


def test_scalar_prints_and_draws_them(device, program, tmp_path):
    status, figure, out = program("scalar", "--device", device.name)
    assert (status, figure) == (0, -1.5)
    assert re.search(r"^x1 +2\.0000 +-1\.5000$", out, re.M)
    assert "differences agree" in out
    graph = (tmp_path / "pictures" / "scalar.svg").read_text(encoding="utf-8")
    assert all(f">{x}<" in graph for x in ("x1", "w2", "n", "out", "tanh", "grad -1.5000"))
    page = (tmp_path / "pictures" / "scalar-page.html").read_text(encoding="utf-8")
    assert "<script" in page and "6.88" in page


# XOR.


def test_xor_is_learned_from_another_seed(numpy_device):
    """Than those below, which are 0 on the GPU and 1 in the program."""
    assert load("xor").train(2)[1] < 0.05


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


def test_xor_runs_as_a_program_and_draws_its_network(program, tmp_path):
    status, error, out = program("xor", "--device", "numpy", "--seed", "1", "--epochs", "400")
    assert status == 0 and error < 0.05
    assert "device: numpy (NumPy" in out and re.search(r"^1 xor 0: +(0\.9|1\.0)", out, re.M)
    assert "layers.0 (Linear)" in (tmp_path / "pictures" / "xor.svg").read_text(encoding="utf-8")


# Examples that are shortened here: what they print on the way falls or rises, the figure is near.

SHORT = {
    "spirals": (["--steps", "40"], (45, 100), r"(\S+) at (?:first|last)"),
    "uncertainty": (["--steps", "30"], (80, 100), r"step.*: (\S+) nats"),
    "autoencoder": (["--epochs", "10"], (0.5, 4), ""),
    "vae": (["--epochs", "10"], (20, 29), ""),
    "digits_cnn": (["--epochs", "6"], (30, 100), ""),
    "transfer": (["--steps", "8", "--draws", "1"], (-40, 40), r"(\S+) % at (?:first|last)"),
}


@pytest.fixture
def few_digits(monkeypatch):
    """Every sixth digit is all there is."""
    whole = wg.data.load

    def load_few(name):
        return wg.data.TensorDataset(*(x[::6] for x in whole(name).tensors))

    monkeypatch.setattr(wg.data, "load", load_few)


@pytest.mark.parametrize("name", SHORT)
def test_examples_make_progress_and_a_picture(name, device, program, few_digits):
    arguments, (least, most), progress = SHORT[name]
    _, figure, out = program(name, "--device", device.name, *arguments)
    assert least <= figure <= most
    if progress:
        found = [
            float(x) for y in re.findall(progress, out) for x in (y if type(y) is tuple else [y])
        ]
        gain = found[-1] - found[0]
        assert len(found) >= 2 and (gain > 5 if "%" in progress else gain < -0.1)


def test_the_mlp_is_trained_and_drawn_as_the_convolutional_network_is(program):
    words = ("--model", "mlp", "--device", "numpy", "--epochs", "5")
    status, figure, _ = program("digits_cnn", *words)
    assert figure > 90 and status == (figure < 96)


# Digits.


def test_digits_is_a_program_that_reaches_its_goal(monkeypatch, capsys):
    """As `make demo` runs it, end to end; a process of its own would import scikit-learn again."""
    monkeypatch.setattr(sys, "argv", ["digits.py", "--device", "numpy"])
    wg.stats(reset=True)
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(EXAMPLES / "digits.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "device: numpy (NumPy" in out and "dispatches 0" in out
    assert len(re.findall(r"^ +\d+ +\d\.\d{4} +\d\d\.\d\d%$", out, re.M)) == 30
    found = re.search(r"held out: 360 of 1797 images, (\d\d\.\d\d)% recognised", out)
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
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert digits.main(["--device", "numpy"]) == 2
    assert "sklearn does not import" in capsys.readouterr().err


def test_digits_holds_out_every_fifth_image(numpy_device):
    digits = load("digits")
    images, labels = (t.numpy() for t in wg.data.load("digits").tensors)
    images = images.reshape(1797, 64)
    x, y, x_test, y_test = digits.digits()
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == (
        (1437, 64),
        (1437,),
        (360, 64),
        (360,),
    )
    np.testing.assert_array_equal(x_test.numpy(), images[::5])
    np.testing.assert_array_equal(y_test.numpy(), labels[::5])
    rest = np.delete(np.arange(1797), np.arange(0, 1797, 5))
    np.testing.assert_array_equal(x.numpy(), images[rest])
    np.testing.assert_array_equal(y.numpy(), labels[rest])
