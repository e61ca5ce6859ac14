"""The one database that the cloud's processes share: SQLite in WAL mode by default, PostgreSQL by the same code.

Times are Unix milliseconds in UTC (columns that end in `_ms`), so that both engines compare them alike.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cloud.platform.errors import LinliError

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every feature's `tables.py` registers its tables here; `cloud.platform.schema` imports them all."""

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit identifier; SQLite counts by itself only in a column that is exactly INTEGER."""


def time_ms(name: str, *, nullable: bool = False) -> Column[int]:
    """Declare a time column: Unix milliseconds."""
    return Column(name, BigInteger, nullable=nullable)


def id_column() -> Column[int]:
    """Declare a generated primary key."""
    return Column("id", BigId, primary_key=True, autoincrement=True)


def open_engine(url: str) -> AsyncEngine:
    """Open the database at an SQLAlchemy URL (`sqlite+aiosqlite:///file` or `postgresql+asyncpg://…`).

    Errors never show parameters: among them are password hashes.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True, hide_parameters=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection type
    # The driver would begin transactions by itself, too late and in deferred mode; _begin_immediate does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own connection type
    # A deferred transaction that reads first and writes later fails at once when another process wrote in between.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open the one unit of work that features pass along; it commits at the end, or rolls back on an error.

    What an error must leave behind (`LinliError.aftermath`) is stored after the rollback.
    """
    async with _aftermath(engine), engine.connect() as connection, connection.begin():
        yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a consistent view for queries; it never waits for a writer."""
    async with _aftermath(engine), engine.connect() as connection:
        viewing = await connection.execution_options(read_only=True)
        async with viewing.begin():
            yield viewing


async def ping(conn: AsyncConnection) -> None:
    """Ask the least that there is to ask; SQLAlchemyError or OSError when nobody answers."""
    await conn.exec_driver_sql("SELECT 1")


@asynccontextmanager
async def _aftermath(engine: AsyncEngine) -> AsyncIterator[None]:
    # Not beside the failed transaction: SQLite has one writer, so a second connection would wait for the first.
    try:
        yield
    except LinliError as error:
        if error.aftermath is not None:
            async with engine.connect() as connection, connection.begin():
                await error.aftermath(connection)
            error.aftermath = None
        raise
