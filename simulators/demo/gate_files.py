"""What the gate's processes read: its scene, its site file, the keys by which the service signs."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from string import Template

from cloud.gate.keys import KeyFile
from simulators.cameras.http import mjpeg_path, radiometric_path
from simulators.demo.layout import COMMUNITY, GATE, GATE_AGENT, Layout, Ports
from simulators.health_provider import PATH as HEALTH_PATH

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_RATE = 6
"""Pictures a second: a person stands before the cameras for seconds, and the machine has other things to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What the gate sees by. `models` is the folder of its face models; None: it has no eyes, and cards and passes go.

    `camera` is a real camera in the place of the simulated ones: a webcam's number, a path, or a URL.
    """

    models: Path | None
    camera: str | None = None

    @property
    def simulated(self) -> bool:
        """Whether simulated people come before simulated cameras."""
        return self.models is not None and self.camera is None


def write_gate(layout: Layout, ports: Ports, sight: Sight) -> None:
    """Write the gate's scene and site file for these ports; keys and tokens that are there stay."""
    token = layout.secrets / "health.token"
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe(16) + "\n", encoding="utf-8")
    values = {
        "community": COMMUNITY,
        "gate_agent": GATE_AGENT,
        "broker_port": ports.broker,
        "web_port": ports.web,
        "gate_port": ports.gate,
        "kiosk_port": ports.kiosk,
        "camera_port": ports.camera,
        "camera_path": mjpeg_path(),
        "thermal_port": ports.thermal,
        "thermal_path": radiometric_path(),
        "health_port": ports.health,
        "health_path": HEALTH_PATH,
        "health_token": token.read_text(encoding="utf-8").strip(),
        "health_token_file": f"secrets/{token.name}",
        "simulators": str(layout.simulators.resolve()),
        "models": str(sight.models or ""),
        "cameras": _cameras(ports, sight),
    }
    parts = ["gate.toml"]
    if sight.models is not None:
        parts += ["gate-eyes.toml", "gate-webcam.toml" if sight.camera is not None else "gate-thermal.toml"]
    layout.gate_site.write_text("".join(_filled(part, values) for part in parts), encoding="utf-8")
    layout.gate_scene.write_text(_filled("gate-scene.toml", values), encoding="utf-8")


def write_keys(layout: Layout, keys_file: Path) -> None:
    """Make the service's keys at the first run, as `linli cloud gate-keys` does, and tell the gate the public ones."""
    file = KeyFile(keys_file)
    if not keys_file.exists():
        file.make(store=secrets.token_bytes(32), seed=secrets.token_bytes(32))
    (layout.secrets / "service.keys").write_text(file.get().public.text(), encoding="utf-8")


def _filled(name: str, values: dict[str, object]) -> str:
    return Template((_TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)


def _cameras(ports: Ports, sight: Sight) -> str:
    """Give the lines of the cameras; a webcam has no thermal one beside it."""
    if sight.models is None:
        return ""
    common = f'process = "north-cameras"\nrate = {_RATE}'
    looks = f'stage = "{GATE}"' if sight.camera is None else f"source = {_quoted(sight.camera)}"
    lines = [
        "[[lines]]",
        'name = "north-camera"\nprotocol = "camera"',
        f"port = {ports.camera}\n{common}\n{looks}",
        'devices = [{ name = "camera-1", profile = "hikvision-ip-camera", seed = 14 }]',
    ]
    if sight.camera is None:
        lines += [
            "",
            "[[lines]]",
            'name = "north-thermal"\nprotocol = "radiometric"',
            f"port = {ports.thermal}\n{common}\n{looks}\nwidth = 160\nheight = 120",
            'devices = [{ name = "thermal-1", profile = "hikvision-thermal-camera", seed = 15 }]',
        ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
