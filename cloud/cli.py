"""`linli cloud`: the service's processes, its database, accounts, and broker."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloud.config import CloudConfig

app = typer.Typer(no_args_is_help=True, help="The service: ingest, web and worker over one database.")
account = typer.Typer(no_args_is_help=True, help="Accounts, from the server itself.")
app.add_typer(account, name="account")
quarantine = typer.Typer(no_args_is_help=True, help="What could not be read, from the server itself.")
app.add_typer(quarantine, name="quarantine")

Choice = TypeVar("Choice", bound=StrEnum)

ConfigOption = Annotated[Path, typer.Option("--config", metavar="FILE", help="the service's configuration (TOML)")]
LogFormatOption = Annotated[str, typer.Option("--log-format", metavar="json|text", help="how log lines are written")]
LogLevelOption = Annotated[str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error")]
GenerateOption = Annotated[bool, typer.Option("--generate", help="make a random password and print it")]


@app.command()
def migrate(config: ConfigOption) -> None:
    """Make the database, or bring it to the schema of this version. Safe to run again."""
    from cloud.platform.migrate import upgrade

    async def work(settings: "CloudConfig") -> None:
        before, after = await upgrade(settings.database_url)
        typer.echo(f"database: {'already at' if before == after else 'now at'} revision {after}")

    _do(config, work)


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(metavar="FILE", help="the service's configuration")]) -> None:
    """Read a configuration without connecting to anything; say what it means, or everything that is wrong with it."""
    settings = _load(file)
    from sqlalchemy.engine import make_url

    typer.echo(f"{file}: good")
    typer.echo(f"database: {make_url(settings.database_url).render_as_string(hide_password=True)}")
    typer.echo(f"telemetry: {settings.telemetry_text}")
    typer.echo(f"broker: {settings.broker.username}@{settings.broker.host}:{settings.broker.port}")
    typer.echo(f"web: {settings.web.host}:{settings.web.port}, sessions of {settings.web.session_hours:g} h")


@app.command()
def web(config: ConfigOption, log_format: LogFormatOption = "text", log_level: LogLevelOption = "info") -> None:
    """Serve pages, REST, /health and /metrics, until SIGTERM or Ctrl-C."""
    settings = _load(config)
    _logs("web", log_format, log_level)
    from cloud.web import run

    _run("web", lambda: run(settings))


@app.command()
def ingest(config: ConfigOption, log_format: LogFormatOption = "text", log_level: LogLevelOption = "info") -> None:
    """Take readings from the broker, commit them with what follows from them, and acknowledge."""
    settings = _load(config)
    _logs("ingest", log_format, log_level)
    from cloud.ingest.process import run

    _run("ingest", lambda: run(settings))


@app.command()
def worker(config: ConfigOption, log_format: LogFormatOption = "text", log_level: LogLevelOption = "info") -> None:
    """Do what happens by the clock: delays of alarms, deadlines, notifications."""
    settings = _load(config)
    _logs("worker", log_format, log_level)
    from cloud.worker import run

    _run("worker", lambda: run(settings))


@app.command()
def provision(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the organisation and its people (TOML)")],
    config: ConfigOption,
) -> None:
    """Set up companies, communities, buildings, people and shifts from a file. Safe to run again; run it weekly.

    Shifts are laid out for 14 days ahead. New accounts get a random password, printed once.
    """
    from cloud.assets.provision import apply, load_provision
    from cloud.platform.clock import system_clock
    from cloud.platform.database import open_engine
    from cloud.platform.migrate import check_schema
    from cloud.platform.security import Passwords

    async def work(settings: "CloudConfig") -> None:
        plan = load_provision(file)
        engine = open_engine(settings.database_url)
        try:
            await check_schema(engine)
            done = await apply(engine, plan, file=file, passwords=Passwords(), now_ms=system_clock())
        finally:
            await engine.dispose()
        typer.echo(f"{file}: {done.made} things made, {done.shifts} shifts added")
        for login, password in done.passwords.items():
            typer.echo(f"password of {login}: {password}")

    _do(config, work)


@account.command("add")
def account_add(
    *,
    login: Annotated[str, typer.Argument(help="the name to log in with")],
    config: ConfigOption,
    role: Annotated[str, typer.Option(help="admin, operator, engineer, technician or viewer")],
    scope: Annotated[str, typer.Option(help="company, project, community, building or place")],
    of: Annotated[str, typer.Option(help="Company, Company/Project, code, code/Building or code/Building/Place")],
    name: Annotated[str, typer.Option(help="the person's name; the login without it")] = "",
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
    generate: GenerateOption = False,
) -> None:
    """Create an account with one role. The password is asked for, or read from standard input."""
    from cloud import accounts
    from cloud.access.domain import Role, ScopeKind
    from runtime.messages import Language

    chosen = _choice(role, Role, "--role")
    kind = _choice(scope, ScopeKind, "--scope")
    reads = _choice(language, Language, "--language")
    password = _password(generate=generate)

    async def work(settings: "CloudConfig") -> None:
        await accounts.add(
            settings, login=login, name=name or login, password=password, language=reads, role=chosen, kind=kind, of=of
        )
        typer.echo(f"account {login} made")
        _tell(login, password, generate=generate)

    _do(config, work)


@account.command("password")
def account_password(
    login: Annotated[str, typer.Argument(help="whose password")], config: ConfigOption, generate: GenerateOption = False
) -> None:
    """Replace a password; the account's sessions end."""
    from cloud import accounts

    password = _password(generate=generate)

    async def work(settings: "CloudConfig") -> None:
        await accounts.set_password(settings, login=login, password=password)
        typer.echo(f"password of {login} changed")
        _tell(login, password, generate=generate)

    _do(config, work)


