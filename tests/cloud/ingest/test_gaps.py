"""What agents tell of lost records: kept, put together for readers, and shown."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.gaps import APART, Gap, merged, read_former, read_loss
from cloud.platform.database import transaction
from cloud.platform.schema import assets, ingest
from tests.support.cloud import Town
from tests.support.cloud_world import NOW, World
from tests.support.fake_edge import FakeEdge
from tests.support.ingested import marks, texts
from tests.support.pump_profile import pump_profile

DETAIL = {"reason": "overflow", "lost": {"telemetry": 2, "event": 1}, "from_ms": NOW - 9000, "to_ms": NOW - 1000}


def gap(first: int, last: int | None, reason: str = "overflow", **values: Any) -> Gap:
    plain: dict[str, Any] = {"id": first, "node_id": 1, "journal_id": "j1", "found_ms": NOW}
    told: dict[str, Any] = {"lost": None, "from_ms": None, "to_ms": None}
    return Gap(first=first, last=last, reason=reason, **{**plain, **told, **values})


# --- what is told ----------------------------------------------------------------------------------------------------


async def test_a_tombstone_says_why_what_and_of_which_time(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(4):
        edge.journal(NOW + n, pressure=1.0)
    await bench.feed(edge.send(1), edge.tombstone(2, 4, NOW, detail=json.dumps(DETAIL)))
    (row,) = await world.rows(ingest.journal_gap)
    assert (row["reason"], row["first_offset"], row["last_offset"]) == ("overflow", 2, 4)
    assert (row["lost_telemetry"], row["lost_event"], row["lost_alarm"], row["lost_command"]) == (2, 1, None, None)
    assert (row["from_ms"], row["to_ms"]) == (NOW - 9000, NOW - 1000)


async def test_what_a_tombstone_counts_is_never_more_than_is_missing(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    for n in range(6):
        edge.journal(NOW + n, pressure=1.0)
    detail = json.dumps({**DETAIL, "lost": {"telemetry": 5, "event": 1}})
    await bench.feed(edge.send(1), edge.send(2), edge.send(3), edge.tombstone(1, 6, NOW, detail=detail))
    (row,) = await world.rows(ingest.journal_gap)
    assert (row["first_offset"], row["lost_telemetry"], row["lost_event"]) == (4, 3, 1)


@given(document=st.none() | st.text() | st.recursive(st.integers() | st.text() | st.none(), st.lists).map(json.dumps))
def test_no_detail_stops_ingest(document: str | None) -> None:
    assert read_loss(document, size=9).reason in {"overflow", "not said"}
    former = read_former(document)
    assert former is None or (former.journal_id, former.last) == (None, None)


def test_a_detail_with_senseless_numbers_keeps_its_reason() -> None:
    said = {"reason": "damaged", "lost": {"telemetry": -3, "event": True, "other": 4}, "from_ms": "x", "to_ms": 10**30}
    loss = read_loss(json.dumps(said), size=5)
    assert (loss.reason, loss.lost, loss.from_ms, loss.to_ms) == ("damaged", None, None, None)


# --- a journal that was replaced ------------------------------------------------------------------------------------


async def began_again(bench: Any, former: dict[str, object]) -> FakeEdge:
    fresh = FakeEdge(pump_profile(), journal_id="j2")
    fresh.former = json.dumps(former)
    await bench.feed(fresh.births(NOW))
    return fresh


async def test_what_a_damaged_journal_still_held_is_a_gap_of_it_told_once(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.send(1))
    fresh = await began_again(bench, {"id": "j1", "last": 7, "reason": "damaged"})
    await bench.feed(fresh.births(NOW + 1), at_ms=NOW + 1)
    gaps = [tuple(row[name] for name in NAMES) for row in await world.rows(ingest.journal_gap)]
    assert gaps == [("j1", 2, 7, "journal damaged")]
    fresh.journal(NOW + 2, pressure=2.0)
    assert "j2:1" in texts(await bench.feed(fresh.send(1), at_ms=NOW + 1000))
    assert await marks(world) == {"j1": 1, "j2": 1}


NAMES = ("journal_id", "first_offset", "last_offset", "reason")


async def test_a_damaged_journal_that_was_received_in_full_leaves_no_gap(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.send(1))
    await began_again(bench, {"id": "j1", "last": 1, "reason": "damaged"})
    assert await world.rows(ingest.journal_gap) == []


async def test_a_journal_that_was_damaged_before_we_ever_heard_of_it_is_a_gap_from_its_beginning(
    bench: Any, world: World
) -> None:
    await began_again(bench, {"id": "never-heard", "last": 40, "reason": "damaged"})
    gaps = [tuple(row[name] for name in NAMES) for row in await world.rows(ingest.journal_gap)]
    assert gaps == [("never-heard", 1, 40, "journal damaged")]


async def test_a_journal_too_damaged_to_say_its_name_is_the_one_that_records_came_from_last(
    bench: Any, world: World
) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, pressure=1.0)
    await bench.feed(edge.send(1))
    await began_again(bench, {"id": None, "last": None, "reason": "damaged"})
    gaps = [tuple(row[name] for name in NAMES) for row in await world.rows(ingest.journal_gap)]
    assert gaps == [("j1", 2, None, "journal damaged")]


# --- for a reader ----------------------------------------------------------------------------------------------------


def test_the_gaps_of_one_overflow_are_one_row_that_hides_nothing() -> None:
    parts = [
        gap(1, 9, lost={"telemetry": 9}, from_ms=100, to_ms=900),
        gap(11, 19, lost={"telemetry": 8, "alarm": 1}, from_ms=1100, to_ms=1900),
        gap(22, 22, lost={"telemetry": 1}),
    ]
    (row,) = merged(parts)
    assert (row.first, row.last, row.parts, row.records, row.kept) == (1, 22, 3, 19, 3)
    assert row.lost == {"telemetry": 18, "alarm": 1}
    assert (row.from_ms, row.to_ms, row.at_most) == (100, 1900, False)


def test_gaps_of_other_reasons_journals_or_places_stay_apart() -> None:
    parts = [
        gap(1, 9),
        gap(10, 10, reason="damaged"),
        gap(11, 19),
        gap(20 + APART + 1, 500),
        gap(501, 502, journal_id="j2"),
        gap(503, None),
        gap(504, 505),
    ]
    assert [(row.first, row.last) for row in merged(parts)] == [
        *[(one.first, one.last) for one in parts if one.journal_id == "j1"],
        (501, 502),
    ]


def test_classes_that_one_part_does_not_tell_are_not_told_of_the_whole() -> None:
    (row,) = merged([gap(1, 2, lost={"telemetry": 2}), gap(3, 4)])
    assert (row.lost, row.records) == (None, 4)


@given(cuts=st.lists(st.integers(min_value=1, max_value=3 * APART), min_size=2, max_size=40))
def test_putting_together_loses_no_record_and_invents_none(cuts: list[int]) -> None:
    at, gaps, lost = 1, [], 0
    for index, length in enumerate(cuts):
        if index % 2 == 0:
            gaps.append(gap(at, at + length - 1, lost={"telemetry": length}))
            lost += length
        at += length
    rows = merged(gaps)
    assert sum(row.records or 0 for row in rows) == lost
    assert sum((row.lost or {})["telemetry"] for row in rows) == lost
    assert sum(row.parts for row in rows) == len(gaps)


async def test_rest_shows_gaps_by_agent_with_reason_classes_and_times(town: Town) -> None:
    async with transaction(town.engine) as conn:
        for number in (1, 2):
            await conn.execute(
                assets.node.insert().values(
                    id=number,
                    community_id=town.where("garden").community_id,
                    name=f"edge-{number}",
                    online=True,
                    foreign_node=False,
                    version="",
                    config_revision="",
                )
            )
            await conn.execute(
                ingest.journal.insert().values(node_id=number, journal_id="j", watermark=30, updated_ms=NOW)
            )
            for first in (2, 6):
                await conn.execute(
                    ingest.journal_gap.insert().values(
                        node_id=number, journal_id="j", first_offset=first, last_offset=first + 2, reason="overflow",
                        lost_telemetry=3, from_ms=NOW, to_ms=NOW + first, found_ms=NOW,
                    )
                )  # fmt: skip
    async with town.client("operator") as client:
        (journal,) = (await client.get("/api/v1/journals", params={"node_id": 2})).json()["items"]
        (shown,) = journal["gaps"]
        assert (shown["first_offset"], shown["last_offset"], shown["parts"], shown["kept"]) == (2, 8, 2, 1)
        assert (shown["records"], shown["lost"], shown["to_ms"]) == (6, {"telemetry": 6}, NOW + 6)
        told = (await client.get("/api/v1/gaps", params={"node_id": 2})).json()["items"]
        assert [(one["node"], one["first_offset"], one["parts"]) for one in told] == [
            ("edge-2", 6, 1),
            ("edge-2", 2, 1),
        ]
        assert len((await client.get("/api/v1/gaps", params={"limit": 3})).json()["items"]) == 3
    async with town.client("rival") as rival:
        assert (await rival.get("/api/v1/gaps")).json()["items"] == []


# --- times that cannot be trusted -----------------------------------------------------------------------------------


async def doubts(world: World) -> dict[str, str | None]:
    return {row["point"]: row["time_quality"] for row in await world.rows(assets.last_value)}


async def test_a_last_value_says_why_its_time_is_not_to_be_trusted(bench: Any, world: World) -> None:
    edge = FakeEdge(pump_profile())
    await bench.born(edge)
    edge.journal(NOW, time="behind", pressure=1.0, current=2.0)
    edge.journal(NOW + 1, pressure=1.1)
    await bench.feed(edge.send(1), edge.send(2))
    assert await doubts(world) == {"pressure": None, "current": "behind"}
    edge.journal(NOW + 2, time="stepped", pressure=1.2)
    await bench.feed(edge.send(3))
    assert await doubts(world) == {"pressure": "stepped", "current": "behind"}
    edge.journal(NOW + 3, pressure=1.3, current=2.1)
    await bench.feed(edge.send(4))
    assert await doubts(world) == {"pressure": None, "current": None}
