"""Accounts from the server itself: what `linli cloud account` does, as the service and not as a person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.access import repository
from cloud.access.domain import Role, ScopeKind
from cloud.assets.organisation import find_scope
from cloud.config import CloudConfig
from cloud.people import service
from cloud.platform.clock import system_clock
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.errors import NotFound
from cloud.platform.migrate import check_schema
from cloud.platform.security import Passwords, check_new_password
from runtime.messages import Language


@asynccontextmanager
async def _engine(config: CloudConfig) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(config.database_url)
    try:
        await check_schema(engine)
        yield engine
    finally:
        await engine.dispose()


async def add(
    config: CloudConfig,
    *,
    login: str,
    name: str,
    password: str,
    language: Language,
    role: Role,
    kind: ScopeKind,
    of: str,
) -> None:
    """Create an account with one role; NotFound when the scope is not there, Conflict when the login is taken."""
    check_new_password(password)
    hashed = await Passwords().hash(password)
    async with _engine(config) as engine, transaction(engine) as conn:
        scope = await find_scope(conn, kind, of)
        if scope is None:
            raise NotFound(
                f"there is no {kind.value} `{of}`", remedy="provision it first: `linli cloud provision FILE`"
            )
        await service.create_account(
            conn,
            None,
            login=login,
            name=name,
            password_hash=hashed,
            language=language.value,
            phone="",
            grants=[(role, scope)],
            skills=(),
            now_ms=system_clock(),
        )


async def set_password(config: CloudConfig, *, login: str, password: str) -> None:
    """Replace a password; NotFound when there is no such account."""
    check_new_password(password)
    hashed = await Passwords().hash(password)
    async with _engine(config) as engine, transaction(engine) as conn:
        row = await repository.find_account(conn, login)
        if row is None:
            raise NotFound(f"there is no account `{login}`")
        await service.reset_password(conn, None, account_id=int(row["id"]), password_hash=hashed, now_ms=system_clock())


async def describe(config: CloudConfig) -> list[str]:
    """Give a line for each account: login, name, whether it is active, roles."""
    async with _engine(config) as engine, reading(engine) as conn:
        grants = await repository.accounts_with_grants(conn)
        rows = await repository.list_accounts(conn)
    return [
        "\t".join(
            (
                row["login"],
                row["name"],
                "active" if row["active"] else "closed",
                ", ".join(f"{role.value} of {scope.kind.value} {scope.id}" for role, scope in grants[row["id"]]),
            )
        )
        for row in rows
    ]
