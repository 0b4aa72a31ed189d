"""PyTorch's files, read and written without PyTorch; what they pickle is never run."""

from .reading import read as read
from .writing import write as write
