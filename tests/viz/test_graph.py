"""wg.viz.graph: what is drawn is what was computed, well-formed, apart, and the same every time."""

from __future__ import annotations

import gc
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, GradientError, ShapeError, WgradError
from wgrad.viz.layouts import overlapping

pytest.importorskip("grandalf")

ENGINES = ["python"] + (["dot"] if shutil.which("dot") else [])


def neuron() -> dict[str, wg.Tensor]:
    """The neuron of the first lessons, every value of it labelled."""
    given = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}
    leaves = {
        k: wg.label(wg.parameter(v, dtype="float64", device="numpy"), k) for k, v in given.items()
    }
    x1w1 = wg.label(leaves["x1"] * leaves["w1"], "x1*w1")
    x2w2 = wg.label(leaves["x2"] * leaves["w2"], "x2*w2")
    both = wg.label(x1w1 + x2w2, "x1*w1 + x2*w2")
    n = wg.label(both + leaves["b"], "n")
    return {**leaves, "o": wg.label(n.tanh(), "o")}


def parsed(dot: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the nodes with their labels, and the edges, of a DOT text."""
    quoted = r'"((?:[^"\\]|\\.)*)"'
    first, *lines, last = dot.splitlines()
    assert re.fullmatch(rf"digraph {quoted} {{", first) and last == "}"
    nodes: dict[str, str] = {}
    edges = []
    for line in lines:
        if node := re.fullmatch(
            rf"  {quoted} \[label={quoted}, shape=\w+(?:, style={quoted})?\];", line
        ):
            assert node[1] not in nodes
            nodes[node[1]] = re.sub(r"\\(.)", r"\1", node[2])
        elif edge := re.fullmatch(rf"  {quoted} -> {quoted}(?: \[label={quoted}\])?;", line):
            edges.append((edge[1], edge[2]))
        else:
            assert re.fullmatch(r"  (rankdir=\w+|node \[.*\]|edge \[.*\]);", line), line
    assert {x for edge in edges for x in edge} <= set(nodes)
    return nodes, edges


def check(picture: wg.viz.Picture) -> ET.Element:
    """Check a picture: DOT that parses, SVG with every box once, and no two boxes that overlap."""
    nodes, _ = parsed(picture.dot)
    keys = [box.key for box in picture.drawing.boxes]
    assert sorted(nodes) == sorted(keys)
    tree = ET.fromstring(picture.svg)
    ids = [x.get("id") for x in tree.iter() if x.get("id")]
    assert len(ids) == len(set(ids)) and set(keys) <= set(ids)
    assert overlapping(picture.layout, picture.drawing.boxes) == []
    width, height = (float(tree.get(k) or 0) for k in ("width", "height"))
    for box in picture.drawing.boxes:
        (x, y), (w, h) = picture.layout.centres[box.key], box.size
        assert x - w / 2 > -1 and x + w / 2 < width and y - h / 2 > -1 and y + h / 2 < height
    for arrow, curve in zip(picture.drawing.arrows, picture.layout.curves, strict=True):
        for key, (x, y) in ((arrow.tail, curve[0]), (arrow.head, curve[-1])):
            cx, cy = picture.layout.centres[key]
            w, h = picture.drawing.boxes[keys.index(key)].size
            assert abs(x - cx) <= w / 2 + 2 and abs(y - cy) <= h / 2 + 2
    return tree


@pytest.mark.parametrize("engine", ENGINES)
def test_the_neuron_looks_as_its_readers_know_it(engine):
    values = neuron()
    picture = wg.viz.graph(values["o"], engine=engine)
    nodes, edges = parsed(picture.dot)
    assert sorted(nodes.values()) == sorted(
        [
            "{x1|data 2.0000|grad -1.5000}", "{x2|data 0.0000|grad 0.5000}",
            "{w1|data -3.0000|grad 1.0000}", "{w2|data 1.0000|grad 0.0000}",
            "{b|data 6.8814|grad 0.5000}", "{x1*w1|data -6.0000|grad 0.5000}",
            "{x2*w2|data 0.0000|grad 0.5000}", "{x1*w1 + x2*w2|data -6.0000|grad 0.5000}",
            "{n|data 0.8814|grad 0.5000}", "{o|data 0.7071|grad 1.0000}",
            "*", "*", "+", "+", "tanh",
        ]
    )  # fmt: skip
    assert len(edges) == 14 and "rankdir=LR" in picture.dot
    texts = ["".join(x.itertext()) for x in check(picture).iter() if x.tag.endswith("text")]
    assert {"x1", "data 0.7071", "grad -1.5000", "tanh"} <= set(texts)
    left = {label: picture.layout.centres[key][0] for key, label in nodes.items()}
    assert left["{x1|data 2.0000|grad -1.5000}"] < left["{o|data 0.7071|grad 1.0000}"]
    assert all(x.grad is None for x in values.values() if x.is_leaf)
    assert "grad" not in wg.viz.graph(values["o"], grads=False).dot


def test_gradients_are_those_of_backward_and_hooks_count(numpy_device, rng):
    a, b = (wg.parameter(rng.normal(size=(3, 2)), dtype="float64") for _ in range(2))
    a.register_hook(lambda g: g * 2)
    a.set_grad(wg.ones((3, 2), dtype="float64"))
    middle = (a * b).exp()
    y = (middle + a).sum()
    picture = wg.viz.graph(y, names={"a": a, "b": b})
    assert a.grad.tolist() == [[1.0] * 2] * 3 and b.grad is None
    nodes, _ = parsed(picture.dot)
    a.set_grad(wg.zeros((3, 2), dtype="float64"))
    y.backward()
    (shown,) = [x for x in nodes.values() if x.startswith("{a|3 × 2|")]
    least, most = a.grad.numpy().min(), a.grad.numpy().max()
    assert shown.endswith(f"grad {least:.4f} … {most:.4f}}}")


def test_values_that_nothing_holds_are_computed_anew(numpy_device):
    a, b = wg.parameter(2.0), wg.parameter(3.0)
    y = wg.label(wg.label(a + b, "sum") * (a - b), "y")  # both are gone, and `-` keeps nothing
    gc.collect()
    nodes, _ = parsed(wg.viz.graph(y).dot)
    assert {"{sum|data 5.0000|grad -1.0000}", "{data -1.0000|grad 5.0000}"} <= set(nodes.values())


def test_what_was_written_over_has_no_data(numpy_device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    h = x + 1
    y = h.sum()
    h.detach()[...] = 7.0
    with pytest.raises(GradientError, match="assigned"):
        h.sum()
    nodes, _ = parsed(wg.viz.graph(y).dot)
    assert [x for x in nodes.values() if "7.0" in x] == []


def test_labels_are_kept_weakly_and_belong_to_one_value(numpy_device):
    from wgrad.viz import labels

    before = len(labels._of_nodes), len(labels._of_tensors)
    x = wg.label(wg.tensor([1.0]), "x")
    w = wg.label(wg.parameter([1.0]), "w")
    assert labels.label_of(x) == "x" and labels.label_of(w) == "w"
    assert "x" not in repr(x) and labels.label_of(w.detach()) == labels.label_of(x.copy()) == ""
    assert wg.label(w, "v") is w and labels.label_of(w) == "v"
    del x, w
    gc.collect()
    assert (len(labels._of_nodes), len(labels._of_tensors)) == before
    wg.label(wg.tensor([1.0]), "other")
    assert len(labels._texts) <= 1
    for wrong in (lambda: wg.label(3, "x"), lambda: wg.label(wg.ones(2), 3)):
        with pytest.raises(WgradError, match="came, and a t"):
            wrong()


def test_untracked_inputs_have_their_labels(numpy_device):
    x, w = wg.label(wg.tensor([1.0, 2.0]), "x"), wg.label(wg.parameter([3.0, 4.0]), "w")
    nodes, _ = parsed(wg.viz.graph((w * x).sum()).dot)
    assert "{x|(2,)|data [1.0000, 2.0000]}" in nodes.values()


def test_functions_and_modules_are_drawn_as_they_compute(device):
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    x = wg.ones((5, 4))

    def loss(x):
        return (net(x) * 2).sum()

    picture = wg.viz.graph(loss, x, engine="python")
    nodes, _ = parsed(picture.dot)
    labels = {label.strip("{}").split("|")[0] for label in nodes.values()}
    assert {"x", "0.weight", "0.bias", "2.weight", "2.bias", "* 2", "@ T"} <= labels
    check(picture)
    small = wg.viz.graph(loss, x, depth=1, engine="python")
    texts = {label for label in parsed(small.dot)[0].values()}
    assert "{0 (Linear)}|{3 operations}|{40 parameters}" in texts and "tanh" in texts
    assert "6 of 9 operations are folded into 2 boxes, by calls of modules" in small.note
    check(small)
    whole = wg.viz.graph(net, x, grads=False, depth=1)
    assert "{2 (Linear)}|{3 operations}|{27 parameters}" in parsed(whole.dot)[0].values()


def test_a_detached_value_is_drawn_with_what_it_comes_from(numpy_device):
    def f(x):
        return x * x.detach()

    nodes, edges = parsed(wg.viz.graph(f, wg.parameter(3.0)).dot)
    assert "detach" in nodes.values() and len(edges) == 5
    assert "{x|data 3.0000|grad 3.0000}" in nodes.values()
    picture = wg.viz.graph(nn.LayerNorm(4), wg.ones((2, 4)), grads=False, limit=300)
    assert sum(x.startswith("{x|") for x in parsed(picture.dot)[0].values()) == 1
    assert len([b for b in picture.drawing.boxes if b.kind == "leaf"]) == 3


def test_a_function_of_untracked_tensors_is_drawn_without_gradients(numpy_device):
    picture = wg.viz.graph(lambda a, b: (a + b) * (a > 0), wg.ones(2), wg.ones(2))
    nodes, _ = parsed(picture.dot)
    assert "> 0" in nodes.values() and not any("grad" in x for x in nodes.values())


def test_what_is_updated_in_place_is_drawn_once_with_each_value(numpy_device):
    def f(x):
        y = x * 2
        y += x
        return y.sum()

    nodes, edges = parsed(wg.viz.graph(f, wg.parameter(3.0)).dot)
    shown = [x for x in nodes.values() if "data" in x]
    assert shown[:3] == [
        "{x|data 3.0000|grad 3.0000}",
        "{data 6.0000|grad 1.0000}",
        "{data 9.0000|grad 1.0000}",
    ]
    assert len(edges) == 7


@pytest.mark.parametrize("length", [60, 2000])
def test_large_graphs_are_folded_and_say_so(length, numpy_device):
    x, w = wg.parameter(1.0), wg.parameter(0.5)
    for _ in range(length):
        x = (x * w).tanh()
    picture = wg.viz.graph(x, limit=40, engine="python")
    assert len(picture.drawing.boxes) <= 40 and "operations are folded into" in picture.note
    assert f"of {2 * length:,}" in picture.note and picture.note in repr(picture)
    check(picture)
    if length > 1000:
        with pytest.raises(ArgumentError, match="at most 300 can be laid out"):
            wg.viz.graph(x, fold=False)


def test_random_graphs_have_no_boxes_that_overlap(numpy_device, rng):
    for count in (6, 25):
        values = [wg.parameter(float(x)) for x in rng.normal(size=4)]
        for _ in range(count):
            i, j, k = rng.integers(len(values), size=3)
            values.append(values[i] * values[j] + values[k])
        y = sum(values[-4:], start=values[0])
        for engine in ENGINES:
            check(wg.viz.graph(y, fold=False, engine=engine))


def test_names_that_dot_and_xml_know_otherwise_are_drawn_as_they_are(numpy_device):
    name = 'a "b" {c|d} <e> \\ & é 数'
    x = wg.label(wg.parameter(1.0), name)
    for engine in ENGINES:
        picture = wg.viz.graph(x * x, engine=engine)
        assert name in ["".join(t.itertext()) for t in check(picture).iter()]
    if shutil.which("dot"):
        done = subprocess.run(
            ["dot", "-Tplain"], input=picture.dot, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and done.stderr == ""


def test_drawings_do_not_depend_on_where_objects_lie(numpy_device):
    """Addresses are others each time, and would show where a set is iterated over."""
    found, junk = set(), []
    for _ in range(5):
        values = [wg.parameter(float(i)) for i in range(4)]
        for i in range(10):
            values.append(values[i * 7 % len(values)] * values[i * 5 % len(values)])
        y = sum(values[-5:], start=values[0])
        picture = wg.viz.graph(y, engine="python")
        found.add(picture.dot + picture.svg)
        junk.append([object() for _ in range(int(len(junk) * 1237 + 11))])
    assert len(found) == 1


def test_pictures_are_saved_by_their_ending(tmp_path):
    picture = wg.viz.graph(neuron()["o"], engine="python")
    assert picture.save(tmp_path / "a.svg").read_text(encoding="utf-8") == picture.svg
    assert picture.save(str(tmp_path / "a.dot")).read_text(encoding="utf-8") == picture.dot
    assert picture.svg in picture.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert picture._repr_svg_() == picture.svg
    if shutil.which("dot"):
        assert picture.save(tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    for wrong in ("a.jpeg", 3, "a"):
        with pytest.raises(ArgumentError, match=r"ends in \.svg"):
            picture.save(wrong)


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    picture = wg.viz.graph(neuron()["o"], engine="dot")
    with pytest.raises(wg.errors.MissingDependencyError, match="install graphviz"):
        picture.svg
    assert picture._repr_svg_() is None and picture.dot
    assert "<svg" in wg.viz.graph(neuron()["o"]).svg  # by the other one
    monkeypatch.setitem(sys.modules, "grandalf.graphs", None)
    with pytest.raises(wg.errors.MissingDependencyError, match=r"wgrad\[viz\]"):
        wg.viz.graph(neuron()["o"]).svg


def test_bad_input_is_told_in_one_sentence(numpy_device):
    x = wg.parameter([1.0, 2.0])
    for kind, call in (
        (GradientError, lambda: wg.viz.graph(wg.ones(2) * 2)),
        (ShapeError, lambda: wg.viz.graph(x * 2)),
        (ShapeError, lambda: wg.viz.graph(lambda x: x * 2, x)),
        (DTypeError, lambda: wg.viz.graph(3.0)),
        (DTypeError, lambda: wg.viz.graph(x.sum(), x)),
        (DTypeError, lambda: wg.viz.graph(lambda x: None, x)),
        (GradientError, lambda: wg.viz.graph(lambda x: x, x)),
        (DTypeError, lambda: wg.viz.graph(x.sum(), names=[1])),
        (ArgumentError, lambda: wg.viz.graph(x.sum(), limit=0)),
        (ArgumentError, lambda: wg.viz.graph(x.sum(), depth=-1)),
        (ArgumentError, lambda: wg.viz.graph(x.sum(), engine="paint").svg),
        (wg.errors.TraceError, lambda: wg.compile(lambda x: wg.viz.graph(x.sum()))(x)),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert isinstance(caught.value, WgradError) and "\n" not in str(caught.value)
    assert wg.viz.graph(x * 2, grads=False).dot
    assert np.isnan(wg.parameter(np.nan).item())
    assert "data nan" in wg.viz.graph(wg.parameter(float("nan")) * 1.0).dot.replace("\\", "")


def test_a_graphviz_that_does_not_import_is_passed_over(monkeypatch, numpy_device, tmp_path):
    (tmp_path / "graphviz.py").write_text("raise ImportError('broken')\n")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/dot")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "graphviz", raising=False)
    x = wg.parameter(1.0)
    y = x * x
    assert wg.viz.graph(y).svg == wg.viz.graph(y, engine="python").svg
