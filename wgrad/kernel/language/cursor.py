"""A place in a list of tokens, and what every rule of the grammar does with it."""

from __future__ import annotations

from typing import NoReturn

from ...errors import ShaderError
from . import limits
from .lexer import tokens
from .places import Source, Span


class Cursor:
    """Steps through tokens. `kind` is the next one's."""

    def __init__(self, source: Source):
        self.source = source
        self.kinds, self.texts, self.starts = tokens(source)
        self.at = 0
        self.kind = self.kinds[0]
        self.depth = 0  # of nesting

    @property
    def text(self) -> str:
        """The text of the next token."""
        return self.texts[self.at]

    @property
    def start(self) -> int:
        """Where the next token begins."""
        return self.starts[self.at]

    def step(self) -> str:
        """Pass the next token, and return its text."""
        text = self.texts[self.at]
        self.at += 1
        self.kind = self.kinds[self.at]
        return text

    def accept(self, kind: str) -> bool:
        """Pass the next token if it is of a kind, and return whether it is."""
        if self.kind != kind:
            return False
        self.at += 1
        self.kind = self.kinds[self.at]
        return True

    def expect(self, kind: str, after: str = "") -> None:
        """Pass a token of a kind. `after` says behind what it is missing otherwise."""
        if self.kind != kind:
            if kind == ";":  # a person forgets it at the end of a line, not where the next begins
                raise self.source.error(f"';' is missing after {after}", self.last_end)
            self.wrong(f"expected {kind.strip(':') or ':'!r}{' after ' + after if after else ''}")
        self.at += 1
        self.kind = self.kinds[self.at]

    def name(self, of: str) -> str:
        """Pass a name, and return it. `of` says what it would be the name of."""
        if self.kind != "identifier":
            self.wrong(f"expected the name of {of}")
        return self.step()

    def wrong(self, expected: str) -> NoReturn:
        """Raise the error that says what was expected and what is there."""
        raise self.source.error(f"{expected}, not {self.shown()}", self.start)

    def shown(self) -> str:
        """Return the next token for a message."""
        if self.kind == "end":
            return "the end of the text"
        text = self.text if len(self.text) <= 40 else self.text[:37] + "..."
        if self.kind == "reserved":
            return f"{text!r}, a word that WGSL reserves"
        if self.kind.isalpha() and self.kind not in ("identifier", "number"):
            return f"{text!r}, a keyword of WGSL"
        return repr(text)

    @property
    def last_end(self) -> int:
        """Where the token that was passed last ends."""
        last = self.at - 1
        return self.starts[last] + len(self.texts[last]) if last >= 0 else 0

    def span(self, start: int) -> Span:
        """Return the span from `start` to the end of what was passed last."""
        last = self.at - 1
        return Span(self.source, start, self.starts[last] + len(self.texts[last]))

    def deeper(self) -> None:
        """Note that one more bracket or block is open. Raises: ShaderError for too many."""
        self.depth += 1
        if self.depth > limits.NESTING:
            raise self.source.error(
                f"this is nested more than {limits.NESTING} deep: name parts of it with let, or "
                "make them functions",
                self.start,
            )

    def error(self, message: str, start: int) -> ShaderError:
        """Return the error which says that something is wrong at a character."""
        return self.source.error(message, start)
