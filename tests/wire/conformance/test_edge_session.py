"""An edge node's session (chapters 2, 4, 5 and 6): what the real agent said on the wire, packet by packet."""

import time
from collections.abc import Iterator

import pytest

from tests.support.edge_site import GROUP, NODE
from tests.support.mqtt_tap import Packet
from tests.wire.conformance.agent_recording import Life
from tests.wire.conformance.listing import claims
from wire.edge_node import BD_SEQ
from wire.metrics import read_metric
from wire.payload import DataType, Metric, decode
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.topic import parse

CONNECTIONS = (1, 2)
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
CLOCK_SLACK_MS = 120_000


def _raw(packet: Packet) -> PayloadMessage:
    return PayloadMessage.FromString(packet.payload)


def _named(packet: Packet) -> dict[str, Metric]:
    return {metric.name or "": metric for metric in decode(packet.payload).metrics}


def _index(agent: Life, packet: Packet) -> int:
    return next(index for index, one in enumerate(agent.packets) if one is packet)


def _bd_seq(payload: bytes) -> object:
    (found,) = (metric for metric in decode(payload).metrics if metric.name == BD_SEQ)
    assert found.datatype is DataType.INT64
    return found.value


def _sequences(agent: Life) -> Iterator[list[Packet]]:
    """What was published from each NBIRTH to the next, or to the end of its connection."""
    for connection in CONNECTIONS:
        sequence: list[Packet] = []
        for packet in agent.of(connection):
            if packet.type == "NBIRTH" and sequence:
                yield sequence
                sequence = []
            sequence.append(packet)
        yield sequence


# --- CONNECT, will and subscriptions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims("principles-persistence-clean-session-311")
def test_it_connects_by_mqtt_3_1_1_with_a_clean_session(agent: Life, connection: int) -> None:
    assert (agent.connect(connection).protocol, agent.connect(connection).clean_session) == (4, True)


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims(
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "message-flow-edge-node-birth-publish-will-message-payload",
    "message-flow-edge-node-birth-publish-will-message-qos",
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message",
    "payloads-ndeath-will-message-qos",
    "payloads-ndeath-will-message-retain",
    "topics-ndeath-payload",
    "topics-ndeath-seq",
    "payloads-ndeath-seq",
)
def test_its_will_is_ndeath_with_bdseq_alone(agent: Life, connection: int) -> None:
    will = agent.connect(connection).will
    assert will is not None
    assert (will.topic, will.qos, will.retain) == (f"spBv1.0/{GROUP}/NDEATH/{NODE}", 1, False)
    payload = decode(will.payload)
    assert [metric.name for metric in payload.metrics] == [BD_SEQ]
    assert payload.seq is None


@claims(
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
    "topics-nbirth-bdseq-included",
    "topics-nbirth-bdseq-matching",
    "topics-nbirth-bdseq-increment",
    "payloads-nbirth-bdseq",
    "payloads-nbirth-bdseq-repeat",
    "payloads-ndeath-bdseq",
)
def test_bdseq_starts_at_0_grows_with_each_connect_and_is_the_same_in_will_births_and_death(agent: Life) -> None:
    for number, connection in enumerate(CONNECTIONS):
        will = agent.connect(connection).will
        assert will is not None
        said = [will.payload, *(one.payload for one in agent.of(connection, "NBIRTH", "NDEATH"))]
        assert {_bd_seq(payload) for payload in said} == {number}
    assert agent.wills == [0], "the broker publishes the will of the connection that was cut, with its bdSeq"


