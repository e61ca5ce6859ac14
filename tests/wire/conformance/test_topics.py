"""Topics and names (chapters 1 and 4), by `wire.topic`, which edge and cloud use for every topic."""

from pathlib import Path

import pytest

from edge.config import load_site
from runtime.config import ConfigError
from tests.wire.conformance.listing import claims
from wire.edge_node import EdgeNode
from wire.errors import MalformedTopic
from wire.host import Host, rebirth_request
from wire.payload import DataType, Metric
from wire.state import state_message
from wire.topic import DEVICE_TYPES, MessageType, NodeKey, Topic, case_twins, parse

AT = 1_700_000_000_000
NAMES = ("阳光花园", "Aéroport 3", "sunshine-garden", "a.b_c:d$e")
LEVEL = Metric(name="level", datatype=DataType.DOUBLE, value=1.0)


def _said(group: str = "garden", node: str = "edge-1", device: str = "pump-1") -> dict[MessageType, str]:
    """The topics of everything that a node and a host say, as they make them."""
    session = EdgeNode(group, node, 0)
    said = [
        session.will(AT),
        session.birth([LEVEL], AT),
        session.device_birth(device, [LEVEL], AT),
        session.data([LEVEL], AT),
        session.device_data(device, [LEVEL], AT),
    ]
    host = Host(reorder_timeout_ms=1_000)
    for message in said[1:3]:
        host.receive(message.topic, message.payload, AT)
    key = NodeKey(group=group, node=node)
    said += [host.command(key, None, [LEVEL], AT), host.command(key, device, [LEVEL], AT)]
    said.append(session.device_death(device, AT))
    return {parse(message.topic).type: message.topic for message in said}


@claims(
    "topic-structure",
    "topic-structure-namespace-a",
    "topics-nbirth-topic",
    "topics-ndata-topic",
    "topics-ndeath-topic",
    "topics-ncmd-topic",
    "topics-dbirth-topic",
    "topics-ddata-topic",
    "topics-ddeath-topic",
    "topics-dcmd-topic",
    "message-flow-edge-node-birth-publish-nbirth-topic",
    "message-flow-device-birth-publish-dbirth-topic",
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
)
def test_topics_are_namespace_group_type_node_and_device() -> None:
    assert _said() == {
        MessageType.NBIRTH: "spBv1.0/garden/NBIRTH/edge-1",
        MessageType.NDEATH: "spBv1.0/garden/NDEATH/edge-1",
        MessageType.NDATA: "spBv1.0/garden/NDATA/edge-1",
        MessageType.NCMD: "spBv1.0/garden/NCMD/edge-1",
        MessageType.DBIRTH: "spBv1.0/garden/DBIRTH/edge-1/pump-1",
        MessageType.DDEATH: "spBv1.0/garden/DDEATH/edge-1/pump-1",
        MessageType.DDATA: "spBv1.0/garden/DDATA/edge-1/pump-1",
        MessageType.DCMD: "spBv1.0/garden/DCMD/edge-1/pump-1",
    }
    assert rebirth_request(NodeKey(group="garden", node="edge-1"), AT).topic == "spBv1.0/garden/NCMD/edge-1"


@claims(
    "topic-structure-namespace-device-id-associated-message-types",
    "topic-structure-namespace-device-id-non-associated-message-types",
)
def test_only_the_types_of_devices_name_a_device() -> None:
    for kind in MessageType:
        with_device = kind in DEVICE_TYPES
        Topic(group="g", type=kind, node="n", device="d" if with_device else None)
        with pytest.raises(MalformedTopic):
            Topic(group="g", type=kind, node="n", device=None if with_device else "d")
        levels = f"spBv1.0/g/{kind}/n" + ("" if with_device else "/d")
        with pytest.raises(MalformedTopic):
            parse(levels)
    assert state_message("cloud", online=True, timestamp_ms=AT).topic == "spBv1.0/STATE/cloud"


@pytest.mark.parametrize("name", NAMES)
@claims(
    "intro-group-id-string",
    "intro-edge-node-id-string",
    "intro-device-id-string",
    "topic-structure-namespace-valid-group-id",
    "topic-structure-namespace-valid-edge-node-id",
    "topic-structure-namespace-valid-device-id",
)
def test_any_text_without_the_reserved_characters_is_a_name(name: str) -> None:
    topic = _said(name, name, name)[MessageType.DDATA]
    assert (parse(topic).group, parse(topic).node, parse(topic).device) == (name, name, name)


@pytest.mark.parametrize("bad", ["", "a+b", "a/b", "#", "a\0b"])
@claims("intro-group-id-chars", "intro-edge-node-id-chars", "intro-device-id-chars")
def test_a_name_that_a_topic_cannot_have_is_refused(bad: str) -> None:
    with pytest.raises(MalformedTopic):
        EdgeNode(bad, "edge-1", 0)
    with pytest.raises(MalformedTopic):
        EdgeNode("garden", bad, 0)
    session = EdgeNode("garden", "edge-1", 0)
    session.birth([], AT)
    with pytest.raises(MalformedTopic):
        session.device_birth(bad, [], AT)


@claims("topic-structure-namespace-duplicate-device-id-across-edge-node", "topic-structure-namespace-unique-device-id")
def test_devices_of_two_nodes_may_share_a_name_and_are_kept_apart() -> None:
    host = Host(reorder_timeout_ms=1_000)
    nodes = [EdgeNode("garden", name, 0) for name in ("edge-1", "edge-2")]
    for node in nodes:
        for message in (node.birth([], AT), node.device_birth("pump-1", [LEVEL], AT)):
            host.receive(message.topic, message.payload, AT)
    death = nodes[0].device_death("pump-1", AT)
    host.receive(death.topic, death.payload, AT)
    assert not host.is_born(NodeKey(group="garden", node="edge-1"), "pump-1")
    assert host.is_born(NodeKey(group="garden", node="edge-2"), "pump-1")
    # Within a node a name is one device: a second birth replaces the first.
    nodes[1].device_birth("pump-1", [LEVEL], AT)
    assert nodes[1].born_devices == {"pump-1"}


@claims("case-sensitivity-sparkplug-ids")
def test_a_site_whose_names_differ_by_case_only_is_refused_to_the_agent() -> None:
    site = Path(__file__).parents[2] / "edge" / "bad" / "bad.name-twin.toml"
    with pytest.raises(ConfigError, match=r"devices\.Pump-1: differs from `pump-1` by case only"):
        load_site(site)


@claims("case-sensitivity-sparkplug-ids")
def test_names_that_differ_by_case_only_are_found_whatever_their_script() -> None:
    assert case_twins(["pump-1", "pump-2", "PUMP-1", "阳光花园", "Éclair", "éclair"]) == {
        "PUMP-1": "pump-1",
        "éclair": "Éclair",
    }
    assert case_twins(NAMES) == {}
