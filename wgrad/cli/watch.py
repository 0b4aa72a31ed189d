"""`wgrad watch file.wgsl`: a picture of a function or a compute shader, made anew at each edit."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..creation import tensor
from ..errors import ArgumentError, CallError, ShaderError, WgradError
from ..kernel.reload import Files
from . import subject
from .picture import as_bytes, page, png

ABOUT = {
    "help": "draw a picture of a file of WGSL, anew whenever it is edited",
    "description": (
        "Draw what a function `fn color(uv: vec2f, ...) -> vec3f` gives at every pixel, or what a "
        "compute shader writes with a thread for each, into a PNG file or a page that loads itself "
        "again. uv goes from 0 to 1, from the left and from the top; colors are between 0 and 1. "
        "Ctrl-C ends it."
    ),
}
PAUSE = 0.1  # seconds between two looks at the files


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    subject.configure(parser, inputs=False)
    parser.add_argument("--view", choices=["image"], default="image", help="what is drawn")
    parser.add_argument(
        "--size", type=subject.sizes, default=(512, 512), help="of the picture (default: 512x512)"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="the PNG file (default: that of the shader, with .png)"
    )
    parser.add_argument("--html", metavar="FILE", help="a page, in the PNG file's place")
    parser.add_argument("--once", action="store_true", help="draw it once, and end")


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Draw it, and again when it has changed; with --once the status says whether it went well."""
    if len(options.size) != 2:
        parser.error("--size needs a width and a height, as 512x512")
    if options.out is None and options.html is None:
        options.out = str(Path(options.file).with_suffix(".png"))
    view = _View(options, subject.settings(options, parser))
    return subject.guarded(options, parser, view.follow)


class _View:
    """A picture of a file."""

    def __init__(self, options: argparse.Namespace, values: dict[str, Any]):
        self.options, self.values = options, values
        self.picture: bytes | None = None
        self.files = Files()

    def follow(self) -> int:
        """Draw until the user ends it."""
        fine = self.draw()
        try:
            while not self.options.once:
                time.sleep(PAUSE)
                if self.files.have_changed():
                    self.draw()
        except KeyboardInterrupt:
            return subject.FINE
        return subject.FINE if fine else subject.FAILED

    def draw(self) -> bool:
        """Draw it once, and say so, or what is wrong; return whether it went well."""
        options, error = self.options, None
        self.files = Files()
        try:
            self.picture = png(self.colors())
        except WgradError as wrong:
            if options.once and not isinstance(wrong, ShaderError):
                raise
            error = str(wrong)
            subject.told(options, wrong)
        if options.html is not None:
            _write(options.html, page(options.file, self.picture, error).encode())
        if options.out is not None and error is None:
            assert self.picture is not None
            _write(options.out, self.picture)
        if error is None:
            made = [x for x in (options.out, options.html) if x is not None]
            width, height = options.size
            if options.json:
                print(json.dumps({"ok": True, "files": made, "size": [width, height]}), flush=True)
            else:
                print(f"{' and '.join(made)}: {width} x {height}", flush=True)
        return error is None

    def colors(self) -> np.ndarray:
        """Return the pixels. Raises: WgradError."""
        about = subject.chosen(self.options, self.files.read, "color")
        made = self._kernel(about) if about.is_kernel else self._op(about)
        return self._pixels(about.name, made.numpy())

    def _op(self, about: subject.Subject) -> Any:
        op, name = about.op, about.name
        if op.function.inputs[0].inner != (2,):
            raise CallError(
                f"{name} is {op.function.says}, and its first parameter has to be the place: "
                "uv: vec2f"
            )
        width, height = self.options.size
        y, x = np.meshgrid(
            (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
        )
        return op(tensor(np.stack([x, y], -1).astype(np.float32)), **self.values)

    def _kernel(self, about: subject.Subject) -> Any:
        size = self.options.size[::-1]
        entry = about.op.entry
        shapes = {n: (*size, *entry.placements[n].shape) for n in entry.writes}
        made = about.library.kernel(about.name, outputs=shapes)(**self.values)
        return made[0] if isinstance(made, tuple) else made

    def _pixels(self, name: str, made: np.ndarray) -> np.ndarray:
        """Return what was made as bytes of colors."""
        size = self.options.size[::-1]
        if made.shape == size and made.dtype == np.uint32:  # four bytes: red, green, blue, alpha
            return made.astype("<u4").view(np.uint8).reshape(*size, 4)
        if made.shape[:2] != size or made.shape[2:] not in ((), (2,), (3,), (4,)):
            raise ArgumentError(
                f"{name} gives {made.shape}, and a number, or a vector of two to four, is needed "
                "for each pixel"
            )
        return as_bytes(made)


def _write(path: str, data: bytes) -> None:
    """Exchange a file as a whole: whoever reads it sees the old picture or the new one."""
    beside = Path(f"{path}.new")
    beside.write_bytes(data)
    os.replace(beside, path)
