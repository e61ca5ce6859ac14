"""Each fault of line and protocol on real sockets and ptys, met by the product's own bus: the right error, no wrong
value, and the next good answer accepted."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from drivers.api import DriverError, Garbled, Refused, TimedOut, Unreachable
from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusRtuSettings, ModbusSettings, ModbusTcpSettings
from drivers.profile import Table
from simulators.disturbances import Transport
from simulators.modbus.server import serve_rtu, serve_tcp
from simulators.modbus.station import Stations
from simulators.witness import read_answers, witness_files
from tests.support.simulated_line import ELEVATOR, PUMP, stations_of

ADDRESSES = {PUMP: (Table.INPUT, (301, 306, 314, 340)), ELEVATOR: (Table.HOLDING, (0x1011, 0x1018, 0x1012, 0x9002))}


class World:
    """A line with two units, a bus to it, and what the registers hold."""

    def __init__(self, stations: Stations, settings: ModbusSettings, profile: str, folder: Path) -> None:
        self.stations = stations
        self.settings = settings
        self.folder = folder
        self.table, self.addresses = ADDRESSES[profile]
        self.bus = ModbusBus(settings, name="bus")

    async def read(self, address: int, unit: int = 1) -> int:
        (word,) = await self.bus.read_raw(unit=unit, table=self.table, address=address, count=1, device=f"unit-{unit}")
        return word

    async def patient_read(self, address: int) -> int:
        """Read as an agent would: again after a while, with a new connection where the old one is lost."""
        for _ in range(20):
            try:
                if not self.bus.connected:
                    await self.bus.connect()
                return await self.read(address)
            except DriverError:
                await asyncio.sleep(0.05)
        pytest.fail("no good answer any more")

    async def truth(self) -> dict[int, int]:
        return {address: await self.patient_read(address) for address in self.addresses}

    def fault(self, text: str) -> None:
        self.stations.fault("unit-1", text)

    def clear(self) -> None:
        self.stations.clear("unit-1", None)


@asynccontextmanager
async def tcp_world(folder: Path) -> AsyncIterator[World]:
    with stations_of(folder, unit_1=(PUMP, 1), unit_2=(PUMP, 2)) as stations:
        stations.transport = Transport.TCP
        async with serve_tcp(stations, host="127.0.0.1", port=0) as port:
            settings = ModbusTcpSettings.model_validate(
                {"protocol": "modbus-tcp", "host": "127.0.0.1", "port": port, "timeout": "250ms"}
            )
            world = World(stations, settings, PUMP, folder)
            await world.bus.connect()
            yield world
            await world.bus.close()


@asynccontextmanager
async def rtu_world(folder: Path) -> AsyncIterator[World]:
    with stations_of(folder, unit_1=(ELEVATOR, 1), unit_2=(ELEVATOR, 2)) as stations:
        stations.transport = Transport.SERIAL
        link = folder / "line"
        async with serve_rtu(stations, link=link):
            settings = ModbusRtuSettings.model_validate(
                {"protocol": "modbus-rtu", "port": str(link), "baudrate": 115200, "timeout": "250ms", "quiet": "150ms"}
            )
            world = World(stations, settings, ELEVATOR, folder)
            await world.bus.connect()
            yield world
            await world.bus.close()


@pytest.fixture(params=["tcp", "rtu"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    opened = tcp_world if request.param == "tcp" else rtu_world
    async with opened(tmp_path) as one:
        yield one


ERRORS: dict[str, tuple[type[DriverError], ...]] = {
    "dead": (TimedOut,),
    "late:350ms": (TimedOut,),
    "truncated": (TimedOut, Garbled),
    "exception-4": (Refused,),
    "busy": (Refused,),
}


@pytest.mark.parametrize("fault", ERRORS)
async def test_a_fault_is_the_right_error_and_leaves_nothing_behind(world: World, fault: str) -> None:
    truth = await world.truth()
    neighbour = await world.read(world.addresses[1], unit=2)
    world.fault(fault)
    with pytest.raises(ERRORS[fault]):
        await world.read(world.addresses[0])
    world.clear()
    for address, word in truth.items():
        assert await world.patient_read(address) == word
    assert await world.read(world.addresses[1], unit=2) == neighbour


async def test_a_slow_unit_is_waited_for(world: World) -> None:
    truth = await world.truth()
    world.fault("slow:50ms")
    begin = asyncio.get_running_loop().time()
    assert await world.read(world.addresses[0]) == truth[world.addresses[0]]
    assert asyncio.get_running_loop().time() - begin >= 0.05


async def test_busy_is_worth_a_retry_and_a_device_failure_is_not(world: World) -> None:
    for fault, code, retry in (("busy", 6, True), ("exception-4", 4, False)):
        world.fault(fault)
        with pytest.raises(Refused) as caught:
            await world.read(world.addresses[0])
        assert (caught.value.code, caught.value.retry) == (code, retry)
        world.clear()


async def test_a_hole_is_refused_and_its_neighbours_are_not(world: World) -> None:
    truth = await world.truth()
    hole, *others = world.addresses
    world.fault(f"holes:{hole}-{hole}")
    with pytest.raises(Refused) as caught:
        await world.read(hole)
    assert caught.value.code == 2
    assert [await world.patient_read(address) for address in others] == [truth[address] for address in others]


@pytest.mark.parametrize("side", ["before", "after", "both"])
async def test_noise_never_makes_a_value(world: World, side: str) -> None:
    truth = await world.truth()
    world.fault(f"noise:{side}")
    for address in world.addresses * 2:
        with suppress(DriverError):
            if not world.bus.connected:
                await world.bus.connect()
            assert await world.read(address) == truth[address]
    world.clear()
    for address, word in truth.items():
        assert await world.patient_read(address) == word


@pytest.mark.parametrize("fault", ["late:300ms@40%", "truncated@40%", "noise@40%", "dead@40%", "exception-2@40%"])
async def test_what_strikes_now_and_then_makes_no_wrong_value(world: World, fault: str) -> None:
    truth = await world.truth()
    world.fault(fault)
    good = 0
    for turn in range(16):
        address = world.addresses[turn % len(world.addresses)]
        with suppress(DriverError):
            if not world.bus.connected:
                await world.bus.connect()
            assert await world.read(address) == truth[address]
            good += 1
    assert good
    world.clear()
    for address, word in truth.items():
        assert await world.patient_read(address) == word


async def test_a_wrong_check_sum_is_garbled_and_no_answer(tmp_path: Path) -> None:
    async with rtu_world(tmp_path) as world:
        truth = await world.truth()
        file = witness_files(tmp_path, "unit-1")[0]
        said = len(list(read_answers(file)))
        world.fault("wrong-crc")
        with pytest.raises(Garbled):
            await world.read(world.addresses[0])
        assert len(list(read_answers(file))) == said
        assert '"mark": "broken"' in file.read_text()
        world.clear()
        assert await world.read(world.addresses[1]) == truth[world.addresses[1]]


async def test_a_late_answer_is_witnessed_as_doubtful_when_it_goes_out(world: World) -> None:
    world.fault("late:350ms")
    file = witness_files(world.folder, "unit-1")[0]
    with pytest.raises(TimedOut):
        await world.read(world.addresses[0])
    assert list(read_answers(file)) == []
    await asyncio.sleep(0.3)
    assert [answer.doubtful for answer in read_answers(file)] == [True]


async def test_a_half_open_connection_is_silent_and_a_new_one_works(tmp_path: Path) -> None:
    async with tcp_world(tmp_path) as world:
        truth = await world.truth()
        world.fault("half-open")
        assert world.stations.active("unit-2") == ("half-open",)  # it is the line's
        with pytest.raises(TimedOut):
            await world.read(world.addresses[0])
        await world.bus.connect()
        assert await world.read(world.addresses[0]) == truth[world.addresses[0]]
        world.clear()
        assert await world.patient_read(world.addresses[1]) == truth[world.addresses[1]]


async def test_a_forgotten_connection_is_reset_when_the_fault_is_cleared(tmp_path: Path) -> None:
    async with tcp_world(tmp_path) as world:
        world.fault("half-open")
        assert world.bus.connected
        world.stations.clear("unit-2", "half-open")
        await asyncio.sleep(0.1)
        assert not world.bus.connected


async def test_a_dropped_line_is_unreachable_and_comes_back_in_the_same_place(world: World) -> None:
    truth = await world.truth()
    for _ in range(3):
        world.fault("line-dropped")
        await asyncio.sleep(0.05)
        with pytest.raises(Unreachable):
            await world.read(world.addresses[0])
        with pytest.raises(Unreachable):
            await world.bus.connect()
        world.clear()
        assert await world.patient_read(world.addresses[0]) == truth[world.addresses[0]]


async def test_a_paced_line_is_no_faster_than_the_wire(tmp_path: Path) -> None:
    request = bytes.fromhex("01 03 10 18 00 01 00 CD")
    with stations_of(tmp_path, unit_1=(ELEVATOR, 1)) as stations:
        async with serve_rtu(stations, link=tmp_path / "line", baudrate=1200):
            fd = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            loop = asyncio.get_running_loop()
            try:
                begin = loop.time()
                os.write(fd, request)
                answer = b""
                while len(answer) < 7 and loop.time() < begin + 5:
                    with suppress(BlockingIOError):
                        answer += os.read(fd, 256)
                    await asyncio.sleep(0.002)
            finally:
                os.close(fd)
    assert answer[:5] == bytes.fromhex("01 03 02 00 01")
    assert loop.time() - begin >= (8 + 3.5 + 7) * 10 / 1200


async def test_a_paced_line_carries_a_long_answer_whole(tmp_path: Path) -> None:
    with stations_of(tmp_path, unit_1=(PUMP, 1)) as stations:
        async with serve_rtu(stations, link=tmp_path / "line", baudrate=19200):
            settings = ModbusRtuSettings(protocol="modbus-rtu", port=str(tmp_path / "line"), baudrate=19200)
            bus = ModbusBus(settings, name="bus")
            await bus.connect()
            words = await bus.read_raw(unit=1, table=Table.INPUT, address=404, count=23, device="pump")
            await bus.close()
    assert [answer.words for answer in read_answers(witness_files(tmp_path, "unit-1")[0])] == [words]
