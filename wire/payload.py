"""Sparkplug B payloads: values in, bytes out, and back (Sparkplug 3.0, chapter 6).

`decode` raises MalformedPayload and nothing else, whatever the bytes. `read_metric` judges one metric, so that a host
can keep the good metrics of a payload that has a bad one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from google.protobuf.message import DecodeError

from wire.datatypes import BY_NUMBER, READERS, DataType, Value, ValueField, read_value, write_value
from wire.errors import MalformedPayload, MalformedTopic, SequenceError, UnknownMetric, WireError, WrongType
from wire.sparkplug_b_pb2 import Payload as PayloadMessage

__all__ = [
    "DataType", "MalformedPayload", "MalformedTopic", "Message", "Metric", "Payload", "Property", "Quality",
    "SequenceError", "UnknownMetric", "Value", "ValueField", "WireError", "WrongType", "decode", "encode",
    "quality_property", "resolve",
]  # fmt: skip

MetricMessage = PayloadMessage.Metric

QUALITY = "Quality"
ENG_UNIT = "engUnit"
ENG_LOW = "engLow"
ENG_HIGH = "engHigh"


class Quality(IntEnum):
    """The standard's three quality codes; a metric without the property is GOOD."""

    BAD = 0
    GOOD = 192
    STALE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """One property of a metric; `value` None is the standard's null."""

    datatype: DataType
    value: Value | None


NO_PROPERTIES: Mapping[str, Property] = MappingProxyType({})


def _no_properties() -> Mapping[str, Property]:
    return NO_PROPERTIES


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric of a payload; times are milliseconds since 1970, UTC.

    `held` is set only while `datatype` is unknown (DATA carries none): it names the protobuf field that held the still
    unconverted value, for `resolve`.
    """

    name: str | None = None
    alias: int | None = None
    datatype: DataType | None = None
    value: Value | None = None
    timestamp_ms: int | None = None
    is_historical: bool = False
    properties: Mapping[str, Property] = field(default_factory=_no_properties)
    held: ValueField | None = None

    @property
    def is_null(self) -> bool:
        """Whether the metric says that it has no value."""
        return self.value is None

    @property
    def quality(self) -> Quality:
        """The quality property: GOOD when absent, BAD for a code that is not the standard's."""
        found = self.properties.get(QUALITY)
        if found is None:
            return Quality.GOOD
        return _QUALITIES.get(found.value, Quality.BAD)


_QUALITIES: dict[object, Quality] = {int(quality): quality for quality in Quality}


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One message's content; `seq` is None in NDEATH and in commands."""

    timestamp_ms: int | None
    metrics: tuple[Metric, ...]
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What to publish."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


def quality_property(quality: Quality) -> Property:
    """Return the property for the key QUALITY; the standard fixes its type to Int32."""
    return Property(datatype=DataType.INT32, value=int(quality))


# --- writing ---------------------------------------------------------------------------------------------------------


def write_metric(target: MetricMessage, metric: Metric, datatype: DataType, timestamp_ms: int | None) -> None:
    """Fill everything of a metric except its name, alias and data type number; raises WrongType."""
    if timestamp_ms is not None:
        target.timestamp = timestamp_ms
    if metric.is_historical:
        target.is_historical = True
    if metric.value is None:
        target.is_null = True
    else:
        where, raw = write_value(datatype, metric.value)
        setattr(target, where, raw)
    if metric.properties:
        for key, found in metric.properties.items():
            _write_property(target, key, found)


def _write_property(target: MetricMessage, key: str, found: Property) -> None:
    properties = target.properties
    properties.keys.append(key)
    written = properties.values.add(type=found.datatype)
    if found.value is None:
        written.is_null = True
        return
    where, raw = write_value(found.datatype, found.value)
    if where == "bytes_value":
        raise WrongType(f"the property {key} cannot hold bytes")
    setattr(written, where, raw)


def encode(payload: Payload) -> bytes:
    """Return the payload's bytes; raises WrongType when a metric or a property does not fit its data type.

    A metric without a data type is written only where `held` names its field, unchanged.
    """
    message = PayloadMessage()
    try:
        if payload.timestamp_ms is not None:
            message.timestamp = payload.timestamp_ms
        if payload.seq is not None:
            message.seq = payload.seq
        if payload.uuid is not None:
            message.uuid = payload.uuid
        if payload.body is not None:
            message.body = payload.body
        for metric in payload.metrics:
            _encode_metric(message.metrics.add(), metric)
    except (ValueError, TypeError) as error:  # protobuf's words for a number that is too large or a lone surrogate
        if isinstance(error, WireError):
            raise
        raise WrongType(f"the payload cannot be written: {error}") from error
    return message.SerializeToString()


def _encode_metric(target: MetricMessage, metric: Metric) -> None:
    if metric.name is not None:
        target.name = metric.name
    if metric.alias is not None:
        target.alias = metric.alias
    if metric.datatype is not None:
        target.datatype = metric.datatype
        try:
            write_metric(target, metric, metric.datatype, metric.timestamp_ms)
        except WrongType as error:
            raise WrongType(f"metric {metric.name or metric.alias}: {error}") from error
        return
    if metric.value is not None and metric.held is None:
        raise WrongType(f"metric {metric.name or metric.alias} has a value and no data type")
    unvalued = Metric(
        timestamp_ms=metric.timestamp_ms, is_historical=metric.is_historical, properties=metric.properties
    )
    write_metric(target, unvalued, DataType.UNKNOWN, metric.timestamp_ms)
    if metric.value is not None and metric.held is not None:
        target.ClearField("is_null")
        setattr(target, metric.held, metric.value)


