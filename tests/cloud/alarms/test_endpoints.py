from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from cloud.platform.database import transaction
from cloud.platform.schema import ingest
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.alarmed_pump import AlarmedPump
from tests.support.cloud import NOW, Town
from tests.support.cloud_world import Clock, World
from tests.support.pump_profile import pump_profile


@pytest.fixture
async def failing(town: Town) -> AlarmedPump:
    """A pump in the pump room of Tower 1 whose alarm is active; the technician is on shift."""
    await town.on_shift("technician")
    world = World(
        engine=town.engine, clock=Clock(NOW), folder=town.folder, community_id=0, operator_id=0, technician_id=0
    )
    pump = await AlarmedPump.born(world, pump_profile())
    await pump.fail(NOW)
    return pump


@pytest.fixture
async def operator(town: Town, failing: AlarmedPump) -> AsyncIterator[AsyncClient]:
    async with town.client("operator") as client:
        yield client


async def test_alarms_are_listed_with_what_to_do_and_acknowledged(operator: AsyncClient) -> None:
    page = (await operator.get("/api/v1/alarms", params={"priority": "high"})).json()
    (alarm,) = page["items"]
    assert (alarm["state"], alarm["community"], alarm["building"]) == ("B", "garden", "Tower 1")
    assert alarm["consequence"]["en"] == "The seal burns"
    answer = await operator.post(f"/api/v1/alarms/{alarm['id']}/acknowledge")
    assert answer.status_code == 200
    assert answer.json()["state"] == "C"
    again = await operator.post(f"/api/v1/alarms/{alarm['id']}/acknowledge")
    assert again.status_code == 409
    assert again.json()["error"]["details"]["allowed"] == []
    assert (await operator.get("/api/v1/alarms", params={"state": "unacknowledged"})).json()["items"] == []
    assert (await operator.get("/api/v1/alarms", params={"state": "rubbish"})).status_code == 422


async def test_pages_of_a_list_follow_each_other(operator: AsyncClient, failing: AlarmedPump) -> None:
    await failing.read(NOW + 20_000, fault_code=3)
    await failing.read(NOW + 30_000, fault_code=7)
    first = (await operator.get("/api/v1/alarms", params={"limit": 2})).json()
    second = (await operator.get("/api/v1/alarms", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    rules = [item["rule"] for item in first["items"] + second["items"]]
    assert rules == ["fault.7", "fault.3", "dry_run"]
    assert second["next_cursor"] is None


async def test_orders_are_moved_by_those_who_may(town: Town, operator: AsyncClient) -> None:
    (order,) = (await operator.get("/api/v1/work-orders")).json()["items"]
    assert (order["state"], order["assignee"]) == ("dispatched", "Technician")
    path = f"/api/v1/work-orders/{order['id']}/actions"
    async with town.client("technician") as technician:
        answer = await technician.post(path, json={"action": "accept"})
        assert answer.json()["state"] == "accepted"
        illegal = await technician.post(path, json={"action": "complete"})
        assert (illegal.status_code, illegal.json()["error"]["code"]) == (409, "illegal_move")
        assert (await technician.post(path, json={"action": "cancel"})).status_code == 403
        assert (await technician.post(path, json={"action": "sensor restored"})).status_code == 422
    cancelled = await operator.post(path, json={"action": "cancel", "note": "wrong"})
    assert cancelled.json()["history"][-1]["note"] == "wrong"
    assert (await operator.get("/api/v1/work-orders")).json()["items"] == []
    assert len((await operator.get("/api/v1/work-orders", params={"state": "cancelled"})).json()["items"]) == 1


@pytest.mark.parametrize("login", ["rival", "roof"])
async def test_those_of_elsewhere_see_nothing(town: Town, failing: AlarmedPump, login: str) -> None:
    async with town.client(login) as client:
        assert (await client.get("/api/v1/alarms")).json()["items"] == []
        assert (await client.get("/api/v1/work-orders")).json()["items"] == []
        for path in ("alarms/1", "work-orders/1", "devices/1/series?point=current"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 404
        assert (await client.post("/api/v1/alarms/1/acknowledge")).status_code == 404
        assert (await client.post("/api/v1/work-orders/1/actions", json={"action": "close"})).status_code == 404


async def test_the_overview_is_one_request(operator: AsyncClient) -> None:
    figures = (await operator.get("/api/v1/overview")).json()
    assert figures["unacknowledged"] == 1
    assert figures["engine"]["alive"] is False
    assert figures["devices"] == {"online": 1, "offline": 0, "unknown": 0}


async def test_nobody_sees_anything_without_a_login(town: Town) -> None:
    async with town.client() as client:
        for path in ("overview", "alarms", "work-orders", "quarantine", "journals", "devices/1/series?point=x"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 401


async def test_a_series_is_given_in_stretches(town: Town, operator: AsyncClient) -> None:
    store = EmbeddedTelemetry(town.folder / "telemetry.db")
    await store.write(
        [Sample(device_id=1, point="current", at_ms=NOW + n, value=float(n), quality=192) for n in range(100)]
    )
    await store.close()
    query: dict[str, str | int] = {"point": "current", "from_ms": NOW, "to_ms": NOW + 100, "buckets": 10}
    answer = (await operator.get("/api/v1/devices/1/series", params=query)).json()
    assert [(item["low"], item["high"]) for item in answer["buckets"]][:2] == [(0.0, 9.0), (10.0, 19.0)]
    backwards = await operator.get("/api/v1/devices/1/series", params={**query, "to_ms": NOW - 1})
    assert backwards.status_code == 422


async def test_quarantine_and_journals_are_there_to_be_seen(town: Town, operator: AsyncClient) -> None:
    async with transaction(town.engine) as conn:
        row = {"received_ms": NOW, "node_id": 1, "topic": "t", "payload": b"\xff", "metric": None, "reason": "bad"}
        await conn.execute(ingest.quarantine.insert().values(row))
        await conn.execute(ingest.journal.insert().values(node_id=1, journal_id="j1", watermark=9, updated_ms=NOW))
        await conn.execute(
            ingest.journal_gap.insert().values(
                node_id=1, journal_id="j1", first_offset=2, last_offset=4, reason="full", found_ms=NOW
            )
        )
    (item,) = (await operator.get("/api/v1/quarantine")).json()["items"]
    assert (item["payload"], item["reason"], item["node"]) == ("/w==", "bad", "edge-1")
    (journal,) = (await operator.get("/api/v1/journals")).json()["items"]
    assert (journal["watermark"], journal["gaps"][0]["last_offset"]) == (9, 4)
    async with town.client("rival") as rival:
        assert (await rival.get("/api/v1/quarantine")).json()["items"] == []
        assert (await rival.get("/api/v1/journals")).json()["items"] == []
