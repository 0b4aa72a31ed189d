"""Memory as kernels see it: buffers, and windows of them that a kernel binds. Knows no driver."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class Buffer:
    """Memory of `nbytes`, a multiple of 16. `raw` is the driver's, or None where it is planned.

    `used` are the bytes of it that were asked for: buffers of the pool may be larger.
    """

    __slots__ = ("batch", "give_back", "groups", "nbytes", "raw", "uid", "used")

    start = 0  # of what is bound of it

    def __init__(self, raw: Any, nbytes: int, uid: int):
        self.raw = raw
        self.nbytes = self.used = nbytes
        self.uid: Hashable = uid
        self.batch = -1  # the batch of dispatches that used it last
        self.groups: set[tuple] = set()  # keys of the cached bind groups that hold it
        self.give_back: Any = None  # called without arguments when its storage is gone

    @property
    def whole(self) -> Buffer:
        """The buffer itself."""
        return self


class Window(Buffer):
    """`nbytes` of a buffer from `start` on, to be bound in its place; no memory of its own."""

    __slots__ = ("_whole", "start")

    def __init__(self, whole: Buffer, start: int, nbytes: int):
        self._whole = whole
        self.start = start
        self.nbytes = self.used = nbytes
        self.uid = (whole.uid, start, nbytes)
        self.raw, self.groups = whole.raw, whole.groups

    @property
    def whole(self) -> Buffer:
        return self._whole

    @property
    def batch(self) -> int:  # no attribute, but the whole buffer's
        return self._whole.batch

    @batch.setter
    def batch(self, batch: int) -> None:
        self._whole.batch = batch
