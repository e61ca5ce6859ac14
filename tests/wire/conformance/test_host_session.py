"""A host's session (chapters 1 to 6 and 10): what the real ingest said on the wire, and what it then showed."""

import json

import pytest

from tests.support.mqtt_tap import Packet, Will
from tests.wire.conformance.ingest_recording import HOST_ID, PUMPS, REORDER_TIMEOUT_MS, Life
from tests.wire.conformance.listing import claims
from wire.edge_node import REBIRTH
from wire.errors import SequenceError
from wire.host_session import HostSession
from wire.payload import DataType, decode
from wire.topic import host_filters

CONNECTIONS = (1, 2)
STATE = f"spBv1.0/STATE/{HOST_ID}"
AT = 1_700_000_000_000


def _will(ingest: Life, connection: int) -> Will:
    will = _connect(ingest, connection).will
    assert will is not None
    return will


def _connect(ingest: Life, connection: int) -> Packet:
    return next(one for one in ingest.packets if one.connection == connection and one.kind == "CONNECT")


def _state(payload: bytes, *, online: bool) -> int:
    """Check the JSON of a STATE; give its timestamp."""
    said = json.loads(payload.decode("utf-8"))
    assert said.keys() == {"online", "timestamp"}
    assert said["online"] is online
    assert type(said["timestamp"]) is int
    return int(said["timestamp"])


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims("message-flow-phid-sparkplug-clean-session-311")
def test_it_connects_by_mqtt_3_1_1_with_a_clean_session(ingest: Life, connection: int) -> None:
    assert (_connect(ingest, connection).protocol, _connect(ingest, connection).clean_session) == (4, True)


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims(
    "host-topic-phid-death-qos",
    "host-topic-phid-death-retain",
    "host-topic-phid-death-topic",
    "host-topic-phid-death-required",
    "host-topic-phid-death-payload",
    "host-topic-phid-death-payload-timestamp-connect",
    "operational-behavior-host-application-connect-will",
    "operational-behavior-host-application-connect-will-topic",
    "operational-behavior-host-application-connect-will-payload",
    "operational-behavior-host-application-connect-will-qos",
    "operational-behavior-host-application-connect-will-retained",
    "payloads-state-will-message",
    "payloads-state-will-message-qos",
    "payloads-state-will-message-retain",
    "payloads-state-will-message-payload",
)
def test_its_will_says_offline_at_the_time_of_the_connect(ingest: Life, connection: int) -> None:
    will = _will(ingest, connection)
    assert (will.topic, will.qos, will.retain) == (STATE, 1, True)
    at_ms = _state(will.payload, online=False)
    heard = [one for one in ingest.packets if one.connection > connection and one.kind == "CONNECT" and one.will]
    assert all(_state(one.will.payload, online=False) > at_ms for one in heard if one.will)
    assert ingest.alive is not None
    assert abs(at_ms - ingest.alive.at_ms) < 60_000


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims(
    "principles-birth-certificates-order",
    "host-topic-phid-birth-message",
    "host-topic-phid-birth-qos",
    "host-topic-phid-birth-retain",
    "host-topic-phid-birth-topic",
    "host-topic-phid-birth-required",
    "host-topic-phid-birth-payload",
    "host-topic-phid-birth-payload-timestamp",
    "message-flow-phid-sparkplug-state-publish",
    "message-flow-phid-sparkplug-state-publish-payload",
    "message-flow-phid-sparkplug-state-publish-payload-timestamp",
    "operational-behavior-primary-application-state-with-multiple-servers-state",
    "operational-behavior-host-application-connect-birth",
    "operational-behavior-host-application-connect-birth-topic",
    "operational-behavior-host-application-connect-birth-payload",
    "operational-behavior-host-application-connect-birth-qos",
    "operational-behavior-host-application-connect-birth-retained",
    "payloads-state-birth",
    "payloads-state-birth-payload",
)
def test_its_first_message_says_online_with_the_timestamp_of_the_will(ingest: Life, connection: int) -> None:
    birth = ingest.sent(connection)[0]
    assert (birth.topic, birth.qos, birth.retain) == (STATE, 1, True)
    assert _state(birth.payload, online=True) == _state(_will(ingest, connection).payload, online=False)


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims(
    "host-topic-phid-birth-sub-required",
    "message-flow-phid-sparkplug-subscription",
    "payloads-state-subscribe",
)
def test_it_subscribes_to_its_own_state_and_to_all_nodes_before_that(ingest: Life, connection: int) -> None:
    mine = [one for one in ingest.packets if one.connection == connection]
    assert [one.kind for one in mine[:5]] == ["CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "PUBLISH"]
    assert mine[2].filters == tuple((name, 1) for name in (STATE, *host_filters()))


@claims("message-flow-hid-sparkplug-state-message-delivered")
def test_told_that_it_is_offline_it_says_again_that_it_is_online(ingest: Life) -> None:
    lie = next(
        index
        for index, one in enumerate(ingest.packets)
        if not one.from_client and one.topic == STATE and json.loads(one.payload)["online"] is False
    )
    answer = next(one for one in ingest.packets[lie:] if one.from_client and one.connection == 1)
    assert (answer.topic, answer.qos, answer.retain) == (STATE, 1, True)
    assert answer.payload == ingest.sent(1)[0].payload


@claims(
    "intro-sparkplug-host-state",
    "components-ph-state",
    "conformance-primary-host",
    "host-topic-phid-death-qos",
    "host-topic-phid-death-retain",
)
def test_state_is_what_it_is_whoever_looks_and_whenever(ingest: Life) -> None:
    said = [json.loads(payload)["online"] for payload, _ in ingest.states]
    # Online; the lie and the answer to it; the will when the connection is cut; online again; offline at the end.
    assert said == [True, False, True, False, True, False]
    assert [json.loads(payload)["online"] for payload in ingest.retained] == [False]


@claims(
    "host-topic-phid-death-payload-timestamp-disconnect-clean",
    "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet",
    "operational-behavior-host-application-termination",
    "operational-behavior-host-application-death-topic",
    "operational-behavior-host-application-death-payload",
    "operational-behavior-host-application-death-qos",
    "operational-behavior-host-application-death-retained",
    "operational-behavior-host-application-disconnect-intentional",
)
def test_an_intended_end_is_offline_with_the_time_of_it_and_then_disconnect(ingest: Life) -> None:
    last = [one for one in ingest.packets if one.from_client and one.connection == 2][-3:]
    assert [one.kind for one in last] == ["PUBLISH", "DISCONNECT", "CLOSE"]
    death = last[0]
    assert (death.topic, death.qos, death.retain) == (STATE, 1, True)
    assert _state(death.payload, online=False) >= _state(_will(ingest, 2).payload, online=False)
    # Also an end without DISCONNECT is one that `death` comes before: there is no other way out of the session.
    session = HostSession("h")
    session.connect(AT)
    session.birth()
    assert _state(session.death(AT + 5).payload, online=False) == AT + 5
    assert _state(session.death(AT - 5).payload, online=False) == AT, "a clock that went back does not undo the birth"


@claims(
    "operational-behavior-host-application-multi-server-timestamp",
    "operational-behavior-primary-application-state-with-multiple-servers-state-subs",
)
def test_a_host_of_two_servers_has_a_session_and_a_timestamp_for_each() -> None:
    first, second = HostSession("h"), HostSession("h")
    first.connect(AT)
    second.connect(AT + 7)
    assert _state(first.birth().payload, online=True) == AT
    assert _state(second.birth().payload, online=True) == AT + 7
    with pytest.raises(SequenceError):
        HostSession("h").birth()


@claims("operational-behavior-host-application-host-id")
def test_its_name_is_a_setting(ingest: Life) -> None:
    assert HOST_ID != "linli", "the default, which an installation with several changes"
    assert {one.topic for one in ingest.sent(1, "STATE")} == {STATE}


# --- what it says to nodes -------------------------------------------------------------------------------------------


@claims(
    "topics-ncmd-mqtt",
    "topics-ncmd-timestamp",
    "topics-dcmd-mqtt",
    "topics-dcmd-timestamp",
    "payloads-ncmd-timestamp",
    "payloads-ncmd-seq",
    "payloads-ncmd-qos",
    "payloads-ncmd-retain",
    "payloads-dcmd-timestamp",
    "payloads-dcmd-seq",
    "payloads-dcmd-qos",
    "payloads-dcmd-retain",
    "payloads-name-cmd-requirement",
)
def test_commands_go_at_qos_0_not_retained_with_a_time_and_without_seq(ingest: Life) -> None:
    commands = ingest.sent(1, "NCMD", "DCMD")
    assert {one.type for one in commands} == {"NCMD", "DCMD"}
    for one in commands:
        assert (one.qos, one.retain) == (0, False)
        payload = decode(one.payload)
        assert payload.seq is None
        assert ingest.alive is not None
        assert abs((payload.timestamp_ms or 0) - ingest.alive.at_ms) < 60_000
        assert all(metric.timestamp_ms for metric in payload.metrics)


@claims(
    "operational-behavior-data-commands-ncmd-rebirth-verb",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "operational-behavior-data-commands-ncmd-rebirth-value",
    "operational-behavior-host-reordering-param",
    "operational-behavior-host-reordering-rebirth",
)
def test_a_gap_that_stays_open_for_the_configured_time_makes_it_ask_for_a_rebirth(ingest: Life) -> None:
    asked = [
        (metric, decode(one.payload).timestamp_ms or 0)
        for one in ingest.sent(1, "NCMD")
        for metric in decode(one.payload).metrics
        if metric.name == REBIRTH
    ]
    ((metric, at_ms),) = asked
    assert (metric.datatype, metric.value) == (DataType.BOOLEAN, True)
    assert at_ms - ingest.gap_ms >= REORDER_TIMEOUT_MS


# --- what it shows of nodes ------------------------------------------------------------------------------------------


def test_before_any_death_all_is_online_and_good(ingest: Life) -> None:
    assert ingest.alive is not None
    assert ingest.alive.node_online
    assert ingest.alive.online == dict.fromkeys(PUMPS, True)
    assert ingest.alive.qualities == {pump: {"good"} for pump in PUMPS}


@claims(
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
)
def test_after_ddeath_the_device_is_offline_and_its_values_stale_since_the_payloads_time(ingest: Life) -> None:
    shown = ingest.after_ddeath
    assert shown is not None
    assert shown.node_online
    assert shown.online == {"pump-1": False, "pump-2": True}
    assert shown.qualities == {"pump-1": {"stale"}, "pump-2": {"good"}}
    assert shown.changed_ms["pump-1"] == ingest.ddeath_ms


@claims(
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
)
def test_after_ndeath_node_and_devices_are_offline_and_all_values_stale_by_the_hosts_clock(ingest: Life) -> None:
    before, shown = ingest.after_ddeath, ingest.after_ndeath
    assert before is not None
    assert shown is not None
    assert not shown.node_online
    assert shown.online == dict.fromkeys(PUMPS, False)
    assert shown.qualities == {pump: {"stale"} for pump in PUMPS}
    assert before.at_ms <= shown.changed_ms["pump-2"] <= shown.at_ms
