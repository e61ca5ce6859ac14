import pytest

from wire.edge_node import EdgeNode, next_bdseq
from wire.errors import BadCommand
from wire.host import Host, NodeKey, rebirth_request
from wire.payload import DataType, Message, Metric, Payload, SequenceError, WrongType, decode, encode

AT = 1_700_000_000_000
LEVEL = Metric(name="level", datatype=DataType.FLOAT, value=1.5)
STARTS = Metric(name="starts", datatype=DataType.UINT16, value=3)
ACK = Metric(name="Node Control/Journal Ack", datatype=DataType.STRING, value="")


def _born(bd_seq: int = 7) -> EdgeNode:
    node = EdgeNode("garden", "edge-1", bd_seq)
    node.birth([ACK], AT)
    node.device_birth("pump-1", [LEVEL, STARTS], AT)
    return node


def _seq(message: Message) -> int | None:
    return decode(message.payload).seq


def _aliases(message: Message) -> dict[str | None, int | None]:
    return {metric.name: metric.alias for metric in decode(message.payload).metrics}


def test_bdseq_grows_by_one_and_wraps() -> None:
    assert [next_bdseq(None), next_bdseq(0), next_bdseq(254), next_bdseq(255)] == [0, 1, 255, 0]
    with pytest.raises(SequenceError, match="256"):
        EdgeNode("garden", "edge-1", 256)


def test_the_will_and_the_birth_carry_the_bdseq_of_this_connect() -> None:
    node = EdgeNode("garden", "edge-1", 7)
    will = node.will()
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/garden/NDEATH/edge-1", 1, False)
    assert decode(will.payload) == Payload(
        timestamp_ms=None, metrics=(Metric(name="bdSeq", datatype=DataType.INT64, value=7),)
    )
    assert decode(node.birth([], AT).payload).metrics[0].value == 7
    assert decode(node.birth([], AT).payload).metrics[0].value == 7, "a rebirth keeps it"
    assert node.death().payload == will.payload
    node.connect(8)
    assert decode(node.will().payload).metrics[0].value == 8


def test_births_name_every_metric_with_type_value_time_and_alias() -> None:
    node = EdgeNode("garden", "edge-1", 7)
    birth = node.birth([ACK], AT)
    assert (birth.topic, birth.qos, birth.retain) == ("spBv1.0/garden/NBIRTH/edge-1", 0, False)
    metrics = decode(birth.payload).metrics
    assert [(m.name, m.datatype, m.value, m.timestamp_ms, m.alias) for m in metrics] == [
        ("bdSeq", DataType.INT64, 7, AT, None),
        ("Node Control/Rebirth", DataType.BOOLEAN, False, AT, None),
        ("Node Control/Journal Ack", DataType.STRING, "", AT, 1),
    ]
    unread = Metric(name="level", datatype=DataType.FLOAT, value=None)
    device = decode(node.device_birth("pump-1", [unread], AT).payload).metrics[0]
    assert (device.is_null, device.datatype, device.alias) == (True, DataType.FLOAT, 2)


def test_seq_counts_over_all_topics_of_the_node_and_wraps_after_255() -> None:
    node = EdgeNode("garden", "edge-1", 0)
    messages = [node.birth([ACK], AT), node.device_birth("pump-1", [LEVEL], AT), node.data([], AT)]
    messages += [node.device_data("pump-1", [LEVEL], AT) for _ in range(253)]
    messages += [node.device_death("pump-1", AT), node.device_birth("pump-1", [LEVEL], AT)]
    assert [_seq(message) for message in messages] == [*range(256), 0, 1]
    assert _seq(node.birth([], AT)) == 0


def test_aliases_are_unique_over_the_node_and_kept_over_rebirth_and_reconnect() -> None:
    node = EdgeNode("garden", "edge-1", 0)
    node.birth([ACK], AT)
    first = _aliases(node.device_birth("pump-1", [LEVEL, STARTS], AT))
    second = _aliases(node.device_birth("pump-2", [LEVEL, STARTS], AT))
    assert {1, *first.values(), *second.values()} == {1, 2, 3, 4, 5}
    node.birth([ACK], AT)
    assert _aliases(node.device_birth("pump-2", [STARTS, LEVEL], AT)) == second
    node.connect(1)
    node.birth([LEVEL, ACK], AT)
    again = _aliases(node.device_birth("pump-1", [LEVEL, STARTS], AT))
    assert again == first


def test_data_carries_the_alias_and_neither_name_nor_type() -> None:
    data = decode(_born().device_data("pump-1", [Metric(name="level", value=2)], AT).payload)
    assert data.metrics == (Metric(alias=2, value=2.0, timestamp_ms=AT, held="float_value"),)


def test_historical_data_keeps_its_own_time() -> None:
    old = Metric(name="level", value=2.0, timestamp_ms=AT - 5_000, is_historical=True)
    found = decode(_born().device_data("pump-1", [old], AT).payload).metrics[0]
    assert (found.timestamp_ms, found.is_historical) == (AT - 5_000, True)


def test_nothing_goes_before_its_birth() -> None:
    node = EdgeNode("garden", "edge-1", 0)
    with pytest.raises(SequenceError, match="before the birth of node garden/edge-1"):
        node.data([], AT)
    with pytest.raises(SequenceError, match="the birth of device pump-1 before the birth of node"):
        node.device_birth("pump-1", [], AT)
    node.birth([], AT)
    with pytest.raises(SequenceError, match="data of device pump-1 before its birth"):
        node.device_data("pump-1", [], AT)
    with pytest.raises(SequenceError, match="pump-1 cannot die"):
        node.device_death("pump-1", AT)


