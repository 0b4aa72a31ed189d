"""What PyTorch's users look for under `nn.functional`: functions that networks are made of.

Array functions live in `wgrad` itself; those here follow PyTorch's names and defaults. Where
PyTorch says `dim` it is `axis`, as everywhere in this library. The third argument of a loss is its
reduction, and what follows it is named.
"""

from ..functional.activation import (
    celu,
    elu,
    gelu,
    glu,
    hardtanh,
    leaky_relu,
    prelu,
    relu6,
    selu,
    softplus,
    softsign,
)
from ..functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from ..functional.attention import scaled_dot_product_attention
from ..functional.classification import cross_entropy, multi_margin_loss, nll_loss
from ..functional.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from ..functional.encoding import embedding, one_hot
from ..functional.interpolation import interpolate
from ..functional.linalg import linear
from ..functional.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from ..functional.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from ..functional.padding import pad
from ..functional.pixels import pixel_shuffle, pixel_unshuffle
from ..functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ..functional.regularization import dropout
from ..functional.similarity import cosine_embedding_loss, cosine_similarity, normalize
from ..functional.softmax import log_softmax, softmax, softmin
from ..functional.unfolding import fold, unfold
from ..functional.unpooling import max_unpool1d, max_unpool2d, max_unpool3d
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

# What it offers, for `import *` and for type checkers.
# fmt: off
__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "dropout", "elu",
    "embedding", "fold", "gaussian_nll_loss", "gelu", "glu", "group_norm", "hardsigmoid",
    "hardswish", "hardtanh", "hinge_embedding_loss", "huber_loss", "instance_norm",
    "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax",
    "logsigmoid", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d",
    "max_unpool3d", "mish", "mse_loss", "multi_margin_loss", "nll_loss", "normalize", "one_hot",
    "pad", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu", "relu6", "rms_norm",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "softmax",
    "softmin", "softplus", "softsign", "tanh", "unfold",
]
# fmt: on
