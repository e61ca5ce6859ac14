"""The agent under a changing site file: what waits in the journal, commands in flight, silent devices, brokers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.config import load_site
from tests.support.broker import Broker, running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import CountedModbus, counted_modbus
from tests.support.edge_site import USERS, Heard, Host, listening_host, running_agent
from wire import contract
from wire.topic import MessageType


@asynccontextmanager
async def changing(tmp_path: Path, broker: Broker) -> AsyncIterator[tuple[ChangingSite, CountedModbus]]:
    async with counted_modbus(1, 2, 3) as units:
        for unit in (1, 2, 3):
            units.registers[unit][0] = 40
        yield (
            ChangingSite(
                folder=tmp_path,
                broker=broker,
                buses={"line": units.port},
                devices={f"pump-{unit}": ("line", unit, "bench-pump") for unit in (1, 2)},
            ),
            units,
        )


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def host(broker: Broker) -> AsyncIterator[Host]:
    async with listening_host(broker) as host:
        yield host


async def settled(host: Host, *devices: str) -> None:
    for device in devices:
        await host.until(
            lambda device=device: [one for one in host.taken if one.device == device and "locked" in one.metrics]  # type: ignore[misc]
        )


def pressures(heard: list[Heard], device: str) -> list[tuple[object, float]]:
    """Give the pressures of a device with the hash of the profile under which each was published."""
    standing: object = None
    found = []
    for one in heard:
        if one.type is MessageType.DBIRTH and one.device == device:
            standing = one.value(contract.PROFILE_HASH)
        if one.type is MessageType.DDATA and one.device == device and "pressure" in one.metrics:
            found.append((standing, round(float(str(one.value("pressure"))), 6)))
    return found


@pytest.mark.parametrize("restarted", [False, True], ids=["while it runs", "between two runs"])
async def test_what_waits_in_the_journal_is_sent_under_the_births_it_was_made_under(
    tmp_path: Path, broker: Broker, *, restarted: bool
) -> None:
    async with changing(tmp_path, broker) as (site, units):
        file = site.write()
        old = load_site(file).profile_hashes["bench-pump"]

        async def journalled(count: int) -> None:
            async with asyncio.timeout(20):
                while _last_offset(await asyncio.to_thread(site.page, "metrics")) < count:  # noqa: ASYNC110 - a page has no event
                    await asyncio.sleep(0.1)

        def change() -> None:
            site.scales["bench-pump"] = 0.2
            del site.devices["pump-2"]
            site.write()

        async with listening_host(broker) as first:
            async with running_agent(file):
                await settled(first, "pump-1", "pump-2")
                await asyncio.sleep(0.5)
                before = first.watermark
                await broker.stop()
                units.registers[1][0] = units.registers[2][0] = 60
                await journalled(before + 2)
                if not restarted:
                    change()
                    await site.checks(lambda checks: checks["site"]["status"] == "ok")
                    await journalled(before + 3)
                    await broker.start()
                    async with listening_host(broker) as later:
                        later.journal_id, later.watermark = first.journal_id, before
                        await later.until(lambda: later.of(MessageType.DDEATH, "pump-2"))
                        await later.until(lambda: [one for one in later.taken if _shows(one, 12.0)])
            if restarted:
                change()
                await broker.start()
                async with listening_host(broker) as later:
                    later.journal_id, later.watermark = first.journal_id, before
                    async with running_agent(file):
                        await later.until(lambda: later.of(MessageType.DDEATH, "pump-2"))
                        await later.until(lambda: [one for one in later.taken if _shows(one, 12.0)])
        new = load_site(file).profile_hashes["bench-pump"]
    assert (old, 6.0) in pressures(later.heard, "pump-1")
    assert (new, 12.0) in pressures(later.heard, "pump-1")
    assert set(pressures(later.heard, "pump-1")) == {(old, 6.0), (new, 12.0)}
    assert set(pressures(later.heard, "pump-2")) == {(old, 6.0)}
    assert [one.type for one in later.heard if one.device == "pump-2"][-1] is MessageType.DDEATH
    assert not any(contract.JOURNAL_GAP_TO in one.metrics for one in later.taken)
    assert [one.offset for one in later.taken] == list(range(before + 1, before + 1 + len(later.taken)))


def _last_offset(page: str) -> float:
    return float(page.partition("\nlinli_edge_journal_last_offset ")[2].partition("\n")[0])


def _shows(one: Heard, value: float) -> bool:
    return "pressure" in one.metrics and one.value("pressure") == pytest.approx(value)


async def test_commands_on_a_line_that_is_restarted_end_honestly(tmp_path: Path, broker: Broker, host: Host) -> None:
    async with changing(tmp_path, broker) as (site, units):
        units.mute_writes.add(1)
        async with running_agent(site.write()):
            await settled(host, "pump-1", "pump-2")
            in_flight = await host.command("pump-1", "start", value=True, timeout_ms=20_000)
            waiting = await host.command("pump-1", "set_pressure", 5.0, timeout_ms=20_000)
            proving = await host.command("pump-2", "jam", value=True, timeout_ms=20_000)
            async with asyncio.timeout(10):
                while len(units.writes) < 2:  # noqa: ASYNC110 - the server has no event
                    await asyncio.sleep(0.005)
            site.devices["pump-3"] = ("line", 3, "bench-pump")
            site.write()
            outcomes = {
                name: str((await host.outcome(one)).value(contract.COMMAND_OUTCOME))
                for name, one in (("in flight", in_flight), ("waiting", waiting), ("proving", proving))
            }
            await settled(host, "pump-3")
            units.mute_writes.clear()
            again = await host.outcome(await host.command("pump-1", "set_pressure", 5.0))
    assert outcomes["in flight"] == "unknown"
    assert outcomes["proving"] == "timed out"
    assert outcomes["waiting"] in {"refused", "unknown"}, "refused where nothing was sent, unknown where it was"
    assert again.value(contract.COMMAND_OUTCOME) == "done"


async def test_a_silent_device_on_a_restarted_line_is_found_silent_again(
    tmp_path: Path, broker: Broker, host: Host
) -> None:
    async with changing(tmp_path, broker) as (site, units), running_agent(site.write()):
        await settled(host, "pump-1", "pump-2")
        units.mute.add(2)
        await host.until(lambda: host.of(MessageType.DDEATH, "pump-2"))
        site.devices["pump-3"] = ("line", 3, "bench-pump")
        site.write()
        await settled(host, "pump-3")
        await host.until(lambda: host.of(MessageType.DDEATH, "pump-2"), 2)
        units.mute.clear()
        units.registers[2][0] = 70
        await host.until(lambda: [one for one in host.taken if one.device == "pump-2" and _shows(one, 7.0)])
    assert [one.type for one in host.heard if one.device == "pump-2"][-1] is MessageType.DDATA


async def test_a_device_that_moves_to_another_line_goes_on(tmp_path: Path, broker: Broker, host: Host) -> None:
    async with changing(tmp_path, broker) as (site, units), counted_modbus(7) as second:
        second.registers[7][0] = 90
        async with running_agent(site.write()):
            await settled(host, "pump-1", "pump-2")
            site.buses["second"] = second.port
            site.devices["pump-2"] = ("second", 7, "bench-pump")
            site.write()
            await host.until(lambda: [one for one in host.taken if one.device == "pump-2" and _shows(one, 9.0)])
            asked = len(units.times_of(2))
            await host.until(lambda: host.of(MessageType.NBIRTH), 2)
            await asyncio.sleep(0.5)
    assert len(units.times_of(2)) == asked
    assert host.of(MessageType.DDEATH, "pump-2") == []


async def test_another_broker_is_used_at_once_and_the_lines_take_no_note(
    tmp_path: Path, broker: Broker, host: Host
) -> None:
    async with (
        changing(tmp_path, broker) as (site, units),
        running_broker(tmp_path / "second", users=USERS) as second,
        listening_host(second) as there,
        running_agent(site.write()),
    ):
        await settled(host, "pump-1", "pump-2")
        site.broker = second
        site.write()
        await there.until(lambda: there.of(MessageType.DBIRTH, "pump-2"))
        await host.until(lambda: host.of(MessageType.NDEATH))
        units.registers[1][0] = 77
        await there.until(lambda: [one for one in there.heard if _shows(one, 7.7)])
        assert units.connections == 1
        assert len(there.of(MessageType.NBIRTH)) == 1


async def test_a_mended_password_file_is_used_without_waiting_for_the_pause(tmp_path: Path, broker: Broker) -> None:
    async with changing(tmp_path, broker) as (site, units):
        file = site.write()
        (tmp_path / "edge-1.password").write_text("wrong")
        async with running_agent(file), listening_host(broker) as host:
            await site.checks(lambda checks: "refuses" in checks["broker"]["detail"])
            (tmp_path / "edge-1.password").write_text(USERS["edge-1"])
            await settled(host, "pump-1")
        assert units.connections == 1


async def test_what_only_a_start_can_change_is_said_and_the_rest_is_done(
    tmp_path: Path, broker: Broker, host: Host
) -> None:
    async with changing(tmp_path, broker) as (site, _), running_agent(site.write()):
        await settled(host, "pump-1", "pump-2")
        del site.devices["pump-2"]
        text = site.write().read_text().replace('data = "data"', 'data = "elsewhere"')
        site.file.write_text(text)
        await host.until(lambda: host.of(MessageType.DDEATH, "pump-2"))
        changed = await site.checks(lambda checks: checks["site"]["status"] == "degraded")
        site.write()
        await site.checks(lambda checks: checks["site"]["status"] == "ok")
    assert changed["site"]["detail"] == "changed, and used only from the next start on: agents.edge-1.data"
    assert not (tmp_path / "elsewhere").exists()


async def test_an_agent_that_is_gone_from_the_file_runs_on_and_says_so(
    tmp_path: Path, broker: Broker, host: Host
) -> None:
    async with changing(tmp_path, broker) as (site, units):
        async with running_agent(site.write()):
            await settled(host, "pump-1")
            site.file.write_text(site.text().replace("agents.edge-1", "agents.edge-2"))
            report = await site.checks(lambda checks: checks["site"]["status"] == "degraded")
        assert units.connections == 1
    assert "`edge-1` is not there any more (put it back, or stop this agent)" in report["site"]["detail"]
