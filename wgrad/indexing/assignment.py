"""Assignment: x[key] = value, in place; as an op where gradients pass through either side."""

from __future__ import annotations

from typing import Any

from .. import tape
from ..backends.array import Array
from ..core import Tensor, Value, apply
from ..core.batched import levels, memory
from ..creation import tensor
from ..interrupts import handled_outside, interrupts_wait
from ..ops import indexing as primitives
from ..ops.elementwise import where
from ..ops.families import expanded, with_dtype
from ..tape import identity
from .indices import shaped
from .joined import Joined, join
from .keys import Key, is_bool, parse


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """Do x[key] = value for every key that x[key] takes; `value` broadcasts, as in NumPy.

    Where an index repeats, the value that comes last stays. Dtypes are as in `assign`.

    Gradients follow: where `x` is a result that requires grad, or `value` requires grad, `x`
    becomes the result of a recorded op. Its gradient goes to `value`, and to what `x` was before
    except for the places that were overwritten. All the same it is the memory of `x` that changes,
    so what the tape saved of it is noticed as gone, as after `assign`. Refused with a
    GradientError, for the gradient would be wrong or lost, are:

    - a leaf that requires grad, and a view of one (inside `no_grad` both are assigned to);
    - a tracked value for a view of a tensor that is not tracked: `x[0][1] = v`. Write x[0, 1] = v.
      Where the tensor is tracked, it is its next use that is refused, unless nobody uses it;
    - later, the use of any other tensor that shows the memory of `x` and was made before. Inside
      `no_grad` none is made that can be used outside: take the view, or detach(), anew.

    Masks are read back for the number of their true elements, unless `value` is the same for all
    of them. Raises: GradientError; and as x[key] and `assign` do.
    """
    parts = parse(x, key)
    value = x._for_assignment(value, "assign")
    x._check_memory("assign")
    tracked = tape.is_followed(x) or tape.is_followed(value)
    if tracked:
        recorded = tape.is_recording() and identity.is_tracked(x)
        identity.check_target(x, tape.is_followed(x), recorded)
    mask = _broad_mask(parts, value)
    joined = join(parts, x.device) if parts.taken and mask is None else None
    shape = parts.shape if joined is None else joined.result_shape()
    if mask is None:
        value = _without_leading(value, shape)
        value._check_fits(shape, "assign")
    if tracked:
        identity.adopt(x, _assigned(x, parts, joined, mask, value))
    elif joined is not None or mask is not None or not _is_shown(value, parts.view(x.detach())):
        handled_outside(tape.recording, False, _write, parts, x.detach(), joined, mask, value)


def _is_shown(value: Tensor, view: Tensor) -> bool:
    """Whether a value is the very memory that it is assigned to, as in `x[key] += 1`."""
    mine, given = view.array, value.array
    return memory(given) is memory(mine) and given.layout == mine.layout


def _without_leading(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a value without leading axes of extent 1 that the target lacks, as NumPy takes it."""
    spare = len(value.shape) - len(shape)
    if spare > 0 and value.shape[:spare] == (1,) * spare:
        return shaped(value, value.shape[spare:])
    return value


def _broad_mask(key: Key, value: Tensor) -> Any:
    """Return the mask of a key that has no other array, if `value` does not vary along it."""
    if len(key.taken) != 1 or key.first:
        return None
    (only,) = key.taken
    mask, after = only.index, len(key.shape) - only.axis - len(only.shape)
    if not is_bool(mask) or not mask.shape or len(value.shape) > after:
        return None
    value._check_fits(key.shape[len(key.shape) - after :], "assign")
    return only


def _selected(view: Tensor, taken: Any, value: Tensor) -> Tensor:
    """Return the view with `value` where the mask is true."""
    mask, after = taken.index, len(view.shape) - taken.axis - len(taken.shape)
    if not isinstance(mask, Value):
        mask = tensor(mask, device=view.device)
    mask = shaped(mask, (*taken.shape, *(1,) * after))
    value = with_dtype(value, view.dtype)
    return where(expanded(mask, view.shape), expanded(value, view.shape), view)


def _assigned(x: Tensor, key: Key, joined: Joined | None, taken: Any, value: Tensor) -> Tensor:
    """Return what `x` is after the assignment, as a recorded result in memory of its own."""
    view = key.view(x)
    if taken is not None:
        view = _selected(view, taken, value)
    else:
        value = with_dtype(value, x.dtype)
        view = expanded(value, key.shape) if joined is None else _scattered(view, joined, value)
    part = shaped(view, key.sizes)
    return apply(primitives.place, x, part, starts=key.starts, steps=key.steps)


def _scattered(view: Tensor, joined: Joined, value: Tensor) -> Tensor:
    """Return the view with `value` at the index arrays."""
    values = joined.flat(expanded(value, joined.result_shape()))
    laid = joined.laid_out(view)
    out = apply(primitives.scatter, laid, joined.index, values, axis=joined.axis)
    return joined.laid_back(out, view.shape)


def _write(key: Key, x: Tensor, joined: Joined | None, taken: Any, value: Tensor) -> None:
    """Assign to the view of a tensor that a key shows, in place."""
    view = key.view(x)
    if taken is not None:
        value = _selected(view, taken, value)
    elif joined is not None:
        value = with_dtype(value, view.dtype)
        laid = joined.laid_out(view).array
        if laid.storage is view.array.storage and not levels():
            values = joined.flat(expanded(value, joined.result_shape())).array
            index = _apart(joined.index.array, laid)
            values = _apart(values, laid)
            with interrupts_wait():
                laid.storage.device.scatter(laid, index, values, joined.axis)
                identity.written(view)
            return
        value = _scattered(view, joined, value)
    view.assign(value)


def _apart(x: Array, target: Array) -> Array:
    """Return `x`, or a copy where it shows the memory that is written to."""
    return target.storage.device.copy(x) if x.storage is target.storage else x
