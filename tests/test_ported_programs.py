"""The programs of examples/ported: what PyTorch computes for them, on every device, compiled."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgrad as wg

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "examples" / "ported").glob("*.py"))

# By name: how many steps, and what share of the first loss is left after them. Above 1 it is no
# loss but a reward, which grows so many times over.
PROGRAMS: dict[str, tuple[int, float]] = {
    "micrograd": (12, 0.3),
    "bigram": (20, 0.8),
    "makemore:mlp": (10, 0.92),
    "makemore:bow": (20, 0.85),
    "makemore:rnn": (20, 0.9),
    "makemore:gru": (20, 0.92),
    "makemore:transformer": (10, 0.9),
    "nanogpt": (5, 0.96),
    "mnist": (10, 0.95),
    "vae": (20, 0.85),
    "lstm": (20, 0.2),
    "siren": (20, 0.3),
    "pinn": (20, 0.4),
    "nerf": (10, 0.8),
    "kan": (20, 0.3),
    "ddpm": (20, 0.4),
    "reinforce": (20, 1.5),
}
# Whose kernels the suite has compiled on a GPU: the others share their kinds.
ON_GPU = ("bigram", "mnist")


def test_every_program_is_run():
    modules = {name.partition(":")[0] for name in PROGRAMS}
    assert modules == {path.stem for path in SOURCES} - {"__init__", "common"}


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    sys.path.insert(0, str(ROOT / "examples"))
    yield
    sys.path.remove(str(ROOT / "examples"))


def losses(package: str, name: str, steps: int, wrap: Callable[[Any], Any] = lambda f: f) -> list:
    module, _, model = name.partition(":")
    options = {"model": model} if model else {}
    return importlib.import_module(f"{package}.{module}").run(steps, wrap=wrap, **options)


def learns(found: list, share: float) -> bool:
    return found[-1] < share * found[0] if share < 1 else found[-1] > share * found[0]


@cache
def plain(name: str) -> list:
    """Return the losses of a program's steps on NumPy: the first of many are those of a few."""
    with wg.device("numpy"):
        wg.manual_seed(0)
        return losses("ported", name, PROGRAMS[name][0])


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_steps_learn_what_plain_ones_do(name: str, numpy_device):
    assert learns(plain(name), PROGRAMS[name][1])
    wg.manual_seed(0)
    found = losses("ported", name, 5, wg.compile)
    np.testing.assert_allclose(found, plain(name)[:5], rtol=1e-5)


@pytest.mark.parametrize("name", ON_GPU)
def test_a_gpu_learns_the_same(name: str, webgpu):
    found = losses("ported", name, 5, wg.compile)
    np.testing.assert_allclose(found, plain(name)[:5], rtol=1e-4)


def replacements() -> list[tuple[str, str]]:
    """Return the rows of the table in docs/from-pytorch.md: texts here, and PyTorch's for them."""
    page = (ROOT / "docs" / "from-pytorch.md").read_text(encoding="utf-8")
    part = page.partition("## Programs you know")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", part, re.M)
    assert len(rows) >= 3
    return rows


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Write the programs as PyTorch's, by the table, and return the name of their package."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("theirs")
    package = folder / "examples" / "ported_in_torch"
    package.mkdir(parents=True)
    (folder / "docs").mkdir()
    page = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    (folder / "docs" / "names.md").write_text(page, encoding="utf-8")  # which one of them reads
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for here, there in replacements():
            text = re.sub(rf"\b{re.escape(here)}", there, text)
        (package / path.name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder / "examples"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield package.name
    torch.set_num_threads(threads)
    sys.path.remove(str(folder / "examples"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_pytorch_computes_the_same(name: str, theirs: str, numpy_device):
    np.testing.assert_allclose(plain(name), losses(theirs, name, len(plain(name))), rtol=1e-6)
