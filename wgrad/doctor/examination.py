"""The examination: versions, what the system has, the adapters, and each of them tried.

Every problem is a sentence that says what to do, and the status tells kinds of them apart.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from ..backends.webgpu.implementation import chosen
from ..environment import WGPU
from ..version import __version__
from . import vulkan
from .children import DiedError, asked

# How `wgrad doctor` ends. 2 is for wrong arguments, and 20 also how a session of pytest ends that
# required an adapter.
FINE, WRONG, NO_ADAPTER, BROKEN, DIED, NO_WGPU = 0, 1, 20, 22, 23, 24

# What a child does to say whether drivers load. Without wgrad, whose import takes twice as long.
LOADING = """
import importlib, json, sys
package, backend = sys.argv[1:]
try:
    wgpu = importlib.import_module(package)
    importlib.import_module(f"{package}.backends.{backend}")
    if backend == "wgpu_native":
        extras = importlib.import_module("wgpu.backends.wgpu_native.extras")
        extras.set_instance_extras(backends=["Primary"])
    kinds = [x.info["backend_type"] for x in wgpu.gpu.enumerate_adapters_sync()]
    row = {"adapters": len(kinds) - kinds.count("OpenGL")}
except (ImportError, OSError) as error:
    row = {"import": str(error)}
except Exception as error:
    row = {"error": str(error)}
print(json.dumps(row))
"""
PROBE, SELFTEST = f"{__package__}.probe", f"{__package__}.selftest"
MESA = "mesa-vulkan-drivers"
INSTALL = "Debian and Ubuntu: apt-get install"
# Dawn wants more of Vulkan than wgpu-native does, as SwiftShader has it.
OTHER = (
    "name a newer one by VK_DRIVER_FILES, such as vk_swiftshader_icd.json, which comes with "
    "Chromium, or unset WGRAD_WGPU"
)


@dataclass
class Report:
    """What was found. `devices` are rows as of `wg.devices()`; one that was tried has a `test`."""

    versions: dict[str, str | None]
    drivers: list[dict[str, Any]] = field(default_factory=list)
    devices: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    status: int = FINE

    def wrong(self, status: int, problem: str) -> None:
        """Add a problem; the first one gives the status."""
        self.problems.append(problem)
        self.status = self.status or status


def listed() -> Report:
    """Return which devices there are, without trying them."""
    report = Report(_versions())
    rows = _loaded(report, "-m", PROBE)
    report.devices = [row["device"] for row in rows if "device" in row]
    return report


def trouble() -> Report | None:
    """Return what is wrong where no adapter can be had, and None where one can.

    It takes a child that imports wgpu, and lists no devices.
    """
    report = Report(_versions())
    _loaded(report, *_loading())
    return report if report.status != FINE else None


def examine(name: str | None = None) -> Report:
    """Return what is there, with each adapter tried, or only the device `name`."""
    report = listed()
    if name is None:
        names = [x["name"] for x in report.devices if x["name"] != "numpy"]
    else:
        names = [name]
    if report.status == FINE:
        for each in names:
            _try(report, each)
    return report


def _loading() -> tuple[str, ...]:
    here = chosen()
    return "-c", LOADING, here.package, here.backend


def _loaded(report: Report, *command: str) -> list[dict[str, Any]]:
    """Load the drivers in a child, say what is wrong with them, and return its rows."""
    linux = sys.platform.startswith("linux")
    manifests = vulkan.manifests() if linux else []
    report.drivers = [asdict(x) for x in manifests]
    try:
        rows = asked(*command)
    except DiedError as death:
        rows = death.rows
        _which_driver(report, death, manifests)
    said = {name: value for row in rows for name, value in row.items()}
    if "import" in said:
        report.wrong(NO_WGPU, chosen().absent(said["import"]))
    if "missing" in said:
        report.wrong(NO_WGPU, said["missing"])
    if report.status == FINE and not said.get("adapters"):
        if linux:
            _why_none(report, manifests)
        else:
            none = "no adapter was found: install your GPU's driver"
            report.wrong(NO_ADAPTER, said.get("error") or none)
    return rows


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"wgrad": __version__, "python": platform.python_version()}
    for package in ("numpy", WGPU.read()):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return {**found, "system": platform.platform(), "machine": platform.machine()}


def _which_driver(report: Report, death: DiedError, manifests: list[vulkan.Manifest]) -> None:
    """Say which driver ended the child, by loading each alone."""
    guilty = []
    for manifest in manifests if len(manifests) > 1 else ():
        try:
            asked(*_loading(), **dict.fromkeys(vulkan.CHOSEN, manifest.file))
        except DiedError:
            guilty.append(manifest.file)
    if not guilty:
        guilty = [x.file for x in manifests] if len(manifests) == 1 else []
    who = f"the driver of {', '.join(guilty)}" if guilty else "a driver"
    report.wrong(
        BROKEN,
        f"{who} ends the process that loads it: {death.how}{_said(death)}; update or remove its "
        "package, or name those to be used: VK_DRIVER_FILES=/usr/share/vulkan/icd.d/...json",
    )


def _said(death: DiedError) -> str:
    last = death.words.splitlines()[-1:]
    return f" ({last[0][:200]})" if last else ""


def _why_none(report: Report, manifests: list[vulkan.Manifest]) -> None:
    """Say why Linux has no adapter, from the loader to the drivers' libraries."""
    lacking = _not_opened(vulkan.LOADER)
    if lacking is not None:
        report.wrong(NO_ADAPTER, f"Vulkan's loader does not open: {lacking}")
    name = vulkan.chosen_by()
    for manifest in manifests:
        problem = manifest.problem
        if problem is None and lacking is None and manifest.library is not None:
            problem = _not_opened(manifest.library)
        if problem is not None:
            because = f"{name} names it: correct or unset that" if name else "install its package"
            report.wrong(BROKEN, f"{manifest.file}: {problem}; {because}")
    if not manifests:
        report.wrong(NO_ADAPTER, f"there is no Vulkan driver: {INSTALL} {MESA} {_loader()}")
    elif report.status == FINE:
        names = ", ".join(x.file for x in manifests)
        if WGPU.read() != "wgpu":
            report.wrong(
                NO_ADAPTER, f"WGRAD_WGPU={WGPU.read()} takes no driver here ({names}): {OTHER}"
            )
            return
        if name:
            report.wrong(BROKEN, f"{name} names drivers that find no GPU here: {names}; unset it")
        else:
            report.wrong(
                NO_ADAPTER,
                f"no driver finds a GPU here ({names}), and there is no software one: "
                f"{INSTALL} {MESA}",
            )


