"""What the demonstration writes for its gate: by simulated cameras, by a real one, and without eyes."""

import json
from pathlib import Path

import pytest

from edge.config import load_site
from models.api import ModelError
from simulators.demo import gate as demo_gate
from simulators.demo.files import write_files
from simulators.demo.gate import DWELLERS, GateStack, choose_sight
from simulators.demo.gate_files import Sight, write_gate, write_keys
from simulators.demo.layout import GATE, GATE_AGENT, Layout, Ports, free_ports
from simulators.demo.visits import Decided, figures, programme
from simulators.people.attempts import read_act
from simulators.scene import load_scene


@pytest.fixture
def written(tmp_path: Path) -> tuple[Layout, Ports]:
    layout, ports = Layout(data=tmp_path / "demo"), free_ports(random=True)
    write_files(layout, ports, notices_port=1)
    write_keys(layout, layout.secrets / "gate.keys")
    (layout.secrets / "gate.token").write_text("token")
    (layout.secrets / "kiosk-staff.toml").write_text("")
    (layout.data / "broker" / "secrets").mkdir(parents=True)
    (layout.data / "broker" / "secrets" / f"{GATE_AGENT}.password").write_text("password")
    return layout, ports


@pytest.mark.parametrize(
    ("camera", "models", "devices"),
    [
        (None, "models", {"camera-1", "thermal-1", "door-1", "card-1", "qr-1", "north-health"}),
        ('videos/a "video".avi', "models", {"camera-1", "door-1", "card-1", "qr-1", "north-health"}),
        (None, None, {"door-1", "card-1", "qr-1", "north-health"}),
    ],
)
def test_every_kind_of_gate_is_a_good_site_and_a_good_scene(
    written: tuple[Layout, Ports], camera: str | None, models: str | None, devices: set[str]
) -> None:
    layout, ports = written
    write_gate(layout, ports, Sight(models=None if models is None else layout.data / models, camera=camera))
    config = load_site(layout.gate_site)
    agent = config.settings.agents[GATE_AGENT]
    assert set(agent.devices) == (devices - {"north-health"}) | {"north-gate"}
    assert agent.gatehouse is not None
    assert agent.gatehouse.demo
    eyes = agent.gates[GATE].eyes
    assert (eyes is None) == (models is None)
    assert (eyes is not None and eyes.thermal is not None) == ("thermal-1" in devices)
    scene = load_scene(layout.gate_scene)
    assert {device.name for line in scene.scene.lines for device in line.members} == devices


def test_keys_and_tokens_are_made_once(written: tuple[Layout, Ports]) -> None:
    layout, ports = written
    write_gate(layout, ports, Sight(models=None))
    files = [layout.secrets / name for name in ("gate.keys", "service.keys", "health.token")]
    before = [file.read_text() for file in files]
    write_keys(layout, layout.secrets / "gate.keys")
    write_gate(layout, ports, Sight(models=None))
    assert [file.read_text() for file in files] == before
    assert {oct(file.stat().st_mode & 0o777) for file in (files[0], files[2])} == {"0o600"}


def test_without_weights_the_gate_has_no_eyes_and_it_is_said_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(source: object) -> Path:
        raise ModelError("face_recognition_models is not installed: `pip install it`")

    monkeypatch.setattr(demo_gate, "package_weights", missing)
    sight, why = choose_sight(Layout(data=tmp_path), None, {})
    assert sight.models is None
    assert "pip install" in why


def test_people_come_by_face_only_where_simulated_cameras_see_them() -> None:
    def at(sight: Sight) -> set[str]:
        gate = GateStack(sight=sight, why_blind="", kiosk="", people={}, community=1)
        for visit in programme(gate):
            if visit.act:
                read_act(visit.act)
        return {visit.way for visit in programme(gate)}

    assert at(Sight(models=Path("models"))) == {"face", "card", "pass", "remote"}
    assert at(Sight(models=Path("models"), camera="0")) == {"card", "pass", "remote"}
    assert at(Sight(models=None)) == {"card", "pass", "remote"}


def test_everybody_has_a_card_of_their_own() -> None:
    assert len({one.card for one in DWELLERS}) == len({one.name for one in DWELLERS}) == len(DWELLERS)


def test_the_figures_of_a_gate_count_its_answers() -> None:
    decided = [
        Decided(at_ms=at, answer=answer, way=way, took_ms=took)
        for at, (answer, way, took) in enumerate(
            [("open", "face", 200.0), ("refuse", "face", 100.0), ("open", "card", 900.0), ("staff", "face", 300.0)]
        )
    ]
    found = figures(decided)
    assert {key: found[key] for key in ("decisions", "opened", "refused", "staff", "p50_ms")} == {
        "decisions": 4, "opened": 2, "refused": 1, "staff": 1, "p50_ms": 200.0,
    }  # fmt: skip
    assert figures([])["p50_ms"] is None
    json.dumps(found)
