import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.assets.tables import company
from cloud.platform.database import among, reading, transaction
from cloud.platform.errors import Conflict


async def _count(engine: AsyncEngine) -> int:
    async with reading(engine) as conn:
        return int(await conn.scalar(select(func.count()).select_from(company)) or 0)


async def _add(conn: AsyncConnection, name: str) -> None:
    await conn.execute(company.insert().values(name=name))


async def _fail(engine: AsyncEngine, error: Exception) -> None:
    async with transaction(engine) as conn:
        await _add(conn, "lost")
        raise error


async def test_an_error_rolls_the_unit_of_work_back(engine: AsyncEngine) -> None:
    with pytest.raises(RuntimeError):
        await _fail(engine, RuntimeError())
    assert await _count(engine) == 0


async def test_what_an_error_leaves_behind_survives_the_rollback(engine: AsyncEngine) -> None:
    async def remember(conn: AsyncConnection) -> None:
        await _add(conn, "remembered")

    with pytest.raises(Conflict):
        await _fail(engine, Conflict("no", aftermath=remember))
    async with reading(engine) as conn:
        assert list(await conn.scalars(select(company.c.name))) == ["remembered"]


async def test_a_denial_while_only_reading_is_remembered_too(engine: AsyncEngine) -> None:
    async def remember(conn: AsyncConnection) -> None:
        await _add(conn, "remembered")

    with pytest.raises(Conflict):
        async with reading(engine):
            raise Conflict("no", aftermath=remember)
    assert await _count(engine) == 1


async def test_one_statement_finds_any_number_of_values(engine: AsyncEngine) -> None:
    names = [f"苑 {number}" for number in range(2000)]
    async with transaction(engine) as conn:
        await conn.execute(company.insert(), [{"name": name} for name in names])
    said = set[str]()

    def hear(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        said.add(statement)

    async with reading(engine) as conn:
        ids = {row.name: row.id for row in await conn.execute(select(company.c.name, company.c.id))}
        event.listen(engine.sync_engine, "before_cursor_execute", hear)
        for count_of in (0, 1, 2, 1999):
            wanted = names[:count_of]
            by_name = await conn.scalars(
                select(company.c.name).where(among(conn, company.c.name, [*wanted, "no such"]))
            )
            assert set(by_name) == set(wanted)
            some = {ids[name] for name in wanted}
            assert set(await conn.scalars(select(company.c.id).where(among(conn, company.c.id, some)))) == some
    assert len(said) == 2, "SQLite and the driver of PostgreSQL keep what they have prepared, each with its parameters"


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
async def test_a_writer_that_is_cancelled_between_a_query_and_its_rows_lets_others_write(engine: AsyncEngine) -> None:
    async def write_and_read() -> None:
        async with transaction(engine) as conn:
            for number in count():
                await _add(conn, f"lost {number}")
                (await conn.execute(select(company))).all()

    for tenths_ms in range(50):
        writer = asyncio.create_task(write_and_read())
        await asyncio.sleep(tenths_ms / 10_000)
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
    async with asyncio.timeout(20), transaction(engine) as conn:  # less than SQLite's patience of 30 s
        await _add(conn, "kept")
    assert await _count(engine) == 1


async def test_readers_do_not_wait_for_a_writer(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await _add(conn, "a")
        assert await asyncio.wait_for(_count(engine), 5) == 0
    assert await _count(engine) == 1


async def test_writers_that_meet_wait_for_each_other(engine: AsyncEngine) -> None:
    async def write(number: int) -> None:
        async with transaction(engine) as conn:
            found = await conn.scalar(select(func.count()).select_from(company))
            await asyncio.sleep(0.01)
            await _add(conn, f"{number}-{found}")

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(write(number))
    async with reading(engine) as conn:
        seen = sorted(int(name.split("-")[1]) for name in await conn.scalars(select(company.c.name)))
    assert seen == list(range(8))
