"""PyTorch, eager, on the CPU with two threads or on CUDA in full float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..problems import (
    Add,
    Attention,
    Cnn,
    Convolution,
    Elementwise,
    Layer,
    Loading,
    Matmul,
    Mlp,
    NormBlock,
    Problem,
    Reduction,
    Saving,
    Softmax,
)
from .base import About, AbsentError, Peer, Step, scratch


class TorchPeer(Peer):
    """PyTorch on one of its devices."""

    def __init__(self, device: str):
        if device == "cuda" and not torch.cuda.is_available():
            raise AbsentError("this torch has no CUDA device")
        torch.set_num_threads(2)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self.device = torch.device(device)

    def about(self) -> About:
        name = f"torch {torch.__version__}"
        if self.device.type == "cuda":
            return About(name, f"{torch.cuda.get_device_name()}, TF32 off", software=False)
        return About(name, f"CPU, {torch.get_num_threads()} threads")

    def host(self, output: Any) -> np.ndarray:
        return output.detach().cpu().numpy()

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _given(self, problem: Problem) -> dict[str, Any]:
        found = {k: torch.tensor(v, device=self.device) for k, v in problem.arrays().items()}
        return {k: v.long() if k == "y" and v.dtype == torch.int32 else v for k, v in found.items()}

    def matmul(self, problem: Matmul) -> Step:
        given = self._given(problem)
        return lambda: (given["a"] @ given["b"],)

    def add(self, problem: Add) -> Step:
        given = self._given(problem)
        return lambda: (given["a"] + given["b"],)

    def reduction(self, problem: Reduction) -> Step:
        x, axis = self._given(problem)["x"], problem.axis
        return lambda: (x.sum() if axis is None else x.sum(axis),)

    def softmax(self, problem: Softmax) -> Step:
        x = self._given(problem)["x"]
        return lambda: (torch.softmax(x, 1),)

    def elementwise(self, problem: Elementwise) -> Step:
        given = self._given(problem)

        def step() -> tuple:
            x = given["x"]
            for _ in range(problem.length):
                x = torch.relu(x * 0.9 + given["y"]) - 0.5
            return (x,)

        return step

    def mlp(self, problem: Mlp) -> Step:
        given = self._given(problem)
        layers = range(len(problem.sizes) - 1)
        parameters = [given[f"{kind}{i}"].requires_grad_() for i in layers for kind in "wb"]

        def logits() -> Any:
            h = given["x"]
            for i in layers:
                h = F.linear(torch.tanh(h) if i else h, given[f"w{i}"], given[f"b{i}"])
            return h

        return self._training(problem, parameters, logits, given["y"])

    def cnn(self, problem: Cnn) -> Step:
        given = self._given(problem)
        parameters = [given[name].requires_grad_() for name in problem.names]

        def logits() -> Any:
            h = F.max_pool2d(torch.relu(F.conv2d(given["x"], given["k1"], given["c1"], 1, 1)), 2)
            h = F.max_pool2d(torch.relu(F.conv2d(h, given["k2"], given["c2"], 1, 1)), 2)
            return F.linear(h.flatten(1), given["w"], given["b"])

        return self._training(problem, parameters, logits, given["y"])

    def layer(self, problem: Layer) -> Step:
        given = self._given(problem)
        how = {"dropout": 0.0} if problem.kind == "TransformerEncoderLayer" else {}
        model = getattr(torch.nn, problem.kind)(*problem.sizes, **how)
        model.load_state_dict({name: given[name] for name in problem.weights()})
        optimizer = torch.optim.Adam(model.parameters(), lr=problem.lr)

        def step() -> tuple:
            out = model(given["x"])
            out = out[0] if isinstance(out, tuple) else out
            loss = F.mse_loss(out, given["y"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return step

    def _training(self, problem: Any, parameters: list[Any], logits: Any, y: Any) -> Step:
        optimizer = getattr(torch.optim, getattr(problem, "optimizer", "SGD"))(
            parameters, lr=problem.lr
        )

        def step() -> tuple:
            loss = F.cross_entropy(logits(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return (loss,)

        return step

    def normblock(self, problem: NormBlock) -> Step:
        given = self._given(problem)
        wanted = [given[name].requires_grad_() for name in problem.names]

        def loss() -> Any:
            h = F.layer_norm(given["x"], (problem.width,), given["scale"], given["shift"])
            h = F.gelu(h @ given["w1"] + given["b1"], approximate="tanh")
            return (h @ given["w2"] * given["ct"]).sum()

        return _with_gradients(loss, wanted)

    def attention(self, problem: Attention) -> Step:
        given = self._given(problem)
        wanted = [given[name].requires_grad_() for name in problem.names]
        q, k, v = wanted

        def loss() -> Any:
            weights = torch.softmax(q @ k.mT / problem.width**0.5, -1)
            return (weights @ v * given["ct"]).sum()

        return _with_gradients(loss, wanted)

    def convolution(self, problem: Convolution) -> Step:
        given = self._given(problem)
        x, k = wanted = [given[name].requires_grad_() for name in problem.names]

        def loss() -> Any:
            return (F.conv2d(x, k, None, problem.stride, problem.padding) * given["ct"]).sum()

        return _with_gradients(loss, wanted)

    def saving(self, problem: Saving) -> Step:
        given, path = self._given(problem), scratch("x.pt")

        def step() -> tuple:
            torch.save(given, path)
            return (given["w0"],)

        return step

    def loading(self, problem: Loading) -> Step:
        self.saving(problem)()
        path = scratch("x.pt")
        return lambda: tuple(torch.load(path, weights_only=True).values())


def _with_gradients(loss: Any, wanted: list[Any]) -> Step:
    def step() -> tuple:
        value = loss()
        return (value, *torch.autograd.grad(value, wanted))

    return step


def start(device: str) -> TorchPeer:
    return TorchPeer(device)
