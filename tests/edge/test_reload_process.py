"""A running agent process whose site file changes: what is restarted, what is not, and what the host hears of it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.profile import load_profile
from edge.config import load_site
from tests.support.broker import Broker, running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import CountedModbus, counted_modbus
from tests.support.edge_site import USERS, Heard, Host, listening_host
from wire import contract
from wire.topic import MessageType

pytestmark = pytest.mark.system
_EDGE = "from edge.cli import app; app()"
POLL_S = 1.0


@asynccontextmanager
async def agent_process(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    log = (file.parent / "agent.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _EDGE, "run", file, "--agent", "edge-1", "--log-format", "json", stderr=log, stdout=log
    )
    try:
        yield process
    finally:
        log.close()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert "Traceback" not in (file.parent / "agent.log").read_text()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def host(broker: Broker) -> AsyncIterator[Host]:
    async with listening_host(broker) as host:
        yield host


@pytest.fixture
async def kept() -> AsyncIterator[CountedModbus]:
    async with counted_modbus(1) as served:
        yield served


@pytest.fixture
async def other() -> AsyncIterator[CountedModbus]:
    async with counted_modbus(1, 2, 3) as served:
        for unit in (1, 2, 3):
            served.registers[unit][0] = 40
        yield served


@pytest.fixture
def site(tmp_path: Path, broker: Broker, kept: CountedModbus, other: CountedModbus) -> ChangingSite:
    return ChangingSite(
        folder=tmp_path,
        broker=broker,
        buses={"kept": kept.port, "other": other.port},
        devices={
            "calm-1": ("kept", 1, "calm-pump"),
            "pump-1": ("other", 1, "bench-pump"),
            "pump-2": ("other", 2, "bench-pump"),
        },
        scales={"bench-pump": 0.1, "calm-pump": 0.1},
        poll=f"{int(POLL_S)}s",
    )


async def settled(host: Host, *devices: str) -> None:
    for device in devices:
        await host.until(lambda device=device: [one for one in said(host, device) if "locked" in one.metrics])  # type: ignore[misc]


def said(host: Host, device: str) -> list[Heard]:
    return [one for one in host.taken if one.device == device]


async def test_a_changed_scale_arrives_under_its_profile_and_the_other_bus_takes_no_note(
    site: ChangingSite, host: Host, kept: CountedModbus, other: CountedModbus
) -> None:
    file = site.write()
    before = load_site(file)
    async with agent_process(file):
        await settled(host, "calm-1", "pump-1", "pump-2")
        site.scales["bench-pump"] = 0.2
        site.write_profiles()
        after = load_site(file)
        await host.until(lambda: [one for one in said(host, "pump-1") if one.metrics.get("pressure") and _is(one, 8.0)])
        await host.until(lambda: [one for one in said(host, "pump-2") if one.metrics.get("pressure") and _is(one, 8.0)])
        times = kept.times_of(1)
        await asyncio.sleep(2 * POLL_S)
        figures = await asyncio.to_thread(site.page, "metrics")
        times = kept.times_of(1)
    assert kept.connections == 1
    assert max(b - a for a, b in pairwise(times)) < 2 * POLL_S, "a poll was missed"
    assert 'linli_edge_bus_errors_total{bus="kept"' not in figures
    assert other.connections == 2
    revisions = [one.value(contract.AGENT_CONFIG_REVISION) for one in host.of(MessageType.NBIRTH)]
    assert revisions == [before.revision, after.revision]
    old, new = before.profile_hashes["bench-pump"], after.profile_hashes["bench-pump"]
    assert _pressures_by_hash(host, "pump-1") == {old: {4.0}, new: {8.0}}
    assert _pressures_by_hash(host, "pump-2") == {old: {4.0}, new: {8.0}}
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))
    assert load_profile(site.folder / "profiles" / "bench-pump.toml").hash == new


def _is(one: Heard, value: float) -> bool:
    return one.value("pressure") == pytest.approx(value)


def _pressures_by_hash(host: Host, device: str) -> dict[object, set[float]]:
    """Give the pressures in data, by the profile's hash in the birth that stood then."""
    found: dict[object, set[float]] = {}
    standing: object = None
    for one in host.heard:
        if one.type is MessageType.DBIRTH and one.device == device:
            standing = one.value(contract.PROFILE_HASH)
        elif one.type is MessageType.DDATA and one.device == device and "pressure" in one.metrics:
            found.setdefault(standing, set()).add(round(float(str(one.value("pressure"))), 6))
    return found


