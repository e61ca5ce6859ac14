"""The agent against a real broker and real Modbus units."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.profile import load_profile
from tests.support.broker import Broker, running_broker
from tests.support.edge_site import (
    PROFILES,
    USERS,
    Host,
    health,
    listening_host,
    metrics_text,
    running_agent,
    write_site,
)
from tests.support.modbus_server import ModbusUnits, modbus_units
from wire import contract
from wire.payload import Quality
from wire.topic import MessageType

PUMP = "pump-1"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def units() -> AsyncIterator[ModbusUnits]:
    async with modbus_units(1, 2) as units:
        units.registers[1][0] = 40
        yield units


@pytest.fixture
async def host(broker: Broker) -> AsyncIterator[Host]:
    async with listening_host(broker) as host:
        yield host


async def _settled(host: Host, device: str = PUMP) -> None:
    """Wait until the device has said all its points once."""
    await host.until(lambda: [one for one in host.taken if one.device == device and "locked" in one.metrics])


async def _reported(host: Host, point: str, value: object) -> None:
    await host.until(
        lambda: [one for one in host.taken if (m := one.metrics.get(point)) is not None and m.value == value]
    )


async def test_births_declare_and_data_carry_offsets(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
    profile = load_profile(PROFILES / "bench-pump.toml")
    node, device = host.of(MessageType.NBIRTH)[0], host.of(MessageType.DBIRTH, PUMP)[0]
    assert (node.seq, device.seq) == (0, 1)
    assert node.value(contract.JOURNAL_FIRST) == 1
    assert node.value(contract.AGENT_VERSION)
    assert device.value(contract.PROFILE_HASH) == profile.hash
    assert device.value(contract.DEVICE_PLACE) == "3号楼/地下泵房"
    assert device.value(contract.ALARM_OVERRIDES) == (
        '{"dry_run":{"enabled":true,"limits":{},"off_delay":null,"on_delay":"2s","priority":null}}'
    )
    assert {f"Command/Do/{name}" for name in profile.commands} <= set(device.metrics)
    assert device.metrics["pressure"].properties["engUnit"].value == "bar"
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))
    said = {name: metric.value for one in host.taken for name, metric in one.metrics.items()}
    assert said["pressure"] == pytest.approx(4.0)
    assert host.heard[-1].type is MessageType.NDEATH


async def test_acknowledged_records_leave_the_journal(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    file = write_site(tmp_path, broker, units)
    async with running_agent(file):
        await _settled(host)
        for _ in range(100):
            text = await asyncio.to_thread(metrics_text, file)
            acknowledged = f"linli_edge_journal_acknowledged_offset {float(host.watermark)}"
            if "linli_edge_journal_pending_records 0.0" in text and acknowledged in text:
                return
            await asyncio.sleep(0.1)
    pytest.fail(f"the journal was not truncated:\n{text}")


async def test_an_acknowledgement_of_another_journal_changes_nothing(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    host.acknowledging = False
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        await host.acknowledge(host.watermark, journal_id="another")
        await host.acknowledge(host.watermark + 1000)
        # Without an acknowledgement that counts, everything is sent again from the first record, as historical.
        again = await host.until(lambda: [one for one in host.heard if one.offset == 1], 2)
    assert again[1].metrics[contract.JOURNAL_OFFSET].is_historical


async def test_nothing_is_lost_while_the_broker_is_away(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        first_bd_seq = host.of(MessageType.NBIRTH)[0].value("bdSeq")
        journal_id, watermark = host.journal_id, host.watermark
        await broker.stop()
        for value in (50, 60, 70, 80):
            units.registers[1][0] = value
            await asyncio.sleep(0.3)
        await broker.start()
        async with listening_host(broker) as later:
            later.journal_id, later.watermark = journal_id, watermark
            await later.until(lambda: later.of(MessageType.NBIRTH))
            await _reported(later, "pressure", 8.0)
    assert later.of(MessageType.NBIRTH)[0].value("bdSeq") != first_bd_seq
    pressures = [one.metrics["pressure"] for one in later.taken if "pressure" in one.metrics]
    assert [round(float(str(one.value)), 1) for one in pressures] == [5.0, 6.0, 7.0, 8.0]
    assert all(one.is_historical for one in pressures[:3])
    times = [one.timestamp_ms or 0 for one in pressures]
    assert times == sorted(times)
    assert times[-1] - times[0] > 500, "the records keep the times of their readings"


async def test_a_restart_continues_the_journal(tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host) -> None:
    file = write_site(tmp_path, broker, units)
    async with running_agent(file):
        await _settled(host)
    journal_id, births = host.journal_id, len(host.of(MessageType.NBIRTH))
    units.registers[1][0] = 90
    async with running_agent(file):
        await _reported(host, "pressure", 9.0)
    assert host.journal_id == journal_id
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))
    assert len(host.of(MessageType.NBIRTH)) == births + 1


async def test_rebirth_and_profile_are_given_on_request(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    profile = load_profile(PROFILES / "bench-pump.toml")
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        await host.node_command("Node Control/Rebirth", value=True)
        await host.until(lambda: host.of(MessageType.DBIRTH, PUMP), 2)
        await host.node_command(contract.PROFILE_REQUEST, profile.hash)
        answer = await host.until(
            lambda: [one for one in host.of(MessageType.NDATA) if contract.PROFILE_DOCUMENT in one.metrics]
        )
    assert answer[0].value(contract.PROFILE_DOCUMENT) == profile.document()
    assert host.of(MessageType.NBIRTH)[0].value("bdSeq") == host.of(MessageType.NBIRTH)[1].value("bdSeq")


async def test_a_command_is_done_once_its_effect_shows(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        first = await host.command(PUMP, "set_pressure", 5.5)
        second = await host.command(PUMP, "start", value=True)
        outcomes = [(await host.outcome(one)).value(contract.COMMAND_OUTCOME) for one in (first, second)]
    assert outcomes == ["done", "done"]
    assert units.writes == [(1, 1, 55), (1, 2, 1)]


async def test_a_refused_command_writes_nothing(tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host) -> None:
    units.on_write = lambda _unit, address, value: None if address == 4 else value
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        for name, value, token, reason in (
            ("start", True, "0" * 32, "the token is expired"),
            ("start", False, None, "takes `true`"),
            ("set_pressure", 11.0, None, "outside the limits"),
            ("unlock", True, None, "illegal data value"),
        ):
            outcome = await host.outcome(await host.command(PUMP, name, value, token=token))
            assert outcome.value(contract.COMMAND_OUTCOME) == "refused"
            assert reason in str(outcome.value(contract.COMMAND_DETAIL))
    assert [write for write in units.writes if write[1] != 4] == []


async def test_a_command_without_effect_is_timed_out(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        outcome = await host.outcome(await host.command(PUMP, "jam", value=True))
    assert outcome.value(contract.COMMAND_OUTCOME) == "timed out"


async def test_a_write_without_an_answer_is_unknown(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        units.mute.add(1)
        outcome = await host.outcome(await host.command(PUMP, "start", value=True))
    assert outcome.value(contract.COMMAND_OUTCOME) == "unknown"
    assert units.registers[1][2] == 1


async def test_a_command_seen_before_is_not_done_again_but_its_outcome_is_told_again(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    file = write_site(tmp_path, broker, units)
    async with running_agent(file):
        await _settled(host)
        command_id = await host.command(PUMP, "start", value=True)
        await host.outcome(command_id)
        await host.command(PUMP, "start", value=True, command_id=command_id)
        await host.outcome(command_id, times=2)
    async with running_agent(file):
        await host.until(lambda: host.of(MessageType.DBIRTH, PUMP), 2)
        await host.command(PUMP, "start", value=True, command_id=command_id)
        last = await host.outcome(command_id, times=3)
    assert last.value(contract.COMMAND_OUTCOME) == "done"
    assert units.writes == [(1, 2, 1)]


async def test_malformed_commands_are_counted_and_change_nothing(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    file = write_site(tmp_path, broker, units)
    async with running_agent(file):
        await _settled(host)
        await host.raw("spBv1.0/sunshine-garden/NCMD/edge-1", b"\xff\xff not protobuf")
        await host.raw(f"spBv1.0/sunshine-garden/DCMD/edge-1/{PUMP}", b"")
        await host.raw("spBv1.0/sunshine-garden/DCMD/edge-1/nobody", b"")
        await host.node_command(contract.JOURNAL_ACK, "no position")
        await host.command(PUMP, "start", value=True, command_id="no uuid")
        units.registers[1][0] = 70
        await _reported(host, "pressure", 7.0)
        # The reading may overtake the last command: they come by different ways.
        for _ in range(200):
            text = await asyncio.to_thread(metrics_text, file)
            if "linli_edge_commands_malformed_total 5.0" in text:
                break
            await asyncio.sleep(0.05)
    assert "linli_edge_commands_malformed_total 5.0" in text
    assert units.writes == []


async def test_a_silent_device_turns_bad_then_dies_and_is_born_again(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    file = write_site(tmp_path, broker, units, devices=2)
    async with running_agent(file):
        await _settled(host)
        await _settled(host, "pump-2")
        units.mute.add(1)
        await host.until(lambda: host.of(MessageType.DDEATH, PUMP))
        report = await asyncio.to_thread(health, file)
        units.registers[2][0] = 30
        await _reported(host, "pressure", 3.0)
        units.mute.clear()
        units.registers[1][0] = 80
        await host.until(lambda: host.of(MessageType.DBIRTH, PUMP), 2)
        await _reported(host, "pressure", 8.0)
    story = [one for one in host.heard if one.device == PUMP]
    death = next(i for i, one in enumerate(story) if one.type is MessageType.DDEATH)
    last_words = story[death - 1]
    assert {m.quality for name, m in last_words.metrics.items() if not contract.is_control(name)} == {Quality.BAD}
    assert last_words.value("pressure") == pytest.approx(4.0), "a bad point keeps its last value"
    assert story[death + 1].type is MessageType.DBIRTH
    assert report["checks"]["bus:pump-room"] == {"status": "degraded", "detail": "no answer from pump-1"}
    assert host.of(MessageType.DDEATH, "pump-2") == []


async def test_a_dead_bus_is_reconnected(tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host) -> None:
    async with running_agent(write_site(tmp_path, broker, units)):
        await _settled(host)
        await units.stop()
        await host.until(lambda: host.of(MessageType.DDEATH, PUMP))
        units.registers[1][0] = 90
        await units.start()
        await host.until(lambda: host.of(MessageType.DBIRTH, PUMP), 2)
        await _reported(host, "pressure", 9.0)


async def test_a_device_that_never_answered_is_born_bad_and_dies(
    tmp_path: Path, broker: Broker, units: ModbusUnits, host: Host
) -> None:
    units.mute.add(1)
    async with running_agent(write_site(tmp_path, broker, units)):
        await host.until(lambda: host.of(MessageType.DDEATH, PUMP))
    assert host.of(MessageType.DBIRTH, PUMP)[0].value("pressure") is None
    assert host.taken[0].metrics["pressure"].quality is Quality.BAD


async def test_a_wrong_password_shows_in_health_and_polling_goes_on(
    tmp_path: Path, broker: Broker, units: ModbusUnits
) -> None:
    file = write_site(tmp_path, broker, units, password="wrong")
    async with running_agent(file):
        for _ in range(100):
            await asyncio.sleep(0.1)
            report = await asyncio.to_thread(health, file)
            if "refuses" in report["checks"]["broker"]["detail"]:
                break
        text = await asyncio.to_thread(metrics_text, file)
        assert "refuses" in report["checks"]["broker"]["detail"]
        assert report["status"] == "degraded"
        assert "linli_edge_records_journalled_total" in text
        (tmp_path / "edge-1.password").write_text(USERS["edge-1"])
        async with listening_host(broker) as host:
            await _settled(host)
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))
