"""The browser that all tests of exports share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from wgrad.kernel.validation.browser import NAMES

from .browser import Browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on the PATH")
    browser = Browser(program)
    try:
        yield browser
    finally:
        browser.close()
