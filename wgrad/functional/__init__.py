"""Compositions of ops, in rooms: what has no kernel and no gradient rule of its own."""

from .arithmetic import clip, pow
from .convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .encoding import one_hot
from .interpolation import interpolate
from .linalg import linear, matmul
from .losses import cross_entropy, mse_loss
from .pooling import (
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    fold,
    max_pool1d,
    max_pool2d,
    unfold,
)
from .reductions import (
    argmax,
    argmin,
    count_nonzero,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
)
from .scans import cumulative_prod, cumulative_sum
from .softmax import log_softmax, logsumexp, softmax
