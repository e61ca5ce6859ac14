"""Benchmarks: the one shape of their results."""

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.machine import describe_machine
from runtime.version import VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What a figure is compared with, measured in the same run."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One figure; `goal` is written as people say it, and `met` is None where there is none."""

    name: str
    value: float
    unit: str
    baseline: Baseline | None = None
    goal: str | None = None
    met: bool | None = None


@dataclass(kw_only=True, slots=True)
class Bench:
    """A benchmark that runs: collects results and shows progress on a terminal.

    `more` goes into the report beside what all benchmarks share.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Take one figure."""
        self.results.append(result)
        self.say(f"{result.name}: {result.value:g} {result.unit}" + (f" (goal {result.goal})" if result.goal else ""))

    def say(self, text: str) -> None:
        """Tell a person how far the work is."""
        sys.stderr.write(f"  {text}\n")


class CannotRun(Exception):
    """A benchmark lacks something on this machine; the text says what."""


def make_report(bench: Bench, seconds: float) -> dict[str, Any]:
    """Give the report in the shape that all benchmarks share."""
    return {
        "bench": bench.name,
        "version": VERSION,
        "machine": describe_machine(),
        "seconds": round(seconds, 1),
        "results": [asdict(result) for result in bench.results],
        **bench.more,
    }
