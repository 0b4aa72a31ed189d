"""The steps of a program in an order that may change: who makes and reads what, and what follows.

Steps are a linked list with numbers that rise along it, so that two become one, and others move
behind them, at a cost that does not grow with the program.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ..ir import Program, Step

GAP = 1 << 100  # between the numbers of neighbours: so often halved before all are numbered anew
_NOBODY: dict[int, Step] = {}
FURTHEST = 1000  # readers that are looked at before a path between two steps is taken for granted


class Order:
    """The steps of a program while they are moved and replaced."""

    def __init__(self, program: Program):
        self.maker: dict[int, Step] = {}  # of each slot
        self.readers: dict[int, dict[int, Step]] = {}  # of each slot, by their ids
        self._place: dict[int, int] = {}  # of each step, by its id
        self._after: dict[int, Step | None] = {}
        self._before: dict[int, Step | None] = {}
        self._first: Step | None = None
        last: Step | None = None
        for step in program.steps:
            self._link(step, last, (len(self._place) + 1) * GAP)
            self._enter(step)
            last = step
        self._spans = _spans(program)

    def __contains__(self, step: Step) -> bool:
        return id(step) in self._place

    def __iter__(self) -> Iterator[Step]:
        step = self._first
        while step is not None:
            yield step
            step = self._after[id(step)]

    def place(self, step: Step) -> int:
        """Return a number that is larger for later steps."""
        return self._place[id(step)]

    def earlier(self, step: Step) -> Iterator[Step]:
        """Iterate over the steps before `step`, the latest first."""
        earlier = self._before[id(step)]
        while earlier is not None:
            yield earlier
            earlier = self._before[id(earlier)]

    # What follows from what.
    def independent(self, step: Step, near: int) -> Iterator[Step]:
        """Iterate over those of the `near` steps before `step` that do not lead to it.

        The latest comes first.
        """
        wanted = set(step.reads())
        for other in islice(self.earlier(step), near):
            if wanted.isdisjoint(other.writes()):
                yield other
            else:
                wanted |= other.reads()

    def following(self, step: Step, end: int) -> list[Step]:
        """Return the steps that follow from `step`, in order, as far as their places are below."""
        later: dict[int, Step] = {}
        stack = [step]
        while stack:
            for reader in self._readers_before(stack.pop(), end):
                if id(reader) not in later:
                    later[id(reader)] = reader
                    stack.append(reader)
        return sorted(later.values(), key=self.place)

    def leads(self, a: Step, b: Step) -> bool:
        """Whether a third step leads from `a` to the later `b`.

        Said of steps so far apart, too, that it would take long to find out.
        """
        start, end = self.place(a), 0
        goals: list[int] = []
        for slot in b.reads() - a.writes():
            maker = self.maker.get(slot)
            if maker is not None and self.place(maker) > start:
                goals.append(self._spans[slot][0])
                end = max(end, self.place(maker) + 1)
        if not goals:
            return False
        goals.sort()
        seen = {id(a)}
        stack = [a]
        looked_at = 0
        while stack:
            step = stack.pop()
            for slot in step.writes():
                if self._reaches(slot, goals):
                    return True
                looked_at += len(self.readers.get(slot, ()))
            if looked_at > FURTHEST:
                return True
            for reader in self._readers_before(step, end):
                if id(reader) not in seen:
                    seen.add(id(reader))
                    stack.append(reader)
        return False

    def not_behind(self, makers: Iterable[Step], step: Step) -> Iterator[Step]:
        """Iterate over those makers of what `step` reads that lead to no later one of them.

        `makers` come with the latest first. It is what `leads` sees at once of each, for all in
        one go: a step may read what hundreds make.
        """
        reads = step.reads()
        goals: list[int] = []
        for maker in makers:
            slots = maker.writes()
            for slot in slots:
                if self._reaches(slot, goals):
                    break
            else:
                yield maker
            for slot in slots & reads:
                insort(goals, self._spans[slot][0])

    def _reaches(self, slot: int, goals: list[int]) -> bool:
        """Whether one of `goals`, sorted firsts of spans, is seen to follow from a slot."""
        first, last = self._spans[slot]
        at = bisect_left(goals, first)
        return at < len(goals) and goals[at] < last

    def _readers_before(self, step: Step, end: int) -> list[Step]:
        place, readers = self._place, self.readers
        return [
            reader
            for slot in step.writes()
            for number, reader in readers.get(slot, _NOBODY).items()
            if place[number] < end
        ]

    # Changes.
    def replace(self, a: Step, b: Step, joined: Step) -> None:
        """Put `joined` in the place of the later `b`, and what follows from `a` behind it."""
        end = self.place(b)
        late = self.following(a, end)
        self._leave(a)
        self._unlink(a)
        before = self._before[id(b)]
        self._leave(b)
        self._unlink(b)
        self._link(joined, before, end)
        self._enter(joined)
        self.move_behind(late, joined)

    def move_behind(self, steps: Sequence[Step], last: Step) -> None:
        """Move steps, in their order, to directly behind `last`."""
        for step in steps:
            self._unlink(step)
        following = self._after[id(last)]
        start = self.place(last)
        end = start + GAP * (len(steps) + 1) if following is None else self.place(following)
        space = (end - start) // (len(steps) + 1)
        for step in steps:
            start += space
            self._link(step, last, start)
            last = step
        if steps and not space:
            for i, step in enumerate(self):
                self._place[id(step)] = (i + 1) * GAP

    def _link(self, step: Step, before: Step | None, place: int) -> None:
        after = self._first if before is None else self._after[id(before)]
        self._before[id(step)], self._after[id(step)] = before, after
        if before is None:
            self._first = step
        else:
            self._after[id(before)] = step
        if after is not None:
            self._before[id(after)] = step
        self._place[id(step)] = place

    def _unlink(self, step: Step) -> None:
        before, after = self._before.pop(id(step)), self._after.pop(id(step))
        if before is None:
            self._first = after
        else:
            self._after[id(before)] = after
        if after is not None:
            self._before[id(after)] = before
        del self._place[id(step)]

    def _enter(self, step: Step) -> None:
        for slot in step.writes():
            self.maker[slot] = step
        for slot in step.reads():
            self.readers.setdefault(slot, {})[id(step)] = step

    def _leave(self, step: Step) -> None:
        for slot in step.writes():
            del self.maker[slot]
        for slot in step.reads():
            del self.readers[slot][id(step)]


def _spans(program: Program) -> dict[int, tuple[int, int]]:
    """Return for each slot numbers (first, last): one whose first lies within follows from it.

    They are those of a forest in which every step hangs from the one with the longest history that
    it reads. That what follows in another way is not known to follow costs a search, and no more.
    """
    step_of: dict[int, int] = {}
    above: list[int] = []
    depth: list[int] = []
    for i, step in enumerate(program.steps):
        makers = [step_of[slot] for slot in step.reads() if slot in step_of]
        above.append(max(makers, key=lambda i: (depth[i], i), default=-1))
        depth.append(1 + depth[above[-1]] if makers else 0)
        step_of |= dict.fromkeys(step.writes(), i)
    size = [1] * len(above)
    for i in range(len(above) - 1, -1, -1):
        if above[i] >= 0:
            size[above[i]] += size[i]
    free = [0] * len(above)  # where the next step that hangs from this one begins
    first = [0] * len(above)
    top = 0
    for i, up in enumerate(above):
        if up < 0:
            first[i], top = top, top + size[i]
        else:
            first[i] = free[up]
            free[up] += size[i]
        free[i] = first[i] + 1
    return {slot: (first[i], first[i] + size[i]) for slot, i in step_of.items()}
