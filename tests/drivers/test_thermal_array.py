"""The thermal array's driver on real lines, against a far end that is scripted byte by byte."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from pydantic import ValidationError

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Garbled, TimedOut, Unreachable
from drivers.registry import BusSettings, open_bus, open_device
from drivers.thermal_array.config import ThermalArraySettings
from drivers.thermal_array.driver import ThermalArray, ThermalArrayBus
from runtime.config import ConfigError, validate
from tests.support.modbus_peers import Line, TcpPeer
from tests.support.spoken_profiles import thermal_profile

PROFILE = thermal_profile(
    maximum={"figure": "maximum"},
    mean={"figure": "mean"},
    ambient={"figure": "ambient"},
    rise={"figure": "rise", "region": (0, 0, 2, 2)},
    beyond={"figure": "maximum", "region": (23, 31, 2, 2)},
)
AUTOMATIC, QUERY = bytes.fromhex("A5 35 02 DC"), bytes.fromhex("A5 35 01 DB")


def frame(pixel: int, ambient: int = 25_00, hot: int | None = None) -> bytes:
    pixels = [pixel if hot is None else hot, *[pixel] * 767]
    words = struct.pack("<HH768hh", 0x5A5A, 0x0602, *pixels, ambient)
    return words + struct.pack("<H", sum(struct.unpack("<771H", words)) & 0xFFFF)


@asynccontextmanager
async def array_on(place: dict[str, object], observed: list[str] | None = None) -> AsyncIterator[ThermalArray]:
    defaults = {"protocol": "thermal-array", "timeout": "900ms", "stale": "500ms"}
    settings: BusSettings = validate("test", {**defaults, **place}, ThermalArraySettings)
    seen = observed if observed is not None else []
    bus = open_bus(settings, "arrays", lambda unit, _, result: seen.append(f"{unit} {result}"))
    assert isinstance(bus, ThermalArrayBus)
    array = open_device(bus, DeviceAddress(), PROFILE, "array-1")
    assert isinstance(array, ThermalArray)
    await bus.connect()
    try:
        yield array
    finally:
        await bus.close()


async def test_points_show_the_figures_of_one_picture(line: Line) -> None:
    observed: list[str] = []
    async with array_on({"port": line.path}, observed) as array:
        line.send(frame(20_00, 26_50, hot=71_25))
        read = await array.read(["maximum", "mean", "ambient", "rise", "beyond"])
    assert {name: result.value for name, result in read.items()} == {
        "maximum": 71.25,
        "mean": 20.07,
        "ambient": 26.5,
        "rise": 44.75,
        "beyond": None,
    }
    assert "beyond the picture" in read["beyond"].reason
    assert observed == ["array-1 ok"]


async def test_the_module_is_set_up_when_the_line_opens(line: Line) -> None:
    async with array_on({"port": line.path, "rate": 4, "emissivity": 0.95}):
        await asyncio.sleep(0.05)
    assert b"".join(line.heard) == bytes.fromhex("A5 25 03 CD A5 45 5F 49 A5 55 01 FB") + AUTOMATIC


async def test_only_the_newest_picture_is_kept(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        line.send(frame(20_00) + frame(21_00))
        line.send(frame(22_00) + frame(23_00)[:700])
        await array.read(["maximum"])
        await asyncio.sleep(0.1)
        assert (await array.read(["maximum"]))["maximum"].value == 22.0


async def test_the_latest_picture_has_its_times_and_cannot_be_written_into(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        assert array.latest() is None
        before = time.monotonic(), time.time()
        line.send(frame(20_00, hot=-5_25))
        await array.read(["maximum"])
        picture = array.latest()
    assert picture is not None
    assert picture.temperatures.shape == (24, 32)
    assert picture.temperatures.dtype == np.float32
    assert picture.temperatures[0, 0] == np.float32(-5.25)
    assert before[0] <= picture.at_s <= time.monotonic()
    assert before[1] - 1 <= picture.at_ms / 1000 <= time.time() + 1
    with pytest.raises(ValueError, match="read-only"):
        picture.temperatures[0, 0] = 0.0


async def test_an_old_picture_counts_as_none(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        line.send(frame(20_00))
        await array.read(["maximum"])
        await asyncio.sleep(0.6)
        assert array.latest() is None
        with pytest.raises(TimedOut):
            await array.read(["maximum"])


async def test_a_module_that_lost_its_power_is_set_up_again(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        await asyncio.sleep(0.05)
        line.heard.clear()
        line.script = lambda heard: [(0.05, frame(31_00))] if AUTOMATIC in heard else []
        assert (await array.read(["maximum"]))["maximum"].value == 31.0
    assert AUTOMATIC in b"".join(line.heard)


async def test_silence_is_a_time_out_and_noise_is_garbled(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        with pytest.raises(TimedOut):
            await array.read(["maximum"])
        line.script = lambda _: [(0, frame(20_00)[:-1] + b"\x00")]
        with pytest.raises(Garbled):
            await array.read(["maximum"])


async def test_damaged_pictures_are_counted_and_told(line: Line) -> None:
    observed: list[str] = []
    async with array_on({"port": line.path}, observed) as array:
        line.send(frame(20_00)[:900] + frame(21_00) + b"noise")
        assert (await array.read(["maximum"]))["maximum"].value == 21.0
        assert array.bus.damaged == 1
    assert observed == ["array-1 Garbled", "array-1 ok"]


async def test_query_mode_asks_for_each_picture(line: Line) -> None:
    answers = [frame(20_00), frame(30_00)]
    line.script = lambda heard: [(0.02, answers.pop(0))] if heard == QUERY and answers else []
    async with array_on({"port": line.path, "mode": "query"}) as array:
        await asyncio.sleep(0.1)  # the answer to the command by which it was set up
        assert (await array.read(["maximum"]))["maximum"].value == 30.0
        with pytest.raises(TimedOut):
            await array.read(["maximum"])


async def test_a_line_that_hangs_up_is_noticed_while_waiting(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        asyncio.get_running_loop().call_later(0.1, line.hang_up)
        with pytest.raises(Unreachable):
            await array.read(["maximum"])
        assert not array.bus.connected
        with pytest.raises(Unreachable):
            await array.read(["maximum"])


async def test_pictures_come_over_tcp_too(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(frame(20_50))
    async with array_on({"host": "127.0.0.1", "port": tcp_peer.port}) as array:
        assert (await array.read(["maximum"]))["maximum"].value == 20.5


async def test_a_tcp_connection_that_fell_silent_is_given_up(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(frame(20_50))
    async with array_on({"host": "127.0.0.1", "port": tcp_peer.port}) as array:
        await array.read(["maximum"])
        await asyncio.sleep(0.6)
        for _ in range(2):
            with pytest.raises(TimedOut):
                await array.read(["maximum"])
        assert not array.bus.connected
        tcp_peer.answer(frame(24_00))
        await array.bus.connect()
        assert (await array.read(["maximum"]))["maximum"].value == 24.0


async def test_an_array_takes_no_commands_and_knows_its_points(line: Line) -> None:
    async with array_on({"port": line.path}) as array:
        with pytest.raises(BadRequest):
            await array.write("maximum", 1.0)
        with pytest.raises(BadRequest):
            await array.read(["pressure"])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"rate": 3}, "one of 0.5, 1, 2, 4, 8"),
        ({"rate": 8}, "do not fit through 115200 baud"),
        ({"baudrate": 9600, "rate": 1, "stale": "10s"}, "do not fit through 9600 baud"),
        ({"baudrate": 57600}, "one of 9600, 115200, 460800"),
        ({"rate": 0.5, "stale": "2s"}, "longer than a picture takes, 2.1 s"),
        ({"emissivity": 1.2}, "less than or equal to 1"),
        ({"wake_up": 4}, "device speaks by itself"),
        ({"quiet": "1s"}, "device speaks by itself"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match=why):
        validate("test", {"protocol": "thermal-array", "port": "/dev/ttyUSB0", **wrong}, ThermalArraySettings)


def test_settings_at_their_limits_are_taken() -> None:
    for fine in ({"baudrate": 460_800, "rate": 8}, {"baudrate": 9600, "stale": "5s", "timeout": "5s"}, {"rate": 4}):
        validate("test", {"protocol": "thermal-array", "port": "/dev/ttyUSB0", **fine}, ThermalArraySettings)
