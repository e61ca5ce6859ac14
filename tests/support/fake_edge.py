"""A scripted agent: real Sparkplug by `wire.edge_node`, a journal in memory, and every trick a bad edge could play."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.profile import Profile
from wire import contract
from wire.datatypes import DataType
from wire.edge_node import EdgeNode
from wire.payload import QUALITY, Message, Metric, Quality, quality_property

Value = bool | int | float | str
_KINDS = {bool: DataType.BOOLEAN, int: DataType.INT64, float: DataType.DOUBLE, str: DataType.STRING}


@dataclass(kw_only=True)
class Record:
    """One journalled payload of one device."""

    device: str
    at_ms: int
    values: Mapping[str, Value]
    quality: Quality = Quality.GOOD
    extra: Mapping[str, Value] = field(default_factory=dict)


class FakeEdge:
    """Makes the messages of one agent; the test says when, in which order, and which get lost."""

    def __init__(
        self,
        profile: Profile,
        *,
        group: str = "garden",
        node: str = "edge-1",
        journal_id: str = "j1",
        devices: Sequence[str] = ("pump-1",),
        overrides: str = "{}",
    ) -> None:
        self.profile = profile
        self.session = EdgeNode(group, node, 0)
        self.journal_id = journal_id
        self.first = 1
        self.records: list[Record] = []
        self.devices = devices
        self.overrides = overrides
        self.former: str | None = None

    def births(self, at_ms: int) -> list[Message]:
        """The whole birth sequence."""
        messages = [self.session.birth(self._node_metrics(), at_ms)]
        messages += [self.session.device_birth(device, self._device_metrics(), at_ms) for device in self.devices]
        return messages

    def journal(
        self,
        at_ms: int,
        device: str = "pump-1",
        *,
        quality: Quality = Quality.GOOD,
        time: str | None = None,
        **values: Value,
    ) -> int:
        """Write a record into the journal; its offset. `time` is why its time is not to be trusted."""
        extra = {} if time is None else {contract.TIME_QUALITY: time}
        self.records.append(Record(device=device, at_ms=at_ms, values=values, quality=quality, extra=extra))
        return len(self.records)

    def outcome(self, at_ms: int, command_id: str, outcome: str, device: str = "pump-1") -> int:
        """Journal what became of a command."""
        extra = {contract.COMMAND_ID: command_id, contract.COMMAND_OUTCOME: outcome, contract.COMMAND_DETAIL: "seen"}
        self.records.append(Record(device=device, at_ms=at_ms, values={}, extra=extra))
        return len(self.records)

    def send(self, offset: int, *, historical: bool = False) -> Message:
        """The DDATA of a record."""
        record = self.records[offset - 1]
        own: dict[str, Value] = {contract.JOURNAL_ID: self.journal_id, contract.JOURNAL_OFFSET: offset, **record.extra}
        metrics = [self._metric(name, value, record.at_ms, historical=historical) for name, value in own.items()]
        properties = {} if record.quality is Quality.GOOD else {QUALITY: quality_property(record.quality)}
        for point, value in record.values.items():
            kind = self.profile.points[point].value_type
            metrics.append(
                Metric(
                    name=point,
                    datatype=_KINDS[kind],
                    value=float(value) if kind is float else value,
                    timestamp_ms=record.at_ms,
                    is_historical=historical,
                    properties=properties,
                )
            )
        return self.session.device_data(record.device, metrics, record.at_ms)

    def replay(self, after: int = 0, last: int | None = None) -> list[Message]:
        """The records beyond an offset (up to `last`), as they are sent after a reconnection."""
        end = len(self.records) if last is None else last
        return [self.send(offset, historical=True) for offset in range(after + 1, end + 1)]

    def tombstone(self, first: int, last: int, at_ms: int, *, detail: str | None = None) -> Message:
        """Say that records are lost, and why."""
        values: dict[str, Value | None] = {
            contract.JOURNAL_ID: self.journal_id,
            contract.JOURNAL_OFFSET: first,
            contract.JOURNAL_GAP_TO: last,
            contract.JOURNAL_GAP_DETAIL: detail,
        }
        return self.session.data([self._metric(name, value, at_ms) for name, value in values.items()], at_ms)

    def token(self, token: str, at_ms: int) -> Message:
        """Publish a fresh command token."""
        return self.session.data([self._metric(contract.COMMAND_TOKEN, token, at_ms)], at_ms)

    def document(self, at_ms: int) -> Message:
        """Answer a profile request."""
        metric = self._metric(contract.PROFILE_DOCUMENT, self.profile.document(), at_ms)
        return self.session.data([metric], at_ms)

    @staticmethod
    def _metric(name: str, value: Value | None, at_ms: int | None, *, historical: bool = False) -> Metric:
        kind = contract.DATATYPES[name]
        return Metric(name=name, datatype=kind, value=value, timestamp_ms=at_ms, is_historical=historical)

    def _node_metrics(self) -> list[Metric]:
        values: dict[str, Value | None] = {
            contract.JOURNAL_ACK: None,
            contract.PROFILE_REQUEST: None,
            contract.PROFILE_DOCUMENT: None,
            contract.JOURNAL_ID: self.journal_id,
            contract.JOURNAL_OFFSET: len(self.records),
            contract.JOURNAL_FIRST: self.first,
            contract.JOURNAL_GAP_TO: None,
            contract.JOURNAL_GAP_DETAIL: None,
            contract.JOURNAL_FORMER: self.former,
            contract.COMMAND_TOKEN: "token-of-birth",
            contract.AGENT_VERSION: "1.0",
            contract.AGENT_CONFIG_REVISION: "r1",
        }
        return [self._metric(name, value, None) for name, value in values.items()]

    def _device_metrics(self) -> list[Metric]:
        values: dict[str, Value | None] = {
            contract.JOURNAL_ID: self.journal_id,
            contract.JOURNAL_OFFSET: len(self.records),
            contract.PROFILE_NAME: self.profile.name,
            contract.PROFILE_VERSION: self.profile.version,
            contract.PROFILE_HASH: self.profile.hash,
            contract.DEVICE_LABEL: '{"zh": "一号泵", "en": "Pump 1"}',
            contract.DEVICE_PLACE: "Tower 1/Pump room",
            contract.ALARM_OVERRIDES: self.overrides,
            contract.COMMAND_ID: None,
            contract.COMMAND_TOKEN: None,
            contract.COMMAND_TIMEOUT_MS: None,
            contract.COMMAND_OUTCOME: None,
            contract.COMMAND_DETAIL: None,
            contract.TIME_QUALITY: None,
        }
        metrics = [self._metric(name, value, None) for name, value in values.items()]
        commands = [contract.command_metric(name) for name in self.profile.commands]
        metrics += [Metric(name=name, datatype=DataType.BOOLEAN) for name in commands]
        points = self.profile.points.items()
        return metrics + [Metric(name=name, datatype=_KINDS[point.value_type]) for name, point in points]
