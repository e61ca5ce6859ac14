"""What an OSDP line does not believe: plain text, other keys, recordings, noise; and keys and PINs stay inside."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from drivers.address import DeviceAddress
from drivers.api import BadRequest, TimedOut, Unreachable
from drivers.osdp.standing import Security
from drivers.registry import open_bus, open_device
from simulators.lines.osdp import write_key_file
from simulators.osdp.frames import Heard
from simulators.transmitter import Reply
from tests.support.osdp_readers import CARD, POINTS, key_of, panel_on, profile_with, settings_for, simulated


async def test_keys_make_a_pin_that_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        sim.fault(3, "keys:90", "keys:*52", "keys:81#6", "keys:2#", "keys:3#44#")
        await panel.until(lambda: len(panel.pins) == 4)
    assert panel.pins == ["5281", "62", "3", "44"]
    assert "5281" not in caplog.text


async def test_a_reader_in_plain_text_is_refused_and_its_cards_count_for_nothing(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3, 4) as sim, panel_on(sim.settings(), 3, 4) as panel:
        await panel.until_secure()
        sim.fault(3, "plain-text", f"present:{CARD}", f"present:{CARD}")
        await panel.until(lambda: panel.readers[3].dialogue.status.security is Security.PLAIN)
        await panel.until(lambda: not sim.machine(3).waiting)
        sim.fault(4, f"present:{CARD}")
        await panel.until(lambda: bool(panel.cards))
        assert panel.cards == [("reader-4", CARD)]
        shown = await panel.show(3, "secure", "security", "tamper", "cards")
        assert shown == {"secure": False, "security": int(Security.PLAIN), "tamper": None, "cards": 0}
        assert ("reader-3", {"secure": False, "security": int(Security.PLAIN)}) in panel.heard
        with pytest.raises(Unreachable, match="plain text"):
            await panel.readers[3].write("relay", 1.0)
        sim.clear(3)
        await panel.until_secure(3)
        sim.fault(3, f"present:{CARD}")
        await panel.until(lambda: len(panel.cards) == 2)


async def test_a_reader_with_another_key_is_refused(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim:
        sim.fault(3, "wrong-key", f"present:{CARD}")
        async with panel_on(sim.settings(), 3) as panel:
            await panel.until(lambda: panel.readers[3].dialogue.status.refusals > 0)
            assert await panel.show(3, "secure", "security") == {"secure": False, "security": Security.WRONG_KEY}
            assert (await panel.readers[3].read(["secure"]))["secure"].reason == "the reader has another key"
            await asyncio.sleep(0.3)
            assert panel.cards == []


async def test_a_reader_with_the_default_key_is_refused_without_install_mode(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim:
        sim.fault(3, "default-key", f"present:{CARD}")
        async with panel_on(sim.settings(), 3) as panel:
            await panel.until(lambda: panel.readers[3].dialogue.status.refusals > 0)
            await asyncio.sleep(0.3)
            shown = await panel.show(3, "secure", "install")
            assert (shown, panel.cards) == ({"secure": False, "install": False}, [])


async def test_install_mode_gives_a_reader_its_key_and_says_so_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with simulated(tmp_path, 3) as sim:
        sim.fault(3, "default-key", f"present:{CARD}")
        async with panel_on(sim.settings(install=True), 3) as panel:
            await panel.until_secure()
            assert await panel.show(3, "secure", "install") == {"secure": True, "install": True}
            await panel.until(lambda: bool(panel.cards))
        async with panel_on(sim.settings(), 3) as panel:
            await panel.until_secure()
            assert await panel.show(3, "install") == {"install": False}
    printed = capsys.readouterr()
    assert "INSTALL MODE" in printed.out + printed.err


async def test_a_unit_without_a_key_is_refused(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim:
        other = tmp_path / "other.keys"
        other.write_text('[keys]\n4 = "000102030405060708090a0b0c0d0e0f"\n')
        other.chmod(0o600)
        async with panel_on(sim.settings(keys=str(other)), 3) as panel:
            await panel.until(lambda: panel.readers[3].dialogue.status.refusals > 0)
            assert await panel.show(3, "secure", "security") == {"secure": False, "security": Security.NO_KEY}


async def test_what_was_said_before_and_is_played_again_ends_the_session(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        sim.fault(3, f"present:{CARD}")
        await panel.until(lambda: len(panel.cards) == 1)
        sim.fault(3, "replay")
        await panel.until(lambda: ("reader-3", {"secure": False, "security": int(Security.FORGED)}) in panel.heard)
        sim.clear(3, "replay")
        await panel.until_secure()
        await asyncio.sleep(0.2)
        assert len(panel.cards) == 1


class Parrot:
    """A TCP port that hears commands and says what it was given, one piece for each; `told` keeps what it heard."""

    def __init__(self, says: Callable[[int], bytes]) -> None:
        self._says = says
        self.told = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                writer.write(self._says(self.told))
                self.told += 1
        writer.close()


@contextlib.asynccontextmanager
async def parrot(says: Callable[[int], bytes]) -> AsyncIterator[tuple[Parrot, int]]:
    bird = Parrot(says)
    server = await asyncio.start_server(bird.serve, "127.0.0.1", 0)
    try:
        yield bird, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in bird.writers:
            writer.close()
        await asyncio.sleep(0.05)  # lets the transports go


async def test_a_whole_session_that_was_recorded_opens_nothing_when_it_is_played_again(tmp_path: Path) -> None:
    recorded: list[bytes] = []
    async with simulated(tmp_path, 3, over="tcp") as sim:
        hear = sim.stations.by_name["sim-3"].hear

        def tapped(heard: Heard) -> Reply | None:
            reply = hear(heard)
            recorded.extend(part.data for part in (reply.parts if reply is not None else ()))
            return reply

        sim.stations.by_name["sim-3"].hear = tapped  # type: ignore[method-assign]
        async with panel_on(sim.settings(), 3) as panel:
            await panel.until_secure()
            sim.fault(3, f"present:{CARD}")
            await panel.until(lambda: bool(panel.cards))
    assert len(recorded) > 6
    async with parrot(lambda told: recorded[told % 2]) as (bird, port):  # who it is, and its proof of then
        settings = settings_for(tmp_path, {"host": "127.0.0.1", "port": port}, reply="50ms")
        async with panel_on(settings, 3) as panel:
            await panel.until(lambda: panel.readers[3].dialogue.status.refusals >= 3, within_s=20)
            assert bird.told > 4
            assert panel.cards == []
            assert panel.readers[3].dialogue.status.sessions == 0


async def test_a_line_full_of_noise_stops_nothing_and_gives_nothing(tmp_path: Path) -> None:
    write_key_file(tmp_path / "readers.keys", {3: key_of(3)})
    random = Random(5)  # noqa: S311 - noise that repeats
    async with parrot(lambda _told: b"S\x83" + random.randbytes(random.randrange(300))) as (bird, port):
        settings = settings_for(tmp_path, {"host": "127.0.0.1", "port": port}, reply="30ms")
        async with panel_on(settings, 3) as panel:
            await panel.until(lambda: bird.told > 3, within_s=20)
            with pytest.raises((TimedOut, Unreachable)):
                await panel.readers[3].read(["secure"])
            assert panel.heard == []


async def test_keys_that_others_may_read_keep_the_line_closed(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim:
        (tmp_path / "readers.keys").chmod(0o640)
        bus = open_bus(sim.settings(), name="readers")
        with pytest.raises(Unreachable, match=r"mode 0640.*chmod 600"):
            await bus.connect()
        assert not bus.connected


def test_a_pin_that_could_leave_the_agent_is_refused(tmp_path: Path) -> None:
    bus = open_bus(settings_for(tmp_path, {"port": "/dev/null"}), name="readers")
    leaky = profile_with({**POINTS, "pin": {**POINTS["pin"], "local": False}})
    with pytest.raises(BadRequest, match="local = true"):
        open_device(bus, DeviceAddress(unit=1), leaky, "reader-1")
