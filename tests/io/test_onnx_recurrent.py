"""Recurrent networks in ONNX: layers are one operator each, and any such operator is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_runs import agree, arrays, close, kinds, numbers, run

import wgrad as wg
from wgrad import nn
from wgrad.errors import FileError, TraceError

onnx = pytest.importorskip("onnx")
RNG = np.random.default_rng(0)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}

LAYERS = [
    (nn.LSTM, {"num_layers": 2, "bidirectional": True, "batch_first": True}, ["LSTM"] * 2),
    (nn.GRU, {}, ["GRU"]),
    (nn.GRU, {"bidirectional": True, "bias": False}, ["GRU"]),
    (nn.RNN, {"nonlinearity": "relu", "num_layers": 2}, ["RNN"] * 2),
    (nn.LSTM, {"proj_size": 2}, []),  # no operator has projections: its operations are written
]


@pytest.mark.parametrize(("kind", "options", "wanted"), LAYERS)
def test_a_recurrent_layer_is_one_operator(kind, options, wanted, numpy_device, tmp_path):
    net = kind(3, 4, seed=0, **options)
    x, y = numbers(2, 3, 3), numbers(5, 3, 3, seed=1)
    more = ((y,),) if options.get("batch_first") else ()
    again = agree(
        *(tmp_path / "m.onnx", net, x),
        more=more,
        dynamic_axes={"input": {0: "n"}} if more else None,
    )
    found = [k for k in kinds(tmp_path / "m.onnx") if k in GATES]
    assert found == wanted
    assert sorted(again.state_dict()) == sorted(net.state_dict())
    agree(tmp_path / "again.onnx", again, x)  # what was read is written as it was
    assert [k for k in kinds(tmp_path / "again.onnx") if k in GATES] == wanted


def test_a_recurrent_layer_takes_any_batch_and_any_time(numpy_device, tmp_path):
    class Reader(nn.Module):
        def __init__(self) -> None:
            self.table, self.head = nn.Embedding(9, 3, seed=1), nn.Linear(8, 2, seed=2)
            self.layers = nn.GRU(3, 4, 2, bidirectional=True, batch_first=True, seed=0)

        def forward(self, tokens: Any) -> Any:
            out, h = self.layers(self.table(tokens))
            return self.head(out[:, -1]), self.head(out), h

    axes = {"tokens": {0: "n", 1: "time"}}
    given = [wg.randint(0, 9, shape, generator=wg.Generator(0)) for shape in ((2, 3), (4, 7))]
    path, net = tmp_path / "m.onnx", Reader()
    again = agree(path, net, given[0], more=((given[1],),), dynamic_axes=axes)
    assert kinds(path).count("GRU") == 2 and len(kinds(path)) < 50
    more = {"more": ((given[1],),), "dynamic_axes": axes, "input_names": ["tokens"]}
    agree(tmp_path / "again.onnx", again, given[0], **more)
    unrolled = nn.LSTM(3, 4, proj_size=2)
    with pytest.raises(TraceError, match="another number of turns"):
        wg.onnx.export(unrolled, numbers(3, 2, 3), path, dynamic_axes={"input": {0: "time"}})


def test_a_recurrent_layer_takes_its_first_states_and_trains_where_it_is_read(device, tmp_path):
    net = nn.Sequential(nn.Linear(3, 3, seed=1), nn.LSTM(3, 4, seed=0))

    def last(x: Any, h: Any, c: Any) -> Any:
        return net[1](net[0](x), (h, c))[1]

    given = numbers(3, 2, 3), numbers(1, 2, 4, seed=1), numbers(1, 2, 4, seed=2)
    again = agree(tmp_path / "m.onnx", last, *given)
    assert "LSTM" in kinds(tmp_path / "m.onnx")
    for function in (last, again):
        h, c = function(*given)
        (h.square().sum() + c.sum()).backward()
    theirs = {p.shape: p.grad.numpy() for p in again.parameters()}
    for p in net.parameters():
        if p.shape in theirs and len(p.shape) == 2:
            np.testing.assert_allclose(theirs[p.shape], p.grad.numpy(), 1e-4, 1e-6)
    step = wg.compile(lambda x, h, c: again(x, h, c))
    close(arrays(step(*given)), arrays(last(*given)))


def operator(path: Path, kind: str, direction: str, more: dict[int, Any], **attributes: Any) -> Any:
    """Write an operator, with the inputs `more` by their places; return the input for it."""
    many, h, f, n = 1 + (direction == "bidirectional"), 4, 3, 2
    x = RNG.standard_normal((5, n, f)).astype("f4")
    shapes = {1: (many, GATES[kind] * h, f), 2: (many, GATES[kind] * h, h)}
    shapes |= {
        4: (n,),
        3: (many, 2 * GATES[kind] * h),
        5: (many, n, h),
        6: (many, n, h),
        7: (many, 3 * h),
    }
    data = {i: RNG.standard_normal(shapes[i]).astype("f4") * 0.5 for i in {1, 2, *more}}
    data = {i: more.get(i) if more.get(i) is not None else x for i, x in data.items()}
    if attributes.get("layout"):
        x = x.transpose(1, 0, 2)
        data |= {i: y.transpose(1, 0, 2) for i, y in data.items() if i in (5, 6)}
    names = ["x", *(f"t{i}" if i in data else "" for i in range(1, 1 + max(data)))]
    outs = ["y", "h", "c"][: 3 if kind == "LSTM" else 2]
    make, value = onnx.helper, onnx.helper.make_tensor_value_info
    node = make.make_node(kind, names, outs, hidden_size=h, direction=direction, **attributes)
    graph = make.make_graph(
        [node], "g", [value("x", 1, x.shape)], [value(o, 1, None) for o in outs],
        [onnx.numpy_helper.from_array(y, f"t{i}") for i, y in data.items()],
    )  # fmt: skip
    opset = [make.make_opsetid("", 18)]
    onnx.save(make.make_model(graph, opset_imports=opset, ir_version=8), path)
    return wg.tensor(x)


OPERATORS: list[tuple[str, str, dict[int, Any], dict[str, Any]]] = [
    ("LSTM", "forward", {}, {}),
    ("LSTM", "reverse", {3: None, 5: None, 6: None, 7: None}, {}),
    ("LSTM", "bidirectional", {3: None}, {"activations": ["Sigmoid", "Relu", "Tanh"] * 2}),
    ("GRU", "forward", {3: None, 5: None}, {"linear_before_reset": 1}),
    ("GRU", "bidirectional", {3: None}, {"linear_before_reset": 0}),
    ("GRU", "reverse", {}, {"activations": ["Sigmoid", "Relu"]}),
    ("RNN", "bidirectional", {3: None, 5: None}, {"activations": ["Tanh", "Relu"]}),
    ("RNN", "reverse", {}, {}),
]


@pytest.mark.parametrize(("kind", "direction", "more", "options"), OPERATORS)
def test_an_operator_of_any_direction_is_read(
    kind, direction, more, options, numpy_device, tmp_path
):
    path = tmp_path / "m.onnx"
    x = operator(path, kind, direction, more, **options)
    again = wg.onnx.load(path)
    close(arrays(again(x)), run(path, x))
    wg.onnx.export(again, x, tmp_path / "again.onnx")
    close(run(tmp_path / "again.onnx", x), run(path, x))


def test_an_operator_whose_first_axis_is_the_batch_is_read(numpy_device, tmp_path):
    global RNG
    made = []
    for layout in (0, 1):
        RNG = np.random.default_rng(3)
        x = operator(tmp_path / "m.onnx", "LSTM", "bidirectional", {5: None}, layout=layout)
        made.append(arrays(wg.onnx.load(tmp_path / "m.onnx")(x)))
    (y, *states), (turned, *others) = made
    close([turned.transpose(1, 2, 0, 3)], [y])
    close([s.transpose(1, 0, 2) for s in others], states)


@pytest.mark.parametrize(
    ("options", "more", "said"),
    [
        ({"clip": 1.0}, {}, "clipped gates"),
        ({"activations": ["Sigmoid", "Affine"]}, {}, "sigmoid, relu"),
        ({"activations": ["Tanh"]}, {}, "2 for each direction"),
        ({}, {4: np.array([5, 3], "i4")}, "several lengths"),
        ({}, {3: np.zeros((1, 3), "f4")}, "B of shape"),
    ],
)
def test_what_an_operator_asks_for_and_there_is_not_is_told(
    options, more, said, numpy_device, tmp_path
):
    x = operator(tmp_path / "m.onnx", "GRU", "forward", more, **options)
    with pytest.raises(FileError, match=said):
        wg.onnx.load(tmp_path / "m.onnx")(x)
