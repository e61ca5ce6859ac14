"""The one command line of Linli. Each package brings its commands, and loads its parts only when one of them runs."""

import io
import os
import sys
from typing import Annotated

import typer

from cloud.cli import app as cloud
from drivers.cli import app as profile
from drivers.inspection.cli import app as bus
from edge.cli import app as edge
from edge.gate.cli import app as gate
from edge.inspection.cli import app as journal
from models.cli import app as models
from runtime.cli import bench
from runtime.version import VERSION
from simulators.cli import app as simulate
from simulators.demo.cli import demo

app = typer.Typer(no_args_is_help=True, pretty_exceptions_show_locals=False)
app.command("demo")(demo)
app.add_typer(edge, name="edge")
app.add_typer(journal, name="journal")
app.add_typer(gate, name="gate")
app.add_typer(cloud, name="cloud")
app.add_typer(simulate, name="simulate")
app.add_typer(profile, name="profile")
app.add_typer(bus, name="bus")
app.add_typer(models, name="models")
app.command(
    "bench", add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)(bench)


def _show_version(value: bool) -> None:
    if value:
        print(f"linli {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Linli (邻里) connects the hardware of residential communities to the people who look after it."""


def main() -> None:
    """Run the command line. A terminal that cannot show a character shows `?` instead."""
    # numpy's products in one thread: a search of faces is over in milliseconds, and waits for no busy core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
