"""A value put into a message where a point lies, and read back by the product."""

from typing import Any

from drivers.api import Value
from drivers.json_mqtt import codec
from drivers.json_mqtt.codec import Content
from drivers.places.message import BytesField, JsonPoint, steps_of


def shown(place: JsonPoint, value: Value) -> Value | None:
    """Put a value into a message, and give what the point then shows; what is at rest needs no message."""
    if place.rest is not None and value == place.rest:
        return place.rest
    raw = codec.raw_of(place, value)
    if place.fields:
        content = _bytes(place.fields[0], int(raw))
    else:
        content = Content(document=_document(steps_of(place.path or ""), raw))
    found = codec.decode(place, content)
    return None if found is None else found.value


def _document(steps: tuple[str | int, ...], raw: Any) -> Any:
    if not steps:
        return raw
    inner = _document(steps[1:], raw)
    return {steps[0]: inner} if isinstance(steps[0], str) else [inner] * (steps[0] + 1)


def _bytes(place: BytesField, raw: int) -> Content:
    number = raw << place.bits[0] if place.bits is not None else raw
    data = bytes(place.at) + number.to_bytes(place.size, place.endian, signed=number < 0)
    return Content(document={}, data=data, records={} if place.record is None else {place.record: data})
