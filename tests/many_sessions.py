"""Runs pytest several times in one process: what a file of JSON says, and what came, as JSON.

    python many_sessions.py cases.json answers.json

A case is [arguments, environment variables]; an answer [status, what was printed]. Projects that
are tried share the import of wgrad and the device, which take longer than all of their tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

import pytest

# Each of these takes longer than the tests: collections of all garbage, an import of hypothesis.
WITHOUT = ("cacheprovider", "faulthandler", "hypothesispytest", "threadexception")
WITHOUT += ("unraisableexception",)


def main(cases: str, answers: str) -> None:
    """Run the cases."""
    import wgrad as wg

    with contextlib.suppress(wg.errors.WgradError):
        wg.device("webgpu")  # out of the reach of pytest's capturing
    came = []
    with open(cases, encoding="utf-8") as file:
        rows = json.load(file)
    for arguments, variables in rows:
        words = io.StringIO()
        os.environ.update(variables)
        with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
            off = [x for name in WITHOUT for x in ("-p", f"no:{name}")]
            status = int(pytest.main([*off, "--rootdir=.", "-c", os.devnull, *arguments]))
        for name in variables:
            del os.environ[name]
        came.append([status, words.getvalue()])
    with open(answers, "w", encoding="utf-8") as file:
        json.dump(came, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
