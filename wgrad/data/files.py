"""Files of one's own: tables (CSV), arrays (npy, npz) and folders of images."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..creation import DeviceLike, tensor
from ..errors import ArgumentError, DTypeError, shown
from ..extras import needed
from .dataset import Dataset

PathLike = str | os.PathLike
EMPTY = ("", "na", "n/a", "nan", "null", "none", "?")  # what stands for a missing value
IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def read_csv(
    path: PathLike,
    columns: Sequence[str] | None = None,
    header: bool | None = None,
    dtypes: Mapping[str, Any] | None = None,
    missing: str | float = "error",
    delimiter: str = ",",
    device: DeviceLike = None,
) -> dict[str, Any]:
    """Return the columns of a table by name: tensors (n,) of numbers, and lists of other text.

    A column of integers becomes int32, one of other numbers float32; `dtypes` asks for others by
    name ("str" leaves the text). `header` says whether the first line has the names; None: it has,
    where none of its cells is a number; without one they are "0", "1", ... Cells that are empty, or
    say NA, NaN, null, none or ?, are missing: "error" refuses them, "drop" leaves out their rows,
    "nan" makes them NaN (and their column float32), and a number takes their place.

        table = wg.data.read_csv("iris.csv", missing="drop")
        x = wg.stack([table["length"], table["width"]], axis=1)

    Raises: ArgumentError for a file that cannot be read or has no rows, for rows of unequal
    lengths, for unknown columns, and for cells that are missing or no numbers, with their line.
    """
    if missing not in ("error", "drop", "nan") and not isinstance(missing, (int, float)):
        raise ArgumentError(
            f'read_csv: missing={shown(missing)} came; "error", "drop", "nan" or a number is needed'
        )
    path = os.fspath(path)  # `open` would take what counts as a number for an open file
    where = f"read_csv: {path!s}"
    lines = _lines(path, delimiter, where)
    if not lines:
        raise ArgumentError(f"{where} is empty, and at least one row is needed")
    first = lines[0][1]
    if header is None:
        header = not any(_is_number(cell) for cell in first)
    names = [cell.strip() for cell in first] if header else [str(i) for i in range(len(first))]
    if len(set(names)) != len(names):
        raise ArgumentError(f"{where}: two columns have one name, of {shown(names)}")
    rows = lines[1:] if header else lines
    for line, cells in rows:
        if len(cells) != len(names):
            raise ArgumentError(
                f"{where}, line {line} has {len(cells)} cells, and {len(names)} are needed"
            )
    wanted = names if columns is None else list(columns)
    for name in [*wanted, *(dtypes or {})]:
        if name not in names:
            raise ArgumentError(f"{where} has no column {shown(name)}, of {shown(names)}")
    places = [names.index(name) for name in wanted]
    if missing == "drop":
        rows = [r for r in rows if not any(_is_missing(r[1][i]) for i in places)]
    if not rows:
        raise ArgumentError(f"{where} has no rows that are left, and at least one is needed")
    out = {}
    for name, i in zip(wanted, places, strict=True):
        numbered = [(line, row[i].strip()) for line, row in rows]
        dtype = (dtypes or {}).get(name)
        out[name] = _column(numbered, name, dtype, missing, where, device)
    return out


def _lines(path: PathLike, delimiter: str, where: str) -> list[tuple[int, list[str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter)
            return [(reader.line_num, row) for row in reader if any(c.strip() for c in row)]
    except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
        raise ArgumentError(f"{where} cannot be read as a table: {error}") from error


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in EMPTY


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return not _is_missing(cell)


def _column(
    cells: list[tuple[int, str]],
    name: str,
    dtype: Any,
    missing: str | float,
    where: str,
    device: DeviceLike,
) -> Any:
    there = [cell for _, cell in cells if not _is_missing(cell)]
    if dtype in ("str", str) or (dtype is None and not all(_is_number(c) for c in there)):
        if dtype is None and sum(map(_is_number, there)) * 2 > len(there):  # numbers, but for some
            line, bad = next((n, c) for n, c in cells if not _is_number(c) and not _is_missing(c))
            raise ArgumentError(
                f"{where}, line {line}: {shown(bad)} came in the column {name}, and numbers stand "
                f'above and below it: mend it, or ask for dtypes={{"{name}": "str"}}'
            )
        return [cell for _, cell in cells]
    values = []
    for line, cell in cells:
        if not _is_missing(cell):
            try:
                values.append(float(cell))
            except ValueError:
                raise ArgumentError(
                    f"{where}, line {line}: {shown(cell)} came in the column {name}, and a number "
                    "is needed"
                ) from None
        elif missing == "error":
            raise ArgumentError(
                f"{where}, line {line}: the cell of column {name} is missing: say what stands for "
                'it by missing="drop", "nan" or a number'
            )
        else:
            values.append(float(missing))
    array = np.asarray(values, np.float64)
    if dtype is None:
        whole = all(_is_whole(cell) for cell in there) and bool(np.all(array == np.rint(array)))
        dtype = "int32" if whole and np.all(np.abs(array) < 2**31) else "float32"
    try:
        return tensor(array.astype(np.int64) if "int" in str(dtype) else array, dtype, device)
    except DTypeError as error:
        raise DTypeError(f"{where}, column {name}: {error}") from error


def _is_whole(cell: str) -> bool:
    return cell.lstrip("+-").isdigit()


def read_arrays(path: PathLike, device: DeviceLike = None) -> Any:
    """Return the array of a .npy file as a tensor, or those of a .npz file as a dict of tensors.

    Raises: ArgumentError for a file that cannot be read, or that would run code (pickled objects).
    """
    path = os.fspath(path)
    where = f"read_arrays: {path!s}"
    try:
        with open(path, "rb") as file:  # which NumPy would leave open where it is broken
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return tensor(found, device=device)
            with found:
                return {name: tensor(found[name], device=device) for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, DTypeError) as error:
        raise ArgumentError(f"{where} cannot be read as arrays: {error}") from error
    except Exception as error:  # what zipfile and zlib say of a broken archive
        raise ArgumentError(f"{where} is broken: {error}") from error


class ImageFolder(Dataset):
    """Images in folders, one folder for each class, in the order of their names.

    A sample is (image, class): float32 (c, height, width) from 0 to 1, and an integer. `mode` is
    Pillow's ("RGB", "L" for grey), `size` (height, width) that images are brought to, None as they
    are. `transform` is called with each image. `classes` are the names, `samples` the paths.

    Raises: ArgumentError for a folder without images, and for an image that cannot be read, with
    its path; MissingDependencyError without Pillow.

    >>> import os, tempfile
    >>> from PIL import Image
    >>> root = tempfile.mkdtemp()
    >>> for kind in ("daisy", "rose"):
    ...     os.mkdir(os.path.join(root, kind))
    ...     Image.new("RGB", (9, 7)).save(os.path.join(root, kind, "1.png"))
    >>> flowers = wg.data.ImageFolder(root, size=(64, 64))
    >>> flowers.classes, flowers[1][0].shape, flowers[1][1]
    (['daisy', 'rose'], (3, 64, 64), 1)
    """

    def __init__(
        self,
        root: PathLike,
        transform: Callable[[Any], Any] | None = None,
        size: Sequence[int] | None = None,
        mode: str = "RGB",
    ):
        needed("PIL.Image", "data", "ImageFolder")
        folder = Path(root)
        if not folder.is_dir():
            raise ArgumentError(f"ImageFolder: {folder} came, which is no folder")
        self.classes = sorted(p.name for p in folder.iterdir() if p.is_dir())
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.samples = [
            (str(path), i)
            for i, name in enumerate(self.classes)
            for path in sorted((folder / name).rglob("*"))
            if path.suffix.lower() in IMAGES
        ]
        if not self.samples:
            raise ArgumentError(
                f"ImageFolder: {folder} has no folders with images ({', '.join(IMAGES)})"
            )
        self.transform, self.mode = transform, mode
        self.size = None if size is None else (int(size[0]), int(size[1]))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.samples[index]
        pillow = needed("PIL.Image", "data", "ImageFolder")
        try:
            with pillow.open(path) as file:
                image = file.convert(self.mode)
                if self.size is not None:
                    image = image.resize(self.size[::-1], pillow.Resampling.BILINEAR)
                pixels = np.asarray(image, np.float32) / 255
        except (OSError, ValueError, SyntaxError) as error:
            raise ArgumentError(f"ImageFolder: {path} cannot be read: {error}") from error
        found: Any = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return (found if self.transform is None else self.transform(found)), label
