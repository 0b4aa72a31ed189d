"""tinygrad with its JIT, on WebGPU through Dawn: the only peer that runs on our adapter."""

from __future__ import annotations

import ctypes
import os
import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..problems import (
    Add,
    Attention,
    Cnn,
    Convolution,
    Elementwise,
    Matmul,
    Mlp,
    NormBlock,
    Problem,
    Reduction,
    Softmax,
    Transformer,
)
from .base import About, AbsentError, Peer, Step


def _dawn() -> str:
    """Return where the package dawn-python keeps the library. Raises: AbsentError."""
    spec = find_spec("pydawn")
    if spec is None or spec.origin is None:
        raise AbsentError("dawn-python is not installed")
    machine = {"AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    end = {"Darwin": f"_{machine}.dylib", "Windows": ".dll"}.get(
        platform.system(), f"_{machine}.so"
    )
    return str(Path(spec.origin).parent / "lib" / f"libwebgpu_dawn{end}")


def start() -> TinygradPeer:
    if find_spec("tinygrad") is None:
        raise AbsentError("tinygrad is not installed")
    os.environ.setdefault("WEBGPU_PATH", _dawn())
    os.environ.update(DEV="WEBGPU", TRAINING="1")
    return TinygradPeer()


class TinygradPeer(Peer):
    """tinygrad: every step is one function under TinyJit, which replays from the third call on."""

    checked = 4  # the JIT runs plainly, captures, and then replays twice

    def __init__(self) -> None:
        import tinygrad
        from tinygrad.nn import optim

        self.tinygrad, self.optim = tinygrad, optim
        self.device = tinygrad.Device[tinygrad.Device.DEFAULT]

    def about(self) -> About:
        from tinygrad.runtime.autogen import webgpu

        info = webgpu.WGPUAdapterInfo()
        webgpu.wgpuDeviceGetAdapterInfo(self.device.device_res, info)
        name = ctypes.string_at(info.device.data, info.device.length).decode()
        software = info.adapterType == webgpu.WGPUAdapterType_CPU
        return About(f"tinygrad {version('tinygrad')}", f"Dawn, {name}", software, name)

    def host(self, output: Any) -> np.ndarray:
        return output.numpy()

    def wait(self) -> None:
        self.device.synchronize()

    def _given(self, problem: Problem) -> dict[str, Any]:
        return {k: self.tinygrad.Tensor(v).realize() for k, v in problem.arrays().items()}

    def _jitted(self, compute: Any) -> Step:
        """Return a step whose outputs are scheduled at once, so that they share their kernels."""

        def step() -> tuple:
            first, *others = compute()
            first.realize(*others)
            return (first, *others)

        return self.tinygrad.TinyJit(step)

    def matmul(self, problem: Matmul) -> Step:
        given = self._given(problem)
        return self._jitted(lambda: (given["a"] @ given["b"],))

    def add(self, problem: Add) -> Step:
        given = self._given(problem)
        return self._jitted(lambda: (given["a"] + given["b"],))

    def reduction(self, problem: Reduction) -> Step:
        x = self._given(problem)["x"]
        return self._jitted(lambda: (x.sum(problem.axis),))

    def softmax(self, problem: Softmax) -> Step:
        x = self._given(problem)["x"]
        return self._jitted(lambda: (x.softmax(),))

    def elementwise(self, problem: Elementwise) -> Step:
        given = self._given(problem)

        def compute() -> tuple:
            x = given["x"]
            for _ in range(problem.length):
                x = (x * 0.9 + given["y"]).relu() - 0.5
            return (x,)

        return self._jitted(compute)

    def mlp(self, problem: Mlp) -> Step:
        given = self._given(problem)
        layers = range(len(problem.sizes) - 1)
        parameters = [given[f"{kind}{i}"] for i in layers for kind in "wb"]

        def logits() -> Any:
            h = given["x"]
            for i in layers:
                h = (h.tanh() if i else h).linear(given[f"w{i}"].T, given[f"b{i}"])
            return h

        return self._training(problem, parameters, logits, given["y"])

    def cnn(self, problem: Cnn) -> Step:
        given = self._given(problem)
        parameters = [given[name] for name in problem.names]

        def logits() -> Any:
            h = given["x"].conv2d(given["k1"], given["c1"], padding=1).relu().max_pool2d()
            h = h.conv2d(given["k2"], given["c2"], padding=1).relu().max_pool2d()
            return h.flatten(1).linear(given["w"].T, given["b"])

        return self._training(problem, parameters, logits, given["y"])

    def _training(self, problem: Any, parameters: list[Any], logits: Any, y: Any) -> Step:
        rule = getattr(self.optim, getattr(problem, "optimizer", "SGD"))
        optimizer = rule(parameters, lr=problem.lr)

        def step() -> tuple:
            optimizer.zero_grad()
            loss = logits().sparse_categorical_crossentropy(y)
            loss.backward()
            return (loss.realize(*optimizer.schedule_step()),)

        return self.tinygrad.TinyJit(step)

    def normblock(self, problem: NormBlock) -> Step:
        given = self._given(problem)

        def compute() -> tuple:
            h = given["x"].layernorm() * given["scale"] + given["shift"]
            h = (h @ given["w1"] + given["b1"]).gelu()
            loss = (h @ given["w2"] * given["ct"]).sum()
            return (loss, *loss.gradient(*(given[name] for name in problem.names)))

        return self._jitted(compute)

    def attention(self, problem: Attention) -> Step:
        given = self._given(problem)

        def compute() -> tuple:
            q, k, v = (given[name] for name in problem.names)
            weights = (q @ k.transpose(-1, -2) / problem.width**0.5).softmax()
            loss = (weights @ v * given["ct"]).sum()
            return (loss, *loss.gradient(q, k, v))

        return self._jitted(compute)

    def transformer(self, problem: Transformer) -> Step:
        given = self._given(problem)
        q, k, v, out, up, cu, down, cd = parameters = [given[name] for name in problem.names]
        n, heads = problem.width, problem.heads
        optimizer = self.optim.AdamW(parameters, lr=problem.lr, weight_decay=0.01)

        def headed(x: Any, w: Any) -> Any:
            split = (x @ w.T).reshape(problem.batch, problem.tokens, heads, n // heads)
            return split.permute(0, 2, 1, 3)

        def step() -> tuple:
            x = given["x"]
            h = x.layernorm()
            scores = headed(h, q) @ headed(h, k).transpose(-1, -2) / (n // heads) ** 0.5
            joined = (scores.softmax() @ headed(h, v)).permute(0, 2, 1, 3).reshape(*x.shape)
            x = x + joined @ out.T
            x = x + (x.layernorm() @ up.T + cu).gelu() @ down.T + cd
            optimizer.zero_grad()
            loss = (x - given["y"]).square().mean()
            loss.backward()
            return (loss.realize(*optimizer.schedule_step()),)

        return self.tinygrad.TinyJit(step)

    def convolution(self, problem: Convolution) -> Step:
        given = self._given(problem)

        def compute() -> tuple:
            x, k = (given[name] for name in problem.names)
            out = x.conv2d(k, stride=problem.stride, padding=problem.padding)
            loss = (out * given["ct"]).sum()
            return (loss, *loss.gradient(x, k))

        return self._jitted(compute)
