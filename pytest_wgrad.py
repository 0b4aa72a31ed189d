"""The pytest plugin: devices as fixtures, and the proof that a run was on the GPU it asked for.

pip install "wgrad" pytest        # pytest finds it by its entry point
pytest --wgrad-require=webgpu     # or WGRAD_REQUIRE=webgpu in the environment

A test takes the fixture `wgrad_device`, and runs on each device at hand; or it has the mark
`@pytest.mark.wgrad(device="webgpu:llvmpipe")`, and runs on that one. Without the device it is
skipped, with the reason. With a requirement a session fails where the device is missing (status
20), and where nothing was dispatched to it (status 21). docs/ci.md tells all of it.

It stands outside the package, and imports that only when a test asks for a device: pytest loads the
plugins of an environment in every session, and most of these have nothing to do with wgrad.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wgrad.backends.base import Device

DEVICES = ("numpy", "webgpu")
MISSING, IDLE = 20, 21  # how a session ends; pytest itself uses 0 to 5
COUNTED = ("dispatches", "pipelines_compiled", "compile_seconds")
FIXTURE = "wgrad_device"


@dataclass
class Use:
    """What one process, or all of them, did on WebGPU."""

    tests: int = 0  # those that asked for it, and got it
    adapters: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    def add(self, tests: int, adapters: list[str], counts: dict[str, float]) -> None:
        """Add what another process did."""
        self.tests += tests
        self.adapters += [x for x in adapters if x not in self.adapters]
        for name, count in counts.items():
            self.counts[name] += count


@dataclass
class State:
    """What the plugin knows of a session."""

    required: frozenset[str]
    before: dict[str, float]  # the counts when it began
    use: Use = field(default_factory=Use)
    has_run: bool = False  # not, where tests are only listed
    is_idle: bool = False


STATE = pytest.StashKey[State]()


# Devices.


@functools.cache
def open_device(name: str) -> Device | str:
    """Return a device, or why it cannot be had; asked once a process."""
    import wgrad

    try:
        return wgrad.device(name)
    except wgrad.errors.WgradError as error:
        return str(error)


def need(config: pytest.Config, name: str) -> Device:
    """Return a device; without it skip the test, or fail it where the session requires it."""
    found = open_device(name)
    if not isinstance(found, str):
        return found
    if name.partition(":")[0] in config.stash[STATE].required:
        pytest.fail(f"{name} is required, and there is none: {found}", pytrace=False)
    pytest.skip(f"no {name} device: {found}")


@contextlib.contextmanager
def entered(config: pytest.Config, name: str) -> Iterator[Device]:
    """Make a device the default one for the block, as `need` has it."""
    found = need(config, name)
    if name != "numpy":
        config.stash[STATE].use.tests += 1
    with found:
        yield found


@pytest.fixture
def wgrad_device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each device at hand in turn, as the default one: "numpy", then "webgpu".

    With the mark `wgrad(device=...)` it is that device alone. One that is missing skips the test.
    """
    with entered(request.config, request.param) as device:
        yield device


def _marked(node: pytest.Item) -> str | None:
    """Return the device that a test is marked with. Raises: ValueError for what names none."""
    mark = node.get_closest_marker("wgrad")
    if mark is None:
        return None
    name = mark.kwargs.get("device", "webgpu")
    written = [*map(repr, mark.args), *(f"{k}={v!r}" for k, v in mark.kwargs.items())]
    if mark.args or set(mark.kwargs) - {"device"} or not _is_device(name):
        raise ValueError(
            f"{node.name}: @pytest.mark.wgrad({', '.join(written)}) came; device= is needed, "
            'with "numpy", "webgpu" or "webgpu:<part of an adapter\'s name>"'
        )
    return name


