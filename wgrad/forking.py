"""Forks while other threads work: the child waits for no lock of a thread that it does not have.

Before a fork the locks that are registered here are taken, so that nothing is half done in the
child; a thread that keeps one for longer than WAIT is not waited for, and the child gets a new lock
and lets its owner forget what was half done.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

WAIT = 2.0  # seconds that a fork waits for the work of other threads, at most

# The owner of each lock, with the order in which locks are taken, the name of the attribute that
# holds the lock, and what the owner does in a child that was forked while another thread held it.
_owners: WeakKeyDictionary[Any, tuple[int, str, Callable[[Any], None] | None]]
_owners = WeakKeyDictionary()
_taken: list[Any] = []  # locks, from before a fork until after it


def register(
    owner: Any, name: str, order: int, forget: Callable[[Any], None] | None = None
) -> None:
    """Let forks see to the re-entrant lock that `owner` holds as attribute `name`.

    Locks of a lower `order` are those that a thread takes first.
    """
    _owners[owner] = order, name, forget


def _before() -> None:
    deadline = time.monotonic() + WAIT
    for owner, (_, name, _) in sorted(_owners.items(), key=lambda item: item[1][0]):
        lock = getattr(owner, name)
        if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            _taken.append(lock)


def _release() -> None:
    while _taken:
        _taken.pop().release()


def _in_child() -> None:
    _release()
    for owner, (_, name, forget) in list(_owners.items()):
        lock = getattr(owner, name)
        if lock.acquire(blocking=False):
            lock.release()
        else:
            setattr(owner, name, threading.RLock())
            if forget is not None:
                forget(owner)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_release, after_in_child=_in_child)
