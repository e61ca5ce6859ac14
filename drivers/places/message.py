"""Where a point lies in a message over MQTT: JSON, plain text, or bytes that a JSON text carries."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from drivers.api import Value
from drivers.places.base import Kind, Place
from runtime.config import Strict
from runtime.durations import Duration

_KINDS: Mapping[str, Kind] = {"bool": bool, "int": int, "float": float, "string": str}
_STEP = re.compile(r"""(?P<dot>\.)?(?P<name>[\w$-]+)|\[(?P<index>-?\d{1,6})\]|\["(?P<quoted>(?:[^"\\]|\\["\\])*)"\]""")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""What a template has filled in: `{address}`, a setting of the bus, or what is written."""
WRITTEN = frozenset({"value", "text", "bytes", "hex"})
"""The placeholders of a written payload that stand for the value."""

Steps = tuple[str | int, ...]
"""A path, taken apart: names of members, and indexes of arrays."""


@lru_cache(maxsize=4096)
def steps_of(path: str) -> Steps:
    r"""Take a path apart: `object.battery`, `rxInfo[0].rssi`, `rxInfo[-1]`, `params["switch:0"].output`.

    A name has letters, digits, `_`, `$` and `-`; any other is quoted in brackets, with a backslash before `"` and `\`.
    An index counts from 0, or from the end when it is negative. The empty path is the whole message. ValueError.
    """
    found: list[str | int] = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None or (step["name"] is not None and bool(step["dot"]) != bool(found)):
            raise ValueError(
                f"{path!r} is no path (at character {at + 1}): write `object.battery`, `rxInfo[0].rssi`, "
                'or `params["switch:0"].output`'
            )
        if step["index"] is not None:
            found.append(int(step["index"]))
        elif step["quoted"] is not None:
            found.append(re.sub(r"\\(.)", r"\1", step["quoted"]))
        else:
            found.append(step["name"])
        at = step.end()
    return tuple(found)


def _checked(path: str) -> str:
    steps_of(path)
    return path


JsonPath = Annotated[str, AfterValidator(_checked)]
"""A path as `steps_of` reads it."""
Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]
Number = Literal[
    "uint8", "int8", "uint16", "int16", "uint24", "int24", "uint32", "int32", "uint64", "int64", "float32", "float64"
]
Scalar = bool | int | float | str


class BytesField(Strict):
    """A number among bytes: at byte `at` (from the end when negative) of the whole, or of the data of a `record`.

    `bits` takes a field (low bit, width) of it. `absent` is the number by which the device says "not available".
    """

    record: Hex | None = None
    at: int = Field(default=0, ge=-255, le=4095)
    type: Number
    endian: Literal["big", "little"] = "big"
    bits: tuple[int, int] | None = None
    absent: int | None = None

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return int(self.type.lstrip("uintfloa")) // 8

    @property
    def where(self) -> str:
        """The place in words for people."""
        inside = "" if self.record is None else f"{self.record} "
        bits = "" if self.bits is None else f" bits {self.bits[0]}-{self.bits[0] + self.bits[1] - 1}"
        return f"{inside}byte {self.at}{bits}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.bits is not None:
            low, width = self.bits
            if not self.type.startswith("uint") or low < 0 or width < 1 or low + width > 8 * self.size:
                raise ValueError(f"`bits = [low, width]` needs an unsigned number, and lies within its {8 * self.size}")
        return self


BytesFields = BytesField | tuple[BytesField, ...]
"""One place, or several of which the first that is there counts."""


def _all(fields: BytesFields) -> tuple[BytesField, ...]:
    return (fields,) if isinstance(fields, BytesField) else fields


class When(Strict):
    """Which messages speak of a point: those in which something is there, or `equals` this.

    That is what lies at `path`, or the number at `bytes`, or without both the raw value of the point itself.
    """

    path: JsonPath | None = None
    bytes: BytesFields = ()
    equals: Scalar | tuple[Scalar, ...] | None = None

    @property
    def fields(self) -> tuple[BytesField, ...]:
        """The places among bytes."""
        return _all(self.bytes)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.path is not None and self.fields:
            raise ValueError("`when` looks at one thing: `path`, or `bytes`, or the point itself")
        return self


