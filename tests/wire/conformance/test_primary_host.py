"""An edge node that follows a primary host over several servers (5.4, 5.5 and 5.10): the machine, and the publisher."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiomqtt
import pytest

from drivers.api import Quality, Reading, Value
from drivers.profile import Label
from edge.commands import TokenBook
from edge.identity import DeviceIdentity
from edge.journal import Journal, open_journal
from edge.journal_file import Limits
from edge.messenger import Messenger
from edge.publisher import BrokerAddress, Following, Publisher
from edge.records import Draft
from edge.session import Session
from runtime.lifecycle import Backoff
from tests.support.broker import Broker, running_broker
from tests.support.mqtt_tap import Tap, tapped
from tests.support.pump_profile import pump_profile
from tests.wire.conformance.listing import claims
from wire.edge_node import EdgeNode
from wire.errors import SequenceError
from wire.host_session import HostSession
from wire.payload import decode
from wire.primary_host import PrimaryHost, Step
from wire.state import state_message

HOST = "scada"
USERS = {"edge-1": "secret", "scada": "secret"}
AT = 1_700_000_000_000


def _host(servers: int = 2, *, connected: bool = True) -> PrimaryHost:
    host = PrimaryHost(host_id=HOST, servers=servers, patience_s=10)
    if connected:
        host.connected(now=0)
    return host


def _tell(host: PrimaryHost, *, online: bool, at_ms: int = AT, host_id: str = HOST) -> Step | None:
    message = state_message(host_id, online=online, timestamp_ms=at_ms)
    return host.receive(message.topic, message.payload)


def _publishes(host: PrimaryHost) -> bool:
    return host.may_publish


# --- the machine -----------------------------------------------------------------------------------------------------


@claims(
    "message-flow-edge-node-birth-publish-phid-wait",
    "message-flow-edge-node-birth-publish-phid-wait-id",
    "message-flow-edge-node-birth-publish-phid-wait-online",
)
def test_births_wait_for_the_state_of_this_host_and_no_other() -> None:
    host = _host(servers=1)
    assert not _publishes(host)
    assert _tell(host, online=True, host_id="another") is None
    assert host.receive(f"spBv1.0/STATE/{HOST}", b"ONLINE") is None
    assert _tell(host, online=False) is None
    assert not _publishes(host)
    assert _tell(host, online=True) is Step.BIRTH
    assert _publishes(host)
    assert _tell(host, online=True, at_ms=AT + 1) is None, "the births are made already"


@claims("message-flow-edge-node-birth-publish-phid-wait-timestamp")
def test_a_state_that_is_older_than_the_last_one_is_not_taken() -> None:
    host = _host(servers=1)
    _tell(host, online=False, at_ms=AT)
    assert _tell(host, online=True, at_ms=AT - 1) is None
    assert not _publishes(host)
    assert _tell(host, online=True, at_ms=AT) is Step.BIRTH, "the same time is not older"


@claims(
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-termination-host-offline",
    "operational-behavior-edge-node-termination-host-offline-reconnect",
    "operational-behavior-edge-node-termination-host-offline-timestamp",
    "operational-behavior-primary-application-state-with-multiple-servers-walk",
    "operational-behavior-edge-node-birth-sequence-wait",
)
def test_where_the_host_goes_offline_the_node_leaves_for_the_next_server_and_waits_there() -> None:
    host = _host(servers=2)
    _tell(host, online=True)
    assert _tell(host, online=False, at_ms=AT - 1) is None, "an offline older than the online is of an earlier session"
    assert _publishes(host)
    assert _tell(host, online=False) is Step.LEAVE
    assert not _publishes(host)
    host.disconnected()
    assert host.server == 1
    host.connected(now=1)
    assert not _publishes(host)
    assert _tell(host, online=True, at_ms=AT - 100) is Step.BIRTH, "each server has timestamps of its own"
    assert _tell(host, online=False, at_ms=AT) is Step.LEAVE
    host.disconnected()
    assert host.server == 0


@claims("operational-behavior-primary-application-state-with-multiple-servers-single-server")
def test_there_is_no_second_connection_before_the_first_is_given_up() -> None:
    host = _host(servers=2)
    with pytest.raises(SequenceError, match="connected to server 0 already"):
        host.connected(now=1)


def test_a_server_where_the_host_says_nothing_is_left_after_a_while() -> None:
    host = _host(servers=2)
    assert host.tick(now=9.9) is None
    assert host.tick(now=10) is Step.LEAVE
    assert host.tick(now=11) is None
    assert _host(servers=1).tick(now=1_000) is None, "with one server there is nowhere to go"


def test_with_one_server_a_born_node_leaves_and_comes_back() -> None:
    host = _host(servers=1)
    _tell(host, online=True)
    assert _tell(host, online=False) is Step.LEAVE
    host.disconnected()
    assert host.server == 0
    host.connected(now=2)
    assert _tell(host, online=False) is None
    assert _tell(host, online=True, at_ms=AT + 1) is Step.BIRTH


def test_a_connection_that_cannot_be_made_is_the_next_servers_turn() -> None:
    host = _host(servers=3, connected=False)
    seen = []
    for _ in range(4):
        seen.append(host.server)
        host.disconnected()
    assert seen == [0, 1, 2, 0]
    assert _tell(host, online=True) is None, "what comes late, from a connection that is over, means nothing"


# --- the real publisher, two real brokers ----------------------------------------------------------------------------


PUMP = DeviceIdentity(
    label=Label(zh="泵", en="Pump"),
    place="Tower 1/Pump room",
    profile=pump_profile(),
    profile_hash=pump_profile().hash,
    overrides={},
)
LOOK_BACK = 20


class _Silent:
    def on_connect(self, *, result: str) -> None: ...

    def on_published(self, message_type: str) -> None: ...

    def on_malformed(self) -> None: ...

    def bus_figures(self) -> Mapping[str, Value | None]:
        return {}


@dataclass(kw_only=True)
class _Agent:
    """The publishing half of an agent, with one device."""

    publisher: Publisher
    session: Session
    journal: Journal

    async def report(self, *values: float) -> None:
        """Journal readings of the device, each a record of its own."""
        at_ms = time.time_ns() // 1_000_000
        drafts = [
            Draft(
                device="pump-1",
                at_ms=at_ms,
                readings=(Reading(point="pressure", value=value, quality=Quality.GOOD, at_ms=at_ms),),
            )
            for value in values
        ]
        offsets = await self.journal.append(drafts)
        self.session.appended([(offset, "pump-1") for offset in offsets], now=time.monotonic())
        self.publisher.push()


@asynccontextmanager
async def _agent(folder: Path, taps: list[Tap]) -> AsyncIterator[_Agent]:
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000  # noqa: E731 - the test's own clock
    first, *others = (
        BrokerAddress(
            host=tap.host,
            port=tap.port,
            username="edge-1",
            password=lambda: USERS["edge-1"],
            tls=None,
            keepalive=timedelta(seconds=5),
        )
        for tap in taps
    )
    limits = Limits(max_records=1_000, max_bytes=1_000_000)
    async with open_journal(folder, new_id="j1", limits=limits, at_ms=clock()) as journal:
        messenger = Messenger(
            node=EdgeNode("garden", "edge-1", 0),
            identities={"b1": PUMP},
            last_of=lambda _device, _profile: None,
            journal_id="j1",
            version="test",
            on_left_out=lambda _count: None,
        )
        session = Session(acknowledged=0, last=0, held={}, births={"pump-1": "b1"}, revision="r1")
        publisher = Publisher(
            address=first,
            group="garden",
            node="edge-1",
            messenger=messenger,
            session=session,
            journal=journal,
            tokens=TokenBook(),
            new_token=lambda: secrets.token_hex(16),
            accept=lambda _request: None,
            listener=_Silent(),
            clock=clock,
            monotonic=time.monotonic,
            backoff=Backoff(random=lambda: 0.5, first=timedelta(milliseconds=50), limit=timedelta(milliseconds=200)),
            following=Following(
                host_id=HOST, others=tuple(others), patience=timedelta(seconds=20), look_back=LOOK_BACK
            ),
        )
        task = asyncio.create_task(publisher.run(), name="publisher")
        try:
            yield _Agent(publisher=publisher, session=session, journal=journal)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Scada:
    """A host application on two brokers, which says of itself what the test wants."""

    def __init__(self, brokers: list[Broker]) -> None:
        self._brokers = brokers
        self._sessions = [HostSession(HOST) for _ in brokers]
        for session in self._sessions:
            session.connect(AT)

    async def say(self, server: int, *, online: bool) -> None:
        session = self._sessions[server]
        message = session.birth() if online else session.death(AT)
        async with aiomqtt.Client(
            self._brokers[server].host, self._brokers[server].port, username="scada", password=USERS["scada"]
        ) as client:
            await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)


@claims(
    "message-flow-edge-node-birth-publish-phid-wait",
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-termination-host-offline",
    "operational-behavior-edge-node-termination-host-offline-reconnect",
    "operational-behavior-primary-application-state-with-multiple-servers-state-subs",
    "operational-behavior-primary-application-state-with-multiple-servers-single-server",
    "operational-behavior-primary-application-state-with-multiple-servers-walk",
    "operational-behavior-edge-node-birth-sequence-wait",
)
async def test_the_publisher_follows_its_primary_host_from_broker_to_broker(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "a", users=USERS) as a,
        running_broker(tmp_path / "b", users=USERS) as b,
        tapped(a.host, a.port) as tap_a,
        tapped(b.host, b.port) as tap_b,
        _agent(tmp_path / "journal", [tap_a, tap_b]) as agent,
    ):
        scada = _Scada([a, b])
        await tap_a.until("its subscription", lambda: tap_a.sent("SUBSCRIBE"))
        assert (f"spBv1.0/STATE/{HOST}", 1) in tap_a.sent("SUBSCRIBE")[0].filters
        await asyncio.sleep(0.5)
        assert tap_a.sent() == [], "nothing is published before the host is online"
        await scada.say(0, online=True)
        await tap_a.until("births at the first broker", lambda: tap_a.sent(type_="NBIRTH"))
        assert agent.publisher.check().status == "ok"

        await scada.say(0, online=False)
        await tap_a.until("that it leaves", lambda: tap_a.sent("DISCONNECT"))
        assert [one.type for one in tap_a.sent()][-1] == "NDEATH"
        await tap_b.until("that it comes to the second broker", lambda: tap_b.sent("SUBSCRIBE"))
        assert tap_a.open == set(), "the first connection is over before the second is made"
        await asyncio.sleep(0.3)
        assert tap_b.sent() == [], "there too it waits"
        await scada.say(1, online=True)
        await tap_b.until("births at the second broker", lambda: tap_b.sent(type_="NBIRTH"))

        await scada.say(1, online=False)
        await tap_a.until("that it is back at the first", lambda: len(tap_a.sent("SUBSCRIBE")) >= 2)
        assert tap_b.open == set()
        assert (tap_a.most_open, tap_b.most_open) == (1, 1)


async def test_for_a_host_that_acknowledges_nothing_the_journal_moves_on_and_the_last_records_are_sent_again(
    tmp_path: Path,
) -> None:
    async with (
        running_broker(tmp_path / "a", users=USERS) as a,
        tapped(a.host, a.port) as tap,
        _agent(tmp_path / "journal", [tap]) as agent,
    ):
        scada = _Scada([a])
        await scada.say(0, online=True)
        await tap.until("births", lambda: tap.sent(type_="DBIRTH"))
        for batch in range(0, 700, 100):
            await agent.report(*(float(value) for value in range(batch, batch + 100)))
        await tap.until("all records, more than any window", lambda: len(tap.sent(type_="DDATA")) == 700)
        kept = (await agent.journal.status()).records
        assert LOOK_BACK <= kept < 2 * LOOK_BACK
        await asyncio.sleep(4)
        assert len(tap.sent(type_="DDATA")) == 700, "no answer is waited for, and nothing said again for lack of one"

        await scada.say(0, online=False)
        await tap.until("that it leaves", lambda: tap.sent("DISCONNECT"))
        await agent.report(700.0)
        await scada.say(0, online=True)
        await tap.until("what was kept, and what came meanwhile", lambda: len(tap.sent(type_="DDATA")) == 701 + kept)
        again = [one for one in tap.sent(type_="DDATA") if one.connection > 1]
        assert all(metric.is_historical for one in again for metric in decode(one.payload).metrics)
