"""naga as the judge of WGSL: whether it takes a text. Nothing is run."""

from __future__ import annotations

from conftest import need


def refusal(text: str) -> str:
    """Return why the compiler refuses a text, "" where it takes it. Skips where there is none."""
    gpu = need("webgpu").gpu
    with gpu.driving:
        try:
            gpu.raw.create_shader_module(label="", code=text)
        except Exception as error:
            return str(error)
    return ""


def has_half() -> bool:
    """Return whether it takes f16."""
    return need("webgpu").facts.has_half
