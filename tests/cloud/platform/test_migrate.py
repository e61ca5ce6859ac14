from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateTable

from cloud.platform import schema
from cloud.platform.database import open_engine, transaction
from cloud.platform.migrate import WrongSchema, _script, check_schema, upgrade


async def test_migrations_and_tables_agree(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, schema.metadata))

    async with engine.connect() as conn:
        assert await conn.run_sync(differences) == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    before, after = await upgrade(database_url)
    assert before == after


async def test_every_step_can_be_taken_back(engine: AsyncEngine) -> None:
    def back(connection: Connection) -> set[str]:
        config, _ = _script()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return set(inspect(connection).get_table_names())

    async with transaction(engine) as conn:
        assert await conn.run_sync(back) == {"alembic_version"}


async def test_a_database_that_was_never_set_up_is_refused(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    with pytest.raises(WrongSchema, match="linli cloud migrate"):
        await check_schema(engine)
    await engine.dispose()


async def test_a_migrated_database_is_accepted(engine: AsyncEngine) -> None:
    await check_schema(engine)


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: AsyncEngine, database_url: str) -> None:
    async with transaction(engine) as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongSchema, match="newer version"):
        await check_schema(engine)
    with pytest.raises(WrongSchema, match="newer version"):
        await upgrade(database_url)
    async with engine.connect() as conn:
        assert await conn.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


async def test_every_role_and_row_is_scoped_in_the_first_migration(engine: AsyncEngine) -> None:
    def tables(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    async with engine.connect() as conn:
        found = await conn.run_sync(tables)
    assert {"company", "project", "community", "building", "place", "role_grant", "audit"} <= found


def test_the_schema_compiles_for_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in schema.metadata.sorted_tables]
    assert any("id BIGSERIAL" in statement for statement in statements)
    assert not any("DATETIME" in statement for statement in statements)
