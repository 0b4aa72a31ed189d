"""Steps: what is done with a batch, compiled, and what is measured of it on the device.

Losses and metrics are added up on the device, and read now and then: no step waits for another.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..creation import zeros
from ..data import DataLoader
from ..data.collate import uploaded
from ..devices import device as find_device
from ..dtypes import float32, float64
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import taken
from ..nn.utils import clip_grad_norm_, clip_grad_value_
from ..ops.elementwise import isfinite
from ..ops.indexing import checked_indices
from ..program.compile import compile as compiled
from ..program.compiled import in_turn
from ..shaping import stack
from ..tape import no_grad
from ..tensor import Tensor

MOST = 24  # names of losses and metrics
TOGETHER = 32  # short steps that are taken without a look at anything in between
PAUSE = 0.005  # seconds that they last at most: so long Ctrl-C has to wait


def default_forward(model: Any, batch: Any) -> tuple[Any, Any]:
    """Return (output, target): of the parts of a batch the last is the target.

    A batch that is one tensor is its own target, as for an autoencoder.
    """
    if isinstance(batch, (list, tuple)) and len(batch) > 1:
        return model(*batch[:-1]), batch[-1]
    if isinstance(batch, (list, tuple)) and len(batch) == 1:
        batch = batch[0]
    if isinstance(batch, Tensor):
        return model(batch), batch
    raise ArgumentError(
        f"fit: a batch is {shown(batch)}, and (inputs, target) or a tensor is needed: give "
        "forward=, a function (model, batch) that returns (output, target)"
    )


def rows(batch: Any) -> int:
    """Return how many samples a batch has: the first extent of its first tensor."""
    parts = [batch]
    while parts:
        x = parts.pop(0)
        if isinstance(x, Tensor):
            return x.shape[0] if x.shape else 1
        if isinstance(x, Mapping):
            parts[:0] = x.values()
        elif isinstance(x, (list, tuple)):
            parts[:0] = x
    raise ArgumentError(f"fit: a batch is {shown(batch)}, and tensors are needed in it")


class Meter:
    """Sums over batches, on the device: of each loss and metric, weighted by the batches' sizes."""

    def __init__(self, device: Any, dtype: Any):
        self.names: list[str] = []
        self.dtype = dtype
        # More than are needed, for the names are known only once a step was traced.
        self._sums = [zeros((), dtype, device) for _ in range(MOST)]
        self._finite = zeros((), float32, device)  # steps until the loss was not finite any more
        self.state = [*self._sums, self._finite]
        self._rows = self._steps = 0
        self._totals: dict[str, float] = {}
        self._total_rows = 0

    def add(self, values: Mapping[str, Tensor], count: int) -> None:
        """Add the values of a batch; a part of the step."""
        if len(values) > MOST:
            raise ArgumentError(f"fit: {len(values)} losses and metrics came, and {MOST} have room")
        self.names[:] = values
        for sums, value in zip(self._sums, values.values(), strict=False):
            sums.assign(sums + value.detach().astype(self.dtype) * count)
        self._finite.assign(self._finite + isfinite(self._sums[0]).astype(float32))

    def count(self, rows_added: int, steps: int = 1) -> None:
        """Count what was added: so many rows, in so many batches."""
        self._rows += rows_added
        self._steps += steps

    def read(self) -> int | None:
        """Read the device's sums; return which of the steps since (from 0) had a bad loss first."""
        steps, known = self._steps, len(self.names)
        if not steps:
            return None
        found = stack([*self._sums[:known], self._finite.astype(self.dtype)]).numpy().tolist()
        for name, value in zip(self.names, found, strict=False):
            self._totals[name] = self._totals.get(name, 0.0) + value
        for x in (*self._sums[:known], self._finite):
            x.assign(0.0)
        self._total_rows += self._rows
        self._rows = self._steps = 0
        return int(found[-1]) if found[-1] < steps else None

    def state_dict(self) -> dict[str, Any]:
        """Return what was added so far, as plain data and tensors; nothing is read."""
        return {
            "names": list(self.names),
            "sums": [x.copy() for x in self.state],
            "counts": [self._rows, self._steps, self._total_rows],
            "totals": dict(self._totals),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for x, saved in zip(self.state, state["sums"], strict=True):
            x.assign(saved.to(x.device))
        self.names[:] = state["names"]
        self._rows, self._steps, self._total_rows = state["counts"]
        self._totals = dict(state["totals"])

    @property
    def unread(self) -> int:
        """How many batches were added since the last look."""
        return self._steps

    def means(self) -> dict[str, float]:
        """Return the means over all that was read."""
        return {name: x / max(self._total_rows, 1) for name, x in self._totals.items()}

    def clear(self) -> None:
        """Begin anew."""
        if self._steps:  # some that were not read
            for x in self.state:
                x.assign(0.0)
        self._rows = self._steps = self._total_rows = 0
        self._totals = {}


class Steps:
    """The steps of a run: `train(batch, ...)` and `evaluate(batch)`, each with its meter."""

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        forward: Callable[[Any, Any], Any] | None,
        metrics: Mapping[str, Callable],
        augment: Callable[[Any], Any] | None,
        clip_norm: float | None,
        clip_value: float | None,
        accumulate: int,
        state: Sequence[Any],
        compile: bool,
    ):
        self._model, self._loss, self._optimizer = model, loss, optimizer
        self._forward, self._metrics, self._augment = forward or default_forward, metrics, augment
        self._clip_norm, self._clip_value, self._accumulate = clip_norm, clip_value, accumulate
        first = optimizer.params[0]
        dtype = float64 if first.dtype is float64 else float32
        self.training, self.validation = Meter(first.device, dtype), Meter(first.device, dtype)
        self.device = find_device(first.device)
        self._compile, self._state = compile, [model, optimizer, *state]
        self._tables: tuple[Tensor, ...] | None = None
        self._trains: dict[tuple[bool, bool, int], Any] = {}
        self._finishes: dict[int, Any] = {}
        self._pending = 0  # batches whose gradients are added up
        self._seconds = PAUSE  # that a step took, as measured last
        test = no_grad(self._test)
        validates = [*self._state, self.validation.state]
        self._tests = compiled(test, state=validates) if compile else test

    def batches_of(self, loader: Any) -> Iterator[Any]:
        """Iterate over what `train` takes: batches, or where their rows lie in the loader's data.

        The compiled step takes these rows then, into memory that it has used before.
        """
        tables = loader.tables() if self._compile and isinstance(loader, DataLoader) else None
        known = self._tables or ()
        if len(tables or ()) != len(known) or any(map(operator.is_not, tables or (), known)):
            self._trains.clear()
        self._tables = tables
        return iter(loader) if tables is None else loader.places()

    def _train(self, begins: bool, ends: bool, count: int) -> Any:
        step = self._step(begins, ends, count)
        if self._compile:
            step = compiled(step, state=[*self._state, self.training.state, *(self._tables or ())])
        self._trains[begins, ends, count] = step
        return step

    def train(self, batch: Any, begins: bool, ends: bool) -> Tensor:
        """Learn from a batch; gradients are new where it `begins`, and used where it `ends`."""
        self._pending = 1 if begins else self._pending + 1
        kind = begins, ends, self._pending if ends else 0
        step = self._trains.get(kind) or self._train(*kind)
        batch = self._here(batch)
        parts = batch if isinstance(batch, (list, tuple)) else (batch,)
        loss: Tensor = step(*parts)
        self.training.count(rows(batch))
        return loss

    @property
    def takes_several(self) -> bool:
        """Whether `train_several` may take the place of `train`: the loader's data lie ready."""
        return self._tables is not None and self._accumulate == 1

    @property
    def several(self) -> int:
        """How many batches `train_several` is to get now."""
        return max(1, min(TOGETHER, int(PAUSE / self._seconds)))

    def train_several(self, batches: Sequence[Tensor]) -> Tensor:
        """Learn from each of some batches in a step of its own, and return the last one's loss.

        Where steps are short and nobody looks in between, most of their time went to the question
        whether somebody had.
        """
        start = time.perf_counter()
        step = self._trains.get((True, True, 1)) or self._train(True, True, 1)
        loss: Tensor = in_turn(step, [[x] for x in batches])
        self.training.count(sum([x.shape[0] for x in batches]), len(batches))
        self._seconds = (time.perf_counter() - start) / len(batches)
        return loss

    def evaluate(self, batch: Any) -> None:
        """Measure a batch."""
        batch = self._here(batch)
        parts = batch if isinstance(batch, (list, tuple)) else (batch,)
        self._tests(*parts)
        self.validation.count(rows(batch))

    def _here(self, batch: Any) -> Any:
        """Return a batch whose NumPy arrays are tensors on the device of what is trained."""
        with self.device:
            return uploaded(batch, None)

    def _step(self, begins: bool, ends: bool, count: int) -> Callable:
        """Return the step of a batch; one that `ends` has the gradients of so many batches."""
        tables = self._tables

        def step(*parts: Any) -> Tensor:
            if begins:
                self._optimizer.zero_grad()
            if tables is not None:
                (at,) = parts
                parts = tuple([taken(x, checked_indices(at, len(x), "fit"), 0) for x in tables])
            if self._augment is not None:
                parts = (self._augment(parts[0]), *parts[1:])
            losses, values = self._measured(parts)
            loss = losses if self._accumulate == 1 else losses / self._accumulate
            loss.backward()
            if ends:
                self._use(count)
            self.training.add(values, rows(parts))
            return values["loss"].detach()

        return step

    def _use(self, count: int) -> None:
        """Step by the gradients of so many batches."""
        if count < self._accumulate:  # an epoch's last batches, of which the mean is due
            for p in self._optimizer.params:
                if p.grad is not None:
                    p.grad.assign(p.grad * (self._accumulate / count))
        self._clip()
        self._optimizer.step()

    def finish(self) -> None:
        """Step by the gradients that wait, for no batch came that was known to be the last."""
        count = self._pending
        if count not in self._finishes:

            def step() -> None:
                self._use(count)

            self._finishes[count] = compiled(step, state=self._state) if self._compile else step
        self._finishes[count]()

    def _test(self, *parts: Any) -> None:
        self.validation.add(self._measured(parts)[1], rows(parts))

    def _measured(self, parts: tuple) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and it with all others by name."""
        batch = parts[0] if len(parts) == 1 else parts
        output, target = self._forward(self._model, batch)
        found = self._loss(output, target)
        values = dict(found) if isinstance(found, Mapping) else {"loss": found}
        if "loss" not in values:
            raise ArgumentError(
                f'fit: the losses {shown(list(values))} came, and one named "loss" is needed: it '
                "is what is made small"
            )
        for name, metric in self._metrics.items():
            values[name] = metric(_detached(output), target)
        for name, value in values.items():
            if not isinstance(value, Tensor) or value.shape != ():
                came = value.shape if isinstance(value, Tensor) else shown(value)
                what = name if name == "loss" else f"{name}, a loss or metric,"
                raise ShapeError(
                    f"fit: {what} is {came}, and a tensor of shape () is needed: take its mean"
                )
        loss = values.pop("loss")
        return loss, {"loss": loss, **values}

    def _clip(self) -> None:
        params = [p for p in self._optimizer.params if p.grad is not None]
        if self._clip_value is not None:
            clip_grad_value_(params, self._clip_value)
        if self._clip_norm is not None:
            clip_grad_norm_(params, self._clip_norm)


def _detached(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.detach()
    if isinstance(output, (list, tuple)):
        parts = [_detached(x) for x in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output
