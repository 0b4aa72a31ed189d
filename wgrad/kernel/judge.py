"""What the compiler of a GPU says of a user's text as it stands, in the user's own lines."""

from __future__ import annotations

import re
from typing import Any
from weakref import WeakSet

from ..backends.base import Device
from ..errors import ShaderError
from .language.places import Source, error_at

# naga knows subgroups without this line, which browsers require, and refuses it.
_SUBGROUPS = re.compile(r"\benable\s+subgroups\s*;")
REFUSES = "the GPU's compiler refuses this: "  # before its reason


class Judge:
    """Asks each GPU once whether it takes a text: what the type pass lets through may be refused.

    The text is asked about with its directives followed and nothing else changed. What runs is made
    of it, under other names and in other lines, which nobody wrote.
    """

    def __init__(self, source: Source):
        self.source = source
        self.passed: WeakSet[Device] = WeakSet()

    def ask(self, device: Any) -> None:
        """Raise ShaderError, at the user's line, where a device does not take the text."""
        if device in self.passed:
            return
        if device.launches:
            text = self.source.text
            if not device.gpu.implementation.has_extensions:
                text = _SUBGROUPS.sub(lambda m: " " * len(m[0]), text)
            words = device.gpu.refusal(text, self.source.name)
            if words is not None:
                raise _located(words, self.source)
        self.passed.add(device)


def _located(words: str, source: Source) -> ShaderError:
    """Return the compiler's words as an error at the user's line."""
    from ..backends.webgpu.origins import told

    said = told(words)
    if said is None:
        reason = " ".join(words.split())
        return ShaderError(f"{source.name}: the GPU's compiler refuses the text: {reason}")
    hint = ""
    if "`return` expression None" in said.reason:
        hint = " (it does not see that a loop always returns: end the function with a return)"
    place = source.place_at(said.row, said.column)
    return error_at(place, f"{REFUSES}{said.reason}{hint}")
