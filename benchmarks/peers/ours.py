"""wgrad itself: the same problems through its public functions, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.nn import functional as F

from ..problems import (
    Add,
    Attention,
    Cnn,
    Convolution,
    Elementwise,
    FrontEnd,
    Function,
    Layer,
    Loading,
    Matmul,
    Mlp,
    NormBlock,
    Problem,
    Reduction,
    Saving,
    Shading,
    Softmax,
    TinySteps,
    Transformer,
)
from .base import About, AbsentError, Peer, Step, scratch
from .compositions import gelu, layer_norm
from .shading import SHADING, long_text


def start(device: str = "webgpu", compiled: bool = True, composed: bool = False) -> OurPeer:
    return OurPeer(device, compiled, composed)


class OurPeer(Peer):
    """wgrad on a device, each step compiled or not.

    Functions of shaders are WGSL; or compositions of operations, if `composed`.
    """

    warm = 70  # what ran often on a software adapter is given faster kernels

    def __init__(self, device: str, compiled: bool, composed: bool = False):
        self.composed = composed
        try:
            self.device = wg.device(device)
        except wg.errors.WgradError as error:
            raise AbsentError(str(error)) from error
        wg.set_default_device(self.device)
        self.made = wg.compile if compiled else lambda function: function

    def about(self) -> About:
        name, where = f"wgrad {wg.__version__}", self.device.description
        if self.device.name == "numpy":
            return About(name, where)
        gpu = self.device.gpu
        return About(name, where, gpu.facts.is_software, gpu.info["device"])

    def host(self, output: Any) -> np.ndarray:
        return output.numpy()

    def wait(self) -> None:
        self.device.synchronize()

    def kernels(self, step: Step) -> int | None:
        """Return how many kernels a step dispatches; NumPy has none."""
        self.wait()  # what is recorded counts when it is submitted
        before = wg.stats()["dispatches"]
        step()
        self.wait()
        return wg.stats()["dispatches"] - before or None

    def _given(self, problem: Problem) -> dict[str, Any]:
        return {k: wg.tensor(v) for k, v in problem.arrays().items()}

    def _step(self, function: Callable, *tensors: Any) -> Step:
        made = self.made(function)
        return lambda: made(*tensors)

    def matmul(self, problem: Matmul) -> Step:
        given = self._given(problem)
        return self._step(lambda a, b: (a @ b,), given["a"], given["b"])

    def add(self, problem: Add) -> Step:
        given = self._given(problem)
        return self._step(lambda a, b: (a + b,), given["a"], given["b"])

    def function(self, problem: Function) -> Step:
        function = getattr(wg, problem.name)
        return self._step(lambda *xs: (function(*xs),), *self._given(problem).values())

    def shading(self, problem: Shading) -> Step:
        written = SHADING[problem.name]
        f = written.ops if self.composed else wg.kernel.elementwise(written.text, "f")

        def values(*inputs: Any) -> Any:
            found = f(*inputs)
            return found if problem.summed is None else found.sum(problem.summed)

        if problem.gradient:
            return self._with_gradients(
                problem, lambda *given: (values(*given[:-1]) * given[-1]).sum()
            )
        given = self._given(problem)
        return self._step(lambda *xs: (values(*xs),), *(given[name] for name in problem.names))

    def frontend(self, problem: FrontEnd) -> Step:
        texts = (f"{long_text()}\n// {k}" for k in count())  # a new one each time

        def step() -> tuple:
            wg.kernel.elementwise(next(texts), "all_of_them").derivative_wgsl()
            return ()

        return step

    def reduction(self, problem: Reduction) -> Step:
        given = self._given(problem)
        return self._step(lambda x: (x.sum(problem.axis),), given["x"])

    def softmax(self, problem: Softmax) -> Step:
        return self._step(lambda x: (wg.softmax(x),), self._given(problem)["x"])

    def elementwise(self, problem: Elementwise) -> Step:
        given = self._given(problem)

        def chain(x: Any, y: Any) -> tuple:
            for _ in range(problem.length):
                x = (x * 0.9 + y).relu() - 0.5
            return (x,)

        return self._step(chain, given["x"], given["y"])

    def tinysteps(self, problem: TinySteps) -> Step:
        def chain(x: Any) -> tuple:
            for _ in range(problem.length):
                x = x * 1.01 + 0.1
            return (x,)

        return self._step(chain, self._given(problem)["x"])

    def mlp(self, problem: Mlp) -> Step:
        given = self._given(problem)
        model = wg.nn.MLP(problem.sizes[0], list(problem.sizes[1:]), hidden="tanh", seed=0)
        for i, layer in enumerate(model.layers):
            layer.weight.assign(given[f"w{i}"])
            layer.bias.assign(given[f"b{i}"])
        return self._training(problem, list(model.parameters()), model, given)

    def cnn(self, problem: Cnn) -> Step:
        given = self._given(problem)
        parameters = [given[name].requires_grad_() for name in problem.names]
        k1, c1, k2, c2, w, b = parameters

        def logits(x: Any) -> Any:
            h = F.max_pool2d(F.conv2d(x, k1, c1, padding=1).relu(), 2)
            h = F.max_pool2d(F.conv2d(h, k2, c2, padding=1).relu(), 2)
            return wg.matmul(h.flatten(1), w.T) + b

        return self._training(problem, parameters, logits, given)

    def layer(self, problem: Layer) -> Step:
        given = self._given(problem)
        how = {"dropout": 0.0} if problem.kind == "TransformerEncoderLayer" else {}
        model = getattr(wg.nn, problem.kind)(*problem.sizes, **how)
        model.load_state_dict({name: given[name] for name in problem.weights()})
        optimizer = wg.optim.Adam(model.parameters(), lr=problem.lr)

        def step(x: Any, y: Any) -> tuple:
            out = model(x)
            out = out[0] if isinstance(out, tuple) else out
            loss = F.mse_loss(out, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return self._step(step, given["x"], given["y"])

    def _training(self, problem: Any, parameters: list, logits: Callable, given: dict) -> Step:
        rule = getattr(wg.optim, getattr(problem, "optimizer", "SGD"))
        optimizer = rule(parameters, lr=problem.lr)

        def step(x: Any, y: Any) -> tuple:
            loss = wg.nn.cross_entropy(logits(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return self._step(step, given["x"], given["y"])

    def normblock(self, problem: NormBlock) -> Step:
        def loss(x, scale, shift, w1, b1, w2, ct) -> Any:
            h = gelu(layer_norm(x, scale, shift) @ w1 + b1)
            return (h @ w2 * ct).sum()

        return self._with_gradients(problem, loss)

    def attention(self, problem: Attention) -> Step:
        def loss(q, k, v, ct) -> Any:
            weights = wg.softmax(q @ k.mT / problem.width**0.5)
            return (weights @ v * ct).sum()

        return self._with_gradients(problem, loss)

    def transformer(self, problem: Transformer) -> Step:
        given = self._given(problem)
        parameters = [given[name].requires_grad_() for name in problem.names]
        q, k, v, out, up, cu, down, cd = parameters
        n, heads = problem.width, problem.heads
        optimizer = wg.optim.AdamW(parameters, lr=problem.lr, weight_decay=0.01)

        def headed(x: Any, w: Any) -> Any:
            split = (x @ w.T).reshape((problem.batch, problem.tokens, heads, n // heads))
            return wg.permute_dims(split, (0, 2, 1, 3))

        def step(x: Any, y: Any) -> tuple:
            h = F.layer_norm(x, (n,))
            weights = wg.softmax(headed(h, q) @ headed(h, k).mT / (n // heads) ** 0.5)
            joined = wg.permute_dims(weights @ headed(h, v), (0, 2, 1, 3)).reshape(x.shape)
            x = x + joined @ out.T
            x = x + gelu(F.layer_norm(x, (n,)) @ up.T + cu) @ down.T + cd
            loss = (x - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return self._step(step, given["x"], given["y"])

    def convolution(self, problem: Convolution) -> Step:
        how = {"stride": problem.stride, "padding": problem.padding}
        return self._with_gradients(problem, lambda x, k, ct: (F.conv2d(x, k, **how) * ct).sum())

    def _with_gradients(self, problem: Any, loss: Callable) -> Step:
        given = self._given(problem)
        both = wg.value_and_grad(loss, tuple(range(len(problem.names))))

        def step(*tensors: Any) -> tuple:
            value, gradients = both(*tensors)
            return (value, *gradients)

        return self._step(step, *(given[name] for name in (*problem.names, "ct")))

    def saving(self, problem: Saving) -> Step:
        given, path = self._given(problem), scratch("x.safetensors")

        def step() -> tuple:
            wg.save(given, path)
            return (given["w0"],)

        return step

    def loading(self, problem: Loading) -> Step:
        self.saving(problem)()
        path = scratch("x.safetensors")
        return lambda: tuple(wg.load(path).values())
