"""Data: datasets, loaders of batches, transforms of images, real sets and files of one's own.

Knows tensors and random streams, and nothing of models. What needs another package (files of
images, the sets that scikit-learn ships) asks for it when it is called: pip install "wgrad[data]".
"""

from . import transforms
from .batches import batches
from .collate import default_collate
from .dataset import (
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .files import ImageFolder, read_arrays, read_csv
from .loader import DataLoader
from .samplers import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .sets import load

__all__ = [
    *("BatchSampler", "ConcatDataset", "DataLoader", "Dataset", "ImageFolder", "IterableDataset"),
    *("RandomSampler", "Sampler", "SequentialSampler", "Subset", "SubsetRandomSampler"),
    *("TensorDataset", "WeightedRandomSampler", "batches", "default_collate", "load"),
    *("random_split", "read_arrays", "read_csv", "transforms"),
]
