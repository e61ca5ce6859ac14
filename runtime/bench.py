"""Benchmarks: the one shape of their results, and the command that runs them from a checkout."""

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from runtime.machine import describe_machine
from runtime.version import VERSION

_FOLDER = Path(__file__).resolve().parent.parent / "tests" / "benchmarks"
_CANNOT_RUN = 3

app = typer.Typer(no_args_is_help=True, help="Measure this product on this machine, with goals and baselines.")


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
    """A benchmark that runs: collects results and shows progress on a terminal."""

    name: str
    options: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Take one figure."""
        self.results.append(result)
        self.say(f"{result.name}: {result.value:g} {result.unit}" + (f" (goal {result.goal})" if result.goal else ""))

    def say(self, text: str) -> None:
        """Tell a person how far the work is."""
        print(f"  {text}", file=sys.stderr, flush=True)


class CannotRun(Exception):
    """A benchmark lacks something on this machine; the text says what."""


@app.command("list")
def list_benchmarks() -> None:
    """List the benchmarks and what each measures."""
    for file in _files():
        print(f"{file.stem:12} {(_load(file).__doc__ or '').splitlines()[0]}")


@app.command("run", no_args_is_help=True)
def run(
    name: Annotated[str, typer.Argument(help="A name from `linli bench list`.")],
    report: Annotated[Path | None, typer.Option(help="Write the JSON report to this file.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the JSON report.")] = False,  # noqa: FBT002 - a flag
    option: Annotated[list[str] | None, typer.Option(help="name=value for the benchmark.")] = None,
) -> None:
    """Run one benchmark. Exit status 1 when a goal is missed, 3 when it cannot run here."""
    files = {file.stem: file for file in _files()}
    if name not in files:
        print(f"no benchmark {name!r}; there are: {', '.join(files)}", file=sys.stderr)
        raise typer.Exit(2)
    bench = Bench(name=name, options=dict(item.partition("=")[::2] for item in option or []))
    measure: Callable[[Bench], None] = _load(files[name]).measure
    started = time.monotonic()
    try:
        measure(bench)
    except CannotRun as error:
        print(f"{name} cannot run here: {error}", file=sys.stderr)
        raise typer.Exit(_CANNOT_RUN) from error
    text = json.dumps(make_report(bench, time.monotonic() - started), ensure_ascii=False, indent=1)
    if report is not None:
        report.write_text(text + "\n", encoding="utf-8")
    if json_output or report is None:
        print(text)
    raise typer.Exit(1 if any(result.met is False for result in bench.results) else 0)


def make_report(bench: Bench, seconds: float) -> dict[str, Any]:
    """Give the report in the shape that all benchmarks share."""
    return {
        "bench": bench.name,
        "version": VERSION,
        "machine": describe_machine(),
        "seconds": round(seconds, 1),
        "results": [asdict(result) for result in bench.results],
    }


def _files() -> list[Path]:
    if not _FOLDER.is_dir():
        print("benchmarks run from a checkout of the repository, and this is an installed package", file=sys.stderr)
        raise typer.Exit(_CANNOT_RUN)
    return sorted(file for file in _FOLDER.glob("*.py") if not file.name.startswith(("_", "test_")))


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise CannotRun(f"{file} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
