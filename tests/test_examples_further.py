"""The examples that take longer: shortened, they get better, on a GPU by the same steps."""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import wgrad as wg

EXAMPLES = Path(__file__).parent.parent / "examples"

# By name: the options of a shorter run, and the figures that it reaches, as untrained ones do not;
# then what makes the example smaller yet, and the options, for a run on a GPU.
SHORTER: dict[str, tuple[dict[str, int], tuple[float, float], dict[str, int], dict[str, int]]] = {
    "transformer": (
        *({"steps": 40, "letters": 5}, (0, 3.6)),
        *({"BATCH": 4, "BLOCK": 16, "LAYERS": 1}, {"steps": 3, "letters": 0}),
    ),
    "forecast": ({"steps": 60}, (0, 1), {"WINDOW": 40, "AHEAD": 110}, {"steps": 2}),
    "pinn": ({"steps": 150}, (0, 0.2), {"PLACES": 64}, {"steps": 3}),
    "cartpole": ({"updates": 20}, (50, 200), {"CARTS": 4, "PUSHES": 30}, {"updates": 2}),
}


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


def run(example: Any, device: str, options: dict[str, int], folder: Path) -> float:
    """Return the figure that the example comes to, having seen that it drew something."""
    image = pytest.importorskip("matplotlib.image")
    with wg.device(device):
        wg.manual_seed(0)
        figure, picture = example.run(SimpleNamespace(seed=0, **options))
    (path,) = importlib.import_module("common").save(picture, folder, example.__name__)
    assert image.imread(path)[..., :3].std() > 0.05
    return figure


@pytest.mark.parametrize("name", SHORTER)
def test_further_examples_get_better(name: str, numpy_device, tmp_path: Path):
    options, (least, most), *_ = SHORTER[name]
    assert least <= run(importlib.import_module(name), "numpy", options, tmp_path) <= most


@pytest.mark.parametrize("name", SHORTER)
def test_further_examples_do_the_same_on_a_gpu(name: str, webgpu, monkeypatch, tmp_path: Path):
    *_, smaller, options = SHORTER[name]
    example = importlib.import_module(name)
    for constant, value in smaller.items():
        monkeypatch.setattr(example, constant, value)
    if name == "transformer":  # compiled it is 45 kernels: test_transformer compiles some of them
        monkeypatch.setattr(wg, "compile", lambda f: f)
    expected = run(example, "numpy", options, tmp_path)
    assert run(example, "webgpu", options, tmp_path) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", SHORTER)
def test_further_examples_are_programs(name: str, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--device", "abacus"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert f"{name}: device 'abacus' is unknown" in capsys.readouterr().err
