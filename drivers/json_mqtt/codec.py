"""From a message's content to what a point shows, and back. Pure: the content was parsed before (`payload.py`)."""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drivers.api import Value
from drivers.places.message import BytesField, BytesWritten, Carried, JsonPoint, JsonTopic, When, steps_of

MISSING: Any = object()
"""What a path leads to where there is nothing."""
_FLOATS: Mapping[tuple[str, str], str] = {
    ("float32", "big"): ">f",
    ("float32", "little"): "<f",
    ("float64", "big"): ">d",
    ("float64", "little"): "<d",
}
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,4})?")
_LONGEST_TEXT = 4096
_EXACT = 2**53
_FAR = 1e300  # beyond it, a scale may make infinity; JSON's whole numbers have no end at all
_TIMES_END = 1e14
_SECONDS_END = 1e11  # a later number of seconds would be in the year 5138: it counts milliseconds


class NotUnderstood(ValueError):
    """A message, or what it carries, is not of the form that the profile says; the text says why."""


class Unwritable(ValueError):
    """A value that cannot be written to a point; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a message says of a point: a value, or the reason why there is none (without one: not available)."""

    value: Value | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a message says: JSON or a text, and the bytes that it carries, as a whole and by record.

    `damage` says why there are no bytes where there should be.
    """

    document: Any
    plain: bool = False
    data: bytes = b""
    records: Mapping[str, bytes] = field(default_factory=dict)
    damage: str = ""


def look(document: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """Give what a path leads to, or MISSING."""
    here = document
    for step in steps_of(path):
        if isinstance(step, str):
            if not isinstance(here, dict) or step not in here:
                return MISSING
        elif not isinstance(here, list) or not -len(here) <= step < len(here):
            return MISSING
        here = here[step]
    return here


def split_records(data: bytes, carried: Carried) -> tuple[dict[str, bytes], str]:
    """Walk along records by the lengths of their headers; the data by header (the last one of each), and the damage.

    A header that the profile does not know ends the walk, because nobody knows how long its data are.
    """
    found: dict[str, bytes] = {}
    at = 0
    lengths = {bytes.fromhex(header): length for header, length in carried.records.items()}
    while at < len(data):
        header = next((one for one in lengths if data.startswith(one, at)), None)
        if header is None:
            return found, f"unknown record {data[at : at + 2].hex()} at byte {at}"
        start = at + len(header)
        at = start + lengths[header]
        if at > len(data):
            return found, f"record {header.hex()} is cut short"
        found[header.hex()] = data[start:at]
    return found, ""


def decode(point: JsonPoint, content: Content) -> Shown | None:
    """Give what a message says of a point; None when it says nothing of it."""
    raw = _found(point.path, point.fields, content)
    if point.when is not None and not _holds(point.when, raw, content):
        return None
    if raw is MISSING:
        if point.optional or point.is_momentary:
            return None
        what = point.fields[0].where if point.fields else f"`{point.path}`"
        damage = f": {content.damage}" if point.fields and content.damage else ""
        return Shown(value=None, reason=f"no {what} in the message{damage}")
    if raw is None:  # JSON's own word for "not available"
        return None if point.is_momentary else Shown(value=None)
    return _meaning(point, raw, plain=content.plain)


def _found(path: str | None, places: tuple[BytesField, ...], content: Content) -> Any:  # noqa: ANN401 - JSON
    if not places:
        return look(content.document, path or "")
    numbers = (_number_at(place, content) for place in places)
    return next((number for number in numbers if number is not MISSING), MISSING)


def _holds(when: When, raw: Any, content: Content) -> bool:  # noqa: ANN401 - JSON
    itself = when.path is None and not when.fields
    found = raw if itself else _found(when.path, when.fields, content)
    if found is MISSING or found is None:
        return False
    if when.equals is None:
        return True
    wanted = when.equals if isinstance(when.equals, tuple) else (when.equals,)
    return any(_equal(found, one) for one in wanted)


def _equal(found: Any, wanted: Value) -> bool:  # noqa: ANN401 - JSON
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _number_at(place: BytesField, content: Content) -> Any:  # noqa: ANN401 - a number, None or MISSING
    data = content.data if place.record is None else content.records.get(place.record, b"")
    start = place.at if place.at >= 0 else len(data) + place.at
    raw = data[start : start + place.size] if start >= 0 else b""
    if len(raw) != place.size:
        return MISSING
    number = _unpack(raw, place.type, place.endian)
    if place.bits is not None:
        low, width = place.bits
        number = (int(number) >> low) & ((1 << width) - 1)
    return None if number == place.absent else number


def _unpack(raw: bytes, kind: str, endian: str) -> int | float:
    if (layout := _FLOATS.get((kind, endian))) is not None:
        number: float = struct.unpack(layout, raw)[0]
        return number
    return int.from_bytes(raw, "big" if endian == "big" else "little", signed=kind.startswith("int"))


def _meaning(point: JsonPoint, raw: Any, *, plain: bool) -> Shown:  # noqa: ANN401 - JSON
    if point.values:
        text = scalar_text(raw)
        if text is None or text not in point.values:
            return Shown(value=None, reason=f"{_short(raw)} is none of the known values")
        value = point.values[text]
        return Shown(value=float(value) if point.type == "float" else value)
    if point.type == "bool":
        truth = _truth(raw, of_bytes=bool(point.fields))
        return Shown(value=truth) if truth is not None else _not(point, raw)
    if point.type == "string":
        if not isinstance(raw, str) or len(raw) > _LONGEST_TEXT or not _is_text(raw):
            return _not(point, raw)
        return Shown(value=raw)
    return _figure(point, _from_text(raw) if plain or point.from_text else raw)


def _truth(raw: Any, *, of_bytes: bool) -> bool | None:  # noqa: ANN401 - JSON
    if isinstance(raw, bool):
        return raw
    return bool(raw) if of_bytes and raw in {0, 1} else None


def _from_text(raw: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(raw, str) or _NUMBER.fullmatch(raw) is None:
        return raw
    return int(raw) if raw.lstrip("+-").isdigit() else float(raw)


def _figure(point: JsonPoint, raw: Any) -> Shown:  # noqa: ANN401 - JSON
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not _is_sane(raw):
        return _not(point, raw)
    if point.type == "float":
        scaled = raw * point.scale + point.offset
        digits = _digits(point)
        return Shown(value=round(scaled, digits) if digits is not None else float(scaled))
    if isinstance(raw, float) and not (raw.is_integer() and abs(raw) <= _EXACT):
        return _not(point, raw)
    return Shown(value=int(raw) * int(point.scale) + int(point.offset))


def _is_sane(raw: float) -> bool:
    return abs(raw) < _FAR


def _digits(point: JsonPoint) -> int | None:
    """How many decimals a number out of bytes has, so that 10 * 0.1 does not show as 1.0000000000000002."""
    if point.scale == 1 and point.offset == 0:
        return None
    return 12 - math.floor(math.log10(max(abs(point.scale), abs(point.offset), 1.0)))


def _not(point: JsonPoint, raw: Any) -> Shown:  # noqa: ANN401 - JSON
    return Shown(value=None, reason=f"{_short(raw)} is no {point.type}")


def _short(raw: Any) -> str:  # noqa: ANN401 - JSON
    text = raw if isinstance(raw, str) else json.dumps(raw) if not isinstance(raw, dict | list) else type(raw).__name__
    text = text.encode(errors="replace").decode()
    return repr(text if len(text) <= 40 else text[:39] + "…") if isinstance(raw, str) else text[:40]  # noqa: PLR2004 - a line


def _is_text(raw: str) -> bool:
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in raw)  # noqa: PLR2004 - halves of no character


def scalar_text(raw: Any) -> str | None:  # noqa: ANN401 - JSON
    """Write a text, number or truth as the keys of `values` have it; None for anything else."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer() and abs(raw) <= _EXACT:
        return str(int(raw))
    return str(raw) if isinstance(raw, str | int | float) else None


