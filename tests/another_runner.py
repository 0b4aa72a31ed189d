"""Runs the JSON of launches by what its page says alone, with wgpu and nothing of wgrad.

New memory, and what of a uniform no params say, are full of bits that nothing should read.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

UNREAD = b"\xff"


class AnotherRunner:
    """The launches of a JSON on a device of wgpu; `inputs` are bytes, changed by each run."""

    def __init__(self, raw: Any, text: str, inputs: Sequence[bytes]):
        self.raw, self.said = raw, json.loads(text)
        self.inputs = [self._memory(x) for x in inputs]
        self.pipelines = [self._pipeline(k) for k in self.said["kernels"]]

    def _memory(self, data: bytes) -> Any:
        data += UNREAD * (-len(data) % 16 or 16 * (not data))
        usage = 0x4 | 0x8 | 0x40 | 0x80  # copied from and to, uniform, storage
        buffer = self.raw.create_buffer(size=len(data), usage=usage)
        self.raw.queue.write_buffer(buffer, 0, data)
        return buffer

    def _pipeline(self, kernel: dict) -> tuple[Any, Any]:
        kinds = [
            "uniform",
            *({"r": "read-only-storage", "w": "storage"}[x] for x in kernel["access"]),
        ]
        entries = [
            {"binding": i, "visibility": 4, "buffer": {"type": kind}}
            for i, kind in enumerate(kinds)
        ]
        group = self.raw.create_bind_group_layout(entries=entries)
        module = self.raw.create_shader_module(code=kernel["text"])
        return group, self.raw.create_compute_pipeline(
            layout=self.raw.create_pipeline_layout(bind_group_layouts=[group]),
            compute={"module": module, "entry_point": "main"},
        )

    def run(self, numbers: Sequence[float], draw: Callable) -> list[bytes]:
        """Return the bytes of outputs and inputs after a run."""
        said = self.said
        memory: dict[str, Any] = {
            "input": self.inputs,
            "output": [self._memory(UNREAD * x["bytes"]) for x in said["outputs"]],
            "block": [self._memory(UNREAD * n) for n in said["blocks"]],
            "constant": [self._memory(b64decode(x)) for x in said["constants"]],
            "swap": {i: self._memory(UNREAD * said["inputs"][i]["bytes"]) for i in said["swaps"]},
        }
        for x in said["launches"]:
            params = bytearray(struct.pack(f"<{len(x['params'])}I", *x["params"]))
            size = said["kernels"][x["kernel"]]["uniform"]["bytes"]
            params += UNREAD * (size - len(params))
            for at, i, dtype in x["numbers"]:
                struct.pack_into("<f" if "float" in dtype else "<i", params, at, numbers[i])
            if x["draw"]:
                key, counter = draw(*x["draw"])
                half = counter // 2
                words = *key, half % 2**32, half >> 32, counter % 2
                struct.pack_into("<5I", params, 0, *words)
            bound = [(self._memory(bytes(params)), 0, None)]
            bound += [(memory[kind][i], start, n) for kind, i, start, n in x["bindings"]]
            resources = [
                {"buffer": b, "offset": at, "size": b.size if n is None else n}
                for b, at, n in bound
            ]
            group, pipeline = self.pipelines[x["kernel"]]
            entries = [{"binding": i, "resource": r} for i, r in enumerate(resources)]
            encoder = self.raw.create_command_encoder()
            compute = encoder.begin_compute_pass()
            compute.set_pipeline(pipeline)
            compute.set_bind_group(0, self.raw.create_bind_group(layout=group, entries=entries))
            compute.dispatch_workgroups(*x["groups"])
            compute.end()
            self.raw.queue.submit([encoder.finish()])
        for i, buffer in memory["swap"].items():
            self.inputs[i] = buffer
        return [bytes(self.raw.queue.read_buffer(b)) for b in (*memory["output"], *self.inputs)]
