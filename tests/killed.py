"""A run of wg.fit that is killed at random moments, gone on with, and compared with a whole one.

`python tests/killed.py FOLDER DEVICE KILLS SEED` prints "same", or what differs. The runs are
forked before any device is opened: starting Python anew for each would take most of the time.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.train import checkpoint as files

EPOCHS = 12


def train(path: Path, device: str, epochs: int) -> wg.train.History:
    """Train with all that has state: dropout, momentum, a shuffle, validation, a log."""
    with wg.device(device):
        wg.manual_seed(3)
        rng = np.random.default_rng(0)
        x = wg.tensor(rng.standard_normal((24, 3)).astype(np.float32))
        y = wg.tensor((rng.random(24) * 2).astype(np.int32))
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 2))
        data = wg.data.TensorDataset(x, y)
        loader = wg.data.DataLoader(data, 8, shuffle=True)
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        return wg.fit(
            model, loader, wg.cross_entropy, optimizer, epochs, validation=[(x, y)],
            metrics="accuracy", checkpoint=path, log=path.with_suffix(".csv"), progress=False,
        )  # fmt: skip


def started(path: Path, device: str, epochs: int) -> int:
    """Start a run in a process of its own, which ends without any farewell; return its number."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            train(path, device, epochs)
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def plain(x: Any) -> Any:
    """Return a state with tensors as bytes."""
    if isinstance(x, wg.Tensor):
        return x.numpy().tobytes()
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x


def difference(folder: Path, device: str, kills: int, seed: int) -> str | None:
    """Return what is wrong with runs that are killed so many times; None where nothing is."""
    dice = random.Random(seed)
    whole, torn = folder / "whole.ckpt", folder / "torn.ckpt"
    if (status := ended(started(whole, device, EPOCHS))) != 0:
        return f"the whole run ended with {status}"
    begun, before = time.monotonic(), 0
    done = 0
    while done < kills:
        pid = started(torn, device, EPOCHS)
        seen = torn.stat().st_mtime_ns if torn.exists() else 0
        # Until it has written once at least, for a run that never comes that far gets nowhere.
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            now = torn.stat().st_mtime_ns if torn.exists() else 0
            if now != seen or time.monotonic() - begun > 60:
                break
            time.sleep(0.0005)
        else:
            torn.unlink()  # it came to its end: begin anew
            before = 0
            continue
        time.sleep(dice.random() * 0.03)
        os.kill(pid, signal.SIGKILL)  # one that has ended is waited for only below
        ended(pid)
        done, begun = done + 1, time.monotonic()
        epochs = len(files.read(torn)["history"]["lists"]["epoch"])
        if epochs < before:
            return f"{epochs} epochs are left of {before}"
        before = epochs
        if epochs == EPOCHS and done < kills:
            torn.unlink()
            before = 0
    if (status := ended(started(torn, device, EPOCHS))) != 0:
        return f"the last run ended with {status}"
    one, other = (plain(files.read(path)) for path in (whole, torn))
    wrong = [name for name in one if one[name] != other[name]]
    logs = [path.with_suffix(".csv").read_text() for path in (whole, torn)]
    wrong += ["the log"] * (logs[0] != logs[1])
    left = sorted(p.name for p in folder.iterdir() if not p.name.startswith(("whole", "torn")))
    return f"{', '.join(wrong + left)} differ" if wrong or left else None


if __name__ == "__main__":
    print(difference(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])) or "same")
