"""History: what a run measured, epoch by epoch, and which epoch was the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ArgumentError, shown


class Best(NamedTuple):
    """The best epoch (from 1), the name of what was watched, and its value then.

    >>> wg.train.Best(epoch=3, name="val_loss", value=0.25).name
    'val_loss'
    """

    epoch: int
    name: str
    value: float


class History(dict[str, list[Any]]):
    """A dict of lists, one entry for each epoch: "epoch", "loss", "lr", metrics, "val_loss", ...

    `best` is the best epoch by what the run watched (None before the first), and `best_state` the
    model's `state_dict()` as it was then. `stopped` says why the run ended, "" while it lasts:
    "finished", or a sentence that begins with "early", "interrupted", "not finite" or "callback".

    >>> model = wg.nn.Linear(3, 1)
    >>> loader = wg.data.DataLoader(wg.data.TensorDataset(wg.ones(4, 3), wg.ones(4, 1)), 2)
    >>> optimizer = wg.optim.SGD(model.parameters(), lr=0.01)
    >>> history = wg.fit(model, loader, wg.mse_loss, optimizer, epochs=3)
    >>> history["epoch"], len(history["loss"]), history.best.epoch, history.stopped
    ([1, 2, 3], 3, 3, 'finished')
    """

    def __init__(self) -> None:
        super().__init__()
        self.best: Best | None = None
        self.best_state: dict[str, Any] | None = None
        self.stopped = ""

    @property
    def epochs(self) -> int:
        """How many epochs are in it."""
        return len(self.get("epoch", ()))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add an epoch; a name that is new has None for those before."""
        before = self.epochs
        for name in [*self, *row]:
            entries = self.setdefault(name, [None] * before)
            if len(entries) == before:
                entries.append(row.get(name))

    def rows(self) -> list[dict[str, Any]]:
        """Return the epochs as dicts."""
        return [{name: x[i] for name, x in self.items()} for i in range(self.epochs)]

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as plain data and tensors."""
        return {
            "lists": {name: list(x) for name, x in self.items()},
            "best": None if self.best is None else list(self.best),
            "best_state": self.best_state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. Raises: ArgumentError for anything else."""
        if not isinstance(state, Mapping) or not {"lists", "best", "best_state"} <= set(state):
            raise ArgumentError(f"History.load_state_dict: {shown(state)} came, which is none")
        self.clear()
        self.update({str(name): list(x) for name, x in state["lists"].items()})
        self.best = None if state["best"] is None else Best(*state["best"])
        self.best_state = state["best_state"]

    def __repr__(self) -> str:
        last = ", ".join(
            f"{name} {x[-1]:.4g}"
            for name, x in self.items()
            if name != "epoch" and isinstance(x[-1], (int, float))
        )
        best = "" if self.best is None else f", best {self.best.name} in epoch {self.best.epoch}"
        return f"History({self.epochs} epochs{': ' * bool(last)}{last}{best})"
