"""Whether a time server has set this machine's clock, as its kernel says."""

import ctypes
import errno
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

_KEEP_S = 10.0
_TIMEX_BYTES = 512
"""More than `struct timex` takes on any machine (208 where a long has 64 bits)."""
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_SERVICES = tuple(Path("/run") / name for name in ("systemd/timesync", "chrony", "chrony.sock", "ntpd.pid", "ntpsec"))
"""What systemd-timesyncd, chrony and ntpd leave while they run."""


class Sync(StrEnum):
    """Whether times are marked while the kernel says that no time server has set the clock."""

    AUTO = "auto"  # where a service for that runs
    REQUIRED = "required"
    IGNORED = "ignored"


def kernel_synchronised() -> bool | None:
    """Ask the kernel; None where it does not say (other systems, closed containers)."""
    try:
        ask = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return None
    state = ask(ctypes.create_string_buffer(_TIMEX_BYTES))  # all zero: nothing is changed
    if state < 0:
        return None if ctypes.get_errno() in {errno.EPERM, errno.ENOSYS} else False
    return bool(state != _TIME_ERROR)


def time_service_runs() -> bool:
    """Whether a service that synchronises the clock runs here."""
    return any(place.exists() for place in _SERVICES)


def synchronised(sync: Sync, *, monotonic: Callable[[], float]) -> Callable[[], bool | None]:
    """Give what tells whether the clock is synchronised; None where that cannot be known, or is not wanted.

    The system is asked every 10 s at most.
    """
    kept: bool | None = None
    asked_at: float | None = None

    def ask() -> bool | None:
        nonlocal kept, asked_at
        if sync is Sync.IGNORED:
            return None
        now = monotonic()
        if asked_at is None or now - asked_at >= _KEEP_S:
            asked_at = now
            kept = kernel_synchronised() if sync is Sync.REQUIRED or time_service_runs() else None
        return kept

    return ask