class BytesWritten(Strict):
    """Bytes that carry a written number: `lead`, the number, `trail`."""

    lead: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")] = ""
    type: Number
    endian: Literal["big", "little"] = "big"
    trail: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")] = ""

    @property
    def size(self) -> int:
        """How many bytes the number takes."""
        return int(self.type.lstrip("uintfloa")) // 8


class JsonWrite(Strict):
    """What is published to write a point. Both are templates.

    In the payload `{value}` is the raw value as JSON, `{text}` as bare text; `{bytes}` are the `bytes` in base64, and
    `{hex}` in hexadecimal.
    """

    topic: str = Field(min_length=1)
    payload: str = Field(min_length=1)
    bytes: BytesWritten | None = None


class JsonPoint(Place):
    """A value in the messages of one topic: `path` leads to it in JSON, or `bytes` in what the message carries.

    value = raw * scale + offset; with `from_text` the raw number is written as a text, as in `"23.5"`. `values` gives
    the meaning of raw texts, numbers (`"1"`) and truths (`"true"`); one that is not among them is a bad reading.
    Without `optional` a message without the path is a bad reading too. A message for which `when` does not hold says
    nothing of the point.

    With `event` each message that speaks of it counts for itself. With `hold` it shows what an event said for that
    long, and `rest` at any other time: what an alarm looks at.
    """

    topic: str = Field(min_length=1)
    path: JsonPath | None = None
    bytes: BytesFields = ()
    type: Literal["bool", "int", "float", "string"]
    from_text: bool = False
    scale: float = 1.0
    offset: float = 0.0
    values: dict[str, Scalar] = Field(default_factory=dict)
    optional: bool = False
    when: When | None = None
    event: bool = False
    hold: Duration | None = None
    rest: Scalar | None = None
    write: JsonWrite | None = None

    @property
    def fields(self) -> tuple[BytesField, ...]:
        """The places among bytes."""
        return _all(self.bytes)

    @property
    def value_type(self) -> Kind:
        """As `type` says."""
        return _KINDS[self.type]

    @property
    def is_event(self) -> bool:
        """As `event` says."""
        return self.event

    @property
    def is_momentary(self) -> bool:
        """Whether it tells of something that happens, so that a message kept from before says nothing of it."""
        return self.event or self.hold is not None

    @property
    def is_writable(self) -> bool:
        """Whether the profile says what is published to write it."""
        return self.write is not None

    @property
    def is_readable(self) -> bool:
        """Whether any message tells it."""
        return self.path is not None or bool(self.fields)

    @property
    def step(self) -> float:
        """The last digit of a number that lies in bytes; JSON has none."""
        whole = bool(self.fields) and not self.fields[0].type.startswith("float")
        return abs(self.scale) if whole and self.type in {"int", "float"} else 0.0

    @property
    def where(self) -> str:
        """The topic, and the place in its message."""
        if self.fields:
            return f"{self.topic} {self.fields[0].where}"
        return f"{self.topic} {self.path}".strip() if self.path is not None else f"{self.topic} (written only)"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.path is not None and self.fields:
            raise ValueError("a point lies at a `path` or among `bytes`, not at both")
        if not self.is_readable and self.write is None:
            raise ValueError("a point has a `path`, or `bytes`, or at least `write`")
        numeric = self.type in {"int", "float"}
        if (self.scale != 1 or self.offset) and not numeric:
            raise ValueError("`scale` and `offset` need a number")
        if self.scale == 0 or (self.type == "int" and not (self.scale.is_integer() and self.offset.is_integer())):
            raise ValueError("an int needs whole `scale` and `offset`, and no scale is 0")
        for raw, value in self.values.items():
            if not _is_of(value, self.value_type):
                raise ValueError(f"`values` gives {value!r} for {raw!r}, and the point is a {self.type}")
        if self.from_text and not numeric:
            raise ValueError("`from_text` is for numbers: a text needs nothing to be read")
        if self.fields and self.type == "string" and not self.values:
            raise ValueError("a string out of bytes needs `values`, which name its numbers")
        return self._is_momentary_well()

    def _is_momentary_well(self) -> Self:
        if (self.hold is None) != (self.rest is None):
            raise ValueError("`hold` and `rest` belong together: what it shows afterwards")
        if self.event and self.hold is not None:
            raise ValueError("an event is told when it happens: `hold` is for a state that follows from one")
        if self.rest is not None and not _is_of(self.rest, self.value_type):
            raise ValueError(f"`rest` is {self.rest!r}, and the point is a {self.type}")
        if self.event and self.write is not None:
            raise ValueError("an event cannot be written")
        return self


