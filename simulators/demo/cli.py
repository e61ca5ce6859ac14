"""`linli demo`: the small community, with a browser or without."""

import sys
from pathlib import Path
from typing import Annotated

import typer

_SHORTEST_S = 30
_INTERRUPTED = 130  # what a shell says of a command that Ctrl-C ended


def demo(
    *,
    headless: Annotated[
        bool, typer.Option("--headless", help="Play the whole scene without a browser, and judge it.")
    ] = False,
    seconds: Annotated[int, typer.Option("--for", min=_SHORTEST_S, help="Headless: how long, after the births.")] = 60,
    report: Annotated[Path | None, typer.Option(help="Headless: write the JSON report to this file.")] = None,
    data: Annotated[Path, typer.Option(help="Where the demonstration keeps its things.")] = Path(".linli/demo"),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port of the pages; 8080 if it is free.")
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(help="The gate sees by this webcam (0, 1, ...), video file or URL, and not by drawn people."),
    ] = None,
    no_gate: Annotated[bool, typer.Option("--no-gate", help="Leave the gate out.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log of this command too.")] = False,
) -> None:
    """Run a small community on this machine: simulated devices, agents, a gate, a broker, and the service.

    Ctrl-C ends everything; the next start goes on with the old data. Headless, the exit status is 0 only if every
    expected thing happened.
    """
    from runtime.children import ChildFailed
    from runtime.config import ConfigError
    from runtime.lifecycle import run_process
    from runtime.logs import configure_logs
    from simulators.demo.layout import InUse, Layout
    from simulators.demo.show import Choice, show
    from simulators.demo.stack import DemoFailed
    from simulators.runner import NotReady

    if report is not None and not report.resolve().parent.is_dir():
        print(f"the report cannot be written: there is no folder {report.resolve().parent}", file=sys.stderr)
        raise typer.Exit(1)
    if camera is not None and no_gate:
        print("--camera is for the gate, which --no-gate leaves out", file=sys.stderr)
        raise typer.Exit(1)
    if camera is not None and not camera.isdecimal() and "://" not in camera and not Path(camera).exists():
        print(f"there is no video file {camera}; a webcam is a number, such as 0", file=sys.stderr)
        raise typer.Exit(1)
    configure_logs(process="demo", level="info" if verbose else "warning")
    choice = Choice(
        layout=Layout(data=data.resolve()),
        headless=headless,
        seconds=seconds,
        report=report,
        port=port,
        gate=not no_gate,
        camera=camera,
    )
    failures: list[BaseException] = []
    try:
        run_process(lambda stop: show(choice, stop), name="demo")
    except* (ChildFailed, DemoFailed, InUse, NotReady, ConfigError, OSError) as group:
        failures = list(group.exceptions)
    for failure in failures:
        print(f"the demonstration cannot go on: {failure}", file=sys.stderr)
    if not failures and not choice.complete:
        print("stopped before the end; nothing is left running", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED)
    if failures or not choice.success:
        raise typer.Exit(1)
    if not headless:
        print("everything has ended; the next start goes on with the old data", file=sys.stderr)
