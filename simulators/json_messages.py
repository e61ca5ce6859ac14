"""What a device publishes: messages written from its points' values, by its profile. Pure; written for itself.

It shares no code with the driver that reads them, so that the two cannot share a mistake.
"""

import base64
import json
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drivers.api import Value
from drivers.places.message import BytesField, JsonPoint, JsonTopic
from drivers.profile import Profile

_PATH = re.compile(r'\.?([\w$-]+)|\[(-?\d+)\]|\["((?:[^"\\]|\\.)*)"\]')
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a message is to say: of these points, under this number, at this time."""

    values: Mapping[str, Value]
    number: int
    at_ms: int
    wrong_type: bool = False


def topic_of(template: str, variables: Mapping[str, str]) -> str:
    """Fill in a topic."""
    return _HOLE.sub(lambda found: variables.get(found[1], found[1]), template)


def topics_of(profile: Profile, points: Iterable[str]) -> tuple[str, ...]:
    """Name the topics on which points are told, each once."""
    return tuple(dict.fromkeys(profile.points[name].at(JsonPoint).topic for name in points))


def write_message(profile: Profile, topic: str, said: Said, variables: Mapping[str, str]) -> bytes:
    """Write the message of a topic."""
    described = profile.json_defaults.topics[topic]
    places = {name: profile.points[name].at(JsonPoint) for name in said.values}
    here = {name: place for name, place in places.items() if place.topic == topic and place.is_readable}
    if described.payload == "text":
        texts = [_text(_raw(place, said.values[name])) for name, place in here.items()]
        return (texts[0] if texts else "").encode()
    document = _envelope(described, said, variables)
    for name, place in here.items():
        if not place.fields:
            raw = _raw(place, said.values[name])
            _put(document, place.path or "", _text(raw) if place.from_text else raw)
    if described.bytes is not None:
        data = _data(described, [(place, said.values[name]) for name, place in here.items() if place.fields])
        text = base64.b64encode(data).decode() if described.bytes.encoding == "base64" else data.hex()
        _put(document, described.bytes.path, text)
    if said.wrong_type:
        document = _spoilt(document)
    return json.dumps(document, ensure_ascii=False).encode()


def read_order(place: JsonPoint, payload: str, variables: Mapping[str, str]) -> Value | None:
    """Read the value out of what was published to a point's order topic; None when it is no such order."""
    if place.write is None:
        return None
    pattern, kind = "", ""
    parts = _HOLE.split(place.write.payload)  # texts, and the names between them
    for text, hole in zip(parts[::2], [*parts[1::2], None], strict=True):
        pattern += re.escape(text)
        if hole in {"value", "text", "bytes", "hex"}:
            pattern, kind = pattern + "(.*)", hole
        elif hole is not None:
            pattern += re.escape(variables.get(hole, hole))
    found = re.fullmatch(pattern, payload, flags=re.DOTALL)
    try:
        return None if found is None else _meant(place, found[1] if kind else "", kind)
    except (ValueError, LookupError, StopIteration):
        return None


def _meant(place: JsonPoint, written: str, kind: str) -> Value:
    raw: Any = written
    if kind == "value":
        raw = json.loads(written)
    elif kind in {"bytes", "hex"} and place.write is not None and place.write.bytes is not None:
        order = place.write.bytes
        data = base64.b64decode(written, validate=True) if kind == "bytes" else bytes.fromhex(written)
        inner = data[len(order.lead) // 2 : len(data) - len(order.trail) // 2]
        if len(inner) != order.size:
            raise ValueError("an order of another length")
        raw = int.from_bytes(inner, order.endian, signed=order.type.startswith("int"))
    text = raw if isinstance(raw, str) else json.dumps(raw)
    if place.values:
        return next(meaning for key, meaning in place.values.items() if key == text)
    if place.type == "bool":
        return {"true": True, "false": False, "1": True, "0": False}[text]
    if place.type == "string":
        return text
    number = float(text) * place.scale + place.offset
    return round(number) if place.type == "int" else number


def _envelope(topic: JsonTopic, said: Said, variables: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if topic.match is not None:
        _put(document, topic.match.path, topic_of(topic.match.equals, variables))
    for path in topic.id:
        _put(document, path, f"{variables['address']}-{said.number}")
    if topic.time is not None:
        at = datetime.fromtimestamp(said.at_ms / 1000, UTC)
        _put(document, topic.time, at.isoformat(timespec="milliseconds"))
    return document


def _put(document: dict[str, Any], path: str, value: Any) -> None:  # noqa: ANN401 - JSON
    steps: list[str | int] = []
    for found in _PATH.finditer(path):
        quoted = re.sub(r"\\(.)", r"\1", found[3]) if found[3] is not None else None
        steps.append(int(found[2]) if found[2] is not None else (quoted if quoted is not None else found[1]))
    here: Any = document
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        inner: Any = value if following is None else ([] if isinstance(following, int) else {})
        if isinstance(step, int):
            index = max(step, 0)
            while len(here) <= index:
                here.append({} if following is None or isinstance(following, str) else [])
            if following is None:
                here[index] = value
            here = here[index]
        else:
            here = here.setdefault(step, inner)


def _raw(place: JsonPoint, value: Value) -> Any:  # noqa: ANN401 - JSON
    for raw, meaning in place.values.items():
        if meaning == value and type(meaning) is type(value):
            return int(raw) if place.fields else raw
    if isinstance(value, bool):
        return int(value) if place.fields else value
    if isinstance(value, str):
        return value
    number = (value - place.offset) / place.scale
    whole = place.type == "int" or (place.fields and not place.fields[0].type.startswith("float"))
    return round(number) if whole else round(number, 6)


def _text(raw: Any) -> str:  # noqa: ANN401 - JSON
    return raw if isinstance(raw, str) else json.dumps(raw)


def _data(topic: JsonTopic, told: list[tuple[JsonPoint, Value]]) -> bytes:
    records: dict[str, bytearray] = {}
    whole = bytearray()
    for place, value in told:
        field = place.fields[0]
        raw = _raw(place, value)
        if field.record is None:
            _place(whole, field, raw)
        else:
            length = topic.bytes.records[field.record] if topic.bytes is not None else 0
            _place(records.setdefault(field.record, bytearray(length)), field, raw)
    order = topic.bytes.records if topic.bytes is not None else {}
    return bytes(whole) + b"".join(bytes.fromhex(name) + records[name] for name in order if name in records)


def _place(data: bytearray, field: BytesField, raw: float) -> None:
    start = field.at if field.at >= 0 else max(len(data), -field.at) + field.at
    data.extend(bytes(max(0, start + field.size - len(data))))
    part = data[start : start + field.size]
    if field.type.startswith("float"):
        code = {4: "f", 8: "d"}[field.size]
        data[start : start + field.size] = struct.pack((">" if field.endian == "big" else "<") + code, raw)
        return
    number = int(raw)
    if field.bits is not None:
        low, width = field.bits
        others = int.from_bytes(part, field.endian) & ~(((1 << width) - 1) << low)
        number = others | (number & ((1 << width) - 1)) << low
    data[start : start + field.size] = number.to_bytes(field.size, field.endian, signed=number < 0)


def _spoilt(document: Any) -> Any:  # noqa: ANN401 - JSON
    """Write every text as a number and every number as a text, as a firmware does that was changed overnight."""
    if isinstance(document, dict):
        return {key: _spoilt(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_spoilt(value) for value in document]
    return 0 if isinstance(document, str) else str(document)
