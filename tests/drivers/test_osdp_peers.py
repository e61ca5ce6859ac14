"""Interoperability: libosdp, which others wrote, at the far end of our panel and of our simulated readers.

And why the panel itself is ours: what libosdp's does is shown here, so that a release that does better is noticed.
"""

import asyncio
import os
import pty
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import osdp  # type: ignore[import-untyped]
import pytest

from simulators.lines.osdp import write_key_file
from tests.support.osdp_readers import key_of, panel_on, settings_for, simulated

_QUIET = osdp.LogLevel.Emergency
_UNIT = 101


class Wire(osdp.Channel):  # type: ignore[misc]
    """One end of a pseudo-terminal, as libosdp wants it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self.descriptor, max_bytes)
        except BlockingIOError:
            return b""

    def write(self, buf: bytes) -> int:
        return os.write(self.descriptor, buf)

    def flush(self) -> None:
        """Nothing waits to be sent."""


@contextmanager
def wire() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def foreign_reader(descriptor: int, commands: list[dict[str, Any]]) -> Iterator[Any]:
    """Run libosdp's reader; it takes every command, and no plain text."""
    told = osdp.PDInfo(_UNIT, Wire(descriptor), scbk=key_of(_UNIT), flags=[osdp.LibFlag.EnforceSecure])
    capable = osdp.PDCapabilities(
        [
            (osdp.Capability.LEDControl, 1, 1),
            (osdp.Capability.AudibleControl, 1, 1),
            (osdp.Capability.OutputControl, 1, 1),
            (osdp.Capability.TextOutput, 1, 1),
            (osdp.Capability.CommunicationSecurity, 1, 1),
        ]
    )

    def take(command: dict[str, Any]) -> tuple[int, None]:
        commands.append(command)
        return 0, None

    reader = osdp.PeripheralDevice(told, capable, log_level=_QUIET, command_handler=take)
    reader.start()
    try:
        yield reader
    finally:
        reader.teardown()


async def test_our_panel_speaks_with_a_reader_that_others_wrote(tmp_path: Path) -> None:
    commands: list[dict[str, Any]] = []
    write_key_file(tmp_path / "readers.keys", {_UNIT: key_of(_UNIT)})
    with wire() as (master, path), foreign_reader(master, commands) as reader:
        async with panel_on(settings_for(tmp_path, {"port": path}), _UNIT) as panel:
            await panel.until_secure(within_s=10)
            card = {
                "event": osdp.Event.CardRead,
                "reader_no": 0,
                "direction": 0,
                "format": osdp.CardFormat.Wiegand,
                "length": 26,
                "data": bytes.fromhex("BD88EB80"),
            }
            keys = {"event": osdp.Event.KeyPress, "reader_no": 0, "data": b"1234\x0d"}
            for event in (card, keys, card):
                await asyncio.to_thread(reader.submit_event, event)
            await panel.until(lambda: len(panel.cards) == 2 and bool(panel.pins))
            assert [points for _, points in panel.heard if "card" in points] == 2 * [
                {"card": "26:2F623AE", "facility": 123, "number": 4567}
            ]
            assert panel.pins == ["1234"]
            for point, value in (("led", "green for 3s"), ("buzzer", 0.5), ("relay", 2.0), ("text", "helloworld")):
                await panel.readers[_UNIT].write(point, value)
            # It refuses to tell its outputs, signed and not encrypted: that is an answer, and ends no session.
            await panel.until(lambda: {"command": osdp.Command.Status, "type": 1} in commands)
            await asyncio.sleep(0.2)
            shown = await panel.show(_UNIT, "secure", "tamper", "serial", "sessions")
            assert shown == {"secure": True, "tamper": False, "serial": "DEADBEAF", "sessions": 1}
    by_kind = {command["command"]: command for command in commands}
    led, buzzer = by_kind[osdp.Command.LED], by_kind[osdp.Command.Buzzer]
    assert (led["on_color"], led["temporary"], led["timer_count"]) == (osdp.CommandLEDColor.Green, True, 30)
    assert (buzzer["on_count"], buzzer["rep_count"]) == (5, 1)
    output, text = by_kind[osdp.Command.Output], by_kind[osdp.Command.Text]
    assert (output["output_no"], output["control_code"], output["timer_count"]) == (0, 5, 20)
    assert text["data"] == "helloworld"


