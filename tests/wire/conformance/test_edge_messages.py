"""An edge node's sequence, births, data and deaths (chapters 2, 4, 5 and 6): what the real agent said on the wire."""

from collections import defaultdict
from collections.abc import Iterator

from tests.support.edge_site import GROUP, NODE
from tests.support.mqtt_tap import Packet
from tests.wire.conformance.agent_recording import PUMP_1, Life
from tests.wire.conformance.listing import claims
from wire.edge_node import BD_SEQ, REBIRTH, EdgeNode
from wire.payload import DataType, Metric, decode, resolve

CONNECTIONS = (1, 2)
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
AT = 1_700_000_000_000


def _named(packet: Packet) -> dict[str, Metric]:
    return {metric.name or "": metric for metric in decode(packet.payload).metrics}


def _device(packet: Packet) -> str | None:
    levels = packet.topic.split("/")
    return levels[4] if len(levels) == 5 else None


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


def _rebirth_request(agent: Life) -> int:
    """Give the place of the NCMD that asked for a rebirth among all packets."""
    return next(
        index
        for index, one in enumerate(agent.packets)
        if one.type == "NCMD" and any(metric.name == REBIRTH for metric in decode(one.payload).metrics)
    )


# --- the sequence ----------------------------------------------------------------------------------------------------


@claims(
    "payloads-sequence-num-always-included",
    "payloads-sequence-num-req-nbirth",
    "payloads-sequence-num-incrementing",
    "topics-nbirth-seq-num",
    "topics-ndata-seq-num",
    "topics-dbirth-seq",
    "topics-ddata-seq-num",
    "topics-ddeath-seq-num",
    "message-flow-edge-node-birth-publish-nbirth-payload-seq",
    "message-flow-device-birth-publish-dbirth-payload-seq",
    "payloads-nbirth-seq",
    "payloads-dbirth-seq",
    "payloads-dbirth-seq-inc",
    "payloads-ndata-seq",
    "payloads-ndata-seq-inc",
    "payloads-ddata-seq",
    "payloads-ddata-seq-inc",
    "payloads-ddeath-seq",
    "payloads-ddeath-seq-inc",
    "payloads-ddeath-seq-number",
)
def test_seq_is_0_at_nbirth_and_one_more_with_each_message_of_the_node(agent: Life) -> None:
    sequences = list(_sequences(agent))
    assert len(sequences) == 3, "the first birth, the rebirth, and that of the second connection"
    for sequence in sequences:
        numbered = [one for one in sequence if one.type != "NDEATH"]
        assert [decode(one.payload).seq for one in numbered] == list(range(len(numbered)))


@claims("payloads-sequence-num-incrementing", "payloads-ddata-seq-inc", "payloads-ndata-seq-inc")
def test_after_255_comes_0() -> None:
    level = Metric(name="level", datatype=DataType.DOUBLE, value=1.0)
    node = EdgeNode("g", "n", 0)
    messages = [node.birth([level], AT), node.device_birth("d", [level], AT)]
    for _ in range(300):
        messages += [node.data([level], AT), node.device_data("d", [level], AT)]
    messages += [node.device_death("d", AT), node.device_birth("d", [level], AT)]
    assert [decode(one.payload).seq for one in messages] == [number % 256 for number in range(len(messages))]


@claims(
    "message-flow-device-birth-publish-nbirth-wait",
    "payloads-dbirth-order",
    "payloads-ndata-order",
    "payloads-ddata-order",
)
def test_every_device_is_born_right_after_the_node_and_before_any_data(agent: Life) -> None:
    for sequence in _sequences(agent):
        assert [one.type for one in sequence[:3]] == ["NBIRTH", "DBIRTH", "DBIRTH"]
        assert {_device(one) for one in sequence[1:3]} == {PUMP_1, "pump-2"}
        alive: set[str | None] = {None}
        for packet in sequence:
            if packet.type in BIRTHS:
                alive.add(_device(packet))
            elif packet.type == "DDEATH":
                alive.remove(_device(packet))
            else:
                assert _device(packet) in alive


# --- births ----------------------------------------------------------------------------------------------------------


