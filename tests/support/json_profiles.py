"""Device types that publish, made for tests: a LoRaWAN-like button, a plug with commands, a gateway's shared topic."""

import json
from typing import Any

from drivers.profile import Profile

LABEL = {"zh": "测试", "en": "Test"}


def profile(points: dict[str, Any], json_table: dict[str, Any], **more: Any) -> Profile:
    made = {
        name: {"label": LABEL, "sample": sample_of(place), "json": place} | extra
        for name, (place, extra) in points.items()
    }
    data = {
        "schema": 1,
        "name": "test-device",
        "version": "1.0.0",
        "kind": "call-button",
        "label": LABEL,
        "protocol": "json",
        "json": json_table,
        "points": made,
    } | more
    return Profile.model_validate_json(_json(data))


def _json(data: Any) -> str:
    return json.dumps(data)


def sample_of(place: dict[str, Any]) -> Any:
    return {"bool": False, "int": 1, "float": 1.0, "string": "x"}[place["type"]]


def button() -> Profile:
    return profile(
        {
            "press": (
                {
                    "topic": "up",
                    "bytes": {"record": "ff2e", "type": "uint8"},
                    "type": "string",
                    "values": {"1": "short", "2": "long"},
                    "event": True,
                },
                {},
            ),
            "calling": (
                {
                    "topic": "up",
                    "bytes": {"record": "ff2e", "type": "uint8"},
                    "type": "bool",
                    "values": {"1": True, "2": True},
                    "hold": "60s",
                    "rest": False,
                },
                {},
            ),
            "battery": (
                {"topic": "up", "bytes": {"record": "0175", "type": "uint8"}, "type": "int", "optional": True},
                {"unit": "%"},
            ),
            "rssi": ({"topic": "up", "path": "rxInfo[0].rssi", "type": "int", "optional": True}, {"unit": "dBm"}),
            "margin": ({"topic": "status", "path": "margin", "type": "int"}, {"unit": "dB"}),
        },
        {
            "expect_every": "25h",
            "address": "lower",
            "topics": {
                "up": {
                    "topic": "application/{application}/device/{address}/event/up",
                    "id": ["deduplicationId"],
                    "time": "time",
                    "bytes": {"path": "data", "records": {"0175": 1, "ff2e": 1}},
                },
                "status": {"topic": "application/{application}/device/{address}/event/status"},
            },
        },
    )


def plug() -> Profile:
    return profile(
        {
            "on": (
                {
                    "topic": "state",
                    "path": "state",
                    "type": "bool",
                    "values": {"ON": True, "OFF": False},
                    "write": {"topic": "{base}/{address}/set", "payload": '{"state":{value}}'},
                },
                {},
            ),
            "power": ({"topic": "state", "path": "power", "type": "float", "optional": True}, {"unit": "W"}),
            "interval": (
                {
                    "topic": "state",
                    "path": "interval",
                    "type": "int",
                    "optional": True,
                    "write": {
                        "topic": "{base}/{address}/set",
                        "payload": '{"data":"{bytes}"}',
                        "bytes": {"lead": "ff03", "type": "uint16", "endian": "little"},
                    },
                },
                {"unit": "s"},
            ),
        },
        {
            "variables": {"base": "zigbee2mqtt"},
            "availability": {"topic": "availability", "path": "state"},
            "topics": {
                "state": {"topic": "{base}/{address}"},
                "availability": {"topic": "{base}/{address}/availability"},
            },
        },
        commands={
            "switch_on": {
                "label": LABEL,
                "point": "on",
                "value": True,
                "read_back": {"point": "on", "within": "5s"},
            }
        },
    )


def shared() -> Profile:
    return profile(
        {"temperature": ({"topic": "all", "path": "t", "type": "float"}, {"unit": "°C"})},
        {
            "expect_every": "1h",
            "topics": {"all": {"topic": "gateway/readings", "match": {"path": "id", "equals": "{address}"}}},
        },
    )


def plain() -> Profile:
    return profile(
        {
            "temperature": ({"topic": "temperature", "path": "", "type": "float", "scale": 0.1}, {"unit": "°C"}),
            "alive": (
                {"topic": "lwt", "path": "", "type": "bool", "values": {"Online": True, "Offline": False}},
                {},
            ),
        },
        {
            "availability": {"topic": "lwt", "online": "Online", "offline": "Offline"},
            "topics": {
                "temperature": {"topic": "tele/{address}/temperature", "payload": "text"},
                "lwt": {"topic": "tele/{address}/LWT", "payload": "text"},
            },
        },
    )
