"""Functions made of ops, a module for each topic: they have no kernels and no gradient rules."""

from .arithmetic import clip, conj, imag, pow, real
from .classification import cross_entropy
from .comparing import allclose, isclose, nan_to_num
from .contraction import tensordot
from .einsum import einsum
from .encoding import one_hot
from .linalg import linear, matmul
from .losses import mse_loss
from .portable import (
    amax,
    amin,
    chunk,
    gather,
    index_select,
    masked_fill,
    masked_select,
    narrow,
    select,
    unflatten,
)
from .products import cross, kron, outer, trace, vecdot
from .quantiles import median, quantile
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
from .sampling import categorical, multinomial
from .scans import cummax, cummin, cumulative_prod, cumulative_sum, diff, logcumsumexp
from .softmax import log_softmax, logsumexp, softmax
from .special import polygamma
from .unfolding import sliding_windows
