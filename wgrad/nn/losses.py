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
    """The squared error.

    Formula: (input - target) ** 2. Shapes: input and target alike -> (), or theirs with
    reduction="none".

    >>> wg.nn.MSELoss()(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 4.0]))
    tensor(2.)
    """


class L1Loss(_Loss, function=l1_loss):
    """The absolute error.

    Formula: abs(input - target). Shapes: input and target alike -> (), or theirs with
    reduction="none".

    >>> wg.nn.L1Loss()(wg.tensor([1.0, 2.0]), wg.tensor([1.0, 5.0]))
    tensor(1.5)
    """


class HuberLoss(_Loss, function=huber_loss):
    """Half the squared error, and past an error of `delta` its tangent.

    Formula: e ** 2 / 2 where abs(e) < delta, else delta * (abs(e) - delta / 2), of e = input -
    target.
    Shapes: input and target alike -> (), or theirs with reduction="none".
    Source: Huber, "Robust estimation of a location parameter" (Annals of Mathematical Statistics
    1964).

    >>> wg.nn.HuberLoss("none")(wg.tensor([0.5, 10.0]), wg.zeros(2))
    tensor([0.125, 9.5  ])
    """


class SmoothL1Loss(_Loss, function=smooth_l1_loss):
    """HuberLoss over its delta, which is called `beta`.

    Formula: e ** 2 / (2 * beta) where abs(e) < beta, else abs(e) - beta / 2, of e = input - target.
    Shapes: input and target alike -> (), or theirs with reduction="none".
    Source: Girshick, "Fast R-CNN" (ICCV 2015).

    >>> wg.nn.SmoothL1Loss("none")(wg.tensor([0.5, 10.0]), wg.zeros(2))
    tensor([0.125, 9.5  ])
    """


class GaussianNLLLoss(_Loss, function=gaussian_nll_loss):
    """How unlikely a target is, given a mean and a variance: loss(input, target, var).

    Formula: (log(var) + (target - input) ** 2 / var) / 2, var at least `eps`; with `full`, + log(2
    pi) / 2. Shapes: all alike -> (), or theirs with reduction="none".

    >>> mean, target, var = wg.tensor([0.0, 0.0]), wg.tensor([0.0, 3.0]), wg.ones(2)
    >>> wg.nn.GaussianNLLLoss(reduction="none")(mean, target, var)
    tensor([0. , 4.5])
    """


class CrossEntropyLoss(_Loss, function=cross_entropy):
    """How unlikely labels or probabilities are, given logits along `axis`.

    Formula: -log(softmax(input))[target]. Shapes: input (n, classes, ...), labels (n, ...) -> (),
    or (n, ...) with reduction="none".

    >>> logits = wg.tensor([[100.0, 0.0], [100.0, 0.0]])
    >>> wg.nn.CrossEntropyLoss("none")(logits, wg.tensor([0, 1]))  # right, and wrong
    tensor([  0., 100.])
    """


class NLLLoss(_Loss, function=nll_loss):
    """How unlikely labels are, given logarithms of probabilities along `axis`.

    Formula: -input[target]. Shapes: input (n, classes, ...), target (n, ...) -> (), or (n, ...)
    with reduction="none".

    >>> log_p = wg.tensor([[-0.5, -1.0], [-2.0, -0.25]])
    >>> wg.nn.NLLLoss("none")(log_p, wg.tensor([0, 1]))
    tensor([0.5 , 0.25])
    """


class MultiMarginLoss(_Loss, function=multi_margin_loss):
    """By how much other classes come within `margin` of the right one, to the power `p`.

    Shapes: input (n, classes), target (n,) -> (), or (n,) with reduction="none".

    >>> scores = wg.tensor([[2.0, 1.5, 0.0, 0.0]])
    >>> wg.nn.MultiMarginLoss()(scores, wg.tensor([0]))  # 0.5 too near, over 4 classes
    tensor(0.125)
    """


class BCELoss(_Loss, function=binary_cross_entropy):
    """How unlikely targets from 0 to 1 are, given probabilities.

    Formula: -(target * log(input) + (1 - target) * log(1 - input)). Shapes: input and target alike
    -> (), or theirs with reduction="none".

    >>> p, target = wg.tensor([1.0, 0.0, 0.25]), wg.tensor([1.0, 0.0, 1.0])
    >>> loss = wg.nn.BCELoss("none")(p, target)
    >>> wg.round(wg.exp(-loss) * 100) / 100  # how likely each target was
    tensor([1.  , 1.  , 0.25])
    """


class BCEWithLogitsLoss(_Loss, function=binary_cross_entropy_with_logits):
    """How unlikely targets from 0 to 1 are, given logits, exact for logits of any size.

    Formula: BCELoss of sigmoid(input). Shapes: input and target alike -> (), or theirs with
    reduction="none".

    >>> logits, target = wg.tensor([500.0, -500.0]), wg.tensor([0.0, 1.0])  # both wrong
    >>> wg.nn.BCEWithLogitsLoss("none")(logits, target)
    tensor([500., 500.])
    """


class KLDivLoss(_Loss, function=kl_div):
    """How far a distribution, given as a logarithm, is from the target.

    Formula: target * (log(target) - input). Shapes: input and target alike -> (), or theirs with
    reduction="none"; "batchmean" divides the sum by the first extent.

    >>> p = wg.tensor([[0.5, 0.5]])
    >>> wg.nn.KLDivLoss("batchmean")(wg.log(p), p)  # a distribution, and itself
    tensor(0.)
    """