# --- reading ---------------------------------------------------------------------------------------------------------


def parse_message(data: bytes) -> PayloadMessage:
    """Parse the protobuf frame only; raises MalformedPayload."""
    try:
        return PayloadMessage.FromString(data)
    except DecodeError as error:
        raise MalformedPayload(f"the bytes are not a Sparkplug B payload: {error}") from error


def label(found: MetricMessage) -> str | None:
    """Return the metric's name, or else its alias in decimal, for people to find it."""
    if found.name and isinstance(found.name, str):
        return found.name
    return str(found.alias) if found.HasField("alias") else None


def read_properties(found: MetricMessage) -> Mapping[str, Property]:
    """Read the flat properties; nested property sets are skipped. Raises WrongType."""
    message = found.properties
    keys, values = message.keys, message.values
    if len(keys) != len(values):
        raise WrongType(f"{len(keys)} property keys and {len(values)} values")
    properties: dict[str, Property] = {}
    for key, value in zip(keys, values, strict=True):
        if not isinstance(key, str):
            raise WrongType("a property key is not UTF-8")
        datatype = BY_NUMBER.get(value.type)
        if datatype is None:
            raise WrongType(f"the property {key} has the unknown data type {value.type}")
        where = value.WhichOneof("value")
        if value.is_null:
            properties[key] = Property(datatype=datatype, value=None)
        elif where is None:
            raise WrongType(f"the property {key} has neither a value nor is_null")
        elif datatype in READERS:
            properties[key] = Property(datatype=datatype, value=read_value(datatype, where, getattr(value, where)))
    return properties


def read_metric(found: MetricMessage) -> Metric:
    """Read a metric by what it says of itself; raises WrongType."""
    name = found.name if found.HasField("name") else None
    if not isinstance(name, str | None):
        raise WrongType("the metric's name is not UTF-8")
    datatype: DataType | None = None
    if found.HasField("datatype"):
        datatype = BY_NUMBER.get(found.datatype)
        if datatype is None:
            raise WrongType(f"{found.datatype} is not a Sparkplug data type")
    value: Value | None = None
    held: ValueField | None = None
    if not found.is_null:
        where = found.WhichOneof("value")
        if where is None:
            raise WrongType("the metric has neither a value nor is_null")
        if datatype is None:
            value, held = _read_raw(found, where), where
        else:
            value = read_value(datatype, where, getattr(found, where))
    return Metric(
        name=name,
        alias=found.alias if found.HasField("alias") else None,
        datatype=datatype,
        value=value,
        timestamp_ms=found.timestamp if found.HasField("timestamp") else None,
        is_historical=found.is_historical,
        properties=read_properties(found) if found.HasField("properties") else NO_PROPERTIES,
        held=held,
    )


def _read_raw(found: MetricMessage, where: ValueField) -> Value:
    raw = getattr(found, where)
    if not isinstance(raw, bool | int | float | str | bytes):
        raise WrongType(f"a value in {where} is not supported")
    if where == "string_value" and not isinstance(raw, str):
        raise WrongType("the text is not UTF-8")
    return raw


def decode(data: bytes) -> Payload:
    """Read a payload by what it says of itself, all or nothing; raises MalformedPayload, never anything else."""
    message = parse_message(data)
    metrics: list[Metric] = []
    for found in message.metrics:
        try:
            metrics.append(read_metric(found))
        except WrongType as error:
            raise MalformedPayload(f"metric {label(found) or 'without a name'}: {error}") from error
    uuid = message.uuid if message.HasField("uuid") else None
    if not isinstance(uuid, str | None):
        raise MalformedPayload("the payload's uuid is not UTF-8")
    return Payload(
        timestamp_ms=message.timestamp if message.HasField("timestamp") else None,
        metrics=tuple(metrics),
        seq=message.seq if message.HasField("seq") else None,
        uuid=uuid,
        body=message.body if message.HasField("body") else None,
    )


def resolve(metric: Metric, declared: Metric) -> Metric:
    """Give a DATA metric the name, alias and data type of its birth; raises WrongType when its value is not of it."""
    datatype = declared.datatype
    if datatype is None:
        raise WrongType(f"the birth of {declared.name} names no data type")
    value = metric.value
    if metric.datatype is not None and metric.datatype is not datatype:
        raise WrongType(f"{declared.name} was born as {datatype.name}, its data is {metric.datatype.name}")
    if value is not None and metric.datatype is None:
        if metric.held is None:
            raise WrongType(f"{declared.name} has a value from no field")
        value = read_value(datatype, metric.held, value)
    return Metric(
        name=declared.name,
        alias=declared.alias,
        datatype=datatype,
        value=value,
        timestamp_ms=metric.timestamp_ms,
        is_historical=metric.is_historical,
        properties=metric.properties,
    )
