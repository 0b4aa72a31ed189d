"""What the programs of the gallery share: their command line, photographs and pictures."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import optim

HERE = Path(__file__).parent
MISSING = "this needs {}, which is not installed: pip install 'wgrad[examples]'"


def start(run: Callable[[int, Path], Any], about: str | None, steps: int) -> int:
    """Run a program as its command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--device", help='"numpy", "webgpu", "webgpu:<part of a name>" or "auto"')
    parser.add_argument("--steps", type=int, default=steps, help=f"how long (default {steps})")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="a folder for pictures")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps {options.steps} came, and it has to be 1 or more")
    try:
        with wg.device(options.device) as device:
            print(f"device: {device.name} ({device.description})")
            began = time.perf_counter()
            run(options.steps, options.out)
            print(f"time: {time.perf_counter() - began:.1f} s")
    except wg.errors.WgradError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        return 2
    return 0


def descent(
    loss: Callable, parameters: Iterable[wg.Tensor], lr: float, over: int | None = None
) -> Callable:
    """Return a compiled step of Adam down a loss; the step takes and returns what `loss` does.

    `loss` returns the loss, or a tuple that begins with it. With `over` the rate falls to 0 within
    so many steps.
    """
    optimizer = optim.Adam(list(parameters), lr=lr)

    @wg.compile
    def down(*given: Any) -> Any:
        made = loss(*given)
        first, *more = made if isinstance(made, tuple) else (made,)
        optimizer.zero_grad()
        first.backward()
        optimizer.step()
        return (first, *(x.detach() for x in more)) if more else first

    steps = count()

    def step(*given: Any) -> Any:
        if over is not None:
            optimizer.lr = lr * (1 - next(steps) / over)
        return down(*given)

    return step


def timed(step: Callable, steps: int) -> tuple[Any, float]:
    """Return what the last of some steps returned, and the milliseconds of one."""
    for _ in range(2):  # which compile it
        last = step().item()
    began = time.perf_counter()
    for _ in range(steps):
        last = step()
    return last.item(), (time.perf_counter() - began) / steps * 1e3


def pillow() -> Any:
    """Return Pillow's Image, ImageDraw and ImageFont. Raises: MissingDependencyError."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise wg.errors.MissingDependencyError(MISSING.format("Pillow")) from error
    return Image, ImageDraw, ImageFont


def save(path: Path, pixels: Any, scale: int = 1) -> None:
    """Write a PNG of pixels from 0 to 1, (height, width) or (height, width, 3), magnified."""
    Image, _, _ = pillow()
    values = pixels.numpy() if isinstance(pixels, wg.Tensor) else np.asarray(pixels)
    levels = np.round(values.clip(0, 1) * 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels.repeat(scale, 0).repeat(scale, 1)).save(path, optimize=True)
    print(f"saved {path}")


def beside(*pictures: Any, gap: int = 4) -> np.ndarray:
    """Return pictures of one height in a row, with white between them."""
    row: list[np.ndarray] = []
    for picture in pictures:
        values = picture.numpy() if isinstance(picture, wg.Tensor) else np.asarray(picture)
        if values.ndim == 2:
            values = np.stack([values] * 3, -1)
        row += [values.clip(0, 1), np.ones((len(values), gap, 3))]
    return np.concatenate(row[:-1], 1)


def photograph(
    name: str, height: int, width: int, box: tuple[int, int, int, int] | None = None
) -> np.ndarray:
    """Return a photograph that scikit-learn ships as (height, width, 3), from 0 to 1.

    `box` is what is taken of it: left, top, right and bottom in its pixels.
    """
    try:
        from sklearn.datasets import load_sample_image
    except ImportError as error:
        raise wg.errors.MissingDependencyError(MISSING.format("scikit-learn")) from error
    Image, _, _ = pillow()
    small = Image.fromarray(load_sample_image(name)).resize((width, height), box=box)
    return np.asarray(small) / 255


def plane(height: int, width: int) -> np.ndarray:
    """Return the point in the middle of each pixel, (height, width, 2), with y from -1 to 1."""
    y, x = np.mgrid[:height, :width]
    return (2 * np.stack([x, y], -1) + 1 - [width, height]) / height


def spirals(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (2 * points, 2) of two spirals, and -1 or 1 for each, (2 * points, 1)."""
    t = np.linspace(0.06, 1, points)
    arm = 0.95 * np.stack([t * np.cos(9 * t), t * np.sin(9 * t)], -1)
    return np.concatenate([arm, -arm]), np.repeat([-1.0, 1.0], points)[:, None]


