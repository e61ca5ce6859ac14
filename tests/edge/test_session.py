"""The session against a lossy line and a receiver that does what docs/CONTRACT.md says."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import Entry, Gap, Record
from edge.session import (
    PATIENCE_S,
    WINDOW,
    Action,
    BirthDevice,
    BirthNode,
    DeathDevice,
    PublishGap,
    PublishRecord,
    Session,
)

DEVICES = ("a", "b")
ALL_DEVICES = ("a", "b", "c")
A1, B1 = BirthDevice("a", "a1"), BirthDevice("b", "b1")


def record(offset: int, device: str = "a", birth: str = "") -> Record:
    return Record(offset=offset, device=device, at_ms=0, readings=(), result=None, birth=birth)


def births(revision: int, *devices: str) -> dict[str, str]:
    return {name: f"{name}{revision}" for name in devices}


def new_session(*, acknowledged: int = 0, last: int = 0, **held: int) -> Session:
    return Session(
        acknowledged=acknowledged, last=last, held=held, births=births(1, *DEVICES), revision="r1", known=("x0",)
    )


def sent(actions: list[Action]) -> list[int]:
    return [one.record.offset for one in actions if isinstance(one, PublishRecord)]


def test_every_device_is_born_after_the_node() -> None:
    assert new_session().connected(now=0) == [BirthNode("r1"), A1, B1]


def test_nothing_is_wanted_without_a_connection() -> None:
    session = new_session()
    session.appended([(1, "a")], now=0)
    assert session.wants() is None
    assert session.publish([record(1)]) == []


def test_a_fresh_record_is_not_historical_and_a_backlog_is() -> None:
    session = new_session()
    session.appended([(1, "a")], now=0)
    session.connected(now=0)
    session.appended([(2, "a")], now=0)
    actions = session.publish([record(1), record(2)])
    assert [(one.record.offset, one.historical) for one in actions if isinstance(one, PublishRecord)] == [
        (1, True),
        (2, False),
    ]


def test_no_progress_sends_everything_again_as_historical() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a"), (2, "a")], now=0)
    session.publish([record(1), record(2)])
    session.tick(now=PATIENCE_S - 0.1)
    assert session.wants() is None
    session.tick(now=PATIENCE_S)
    again = session.publish([record(1), record(2)])
    assert sent(again) == [1, 2]
    assert all(one.historical for one in again if isinstance(one, PublishRecord))


def test_the_window_bounds_what_is_on_its_way() -> None:
    session = new_session(last=2000, a=2000)
    session.connected(now=0)
    session.publish([record(offset) for offset in range(1, WINDOW + 1)])
    assert session.wants() is None
    session.acknowledge(100, now=1)
    wanted = session.wants()
    assert wanted is not None
    assert (wanted.after, wanted.limit) == (WINDOW, 100)


def test_foreign_offsets_change_nothing() -> None:
    session = new_session(acknowledged=5, last=9, a=9)
    session.connected(now=0)
    assert session.acknowledge(4, now=0) == []
    assert session.acknowledge(10, now=0) == []
    assert session.acknowledged == 5


def test_a_device_dies_only_once_nothing_of_it_is_left() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a"), (2, "b")], now=0)
    assert session.device_down("a") == []
    first, *rest = session.publish([record(1)])
    assert isinstance(first, PublishRecord)
    assert rest == [DeathDevice("a")]


def test_a_dead_device_is_born_before_its_record_is_sent_again() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a")], now=0)
    session.device_down("a")
    session.publish([record(1)])
    session.tick(now=PATIENCE_S)
    kinds = [type(one) for one in session.publish([record(1)])]
    assert kinds == [BirthDevice, PublishRecord, DeathDevice]


def test_a_device_that_answers_again_is_born_at_once() -> None:
    session = new_session()
    session.device_down("a")
    assert session.connected(now=0)[-1] == DeathDevice("a")
    assert session.device_up("a") == [A1]
    assert session.device_up("a") == []


def test_a_record_of_a_device_that_is_gone_from_the_site_is_a_gap() -> None:
    session = new_session(last=1)
    session.connected(now=0)
    assert session.publish([record(1, "removed")]) == [PublishGap(Gap(first=1, last=1))]


def test_a_record_of_a_device_that_is_gone_is_sent_under_its_own_birth_where_that_is_known() -> None:
    session = new_session(last=2)
    session.connected(now=0)
    last = record(2, "removed", "x0")
    actions = session.publish([record(1, "removed", "y0"), last])
    assert actions == [
        PublishGap(Gap(first=1, last=1)),
        BirthDevice("removed", "x0"),
        PublishRecord(record=last, historical=True),
        DeathDevice("removed"),
    ]


def test_a_change_waits_for_the_records_before_it_and_then_everything_is_born_anew() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a"), (2, "b")], now=0)
    assert session.reconfigured(revision="r2", births=births(2, "b", "c")) == []
    session.appended([(3, "c")], now=0)
    records = [record(1, "a", "a1"), record(2, "b", "b1"), record(3, "c", "c2")]
    assert session.publish(records) == [
        PublishRecord(record=records[0], historical=False),
        PublishRecord(record=records[1], historical=False),
        DeathDevice("a"),
        BirthNode("r2"),
        BirthDevice("b", "b2"),
        BirthDevice("c", "c2"),
        PublishRecord(record=records[2], historical=False),
    ]


def test_a_change_with_nothing_left_to_publish_is_there_at_once() -> None:
    session = new_session()
    session.connected(now=0)
    actions = session.reconfigured(revision="r2", births=births(1, "b"))
    assert actions == [DeathDevice("a"), BirthNode("r2"), B1]


def test_records_before_a_change_that_are_sent_again_are_sent_under_their_old_births() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a")], now=0)
    session.publish([record(1, "a", "a1")])
    session.reconfigured(revision="r2", births=births(2, "a"))
    session.tick(now=PATIENCE_S)
    assert session.publish([record(1, "a", "a1")]) == [
        A1,
        PublishRecord(record=record(1, "a", "a1"), historical=True),
        BirthDevice("a", "a2"),
    ]


def test_a_device_that_came_with_a_change_and_fell_silent_before_that_was_published_dies() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a")], now=0)
    session.reconfigured(revision="r2", births=births(2, "a", "c"))
    session.device_down("c")
    assert session.publish([record(1, "a", "a1")])[1:] == [
        DeathDevice("b"),
        BirthNode("r2"),
        BirthDevice("a", "a2"),
        BirthDevice("c", "c2"),
        DeathDevice("c"),
    ]


def test_a_change_while_there_is_no_connection_is_what_the_next_one_is_born_with() -> None:
    session = new_session()
    session.connected(now=0)
    session.appended([(1, "a")], now=0)
    session.reconfigured(revision="r2", births=births(2, "a"))
    session.disconnected()
    assert session.connected(now=1) == [BirthNode("r2"), BirthDevice("a", "a2")]


def test_a_gap_is_cut_at_what_was_sent_already() -> None:
    session = new_session(last=9, a=9)
    session.connected(now=0)
    session.publish([record(1), record(2)])
    assert session.publish([Gap(first=1, last=7), record(8)])[0] == PublishGap(Gap(first=3, last=7))


def test_entries_of_a_round_that_is_over_are_left_out() -> None:
    session = new_session(last=9, a=9)
    session.connected(now=0)
    session.publish([record(1), record(2)])
    session.rebirth(now=1)
    assert session.publish([record(3)]) == []
    assert sent(session.publish([record(1)])) == [1]


@dataclass
class World:
    """A journal, a session over it, a line that loses, and the receiver."""

    entries: list[Entry] = field(default_factory=list)
    acknowledged: int = 0
    last: int = 0
    now: float = 0.0
    lossy: bool = True
    born: dict[str, str] = field(default_factory=dict)
    revision: int = 1
    configured: tuple[str, ...] = DEVICES
    birth_revision: str = ""
    node_is_born: bool = False
    published: set[int] = field(default_factory=set)
    backlog: int = 0
    watermark: int = 0
    processed: list[int] = field(default_factory=list)
    gaps: set[int] = field(default_factory=set)
    down: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.session = self.restarted()

    def restarted(self) -> Session:
        held = {one.device: one.offset for one in self.entries if isinstance(one, Record)}
        known = {one.birth for one in self.entries if isinstance(one, Record)}
        return Session(
            acknowledged=self.acknowledged,
            last=self.last,
            held=held,
            births=births(self.revision, *self.configured),
            revision=f"r{self.revision}",
            known=known,
        )

    def append(self, device: str) -> None:
        if device not in self.configured:
            return
        self.last += 1
        self.entries.append(record(self.last, device, f"{device}{self.revision}"))
        self.session.appended([(self.last, device)], now=self.now)

    def overflow(self, count: int) -> None:
        dropped = self.entries[:count]
        if dropped:
            tail = dropped[-1]
            last = tail.last if isinstance(tail, Gap) else tail.offset
            self.entries[:count] = [Gap(first=self.acknowledged + 1, last=last)]

    def connect(self) -> None:
        self.session.disconnected()
        self.born.clear()
        self.node_is_born = False
        self.backlog = self.last
        self.perform(self.session.connected(now=self.now), loss=[])

    def restart(self) -> None:
        self.session = self.restarted()
        self.down.clear()
        self.born.clear()
        self.node_is_born = False
        self.published.clear()

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def disconnect(self) -> None:
        self.session.disconnected()

    def reconfigure(self, devices: tuple[str, ...]) -> None:
        self.revision += 1
        self.configured = devices
        self.down &= set(devices)
        actions = self.session.reconfigured(revision=f"r{self.revision}", births=births(self.revision, *devices))
        self.perform(actions, loss=[])

    def rebirth(self) -> None:
        self.perform(self.session.rebirth(now=self.now), loss=[])

    def fall_silent(self, device: str) -> None:
        if device not in self.configured:
            return
        self.down.add(device)
        self.perform(self.session.device_down(device), loss=[])

    def answer(self, device: str) -> None:
        self.down.discard(device)
        self.perform(self.session.device_up(device), loss=[])

    def pump(self, count: int, loss: list[bool]) -> None:
        self.session.tick(now=self.now)
        wanted = self.session.wants()
        if wanted is None:
            return
        found = [one for one in self.entries if (one.last if isinstance(one, Gap) else one.offset) > wanted.after]
        self.perform(self.session.publish(found[: min(count, wanted.limit)]), loss)

    def perform(self, actions: list[Action], loss: list[bool]) -> None:
        losses = iter(loss)
        for action in actions:
            lost = self.lossy and next(losses, False)
            match action:
                case BirthNode(revision=revision):
                    self.node_is_born = True
                    self.birth_revision = revision
                    self.born.clear()
                case BirthDevice(device=device, birth=birth):
                    assert self.node_is_born
                    assert self.born.get(device) != birth
                    self.born[device] = birth
                case DeathDevice(device=device):
                    assert device in self.born
                    assert device in self.down or device not in self.configured or self.session._change is not None
                    del self.born[device]
                case PublishRecord(record=one, historical=historical):
                    assert self.born[one.device] == one.birth
                    assert one.offset <= self.acknowledged + WINDOW
                    assert historical == (one.offset in self.published or one.offset <= self.backlog)
                    self.published.add(one.offset)
                    if not lost:
                        self.receive(one.offset, one.offset, is_gap=False)
                case PublishGap(gap=gap):
                    assert self.node_is_born
                    self.published.update(range(gap.first, gap.last + 1))
                    if not lost:
                        self.receive(gap.first, gap.last, is_gap=True)

    def receive(self, first: int, last: int, *, is_gap: bool) -> None:
        if first == self.watermark + 1:
            self.watermark = last
            (self.gaps.update if is_gap else self.processed.extend)(range(first, last + 1))

    def acknowledge(self, behind: int) -> None:
        offset = self.watermark - behind
        if self.acknowledged < offset:
            self.acknowledged = offset
            kept: list[Entry] = []
            for one in self.entries:
                if isinstance(one, Gap) and one.first <= offset < one.last:
                    kept.append(Gap(first=offset + 1, last=one.last))
                elif (one.last if isinstance(one, Gap) else one.offset) > offset:
                    kept.append(one)
            self.entries = kept
        self.perform(self.session.acknowledge(offset, now=self.now), loss=[])


LOSS = st.lists(st.booleans(), max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(ALL_DEVICES)),
        st.tuples(st.just("pump"), st.integers(1, 6), LOSS),
        st.tuples(st.just("acknowledge"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.floats(0, 5)),
        st.tuples(st.just("connect")),
        st.tuples(st.just("disconnect")),
        st.tuples(st.just("rebirth")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("overflow"), st.integers(1, 4)),
        st.tuples(st.just("fall_silent"), st.sampled_from(ALL_DEVICES)),
        st.tuples(st.just("answer"), st.sampled_from(ALL_DEVICES)),
        st.tuples(st.just("reconfigure"), st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "c")])),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(steps=STEPS)
def test_whatever_fails_every_offset_arrives_once_and_in_order(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for kind, *arguments in steps:
        getattr(world, kind)(*arguments)
    world.lossy = False
    world.connect()
    for _ in range(300):
        world.pump(64, [])
        world.acknowledge(0)
        if world.acknowledged == world.last:
            break
        world.now += 1
    assert world.watermark == world.last
    assert world.processed == sorted(set(range(1, world.last + 1)) - world.gaps)
    assert world.born == births(world.revision, *(set(world.configured) - world.down))
    assert world.birth_revision == f"r{world.revision}"
    assert world.session._devices.keys() == set(world.configured), "what is gone is forgotten"


def test_an_absent_cloud_costs_little() -> None:
    session = new_session(last=5000, a=5000)
    session.connected(now=0)
    session.publish([record(offset) for offset in range(1, WINDOW + 1)])
    total = 0
    for second in range(3, 63, 3):
        session.tick(now=second)
        wanted = session.wants()
        assert wanted is not None
        total += len(sent(session.publish([record(offset) for offset in range(1, wanted.limit + 1)])))
    assert total < WINDOW


@pytest.mark.parametrize("acknowledged", [0, 7])
def test_the_cursor_starts_after_what_is_acknowledged(acknowledged: int) -> None:
    session = new_session(acknowledged=acknowledged, last=9, a=9)
    session.connected(now=0)
    wanted = session.wants()
    assert wanted is not None
    assert wanted.after == acknowledged
