"""Optional packages: an error names the extra that brings one that is missing."""

from __future__ import annotations

import json

import pytest

import wgrad as wg
from wgrad.extras import needed


def test_a_package_that_is_there_is_returned():
    assert needed("json", "io", "save") is json


def test_one_that_is_missing_is_named_with_its_extra():
    with pytest.raises(wg.errors.MissingDependencyError, match=r'save: .*absent.*"wgrad\[io\]"'):
        needed("absent_package.part", "io", "save")
