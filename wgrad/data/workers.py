"""Workers: threads or processes that get samples ready while somebody computes.

Processes are started anew ("spawn"), for a GPU does not survive a fork; they know no GPU, and send
NumPy arrays. A process whose parent is gone ends by itself. Knows no samplers.
"""

from __future__ import annotations

import collections
import contextvars
import functools
import multiprocessing
import os
import pickle
import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures import TimeoutError as LateError
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext
from typing import Any

import numpy as np

from ..devices import set_default_device
from ..errors import ArgumentError, WorkerError
from ..random import manual_seed, with_own_stream
from .collate import on_host


def fetched(dataset: Any, collate: Callable[[Any], Any], places: Any) -> Any:
    """Return the batch of these places, or the one sample of a place; errors name the sample."""
    if not isinstance(places, list):
        return collate(_sample(dataset, places))
    return collate([_sample(dataset, place) for place in places])


def _sample(dataset: Any, place: Any) -> Any:
    try:
        return dataset[place]
    except Exception as error:
        error.add_note(f"DataLoader: sample {place} of the {type(dataset).__name__} raised this")
        raise


# What a worker process holds.
_task: tuple[Any, Callable[[Any], Any]] | None = None


def _begin(payload: bytes, ids: Any, init: Callable[[int], Any] | None) -> None:
    """Make a process ready: it ends with its parent, and an interrupt is its parent's to handle."""
    global _task
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    set_default_device("numpy")
    _task = pickle.loads(payload)
    if init is not None:
        init(ids.get())


def _end_with(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)


def _work(places: Any, seed: int) -> Any:
    """Fetch in a process; what is drawn at random depends on the batch alone, not on who got it."""
    assert _task is not None
    manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        return on_host(fetched(*_task, places))
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # one that does not come through would end the whole pool
            told = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]
            raise WorkerError("; ".join(told)) from None
        raise


class _Spawning(SpawnContext):
    """Starts processes anew, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Any] = []

    def Process(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        process = super().Process(*args, **kwargs)
        self.started.append(process)
        return process


class Workers:
    """Threads, or processes (`kind`), which fetch batches of a dataset ahead of who asks."""

    def __init__(
        self,
        kind: str,
        count: int,
        ahead: int,
        timeout: float,
        dataset: Any,
        collate: Callable[[Any], Any],
        init: Callable[[int], Any] | None,
    ):
        self.kind, self._ahead, self._timeout = kind, ahead, timeout or None
        self._task = dataset, collate
        self._context = _Spawning()
        self._pool: Executor
        if kind == "thread":
            starts = iter(range(count))
            lock = threading.Lock()

            def begin() -> None:
                if init is not None:
                    with lock:
                        mine = next(starts)
                    init(mine)

            self._pool = ThreadPoolExecutor(count, "wgrad-loader", begin)
            return
        try:
            payload = pickle.dumps(self._task)
            pickle.dumps(init)
        except Exception as error:
            raise ArgumentError(
                "DataLoader: the dataset, collate_fn and worker_init_fn go to worker processes, "
                f"and one of them does not pickle ({error}): define it in a module, or use threads"
            ) from error
        ids = self._context.SimpleQueue()
        for i in range(count):
            ids.put(i)
        self._pool = ProcessPoolExecutor(count, self._context, _begin, (payload, ids, init))

    def results(
        self,
        tasks: Iterable[tuple[Any, int]],
        finish: Callable[[Any], Any],
        read: Callable[[Any], Any] | None = None,
    ) -> Iterator[Any]:
        """Yield the batches of (places, seed) in order; `finish` makes tensors of what came.

        Threads run `finish` themselves, in the context in which they were asked, but for the global
        stream: that of a batch begins with its seed. `read` takes the place of fetching by places.
        Raises: what the dataset raises; WorkerError.
        """
        waiting: collections.deque[Future] = collections.deque()
        tasks = iter(tasks)

        def in_thread(places: Any) -> Any:
            return finish(fetched(*self._task, places) if read is None else read(places))

        def ask() -> bool:
            for places, seed in tasks:
                if self.kind == "thread":
                    context = contextvars.copy_context()
                    work = functools.partial(with_own_stream, seed, in_thread, places)
                    waiting.append(self._pool.submit(context.run, work))
                else:
                    waiting.append(self._pool.submit(_work, places, seed))
                return True
            return False

        try:
            while len(waiting) < self._ahead and ask():
                pass
            while waiting:
                done = self._result(waiting.popleft())
                ask()
                yield done if self.kind == "thread" else finish(done)
        except BrokenExecutor as error:
            raise WorkerError(
                "DataLoader: a worker process ended on its own (killed, out of memory, or its "
                "script starts loaders while it is imported: put that under "
                'if __name__ == "__main__")'
            ) from error
        finally:
            for future in waiting:
                future.cancel()
            for future in waiting:  # what runs is waited for, so that nothing works on
                if not future.cancelled() and not self._is_late:
                    future.exception()

    _is_late = False

    def _result(self, future: Future) -> Any:
        try:
            return future.result(self._timeout)
        except LateError:
            if future.done():
                raise  # the dataset's own
            self._is_late = True
            raise WorkerError(
                f"DataLoader: a batch took longer than timeout={self._timeout} seconds"
            ) from None

    def close(self) -> None:
        """End the threads or processes, and wait for them; one that hangs is ended by force."""
        if self._is_late:
            for process in self._context.started:
                process.kill()
        self._pool.shutdown(wait=not self._is_late, cancel_futures=True)
        if self._is_late:
            for process in self._context.started:
                process.join()
