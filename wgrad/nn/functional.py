"""What PyTorch's users look for under `nn.functional`: functions that networks are made of.

Array functions live in `wgrad` itself; those here follow PyTorch's names and defaults.
"""

from ..functional.activation import (
    celu,
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    prelu,
    relu6,
    selu,
    softplus,
)
from ..functional.encoding import one_hot
from ..functional.linalg import linear
from ..functional.losses import cross_entropy, mse_loss
from ..functional.softmax import log_softmax, softmax
from ..ops.elementwise.activation import (
    hardsigmoid,
    hardswish,
    logsigmoid,
    mish,
    relu,
    sigmoid,
    silu,
)
from ..ops.elementwise.hyperbolic import tanh
