"""Real sockets and pseudo-terminals, read by an independent master (pymodbus)."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from drivers.address import DeviceAddress
from drivers.catalog import catalog_profile
from drivers.modbus.blocks import poll_plan
from drivers.modbus.config import ModbusRtuOverTcpSettings, ModbusRtuSettings, ModbusSettings, ModbusTcpSettings
from drivers.profile import Table
from drivers.registry import open_bus, open_device
from simulators.modbus.server import serve_rtu, serve_tcp
from simulators.modbus.station import Stations
from simulators.pseudo_terminal import LineUnavailable
from simulators.witness import decode_answers, read_answers, read_changes, read_writes, witness_files
from tests.support.simulated_line import ELEVATOR, PUMP, stations_of


@pytest.fixture
def pumps(tmp_path: Path) -> Iterator[Stations]:
    with stations_of(tmp_path, pump_1=(PUMP, 1), pump_2=(PUMP, 2)) as stations:
        yield stations


@pytest.fixture
def lifts(tmp_path: Path) -> Iterator[Stations]:
    with stations_of(tmp_path, lift_1=(ELEVATOR, 1), lift_2=(ELEVATOR, 2)) as stations:
        yield stations


@asynccontextmanager
async def tcp_master(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def rtu_master(link: Path) -> AsyncIterator[AsyncModbusSerialClient]:
    client = AsyncModbusSerialClient(str(link), baudrate=19200, timeout=0.5, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def ticking(stations: Stations) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            stations.tick(0.1)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_witness_has_exactly_what_a_tcp_master_got(pumps: Stations, tmp_path: Path) -> None:
    blocks = [block for blocks in poll_plan(catalog_profile(PUMP)).values() for block in blocks]
    got: dict[int, list[tuple[int, tuple[int, ...]]]] = {1: [], 2: []}
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port, tcp_master(port) as master, ticking(pumps):
        for _ in range(20):
            for unit in (1, 2):
                for block in blocks:
                    read = master.read_input_registers if block.table is Table.INPUT else master.read_holding_registers
                    reply = await read(block.address, count=block.count, device_id=unit)
                    assert not reply.isError()
                    got[unit].append((block.address, tuple(reply.registers)))
    for unit in (1, 2):
        answers = list(read_answers(witness_files(tmp_path, f"pump-{unit}")[0]))
        assert [(answer.address, answer.words) for answer in answers] == got[unit]
        assert {answer.unit for answer in answers} == {unit}
        assert [answer.at_ms for answer in answers] == sorted(answer.at_ms for answer in answers)
        assert len(set(got[unit])) > len(blocks)  # the values moved meanwhile


async def test_the_witness_has_exactly_what_a_serial_master_got(lifts: Stations, tmp_path: Path) -> None:
    blocks = [block for blocks in poll_plan(catalog_profile(ELEVATOR)).values() for block in blocks]
    got: dict[int, list[tuple[int, tuple[int, ...]]]] = {1: [], 2: []}
    link = tmp_path / "lift-line"
    async with serve_rtu(lifts, link=link), rtu_master(link) as master, ticking(lifts):
        for _ in range(10):
            for unit in (1, 2):
                for block in blocks:
                    reply = await master.read_holding_registers(block.address, count=block.count, device_id=unit)
                    assert not reply.isError()
                    got[unit].append((block.address, tuple(reply.registers)))
    for unit in (1, 2):
        answers = list(read_answers(witness_files(tmp_path, f"lift-{unit}")[0]))
        assert [(answer.address, answer.words) for answer in answers] == got[unit]


async def test_changes_lead_to_what_the_registers_hold(pumps: Stations, tmp_path: Path) -> None:
    for _ in range(50):
        pumps.tick(0.1)
    held = {change.point: change.value for change in read_changes(witness_files(tmp_path, "pump-1")[1])}
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port, tcp_master(port) as master:
        reply = await master.read_input_registers(314, count=1, device_id=1)
        assert held["suction_pressure"] == pytest.approx(reply.registers[0] / 1000 - 1)
        reply = await master.read_input_registers(340, count=1, device_id=1)
        assert held["discharge_pressure"] == pytest.approx(reply.registers[0] / 1000)
    starts = [change.point for change in read_changes(witness_files(tmp_path, "pump-1")[1]) if change.start]
    assert set(starts) == set(catalog_profile(PUMP).points)


async def test_a_write_reaches_the_machine_and_can_be_read_back(pumps: Stations, tmp_path: Path) -> None:
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port, tcp_master(port) as master:
        assert not (await master.write_register(103, 4000, device_id=1)).isError()
        assert (await master.read_holding_registers(103, count=1, device_id=1)).registers == [4000]
        assert (await master.read_holding_registers(103, count=1, device_id=2)).registers == [4882]
        assert not (await master.write_registers(103, [4100], device_id=1)).isError()
        refused = await master.write_register(103, 10001, device_id=1)
        assert refused.exception_code == 3
    writes = list(read_writes(witness_files(tmp_path, "pump-1")[2]))
    assert [(write.point, write.value, write.taken) for write in writes] == [
        ("setpoint", 40.0, True),
        ("setpoint", 41.0, True),
        ("setpoint", 100.01, False),
    ]


async def test_addresses_functions_and_units_that_are_not_there(pumps: Stations, tmp_path: Path) -> None:
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port, tcp_master(port) as master:
        assert (await master.read_input_registers(6000, count=1, device_id=1)).exception_code == 2
        assert (await master.read_coils(0, count=1, device_id=1)).exception_code == 2
        assert (await master.write_register(5, 1, device_id=1)).exception_code == 2
        assert (await master.report_device_id(device_id=1)).exception_code == 1
        assert (await master.read_input_registers(314, count=1, device_id=9)).exception_code == 11
    assert list(read_answers(witness_files(tmp_path, "pump-1")[0])) == []


async def test_noise_on_a_tcp_port_closes_that_connection_alone(pumps: Stations) -> None:
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port, tcp_master(port) as master:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert not (await master.read_input_registers(314, count=1, device_id=1)).isError()


async def test_a_taken_port_is_a_clear_error(pumps: Stations) -> None:
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port:
        with pytest.raises(LineUnavailable, match=f"{port}.*change the scene's `port`"):
            async with serve_tcp(pumps, host="127.0.0.1", port=port):
                pass


async def test_a_serial_master_may_come_and_go(lifts: Stations, tmp_path: Path) -> None:
    link = tmp_path / "lift-line"
    async with serve_rtu(lifts, link=link):
        for _ in range(3):
            async with rtu_master(link) as master:
                for unit in (1, 2):
                    reply = await master.read_holding_registers(0x1018, count=1, device_id=unit)
                    assert reply.registers == [1]
    assert not link.is_symlink()


async def test_the_product_s_own_driver_gets_what_the_witness_says(
    pumps: Stations, lifts: Stations, tmp_path: Path
) -> None:
    link = tmp_path / "line"
    served = serve_tcp(pumps, host="127.0.0.1", port=0)
    gateway = serve_tcp(pumps, host="127.0.0.1", port=0, serial_frames=True)
    async with served as port, gateway as gateway_port, serve_rtu(lifts, link=link):
        settings: tuple[tuple[ModbusSettings, str, str], ...] = (
            (ModbusTcpSettings(protocol="modbus-tcp", host="127.0.0.1", port=port), "pump-1", PUMP),
            (ModbusRtuSettings(protocol="modbus-rtu", port=str(link), baudrate=115200), "lift-1", ELEVATOR),
            (
                ModbusRtuOverTcpSettings(protocol="modbus-rtu-over-tcp", host="127.0.0.1", port=gateway_port),
                "pump-1",
                PUMP,
            ),
        )
        for setting, name, profile_name in settings:
            profile = catalog_profile(profile_name)
            bus = open_bus(setting, name="bus")
            await bus.connect()
            device = open_device(bus, DeviceAddress(unit=1), profile, name=name)
            blocks = [block for blocks in poll_plan(profile).values() for block in blocks]
            before = len(list(read_answers(witness_files(tmp_path, name)[0])))
            got = []
            async with ticking(pumps), ticking(lifts):
                for _ in range(5):
                    for block in blocks:
                        got += [(point, result.value) for point, result in (await device.read(block.points)).items()]
            await bus.close()
            answers = list(read_answers(witness_files(tmp_path, name)[0]))[before:]
            assert [(point.point, point.value) for point in decode_answers(profile, answers, blocks=blocks)] == got
            assert {point for point, _ in got} == set(profile.points)


async def test_every_command_of_the_pump_works_through_the_driver(pumps: Stations) -> None:
    async with serve_tcp(pumps, host="127.0.0.1", port=0) as port, ticking(pumps):
        settings = ModbusTcpSettings(protocol="modbus-tcp", host="127.0.0.1", port=port)
        bus, profile = open_bus(settings, name="bus"), catalog_profile(PUMP)
        await bus.connect()
        device = open_device(bus, DeviceAddress(unit=1), profile, name="pump-1")
        for command in profile.commands.values():
            value = command.value if command.value is not None else 40.0
            await device.write(command.point, value)
            proof = command.read_back
            expected = proof.equals if proof.equals is not None else value
            await asyncio.sleep(0.05)
            assert (await device.read([proof.point]))[proof.point].value == expected
        await bus.close()


async def raw(fd: int, data: bytes, size: int, *, within: float = 1.0) -> bytes:
    os.write(fd, data)
    answer = b""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while len(answer) < size and loop.time() < deadline:
        with suppress(BlockingIOError):
            answer += os.read(fd, 256)
        await asyncio.sleep(0.005)
    return answer


READ_FLOOR = bytes.fromhex("01 03 10 18 00 01 00 CD")


@pytest.fixture
async def line(lifts: Stations, tmp_path: Path) -> AsyncIterator[int]:
    async with serve_rtu(lifts, link=tmp_path / "line"):
        fd = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            yield fd
        finally:
            os.close(fd)


async def test_a_serial_line_is_silent_for_absent_units_and_broken_frames(line: int) -> None:
    assert (await raw(line, READ_FLOOR, 7))[:5] == bytes.fromhex("01 03 02 00 01")
    for noise in (bytes.fromhex("01 03 10 18 00 01 00 CE"), b"\xff\xfe\x00", bytes.fromhex("09 03 10 18 00 01 01 85")):
        assert await raw(line, noise, 1, within=0.15) == b""
        assert (await raw(line, READ_FLOOR, 7))[:5] == bytes.fromhex("01 03 02 00 01")


async def test_a_serial_request_may_come_in_pieces(line: int) -> None:
    assert await raw(line, READ_FLOOR[:3], 1, within=0.01) == b""
    assert (await raw(line, READ_FLOOR[3:], 7))[:5] == bytes.fromhex("01 03 02 00 01")


async def test_an_unknown_function_on_a_serial_line_is_refused(line: int) -> None:
    assert (await raw(line, bytes.fromhex("01 07 41 E2"), 5))[:3] == bytes.fromhex("01 87 01")


async def test_a_broadcast_write_reaches_every_unit_and_is_not_answered(tmp_path: Path) -> None:
    with stations_of(tmp_path, pump_1=(PUMP, 1), pump_2=(PUMP, 2)) as stations:
        async with serve_rtu(stations, link=tmp_path / "line"), rtu_master(tmp_path / "line") as master:
            await master.write_register(103, 4000, device_id=0, no_response_expected=True)
            await asyncio.sleep(0.1)
            for unit in (1, 2):
                reply = await master.read_holding_registers(103, count=1, device_id=unit)
                assert reply.registers == [4000]


async def test_a_link_is_turned_but_nothing_else_is_overwritten(lifts: Stations, tmp_path: Path) -> None:
    link = tmp_path / "line"
    link.symlink_to("/dev/pts/99999")
    async with serve_rtu(lifts, link=link):
        assert link.exists()
    link.write_text("precious")
    with pytest.raises(LineUnavailable, match="not a link"):
        async with serve_rtu(lifts, link=link):
            pass
    assert link.read_text() == "precious"
