"""DataLoader: batches of a dataset, an epoch at a time, which goes on where it was stopped."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..checks.arguments import checked_choice
from ..checks.arguments import count as checked_count
from ..checks.arguments import size as checked_size
from ..creation import DeviceLike
from ..errors import ArgumentError, shown
from ..random import Generator, global_generator
from ..tensor import Tensor
from .collate import stacked, uploaded
from .dataset import IterableDataset, rows_behind
from .plan import Plan, gathered, is_drawn_at_once, places, tables
from .samplers import BatchSampler, RandomSampler, SequentialSampler, check_places
from .workers import Workers, fetched


class DataLoader:
    """Batches of a dataset: iterate over it once for every epoch.

    Arguments and defaults are PyTorch's. Samples are collated into tensors, which lie on `device`
    (the default one when None; tensors that lie on a device stay there). `shuffle` draws a new
    order for each epoch from `generator` (the global stream when None), the same on every device.
    Rows of a `TensorDataset` are taken as whole batches on their device.

    With num_workers=0 batches are made as they are asked for; a GPU computes meanwhile. With more,
    `prefetch_factor` (2) batches for each worker are made ahead, by threads, which collate and
    upload too, or with workers="process" by processes, for datasets that compute much in Python:
    there the dataset must pickle. What a dataset draws from wgrad's global stream comes then from a
    stream of the batch, the same whatever the number and the kind of workers. Processes seed
    `random` and NumPy for each batch, too, while threads share these two: what they draw from them
    depends on who comes first.

    `state_dict()` says how far the epoch is, and `load_state_dict()` goes on from there with the
    same batches. `pin_memory` and `multiprocessing_context` are there for PyTorch's sake: nothing
    has to be pinned, and processes are spawned.

    Raises: ArgumentError for arguments that do not go together. WorkerError for a worker that ends
    on its own, or takes longer than `timeout` seconds. What a dataset raises comes as it is, with a
    note that names the sample.

    >>> rows = wg.data.TensorDataset(wg.randn(70, 3), wg.randn(70, 1))
    >>> loader = wg.data.DataLoader(rows, batch_size=32, shuffle=True)
    >>> for x, y in loader:
    ...     print(x.shape, y.shape)
    (32, 3) (32, 1)
    (32, 3) (32, 1)
    (6, 3) (6, 1)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        workers: str = "thread",
        device: DeviceLike = None,
    ):
        self.dataset, self.generator, self.device = dataset, generator, device
        self.is_iterable = isinstance(dataset, IterableDataset)
        if not self.is_iterable and not (
            hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        ):
            raise ArgumentError(
                f"DataLoader: {shown(dataset)} came as a dataset, and something with __getitem__ "
                "and __len__, or an IterableDataset, is needed"
            )
        if generator is not None and not isinstance(generator, Generator):
            raise ArgumentError(
                f"DataLoader: generator={shown(generator)} came; wg.Generator(seed) is needed"
            )
        if batch_size is not None:
            batch_size = checked_size(batch_size, "DataLoader: batch_size")
        self.num_workers = checked_count(num_workers, "DataLoader", "num_workers", 1000)
        self.workers = checked_choice(workers, ("thread", "process"), "DataLoader", "workers")
        if multiprocessing_context not in (None, "spawn"):
            raise ArgumentError(
                f"DataLoader: multiprocessing_context={shown(multiprocessing_context)} came, and "
                "processes are always spawned: a GPU does not survive a fork"
            )
        if prefetch_factor is not None and not num_workers:
            raise ArgumentError("DataLoader: prefetch_factor is for num_workers above 0")
        if persistent_workers and not num_workers:
            raise ArgumentError("DataLoader: persistent_workers needs num_workers above 0")
        if timeout < 0 or (timeout and not num_workers):
            raise ArgumentError(
                f"DataLoader: timeout={timeout} came with num_workers={num_workers}, and at least "
                "0 seconds with at least one worker are needed"
            )
        self.prefetch_factor = checked_size(
            2 if prefetch_factor is None else prefetch_factor, "DataLoader: prefetch_factor"
        )
        self.persistent_workers, self.timeout = persistent_workers, timeout
        self.worker_init_fn = worker_init_fn
        self.batch_size, self.drop_last = batch_size, drop_last
        self._is_plain = collate_fn is None
        self.collate_fn = collate_fn
        self.sampler, self.batch_sampler = self._samplers(shuffle, sampler, batch_sampler)
        self._kept: Workers | None = None
        self._epoch = self._position = 0
        self._begun: tuple[int, int] | None = None  # the stream as the epoch began
        self._resumed = False

    def _samplers(
        self, shuffle: bool | None, sampler: Any, batch_sampler: Any
    ) -> tuple[Any, Iterable[Any] | None]:
        """Return the sampler and the batch sampler that the arguments ask for, or raise."""
        if self.is_iterable:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ArgumentError(
                    "DataLoader: an IterableDataset gives its samples in its own order: leave out "
                    "shuffle, sampler and batch_sampler"
                )
            if self.num_workers > 1 or (self.num_workers and self.workers == "process"):
                raise ArgumentError(
                    "DataLoader: an IterableDataset is read by one at a time: num_workers=0, or 1 "
                    "as a thread"
                )
            return None, None
        for name, x in (("sampler", sampler), ("batch_sampler", batch_sampler)):
            if x is not None:
                check_places(x, "DataLoader", name)
        if batch_sampler is not None:
            if self.batch_size != 1 or shuffle or sampler is not None or self.drop_last:
                raise ArgumentError(
                    "DataLoader: batch_sampler takes the place of batch_size, shuffle, sampler and "
                    "drop_last"
                )
            self.batch_size = None
            return getattr(batch_sampler, "sampler", None), batch_sampler
        if sampler is not None and shuffle:
            raise ArgumentError("DataLoader: sampler and shuffle came, and one of them is needed")
        if sampler is None:
            sampler = (
                RandomSampler(self.dataset, generator=self.generator)
                if shuffle
                else SequentialSampler(self.dataset)
            )
        if self.batch_size is None:
            if self.drop_last:
                raise ArgumentError("DataLoader: drop_last needs a batch_size")
            return sampler, None
        return sampler, BatchSampler(sampler, self.batch_size, self.drop_last)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        if self.is_iterable:
            try:
                known = len(self.dataset)
            except TypeError:
                raise ArgumentError(
                    f"DataLoader: {type(self.dataset).__name__} has no length: define __len__"
                ) from None
            if self.batch_size is None:
                return known
            return known // self.batch_size if self.drop_last else -(-known // self.batch_size)
        plan = self.sampler if self.batch_sampler is None else self.batch_sampler
        try:
            return len(plan)  # type: ignore[arg-type]  # one without a length is told of
        except TypeError:
            raise ArgumentError(f"DataLoader: {type(plan).__name__} has no length") from None

    def __repr__(self) -> str:
        return f"DataLoader({type(self.dataset).__name__}, batch_size={self.batch_size})"

    # Going on in the midst of an epoch.
    def state_dict(self) -> dict[str, Any]:
        """Return the number of the epoch, how many of its batches were given, and its stream.

        "begun" is the state in which the epoch found the stream that it is drawn from.
        """
        generator = self._stream
        begun = self._begun
        if not self._position:
            begun = None if generator is None else (generator.seed, generator.counter)
        return {
            "epoch": self._epoch,
            "position": self._position,
            "begun": None if begun is None else list(begun),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state: the next epoch that is asked for gives the batches that are left.

        Where the order is drawn from the global stream, `wg.set_rng_state` puts that back.
        Raises: ArgumentError for what is no such state.
        """
        where = "DataLoader.load_state_dict"
        if not isinstance(state, Mapping) or set(state) != {"epoch", "position", "begun"}:
            raise ArgumentError(f"{where}: {shown(state)} came, and what state_dict gave is needed")
        epoch = checked_count(state["epoch"], where, "epoch")
        position = checked_count(state["position"], where, "position")
        begun = state["begun"]
        if begun is not None:
            if not isinstance(begun, (list, tuple)) or len(begun) != 2:
                raise ArgumentError(f"{where}: begun={shown(begun)} came; two integers are needed")
            at = _stream_at(begun)
            if (generator := self._stream) is not None:
                generator.seed, generator.counter = at.seed, at.counter
        self._epoch, self._position, self._resumed = epoch, position, position > 0
        self._begun = None if begun is None else (int(begun[0]), int(begun[1]))

    @property
    def _stream(self) -> Generator | None:
        """The generator of its own that the order is drawn from, if it has one."""
        return getattr(self.sampler, "generator", None) or self.generator

    # An epoch.
    def __iter__(self) -> Iterator[Any]:
        stream, skipped = self._begin()
        return self._run(lambda: self._batches(stream, skipped), skipped)

    def tables(self) -> tuple[Tensor, ...] | None:
        """Return the tensors whose rows the batches are, where `places` says which; else None.

        A compiled step that takes the rows itself saves the memory of batches, and the time to
        fill it. None too where rows come in order, for then batches are views that cost nothing.
        """
        own = type(self).__iter__ is DataLoader.__iter__
        if not own or not self._is_plain or not isinstance(self.batch_sampler, BatchSampler):
            return None
        rows = None if self.is_iterable else rows_behind(self.dataset)
        if rows is None or not is_drawn_at_once(self.sampler, self.batch_sampler):
            return None
        if type(self.sampler) is SequentialSampler and rows[1] is None:
            return None
        return tables(rows, self.device)

    def places(self) -> Iterator[Tensor]:
        """Iterate over an epoch as ever, but get the places of each batch's rows in `tables`.

        Shapes: (batch,), int32.
        """
        rows = rows_behind(self.dataset)
        assert rows is not None, "there are tables"
        stream, skipped = self._begin()

        def batches() -> Iterator[Tensor]:
            return places(Plan(self.sampler, self.batch_sampler, stream), rows, skipped)

        return self._run(batches, skipped)

    def _begin(self) -> tuple[Generator | None, int]:
        """Begin an epoch, or go on: return the stream that it is drawn from, and what is done."""
        resumed, self._resumed = self._resumed, False
        stream: Generator | None = self._stream
        if resumed:
            skipped = self._position
            if stream is None and self._begun is not None:
                stream = _stream_at(self._begun)
        else:
            skipped = 0
            self._epoch += self._position > 0  # one that was left before its end
            now = stream or global_generator()
            self._position, self._begun = 0, (now.seed, now.counter)
        return stream, skipped

    def _run(self, make: Callable[[], Any], skipped: int) -> Iterator[Any]:
        batches = make()
        try:
            for position, batch in enumerate(batches, skipped + 1):
                self._position = position
                yield batch
            self._epoch, self._position = self._epoch + 1, 0
        finally:
            batches.close()  # at once, so that no worker is left

    def _batches(self, stream: Generator | None, skipped: int) -> Any:
        if self.is_iterable:
            return self._read(skipped)
        plan = Plan(self.sampler, self.batch_sampler, stream)
        rows = rows_behind(self.dataset) if self._is_plain else None
        if rows is not None:
            return gathered(plan, rows, self.device, skipped)
        return self._made(plan.batches(skipped), skipped)

    def _collate(self) -> Callable[[Any], Any]:
        if self.collate_fn is not None:
            return self.collate_fn
        return stacked if self.batch_size is not None or self.batch_sampler is not None else _as_is

    def _made(self, tasks: Iterator[Any], skipped: int) -> Iterator[Any]:
        """Yield batches that are made of samples, here or by workers."""
        collate = self._collate()
        finish = functools.partial(uploaded, device=self.device)
        if not self.num_workers:
            for places in tasks:
                yield finish(fetched(self.dataset, collate, places))
            return
        yield from self._by_workers(self._seeded(tasks, skipped), finish, None)

    def _seeded(self, tasks: Iterator[Any], skipped: int) -> Iterator[tuple[Any, int]]:
        """Yield tasks, each with the seed of its batch."""
        seed, counter = self._begun or (0, 0)
        words = np.random.SeedSequence([seed, counter, self._epoch]).generate_state(1, np.uint64)
        now = self._stream or global_generator()
        if self._begun == (now.seed, now.counter):  # the order has taken nothing from it
            now.take(1)  # so that another loader draws other numbers
        for k, task in enumerate(tasks, skipped):
            yield task, (int(words[0]) + k) % 2**64

    def _by_workers(self, tasks: Any, finish: Any, read: Any) -> Iterator[Any]:
        pool, self._kept = self._kept, None  # another epoch at the same time has its own
        if pool is None:
            ahead = self.num_workers * self.prefetch_factor
            pool = Workers(
                self.workers,
                self.num_workers,
                ahead,
                self.timeout,
                self.dataset,
                self._collate(),
                self.worker_init_fn,
            )
        ended = False
        try:
            results = pool.results(tasks, finish, read)
            try:
                yield from results
            finally:
                results.close()  # type: ignore[attr-defined]  # it is a generator
            ended = True
        finally:
            if ended and self.persistent_workers and self._kept is None:
                self._kept = pool
            else:
                pool.close()

    def _read(self, skipped: int) -> Iterator[Any]:
        """Yield batches of a dataset that gives its samples in a row."""
        samples = iter(self.dataset)
        if skipped:
            for _ in itertools.islice(samples, skipped * (self.batch_size or 1)):
                pass
        collate = self._collate()
        finish = functools.partial(uploaded, device=self.device)

        def read(_: Any = None) -> Any:
            if self.batch_size is None:
                return [collate(x) for x in itertools.islice(samples, 1)]
            batch = list(itertools.islice(samples, self.batch_size))
            short = len(batch) < self.batch_size and self.drop_last
            return [collate(batch)] if batch and not short else []

        made: Iterator[Any]
        if self.num_workers:
            made = self._by_workers(self._seeded(itertools.repeat(None), skipped), finish, read)
        else:
            made = (finish(read()) for _ in itertools.count())
        try:
            for batch in made:
                if not batch:
                    return
                yield batch[0]
        finally:
            made.close()  # type: ignore[attr-defined]  # both are generators

    def close(self) -> None:
        """End the workers that `persistent_workers` keeps."""
        pool, self._kept = self._kept, None
        if pool is not None:
            pool.close()

    def __del__(self) -> None:
        if getattr(self, "_kept", None) is not None:
            self.close()


def _as_is(sample: Any) -> Any:
    return sample


def _stream_at(state: Any) -> Generator:
    made = Generator(state[0])
    made.counter = int(state[1])
    return made
