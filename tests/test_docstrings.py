"""Docstrings: public classes, and the functions that people use most, show an example that runs.

Examples are what Python's prompt shows after `import wgrad as wg` and `import numpy as np`, on the
NumPy device. Which classes are public is taken from the namespaces; which functions are used most
is written down here.
"""

from __future__ import annotations

import doctest
import inspect
import io
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.dtypes import DType
from wgrad.program.compiled import Compiled

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# By the names after "wg.", a line for each subject.
_NAMES = """
tensor asarray parameter arange linspace zeros ones full eye zeros_like ones_like full_like
manual_seed rand randn randint randperm normal uniform bernoulli multinomial categorical
add subtract multiply divide floor_divide remainder negative abs sign square sqrt pow clip
exp expm1 log log1p log2 sin cos tanh sigmoid relu erf maximum minimum round floor ceil lerp
where equal not_equal greater greater_equal less less_equal isnan isfinite isclose allclose
logical_and logical_or logical_not any all count_nonzero
sum mean prod max min argmax argmin std var median quantile norm logsumexp
cumulative_sum cumulative_prod
matmul einsum outer tensordot vecdot linear diag trace tril triu
linalg.inv linalg.solve linalg.det linalg.svd linalg.eigh linalg.qr linalg.cholesky
reshape transpose permute_dims moveaxis expand_dims squeeze flatten broadcast_to meshgrid
concat stack split chunk unstack flip roll repeat tile pad
sort argsort topk take take_along_axis gather scatter scatter_add nonzero masked_fill one_hot
searchsorted unique_values bincount astype result_type fft.fft fft.rfft
softmax log_softmax cross_entropy mse_loss
nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits
nn.functional.nll_loss nn.functional.l1_loss nn.functional.kl_div
nn.functional.gelu nn.functional.silu nn.functional.elu nn.functional.softplus
nn.functional.leaky_relu nn.functional.dropout nn.functional.embedding
nn.functional.layer_norm nn.functional.batch_norm nn.functional.normalize
nn.functional.conv1d nn.functional.conv2d nn.functional.max_pool2d nn.functional.avg_pool2d
nn.functional.interpolate nn.functional.cosine_similarity
nn.functional.scaled_dot_product_attention
nn.init.kaiming_uniform_ nn.init.kaiming_normal_ nn.init.xavier_uniform_ nn.init.normal_
nn.init.zeros_ nn.init.orthogonal_ nn.utils.clip_grad_norm_ nn.utils.clip_grad_value_ nn.summary
grad value_and_grad vjp jvp jacobian hessian hvp vmap scan checkpoint gradcheck custom_op
autograd.grad functional_call compile fit save load train.accuracy
data.batches data.random_split distributions.kl_divergence
device devices default_device set_default_device synchronize stats
"""
MOST_USED = _NAMES.split()
RETURNED = {"Device": Device, "DType": DType, "Compiled": Compiled}  # by functions, unnamed

CONTAINERS = (wg.nn.Sequential, wg.nn.ModuleList, wg.nn.ModuleDict)
CONTAINERS += (wg.nn.ParameterList, wg.nn.ParameterDict)


def public_classes() -> dict[str, type]:
    """Return the classes in all namespaces by a name of each: those of wgrad's own."""
    classes: dict[type, str] = {}
    for label, home in wg._NAMESPACES.items():
        for name in home.__all__:
            value = getattr(home, name)
            if inspect.isclass(value) and value.__module__.startswith("wgrad"):
                classes.setdefault(value, f"{label}.{name}")
    return {name: value for value, name in classes.items()}


CLASSES = public_classes()
HOMES = sorted({name.rpartition(".")[0] for name in CLASSES})


def faults(name: str, thing: Any) -> Iterator[str]:
    """Yield what is wrong with the example in a docstring: there is none, or it shows otherwise."""
    text = inspect.getdoc(thing) if not inspect.isclass(thing) else thing.__dict__.get("__doc__")
    wg.manual_seed(0)
    names = {"wg": wg, "np": np}
    test = doctest.DocTestParser().get_doctest(text or "", names, name, None, None)
    if not test.examples:
        yield f"{name}: its docstring has no example: lines that begin with >>>"
    out = io.StringIO()
    if doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=out.write).failed:
        yield out.getvalue()


@pytest.fixture(autouse=True)
def _aside(numpy_device, tmp_path, monkeypatch):
    """On NumPy, in a folder where files may lie."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("home", HOMES)
def test_every_public_class_has_an_example_that_runs(home):
    of_home = {n: c for n, c in CLASSES.items() if n.rpartition(".")[0] == home}
    wrong = [fault for name, c in of_home.items() for fault in faults(name, c)]
    assert not wrong, "\n".join(wrong)


def test_functions_that_are_used_most_have_examples_that_run():
    assert len(MOST_USED) == len(set(MOST_USED)) >= 100
    wrong = [fault for n in MOST_USED for fault in faults(n, attrgetter(n)(wg))]
    assert not wrong, "\n".join(wrong)


def test_all_other_examples_of_functions_run():
    """Those of wg.kernel and wg.testing are tried on a GPU, where these have their tests."""
    wrong, tried = [], 0
    for label, home in wg._NAMESPACES.items():
        if label in ("wg.kernel", "wg.testing"):
            continue
        for name in home.__all__:
            thing, called = getattr(home, name), f"{label.removeprefix('wg.')}.{name}"
            if inspect.isclass(thing) or called.removeprefix("wg.") in MOST_USED:
                continue
            if callable(thing) and ">>>" in (inspect.getdoc(thing) or ""):
                tried += 1
                wrong += faults(called, thing)
    assert not wrong, "\n".join(wrong)
    assert tried > 20


@pytest.mark.parametrize("name", RETURNED)
def test_what_functions_return_has_an_example_that_runs(name):
    assert not [*faults(name, RETURNED[name])]


def test_layers_say_which_shapes_they_take_and_give():
    layers = {n: c for n, c in CLASSES.items() if n.startswith("nn.") and n.count(".") == 1}
    silent = [
        name
        for name, c in layers.items()
        if "forward" in dir(c) and c is not wg.nn.Module and not issubclass(c, CONTAINERS)
        if "Shapes" not in (c.__doc__ or "")
    ]
    assert not silent


def test_all_public_classes_are_looked_at():
    assert len(CLASSES) > 240
    assert {"nn.Linear", "optim.Adam", "data.DataLoader", "errors.ShapeError"} < CLASSES.keys()


def test_no_example_and_a_stale_one_are_faults():
    class Silent:
        """Says nothing."""

    class Heir(wg.nn.Linear):
        pass

    class Stale:
        """Adds.

        >>> wg.tensor([1.0]) + 1
        tensor([3.])
        """

    for cls in (Silent, Heir):
        (fault,) = faults("c", cls)
        assert fault.startswith("c: its docstring has no example")
    (fault,) = faults("c", Stale)
    assert "tensor([2.])" in fault