@pytest.mark.parametrize("connection", CONNECTIONS)
@claims(
    "message-flow-edge-node-ncmd-subscribe",
    "message-flow-device-dcmd-subscribe",
    "message-flow-edge-node-birth-publish-connect",
    "principles-birth-certificates-order",
)
def test_it_is_connected_and_hears_commands_before_its_first_message_which_is_nbirth(
    agent: Life, connection: int
) -> None:
    kinds = [(one.kind, one.type) for one in agent.packets if one.connection == connection and one.kind != "CLOSE"]
    assert [kind for kind, _ in kinds[:5]] == ["CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "PUBLISH"]
    assert agent.of(connection)[0].type == "NBIRTH"
    (subscription,) = (one for one in agent.packets if one.connection == connection and one.kind == "SUBSCRIBE")
    # The last level stands for every device of the node.
    assert subscription.filters == ((f"spBv1.0/{GROUP}/NCMD/{NODE}", 1), (f"spBv1.0/{GROUP}/DCMD/{NODE}/#", 1))


@claims(
    "intro-edge-node-id-uniqueness",
    "topic-structure-namespace-unique-edge-node-descriptor",
    "payloads-nbirth-edge-node-descriptor",
)
def test_two_agents_of_one_name_cannot_be_connected_at_once(agent: Life) -> None:
    # A broker ends the connection of a client when another comes with its id (MQTT 3.1.1, 3.1.4).
    assert {agent.connect(connection).client_id for connection in CONNECTIONS} == {f"linli-edge-{GROUP}-{NODE}"}


@claims("operational-behavior-primary-application-state-with-multiple-servers-single-server")
def test_it_never_has_two_connections(agent: Life) -> None:
    assert agent.most_connections == 1


# --- how messages are published --------------------------------------------------------------------------------------


@claims(
    "topics-nbirth-mqtt",
    "topics-ndata-mqtt",
    "topics-dbirth-mqtt",
    "topics-ddata-mqtt",
    "topics-ddeath-mqtt",
    "message-flow-edge-node-birth-publish-nbirth-qos",
    "message-flow-edge-node-birth-publish-nbirth-retained",
    "message-flow-device-birth-publish-dbirth-qos",
    "message-flow-device-birth-publish-dbirth-retained",
    "payloads-nbirth-qos",
    "payloads-nbirth-retain",
    "payloads-dbirth-qos",
    "payloads-dbirth-retain",
    "payloads-ndata-qos",
    "payloads-ndata-retain",
    "payloads-ddata-qos",
    "payloads-ddata-retain",
)
def test_all_but_ndeath_goes_at_qos_0_and_nothing_is_retained(agent: Life) -> None:
    types = {one.type for one in agent.published}
    assert types == {"NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH", "NDEATH"}
    assert {(one.qos, one.retain) for one in agent.published if one.type != "NDEATH"} == {(0, False)}
    assert agent.retained == []


@claims(
    "topics-nbirth-timestamp",
    "topics-ndata-timestamp",
    "topics-dbirth-timestamp",
    "topics-ddata-timestamp",
    "payloads-nbirth-timestamp",
    "payloads-dbirth-timestamp",
    "payloads-ndata-timestamp",
    "payloads-ddata-timestamp",
    "payloads-ddeath-timestamp",
    "payloads-timestamp-in-UTC",
    "payloads-metric-timestamp-in-UTC",
)
def test_payloads_carry_the_time_of_publishing_and_metrics_that_of_their_values_in_utc(agent: Life) -> None:
    now_ms = time.time_ns() // 1_000_000
    last = 0
    for packet in agent.published:
        payload = decode(packet.payload)
        assert payload.timestamp_ms is not None
        assert now_ms - CLOCK_SLACK_MS < payload.timestamp_ms <= now_ms
        assert payload.timestamp_ms >= last, "times of publishing do not go back, not even for what is sent again"
        last = payload.timestamp_ms
        if packet.type in DATA:
            assert all(0 < (metric.timestamp_ms or 0) <= payload.timestamp_ms for metric in payload.metrics)


@claims(
    "message-flow-edge-node-birth-publish-nbirth-payload",
    "message-flow-device-birth-publish-dbirth-payload",
)
def test_every_message_is_a_sparkplug_payload(agent: Life) -> None:
    for packet in agent.published:
        assert parse(packet.topic).type == packet.type
        message = _raw(packet)
        for metric in message.metrics:
            read_metric(metric)
