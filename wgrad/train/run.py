"""Run: the loop over epochs and batches, which can be stopped, killed and gone on with."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, shown
from ..nn import Module
from ..optim import Optimizer
from ..origin import warn
from .callbacks import Callbacks
from .history import Best, History
from .progress import Bar
from .stepping import Steps
from .watched import Interrupts, Watched

if TYPE_CHECKING:
    from .kept import Kept


class Run:
    """A run as it goes on: what callbacks are given.

    >>> class StopsEarly(wg.train.Callback):
    ...     def on_step_end(self, run):
    ...         if run.step == 2:
    ...             run.stop("that is enough")
    >>> model = wg.nn.Linear(3, 1)
    >>> loader = wg.data.DataLoader(wg.data.TensorDataset(wg.ones(8, 3), wg.ones(8, 1)), 2)
    >>> optimizer = wg.optim.SGD(model.parameters(), lr=0.01)
    >>> wg.fit(model, loader, wg.mse_loss, optimizer, callbacks=[StopsEarly()]).stopped
    'callback: that is enough'
    """

    watched: Watched
    callbacks: Callbacks
    writers: Callbacks
    steps: Steps
    kept: Kept
    loader: Any
    validation: Any
    scheduler: Any
    scheduler_every: str
    accumulate: int
    read_every: int
    bars: Any

    def __init__(self, model: Module, optimizer: Optimizer, epochs: int):
        self.model, self.optimizer, self.epochs = model, optimizer, epochs
        self._history = History()
        self.epoch = self.step = 0
        self.loss: Any = None
        self.within: Mapping[str, Any] | None = None  # an epoch that goes on in its midst

    @property
    def history(self) -> History:
        """What was measured so far."""
        return self._history

    def stop(self, reason: str) -> None:
        """End the run after the step at hand; `reason` stands in `history.stopped`."""
        if not self.history.stopped:
            self.history.stopped = f"callback: {reason}"

    @property
    def is_stopped(self) -> bool:
        """Whether the run is to end."""
        return bool(self.history.stopped)

    def go(self) -> History:
        """Run the epochs that are left."""
        history = self.history
        self.epoch = history.epochs
        self.start = self.model.state_dict() if history.best_state is None else None
        with Interrupts(self._interrupt):
            try:
                self.callbacks.call("on_fit_begin", self)
                self.writers.call("on_fit_begin", self)
                while not self.is_stopped and self.epoch < self.epochs:
                    if self.watched.is_over:  # it was, when it was killed
                        history.stopped = self._early()
                        break
                    self.epoch, self.step = self.epoch + 1, 0
                    self._one_epoch()
            finally:
                history.stopped = history.stopped or "finished"
                self.writers.call("on_fit_end", self)
            if self.watched.patience is not None and history.best_state is not None:
                self.model.load_state_dict(history.best_state)
            self.callbacks.call("on_fit_end", self)
        return history

    def _interrupt(self) -> None:
        if not self.is_stopped:
            self.history.stopped = self._interrupted()

    def _interrupted(self) -> str:
        return f"interrupted: in epoch {self.epoch}, step {self.step}"

    def _early(self) -> str:
        best = self.history.best
        since = "none was" if best is None else f"epoch {best.epoch} was the best"
        return f"early, after {self.epoch} epochs: {since}"

    def _one_epoch(self) -> None:
        self.callbacks.call("on_epoch_begin", self)
        lr = float(self.optimizer.param_groups[0]["lr"])
        self.steps.training.clear()
        begun, self.within = self.within, None
        if begun is not None:
            lr, self.step = begun["lr"], begun["step"]
            self.steps.training.load_state_dict(begun["sums"])
        bar = Bar(self.bars, self.epoch, self.epochs, _length(self.loader), self.steps.device.name)
        try:
            sums = self._batches(bar)
            if sums is not None and self._is_interrupted:
                self.kept.write({"lr": lr, "step": self.step, "sums": sums})
                return
            if self.history.stopped.startswith("not finite"):
                return
            row = {"epoch": self.epoch, **self.steps.training.means(), "lr": lr}
            if self.validation is not None:
                row |= {f"val_{name}": x for name, x in self._validated().items()}
            bar.show(row)
        finally:
            bar.close()
        value = self.watched.value(row)
        if self.scheduler is not None and self.scheduler_every == "epoch":
            self._advance(value)
        self.history.add(row)
        if self.watched.is_better(value, self.history.best):
            self.history.best = Best(self.epoch, self.watched.name, value)
            self.history.best_state = self.model.state_dict()
            self.start = None
        self.callbacks.call("on_epoch_end", self, row)
        if self.watched.is_over and not self.is_stopped:
            self.history.stopped = self._early()
        self.writers.call("on_epoch_end", self, row)
        self.kept.write()

    def _batches(self, bar: Bar) -> Any:
        """Go through the batches of an epoch, as far as they are good.

        Return what was added up before the last look, where Ctrl-C has come.
        """
        steps, meter = self.steps, self.steps.training
        read = self.step - meter.unread
        known = _length(self.loader)
        per_step = self.scheduler if self.scheduler_every == "step" else None
        is_quiet = per_step is None and not self.callbacks.are_called("on_step_end")
        pending = 0  # batches whose gradients wait
        iterator = steps.batches_of(self.loader)
        if self.step and not hasattr(self.loader, "state_dict"):  # which has begun anew
            iterator = itertools.islice(iterator, self.step, None)
        try:
            for batch in iterator:
                if is_quiet and known is not None and steps.takes_several:
                    # No more than are left: a loader that has given all begins anew.
                    left = min(known - self.step, self.read_every - self.step + read)
                    more = itertools.islice(iterator, max(0, min(steps.several, left) - 1))
                    batches = [batch, *more]
                    self.loss = steps.train_several(batches)
                    count = len(batches)
                else:
                    pending += 1
                    ends = pending == self.accumulate or self.step + 1 == known
                    self.loss = steps.train(batch, pending == 1, ends)
                    pending = 0 if ends else pending
                    if per_step is not None and ends:
                        self._advance(None)
                    count = 1
                self.step += count
                if count > 1 and self._is_interrupted:  # which waited for all of them
                    self.history.stopped = self._interrupted()
                bar.step(count)
                if self.step - read == self.read_every:
                    if self._is_bad(meter.read(), read):
                        return None
                    read = self.step
                    bar.show(meter.means())
                self.callbacks.call("on_step_end", self)
                if self.is_stopped and not (pending and self._is_interrupted):
                    break  # with gradients that wait, an epoch could not go on
            else:
                if pending:  # of a loader without a length
                    steps.finish()
                    if per_step is not None:
                        self._advance(None)
        finally:
            if hasattr(iterator, "close"):
                iterator.close()
        if not self.step:
            raise ArgumentError(
                f"fit: no batches came from {shown(self.loader)}, and at least one is needed: is "
                "the dataset empty, or smaller than a batch that drop_last leaves out?"
            )
        sums = meter.state_dict() if self._is_interrupted else None
        self._is_bad(meter.read(), read)
        return sums

    @property
    def _is_interrupted(self) -> bool:
        return self.history.stopped.startswith("interrupted")

    def _advance(self, value: float | None) -> None:
        """Step the scheduler; one that needs an argument gets the metric."""
        kind: Any = type(self.scheduler)
        if not _takes_metric(kind):
            self.scheduler.step()
        elif value is None:
            raise ArgumentError(
                f'fit: {kind.__name__} needs a metric: use it with scheduler_every="epoch"'
            )
        else:
            self.scheduler.step(value)

    def _is_bad(self, bad: int | None, read: int) -> bool:
        """Whether a loss was not finite: then the model gets its best weights, and the run ends."""
        if bad is None:
            return False
        where = f"epoch {self.epoch}, step {read + bad + 1}"
        best = self.history.best
        kept = "those from before the run" if best is None else f"those of epoch {best.epoch}"
        self.model.load_state_dict(self.history.best_state or self.start or {}, strict=False)
        self.history.stopped = f"not finite: the loss in {where}"
        warn(
            f"fit: the loss is not finite in {where}, and training stops; the model has its best "
            f"weights, {kept}: wg.detect_anomaly() names the operation, and a lower "
            "learning rate or clip_norm may keep it from happening"
        )
        return True

    def _validated(self) -> dict[str, float]:
        """Measure the validation batches in eval mode; every module gets its own mode back."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        meter = self.steps.validation
        meter.clear()
        try:
            for batch in self.validation:
                self.steps.evaluate(batch)
        finally:
            for module, mode in modes:
                module.training = mode
        meter.read()
        means = meter.means()
        if not means:
            raise ArgumentError("fit: no batches came for validation, and at least one is needed")
        return means


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except (TypeError, ArgumentError):  # it has none
        return None


@functools.lru_cache(maxsize=64)
def _takes_metric(kind: Any) -> bool:
    """Whether a scheduler's step has a parameter besides itself that has to be given."""
    parameters = list(inspect.signature(kind.step).parameters.values())[1:]
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.default is p.empty and p.kind in places for p in parameters)
