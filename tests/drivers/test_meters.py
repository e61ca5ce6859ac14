"""The meters' drivers on real lines, against a far end that plays published dialogues byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from drivers.api import BadRequest, DriverError, Garbled, Refused, TimedOut, Unreachable
from drivers.cjt188.config import Cjt188Settings
from drivers.cjt188.driver import Cjt188Meter
from drivers.dlt645.config import Dlt645Settings
from drivers.dlt645.driver import Dlt645Meter, find_address
from drivers.profile import Profile
from drivers.serial_line.bus import SerialBus
from runtime.config import ConfigError, validate
from tests.support.modbus_peers import Line, TcpPeer

ADDRESS = "000000000161"
WAKE_UP = bytes.fromhex("FE FE FE FE")
ASK_ENERGY = bytes.fromhex("68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16")
ENERGY = bytes.fromhex("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16")
VOLTAGE = bytes.fromhex("68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16")
OTHER_METER = bytes.fromhex("68 60 07 92 04 00 91 68 91 08 33 33 33 33 97 35 A8 33 6A 16")
WATER = bytes.fromhex(
    "FE FE FE 68 10 88 05 27 10 15 20 00 81 16 90 1F 01 00 00 00 00 2C 00 00 00 00 2C 06 20 17 09 01 17 20 00 00 8E 16"
)


def point(protocol: str, place: dict[str, object], sample: float) -> dict[str, object]:
    return {"label": {"zh": "点", "en": "Point"}, protocol: place, "poll": "1s", "sample": sample}


def profile_of(protocol: str, points: dict[str, dict[str, object]]) -> Profile:
    data = {
        "schema": 1,
        "name": "meter",
        "version": "1.0.0",
        "kind": "meter",
        "label": {"zh": "表", "en": "Meter"},
        "protocol": protocol,
        "points": points,
    }
    return validate("test", data, Profile)


ELECTRICITY = profile_of(
    "dlt645",
    {
        "energy": point("dlt645", {"identifier": "00010000", "format": "XXXXXX.XX"}, 0.0),
        "voltage": point("dlt645", {"identifier": "02010100", "format": "XXX.X"}, 220.0),
    },
)


@asynccontextmanager
async def meter_on(place: dict[str, object]) -> AsyncIterator[Dlt645Meter]:
    data = {"protocol": "dlt645", "timeout": "300ms", "quiet": "200ms", **place}
    settings = validate("test", data, Dlt645Settings)
    bus = SerialBus(settings, name="meters")
    await bus.connect()
    try:
        yield Dlt645Meter(bus, address=ADDRESS, profile=ELECTRICITY, name="meter-1")
    finally:
        await bus.close()


async def test_a_published_dialogue_over_a_serial_line(line: Line) -> None:
    line.answer(WAKE_UP + ENERGY, VOLTAGE)
    async with meter_on({"port": line.path}) as meter:
        read = await meter.read(["energy", "voltage"])
    assert (read["energy"].value, read["voltage"].value) == (0.26, 100.1)
    assert line.heard[0] == WAKE_UP + ASK_ENERGY


async def test_a_published_dialogue_over_tcp(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(WAKE_UP + ENERGY)
    async with meter_on({"host": "127.0.0.1", "port": tcp_peer.port}) as meter:
        assert (await meter.read(["energy"]))["energy"].value == 0.26


async def test_an_answer_may_come_in_pieces_after_noise_and_an_echo(line: Line) -> None:
    line.script = (
        lambda heard: [
            (0, heard),  # an adapter that hears itself
            (0.01, b"\x00\x68\x12"),
            (0.02, ENERGY[:7]),
            (0.05, ENERGY[7:]),
        ]
    )
    async with meter_on({"port": line.path}) as meter:
        assert (await meter.read(["energy"]))["energy"].value == 0.26


async def test_a_late_answer_is_never_taken_for_the_next(line: Line) -> None:
    line.script = lambda heard: [(0.4, ENERGY if heard.endswith(ASK_ENERGY) else VOLTAGE)]
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(TimedOut):
            await meter.read(["energy"])
        line.script = lambda _: [(0.05, VOLTAGE)]
        read = await meter.read(["voltage"])
    assert read["voltage"].value == 100.1
    assert len(line.heard) == 2


async def test_another_meters_answer_is_no_answer(line: Line) -> None:
    line.answer(OTHER_METER)
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(Garbled):
            await meter.read(["energy"])


async def test_a_wrong_sum_is_no_answer(line: Line) -> None:
    line.answer(ENERGY[:-2] + b"\x8b\x16")
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(Garbled):
            await meter.read(["energy"])


async def test_silence_is_asked_only_once_in_a_round(line: Line) -> None:
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(TimedOut):
            await meter.read(["energy", "voltage"])
    assert len(line.heard) == 1


async def test_a_refused_identifier_leaves_the_others(line: Line) -> None:
    refusal = bytearray.fromhex("68 61 01 00 00 00 00 68 D1 01 35")
    line.answer(bytes([*refusal, sum(refusal) & 0xFF, 0x16]), VOLTAGE)
    async with meter_on({"port": line.path}) as meter:
        read = await meter.read(["energy", "voltage"])
    assert read["energy"].value is None
    assert "no such data" in read["energy"].reason
    assert read["voltage"].value == 100.1


async def test_a_refusal_of_everything_is_raised(line: Line) -> None:
    refusal = bytearray.fromhex("68 61 01 00 00 00 00 68 D1 01 35")
    line.answer(bytes([*refusal, sum(refusal) & 0xFF, 0x16]))
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(Refused):
            await meter.read(["energy"])


async def test_a_meter_is_never_written_to(line: Line) -> None:
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(BadRequest):
            await meter.write("energy", 1.0)
    assert line.heard == []


async def test_the_only_meter_tells_its_address(line: Line) -> None:
    line.answer(bytes.fromhex("68 01 00 00 00 00 00 68 93 06 34 33 33 33 33 33 9D 16"))
    async with meter_on({"port": line.path}) as meter:
        assert await find_address(meter.bus, device="line") == "000000000001"


async def test_a_line_that_hangs_up_is_noticed(line: Line) -> None:
    async with meter_on({"port": line.path}) as meter:
        line.hang_up()
        with pytest.raises(Unreachable):
            await meter.read(["energy"])
        assert not meter.bus.connected


async def test_a_serial_server_that_closes_is_noticed(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(b"")
    async with meter_on({"host": "127.0.0.1", "port": tcp_peer.port}) as meter:
        with pytest.raises(Unreachable):
            await meter.read(["energy"])
        assert not meter.bus.connected


async def test_a_port_that_is_not_there_is_unreachable() -> None:
    bus = SerialBus(Dlt645Settings(protocol="dlt645", port="/dev/no-such-port"), name="meters")
    with pytest.raises(Unreachable):
        await bus.connect()


async def test_a_line_belongs_to_one_master(line: Line) -> None:
    async with meter_on({"port": line.path}):
        with pytest.raises(Unreachable):
            async with meter_on({"port": line.path}):
                pass


async def test_every_request_is_observed(line: Line) -> None:
    seen: list[tuple[str, str]] = []
    settings = validate("test", {"protocol": "dlt645", "port": line.path, "timeout": "200ms"}, Dlt645Settings)
    bus = SerialBus(settings, name="meters", observe=lambda unit, _, result: seen.append((unit, result)))
    await bus.connect()
    meter = Dlt645Meter(bus, address=ADDRESS, profile=ELECTRICITY, name="meter-1")
    line.answer(ENERGY)
    await meter.read(["energy"])
    with pytest.raises(TimedOut):
        await meter.read(["energy"])
    await bus.close()
    assert seen == [("meter-1", "ok"), ("meter-1", "TimedOut")]


async def test_a_water_meter_by_its_published_dialogue(line: Line) -> None:
    water = profile_of(
        "cjt188", {"volume": point("cjt188", {"format": "XXXXXX.XX", "quantity": "volume"}, 0.0) | {"unit": "m³"}}
    )
    line.answer(WATER, WATER)
    settings = validate("test", {"protocol": "cjt188", "port": line.path, "timeout": "200ms"}, Cjt188Settings)
    bus = SerialBus(settings, name="water")
    await bus.connect()
    meter = Cjt188Meter(bus, address="00201510270588", profile=water, name="water-1")
    assert (await meter.read(["volume"]))["volume"].value == 0.0
    assert line.heard[0] == WAKE_UP + bytes.fromhex("68 10 88 05 27 10 15 20 00 01 03 90 1F 01 25 16")
    with pytest.raises(Garbled):  # the same frame again: its serial number is of the request before
        await meter.read(["volume"])
    await bus.close()


async def test_a_cancelled_request_leaves_nothing_for_the_next(line: Line) -> None:
    line.script = lambda _: [(0.15, ENERGY)]
    async with meter_on({"port": line.path}) as meter:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(meter.read(["energy"]), 0.05)
        line.script = lambda _: [(0.05, VOLTAGE)]
        assert (await meter.read(["voltage"]))["voltage"].value == 100.1


@pytest.mark.parametrize(
    "place", [{"port": 4001}, {"port": "/dev/ttyS1", "host": "10.0.0.1"}, {"port": 0, "host": "10.0.0.1"}, {"port": ""}]
)
def test_a_line_has_one_place(place: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        validate("test", {"protocol": "dlt645", **place}, Dlt645Settings)


async def test_whatever_comes_ends_in_an_error_of_ours_and_never_in_a_value(line: Line) -> None:
    random = Random(645)  # noqa: S311 - noise that repeats

    def noise(heard: bytes) -> list[tuple[float, bytes]]:
        broken = bytearray(ENERGY)
        broken[random.randrange(len(broken))] ^= random.randrange(1, 256)
        junk = random.randbytes(random.randrange(1, 40))
        return [(0, random.choice([junk, bytes(broken), junk + broken, heard, ENERGY[: random.randrange(1, 19)]]))]

    line.script = noise
    async with meter_on({"port": line.path, "timeout": "20ms", "quiet": "1ms", "wake_up": 0}) as meter:
        for _ in range(150):
            with pytest.raises(DriverError):
                await meter.read(["energy"])
        line.answer(ENERGY)
        assert (await meter.read(["energy"]))["energy"].value == 0.26
