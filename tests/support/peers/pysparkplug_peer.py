"""A peer on pysparkplug: `pysparkplug_peer.py HOST PORT USER PASSWORD (host GROUP | node GROUP NODE)`.

As `host` it says what it reads and sends commands; as `node` it is an edge node with one device. Runs in an environment
of its own. The library has no rebirth, so that of the node is made here of its parts.
"""

import datetime as dt
import itertools
import json
import os
import sys
import threading
from typing import Any

import pysparkplug as sp  # type: ignore[import-not-found] # lives in the peer's own environment

LOCK = threading.Lock()
BROKER, PORT, USER, PASSWORD, MODE, GROUP, *REST = sys.argv[1:]


def say(kind: str, **more: object) -> None:
    with LOCK:
        sys.stdout.write(json.dumps({"kind": kind, **more}) + "\n")
        sys.stdout.flush()


def plain(value: Any) -> Any:
    """Put a value into JSON: bytes as hexadecimal digits, times as Unix ms."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        return round(value.timestamp() * 1000)
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def told(metric: Any) -> dict[str, Any]:
    return {
        "name": metric.name,
        "type": int(metric.datatype),
        "value": plain(metric.value),
        "is_null": metric.is_null,
        "historical": metric.is_historical,
        "timestamp": metric.timestamp,
        "alias": metric.alias,
    }


def on_message(message: Any) -> None:
    payload = message.payload
    metrics = getattr(payload, "metrics", None)
    if metrics is None:
        metrics = (payload.bd_seq_metric,) if hasattr(payload, "bd_seq_metric") else ()
    say(
        str(message.topic.message_type.value),
        device=message.topic.device_id,
        seq=getattr(payload, "seq", None),
        timestamp=getattr(payload, "timestamp", None),
        metrics={one.name: told(one) for one in metrics},
    )


def written(name: str, kind: int, value: Any, **more: Any) -> Any:
    datatype = sp.DataType(kind)
    if isinstance(value, list):
        value = tuple(value)
    if datatype in {sp.DataType.BYTES, sp.DataType.FILE} and value is not None:
        value = bytes.fromhex(value)
    if datatype is sp.DataType.DATETIME and value is not None:
        value = dt.datetime.fromtimestamp(value / 1000, dt.UTC)
    if datatype is sp.DataType.DATETIME_ARRAY and value is not None:
        value = tuple(dt.datetime.fromtimestamp(one / 1000, dt.UTC) for one in value)
    return sp.Metric(timestamp=sp.get_current_timestamp(), name=name, datatype=datatype, value=value, **more)


def client() -> Any:
    options = sp.ClientOptions(reconnection_delay_min=1, reconnection_delay_max=1)
    return sp.Client(username=USER, password=PASSWORD, client_options=options)


# --- as a host -------------------------------------------------------------------------------------------------------


def host() -> None:
    mine = client()
    connected = threading.Event()
    mine.connect(BROKER, port=int(PORT), callback=lambda _: connected.set())
    connected.wait(10)
    for kind in ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"):
        topic = sp.Topic(
            group_id=GROUP,
            message_type=sp.MessageType(kind),
            edge_node_id="+",
            device_id="+" if kind.startswith("D") else None,
        )
        mine.subscribe(topic, sp.QoS.AT_LEAST_ONCE, lambda _, message: on_message(message))
    say("ready")
    for line in sys.stdin:
        wish = json.loads(line)
        device = wish.get("device")
        make, kind = (sp.NCmd, sp.MessageType.NCMD) if device is None else (sp.DCmd, sp.MessageType.DCMD)
        payload = make(
            timestamp=sp.get_current_timestamp(),
            metrics=tuple(written(name, kind_, value) for name, (kind_, value) in wish["metrics"].items()),
        )
        topic = sp.Topic(group_id=GROUP, message_type=kind, edge_node_id=wish["node"], device_id=device)
        message = sp.Message(topic=topic, payload=payload, qos=sp.QoS.AT_MOST_ONCE, retain=False)
        mine.publish(message, include_dtypes=True)


# --- as an edge node -------------------------------------------------------------------------------------------------


class Node:
    """An edge node of the library, with what it lacks: a rebirth."""

    def __init__(self, group: str, name: str) -> None:
        self.group, self.name = group, name
        self.asked = threading.Event()
        rebirth = written("Node Control/Rebirth", 11, value=False)
        self.node = sp.EdgeNode(group, name, [rebirth], client=client(), cmd_callback=self.on_command)

    def on_command(self, _: Any, message: Any) -> None:
        on_message(message)
        if any(one.name == "Node Control/Rebirth" and one.value for one in getattr(message.payload, "metrics", ())):
            self.births()

    def births(self) -> None:
        """Publish the whole birth sequence again, with the bdSeq of this connection."""
        node = self.node
        node._EdgeNode__seq_cycler = itertools.cycle(range(256))
        bd_seq = (node._bd_seq_metric.value - 1) % 256  # the library has prepared the next one already
        metrics = (*node.metrics.values(), written("bdSeq", 4, bd_seq))
        self._publish(sp.MessageType.NBIRTH, None, sp.NBirth(sp.get_current_timestamp(), node._seq, metrics))
        for name, device in node.devices.items():
            birth = sp.DBirth(sp.get_current_timestamp(), node._seq, tuple(device.metrics.values()))
            self._publish(sp.MessageType.DBIRTH, name, birth)

    def _publish(self, kind: Any, device: str | None, payload: Any) -> None:
        topic = sp.Topic(group_id=self.group, message_type=kind, edge_node_id=self.name, device_id=device)
        message = sp.Message(topic=topic, payload=payload, qos=sp.QoS.AT_MOST_ONCE, retain=False)
        self.node._client.publish(message, include_dtypes=True)

    def by_alias(self, device: str, alias: int, kind: int, value: Any) -> None:
        """Publish data by alias alone, as small as the standard allows."""
        metric = sp.Metric(
            timestamp=sp.get_current_timestamp(), name=None, datatype=sp.DataType(kind), value=value, alias=alias
        )
        payload = sp.DData(sp.get_current_timestamp(), self.node._seq, (metric,))
        topic = sp.Topic(
            group_id=self.group, message_type=sp.MessageType.DDATA, edge_node_id=self.name, device_id=device
        )
        self.node._client.publish(sp.Message(topic=topic, payload=payload, qos=sp.QoS.AT_MOST_ONCE, retain=False))


def metrics_of(wish: dict[str, Any]) -> list[Any]:
    return [
        written(name, kind, value, **({"alias": alias} if alias else {}))
        for name, (kind, value, alias) in wish["metrics"].items()
    ]


def node() -> None:
    mine = Node(GROUP, REST[0])
    say("ready")
    for line in sys.stdin:
        wish = json.loads(line)
        what = wish["do"]
        if what == "device":
            mine.node.register(
                sp.Device(wish["device"], metrics_of(wish), cmd_callback=lambda _, told_: on_message(told_))
            )
        elif what == "connect":
            mine.node.connect(BROKER, port=int(PORT), keepalive=5)
        elif what == "data":
            mine.node.update_device(wish["device"], metrics_of(wish))
        elif what == "by alias":
            mine.by_alias(wish["device"], wish["alias"], wish["type"], wish["value"])
        elif what == "lose":
            next(mine.node._EdgeNode__seq_cycler)  # a message that never arrives
        elif what == "gone":
            mine.node.deregister(wish["device"])
        elif what == "crash":
            os._exit(1)
        say("done", what=what)


if __name__ == "__main__":
    {"host": host, "node": node}[MODE]()
