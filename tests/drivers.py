"""A driver of Vulkan that ends every process which loads it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

CRASH = "#include <stdlib.h>\nint vk_icdNegotiateLoaderICDInterfaceVersion(void *v) { abort(); }\n"


def crashing(folder: Path) -> Path | None:
    """Make the driver, and return its manifest; None without a C compiler."""
    if (compiler := shutil.which("cc")) is None:
        return None
    (folder / "crash.c").write_text(CRASH)
    library = folder / "libcrash.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "crash.c"], check=True)
    manifest = folder / "crash.json"
    named = {"api_version": "1.3.0", "library_path": str(library)}
    manifest.write_text(json.dumps({"file_format_version": "1.0.0", "ICD": named}))
    return manifest
