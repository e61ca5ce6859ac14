"""The files of a run: its folder, the profile of its devices, and the configuration of every process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from simulators.chaos.devices import PLAN
from simulators.chaos.schedule import Town
from simulators.demo.layout import Layout, ensure_password

COMMUNITY = "chaos-court"
LOGIN = "chaos"
POLL_MS = 500
_TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where everything of a run listens. `uplinks` and `downlinks` are relays: agent or line to port."""

    web: int
    ingest: int
    worker: int
    probes: Mapping[str, int]
    uplinks: Mapping[str, int]
    cloud_uplink: int
    downlinks: Mapping[str, int]
    device_ports: Mapping[str, int]
    database: str


def write_plan(folder: Path, town: Town, device_ports: Mapping[str, int]) -> None:
    """Write down which devices are on which line, for the processes that play them."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = {line: {"devices": list(devices), "port": device_ports.get(line)} for line, devices in town.lines.items()}
    (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")


def write_profile(folder: Path, *, codes: int) -> None:
    """Write the devices' profile, in which each of so many fault codes is an alarm of its own."""
    lines = [f'{code} = {{ label = {{ zh = "故障 {code}", en = "Fault {code}" }} }}' for code in range(1, codes + 1)]
    text = Template((_TEMPLATES / "profile.toml").read_text(encoding="utf-8"))
    (folder / "profile.toml").write_text(text.substitute(poll=f"{POLL_MS}ms", codes="\n".join(lines)), encoding="utf-8")
    local = folder / "profiles" / "chaos-counter"
    local.mkdir(parents=True, exist_ok=True)
    (local / "profile.toml").write_text((folder / "profile.toml").read_text(encoding="utf-8"), encoding="utf-8")


def write_configuration(layout: Layout, town: Town, places: Places) -> None:
    """Write what the service and each agent read."""
    for agent in town.agents:
        (layout.data / f"{agent}.toml").write_text(_site(layout, town, places, agent), encoding="utf-8")
    ensure_password(layout, LOGIN)
    values = {
        "community": COMMUNITY,
        "login": LOGIN,
        "database": places.database,
        "broker_port": places.cloud_uplink,
        "web_port": places.web,
        "ingest_port": places.ingest,
        "worker_port": places.worker,
    }
    for target in (layout.cloud, layout.provision):
        text = Template((_TEMPLATES / target.name).read_text(encoding="utf-8"))
        target.write_text(text.substitute(values), encoding="utf-8")


def _site(layout: Layout, town: Town, places: Places, agent: str) -> str:
    parts = [
        f"""schema = 1
[site]
community = "{COMMUNITY}"
time_zone = "Asia/Shanghai"
profiles = "profiles"
[broker]
host = "127.0.0.1"
port = {places.uplinks[agent]}
username = "{agent}"
password_file = "broker/secrets/{agent}.password"
keepalive = "5s"
[agents.{agent}]
data = "{agent}"
http = {{ host = "127.0.0.1", port = {places.probes[agent]} }}
{f"journal = {town.journal}" if town.journal else ""}
"""
    ]
    for line, devices in town.lines.items():
        if not line.startswith(f"{agent}-"):
            continue
        if line in places.downlinks:
            where = f'protocol = "modbus-tcp"\nhost = "127.0.0.1"\nport = {places.downlinks[line]}'
        else:
            link = layout.simulators.resolve() / f"{line}.tty"
            where = f'protocol = "modbus-rtu"\nport = "{link}"\nbaudrate = 19200'
        parts.append(f'[agents.{agent}.buses.{line}]\n{where}\ntimeout = "2s"\n')
        parts += [
            f"""[agents.{agent}.devices.{device}]
profile = "chaos-counter"
bus = "{line}"
unit = {unit}
label = {{ zh = "{device}", en = "{device}" }}
place = "1 号楼/机房"
"""
            for unit, device in enumerate(devices, start=1)
        ]
    return "\n".join(parts)
