"""The builtin functions of WGSL, one row each. `TABLE` has them by name."""

from __future__ import annotations

from . import bits, conversion, numeric, packing, sync, vectors
from .base import TABLE, Builtin, Match

__all__ = ["TABLE", "TEXTURES", "Builtin", "Match"]

# Named so that a person who uses them is told what to do instead.
TEXTURES = frozenset(
    f"texture{name}"
    for name in (
        *("Dimensions", "Gather", "GatherCompare", "Load", "NumLayers", "NumLevels", "NumSamples"),
        *("Sample", "SampleBias", "SampleCompare", "SampleCompareLevel", "SampleGrad"),
        *("SampleLevel", "SampleBaseClampToEdge", "Store"),
    )
)
