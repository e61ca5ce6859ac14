"""The service's clock. Only composition roots call it; everything else is given the time."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives the time in Unix milliseconds, UTC."""


def system_clock() -> int:
    """Give the machine's time in Unix milliseconds."""
    return time.time_ns() // 1_000_000
