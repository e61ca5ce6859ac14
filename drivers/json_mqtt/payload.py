"""From a payload's bytes to its content, and from a value to the payload that writes it. It touches nothing else."""

import base64
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from drivers.api import Value
from drivers.json_mqtt import codec
from drivers.json_mqtt.codec import MISSING, Content, NotUnderstood, Unwritable
from drivers.json_mqtt.topics import fill
from drivers.places.message import Carried, JsonPoint, JsonTopic

LARGEST = 262_144
"""No device's message is longer; what is, is not looked at."""


def read(topic: JsonTopic, payload: bytes) -> Content:
    """Read a payload as the profile's topic says; NotUnderstood."""
    if len(payload) > LARGEST:
        raise NotUnderstood(f"a message of {len(payload)} bytes is not read")
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotUnderstood(f"no UTF-8 text: byte {error.start}") from error
    if topic.payload == "text":
        return Content(document=text.strip("\r\n\t \x00"), plain=True)
    try:
        document = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise NotUnderstood("not JSON: nested too deeply") from error
    except ValueError as error:
        raise NotUnderstood(f"not JSON: {error}") from error
    if topic.bytes is None:
        return Content(document=document)
    return _carried(document, topic.bytes)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _carried(document: Any, carried: Carried) -> Content:  # noqa: ANN401 - JSON
    raw = codec.look(document, carried.path)
    if raw is MISSING or raw is None:
        return Content(document=document, damage=f"no `{carried.path}` in the message")
    if not isinstance(raw, str):
        return Content(document=document, damage=f"`{carried.path}` is no text")
    try:
        data = base64.b64decode(raw, validate=True) if carried.encoding == "base64" else bytes.fromhex(raw)
    except ValueError as error:
        return Content(document=document, damage=f"`{carried.path}` is no {carried.encoding}: {error}")
    if not carried.records:
        return Content(document=document, data=data)
    records, damage = codec.split_records(data, carried)
    return Content(document=document, data=data, records=records, damage=damage)


def write(point: JsonPoint, value: Value, variables: Mapping[str, str]) -> tuple[str, str]:
    """Give the topic and the payload that write a value; Unwritable when the value, or a variable, is not there."""
    if point.write is None:
        raise Unwritable("it has no `write`")
    raw = codec.raw_of(point, value)
    filled = dict(variables) | {
        "value": json.dumps(raw, ensure_ascii=False),
        "text": codec.scalar_text(raw) or "",
    }
    if point.write.bytes is not None:
        if isinstance(raw, str) and not point.values:
            raise Unwritable(f"{value!r} is no number")
        data = codec.pack(point.write.bytes, raw)
        filled |= {"bytes": base64.b64encode(data).decode(), "hex": data.hex()}
    try:
        return fill(point.write.topic, variables), fill(point.write.payload, filled)
    except KeyError as error:
        raise Unwritable(f"the bus does not say `variables.{error.args[0]}`") from error
