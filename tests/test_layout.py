"""Layouts by index arithmetic: what `compose` says of two views is where their elements lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wgrad.layout import Layout, compose

EXTENTS = st.integers(1, 4)
SHAPES = st.lists(st.sampled_from((1, 2, 3, 4, 5, 6, 0)), max_size=4).map(tuple)


def addresses(layout: Layout) -> np.ndarray:
    """Return where each element of a layout lies."""
    found = np.full(layout.shape, layout.offset)
    for axis, stride in enumerate(layout.strides):
        line = np.arange(layout.shape[axis]) * stride
        found = found + line.reshape([-1 if a == axis else 1 for a in range(found.ndim)])
    return found


def shown(outer: Layout, inner: Layout) -> np.ndarray:
    """Return where a view of a dense array lies, whose elements lie where `inner` says."""
    return addresses(inner).reshape(-1)[addresses(outer)]


# Views, each as a function from layout to layout or None, which draws what it needs.
def sliced(draw: Callable, x: Layout) -> Layout:
    starts, sizes, steps = [], [], []
    for n in x.shape:
        step = draw(st.sampled_from((1, 2, 3, -1, -2)))
        start = draw(st.integers(0, max(n - 1, 0)))
        room = (n - start if step > 0 else start + 1) if n else 0
        starts.append(start)
        sizes.append(draw(st.integers(min(room, 1), -(-room // abs(step)))))
        steps.append(step)
    return x.slice(tuple(starts), tuple(sizes), tuple(steps))


def permuted(draw: Callable, x: Layout) -> Layout:
    return x.permute(draw(st.permutations(range(len(x.shape)))))


def expanded(draw: Callable, x: Layout) -> Layout:
    shape = tuple(draw(EXTENTS) if n == 1 else n for n in x.shape)
    return x.expand((*draw(st.lists(EXTENTS, max_size=1)), *shape))


def reshaped(draw: Callable, x: Layout) -> Layout | None:
    shape = list(x.shape)
    if shape and draw(st.booleans()):
        n = shape.pop(draw(st.integers(0, len(shape) - 1)))
        divisor = draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0] or [1]))
        at = draw(st.integers(0, len(shape)))
        shape[at:at] = [divisor, n // divisor]
    elif len(shape) > 1:
        at = draw(st.integers(0, len(shape) - 2))
        shape[at : at + 2] = [shape[at] * shape[at + 1]]
    return x.reshape(tuple(shape)) if np.prod(shape) == x.size else x


STEPS = (sliced, permuted, expanded)


@st.composite
def views(draw: Callable, shape: tuple[int, ...], kinds: tuple) -> Layout:
    """Return a view of a dense array of `shape`."""
    x = Layout.dense(shape)
    for step in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        x = step(draw, x) or x
    return x


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_compose_shows_the_same_elements(data):
    kinds = (*STEPS, reshaped)
    inner = data.draw(views(data.draw(SHAPES), kinds))
    outer = data.draw(views(inner.shape, kinds))
    found = compose(outer, inner.shape, inner)
    if found is not None:
        assert found.shape == outer.shape
        assert np.array_equal(addresses(found), shown(outer, inner))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_compose_of_views_without_reshapes_is_a_view(data):
    inner = data.draw(views(data.draw(SHAPES), STEPS))
    assert compose(data.draw(views(inner.shape, STEPS)), inner.shape, inner) is not None


def test_compose_refuses_what_no_strides_can_say():
    inner = Layout.dense((4, 6)).permute((1, 0))
    flat = Layout.dense((24,))
    assert compose(flat, (6, 4), inner) is None
    assert compose(flat.slice((1,), (3,), (1,)), (6, 4), inner) == Layout((3,), (6,), 6)
    assert compose(flat.slice((0,), (6,), (4,)), (6, 4), inner) == Layout((6,), (1,), 0)
