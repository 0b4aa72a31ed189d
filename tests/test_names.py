"""What dir() shows of each public namespace, and what PyTorch's names are answered with."""

from __future__ import annotations

import inspect
import pickle
import re
from types import ModuleType

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import UnknownNameError
from wgrad.names import JAXES, NUMPYS, OTHERS
from wgrad.nn import functional as F

SUBMODULES = {label.split(".")[-1] for label in wg._NAMESPACES} - {"wg"}
NAMESPACES = {**wg._NAMESPACES, "wg.random": wg.random}


@pytest.mark.parametrize("label", NAMESPACES)
def test_dir_shows_what_is_public_alone(label: str):
    namespace = NAMESPACES[label]
    assert dir(namespace) == sorted(namespace.__all__) and len(set(namespace.__all__)) == len(
        namespace.__all__
    )
    for name in dir(namespace):
        value = getattr(namespace, name)
        assert not name.startswith("_") and name not in ("annotations", "np", "Any")
        if isinstance(value, ModuleType):
            assert name in SUBMODULES and value.__name__.startswith("wgrad"), name
        elif callable(value):
            assert value.__module__.startswith("wgrad"), name
    text = f"from {namespace.__name__} import *"
    space: dict = {}
    exec(text, space)
    assert set(space) - {"__builtins__"} == set(namespace.__all__)


def test_dir_shows_what_was_promised():
    assert {"DataLoader", "TensorDataset", "batches", "load"} < set(dir(wg.data))
    assert {"fft", "rfftfreq"} < set(dir(wg.fft)) and len(dir(wg.fft)) == 14
    settings = ["Setting", "at_least_zero", "below_one", "two_below_one"]
    assert {"Adam", "AdamW", "Optimizer", "SGD", *settings} <= set(dir(optim))
    assert {"tensor", "pi", "newaxis", "float32", "linalg", "Tensor", "compile"} < set(dir(wg))
    assert not {"backends", "creation", "program", "names"} & set(dir(wg))


TABLES = {"PyTorch": OTHERS, "NumPy": NUMPYS, "JAX": JAXES}


@pytest.mark.parametrize("whose, label", [(k, label) for k, t in TABLES.items() for label in t])
def test_names_of_others_are_answered_with_ours(whose: str, label: str, numpy_device):
    objects = {"Tensor": wg.tensor([1.0]), "Module": nn.Linear(1, 1)}
    namespace = objects[label] if label in objects else NAMESPACES[label]
    for name, text in TABLES[whose][label].items():
        assert not hasattr(namespace, name), f"{name} is ours: it has no place in the table"
        with pytest.raises(UnknownNameError) as caught:
            getattr(namespace, name)
        assert text in str(caught.value) and f".{name} is not here: write" in str(caught.value)
        pattern = r"\b(wg(?:\.\w+)?|nn(?:\.functional)?|x|model)\.(\w+)"
        for place, word in re.findall(pattern, text):
            classes = {"x": wg.Tensor, "model": nn.Module}
            found = classes.get(place, NAMESPACES.get(place, getattr(wg, place[3:], None)))
            assert hasattr(found, word), text


def test_names_in_the_table_are_numpys():
    theirs = {"wg": np, "Tensor": np.ndarray, "wg.random": np.random}
    for label, table in NUMPYS.items():
        of_generators = [*dir(np.random.Generator)] if label == "wg.random" else []
        assert [n for n in table if not hasattr(theirs[label], n) and n not in of_generators] == []


def test_names_in_the_table_are_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = {
        "wg": torch,
        "autograd": torch.autograd,
        "Tensor": torch.Tensor,
        "Module": torch.nn.Module,
        "nn": torch.nn,
        "nn.functional": torch.nn.functional,
        "nn.utils": torch.nn.utils,
        "optim": torch.optim,
    }
    for label, table in OTHERS.items():
        assert [name for name in table if not hasattr(theirs[label], name)] == []


SAID = {
    "wg.vstack is not here: write wg.concat(arrays, axis=0)": lambda x: wg.vstack,
    "wg.conv2d is not here: write nn.functional.conv2d": lambda x: wg.conv2d,
    "wg.uint8 is not here: write wg.uint32": lambda x: wg.uint8,
    "x.grad_fn is not here: write wg.viz.graph(x), which draws what led to it": lambda x: x.grad_fn,
    "wg.det is not here: write wg.linalg.det": lambda x: wg.det,
    "nn.functional.tanh_ is not here: write x.assign(wg.tanh(x, ...))": lambda x: F.tanh_,
    "nn.Container is not here: write nn.Module": lambda x: nn.Container,
    "nn.functional.clip is not here: write wg.clip": lambda x: F.clip,
    "x.linear is not here: write wg.linear(x, ...)": lambda x: x.linear,
    "x.argwhere is not here: write wg.stack(wg.nonzero(x), -1)": lambda x: x.argwhere(),
    "x.svd is not here: write wg.linalg.svd(x, ...)": lambda x: x.svd(),
    "x.relu_ is not here: write x.assign(wg.relu(x, ...))": lambda x: x.relu_(),
    "x.pow_ is not here: write x **= y": lambda x: x.pow_(1),
}


@pytest.mark.parametrize("text", SAID)
def test_unknown_names_are_answered_in_one_sentence(text: str, numpy_device):
    with pytest.raises(UnknownNameError) as caught:
        SAID[text](wg.tensor([1.0]))
    assert str(caught.value) == text


def test_names_that_nobody_has_are_pythons_errors(numpy_device):
    x = wg.tensor([1.0])
    for namespace in (wg, nn, F, optim, wg.fft, x):
        with pytest.raises(AttributeError, match="has no attribute 'nonesuch'") as caught:
            namespace.nonesuch
        assert not isinstance(caught.value, UnknownNameError)
        assert getattr(namespace, "nonesuch", 3) == 3 and not hasattr(namespace, "_private_")
    with pytest.raises(ImportError, match="vstack"):
        exec("from wgrad import vstack")
    with pytest.raises(wg.errors.ShapeError):  # what a property raises stays
        x.T
    assert pickle.loads(pickle.dumps(x)).tolist() == [1.0]
    assert np.asarray(x).tolist() == [1.0]


def test_type_checkers_see_no_answer_to_every_name():
    assert "def __getattr__" not in inspect.getsource(wg)
    assert "__getattr__" not in inspect.getsource(wg.Tensor)
