"""Names that differ by case only are two things to Sparkplug, and one to people: the host says so."""

from typing import Any

from structlog.testing import capture_logs

from cloud.access.domain import EVERYTHING
from cloud.assets import name_repository as names
from cloud.platform.database import reading
from cloud.platform.schema import ingest
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.pump_profile import pump_profile
from wire.edge_node import EdgeNode


def told(logs: list[Any]) -> list[tuple[object, ...]]:
    return [(log["event"], log.get("device"), log["other"]) for log in logs if "differ by case only" in log["event"]]


async def test_two_agents_and_two_devices_are_told_of_and_shown(bench: Any, world: World) -> None:
    with capture_logs() as logs:
        await bench.born(FakeEdge(pump_profile(), devices=("pump-1", "Pump-1", "pump-2")))
        await bench.born(FakeEdge(pump_profile(), node="EDGE-1", journal_id="j2"))
    assert told(logs) == [
        ("the names of two devices differ by case only", "pump-1", "Pump-1"),
        ("the names of two agents differ by case only", None, "edge-1"),
    ]
    async with reading(world.engine) as conn:
        assert await names.device_twins_for_page(conn, EVERYTHING) == {1: ["Pump-1", "pump-1"]}


async def test_a_group_that_differs_from_a_community_by_case_only_is_told_so(bench: Any, world: World) -> None:
    stranger = EdgeNode("Garden", "edge-1", 0)
    await bench.feed(stranger.birth([], NOW))
    (row,) = await world.rows(ingest.quarantine)
    assert row["reason"] == "no community has the code `Garden`; `garden` differs from it by case only"
