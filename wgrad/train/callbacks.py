"""Callbacks: code of the user's that is called as a run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, shown
from ..origin import warn

if TYPE_CHECKING:
    from .run import Run


class Callback:
    """What is called as `wg.fit` goes on: define what you need in a class of yours.

    `run` has `model`, `optimizer`, `history`, `epoch` (from 1), `epochs`, `step` (of the epoch,
    from 1), `loss` (that of the last step, a tensor: reading it waits for the device) and
    `stop(reason)`. One with `state_dict` and `load_state_dict` is kept in checkpoints. What a
    method raises ends the run, with a note that names the method.

    >>> class Report(wg.train.Callback):
    ...     def on_epoch_end(self, run, logs):
    ...         print(run.epoch, sorted(logs))
    >>> model = wg.nn.Linear(3, 1)
    >>> loader = wg.data.DataLoader(wg.data.TensorDataset(wg.ones(4, 3), wg.ones(4, 1)), 2)
    >>> optimizer = wg.optim.SGD(model.parameters(), lr=0.01)
    >>> history = wg.fit(model, loader, wg.mse_loss, optimizer, epochs=2, callbacks=[Report()])
    1 ['epoch', 'loss', 'lr']
    2 ['epoch', 'loss', 'lr']
    """

    def on_fit_begin(self, run: Run) -> None:
        """Before the first epoch, once a checkpoint was read."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before each epoch."""

    def on_step_end(self, run: Run) -> None:
        """After each step; the device may still be at work on it."""

    def on_epoch_end(self, run: Run, logs: dict[str, Any]) -> None:
        """After each epoch: `logs` is what the history got of it."""

    def on_fit_end(self, run: Run) -> None:
        """At the end, for whatever reason that came (`run.history.stopped`)."""


_CALLED = [name for name in vars(Callback) if name.startswith("on_")]


def _tell_of_strangers(kind: type[Callback]) -> None:
    """Warn of methods named as if `fit` called them: those of other libraries, and misspelt."""
    for name in dir(kind):
        if name.startswith("on_") and name not in _CALLED:
            warn(
                f"fit: nothing calls {kind.__name__}.{name}; a callback's methods are "
                f"{', '.join(_CALLED)}"
            )


class Callbacks:
    """All callbacks of a run; only those that define a method are called for it."""

    def __init__(self, given: Any):
        self.all = list(given) if isinstance(given, (list, tuple)) else [given]
        for x in self.all:
            if not isinstance(x, Callback):
                raise ArgumentError(
                    f"fit: {shown(x)} came as a callback, and a wg.train.Callback is needed"
                )
            _tell_of_strangers(type(x))
        self._by_name: dict[str, list[Any]] = {}
        for name in _CALLED:
            own = getattr(Callback, name)
            self._by_name[name] = [x for x in self.all if getattr(type(x), name, own) is not own]

    def are_called(self, name: str) -> bool:
        """Whether one of them defines a method."""
        return bool(self._by_name[name])

    def call(self, name: str, run: Run, *args: Any) -> None:
        """Call a method of all that define it."""
        for x in self._by_name[name]:
            try:
                getattr(x, name)(run, *args)
            except Exception as error:
                error.add_note(
                    f"fit: {type(x).__name__}.{name} raised this in epoch {run.epoch}, step "
                    f"{run.step}"
                )
                raise

    def state_dict(self) -> list[Any]:
        """Return the state of each that has one."""
        return [x.state_dict() for x in self._with_state()]

    def _with_state(self) -> list[Any]:
        return [x for x in self.all if hasattr(x, "state_dict") and hasattr(x, "load_state_dict")]

    def load_state_dict(self, states: list[Any]) -> None:
        """Give each that has one its state. Raises: ArgumentError for another number of those."""
        able = self._with_state()
        if len(states) != len(able):
            raise ArgumentError(
                f"fit: the checkpoint has the state of {len(states)} callbacks, and {len(able)} "
                "that have one came"
            )
        for x, state in zip(able, states, strict=True):
            x.load_state_dict(state)