def _loader() -> str:
    return vulkan.package_of(vulkan.LOADER)


def _not_opened(library: str) -> str | None:
    """Return what the system has against a library, with the package that is missing."""
    try:
        rows = asked("-c", vulkan.OPENING, library)
    except DiedError as death:
        return f"opening {library} ends the process: {death.how}"
    words = next((row["error"] for row in rows if "error" in row), None)
    if words is None:
        return None
    missing = vulkan.missing_library(words)
    if missing is None or (missing == library != vulkan.LOADER):
        return words  # what a driver needs is in packages of its own, the driver in the driver's
    return f"{words}; {INSTALL} {vulkan.package_of(missing)}"


def _try(report: Report, name: str) -> None:
    """Run the self-test on a device, and write it into the device's row."""
    died = None
    try:
        rows = asked("-m", SELFTEST, name)
    except DiedError as death:
        rows, died = death.rows, death
    test: dict[str, Any] = {"kernels": {}}
    doing = "starting"
    for row in rows:
        doing = row.get("doing", doing)
        if "kernel" in row:
            test["kernels"][row["kernel"]] = row["wrong"] or "right"
        elif "doing" not in row:
            test.update(row)
    found = test.pop("opened", name)
    device = next((x for x in report.devices if x["name"] == found), None)
    if device is not None:
        device["test"] = test
    if died is not None:
        test["died"] = f"{doing}: {died.how}{_said(died)}"
        report.wrong(
            DIED,
            f"{name} ended the process while {doing}: {died.how}{_said(died)}; update its driver, "
            "and choose another device by WGRAD_DEVICE until then",
        )
    elif "error" in test:
        report.wrong(NO_ADAPTER, test["error"])
    for kernel, verdict in test["kernels"].items():
        if verdict != "right":
            report.wrong(WRONG, f"{name}, {kernel}: {verdict}; update the driver, and report it")
