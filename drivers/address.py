"""Where a device is on its bus, as a site file says it."""

from collections.abc import Callable
from typing import Any

from pydantic import Field

from runtime.config import Strict


class DeviceAddress(Strict):
    """A device's place on its bus: a `unit` number, or an `address` in text; some buses have one device and neither."""

    unit: int = Field(default=1, ge=0, le=255)
    address: str | None = Field(default=None, min_length=1)


def alone(bus: Any, address: DeviceAddress) -> str | None:  # noqa: ANN401, ARG001 - a bus of any protocol
    """Check the address on a bus that has one device: there is nothing to say."""
    return "the only device on its bus needs no `address`" if address.address is not None else None


def named(problem: Callable[[str], str | None], *, what: str) -> Callable[[Any, DeviceAddress], str | None]:
    """Make the check for devices that have an `address` in text; `what` says what it is, for people."""

    def check(bus: Any, address: DeviceAddress) -> str | None:  # noqa: ANN401, ARG001 - a bus of any protocol
        if address.address is None:
            return f"the device needs its `address`: {what}"
        return problem(address.address)

    return check
