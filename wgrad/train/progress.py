"""The progress bar: by tqdm, on a terminal; quiet elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import MissingDependencyError
from ..extras import needed


def bar_class(progress: bool | None) -> Any:
    """Return tqdm's class, or None where there is to be no bar.

    None as `progress`: a bar where stderr is a terminal and tqdm is installed.
    """
    if progress is False or (progress is None and not _is_terminal()):
        return None
    try:
        return needed("tqdm", "train", "fit: progress=True").tqdm
    except MissingDependencyError:
        if progress:
            raise
        return None


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # none, or closed
        return False


class Bar:
    """The bar of one epoch: its number, steps and their rate, the device, and what was measured."""

    def __init__(self, made_by: Any, epoch: int, epochs: int, total: int | None, device: str):
        self._device, self._bar = device, None
        if made_by is not None:
            self._bar = made_by(total=total, desc=f"epoch {epoch}/{epochs}", unit="step")
            self._bar.set_postfix_str(device, refresh=False)

    def step(self, count: int) -> None:
        """Count so many steps."""
        if self._bar is not None:
            self._bar.update(count)

    def show(self, values: dict[str, Any]) -> None:
        """Show numbers behind the bar."""
        if self._bar is not None:
            parts = [f"{k} {v:.4g}" for k, v in values.items() if isinstance(v, (int, float))]
            self._bar.set_postfix_str(", ".join([*parts, self._device]), refresh=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
