import json
from collections.abc import Iterable

import pytest

from wire.edge_node import EdgeNode
from wire.events import (
    DeviceBorn,
    DeviceData,
    DeviceDied,
    HostEvent,
    HostState,
    Ignored,
    NodeBorn,
    NodeData,
    NodeDied,
    Quarantined,
    RebirthNeeded,
    Unborn,
)
from wire.host import Host, NodeKey, state_message
from wire.payload import (
    DataType,
    Message,
    Metric,
    Payload,
    Quality,
    SequenceError,
    UnknownMetric,
    WrongType,
    decode,
    encode,
    quality_property,
)

AT = 1_700_000_000_000
KEY = NodeKey(group="garden", node="edge-1")
NBIRTH, DDATA = "spBv1.0/garden/NBIRTH/edge-1", "spBv1.0/garden/DDATA/edge-1/pump-1"
DBIRTH = "spBv1.0/garden/DBIRTH/edge-1/pump-1"
ACK = Metric(name="Node Control/Journal Ack", datatype=DataType.STRING, value="")
LEVEL = Metric(name="level", datatype=DataType.FLOAT, value=1.5)
STARTS = Metric(name="starts", datatype=DataType.UINT16, value=3)


class Site:
    """A node and a host with a wire between them that the test may cut, turn around or foul."""

    def __init__(self) -> None:
        self.node = EdgeNode("garden", "edge-1", 7)
        self.host = Host(reorder_timeout_ms=1_000)

    def born(self) -> "Site":
        self.give(self.node.birth([ACK], AT), self.node.device_birth("pump-1", [LEVEL, STARTS], AT))
        return self

    def give(self, *messages: Message, at_ms: int = AT) -> list[HostEvent]:
        return [event for one in messages for event in self.host.receive(one.topic, one.payload, at_ms)]

    def level(self, value: float) -> Message:
        return self.node.device_data("pump-1", [Metric(name="level", value=value)], AT)


