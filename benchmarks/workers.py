"""Worker processes: each runs one contender, so that no library disturbs another.

Two implementations of WebGPU, or two sets of threads, live badly in one process; and what ends a
process ends only that contender. The protocol: the worker says who it is, then answers requests
(`build`, `time`, `first`) one at a time; every answer is ("ok", value) or ("absent", why).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from .contenders import Contender
from .peers.base import About, Absent, Peer, Step
from .problems import Problem

PATIENCE = 600.0  # seconds that a worker may take for an answer
SAMPLED = 4096  # elements of an output that are compared
FIRST_CALLS = 2  # a function may trace at its first two calls; the third replays


@dataclass
class Built:
    """A step that is ready: what it returned so far, and about how long it takes."""

    outputs: list[list[np.ndarray]]  # of every step that is compared, a sample of each output
    seconds: float
    kernels: int | None


def serve(connection: Connection, contender: Contender) -> None:
    """Answer requests until there are no more: what a worker process does."""
    os.environ.update(contender.environment)
    try:
        peer: Peer = importlib.import_module(contender.module).start(**contender.options)
        connection.send(("ok", peer.about()))
    except Exception as error:  # whatever keeps a peer away, the others go on
        connection.send(("absent", _why(error)))
        return
    step: Step | None = None
    while True:
        try:
            request, *arguments = connection.recv()
        except EOFError:
            return
        try:
            if request == "build":
                step = None  # and its memory is free
                step = peer.build(*arguments)
                answer = _warm(peer, step)
            elif request == "time":
                answer = _timed(peer, step, *arguments)
            else:
                answer = _timed(peer, peer.build(*arguments), FIRST_CALLS) * FIRST_CALLS
            connection.send(("ok", answer))
        except Exception as error:
            connection.send(("absent", _why(error)))


def _why(error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return text if isinstance(error, (Absent, ImportError)) else f"{type(error).__name__}: {text}"


def _warm(peer: Peer, step: Step) -> Built:
    outputs = [[_sample(peer.host(x)) for x in step()] for _ in range(peer.checked)]
    kernels = peer.kernels(step)
    return Built(outputs, min(_timed(peer, step, 1) for _ in range(2)), kernels)


def _sample(x: np.ndarray) -> np.ndarray:
    """Return the elements that are compared, evenly spread."""
    flat = np.asarray(x, np.float64).ravel()
    return flat[:: max(1, flat.size // SAMPLED)]


def _timed(peer: Peer, step: Step, count: int) -> float:
    """Return the seconds of a step, out of `count` that are awaited together."""
    peer.wait()
    start = time.perf_counter()
    for _ in range(count):
        step()
    peer.wait()
    return (time.perf_counter() - start) / count


class Worker:
    """A contender in a process of its own, seen from outside.

    Raises: Absent when it cannot take part, here and in every request.
    """

    def __init__(self, contender: Contender):
        context = multiprocessing.get_context("spawn")  # a driver does not survive a fork
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, contender), daemon=True)
        self._process.start()
        other.close()
        self.about: About = self._answer()

    def build(self, problem: Problem) -> Built:
        """Make the step of a problem and run it until it is warm."""
        return self._ask("build", problem)

    def time(self, count: int) -> float:
        """Run a round of steps and return the seconds of one."""
        return self._ask("time", count)

    def first(self, problem: Problem) -> float:
        """Make the step of a problem and return the seconds of its first calls."""
        return self._ask("first", problem)

    def close(self) -> None:
        """End the process; it may be gone already."""
        self._connection.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self, *request: object) -> object:
        try:
            self._connection.send(request)
        except OSError as error:
            raise Absent("its process has ended") from error
        return self._answer()

    def _answer(self) -> object:
        try:
            if not self._connection.poll(PATIENCE):
                self._process.kill()
                raise Absent(f"no answer in {PATIENCE:.0f} s")
            kind, value = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(10)
            raise Absent(f"its process ended with {self._process.exitcode}") from error
        if kind == "absent":
            raise Absent(value)
        return value


class Pool:
    """The workers of a run: started when they are first needed, and again when they ended."""

    def __init__(self, contenders: dict[str, Contender]):
        self.contenders = contenders
        self._workers: dict[str, Worker] = {}
        self._absent: dict[str, str] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self._workers):
            self.drop(name)

    def get(self, name: str) -> Worker:
        """Return a worker at work. Raises: Absent, the same each time for one that never was."""
        if name in self._absent:
            raise Absent(self._absent[name])
        if name not in self._workers:
            try:
                self._workers[name] = self.start(name)
            except Absent as error:
                self._absent[name] = str(error)
                raise
        return self._workers[name]

    def start(self, name: str) -> Worker:
        """Return a new worker that belongs to the caller."""
        return Worker(self.contenders[name])

    def drop(self, name: str) -> None:
        """End a worker; the next case that needs it starts another."""
        self._workers.pop(name).close()

    def about(self) -> dict[str, About]:
        """Return who took part, by name."""
        return {name: worker.about for name, worker in self._workers.items()}
