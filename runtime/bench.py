"""Benchmarks: their options, the one shape of their results, and how they end early."""

import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
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


class UnknownOption(Exception):
    """A benchmark was called with words that it does not take; the text says which, and what it takes."""


def take_options(
    bench: str, known: Mapping[str, str], *, pairs: Iterable[str], words: Sequence[str], bare: str | None = None
) -> dict[str, str]:
    """Read the options of a benchmark: `pairs` are NAME=VALUE, `words` are `--name value` or `--name=value`.

    `known` are the names that it takes, with what they mean; `bare` is the one whose value may stand without its name.
    UnknownOption for all else, and for one given twice.
    """
    taken: dict[str, str] = {}
    for name, value in chain(_read_pairs(pairs), _read_words(bench, known, words, bare)):
        if name not in known:
            there = ", ".join(f"--{one}" for one in known)
            raise UnknownOption(f"{bench} has no option --{name}; it takes {there or 'none'}")
        if name in taken:
            raise UnknownOption(f"--{name} is given twice")
        taken[name] = value
    return taken


def _read_pairs(pairs: Iterable[str]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        name, given, value = pair.partition("=")
        if not given:
            raise UnknownOption(f"write --option NAME=VALUE; {pair!r} has no value")
        yield name, value


def _read_words(
    bench: str, known: Mapping[str, str], words: Iterable[str], bare: str | None
) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            if bare is None:
                raise UnknownOption(f"{bench} takes no {word!r}: its options are written --name value")
            yield bare, word
            continue
        name, given, value = word[2:].partition("=")
        if not given:
            value = next(rest, "--")
            if value.startswith("--") and name in known:
                raise UnknownOption(f"--{name} needs a value: {known[name]}")
        yield name, value


def describe_options(bench: str, text: str, known: Mapping[str, str], *, bare: str | None = None) -> str:
    """Say what a benchmark measures (its docstring) and which options it takes, `bare` also without its name."""
    first = text.strip().splitlines()
    lines = [f"{bench}: {first[0] if first else ''}", ""]
    if not known:
        return "\n".join([*lines, "It takes no options of its own."])
    width = max(map(len, known))
    told = {name: f"{means}; may stand without its name" if name == bare else means for name, means in known.items()}
    return "\n".join([*lines, "Its options:", *(f"  --{name:{width}}  {means}" for name, means in told.items())])


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that every context in it closes what it has started.

    The block then ends with SystemExit of 128 and the signal's number. The main thread alone may enter it. A signal
    that was ignored stays so, and one that comes again does not cut the closing short.
    """
    taken: list[int] = []

    def leave(number: int, _frame: object) -> None:
        taken.append(number)
        if len(taken) == 1:
            # asyncio.run cancels its main task on SIGINT alone. An exception that is raised here instead comes out of
            # the event loop wherever it stands, and may take with it the step for which a task waits.
            signal.raise_signal(signal.SIGINT)

    before = {
        number: signal.signal(number, leave)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    }
    # A shell starts what runs in the background with SIGINT ignored.
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        if not taken:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if taken:
        raise SystemExit(128 + taken[0])


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
