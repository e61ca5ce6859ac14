import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access import service
from cloud.access.domain import EVERYTHING, Permission, Scope, ScopeKind
from cloud.access.repository import visible_clause
from cloud.access.tables import audit
from cloud.assets.tables import device
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Forbidden
from tests.support.cloud import NOW, Town


async def _open_door(town: Town, login: str | None, where: str = "garden") -> None:
    actor = await town.actor(login) if login else None
    async with transaction(town.engine) as conn:
        await service.authorise(
            conn, actor, Permission.COMMAND, town.where(where), action="door.open", subject="device:1", now_ms=NOW
        )


async def _audit(town: Town) -> list[tuple[str, str, int | None]]:
    async with reading(town.engine) as conn:
        return [(row.actor, row.outcome, row.community_id) for row in await conn.execute(select(audit))]


async def test_what_is_allowed_is_audited(town: Town) -> None:
    await _open_door(town, "operator")
    assert await _audit(town) == [("Operator (operator)", "allowed", town.scopes["garden"].id)]


@pytest.mark.parametrize("login", ["technician", "viewer", "roof", "rival"])
async def test_what_is_denied_is_audited_although_the_transaction_rolls_back(town: Town, login: str) -> None:
    with pytest.raises(Forbidden):
        await _open_door(town, login)
    assert await _audit(town) == [(f"{login.title()} ({login})", "denied", town.scopes["garden"].id)]


async def test_the_service_itself_may_and_is_audited(town: Town) -> None:
    await _open_door(town, None)
    assert [row[0] for row in await _audit(town)] == ["system"]


async def test_a_role_at_a_project_covers_communities_that_are_made_later(town: Town) -> None:
    from cloud.assets import organisation  # noqa: PLC0415 - only here

    async with transaction(town.engine) as conn:
        number, _ = await organisation.put_community(
            conn, town.scopes["Sunshine/North"].id, code="new", name_zh="新", name_en="New", time_zone="UTC"
        )
    town.scopes["new"] = Scope(kind=ScopeKind.COMMUNITY, id=number)
    await _open_door(town, "engineer", "new")


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        ("boss", {"roof-fan", "pump-1"}),
        ("engineer", {"roof-fan", "pump-1"}),
        ("tower", {"roof-fan", "pump-1"}),
        ("roof", {"roof-fan"}),
        ("rival", set()),
    ],
)
async def test_rows_are_visible_by_where_they_lie(town: Town, login: str, seen: set[str]) -> None:
    await town.device("pump-1", node="a")
    await town.device("roof-fan", place="Tower 1/Roof", node="b")

    async def names(conn: AsyncConnection) -> set[str]:
        visible = (await town.actor(login)).visible()
        return set(await conn.scalars(select(device.c.name).where(visible_clause(device, visible))))

    async with reading(town.engine) as conn:
        assert await names(conn) == seen
        assert len(set(await conn.scalars(select(device.c.name).where(visible_clause(device, EVERYTHING))))) == 2


@pytest.mark.parametrize(("login", "covered"), [("boss", True), ("manager", False), ("rival", False)])
async def test_only_somebody_of_the_whole_company_covers_the_company(town: Town, login: str, covered: bool) -> None:  # noqa: FBT001 - a case
    actor = await town.actor(login)
    async with reading(town.engine) as conn:
        assert await service.covers(conn, actor, Permission.MANAGE_PEOPLE, town.scopes["Sunshine"]) is covered


async def test_the_audit_of_others_stays_with_them(town: Town) -> None:
    await _open_door(town, "operator")
    for login, count in (("boss", 1), ("manager", 1), ("rival", 0)):
        actor = await town.actor(login)
        async with reading(town.engine) as conn:
            assert len(await service.list_audit(conn, actor)) == count
    actor = await town.actor("operator")
    async with reading(town.engine) as conn:
        with pytest.raises(Forbidden):
            await service.list_audit(conn, actor)
