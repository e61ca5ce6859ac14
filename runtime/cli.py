"""The command that runs benchmarks, from a checkout of the repository."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from types import ModuleType

_FOLDER = Path(__file__).resolve().parent.parent / "tests" / "benchmarks"
_CANNOT_RUN = 3


def bench(  # noqa: PLR0917 - the words of a command line
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A benchmark; without it, this lists them.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the JSON report to this file.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the JSON report to standard output.")] = False,
    option: Annotated[
        list[str] | None, typer.Option(help="name=value: an option of the benchmark; `--name value` says the same.")
    ] = None,
    help_wanted: Annotated[
        bool, typer.Option("--help", help="Show this, and the options of the benchmark that is named, and exit.")
    ] = False,
) -> None:
    """Measure this product on this machine, with goals and baselines.

    Exit status: 0 when every goal is met, 1 when one is missed, 2 for a wrong call, 3 when it cannot run here. Ended
    by SIGTERM or SIGHUP it ends what it has started, and its status is 143 or 129.
    """
    import json
    import time

    from runtime.bench import (
        Bench,
        CannotRun,
        UnknownOption,
        describe_options,
        leaving_nothing,
        make_report,
        take_options,
    )

    if help_wanted:
        print(context.get_help())  # with rich it prints by itself and gives nothing
    files = {file.stem: file for file in _files()}
    if name is None and (help_wanted or not context.args):
        for stem, file in files.items():
            print(f"{stem:12} {(_load(file).__doc__ or '').splitlines()[0]}")
        raise typer.Exit
    if name is None or name not in files:
        print(f"no benchmark {name or context.args[0]!r}; there are: {', '.join(files)}", file=sys.stderr)
        raise typer.Exit(2)
    module = _load(files[name])
    known, bare = getattr(module, "OPTIONS", {}), getattr(module, "BARE", None)
    if help_wanted:
        print(describe_options(name, module.__doc__ or "", known, bare=bare))
        raise typer.Exit
    started = time.monotonic()
    try:
        options = take_options(name, known, pairs=option or [], words=context.args, bare=bare)
        running = Bench(name=name, options=options)
        with leaving_nothing():
            module.measure(running)
    except UnknownOption as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
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
    root = str(_FOLDER.parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)  # a benchmark uses what the tests have, also when `linli` is started by its script
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
