"""What a checkpoint of a run holds, and how a run goes on from one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..origin import warn
from ..random import Generator, get_rng_state, set_rng_state
from ..tensor import Tensor
from . import checkpoint as files

if TYPE_CHECKING:
    from .run import Run

PARTS = {
    *("format", "model", "optimizer", "optimizer_state", "scheduler", "random", "loader"),
    *("validation", "holders", "history", "waited", "callbacks", "within"),
}


class Kept:
    """The checkpoint of a run: everything that its next epoch rests on."""

    def __init__(self, path: Any, run: Run, holders: Sequence[Any]):
        self.path, self._run, self._holders = path, run, holders

    def write(self, within: Mapping[str, Any] | None = None) -> None:
        """Write the state after an epoch; where that fails, the file before is still there.

        `within` says how far the epoch at hand is, where it has not come to its end.
        """
        if self.path is None:
            return
        run = self._run
        state = {
            "format": 1,
            "model": run.model.state_dict(),
            "optimizer": type(run.optimizer).__name__,
            "optimizer_state": run.optimizer.state_dict(),
            "scheduler": _state_of(run.scheduler),
            "random": list(get_rng_state()),
            "loader": _state_of(run.loader),
            "validation": _state_of(run.validation),
            "holders": [_state_of(x) for x in self._holders],
            "history": run.history.state_dict(),
            "waited": run.watched.waited,
            "callbacks": run.callbacks.state_dict(),
            "within": within,
        }
        try:
            files.write(self.path, state)
        except OSError as error:
            when = "after" if within is None else "in"
            warn(
                f"fit: the checkpoint {os.fspath(self.path)} could not be written {when} epoch "
                f"{run.epoch} ({error}): the one before is still there, and training goes on"
            )

    def resume(self) -> None:
        """Go on from the file, if it is there. Raises: ArgumentError; then nothing has changed."""
        if self.path is None or not os.path.exists(self.path):
            return
        run, where = self._run, os.fspath(self.path)
        state = files.read(self.path)
        if not isinstance(state, Mapping) or not set(state) >= PARTS or state["format"] != 1:
            raise ArgumentError(f"fit: {where} is no checkpoint of fit: give another path")
        files.check_model(run.model, state["model"], where)
        own = type(run.optimizer).__name__
        if state["optimizer"] != own:
            raise ArgumentError(
                f"fit: the checkpoint {where} is of a run with {state['optimizer']}, and {own} came"
            )
        for name in ("loader", "validation", "scheduler"):
            if (state[name] is None) != (_state_of(getattr(run, name)) is None):
                has, came = ("no", "one") if state[name] is None else ("a", "none")
                raise ArgumentError(
                    f"fit: the checkpoint {where} has {has} state of a {name}, and {came} came"
                )
        if len(state["holders"]) != len(self._holders):
            raise ArgumentError(
                f"fit: the checkpoint {where} has the state of {len(state['holders'])} other "
                f"objects, and {len(self._holders)} came"
            )
        run.optimizer.load_state_dict(state["optimizer_state"])  # checks before it changes
        run.model.load_state_dict(state["model"])
        for name in ("loader", "validation", "scheduler"):
            if state[name] is not None:
                _give(getattr(run, name), state[name])
        for x, saved in zip(self._holders, state["holders"], strict=True):
            _give(x, saved)
        run.callbacks.load_state_dict(state["callbacks"])
        run.history.load_state_dict(state["history"])
        if run.history.best_state is not None:
            like = run.model.state_dict()
            run.history.best_state = {
                name: x.to(like[name].device) for name, x in run.history.best_state.items()
            }
        run.watched.waited = int(state["waited"])
        run.within = state["within"]
        set_rng_state(tuple(state["random"]))


def _state_of(x: Any) -> Any:
    if isinstance(x, Generator):
        return [x.seed, x.counter]
    if isinstance(x, Tensor):
        return x
    if isinstance(x, (list, tuple)) and not hasattr(x, "state_dict"):
        held = [_state_of(v) for v in x]
        return held if any(v is not None for v in held) else None
    return x.state_dict() if hasattr(x, "state_dict") else None


def _give(x: Any, saved: Any) -> None:
    if saved is None:
        return
    if isinstance(x, Generator):
        x.seed, x.counter = int(saved[0]), int(saved[1])
    elif isinstance(x, Tensor):
        x.assign(saved.to(x.device))
    elif isinstance(x, (list, tuple)) and not hasattr(x, "state_dict"):
        for v, s in zip(x, saved, strict=True):
            _give(v, s)
    else:
        x.load_state_dict(saved)
