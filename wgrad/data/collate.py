"""Collating: samples become a batch, first as NumPy arrays, then as tensors of a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..creation import tensor
from ..devices import device as find_device
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Return samples as one batch of tensors, with a new first axis.

    Numbers, arrays and tensors are stacked; dicts, tuples, named tuples and lists are gone into;
    strings and bytes stay, as a list. float64 becomes float32 and int64 int32, as everywhere.

        wg.data.default_collate([{"x": 1.0, "name": "a"}, {"x": 2.0, "name": "b"}])
        # {"x": tensor([1., 2.]), "name": ["a", "b"]}

    Raises: ShapeError for samples of unequal shapes or lengths; ArgumentError for no samples, and
    for dicts with other keys; DTypeError for what cannot be stacked.
    """
    return uploaded(stacked(batch), None)


def stacked(batch: Sequence[Any]) -> Any:
    """Return samples as one batch of NumPy arrays; tensors of a GPU are stacked there."""
    batch = list(batch)
    if not batch:
        raise ArgumentError("default_collate: no samples came, and at least one is needed")
    first = batch[0]
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        keys = list(first)
        for i, sample in enumerate(batch):
            if not isinstance(sample, Mapping) or set(sample) != set(keys):
                raise ArgumentError(
                    f"default_collate: sample {i} is {shown(sample)}, and a dict with the keys of "
                    f"the first, {shown(keys)}, is needed"
                )
        return {key: stacked([sample[key] for sample in batch]) for key in keys}
    if isinstance(first, (tuple, list)):
        for i, sample in enumerate(batch):
            if not isinstance(sample, (tuple, list)) or len(sample) != len(first):
                raise ShapeError(
                    f"default_collate: sample {i} is {shown(sample)}, and {len(first)} parts, as "
                    "the first has, are needed"
                )
        parts = [stacked(part) for part in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    return _stack(batch)


def _stack(batch: list[Any]) -> Any:
    if all(isinstance(x, Tensor) for x in batch):
        return _stack_tensors(batch)
    try:
        arrays = [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in batch]
    except Exception as error:  # whatever an object of the user's says to NumPy
        raise DTypeError(f"default_collate: {shown(batch[0])} cannot be stacked") from error
    for i, x in enumerate(arrays):
        if x.dtype.kind not in "biuf":
            raise DTypeError(
                f"default_collate: sample {i} holds {type(batch[i]).__name__}, and numbers, "
                "arrays, tensors, strings, dicts, tuples or lists are needed: give a collate_fn"
            )
        _check_shape(i, x.shape, arrays[0].shape)
    return np.stack(arrays)


def _stack_tensors(batch: list[Tensor]) -> Any:
    for i, x in enumerate(batch):
        _check_shape(i, x.shape, batch[0].shape)
    host = np.stack([x.detach().numpy() for x in batch])
    return tensor(host, batch[0].dtype, batch[0].device)


def _check_shape(i: int, shape: tuple[int, ...], first: tuple[int, ...]) -> None:
    if shape != first:
        raise ShapeError(
            f"default_collate: sample {i} has shape {shape} and sample 0 {first}, and equal ones "
            "are needed: crop or pad them, or give a collate_fn"
        )


def mapped(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return a batch with `leaf` applied to what its dicts, tuples and lists hold."""
    if isinstance(tree, Mapping):
        return {key: mapped(x, leaf) for key, x in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [mapped(x, leaf) for x in tree]
        if isinstance(tree, list):
            return parts
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return leaf(tree)


def uploaded(tree: Any, device: Any) -> Any:
    """Return a batch whose arrays are tensors of a device (the default one when None).

    Tensors stay where they are, unless a device was asked for.
    """
    target = None if device is None else find_device(device)

    def leaf(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x if target is None or x.device is target else x.to(target)
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biuf":
            return tensor(x, None, target)
        return x

    return mapped(tree, leaf)


def on_host(tree: Any) -> Any:
    """Return a batch whose tensors are NumPy arrays, to be sent to another process."""
    return mapped(tree, lambda x: x.detach().numpy() if isinstance(x, Tensor) else x)
