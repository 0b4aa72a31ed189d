"""Folding: which operations of a large graph are drawn as one box, so that a person can read it.

A box stands for operations that ran one after the other, so that no arrows run in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath

from .trace import Trace, Use


@dataclass
class Group:
    """Operations, by their places in the trace, that are drawn as one box."""

    title: str
    uses: list[int]


def folded(
    trace: Trace, limit: int, depth: int | None, fold: bool, least: int
) -> tuple[list[Group], str]:
    """Return the groups of a trace, so that about `limit` boxes are left, and a note of them.

    Groups of one operation without a title are drawn as it is. `depth` is how many levels of calls
    of modules are kept apart, at least `least` where none is asked for.
    """
    single = [Group("", [i]) for i in range(len(trace.uses))]
    if depth is not None:
        groups = _runs(trace, _by_depth(depth))
        return groups, _note(trace, groups, "calls of modules")
    if not fold or boxes(trace, single) <= limit:
        return single, ""
    deepest = max(len(use.scopes) for use in trace.uses)
    ways: list[tuple[str, Callable]] = [
        ("calls of modules", _by_depth(level)) for level in range(deepest - 1, least - 1, -1)
    ]
    ways.append(("lines of the program", _by_line))
    for what, key in ways:
        groups = _runs(trace, key)
        if boxes(trace, groups) <= limit:
            return groups, _note(trace, groups, what)
    groups = _ends(trace, groups, limit)
    return groups, _note(trace, groups, "lines of the program, and the middle as one box")


def boxes(trace: Trace, groups: Sequence[Group]) -> int:
    """Return how many boxes a drawing would have."""
    return len(groups) + len(visible(trace, groups))


def visible(trace: Trace, groups: Sequence[Group]) -> list[int]:
    """Return the items that are drawn: the root, inputs, and what two boxes share."""
    home = {i: g for g, group in enumerate(groups) for i in group.uses}
    made = {use.out: home[i] for i, use in enumerate(trace.uses)}
    touched: dict[int, set[int]] = {key: {g} for key, g in made.items()}
    for key, i in trace.edges():
        touched.setdefault(key, set()).add(home[i])
    shown = []
    for key, around in touched.items():
        g = next(iter(around))
        item = trace.items[key]
        is_input = item.is_leaf and bool(item.label) and not item.is_parameter
        if len(around) > 1 or key == trace.root or is_input or len(groups[g].uses) == 1:
            shown.append(key)
    return shown


def _by_depth(depth: int) -> Callable[[Use], tuple[Hashable, str]]:
    def key(use: Use) -> tuple[Hashable, str]:
        if len(use.scopes) <= depth:
            return None, ""
        return use.scopes[depth].serial, use.scopes[depth].name

    return key


def _by_line(use: Use) -> tuple[Hashable, str]:
    path, _, line = use.line.rpartition(", line ")
    return use.line, f"{PurePath(path).name}:{line}"


def _runs(trace: Trace, key: Callable[[Use], tuple[Hashable, str]]) -> list[Group]:
    """Return the groups of neighbours with the same key; those without one stay apart."""
    groups: list[Group] = []
    for (known, title), run in groupby(range(len(trace.uses)), lambda i: key(trace.uses[i])):
        members = list(run)
        if known is None:
            groups += [Group("", [i]) for i in members]
        else:
            groups.append(Group(title if len(members) > 1 else "", members))
    return groups


def _ends(trace: Trace, groups: list[Group], limit: int) -> list[Group]:
    """Fold all groups but the first and the last ones into one."""
    ends = len(groups)
    while ends > 1:
        ends //= 2
        middle = [i for group in groups[ends:-ends] for i in group.uses]
        if not middle:
            continue
        short = [*groups[:ends], Group("…", middle), *groups[-ends:]]
        if boxes(trace, short) <= limit:
            return short
    return [Group("…", list(range(len(trace.uses))))]


def _note(trace: Trace, groups: Sequence[Group], what: str) -> str:
    inside = sum(len(g.uses) for g in groups if len(g.uses) > 1)
    many = sum(len(g.uses) > 1 for g in groups)
    if not many:
        return ""
    return (
        f"{inside:,} of {len(trace.uses):,} operations are folded into {many} "
        f"box{'es' if many > 1 else ''}, by {what}"
    )
