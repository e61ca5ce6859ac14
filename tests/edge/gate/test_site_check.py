from pathlib import Path
from typing import Any

import pytest

from drivers.catalog import catalog_profile
from drivers.profile import Profile, load_profile
from edge.gate.config import GatehouseSettings, GateSettings
from edge.gate.site_check import check_gates
from runtime.config import validate

PROFILES: dict[str, Profile] = {
    "gate": load_profile(Path(__file__).parents[3] / "edge" / "gate" / "profile.toml"),
    "gate-2": load_profile(Path(__file__).parents[3] / "edge" / "gate" / "profile.toml"),
    "door": catalog_profile("waveshare-relay-d-door"),
    "relays": catalog_profile("waveshare-relay-8ch"),
    "camera": catalog_profile("hikvision-ip-camera"),
    "thermal": catalog_profile("hikvision-thermal-camera"),
    "card": catalog_profile("rdm6300-card-reader"),
}
Table = dict[str, Any]
HOUSE: Table = {"key_file": "k"}
GATE: Table = {
    "label": {"zh": "北门", "en": "North"},
    "device": "gate",
    "door": {"device": "door"},
    "eyes": {"camera": "camera", "thermal": {"device": "thermal"}},
    "readers": [{"device": "card", "point": "card", "way": "card"}],
}


def problems(house: Table | None, **gates: Table) -> list[str]:
    checked = None if house is None else validate("test", house, GatehouseSettings)
    settings = {name: validate("test", gate, GateSettings) for name, gate in gates.items()}
    return [f"{one.key}: {one.message}; {one.remedy}" for one in check_gates("a", checked, settings, PROFILES)]


def test_a_whole_gate_is_good() -> None:
    assert problems(HOUSE, north=GATE) == []


def test_an_agent_without_gates_says_nothing() -> None:
    assert problems(None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"device": "door"}, "a.gates.north.device: `door` is a waveshare-relay-d-door"),
        ({"device": "gat"}, "the agent has no device `gat`; did you mean `gate`?"),
        ({"door": {"device": "door", "unlock": "lock_relay"}}, "stays on until it is told otherwise"),
        ({"door": {"device": "door", "unlock": "unlck_time"}}, "did you mean `unlock_time`?"),
        ({"door": {"device": "door", "contact": "door_open"}}, "write `contact = false`"),
        ({"door": {"device": "door", "relay": "firmware"}}, "`firmware` is no yes or no"),
        ({"eyes": {"camera": "thermal"}}, "`thermal` speaks radiometric"),
        ({"eyes": {"camera": "camera", "thermal": {"device": "camera"}}}, "radiometric or thermal-array"),
        ({"readers": [{"device": "card", "point": "reads", "way": "card"}]}, "does not tell what was read"),
        ({"eyes": {"camera": "camera", "former": "dlib"}}, "is what the gate uses now"),
        ({"interlock": ["south"]}, "the agent has no gate `south`"),
    ],
)
def test_what_does_not_fit_is_said_with_a_remedy(change: Table, said: str) -> None:
    found = problems(HOUSE, north=GATE | change)
    assert len(found) == 1
    assert said in found[0]


def test_a_door_may_lack_contacts() -> None:
    bare = {"device": "door", "contact": False, "exit_button": False, "fire": False, "lock_power": False}
    assert problems(HOUSE, north=GATE | {"door": bare}) == []


def test_a_gate_without_eyes_cannot_require_them() -> None:
    blind = {key: value for key, value in GATE.items() if key != "eyes"}
    found = problems(HOUSE, north=blind | {"checks": {"temperature": {"demand": "required"}}})
    assert len(found) == 1
    assert "would let nobody in" in found[0]
    assert problems(HOUSE, north=blind) == []


def test_gates_and_gatehouse_need_each_other() -> None:
    assert "a.gatehouse: missing" in problems(None, north=GATE)[0]
    assert "a.gates: missing" in problems(HOUSE)[0]


def test_two_gates_share_no_door_and_no_device() -> None:
    found = problems(HOUSE, north=GATE, south=GATE)
    assert [one.split(":")[0] for one in found] == ["a.gates.south.device", "a.gates.south.door.device"]


def test_the_gates_of_an_agent_have_one_stack() -> None:
    other = GATE | {"device": "gate-2", "eyes": {"camera": "camera", "stack": "opencv-zoo"}}
    assert any("one `eyes.stack`" in one for one in problems(HOUSE, north=GATE, south=other))


def test_pulling_needs_a_token_and_keys_and_sharing_a_key() -> None:
    found = problems(HOUSE | {"roll": {"url": "https://cloud"}, "share": "0.0.0.0:7000"}, north=GATE)
    assert [one.split(":")[0] for one in found] == [
        "a.gatehouse.roll.token_file",
        "a.gatehouse.roll.keys_file",
        "a.gatehouse.community_key_file",
    ]
