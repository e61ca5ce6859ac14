"""`linli edge`: run an agent, check a site file, look into a journal."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The agent beside the devices.")

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE", help="the site file (TOML)")]
AgentOption = Annotated[str, typer.Option("--agent", metavar="NAME", help="which agent of the site file")]


@app.command()
def run(
    site: SiteArgument,
    agent: AgentOption,
    log_format: Annotated[str, typer.Option(metavar="json|text", help="how log lines are written")] = "text",
    log_level: Annotated[str, typer.Option(metavar="LEVEL", help="debug, info, warning or error")] = "info",
) -> None:
    """Poll devices, journal their readings, publish them over MQTT, and carry out commands, until SIGTERM or Ctrl-C."""
    from edge.app import AgentFailed, run_agent
    from edge.config import load_site
    from runtime.config import ConfigError
    from runtime.heap import share_one_heap
    from runtime.lifecycle import run_process
    from runtime.logs import LogFormat, configure_logs

    if log_format not in set(LogFormat):
        raise typer.BadParameter(f"{log_format!r} is neither json nor text", param_hint="--log-format")
    if log_level.lower() not in {"debug", "info", "warning", "error"}:
        raise typer.BadParameter(f"{log_level!r} is no log level", param_hint="--log-level")
    try:
        config = load_site(site)
        _check_agent(agent, tuple(config.settings.agents), site)
        configure_logs(process=f"edge:{agent}", level=log_level, fmt=LogFormat(log_format))
        if config.settings.agents[agent].gates:
            share_one_heap()  # before there are threads
        run_process(lambda stop: run_agent(config, agent, stop), name=f"edge:{agent}")
    except (ConfigError, AgentFailed) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(metavar="FILE", help="the site file (TOML)")]) -> None:
    """Read a site file without connecting to anything; say what it asks for, or everything that is wrong with it."""
    from drivers.registry import place_of
    from edge.bus_plan import BUSY, demand
    from edge.config import load_site
    from runtime.config import ConfigError

    try:
        config = load_site(file)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    site = config.settings.site
    typer.echo(f"{file}: good; community {site.community}, {site.time_zone}, revision {config.revision}")
    for name, agent in config.settings.agents.items():
        points = sum(len(config.profile_of(device).points) for device in agent.devices.values())
        demands = {
            bus_name: demand(bus, [config.profile_of(one) for one in agent.devices.values() if one.bus == bus_name])
            for bus_name, bus in agent.buses.items()
        }
        readings = sum(one.readings_per_s for one in demands.values())
        typer.echo(
            f"agent {name}: {len(agent.buses)} buses, {len(agent.devices)} devices, {points} points, "
            f"{readings:.3g} readings/s"
        )
        for bus_name, bus in agent.buses.items():
            asked = demands[bus_name]
            load = "" if asked.load is None else f", the line is busy {asked.load:.0%} of the time"
            requests = f", {asked.requests_per_s:.3g} requests/s" if asked.requests_per_s else ""
            typer.echo(
                f"  bus {bus_name}: {bus.protocol}, {bus.place}{requests}, {asked.readings_per_s:.3g} readings/s{load}"
            )
            if asked.too_much:
                typer.echo(
                    f"    warning: more than {BUSY:.0%} leaves too little for commands and repeats; poll less often, "
                    "raise the baud rate, or put some of the devices on another line",
                    err=True,
                )
            for device_name, device in agent.devices.items():
                if device.bus == bus_name:
                    profile = config.profile_of(device)
                    typer.echo(
                        f"    {device_name}: {profile.name} {profile.version}, {' '.join(place_of(bus, device))}, "
                        f"{len(profile.points)} points, {len(profile.commands)} commands, {device.place}"
                    )


@app.command()
def journal(site: SiteArgument, agent: AgentOption) -> None:
    """Say what an agent's journal holds; also while the agent runs."""
    import sqlite3
    from datetime import UTC, datetime

    from edge.config import load_site
    from edge.journal import FILE_NAME
    from edge.journal_file import look_into
    from runtime.config import ConfigError

    try:
        config = load_site(site)
        _check_agent(agent, tuple(config.settings.agents), site)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    file = config.path(config.settings.agents[agent].data) / FILE_NAME
    if not file.exists():
        typer.echo(f"{file}: no journal yet; the agent makes it at its first start", err=True)
        raise typer.Exit(1)
    try:
        status = look_into(file)
    except sqlite3.DatabaseError as error:
        typer.echo(f"{file}: not readable: {error} (the agent moves a damaged journal aside at its start)", err=True)
        raise typer.Exit(1) from error
    oldest = "none" if status.oldest_ms is None else datetime.fromtimestamp(status.oldest_ms / 1000, UTC).isoformat()
    for name, value in (
        ("journal", status.journal_id),
        ("records", status.records),
        ("bytes", status.bytes),
        ("oldest", oldest),
        ("acknowledged", status.acknowledged),
        ("last", status.last),
        ("dropped", status.dropped),
        ("commands without outcome", status.unfinished_commands),
    ):
        typer.echo(f"{name}: {value}")


def _check_agent(agent: str, known: tuple[str, ...], site: Path) -> None:
    from runtime.config import ConfigError, Problem

    if agent not in known:
        problem = Problem(
            key="agents", message=f"there is no agent `{agent}`", remedy=f"use one of: {', '.join(sorted(known))}"
        )
        raise ConfigError(site, (problem,))
