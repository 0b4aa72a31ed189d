"""Worker processes: each runs one contender, so that no library disturbs another.

Two implementations of WebGPU, or two sets of threads, live badly in one process; and what ends a
process ends only that contender. The protocol: a request is the name of a method of `Session` and
its arguments; the answer is ("ok", value) or ("absent", why).
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from .contenders import Contender
from .peers.base import About, AbsentError, Peer, Step
from .problems import Problem

PATIENCE = 600.0  # seconds that a worker may take for an answer
SAMPLED = 4096  # elements of an output that are compared
WARM_SECONDS = 3.0  # for the steps of `Peer.warm`
FIRST_CALLS = 2  # a function may trace at its first two calls; the third replays


@dataclass
class Built:
    """A step that is ready: what it returned so far, and about how long it takes."""

    outputs: list[list[np.ndarray]]  # of every step that is compared, a sample of each output
    seconds: float
    kernels: int | None


class Session:
    """A contender at work: its methods are the requests that a worker answers."""

    def __init__(self, contender: Contender):
        self._peer: Peer = importlib.import_module(contender.module).start(**contender.options)
        self._step: Step | None = None
        self._clock = time.process_time if contender.cpu else time.perf_counter

    def about(self) -> About:
        """Say what takes part."""
        return self._peer.about()

    def build(self, problem: Problem) -> Built:
        """Make the step of a problem and run it until it is warm."""
        self._step = None  # and the memory of the last one is free
        step = self._step = self._peer.build(problem)
        outputs = [[_sample(self._peer.host(x)) for x in step()] for _ in range(self._peer.checked)]
        end = time.perf_counter() + WARM_SECONDS
        for _ in range(self._peer.warm):
            if time.perf_counter() > end:
                break
            step()
            self._peer.wait()
        return Built(outputs, min(self.time(1) for _ in range(2)), self._peer.kernels(step))

    def time(self, count: int) -> float:
        """Return the seconds of a step, out of `count` that are awaited together."""
        return self._timed(self._step, count) / count

    def first(self, problem: Problem) -> float:
        """Make the step of a problem and return the seconds of its first calls."""
        return self._timed(self._peer.build(problem), FIRST_CALLS)

    def _timed(self, step: Step | None, count: int) -> float:
        if step is None:
            raise AbsentError("no problem was built")
        self._peer.wait()
        start = self._clock()
        for _ in range(count):
            step()
        self._peer.wait()
        return self._clock() - start


def _sample(x: np.ndarray) -> np.ndarray:
    """Return the elements that are compared, evenly spread."""
    flat = np.asarray(x, np.float64).ravel()
    return flat[:: max(1, flat.size // SAMPLED)]


def serve(connection: Connection, contender: Contender) -> None:
    """Answer requests, a method's name and its arguments, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for who asks
    session: Session | None = None
    while True:
        try:
            request, *arguments = connection.recv()
        except EOFError:
            return
        try:
            session = session or Session(contender)
            answer = "ok", getattr(session, request)(*arguments)
        except Exception as error:  # whatever keeps a peer away, the others go on
            answer = "absent", _why(error)
        connection.send(answer)


def _why(error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    known = isinstance(error, (AbsentError, ImportError))
    return text if known else f"{type(error).__name__}: {text}"


class Worker:
    """A contender in a process of its own, seen from outside.

    Raises: AbsentError when it cannot take part, here and in every request.
    """

    def __init__(self, contender: Contender):
        context = multiprocessing.get_context("spawn")  # a driver does not survive a fork
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, contender), daemon=True)
        with _environment(contender.environment):
            self._process.start()
        other.close()
        self.about: About = self.ask("about")

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.is_alive()

    def ask(self, request: str, *arguments: Any) -> Any:
        """Return the answer of the session's method `request`."""
        try:
            self._connection.send((request, *arguments))
            if not self._connection.poll(PATIENCE):
                self._process.kill()
                self._process.join()
                raise AbsentError(f"no answer in {PATIENCE:.0f} s")
            kind, value = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(10)
            raise AbsentError(f"its process ended with {self._process.exitcode}") from error
        if kind == "absent":
            raise AbsentError(value)
        return value

    def close(self) -> None:
        """End the process; it may be gone already."""
        self._connection.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a process that is started inside: libraries read them when they load."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Pool:
    """The workers of a run: started when they are first needed, and again when they ended."""

    def __init__(self, contenders: dict[str, Contender]):
        self.contenders = contenders
        self._workers: dict[str, Worker] = {}
        self._absent: dict[str, str] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers.values():
            worker.close()

    def get(self, name: str) -> Worker:
        """Return a worker that runs. Raises: AbsentError, again and again where none ever did."""
        if name in self._absent:
            raise AbsentError(self._absent[name])
        if name not in self._workers or not self._workers[name].alive:
            try:
                self._workers[name] = self.start(name)
            except AbsentError as error:
                self._absent[name] = str(error)
                raise
        return self._workers[name]

    def start(self, name: str) -> Worker:
        """Return a new worker that belongs to the caller."""
        return Worker(self.contenders[name])

    def about(self) -> dict[str, About]:
        """Return who took part, by name."""
        return {name: worker.about for name, worker in self._workers.items()}
