"""What a device said, and when: events, holds, kept messages, duplicates, order, silence. No broker, no clock."""

import base64
import json
from typing import Any

import pytest

from drivers.api import PointResult, TimedOut, Unreachable
from drivers.json_mqtt import payload
from drivers.json_mqtt.memory import KEPT, NOT_SAID, SINCE_WRITTEN, Arrived, Fate, Memory, Taken
from drivers.places.message import JsonPoint
from drivers.profile import Profile
from tests.support.json_profiles import button, plain, plug, profile, shared

NOON_MS = 1_700_000_000_000


def memory_of(made: Profile, **owner: str) -> Memory:
    return Memory(profile=made, name="device-1", owner=owner)


def say(
    memory: Memory, topic: str, document: Any, *, now: float = 0.0, retained: bool = False, at_ms: int = NOON_MS
) -> Taken:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return memory.take(Arrived(topic=topic, payload=raw, retained=retained, now=now, at_ms=at_ms))


def up(data: str, number: int = 1, **more: Any) -> dict[str, Any]:
    packed = base64.b64encode(bytes.fromhex(data)).decode()
    return {"deduplicationId": f"id-{number}", "data": packed, "rxInfo": [{"rssi": -48}]} | more


def shown(memory: Memory, point: str, *, now: float = 0.0) -> PointResult:
    return memory.show([point], now=now)[point]


def test_an_event_is_told_each_time_and_states_with_it() -> None:
    memory = memory_of(button())
    first = say(memory, "up", up("ff2e01", 1))
    again = say(memory, "up", up("017510ff2e01", 2))
    assert [[one.value for one in taken.events] for taken in (first, again)] == [["short"], ["short"]]
    assert {one.point: one.value for one in again.states} == {"calling": True, "battery": 16, "rssi": -48}


def test_a_message_without_the_event_tells_none() -> None:
    memory = memory_of(button())
    assert say(memory, "up", up("017510")).events == ()
    assert shown(memory, "battery").value == 16


def test_a_message_that_comes_twice_counts_once() -> None:
    memory = memory_of(button())
    assert say(memory, "up", up("ff2e01", 7)).fate is Fate.TAKEN
    assert say(memory, "up", up("ff2e01", 7)) == Taken(fate=Fate.DUPLICATE)


def test_a_held_state_falls_back_to_rest() -> None:
    memory = memory_of(button())
    assert shown(memory, "calling").value is False
    say(memory, "up", up("ff2e01"), now=100.0)
    assert shown(memory, "calling", now=159.0).value is True
    assert shown(memory, "calling", now=160.0).value is False
    say(memory, "up", up("ff2e02", 2), now=170.0)
    assert shown(memory, "calling", now=180.0).value is True


def test_a_kept_message_fires_no_event_and_holds_nothing_and_marks_states_as_old() -> None:
    memory = memory_of(button())
    taken = say(memory, "up", up("017510ff2e01"), retained=True)
    assert taken.events == ()
    assert {one.point: one.reason for one in taken.states} == {"battery": KEPT, "rssi": KEPT}
    assert shown(memory, "calling").value is False
    assert shown(memory, "battery") == PointResult(point="battery", value=16, reason=KEPT)


def test_a_kept_message_does_not_use_up_the_id_of_the_live_one() -> None:
    memory = memory_of(button())
    say(memory, "up", up("ff2e01", 1), retained=True)
    assert len(say(memory, "up", up("ff2e01", 1)).events) == 1


def test_what_came_late_says_when_it_was_said() -> None:
    memory = memory_of(button())
    taken = say(memory, "up", up("ff2e01", time="2023-11-14T20:13:20Z"))
    assert taken.events[0].value == "short"
    assert taken.events[0].reason == "said at 2023-11-14T20:13:20+00:00, and came later"
    assert say(memory, "up", up("ff2e01", 2, time="2023-11-14T22:13:00Z")).events[0].reason == ""


def test_a_message_out_of_order_tells_its_event_and_leaves_newer_states() -> None:
    memory = memory_of(button())
    say(memory, "up", up("017510", 1, time="2023-11-14T22:13:10Z"))
    taken = say(memory, "up", up("017599ff2e01", 2, time="2023-11-14T22:13:00Z"))
    assert [one.value for one in taken.events] == ["short"]
    assert shown(memory, "battery").value == 16


def test_a_device_clock_that_was_set_back_does_not_stop_its_readings() -> None:
    memory = memory_of(button())
    say(memory, "up", up("017510", 1, time="2036-01-01T00:00:00Z"))
    say(memory, "up", up("017511", 2, time="2023-11-14T22:13:00Z"))
    assert shown(memory, "battery").value == 17


def test_malformed_json_makes_the_points_that_every_message_tells_bad() -> None:
    memory = memory_of(button())
    say(memory, "status", {"margin": 9})
    taken = say(memory, "status", b'{"margin": 9')
    assert taken.fate is Fate.MALFORMED
    assert taken.unread == 1
    assert shown(memory, "margin").value is None
    assert "not JSON" in shown(memory, "margin").reason
    say(memory, "status", {"margin": 8})
    assert shown(memory, "margin").value == 8


def test_a_value_of_the_wrong_type_is_bad_and_its_neighbours_are_good() -> None:
    memory = memory_of(plug())
    taken = say(memory, "state", {"state": "ON", "power": "12"})
    assert taken.unread == 1
    assert shown(memory, "on").value is True
    assert shown(memory, "power") == PointResult(point="power", value=None, reason="'12' is no float")


def test_what_was_never_said_has_a_reason() -> None:
    assert shown(memory_of(button()), "battery") == PointResult(point="battery", value=None, reason=NOT_SAID)


