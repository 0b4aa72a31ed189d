"""docs/from-pytorch.md: its code runs, and its tables have every default and order that differs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pages
import pytest
from torch_signatures import WORDS, differences

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import WgradError
from wgrad.nn import functional as F

PAGE = Path(__file__).parent.parent / "docs" / "from-pytorch.md"
TEXT = PAGE.read_text(encoding="utf-8")
HOMES = r"`(wg\.linalg|wg\.fft|wg|F|nn|optim)\.(\w+)"
NETWORKS = {k: v for k, v in WORDS.items() if "dim" in k}  # nn calls the rest as PyTorch does


def test_the_code_of_the_page_runs(device):
    pages.run("docs/from-pytorch.md")


def test_every_name_of_ours_on_the_page_exists():
    homes = {"wg": wg, "wg.linalg": wg.linalg, "wg.fft": wg.fft, "nn": nn, "F": F, "optim": optim}
    found = re.findall(HOMES.replace("|nn", ""), TEXT)
    assert len(found) > 60
    for home, name in found:
        assert hasattr(homes[home], name), f"{home}.{name}"


def _shared() -> Iterator[tuple[str, str, list[str]]]:
    torch = pytest.importorskip("torch")
    pairs = (
        ("wg", wg, torch, WORDS),
        ("wg.linalg", wg.linalg, torch.linalg, WORDS),
        ("wg.fft", wg.fft, torch.fft, WORDS),
        ("F", F, torch.nn.functional, NETWORKS),
        ("nn", nn, torch.nn, NETWORKS),
        ("optim", optim, torch.optim, NETWORKS),
    )
    for label, ours, theirs, words in pairs:
        for name, value in sorted(vars(ours).items()):
            skipped = name.startswith("_") or name in ("Module", "Optimizer", "device")
            if skipped or not callable(value) or not hasattr(theirs, name):
                continue
            if label == "wg" and inspect.isclass(value):
                continue
            yield label, name, differences(value, getattr(theirs, name), words)


def test_every_default_and_order_that_differs_is_on_the_page():
    rows = TEXT[TEXT.index("## Defaults") : TEXT.index("## Behaviour")]
    told = {f"{home}.{name}" for home, name in re.findall(HOMES, rows)}
    found = {f"{label}.{name}": what for label, name, what in _shared()}
    assert len(found) > 200
    assert {name: what for name, what in found.items() if what and name not in told} == {}


@pytest.mark.parametrize(
    "call",
    [
        lambda x, t: F.cross_entropy(x, t, wg.ones(4)),  # weight is PyTorch's third argument
        lambda x, t: F.nll_loss(x, t, wg.ones(4)),
        lambda x, t: F.binary_cross_entropy(x, x, wg.ones(4)),
        lambda x, t: nn.CrossEntropyLoss(wg.ones(4)),
        lambda x, t: nn.CosineEmbeddingLoss(0.5),
        lambda x, t: F.hinge_embedding_loss(x, x, 1.0),
        lambda x, t: wg.norm(x, "fro"),
        lambda x, t: wg.var(x, 0, 1),  # correction
        lambda x, t: wg.scatter_add(x, 1, t, x),
    ],
)
def test_what_a_call_of_pytorch_gets_wrong_is_an_error(call, numpy_device):
    with pytest.raises(WgradError):
        call(wg.full((3, 4), 0.5), wg.zeros(3, dtype=int))
