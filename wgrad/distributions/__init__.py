"""Probability distributions, by PyTorch's names: sample, log_prob, entropy, and the KL divergence.

Parameters are tensors and keep their gradients: `log_prob` and `rsample` pass them on.
"""

from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution
from .divergence import kl_divergence, register_kl
from .independent import Independent
from .normal import Normal
from .uniform import Uniform

__all__ = [
    *("Bernoulli", "Categorical", "Distribution", "Independent", "Normal", "Uniform"),
    *("kl_divergence", "register_kl"),
]
