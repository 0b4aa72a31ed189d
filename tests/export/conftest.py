"""The browser that all tests of exports share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wgrad.kernel.validation.chromium import NOWHERE, program

from .browser import Browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = program()
    if path is None:
        pytest.skip(NOWHERE)
    browser = Browser(path)
    try:
        yield browser
    finally:
        browser.close()