def _kinds(events: Iterable[HostEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def _levels(events: Iterable[HostEvent]) -> list[object]:
    return [metric.value for event in events if isinstance(event, DeviceData) for metric in event.metrics]


def _raw(topic: str, seq: int | None, *metrics: Metric) -> Message:
    payload = encode(Payload(timestamp_ms=AT, seq=seq, metrics=metrics))
    return Message(topic=topic, payload=payload, qos=0, retain=False)


def test_a_birth_tells_names_types_values_and_properties() -> None:
    site = Site()
    (born,) = site.give(site.node.birth([ACK], AT))
    assert isinstance(born, NodeBorn)
    assert (born.node, born.bd_seq, born.timestamp_ms) == (KEY, 7, AT)
    assert [metric.name for metric in born.metrics] == ["bdSeq", "Node Control/Rebirth", "Node Control/Journal Ack"]
    stale = Metric(
        name="level", datatype=DataType.FLOAT, value=2.5, properties={"Quality": quality_property(Quality.STALE)}
    )
    (device,) = site.give(site.node.device_birth("pump-1", [stale], AT))
    assert isinstance(device, DeviceBorn)
    assert (device.device, device.metrics[0].name, device.metrics[0].value) == ("pump-1", "level", 2.5)
    assert device.metrics[0].quality is Quality.STALE
    assert site.host.is_born(KEY, "pump-1")
    assert not site.host.is_born(KEY, "pump-2")


def test_data_comes_out_with_the_names_and_types_of_the_birth() -> None:
    site = Site().born()
    old = Metric(name="starts", value=4, timestamp_ms=AT - 9, is_historical=True)
    (data,) = site.give(site.node.device_data("pump-1", [Metric(name="level", value=None), old], AT))
    assert isinstance(data, DeviceData)
    assert data.metrics == (
        Metric(name="level", alias=2, datatype=DataType.FLOAT, value=None, timestamp_ms=AT),
        Metric(name="starts", alias=3, datatype=DataType.UINT16, value=4, timestamp_ms=AT - 9, is_historical=True),
    )
    (node_data,) = site.give(site.node.data([Metric(name=ACK.name, value="a:1")], AT))
    assert isinstance(node_data, NodeData)
    assert node_data.metrics[0].value == "a:1"


def test_data_by_name_is_read_too() -> None:
    site = Site().born()
    (data,) = site.give(_raw(DDATA, 2, Metric(name="level", datatype=DataType.FLOAT, value=4.0)))
    assert _levels([data]) == [4.0]


def test_deaths_end_a_device_and_a_node() -> None:
    site = Site().born()
    assert site.give(site.node.device_death("pump-1", AT + 5)) == [
        DeviceDied(node=KEY, device="pump-1", timestamp_ms=AT + 5)
    ]
    will = site.node.will()
    assert site.give(will, at_ms=AT + 9) == [NodeDied(node=KEY, bd_seq=7, at_ms=AT + 9)]
    assert not site.host.is_born(KEY)
    assert _kinds(site.give(will)) == ["Ignored"]


def test_a_stale_death_is_ignored() -> None:
    site = Site().born()
    late_will = site.node.will()
    site.node.connect(8)
    site.born()
    (ignored,) = site.give(late_will)
    assert isinstance(ignored, Ignored)
    assert ignored.reason == "a stale death: its bdSeq is 7, that of the birth 8"
    assert site.host.is_born(KEY, "pump-1")


def test_data_without_a_birth_asks_for_one() -> None:
    site = Site().born()
    site.host.forget(KEY)
    message = site.level(1.0)
    unborn, rebirth = site.give(message)
    assert unborn == Unborn(topic=message.topic, payload=message.payload, node=KEY)
    assert isinstance(rebirth, RebirthNeeded)
    assert _kinds(site.give(site.node.will())) == ["Ignored"]


def test_data_of_a_device_without_a_birth_asks_for_one() -> None:
    site = Site().born()
    site.node.device_birth("pump-2", [LEVEL], AT)
    site.give(_raw("spBv1.0/garden/NDATA/edge-1", 2))  # stands in the place of the lost birth
    unborn, rebirth = site.give(site.node.device_data("pump-2", [LEVEL], AT))
    assert isinstance(unborn, Unborn)
    assert unborn.device == "pump-2"
    assert isinstance(rebirth, RebirthNeeded)
    assert _levels(site.give(site.level(3.0))) == [3.0], "the neighbour is read on"


def test_messages_in_the_wrong_order_come_out_in_the_right_one() -> None:
    site = Site().born()
    first, second, third, fourth = (site.level(float(value)) for value in range(4))
    assert site.give(third, second) == []
    assert _levels(site.give(first)) == [0.0, 1.0, 2.0]
    assert _levels(site.give(fourth)) == [3.0]
    assert site.host.tick(AT + 10_000) == ()


def test_the_order_is_restored_over_the_wrap_of_seq() -> None:
    site = Site().born()
    for value in range(253):
        site.give(site.level(float(value)))
    last, zero, one = (site.level(float(value)) for value in range(3))
    assert _levels(site.give(one, zero, last)) == [0.0, 1.0, 2.0]


def test_a_gap_that_stays_open_asks_for_a_rebirth_and_misreads_nothing() -> None:
    site = Site().born()
    site.level(0.0)  # lost
    late = site.level(1.0)
    assert site.give(late, at_ms=AT) == []
    assert site.host.tick(AT + 999) == ()
    unborn, rebirth = site.host.tick(AT + 1_000)
    assert unborn == Unborn(topic=late.topic, payload=late.payload, node=KEY)
    assert rebirth == RebirthNeeded(node=KEY, reason="the message with seq 2 did not come within 1000 ms")
    assert _kinds(site.give(site.level(2.0))) == ["Unborn", "RebirthNeeded"]
    site.born()
    assert _levels(site.give(site.level(3.0))) == [3.0]


def test_a_gap_expires_without_ticks_too() -> None:
    site = Site().born()
    site.level(0.0)
    site.give(site.level(1.0))
    assert _kinds(site.give(site.level(2.0), at_ms=AT + 1_000)) == ["Unborn", "Unborn", "RebirthNeeded"]


def test_a_new_birth_ends_the_wait_of_what_came_before_it() -> None:
    site = Site().born()
    site.level(0.0)
    site.give(site.level(1.0))
    events = site.give(site.node.birth([ACK], AT))
    assert _kinds(events) == ["Quarantined", "NodeBorn"]
    assert site.host.tick(AT + 10_000) == ()


def test_a_death_ends_the_wait_of_what_came_before_it() -> None:
    site = Site().born()
    site.level(0.0)
    site.give(site.level(1.0))
    assert _kinds(site.give(site.node.death())) == ["Unborn", "NodeDied"]


def test_the_readable_metrics_of_a_payload_come_out_beside_the_unknown_one() -> None:
    site = Site().born()
    message = _raw(
        DDATA, 2, Metric(alias=99, value=1, held="int_value"), Metric(alias=2, value=8.0, held="float_value")
    )
    data, quarantined, rebirth = site.give(message)
    assert _levels([data]) == [8.0]
    assert quarantined == Quarantined(
        topic=DDATA,
        payload=message.payload,
        reason="the metric is not in the current birth",
        metric="99",
        node=KEY,
    )
    assert isinstance(rebirth, RebirthNeeded)


def test_the_alias_of_another_device_is_unknown() -> None:
    site = Site().born()
    site.give(site.node.device_birth("pump-2", [LEVEL], AT))
    events = site.give(_raw(DDATA, 3, Metric(alias=4, value=8.0, held="float_value")))
    assert _kinds(events) == ["DeviceData", "Quarantined", "RebirthNeeded"]


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (Metric(alias=2, value=1, held="int_value"), "a value of type FLOAT came in int_value"),
        (Metric(alias=3, value=70_000, held="int_value"), "70000 does not fit an unsigned integer of 16 bits"),
        (Metric(alias=3, datatype=DataType.FLOAT, value=1.0), "born as UINT16, the data says FLOAT"),
    ],
)
def test_a_wrong_type_is_quarantined_without_a_rebirth(metric: Metric, reason: str) -> None:
    site = Site().born()
    data, quarantined = site.give(_raw(DDATA, 2, metric, Metric(alias=2, value=8.0, held="float_value")))
    assert _levels([data]) == [8.0]
    assert isinstance(quarantined, Quarantined)
    assert quarantined.reason == reason
    assert quarantined.metric in ("level", "starts")


