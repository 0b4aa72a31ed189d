"""Where an error in a user's text shows in a traceback: at the user's call, and no deeper."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..errors import ShaderError

F = TypeVar("F", bound=Callable[..., Any])


def shown_at_call(function: F) -> F:
    """Return a public function whose shader errors do not show how they were found."""

    @functools.wraps(function)
    def calling(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ShaderError as error:
            raise error.with_traceback(None) from None

    return cast(F, calling)
