"""How much address space is left to the process, and whether the driver may be asked for work.

Drivers do not survive it when memory is refused to them (a thread that does not start, a compiler
that may not allocate): they end the process. Where a limit is set (RLIMIT_AS and RLIMIT_DATA:
`ulimit -v` and `-d`), what is left is looked at beforehand. Knows no GPU.
"""

from __future__ import annotations

import os

from ...errors import OutOfMemoryError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

MEBIBYTE = 1 << 20
RESERVE = 160 * MEBIBYTE  # that stay free: a new arena of malloc, and what compiling a shader takes
DRIVERS = 256 * MEBIBYTE  # the libraries of all drivers that are installed
DEVICE = 160 * MEBIBYTE  # of an open device, beside its threads
THREADS = 5  # of a device, beside one for each core
MOST_CORES = 32  # that a software adapter makes use of
ARENA = 64 * MEBIBYTE  # that malloc reserves for a thread
STACK = 8 * MEBIBYTE
LOOKED_AT = 64 * MEBIBYTE  # buffers for which it is asked whether the machine has as much
# The limits, by the word of /proc/self/statm that says in pages how much of it is used.
_LIMITS = (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5))


def left() -> int | None:
    """Return the bytes that the process may still map; None where nothing limits them."""
    left_by_each: list[int] = []
    if resource is not None:
        for name, word in _LIMITS:
            soft = resource.getrlimit(getattr(resource, name))[0]
            if soft != resource.RLIM_INFINITY and (used := _used(word)) is not None:
                left_by_each.append(max(0, soft - used))
    return min(left_by_each, default=None)


def _used(word: int) -> int | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[word]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # not Linux
        return None


def require(nbytes: int, what: str) -> None:
    """Raise OutOfMemoryError unless `nbytes` may be mapped and RESERVE of them stay free."""
    free = left()
    if free is not None and free < nbytes + RESERVE:
        raise OutOfMemoryError(
            f"webgpu: {what} needs {nbytes + RESERVE} bytes of address space, and the limits of "
            f"this process (ulimit -v, -d) leave {free}"
        )


def require_memory(nbytes: int, what: str) -> None:
    """Raise OutOfMemoryError where the machine's own memory and swap have no room for `nbytes`."""
    free = _available() if nbytes >= LOOKED_AT else None
    if free is not None and free < nbytes:
        raise OutOfMemoryError(
            f"webgpu: {what} takes memory of this machine, of which {free} bytes are free"
        )


def _available() -> int | None:
    """Return the bytes of memory and swap that are free, or can be made so; None if unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":", 1) for line in file)
        return 1024 * sum(int(rows[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
    except (OSError, ValueError, KeyError):  # not Linux
        return None


def device_bytes() -> int:
    """Return the address space that an open device takes, most of it for its threads."""
    stack = STACK
    if resource is not None:
        soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
        stack = STACK if soft == resource.RLIM_INFINITY else soft
    threads = THREADS + min(os.cpu_count() or 1, MOST_CORES)
    return DEVICE + threads * (ARENA + stack)
