"""ONNX: what is exported runs in onnxruntime and comes back as a module, with the same results."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_runs import agree, arrays, close, kinds, numbers, run

import wgrad as wg
from wgrad import nn
from wgrad.errors import (
    ArgumentError,
    CallError,
    DTypeError,
    FileError,
    IndexRangeError,
    TraceError,
)
from wgrad.io.onnx.layers import ROWS as OPERATORS
from wgrad.io.onnx.operations import ROWS as OPERATIONS
from wgrad.nn import functional as F
from wgrad.ops import REGISTRY

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


class Block(nn.Module):
    """A transformer of one block, whose last layer is tied to the first."""

    def __init__(self) -> None:
        self.tokens = nn.Embedding(11, 8, seed=1)
        self.places = nn.Embedding(16, 8, seed=2)
        self.norms = [nn.LayerNorm(8), nn.LayerNorm(8)]
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, seed=3)
        self.mlp = nn.Sequential(
            nn.Linear(8, 16, seed=4), nn.GELU(), nn.Linear(16, 8, seed=5), nn.Dropout(0.2)
        )

    def forward(self, tokens: Any) -> Any:
        x = self.tokens(tokens) + self.places(wg.arange(tokens.shape[1]))
        h = self.norms[0](x)
        x = x + self.attention(h, h, h, need_weights=False, is_causal=True)[0]
        return wg.log_softmax((x + self.mlp(self.norms[1](x))) @ self.tokens.weight.T)


def cnn() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, seed=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2, groups=2, seed=2),
        nn.AvgPool2d(2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3, seed=3),
    )
    net[1].running_mean.assign(wg.arange(4.0) / 10)
    net[1].running_var.assign(wg.arange(4.0) + 0.5)
    return net.eval()


def test_an_mlp_is_four_operators_of_any_batch(device, tmp_path):
    path = tmp_path / "m.onnx"
    net = nn.Sequential(nn.Linear(3, 4, seed=1), nn.GELU(), nn.Linear(4, 2, seed=2), nn.Softmax())
    again = agree(path, net, numbers(5, 3), more=((numbers(1, 3),),), dynamic_axes={"x": {0: "n"}})
    assert kinds(path) == ["Gemm", "Gelu", "Gemm", "Softmax"]
    assert list(again.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    (given,) = onnx.load(path).graph.input
    assert given.name == "x" and given.type.tensor_type.shape.dim[0].dim_param == "n"


def test_a_cnn_is_what_its_layers_are(numpy_device, tmp_path):
    path, net = tmp_path / "m.onnx", cnn()
    more = ((numbers(7, 1, 12, 12),),)
    agree(path, net, numbers(2, 1, 12, 12), more=more, dynamic_axes={"x": [0]})
    assert kinds(path) == [
        *("Conv", "BatchNormalization", "Relu", "MaxPool", "Conv", "AveragePool"),
        *("GlobalAveragePool", "Reshape", "Gemm"),
    ]


def test_a_transformer_of_any_batch_and_length(numpy_device, tmp_path):
    net, one = Block().eval(), wg.tensor([[1, 2, 3], [4, 5, 6]])
    longer = wg.randint(0, 11, (3, 9), generator=wg.Generator(0))
    axes = {"tokens": {0: "batch", 1: "length"}}
    again = agree(tmp_path / "m.onnx", net, one, more=((longer,),), dynamic_axes=axes)
    assert "LayerNormalization" in kinds(tmp_path / "m.onnx")
    # The weight of two uses is one.
    assert sorted(again.state_dict()) == sorted(net.state_dict())
    agree(tmp_path / "older.onnx", net, one, dynamic_axes=axes, opset=18)
    with pytest.raises(IndexRangeError):
        again(wg.full((1, 17), 1))


def test_a_loop_over_time_is_unrolled(numpy_device, tmp_path):
    cell = nn.Linear(7, 4, seed=1)

    def last(x: Any) -> Any:
        h = wg.zeros((x.shape[0], 4))
        for t in range(x.shape[1]):
            h = wg.tanh(cell(wg.concat([x[:, t], h], axis=1)))
        return {"h": h, "total": h.sum()}

    again = agree(
        *(tmp_path / "m.onnx", last, numbers(2, 3, 3)),
        more=((numbers(6, 3, 3),),),
        dynamic_axes={"x": {0: "n"}},
    )
    assert again.outputs == ("h", "total") and len(again.parameters()) == 2


def test_what_is_read_back_trains_as_the_model_does(device, tmp_path):
    net, x = cnn(), numbers(2, 1, 12, 12)
    wg.onnx.export(net, x, tmp_path / "m.onnx")
    again = wg.onnx.load(tmp_path / "m.onnx", device)
    assert sorted(n for n, _ in again.named_parameters()) == sorted(
        n for n, _ in net.named_parameters()
    )
    net(x).square().sum().backward()
    again(x).square().sum().backward()
    theirs = dict(again.named_parameters())
    for name, p in net.named_parameters():
        np.testing.assert_allclose(theirs[name].grad.numpy(), p.grad.numpy(), 1e-4, 1e-5)
    assert again.state_dict().keys() == net.state_dict().keys() - {"1.num_batches_tracked"}
    net.load_state_dict(again.state_dict(), strict=False)
    wg.onnx.export(again, x, tmp_path / "twice.onnx")
    close(run(tmp_path / "twice.onnx", x), arrays(net(x)))


# Every operation by itself.
F_OF_ONE = "leaky_relu elu selu celu gelu softplus hardtanh relu6 softsign hardsigmoid"


def elementwise(x: Any, y: Any, n: Any) -> dict[str, Any]:
    """Return results of all rows of functions of elements."""
    some, small = abs(x) + 0.5, wg.tanh(x) * 0.9
    unary = "negative positive reciprocal square abs sign exp exp2 expm1 sin cos tan sinh cosh tanh"
    unary += " asinh atan erf floor ceil round sigmoid relu trunc isnan isinf isfinite"
    made = {name: getattr(wg, name)(x) for name in unary.split()}
    made |= {name: getattr(wg, name)(some) for name in ["sqrt", "log", "log1p", "log2", "log10"]}
    made |= {name: getattr(wg, name)(small) for name in ["asin", "acos", "atanh"]}
    made["acosh"] = wg.acosh(some + 1)
    binary = "add subtract multiply divide maximum minimum equal not_equal less less_equal"
    binary += " greater greater_equal hypot floor_divide"
    made |= {name: getattr(wg, name)(x, y) for name in binary.split()}
    made["pow"], made["power"] = wg.pow(some, y), some**2
    made["numbers"] = 2 - x * 3 / (1 + some)
    made["where"] = wg.where(x > y, x, 0.5)
    made["clamp"], made["clip"] = wg.clip(x, -0.5, 0.5), wg.clip(x, y - 1, y)
    made["lerp"] = wg.lerp(x, y, 0.25)
    one, two = x > 0, y > 0
    made["and"], made["or"], made["xor"] = one & two, one | two, wg.logical_xor(one, two)
    made["not"], made["both"] = ~one, wg.maximum(one, two)
    made["bits"] = (n & 3) ^ (~n | 4)
    made["cast"], made["floats"] = x.astype("int32"), n.astype("float32") * 0.5
    made["integers"] = wg.where(n > 1, n * 2 - 1, -n)
    for name in [
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "softplus",
        "hardtanh",
        "relu6",
        "softsign",
        "hardsigmoid",
    ]:
        made[name] = getattr(F, name)(x)
    for name in ["hardswish", "silu", "mish", "logsigmoid", "glu"]:
        made[name] = getattr(F, name)(x)
    made["gelu_tanh"], made["prelu"] = F.gelu(x, "tanh"), F.prelu(x, wg.tensor([0.3]))
    made["softplus_of"], made["elu_of"] = F.softplus(x, 2.0, 3.0), F.elu(x, 0.5)
    return made


@pytest.mark.parametrize("opset", [18, 20])
def test_functions_of_elements(opset, numpy_device, tmp_path):
    x, n = numbers(3, 4) * 2, wg.tensor([[-2, 0, 3, 5]])
    agree(tmp_path / "e.onnx", elementwise, x, numbers(4, seed=1), n, opset=opset)


def shapes(x: Any, i: Any) -> dict[str, Any]:
    """Return results of all rows that move, take and add up elements. x (n, 4, 6), i (n, 3)."""
    n = x.shape[0]
    made = {
        "reshape": x.reshape(n, 24),
        "flat": x.reshape(-1),
        "rows": x.reshape(n * 4, 6),
        "half": x.reshape(n, 2, 2, 6).transpose(0, 1),
        "permuted": x.permute(2, 0, 1),
        "sliced": x[:, 1:3, ::2],
        "backwards": wg.flip(x, 2),
        "some": x[:, ::-2],
        "last": x[:, -1],
        "no batch": x[0],
        "end": x[1:],
        "new": x[:, None, :, 0],
        "wider": wg.broadcast_to(x[:, :1], (n, 4, 6)) + 0,
        "times": wg.tile(x, (1, 2, 1)),
        "concat": wg.concat([x, x * 2, wg.zeros((n, 1, 6))], axis=1),
        "stack": wg.stack([x, -x], axis=0),
        "pad": wg.pad(x, ((0, 0), (1, 2), (0, 3)), value=-1.0),
        "reflected": F.pad(x, (1, 2), "reflect"),
        "take": wg.take(x, i[0], axis=1),
        "at": x[:, [0, 2, 2]],
        "pairs": x[[0, 1], [1, 3]],
        "gathered": wg.take_along_axis(x[:, :, 0], i, axis=1),
        "one_hot": F.one_hot(i, 4),
        "argmax": x.argmax(2),
        "argmin": wg.argmin(x, 1, keepdims=True),
        "cumsum": wg.cumsum(x, 1),
        "triangle": wg.tril(x),
        "maximum": x.max(axis=(1, 2)),
        "minimum": x.min(axis=-1, keepdims=True),
        "sum": x.sum(0),
        "all": x.sum(),
        "mean": x.mean((0, 2)),
        "prod": x.prod(axis=2),
        "var": wg.var(x, 1),
        "std": wg.std(x, -1, keepdims=True, correction=1),
        "norm": wg.norm(x, axis=2),
        "any": (x > 1).any(axis=1),
        "every": (x > -1).all(axis=2),
        "softmax": wg.softmax(x, 1),
        "log_softmax": wg.log_softmax(x, 0),
        "logsumexp": wg.logsumexp(x, (0, 1)),
        "matmul": x @ x.mT,
        "row": x[0, 0] @ x[0].T,
        "einsum": wg.einsum("nij,njk->nk", x.mT, x),
        "linear": F.linear(x, wg.ones((2, 6)), wg.ones(2)),
        "attention": F.scaled_dot_product_attention(x, x, x, is_causal=True),
        "loss": F.cross_entropy(x[:, :, 0], i[:, 0]),
        "size": x / n + n,
    }
    return made


def test_what_moves_and_adds_up_elements_of_any_batch(numpy_device, tmp_path):
    generator = wg.Generator(0)
    inputs = [(numbers(n, 4, 6), wg.randint(0, 4, (n, 3), generator=generator)) for n in (2, 5)]
    axes = {"x": {0: "n"}, "i": {0: "n"}}
    agree(tmp_path / "s.onnx", shapes, *inputs[0], more=(inputs[1],), dynamic_axes=axes)


def images(x: Any) -> dict[str, Any]:
    """Return results of layers for images. x (n, 4, 8, 6)."""
    w, b = wg.arange(4 * 2 * 3 * 3).reshape(4, 2, 3, 3) / 50 - 0.7, wg.arange(4.0)
    turned = wg.arange(4 * 2 * 2 * 3).reshape(4, 2, 2, 3) / 24
    return {
        "conv": F.conv2d(x, w, b, stride=2, padding=(1, 2), groups=2),
        "same": F.conv2d(x, wg.ones((1, 4, 2, 4)), padding="same"),
        "dilated": F.conv2d(x, w, dilation=(1, 2), groups=2),
        "single": F.conv2d(x[0], w, b, groups=2),
        "line": F.conv1d(x[:, :, 0], w[:, :, 0], dilation=2, groups=2),
        "volume": F.conv3d(x[:, :, None], w[:, :, None], padding=1, groups=2),
        "turned": F.conv_transpose2d(x, turned, stride=2, padding=1, output_padding=1),
        "turned groups": F.conv_transpose2d(x, turned, wg.ones(4), groups=2, dilation=2),
        "max": F.max_pool2d(x, 3, 2, 1, dilation=1),
        "max up": F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
        "max line": F.max_pool1d(x[0], 2, dilation=2),
        "mean": F.avg_pool2d(x, 3, 2, 1),
        "mean inside": F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        "mean line": F.avg_pool1d(x[:, 0], 2),
        "adaptive": F.adaptive_avg_pool2d(x, (4, 3)),
        "adaptive max": F.adaptive_max_pool2d(x, (2, 1)),
        "adaptive max of all": F.adaptive_max_pool2d(x, 1),
        "uneven": F.adaptive_avg_pool2d(x, (3, 4)),
        "batch": F.batch_norm(x, b, b + 1, b, None),
        "layer": F.layer_norm(x, (8, 6), eps=1e-3),
        "group": F.group_norm(x, 2, b, b),
        "instance": F.instance_norm(x, weight=b),
        "rms": F.rms_norm(x, 6),
        "shuffled": F.pixel_shuffle(x, 2),
        "larger": F.interpolate(x, scale_factor=2),
    }


@pytest.mark.parametrize("opset", [18, 21])
def test_layers_for_images(opset, numpy_device, tmp_path):
    more = ((numbers(3, 4, 8, 6),),)
    axes = {"x": {0: "n"}}
    agree(
        tmp_path / "i.onnx", images, numbers(2, 4, 8, 6), more=more, dynamic_axes=axes, opset=opset
    )


def test_every_row_is_of_an_operation_and_of_an_operator():
    assert set(OPERATIONS) <= set(REGISTRY)
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    assert set(OPERATORS) <= known | {"RMSNormalization"}


# Graphs of others.
def made(
    path: Path, nodes: list, inputs: dict, outputs: dict, stored: dict, **options: Any
) -> Path:
    """Write a graph by the library itself."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(op, list(i), list(o), **a) for op, i, o, a in nodes],
        "g",
        [helper.make_tensor_value_info(n, *x) for n, x in inputs.items()],
        [helper.make_tensor_value_info(n, *x) for n, x in outputs.items()],
        [onnx.numpy_helper.from_array(x, n) for n, x in stored.items()],
    )
    opset = options.pop("opset", 20)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.save(model, path, **options)
    return path


