"""naga, the compiler of wgpu: a device of wgrad's is given the text as it is."""

from __future__ import annotations

import re

from ...devices import device as device_of
from ...errors import DeviceError, MissingDependencyError
from ..language import Source
from .verdicts import Judgement, Message, placed

_PLACE = re.compile(r"┌─ [^\n]*?:(\d+):(\d+)\n")
_SAYS = re.compile(r"(?:parsing error|validation error): ([^\n]+)")
_NOTE = re.compile(r"^ +(?:│ +\^+|=) (.+)$", re.MULTILINE)
# It knows subgroups without it, and refuses the line that browsers require.
_SUBGROUPS = re.compile(r"\benable\s+subgroups\s*;")


def judge(source: Source) -> Judgement:
    """Return what naga says."""
    try:
        device = device_of("webgpu")
    except (DeviceError, MissingDependencyError) as error:
        return Judgement("naga", absent=str(error))
    gpu = device.gpu  # type: ignore[attr-defined]
    text = _SUBGROUPS.sub(lambda m: " " * len(m[0]), source.text)
    messages: tuple[Message, ...] = ()
    gpu.check()
    with gpu.driving:
        try:
            gpu.raw.create_shader_module(label=source.name, code=text)
        except Exception as error:
            messages = (said(source, str(error)),)
    return Judgement("naga", messages)


def said(source: Source, words: str) -> Message:
    """Return an error of naga's as a message: its reason, at the person's line."""
    found, place = _SAYS.search(words), _PLACE.search(words)
    reason = found[1] if found else " ".join(words.split())
    notes = [x for x in dict.fromkeys(_NOTE.findall(words)) if not x.startswith("naga::")]
    if notes and notes[-1] not in reason:
        reason = f"{reason}: {notes[-1]}"
    if place is None:
        return Message(reason, source.name)
    return placed(source, int(place[1]), int(place[2]), reason)
