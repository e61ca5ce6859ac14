"""Whether a process does its work: named checks, each reported by the part that knows."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How well a part works. DEGRADED still does its main work; DOWN does not."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


_ORDER = (Status.OK, Status.DEGRADED, Status.DOWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """The state of one part, with words that say what is wrong."""

    status: Status
    detail: str = ""


class Health:
    """The checks of one process. Probes are asked when somebody looks, and must return at once."""

    def __init__(self, *, process: str, version: str) -> None:
        self._process = process
        self._version = version
        self._probes: dict[str, Callable[[], Check]] = {}

    def add(self, name: str, probe: Callable[[], Check]) -> None:
        """Register the probe of one part, or another in its place; also while the page is asked for."""
        self._probes = {**self._probes, name: probe}

    def remove(self, name: str) -> None:
        """Forget the probe of a part that is gone."""
        self._probes = {key: probe for key, probe in self._probes.items() if key != name}

    def report(self) -> dict[str, Any]:
        """Ask every probe; the worst answer is the process's own."""
        checks = {name: probe() for name, probe in self._probes.items()}
        worst = max((check.status for check in checks.values()), key=_ORDER.index, default=Status.OK)
        return {
            "process": self._process,
            "version": self._version,
            "status": worst.value,
            "checks": {name: {"status": c.status.value, "detail": c.detail} for name, c in checks.items()},
        }


class Beat:
    """A probe for a loop that must keep turning: it is DOWN when the loop has been silent for too long."""

    def __init__(self, *, clock: Callable[[], float], silence_s: float) -> None:
        self._clock = clock
        self._silence_s = silence_s
        self._last = clock()

    def turn(self) -> None:
        """Say that the loop has turned once more."""
        self._last = self._clock()

    def __call__(self) -> Check:
        """Judge by the time since the last turn."""
        quiet = self._clock() - self._last
        if quiet > self._silence_s:
            return Check(status=Status.DOWN, detail=f"silent for {quiet:.0f} s")
        return Check(status=Status.OK)
