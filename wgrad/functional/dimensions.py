"""Functions of images with one, two and three axes, made of one that takes their number first."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# What documentation calls the axes of an image, of a kernel and of the windows.
_AXES = (
    {"image": "L", "kernel": "K", "windows": "P"},
    {"image": "H, W", "kernel": "KH, KW", "windows": "PH, PW"},
    {"image": "D, H, W", "kernel": "KD, KH, KW", "windows": "PD, PH, PW"},
)


class _Each:
    """each[8] is "8, 8" for two axes: extents of an example's shapes."""

    def __init__(self, d: int):
        self.d = d

    def __getitem__(self, extent: int) -> str:
        return ", ".join([str(extent)] * self.d)


def for_axes(
    function: Callable[Concatenate[int, P], R],
) -> tuple[Callable[P, R], Callable[P, R], Callable[P, R]]:
    """Return a function of images for each number of axes: `_conv` becomes conv1d to conv3d.

    Its documentation has {d}, what _AXES names, and {each[8]} for the extent 8 of every axis.
    """
    one, two, three = (_with_axes(d, function) for d in (1, 2, 3))
    return one, two, three


def _with_axes(d: int, function: Callable[Concatenate[int, P], R]) -> Callable[P, R]:
    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(d, *args, **kwargs)

    run.__name__ = run.__qualname__ = f"{function.__name__.strip('_')}{d}d"
    run.__doc__ = str(function.__doc__).format(d=d, each=_Each(d), **_AXES[d - 1])
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run
