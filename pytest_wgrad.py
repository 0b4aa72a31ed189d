"""The pytest plugin: devices as fixtures, and the proof that a run was on the GPU it asked for.

pip install "wgrad" pytest        # pytest finds it by its entry point
pytest --wgrad-require=webgpu     # or WGRAD_REQUIRE=webgpu:llvmpipe in the environment

A test takes the fixture `wgrad_device`, and runs on each device at hand; or it has the mark
`@pytest.mark.wgrad(device="webgpu:llvmpipe")`, and runs on that one. Without the device it is
skipped, with the reason. With a requirement a session fails where the device is missing (status
20), its driver is broken (22), wgpu is not installed (24), and where nothing was dispatched to it
(21). Drivers are first loaded in a child, since one that is broken may end the process that loads
it. docs/ci.md tells all of it.

It stands outside the package, and imports that only when a test asks for a device: pytest loads the
plugins of an environment in every session, and most of these have nothing to do with wgrad.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wgrad.backends.base import Device
    from wgrad.doctor import Report

DEVICES = ("numpy", "webgpu")
# How a session ends, which pytest itself does with 0 to 5. What else a device is missing for has
# the status of `wgrad doctor`.
MISSING, IDLE = 20, 21
COUNTED = ("dispatches", "pipelines_compiled", "compile_seconds")
FIXTURE = "wgrad_device"
NEEDED = '"numpy", "webgpu" or "webgpu:<part of an adapter\'s name>"'


@dataclass
class Use:
    """What one process, or all of them, did on WebGPU."""

    tests: int = 0  # those that asked for it, and got it
    skipped: dict[str, int] = field(default_factory=dict)  # the others, by the reason
    adapters: dict[str, int] = field(default_factory=dict)  # what each of them dispatched
    counts: dict[str, float] = field(default_factory=dict)

    def add(self, tests: int = 0, **more: dict[str, Any]) -> None:
        """Add what else was done, here or in another process."""
        self.tests += tests
        for name, numbers in more.items():
            mine = vars(self)[name]
            for key, number in numbers.items():
                mine[key] = mine.get(key, 0) + number


@dataclass
class State:
    """What the plugin knows of a session."""

    required: frozenset[str]
    before: Use  # what was done when it began
    use: Use = field(default_factory=Use)
    has_run: bool = False  # not, where tests are only listed
    idle: list[str] = field(default_factory=list)  # what was required, and dispatched nothing
    was_tried: bool = False  # do we know whether drivers load?
    trouble: Report | None = None

    @property
    def gpus(self) -> list[str]:
        """The GPUs that are required, or else any one."""
        return sorted(x for x in self.required if x != "numpy") or ["webgpu"]


STATE = pytest.StashKey[State]()


# Devices.


def open_device(name: str) -> Device | str:
    """Return a device, or why it cannot be had."""
    import wgrad

    try:
        return wgrad.device(name)
    except wgrad.errors.WgradError as error:
        return str(error)


def meant(config: pytest.Config, name: str) -> str:
    """Return which device a test means: "webgpu" is the GPU that the session requires by name."""
    state = config.stash[STATE]
    return state.gpus[0] if name == "webgpu" and name not in state.required else name


def tried(config: pytest.Config, name: str) -> Device | str:
    """Return a device, or why it cannot be had, once it is known that drivers load."""
    if name != "numpy":
        try_drivers(config)
    return open_device(name)


def need(config: pytest.Config, name: str) -> Device:
    """Return a device; without it skip the test, or fail it where the session requires it."""
    state = config.stash[STATE]
    name = meant(config, name)
    found = tried(config, name)
    if not isinstance(found, str):
        return found
    if {name, name.partition(":")[0]} & state.required:
        pytest.fail(f"{name} is required, and there is none: {found}", pytrace=False)
    reason = f"no {name} device: {found}"
    state.use.add(skipped={reason: 1})
    pytest.skip(reason)


def try_drivers(config: pytest.Config) -> Report | None:
    """Return what is wrong with this machine's drivers, or None; found out once a session.

    They are loaded in a child, and not at all in this process where they end that one.
    """
    state = config.stash[STATE]
    if not state.was_tried:
        state.was_tried = True
        if _adapters() or getattr(config, "workerinput", {}).get("wgrad_was_tried"):
            return None  # this process has them, or the one that started it has tried them
        from wgrad.backends.webgpu.device import refuse
        from wgrad.doctor import trouble

        state.trouble = trouble()
        if state.trouble is not None:
            refuse(state.trouble.problems[0].removeprefix("webgpu: "))
    return state.trouble


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what was tried: it starts only where drivers load."""
    node.workerinput["wgrad_was_tried"] = node.config.stash[STATE].was_tried


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
            f"{node.name}: @pytest.mark.wgrad({', '.join(written)}) came; device= is needed, with "
            f"{NEEDED}"
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
        names = [marked] if marked else ["numpy", *metafunc.config.stash[STATE].gpus]
        metafunc.parametrize(FIXTURE, names, indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a marked test, and the fixtures it takes, on its device."""
    with contextlib.ExitStack() as stack:
        if FIXTURE not in getattr(item, "fixturenames", ()):
            with contextlib.suppress(ValueError):
                name = _marked(item)
                # Without the device `pytest_runtest_setup` skips the test or has it fail.
                if name is not None and not isinstance(
                    tried(item.config, meant(item.config, name)), str
                ):
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
        help="webgpu, or webgpu:<part of an adapter's name>: fail a session without that (status "
        "20), and one in which no kernel was dispatched to it (status 21); several with commas; "
        "also WGRAD_REQUIRE",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find out what is required, and declare the mark."""
    config.addinivalue_line(
        "markers", 'wgrad(device="webgpu"): run on this device; skip where there is none'
    )
    required = _required("WGRAD_REQUIRE", os.environ.get("WGRAD_REQUIRE", ""))
    required |= _required("--wgrad-require", config.getoption("--wgrad-require"))
    config.stash[STATE] = State(required, Use(adapters=_adapters(), counts=_counts()))


def _required(source: str, text: str) -> frozenset[str]:
    # Adapters have commas in the brackets of their names: "llvmpipe (LLVM 15.0.6, 256 bits)".
    names = frozenset(x.strip() for x in re.split(r",(?![^()]*\))", text) if x.strip())
    for name in sorted(names):
        if not _is_device(name):
            raise pytest.UsageError(
                f"{source}={text!r} came, and {name!r} is not {NEEDED}, which are needed"
            )
    return names


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """End a session at once that requires what is not there."""
    if hasattr(session.config, "workerinput"):
        return  # the process that started this worker has looked
    for name in sorted(session.config.stash[STATE].required - {"numpy"}):
        report = try_drivers(session.config)
        if report is not None:
            text = f"{name} is required, and there is none: {report.problems[0]}"
            pytest.exit(text, returncode=report.status)
        _check_name(name)
        found = open_device(name)
        if isinstance(found, str):
            pytest.exit(f"{name} is required, and there is none: {found}", returncode=MISSING)


def _check_name(name: str) -> None:
    """Raise pytest.UsageError where there are adapters, and none is called so."""
    from wgrad.backends.webgpu import adapters
    from wgrad.errors import DeviceError

    try:
        adapters.adapter_of(name.partition(":")[2].strip())
    except DeviceError as error:
        text = str(error).removeprefix("webgpu: ")
        raise pytest.UsageError(f"{name} is required, and {text}") from None


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


def _adapters() -> dict[str, int]:
    """Return the adapters that this process has opened, with what each has dispatched so far."""
    adapters = sys.modules.get("wgrad.backends.webgpu.adapters")
    opened = [] if adapters is None else adapters.opened()
    return {x.description: x.gpu.dispatches for x in opened}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Note that tests run, and are not only listed; try drivers before one of these needs them."""
    state = session.config.stash[STATE]
    state.has_run = not session.config.option.collectonly
    kind = os.environ.get("WGRAD_DEVICE", "").partition(":")[0]
    asked = kind in ("webgpu", "gpu") and "wgrad" in sys.modules
    if state.has_run and (asked or any(map(_asks, session.items))):
        try_drivers(session.config)


def _asks(item: pytest.Item) -> bool:
    """Return whether a test asks for a GPU."""
    names = [getattr(getattr(item, "callspec", None), "params", {}).get(FIXTURE)]
    with contextlib.suppress(ValueError):
        names.append(_marked(item))
    return any(name not in (None, "numpy") for name in names)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker of pytest-xdist did."""
    output = getattr(node, "workeroutput", {}).get("wgrad")
    if output is not None:
        node.config.stash[STATE].use.add(**output)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that required WebGPU, passed, and dispatched nothing."""
    state = session.config.stash[STATE]
    before = state.before
    since = {name: count - before.counts[name] for name, count in _counts().items()}
    ran = {name: count - before.adapters.get(name, 0) for name, count in _adapters().items()}
    state.use.add(adapters=ran, counts=since)
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["wgrad"] = vars(state.use)
        return
    if state.has_run:
        state.idle = [x for x in sorted(state.required) if x != "numpy" and not _used(state.use, x)]
    if state.idle and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = IDLE


def _used(use: Use, name: str) -> bool:
    """Return whether a GPU dispatched anything; which one it is, matters where it has a name."""
    if name == "webgpu":
        return use.counts["dispatches"] > 0
    found = open_device(name)
    return not isinstance(found, str) and use.adapters.get(found.description, 0) > 0


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which adapter ran what, or that none did."""
    state = config.stash[STATE]
    use = state.use
    if state.idle:
        name = state.idle[0]
        terminalreporter.section("wgrad: no kernel was dispatched", red=True)
        terminalreporter.line(
            f"{name} is required, {use.tests} tests asked for a GPU, and none dispatched a kernel "
            "to it: take the fixture wgrad_device or @pytest.mark.wgrad, or set "
            f"WGRAD_DEVICE={name}, and read results in the tests"
        )
    elif use.tests or use.counts["dispatches"]:
        terminalreporter.line(
            f"wgrad: {'; '.join(use.adapters) or 'no adapter'}: "
            f"{use.counts['dispatches']:.0f} dispatches, "
            f"{use.counts['pipelines_compiled']:.0f} kernels compiled in "
            f"{use.counts['compile_seconds']:.1f} CPU seconds; {use.tests} tests asked for webgpu"
        )
    for reason, tests in use.skipped.items():
        terminalreporter.line(f"wgrad: {tests} skipped, {reason}")
