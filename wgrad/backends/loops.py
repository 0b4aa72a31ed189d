"""Loops of users' shaders that may never end: what a kernel's text says of them, and the errors.

A text has a comment for each place that may be noted (`LoopSite.comment`), and notes its key.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import NamedTuple

from ..errors import ShaderError

NOTES_NAME = "wgrad_notes"  # of the memory that kernels note them in
_COMMENT = re.compile(r"^// loop: (.*)$", re.MULTILINE)


class LoopSite(NamedTuple):
    """A loop that is left after so many rounds, and where a person wrote it.

    `rounds` is None for a function at whose end is seen whether its loops ran as they should.
    """

    function: str
    rounds: int | None
    file: str
    line: int
    column: int
    source_line: str

    @property
    def key(self) -> int:
        """The number that a kernel notes: of what it says, so that texts do not vary."""
        text = json.dumps(tuple(self))
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "little")

    @property
    def comment(self) -> str:
        """The line that a text has for it."""
        return f"// loop: {json.dumps(tuple(self))}"

    def error(self, adapter: str) -> ShaderError:
        """Return the error for what was noted here."""
        if self.rounds is None:
            reason = (
                f"{self.function} ran more rounds of loops than {adapter} runs, which are 65,535 "
                "of neighbouring points together, and its results are wrong: either a loop never "
                "ends, or the NumPy device or another GPU is needed"
            )
        else:
            reason = (
                f"this loop of {self.function} did not end: it was left after {self.rounds} "
                "rounds, and the results are wrong; rounds= allows more"
            )
        return ShaderError(
            reason,
            file=self.file,
            line=self.line,
            column=self.column,
            source_line=self.source_line,
        )


def sites_of(code: str) -> dict[int, LoopSite]:
    """Return the sites that a text has comments for, by their keys."""
    sites = [LoopSite(*json.loads(x)) for x in _COMMENT.findall(code)]
    return {x.key: x for x in sites}
