"""Simulated OSDP readers: their frames, their patience, and a scene that plays them."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest

from drivers.osdp.cards import credential
from drivers.osdp.keys import read_keys
from drivers.osdp.replies import Card
from runtime.config import ConfigError
from simulators.lines.base import LineContext
from simulators.lines.osdp import OsdpLine, start
from simulators.machines.api import UnknownFault
from simulators.machines.card_reader import CardReaderMachine
from simulators.osdp import frames
from simulators.scene import load_scene
from simulators.witness import read_answered_points, witness_files
from tests.support.osdp_readers import CARD, PROFILE, panel_on, settings_for, simulated

SCENE = """
schema = 1
description = "a door"

[[lines]]
name = "readers"
protocol = "osdp"
link = "rs485"

[[lines.devices]]
name = "reader-1"
profile = "baltech-access200"
unit = 1

[[lines.devices]]
name = "reader-2"
profile = "baltech-access200"
unit = 2
key = "00112233445566778899aabbccddeeff"

[[steps]]
at = "1s"
do = "fault"
device = "reader-1"
fault = "tamper"
"""


def test_check_sums_are_those_of_the_standards_examples() -> None:
    assert frames.crc(bytes.fromhex("53 7F 0D 00 04 6E 00 80 25 00 00")) == bytes.fromhex("6E38")
    assert frames.crc(bytes.fromhex("53 00 09 00 04 61 00")) == bytes.fromhex("C066")


def test_a_command_is_found_between_noise_however_it_comes() -> None:
    command = bytes.fromhex("53 00 09 00 04 61 00 C0 66")
    splitter = frames.Splitter()
    found = [heard for byte in b"\x00S\x01" + command + b"S" for heard in splitter.feed(bytes([byte]))]
    assert [(heard.code, heard.number, heard.data) for heard in found] == [(frames.ID, 0, b"\x00")]
    assert splitter.waiting


@pytest.mark.parametrize(
    "fault", ["present:26", "present:256,1", "present:1,70000", "present:0:1", "present:9999:1", "keys:abc", "lost"]
)
def test_what_cannot_happen_at_a_reader_is_told(fault: str) -> None:
    with pytest.raises(UnknownFault):
        CardReaderMachine(PROFILE).fault(fault)


def test_residents_come_with_cards_that_are_right() -> None:
    machine = CardReaderMachine(PROFILE, visits_per_s=1.0)
    random = Random(1)  # noqa: S311 - chance that repeats
    for _ in range(60):
        machine.step(0.5, random)
    assert 10 < len(machine.waiting) < 50
    for event in machine.waiting:
        assert len(event) == 3
        _, bits, value = event
        said = credential(Card(reader=0, bits=bits, value=value))
        assert (said.facility, said.reason) == (123, "")


async def test_a_reader_that_hears_nothing_for_long_ends_its_session(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim:
        async with panel_on(sim.settings(), 3) as panel:
            await panel.until_secure()
        reader = sim.stations.by_name["sim-3"]
        assert reader.is_secure
        sim.stations.tick(9.0)
        assert not reader.is_secure


async def test_the_witness_has_the_cards_and_no_keys(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        sim.fault(3, f"present:{CARD}", "keys:5281#")
        await panel.until(lambda: bool(panel.pins))
        await panel.readers[3].write("relay", 1.5)
    answers, _, writes = witness_files(tmp_path, "sim-3")
    cards = [answer.value for answer in read_answered_points(answers) if answer.point == "card"]
    assert cards == [CARD]
    assert "5281" not in answers.read_text()
    assert '"relay"' in writes.read_text()


def scene_file(folder: Path, text: str = SCENE) -> Path:
    file = folder / "door.toml"
    file.write_text(text, encoding="utf-8")
    return file


async def test_a_scene_plays_readers_and_writes_their_key_file(tmp_path: Path) -> None:
    loaded = load_scene(scene_file(tmp_path))
    [line] = loaded.process("readers")
    assert isinstance(line, OsdpLine)
    async with AsyncExitStack() as stack:
        context = LineContext(data=tmp_path, profiles=loaded.profiles, time_scale=1.0, stack=stack)
        devices, endpoint = await start(line, context)
        assert endpoint == str(tmp_path / "rs485")
        keys = read_keys(tmp_path / "readers.keys")
        assert keys[2].value.hex() == "00112233445566778899aabbccddeeff"
        settings = settings_for(tmp_path, {"port": endpoint})
        async with panel_on(settings, 1, 2) as panel:
            await panel.until_secure()
            devices.fault("reader-2", f"present:{CARD}")
            await panel.until(lambda: panel.cards == [("reader-2", CARD)])
            devices.fault("reader-1", "tamper")
            assert devices.active("reader-1") == ("tamper",)
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("unit = 2", "unit = 1", "unit 1 is taken"),
        ("unit = 2", "unit = 127", "does not exist"),
        ('key = "0011', 'key = "', "String should match pattern"),
        ('fault = "tamper"', 'fault = "tampered"', "no fault"),
        ('link = "rs485"', "", "either `link` or `port`"),
    ],
)
def test_a_mistake_in_a_scene_is_told(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load_scene(scene_file(tmp_path, SCENE.replace(old, new)))