def test_a_device_that_is_silent_for_too_long_timed_out_and_a_kept_message_does_not_help() -> None:
    memory = memory_of(button())
    hour = 3600.0
    assert shown(memory, "battery", now=24.9 * hour).value is None
    say(memory, "up", up("017510"), now=0.0)
    say(memory, "up", up("017510"), now=25 * hour, retained=True)
    with pytest.raises(TimedOut, match="no answer within 90000 s"):
        shown(memory, "battery", now=25.1 * hour)
    say(memory, "up", up("017511", 2), now=25.2 * hour)
    assert shown(memory, "battery", now=25.2 * hour).value == 17


def test_a_device_said_to_be_off_line_is_unreachable_until_it_speaks() -> None:
    memory = memory_of(plug())
    say(memory, "availability", {"state": "offline"}, retained=True)
    with pytest.raises(Unreachable, match="off line"):
        shown(memory, "on")
    say(memory, "state", {"state": "ON"})
    assert shown(memory, "on").value is True
    say(memory, "availability", {"state": "offline"})
    with pytest.raises(Unreachable):
        shown(memory, "on")
    say(memory, "availability", {"state": "online"}, retained=True)
    assert shown(memory, "on").value is True


def test_availability_in_plain_text() -> None:
    memory = memory_of(plain())
    say(memory, "lwt", b"Offline")
    with pytest.raises(Unreachable):
        shown(memory, "temperature")
    say(memory, "lwt", b"Online")
    assert shown(memory, "alive").value is True


def test_a_read_back_counts_only_what_was_said_after_the_write() -> None:
    memory = memory_of(plug())
    say(memory, "state", {"state": "ON"})
    memory.written()
    assert memory.show(["on"], now=0.0, read_back=True)["on"].reason == SINCE_WRITTEN
    assert shown(memory, "on").value is True
    say(memory, "state", {"state": "ON"})
    assert memory.show(["on"], now=0.0, read_back=True)["on"].value is True


def test_a_shelly_of_the_second_generation() -> None:
    switch = profile(
        {
            "on": (
                {
                    "topic": "switch",
                    "path": "output",
                    "type": "bool",
                    "write": {
                        "topic": "{address}/rpc",
                        "payload": '{"id":1,"src":"linli","method":"Switch.Set","params":{"id":0,"on":{value}}}',
                    },
                },
                {},
            ),
            "press": (
                {
                    "topic": "events",
                    "path": "params.events[0].event",
                    "type": "string",
                    "when": {"path": "method", "equals": "NotifyEvent"},
                    "event": True,
                },
                {},
            ),
            "power": ({"topic": "events", "path": 'params["switch:0"].apower', "type": "float", "optional": True}, {}),
        },
        {
            "availability": {"topic": "online", "online": "true", "offline": "false"},
            "topics": {
                "switch": {"topic": "{address}/status/switch:0"},
                "events": {"topic": "{address}/events/rpc"},
                "online": {"topic": "{address}/online", "payload": "text"},
            },
        },
    )
    memory = memory_of(switch)
    say(memory, "switch", {"id": 0, "output": True})
    say(memory, "events", {"method": "NotifyStatus", "params": {"ts": 1.5, "switch:0": {"id": 0, "apower": 8.9}}})
    said = say(memory, "events", {"method": "NotifyEvent", "params": {"events": [{"event": "single_push"}]}})
    assert [one.value for one in said.events] == ["single_push"]
    assert (shown(memory, "on").value, shown(memory, "power").value) == (True, 8.9)
    topic, text = payload.write(switch.points["on"].at(JsonPoint), value=False, variables={"address": "shellyplus1-a1"})
    assert topic == "shellyplus1-a1/rpc"
    assert json.loads(text)["params"] == {"id": 0, "on": False}
    say(memory, "online", b"false")
    with pytest.raises(Unreachable):
        shown(memory, "on")


def test_a_tasmota_plug() -> None:
    plug_in = profile(
        {
            "power": ({"topic": "sensor", "path": "ENERGY.Power", "type": "float"}, {"unit": "W"}),
            "on": (
                {
                    "topic": "state",
                    "path": "POWER",
                    "type": "bool",
                    "values": {"ON": True, "OFF": False},
                    "write": {"topic": "cmnd/{address}/POWER", "payload": "{text}"},
                },
                {},
            ),
        },
        {
            "availability": {"topic": "lwt", "online": "Online", "offline": "Offline"},
            "topics": {
                "sensor": {"topic": "tele/{address}/SENSOR"},
                "state": {"topic": "tele/{address}/STATE"},
                "lwt": {"topic": "tele/{address}/LWT", "payload": "text"},
            },
        },
    )
    memory = memory_of(plug_in)
    say(memory, "lwt", b"Online", retained=True)
    say(memory, "sensor", {"Time": "2026-01-01T00:00:00", "ENERGY": {"Power": 60, "Voltage": 230}})
    say(memory, "state", {"POWER": "ON"})
    assert (shown(memory, "power").value, shown(memory, "on").value) == (60.0, True)
    written = payload.write(plug_in.points["on"].at(JsonPoint), value=False, variables={"address": "plug"})
    assert written == ("cmnd/plug/POWER", "OFF")


def test_on_a_shared_topic_each_device_hears_its_own() -> None:
    memory = memory_of(shared(), all="A1-B2")
    assert say(memory, "all", {"id": "c3", "t": 1.0}).fate is Fate.FOREIGN
    assert say(memory, "all", b"garbage").fate is Fate.FOREIGN
    assert say(memory, "all", {"id": "a1-b2", "t": 21.5}).fate is Fate.TAKEN
    assert shown(memory, "temperature").value == 21.5