def test_graphs_of_others_run_as_onnxruntime_runs_them(numpy_device, tmp_path):
    """As exporters of other libraries write them: sizes computed by operators, older attributes."""
    f, i = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    x = numbers(2, 4, 6)
    path = made(
        tmp_path / "m.onnx",
        [
            ("Shape", ["x"], ["s"], {}),
            ("Gather", ["s", "zero"], ["n"], {}),
            ("Unsqueeze", ["n", "first"], ["n1"], {}),
            ("Concat", ["n1", "minus"], ["to"], {"axis": 0}),
            ("Reshape", ["x", "to"], ["flat"], {}),
            ("Gemm", ["flat", "w", "b"], ["y"], {"alpha": 0.5, "beta": 2.0}),
            ("Split", ["y", "parts"], ["p", "q"], {"axis": 1}),
            ("Clip", ["p", "low", ""], ["c"], {}),
            ("Max", ["q", "c", "q"], ["m"], {}),
            ("Div", ["s", "two"], ["half"], {}),
            ("ConstantOfShape", ["half"], ["zeros"], {}),
            ("Selu", ["m"], ["selu"], {}),
            ("Tile", ["m", "parts"], ["tiled"], {}),
            ("Squeeze", ["n1"], ["n0"], {}),
            ("Range", ["zero", "n0", "one"], ["range"], {}),
            ("ArgMax", ["m"], ["best"], {"select_last_index": 1}),
            ("OneHot", ["best", "three", "pair"], ["hot"], {}),
            ("ReduceL2", ["x"], ["norm"], {"keepdims": 0}),
            ("Mod", ["s", "three"], ["rest"], {}),
            ("Cast", ["range"], ["cast"], {"to": f}),
            ("Trilu", ["x", "one"], ["upper"], {}),
            ("Einsum", ["x", "x"], ["pairs"], {"equation": "nij,nkj->nik"}),
            ("ReduceSumSquare", ["x"], ["squares"], {}),
        ],
        {"x": (f, ["n", 4, 6])},
        {
            **{name: (f, None) for name in ("selu", "zeros", "tiled", "hot", "norm", "cast")},
            **{name: (f, None) for name in ("upper", "pairs", "squares")},
            **{name: (i, None) for name in ("half", "range", "best", "rest")},
        },
        {
            "zero": np.array(0),
            "one": np.array(1),
            "two": np.array([2]),
            "three": np.array(3),
            "first": np.array([0]),
            "minus": np.array([-1]),
            "parts": np.array([2, 2]),
            "low": np.array(-0.5, np.float32),
            "pair": np.array([-1, 2], np.float32),
            "w": numbers(24, 4, seed=1).numpy(),
            "b": numbers(4, seed=2).numpy(),
        },
    )
    model = wg.onnx.load(path)
    assert [n for n, _ in model.named_parameters()] == ["w", "b"]
    close(arrays(model(x)), run(path, x))
    close(arrays(model(x=numbers(3, 4, 6))), run(path, numbers(3, 4, 6)))
    assert "(x) -> (selu, zeros" in repr(model)