def dotted(pixels: np.ndarray, points: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return a square picture with points (n, 2), from -1 to 1 in x and y, in levels of grey."""
    made = pixels.copy()
    for at, level in zip((points + 1) / 2 * len(pixels), levels, strict=True):
        column, row = at.astype(int)
        made[row - 1 : row + 2, column - 1 : column + 2] = level
    return made


def blended(share: Any, low: tuple, high: tuple) -> np.ndarray:
    """Return colours (height, width, 3) between that of a share of 0 and that of a share of 1."""
    values = share.numpy() if isinstance(share, wg.Tensor) else np.asarray(share)
    return np.array(low) + values[..., None] * (np.array(high) - low)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits: images (1797, 64) from 0 to 1, and labels (1797,)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise wg.errors.MissingDependencyError(MISSING.format("scikit-learn")) from error
    images, labels = load_digits(return_X_y=True)
    return images / 16, labels


def signed(values: Any) -> np.ndarray:
    """Return colours (height, width, 3): blue below 0, white at 0, red above."""
    share = np.asarray(values) / np.abs(values).max()
    up, down = share.clip(0, 1)[..., None], (-share).clip(0, 1)[..., None]
    return 1 - up * [0.2, 0.75, 0.8] - down * [0.85, 0.6, 0.2]


def tiled(values: np.ndarray, columns: int) -> np.ndarray:
    """Return pictures of numbers (n, height, width) in rows, in colours, with lines between."""
    tiles = [signed(x) for x in values]
    rows = [beside(*tiles[i : i + columns], gap=1) for i in range(0, len(tiles), columns)]
    line = np.ones_like(rows[0][:1])
    return np.concatenate([x for row in rows for x in (row, line)][:-1])


def enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return a square picture as one of side x side pixels, each the nearest that there was."""
    rows = np.arange(side) * len(pixels) // side
    return pixels[rows][:, rows]


def disc(count: int, radius: float, spin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points (count, 3) spread over a disc, and their velocities when it turns."""
    angle = np.arange(count) * 2.39996
    away = radius * np.sqrt((np.arange(count) + 0.5) / count)
    points = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1) * away[:, None]
    return points, points[:, [1, 0, 2]] * [-spin, spin, 0]


def word(text: str, count: int) -> np.ndarray:
    """Return points (count, 3) spread evenly over the letters of a short text, around 0."""
    Image, ImageDraw, ImageFont = pillow()
    image = Image.new("L", (400, 200))
    font = ImageFont.load_default(150)
    ImageDraw.Draw(image).text((200, 100), text, fill=255, anchor="mm", font=font)
    inside = np.argwhere(np.asarray(image) > 128)
    spread = np.random.default_rng(1).permutation(inside)[: 40 * count].astype(float)
    points = spread[:count]
    for _ in range(20):  # each point goes to the middle of what is nearest to it
        nearest = ((spread[:, None] - points) ** 2).sum(-1).argmin(1)
        points = np.array([spread[nearest == i].mean(0) for i in range(count)])
    y, x = ((points - points.mean(0)) / 75).T
    return np.stack([x, y, 0 * x], -1)


def paired(ends: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points (n, 3) in such an order that each is near the end (n, 3) in its place."""
    away = ((ends[:, None] - points) ** 2).sum(-1)
    order = np.zeros(len(ends), int)
    for _ in ends:
        i, j = np.unravel_index(away.argmin(), away.shape)
        order[i] = j
        away[i], away[:, j] = np.inf, np.inf
    return points[order]


def scattered(photo: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `count` points (n, 2) where a photograph has detail, how far others are, and colours.

    The distance (n,) is that to the third of the nearest points; colours are (n, 3).
    """
    down, across = np.gradient(photo.mean(-1))
    detail = np.hypot(down, across).ravel() + 0.01
    places = np.random.default_rng(0).choice(detail.size, count, False, detail / detail.sum())
    points = plane(*photo.shape[:2]).reshape(-1, 2)[places]
    near = np.sort(((points[:, None] - points) ** 2).sum(-1), axis=1)[:, 3] ** 0.5
    return points, near, photo.reshape(-1, 3)[places]


def tracks(track: np.ndarray, size: int = 240) -> np.ndarray:
    """Return a picture (size, size, 3) of tracks (moments, n, 3), which end in points."""
    Image, ImageDraw, _ = pillow()
    fine = 4 * size
    image = Image.new("RGB", (fine, fine), (8, 10, 24))
    draw = ImageDraw.Draw(image)
    at = (track[:, :, :2] / 3.2 + 0.5) * fine
    early, late = np.array([25, 40, 90]), np.array([120, 150, 220])
    for i in range(1, len(at)):
        ink = tuple((early + (late - early) * i // (len(at) - 1)).tolist())
        for a, b in zip(at[i - 1], at[i], strict=True):
            draw.line([*a, *b], fill=ink, width=5)
    for x, y in at[-1]:
        draw.ellipse([x - 14, y - 14, x + 14, y + 14], fill=(255, 214, 120))
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS)) / 255
