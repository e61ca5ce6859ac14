"""A host application's rules (chapter 5): sequence, deaths and commands, by `wire.host`, which ingest runs on."""

import pytest

from tests.wire.conformance.listing import claims
from wire.edge_node import EdgeNode
from wire.errors import UnknownMetric, WrongType
from wire.events import DeviceData, DeviceDied, HostEvent, NodeDied, RebirthNeeded
from wire.host import Host, rebirth_request
from wire.payload import DataType, Message, Metric, decode
from wire.topic import MessageType, NodeKey, parse

AT = 1_700_000_000_000
TIMEOUT_MS = 1_000
KEY = NodeKey(group="garden", node="edge-1")
LEVEL = Metric(name="level", datatype=DataType.DOUBLE, value=1.0)


class Site:
    def __init__(self) -> None:
        self.node = EdgeNode("garden", "edge-1", 3)
        self.host = Host(reorder_timeout_ms=TIMEOUT_MS)
        self.give(self.node.birth([LEVEL], AT), self.node.device_birth("pump-1", [LEVEL], AT))

    def give(self, *messages: Message, at_ms: int = AT) -> list[HostEvent]:
        return [event for one in messages for event in self.host.receive(one.topic, one.payload, at_ms)]

    def level(self, value: float) -> Message:
        return self.node.device_data("pump-1", [Metric(name="level", value=value)], AT)


def _values(events: list[HostEvent]) -> list[object]:
    return [metric.value for event in events if isinstance(event, DeviceData) for metric in event.metrics]


@claims(
    "operational-behavior-host-reordering-start",
    "operational-behavior-host-reordering-success",
    "operational-behavior-host-reordering-param",
)
def test_a_message_out_of_order_waits_and_all_goes_on_when_the_missing_one_comes_in_time() -> None:
    site = Site()
    first, second, third = (site.level(value) for value in (1.0, 2.0, 3.0))
    assert site.give(second, third) == []
    assert site.host.tick(AT + TIMEOUT_MS - 1) == ()
    assert _values(site.give(first, at_ms=AT + TIMEOUT_MS - 1)) == [1.0, 2.0, 3.0]
    assert site.host.tick(AT + 10 * TIMEOUT_MS) == (), "the time is not running any more"
    assert _values(site.give(site.level(4.0))) == [4.0]


@claims("operational-behavior-host-reordering-rebirth")
def test_when_the_time_is_over_a_rebirth_is_needed() -> None:
    site = Site()
    site.level(1.0)
    site.give(site.level(2.0))
    events = site.host.tick(AT + TIMEOUT_MS)
    assert [event.node for event in events if isinstance(event, RebirthNeeded)] == [KEY]
    request = rebirth_request(KEY, AT)
    assert site.node.parse_command(request.topic, request.payload).asks_rebirth


@claims("payloads-ddeath-seq-number")
def test_a_ddeath_takes_its_turn_in_the_sequence() -> None:
    site = Site()
    data, death = site.level(1.0), site.node.device_death("pump-1", AT + 5)
    assert site.give(death) == []
    events = site.give(data)
    assert _values(events) == [1.0]
    assert events[-1] == DeviceDied(node=KEY, device="pump-1", timestamp_ms=AT + 5)


@claims("operational-behavior-edge-node-termination-host-action-ndeath-node-offline")
def test_only_the_ndeath_of_the_present_birth_counts_and_by_the_hosts_clock() -> None:
    site = Site()
    old = EdgeNode("garden", "edge-1", 2).will(AT)
    assert [type(event).__name__ for event in site.give(old)] == ["Ignored"]
    assert site.give(site.node.will(1), at_ms=AT + 9) == [NodeDied(node=KEY, bd_seq=3, at_ms=AT + 9)]
    assert not site.host.is_born(KEY, "pump-1")


@claims(
    "topics-ncmd-payload",
    "topics-dcmd-payload",
    "operational-behavior-data-commands-ncmd-verb",
    "operational-behavior-data-commands-ncmd-metric-name",
    "operational-behavior-data-commands-ncmd-metric-value",
    "operational-behavior-data-commands-dcmd-verb",
    "operational-behavior-data-commands-dcmd-metric-name",
    "operational-behavior-data-commands-dcmd-metric-value",
)
@pytest.mark.parametrize(("device", "kind"), [(None, MessageType.NCMD), ("pump-1", MessageType.DCMD)])
def test_a_command_writes_metrics_of_the_birth_with_values_that_fit_them(device: str | None, kind: MessageType) -> None:
    site = Site()
    message = site.host.command(KEY, device, [Metric(name="level", value=2.5)], AT)
    assert (parse(message.topic).type, parse(message.topic).device) == (kind, device)
    assert len(decode(message.payload).metrics) == 1
    command = site.node.parse_command(message.topic, message.payload)
    assert [(metric.name, metric.value) for metric in command.metrics] == [("level", 2.5)]
    with pytest.raises(UnknownMetric):
        site.host.command(KEY, device, [Metric(name="depth", value=2.5)], AT)
    with pytest.raises(WrongType):
        site.host.command(KEY, device, [Metric(name="level", value="high")], AT)
