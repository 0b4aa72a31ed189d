"""Real sets by name: those that scikit-learn ships, so that nothing is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..creation import DeviceLike, tensor
from ..errors import ArgumentError, shown
from ..extras import needed
from ..tensor import Tensor
from .dataset import TensorDataset

TABLES = ("breast_cancer", "diabetes", "digits", "iris", "wine")
PHOTOS = ("china", "flower")
# What people ask for, and has to be fetched from elsewhere.
ELSEWHERE = ("california", "california_housing", "cifar10", "cifar100", "fashion_mnist", "mnist")


class NamedDataset(TensorDataset):
    """A set with its names: `feature_names`, `target_names` (the classes) and `description`."""

    feature_names: list[str]
    target_names: list[str]
    description: str


def load(name: str, device: DeviceLike = None) -> Any:
    """Return a real set that scikit-learn ships, as tensors on `device`.

    - "digits": 1797 handwritten digits, images (1, 8, 8) from 0 to 1, and labels 0 to 9
    - "iris" (150 flowers, 4 lengths in cm), "wine" (178, 13), "breast_cancer" (569, 30): features
      as they were measured, and classes
    - "diabetes": 442 patients, 10 features scaled by scikit-learn, a number to be predicted (n, 1)
    - "china", "flower": one photo each, a tensor (3, 427, 640) from 0 to 1

    All but the photos are a `TensorDataset` of x and y with `feature_names`, `target_names` and
    `description`.

        digits = wg.data.load("digits")
        images, labels = digits.tensors  # (1797, 1, 8, 8), (1797,)

    Raises: ArgumentError for another name; MissingDependencyError without scikit-learn.
    """
    if name in ELSEWHERE:
        raise ArgumentError(
            f"load: {name} is shipped by no package, and nothing is downloaded here: fetch its "
            "files, and read them by wg.data.read_csv, read_arrays or ImageFolder"
        )
    if name not in TABLES + PHOTOS:
        raise ArgumentError(
            f"load: {shown(name)} came, and one of {', '.join(TABLES + PHOTOS)} is needed"
        )
    sets = needed("sklearn.datasets", "data", "load")
    if name in PHOTOS:
        needed("PIL.Image", "data", "load")
        return _images(sets.load_sample_image(f"{name}.jpg"), device)
    found = getattr(sets, f"load_{name}")()
    x, y = np.asarray(found.data, np.float32), np.asarray(found.target)
    if name == "digits":
        x = (x / 16).reshape(-1, 1, 8, 8).astype(np.float32)
    classes = [str(n) for n in getattr(found, "target_names", ())]
    y = y.astype(np.int32) if classes else y.astype(np.float32).reshape(-1, 1)
    out = NamedDataset(tensor(x, device=device), tensor(y, device=device))
    out.feature_names = [str(n) for n in found.feature_names]
    out.target_names, out.description = classes, str(found.DESCR)
    return out


def _images(pixels: np.ndarray, device: DeviceLike) -> Tensor:
    return tensor(pixels.transpose(2, 0, 1).astype(np.float32) / 255, device=device)
