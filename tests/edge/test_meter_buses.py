"""The agent with lines of meters: what the simulated meters hold is what the host hears."""

import asyncio
import time
from functools import partial
from pathlib import Path
from random import Random

from drivers.catalog import catalog_profile
from edge.config import load_site
from simulators.machines.registry import make_machine
from simulators.meters.server import serve_meters_pty, serve_meters_tcp
from simulators.meters.station import MeterStation, MeterStations
from simulators.witness import Witness
from tests.support.broker import running_broker
from tests.support.edge_site import (
    USERS,
    Heard,
    Host,
    health,
    listening_host,
    metrics_text,
    put_site,
    running_agent,
    site_text,
)

ELECTRICITY, WATER = "dlt645-electricity-meter", "cjt188-water-meter"
TABLES = """
[agents.edge-1.buses.meters]
protocol = "dlt645"
port = "{line}"
timeout = "500ms"
[agents.edge-1.buses.water]
protocol = "cjt188"
host = "127.0.0.1"
port = {water}
timeout = "500ms"
[agents.edge-1.devices.meter-1]
profile = "dlt645-electricity-meter"
bus = "meters"
address = "000000000161"
label = {{ zh = "1号楼总表", en = "Building 1" }}
place = "1号楼/配电间"
[agents.edge-1.devices.meter-2]
profile = "dlt645-electricity-meter"
bus = "meters"
address = "000000000162"
label = {{ zh = "2号楼总表", en = "Building 2" }}
place = "2号楼/配电间"
[agents.edge-1.devices.water-1]
profile = "cjt188-water-meter"
bus = "water"
address = "78330011223344"
label = {{ zh = "1号楼水表", en = "Water of building 1" }}
place = "1号楼/水井"
"""


def meters(folder: Path, **devices: tuple[str, str]) -> MeterStations:
    return MeterStations(
        [
            MeterStation(
                name=name.replace("_", "-"),
                address=address,
                profile=catalog_profile(profile),
                machine=make_machine(catalog_profile(profile)),
                witness=Witness(folder, name, clock=time.time),
                random=Random(1),  # noqa: S311 - noise that repeats
            )
            for name, (profile, address) in devices.items()
        ]
    )


def reported(host: Host, device: str, point: str) -> list[Heard]:
    return [heard for heard in host.taken if heard.device == device and point in heard.metrics]


async def test_meters_are_published_beside_a_silent_one(tmp_path: Path) -> None:
    electricity = meters(tmp_path, meter_1=(ELECTRICITY, "000000000161"))
    water = meters(tmp_path, water_1=(WATER, "78330011223344"))
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        listening_host(broker) as host,
        serve_meters_pty(electricity, "dlt645", link=tmp_path / "line") as line,
        serve_meters_tcp(water, "cjt188", host="127.0.0.1", port=0) as port,
    ):
        file = put_site(tmp_path, broker, TABLES.format(line=line, water=port))
        async with running_agent(file):
            for device, point in (("meter-1", "energy"), ("meter-1", "phase_b_lost"), ("water-1", "valve")):
                await host.until(partial(reported, host, device, point))
            said = {
                (heard.device, name): metric.value for heard in host.taken for name, metric in heard.metrics.items()
            }
            async with asyncio.timeout(20):
                while "meter-2" not in str(await asyncio.to_thread(health, file)):  # noqa: ASYNC110 - a page has no event
                    await asyncio.sleep(0.1)
            figures = await asyncio.to_thread(metrics_text, file)
    held = electricity.by_name["meter-1"].values()
    assert said["meter-1", "energy"] == held["energy"]
    assert said["meter-1", "voltage_c"] == held["voltage_c"]
    assert said["meter-1", "phase_b_lost"] is False
    assert said["water-1", "volume"] == water.by_name["water-1"].values()["volume"]
    assert said["water-1", "valve"] == 0
    assert 'unit="meter-2"' in figures


def test_a_site_with_meters_is_checked_without_connecting(tmp_path: Path) -> None:
    (tmp_path / "edge-1.password").write_text("x")
    file = tmp_path / "site.toml"
    file.write_text(site_text(TABLES.format(line="/dev/ttyS9", water=4001)))
    settings = load_site(file).settings.agents["edge-1"]
    assert settings.devices["meter-1"].address == "000000000161"
    assert settings.buses["water"].place == "127.0.0.1:4001"
