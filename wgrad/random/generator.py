"""Streams of random numbers: a generator is a seed and how many numbers it has given.

Without another one, drawing functions take from the global stream, which `manual_seed` starts
again. Knows no device: the numbers are computed where they are drawn.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any, NamedTuple

import numpy as np

from .. import forking
from ..backends.threefry import split_seed
from ..checks.arguments import count as check_count
from ..core import caller, place
from ..core.tracing import tracing
from ..errors import ArgumentError, shown
from ..repeated import taken_again


class Generator:
    """A stream of random numbers: a seed (0 to 2**64 - 1) and the count of numbers taken so far.

    Passed as `generator=`. Pickles and copies go on from where the stream is. Raises:
    ArgumentError.
    """

    def __init__(self, seed: int):
        self.seed = _checked_seed(seed, "Generator")
        self.counter = 0
        self._lock = threading.RLock()  # a handler of a signal may draw in the midst of a draw
        forking.register(self, "_lock", order=1)

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, counter={self.counter})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _generator_at, (self.seed, self.counter)  # a lock cannot be pickled

    def take(self, count: int) -> tuple[tuple[int, int], int]:
        """Return the key and the first counter of `count` numbers, which are now used.

        Raises: ArgumentError.
        """
        count = check_count(count, "Generator.take", "count")
        again, passes = taken_again(self, count)
        if again is None:
            with self._lock:
                first = self.counter
                self.counter += count
        else:
            first = again
        for draws in passes:
            draws.note(self, first, count)
        tracer = tracing()
        if tracer is not None:
            tracer.numbers_taken(self, first, count)
        return split_seed(self.seed), first


def _checked_seed(seed: Any, where: str) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ArgumentError(
            f"{where}: seed {shown(seed)} came, and an integer from 0 to 2**64 - 1 is needed"
        )
    return int(seed)


Seed = int | Generator | None


def stream_of(seed: Seed) -> Generator | None:
    """Return the stream to draw initial weights from; None stands for the global one."""
    return seed if seed is None or isinstance(seed, Generator) else Generator(seed)


def _generator_at(seed: int, counter: int) -> Generator:
    made = Generator(seed)
    made.counter = counter
    return made


_generator = Generator(secrets.randbits(64))


def refuse_in_trace(where: str) -> None:
    """Raise TraceError while a function is traced: this would be done in the trace alone."""
    if (tracer := tracing()) is not None:
        tracer.refuse(
            f"the function calls {where} at {place(caller())}, which works on the host "
            "and would not be done again: call it outside and pass what comes of it"
        )


def manual_seed(seed: int) -> None:
    """Start the global stream of `seed`: an integer from 0 to 2**64 - 1."""
    global _generator
    refuse_in_trace("manual_seed")
    _generator = Generator(_checked_seed(seed, "manual_seed"))


def global_generator() -> Generator:
    """Return the stream that drawing functions take from when they are given none."""
    return _generator


class RngState(NamedTuple):
    """Where the global stream of random numbers is."""

    seed: int
    counter: int


def get_rng_state() -> RngState:
    """Return (seed, counter), which `set_rng_state` takes."""
    refuse_in_trace("get_rng_state")
    return RngState(_generator.seed, _generator.counter)


def set_rng_state(state: tuple[int, int]) -> None:
    """Go back to a state that `get_rng_state` returned."""
    global _generator
    refuse_in_trace("set_rng_state")
    whole = isinstance(state, (tuple, list)) and len(state) == 2
    if not whole or not isinstance(state[1], (int, np.integer)) or not 0 <= state[1] < 2**64:
        raise ArgumentError(
            f"set_rng_state: {shown(state)} came, and what get_rng_state returned is needed: "
            "(seed, counter)"
        )
    _generator = _generator_at(_checked_seed(state[0], "set_rng_state"), int(state[1]))


def stream(generator: Generator | None, where: str) -> Generator:
    """Return the stream to draw from. Raises: ArgumentError for what is no Generator."""
    if generator is None:
        return _generator
    if not isinstance(generator, Generator):
        raise ArgumentError(
            f"{where}: generator={shown(generator)} came; wg.Generator(seed) is needed"
        )
    return generator