def test_models_of_pytorch_are_read(numpy_device, tmp_path):
    """By its exporter in C++, which needs no other package."""
    torch = pytest.importorskip("torch")
    layers = torch.nn
    image = layers.Sequential(
        layers.Conv2d(1, 4, 3, padding=1),
        layers.BatchNorm2d(4),
        layers.ReLU6(),
        layers.MaxPool2d(2),
        layers.Conv2d(4, 4, 3, groups=2),
        layers.GELU(),
        layers.AdaptiveAvgPool2d(1),
        layers.Flatten(),
        layers.Linear(4, 3),
        layers.LogSoftmax(-1),
    )

    class Attention(layers.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.norm = layers.Embedding(7, 8), layers.LayerNorm(8)
            self.qkv, self.out = layers.Linear(8, 24), layers.Linear(8, 7)

        def forward(self, tokens):
            x = self.embed(tokens)
            n, t, _ = x.shape
            qkv = self.qkv(self.norm(x)).view(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
            q, k, v = qkv.unbind(0)
            mask = torch.ones(t, t).tril() == 0
            scores = (q @ k.transpose(-2, -1) / 2).masked_fill(mask, -float("inf"))
            x = x + (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, 8)
            return self.out(layers.functional.silu(x))

    for net, x in ((image, torch.ones(2, 1, 8, 8)), (Attention(), torch.arange(6).view(2, 3))):
        net.eval()
        data = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net, (x,), data, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}
            )
        (tmp_path / "m.onnx").write_bytes(data.getvalue())
        model = wg.onnx.load(tmp_path / "m.onnx")
        for given in (x, torch.cat([x, x])):
            found, wanted = model(given.numpy()).numpy(), net(given).detach().numpy()
            np.testing.assert_allclose(found, wanted, 1e-4, 1e-5)