def test_a_rebirth_needs_every_device_to_be_born_again() -> None:
    node = _born()
    assert node.born_devices == {"pump-1"}
    node.birth([ACK], AT)
    assert node.born_devices == frozenset()
    with pytest.raises(SequenceError):
        node.device_data("pump-1", [LEVEL], AT)


def test_a_dead_device_sends_no_data() -> None:
    node = _born()
    death = node.device_death("pump-1", AT)
    assert (death.topic, decode(death.payload).metrics) == ("spBv1.0/garden/DDEATH/edge-1/pump-1", ())
    with pytest.raises(SequenceError):
        node.device_data("pump-1", [LEVEL], AT)


def test_after_its_death_the_node_sends_nothing_until_the_next_birth() -> None:
    node = _born()
    node.death()
    assert not node.is_born
    with pytest.raises(SequenceError):
        node.data([], AT)


def test_a_refused_message_consumes_no_seq() -> None:
    node = _born()
    with pytest.raises(SequenceError, match="temperature is not in the birth of pump-1"):
        node.device_data("pump-1", [Metric(name="temperature", value=1.0)], AT)
    with pytest.raises(WrongType, match="level was born as FLOAT, not INT32"):
        node.device_data("pump-1", [Metric(name="level", datatype=DataType.INT32, value=1)], AT)
    with pytest.raises(WrongType, match="metric starts: 70000 is not an integer of 0 to 65535"):
        node.device_data("pump-1", [Metric(name="starts", value=70_000)], AT)
    with pytest.raises(SequenceError, match="level twice"):
        node.device_birth("pump-2", [LEVEL, LEVEL], AT)
    with pytest.raises(SequenceError, match="bdSeq twice"):
        node.birth([Metric(name="bdSeq", datatype=DataType.INT64, value=1)], AT)
    with pytest.raises(SequenceError, match="needs a name and a data type"):
        node.device_birth("pump-2", [Metric(name="level", value=1.0)], AT)
    assert node.born_devices == {"pump-1"}
    assert _seq(node.device_data("pump-1", [LEVEL], AT)) == 2


def _host_of(node: EdgeNode) -> Host:
    host = Host(reorder_timeout_ms=1_000)
    for message in (node.birth([ACK], AT), node.device_birth("pump-1", [LEVEL, STARTS], AT)):
        host.receive(message.topic, message.payload, AT)
    return host


KEY = NodeKey(group="garden", node="edge-1")


def test_a_hosts_command_comes_back_with_names_and_types() -> None:
    node = _born()
    message = _host_of(node).command(KEY, "pump-1", [Metric(name="starts", value=0)], AT)
    assert (message.topic, message.qos, message.retain) == ("spBv1.0/garden/DCMD/edge-1/pump-1", 0, False)
    assert (decode(message.payload).seq, decode(message.payload).metrics[0].name) == (None, None)
    command = node.parse_command(message.topic, message.payload)
    assert (command.device, command.timestamp_ms, command.asks_rebirth) == ("pump-1", AT, False)
    assert [(m.name, m.datatype, m.value) for m in command.metrics] == [("starts", DataType.UINT16, 0)]


def test_a_rebirth_request_needs_no_alias() -> None:
    node = _born()
    message = rebirth_request(KEY, AT)
    assert node.parse_command(message.topic, message.payload).asks_rebirth


def _command(*metrics: Metric) -> bytes:
    return encode(Payload(timestamp_ms=AT, metrics=metrics))


DCMD = "spBv1.0/garden/DCMD/edge-1/pump-1"


@pytest.mark.parametrize(
    ("topic", "payload", "says"),
    [
        ("spBv1.0/garden/NDATA/edge-1", b"", "not a command for garden/edge-1"),
        ("spBv1.0/garden/NCMD/edge-2", b"", "not a command for garden/edge-1"),
        ("hello", b"", "namespace"),
        (DCMD, b"\xff", "not a Sparkplug B payload"),
        ("spBv1.0/garden/DCMD/edge-1/pump-9", b"", "device pump-9 is not born"),
        (DCMD, _command(Metric(alias=99, value=1, held="int_value")), "metric 99: the metric is not in the current"),
        (DCMD, _command(Metric(alias=1, value="x", held="string_value")), "metric 1: the metric is not in the current"),
        (DCMD, _command(Metric(name="speed", value=1, held="int_value")), "metric speed: the metric is not"),
        (
            DCMD,
            _command(Metric(alias=3, value=1.0, held="float_value")),
            "starts: a value of type UINT16 came in float",
        ),
        (DCMD, _command(Metric(alias=3, value=70_000, held="int_value")), "70000 does not fit"),
        (
            DCMD,
            _command(Metric(name="starts", datatype=DataType.INT32, value=1)),
            "born as UINT16, the data says INT32",
        ),
    ],
)
def test_a_bad_command_is_refused_as_a_whole_with_its_reason(topic: str, payload: bytes, says: str) -> None:
    with pytest.raises(BadCommand, match=says):
        _born().parse_command(topic, payload)


def test_a_command_with_one_bad_metric_does_nothing() -> None:
    good = Metric(alias=3, value=1, held="int_value")
    with pytest.raises(BadCommand):
        _born().parse_command(DCMD, _command(good, Metric(alias=99, value=1, held="int_value")))
