"""Datasets: what has a length and gives a sample by its place, and what gives samples in a row."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..checks.arguments import count as checked_count
from ..errors import ArgumentError, DeviceError, IndexRangeError, ShapeError, shown
from ..random import Generator, randperm
from ..tensor import Tensor
from .samplers import check_drawn, places_of


class Dataset:
    """Samples by their places: a class of yours defines `__getitem__` and `__len__`.

    Any object with these two will do, a list for instance; this class adds `a + b`.

    >>> class Squares(wg.data.Dataset):
    ...     def __getitem__(self, i):
    ...         return float(i), float(i * i)
    ...
    ...     def __len__(self):
    ...         return 4
    >>> for x, y in wg.data.DataLoader(Squares(), batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [0.0, 1.0] [0.0, 1.0]
    [2.0, 3.0] [4.0, 9.0]
    """

    def __getitem__(self, index: Any) -> Any:
        raise ArgumentError(f"{type(self).__name__}: the class defines no __getitem__(self, index)")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples in a row, whose number nobody may know: a class of yours defines `__iter__`.

    >>> class Countdown(wg.data.IterableDataset):
    ...     def __iter__(self):
    ...         yield from (3.0, 2.0, 1.0)
    >>> [batch.tolist() for batch in wg.data.DataLoader(Countdown(), batch_size=2)]
    [[3.0, 2.0], [1.0]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise ArgumentError(f"{type(self).__name__}: the class defines no __iter__(self)")

    def __getitem__(self, index: Any) -> Any:
        raise ArgumentError(f"{type(self).__name__}: its samples come in a row, not by their place")


class TensorDataset(Dataset):
    """Tensors whose rows belong together: sample i is the tuple of their rows i.

    Shapes: tensors (n, ...). A loader takes whole batches of it on the tensors' device, and no
    sample passes through the host.

    Raises: ArgumentError for no tensors, or what is none; ShapeError for unequal lengths;
    DeviceError for tensors on several devices.

    >>> rows = wg.data.TensorDataset(wg.tensor([[1.0], [2.0]]), wg.tensor([10, 20]))
    >>> rows[1]
    (tensor([2.]), tensor(20))
    """

    def __init__(self, *tensors: Tensor):
        if not tensors or not all(isinstance(x, Tensor) for x in tensors):
            came = shown([type(x).__name__ for x in tensors])
            raise ArgumentError(f"TensorDataset: {came} came, and tensors are needed")
        shapes = [x.shape for x in tensors]
        if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ShapeError(
                f"TensorDataset: tensors of shapes {shown(shapes)} came, and equal lengths of the "
                "first axes are needed"
            )
        if len({x.device for x in tensors}) != 1:
            raise DeviceError(
                "TensorDataset: the tensors are on several devices: move them with .to()"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(x[index] for x in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset):
    """The samples of a dataset at these places, in their order.

    >>> part = wg.data.Subset(["a", "b", "c"], [2, 0])
    >>> list(part)
    ['c', 'a']
    """

    def __init__(self, dataset: Any, indices: Iterable[int]):
        self.dataset = dataset
        self.indices = places_of(indices, "Subset").tolist()
        known = len(dataset)
        wrong = next((i for i in self.indices if not -known <= i < known), None)
        if wrong is not None:
            raise IndexRangeError(f"Subset: place {wrong} came for a dataset of {known} samples")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Datasets one after the other.

    >>> both = wg.data.ConcatDataset([["a", "b"], ["c"]])
    >>> len(both), both[2]
    (3, 'c')
    """

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: no datasets came, and at least one is needed")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise ArgumentError("ConcatDataset: an IterableDataset came, which has no places")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: int) -> Any:
        place = int(index) + len(self) if index < 0 else int(index)
        if not 0 <= place < len(self):
            raise IndexRangeError(f"ConcatDataset: place {index} came, of {len(self)} samples")
        which = bisect.bisect_right(self.cumulative_sizes, place)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][place - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """Return disjoint random parts of a dataset: of so many samples each, or of such shares.

    Shares add up to 1; what is left over by rounding down goes to the first parts, one each. The
    order is drawn from `generator` (the global stream when None), the same on every device.

    Raises: ArgumentError for lengths that do not add up to the dataset's.

    >>> train, test = wg.data.random_split(range(10), [0.8, 0.2])
    >>> len(train), sorted([*train, *test])
    (8, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    known, sizes = len(dataset), list(lengths)
    check_drawn(known, f"random_split: a dataset of {known} samples")
    if all(isinstance(x, float) for x in sizes) and sizes:
        if any(not 0 <= x <= 1 for x in sizes) or abs(sum(sizes) - 1) > 1e-6:
            raise ArgumentError(
                f"random_split: shares {shown(sizes)} came, and numbers from 0 to 1 that add up to "
                "1 are needed"
            )
        counts = [int(known * x) for x in sizes]
        for i in range(known - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [checked_count(x, "random_split", "a length", 2**31 - 1) for x in sizes]
        if sum(counts) != known or not counts:
            raise ArgumentError(
                f"random_split: lengths {shown(counts)} came for a dataset of {known} samples, and "
                "they must add up to it"
            )
    order = randperm(known, "numpy", generator).numpy()
    ends = list(itertools.accumulate(counts, initial=0))
    return [Subset(dataset, order[a:b].tolist()) for a, b in itertools.pairwise(ends)]


def rows_behind(dataset: Any) -> tuple[TensorDataset, np.ndarray | None] | None:
    """Return the tensors that a dataset takes its samples from, and the places of its own ones.

    None where its samples are more than rows: whoever defines `__getitem__` anew makes them.
    """
    places: np.ndarray | None = None
    while type(dataset).__getitem__ is Subset.__getitem__:
        own = np.asarray(dataset.indices, np.int64)
        places = own if places is None else own[places]
        dataset = dataset.dataset
    if type(dataset).__getitem__ is not TensorDataset.__getitem__:
        return None
    if places is not None:
        places = np.where(places < 0, places + len(dataset), places)
    return dataset, places
