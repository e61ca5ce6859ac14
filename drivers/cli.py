"""`linli profile`: look at device profiles, check new ones, and start one from a register list."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from drivers.profile_new.cli import new

app = typer.Typer(
    no_args_is_help=True, help="Look at device profiles, check new ones, or start one from a register list."
)

Language = Annotated[str, typer.Option("--lang", help="zh or en: the language of labels")]


@app.command("list")
def list_profiles(lang: Language = "en") -> None:
    """List the device types that come with Linli, by kind."""
    from drivers.catalog import catalog_profile, profile_names

    profiles = sorted(map(catalog_profile, profile_names()), key=lambda one: (one.kind, one.name))
    kinds, names = (max(len(getattr(one, key)) for one in profiles) for key in ("kind", "name"))
    for one in profiles:
        typer.echo(f"{one.kind:{kinds}}  {one.name:{names}}  {one.protocol:13}  {one.version:7} {one.label.text(lang)}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="a name from `linli profile list`, or a profile file")],
    lang: Language = "en",
) -> None:
    """Show one device type: its points, commands and alarms."""
    from drivers.catalog import catalog_profile
    from drivers.profile import load_profile
    from runtime.config import ConfigError

    try:
        file = Path(name)
        profile = load_profile(file) if file.suffix == ".toml" else catalog_profile(name)
    except ConfigError as error:
        _fail(error)
    typer.echo(
        f"{profile.name} {profile.version}: {profile.label.text(lang)}\nkind {profile.kind}, hash {profile.hash}"
    )
    typer.echo("\nPoints")
    for key, point in profile.points.items():
        shown = f"{point.sample} {point.unit}".strip()
        typer.echo(f"  {key:24} {point.place:16} {point.value_type.__name__:8} {shown:16} {point.label.text(lang)}")
    if profile.commands:
        typer.echo("\nCommands")
    for key, command in profile.commands.items():
        typer.echo(f"  {key:24} writes {command.point:17} {command.label.text(lang)}")
    if profile.alarms:
        typer.echo("\nAlarms")
    for key, alarm in profile.alarms.items():
        typer.echo(f"  {key:24} {alarm.priority:24} {alarm.label.text(lang)}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="a profile file, or a folder with profile.toml, README.md and cases/")],
) -> None:
    """Check a profile, and in a folder its cases too; the exit status is 1 when something is wrong."""
    from drivers.cases import check_case, load_cases
    from drivers.profile import load_profile
    from runtime.config import ConfigError

    folder = path if path.is_dir() else None
    cases = 0
    wrong = False
    try:
        profile = load_profile(path / "profile.toml" if folder else path)
        for file, content in (load_cases(folder) if folder else {}).items():
            for case in content.case:
                cases += 1
                for mismatch in check_case(profile, case):
                    wrong = True
                    typer.echo(f"{file}: {mismatch}", err=True)
    except ConfigError as error:
        _fail(error)
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"{path}: good: {len(profile.points)} points, {len(profile.alarms)} alarms, {cases} cases")


app.command()(new)


def _fail(error: Exception) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(1) from error
