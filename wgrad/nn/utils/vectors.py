"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from ...creation.inputs import as_tensor
from ...errors import ArgumentError, DTypeError, ShapeError, shown
from ...interrupts import interrupts_wait
from ...shaping import concat, reshape
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return the elements of all parameters in one vector, in their order.

    Gradients pass to the parameters. Raises: ArgumentError for none; DTypeError.

    ```python
    net = nn.Linear(3, 2)
    nn.utils.parameters_to_vector(net.parameters()).shape  # (8,)
    ```

    >>> model = wg.nn.Linear(3, 2)
    >>> wg.nn.utils.parameters_to_vector(model.parameters()).shape
    (8,)
    """
    listed = _tensors(parameters, "parameters_to_vector")
    return concat([reshape(x, (prod(x.shape),)) for x in listed])


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the values of a vector, in place, in their order.

    Raises: ArgumentError for no parameters; DTypeError; ShapeError unless the vector has as many
    elements as they have together, and then nothing has changed.

    >>> model = wg.nn.Linear(3, 2)
    >>> wg.nn.utils.vector_to_parameters(wg.zeros(8), model.parameters())
    >>> model.bias
    tensor([0., 0.], requires_grad=True)
    """
    name = "vector_to_parameters"
    listed = _tensors(parameters, name)
    vector = as_tensor(vec, name, listed[0]).detach()
    count = sum(prod(x.shape) for x in listed)
    if vector.shape != (count,):
        raise ShapeError(f"{name}: a vector {vector.shape} came, and ({count},) is needed")
    start, parts = 0, []
    for x in listed:
        stop = start + prod(x.shape)
        parts.append(reshape(vector[start:stop], x.shape).astype(x.dtype).to(x.device))
        start = stop
    with interrupts_wait():
        for x, part in zip(listed, parts, strict=True):
            x.assign(part)


def _tensors(parameters: Any, where: str) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for x in listed:
        if not isinstance(x, Tensor):
            raise DTypeError(f"{where}: {shown(x)} came, and parameters are needed")
    if not listed:
        raise ArgumentError(f"{where}: no parameters came, and at least one is needed")
    return listed
