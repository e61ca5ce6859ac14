from pathlib import Path

from drivers.osdp.config import OsdpSettings
from edge.config import load_site

SITE = """
schema = 1
[site]
community = "garden"
time_zone = "Asia/Shanghai"
[broker]
host = "127.0.0.1"
[agents.edge-1]
data = "data"
http = {{ port = 0 }}
[agents.edge-1.buses.doors]
protocol = "osdp"
port = "/dev/ttyS9"
keys = "{keys}"
[agents.edge-1.devices.door-1]
profile = "hid-signo"
bus = "doors"
label = {{ zh = "大门", en = "Door" }}
place = "Tower 1/Lobby"
"""


def keys_of(folder: Path, keys: str) -> str:
    file = folder / "site.toml"
    file.write_text(SITE.format(keys=keys))
    bus = load_site(file).settings.agents["edge-1"].buses["doors"]
    assert isinstance(bus, OsdpSettings)
    return bus.keys


def test_a_file_that_a_bus_names_is_beside_the_site_file(tmp_path: Path) -> None:
    assert keys_of(tmp_path, "secret/doors.keys") == str(tmp_path / "secret" / "doors.keys")
    assert keys_of(tmp_path, "/etc/linli/doors.keys") == "/etc/linli/doors.keys"
