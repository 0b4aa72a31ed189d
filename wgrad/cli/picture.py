"""Pictures: an array of colors as the bytes of a PNG file, and a page that shows them."""

from __future__ import annotations

import base64
import html
import struct
import zlib

import numpy as np

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="1">
<title>{title}</title>
<style>body {{ background: #222; color: #ddd; font: 14px monospace; }}
img {{ image-rendering: pixelated; max-width: 100%; }} pre {{ color: #f88; }}</style>
{content}
</html>
"""


def as_bytes(colors: np.ndarray) -> np.ndarray:
    """Return colors between 0 and 1 as bytes of gray, RGB or RGBA; NaN is 0.

    Shapes: (h, w) or (h, w, 1) for gray, (h, w, 2) for red and green, (h, w, 3), (h, w, 4).
    """
    if colors.ndim == 2:
        colors = colors[..., None]
    if colors.shape[-1] == 2:
        colors = np.concatenate([colors, np.zeros_like(colors[..., :1])], axis=-1)
    scaled = np.clip(np.nan_to_num(colors.astype(np.float64), nan=0.0), 0, 1) * 255
    return np.round(scaled).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """Return an image of bytes, (h, w, 1), (h, w, 3) or (h, w, 4), as a PNG file.

    Source: https://www.w3.org/TR/png-3/
    """
    height, width, channels = pixels.shape
    kind = {1: 0, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def page(title: str, picture: bytes | None, error: str | None) -> str:
    """Return a page with a picture, and what is wrong above it, that loads itself every second."""
    content = f"<pre>{html.escape(error)}</pre>\n" if error else ""
    if picture is not None:
        data = base64.b64encode(picture).decode("ascii")
        content += f'<img alt="{html.escape(title)}" src="data:image/png;base64,{data}">\n'
    return _PAGE.format(title=html.escape(title), content=content)
