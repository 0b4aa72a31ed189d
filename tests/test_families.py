"""The kernel families: one list, which agrees with the device methods, and work to the bit."""

from __future__ import annotations

import inspect
from dataclasses import fields

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.backends.families import FAMILIES, Family, Full, InPlace, Place
from wgrad.dtypes import float32
from wgrad.layout import Layout


def kinds(family: type) -> list[type]:
    """Return a class and all that are derived from it."""
    return [family, *(kind for below in family.__subclasses__() for kind in kinds(below))]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.method)
def test_family_takes_what_its_device_method_does(family):
    method = inspect.signature(getattr(Device, family.method))
    names = list(method.parameters)[1:]
    assert len(names) == len(family.takes)
    for name, taken in zip(names, family.takes, strict=True):
        assert not isinstance(taken, str) or name == taken
    parameters = {x for x in family.takes if isinstance(x, str)}
    own = {"target"} if issubclass(family, InPlace) else set()
    assert {f.name for f in fields(family)} == parameters | own


def test_families_of_devices_are_all_in_the_list():
    listed = {f for f in kinds(Family) if "takes" in vars(f) and f.__module__ == Family.__module__}
    assert set(FAMILIES) == listed - {Family}
    assert len({f.method for f in FAMILIES}) == len(FAMILIES)


def test_work_is_equal_only_to_the_bit():
    assert Full((2,), 0.0, float32) == Full((2,), 0.0, float32)
    different = [Full((2,), x, float32) for x in (0.0, -0.0, 0, False)]
    assert len(set(different)) == 4
    target = (Layout.dense((1,)),)
    assert Place(target, (2,), 0.0) != Place(target, (2,), -0.0)


def test_compiled_zeros_of_two_signs_around_equal_pieces_stay_two(device):
    def f(x):
        return [wg.pad(x, ((1, 1),), value=v) for v in (0.0, -0.0)]

    a, b = (v.numpy() for v in wg.compile(f)(wg.ones(3)))
    assert np.signbit(a).tolist() == [False] * 5
    assert np.signbit(b).tolist() == [True, False, False, False, True]