def test_calls_that_do_not_fit_say_what_the_inputs_are(numpy_device, tmp_path):
    wg.onnx.export(nn.Linear(3, 2), wg.ones((1, 3)), tmp_path / "m.onnx")
    model = wg.onnx.load(tmp_path / "m.onnx")
    x = wg.ones((1, 3))
    for args, named in (((), {}), ((x, x), {}), ((x,), {"x": x}), ((x,), {"y": x})):
        with pytest.raises(CallError, match="its inputs are x"):
            model(*args, **named)
    with pytest.raises(FileError, match=r"m\.onnx': Gemm 'Gemm_0': matmul: a \(2, 4\)"):
        model(wg.ones((2, 4)))


# What cannot be exported.
def test_what_has_no_operator_is_named_with_its_line(numpy_device, tmp_path):
    path = tmp_path / "m.onnx"

    def sorted_numbers(x: Any) -> Any:
        return wg.sort(x)

    with pytest.raises(TraceError, match=r"argsort, called at .*test_onnx\.py, line \d+, has no"):
        wg.onnx.export(sorted_numbers, wg.ones(3), path)
    noisy = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    noisy.train()
    wg.onnx.export(noisy, wg.ones((1, 2)), path)  # in evaluation mode
    assert noisy.training and noisy[1].training
    path.unlink()
    with pytest.raises(TraceError, match="draws random numbers"):
        wg.onnx.export(lambda x: x + wg.randn(3), wg.ones(3), path)
    kept = wg.zeros(3)
    with pytest.raises(TraceError, match=r"assigned to at .*test_onnx.*x = x \+ y"):
        wg.onnx.export(lambda x: kept.assign(x), wg.ones(3), path)
    with pytest.raises(TraceError, match="other operations for inputs of other sizes"):
        wg.onnx.export(
            lambda x: sum(x[i] for i in range(x.shape[0])),
            wg.ones(3),
            path,
            dynamic_axes={"x": [0]},
        )
    with pytest.raises(TraceError, match="simple way"):
        wg.onnx.export(
            lambda x: wg.broadcast_to(x[0], (2 ** x.shape[0],)) + 0,
            *(wg.ones(3), path),
            input_names=["x"],
            dynamic_axes={"x": [0]},
        )
    assert os.listdir(tmp_path) == []