def _is_of(value: Value, kind: Kind) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


class Carried(Strict):
    """Bytes that a JSON message carries as text at `path`.

    Where they are a row of records, `records` gives the length of the data behind each header; then a point names the
    `record` that it lies in, wherever in the row that comes.
    """

    path: JsonPath
    encoding: Literal["base64", "hex"] = "base64"
    records: dict[Hex, Annotated[int, Field(ge=0, le=255)]] = Field(default_factory=dict)


class Match(Strict):
    """On a topic that many devices share: the text at `path` says whose a message is. `equals` is a template."""

    path: JsonPath
    equals: str = Field(min_length=1)


class JsonTopic(Strict):
    """A topic that the device's messages come by.

    `topic` is a template: `{address}` is the device's address, any other name a setting of the bus. Messages in which
    all that `id` leads to is the same are one message that came twice. `time` leads to the device's own time: RFC 3339
    text, or a number of seconds or milliseconds since 1970.
    """

    topic: str = Field(min_length=1)
    payload: Literal["json", "text"] = "json"
    match: Match | None = None
    id: tuple[JsonPath, ...] = ()
    time: JsonPath | None = None
    bytes: Carried | None = None


class Availability(Strict):
    """A topic on which it is said whether the device can be reached."""

    topic: str
    path: JsonPath = ""
    online: str = Field(default="online", min_length=1)
    offline: str = Field(default="offline", min_length=1)


class JsonDefaults(Strict):
    """How this device type's messages come: `topics` by the names that points use.

    A device that said nothing for `expect_every` is not reachable. `variables` are what the templates have where the
    bus does not say otherwise. `address` brings the address to the case that its topics have.
    """

    topics: dict[str, JsonTopic] = Field(default_factory=dict)
    availability: Availability | None = None
    expect_every: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    address: Literal["as-given", "lower", "upper"] = "as-given"

    def problems(self, points: Mapping[str, JsonPoint]) -> Iterator[str]:
        """Find what does not fit together between the topics and the points."""
        if self.expect_every is None and self.availability is None:
            yield "the table `json` needs `expect_every` or `availability`, by which a device is known to be silent"
        if self.availability is not None and self.availability.topic not in self.topics:
            yield f"`json.availability` names the topic `{self.availability.topic}`, which `json.topics` does not have"
        for name, topic in self.topics.items():
            if topic.payload == "text" and (topic.match or topic.id or topic.time or topic.bytes):
                yield f"`json.topics.{name}` is plain text: it has no `match`, `id`, `time` or `bytes`"
        for name, point in points.items():
            if point.is_readable:
                yield from self._misplaced(name, point)
            if point.write is not None:
                used = set(PLACEHOLDER.findall(point.write.payload))
                if used & {"bytes", "hex"} and point.write.bytes is None:
                    yield f"`{name}.json.write` publishes bytes, and does not say which: add `bytes`"

    def _misplaced(self, name: str, point: JsonPoint) -> Iterator[str]:
        topic = self.topics.get(point.topic)
        if topic is None:
            yield f"`{name}` names the topic `{point.topic}`, which `json.topics` does not have"
            return
        fields = (*point.fields, *(point.when.fields if point.when is not None else ()))
        if topic.payload == "text" and (point.path or fields):
            yield f"`{name}`: the topic `{point.topic}` is plain text, so the path is empty"
        for field in fields:
            if topic.bytes is None:
                yield f"`{name}` lies among bytes, and `json.topics.{point.topic}` carries none"
            elif field.record is None and topic.bytes.records:
                yield f"`{name}` lies among records: say in which `record`"
            elif field.record is not None and field.record not in topic.bytes.records:
                yield f"`{name}` lies in record {field.record}, whose length `json.topics.{point.topic}` does not say"
            elif field.record is not None and field.at + field.size > topic.bytes.records[field.record]:
                yield f"`{name}` reaches beyond the {topic.bytes.records[field.record]} bytes of record {field.record}"
