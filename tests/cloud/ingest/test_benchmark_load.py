"""The load of `linli bench ingest`: what it says of itself has to hold for few nodes and for many."""

import pytest

from tests.benchmarks.ingest_parts.stream import Bodies, Node, profile
from wire.payload import decode

DEVICES = 20


def nodes(count: int, *, per_message: int = 2) -> list[Node]:
    known = profile()
    bodies = Bodies(profile=known, per_message=per_message)
    return [
        Node(f"node-{number}", number=number, devices=DEVICES, profile=known, bodies=bodies) for number in range(count)
    ]


def changes(sent: list[Node], *, first: int, messages: int) -> float:
    """Give the share of messages that change an alarm, from some message of each node on."""
    changed = 0
    for node in sent:
        node.sent = first - 1
        faults: dict[str, object] = {}
        for _ in range(messages + DEVICES):
            topic, body = node.record(1_700_000_000_000)
            fault = decode(body).metrics[-1].value
            changed += topic in faults and faults[topic] != fault
            faults[topic] = fault
    return changed / (len(sent) * messages)


@pytest.mark.parametrize(("count", "messages"), [(100, 80), (1600, 4)])
@pytest.mark.parametrize("first", [1, 21])
def test_one_message_of_a_hundred_changes_an_alarm(count: int, messages: int, first: int) -> None:
    assert changes(nodes(count), first=first, messages=messages) == pytest.approx(0.01, abs=0.002)
