"""The watched policy: Python state that the function reads is compared before every run.

Two traces that begin in one state and do the same are believed: what the function did twice it
does again, as long as nothing that it read has changed. What no replay would do runs uncompiled.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...interrupts import whole
from ...origin import warn
from ...tensor import Tensor
from ..run.replay import Replay
from ..signatures import Signature
from ..trace.collecting import uncollected
from ..trace.observe import Observation
from ..trace.recording import Account, Recording
from ..trace.tracer import Tracer
from .notes import TooMuchError
from .policy import Call, Function, Policy, with_floats
from .watch import Watch

PATIENCE = 4  # traces of one signature in a row that differ, before it is left uncompiled


class Trial(NamedTuple):
    """One traced call, which is believed once another does the same."""

    replay: Replay
    account: Account
    watch: Watch
    after: Watch | None  # what the call left; None where that is too much
    asked: str | None  # what the call asked of the world


class Watching(Recording):
    """A recording between what was there before the call, `watch`, and what it left, `after`."""

    def __init__(self, leaves: Sequence[Tensor], tracer: Tracer, watch: Watch):
        super().__init__(leaves, tracer)
        self.watch = watch

    def end(self, after: Watch | None) -> None:
        """Finish it; None where what the call left is too much to look at."""
        self.after, watch = after, self.watch
        # Whether the walk before the call knew all that would run.
        self.is_settled = after is not None and after.ran is watch.ran
        known = watch.seen
        if after is not None:
            self.asked = self.asked or watch.asked_since(after, self.ran)
            known = watch.seen if self.is_settled else watch.seen | after.seen
        self.finish(watch, known, functools.partial(_name_of, (after, watch)))

    def is_twin(self, trial: Trial) -> bool:
        """Whether a call, which ran nothing new, did what an earlier one did."""
        return self.is_settled and self.difference(trial.account) is None

    def keeps(self) -> str | None:
        """Return what the call left in Python state that a replay would not, and where."""
        assert self.after is not None
        for x in self.after.met:
            what, position = None, self.tracer.position_of(x.array)
            if position is not None:
                what = f"a view of tensor argument {position}"
            elif x.array.storage in self.tracer.made:
                what = f"a tensor that is made at {self.made_at(x.array.storage)}"
            elif id(x) not in self.watch.seen:
                numbers = (i for i, leaf in enumerate(self.leaves) if leaf is x)
                what = next((f"tensor argument {i}" for i in numbers), None)
            if what is not None:
                return f"{what} in {self.after.place_of(x)}"
        for x in self.containers:
            if id(x) in self.after.seen and id(x) not in self.watch.seen:
                return f"a container among its arguments in {self.after.place_of(x)}"
        kept = self.kept()
        return f"a tensor that is made at {self.made_at(kept[0])}" if kept else None

    def trial(self, replay: Replay) -> Trial:
        """Return what is remembered of the call."""
        return Trial(replay, self.account, self.watch, self.after, self.asked)

    def forget(self) -> None:
        """Let go of what the walks have met, which only this trace needs."""
        for watch in (self.watch, self.after):
            if watch is not None:
                watch.forget()


def _name_of(watches: Sequence[Watch | None], x: Any) -> str | None:
    looks = (w.name_of(x) for w in watches if w is not None)
    return next((name for name in looks if name is not None), None)


class Watched(Policy):
    """The policy for functions whose state nobody has declared."""

    def __init__(self, function: Function):
        super().__init__(function)
        self._too_much = ""

    @whole
    @uncollected
    def trace(self, signature: Signature, call: Call) -> tuple[Any] | None:
        """Trace the call, run what it did, and see whether an earlier trace did the same."""
        function = self._function
        roots = self._roots(call)
        is_known = signature.captures or signature.pending
        watch = self._look(roots, self._ran if is_known else None)
        if watch is None:
            function.signatures.give_up(signature, self._too_much)
            return None
        self._note_reason(signature, watch)
        expected = [t for t in signature.pending if self._meets_again(t, watch, call.leaves)]
        now = self._recorded(call, watch, roots)
        with now.undone_if_it_fails():
            twin = next((t for t in signature.pending if now.is_twin(t)), None)
            now.cut()
            if twin is not None and now.kept():
                gc.collect()
            reason = self._judge(signature, now, twin, expected)

        def keep(replay: Replay) -> Signature:
            if twin is None:
                signature.pending = [*signature.pending[-PATIENCE:], now.trial(replay)]
            else:
                signature.pending.remove(twin)
                signature.captures.insert(0, replay)
                signature.disagreements = signature.surprises = 0
            return signature

        try:
            return self._first_run(now, call, signature, keep, reason)
        finally:
            now.forget()

    def _roots(self, call: Call) -> list[tuple[str, Any]]:
        nodes = [x.node for x in call.leaves if x.node is not None]
        hooks = [hook for node in nodes for hook in (node.hooks or {}).values()]
        return [
            (self._function.name, self._function.call),
            *((type(x).__name__, x) for x in call.objects),
            *(("a hook of an argument", h) for h in hooks),
        ]

    def _recorded(self, call: Call, watch: Watch, roots: list[tuple[str, Any]]) -> Watching:
        def twice() -> None:
            if changed := watch.change():
                warn(
                    f"compile: {self._function.name} was run twice in one call, for it needs a "
                    f"true float where a number varies: it has changed {changed} twice. Pass that "
                    "number as a 0-d tensor"
                )

        def run(args: tuple, kwargs: dict) -> Watching:
            recording = Watching(call.leaves, Tracer(self._function.frozen()), watch)
            recording.run(self._function.call, args, kwargs)
            with recording.undone_if_it_fails():
                self._ran = self._ran.joined(recording.ran)
                recording.end(self._look(roots, self._ran))
            return recording

        return with_floats(call, self._ran, run, twice)

    def _look(self, roots: list[tuple[str, Any]], ran: Observation | None) -> Watch | None:
        """Return the state as it is now; None, and why in `_too_much`, where that is too much."""
        try:
            return Watch(roots, ran)
        except TooMuchError as error:
            self._too_much = str(error)
            return None

    def _note_reason(self, signature: Signature, watch: Watch) -> None:
        """Remember why none of the captures of a known signature could be used."""
        earlier = [r.outside for r in signature.replays()]
        if earlier:
            alike = [w for w in earlier if isinstance(w, Watch) and w.ran is watch.ran]
            changed = alike[0].difference(watch) if alike else None
            what = changed or "the state of a gradient, or the memory of an argument,"
            self._function.signatures.reason = f"{what} changes"

    @staticmethod
    def _meets_again(trial: Trial, watch: Watch, leaves: list[Tensor]) -> bool:
        """Whether a trace now begins in the state in which an earlier one ended, and began."""
        after = trial.after
        return (
            after is not None
            and after.ran is watch.ran
            and after.tokens == watch.tokens
            and trial.replay.enters_alike(leaves)
        )

    def _judge(
        self, signature: Signature, now: Watching, twin: Trial | None, expected: list[Trial]
    ) -> str | None:
        """Return why the signature is to be left uncompiled, if it is."""
        if now.after is None:
            return self._too_much
        if now.asked is not None and any(t.asked is not None for t in signature.pending):
            return now.asked
        if twin is not None:
            if now.changes_arguments:
                return "every call changes the containers among its arguments"
            kept = now.keeps()
            if kept is not None:
                return f"every call keeps {kept}"
            changed = now.watch.difference(now.after)
            if changed is not None:
                return f"every call changes {changed}, which a replay would not"
        elif signature.pending and not now.is_settled:
            signature.surprises += 1
            if signature.surprises >= PATIENCE:
                return "every call runs code that is made anew"
        elif expected:
            signature.disagreements += 1
            if signature.disagreements >= PATIENCE:
                what = now.difference(expected[-1].account)
                return f"{what} differs from call to call"
        return None
