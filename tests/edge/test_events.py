"""Events and local points on their way: nothing of an event is merged, and nothing local leaves the agent."""

import asyncio
from datetime import timedelta

import pytest

from drivers.api import PointResult, Quality, Reading
from drivers.catalog import catalog_profile
from drivers.modbus.config import ModbusRtuSettings
from drivers.profile import Label, Profile
from drivers.registry import BusSettings
from edge.changes import LinePlan, PlannedDevice
from edge.clock import EARLIEST_MS, RecordClock
from edge.config import DeviceSettings
from edge.identity import DeviceIdentity
from edge.intake import DeviceMark, Settled
from edge.line import Line, Surroundings, poll_groups
from edge.lines import LineFailed, Lines
from edge.pipeline import DevicePipeline
from edge.records import Draft, Record
from edge.translate import JournalPlace, device_birth, record_metrics
from runtime.health import Health
from runtime.lifecycle import Backoff
from tests.support.modbus_peers import tcp_settings

LABEL = {"zh": "门", "en": "Door"}


def reader_profile() -> Profile:
    """A door's reader: `card` is an event, `strength` never leaves the agent."""
    points = {
        "card": {"topic": "up", "path": "card", "type": "string", "event": True},
        "strength": {"topic": "up", "path": "rssi", "type": "float"},
        "battery": {"topic": "up", "path": "battery", "type": "float"},
    }
    samples = {"card": "42", "strength": -60.0, "battery": 3.0}
    return Profile.model_validate(
        {
            "schema": 1,
            "name": "door-reader",
            "version": "1.0.0",
            "kind": "reader",
            "label": LABEL,
            "protocol": "json",
            "json": {"topics": {"up": {"topic": "doors/{address}/up"}}, "expect_every": "1h"},
            "points": {
                name: {"label": LABEL, "json": table, "sample": samples[name], "local": name == "strength"}
                for name, table in points.items()
            },
        },
        strict=False,
    )


PROFILE = reader_profile()


def said(**values: object) -> list[PointResult]:
    return [PointResult(point=name, value=value) for name, value in values.items()]  # type: ignore[arg-type]


def pipeline() -> DevicePipeline:
    return DevicePipeline(PROFILE.points, heartbeat=timedelta(seconds=60))


def test_events_in_one_millisecond_stay_apart_in_time_and_in_order() -> None:
    one = pipeline()
    readings = [reading for card in "AAB" for reading in one.take(said(card=card), at_ms=1000)]
    readings += one.take(said(card="B"), at_ms=1001)
    readings += one.take(said(card="C"), at_ms=5000)
    assert [(reading.value, reading.at_ms) for reading in readings] == [
        ("A", 1000),
        ("A", 1001),
        ("B", 1002),
        ("B", 1003),
        ("C", 5000),
    ]


def test_an_event_after_the_clock_was_set_back_has_the_time_of_the_clock() -> None:
    one = pipeline()
    one.take(said(card="A"), at_ms=3_600_000)
    (reading,) = one.take(said(card="B"), at_ms=1000)
    assert reading.at_ms == 1000


def test_a_local_point_is_known_and_never_reported() -> None:
    one = pipeline()
    assert one.take(said(strength=-50.0), at_ms=1) == ()
    assert one.last("strength").value == -50.0
    assert one.counts.made == one.counts.held_back == 1


def test_results_of_points_that_are_not_there_are_left_out() -> None:
    one = pipeline()
    assert [reading.point for reading in one.take(said(nothing=1.0, battery=3.0), at_ms=1)] == ["battery"]


def test_a_silent_device_makes_no_event_bad() -> None:
    one = pipeline()
    one.take(said(card="A", battery=3.0), at_ms=1)
    assert {reading.point for reading in one.unreachable("gone", at_ms=2)} == {"battery"}
    assert one.last("card").quality is Quality.GOOD