def test_arguments_that_do_not_fit(numpy_device, tmp_path):
    path, x, f = tmp_path / "m.onnx", wg.ones((2, 3)), nn.Linear(3, 2)
    for kind, words, call in (
        (ArgumentError, "a function is needed", lambda: wg.onnx.export(3, x, path)),
        (ArgumentError, "18 to", lambda: wg.onnx.export(f, x, path, opset=17)),
        (ArgumentError, "18 to", lambda: wg.onnx.export(f, x, path, opset=99)),
        (ArgumentError, "2 of them|1 of them", lambda: wg.onnx.export(f, x, path, input_names=[])),
        (
            ArgumentError,
            "output_names",
            lambda: wg.onnx.export(f, x, path, output_names=["a", "b"]),
        ),
        (ArgumentError, "taken", lambda: wg.onnx.export(f, x, path, output_names="x")),
        (ArgumentError, "inputs are", lambda: wg.onnx.export(f, x, path, dynamic_axes={"y": [0]})),
        (ArgumentError, "axis 5", lambda: wg.onnx.export(f, x, path, dynamic_axes={"x": [5]})),
        (DTypeError, "tensors are needed", lambda: wg.onnx.export(lambda x: 3, x, path)),
        (DTypeError, "no tensor", lambda: wg.onnx.export(lambda x: None, x, path)),
    ):
        with pytest.raises(kind, match=words):
            call()
    assert os.listdir(tmp_path) == []


