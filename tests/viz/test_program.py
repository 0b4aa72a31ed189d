"""wg.viz.program: every kernel once, the bytes between them, the memory in use."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import ArgumentError, DTypeError
from wgrad.viz.layouts import overlapping
from wgrad.viz.steps import amount, in_use

pytest.importorskip("grandalf")


def trained(fuse: bool = True) -> wg.program.compiled.Compiled:  # type: ignore[name-defined]
    """Return a compiled step of training that has run."""
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @wg.compile(fuse=fuse)
    def step(x, y):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    step(wg.ones((5, 4)), wg.ones((5, 3)))
    return step


def test_a_step_is_drawn_kernel_by_kernel(device):
    step = trained()
    picture = wg.viz.program(step, engine="python")
    told, program = step.explain(), step.program
    tree = ET.fromstring(picture.svg)
    boxes = {box.key: box for box in picture.drawing.boxes}
    assert sum(key.startswith("k") for key in boxes) == len(told.kernels) == len(program.steps)
    ids = [x.get("id") for x in tree.iter() if x.get("id")]
    assert len(ids) == len(set(ids)) and set(boxes) <= set(ids)
    assert overlapping(picture.layout, picture.drawing.boxes) == []
    for i, kernel in enumerate(told.kernels):
        drawn = " ".join(cell.text for row in boxes[f"k{i}"].rows for cell in row)
        assert kernel.name.split()[0] in drawn
    outputs = {key for key in boxes if key.startswith("r")}
    updated = {key for key in boxes if key.startswith("u")}
    assert len(outputs) == len(program.outputs) and len(updated) == len(program.updates) == 4
    heads = {arrow.head for arrow in picture.drawing.arrows}
    assert outputs | updated <= heads and all(arrow.text for arrow in picture.drawing.arrows)
    assert '"k0"' in picture.dot and "rankdir=TB" in picture.dot
    assert amount(told.peak_bytes, "B") in "".join(tree.itertext())


@pytest.mark.parametrize("fuse", [True, False])
def test_the_memory_drawn_is_at_most_what_explain_counts(fuse, numpy_device):
    step = trained(fuse)
    executor = step._executor("test")
    plan = getattr(executor, "plan", None) or type("None", (), {"places": {}})()
    used = in_use(executor.program, plan, executor.device)
    assert len(used) == len(executor.program.steps)
    assert 0 < max(used) <= step.explain().peak_bytes


def test_many_kernels_are_drawn_together(numpy_device):
    step = trained()
    picture = wg.viz.program(step, limit=3, engine="python")
    kernels = [box for box in picture.drawing.boxes if box.key.startswith("k")]
    assert len(kernels) <= 3 and "kernels each" in picture.note
    assert "kernels 0 to" in kernels[0].rows[0][0].text


def test_bad_input_is_told_in_one_sentence(numpy_device):
    for kind, call, word in (
        (DTypeError, lambda: wg.viz.program(lambda x: x), "wg.compile"),
        (ArgumentError, lambda: wg.viz.program(wg.compile(lambda x: x * 2)), "called first"),
        (ArgumentError, lambda: wg.viz.program(trained(), limit=0), "an integer from 1"),
    ):
        with pytest.raises(kind, match=word):
            call()