def test_a_malformed_payload_breaks_nothing_that_follows() -> None:
    site = Site().born()
    fouled = site.level(0.0)
    bad = Message(topic=fouled.topic, payload=b"\xff\xff", qos=0, retain=False)
    (quarantined,) = site.give(bad)
    assert isinstance(quarantined, Quarantined)
    assert (quarantined.node, quarantined.metric, quarantined.payload) == (KEY, None, b"\xff\xff")
    assert _levels(site.give(site.level(1.0), site.level(2.0))) == [1.0, 2.0]


def test_a_malformed_payload_that_closes_a_gap_lets_the_others_go_on() -> None:
    site = Site().born()
    site.level(0.0)
    assert site.give(site.level(1.0)) == []
    events = site.give(Message(topic=DDATA, payload=b"\xff", qos=0, retain=False))
    assert _kinds(events) == ["Quarantined", "DeviceData"]


def test_a_payload_of_somebody_else_does_not_open_a_hole_for_later() -> None:
    site = Site().born()
    site.give(Message(topic=DDATA, payload=b"\xff", qos=0, retain=False))  # consumed no seq of the node
    assert _levels(site.give(site.level(0.0))) == [0.0]
    site.level(1.0)
    assert site.give(site.level(2.0)) == [], "a real gap is still seen"


