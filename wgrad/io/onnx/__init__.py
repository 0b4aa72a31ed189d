"""ONNX: models as graphs of standard operators, which other runtimes run.

What is written, and what is read: writing.py says how each operation of wgrad becomes operators,
rows.py what each operator is here.
"""

from .exporting import export as export
from .loading import load as load

__all__ = ["export", "load"]
