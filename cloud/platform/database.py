"""The one database that the cloud's processes share: SQLite in WAL mode by default, PostgreSQL by the same code.

Times are Unix milliseconds in UTC (columns that end in `_ms`), so that both engines compare them alike.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    MetaData,
    any_,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cloud.platform.errors import LinliError, Unavailable

T = TypeVar("T", int, str)

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

_WRITERS = 0x6C696E6C69
"""The advisory lock that writers on PostgreSQL hold, one after the other."""

_PASSING = frozenset({"08", "40", "53", "55", "57", "58"})
"""PostgreSQL's classes of errors that pass: connection, rollback, resources, state, intervention, system."""

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
        engine = create_async_engine(url, pool_pre_ping=True, pool_use_lifo=True, hide_parameters=True)
        event.listen(engine.sync_engine, "begin", _begin_alone)
        return engine
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url,
        # The connection that was used last: each has a cache of its own, worth nothing once another has written.
        pool_use_lifo=True,
        connect_args={"timeout": 30, "factory": _LettingGo},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


class _LettingGo(sqlite3.Connection):
    """Gives up its transaction when it is closed.

    SQLite keeps a closed connection, and its lock, for as long as a statement of it is left half read. A task that was
    cancelled between a query and its rows leaves one to the garbage collector, which may come minutes later.
    """

    def close(self) -> None:
        """Roll back what was not committed, and close."""
        with suppress(sqlite3.Error):  # closed before, or on a disk that fails: then nothing is kept either
            self.rollback()
        super().close()


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    # Ingest touches thousands of pages in a transaction: they stay in memory until it commits (KiB), and the log is
    # carried over after several of them (pages). More than that makes nothing faster, and every connection has its own.
    "cache_size=-24576",
    "wal_autocheckpoint=8000",
)


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection type
    # The driver would begin transactions by itself, too late and in deferred mode; _begin_immediate does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own connection type
    # A deferred transaction that reads first and writes later fails at once when another process wrote in between.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _begin_alone(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own connection type
    # What a unit of work reads must still hold when it writes, as in SQLite: one writer at a time. A lock of the
    # transaction does that without serialisation failures, which a unit of work that is half done could not repeat.
    if connection.get_execution_options().get("read_only", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open the one unit of work that features pass along; it commits at the end, or rolls back on an error.

    What an error must leave behind (`LinliError.aftermath`) is stored after the rollback. Unavailable when the database
    cannot do it just now: a full disk, a locked file, a server that restarts.
    """
    async with _aftermath(engine), _translated(), _connected(engine) as connection, connection.begin():
        yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a consistent view for queries; it never waits for a writer. Unavailable as `transaction`."""
    async with _aftermath(engine), _translated(), _connected(engine) as connection:
        viewing = await connection.execution_options(read_only=True)
        async with viewing.begin():
            yield viewing


def among(conn: AsyncConnection, column: Column[T], values: Iterable[T]) -> ColumnElement[bool]:
    """Give the clause that a column has one of some values, numbers or texts: one statement for any number of them.

    With a parameter for each value every number of values is a statement of its own. SQLite keeps 128 of them for each
    connection, and one with a thousand parameters takes a third of a megabyte.
    """
    if conn.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    found = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(found.c.value))


async def ping(conn: AsyncConnection) -> None:
    """Ask the least that there is to ask; SQLAlchemyError or OSError when nobody answers."""
    await conn.exec_driver_sql("SELECT 1")


def passes(error: DBAPIError) -> bool:
    """Whether what a database refused may work later, as it is: by the class of its SQLSTATE, where it has one."""
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return state[:2] in _PASSING
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DBAPIError as error:
        if passes(error):
            raise Unavailable(f"the database cannot do this now: {str(error.orig or error).splitlines()[0]}") from error
        raise
    except PoolTimeout as error:
        raise Unavailable("the database is too busy: no connection is free") from error


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    # Before there is a connection SQLAlchemy hands on what the socket says: refused, reset, timed out.
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except OSError as error:
            raise Unavailable(f"the database cannot be reached: {error}") from error
        yield connection


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
