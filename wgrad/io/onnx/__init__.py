"""ONNX: models as graphs of standard operators, which other runtimes run.

operations.py and functions.py say how what wgrad does becomes operators, operators.py and layers.py
what each operator is here, and recurrent.py both for networks over time.
"""

from .exporting import export as export
from .loading import load as load

__all__ = ["export", "load"]
