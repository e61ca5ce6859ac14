"""The command that runs benchmarks, from a checkout of the repository."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER = Path(__file__).resolve().parent.parent / "tests" / "benchmarks"
_CANNOT_RUN = 3


def bench(
    name: Annotated[str | None, typer.Argument(help="A benchmark; without it, this lists them.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the JSON report to this file.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the JSON report to standard output.")] = False,
    option: Annotated[list[str] | None, typer.Option(help="name=value, for benchmarks that take options.")] = None,
) -> None:
    """Measure this product on this machine, with goals and baselines.

    Exit status: 0 when every goal is met, 1 when one is missed, 2 for a wrong call, 3 when it cannot run here.
    """
    import json
    import time

    from runtime.bench import Bench, CannotRun, make_report

    files = {file.stem: file for file in _files()}
    if name is None:
        for stem, file in files.items():
            print(f"{stem:12} {(_load(file).__doc__ or '').splitlines()[0]}")
        raise typer.Exit
    if name not in files:
        print(f"no benchmark {name!r}; there are: {', '.join(files)}", file=sys.stderr)
        raise typer.Exit(2)
    running = Bench(name=name, options=dict(item.split("=", 1) for item in option or [] if "=" in item))
    started = time.monotonic()
    try:
        _load(files[name]).measure(running)
    except CannotRun as error:
        print(f"{name} cannot run here: {error}", file=sys.stderr)
        raise typer.Exit(_CANNOT_RUN) from error
    text = json.dumps(make_report(running, time.monotonic() - started), ensure_ascii=False, indent=1)
    if report is not None:
        report.write_text(text + "\n", encoding="utf-8")
    if json_output:
        print(text)
    raise typer.Exit(1 if any(result.met is False for result in running.results) else 0)


def _files() -> list[Path]:
    if not _FOLDER.is_dir():
        print("benchmarks run from a checkout of the repository, and this is an installed package", file=sys.stderr)
        raise typer.Exit(_CANNOT_RUN)
    return sorted(file for file in _FOLDER.glob("*.py") if not file.name.startswith(("_", "test_")))


def _load(file: Path) -> "ModuleType":
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"benchmark_{file.stem}", file)
    if spec is None or spec.loader is None:
        print(f"{file} is not a Python module", file=sys.stderr)
        raise typer.Exit(_CANNOT_RUN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
