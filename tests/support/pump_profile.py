"""A small profile with every kind of alarm, for tests of the cloud."""

from drivers.profile import Profile
from runtime.config import validate

TEXT = {"zh": "文", "en": "text"}


def _point(kind: str, address: int, **more: object) -> dict[str, object]:
    sample: object = {"uint16": 0, "float32": 1.0, "bool": False}[kind]
    where: dict[str, object] = {"table": "coil" if kind == "bool" else "holding", "address": address, "type": kind}
    return {"label": TEXT, "modbus": where, "poll": "1s", "sample": sample, **more}


def _alarm(**more: object) -> dict[str, object]:
    return {
        "label": {"zh": "告警", "en": "Alarm"},
        "on_delay": "10s",
        "off_delay": "5s",
        "priority": "high",
        "cause": {"zh": "原因", "en": "The suction side is empty"},
        "consequence": {"zh": "后果", "en": "The seal burns"},
        "response": {"zh": "措施", "en": "Stop the pump"},
        "respond_within": "10min",
        **more,
    }


def _order(closes: str) -> dict[str, object]:
    return {
        "title": {"zh": "检修水泵", "en": "Repair the pump"},
        "category": [TEXT, TEXT, TEXT],
        "skill": "pumps",
        "arrive_within": "30min",
        "restore_within": "4h",
        "checklist": [TEXT],
        "closes": closes,
    }


def pump_profile(**alarms: dict[str, object]) -> Profile:
    """Give a pump with pressure, current, running, fault_code; `alarms` adds to the alarms that it has."""
    document = {
        "schema": 1,
        "name": "test-pump",
        "version": "1.0.0",
        "kind": "pump",
        "label": {"zh": "测试水泵", "en": "Test pump"},
        "protocol": "modbus",
        "points": {
            "pressure": _point("float32", 0, unit="bar", range={"low": 0.0, "high": 16.0}),
            "current": _point("float32", 2, unit="A"),
            "running": _point("bool", 0),
            "fault_code": _point("uint16", 4),
        },
        "commands": {
            "start": {
                "label": TEXT,
                "point": "running",
                "value": True,
                "read_back": {"point": "running", "within": "5s"},
            }
        },
        "alarms": {
            "dry_run": _alarm(
                when=[{"point": "running", "equals": True}, {"point": "current", "below": 2.0}],
                deadband=0.5,
                work_order="repair",
            ),
            "high_pressure": _alarm(
                when=[{"point": "pressure", "above": 10.0}], deadband=1.0, latching=True, work_order="watch"
            ),
            "fault": _alarm(
                point="fault_code",
                codes={
                    "3": {"label": {"zh": "过流", "en": "Overcurrent"}, "priority": "urgent"},
                    "7": {"label": {"zh": "缺相", "en": "Phase loss"}, "cause": {"zh": "缺相", "en": "A fuse is gone"}},
                },
                on_delay="0s",
                off_delay="0s",
            ),
            **alarms,
        },
        "work_orders": {"repair": _order("person"), "watch": _order("sensor")},
    }
    return validate("test", document, Profile)
