"""The agent with a line of OSDP readers: what people do at them is what the host hears, and a PIN is not."""

import asyncio
from pathlib import Path

import pytest

from drivers.catalog import catalog_profile
from drivers.osdp.standing import Security
from edge.config import load_site
from runtime.config import ConfigError
from tests.support.broker import running_broker
from tests.support.edge_site import USERS, Heard, Host, listening_host, metrics_text, put_site, running_agent, site_text
from tests.support.osdp_readers import simulated
from wire import contract

CARD = "26:2F623AE"

READER = "baltech-access200"
TABLES = """
[agents.edge-1.buses.doors]
protocol = "osdp"
port = "{line}"
keys = "{keys}"
poll = "20ms"
[agents.edge-1.devices.front-door]
profile = "{reader}"
bus = "doors"
unit = 1
label = {{ zh = "南门读卡器", en = "South gate" }}
place = "南门"
[agents.edge-1.devices.back-door]
profile = "{reader}"
bus = "doors"
unit = 2
label = {{ zh = "北门读卡器", en = "North gate" }}
place = "北门"
"""


def values(host: Host, device: str, point: str) -> list[object]:
    taken = (heard for heard in host.taken if heard.device == device and point in heard.metrics)
    return [heard.value(point) for heard in taken]


async def said(host: Host, device: str, point: str, value: object, *, times: int = 1) -> None:
    def found() -> list[Heard]:
        return [heard for heard in host.taken if heard.device == device and point in heard.metrics]

    await host.until(lambda: [heard for heard in found() if heard.value(point) == value], times, within=40)


async def test_cards_and_states_reach_the_host_commands_reach_the_reader_and_a_pin_never_leaves(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        simulated(tmp_path, 1, 2, profile=catalog_profile(READER)) as sim,
        listening_host(broker) as host,
    ):
        sim.fault(2, "wrong-key")
        keys = tmp_path / "readers.keys"
        file = put_site(tmp_path, broker, TABLES.format(reader=READER, line=sim.place["port"], keys=keys))
        async with running_agent(file):
            await said(host, "front-door", "secure", value=True)
            await said(host, "back-door", "security", int(Security.WRONG_KEY))
            sim.fault(1, f"present:{CARD}", "keys:5281#", f"present:{CARD}", "tamper")
            sim.fault(2, f"present:{CARD}")
            await said(host, "front-door", "tamper", value=True)
            await said(host, "front-door", "card", CARD, times=2)
            await said(host, "front-door", "number", 4567, times=2)
            assert values(host, "back-door", "card") == []
            for command, value in (("show_granted", True), ("beep", 0.5), ("switch_relay", 2.0)):
                outcome = await host.outcome(await host.command("front-door", command, value))
                assert outcome.value(contract.COMMAND_OUTCOME) == "done", (command, outcome.metrics)
            refused = await host.outcome(await host.command("back-door", "switch_relay", 2.0))
            assert refused.value(contract.COMMAND_OUTCOME) != "done"
            figures = await asyncio.to_thread(metrics_text, file)
    assert sim.machine(1).told == [("led", "green for 3s"), ("buzzer", 0.5), ("output", 2.0)]
    assert not [heard for heard in host.heard if "pin" in heard.metrics]
    written = b"".join(one.read_bytes() for one in (tmp_path / "data").rglob("*") if one.is_file())
    assert b"5281" not in written + figures.encode()


def test_a_site_with_readers_is_checked_without_connecting(tmp_path: Path) -> None:
    (tmp_path / "edge-1.password").write_text("x")
    file = tmp_path / "site.toml"
    file.write_text(site_text(TABLES.format(reader=READER, line="/dev/ttyS9", keys="/etc/linli/doors.keys")))
    assert load_site(file).settings.agents["edge-1"].devices["front-door"].unit == 1
    file.write_text(site_text(TABLES.format(reader=READER, line="/dev/ttyS9", keys="")))
    with pytest.raises(ConfigError, match="keys"):
        load_site(file)
