"""The child that lists devices: `python -m wgrad.doctor.probe`, one row of JSON for each."""

from __future__ import annotations

from dataclasses import asdict

from ..devices import devices
from ..errors import DeviceError, MissingDependencyError
from .children import told


def main() -> None:
    """Load the drivers, and say which adapters they give."""
    from ..backends.webgpu.device import adapters

    told(doing="loading the drivers")
    try:
        told(adapters=len(adapters()))
    except MissingDependencyError as error:
        told(missing=str(error))
    except DeviceError as error:
        told(error=str(error))
    for info in devices():
        told(device=asdict(info))


if __name__ == "__main__":
    main()
