"""Modules find, move, save and load their tensors; layers compute and start as documented."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn
from wgrad.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError, WgradError


class Zoo(nn.Module):
    """A module with something of every kind."""

    def __init__(self):
        self.scale = wg.parameter(2.0)
        self.first = nn.Linear(3, 4, seed=0)
        self.rest = [nn.Linear(4, 4, seed=1), (nn.Linear(4, 2, bias=False, seed=2), "text", None)]
        self.heads = {"a": wg.parameter([1.0, 2.0]), "b": nn.MLP(2, [3], seed=3), 7: 1.5}
        self.mean = wg.tensor([0.5, 0.25])
        self.steps = wg.tensor(3)
        self.tied = self.first.weight
        self.again = self.rest[0]
        self.rate = 0.1


ZOO_PARAMETERS = [
    "scale",
    "first.weight",
    "first.bias",
    "rest.0.weight",
    "rest.0.bias",
    "rest.1.0.weight",
    "heads.a",
    "heads.b.layers.0.weight",
    "heads.b.layers.0.bias",
]
ZOO_OTHER_NAMES = ["tied", "again.weight", "again.bias"]


def values(module: nn.Module) -> dict[str, list]:
    return {name: x.tolist() for name, x in module.state_dict().items()}


# Finding.


def test_module_finds_parameters_in_definition_order_and_shared_ones_once(device):
    zoo = Zoo()
    assert [name for name, _ in zoo.named_parameters()] == ZOO_PARAMETERS
    assert all(x is y for x, (_, y) in zip(zoo.parameters(), zoo.named_parameters(), strict=True))
    assert zoo.parameters()[1] is zoo.first.weight


def test_module_finds_modules_itself_first(device):
    zoo = Zoo()
    found = zoo.modules()
    expected = [zoo, zoo.first, zoo.rest[0], zoo.rest[1][0], zoo.heads["b"]]
    assert [id(x) for x in found] == [id(x) for x in [*expected, zoo.heads["b"].layers[0]]]


def test_module_follows_what_its_attributes_become():
    zoo = Zoo()
    zoo.rest.append(nn.Linear(2, 2))
    scale = zoo.scale.detach()
    del zoo.scale  # for it is no parameter from here on
    zoo.scale = scale
    names = [name for name, _ in zoo.named_parameters()]
    assert "rest.2.weight" in names and "scale" not in names
    assert "scale" in zoo.state_dict()


def test_module_keeps_frozen_parameters(device):
    zoo = Zoo()
    for p in zoo.parameters():
        p.requires_grad = False
    assert [name for name, _ in zoo.named_parameters()] == ZOO_PARAMETERS
    assert "scale: frozen parameter float32 ()" in repr(zoo)
    zoo.scale.assign(5.0)  # a write keeps it, and so do copies and pickles
    for other in (zoo, copy.deepcopy(zoo), pickle.loads(pickle.dumps(zoo))):
        assert [name for name, _ in other.named_parameters()] == ZOO_PARAMETERS
        assert not any(p.requires_grad for p in other.parameters())
        assert other.scale.item() == 5
    assert set(zoo.state_dict()) == {*ZOO_PARAMETERS, *ZOO_OTHER_NAMES, "mean", "steps"}
    assert zoo.requires_grad_() is zoo and all(p.requires_grad for p in zoo.parameters())
    assert not zoo.mean.requires_grad


def test_parameters_are_told_by_their_mark(device):
    p = nn.Parameter([1, 2], requires_grad=False)
    assert isinstance(p, nn.Parameter) and p.dtype is wg.float32 and not p.requires_grad
    assert isinstance(nn.Linear(2, 2).weight, nn.Parameter)
    others = (wg.zeros(2), p.detach(), p.copy(), nn.Parameter(2.0) * 2, wg.zeros(2).numpy(), None)
    assert not any(isinstance(x, nn.Parameter) for x in others)
    with wg.no_grad():
        assert nn.Parameter(2.0).requires_grad


def test_module_moves_frozen_parameters_with_their_gradients(webgpu):
    with wg.device("numpy"):
        layer = nn.Linear(2, 2, seed=0)
    layer(wg.ones((1, 2), device="numpy")).sum().backward()
    layer.requires_grad_(False).to(webgpu)
    assert layer.weight.device is webgpu and layer.weight.grad.tolist() == [[1, 1], [1, 1]]
    assert len(layer.astype("float16" if wg.float16 in webgpu.dtypes else "float32").parameters())
    assert len(layer.parameters()) == 2


def test_module_ignores_results_that_are_still_on_the_tape(numpy_device):
    layer = nn.Linear(2, 2)
    layer.last = layer(wg.ones((1, 2)))
    assert set(layer.state_dict()) == {"weight", "bias"}
    layer.last = layer.last.detach()
    assert set(layer.state_dict()) == {"weight", "bias", "last"}


def test_module_survives_cycles_and_deep_chains(numpy_device):
    root = nn.Module()
    root.w = wg.parameter(1.0)
    root.itself, root.nest = root, [root]
    root.nest.append(root.nest)
    assert [name for name, _ in root.named_parameters()] == ["w"]
    assert "..." in repr(root)
    last = root
    for _ in range(5000):
        inner = nn.Module()
        last.next, last = inner, inner
    last.w = wg.parameter(2.0)
    assert len(root.modules()) == 5001 and len(root.parameters()) == 2


def test_module_refuses_names_that_it_cannot_tell_apart():
    module = nn.Module()
    module.table = {1: wg.parameter(1.0), "1": wg.parameter(2.0)}
    with pytest.raises(ArgumentError, match=r"two tensors are named 'table\.1'"):
        module.state_dict()


def test_module_repr_shows_the_tree():
    text = repr(Zoo())
    for part in (
        "scale: parameter float32 ()",
        "first: Linear(3, 4)",
        "rest.1.0: Linear(4, 2, bias=False)",
        "heads.b: MLP(hidden='tanh', output='none'",
        "  layers.0: Linear(2, 3)",
        "steps: buffer int32 ()",
    ):
        assert part in text


# What is done to all of it.


def test_module_calls_forward_with_everything():
    class Affine(nn.Module):
        def forward(self, x, scale, *, shift=0.0):
            return x * scale + shift

    assert Affine()(2.0, 3.0, shift=1.0) == 7.0
    with pytest.raises(ArgumentError, match="Module: the class defines no forward"):
        nn.Module()(1.0)


def test_module_train_and_eval_reach_every_module():
    zoo = Zoo()
    assert all(m.training for m in zoo.modules())
    assert zoo.eval() is zoo and not any(m.training for m in zoo.modules())
    assert zoo.train() is zoo and all(m.training for m in zoo.modules())
    assert not zoo.train(False).first.training


def test_module_zero_grad_leaves_zeros_and_none(device):
    layer = nn.Linear(2, 1)
    layer.unused = wg.parameter([1.0])
    layer(wg.ones((3, 2))).sum().backward()
    layer.zero_grad()
    assert layer.weight.grad.tolist() == [[0.0, 0.0]]
    assert layer.unused.grad is None
    layer.zero_grad(set_to_none=True)
    assert layer.weight.grad is None


def test_module_to_takes_a_dtype_first_second_or_of_a_tensor(numpy_device):
    zoo = Zoo()
    weight, steps = zoo.first.weight, zoo.steps.dtype
    zoo.first(wg.ones((1, 3))).sum().backward()
    assert zoo.to(wg.float64) is zoo and zoo.first.weight is weight
    assert {weight.dtype, weight.grad.dtype, zoo.mean.dtype} == {wg.float64}
    assert zoo.steps.dtype is steps  # integers stay
    assert zoo.to(wg.zeros(1)).mean.dtype is wg.float32
    assert zoo.to("numpy", "float64").mean.dtype is wg.float64
    assert zoo.to(device="numpy", dtype=wg.float32).mean.dtype is wg.float32
    for wrong, error in (
        (lambda: zoo.to(), ArgumentError),
        (lambda: zoo.to(wg.float64, wg.float64), ArgumentError),
        (lambda: zoo.to(wg.int32), DTypeError),
    ):
        with pytest.raises(error, match=r"Zoo\.to: "):
            wrong()
    assert zoo.mean.dtype is wg.float32


def test_tensor_to_goes_between_devices_that_lack_each_others_dtypes(webgpu):
    x = wg.tensor([1.5], dtype="float64", device="numpy")
    there = x.to(webgpu, wg.float32)
    assert there.device is webgpu and there.dtype is wg.float32
    back = there.to(x)
    assert back.device is x.device and back.dtype is wg.float64 and back.tolist() == [1.5]
    assert x.to(dtype=wg.float64) is x
    with pytest.raises(DTypeError, match="to: device webgpu has no float64"):
        there.to(webgpu, wg.float64)


def test_embedding_from_pretrained_copies_rows(numpy_device):
    rows = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = nn.Embedding.from_pretrained(rows)
    rows[0] = 9.0
    assert layer(wg.tensor([0])).tolist() == [[1.0, 2.0]]
    assert not layer.weight.requires_grad and list(layer.state_dict()) == ["weight"]
    assert layer.parameters() == [layer.weight]  # a frozen one
    assert nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=1).weight.requires_grad
    with pytest.raises(ShapeError, match=r"Embedding\.from_pretrained: embeddings of shape"):
        nn.Embedding.from_pretrained(wg.zeros(3))


def test_layers_name_the_function_that_refuses(numpy_device):
    for call, name in (
        (lambda: nn.Conv2d(3, 4, 9)(wg.zeros((1, 3, 8, 8))), "conv2d: "),
        (lambda: nn.L1Loss()(wg.zeros(3), wg.zeros(4)), "l1_loss: "),
        (lambda: nn.MaxPool2d(9)(wg.zeros((1, 1, 4, 4))), "max_pool2d: "),
        (lambda: nn.Softmax(5)(wg.zeros(3)), "softmax: "),
        (lambda: nn.Transformer.generate_square_subsequent_mask(0), "Transformer.generate_"),
    ):
        with pytest.raises(WgradError, match=f"^{name}"):
            call()


def test_module_to_moves_values_and_gradients_and_keeps_identity(webgpu):
    with wg.device("numpy"):
        zoo = Zoo()
        zoo.scale.set_grad(5.0)
    before, kept = values(zoo), zoo.parameters()
    assert zoo.to(webgpu) is zoo
    assert all(x.device is webgpu for x in (*kept, zoo.mean, zoo.steps))
    assert all(x is y for x, y in zip(zoo.parameters(), kept, strict=True))
    assert values(zoo) == before
    assert zoo.scale.grad.device is webgpu and zoo.scale.grad.item() == 5.0
    zoo.first(wg.ones((1, 3))).sum().backward()
    assert zoo.first.bias.grad.tolist() == [1.0] * 4
    assert zoo.to("numpy").mean.device.name == "numpy"


def test_module_to_moves_nothing_when_one_dtype_cannot_go(webgpu):
    with wg.device("numpy"):
        layer = nn.Linear(2, 2)
        layer.wide = wg.tensor([1.0], dtype="float64")
    with pytest.raises(DTypeError, match="wide"):
        layer.to(webgpu)
    assert layer.weight.device.name == "numpy"


# Saving and loading.


def test_state_dict_is_a_snapshot(device):
    layer = nn.Linear(2, 1)
    state = layer.state_dict()
    before = state["weight"].tolist()
    layer.weight.assign(0.0)
    assert state["weight"].tolist() == before
    state["bias"].assign(9.0)
    assert layer.bias.item() != 9.0
    assert not any(x.requires_grad for x in state.values())
    layer.load_state_dict(state)
    assert layer.weight.tolist() == before and layer.bias.item() == 9.0
    assert layer.weight.requires_grad


def test_load_state_dict_takes_arrays_and_lists(device):
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": [3]})
    assert layer(wg.tensor([10.0, 100.0])).tolist() == [213.0]


def test_load_state_dict_writes_into_memory_that_others_see(device):
    layer = nn.Linear(2, 2)
    view = layer.weight.detach()[0]
    layer.load_state_dict({"weight": wg.ones((2, 2)), "bias": wg.zeros(2)})
    assert view.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s.pop("bias"), ArgumentError, "missing 'bias'"),
        (lambda s: s.update(extra=wg.ones(1)), ArgumentError, "unexpected 'extra'"),
        (lambda s: s.update(bias=wg.ones(3)), ShapeError, r"bias: shape \(3,\) came, and \(2,\)"),
        (lambda s: s.update(bias="text"), DTypeError, "numbers"),
        (lambda s: s.update(bias=[[1.0], [2.0, 3.0]]), ShapeError, "box"),
        (lambda s: s.update(count=wg.tensor(1.5)), DTypeError, "count: float32 came for a int32"),
    ],
)
def test_load_state_dict_changes_nothing_when_it_raises(change, error, words):
    layer = nn.Linear(3, 2)
    layer.count = wg.tensor(7)
    before = values(layer)
    state = {name: wg.ones(x.shape, x.dtype) for name, x in layer.state_dict().items()}
    change(state)
    with pytest.raises(error, match=words):
        layer.load_state_dict(state)
    assert values(layer) == before


def test_load_state_dict_not_strict_reports_what_did_not_match():
    layer = nn.Linear(3, 2)
    result = layer.load_state_dict({"bias": [1.0, 2.0], "other": [3.0]}, strict=False)
    assert result.missing_keys == ["weight"] and result.unexpected_keys == ["other"]
    assert layer.bias.tolist() == [1.0, 2.0]
    with pytest.raises(ShapeError):
        layer.load_state_dict({"bias": [1.0]}, strict=False)
    with pytest.raises(DTypeError, match="list came"):
        layer.load_state_dict([1.0])


def tied() -> nn.Sequential:
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 3, seed=0), nn.Linear(3, 5, bias=False))
    net[2].weight = net[0].weight
    net.twice = net[1]
    return net


TIED_NAMES = ["0.weight", "1.weight", "1.bias", "2.weight", "twice.weight", "twice.bias"]


def test_state_dict_has_every_name_of_a_tensor_as_pytorchs(device):
    net = tied()
    state = net.state_dict()
    assert list(state) == TIED_NAMES
    assert state["0.weight"] is state["2.weight"] and state["1.bias"] is state["twice.bias"]
    assert len(net.parameters()) == len(wg.optim.SGD(net.parameters(), lr=1.0).params) == 3
    torch = pytest.importorskip("torch")
    parts = torch.nn.Embedding(5, 3), torch.nn.Linear(3, 3), torch.nn.Linear(3, 5, bias=False)
    theirs = torch.nn.Sequential(*parts)
    theirs[2].weight = theirs[0].weight
    theirs.twice = theirs[1]
    assert list(theirs.state_dict()) == TIED_NAMES
    net.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    np.testing.assert_array_equal(net[2].weight.numpy(), theirs[0].weight.detach().numpy())
    assert net[2].weight is net[0].weight
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in net.state_dict().items()})


def test_load_state_dict_takes_any_name_of_a_tensor_and_one_value(device):
    net, one = tied(), wg.ones((5, 3))
    state = net.state_dict()
    state["1.bias"][0] = np.nan  # equal to itself here
    other = pickle.loads(pickle.dumps(state))
    assert other["0.weight"] is other["2.weight"]
    for new in (other, {k: v.numpy() for k, v in state.items()}):
        assert net.load_state_dict(new) == ([], [])
        assert net[1].bias.tolist() == pytest.approx(state["1.bias"].tolist(), nan_ok=True)
    few = {"2.weight": one, "1.weight": state["1.weight"], "twice.bias": [1.0, 2.0, 3.0]}
    assert net.load_state_dict(few) == ([], [])
    assert net[0].weight.tolist() == one.tolist() and net[1].bias.tolist() == [1, 2, 3]
    before = values(net)
    with pytest.raises(ArgumentError, match=r"'0\.weight' and '2\.weight' name one tensor here"):
        net.load_state_dict({**few, "0.weight": wg.zeros((5, 3)), "1.weight": wg.zeros((3, 3))})
    with pytest.raises(ArgumentError, match=r"missing '1\.weight', 'twice\.weight'$"):
        net.load_state_dict({k: v for k, v in few.items() if k != "1.weight"})
    assert values(net) == before


def test_state_dict_has_first_names_where_modules_refer_back(numpy_device):
    net = tied()
    net[1].parent = [net]
    assert list(net.state_dict()) == TIED_NAMES[:3]
    peers = [nn.Linear(1, 1) for _ in range(30)]
    for peer in peers:
        peer.others = peers
    assert len(peers[0].state_dict()) == 60


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_modules_and_state_dicts_pickle_and_copy(device, clone):
    zoo = Zoo()
    other = clone(zoo)
    assert values(other) == values(zoo)
    assert [name for name, _ in other.named_parameters()] == ZOO_PARAMETERS
    assert other.tied is other.first.weight and other.again is other.rest[0]
    other.scale.assign(-1.0)
    assert zoo.scale.item() == 2.0
    state = clone(zoo.state_dict())
    assert {name: x.tolist() for name, x in state.items()} == values(zoo)


# Layers.


def test_linear_is_x_times_the_transposed_weight_plus_bias(device, rng):
    layer = nn.Linear(5, 3, seed=4)
    w, b = layer.weight.numpy(), layer.bias.numpy()
    assert w.shape == (3, 5) and b.shape == (3,)
    for shape in ((5,), (7, 5), (2, 3, 5), (0, 5)):
        x = rng.normal(size=shape).astype(np.float32)
        out = layer(wg.tensor(x))
        assert out.shape == (*shape[:-1], 3)
        np.testing.assert_allclose(out.numpy(), x @ w.T + b, rtol=1e-5, atol=1e-6)
    bare = nn.Linear(5, 3, bias=False, seed=4)
    assert bare.bias is None and [n for n, _ in bare.named_parameters()] == ["weight"]
    np.testing.assert_allclose(bare(np.ones(5)).numpy(), w.sum(1), rtol=1e-5, atol=1e-6)


def test_linear_gradients_are_the_formulas(device, rng):
    layer = nn.Linear(5, 3, seed=4)
    x = wg.tensor(rng.normal(size=(7, 5)), requires_grad=True)
    ct = rng.normal(size=(7, 3)).astype(np.float32)
    layer(x).backward(ct)
    expected = {"weight": ct.T @ x.numpy(), "bias": ct.sum(0)}
    for name, p in layer.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), expected[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), ct @ layer.weight.numpy(), rtol=1e-5, atol=1e-6)


def test_linear_starts_uniform_within_its_bound(device):
    layer = nn.Linear(400, 300, seed=1)
    bound = 1 / math.sqrt(400)
    for x in (layer.weight.numpy(), layer.bias.numpy()):
        assert x.dtype == np.float32 and np.abs(x).max() <= bound
        assert np.abs(x).max() > 0.97 * bound
    assert abs(layer.weight.numpy().mean()) < 0.01 * bound
    np.testing.assert_allclose(layer.weight.numpy().std(), bound / math.sqrt(3), rtol=0.01)


def test_seed_makes_equal_weights_on_every_device(webgpu):
    one = nn.MLP(6, [5, 4], seed=3, device="webgpu")
    two = nn.MLP(6, [5, 4], seed=3, device="numpy")
    assert one.layers[0].weight.device.name == "webgpu"
    assert values(one) == values(two)


def test_seed_leaves_the_global_stream_alone_and_its_absence_uses_it(device):
    state = wg.get_rng_state()
    seeded = values(nn.MLP(2, [4, 1], seed=0))
    assert wg.get_rng_state() == state
    assert values(nn.MLP(2, [4, 1], seed=0)) == seeded
    assert values(nn.MLP(2, [4, 1], seed=1)) != seeded
    free = values(nn.MLP(2, [4, 1]))
    assert wg.get_rng_state() != state and values(nn.MLP(2, [4, 1])) != free
    wg.set_rng_state(state)
    assert values(nn.MLP(2, [4, 1])) == free


def test_seed_may_be_a_generator_that_goes_on(numpy_device):
    stream = wg.Generator(5)
    first, second = nn.Linear(2, 2, seed=stream), nn.Linear(2, 2, seed=stream)
    assert stream.counter == 12
    assert first.weight.tolist() == nn.Linear(2, 2, seed=5).weight.tolist()
    assert second.weight.tolist() != first.weight.tolist()
    layers = nn.MLP(2, [2, 2], seed=5).layers
    assert layers[1].weight.tolist() == second.weight.tolist()


ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "none": lambda x: x,
}


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize("output", ACTIVATIONS)
def test_mlp_applies_hidden_and_output_activations(device, rng, hidden, output):
    model = nn.MLP(3, [4, 5, 2], hidden=hidden, output=output, seed=0)
    x = rng.normal(size=(6, 3))
    expected = x
    for i, layer in enumerate(model.layers):
        expected = expected @ layer.weight.numpy().T + layer.bias.numpy()
        expected = ACTIVATIONS[hidden if i < 2 else output](expected)
    np.testing.assert_allclose(model(wg.tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_mlp_defaults_are_tanh_inside_and_nothing_outside():
    model = nn.MLP(2, [4, 1])
    assert (model.hidden, model.output) == ("tanh", "none")
    assert [x.shape for x in model.parameters()] == [(4, 2), (4,), (1, 4), (1,)]


def test_sequential_chains_modules_and_functions(device):
    model = nn.Sequential(nn.Linear(2, 3, seed=0), wg.tanh, nn.Linear(3, 1, seed=1))
    assert [name for name, _ in model.named_parameters()][-1] == "2.bias"
    x = wg.tensor([[1.0, -2.0]])
    expected = model.steps[2](model.steps[0](x).tanh())
    assert model(x).tolist() == expected.tolist()
    assert nn.Sequential()(x) is x


def test_sequential_is_changed_as_pytorchs(device):
    """Every change is done to a list of ours, of PyTorch's and of Python's."""
    torch = pytest.importorskip("torch")
    sizes = [1, 2, 3, 4]
    ours = nn.Sequential(*(nn.Linear(1, n) for n in sizes))
    theirs = torch.nn.Sequential(*(torch.nn.Linear(1, n) for n in sizes))

    def both(change):
        for net, module in ((ours, nn), (theirs, torch.nn)):
            assert change(net, lambda n, m=module: m.Linear(1, n)) in (net, None)
        found = [layer.out_features for layer in theirs]
        assert [layer.out_features for layer in ours] == found and len(ours) == len(found)
        assert list(ours.state_dict()) == list(theirs.state_dict())

    both(lambda net, make: net.__setitem__(1, make(5)))
    both(lambda net, make: net.__setitem__(-1, make(6)))
    both(lambda net, make: net.append(make(7)))
    both(lambda net, make: net.insert(0, make(8)))
    both(lambda net, make: net.insert(-1, make(9)))
    both(lambda net, make: net.insert(len(net), make(10)))
    both(lambda net, make: net.extend([make(11), make(12)]))
    both(lambda net, make: net.extend(net[:2]))
    both(lambda net, make: net.__delitem__(0))
    both(lambda net, make: net.__delitem__(-2))
    both(lambda net, make: net.__delitem__(slice(1, None, 3)))
    assert ours.pop(1).out_features == theirs.pop(1).out_features
    both(lambda net, make: net.append(make(13)))


def test_sequential_that_changes_is_traced_anew(device):
    net = nn.Sequential(nn.Linear(2, 2, seed=0), wg.tanh)
    f, x = wg.compile(lambda x: net(x)), wg.ones((1, 2))
    for change in (lambda: None, lambda: net.append(wg.exp), lambda: net.pop(1)):
        change()
        for _ in range(3):
            np.testing.assert_allclose(f(x).numpy(), net(x).numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda net: net.__setitem__(2, wg.tanh), IndexRangeError, "2 came; an index from -2 to 1"),
        (lambda net: net.__setitem__(slice(2), wg.tanh), IndexRangeError, "slice"),
        (lambda net: net.__setitem__(0, "tanh"), ArgumentError, "step='tanh' came"),
        (lambda net: net.__delitem__(-3), IndexRangeError, "-3 came"),
        (lambda net: net.__delitem__("x"), IndexRangeError, "'x' came"),
        (lambda net: net.insert(3, wg.tanh), IndexRangeError, "3 came; an index from -2 to 2"),
        (lambda net: net.insert(0, 7), ArgumentError, "step=7 came, and a function"),
        (lambda net: net.append(None), ArgumentError, "step=None came"),
        (lambda net: net.extend([wg.tanh, 1]), ArgumentError, "step 1 is int"),
        (lambda net: net.extend(3), ArgumentError, "a list of steps"),
        (lambda net: nn.Sequential().pop(), IndexRangeError, "-1 came"),
        (lambda net: nn.Sequential().__setitem__(0, wg.tanh), IndexRangeError, "no steps"),
    ],
)
def test_sequential_changes_nothing_when_it_raises(change, error, words):
    net = nn.Sequential(wg.exp, wg.abs)
    with pytest.raises(error, match=words):
        change(net)
    assert list(net) == [wg.exp, wg.abs]


@wg.custom_op(backward=lambda ct, out, x: 2 * ct)
def doubled(x):
    return x * 2


def test_sequential_of_ops_pickles(device):
    model = nn.Sequential(nn.Linear(2, 3, seed=0), wg.abs, doubled)
    other = pickle.loads(pickle.dumps(model))
    assert other.steps[1] is wg.abs and other.steps[2] is doubled
    x = wg.tensor([[1.0, -2.0]])
    assert other(x).tolist() == model(x).tolist()


def test_losses_are_the_functions_of_the_package():
    assert nn.mse_loss is wg.mse_loss and nn.cross_entropy is wg.cross_entropy


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Linear(0, 2), ArgumentError, "in_features is 0"),
        (lambda: nn.Linear(2, -1), ArgumentError, "out_features is -1"),
        (lambda: nn.Linear(2.5, 2), ArgumentError, "in_features is 2.5"),
        (lambda: nn.Linear(True, 2), ArgumentError, "in_features is True"),
        (lambda: nn.Linear("2", 2), ArgumentError, "in_features is '2'"),
        (lambda: nn.Linear(2, 2, seed=-1), ArgumentError, "seed -1"),
        (lambda: nn.Linear(2, 2, seed="x"), ArgumentError, "seed 'x'"),
        (lambda: nn.Linear(2, 2, device="cuda"), WgradError, "cuda"),
        (lambda: nn.Linear(2, 2)(wg.ones((3, 4))), ShapeError, "2 features"),
        (lambda: nn.Linear(2, 2)(1.0), ShapeError, "2 features"),
        (lambda: nn.MLP(2, []), ArgumentError, r"\[4, 1\]"),
        (lambda: nn.MLP(2, 4), ArgumentError, "sizes 4"),
        (lambda: nn.MLP(2, [4, 0]), ArgumentError, r"sizes\[1\] is 0"),
        (lambda: nn.MLP(2, [1], hidden="gelu"), ArgumentError, "hidden activation 'gelu'"),
        (lambda: nn.MLP(2, [1], output=None), ArgumentError, "output activation None"),
        (lambda: nn.Sequential(3), ArgumentError, "step 0 is int"),
    ],
)
def test_layers_refuse_bad_arguments_in_own_errors(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_parameter_gives_way_to_no_tensor_that_nothing_would_train(numpy_device):
    layer = nn.Linear(2, 2)
    for x in (wg.ones(2, 2), layer.weight * 2):
        with pytest.raises(DTypeError, match=r"Linear.weight is a parameter.*nn.Parameter\(x\)"):
            layer.weight = x
    layer.weight = wg.parameter(np.eye(2))
    layer.bias = None  # without one from here on, as PyTorch has it
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer(wg.ones(1, 2)).tolist() == [[1, 1]]