def test_a_birth_tells_no_event_again_and_declares_nothing_local() -> None:
    one = pipeline()
    one.take(said(card="A", strength=-50.0, battery=3.0), at_ms=7)
    identity = DeviceIdentity(
        label=Label(zh="门", en="Door"), place="1", profile=PROFILE, profile_hash=PROFILE.hash, overrides={}
    )
    metrics = device_birth(place=JournalPlace(journal_id="j", first=1, last=1), identity=identity, last=one.last)
    points = {metric.name: metric for metric in metrics if metric.name in PROFILE.points}
    assert set(points) == {"card", "battery"}
    assert points["card"].value is None
    assert "Quality" not in points["card"].properties, "that nothing happens now is no fault"
    assert points["battery"].value == 3.0


def test_a_record_from_before_a_point_became_local_tells_the_others() -> None:
    readings = tuple(Reading(point=name, value=1.0, quality=Quality.GOOD, at_ms=1) for name in ("strength", "battery"))
    record = Record(offset=1, device="door", at_ms=1, readings=readings, result=None)
    metrics, left_out = record_metrics(record, PROFILE, journal_id="j", historical=False)
    assert left_out == 1
    assert [metric.name for metric in metrics if metric.name in PROFILE.points] == ["battery"]


def test_events_are_in_no_poll_group() -> None:
    assert all("card" not in points for points in poll_groups(PROFILE).values())


class Book:
    """Takes what a line tells."""

    def __init__(self) -> None:
        self.items: list[Draft | DeviceMark | Settled] = []

    def take(self, item: Draft | DeviceMark | Settled) -> None:
        self.items.append(item)

    def on_heard(self, device: str, results: tuple[PointResult, ...]) -> None:
        """Nobody listens beside the pipelines."""

    def on_readings(self, *, made: int, reported: int) -> None:
        pass

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        pass

    def on_request(self, bus: str, unit: int | str, seconds: float, result: str) -> None:
        pass

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        pass


def plan_of_one_pump(*, bus: BusSettings, unit: int) -> LinePlan:
    profile = catalog_profile("grundfos-hydro-mpc")
    settings = DeviceSettings(profile=profile.name, bus="b", unit=unit, label=Label(zh="泵", en="Pump"), place="1")
    identity = DeviceIdentity(label=settings.label, place="1", profile=profile, profile_hash=profile.hash, overrides={})
    return LinePlan(bus=bus, devices={"pump-1": PlannedDevice(settings=settings, identity=identity, birth="b1")})


def surroundings(book: Book) -> Surroundings:
    return Surroundings(
        listener=book,
        clock=RecordClock(wall=lambda: EARLIEST_MS, monotonic=lambda: 0.0, synchronised=lambda: None, floor_ms=None),
        monotonic=lambda: 0.0,
        backoff=lambda: Backoff(random=lambda: 0.5),
    )


@pytest.fixture
def line_and_book() -> tuple[Line, Book]:
    book = Book()
    plan = plan_of_one_pump(bus=tcp_settings(1), unit=1)
    return Line("b", plan, around=surroundings(book), pipelines={}), book


def test_a_stranger_on_a_line_is_not_heard_and_harms_nobody(line_and_book: tuple[Line, Book]) -> None:
    line, book = line_and_book
    line.on_read("stranger", (PointResult(point="card", value="42"),))
    assert book.items == []
    name = next(iter(catalog_profile("grundfos-hydro-mpc").points))
    line.on_read("pump-1", (PointResult(point=name, value=None, reason="x"),))
    (draft,) = book.items
    assert isinstance(draft, Draft)
    assert (draft.device, draft.birth) == ("pump-1", "b1")


async def test_a_line_that_cannot_be_made_is_named_and_nothing_runs() -> None:
    bus = ModbusRtuSettings(protocol="modbus-rtu", port="/dev/ttyS1")
    async with asyncio.TaskGroup() as tasks:
        lines = Lines(around=surroundings(Book()), tasks=tasks, health=Health(process="edge", version="1"))
        with pytest.raises(LineFailed, match="the bus `b` cannot be made: pump-1: unit 255 does not exist"):
            lines.prepare({"b": plan_of_one_pump(bus=bus, unit=255)})
        assert lines.target("pump-1") is None
