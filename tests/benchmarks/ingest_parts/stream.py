"""What the nodes of the load say: births, and records that are encoded beforehand but for their times and numbers.

A message is the encoded readings, with their time put in by replacing bytes, and behind them a second piece of protobuf
with the offset, the fault, the time and the sequence: pieces of a protobuf message may simply follow each other.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from drivers.profile import Profile
from runtime.config import validate
from wire import contract
from wire.datatypes import DataType
from wire.edge_node import BD_SEQ, REBIRTH
from wire.payload import Message, Metric, Payload, encode
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.topic import MessageType, Topic

GROUP = "bench"
POINTS = 50
VARIANTS = 4
"""How many different sets of values a device goes through."""

MESSAGES_OF_AN_ALARM = 100
"""One message in so many changes an alarm."""

_SEQS = 256
_FAULT = "fault"
_SOME_TIME = 1_700_000_000_001
_TEXT = {"zh": "点", "en": "point"}
_KINDS = {float: DataType.DOUBLE, int: DataType.INT64, bool: DataType.BOOLEAN}


def profile() -> Profile:
    """Give a device type with 49 measured values of three types, of which some have limits, and a fault code."""
    points: dict[str, object] = {
        f"value_{number}": _point(("float32", "float32", "float32", "uint16", "bool")[number % 5], number)
        for number in range(1, POINTS)
    }
    points[_FAULT] = _point("uint16", 200)
    alarms = {f"limit_{number}": _alarm(when=[{"point": f"value_{number}", "above": 900.0}]) for number in (1, 2, 6, 7)}
    alarms["fault"] = _alarm(when=[{"point": _FAULT, "above": 0.5}], work_order="repair")
    order = {
        "title": {"zh": "检修", "en": "Repair"},
        "category": [_TEXT, _TEXT, _TEXT],
        "skill": "pumps",
        "arrive_within": "30min",
        "restore_within": "4h",
        "checklist": [_TEXT],
        "closes": "person",
    }
    document = {
        "schema": 1,
        "name": "bench-device",
        "version": "1.0.0",
        "kind": "pump",
        "label": {"zh": "测试设备", "en": "Bench device"},
        "protocol": "modbus",
        "points": points,
        "alarms": alarms,
        "work_orders": {"repair": order},
    }
    return validate("bench", document, Profile)


def _point(kind: str, address: int) -> dict[str, object]:
    table = "coil" if kind == "bool" else "holding"
    where: dict[str, object] = {"table": table, "address": 2 * address, "type": kind}
    sample: object = {"uint16": 0, "float32": 1.0, "bool": False}[kind]
    return {"label": _TEXT, "modbus": where, "poll": "1s", "sample": sample}


def _alarm(**more: object) -> dict[str, object]:
    said = dict.fromkeys(("label", "cause", "consequence", "response"), _TEXT)
    return {**said, "on_delay": "0s", "off_delay": "0s", "priority": "high", "respond_within": "10min", **more}


@dataclass(kw_only=True, slots=True)
class Bodies:
    """The encoded readings of the n-th device of any node, whose aliases are the same at every node."""

    profile: Profile
    per_message: int
    _made: dict[tuple[int, int, int], bytes] = field(default_factory=dict)

    def get(self, device: int, turn: int) -> bytes:
        """Give the readings of a device's n-th message: all points but the fault, or some of them in rotation."""
        parts = max(1, (POINTS - 1) // (self.per_message - 1))
        key = (device, turn % VARIANTS, turn % parts)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(*key)
        return made

    def _make(self, device: int, variant: int, part: int) -> bytes:
        names = [name for name in self.profile.points if name != _FAULT]
        first = part * (self.per_message - 1)
        chosen = names[first : first + self.per_message - 1]
        metrics = []
        for name in chosen:
            kind = self.profile.points[name].value_type
            number = len(name) + device + 17 * variant
            value: float | int | bool = {float: 20.5 + number / 10, int: 40 + number, bool: variant % 2 == 0}[kind]
            alias = alias_of(self.profile, device, name)
            metrics.append(Metric(alias=alias, datatype=_KINDS[kind], value=value, timestamp_ms=_SOME_TIME))
        made = PayloadMessage.FromString(encode(Payload(timestamp_ms=None, metrics=tuple(metrics))))
        for one in made.metrics:
            one.ClearField("datatype")  # as our agents do: the birth has told it
        found = made.SerializeToString()
        assert found.count(_time_bytes(_SOME_TIME)) == len(chosen)
        return found


def _time_bytes(at_ms: int) -> bytes:
    # A metric that is nothing but a timestamp: behind the tag and the length of the metric is the field itself.
    message = PayloadMessage()
    message.metrics.add(timestamp=at_ms)
    return message.SerializeToString()[2:]


def alias_of(profile: Profile, device: int, name: str) -> int:
    """Give the alias of a metric of the n-th device of a node."""
    numbers = _numbers(tuple(profile.points))
    return 1000 + device * len(numbers) + numbers[name]


@lru_cache
def _numbers(points: tuple[str, ...]) -> dict[str, int]:
    own = (contract.JOURNAL_ID, contract.JOURNAL_OFFSET, *_said("", "", ""))
    return {name: number for number, name in enumerate([*own, *points])}


@lru_cache
def _said(profile_hash: str, name: str, version: str) -> dict[str, str | None]:
    """Give what a device's birth says beside its points and its journal."""
    return {
        contract.PROFILE_NAME: name,
        contract.PROFILE_VERSION: version,
        contract.PROFILE_HASH: profile_hash,
        contract.DEVICE_LABEL: None,
        contract.DEVICE_PLACE: None,
        contract.ALARM_OVERRIDES: "{}",
        contract.COMMAND_ID: None,
        contract.COMMAND_TOKEN: None,
        contract.COMMAND_TIMEOUT_MS: None,
        contract.COMMAND_OUTCOME: None,
        contract.COMMAND_DETAIL: None,
    }


class Node:
    """One agent: its births, its next record, and how far it is acknowledged."""

    def __init__(self, name: str, *, number: int, devices: int, profile: Profile, bodies: Bodies) -> None:
        self.name = name
        self.journal_id = f"journal-of-{name}"
        self.sent = 0
        self.acknowledged = 0
        self.progress_at = 0.0
        self._seq = 0
        # So that 1% of the nodes change an alarm with whichever message, also with their first ones: every node begins
        # somewhere else in the round of all its devices. 37 has no divisor in common with its 4,000 messages.
        self._ahead = number * 37 % (2 * MESSAGES_OF_AN_ALARM * devices)
        self._profile = profile
        self._said = _said(profile.hash, profile.name, profile.version)
        self._bodies = bodies
        self._devices = [f"device-{number}" for number in range(devices)]
        self._topics = [_topic(MessageType.DDATA, name, device) for device in self._devices]
        self._aliases = [
            tuple(
                alias_of(profile, number, metric) for metric in (contract.JOURNAL_ID, contract.JOURNAL_OFFSET, _FAULT)
            )
            for number in range(devices)
        ]

    def births(self, now_ms: int) -> Iterator[Message]:
        """Make the whole birth sequence."""
        self._seq = 0
        own: dict[str, str | int | bool | None] = {
            BD_SEQ: 0,
            REBIRTH: False,
            contract.JOURNAL_ACK: None,
            contract.PROFILE_REQUEST: None,
            contract.PROFILE_DOCUMENT: None,
            contract.JOURNAL_ID: self.journal_id,
            contract.JOURNAL_OFFSET: self.sent,
            contract.JOURNAL_FIRST: self.acknowledged + 1,
            contract.JOURNAL_GAP_TO: None,
            contract.COMMAND_TOKEN: "0" * 32,
            contract.AGENT_VERSION: "bench",
            contract.AGENT_CONFIG_REVISION: "1",
        }
        kinds = {**contract.DATATYPES, BD_SEQ: DataType.INT64, REBIRTH: DataType.BOOLEAN}
        metrics = [
            Metric(name=name, alias=None if name in {BD_SEQ, REBIRTH} else alias, datatype=kinds[name], value=value)
            for alias, (name, value) in enumerate(own.items(), start=1)
        ]
        yield self._message(MessageType.NBIRTH, None, metrics, now_ms)
        for number, device in enumerate(self._devices):
            said = {contract.JOURNAL_ID: self.journal_id, contract.JOURNAL_OFFSET: self.sent, **self._said}
            name = f"{self.name} {number}"
            said[contract.DEVICE_LABEL] = json.dumps({"zh": name, "en": name})
            said[contract.DEVICE_PLACE] = f"Tower {number}/Room {self.name}"
            metrics = [
                Metric(
                    name=name,
                    alias=alias_of(self._profile, number, name),
                    datatype=contract.DATATYPES[name],
                    value=value,
                )
                for name, value in said.items()
            ]
            metrics += [
                Metric(name=name, alias=alias_of(self._profile, number, name), datatype=_KINDS[point.value_type])
                for name, point in self._profile.points.items()
            ]
            yield self._message(MessageType.DBIRTH, device, metrics, now_ms)

    def document(self, now_ms: int) -> Message:
        """Answer the request for the profile."""
        return self._say(contract.PROFILE_DOCUMENT, 5, self._profile.document(), now_ms)

    def token(self, token: str, now_ms: int) -> Message:
        """Publish a command token."""
        return self._say(contract.COMMAND_TOKEN, 10, token, now_ms)

    def _say(self, name: str, alias: int, value: str, now_ms: int) -> Message:
        metric = Metric(alias=alias, datatype=contract.DATATYPES[name], value=value, timestamp_ms=now_ms)
        return self._message(MessageType.NDATA, None, [metric], now_ms)

    def record(self, now_ms: int) -> tuple[str, bytes]:
        """Make the next record: its topic and its bytes."""
        self.sent += 1
        offset = self.sent
        number = offset % len(self._devices)
        journal, position, fault = self._aliases[number]
        rest = PayloadMessage(timestamp=now_ms, seq=self._next_seq())
        rest.metrics.add(alias=journal, timestamp=now_ms, string_value=self.journal_id)
        rest.metrics.add(alias=position, timestamp=now_ms, long_value=offset)
        rest.metrics.add(alias=fault, timestamp=now_ms, long_value=self._fault(number, offset))
        body = self._bodies.get(number, offset // len(self._devices))
        return self._topics[number], body.replace(_OLD_TIME, _time_bytes(now_ms)) + rest.SerializeToString()

    def _fault(self, device: int, offset: int) -> int:
        """Give what a record says of its device's fault: of two hundred one raises it, and one clears it again.

        Device after device has it for a hundred messages of the node, with a hundred in between.
        """
        return int((offset + self._ahead) // MESSAGES_OF_AN_ALARM % (2 * len(self._devices)) == 2 * device)

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % _SEQS
        return self._seq

    def _message(self, kind: MessageType, device: str | None, metrics: list[Metric], now_ms: int) -> Message:
        seq = 0 if kind is MessageType.NBIRTH else self._next_seq()
        payload = encode(Payload(timestamp_ms=now_ms, metrics=tuple(metrics), seq=seq))
        return Message(topic=_topic(kind, self.name, device), payload=payload, qos=0, retain=False)


def _topic(kind: MessageType, node: str, device: str | None) -> str:
    return str(Topic(group=GROUP, type=kind, node=node, device=device))


_OLD_TIME = _time_bytes(_SOME_TIME)