@claims(
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "payloads-metric-datatype-req",
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
def test_each_metric_of_a_birth_has_name_type_and_its_present_value_or_null(agent: Life) -> None:
    for packet in agent.published:
        if packet.type in BIRTHS:
            for metric in decode(packet.payload).metrics:
                assert metric.name
                assert metric.datatype is not None
    _, second, _ = _sequences(agent)
    rebirth = next(one for one in second if one.type == "DBIRTH" and _device(one) == PUMP_1)
    assert _named(rebirth)["pressure"].value == 5.0, "the value of now, not that of the first birth"


@claims(
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
)
def test_no_data_has_a_metric_that_its_birth_did_not_name(agent: Life) -> None:
    for sequence in _sequences(agent):
        born: dict[str | None, set[int | None]] = {}
        for packet in sequence:
            aliases = {metric.alias for metric in decode(packet.payload).metrics}
            if packet.type in BIRTHS:
                born[_device(packet)] = aliases
            elif packet.type in DATA:
                assert aliases <= born[_device(packet)]


@claims(
    "topics-nbirth-rebirth-metric",
    "payloads-nbirth-rebirth-req",
    "operational-behavior-data-commands-rebirth-name",
    "operational-behavior-data-commands-rebirth-name-aliases",
    "operational-behavior-data-commands-rebirth-datatype",
    "operational-behavior-data-commands-rebirth-value",
)
def test_nbirth_has_node_control_rebirth_false_without_an_alias(agent: Life) -> None:
    for sequence in _sequences(agent):
        found = _named(sequence[0])[REBIRTH]
        assert (found.datatype, found.value, found.alias) == (DataType.BOOLEAN, False, None)


@claims("case-sensitivity-metric-names")
def test_no_two_metrics_differ_by_case_only(agent: Life) -> None:
    for packet in agent.published:
        if packet.type in BIRTHS:
            names = [metric.name or "" for metric in decode(packet.payload).metrics]
            assert len({name.lower() for name in names}) == len(names)


# --- a rebirth that a host asks for ----------------------------------------------------------------------------------


@claims(
    "operational-behavior-data-commands-rebirth-action-1",
    "operational-behavior-data-commands-rebirth-action-2",
    "operational-behavior-data-commands-rebirth-action-3",
)
def test_asked_for_a_rebirth_it_sends_the_whole_birth_sequence_and_no_data_before(agent: Life) -> None:
    asked = _rebirth_request(agent)
    connection = agent.packets[asked].connection
    after = [one for one in agent.packets[asked:] if one.from_client and one.connection == connection]
    assert [one.type for one in after[:3]] == ["NBIRTH", "DBIRTH", "DBIRTH"]
    assert _named(after[0])[BD_SEQ].value == _named(agent.of(connection)[0])[BD_SEQ].value


# --- data ------------------------------------------------------------------------------------------------------------


def _points(agent: Life) -> Iterator[tuple[Packet, list[Metric]]]:
    """Give the metrics of each message of data, with the names and types of their births, in order of publishing."""
    for sequence in _sequences(agent):
        born: dict[str | None, dict[int | None, Metric]] = {}
        for packet in sequence:
            metrics = decode(packet.payload).metrics
            if packet.type in BIRTHS:
                born[_device(packet)] = {metric.alias: metric for metric in metrics}
            elif packet.type in DATA:
                yield packet, [resolve(metric, born[_device(packet)][metric.alias]) for metric in metrics]


@claims(
    "principles-rbe-recommended",
    "topics-ndata-payload",
    "topics-ddata-payload",
    "operational-behavior-data-publish-nbirth-change",
    "operational-behavior-data-publish-dbirth-change",
)
def test_data_is_reported_when_it_changes(agent: Life) -> None:
    shown: dict[tuple[str | None, str | None], tuple[object, object]] = {}
    seen = 0
    for packet, metrics in _points(agent):
        for metric in metrics:
            is_point = metric.name in {"pressure", "setpoint", "mode", "jammed", "locked", "Command/Token"}
            if metric.is_historical or not is_point:
                continue  # what is sent again is no report; the figures of a bus are about the time in between
            seen += 1
            place = (_device(packet), metric.name)
            assert shown.get(place) != (metric.value, metric.quality), place
            shown[place] = (metric.value, metric.quality)
    assert seen


@claims("operational-behavior-data-publish-nbirth-order", "operational-behavior-data-publish-dbirth-order")
def test_values_that_are_not_historical_come_in_the_order_of_their_times(agent: Life) -> None:
    last: dict[tuple[str | None, str | None], int] = defaultdict(int)
    for packet, metrics in _points(agent):
        for metric in metrics:
            if not metric.is_historical:
                place = (_device(packet), metric.name)
                assert (metric.timestamp_ms or 0) >= last[place]
                last[place] = metric.timestamp_ms or 0


# --- deaths ----------------------------------------------------------------------------------------------------------


@claims("operational-behavior-device-ddeath")
def test_a_device_that_is_lost_dies_and_is_born_again_when_it_is_back(agent: Life) -> None:
    after = [one for one in list(_sequences(agent))[1][3:] if _device(one) == PUMP_1 and one.type != "DDATA"]
    assert [one.type for one in after] == ["DDEATH", "DBIRTH"]


@claims(
    "operational-behavior-edge-node-intentional-disconnect-ndeath",
    "operational-behavior-edge-node-intentional-disconnect-packet",
    "payloads-ndeath-will-message-publisher",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
)
def test_an_intended_end_is_ndeath_and_then_disconnect(agent: Life) -> None:
    last = [one for one in agent.packets if one.from_client and one.connection == 2][-3:]
    assert [(one.kind, one.type) for one in last] == [("PUBLISH", "NDEATH"), ("DISCONNECT", ""), ("CLOSE", "")]
    assert last[0].topic == f"spBv1.0/{GROUP}/NDEATH/{NODE}"
