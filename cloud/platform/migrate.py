"""Bringing a database to the present schema, and refusing to work on any other."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.platform.database import open_engine, reading
from cloud.platform.errors import Unavailable
from runtime.lifecycle import Backoff
from runtime.logs import get_log


class WrongSchema(Exception):
    """The database is not at the schema that this version of the program needs; the text says what to do."""


def _script() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)


async def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the database at an SQLAlchemy URL to the present schema, in one transaction: revision before and after.

    WrongSchema when it is newer than this program.
    """
    engine = open_engine(url)
    try:
        async with engine.connect() as conn, conn.begin():
            return await conn.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    config, script = _script()
    before = MigrationContext.configure(connection).get_current_revision()
    head = str(script.get_current_head())
    if before is not None:
        _known(script, before)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, head


async def check_schema(engine: AsyncEngine) -> None:
    """Look whether the database is at the present schema; WrongSchema otherwise, Unavailable when nobody answers."""
    async with reading(engine) as conn:
        await conn.run_sync(_check)


async def until_schema(engine: AsyncEngine, *, random: Callable[[], float]) -> None:
    """Wait until the database answers, as every process does at its start; WrongSchema as `check_schema`.

    After a power cut a database takes longer than a process does, and a service manager gives up on one that ends.
    `random` gives numbers in [0, 1), and spreads the attempts.
    """
    log, waiting = get_log("cloud.platform"), False
    backoff = Backoff(random=random, limit=timedelta(seconds=5))
    while True:
        try:
            await check_schema(engine)
        except Unavailable as error:
            if not waiting:
                log.warning("waiting for the database", reason=str(error))
            waiting = True
            await asyncio.sleep(backoff.next_pause().total_seconds())
        else:
            if waiting:
                log.info("the database is there")
            return


def _check(connection: Connection) -> None:
    _, script = _script()
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        raise WrongSchema("the database has not been set up: run `linli cloud migrate --config FILE`")
    _known(script, current)
    if current != script.get_current_head():
        raise WrongSchema(f"the database is at revision {current}, which is old: run `linli cloud migrate`")


def _known(script: ScriptDirectory, revision: str) -> None:
    try:
        script.get_revision(revision)
    except CommandError as error:
        raise WrongSchema(
            f"the database is at revision {revision}, which this version of Linli does not know: "
            "it was made by a newer version; install that one"
        ) from error
