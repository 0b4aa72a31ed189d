"""Optional packages: imported when they are first needed, and named when they are missing.

`pip install wgrad` brings numpy and wgpu. What pictures, files and training loops need besides
stands in extras, the groups of `[project.optional-dependencies]` in pyproject.toml.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingDependencyError


def needed(module: str, extra: str, what: str) -> ModuleType:
    """Return an optional module, which the extra `extra` brings; `what` is what asks for it.

    np_files = needed("safetensors.numpy", "io", "save")

    Raises: MissingDependencyError where it is not installed, or does not import.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f'{what}: the package {package} does not import ({error}): pip install "wgrad[{extra}]"'
        ) from error
