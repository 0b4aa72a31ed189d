"""wg.kernel.validate: a text before all judges that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ArgumentError, ShaderError, shown
from ..language import Source, check, parse
from ..reports import Report
from ..texts import source_of
from . import browser, dawn, naga
from .verdicts import Judgement, Message, of_error

__all__ = ["Judgement", "Message", "Validation", "validate"]


@dataclass(frozen=True)
class Validation(Report):
    """What all judges say of a text: `judgements`, one for each that was asked."""

    name: str
    judgements: tuple[Judgement, ...]

    @property
    def ok(self) -> bool:
        """Whether no judge that is at hand found an error."""
        return all(x.ok for x in self.judgements)

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said by all of them."""
        return tuple(m for x in self.judgements for m in x.messages)

    def __getitem__(self, judge: str) -> Judgement:
        """Return the judgement of a judge by its name."""
        return next(x for x in self.judgements if x.judge == judge)

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.name}:", *("  " + str(x).replace("\n", "\n  ") for x in self.judgements)]
        )


def validate(text: str | Path, judges: Sequence[str] | None = None) -> Validation:
    """Ask every judge at hand whether a text is WGSL, and say what each found, and where.

    `text` is WGSL, or the path of a file, whose `#include` lines are followed; places are those of
    the files that you edit. The judges:

    - "wgrad": the type pass that every text goes through here. What its parser refuses, others do
      not see, for a text that is nested too deep ends the process of a compiler.
    - "naga": the compiler of wgpu and Firefox.
    - "tint": the compiler of Chrome, in a headless Chromium that is found on the PATH. It takes
      seconds to start.
    - "dawn": the same compiler without a browser, where the package wgpudawn is installed.

    `judges` are the names of those to be asked; all of them, if it is left out. One that is not at
    hand says why, and counts as no objection.

    Raises: ArgumentError for another judge, ShaderError for a file that cannot be read.

    Example:
        >>> report = wg.kernel.validate("fn f() -> f32 { return 1; }", judges=["wgrad", "naga"])
        >>> report.ok
        True
    """
    names = tuple(_JUDGES) if judges is None else (judges,) if isinstance(judges, str) else judges
    for name in names:
        if name not in _JUDGES:
            raise ArgumentError(
                f"kernel.validate: there is no judge {shown(name)}; there are {', '.join(_JUDGES)}"
            )
    source = source_of(text, "kernel.validate")
    own, readable = _own(source)
    judgements = []
    for name in names:
        if name == "wgrad":
            judgements.append(own)
        elif readable:
            judgements.append(_JUDGES[name](source))
        else:
            judgements.append(Judgement(name, absent="the text cannot be parsed"))
    return Validation(source.name, tuple(judgements))


def _own(source: Source) -> tuple[Judgement, bool]:
    """Return what our own type pass says, and whether the text can be parsed."""
    readable = False
    try:
        module = parse(source)
        readable = True
        check(module)
    except ShaderError as error:
        return Judgement("wgrad", (of_error(error),)), readable
    return Judgement("wgrad"), readable


_JUDGES: dict[str, Callable[[Source], Judgement]] = {
    "wgrad": lambda source: _own(source)[0],
    "naga": naga.judge,
    "tint": browser.judge,
    "dawn": dawn.judge,
}
