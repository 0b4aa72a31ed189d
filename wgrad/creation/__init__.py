"""Functions that make tensors: of host data, of other libraries' memory, and of given values."""

from .filled import (
    empty,
    empty_like,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from .host import DeviceLike, from_host, host_array, parameter, tensor
from .interchange import asarray, dlpack_device, from_dlpack, to_dlpack
from .ranges import arange, eye, linspace
