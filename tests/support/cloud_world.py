"""A small community in a real database, with people on shift, for tests of the cloud."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.access.domain import Actor
from cloud.access.service import actor_of
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.schema import access, assets, people

NOW = 1_795_320_000_000  # 2026-11-22 04:00 UTC, noon in Shanghai
HOUR = 3_600_000


class Clock:
    """A clock that tests turn."""

    def __init__(self, now_ms: int = NOW) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@dataclass(kw_only=True)
class World:
    """The database and its people: an operator, and a technician who is on shift and knows pumps."""

    engine: AsyncEngine
    clock: Clock
    folder: Path
    community_id: int
    operator_id: int
    technician_id: int

    async def rows(self, query: Any) -> list[dict[str, Any]]:
        """Read rows of a table or a query."""
        async with reading(self.engine) as conn:
            statement = query if isinstance(query, Select) else select(query)
            return [dict(row) for row in (await conn.execute(statement)).mappings()]

    async def actor(self, login: str) -> Actor:
        """Log somebody in without a password."""
        async with reading(self.engine) as conn:
            return await actor_of(conn, login=login)


@asynccontextmanager
async def cloud_world(folder: Path, database_url: str) -> AsyncIterator[World]:
    """Make the world in a migrated, empty database, and take it down."""
    engine = open_engine(database_url)
    async with transaction(engine) as conn:
        await conn.execute(insert(assets.company).values(id=1, name="Company"))
        await conn.execute(insert(assets.project).values(id=1, company_id=1, name="Project"))
        await conn.execute(
            insert(assets.community).values(
                id=1, project_id=1, code="garden", name_zh="花园", name_en="Garden", time_zone="Asia/Shanghai"
            )
        )
        for number, (login, role, language) in enumerate(
            [("olga", "operator", "en"), ("tian", "technician", "zh"), ("otto", "technician", "en")], start=1
        ):
            await conn.execute(
                insert(access.account).values(
                    id=number,
                    login=login,
                    name=login.title(),
                    password_hash="-",
                    language=language,
                    phone="",
                    active=True,
                    created_ms=0,
                )
            )
            await conn.execute(insert(access.grant).values(account_id=number, role=role, scope="community", scope_id=1))
        await conn.execute(insert(people.skill).values(account_id=2, skill="pumps"))
        await conn.execute(
            insert(people.shift).values(account_id=2, community_id=1, starts_ms=NOW - HOUR, ends_ms=NOW + 8 * HOUR)
        )
        if conn.dialect.name == "postgresql":
            for table in (assets.company, assets.project, assets.community, access.account):
                # Rows with numbers of their own leave the sequence behind.
                await conn.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 1000)"))
    try:
        yield World(engine=engine, clock=Clock(), folder=folder, community_id=1, operator_id=1, technician_id=2)
    finally:
        await engine.dispose()