@account.command("list")
def account_list(config: ConfigOption) -> None:
    """List the accounts."""
    from cloud import accounts

    async def work(settings: "CloudConfig") -> None:
        for line in await accounts.describe(settings):
            typer.echo(line)

    _do(config, work)


NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="as `quarantine list` shows it")]


@quarantine.command("list")
def quarantine_list(
    config: ConfigOption,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many, newest first")] = 50,
) -> None:
    """List what could not be read, newest first: number, time, topic, reason."""
    from cloud.ingest import desk

    async def work(settings: "CloudConfig") -> None:
        for line in await desk.describe(settings, limit=limit):
            typer.echo(line)

    _do(config, work)


@quarantine.command("show")
def quarantine_show(number: NumberArgument, config: ConfigOption) -> None:
    """Show one thing: where it came from, why it could not be read, its bytes, and what they say."""
    from cloud.ingest import desk

    async def work(settings: "CloudConfig") -> None:
        for line in await desk.show(settings, number):
            typer.echo(line)

    _do(config, work)


@quarantine.command("replay")
def quarantine_replay(number: NumberArgument, config: ConfigOption) -> None:
    """Let ingest take one thing once more, by the births that hold now; exit status 1 when it cannot."""
    from cloud.ingest import desk

    async def work(settings: "CloudConfig") -> None:
        await desk.replay(settings, number)
        typer.echo(f"{number} is taken")

    _do(config, work)


@quarantine.command("drop")
def quarantine_drop(number: NumberArgument, config: ConfigOption) -> None:
    """Delete one thing for good; the audit keeps what it was."""
    from cloud.ingest import desk

    async def work(settings: "CloudConfig") -> None:
        await desk.drop(settings, number)
        typer.echo(f"{number} is dropped")

    _do(config, work)


