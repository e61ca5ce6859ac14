"""The files of one gate: the scene that the simulators play, and the site that the agent runs. Both are TOML."""

from collections.abc import Mapping
from pathlib import Path

from simulators.cameras.http import mjpeg_path, radiometric_path
from tests.support.broker import Broker
from tests.support.edge_site import GROUP

NETWORKED = ("camera", "thermal", "health")
"""What has a port of its own."""
_LABEL = "label = { zh = '北门', en = 'North gate' }"
_SERIAL_DEVICES = {
    "north-gate": "profile = 'linli-gate', bus = 'agent', address = 'north'",
    "door-1": "profile = 'waveshare-relay-d-door', bus = 'door-line', unit = 1",
    "card-1": "profile = 'rdm6300-card-reader', bus = 'card-line'",
    "qr-1": "profile = 'grow-gm65-qr-reader', bus = 'qr-line'",
}
_CAMERA_DEVICES = {
    "camera-1": "profile = 'hikvision-ip-camera', bus = 'camera-line'",
    "thermal-1": "profile = 'hikvision-thermal-camera', bus = 'thermal-line'",
}
_SERIAL_LINES = """
schema = 1
description = "one gate"
time_scale = 0.0001

[[lines]]
name = "door-line"
protocol = "rtu"
link = "door-line"
baudrate = 19200
process = "door"
devices = [{ name = "door-1", profile = "waveshare-relay-d-door", unit = 1 }]

[[lines]]
name = "card-line"
protocol = "reader"
link = "card-line"
process = "door"
devices = [{ name = "card-1", profile = "rdm6300-card-reader" }]

[[lines]]
name = "qr-line"
protocol = "reader"
link = "qr-line"
process = "door"
devices = [{ name = "qr-1", profile = "grow-gm65-qr-reader" }]
"""


def scene_text(ports: Mapping[str, int], *, cameras: bool, stage: str, rate: int) -> str:
    """Give the scene: a door, readers, a provider of health codes, and cameras that see a stage so often a second."""
    text = f"""{_SERIAL_LINES}
[[lines]]
name = "health"
protocol = "health-provider"
port = {ports["health"]}
process = "door"
"""
    if not cameras:
        return text
    return f"""{text}
[[lines]]
name = "camera-line"
protocol = "camera"
port = {ports["camera"]}
process = "cameras"
stage = "{stage}"
rate = {rate}
devices = [{{ name = "camera-1", profile = "hikvision-ip-camera" }}]

[[lines]]
name = "thermal-line"
protocol = "radiometric"
port = {ports["thermal"]}
process = "cameras"
stage = "{stage}"
width = 160
height = 120
rate = {rate}
devices = [{{ name = "thermal-1", profile = "hikvision-thermal-camera" }}]
"""


def site_text(
    broker: Broker,
    ports: Mapping[str, int],
    *,
    simulated: Path,
    http: int,
    kiosk: int,
    cameras: bool,
    yunet: bool,
    seconds: float,
    house: str,
    extra: str,
    thermal: str,
    checks: str,
) -> str:
    """Give the site; `simulated` has the links of the serial lines, and `seconds` is how long the door is let go.

    TOML of the caller's: `house` for the gatehouse; `extra`, `thermal` and `checks` for the gate, its eyes' thermal
    camera, and its checks.
    """
    buses = _serial_buses(simulated) | (_camera_buses(ports) if cameras else {})
    devices = _SERIAL_DEVICES | (_CAMERA_DEVICES if cameras else {})
    lines = [
        "schema = 1",
        "[site]",
        f"community = '{GROUP}'",
        "time_zone = 'Asia/Shanghai'",
        "[broker]",
        f"host = '{broker.host}'",
        f"port = {broker.port}",
        "username = 'edge-1'",
        "password_file = 'edge-1.password'",
        "keepalive = '2s'",
        "[agents.edge-1]",
        "data = 'data'",
        f"http = {{ host = '127.0.0.1', port = {http} }}",
        "[agents.edge-1.buses]",
        *(f"{name} = {{ {said} }}" for name, said in buses.items()),
        "[agents.edge-1.devices]",
        *(f"{name} = {{ {said}, {_LABEL}, place = '北门/岗亭' }}" for name, said in devices.items()),
        "[agents.edge-1.gatehouse]",
        "key_file = 'secrets/faces.key'",
        "demo = true",
        house,
        "[agents.edge-1.gatehouse.roll]",
        "keys_file = 'service.keys'",
        "[agents.edge-1.gates.north]",
        _LABEL,
        "device = 'north-gate'",
        "readers = [",
        "    { device = 'card-1', point = 'card', way = 'card' },",
        "    { device = 'qr-1', point = 'code', way = 'pass' },",
        "]",
        extra,
        "[agents.edge-1.gates.north.door]",
        "device = 'door-1'",
        f"seconds = {seconds}",
        "[agents.edge-1.gates.north.temperature]",
        "limit_c = 36.4",  # what a small thermal camera sees of these people's fevers
        "[agents.edge-1.gates.north.kiosk]",
        f"port = {kiosk}",
    ]
    if cameras:
        lines += [
            "[agents.edge-1.gates.north.eyes]",
            "camera = 'camera-1'",
            "models = 'models'",
            "detector = 'yunet'" if yunet else "",
            "[agents.edge-1.gates.north.eyes.thermal]",
            "device = 'thermal-1'",
            thermal,
        ]
    if checks:
        lines += ["[agents.edge-1.gates.north.checks]", checks]
    return "\n".join(lines) + "\n"


def _serial_buses(simulated: Path) -> dict[str, str]:
    door = f"protocol = 'modbus-rtu', port = '{simulated}/door-line', parity = 'N'"
    return {
        "door-line": f"{door}, baudrate = 19200, timeout = '300ms'",
        "card-line": f"protocol = 'reader', port = '{simulated}/card-line'",
        "qr-line": f"protocol = 'reader', port = '{simulated}/qr-line', hold_off = '500ms'",
        "agent": "protocol = 'agent'",
    }


def _camera_buses(ports: Mapping[str, int]) -> dict[str, str]:
    camera = f"http://127.0.0.1:{ports['camera']}{mjpeg_path()}"
    thermal = f"http://127.0.0.1:{ports['thermal']}{radiometric_path()}?format=json"
    return {
        "camera-line": f"protocol = 'camera', url = '{camera}'",
        "thermal-line": f"protocol = 'radiometric', url = '{thermal}', period = '100ms'",
    }
