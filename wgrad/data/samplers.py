"""Samplers: in which order the places of a dataset come, and how they are grouped.

All draw on the host from wgrad's streams, so that an order is the same on every device.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..checks.arguments import checked_flag
from ..checks.arguments import size as checked_size
from ..errors import ArgumentError, shown
from ..random import Generator, rand, randint, randperm

MOST = 1 << 28  # places of an epoch, which are drawn together
PASSES = 1 << 16  # through a dataset, each of which is drawn by itself
PART = 1 << 16  # places that are Python's integers at a time


def _samples(count: Any, where: str) -> int:
    """Return how many places an epoch is to have. Raises: ArgumentError."""
    number = checked_size(count, f"{where}: num_samples")
    check_drawn(number, f"{where}: num_samples={shown(count)}")
    return number


def check_drawn(count: int, came: str) -> None:
    """Raise ArgumentError where an order is longer than what is drawn at once."""
    if count > MOST:
        raise ArgumentError(f"{came} came, and at most {MOST} places are drawn at once")


def in_parts(order: np.ndarray) -> Iterator[int]:
    """Yield places as Python's integers, which take four times the memory, some at a time."""
    for start in range(0, len(order), PART):
        yield from order[start : start + PART].tolist()


def places_of(found: Any, where: str) -> np.ndarray:
    """Return places of samples as integers. Raises: ArgumentError for what are none."""
    try:
        places = np.asarray(found)
        if places.dtype.kind == "O":  # of tensors, say
            places = np.asarray([operator.index(i) for i in found])
    except (TypeError, ValueError):
        places = np.zeros(1)
    if places.size and places.dtype.kind not in "iu":
        raise ArgumentError(
            f"{where}: {shown(found)} came, and integers, the places of samples, are needed"
        )
    return places.astype(np.int64)


def check_sized(x: Any, where: str, name: str) -> None:
    """Raise ArgumentError for what has no length."""
    if not hasattr(x, "__len__") or isinstance(x, type):
        raise ArgumentError(
            f"{where}: {name}={shown(x)} came, and a dataset, a list or anything else with a "
            "length is needed"
        )


def check_places(sampler: Any, where: str, name: str) -> None:
    """Raise ArgumentError for what cannot say which places come."""
    if isinstance(sampler, str) or not (
        hasattr(sampler, "__iter__") or hasattr(sampler, "__getitem__")
    ):
        raise ArgumentError(
            f"{where}: {name}={shown(sampler)} came, and places of samples, such as a sampler, are "
            "needed"
        )


class Sampler:
    """Places of samples in an order: a class of yours defines `__iter__`, and `__len__` if it can.

    A class that defines `order(generator)` instead, which returns an array, has the rest: a
    loader asks it for a whole epoch at once, and can go on in the midst of one.

    >>> class Backwards(wg.data.Sampler):
    ...     def __init__(self, dataset):
    ...         self.n = len(dataset)
    ...
    ...     def __iter__(self):
    ...         return iter(range(self.n)[::-1])
    ...
    ...     def __len__(self):
    ...         return self.n
    >>> rows = wg.data.TensorDataset(wg.arange(4))
    >>> [x.tolist() for (x,) in wg.data.DataLoader(rows, batch_size=3, sampler=Backwards(rows))]
    [[3, 2, 1], [0]]
    """

    generator: Generator | None = None

    def order(self, generator: Generator | None) -> np.ndarray:
        """Return the places of an epoch, drawn from `generator` (the global stream when None)."""
        raise ArgumentError(f"{type(self).__name__}: the class defines neither __iter__ nor order")

    def __iter__(self) -> Iterator[Any]:
        return self._places()

    def _places(self) -> Iterator[Any]:
        return in_parts(np.asarray(self.order(self.generator)))


