"""wgpu by hand: naive kernels, and the kernels of a compiled program replayed without us."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import wgpu

import wgrad as wg
from wgrad.backends.array import Array
from wgrad.backends.webgpu.launches import folded
from wgrad.backends.webgpu.pipelines import PARAMS_BYTES
from wgrad.layout import Layout
from wgrad.program.run import build as program
from wgrad.program.run import executors

from ..byhand import ByHand, Dispatch, Recording, Replay
from ..problems import Add, Function, Matmul, Mlp, TinySteps
from .base import About, Peer, Step
from .ours import OurPeer

SHADERS = Path(__file__).parent.parent / "shaders"


def start(adapter: str = "") -> WgpuPeer:
    return WgpuPeer(adapter)


class WgpuPeer(Peer):
    """wgpu-py alone, on the adapter that our device took."""

    def __init__(self, adapter: str):
        self.ours = wg.device(f"webgpu:{adapter}" if adapter else "webgpu")
        self.hand = ByHand(self.ours.gpu.info["device"])

    def about(self) -> About:
        gpu = self.ours.gpu
        name = gpu.info["device"]
        return About(f"wgpu {wgpu.__version__}", name, self.ours.facts.is_software, name)

    def host(self, output: Any) -> np.ndarray:
        return output.read()[0]

    def wait(self) -> None:
        self.hand.wait()

    def _step(self, recording: Recording) -> Step:
        replay = self.hand.record(recording)

        def step() -> tuple[Replay]:
            replay()
            return (replay,)

        return step

    def matmul(self, problem: Matmul) -> Step:
        given, n = problem.arrays(), problem.n
        size = struct.pack("4I", n, n, n, 0)
        buffers = ((0, "read"), (1, "read"), (2, "read_write"))
        product = Dispatch(_source("matmul_naive"), buffers, (-(-n // 8), -(-n // 8)), size)
        out = np.zeros(n * n, np.float32)
        return self._step(Recording([product], [given["a"], given["b"], out], [(2, 0, (n, n))]))

    def add(self, problem: Add) -> Step:
        given, n = problem.arrays(), problem.n
        buffers = ((0, "read"), (1, "read"), (2, "read_write"))
        total = Dispatch(_source("add_naive"), buffers, (256, -(-n // 64 // 256)))
        out = np.zeros(n, np.float32)
        return self._step(Recording([total], [given["a"], given["b"], out], [(2, 0, (n,))]))

    def function(self, problem: Function) -> Step:
        """Return WGSL's builtin of that name, mapped over the vectors."""
        given, n = list(problem.arrays().values()), problem.n
        call = f"{problem.name}({', '.join('ab'[: problem.arity])})"
        code = _source("map_builtin").replace("pow(a, b)", call)
        buffers = ((0, "read"), (problem.arity - 1, "read"), (problem.arity, "read_write"))
        quads, out = n // 4, np.zeros(n, np.float32)
        mapped = Dispatch(code, buffers, folded(-(-quads // 512)), struct.pack("I", quads))
        return self._step(Recording([mapped], [*given, out], [(problem.arity, 0, (n,))]))

    def tinysteps(self, problem: TinySteps) -> Step:
        x, n = problem.arrays()["x"], problem.n

        def each(name: str, number: float, source: int, target: int) -> Dispatch:
            buffers = ((source, "read"), (target, "read_write"))
            return Dispatch(_source(name), buffers, (-(-n // 64), 1), struct.pack("f", number))

        first = each("multiply_number", 1.01, 0, 1)  # the start is read once: steps repeat
        steps = [each("multiply_number", 1.01, 2, 1), each("add_number", 0.1, 1, 2)]
        steps = [first, *(steps * problem.length)[1:]]
        return self._step(Recording(steps, [x, x, x], [(2, 0, (n,))]))

    def mlp(self, problem: Mlp) -> Step:
        """Return the kernels of our compiled step, replayed by hand."""
        self.checked = 1  # the recorded buffers stay what they are, where ours may take turns
        return self._step(recording_of_ours(problem, self.ours))


def _source(name: str) -> str:
    return (SHADERS / f"{name}.wgsl").read_text(encoding="utf-8")


def recording_of_ours(problem: Mlp, device: Any) -> Recording:
    """Return what one replay of our compiled step does, from the problem's first numbers on."""
    made: list[Any] = []
    given: list[np.ndarray] = []

    def build(*args: Any, **more: Any) -> Any:
        executor = program.build(*args, **more)
        run = executor.run

        def first_run(inputs: Any, *more: Any) -> Any:
            for slot, storage in zip(executor.program.inputs, inputs, strict=True):
                whole = Array(storage, Layout.dense((slot.size,)), slot.dtype)
                given.append(device.download(whole))
            executor.run = run
            return run(inputs, *more)

        executor.run = first_run
        made.append(executor)
        return executor

    with mock.patch.object(executors, "build", build):
        OurPeer(device.name, True).mlp(problem)()
    (executor,) = made
    launches = executor.launches
    sizes = {
        "block": launches.blocks,
        "output": [x.nbytes for x in launches.outputs],
        "swap": [x.nbytes for x in launches.inputs],
    }
    homes = list(dict.fromkeys(b[:2] for x in launches.launches for b in x.bindings))
    buffers = [
        given[nth] if kind == "input" else np.zeros(sizes[kind][nth] // 4, "f4")
        for kind, nth in homes
    ]
    dispatches = []
    for x in launches.launches:
        replayed = x if x.hot is None else x.hot  # by then the kernels that are used often
        kernel = launches.kernels[replayed.kernel]
        bound = tuple(
            (homes.index(b[:2]), "read" if access == "r" else "read_write")
            for b, access in zip(x.bindings, kernel.access, strict=True)
        )
        params = x.params.ljust(PARAMS_BYTES, b"\0")
        dispatches.append(Dispatch(kernel.code, bound, folded(replayed.groups), params))
    (loss,) = [("output", i) for i, x in enumerate(launches.outputs) if x.shape == ()]
    return Recording(dispatches, buffers, [(homes.index(loss), 0, ())])
