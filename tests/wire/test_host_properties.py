from hypothesis import given, settings
from hypothesis import strategies as st

from wire.edge_node import EdgeNode
from wire.events import DeviceData, HostEvent
from wire.host import Host
from wire.payload import DataSet, DataType, Metric, Template

AT = 1_700_000_000_000
LEVEL = Metric(name="level", datatype=DataType.INT32, value=0)


TABLE = Metric(
    name="table",
    datatype=DataType.DATASET,
    value=DataSet(columns=("a", "b"), types=(DataType.INT8, DataType.STRING), rows=((1, "x"), (None, "y"))),
)
RPM = Metric(name="rpm", datatype=DataType.INT32, value=7)
MOTOR = Metric(name="Motor", datatype=DataType.TEMPLATE, value=Template(metrics=(RPM,)))
SPINNING = Metric(name="motor", datatype=DataType.TEMPLATE, value=Template(ref="Motor", metrics=(RPM,)))


def _has_table(node: EdgeNode) -> bool:
    return "d" in node.born_devices


def _levels(events: list[HostEvent]) -> list[object]:
    return [metric.value for event in events if isinstance(event, DeviceData) for metric in event.metrics]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=400))
def test_messages_late_by_less_than_the_window_come_out_complete_and_in_order(delays: list[int]) -> None:
    node, host = EdgeNode("g", "n", 0), Host(reorder_timeout_ms=60_000)
    for birth in (node.birth([], AT), node.device_birth("d", [LEVEL], AT)):
        host.receive(birth.topic, birth.payload, AT)
    sent = [node.device_data("d", [Metric(name="level", value=i)], AT) for i in range(len(delays))]
    order = sorted(range(len(sent)), key=lambda i: i + delays[i])
    events = [event for i in order for event in host.receive(sent[i].topic, sent[i].payload, AT)]
    assert _levels(events) == list(range(len(sent)))


TOPICS = st.builds(
    "spBv1.0/{}/{}/{}{}".format,
    st.sampled_from(["g", "", "+"]),
    st.sampled_from(["NBIRTH", "NDEATH", "NDATA", "NCMD", "DBIRTH", "DDEATH", "DDATA", "DCMD", "STATE"]),
    st.sampled_from(["n", "m"]),
    st.sampled_from(["", "/d", "/e"]),
) | st.just("spBv1.0/STATE/host")


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            TOPICS,
            st.integers(0, 5),
            st.binary(max_size=30) | st.none(),
            st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=2),
        ),
        max_size=30,
    )
)
def test_no_content_raises_and_a_rebirth_always_heals(
    noise: list[tuple[str, int, bytes | None, list[tuple[int, int]]]],
) -> None:
    node, host = EdgeNode("g", "n", 0), Host(reorder_timeout_ms=2)
    node.birth([LEVEL, MOTOR], AT)
    node.device_birth("d", [LEVEL, TABLE, SPINNING], AT)
    makers = (
        lambda: node.birth([LEVEL, MOTOR], AT),
        lambda: node.device_birth("d", [LEVEL, TABLE, SPINNING], AT),
        lambda: node.device_birth("e", [LEVEL], AT),
        lambda: node.data([LEVEL], AT),
        lambda: node.device_data("d", [TABLE, SPINNING], AT) if _has_table(node) else node.data([], AT),
        node.will,
    )
    for at, (topic, which, foul, damage) in enumerate(noise):
        message = makers[which]()
        payload = bytearray(message.payload)
        for place, byte in damage:
            payload[place % len(payload)] = byte
        host.receive(topic if foul is not None else message.topic, bytes(payload) if foul is None else foul, AT + at)
        host.tick(AT + at)
    for birth in (node.birth([LEVEL], AT), node.device_birth("d", [LEVEL], AT)):
        host.receive(birth.topic, birth.payload, AT)
    data = node.device_data("d", [Metric(name="level", value=42)], AT)
    assert _levels(list(host.receive(data.topic, data.payload, AT))) == [42]
