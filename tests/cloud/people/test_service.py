import pytest
from sqlalchemy import select

from cloud.access import service as access
from cloud.access.domain import Role
from cloud.access.tables import account, audit, session
from cloud.people import repository, service
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from tests.support.cloud import NOW, PASSWORD, Town, cheap_passwords


async def _find(town: Town, where: str = "garden", skill: str = "pump") -> str | None:
    async with reading(town.engine) as conn:
        found = await service.find_assignee(conn, where=town.where(where), skill=skill, now_ms=town.now)
    return next((login for login, number in town.accounts.items() if number == found), None)


async def _skills(town: Town, login: str, *skills: str) -> None:
    async with transaction(town.engine) as conn:
        await repository.set_skills(conn, town.accounts[login], skills)


async def test_nobody_on_shift_is_nobody(town: Town) -> None:
    assert await _find(town) is None


async def test_who_is_on_shift_is_found_while_the_shift_lasts(town: Town) -> None:
    await town.on_shift("technician", hours=8)
    assert await _find(town) == "technician"
    town.now += 8 * 3_600_000
    assert await _find(town) is None


async def test_skill_comes_first(town: Town) -> None:
    await town.on_shift("engineer")
    await town.on_shift("technician")
    await _skills(town, "technician", "pump")
    assert await _find(town) == "technician"
    assert await _find(town, skill="elevator") == "engineer"


async def test_a_shift_elsewhere_does_not_count(town: Town) -> None:
    await town.on_shift("engineer", "lake")
    assert await _find(town) is None
    assert await _find(town, "lake") == "engineer"


async def test_somebody_without_a_role_there_is_not_sent(town: Town) -> None:
    await town.on_shift("technician", "lake")
    await town.on_shift("viewer")
    assert await _find(town) is None
    assert await _find(town, "lake") is None


async def test_a_closed_account_is_not_sent(town: Town) -> None:
    await town.on_shift("technician")
    async with transaction(town.engine) as conn:
        await service.deactivate_account(conn, None, account_id=town.accounts["technician"], now_ms=NOW)
    assert await _find(town) is None


async def _create(town: Town, actor: str, role: Role, scope: str, login: str = "new") -> int:
    who = await town.actor(actor)
    async with transaction(town.engine) as conn:
        return await service.create_account(
            conn,
            who,
            login=login,
            name="New",
            password_hash=await cheap_passwords().hash(PASSWORD),
            language="zh",
            phone="",
            grants=[(role, town.scopes[scope])],
            skills=["pump"],
            now_ms=NOW,
        )


@pytest.mark.parametrize(
    ("actor", "scope"),
    [("boss", "Sunshine"), ("boss", "lake"), ("manager", "garden"), ("manager", "garden/Tower 1/Roof")],
)
async def test_administrators_give_roles_inside_their_own_scope(town: Town, actor: str, scope: str) -> None:
    assert await _create(town, actor, Role.TECHNICIAN, scope)


@pytest.mark.parametrize(
    ("actor", "scope"),
    [
        ("manager", "lake"),
        ("manager", "Sunshine/North"),
        ("manager", "Sunshine"),
        ("boss", "forest"),
        ("boss", "Rival"),
        ("engineer", "garden"),
        ("operator", "garden"),
    ],
)
async def test_nobody_gives_roles_beyond_their_own_scope(town: Town, actor: str, scope: str) -> None:
    with pytest.raises(Forbidden):
        await _create(town, actor, Role.VIEWER, scope)
    async with reading(town.engine) as conn:
        assert await conn.scalar(select(account.c.id).where(account.c.login == "new")) is None
        assert await conn.scalar(select(audit.c.outcome)) == "denied"


async def test_a_login_is_taken_once(town: Town) -> None:
    with pytest.raises(Conflict):
        await _create(town, "boss", Role.VIEWER, "garden", login="viewer")


async def test_a_role_where_nothing_is_is_refused(town: Town) -> None:
    from cloud.access.domain import Scope, ScopeKind  # noqa: PLC0415 - only here

    town.scopes["nowhere"] = Scope(kind=ScopeKind.BUILDING, id=999)
    with pytest.raises(NotFound):
        await _create(town, "boss", Role.VIEWER, "nowhere")


@pytest.mark.parametrize("victim", ["boss", "engineer", "rival"])
async def test_nobody_takes_over_an_account_that_reaches_further(town: Town, victim: str) -> None:
    actor = await town.actor("manager")
    with pytest.raises(Forbidden):
        async with transaction(town.engine) as conn:
            await service.reset_password(conn, actor, account_id=town.accounts[victim], password_hash="x", now_ms=NOW)


async def _login(town: Town, login: str, token: str) -> access.Login:
    return await access.log_in(
        town.engine,
        cheap_passwords(),
        login=login,
        password=PASSWORD,
        address="",
        session_ms=3_600_000,
        token=token,
        now_ms=NOW,
    )


async def test_deactivating_ends_sessions_and_keeps_the_row(town: Town) -> None:
    await _login(town, "viewer", "t")
    actor = await town.actor("manager")
    async with transaction(town.engine) as conn:
        await service.deactivate_account(conn, actor, account_id=town.accounts["viewer"], now_ms=NOW)
    async with reading(town.engine) as conn:
        assert await conn.scalar(select(session.c.token_hash)) is None
        assert await conn.scalar(select(account.c.active).where(account.c.login == "viewer")) is False
    with pytest.raises(Unauthenticated):
        await _login(town, "viewer", "u")


async def test_nobody_locks_themselves_out(town: Town) -> None:
    actor = await town.actor("boss")
    with pytest.raises(Conflict):
        async with transaction(town.engine) as conn:
            await service.deactivate_account(conn, actor, account_id=actor.account_id, now_ms=NOW)


@pytest.mark.parametrize(("starts", "ends"), [(NOW, NOW), (NOW, NOW - 1), (NOW, NOW + 25 * 3_600_000)])
async def test_impossible_shifts_are_refused(town: Town, starts: int, ends: int) -> None:
    with pytest.raises(Invalid):
        async with transaction(town.engine) as conn:
            await service.create_shift(
                conn,
                None,
                account_id=town.accounts["technician"],
                community_id=town.scopes["garden"].id,
                starts_ms=starts,
                ends_ms=ends,
                now_ms=NOW,
            )
