"""The Kullback-Leibler divergence between two distributions, a rule for each pair of kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core import Tensor
from ..errors import ArgumentError, CallError
from ..functional import sum
from ..ops.elementwise import greater, less, log, logical_or, where
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution, times_log
from .independent import Independent
from .normal import Normal
from .uniform import Uniform

Rule = Callable[[Any, Any], Tensor]
_RULES: dict[tuple[type, type], Rule] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable[[Rule], Rule]:
    """Return a decorator: the function it is put on is the rule for two kinds of distributions.

    @wg.distributions.register_kl(MyDistribution, wg.distributions.Normal)
    def _(p, q): ...
    """
    if not all(isinstance(x, type) and issubclass(x, Distribution) for x in (type_p, type_q)):
        raise CallError("register_kl: two classes of distributions are needed")

    def register(rule: Rule) -> Rule:
        _RULES[type_p, type_q] = rule
        return rule

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """Return the mean of log(p(x) / q(x)) over the x of `p`, in nats. Shapes: batch_shape.

    Raises: CallError for a pair of kinds without a rule, see register_kl; ShapeError.

    >>> d = wg.distributions
    >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
    tensor(0.5)
    """
    for first in type(p).__mro__:
        for second in type(q).__mro__:
            if (rule := _RULES.get((first, second))) is not None:
                return rule(p, q)
    raise CallError(
        f"kl_divergence: there is no rule for {type(p).__name__} and {type(q).__name__}: "
        "add one with register_kl"
    )


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return 0.5 * (ratio * ratio + distance * distance - 1) - log(ratio)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    (p_none, p_one), (q_none, q_one) = p.logs, q.logs
    ones = times_log(p.probs, p_one) - times_log(p.probs, q_one)
    return ones + times_log(1 - p.probs, p_none) - times_log(1 - p.probs, q_none)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    if p.num_categories != q.num_categories:
        raise ArgumentError(
            f"kl_divergence: {p.num_categories} and {q.num_categories} categories came, and as "
            "many are needed on both sides"
        )
    return sum(times_log(p.probs, p.logits) - times_log(p.probs, q.logits), -1)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    outside = logical_or(less(p.low, q.low), greater(p.high, q.high))
    return where(outside, math.inf, log((q.high - q.low) / (p.high - p.low)))


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise ArgumentError(
            f"kl_divergence: events of {p.reinterpreted_batch_ndims} and "
            f"{q.reinterpreted_batch_ndims} axes came, and as many are needed on both sides"
        )
    return p.added(kl_divergence(p.base_dist, q.base_dist))
