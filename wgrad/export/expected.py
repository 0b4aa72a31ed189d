"""What NumPy computes of an export's example inputs: what a page compares itself with.

The programs run in their order, each a few times, over copies of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends.array import Array, Storage
from ..backends.threefry import split_seed
from ..devices import device as find_device
from ..errors import ArgumentError, TraceError
from ..layout import Layout
from ..optim.turns import Turning
from ..program.run.build import build

if TYPE_CHECKING:
    from .entries import Entry

RUNS = 3  # of each program
LOOKS = 64  # runs ahead for which a program has to hold


def run(entries: Sequence[Entry], runs: int) -> dict[str, np.ndarray]:
    """Return inputs as "name/in/x", and outputs of run n as "name/n/loss"."""
    host = find_device("numpy")
    memory: dict[Storage, Storage] = {}

    def copied(storage: Storage, dtype: Any) -> Storage:
        if storage not in memory:
            whole = Array(storage, Layout.dense((storage.size,)), dtype)
            memory[storage] = host.upload(storage.device.download(whole), dtype).storage
        return memory[storage]

    made: dict[str, np.ndarray] = {}
    drawn: dict[Any, int] = {}
    for entry in entries:
        outline, program = entry.told.outline, entry.told.program
        executor = build(program, host)
        given = [
            host.upload(x, t.dtype).storage
            for x, t in zip(entry.examples, entry.leaves, strict=True)
        ]
        for name, x in zip(entry.names, entry.examples, strict=True):
            made[f"{entry.name}/in/{name}"] = x
        with kept(outline.callbacks):
            for n in range(runs):
                for callback, args in outline.callbacks:
                    callback(1, *args)
                inputs = []
                for slot, source in zip(program.inputs, outline.sources, strict=True):
                    if source.kind in ("window", "argument"):
                        inputs.append(given[source.of])
                    else:
                        outside = entry.told.recording.outside
                        storage = outline.storage(source, entry.leaves, outside)
                        inputs.append(copied(storage, slot.dtype))
                starts = []
                for g, _, count in outline.generators:
                    first = drawn.setdefault(g, g.counter)
                    starts.append((split_seed(g.seed), first))
                    drawn[g] = first + count
                outs = executor.run(inputs, _draw(starts))
                rows = zip(entry.results, entry.told.outputs, entry.told.results, strict=True)
                for name, i, out in rows:
                    whole = Array(outs[i], out.layout, out.dtype)
                    made[f"{entry.name}/{n}/{name}"] = host.download(whole)
    return made


def _draw(starts: list) -> Callable[[int, int], Any]:
    return lambda g, offset: (starts[g][0], starts[g][1] + offset)


@contextmanager
def kept(callbacks: Sequence[tuple[Callable[..., None], tuple]]) -> Iterator[None]:
    """Leave what runs count as it was before the block."""
    before: list[tuple[Any, Any]] = []
    for function, _ in callbacks:
        owner: Any = function.__self__  # type: ignore[attr-defined]
        if isinstance(owner, Turning):
            changing = [*owner._states(), *[g.values_now for g in owner._turned_groups()]]
            before += [(x, dict(x)) for x in changing]
        else:
            before.append((owner._steps, list(owner._steps)))
    try:
        yield
    finally:
        for x, values in reversed(before):
            x.clear()
            x.update(values) if isinstance(x, dict) else x.extend(values)


def check_lasting(entry: Entry) -> None:
    """Raise TraceError for a program that is right for the first runs only."""
    outline = entry.told.outline
    with kept(outline.callbacks):
        for n in range(LOOKS):
            for holds, args in outline.guards:
                if not holds(*args):
                    raise TraceError(
                        f"export.web: {entry.name} would do something else after {n} runs, for it "
                        "decides by a number of steps or a setting that changes: export it when "
                        f"{n} more steps are done"
                    )
            try:
                for callback, args in outline.callbacks:
                    callback(1, *args)
            except ArgumentError:  # of a schedule that has an end
                return
