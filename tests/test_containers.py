"""Lists and dicts of modules, Sequential with names, and what a module says of what it holds."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError


def steps() -> OrderedDict:
    return OrderedDict(
        first=nn.Linear(3, 4, seed=1), relu=nn.ReLU(), last=nn.Linear(4, 2, bias=False, seed=2)
    )


def test_sequential_names_its_steps_as_pytorch(numpy_device):
    net = nn.Sequential(steps())
    assert list(net.state_dict()) == ["first.weight", "first.bias", "last.weight"]
    x = wg.ones((5, 3))
    assert (net(x) == nn.Sequential(*steps().values())(x)).all()
    assert net.first is net[0] and list(nn.Sequential(dict(steps())).state_dict())
    net.first = nn.Linear(3, 4, seed=9)  # takes the step's place, and does not hide it
    assert net[0] is net.first and not (net(x) == nn.Sequential(steps())(x)).all()
    assert list(net[1:].state_dict()) == ["last.weight"] == list(net[-1:].state_dict())
    for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert list(again.state_dict()) == list(net.state_dict()) and again.last.out_features == 2
    net.append(nn.Linear(2, 2)).insert(1, nn.Linear(4, 4))
    assert [name for name, _ in net.named_children()] == ["first", "1", "relu", "last", "4"]
    del net[::2]
    assert [name for name, _ in net.named_children()] == ["0", "last"]
    assert net.pop(0).in_features == 4 and len(net) == 1
    assert [x.out_features for x in (net + [nn.Linear(2, 7)])] == [2, 7] and len(net) == 1
    with pytest.raises(AttributeError, match="nonesuch"):
        net.nonesuch
    for wrong in ({"a.b": nn.ReLU()}, {"": nn.ReLU()}, {"append": nn.ReLU()}, {3: nn.ReLU()}):
        with pytest.raises(ArgumentError, match="key"):
            nn.Sequential(wrong)


def test_named_steps_are_pytorchs(numpy_device):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        OrderedDict(first=torch.nn.Linear(3, 4), last=torch.nn.Linear(4, 2))
    )
    ours = nn.Sequential({"first": nn.Linear(3, 4), "last": nn.Linear(4, 2)})
    ours.load_state_dict({name: x.numpy() for name, x in theirs.state_dict().items()})
    expected = theirs(torch.ones(2, 3)).detach().numpy()
    np.testing.assert_allclose(ours(wg.ones((2, 3))).numpy(), expected, rtol=1e-5)


def test_lists_of_modules(numpy_device):
    layers = nn.ModuleList(nn.Linear(2, n) for n in (1, 2, 3))
    assert list(layers.state_dict()) == [f"{i}.{n}" for i in range(3) for n in ("weight", "bias")]
    assert [x.out_features for x in layers[1:]] == [2, 3] and isinstance(layers[1:], nn.ModuleList)
    layers += [nn.Linear(2, 4)]
    layers.insert(0, nn.Linear(2, 9))
    assert [x.out_features for x in layers] == [9, 1, 2, 3, 4] and layers[-1] in layers
    assert layers.pop().out_features == 4 and len(layers + layers) == 8
    layers[0] = nn.ReLU()
    del layers[1:3]
    assert repr(layers) == "ModuleList(\n  0: ReLU()\n  1: Linear(2, 3)\n)"
    for wrong in (3, [nn.ReLU, 4], "abc", wg.ones(3)):
        with pytest.raises((ArgumentError, DTypeError), match="needed"):
            nn.ModuleList(wrong)
    with pytest.raises(IndexRangeError, match="an index or a slice of 2 modules"):
        layers[2]
    with pytest.raises(ArgumentError, match="no forward"):
        layers(1)


def test_dicts_of_modules_and_lists_and_dicts_of_parameters(numpy_device):
    class Model(nn.Module):
        def __init__(self):
            self.heads = nn.ModuleDict({"mean": nn.Linear(2, 1), "scale": nn.Linear(2, 1)})
            self.list = nn.ParameterList([wg.ones(3), wg.parameter([1.0])])
            self.dict = nn.ParameterDict({"a": wg.ones(2)})

    model = Model()
    names = [n for n, _ in model.named_parameters()]
    assert names == [
        *("heads.mean.weight", "heads.mean.bias", "heads.scale.weight", "heads.scale.bias"),
        *("list.0", "list.1", "dict.a"),
    ]
    model.heads.update({"more": nn.ReLU()})
    assert list(model.heads) == ["mean", "scale", "more"] and "more" in model.heads
    assert isinstance(model.heads.pop("more"), nn.ReLU) and len(model.heads) == 2
    assert dict(model.heads.items()) == dict(zip(model.heads, model.heads.values(), strict=True))
    model.list.append(wg.zeros(2)).extend([wg.zeros(1)])
    model.dict["b"] = wg.ones(1)
    assert [x.size for x in model.parameters()][4:] == [3, 1, 2, 1, 2, 1]
    with pytest.raises(ArgumentError, match="without dots"):
        model.heads["a.b"] = nn.ReLU()
    with pytest.raises(DTypeError, match="modules are needed"):
        model.heads.update({"c": nn.ReLU(), "d": 4})
    with pytest.raises(ArgumentError, match="it has"):
        model.heads["c"]  # what failed before has added nothing


def test_compiled_models_follow_their_lists(device):
    class Deep(nn.Module):
        def __init__(self):
            self.layers = nn.ModuleList(nn.Linear(3, 3, seed=i) for i in range(2))
            self.scale = nn.ParameterDict({"a": wg.ones(3)})

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).tanh() * self.scale["a"]
            return x

    net, x = Deep(), wg.ones((2, 3))
    run = wg.compile(lambda x: net(x))
    for _ in range(3):
        np.testing.assert_allclose(run(x).numpy(), net(x).numpy(), rtol=1e-5)
    net.layers.append(nn.Linear(3, 3, seed=5))
    for _ in range(2):
        np.testing.assert_allclose(run(x).numpy(), net(x).numpy(), rtol=1e-5)


class Block(nn.Module):
    def __init__(self):
        self.inner = [nn.Linear(2, 2), nn.BatchNorm1d(2)]
        self.twin = self.inner[0]
        self.own = wg.parameter([1.0])
        self.register_buffer("steps", wg.ones(2))
        self.register_buffer("mask", wg.ones((3, 3)), persistent=False)
        self.register_buffer("later", None)


def test_modules_say_what_they_hold(numpy_device):
    root = nn.Sequential(Block(), nn.ReLU())
    block = root[0]
    assert [n for n, _ in root.named_modules()] == ["", "0", "0.inner.0", "0.inner.1", "1"]
    assert "0.twin" in dict(root.named_modules(remove_duplicate=False))
    assert [n for n, _ in block.named_children()] == ["inner.0", "inner.1"]
    assert block.children() == [*block.inner] and root.children() == [*root]
    assert [n for n, _ in block.named_parameters(recurse=False)] == ["own"]
    assert block.parameters(recurse=False) == [block.own]
    assert [n for n, _ in block.named_buffers(recurse=False)] == ["steps", "mask"]
    assert len(root.buffers()) == 5 and root.named_buffers("net")[-1][0] == "net.0.mask"
    assert root.get_submodule("0.twin") is root.get_submodule("0.inner.0") is block.twin
    assert root.get_submodule("") is root
    assert root.get_parameter("0.twin.bias") is block.twin.bias
    assert root.get_buffer("0.inner.1.running_var") is block.inner[1].running_var
    with pytest.raises(ArgumentError, match=r"no parameter '0\.own2'; did you mean '0\.own'\?"):
        root.get_parameter("0.own2")
    told = []
    assert root.apply(lambda module: told.append(type(module).__name__)) is root
    assert told == ["ReLU", "BatchNorm1d", "Linear", "Block", "Sequential"]


def test_registered_buffers_are_saved_unless_they_are_not_to_be(numpy_device):
    block = Block()
    assert "steps" in block.state_dict() and "mask" not in block.state_dict()
    assert "later" not in block.state_dict()
    block.load_state_dict(copy.deepcopy(block).state_dict())
    assert block.double().mask.dtype is wg.float64  # converted and moved all the same
    block.mask = wg.zeros(1)
    assert "mask" not in pickle.loads(pickle.dumps(block)).state_dict()
    block.register_buffer("mask", wg.ones(2))
    assert "mask" in block.state_dict()
    block.register_parameter("more", wg.parameter([2.0]))
    block.register_parameter("none", None)
    block.add_module("act", nn.ReLU())
    block.register_module("act2", None)
    assert block.more.is_parameter and block.none is None and block.act2 is None
    for call, error in (
        (lambda: block.register_buffer("a.b", wg.ones(1)), ArgumentError),
        (lambda: block.register_buffer("forward", wg.ones(1)), ArgumentError),
        (lambda: block.register_buffer("x", [1.0]), DTypeError),
        (lambda: block.register_parameter("x", wg.ones(1)), DTypeError),
        (lambda: block.add_module("x", wg.ones(1)), DTypeError),
        (lambda: block.add_module("", nn.ReLU()), ArgumentError),
    ):
        with pytest.raises(error):
            call()


def test_all_that_a_load_lacks_is_said_at_once(numpy_device):
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1), nn.BatchNorm1d(1))
    state = net.state_dict()
    before = {name: x.tolist() for name, x in state.items()}
    del state["0.bias"], state["1.weight"]
    state |= {"0.weight": wg.zeros((3, 5)), "1.bias": [1.0, 2.0], "more": 1.0}
    state["2.num_batches_tracked"] = 1.5
    with pytest.raises(ArgumentError) as caught:
        net.load_state_dict(state)
    assert isinstance(caught.value, ShapeError)
    for words in (
        "missing '0.bias', '1.weight'",
        "unexpected 'more'",
        "0.weight: shape (3, 5) came, and (3, 2) is needed",
        "1.bias: shape (2,) came, and (1,) is needed",
        "2.num_batches_tracked: float32 came for a int32 tensor",
    ):
        assert words in str(caught.value)
    with pytest.raises(ShapeError, match=r"0\.weight.*1\.bias"):
        net.load_state_dict(state, strict=False)
    assert {name: x.tolist() for name, x in net.state_dict().items()} == before


def test_tied_weights_stay_tied_through_saving(numpy_device):
    def made() -> nn.Module:
        net = nn.Sequential({"embed": nn.Embedding(7, 4), "head": nn.Linear(4, 7, bias=False)})
        net.head.weight = net.embed.weight
        return net

    one, two = made(), made()
    two.load_state_dict(pickle.loads(pickle.dumps(one.state_dict())))
    assert two.head.weight is two.embed.weight and len(two.parameters()) == 1
    assert (two.head.weight == one.embed.weight).all()


def test_print_shows_shapes_and_counts(numpy_device):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1, bias=False))
    net[2].requires_grad_(False)
    assert str(net) == (
        "Sequential(\n"
        "  0: Linear(2, 3)  # weight (3, 2), bias (3,): 9 parameters\n"
        "  1: ReLU()\n"
        "  2: Linear(3, 1, bias=False)  # weight (1, 3): 3 parameters\n"
        ")\n"
        "12 parameters, 3 of them frozen, 48 bytes"
    )
    assert str(nn.ReLU()) == "ReLU()" and str(net[:0]) == "Sequential()"
    loop = nn.Sequential(nn.Linear(1, 1))
    loop.append(loop)
    assert "..." in str(loop)
