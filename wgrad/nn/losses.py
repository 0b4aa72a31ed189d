"""Losses as modules: the functions of nn.functional with their options kept.

Options are given as the function takes them, the reduction first and most others named:
nn.MSELoss("sum"), nn.CrossEntropyLoss(label_smoothing=0.1). Tensors among them, such as `weight`,
are buffers, moved and saved with the model.
"""

from __future__ import annotations

from typing import Any

from ..checks.arguments import checked_flag
from ..errors import ArgumentError, shown
from ..functional.alignment import ctc_loss
from ..functional.classification import cross_entropy, multi_margin_loss, nll_loss
from ..functional.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    check_reduction,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from ..functional.margins import (
    margin_ranking_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ..functional.similarity import cosine_embedding_loss
from ..tensor import Tensor
from .module import Module
from .wrapped import FunctionModule


class _Loss(FunctionModule):
    """A loss. A tensor where PyTorch has its weight, which comes first there, is refused."""

    reduction: str

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        if not isinstance(self.reduction, str):
            raise ArgumentError(
                f"{type(self).__name__}: reduction={shown(self.reduction)} came; a word is needed, "
                "and most other options are named"
            )


class MSELoss(_Loss, function=mse_loss):
    """The squared error."""


class L1Loss(_Loss, function=l1_loss):
    """The absolute error."""


class HuberLoss(_Loss, function=huber_loss):
    """Half the squared error, and past an error of `delta` its tangent."""


class SmoothL1Loss(_Loss, function=smooth_l1_loss):
    """HuberLoss over its delta, which is called `beta`."""


class GaussianNLLLoss(_Loss, function=gaussian_nll_loss):
    """How unlikely a target is, given a mean and a variance: loss(input, target, var)."""


class CrossEntropyLoss(_Loss, function=cross_entropy):
    """How unlikely labels or probabilities are, given logits along `axis`."""


class NLLLoss(_Loss, function=nll_loss):
    """How unlikely labels are, given logarithms of probabilities along `axis`."""


class MultiMarginLoss(_Loss, function=multi_margin_loss):
    """By how much other classes come within `margin` of the right one, to the power `p`."""


class BCELoss(_Loss, function=binary_cross_entropy):
    """How unlikely targets from 0 to 1 are, given probabilities."""


class BCEWithLogitsLoss(_Loss, function=binary_cross_entropy_with_logits):
    """How unlikely targets from 0 to 1 are, given logits, exact for logits of any size."""


class KLDivLoss(_Loss, function=kl_div):
    """How far a distribution, given as a logarithm, is from the target."""


class HingeEmbeddingLoss(_Loss, function=hinge_embedding_loss):
    """The input where the target is 1, and max(0, margin - input) where it is -1."""


class CosineEmbeddingLoss(_Loss, function=cosine_embedding_loss):
    """1 - cosine where the target is 1, and the cosine above `margin` where it is -1."""


class MarginRankingLoss(_Loss, function=margin_ranking_loss):
    """By how much less than `margin` the first input is above the second: loss(x1, x2, target)."""


class SoftMarginLoss(_Loss, function=soft_margin_loss):
    """log(1 + e ** (-target * x)), for targets 1 and -1."""


class PoissonNLLLoss(_Loss, function=poisson_nll_loss):
    """How unlikely counts are, given the logarithm of their mean, or with log_input=False it."""


class TripletMarginLoss(_Loss, function=triplet_margin_loss):
    """By how much less than `margin` a negative is farther than a positive: loss(anchor, p, n)."""


class TripletMarginWithDistanceLoss(_Loss, function=triplet_margin_with_distance_loss):
    """TripletMarginLoss with a distance of one's own: distance_function(x1, x2)."""


class MultiLabelSoftMarginLoss(_Loss, function=multilabel_soft_margin_loss):
    """The mean over classes of binary cross entropies of logits."""


class MultiLabelMarginLoss(_Loss, function=multilabel_margin_loss):
    """By how much less than 1 above other classes those of the target are; -1 ends its rows."""


class CTCLoss(Module):
    """How unlikely labels are, whatever their timing: nn.functional.ctc_loss as a layer.

    Called with (log_probs, targets, input_lengths, target_lengths).

    ```python
    scores = wg.log_softmax(wg.randn(6, 2, 5), axis=2)  # 6 times, 2 sequences, 5 classes
    loss = nn.CTCLoss()(scores, wg.tensor([[1, 2], [3, 3]]), [6, 5], [2, 2])
    ```
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        check_reduction(reduction, "CTCLoss")
        self.blank = blank
        self.reduction = reduction
        self.zero_infinity = checked_flag(zero_infinity, "CTCLoss", "zero_infinity")

    def forward(
        self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        how: Any = self.blank, self.reduction, self.zero_infinity
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, *how)

    def extra_repr(self) -> str:
        return f"blank={self.blank}, reduction={self.reduction!r}"
