"""The programs of an export: functions traced by what they are called with, and lowered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.tracing import tracing
from ..creation import tensor
from ..devices import default_device
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, CallError, DTypeError, TraceError, shown
from ..nn import Module
from ..program.outlined import Outlined, frozen, outlined, plain
from ..tensor import Tensor

HELD = ("bool", "float32", "int32", "uint32")  # what WGSL has without optional features


class Entry:
    """One function to export: its name, what it is called with, and then what it does."""

    def __init__(self, name: str, function: Callable, given: Any, outputs: Any, device: Any):
        self.name = name
        self.function = function
        self.names, self.leaves, self._others, self._first = _inputs(name, function, given, device)
        self.examples = [x.numpy() for x in self.leaves]
        self._wanted = outputs
        self.results: list[str] = []
        self.told: Outlined

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Let a module that is exported by itself be in its mode for evaluation."""
        called = plain(self.function)
        modes = [(m, m.training) for m in called.modules()] if isinstance(called, Module) else []
        try:
            for m, _ in modes:
                m.training = False
            yield
        finally:
            for m, mode in modes:
                m.training = mode

    @staticmethod
    def dtype(name: str) -> DType:
        """Return a dtype by its name."""
        return as_dtype(name)

    def __call__(self, *leaves: Tensor) -> list[Tensor]:
        named = {**self._others, **dict(zip(self.names, leaves, strict=True))}
        first = [named.pop(k) for k in self._first if k in named]
        out = plain(self.function)(*first, **named)
        rows = list(_results(out, ""))
        self.results = _named(self.name, [name for name, _ in rows], self._wanted)
        return [_own(x) for _, x in rows]


def _inputs(
    name: str, function: Callable, given: Any, device: Any
) -> tuple[list[str], list[Tensor], dict[str, Any], list[str]]:
    """Return the names of inputs, tensors of their own for them, other arguments by their names,
    and the names of parameters that are given in their order only.
    """
    called = plain(function)
    code = called.forward if isinstance(called, Module) else called
    try:
        signature = inspect.signature(code)
    except (TypeError, ValueError):
        raise CallError(
            f"export.web: {shown(function)} came for {name}; a function is needed"
        ) from None
    parameters = signature.parameters
    first = [k for k, p in parameters.items() if p.kind is p.POSITIONAL_ONLY]
    if isinstance(given, Mapping):
        named = dict(given)
    else:
        several = given if isinstance(given, (tuple, list)) else (given,)
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        places = [k for k, p in parameters.items() if p.kind in kinds]
        if len(several) > len(places):
            raise CallError(
                f"export.web: {len(several)} example inputs came for {name}, which takes "
                f"{len(places)}: {', '.join(places) or 'none'}"
            )
        named = dict(zip(places, several, strict=False))
    try:
        signature.bind(
            *[x for k, x in named.items() if k in first],
            **{k: x for k, x in named.items() if k not in first},
        )
    except TypeError as error:
        raise CallError(
            f"export.web: the example inputs {shown(list(named))} do not fit {name}: {error}"
        ) from None
    names, leaves, others = [], [], {}
    for key, x in named.items():
        if isinstance(x, (Tensor, np.ndarray, np.generic, float, list)):
            if isinstance(x, Tensor):
                made = tensor(x.detach().numpy(), x.dtype, device=device)
            else:
                made = tensor(x, device=device)
            if made.dtype.name not in HELD:
                raise DTypeError(
                    f"export.web: {made.dtype.name} came for {key} of {name}, and a page holds "
                    f"{', '.join(HELD)}"
                )
            names.append(key)
            leaves.append(made)
        elif _holds(x):
            raise CallError(
                f"export.web: {key} of {name} is a {type(x).__name__} that holds tensors or "
                "arrays, and each of them needs a parameter of its own"
            )
        else:
            others[key] = x
    return names, leaves, others, first


