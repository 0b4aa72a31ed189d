"""Models in several files: an index in JSON says which file has which tensor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import FileError, MissingFileError, shown
from .paths import mapped, told

LARGEST = 1 << 28  # bytes of an index; those of the largest models have a few millions


def read(path: Path, where: str, one: Callable[[Path], Any]) -> dict[str, Any]:
    """Return the tensors of all files that an index names; `one` reads a file.

    The files lie beside the index: names that lead elsewhere are refused. Raises: FileError.
    """
    data = mapped(path, where)
    where = f"{where}: {told(path)}"
    if len(data) > LARGEST:
        raise FileError(f"{where} has {len(data)} bytes, too many for an index of files")
    try:
        named = json.loads(bytes(data))["weight_map"]
        files: dict[str, Any] = dict.fromkeys(named.values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(
            f'{where} is no index of files: JSON with a "weight_map" is needed ({error!r})'
        ) from None
    for name in files:
        if not isinstance(name, str) or not name or Path(name).name != name or "\\" in name:
            raise FileError(f"{where} names the file {shown(name)}; one beside it is needed")
    for name in files:
        if not path.with_name(name).exists():
            raise MissingFileError(
                f"{where} names {shown(name)}, and there is no such file beside it"
            )
        files[name] = one(path.with_name(name))
        if not isinstance(files[name], dict):
            raise FileError(f"{where}: {shown(name)} holds no tensors by name")
    found = {}
    for tensor, name in named.items():
        if tensor not in files[name]:
            raise FileError(f"{where} says that {shown(name)} has {shown(tensor)}, and it has not")
        found[tensor] = files[name][tensor]
    return found
