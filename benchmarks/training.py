"""What a loop costs: a step of DataLoader and wg.fit against the bare compiled step, and memory.

All of it in one process: an epoch of fit, one of a loop by hand over the same loader, and as many
bare steps on batches that lie ready take turns, and each epoch is compared with the bare steps
after it. Nobody makes the batches of bare steps, nor their order; fit and the loader draw an order
for each epoch and gather the rows, and so does the loop "by hand", with NumPy.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import wgrad as wg
from wgrad import nn, optim
from wgrad.data import DataLoader, TensorDataset

BATCH, STEPS = 64, 50  # samples in a batch, batches in an epoch
WIDTHS = ((64, 32, 10), (784, 128, 10))
LONG = 10_000  # steps over which memory is watched
GOAL = 1.05


class Contest(wg.train.Callback):
    """Times each epoch of a run, and after it what it is compared with."""

    def __init__(self, device: Any, others: dict[str, Callable[[], None]]):
        self.device, self.others = device, others
        self.seconds: dict[str, list[float]] = {name: [] for name in ("fit", *others)}

    def _timed(self, name: str, start: float) -> None:
        self.device.synchronize()
        self.seconds[name].append(time.perf_counter() - start)

    def on_epoch_begin(self, run: Any) -> None:
        """Start the clock."""
        self.device.synchronize()
        self._start = time.perf_counter()

    def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Stop it, and let the others run."""
        self._timed("fit", self._start)
        for name, other in self.others.items():
            start = time.perf_counter()
            other()
            self._timed(name, start)

    def step(self, name: str) -> float:
        """Return the median seconds of a step; the first epochs, which trace, do not count."""
        return statistics.median(self.seconds[name][2:]) / STEPS

    def ratio(self, name: str) -> float:
        """Return how much of a bare step a step takes: the median over epochs."""
        pairs = zip(self.seconds[name][2:], self.seconds["bare"][2:], strict=True)
        return statistics.median([x / bare for x, bare in pairs])


def _task(widths: Sequence[int]) -> tuple[nn.Module, DataLoader, optim.Optimizer]:
    wg.manual_seed(0)
    model = nn.MLP(widths[0], list(widths[1:]), hidden="tanh")
    rows = BATCH * STEPS
    data = TensorDataset(wg.randn(rows, widths[0]), wg.randint(0, widths[-1], (rows,)))
    return model, DataLoader(data, BATCH, shuffle=True), optim.SGD(model.parameters(), lr=0.1)


def contest(device: Any, widths: Sequence[int], rounds: int) -> Contest:
    """Time fit, a loop over its loader, and bare steps on batches that lie ready."""
    with device:
        model, loader, optimizer = _task(widths)

        @wg.compile(state=[model, optimizer])
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = wg.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        ready = list(loader)

        def bare() -> None:
            for batch in ready:
                step(*batch)

        def loop() -> None:
            for batch in loader:
                step(*batch)

        rows = [x.numpy() for x in loader.dataset.tensors]

        def by_hand() -> None:
            order = np.random.permutation(BATCH * STEPS)
            for at in order.reshape(STEPS, BATCH):
                step(*[wg.tensor(x[at]) for x in rows])

        found = Contest(device, {"bare": bare, "loop": loop, "hand": by_hand})
        other, batches, rule = _task(widths)
        kind: dict[str, Any] = {"callbacks": found, "progress": False}
        wg.fit(other, batches, wg.cross_entropy, rule, rounds + 2, **kind)
    return found


def resident() -> float:
    """Return the memory that this process has, in MB; NaN where nobody says."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * 4096 / 1e6


class Memory(wg.train.Callback):
    """Notes the memory after each epoch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        """Note it."""
        self.seen.append(resident())


def growth(device: Any) -> tuple[float, float]:
    """Return the memory after a tenth of LONG steps and after all, in MB."""
    with device:
        model, loader, optimizer = _task(WIDTHS[0])
        memory = Memory()
        kind: dict[str, Any] = {"callbacks": memory, "progress": False}
        wg.fit(model, loader, wg.cross_entropy, optimizer, LONG // STEPS, **kind)
    return memory.seen[len(memory.seen) // 10], memory.seen[-1]


def table(rounds: int) -> Table:
    """Measure on every device, and return the table."""
    found = Table(title=f"a training step, batch {BATCH}, medians of {rounds} epochs of {STEPS}")
    headings = ("device", "MLP", "bare, us", "by hand", "loader", "loader and fit")
    for heading in (*headings, f"goal {GOAL}"):
        found.add_column(heading)
    devices = [wg.device(name) for name in ("numpy", "webgpu")]
    for device, widths in itertools.product(devices, WIDTHS):
        seen = contest(device, widths, rounds)
        ratio = seen.ratio("fit")
        found.add_row(
            device.name, "-".join(map(str, widths)), f"{seen.step('bare') * 1e6:.0f}",
            f"{seen.ratio('hand'):.2f}", f"{seen.ratio('loop'):.2f}", f"{ratio:.2f}",
            "met" if ratio <= GOAL else "missed",
        )  # fmt: skip
    for device in devices:
        early, late = growth(device)
        found.add_row(
            device.name, f"{LONG} steps of fit", "", "", "", f"{early:.0f} MB, then {late:.0f} MB",
            "flat" if late < early * 1.02 else "grows",
        )  # fmt: skip
    return found
