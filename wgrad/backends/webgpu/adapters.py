"""Names of WebGPU devices, and the open ones: one `WebGpuDevice` per adapter and process."""

from __future__ import annotations

from typing import Any

from ...errors import DeviceError, MissingDependencyError
from .device import adapters, no_adapter
from .eager import WebGpuDevice
from .facts import Facts
from .gpu import Gpu
from .implementation import chosen

_open: dict[int, WebGpuDevice] = {}


def _rank(adapter: Any) -> int:
    """Return the order in which adapters are preferred: discrete GPUs first, software last."""
    order = ("DiscreteGPU", "IntegratedGPU", "VirtualGPU", "Unknown", "CPU")
    kind = adapter.info["adapter_type"]
    return order.index(kind) if kind in order else 3


def _named() -> list[tuple[str, Any]]:
    """Return the adapters, best first, with the names that open them."""
    rows: list[tuple[str, Any]] = []
    for adapter in sorted(adapters(), key=_rank):
        full = _full_name(adapter)
        same = sum(_full_name(a).startswith(full) for _, a in rows)
        name = f"webgpu:{full}" + (f" #{same + 1}" if same else "")
        rows.append((name if rows else "webgpu", adapter))
    return rows


def _full_name(adapter: Any) -> str:
    return f"{adapter.info['device']} ({adapter.info['backend_type']})"


def describe() -> list[dict[str, Any]]:
    """Return a row per adapter for `wgrad.devices()`; empty when there is none."""
    try:
        rows = _named()
    except (DeviceError, MissingDependencyError):
        return []
    return [
        {
            "name": name,
            "adapter": adapter.info["device"],
            "type": adapter.info["adapter_type"],
            "backend": adapter.info["backend_type"],
            "driver": adapter.info["description"],
            "implementation": chosen().version,
            "dtypes": tuple(
                sorted(d.name for d in Facts.of(adapter.limits, adapter.features).dtypes)
            ),
            "features": tuple(sorted(adapter.features)),
            "limits": {k: int(v) for k, v in adapter.limits.items()},
        }
        for name, adapter in rows
    ]


def hardware_name() -> str | None:
    """Return the name part of the best adapter that is hardware, or None.

    Raises: MissingDependencyError, DeviceError.
    """
    for _, adapter in _named():
        if adapter.info["adapter_type"] != "CPU":
            return adapter.info["device"]
    return None


def opened() -> list[WebGpuDevice]:
    """Return the devices that this process has opened so far."""
    return list(_open.values())


def open_device(part: str) -> WebGpuDevice:
    """Return the device of the best adapter whose name contains `part`, in any case.

    Raises: DeviceError when there is none; MissingDependencyError without wgpu.
    """
    name, adapter = adapter_of(part)
    if id(adapter) not in _open:
        _open[id(adapter)] = WebGpuDevice(name, Gpu(adapter))
    return _open[id(adapter)]


def adapter_of(part: str) -> tuple[str, Any]:
    """Return the device's name and the adapter that `part` means, without opening it.

    Raises: DeviceError when there is none; MissingDependencyError without wgpu.
    """
    rows = _named()
    if not rows:
        raise DeviceError(f"webgpu: {no_adapter()}")
    for name, adapter in rows:
        if name == f"webgpu:{part}" or part.lower() in _full_name(adapter).lower():
            return name, adapter
    names = ", ".join(repr(adapter.info["device"]) for _, adapter in rows)
    raise DeviceError(f"webgpu: no adapter's name contains {part!r}; there are {names}")
