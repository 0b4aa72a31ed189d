"""What Vulkan's loader goes by on Linux: its own library, and the manifests of drivers.

The loader takes drivers from the files that VK_DRIVER_FILES names where it is set (VK_ICD_FILENAMES
is its old name), and else from the folders vulkan/icd.d of configuration and data:
https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

LOADER = "libvulkan.so.1"
CHOSEN = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
# Debian's packages that are not called after their libraries.
PACKAGES = {"libz.so.1": "zlib1g", "libc.so.6": "libc6", "libm.so.6": "libc6"}

# What a child does to say what the system's linker has against a library. Without wgrad, for speed.
OPENING = """
import ctypes, json, sys
try:
    ctypes.CDLL(sys.argv[1])
except OSError as error:
    print(json.dumps({"error": str(error)}))
"""


@dataclass(frozen=True)
class Manifest:
    """A file that names a driver's library. `problem` says what is wrong with it, or is None."""

    file: str
    library: str | None
    problem: str | None


def chosen_by() -> str | None:
    """Return the variable that names the drivers, if one does."""
    return next((name for name in CHOSEN if os.environ.get(name)), None)


def manifests() -> list[Manifest]:
    """Return the manifests that the loader reads, in its order."""
    name = chosen_by()
    if name is not None:
        paths = [Path(x) for x in os.environ[name].split(os.pathsep) if x]
        files = [file for x in paths for file in (sorted(x.glob("*.json")) if x.is_dir() else [x])]
    else:
        home = Path(os.environ.get("HOME") or "/")
        folders = [
            os.environ.get("XDG_CONFIG_HOME") or str(home / ".config"),
            *(os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"),
            "/etc",
            os.environ.get("XDG_DATA_HOME") or str(home / ".local/share"),
            *(os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"),
        ]
        found = [sorted(Path(x, "vulkan/icd.d").glob("*.json")) for x in dict.fromkeys(folders)]
        files = [file for some in found for file in some]
    return [_read(file) for file in files]


def _read(file: Path) -> Manifest:
    try:
        library = json.loads(file.read_text(encoding="utf-8"))["ICD"]["library_path"]
        assert isinstance(library, str)
    except OSError as error:
        return Manifest(str(file), None, f"it cannot be read ({error.strerror})")
    except (ValueError, LookupError, TypeError, AssertionError):
        return Manifest(str(file), None, "it is no manifest of a driver: it names no library_path")
    if "/" not in library:
        return Manifest(str(file), library, None)  # where it lies, the system's linker knows
    path = file.parent / library
    problem = None if path.exists() else f"its library {path} does not exist"
    return Manifest(str(file), str(path), problem)


def package_of(library: str) -> str:
    """Return the Debian package that brings a library, after the rule by which they are called.

    package_of("libvulkan.so.1")        # "libvulkan1"

    Source: https://www.debian.org/doc/debian-policy/ch-sharedlibs.html#run-time-shared-libraries
    """
    if library in PACKAGES:
        return PACKAGES[library]
    llvm = re.match(r"libLLVM(?:-|\.so\.)(\d+)", library)
    if llvm:
        return f"libllvm{llvm[1]}"
    stem, _, version = library.partition(".so.")
    stem = stem.lower().replace("_", "-")
    return f"{stem}-{version}" if stem[-1:].isdigit() else f"{stem}{version}"


def missing_library(words: str) -> str | None:
    """Return the library that the linker says it did not find, if that is what it says."""
    found = re.search(r"(lib[^\s:/]+\.so[^\s:/]*): cannot open shared object", words)
    return found[1] if found else None