@pytest.mark.parametrize("seq", [None, 256, 2**64 - 1])
def test_data_without_a_valid_seq_is_quarantined(seq: int | None) -> None:
    site = Site().born()
    assert _kinds(site.give(_raw(DDATA, seq, Metric(alias=2, value=8.0, held="float_value")))) == ["Quarantined"]
    assert _levels(site.give(site.level(1.0))) == [1.0]


BD_SEQ = Metric(name="bdSeq", datatype=DataType.UINT64, value=0)
ONE = Metric(name="a", alias=1, datatype=DataType.INT32, value=1)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (_raw(NBIRTH, 0, BD_SEQ, ONE, ONE), "names the metric a twice"),
        (_raw(NBIRTH, 0, BD_SEQ, ONE, Metric(name="b", alias=1, datatype=DataType.INT32, value=1)), "alias 1 of b"),
        (_raw(NBIRTH, 0, ONE), "no bdSeq"),
        (_raw(NBIRTH, 0, Metric(name="bdSeq", datatype=DataType.INT64, value=256)), "bdSeq is not an integer of 0"),
        (_raw(NBIRTH, 0, Metric(name="bdSeq", datatype=DataType.STRING, value="1")), "bdSeq is not an integer of 0"),
        (_raw(NBIRTH, 256, BD_SEQ), "no seq of 0 to 255"),
        (_raw(NBIRTH, None, BD_SEQ), "no seq of 0 to 255"),
        (Message(topic=NBIRTH, payload=b"\xff", qos=0, retain=False), "not a Sparkplug B payload"),
    ],
)
def test_a_birth_that_cannot_be_read_ends_the_one_before_and_asks_again(message: Message, says: str) -> None:
    site = Site().born()
    quarantined, rebirth = site.give(message)
    assert isinstance(quarantined, Quarantined)
    assert says in quarantined.reason
    assert isinstance(rebirth, RebirthNeeded)
    assert _kinds(site.give(site.level(1.0))) == ["Unborn", "RebirthNeeded"]
    site.born()
    assert _levels(site.give(site.level(2.0))) == [2.0]


def test_a_birth_that_does_not_begin_at_0_is_read_and_counted_on_from() -> None:
    # Chapter 4 says 0, chapter 6 says 0 to 255.
    site = Site()
    events = site.give(_raw(NBIRTH, 255, BD_SEQ), _raw(DBIRTH, 0, LEVEL), _raw(DDATA, 1, LEVEL))
    assert _kinds(events) == ["NodeBorn", "DeviceBorn", "DeviceData"]


@pytest.mark.parametrize(
    "message",
    [
        _raw(DBIRTH, 2, Metric(name="x", alias=1, datatype=DataType.INT32, value=1)),  # the node's own alias
        _raw(DBIRTH, 2, LEVEL, LEVEL),
        Message(topic=DBIRTH, payload=b"\xff", qos=0, retain=False),
    ],
)
def test_a_device_birth_that_cannot_be_read_leaves_the_neighbours(message: Message) -> None:
    site = Site().born()
    assert _kinds(site.give(message)) == ["Quarantined", "RebirthNeeded"]
    assert not site.host.is_born(KEY, "pump-1")
    node_data = _raw("spBv1.0/garden/NDATA/edge-1", 3, Metric(alias=1, value="a:2", held="string_value"))
    assert _kinds(site.give(node_data)) == ["NodeData"]