# Files that are none, or hostile.
def test_graphs_that_are_wrong_are_told_apart(numpy_device, tmp_path):
    f = onnx.TensorProto.FLOAT
    x, y = {"x": (f, [2])}, {"y": (f, [2])}
    path = tmp_path / "m.onnx"
    for nodes, words in (
        ([("Relu", ["z"], ["y"], {}), ("Relu", ["y"], ["z"], {})], "leads in a circle"),
        ([("Relu", ["x"], ["x"], {})], "which there is already"),
        ([("Relu", ["x"], ["z"], {})], "which nothing computes"),
        ([("NonMaxSuppression", ["x"], ["y"], {})], "NonMaxSuppression, which wgrad cannot read"),
        ([("Relu", ["x"], ["y"], {"domain": "evil"})], r"evil\.Relu"),
    ):
        made(path, nodes, x, y, {})
        with pytest.raises(FileError, match=words):
            wg.onnx.load(path)
    for opset in (8, 10**6):
        made(path, [("Relu", ["x"], ["y"], {})], x, y, {}, opset=opset)
        with pytest.raises(FileError, match=f"of opset {opset}, and 9 to"):
            wg.onnx.load(path)
    for data, words in ((b"hello", "no ONNX model"), (b"\x08\x01", "has no graph")):
        path.write_bytes(data)
        with pytest.raises(FileError, match=words):
            wg.onnx.load(path)
        with pytest.raises(FileError, match="no file of safetensors"):
            wg.load(path)
    huge = np.array([2**31 - 1, 2**31 - 1])
    made(path, [("Expand", ["x", "s"], ["y"], {})], {"x": (f, [1])}, y, {"s": huge})
    with pytest.raises(FileError, match=r"Expand: shape .* is asked for"):
        wg.onnx.load(path)(wg.ones(1))


def test_weights_in_files_of_their_own_lie_beside_the_model(numpy_device, tmp_path):
    f = onnx.TensorProto.FLOAT
    folder = tmp_path / "model"
    folder.mkdir()
    w = np.arange(3000, dtype=np.float32)
    options = {"save_as_external_data": True, "location": "w.bin", "size_threshold": 0}
    path = made(
        *(folder / "m.onnx", [("Add", ["x", "w"], ["y"], {})]),
        *({"x": (f, [3000])}, {"y": (f, [3000])}, {"w": w}),
        **options,
    )
    assert wg.onnx.load(path)(wg.ones(3000)).tolist() == (w + 1).tolist()
    (tmp_path / "secret").write_bytes(bytes(12000))
    (folder / "link").symlink_to(tmp_path / "secret")
    model = onnx.load(path, load_external_data=False)
    for location in ("../secret", str(tmp_path / "secret"), "link", "", "no", "."):
        model.graph.initializer[0].external_data[0].value = location
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FileError, match=r"beside the model|there is no file|is a folder"):
            wg.onnx.load(path)
    model.graph.initializer[0].external_data[0].value = "w.bin"
    for key, value in (("offset", "4"), ("offset", "-4"), ("length", "8"), ("offset", "x")):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        del changed.graph.initializer[0].external_data[1:]
        changed.graph.initializer[0].external_data.add(key=key, value=value)
        path.write_bytes(changed.SerializeToString())
        with pytest.raises(FileError, match="beyond the end"):
            wg.onnx.load(path)