def _holds(x: Any) -> bool:
    """Whether a value is, or has within it, what would be an input by itself."""
    if isinstance(x, Mapping):
        return any(map(_holds, x.values()))
    if isinstance(x, (list, tuple)):
        return any(map(_holds, x))
    return isinstance(x, (Tensor, np.ndarray, np.generic))


def _results(out: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(out, Tensor):
        yield path, out
    elif isinstance(out, Mapping):
        for k, x in out.items():
            yield from _results(x, f"{path}.{k}" if path else str(k))
    elif isinstance(out, (list, tuple)):
        for i, x in enumerate(out):
            yield from _results(x, f"{path}.{i}" if path else str(i))
    elif out is not None:
        raise DTypeError(f"export.web: {shown(out)} was returned, and tensors are needed")


def _named(name: str, paths: list[str], wanted: Any) -> list[str]:
    if wanted is not None:
        names = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        texts = all(isinstance(x, str) and x for x in names)
        if not texts or len(names) != len(paths) or len(set(names)) != len(names):
            raise ArgumentError(
                f"export.web: outputs={shown(wanted)} came for {name}, which returns {len(paths)} "
                "tensors, and as many different names are needed"
            )
        return names
    names = [("out" if not p else f"out{p}" if p[0].isdigit() else p) for p in paths]
    for i, x in enumerate(names):
        if x in names[:i]:
            raise ArgumentError(
                f"export.web: two results of {name} would be called {shown(x)}: give outputs="
            )
    return names


def _own(x: Tensor) -> Tensor:
    """Return a result as memory that is all its own: most are."""
    x = x.detach()
    tracer: Any = tracing()
    whole = x.array.layout.contiguous and x.array.layout.size == x.array.storage.size
    return x if whole and x.array.storage in tracer.made else x.copy()


def trace(entries: Sequence[Entry], state: Any) -> None:
    """Trace all functions: until `undo` optimizers have memory, and nothing has run.

    Raises: TraceError, DTypeError, which name the operation and the user's line; all is undone.
    """
    done: list[Entry] = []
    try:
        for entry in entries:
            with entry.evaluating():
                entry.told = outlined(
                    entry, entry.name, entry.leaves, state, frozen(entry.function)
                )
            done.append(entry)
            _check(entry)
    except BaseException as error:
        undo(done)
        if type(error) is not TraceError:
            raise
        said = str(error).removeprefix("compile: ")
        name = entries[len(done)].name
        raise TraceError(f"export.web: {name} cannot be exported: {said}") from error


def undo(entries: Sequence[Entry]) -> None:
    """Leave all as it was before the traces."""
    for entry in reversed(entries):
        entry.told.undo()


def _check(entry: Entry) -> None:
    """Raise DTypeError for a dtype that no page holds, at the line that makes it."""
    told = entry.told
    held = {slot.index: slot for slot in told.program.inputs}
    for step in told.program.steps:
        for out in step.outs:
            _check_dtype(entry, out.dtype, f"{step.name} makes", told.line(out.index))
        for ref in step.refs():
            if ref.slot in held:
                at = told.line(step.outs[-1].index)
                _check_dtype(entry, ref.dtype, f"{step.name} reads", at)


def _check_dtype(entry: Entry, dtype: DType, does: str, line: str) -> None:
    if dtype.name not in HELD:
        raise DTypeError(
            f"export.web: {entry.name} cannot be exported: {does} {dtype.name} at {line}, and a "
            f"page holds {', '.join(HELD)}"
        )


def device_of(state: Any) -> Any:
    """Return the device that a state's tensors are on; the default one where there are none."""
    stack = [state]
    while stack:
        x = stack.pop()
        if isinstance(x, Tensor):
            return x.device
        if isinstance(x, Module):
            stack += [t for _, t in x._named_tensors(every=True)]
        elif isinstance(x, Mapping):
            stack += list(x.values())
        elif isinstance(x, (list, tuple)):
            stack += list(x)
        elif hasattr(x, "params"):
            stack += list(x.params)
    return default_device()
