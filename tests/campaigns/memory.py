"""Functions over ever new shapes, eager and compiled: caches stay bounded, memory comes back.

Each program is a short function at a shape, dtype and layout of its own, run uncompiled and
compiled; its values are compared with NumPy. When its tensors and its compiled function are gone,
the device holds as many bytes as before; no cache holds more than its bound; and after WARM
programs of a process its memory does not grow by more than GROWTH.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.backends.webgpu.memory import KEPT
from wgrad.recent import Recent, Shared

SHARE = 2
WARM = 500
GROWTH = 64  # MB
_seen = {"programs": 0, "megabytes": 0}

Step = tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


STEPS: list[Step] = [
    (lambda x: x * 2 + 1, lambda x: x * 2 + 1),
    (wg.tanh, np.tanh),
    (lambda x: wg.softmax(x, -1), _softmax),
    (lambda x: x - x.mean(0), lambda x: x - x.mean(0)),
    (lambda x: x[::-1], lambda x: x[::-1]),
    (lambda x: x.T, lambda x: x.T),
    (lambda x: wg.concat([x, x], 0), lambda x: np.concatenate([x, x])),
    (lambda x: wg.cumulative_sum(x, axis=1), lambda x: np.cumsum(x, 1)),
    (lambda x: wg.matmul(x, x.T) / x.shape[1], lambda x: x @ x.T / x.shape[1]),
    (lambda x: wg.take(x, wg.arange(x.shape[0])[::-1], 0), lambda x: x[::-1]),
    (lambda x: wg.max(x, axis=1, keepdims=True) + x, lambda x: x.max(1, keepdims=True) + x),
    (lambda x: wg.pad(x, 1), lambda x: np.pad(x, 1)),
]


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    gc.collect()
    before = held(device)
    wrong = _run(rng, device)
    gc.collect()
    if wrong is None and held(device) > before:
        wrong = f"{before} bytes were held before, and {held(device)} are after it"
    return wrong or _unbounded(device) or _grown()


def _run(rng: np.random.Generator, device: Device) -> str | None:
    """Return what is wrong with the values of one function."""
    chosen = [STEPS[i] for i in rng.integers(0, len(STEPS), int(rng.integers(1, 4)))]
    shapes = [(int(rng.integers(1, 60)), int(rng.integers(1, 400))) for _ in range(2)]

    def function(x: Any) -> Any:
        for ours, _ in chosen:
            x = ours(x)
        return x

    compiled = wg.compile(function)
    for shape in shapes:
        host = rng.standard_normal(shape).astype(np.float32)
        x, right = wg.tensor(host), host.astype(np.float64)
        scale = 1.0
        for _, theirs in chosen:
            right = theirs(right)
            scale = max(scale, np.abs(right).max())
        for f in (function, compiled, compiled, compiled):
            found = f(x).numpy()
            if not np.allclose(found, right, rtol=1e-3, atol=1e-5 * scale):
                return f"shape {shape}: {np.abs(found - right).max()} off"
    return None


def held(device: Device) -> int:
    """Return the bytes of device memory that tensors and programs hold; the pool's are free."""
    pool = getattr(device, "pool", None)
    if pool is None:
        return 0
    pool._take_back()
    return wg.stats()["bytes_allocated"] - pool._free_bytes


def caches(device: Device) -> Iterator[tuple[str, Recent]]:
    """Iterate over the caches of a device, by name."""
    gpu, products = getattr(device, "gpu", None), getattr(device, "products", None)
    for owner in (device, gpu, products):
        for name, value in vars(owner).items() if owner is not None else ():
            if isinstance(value, (Recent, Shared)):
                yield name, value._recent if isinstance(value, Shared) else value


def _unbounded(device: Device) -> str | None:
    for name, cache in caches(device):
        if cache.count > cache.limit:
            return f"{name} holds {cache.count}, and its bound is {cache.limit}"
    pool = getattr(device, "pool", None)
    gpu: Any = getattr(device, "gpu", None)  # both are there on a GPU alone
    if pool is not None:
        if pool._free_bytes > KEPT:
            return f"the pool holds {pool._free_bytes} free bytes"
        keys = sum(len(buffer.groups) for buffer in gpu._alive.values())
        if keys > 8 * gpu._groups.count:
            return f"buffers name {keys} bind groups, of which there are few"
    return None


def _grown() -> str | None:
    """Return by how much the process has grown since it was warm, if by too much."""
    status = Path("/proc/self/status")
    _seen["programs"] += 1
    if _seen["programs"] % 100 or _seen["programs"] < WARM or not status.exists():
        return None
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
    now = int(line.split()[1]) // 1024
    _seen["megabytes"] = _seen["megabytes"] or now
    if now > _seen["megabytes"] + GROWTH:
        return f"{now} MB after {_seen['programs']} programs, {_seen['megabytes']} after {WARM}"
    return None
