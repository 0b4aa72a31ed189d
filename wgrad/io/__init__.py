"""Files of models: save and load, PyTorch's formats, ONNX. Knows modules; no optimizer, no loop."""

from . import onnx as onnx
from .saving import load as load
from .saving import save as save