def _is_device(name: object) -> bool:
    return isinstance(name, str) and (
        name in DEVICES or (name.startswith("webgpu:") and name[len("webgpu:") :].strip() != "")
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `wgrad_device` its devices."""
    try:
        marked = _marked(metafunc.definition)
    except ValueError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    own = metafunc.definition.iter_markers("parametrize")  # a test may say itself which ones
    if FIXTURE in metafunc.fixturenames and not any(FIXTURE in mark.args[0] for mark in own):
        metafunc.parametrize(FIXTURE, [marked] if marked else DEVICES, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a marked test, and the fixtures it takes, on its device."""
    with contextlib.ExitStack() as stack:
        if FIXTURE not in getattr(item, "fixturenames", ()):
            with contextlib.suppress(ValueError, pytest.skip.Exception, pytest.fail.Exception):
                if (name := _marked(item)) is not None:
                    stack.enter_context(entered(item.config, name))
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a marked test whose device is missing."""
    marked = problem = None
    try:
        marked = _marked(item)
    except ValueError as error:  # a method of a unittest.TestCase, which is not asked before
        problem = str(error)
    if problem is not None:
        pytest.fail(problem, pytrace=False)
    if marked is not None:
        need(item.config, marked)


# What a session requires.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take --wgrad-require."""
    parser.getgroup("wgrad").addoption(
        "--wgrad-require",
        metavar="DEVICES",
        default="",
        help="webgpu: fail a session without an adapter (status 20), and one in which no kernel "
        "was dispatched (status 21); several with commas; also WGRAD_REQUIRE",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find out what is required, and declare the mark."""
    config.addinivalue_line(
        "markers", 'wgrad(device="webgpu"): run on this device; skip where there is none'
    )
    required = _required("WGRAD_REQUIRE", os.environ.get("WGRAD_REQUIRE", ""))
    required |= _required("--wgrad-require", config.getoption("--wgrad-require"))
    config.stash[STATE] = State(required, _counts())


def _required(source: str, text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(names.difference(DEVICES)):
        raise pytest.UsageError(
            f"{source}={text!r} came, and {name!r} is none of {', '.join(DEVICES)}"
        )
    return names


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """End a session at once that requires what is not there."""
    if hasattr(session.config, "workerinput"):
        return  # the process that started this worker has looked
    for name in sorted(session.config.stash[STATE].required):
        found = open_device(name)
        if isinstance(found, str):
            pytest.exit(f"{name} is required, and there is none: {found}", returncode=MISSING)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is required, and which device that is."""
    lines = []
    for name in sorted(config.stash[STATE].required):
        found = open_device(name)
        text = found if isinstance(found, str) else found.description
        lines.append(f"wgrad: {name} is required, and is {text}")
    return lines


# What a session did.


def _counts() -> dict[str, float]:
    """Return what this process has done so far; zeros where nobody has imported wgrad."""
    statistics = sys.modules.get("wgrad.statistics")
    counts = {} if statistics is None else statistics.whole()
    return {name: counts.get(name, 0) for name in COUNTED}


def _adapters() -> list[str]:
    """Return the adapters that this process has opened."""
    adapters = sys.modules.get("wgrad.backends.webgpu.adapters")
    return [] if adapters is None else [x.description for x in adapters.opened()]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Note that tests run, and are not only listed."""
    state = session.config.stash[STATE]
    state.has_run = not session.config.option.collectonly


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker of pytest-xdist did."""
    output = getattr(node, "workeroutput", {}).get("wgrad")
    if output is not None:
        node.config.stash[STATE].use.add(**output)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that required WebGPU, passed, and dispatched nothing."""
    state = session.config.stash[STATE]
    since = {name: count - state.before[name] for name, count in _counts().items()}
    state.use.add(0, _adapters(), since)
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["wgrad"] = vars(state.use)
        return
    idle = "webgpu" in state.required and not state.use.counts["dispatches"]
    state.is_idle = state.has_run and idle
    if state.is_idle and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = IDLE


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which adapter ran what, or that none did."""
    state = config.stash[STATE]
    use = state.use
    if state.is_idle:
        terminalreporter.section("wgrad: no kernel was dispatched", red=True)
        terminalreporter.line(
            f"webgpu is required, {use.tests} tests asked for it, and none dispatched a kernel: "
            "take the fixture wgrad_device or @pytest.mark.wgrad, or set WGRAD_DEVICE=webgpu, and "
            "read results in the tests"
        )
    elif use.tests or use.counts["dispatches"]:
        terminalreporter.line(
            f"wgrad: {'; '.join(use.adapters) or 'no adapter'}: "
            f"{use.counts['dispatches']:.0f} dispatches, "
            f"{use.counts['pipelines_compiled']:.0f} kernels compiled in "
            f"{use.counts['compile_seconds']:.1f} CPU seconds; {use.tests} tests asked for webgpu"
        )