class HingeEmbeddingLoss(_Loss, function=hinge_embedding_loss):
    """The input where the target is 1, and max(0, margin - input) where it is -1.

    Shapes: input and target alike -> (), or theirs with reduction="none".

    >>> x, target = wg.tensor([0.5, 0.25, 3.0]), wg.tensor([1, -1, -1])
    >>> wg.nn.HingeEmbeddingLoss("none")(x, target)
    tensor([0.5 , 0.75, 0.  ])
    """


class CosineEmbeddingLoss(_Loss, function=cosine_embedding_loss):
    """1 - cosine where the target is 1, and the cosine above `margin` where it is -1.

    Shapes: x1 and x2 (n, d), target (n,) -> (), or (n,) with reduction="none".

    >>> x = wg.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> wg.nn.CosineEmbeddingLoss("none")(x, x, wg.tensor([1.0, -1.0]))
    tensor([0., 1.])
    """


class MarginRankingLoss(_Loss, function=margin_ranking_loss):
    """By how much less than `margin` the first input is above the second: loss(x1, x2, target).

    Formula: max(0, margin - target * (x1 - x2)), where a target of -1 wants x2 above. Shapes: all
    alike -> (), or theirs with reduction="none".

    >>> x1, x2, target = wg.tensor([3.0, 3.0]), wg.tensor([1.0, 1.0]), wg.tensor([1, -1])
    >>> wg.nn.MarginRankingLoss("none", margin=0.5)(x1, x2, target)
    tensor([0. , 2.5])
    """


class SoftMarginLoss(_Loss, function=soft_margin_loss):
    """log(1 + e ** (-target * x)), for targets 1 and -1.

    Shapes: x and target alike -> (), or theirs with reduction="none".

    >>> wg.nn.SoftMarginLoss("none")(wg.tensor([500.0, -500.0]), wg.tensor([-1, 1]))
    tensor([500., 500.])
    """


class PoissonNLLLoss(_Loss, function=poisson_nll_loss):
    """How unlikely counts are, given the logarithm of their mean, or with log_input=False it.

    Formula: e ** input - target * input, and with log_input=False input - target * log(input +
    eps).
    Shapes: input and target alike -> (), or theirs with reduction="none".

    >>> wg.nn.PoissonNLLLoss(reduction="none")(wg.tensor([0.0, 0.0]), wg.tensor([0.0, 5.0]))
    tensor([1., 1.])
    """


class TripletMarginLoss(_Loss, function=triplet_margin_loss):
    """By how much less than `margin` a negative is farther than a positive: loss(anchor, p, n).

    Formula: max(0, d(anchor, p) - d(anchor, n) + margin), where d is the p-norm of the difference.
    Shapes: all three (n, d) -> (), or (n,) with reduction="none".
    Source: Balntas et al., "Learning local feature descriptors with triplets and shallow
    convolutional neural networks" (BMVC 2016).

    >>> anchor, near, far = wg.zeros((1, 2)), wg.tensor([[0.0, 1.0]]), wg.tensor([[9.0, 0.0]])
    >>> wg.nn.TripletMarginLoss()(anchor, near, far)
    tensor(0.)
    """


class TripletMarginWithDistanceLoss(_Loss, function=triplet_margin_with_distance_loss):
    """TripletMarginLoss with a distance of one's own: distance_function(x1, x2).

    Shapes: all three (n, ...), of which the distance is (n,) -> (), or (n,) with reduction="none".

    >>> loss = wg.nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: abs(a - b).sum(1))
    >>> loss(wg.zeros((1, 2)), wg.ones((1, 2)), wg.ones((1, 2)) * 1.25)  # 2 - 2.5 + 1
    tensor(0.5)
    """


class MultiLabelSoftMarginLoss(_Loss, function=multilabel_soft_margin_loss):
    """The mean over classes of binary cross entropies of logits.

    Shapes: input and target (n, classes), or both (classes,) -> (), or (n,) with reduction="none".

    >>> logits, target = wg.tensor([[500.0, -500.0]]), wg.tensor([[1.0, 1.0]])
    >>> wg.nn.MultiLabelSoftMarginLoss()(logits, target)  # (0 + 500) / 2
    tensor(250.)
    """


class MultiLabelMarginLoss(_Loss, function=multilabel_margin_loss):
    """By how much less than 1 above other classes those of the target are; -1 ends its rows.

    Shapes: input and target (n, classes), or both (classes,) -> (), or (n,) with reduction="none".

    >>> scores = wg.tensor([[0.5, 0.25, 0.0, 1.0]])
    >>> wg.nn.MultiLabelMarginLoss()(scores, wg.tensor([[3, 0, -1, -1]]))  # its labels are 3 and 0
    tensor(0.375)
    """


class CTCLoss(Module):
    """How unlikely labels are, whatever their timing: nn.functional.ctc_loss as a layer.

    Called with (log_probs, targets, input_lengths, target_lengths).
    Shapes: log_probs (times, n, classes), targets (n, length), lengths (n,) -> (). Source: Graves
    et al., "Connectionist temporal classification" (ICML 2006).

    >>> scores = wg.log_softmax(wg.zeros((6, 2, 5)), axis=2)  # 6 times, 2 sequences, 5 classes
    >>> loss = wg.nn.CTCLoss()(scores, wg.tensor([[1, 2], [3, 3]]), [6, 5], [2, 2])
    >>> loss.shape
    ()
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