class SequentialSampler(Sampler):
    """The places 0, 1, 2, ... of a dataset, of any length.

    >>> list(wg.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Any):
        check_sized(data_source, "SequentialSampler", "data_source")
        self.data_source = data_source

    def order(self, generator: Generator | None) -> np.ndarray:
        """Return all places as they come."""
        check_drawn(len(self.data_source), f"SequentialSampler: {len(self.data_source)} samples")
        return np.arange(len(self.data_source))

    def _places(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """The places of a dataset in random order; with `replacement` each is drawn by itself.

    `num_samples` is how many are drawn (as many as there are, when None). Without replacement a
    larger number goes through the dataset several times.

    >>> sorted(wg.data.RandomSampler(range(4)))
    [0, 1, 2, 3]
    >>> len(list(wg.data.RandomSampler(range(4), replacement=True, num_samples=10)))
    10
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ):
        check_sized(data_source, "RandomSampler", "data_source")
        self.data_source, self.generator = data_source, generator
        self.replacement = checked_flag(replacement, "RandomSampler", "replacement")
        self._count = num_samples
        if num_samples is not None:
            self._count = _samples(num_samples, "RandomSampler")

    @property
    def num_samples(self) -> int:
        """How many places an epoch has."""
        return len(self.data_source) if self._count is None else self._count

    def order(self, generator: Generator | None) -> np.ndarray:
        """Return the places of an epoch."""
        known, count = len(self.data_source), self.num_samples
        if not known:
            return np.zeros(0, np.int64)
        check_drawn(count, f"RandomSampler: {count} samples")
        if self.replacement:
            return randint(0, known, (count,), device="numpy", generator=generator).numpy()
        check_drawn(known, f"RandomSampler: {known} samples")
        if count > known * PASSES:
            raise ArgumentError(
                f"RandomSampler: num_samples={count} came for {known} samples, and without "
                f"replacement at most {PASSES} passes through them are drawn: replacement=True "
                "draws them at once"
            )
        parts = [randperm(known, "numpy", generator).numpy() for _ in range(-(-count // known))]
        return np.concatenate(parts)[:count] if len(parts) != 1 else parts[0][:count]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """These places in random order.

    >>> sorted(wg.data.SubsetRandomSampler([2, 5, 7]))
    [2, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        check_sized(indices, "SubsetRandomSampler", "indices")
        self.indices, self.generator = indices, generator

    def order(self, generator: Generator | None) -> np.ndarray:
        """Return the places of an epoch."""
        indices = places_of(self.indices, "SubsetRandomSampler")
        return indices[randperm(len(indices), "numpy", generator).numpy()]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` places, each drawn in proportion to its weight; weights need not add up to 1.

    Without replacement each comes at most once: exponential clocks with the weights as rates ring
    in that order (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).

    Raises: ArgumentError for weights that are negative, not finite or all 0, and where more are
    asked for without replacement than have a weight.

    >>> list(wg.data.WeightedRandomSampler([0.0, 3.0, 0.0], num_samples=4))
    [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ):
        self.num_samples = _samples(num_samples, "WeightedRandomSampler")
        self.weights = np.asarray([float(w) for w in weights], np.float64)
        self.replacement, self.generator = replacement, generator
        if not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise ArgumentError(
                "WeightedRandomSampler: weights must be finite and at least 0, and "
                f"{shown(self.weights.tolist())} came"
            )
        able = int(np.count_nonzero(self.weights))
        if not able or (not replacement and self.num_samples > able):
            raise ArgumentError(
                f"WeightedRandomSampler: {self.num_samples} samples were asked for, and {able} "
                "have a weight above 0"
            )

    def order(self, generator: Generator | None) -> np.ndarray:
        """Return the places of an epoch."""
        count = self.num_samples if self.replacement else len(self.weights)
        drawn = rand(2, count, device="numpy", generator=generator).numpy().astype(np.float64)
        evenly = (drawn[0] * 2**24 + drawn[1] + 2.0**-25) * 2.0**-24  # 48 bits, and never 0
        if self.replacement:
            ends = np.cumsum(self.weights)
            found = np.searchsorted(ends, evenly * ends[-1], side="right")
            return np.minimum(found, np.flatnonzero(self.weights)[-1])
        with np.errstate(divide="ignore"):
            rings = -np.log(evenly) / self.weights
        return np.argsort(rings, kind="stable")[: self.num_samples]

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` places of a sampler; a last list of fewer is left out by `drop_last`.

    Raises: ArgumentError for a size below 1.

    >>> order = wg.data.SequentialSampler(range(5))
    >>> list(wg.data.BatchSampler(order, batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        check_places(sampler, "BatchSampler", "sampler")
        self.sampler = sampler
        self.batch_size = checked_size(batch_size, "BatchSampler: batch_size")
        self.drop_last = checked_flag(drop_last, "BatchSampler", "drop_last")

    def __iter__(self) -> Iterator[list[int]]:
        batch = []
        for place in self.sampler:
            batch.append(place)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        known = len(self.sampler)  # type: ignore[arg-type]  # one without a length says so
        return known // self.batch_size if self.drop_last else -(-known // self.batch_size)
