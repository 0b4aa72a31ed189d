"""How campaigns run: numbered programs of a seed, and what went wrong in each."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device

_NOT_CAMPAIGNS = ("base", "__main__")
SECONDS = 60  # from which a program hangs


class Difference(NamedTuple):
    """What went wrong, and in which program of a seed."""

    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        return f"seed {self.seed}, program {self.number}: {self.what}"


def names() -> list[str]:
    """Return the names of all campaigns."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(m.name for m in found if m.name not in _NOT_CAMPAIGNS)


def load(name: str) -> ModuleType:
    """Return a campaign's module."""
    return importlib.import_module(f"campaigns.{name}")


def differences(
    campaign: ModuleType, device: Device, *, seed: int, numbers: Iterable[int]
) -> Iterator[Difference]:
    """Try the programs of these numbers, and yield what goes wrong, as it does."""
    for number in numbers:
        rng = np.random.default_rng((seed, number))
        wg.manual_seed(number)
        try:
            with device, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                what = campaign.attempt(rng, device)
        except Exception:
            what = traceback.format_exc()
        if what is not None:
            yield Difference(seed, number, what)


class HangError(BaseException):
    """A program took too long."""


@contextmanager
def limited() -> Iterator[None]:
    """Raise HangError in a block that takes longer than SECONDS."""

    def stop(*_: Any) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
