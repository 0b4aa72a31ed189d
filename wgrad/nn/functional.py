"""What PyTorch's users look for under `nn.functional`: functions that networks are made of.

Array functions live in `wgrad` itself; those here follow PyTorch's names and defaults.
"""

from ..functional.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from ..functional.encoding import one_hot
from ..functional.interpolation import interpolate
from ..functional.linalg import linear
from ..functional.losses import cross_entropy, mse_loss
from ..functional.pooling import (
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    fold,
    max_pool1d,
    max_pool2d,
    unfold,
)
from ..functional.softmax import log_softmax, softmax
from ..ops.elementwise.activation import relu, sigmoid
from ..ops.elementwise.transcendental import tanh