@app.command("gate-keys")
def gate_keys(
    config: ConfigOption,
    new: Annotated[bool, typer.Option("--new", help="add a key that does not sign yet")] = False,
    use: Annotated[str, typer.Option(metavar="ID", help="let this key sign from now on")] = "",
    drop: Annotated[str, typer.Option(metavar="ID", help="forget a key that does not sign")] = "",
) -> None:
    """Make the keys of the gates' service at first use, and show the public ones: what goes into agents' `keys_file`.

    To replace a key: `--new`, bring the new list to every agent, `--use` the new key, and when the passes that the old
    one signed have ended, `--drop` it. After a theft drop it at once: its passes open nothing any more.
    """
    import secrets

    from cloud.gate.keys import KeyFile, add_key, drop_key, use_key
    from cloud.platform.errors import LinliError

    if new + bool(use) + bool(drop) > 1:
        raise typer.BadParameter("one of --new, --use and --drop at a time")
    settings = _load(config)
    file = KeyFile(settings.path(settings.gates.keys_file))
    try:
        if not file.file.exists():
            file.make(store=secrets.token_bytes(32), seed=secrets.token_bytes(32))
            typer.echo(f"{file.file}: keys made; keep a copy in a safe place", err=True)
        keys = file.get()
        changed = add_key(keys, secrets.token_bytes(32)) if new else keys
        changed = use_key(changed, use) if use else changed
        changed = drop_key(changed, drop) if drop else changed
        if changed != keys:
            file.change(changed)
    except (LinliError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    lines = {line.split()[0]: line for line in changed.public.text().splitlines()}
    for key, state in changed.signing:
        typer.echo(f"{lines[key.id]}  # {state}")


@app.command()
def broker(
    folder: Annotated[Path, typer.Option(help="where its configuration, passwords and persistence lie")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port")] = 1883,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    node: Annotated[
        list[str] | None, typer.Option(help="USER=COMMUNITY/AGENT: an agent that may log in; once for each")
    ] = None,
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="write the files and do not start")] = False,
) -> None:
    """Run Mosquitto with a password and an access list for each agent and for the cloud, in the foreground.

    Passwords are made at the first run, and lie in FOLDER/secrets/USER.password for the processes that log in.
    """
    import os

    from cloud.broker import BrokerError, NodeUser, broker_command, prepare

    nodes: list[NodeUser] = []
    for text in node or ():
        user, _, path = text.partition("=")
        group, _, name = path.partition("/")
        try:
            nodes.append(NodeUser(name=user, group=group, node=name))
        except ValueError as error:
            raise typer.BadParameter(f"{text!r}: {error}", param_hint="--node") from error
    try:
        files = prepare(folder, host=host, port=port, nodes=nodes)
        command = broker_command(files)
    except BrokerError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if prepare_only:
        typer.echo(f"{files.conf}: ready")
        return
    os.execv(command[0], command)  # noqa: S606 - the point: Mosquitto takes this process's place, and its signals


def _load(file: Path) -> "CloudConfig":
    from cloud.config import load_config
    from runtime.config import ConfigError

    try:
        return load_config(file)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _logs(process: str, log_format: str, log_level: str) -> None:
    from runtime.logs import LogFormat, configure_logs

    fmt = _choice(log_format, LogFormat, "--log-format")
    if log_level.lower() not in {"debug", "info", "warning", "error"}:
        raise typer.BadParameter(f"{log_level!r} is no log level", param_hint="--log-level")
    configure_logs(process=process, level=log_level, fmt=fmt)


def _run(name: str, main: "Callable[[], Coroutine[Any, Any, None]]") -> None:
    """Run a process; what keeps it from starting is told in one line."""
    from cloud.platform.errors import LinliError
    from cloud.platform.migrate import WrongSchema
    from runtime.config import ConfigError
    from runtime.lifecycle import run_process

    try:
        run_process(lambda _stop: main(), name=f"cloud:{name}")
    except (ConfigError, WrongSchema, LinliError, OSError) as error:
        typer.echo(f"{name} cannot run: {error}", err=True)
        raise typer.Exit(1) from error


def _do(file: Path, work: "Callable[[CloudConfig], Coroutine[Any, Any, None]]") -> None:
    """Do one thing with the database; what goes wrong is told in one line."""
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from cloud.platform.errors import LinliError
    from cloud.platform.migrate import WrongSchema
    from runtime.config import ConfigError

    settings = _load(file)
    try:
        asyncio.run(work(settings))
    except LinliError as error:
        typer.echo(f"{error}{f' ({error.remedy})' if error.remedy else ''}", err=True)
        raise typer.Exit(1) from error
    except (ConfigError, WrongSchema, SQLAlchemyError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _choice(text: str, kind: type[Choice], option: str) -> Choice:
    try:
        return kind(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: one of {', '.join(kind)}", param_hint=option) from error


def _password(*, generate: bool) -> str:
    """Get a password: made, asked for on a terminal, or read from standard input; never from the arguments."""
    import sys

    if generate:
        from cloud.platform.security import new_password

        return new_password()
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _tell(login: str, password: str, *, generate: bool) -> None:
    if generate:
        typer.echo(f"password of {login}: {password}")
