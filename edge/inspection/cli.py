"""`linli journal`: look into an agent's journal, check it, and write it out for people."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.journal_schema import JournalStatus

app = typer.Typer(no_args_is_help=True, help="An agent's journal: what waits for the cloud, and whether it is sound.")

PlaceArgument = Annotated[
    Path, typer.Argument(metavar="SITE|FOLDER", help="a site file (with --agent), a journal's folder, or its file")
]
AgentOption = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="which agent of the site file")]
JsonOption = Annotated[bool, typer.Option("--json", help="for programs")]


@app.command()
def status(place: PlaceArgument, agent: AgentOption = None, as_json: JsonOption = False) -> None:
    """Say what a journal holds, also while its agent runs, and whether its pages are sound."""
    from edge.journal_look import check

    file = _journal(place, agent)
    found = check(file, thorough=False)
    said = _figures(file, found.status) | {"integrity": list(found.problems) or "ok"}
    _tell(said, as_json=as_json)
    if found.problems:
        raise typer.Exit(1)


@app.command("check")
def check_journal(place: PlaceArgument, agent: AgentOption = None, as_json: JsonOption = False) -> None:
    """Check every page, every record and every offset of a journal; exit code 1 when something is wrong."""
    from edge.journal_look import check

    file = _journal(place, agent)
    found = check(file, thorough=True)
    _tell({"file": str(file), "sound": not found.problems, "problems": list(found.problems)}, as_json=as_json)
    if found.problems:
        raise typer.Exit(1)


@app.command()
def export(
    place: PlaceArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="a new file, one JSON object a line")],
    agent: AgentOption = None,
) -> None:
    """Write out what a journal holds, in order, also of a damaged one; exit code 1 when something is unreadable."""
    import sqlite3

    from edge.journal_look import as_json, entries, reading

    file = _journal(place, agent)
    written = unreadable = 0
    try:
        with reading(file) as db, to.open("x", encoding="utf-8") as target:
            for entry in entries(db):
                target.write(as_json(entry) + "\n")
                written += 1
                unreadable += isinstance(entry, str)
    except FileExistsError as error:
        _fail(f"{to} is there already")
        raise typer.Exit(1) from error
    except (sqlite3.DatabaseError, KeyError, ValueError, OSError) as error:
        _fail(f"{file}: not readable: {error}")
        raise typer.Exit(1) from error
    typer.echo(f"{written - unreadable} entries in {to}" + (f"; {unreadable} unreadable" if unreadable else ""))
    if unreadable:
        raise typer.Exit(1)


def _figures(file: Path, found: "JournalStatus | None") -> dict[str, object]:
    import time

    if found is None:
        return {"file": str(file)}
    oldest = found.oldest_ms
    return {
        "file": str(file),
        "journal": found.journal_id,
        "records": found.records,
        "bytes": found.bytes,
        "first": found.first,
        "last": found.last,
        "acknowledged": found.acknowledged,
        "held": {one.value: amount.records for one, amount in found.held.items()},
        "oldest_ms": oldest,
        "oldest_age_s": None if oldest is None else round(time.time() - oldest / 1000),
        "gaps": found.gaps,
        "dropped": found.dropped,
        "lost": {one.value: count for one, count in found.lost.items()},
        "commands_without_outcome": found.unfinished_commands,
    }


def _tell(said: dict[str, object], *, as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    for name, value in said.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{count} {one}" for one, count in value.items()) or "none"
        elif isinstance(value, list):
            shown = "; ".join(map(str, value)) or "none"
        elif value is None:
            shown = "none"
        typer.echo(f"{name.replace('_', ' ')}: {shown}")


def _journal(place: Path, agent: str | None) -> Path:
    """Find the journal that is meant; the end of the command where there is none."""
    file = _named(place, agent)
    if not file.exists():
        _fail(f"{file}: there is no journal; an agent makes it at its first start")
        raise typer.Exit(1)
    return file


def _named(place: Path, agent: str | None) -> Path:
    from edge.journal import FILE_NAME

    if place.is_dir():
        return place / FILE_NAME
    if agent is None:
        if place.suffix == ".toml":
            raise typer.BadParameter("a site file needs --agent NAME", param_hint="--agent")
        return place
    from edge.config import load_site
    from runtime.config import ConfigError

    try:
        config = load_site(place)
    except ConfigError as error:
        _fail(str(error))
        raise typer.Exit(1) from error
    agents = config.settings.agents
    if agent not in agents:
        _fail(f"{place}: there is no agent `{agent}` (use one of: {', '.join(sorted(agents))})")
        raise typer.Exit(1)
    return config.path(agents[agent].data) / FILE_NAME


def _fail(text: str) -> None:
    typer.echo(text, err=True)