def message_id(topic: JsonTopic, content: Content) -> str | None:
    """Give what tells a message from all others; None when the profile does not say, or the message has not all."""
    parts = [look(content.document, path) for path in topic.id]
    if not parts or any(part is MISSING or part is None for part in parts):
        return None
    return json.dumps(parts, sort_keys=True)


def device_time(topic: JsonTopic, content: Content) -> int | None:
    """Give the device's own time of a message in Unix milliseconds; None when there is none that can be read."""
    raw = look(content.document, topic.time) if topic.time is not None else MISSING
    if isinstance(raw, str):
        try:
            at = datetime.fromisoformat(raw)
        except ValueError:
            return None
        return round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < _TIMES_END:
        return None
    return round(raw * 1000 if raw < _SECONDS_END else raw)


def raw_of(point: JsonPoint, value: Value) -> str | int | float | bool:
    """Give the raw value that stands for a value of a point; Unwritable."""
    if point.values:
        for raw, meaning in point.values.items():
            if meaning == value and isinstance(meaning, bool) == isinstance(value, bool):
                return raw
        raise Unwritable(f"{value!r} is none of {', '.join(map(repr, point.values.values()))}")
    if point.type == "bool" and isinstance(value, bool):
        return value
    if point.type == "string" and isinstance(value, str):
        return value
    if point.type in {"bool", "string"} or isinstance(value, bool | str) or not math.isfinite(value):
        raise Unwritable(f"{value!r} is no {point.type}")
    number = round((value - point.offset) / point.scale, 9)
    if point.type == "int" and not number.is_integer():
        raise Unwritable(f"{value!r} is no step of {point.scale:g}")
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def pack(written: BytesWritten, raw: str | float) -> bytes:
    """Write a raw number between the bytes around it; Unwritable when it does not fit."""
    number: int | float
    try:
        number = float(raw) if written.type.startswith("float") else round(float(raw))
        if (layout := _FLOATS.get((written.type, written.endian))) is not None:
            middle = struct.pack(layout, number)
        else:
            signed = written.type.startswith("int")
            middle = int(number).to_bytes(written.size, "big" if written.endian == "big" else "little", signed=signed)
    except (ValueError, OverflowError, struct.error) as error:
        raise Unwritable(f"{raw!r} does not fit into {written.type}") from error
    return bytes.fromhex(written.lead) + middle + bytes.fromhex(written.trail)
