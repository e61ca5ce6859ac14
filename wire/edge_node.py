"""An edge node's Sparkplug session rules: bdSeq, seq, aliases, who is born (Sparkplug 3.0, chapters 5 and 6).

The caller owns the connection and the clock. Every method that makes a message also moves the state, and moves nothing
when it raises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wire.births import Declared, declared, read_declared
from wire.datatypes import DataType
from wire.errors import BadCommand, MalformedTopic, SequenceError, WireError, WrongType
from wire.metrics import MetricMessage, write_metric
from wire.payload import Message, parse_message
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.templates import NO_DEFINITIONS, Definitions, check_definition, check_instance, definitions_of
from wire.topic import COMMAND_TYPES, MessageType, Topic, check_name, parse
from wire.values import Metric, MetricValue, Template

BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
SEQ_MODULUS = 256
_TEMPLATE = DataType.TEMPLATE
_WITHOUT_ALIAS = frozenset({BD_SEQ, REBIRTH})


def next_bdseq(previous: int | None) -> int:
    """Return the bdSeq of the next CONNECT, given that of the last one (None when there was none)."""
    return 0 if previous is None else (previous + 1) % SEQ_MODULUS


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """An NCMD (`device` None) or DCMD; the metrics have the names and data types of the birth."""

    device: str | None
    timestamp_ms: int | None
    metrics: tuple[Metric, ...]

    @property
    def asks_rebirth(self) -> bool:
        """Whether the host wants the whole birth sequence again."""
        return self.device is None and any(metric.name == REBIRTH and metric.value is True for metric in self.metrics)


class EdgeNode:
    """One edge node's session state. `connect` begins the next session; aliases stay for the object's life."""

    def __init__(self, group: str, node: str, bd_seq: int) -> None:
        self._group = check_name(group)
        self._node = check_name(node)
        self._aliases: dict[tuple[str | None, str], int] = {}
        self._births: dict[str | None, dict[str, Declared]] = {}  # None is the node itself
        self._by_alias: dict[int, Declared] = {}
        self._definitions: Definitions = NO_DEFINITIONS
        self._seq = 0
        self._bd_seq = _checked_bd_seq(bd_seq)

    @property
    def bd_seq(self) -> int:
        """The number of this CONNECT."""
        return self._bd_seq

    @property
    def is_born(self) -> bool:
        """Whether this session's NBIRTH was made."""
        return None in self._births

    @property
    def born_devices(self) -> frozenset[str]:
        """The devices whose DBIRTH was made since the last NBIRTH and that did not die."""
        return frozenset(device for device in self._births if device is not None)

    def connect(self, bd_seq: int) -> None:
        """Begin the next session, before its CONNECT: nothing is born, aliases stay."""
        self._bd_seq = _checked_bd_seq(bd_seq)
        self._births.clear()
        self._by_alias.clear()
        self._seq = 0

    def will(self, at_ms: int | None = None) -> Message:
        """Return the NDEATH to give the broker as the will of this CONNECT."""
        message = PayloadMessage()
        if at_ms is not None:
            message.timestamp = at_ms
        metric = Metric(name=BD_SEQ, datatype=DataType.INT64, value=self._bd_seq)
        target = message.metrics.add(name=BD_SEQ, datatype=DataType.INT64)
        write_metric(target, metric, DataType.INT64, at_ms)
        return self._message(MessageType.NDEATH, None, message, qos=1)

    def death(self, at_ms: int | None = None) -> Message:
        """Return the NDEATH to publish before an intended disconnect; nothing is born afterwards."""
        message = self.will(at_ms)
        self._births.clear()
        self._by_alias.clear()
        return message

    def birth(self, metrics: Iterable[Metric], at_ms: int) -> Message:
        """Return the NBIRTH, also as the beginning of a rebirth: every device must be born again after it.

        bdSeq and `Node Control/Rebirth` are added here. Every metric needs a name and a data type. The definitions of
        all Templates, those of devices too, are among the metrics.
        """
        own = (
            Metric(name=BD_SEQ, datatype=DataType.INT64, value=self._bd_seq),
            Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=False),
        )
        everything = (*own, *metrics)
        definitions = definitions_of(everything)
        message, born = self._born(None, everything, at_ms, seq=0, definitions=definitions)
        self._births.clear()
        self._by_alias.clear()
        self._definitions = definitions
        self._seq = 1
        self._declare(None, born)
        return self._message(MessageType.NBIRTH, None, message)

    def device_birth(self, device: str, metrics: Iterable[Metric], at_ms: int) -> Message:
        """Return the DBIRTH; also of a device that is already born, whose metrics it replaces."""
        self._require_birth(f"the birth of device {device}")
        check_name(device)
        message, born = self._born(device, tuple(metrics), at_ms, seq=self._seq, definitions=self._definitions)
        self._forget(device)
        self._declare(device, born)
        self._consume_seq()
        return self._message(MessageType.DBIRTH, device, message)

    def data(self, metrics: Iterable[Metric], at_ms: int) -> Message:
        """Return an NDATA by alias; a metric without a timestamp gets `at_ms`."""
        return self._data(MessageType.NDATA, None, metrics, at_ms)

    def device_data(self, device: str, metrics: Iterable[Metric], at_ms: int) -> Message:
        """Return a DDATA by alias; a metric without a timestamp gets `at_ms`."""
        return self._data(MessageType.DDATA, device, metrics, at_ms)

    def device_death(self, device: str, at_ms: int) -> Message:
        """Return the DDEATH of a device that was born."""
        self._require_birth(f"the death of device {device}")
        if device not in self._births:
            raise SequenceError(f"device {device} cannot die: it is not born")
        message = PayloadMessage(timestamp=at_ms, seq=self._seq)
        self._forget(device)
        self._consume_seq()
        return self._message(MessageType.DDEATH, device, message)

    def parse_command(self, topic: str, payload: bytes) -> Command:
        """Read an NCMD or DCMD against the births, all or nothing; raises BadCommand with what is wrong with it."""
        try:
            to = parse(topic)
            if to.type not in COMMAND_TYPES or (to.group, to.node) != (self._group, self._node):
                raise MalformedTopic(f"{topic} is not a command for {self._group}/{self._node}")
            message = parse_message(payload)
        except WireError as error:
            raise BadCommand(str(error)) from error
        names = self._births.get(to.device)
        if names is None:
            raise BadCommand(f"{'the node' if to.device is None else f'device {to.device}'} is not born")
        timestamp = message.timestamp if message.HasField("timestamp") else None
        metrics, refused = read_declared(
            message.metrics, self._by_alias, names, to.device, timestamp or 0, definitions=self._definitions
        )
        if refused:
            raise BadCommand("; ".join(f"metric {one.metric or 'without a name'}: {one.reason}" for one in refused))
        return Command(device=to.device, timestamp_ms=timestamp, metrics=metrics)

    def _require_birth(self, what: str) -> None:
        if None not in self._births:
            raise SequenceError(f"{what} before the birth of node {self._group}/{self._node}")

    def _consume_seq(self) -> None:
        self._seq = (self._seq + 1) % SEQ_MODULUS

    def _forget(self, device: str) -> None:
        for one in self._births.pop(device, {}).values():
            if one.alias is not None:
                del self._by_alias[one.alias]

    def _declare(self, device: str | None, born: dict[str, Declared]) -> None:
        self._births[device] = born
        for one in born.values():
            if one.alias is not None:
                self._by_alias[one.alias] = one
                self._aliases[device, one.name] = one.alias

    def _born(
        self, device: str | None, metrics: Sequence[Metric], at_ms: int, seq: int, definitions: Definitions
    ) -> tuple[PayloadMessage, dict[str, Declared]]:
        """Build a birth without changing anything; a new alias is the next one never used by this node."""
        message = PayloadMessage(timestamp=at_ms, seq=seq)
        born: dict[str, Declared] = {}
        fresh = len(self._aliases) + 1
        for metric in metrics:
            name, datatype = metric.name, metric.datatype
            if not name or datatype is None:
                raise SequenceError(f"a metric of a birth needs a name and a data type: {name!r}, {datatype!r}")
            if name in born:
                raise SequenceError(f"the birth names the metric {name} twice")
            target = message.metrics.add(name=name, datatype=datatype)
            alias: int | None = None
            if device is not None or name not in _WITHOUT_ALIAS:
                alias = self._aliases.get((device, name))
                if alias is None:
                    alias, fresh = fresh, fresh + 1
                target.alias = alias
            if datatype is _TEMPLATE:
                _check_template(name, metric.value, definitions, device=device, whole=True)
            self._write(target, metric, name, datatype, at_ms)
            born[name] = declared(name, device, alias, datatype)
        return message, born

    def _data(self, kind: MessageType, device: str | None, metrics: Iterable[Metric], at_ms: int) -> Message:
        self._require_birth("data" if device is None else f"data of device {device}")
        names = self._births.get(device)
        if names is None:
            raise SequenceError(f"data of device {device} before its birth")
        message = PayloadMessage(timestamp=at_ms, seq=self._seq)
        add = message.metrics.add
        for metric in metrics:
            one = names.get(metric.name or "")
            if one is None:
                raise SequenceError(f"the metric {metric.name} is not in the birth of {device or 'the node'}")
            if metric.datatype is not None and metric.datatype is not one.datatype:
                raise WrongType(f"{one.name} was born as {one.datatype.name}, not {metric.datatype.name}")
            if one.datatype is _TEMPLATE:
                _check_template(one.name, metric.value, self._definitions, device=device, whole=False)
            target = add(name=one.name) if one.alias is None else add(alias=one.alias)
            try:
                write_metric(
                    target, metric, one.datatype, at_ms if metric.timestamp_ms is None else metric.timestamp_ms
                )
            except WrongType as error:
                raise WrongType(f"metric {one.name}: {error}") from error
        self._consume_seq()
        return self._message(kind, device, message)

    @staticmethod
    def _write(target: MetricMessage, metric: Metric, name: str, datatype: DataType, at_ms: int) -> None:
        try:
            write_metric(target, metric, datatype, at_ms if metric.timestamp_ms is None else metric.timestamp_ms)
        except WrongType as error:
            raise WrongType(f"metric {name}: {error}") from error

    def _message(self, kind: MessageType, device: str | None, message: PayloadMessage, qos: int = 0) -> Message:
        topic = Topic(group=self._group, type=kind, node=self._node, device=device)
        return Message(topic=str(topic), payload=message.SerializeToString(), qos=qos, retain=False)


def _check_template(
    name: str, value: MetricValue | None, definitions: Definitions, *, device: str | None, whole: bool
) -> None:
    if not isinstance(value, Template):
        return  # null, or refused when it is written
    try:
        if not value.is_definition:
            check_instance(value, definitions, whole=whole)
        elif device is None and whole:
            check_definition(value)
        else:
            raise SequenceError(f"metric {name}: a Template is defined in the birth of the node only")
    except WrongType as error:
        raise WrongType(f"metric {name}: {error}") from error


def _checked_bd_seq(bd_seq: int) -> int:
    if not 0 <= bd_seq < SEQ_MODULUS:
        raise SequenceError(f"bdSeq is 0 to 255, not {bd_seq}")
    return bd_seq
