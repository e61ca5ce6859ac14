"""Sparkplug B payloads: values in, bytes out, and back (Sparkplug 3.0, chapter 6).

`decode` raises MalformedPayload and nothing else, whatever the bytes. `wire.metrics.read_metric` judges one metric, so
that a host can keep the good metrics of a payload that has a bad one.
"""

from dataclasses import dataclass, replace

from google.protobuf.message import DecodeError

from wire.datatypes import DataType, Value, ValueField
from wire.errors import MalformedPayload, MalformedTopic, SequenceError, UnknownMetric, WireError, WrongType
from wire.metrics import MetricMessage, label, read_metric, write_metric
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.templates import resolve_metric
from wire.values import (
    ENG_HIGH,
    ENG_LOW,
    ENG_UNIT,
    NO_PROPERTIES,
    QUALITY,
    DataSet,
    MetaData,
    Metric,
    MetricValue,
    Parameter,
    Property,
    Quality,
    Template,
    quality_property,
)

__all__ = [
    "ENG_HIGH", "ENG_LOW", "ENG_UNIT", "NO_PROPERTIES", "QUALITY", "DataSet", "DataType", "MalformedPayload",
    "MalformedTopic", "Message", "MetaData", "Metric", "MetricMessage", "MetricValue", "Parameter", "Payload",
    "Property", "Quality", "SequenceError", "Template", "UnknownMetric", "Value", "ValueField", "WireError",
    "WrongType", "decode", "encode", "quality_property", "resolve",
]  # fmt: skip


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
    write_metric(target, replace(metric, value=None), DataType.UNKNOWN, metric.timestamp_ms)
    if metric.value is not None and metric.held is not None:
        if isinstance(metric.value, DataSet | Template):
            raise WrongType(f"metric {metric.name or metric.alias} needs its data type to be written")
        target.ClearField("is_null")
        setattr(target, metric.held, metric.value)


def parse_message(data: bytes) -> PayloadMessage:
    """Parse the protobuf frame only; raises MalformedPayload."""
    try:
        return PayloadMessage.FromString(data)
    except DecodeError as error:
        raise MalformedPayload(f"the bytes are not a Sparkplug B payload: {error}") from error


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
    if declared.datatype is None:
        raise WrongType(f"the birth of {declared.name} names no data type")
    return resolve_metric(metric, name=declared.name, alias=declared.alias, datatype=declared.datatype)
