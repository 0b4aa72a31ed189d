"""Tint in Dawn: the package wgpudawn, where it is installed, in a process of its own.

Dawn and wgpu-native would both load the machine's drivers; what one of them does to the process
shall not meet the other. Dawn's "Null" backend judges texts, and needs no GPU.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys

from ..language import Source
from .verdicts import Judgement, Message, placed

SECONDS = 60.0
_SCRIPT = """
import json, sys
import wgpudawn
text = json.load(sys.stdin)
adapter = wgpudawn.gpu.request_adapter_sync()
features = [x for x in ("shader-f16", "subgroups") if x in adapter.features]
device = adapter.request_device_sync(required_features=features)
said = ""
try:
    device.create_shader_module(code=text)
except wgpudawn.GPUError as error:
    said = str(error)
json.dump({"said": said, "version": wgpudawn.__version__}, sys.stdout)
"""
_PLACE = re.compile(r"^:?(?:[^\n:]*:)?(\d+):(\d+) (error|warning|note): ", re.MULTILINE)


def judge(source: Source) -> Judgement:
    """Return what Tint says, in Dawn."""
    if importlib.util.find_spec("wgpudawn") is None:
        return Judgement("dawn", absent="install wgpudawn for it")
    paths = os.pathsep.join(x for x in sys.path if x)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            input=json.dumps(source.text),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "WGPU_BACKEND_TYPE": "Null", "PYTHONPATH": paths},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Judgement("dawn", absent=str(error))
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return Judgement("dawn", absent=last or f"it ended with status {done.returncode}")
    answer = json.loads(done.stdout.splitlines()[-1])
    version = f"wgpudawn {answer['version']}"
    return Judgement("dawn", _messages(source, answer["said"]), version=version)


def _messages(source: Source, said: str) -> tuple[Message, ...]:
    """Return what an error of Dawn's says, place by place."""
    if not said:
        return ()
    said = said.partition("\n - While ")[0].strip()
    first = re.search(r"(?::\d+:\d+|\d+:\d+) (?:error|warning|note): ", said)
    if first is None:
        return (Message(said),)
    messages = []
    for part in re.split(r"(?:^|\n|(?<=WGSL: ))(?=:?\d+:\d+ (?:error|warning|note): )", said):
        match = _PLACE.match(part)
        if match is None:
            continue
        line, column, severity = int(match[1]), int(match[2]), match[3]
        text = part[match.end() :].split("\n")[0]
        severity = "info" if severity == "note" else severity
        messages.append(placed(source, line, column, text, severity, "utf-8"))
    return tuple(messages) or (Message(said),)
