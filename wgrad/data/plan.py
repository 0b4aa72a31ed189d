"""The plan of an epoch: which places each batch has, and rows that are taken by it on a device."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import wrap
from ..creation import tensor
from ..devices import device as find_device
from ..indexing import take
from ..layout import Layout
from ..random import Generator
from ..tensor import Tensor
from .dataset import TensorDataset
from .samplers import (
    MOST,
    BatchSampler,
    Sampler,
    SequentialSampler,
    check_places,
    in_parts,
    places_of,
)


def is_drawn_at_once(sampler: Any, batch_sampler: Any) -> bool:
    """Whether the order of an epoch is known as it begins."""
    plain = batch_sampler is None or type(batch_sampler) is BatchSampler
    if not plain or not isinstance(sampler, Sampler):
        return False
    if type(sampler) is SequentialSampler and len(sampler) > MOST:
        return False  # it is counted, and no array is made of it
    return type(sampler).__iter__ is Sampler.__iter__


class Plan:
    """The batches of an epoch, drawn at once where the sampler can: `order` is None where not."""

    def __init__(self, sampler: Any, batch_sampler: Iterable[Any] | None, stream: Generator | None):
        self._sampler, self._batch_sampler = sampler, batch_sampler
        self.order: np.ndarray | None = None
        self.parts: list[slice] | None = None  # of the order, one for each batch
        if is_drawn_at_once(sampler, batch_sampler):
            self.order = np.asarray(sampler.order(stream))
        if self.order is not None and isinstance(batch_sampler, BatchSampler):
            size, stop = batch_sampler.batch_size, len(self.order)
            if batch_sampler.drop_last:
                stop -= stop % size
            self.parts = [slice(a, min(a + size, stop)) for a in range(0, stop, size)]

    @property
    def is_in_order(self) -> bool:
        """Whether the places are 0, 1, 2, ..."""
        return type(self._sampler) is SequentialSampler

    def batches(self, skipped: int) -> Iterator[Any]:
        """Yield the places of each batch, a list; or places by themselves without a batch size."""
        if self.order is not None:
            order = self.order
            found: Iterator[Any]
            if self.parts is None:
                found = in_parts(order)
            else:
                found = (order[part].tolist() for part in self.parts)
        elif self._batch_sampler is None:
            found = iter(self._sampler)
        else:
            found = (_listed(x) for x in self._batch_sampler)
        return itertools.islice(found, skipped, None)


def _listed(places: Any) -> list[Any]:
    check_places(places, "DataLoader", "a batch of batch_sampler")
    return list(places)


def _view(x: Tensor, start: int, stop: int) -> Tensor:
    """Return some rows, as x[start:stop] does; without a history, in a tenth of the time."""
    if x.requires_grad:
        return x[start:stop]
    layout = x.array.layout
    shape = (stop - start, *layout.shape[1:])
    offset = layout.offset + start * layout.strides[0] if layout.size else layout.offset
    return wrap(x.array.view(Layout(shape, layout.strides, offset)))


TOGETHER = 1 << 20  # bytes of rows that are taken at once


def _together(tensors: Sequence[Tensor], parts: Sequence[slice]) -> int:
    """Return how many batches are taken by one gather: small ones cost more calls than work."""
    if not parts:
        return 1
    row = sum(x.size // max(x.shape[0], 1) * x.dtype.itemsize for x in tensors)
    return max(1, TOGETHER // max(1, row * (parts[0].stop - parts[0].start)))


def gathered(
    plan: Plan, rows: tuple[TensorDataset, np.ndarray | None], device: Any, skipped: int
) -> Iterator[Any]:
    """Yield batches of rows, taken on the device where they lie; in order they are views."""
    dataset, places = rows
    tensors = dataset.tensors
    home = tensors[0].device
    target = home if device is None else find_device(device)

    def own(chosen: np.ndarray) -> Tensor:
        return _on_device(chosen, places, home)

    def moved(x: Tensor) -> Tensor:
        return x if target is home else x.to(target)

    if plan.order is not None and plan.parts is not None:
        views = plan.is_in_order and places is None
        parts = plan.parts[skipped:]
        if views:
            for part in parts:
                yield [moved(_view(x, part.start, part.stop)) for x in tensors]
            return
        order, several = own(plan.order), _together(tensors, plan.parts)
        for i in range(0, len(parts), several):
            group = parts[i : i + several]
            first = group[0].start
            at = order[first : group[-1].stop]
            taken = [moved(take(x, at, axis=0)) for x in tensors]
            for part in group:
                yield [_view(x, part.start - first, part.stop - first) for x in taken]
        return
    for batch in plan.batches(skipped):
        chosen = places_of(batch, "DataLoader: of a sampler")
        at = own(chosen)
        found = [moved(take(x, at, axis=0)) for x in tensors]
        yield found if chosen.ndim else tuple(found)


def _on_device(chosen: np.ndarray, places: np.ndarray | None, device: Any) -> Tensor:
    return tensor(chosen if places is None else places[chosen], "int32", device)


MOST_BOUND = 1 << 27  # bytes that a kernel of every GPU can read at once


def tables(rows: tuple[TensorDataset, np.ndarray | None], device: Any) -> tuple[Tensor, ...] | None:
    """Return the tensors that a compiled step can take its rows from by itself, where it can."""
    found = rows[0].tensors
    home = found[0].device
    if device is not None and find_device(device) is not home:
        return None
    most = max(x.size * x.dtype.itemsize for x in found)
    if any(x.requires_grad for x in found) or (home.name != "numpy" and most > MOST_BOUND):
        return None
    return found


def places(
    plan: Plan, rows: tuple[TensorDataset, np.ndarray | None], skipped: int
) -> Iterator[Tensor]:
    """Yield for each batch the places of its rows, on the device where these lie."""
    assert plan.order is not None and plan.parts is not None
    order = _on_device(plan.order, rows[1], rows[0].tensors[0].device)
    for part in plan.parts[skipped:]:
        yield _view(order, part.start, part.stop)
