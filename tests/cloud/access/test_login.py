import asyncio

import pytest
from sqlalchemy import select

from cloud.access import service
from cloud.access.domain import FAILURE_WINDOW_MS
from cloud.access.tables import account, audit, login_failure, session
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Invalid, LinliError, TooMany, Unauthenticated
from cloud.platform.schema import metadata
from cloud.platform.security import new_token
from tests.support.cloud import NOW, PASSWORD, Town, cheap_passwords

HOUR_MS = 3_600_000


async def _log_in(town: Town, login: str = "boss", password: str = PASSWORD, token: str = "") -> service.Login:
    return await service.log_in(
        town.engine,
        cheap_passwords(),
        login=login,
        password=password,
        address="192.0.2.7",
        session_ms=HOUR_MS,
        token=token or new_token(),
        now_ms=town.now,
    )


async def _audit(town: Town) -> list[tuple[str, str, str]]:
    async with reading(town.engine) as conn:
        return [(row.action, row.subject, row.outcome) for row in await conn.execute(select(audit))]


async def test_a_login_opens_a_session_that_ends_at_its_hour_without_sliding(town: Town) -> None:
    made = await _log_in(town)
    for later in (0, HOUR_MS - 1):
        async with reading(town.engine) as conn:
            assert (await service.authenticate(conn, token=made.token, address="", now_ms=NOW + later)).login == "boss"
    async with reading(town.engine) as conn:
        with pytest.raises(Unauthenticated) as caught:
            await service.authenticate(conn, token=made.token, address="", now_ms=NOW + HOUR_MS)
    assert caught.value.code == "session_expired"


async def test_the_token_itself_is_nowhere_in_the_database(town: Town) -> None:
    await _log_in(town, token="the-secret-token")
    async with reading(town.engine) as conn:
        for table in metadata.sorted_tables:
            assert "the-secret-token" not in str((await conn.execute(select(table))).all()), table.name
        assert len(str(await conn.scalar(select(session.c.token_hash)))) == 64


async def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(town: Town) -> None:
    told: list[str] = []
    for login in ("boss", "nobody"):
        with pytest.raises(Unauthenticated) as caught:
            await _log_in(town, login, "wrong password")
        told.append(str(caught.value.body()))
    assert told[0] == told[1]


async def test_failed_and_good_logins_are_audited(town: Town) -> None:
    with pytest.raises(Unauthenticated):
        await _log_in(town, password="wrong password")
    await _log_in(town)
    number = town.accounts["boss"]
    assert await _audit(town) == [("login", f"account:{number}", "failed"), ("login", f"account:{number}", "allowed")]


async def test_what_somebody_typed_as_an_unknown_login_is_not_written_down(town: Town) -> None:
    with pytest.raises(Unauthenticated):
        await _log_in(town, "my-secret-password", "boss")
    async with reading(town.engine) as conn:
        row = (await conn.execute(select(audit))).one()
    assert row.actor == "my…"
    assert "secret" not in row.detail


async def test_after_five_failures_even_the_right_password_waits(town: Town) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await _log_in(town, password="wrong password")
    with pytest.raises(TooMany) as caught:
        await _log_in(town)
    assert caught.value.details == {"retry_after_s": 900}
    town.now += FAILURE_WINDOW_MS
    assert (await _log_in(town)).actor.login == "boss"


async def test_throttling_one_login_leaves_others_alone(town: Town) -> None:
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await _log_in(town, password="wrong password")
    assert (await _log_in(town, "operator")).actor.login == "operator"


async def test_a_good_login_forgets_failures(town: Town) -> None:
    for _ in range(2):
        for _ in range(4):
            with pytest.raises(Unauthenticated):
                await _log_in(town, password="wrong password")
        await _log_in(town)
    async with reading(town.engine) as conn:
        assert (await conn.execute(select(login_failure))).first() is None


async def test_guesses_made_at_once_count_as_well(town: Town) -> None:
    async def guess(number: int) -> str:
        try:
            await _log_in(town, password=f"guess number {number}")
        except LinliError as error:
            return error.code
        return "in"

    codes = await asyncio.gather(*(guess(number) for number in range(12)))
    assert sorted(codes) == ["too_many"] * 7 + ["wrong_password"] * 5


async def test_a_deactivated_account_is_out_at_once_and_stays_out(town: Town) -> None:
    made = await _log_in(town)
    async with transaction(town.engine) as conn:
        await conn.execute(account.update().where(account.c.login == "boss").values(active=False))
    with pytest.raises(Unauthenticated):
        async with reading(town.engine) as conn:
            await service.authenticate(conn, token=made.token, address="", now_ms=NOW)
    with pytest.raises(Unauthenticated):
        await _log_in(town)


async def test_logging_out_ends_the_session(town: Town) -> None:
    made = await _log_in(town)
    async with transaction(town.engine) as conn:
        await service.log_out(conn, actor=made.actor, token=made.token, now_ms=NOW)
    with pytest.raises(Unauthenticated):
        async with reading(town.engine) as conn:
            await service.authenticate(conn, token=made.token, address="", now_ms=NOW)


async def _change(town: Town, made: service.Login, current: str, new: str) -> None:
    await service.change_password(
        town.engine,
        cheap_passwords(),
        actor=made.actor,
        current=current,
        new=new,
        keep_token=made.token,
        now_ms=NOW,
    )


async def test_changing_the_password_ends_the_other_sessions(town: Town) -> None:
    stolen, mine = await _log_in(town, token="stolen"), await _log_in(town, token="mine")
    await _change(town, mine, PASSWORD, "another password")
    async with reading(town.engine) as conn:
        assert (await service.authenticate(conn, token=mine.token, address="", now_ms=NOW)).login == "boss"
        with pytest.raises(Unauthenticated):
            await service.authenticate(conn, token=stolen.token, address="", now_ms=NOW)
    with pytest.raises(Unauthenticated):
        await _log_in(town)
    assert (await _log_in(town, password="another password")).actor.login == "boss"


async def test_guessing_the_current_password_is_throttled_like_a_login(town: Town) -> None:
    made = await _log_in(town)
    for _ in range(5):
        with pytest.raises(Invalid):
            await _change(town, made, "wrong password", "another password")
    with pytest.raises(TooMany):
        await _change(town, made, PASSWORD, "another password")


async def test_changing_the_password_needs_the_current_one_and_audits_the_failure(town: Town) -> None:
    made = await _log_in(town)
    with pytest.raises(Invalid) as caught:
        await _change(town, made, "wrong password", "another password")
    assert caught.value.code == "wrong_password"
    assert ("account.password", f"account:{made.actor.account_id}", "failed") in await _audit(town)
