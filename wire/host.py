"""A host of many edge nodes: sequence, births and quarantine, without I/O (Sparkplug 3.0, chapter 5, host rules).

wire/README.md lists what this host does where the standard leaves the choice: gaps, unreadable payloads, wrong types.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wire.births import Births, Refusal, read_declared
from wire.datatypes import DataType
from wire.edge_node import BD_SEQ, REBIRTH, SEQ_MODULUS
from wire.errors import MalformedPayload, MalformedTopic, SequenceError, UnknownMetric, WrongType
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
from wire.metrics import write_metric
from wire.payload import Message, parse_message
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.state import read_state, state_message
from wire.topic import COMMAND_TYPES, MessageType, NodeKey, Topic, parse, state_host
from wire.values import Metric

__all__ = [
    "DeviceBorn", "DeviceData", "DeviceDied", "Host", "HostEvent", "HostState", "Ignored", "NodeBorn", "NodeData",
    "NodeDied", "NodeKey", "Quarantined", "RebirthNeeded", "Unborn", "rebirth_request", "state_message",
]  # fmt: skip

_BIRTHS = frozenset({MessageType.NBIRTH, MessageType.DBIRTH})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arrival:
    """One parsed message, as it waits for its turn."""

    raw_topic: str
    topic: Topic
    key: NodeKey
    payload: bytes
    message: PayloadMessage
    at_ms: int

    @property
    def timestamp_ms(self) -> int:
        return self.message.timestamp or self.at_ms


@dataclass(kw_only=True, slots=True)
class _Node:
    """What the host knows of one node: the next seq, and how many unreadable payloads consumed an unknown one."""

    key: NodeKey
    bd_seq: int | None = None
    born: bool = False
    expected: int = 0
    unread: int = 0
    births: Births = field(default_factory=Births)
    held: dict[int, _Arrival] = field(default_factory=dict)

    def end(self) -> tuple[_Arrival, ...]:
        """Nothing of the node can be read until its next birth; return what waited, in the order of its seq."""
        waited = tuple(self.held[seq] for seq in sorted(self.held, key=lambda seq: (seq - self.expected) % SEQ_MODULUS))
        self.born = False
        self.unread = 0
        self.held.clear()
        self.births.forget(None)
        return waited


class Host:
    """All nodes of one host application: feed it every message in order of arrival, and `tick` it now and then."""

    def __init__(self, *, reorder_timeout_ms: int) -> None:
        self._timeout_ms = reorder_timeout_ms
        self._nodes: dict[NodeKey, _Node] = {}
        self._waiting: dict[NodeKey, int] = {}  # since when a node's sequence has a gap, host time

    def is_born(self, key: NodeKey, device: str | None = None) -> bool:
        """Whether the node, or this device of it, has a valid birth now."""
        node = self._nodes.get(key)
        return node is not None and node.born and device in node.births.by_name

    def forget(self, key: NodeKey) -> None:
        """Drop everything about a node, as when another worker takes it over."""
        self._nodes.pop(key, None)
        self._waiting.pop(key, None)

    def receive(self, topic: str, payload: bytes, at_ms: int) -> tuple[HostEvent, ...]:
        """Take one message and return what it tells, in the order in which it is true. Raises nothing."""
        try:
            parsed = parse(topic)
        except MalformedTopic as error:
            host_id = state_host(topic)
            if host_id is not None:
                return (read_state(topic, host_id, payload),)
            return (Quarantined(topic=topic, payload=payload, reason=str(error)),)
        if parsed.type in COMMAND_TYPES:
            return (Ignored(topic=topic, reason="a command is for the edge node"),)
        try:
            message, reason = parse_message(payload), None
        except MalformedPayload as error:
            message, reason = PayloadMessage(), str(error)
        arrival = _Arrival(raw_topic=topic, topic=parsed, key=parsed.key, payload=payload, message=message, at_ms=at_ms)
        if reason is not None:
            return self._unreadable(arrival, reason)
        return _ROUTES[parsed.type](self, arrival)

    def reread(self, topic: str, payload: bytes, at_ms: int) -> tuple[HostEvent, ...]:
        """Read a message that was set apart once more: data only, by the births that hold now, beside the sequence."""
        try:
            parsed = parse(topic)
            message = parse_message(payload)
        except (MalformedTopic, MalformedPayload) as error:
            return (Quarantined(topic=topic, payload=payload, reason=str(error)),)
        if parsed.type not in {MessageType.NDATA, MessageType.DDATA}:
            return (Ignored(topic=topic, reason=f"{parsed.type.value} is no data: it says what was, and no more"),)
        arrival = _Arrival(raw_topic=topic, topic=parsed, key=parsed.key, payload=payload, message=message, at_ms=at_ms)
        node = self._nodes.get(parsed.key)
        if node is None or not node.born:
            return self._unborn((arrival,), parsed.key, "data of it is to be read again")
        return self._data(node, arrival)

    def tick(self, at_ms: int) -> tuple[HostEvent, ...]:
        """Return what became true by time alone: gaps that stayed open for the whole reorder timeout."""
        if not self._waiting:
            return ()
        due = [key for key, since in self._waiting.items() if at_ms - since >= self._timeout_ms]
        return tuple(event for key in due for event in self._expire(self._nodes[key]))

    def command(self, key: NodeKey, device: str | None, metrics: Iterable[Metric], at_ms: int) -> Message:
        """Return an NCMD (`device` None) or DCMD for metrics by name, with the alias of the birth where it has one.

        Raises SequenceError when the node or device is not born, UnknownMetric and WrongType for a metric.
        """
        if not self.is_born(key, device):
            raise SequenceError(f"{key if device is None else f'{key}/{device}'} is not born: its metrics are unknown")
        names = self._nodes[key].births.by_name[device]
        message = PayloadMessage(timestamp=at_ms)
        for metric in metrics:
            declared = names.get(metric.name or "")
            if declared is None:
                raise UnknownMetric(f"{key} declares no metric {metric.name} at {device or 'the node'}")
            add = message.metrics.add
            if declared.alias is None:  # a node without aliases may be one that reads a value only by its data type
                target = add(name=declared.name, datatype=declared.datatype)
            else:
                target = add(alias=declared.alias)
            try:
                write_metric(
                    target, metric, declared.datatype, at_ms if metric.timestamp_ms is None else metric.timestamp_ms
                )
            except WrongType as error:
                raise WrongType(f"metric {declared.name}: {error}") from error
        kind = MessageType.NCMD if device is None else MessageType.DCMD
        return _command_message(Topic(group=key.group, type=kind, node=key.node, device=device), message)

    # --- births and deaths of the node -----------------------------------------------------------------------------

    def _node_birth(self, arrival: _Arrival) -> tuple[HostEvent, ...]:
        key, message = arrival.key, arrival.message
        node = self._nodes.get(key) or _Node(key=key)
        waited = self._end(node)
        events: list[HostEvent] = [
            Quarantined(
                topic=late.raw_topic,
                payload=late.payload,
                reason="a new birth came before the gap in the sequence closed",
                node=key,
            )
            for late in waited
        ]
        try:
            seq = message.seq
            if seq >= SEQ_MODULUS or not message.HasField("seq"):
                raise MalformedPayload("the birth has no seq of 0 to 255")  # noqa: TRY301 one way out for every refusal of the birth
            bd_seq = _bd_seq(message)
            metrics, refused = node.births.declare(None, message, arrival.timestamp_ms)
        except MalformedPayload as error:
            return (*events, *self._refused_birth(arrival, str(error)))
        self._nodes[key] = node
        node.bd_seq, node.born, node.expected = bd_seq, True, (seq + 1) % SEQ_MODULUS
        events.append(NodeBorn(node=key, bd_seq=bd_seq, timestamp_ms=arrival.timestamp_ms, metrics=metrics))
        events.extend(_quarantine(arrival, refused))
        return tuple(events)

    def _node_death(self, arrival: _Arrival) -> tuple[HostEvent, ...]:
        node = self._nodes.get(arrival.key)
        try:
            bd_seq = _bd_seq(arrival.message)
        except MalformedPayload as error:
            return (self._quarantined(arrival, str(error)),)
        if node is None or node.bd_seq is None:
            return (Ignored(topic=arrival.raw_topic, reason="the death of a node that is not born"),)
        if node.bd_seq != bd_seq:
            reason = f"a stale death: its bdSeq is {bd_seq}, that of the birth {node.bd_seq}"
            return (Ignored(topic=arrival.raw_topic, reason=reason),)
        waited = self._end(node)
        node.bd_seq = None
        late = tuple(Unborn(topic=one.raw_topic, payload=one.payload, node=arrival.key) for one in waited)
        return (*late, NodeDied(node=arrival.key, bd_seq=bd_seq, at_ms=arrival.at_ms))

    # --- the sequence ----------------------------------------------------------------------------------------------

    def _sequenced(self, arrival: _Arrival) -> tuple[HostEvent, ...]:
        node = self._nodes.get(arrival.key)
        if node is None or not node.born:
            return self._unborn((arrival,), arrival.key, "it sent a message without a birth")
        seq = arrival.message.seq
        if seq >= SEQ_MODULUS or (seq == 0 and not arrival.message.HasField("seq")):
            return (
                self._quarantined(arrival, "the payload has no seq of 0 to 255"),
                *self._skip_one(node, arrival.at_ms),
            )
        ahead = (seq - node.expected) % SEQ_MODULUS
        if ahead > node.unread:
            return self._hold(node, arrival, seq)
        # A payload in its turn proves that earlier unreadable ones consumed nothing that is still awaited.
        node.unread = node.unread - ahead if ahead else 0
        node.expected = (seq + 1) % SEQ_MODULUS
        events = _HANDLERS[arrival.topic.type](self, node, arrival)
        if node.held:
            return (*events, *self._release(node, arrival.at_ms))
        return events

    def _skip_one(self, node: _Node, at_ms: int) -> tuple[HostEvent, ...]:
        """Account for a payload whose seq is unknown: the sequence may now go on one further than expected."""
        node.unread += 1
        return self._release(node, at_ms)

    def _hold(self, node: _Node, arrival: _Arrival, seq: int) -> tuple[HostEvent, ...]:
        events: tuple[HostEvent, ...] = ()
        if seq in node.held:
            events = (self._quarantined(arrival, f"a message with seq {seq} waits for its turn already"),)
        else:
            node.held[seq] = arrival
        since = self._waiting.setdefault(node.key, arrival.at_ms)
        if arrival.at_ms - since >= self._timeout_ms:
            return (*events, *self._expire(node))
        return events

    def _release(self, node: _Node, at_ms: int) -> tuple[HostEvent, ...]:
        events: list[HostEvent] = []
        while node.held:
            ahead = min((seq - node.expected) % SEQ_MODULUS for seq in node.held)
            if ahead > node.unread:
                break
            node.unread -= ahead
            arrival = node.held.pop((node.expected + ahead) % SEQ_MODULUS)
            node.expected = (node.expected + ahead + 1) % SEQ_MODULUS
            events.extend(_HANDLERS[arrival.topic.type](self, node, arrival))
        if not node.held:
            self._waiting.pop(node.key, None)
        elif events:
            self._waiting[node.key] = at_ms  # a further gap: its own time begins now
        return tuple(events)

    def _expire(self, node: _Node) -> tuple[HostEvent, ...]:
        expected = node.expected
        waited = self._end(node)
        return self._unborn(
            waited, node.key, f"the message with seq {expected} did not come within {self._timeout_ms} ms"
        )

    def _end(self, node: _Node) -> tuple[_Arrival, ...]:
        self._waiting.pop(node.key, None)
        return node.end()

    # --- messages in their turn ------------------------------------------------------------------------------------

    def _device_birth(self, node: _Node, arrival: _Arrival) -> tuple[HostEvent, ...]:
        device = arrival.topic.device or ""
        try:
            metrics, refused = node.births.declare(device, arrival.message, arrival.timestamp_ms)
        except MalformedPayload as error:
            return self._refused_birth(arrival, str(error))
        born = DeviceBorn(node=node.key, device=device, timestamp_ms=arrival.timestamp_ms, metrics=metrics)
        return (born, *_quarantine(arrival, refused))

    def _device_death(self, node: _Node, arrival: _Arrival) -> tuple[HostEvent, ...]:
        device = arrival.topic.device or ""
        if device not in node.births.by_name:
            return (Ignored(topic=arrival.raw_topic, reason="the death of a device that is not born"),)
        node.births.forget(device)
        return (DeviceDied(node=node.key, device=device, timestamp_ms=arrival.timestamp_ms),)

    def _data(self, node: _Node, arrival: _Arrival) -> tuple[HostEvent, ...]:
        device = arrival.topic.device
        names = node.births.by_name.get(device)
        if names is None:
            late = Unborn(topic=arrival.raw_topic, payload=arrival.payload, node=node.key, device=device)
            return (late, RebirthNeeded(node=node.key, reason=f"data of device {device} came without its birth"))
        timestamp_ms = arrival.timestamp_ms
        births = node.births
        metrics, refused = read_declared(
            arrival.message.metrics, births.by_alias, names, device, timestamp_ms, definitions=births.definitions
        )
        event: HostEvent
        if device is None:
            event = NodeData(node=node.key, timestamp_ms=timestamp_ms, metrics=metrics)
        else:
            event = DeviceData(node=node.key, device=device, timestamp_ms=timestamp_ms, metrics=metrics)
        if not refused:
            return (event,)
        events: list[HostEvent] = [event, *_quarantine(arrival, refused)]
        if any(one.unknown for one in refused):
            events.append(RebirthNeeded(node=node.key, reason="it sent a metric that is not in its current birth"))
        return tuple(events)

    # --- what went wrong -------------------------------------------------------------------------------------------

    def _unreadable(self, arrival: _Arrival, reason: str) -> tuple[HostEvent, ...]:
        """Account for bytes that are no payload at all: they consumed a seq, whichever it was."""
        kind = arrival.topic.type
        node = self._nodes.get(arrival.key)
        skipped: tuple[HostEvent, ...] = ()
        if node is not None and node.born and kind in _HANDLERS:
            if kind is MessageType.DBIRTH:
                node.births.forget(arrival.topic.device)
            skipped = self._skip_one(node, arrival.at_ms)
        if kind in _BIRTHS:
            return (*self._refused_birth(arrival, reason), *skipped)
        return (self._quarantined(arrival, reason), *skipped)

    def _refused_birth(self, arrival: _Arrival, reason: str) -> tuple[HostEvent, ...]:
        """End the birth that a refused one wanted to replace; a refused NBIRTH leaves the node without any."""
        late: tuple[_Arrival, ...] = ()
        node = self._nodes.get(arrival.key)
        if arrival.topic.type is MessageType.NBIRTH and node is not None:
            late = self._end(node)
        return (
            self._quarantined(arrival, reason),
            *(Unborn(topic=one.raw_topic, payload=one.payload, node=arrival.key) for one in late),
            RebirthNeeded(node=arrival.key, reason=f"its birth could not be read: {reason}"),
        )

    @staticmethod
    def _quarantined(arrival: _Arrival, reason: str) -> Quarantined:
        return Quarantined(topic=arrival.raw_topic, payload=arrival.payload, reason=reason, node=arrival.key)

    @staticmethod
    def _unborn(arrivals: Iterable[_Arrival], key: NodeKey, reason: str) -> tuple[HostEvent, ...]:
        unborn = (Unborn(topic=one.raw_topic, payload=one.payload, node=key) for one in arrivals)
        return (*unborn, RebirthNeeded(node=key, reason=reason))


_HANDLERS: dict[MessageType, Callable[[Host, _Node, _Arrival], tuple[HostEvent, ...]]] = {
    MessageType.NDATA: Host._data,  # noqa: SLF001 the class's own table, which must stand after it
    MessageType.DDATA: Host._data,  # noqa: SLF001 likewise
    MessageType.DBIRTH: Host._device_birth,  # noqa: SLF001 likewise
    MessageType.DDEATH: Host._device_death,  # noqa: SLF001 likewise
}

_ROUTES: dict[MessageType, Callable[[Host, _Arrival], tuple[HostEvent, ...]]] = {
    MessageType.NBIRTH: Host._node_birth,  # noqa: SLF001 likewise
    MessageType.NDEATH: Host._node_death,  # noqa: SLF001 likewise
    **dict.fromkeys(_HANDLERS, Host._sequenced),  # noqa: SLF001 likewise
}


def rebirth_request(key: NodeKey, at_ms: int) -> Message:
    """Return the NCMD that asks a node for its whole birth sequence; by name and type, as no birth is known."""
    message = PayloadMessage(timestamp=at_ms)
    target = message.metrics.add(name=REBIRTH, datatype=DataType.BOOLEAN)
    write_metric(target, Metric(value=True), DataType.BOOLEAN, at_ms)
    return _command_message(Topic(group=key.group, type=MessageType.NCMD, node=key.node), message)


def _command_message(topic: Topic, message: PayloadMessage) -> Message:
    return Message(topic=str(topic), payload=message.SerializeToString(), qos=0, retain=False)


def _quarantine(arrival: _Arrival, refused: Iterable[Refusal]) -> Iterable[Quarantined]:
    for one in refused:
        yield Quarantined(
            topic=arrival.raw_topic, payload=arrival.payload, reason=one.reason, metric=one.metric, node=arrival.key
        )


def _bd_seq(message: PayloadMessage) -> int:
    """Read the bdSeq of an NBIRTH or NDEATH (Int64 or UInt64 in the standard's examples); raises MalformedPayload."""
    for found in message.metrics:
        if found.name == BD_SEQ:
            value = found.long_value if found.WhichOneof("value") == "long_value" else None
            if value is not None and value < SEQ_MODULUS:
                return value
            raise MalformedPayload("bdSeq is not an integer of 0 to 255")
    raise MalformedPayload("the payload has no bdSeq")
