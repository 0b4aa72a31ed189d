"""Logs: what each epoch measured, as CSV, JSON lines and TensorBoard's event files."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..extras import needed
from ..io.paths import written
from .callbacks import Callback
from .checkpoint import check_writable

if TYPE_CHECKING:
    from .run import Run

PathLike = str | os.PathLike


class Writer(Callback):
    """A callback that writes files: made without a look at the disk, then told to prepare."""

    def prepare(self) -> None:
        """Make the folder. Raises: ArgumentError where no file can be written there."""


class FileLog(Writer):
    """A table of the epochs: `.csv`, or `.jsonl` with one object on each line.

    It is written anew from the history after each epoch, whole or not at all: it has every epoch
    once, however often the run was killed and went on. Raises: ArgumentError for another ending.
    """

    def __init__(self, path: PathLike):
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ArgumentError(f"fit: log={self.path} came; a .csv or .jsonl file is needed")

    def prepare(self) -> None:
        """Make the folder of the file."""
        check_writable(self.path, "log")

    def on_epoch_end(self, run: Run, logs: dict[str, Any]) -> None:
        """Write the table."""
        rows = run.history.rows()
        text = io.StringIO()
        if self.path.suffix == ".csv":
            table = csv.DictWriter(text, list(run.history), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        else:
            text.writelines(json.dumps(row) + "\n" for row in rows)
        with written(self.path, "fit: log") as part:
            part.write_bytes(text.getvalue().encode())


class TensorBoard(Writer):
    """Event files for TensorBoard: the numbers of each epoch, by their names.

    A run that goes on from a checkpoint says so in its file, and TensorBoard leaves out what it
    had shown of later epochs. Raises: MissingDependencyError without the package tensorboard.
    """

    def __init__(self, folder: PathLike):
        self.folder = os.fspath(folder)
        if not self.folder:
            raise ArgumentError("fit: tensorboard='' came, and a folder's path is needed")
        where = "fit: tensorboard"
        self._events = needed("tensorboard.compat.proto.event_pb2", "train", where)
        self._summaries = needed("tensorboard.compat.proto.summary_pb2", "train", where)
        self._file = needed("tensorboard.summary.writer.event_file_writer", "train", where)
        self._writer: Any = None

    def prepare(self) -> None:
        """Make the folder."""
        check_writable(Path(self.folder) / "events", "tensorboard")

    def on_fit_begin(self, run: Run) -> None:
        """Open the file."""
        self._writer = self._file.EventFileWriter(self.folder)
        if run.history.epochs:
            log = self._events.SessionLog(status=self._events.SessionLog.START)
            self._add(run.history.epochs + 1, session_log=log)

    def on_epoch_end(self, run: Run, logs: dict[str, Any]) -> None:
        """Write the numbers of an epoch."""
        values = [
            self._summaries.Summary.Value(tag=name, simple_value=x)
            for name, x in logs.items()
            if name != "epoch" and isinstance(x, (int, float)) and not math.isnan(x)
        ]
        self._add(run.epoch, summary=self._summaries.Summary(value=values))
        self._writer.flush()

    def _add(self, step: int, **what: Any) -> None:
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=step, **what))

    def on_fit_end(self, run: Run) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