async def test_a_removed_device_dies_after_its_last_record_and_is_forgotten(
    site: ChangingSite, host: Host, kept: CountedModbus
) -> None:
    file = site.write()
    async with agent_process(file):
        await settled(host, "calm-1", "pump-1", "pump-2")
        del site.devices["pump-2"], site.devices["pump-1"], site.buses["other"]
        site.write()
        await host.until(lambda: host.of(MessageType.DDEATH, "pump-2"))
        await host.until(lambda: host.of(MessageType.NBIRTH), 2)
        report = await site.checks(lambda checks: "bus:other" not in checks)
        await host.node_command("Node Control/Rebirth", value=True)
        await host.until(lambda: host.of(MessageType.DBIRTH, "calm-1"), 3)
    assert set(report) == {"broker", "clock", "journal", "site", "bus:kept"}
    for device in ("pump-1", "pump-2"):
        story = [one.type for one in host.heard if one.device == device]
        assert story[0] is MessageType.DBIRTH
        assert story[-1] is MessageType.DDEATH
        assert story.count(MessageType.DBIRTH) == 1
    assert not any(name.startswith("Bus/other/") for name in host.of(MessageType.NBIRTH)[-1].metrics)
    assert kept.connections == 1


async def test_a_bad_file_changes_nothing_says_everything_and_is_forgiven_when_mended(
    site: ChangingSite, host: Host, kept: CountedModbus, other: CountedModbus
) -> None:
    file = site.write()
    good = site.text()
    async with agent_process(file):
        await settled(host, "calm-1", "pump-1")
        file.write_text(good.replace('place = "1号楼"', 'plaec = "1号楼"', 1).replace("unit = 2", "unit = 1"))
        report = await site.checks(lambda checks: checks["site"]["status"] == "degraded")
        file.write_text(good.replace('profile = "bench-pump"', 'profile = "bensh-pump"', 1))
        second = await site.checks(lambda checks: "bensh-pump" in checks["site"]["detail"])
        heard = len(host.taken)
        other.registers[1][0] = 90
        await host.until(lambda: [one for one in host.taken[heard:] if "pressure" in one.metrics])
        file.write_text(good)
        await site.checks(lambda checks: checks["site"]["status"] == "ok")
    assert report["site"]["detail"].startswith("the changed site file is not used: ")
    assert "agents.edge-1.devices.calm-1.plaec: unknown key (did you mean `place`?)" in report["site"]["detail"]
    assert "did you mean `bench-pump`?" in second["site"]["detail"]
    log = (site.folder / "agent.log").read_text()
    assert '"remedy": "did you mean `place`?"' in log
    assert (kept.connections, other.connections) == (1, 1)
    assert len(host.of(MessageType.NBIRTH)) == 1


async def test_sighup_reads_the_file_and_a_new_label_needs_no_restart_of_any_bus(
    site: ChangingSite, host: Host, kept: CountedModbus, other: CountedModbus
) -> None:
    file = site.write()
    async with agent_process(file) as process:
        await settled(host, "calm-1", "pump-1")
        site.labels["pump-1"] = "the great pump"
        site.write()
        process.send_signal(signal.SIGHUP)
        births = await host.until(lambda: host.of(MessageType.DBIRTH, "pump-1"), 2)
        await host.until(lambda: host.of(MessageType.DBIRTH, "calm-1"), 2)
    assert "the great pump" in str(births[1].value(contract.DEVICE_LABEL))
    assert births[1].value("pressure") == pytest.approx(4.0), "what it last showed stays known"
    assert (kept.connections, other.connections) == (1, 1)


async def test_many_devices_come_and_go_in_one_step(
    site: ChangingSite, host: Host, kept: CountedModbus, other: CountedModbus
) -> None:
    for unit in range(1, 41):
        other.registers[unit] = [unit] * 32
    file = site.write()
    async with agent_process(file):
        await settled(host, "calm-1", "pump-1", "pump-2")
        del site.devices["pump-1"], site.devices["pump-2"]
        site.devices |= {f"new-{unit}": ("other", unit, "bench-pump") for unit in range(1, 41)}
        site.write()
        await settled(host, *(f"new-{unit}" for unit in range(1, 41)))
    second = [i for i, one in enumerate(host.heard) if one.type is MessageType.NBIRTH][1]
    after = [one for one in host.heard[second + 1 :] if one.type in {MessageType.DBIRTH, MessageType.DDATA}]
    assert {one.device for one in after[:41]} == {"calm-1", *(f"new-{unit}" for unit in range(1, 41))}
    assert {one.type for one in after[:41]} == {MessageType.DBIRTH}
    assert len(host.of(MessageType.NBIRTH)) == 2
    assert kept.connections == 1
