from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import MalformedTopic
from wire.topic import (
    DEVICE_TYPES,
    MessageType,
    NodeKey,
    Topic,
    host_filters,
    node_filters,
    parse,
    state_host,
    state_topic,
)

NAMES = st.text(st.characters(exclude_characters="+#/\0", exclude_categories=["Cs"]), min_size=1)


def test_reads_the_topic_of_the_specifications_example() -> None:
    topic = parse("spBv1.0/Sparkplug B Devices/NBIRTH/Raspberry Pi")
    assert topic == Topic(group="Sparkplug B Devices", type=MessageType.NBIRTH, node="Raspberry Pi")
    assert topic.key == NodeKey(group="Sparkplug B Devices", node="Raspberry Pi")


def test_reads_a_device_topic() -> None:
    topic = parse("spBv1.0/阳光花园/DDATA/edge-1/pump-1")
    assert (topic.group, topic.type, topic.node, topic.device) == ("阳光花园", MessageType.DDATA, "edge-1", "pump-1")


@given(NAMES, st.sampled_from(MessageType), NAMES, NAMES)
def test_a_topic_survives_writing_and_reading(group: str, kind: MessageType, node: str, device: str) -> None:
    topic = Topic(group=group, type=kind, node=node, device=device if kind in DEVICE_TYPES else None)
    assert parse(str(topic)) == topic


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("", "namespace"),
        ("spAv1.0/g/NBIRTH/n", "namespace"),
        ("spBv1.0/g/NBIRTH", "levels"),
        ("spBv1.0/g/DDATA/n/d/x", "levels"),
        ("spBv1.0/g/NHELLO/n", "NHELLO"),
        ("spBv1.0/g/DDATA/n", "needs a device"),
        ("spBv1.0/g/NDATA/n/d", "has no device"),
        ("spBv1.0//NDATA/n", "empty"),
        ("spBv1.0/g/DDATA/n/", "empty"),
        ("spBv1.0/g/NDATA/+", "'+'"),
        ("spBv1.0/g#/NDATA/n", "'g#'"),
    ],
)
def test_a_malformed_topic_is_refused_with_its_reason(topic: str, says: str) -> None:
    with pytest.raises(MalformedTopic, match="(?i)" + says.replace("+", r"\+")):
        parse(topic)


@given(st.text())
def test_any_text_is_a_topic_or_malformed(text: str) -> None:
    with suppress(MalformedTopic):
        assert str(parse(text)) == text


def test_state_topics_name_their_host() -> None:
    assert state_topic("cloud-1") == "spBv1.0/STATE/cloud-1"
    assert state_host("spBv1.0/STATE/cloud-1") == "cloud-1"
    assert state_host("spBv1.0/STATE/") is None
    assert state_host("spBv1.0/g/NDATA/n") is None
    with pytest.raises(MalformedTopic):
        state_topic("a/b")


def test_filters_take_what_each_side_needs_and_not_the_commands_of_hosts() -> None:
    assert host_filters() == (
        "spBv1.0/+/NBIRTH/+",
        "spBv1.0/+/NDEATH/+",
        "spBv1.0/+/NDATA/+",
        "spBv1.0/+/DBIRTH/+/+",
        "spBv1.0/+/DDEATH/+/+",
        "spBv1.0/+/DDATA/+/+",
    )
    assert host_filters("g", "n")[0] == "spBv1.0/g/NBIRTH/n"
    assert node_filters("g", "n") == ("spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/#")
