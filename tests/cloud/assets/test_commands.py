import pytest
from sqlalchemy import select

from cloud.access.tables import audit
from cloud.assets import service
from cloud.assets.domain import OUTCOME_PATIENCE_MS, TOKEN_FRESH_MS, CommandRow, CommandState, PendingCommand
from cloud.assets.tables import command
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Conflict, Forbidden, Invalid, NotFound
from drivers.api import Value
from drivers.profile import Label
from tests.support.cloud import NOW, Town


async def _request(
    town: Town, login: str = "operator", *, name: str = "set_pressure", value: Value | None = 40, number: int = 1
) -> CommandRow:
    actor = await town.actor(login)
    async with transaction(town.engine) as conn:
        return await service.request_command(
            conn,
            actor,
            device_id=1,
            name=name,
            value=value,
            timeout_ms=5000,
            command_id=f"c{number}",
            now_ms=town.now,
        )


async def _pending(town: Town, later: int = 0) -> list[PendingCommand]:
    async with reading(town.engine) as conn:
        return await service.pending_commands(conn, now_ms=town.now + later)


async def _state(town: Town) -> str:
    async with reading(town.engine) as conn:
        return str(await conn.scalar(select(command.c.state)))


async def test_a_command_waits_to_be_sent_with_the_newest_token_of_when_it_was_asked_for(town: Town) -> None:
    born = await town.device()
    row = await _request(town)
    assert (row.state, row.deadline_ms) == (CommandState.REQUESTED, NOW + 5000)
    assert await _pending(town) == [
        PendingCommand(
            id="c1",
            group="garden",
            node="edge-1",
            node_id=born.node_id,
            device="pump-1",
            name="set_pressure",
            value=40.0,
            token="0" * 32,
            timeout_ms=5000,
        )
    ]


async def test_a_command_with_a_fixed_value_travels_as_true(town: Town) -> None:
    await town.device()
    await _request(town, name="start", value=None)
    assert [one.value for one in await _pending(town)] == [True]


async def test_a_command_is_sent_once(town: Town) -> None:
    await town.device()
    await _request(town)
    async with transaction(town.engine) as conn:
        assert await service.mark_sent(conn, "c1", NOW)
        assert not await service.mark_sent(conn, "c1", NOW)
    assert await _pending(town) == []


async def test_nothing_is_sent_with_an_old_token_or_after_the_deadline(town: Town) -> None:
    await town.device()
    await _request(town)
    assert len(await _pending(town, 4999)) == 1
    assert await _pending(town, 5000) == []
    town.now += TOKEN_FRESH_MS
    await _request(town, number=2)
    assert await _pending(town) == []


async def test_no_clock_gives_a_command_that_waited_a_fresh_token(town: Town) -> None:
    """An agent judges age by the token alone, so a command keeps the one of its own time, whatever any clock says."""
    born = await town.device()
    await _request(town)
    async with transaction(town.engine) as conn:
        await service.token_seen(conn, node_id=born.node_id, token="1" * 32, now_ms=NOW)
    assert [one.token for one in await _pending(town, -900_000)] == ["0" * 32]


async def test_nothing_is_sent_to_a_node_that_died(town: Town) -> None:
    born = await town.device()
    await _request(town)
    async with transaction(town.engine) as conn:
        await service.node_died(conn, node_id=born.node_id, now_ms=NOW)
    assert await _pending(town) == []


@pytest.mark.parametrize("outcome", ["done", "refused", "timed out", "unknown"])
async def test_an_outcome_ends_a_command_once(town: Town, outcome: str) -> None:
    await town.device()
    await _request(town)
    async with transaction(town.engine) as conn:
        await service.mark_sent(conn, "c1", NOW)
        assert await service.command_outcome(conn, "c1", outcome, "why", NOW + 5)
        assert await service.command_outcome(conn, "c1", "done", "", NOW + 9) is (outcome == "unknown")
    assert await _state(town) == ("done" if outcome == "unknown" else outcome)


async def test_words_that_are_no_outcome_are_refused(town: Town) -> None:
    async with transaction(town.engine) as conn:
        for word in ("sent", "requested", "perhaps"):
            with pytest.raises(ValueError, match=word):
                await service.command_outcome(conn, "c1", word, "", NOW)
        assert not await service.command_outcome(conn, "nobody's", "done", "", NOW)


async def test_a_command_that_could_not_be_sent_times_out(town: Town) -> None:
    await town.device()
    await _request(town)
    async with transaction(town.engine) as conn:
        assert await service.expire_commands(conn, NOW + 4999) == 0
        assert await service.expire_commands(conn, NOW + 5000) == 1
        assert not await service.mark_sent(conn, "c1", NOW + 5000)
    assert await _state(town) == "timed out"


async def test_a_command_without_an_answer_becomes_unknown_and_a_late_answer_still_counts(town: Town) -> None:
    await town.device()
    await _request(town)
    silent = NOW + 100 + 5000 + OUTCOME_PATIENCE_MS
    async with transaction(town.engine) as conn:
        await service.mark_sent(conn, "c1", NOW + 100)
        assert await service.expire_commands(conn, silent - 1) == 0
        assert await service.expire_commands(conn, silent) == 1
    assert await _state(town) == "unknown"
    async with transaction(town.engine) as conn:
        assert await service.command_outcome(conn, "c1", "done", "", silent + 1)
    assert await _state(town) == "done"


@pytest.mark.parametrize("login", ["technician", "viewer", "tower"])
async def test_who_may_only_look_is_denied_and_audited(town: Town, login: str) -> None:
    await town.device()
    with pytest.raises(Forbidden):
        await _request(town, login)
    async with reading(town.engine) as conn:
        row = (await conn.execute(select(audit))).one()
        assert await conn.scalar(select(command.c.id)) is None
    assert (row.action, row.subject, row.outcome) == ("device.command", "device:1", "denied")
    assert '"command": "set_pressure"' in row.detail


@pytest.mark.parametrize("login", ["roof", "rival"])
async def test_who_does_not_see_the_device_learns_nothing(town: Town, login: str) -> None:
    await town.device()
    with pytest.raises(NotFound):
        await _request(town, login)


async def test_limits_of_the_profile_hold(town: Town) -> None:
    await town.device()
    with pytest.raises(Invalid, match="20 to 60"):
        await _request(town, value=61)


async def test_a_device_that_is_offline_takes_no_command(town: Town) -> None:
    born = await town.device()
    async with transaction(town.engine) as conn:
        await service.device_died(conn, device_id=born.id, now_ms=NOW)
    with pytest.raises(Conflict) as caught:
        await _request(town)
    assert caught.value.code == "offline"


async def test_a_foreign_node_takes_no_command(town: Town) -> None:
    async with transaction(town.engine) as conn:
        number = await service.node_born(
            conn, group="garden", node="plc", version="", config_revision="", foreign=True, now_ms=NOW
        )
        await service.device_born(
            conn,
            node_id=number,
            name="x",
            profile_hash=None,
            overrides="{}",
            label=Label(zh="x", en="x"),
            place="",
            kind="foreign",
            now_ms=NOW,
        )
    with pytest.raises(Conflict) as caught:
        await _request(town)
    assert caught.value.code in {"foreign_node", "no_profile"}