@pytest.mark.parametrize("fault", ["", "wrong-crc@5%"])
async def test_our_simulated_reader_speaks_with_a_panel_that_others_wrote(tmp_path: Path, fault: str) -> None:
    heard: list[dict[str, Any]] = []
    arrived = threading.Event()

    def hear(_index: int, event: dict[str, Any]) -> int:
        heard.append(event)
        if event["event"] == osdp.Event.KeyPress:
            arrived.set()
        return 0

    async with simulated(tmp_path, _UNIT) as sim:
        descriptor = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        told = osdp.PDInfo(_UNIT, Wire(descriptor), scbk=key_of(_UNIT), flags=[osdp.LibFlag.EnforceSecure])
        panel = osdp.ControlPanel([told], log_level=_QUIET, event_handler=hear)
        panel.start()
        try:
            async with asyncio.timeout(30):
                while not await asyncio.to_thread(panel.is_sc_active, _UNIT):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.05)
                if fault:
                    sim.fault(_UNIT, fault)
                sim.fault(_UNIT, "present:26:2F623AE", "keys:1234#")
                await asyncio.to_thread(arrived.wait, 20)
        finally:
            await asyncio.to_thread(panel.teardown)
            os.close(descriptor)
    cards = [event for event in heard if event["event"] == osdp.Event.CardRead]
    assert [(card["length"], card["data"].hex()) for card in cards] == [(26, "bd88eb80")]
    assert [event["data"] for event in heard if event["event"] == osdp.Event.KeyPress] == [b"1234\r"]


_FIRST_CHALLENGE = """
import sys, time, osdp
from simulators.osdp import frames
class Wire(osdp.Channel):
    said, waits = b"", b""
    def read(self, size):
        Wire.waits, given = b"", Wire.waits
        return given
    def write(self, data):
        for heard in frames.Splitter().feed(bytes(data)):
            if heard.code == frames.CHLNG and not Wire.said:
                Wire.said = heard.data
            answer = {frames.ID: (frames.PDID, bytes(12)), frames.CAP: (frames.PDCAP, bytes([9, 1, 1]))}.get(heard.code)
            if answer:
                Wire.waits = frames.sealed(frames.unsigned(1, heard.number, *answer))
        return len(data)
    def flush(self): pass
panel = osdp.ControlPanel([osdp.PDInfo(1, Wire(), scbk=bytes(16), flags=[osdp.LibFlag.EnforceSecure])], log_level=0)
panel.start()
for _ in range(200):
    if Wire.said: break
    time.sleep(0.05)
panel.stop()
print(Wire.said.hex())
"""


def test_why_the_panel_is_ours() -> None:
    """libosdp 3.2.9 draws its challenge from rand(), unseeded: every start of the process sends the same.

    So whoever has recorded one start can play the reader's part again at the next, cards and all. When this fails, the
    library has changed: read drivers/osdp/README.md again.
    """
    started = [
        subprocess.Popen([sys.executable, "-c", _FIRST_CHALLENGE], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    first, second = (process.communicate(timeout=60)[0].strip() for process in started)
    assert len(first) == 16
    assert first == second


async def test_our_panel_never_sends_the_same_challenge_twice(tmp_path: Path) -> None:
    seen: list[bytes] = []
    async with simulated(tmp_path, 3) as sim:
        for _ in range(3):
            async with panel_on(sim.settings(), 3) as panel:
                await panel.until(lambda: bool(panel.readers[3].dialogue._panel_random))
                seen.append(panel.readers[3].dialogue._panel_random)
    assert len(set(seen)) == len(seen)