def test_a_metric_that_a_birth_declares_unreadably_stays_quarantined_without_more_rebirths() -> None:
    site = Site()
    site.give(site.node.birth([], AT))
    dataset = bytes.fromhex("0a 05 74 61 62 6c 65 10 0a 20 14 8a 01 00")  # "table", alias 10, PropertySet: no metric
    level = bytes.fromhex("0a 05 6c 65 76 65 6c 10 0b 20 09 50 01")  # "level", alias 11, Float, but in int_value
    birth = b"".join(b"\x12" + bytes((len(one),)) + one for one in (dataset, level)) + b"\x18\x01"
    born, table, first = site.give(Message(topic=DBIRTH, payload=birth, qos=0, retain=False))
    assert isinstance(born, DeviceBorn)
    assert isinstance(table, Quarantined)
    assert isinstance(first, Quarantined)
    assert (table.metric, table.reason) == ("table", "a metric cannot be of type PROPERTY_SET")
    assert (first.metric, first.reason) == ("level", "a value of type FLOAT came in int_value")
    data = bytes.fromhex("12 05 10 0a 8a 01 00 12 07 10 0b 65 00 00 48 41 18 02")
    read, refused = site.give(Message(topic=DDATA, payload=data, qos=0, retain=False))
    assert _levels([read]) == [12.5], "a later value of the declared type is read"
    assert isinstance(refused, Quarantined)
    assert refused.metric == "table"


def test_a_foul_topic_is_quarantined_without_a_node() -> None:
    host = Host(reorder_timeout_ms=0)
    (quarantined,) = host.receive("spBv1.0/garden/NHELLO/edge-1", b"x", AT)
    assert isinstance(quarantined, Quarantined)
    assert (quarantined.node, quarantined.payload) == (None, b"x")
    assert _kinds(host.receive("spBv1.0/garden/NCMD/edge-1", b"x", AT)) == ["Ignored"]
    assert _kinds(host.receive("spBv1.0/garden/NDEATH/edge-1", b"", AT)) == ["Quarantined"]


def test_state_is_retained_json_and_comes_back() -> None:
    message = state_message("cloud-1", online=True, timestamp_ms=AT)
    assert (message.topic, message.qos, message.retain) == ("spBv1.0/STATE/cloud-1", 1, True)
    assert json.loads(message.payload) == {"online": True, "timestamp": AT}
    host = Host(reorder_timeout_ms=0)
    assert host.receive(message.topic, message.payload, AT) == (
        HostState(host_id="cloud-1", online=True, timestamp_ms=AT),
    )
    for foul in (b"ONLINE", b"\xff", b"[]", b'{"online":1,"timestamp":2}', b"[" * 100_000):
        assert _kinds(host.receive(message.topic, foul, AT)) == ["Quarantined"]


def test_commands_are_checked_against_the_birth() -> None:
    site = Site().born()
    with pytest.raises(UnknownMetric, match="garden/edge-1 declares no metric speed at pump-1"):
        site.host.command(KEY, "pump-1", [Metric(name="speed", value=1)], AT)
    with pytest.raises(WrongType):
        site.host.command(KEY, "pump-1", [Metric(name="starts", value="many")], AT)
    with pytest.raises(SequenceError, match="garden/edge-1/pump-2 is not born"):
        site.host.command(KEY, "pump-2", [], AT)
    assert site.host.command(KEY, None, [Metric(name=ACK.name, value="a:1")], AT).topic.endswith("/NCMD/edge-1")


def test_a_command_to_a_node_without_aliases_goes_by_name_and_type() -> None:
    site = Site()
    site.give(_raw(NBIRTH, 0, BD_SEQ, Metric(name="fan", datatype=DataType.BOOLEAN, value=False)))
    sent = decode(site.host.command(KEY, None, [Metric(name="fan", value=True)], AT).payload)
    assert sent == Payload(
        timestamp_ms=AT, metrics=(Metric(name="fan", datatype=DataType.BOOLEAN, value=True, timestamp_ms=AT),)
    )


def test_a_node_that_dies_while_its_rebirth_is_awaited_is_dead() -> None:
    site = Site().born()
    site.level(0.0)
    site.give(site.level(1.0))
    site.host.tick(AT + 1_000)
    assert _kinds(site.give(site.node.will())) == ["NodeDied"]
    assert _kinds(site.give(site.node.will())) == ["Ignored"]
