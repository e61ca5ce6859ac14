"""The path language, payloads, records, values and their way back."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.json_mqtt import payload
from drivers.json_mqtt.codec import MISSING, NotUnderstood, Unwritable, decode, device_time, look, split_records
from drivers.json_mqtt.topics import Router, covering, filter_of, matches
from drivers.places.message import Carried, JsonPoint, JsonTopic, steps_of
from drivers.profile import parse_profile
from tests.support.json_profiles import button, plain, plug, profile

DOCUMENT = {"object": {"battery": 93}, "rxInfo": [{"rssi": -48}, {"rssi": -90}], "params": {"switch:0": {"on": True}}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("object.battery", 93),
        ("rxInfo[0].rssi", -48),
        ("rxInfo[-1].rssi", -90),
        ('params["switch:0"].on', True),
        ("object.absent", MISSING),
        ("rxInfo[2].rssi", MISSING),
        ("object[0]", MISSING),
        ("rxInfo.rssi", MISSING),
    ],
)
def test_a_path_leads_to_members_and_elements(path: str, value: object) -> None:
    assert look(DOCUMENT, path) is value or look(DOCUMENT, path) == value


def test_the_empty_path_is_the_whole_message() -> None:
    assert look(21.5, "") == 21.5


def test_quoted_names_have_any_character() -> None:
    assert steps_of(r'a["b.c"]["say \"x\" \\"]') == ("a", "b.c", 'say "x" \\')
    assert look({"": {"温度": 1}}, '[""].温度') == 1


@pytest.mark.parametrize("path", [".a", "a.", "a..b", "a b", "a[", "a[x]", 'a["b]', "a]", "[0]a", "$.a b", "a[1.5]"])
def test_what_is_no_path_is_refused_with_its_place(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        steps_of(path)


def point(**table: Any) -> JsonPoint:
    return JsonPoint.model_validate_json(json.dumps({"topic": "up"} | table))


def shown(place: JsonPoint, document: object) -> object:
    found = decode(place, payload.read(JsonTopic(topic="t"), json.dumps(document).encode()))
    return None if found is None else (found.value, found.reason)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("bool", True, True),
        ("int", 5, 5),
        ("int", 5.0, 5),
        ("float", 5, 5.0),
        ("string", "a", "a"),
    ],
)
def test_a_value_of_the_right_type_is_shown(kind: str, raw: object, value: object) -> None:
    found = shown(point(path="x", type=kind), {"x": raw})
    assert found == (value, "")
    assert isinstance(found, tuple)
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("bool", 1),
        ("bool", "true"),
        ("int", True),
        ("int", 5.5),
        ("int", "5"),
        ("float", "5.0"),
        ("float", [1]),
        ("float", 10**400),
        ("string", 5),
        ("string", "x" * 5000),
        ("string", "\ud800"),
    ],
)
def test_a_value_of_another_type_is_bad_with_the_reason(kind: str, raw: object) -> None:
    found = shown(point(path="x", type=kind), {"x": raw})
    assert isinstance(found, tuple)
    assert found[0] is None
    assert f"is no {kind}" in found[1]


def test_a_missing_path_is_bad_unless_it_is_optional() -> None:
    assert shown(point(path="x.y", type="int"), {}) == (None, "no `x.y` in the message")
    assert shown(point(path="x.y", type="int", optional=True), {}) is None
    assert shown(point(path="x.y", type="int", event=True), {}) is None


def test_null_means_not_available() -> None:
    assert shown(point(path="x", type="int"), {"x": None}) == (None, "")
    assert shown(point(path="x", type="int", event=True), {"x": None}) is None


def test_texts_have_the_meaning_that_the_profile_gives() -> None:
    place = point(path="x", type="int", values={"off": 0, "on": 1, "true": 2, "7": 3})
    assert [shown(place, {"x": raw}) for raw in ("on", True, 7, 7.0)] == [(1, ""), (2, ""), (3, ""), (3, "")]
    assert shown(place, {"x": "idle"}) == (None, "'idle' is none of the known values")
    assert shown(place, {"x": {"a": 1}}) == (None, "dict is none of the known values")


def test_scale_and_offset() -> None:
    assert shown(point(path="x", type="float", scale=0.1, offset=-40), {"x": 655}) == (25.5, "")
    assert shown(point(path="x", type="int", scale=10), {"x": 7}) == (70, "")


def test_a_condition_says_which_messages_count() -> None:
    place = point(path="x", type="int", when={"path": "port", "equals": [5, 6]})
    assert shown(place, {"x": 1, "port": 6}) == (1, "")
    assert shown(place, {"x": 1, "port": 7}) is None
    assert shown(place, {"x": 1, "port": True}) is None
    there = point(path="x", type="int", when={"path": "alarm"})
    assert shown(there, {"x": 1}) is None
    assert shown(there, {"x": 1, "alarm": 0}) == (1, "")


def test_a_number_may_be_written_as_text_where_the_profile_says_so() -> None:
    place = point(path="x", type="float", from_text=True)
    assert shown(place, {"x": "13.25"}) == (13.25, "")
    assert shown(place, {"x": 13}) == (13.0, "")
    assert shown(place, {"x": "1_0"}) == (None, "'1_0' is no float")


def test_a_condition_without_a_place_looks_at_the_point_itself() -> None:
    place = point(path="x", type="bool", values={"1": True}, event=True, when={"equals": 1})
    assert shown(place, {"x": 1}) == (True, "")
    assert shown(place, {"x": 0}) is None


CARRYING = JsonTopic.model_validate_json(
    '{"topic": "t", "bytes": {"path": "data", "records": {"0175": 1, "0367": 2, "ff2e": 1}}}'
)


def carried(data: bytes) -> bytes:
    return json.dumps({"data": base64.b64encode(data).decode()}).encode()


def test_records_are_found_wherever_they_come() -> None:
    place = point(bytes={"record": "0367", "type": "int16", "endian": "little"}, type="float", scale=0.1)
    for data in ("0175640367e8ff", "0367e8ff017564"):
        found = decode(place, payload.read(CARRYING, carried(bytes.fromhex(data))))
        assert found is not None
        assert found.value == -2.4


def test_an_unknown_record_ends_the_walk_and_says_so() -> None:
    place = point(bytes={"record": "0367", "type": "int16"}, type="int")
    found = decode(place, payload.read(CARRYING, carried(bytes.fromhex("01756409990367e8ff"))))
    assert found is not None
    assert found.value is None
    assert found.reason == "no 0367 byte 0 in the message: unknown record 0999 at byte 3"


def test_the_first_place_that_is_there_counts() -> None:
    places = [{"record": "0367", "at": 1, "type": "uint8"}, {"record": "0175", "type": "uint8"}]
    place = point(bytes=places, type="int")
    for data, value in (("017564", 100), ("017564036701ff", 255)):
        found = decode(place, payload.read(CARRYING, carried(bytes.fromhex(data))))
        assert found is not None
        assert found.value == value


def test_a_record_that_is_cut_short_gives_nothing() -> None:
    records, damage = split_records(bytes.fromhex("0175640367e8"), CARRYING.bytes or Carried(path="x"))
    assert records == {"0175": b"\x64"}
    assert damage == "record 0367 is cut short"


def test_bytes_at_fixed_places_bits_and_absent() -> None:
    topic = JsonTopic.model_validate_json('{"topic": "t", "bytes": {"path": "data", "encoding": "hex"}}')
    content = payload.read(topic, b'{"data": "0BC2ff7fff01"}')
    assert decode(point(bytes={"at": 0, "type": "uint16", "bits": [0, 14]}, type="int"), content).value == 0x0BC2  # type: ignore[union-attr]
    assert decode(point(bytes={"at": -1, "type": "uint8"}, type="bool"), content).value is True  # type: ignore[union-attr]
    missing = decode(point(bytes={"at": 2, "type": "int16", "absent": -129}, type="int"), content)
    assert missing is not None
    assert (missing.value, missing.reason) == (None, "")
    beyond = decode(point(bytes={"at": 5, "type": "uint16"}, type="int"), content)
    assert beyond is not None
    assert beyond.reason == "no byte 5 in the message"


@pytest.mark.parametrize("data", ['"not base64!"', "5", '"AA="'])
def test_what_is_no_base64_is_a_reason_and_no_error(data: str) -> None:
    content = payload.read(CARRYING, f'{{"data": {data}}}'.encode())
    found = decode(point(bytes={"record": "0175", "type": "uint8"}, type="int"), content)
    assert found is not None
    assert "`data` is no" in found.reason


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b"1" * 5000, b" " * 300_000, b'{"a": Infinity}']
)
def test_what_is_no_json_is_not_understood(raw: bytes) -> None:
    with pytest.raises(NotUnderstood):
        payload.read(JsonTopic(topic="t"), raw)


def test_plain_text_may_be_a_number() -> None:
    place = plain().points["temperature"].at(JsonPoint)
    topic = plain().json_defaults.topics["temperature"]
    for raw, value in ((b"215", 21.5), (b" 21.5\r\n", 2.15), (b"-1e1", -1.0)):
        found = decode(place, payload.read(topic, raw))
        assert found is not None
        assert found.value == pytest.approx(value)
    for raw in (b"nan", b"inf", b"", b"warm", b"1_0"):
        found = decode(place, payload.read(topic, raw))
        assert found is not None
        assert found.value is None


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("2022-07-18T09:34:15.775023242+00:00", 1658136855775),
        ("2022-07-18T09:34:15Z", 1658136855000),
        (1658136855, 1658136855000),
        (1658136855775, 1658136855775),
        ("yesterday", None),
        (True, None),
        (-1, None),
        ([], None),
    ],
)
def test_the_device_s_time(raw: object, at: int | None) -> None:
    topic = JsonTopic(topic="t", time="time")
    assert device_time(topic, payload.read(topic, json.dumps({"time": raw}).encode())) == at


def test_writing_gives_topic_and_payload() -> None:
    variables = {"address": "plug", "base": "zigbee2mqtt"}
    on, interval = (plug().points[name].at(JsonPoint) for name in ("on", "interval"))
    assert payload.write(on, value=True, variables=variables) == ("zigbee2mqtt/plug/set", '{"state":"ON"}')
    data = base64.b64encode(bytes.fromhex("ff03b004")).decode()
    assert payload.write(interval, 1200, variables) == ("zigbee2mqtt/plug/set", f'{{"data":"{data}"}}')


def test_what_cannot_be_written_says_why() -> None:
    on, interval = (plug().points[name].at(JsonPoint) for name in ("on", "interval"))
    with pytest.raises(Unwritable, match="does not fit into uint16"):
        payload.write(interval, 70000, {"address": "a", "base": "b"})
    with pytest.raises(Unwritable, match=r"variables\.base"):
        payload.write(on, value=True, variables={"address": "a"})
    with pytest.raises(Unwritable, match="is none of"):
        payload.write(on, 1, {"address": "a", "base": "b"})


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"path": "x", "bytes": {"type": "uint8"}, "type": "int"}, "not at both"),
        ({"type": "int"}, "at least `write`"),
        ({"path": "x", "type": "int", "scale": 0.5}, "whole `scale`"),
        ({"path": "x", "type": "bool", "scale": 2}, "need a number"),
        ({"path": "x", "type": "int", "values": {"a": True}}, "the point is a int"),
        ({"path": "x", "type": "int", "hold": "5s"}, "belong together"),
        ({"path": "x", "type": "int", "event": True, "hold": "5s", "rest": 0}, "state that follows"),
        ({"path": "x..y", "type": "int"}, "no path"),
        ({"bytes": {"type": "uint8", "bits": [6, 3]}, "type": "int"}, "lies within"),
        ({"path": "x", "type": "int", "when": {"path": "y", "bytes": {"type": "uint8"}}}, "looks at one thing"),
        ({"path": "x", "type": "string", "from_text": True}, "is for numbers"),
    ],
)
def test_a_point_that_makes_no_sense_is_refused(table: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        point(**table)


@pytest.mark.parametrize(
    ("place", "topics", "why"),
    [
        ({"topic": "down", "path": "x", "type": "int"}, {}, "`json.topics` does not have"),
        ({"topic": "up", "bytes": {"type": "uint8"}, "type": "int"}, {}, "carries none"),
        (
            {"topic": "up", "bytes": {"type": "uint8"}, "type": "int"},
            {"bytes": {"path": "data", "records": {"01": 1}}},
            "say in which `record`",
        ),
        (
            {"topic": "up", "bytes": {"type": "uint16", "record": "01"}, "type": "int"},
            {"bytes": {"path": "data", "records": {"01": 1}}},
            "reaches beyond",
        ),
        ({"topic": "up", "path": "x", "type": "int"}, {"payload": "text"}, "is plain text"),
    ],
)
def test_points_and_topics_have_to_fit(place: dict[str, Any], topics: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        profile({"x": (place, {})}, {"expect_every": "1h", "topics": {"up": {"topic": "a/{address}"} | topics}})


def test_a_device_that_would_never_be_missed_is_refused() -> None:
    with pytest.raises(ValidationError, match="known to be silent"):
        profile({"x": ({"topic": "up", "path": "x", "type": "int"}, {})}, {"topics": {"up": {"topic": "a"}}})


def test_the_hash_survives_the_wire() -> None:
    for one in (button(), plug(), plain()):
        assert parse_profile(one.document(), source="wire").hash == one.hash


def test_filters() -> None:
    assert filter_of("application/{application}/device/{address}/event/up", {"address": "a1"}) == (
        "application/+/device/a1/event/up"
    )
    with pytest.raises(ValueError, match=r"variables\.site"):
        filter_of("x-{site}/{address}", {"address": "a"})
    assert covering(["a/+/b", "a/x/b", "a/#", "c", "+/c", "$SYS/a", "#"]) == ("#", "$SYS/a")
    assert covering(["a/+", "a/#"]) == ("a/#",)
    assert covering(["a/+/#", "a/#", "a/b"]) == ("a/#",)


LEVEL = st.sampled_from(["a", "b", "", "$S"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=5).map("/".join)
FILTER = st.tuples(st.lists(st.sampled_from(["a", "b", "+", ""]), min_size=1, max_size=4), st.booleans()).map(
    lambda parts: "/".join([*parts[0], "#"] if parts[1] else parts[0])
)


@given(st.lists(FILTER, max_size=8), TOPIC)
def test_the_router_finds_what_matches_and_covering_loses_no_topic(filters: list[str], topic: str) -> None:
    router: Router[str] = Router()
    for one in filters:
        router.add(one, one)
    expected = sorted(one for one in filters if matches(one, topic))
    assert sorted(router.find(topic)) == expected
    assert bool(expected) == any(matches(one, topic) for one in covering(filters))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | st.just("data"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda document: json.dumps(document).encode()))
def test_no_payload_raises_anything_but_what_is_declared(raw: bytes) -> None:
    for one in (button(), plug(), plain()):
        for name, topic in one.json_defaults.topics.items():
            try:
                content = payload.read(topic, raw)
            except NotUnderstood:
                continue
            device_time(topic, content)
            for place in (candidate.at(JsonPoint) for candidate in one.points.values()):
                if place.topic == name and place.is_readable and (found := decode(place, content)) is not None:
                    assert found.value is None or type(found.value) is place.value_type
                    assert not isinstance(found.value, float) or math.isfinite(found.value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_only_whole_records_give_values(data: bytes) -> None:
    records, damage = split_records(data, CARRYING.bytes or Carried(path="x"))
    lengths = {"0175": 1, "0367": 2, "ff2e": 1}
    assert all(len(found) == lengths[header] for header, found in records.items())
    if not damage:
        walked = 0
        while walked < len(data):
            walked += 2 + lengths[data[walked : walked + 2].hex()]
        assert walked == len(data)
