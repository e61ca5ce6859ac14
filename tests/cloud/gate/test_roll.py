import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from httpx import AsyncClient
from sqlalchemy import update

from cloud.gate.domain import CHANGES_KEPT_MS, next_revision, standing
from cloud.gate.tables import gate_roll
from cloud.platform.database import transaction
from edge.gate.pull import Puller, PullFailed, PullSettings
from tests.support.cloud import NOW
from tests.support.gate_service import StoredRoll, certificate
from tests.support.gate_town import GateTown, added, agent_token, person
from wire.roll import GateRule, Roll, RollDelta
from wire.roll_codec import decode_change


async def pulled(client: AsyncClient, gate_town: GateTown, token: str, since: int | None = None) -> Roll | RollDelta:
    answer = await client.get(
        "/api/v1/gates/roll",
        params={} if since is None else {"since": since},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    change = decode_change(answer.content, gate_town.keys.public)
    assert answer.headers["x-linli-revision"] == str(change.revision)
    assert answer.headers["cache-control"] == "no-store"
    return change


async def test_an_agent_gets_everything_and_then_what_changed(gate_town: GateTown) -> None:
    town = gate_town.town
    async with town.client("manager") as client:
        token = await agent_token(client, gate_town)
        first = await added(client, gate_town, face=True, health_id="H-1", valid_until_ms=NOW + 5)
        await client.post(f"/api/v1/gates/people/{first}/credentials", json={"kind": "card", "value": "0012345678"})
        whole = await pulled(client, gate_town, token)
        assert isinstance(whole, Roll)
        [held] = whole.people
        assert (held.id, held.name, held.face, held.health_id) == (first, "张伟", True, "H-1")
        assert [(one.value, one.person) for one in whole.credentials] == [("0012345678", first)]

        same = await pulled(client, gate_town, token, whole.revision)
        assert same == RollDelta(community="garden", base=whole.revision, revision=whole.revision, issued_ms=town.now)

        town.now += 60_000
        second = await added(client, gate_town, name="王芳")
        await client.delete(f"/api/v1/gates/people/{first}")
        rule = {"gate": "edge-1/north", "demands": [{"check": "mask", "demand": "required"}]}
        await client.put("/api/v1/gates/rules", json={"community_id": gate_town.garden, **rule})
        delta = await pulled(client, gate_town, token, whole.revision)
        assert isinstance(delta, RollDelta)
        assert (delta.base, [one.id for one in delta.people], delta.gone) == (whole.revision, [second], (first,))
        assert delta.rules == (GateRule(gate="edge-1/north", demands=(("mask", "required"),)),)
        assert (await pulled(client, gate_town, token, delta.revision)).revision == delta.revision


async def test_a_revision_that_is_not_known_any_more_gets_the_whole_roll(gate_town: GateTown) -> None:
    town = gate_town.town
    async with town.client("manager") as client:
        token = await agent_token(client, gate_town)
        await added(client, gate_town)
        old = (await pulled(client, gate_town, token)).revision
    town.now += CHANGES_KEPT_MS + 1
    async with town.client("manager") as client:
        await added(client, gate_town)
        assert isinstance(await pulled(client, gate_town, token, old), Roll)


async def test_a_service_that_was_restored_gives_gates_a_new_revision(gate_town: GateTown) -> None:
    town = gate_town.town
    async with town.client("manager") as client:
        token = await agent_token(client, gate_town)
        await added(client, gate_town)
        lost = (await pulled(client, gate_town, token)).revision + 4000  # of a change that the backup does not have
        town.now += 6000
        whole = await pulled(client, gate_town, token, lost)
        assert isinstance(whole, Roll)
        assert whole.revision > lost
        # A clock that was set back does not make revisions go back.
        town.now -= 3_600_000
        await added(client, gate_town, name="王芳")
        assert (await pulled(client, gate_town, token, whole.revision)).revision == whole.revision + 1


async def test_a_token_is_for_one_community_and_can_be_taken_away(gate_town: GateTown) -> None:
    async with gate_town.town.client("boss") as client:
        await added(client, gate_town)
        lake = {"community_id": gate_town.town.scopes["lake"].id, "agent": "edge-1"}
        token = (await client.post("/api/v1/gates/agents", json=lake)).json()["token"]
        change = await pulled(client, gate_town, token)
        assert (change.community, change.people) == ("lake", ())
        mine = await agent_token(client, gate_town)
        again = await agent_token(client, gate_town)  # in place of the one before
        for wrong in (mine, "nonsense", ""):
            answer = await client.get("/api/v1/gates/roll", headers={"Authorization": f"Bearer {wrong}"})
            assert answer.status_code == 401, wrong
        await pulled(client, gate_town, again)
        agents = (await client.get("/api/v1/gates/agents")).json()["items"]
        number = next(one["id"] for one in agents if one["community_id"] == gate_town.garden)
        assert (await client.delete(f"/api/v1/gates/agents/{number}")).status_code == 204
        answer = await client.get("/api/v1/gates/roll", headers={"Authorization": f"Bearer {again}"})
        assert answer.status_code == 401


async def test_somebody_who_is_logged_in_is_no_agent_and_an_agent_is_nobody_else(gate_town: GateTown) -> None:
    async with gate_town.town.client("boss") as client:
        token = await agent_token(client, gate_town)
        assert (await client.get("/api/v1/gates/roll")).status_code == 401
        answer = await client.get("/api/v1/gates/people", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


async def test_the_whole_roll_is_not_given_again_and_again(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        token = await agent_token(client, gate_town)
        revision = (await pulled(client, gate_town, token)).revision
        answer = await client.get("/api/v1/gates/roll", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        await pulled(client, gate_town, token, revision)
        gate_town.town.now += 5000
        await pulled(client, gate_town, token)


async def test_when_an_agent_came_last_is_shown(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        token = await agent_token(client, gate_town)
        revision = (await pulled(client, gate_town, token)).revision
        await pulled(client, gate_town, token, revision)
        [agent] = (await client.get("/api/v1/gates/agents")).json()["items"]
    assert (agent["agent"], agent["held"], agent["pulled_ms"]) == ("edge-1", revision, NOW)


@pytest.mark.parametrize(("before", "now", "next_one"), [(None, 5, 5), (3, 5, 5), (5, 5, 6), (9, 5, 10)])
def test_revisions_are_times_that_never_repeat(before: int | None, now: int, next_one: int) -> None:
    assert next_revision(before, now) == next_one


@pytest.mark.parametrize(
    ("held", "revision", "newer", "stands"),
    [(None, 5, 0, "none"), (0, 5, 0, "none"), (5, 5, 0, "up_to_date"), (4, 5, 1, "behind"), (6, 5, 0, "ahead")],
)
def test_how_a_gate_stands(held: int | None, revision: int, newer: int, stands: str) -> None:
    assert standing(held, revision, newer) == stands


# --- over TLS, with the agent's own puller


@asynccontextmanager
async def served(gate_town: GateTown, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    cert, key = certificate(folder)
    config = uvicorn.Config(
        gate_town.town.app(), port=0, ssl_certfile=cert, ssl_keyfile=key, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"https://127.0.0.1:{port}", cert
    finally:
        server.should_exit = True
        await task


async def test_a_gate_pulls_from_the_service(gate_town: GateTown, tmp_path: Path) -> None:
    town, people = gate_town.town, StoredRoll()
    async with town.client("manager") as client, served(gate_town, tmp_path) as (url, ca_file):
        token = await agent_token(client, gate_town)
        first = await added(client, gate_town)
        puller = Puller(
            PullSettings(url=url, community="garden", token=token, ca_file=ca_file),
            keys=gate_town.keys.public,
            people=people,
        )
        await puller.pull()
        assert set(people.people) == {first}
        town.now += 1000
        second = await added(client, gate_town, name="王芳")
        await client.put(f"/api/v1/gates/people/{first}", json=person(blocked=True))
        await puller.pull()
        assert set(people.people) == {first, second}
        assert people.people[first].blocked
        town.now += 1000
        assert (await puller.pull()).confirmed_ms == town.now
        assert people.applied == 2

        # The database is set back to before the second one.
        async with transaction(town.engine) as conn:
            await conn.execute(update(gate_roll).values(revision=people.revision - 1000))
        town.now += 10_000
        await puller.pull()
        assert people.revision == town.now

        await client.post("/api/v1/gates/agents", json={"community_id": gate_town.garden, "agent": "edge-1"})
        with pytest.raises(PullFailed, match="token"):
            await puller.pull()
        await puller.close()
