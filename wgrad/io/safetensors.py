"""Files in the safetensors format: its library checks and writes them, memory is read in place."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, shown
from ..extras import needed
from .leaves import BFLOAT16, NUMPY, Leaf
from .nesting import described, rebuilt
from .paths import mapped, read_ahead, told, written

# How the format calls dtypes. What it has besides are kinds of 8 bits and less.
_CODES = {
    "BOOL": "bool",
    **{f"I{n}": f"int{n}" for n in (8, 16, 32, 64)},
    **{f"U{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    **{f"F{n}": f"float{n}" for n in (16, 32, 64)},
    "BF16": BFLOAT16,
}
_KEY = "wgrad"  # of the metadata: the nesting, as JSON


def write(value: Any, path: Path, where: str) -> None:
    """Write plain nested data: leaves as tensors of dotted names, the rest as JSON beside them.

    Raises: FileError; MissingDependencyError.
    """
    library = needed("safetensors.numpy", "io", where)
    error = needed("safetensors", "io", where).SafetensorError
    tree, leaves = described(value)
    # Dense, with the least significant byte first: what the format has.
    arrays = {
        name: leaf.data.astype(NUMPY[leaf.dtype], order="C", copy=False)
        for name, leaf in leaves.items()
    }
    metadata = metadata_of(tree)
    with written(path, where) as part:
        try:
            library.save_file(arrays, os.fspath(part), metadata)
        except error as reason:
            raise FileError(f"{where}: {told(path)} cannot be written ({reason})") from None


def metadata_of(tree: Any) -> dict[str, str]:
    """Return what a file says besides its tensors, of what `described` has made."""
    return {"format": "pt", _KEY: json.dumps({"version": 1, "value": tree})}


def read(path: Path, where: str) -> Any:
    """Return what a file holds as plain nested data; one that others wrote is a dict of leaves.

    The leaves show the file's own memory. Raises: FileError; MissingDependencyError.
    """
    library = needed("safetensors", "io", where)
    data = mapped(path, where)
    where = f"{where}: {told(path)}"
    try:
        # It checks the header, that tensors lie within the file, and side by side.
        with library.safe_open(os.fspath(path), framework="np"):
            pass
    except (library.SafetensorError, OSError, ValueError) as error:
        raise FileError(
            f"{where} is no file of safetensors ({' '.join(str(error).split())})"
        ) from None
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(bytes(data[8 : 8 + length]))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where} has a header that is no JSON ({error})") from None
    # Of the bytes that are mapped: the path may stand for another file by now.
    metadata = header.pop("__metadata__", {})
    read_ahead(data)
    try:
        leaves = {name: _leaf(name, x, data[8 + length :], where) for name, x in header.items()}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{where} has a header that does not fit its data ({error!r})") from None
    if _KEY not in metadata:
        return leaves
    try:
        kept = json.loads(metadata[_KEY])
        version, tree = kept["version"], kept["value"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise FileError(f"{where} has a description that is no JSON ({error!r})") from None
    if version != 1:
        raise FileError(f"{where} is of version {shown(version)}, and this wgrad reads version 1")
    return rebuilt(tree, leaves, where)


def _leaf(name: str, about: Mapping[str, Any], data: memoryview, where: str) -> Leaf:
    code, shape = about["dtype"], tuple(about["shape"])
    if code not in _CODES:
        raise FileError(
            f"{where} holds {shown(name)} as {shown(code)}, and {', '.join(_CODES)} can be read"
        )
    dtype = _CODES[code]
    first, last = about["data_offsets"]
    flat = np.frombuffer(data[first:last], np.uint8)
    # A byte that is neither 0 nor 1 is no bool of NumPy's.
    array = flat != 0 if dtype == "bool" else flat.view(NUMPY[dtype])
    return Leaf(array.reshape(shape), dtype)
