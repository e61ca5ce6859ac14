"""Simulated readers of every way of framing on real lines, heard by the real driver."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import PointResult, Talking, Unreachable
from drivers.catalog import catalog_profile
from drivers.places.reader import ReaderPoint
from drivers.profile import Profile
from drivers.reader.codec import Framer, Read
from drivers.reader.session import results_of
from simulators.devices import Devices
from simulators.lines.reader import ReaderStation, reader_frame, shown
from simulators.machines.api import UnknownFault
from simulators.machines.reader import ReaderMachine, number_of
from simulators.witness import read_answered_points, witness_files
from tests.support.spoken_lines import NAME, back, chance, opened, spoken_line
from tests.support.spoken_profiles import reader_profile

WAYS: dict[str, dict[str, Any]] = {
    "line": {"framing": "line"},
    "line with prefix": {"framing": "line", "prefix": "Q:", "charset": "utf-8"},
    "line with sum": {"framing": "line", "check": "sum", "content": "wiegand-hex", "bits": 32},
    "stx, etx": {"framing": "stx-etx"},
    "stx, etx, lrc": {"framing": "stx-etx", "check": "lrc", "content": "wiegand-decimal", "bits": 32},
    "stx, etx, bcc": {"framing": "stx-etx", "check": "bcc", "content": "wiegand-decimal", "bits": 24, "printed": "W26"},
    "em4100": {"framing": "stx-etx", "check": "em4100", "content": "em4100"},
    "em4100 as three and five": {"framing": "stx-etx", "check": "em4100", "content": "em4100", "printed": "W26"},
    "26 bits": {"content": "wiegand-bits", "bits": 26, "printed": "W26"},
    "34 bits": {"content": "wiegand-hex", "bits": 34},
    "26 bits, ten digits wanted": {"content": "wiegand-hex", "bits": 26},
    "counted": {"content": "wiegand-counted", "printed": "W26"},
    "raw with parity": {"framing": "pause", "length": 5, "content": "wiegand-raw", "bits": 34},
    "raw with check": {"framing": "pause", "check": "xor", "length": 5, "content": "wiegand-raw", "bits": 32},
}
TEXT = ReaderPoint(field="text")
TAG = reader_profile(**WAYS["em4100"], gap="100ms", hold_off="300ms")


class Ear:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    def hear(self, device: str, results: tuple[PointResult, ...]) -> None:
        assert device == NAME
        self.heard.put_nowait({result.point: result.value for result in results})

    async def next(self) -> dict[str, object]:
        return await asyncio.wait_for(self.heard.get(), 5)


class Quiet(ReaderMachine):
    """Nobody comes by himself."""

    def step(self, dt_s: float, random: Random) -> None:  # noqa: ARG002 - chance is kept out
        super().step(dt_s, Never())


class Never(Random):
    def random(self) -> float:
        return 1.0


@asynccontextmanager
async def played(
    folder: Path, profile: Profile = TAG, transport: str = "pty", **more: Any
) -> AsyncIterator[tuple[Devices[ReaderStation], Any, Ear]]:
    ear = Ear()
    async with (
        spoken_line(folder, transport, ReaderStation, Quiet(profile), profile, **more) as (devices, place),
        opened(profile, {**place, "protocol": "reader", "timeout": "1s"}) as (bus, device),
    ):
        assert isinstance(bus, Talking)
        listening = asyncio.create_task(bus.listen(ear.hear), name="listen")
        await asyncio.sleep(0.3)
        try:
            yield devices, device, ear
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


async def malformed(device: Any) -> object:
    return (await device.read(["malformed"]))["malformed"].value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("printed", ["0008075634", "123,14706", "4294967295"])
def test_the_driver_reads_what_the_simulator_says(way: str, printed: str) -> None:
    profile = reader_profile(**WAYS[way])
    places = {name: point.at(ReaderPoint) for name, point in profile.points.items()}
    how = profile.reader
    presented = printed if how.content != "text" else f"PASS-{printed}"
    framer = Framer(how)
    framer.begin(-60)
    said = [*framer.feed(reader_frame(presented, how), 0.0), *framer.expire(60.0)]
    assert len(said) == 1
    assert isinstance(said[0], Read)
    told = {result.point: result.value for result in results_of(said[0], places, how)}
    assert told == {name: shown(place, presented, how) for name, place in places.items() if place.is_event}


@settings(max_examples=200)
@given(st.sampled_from(sorted(WAYS)), st.integers(0, 2**32 - 1))
def test_any_number_comes_through_every_way(way: str, number: int) -> None:
    how = reader_profile(**WAYS[way]).reader
    framer = Framer(how)
    framer.begin(-60)
    (read,) = (*framer.feed(reader_frame(f"{number:010d}", how), 0.0), *framer.expire(60.0))
    assert isinstance(read, Read)
    if read.card is not None:
        assert read.card.number == number % 2**read.card.width


@pytest.mark.parametrize("transport", ["pty", "tcp"])
async def test_what_is_presented_is_heard_and_witnessed(transport: str, tmp_path: Path) -> None:
    async with played(tmp_path, transport=transport) as (devices, device, ear):
        devices.fault(NAME, "present:0012345678")
        assert await ear.next() == {"text": "4B00BC614E", "card": "0012345678", "facility": 0xBC}
        devices.fault(NAME, "present:123,14706")
        assert (await ear.next())["card"] == "0008075634"
        assert (await device.read(["count"]))["count"].value == 2
    said = [(answer.point, answer.value) for answer in read_answered_points(witness_files(tmp_path, NAME)[0])]
    assert said == [
        ("text", "4B00BC614E"),
        ("card", "0012345678"),
        ("facility", 0xBC),
        ("text", "4B007B3972"),
        ("card", "0008075634"),
        ("facility", 0x7B),
    ]


@pytest.mark.parametrize("name", ["grow-gm65-qr-reader", "rdm6300-card-reader", "hid-maxiprox-patrol-reader"])
async def test_readers_of_the_catalogue_are_heard_at_the_speed_of_their_wire(name: str, tmp_path: Path) -> None:
    profile = catalog_profile(name)
    async with played(tmp_path, profile, baudrate=9600) as (devices, device, ear):
        devices.fault(NAME, "present")
        told = await ear.next()
        event = next(point for point, entry in profile.points.items() if entry.event)
        assert told[event] == profile.points[event].sample
        assert await malformed(device) == 0


async def test_a_card_that_lies_there_is_one_event(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, device, ear):
        devices.fault(NAME, "hold:0012345678")
        await ear.next()
        await asyncio.sleep(0.8)
        assert ear.heard.empty()
        devices.clear(NAME, "hold")
        await asyncio.sleep(0.5)
        devices.fault(NAME, "present:0012345678")
        await ear.next()
        assert device.session.repeats >= 2


@pytest.mark.parametrize("way", ["line", "line with sum", "stx, etx, bcc", "em4100", "raw with check"])
@pytest.mark.parametrize("fault", ["wrong-crc", "truncated", "noise:before"])
async def test_broken_reads_are_counted_and_never_heard(fault: str, way: str, tmp_path: Path) -> None:
    profile = reader_profile(**WAYS[way], gap="60ms", hold_off="0s")
    good = "OK" if profile.reader.content == "text" else "0000000007"
    async with played(tmp_path, profile) as (devices, device, ear):
        devices.fault(NAME, fault)
        for _ in range(3):
            devices.fault(NAME, "present")
            await asyncio.sleep(0.25)
        devices.clear(NAME, None)
        await asyncio.sleep(0.1)
        devices.fault(NAME, f"present:{good}")
        heard = [await ear.next()]
        while heard[-1]["text"] != shown(TEXT, good, profile.reader):
            heard.append(await ear.next())
        assert int(str(await malformed(device))) >= 3
    if fault != "noise:before" or way not in {"stx, etx, bcc", "em4100"}:  # there noise stands outside the frame
        assert len(heard) == 1


async def test_a_dead_reader_says_nothing(tmp_path: Path) -> None:
    async with played(tmp_path) as (devices, _, ear):
        devices.fault(NAME, "dead")
        devices.fault(NAME, "present")
        await asyncio.sleep(0.3)
        assert ear.heard.empty()


@pytest.mark.parametrize("transport", ["pty", "tcp"])
async def test_a_dropped_line_comes_back(transport: str, tmp_path: Path) -> None:
    async with played(tmp_path, transport=transport) as (devices, device, ear):
        devices.fault(NAME, "line-dropped")
        await asyncio.sleep(0.2)
        with pytest.raises(Unreachable):
            await device.read(["count"])
        devices.fault(NAME, "present:0000000001")  # lost: nobody hears it
        await asyncio.sleep(0.2)
        devices.clear(NAME, "line-dropped")
        await back(device.bus)
        await asyncio.sleep(0.2)
        devices.fault(NAME, "present:0000000002")
        assert (await ear.next())["card"] == "0000000002"


def test_people_come_by_themselves() -> None:
    machine, random = ReaderMachine(TAG, time_scale=60), chance(1)
    read: list[str] = []
    for _ in range(600):
        machine.step(0.1, random)
        read += machine.take()
    assert 5 < len(read) < 200
    assert all(number_of(one) is not None for one in read)


@pytest.mark.parametrize("wrong", ["present:VISIT-7", "present:256,00001", "hold:4294967296", "tamper", "present:1"])
def test_what_no_card_can_be_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(UnknownFault, match="present:0000000001"):
        ReaderMachine(TAG).fault(wrong)
