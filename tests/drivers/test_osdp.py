"""OSDP readers end to end: the driver against simulated readers on real pseudo-terminals and TCP ports."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Refused, TimedOut, Unreachable
from drivers.osdp.standing import Security
from drivers.registry import open_bus, open_device
from simulators.lines.osdp import write_key_file
from simulators.osdp.frames import Heard
from simulators.transmitter import Reply
from tests.support.osdp_readers import POINTS, SLACK, key_of, panel_on, profile_with, settings_for, simulated

OVER = pytest.mark.parametrize("over", ["pty", "tcp"])


def wiegand_26(facility: int, number: int) -> str:
    """Make a card of the 26-bit format by counting ones in text."""
    bits = f"{facility:08b}{number:016b}"
    even = str(bits[:12].count("1") % 2)
    odd = str(1 - bits[12:].count("1") % 2)
    return f"26:{int(even + bits + odd, 2):07X}"


CARD = wiegand_26(123, 4567)


@OVER
async def test_several_readers_on_one_line_set_up_their_secure_channels(tmp_path: Path, over: str) -> None:
    async with simulated(tmp_path, 0, 1, 126, over=over) as sim, panel_on(sim.settings(), 0, 1, 126) as panel:
        await panel.until_secure()
        for unit in (0, 1, 126):
            assert await panel.show(unit, "secure", "security", "install") == {
                "secure": True,
                "security": 0,
                "install": False,
            }
        await panel.until(lambda: panel.readers[126].dialogue.status.identity is not None)
        shown = await panel.show(126, "vendor", "model", "serial", "firmware")
        assert shown == {"vendor": "006E8A", "model": 1, "serial": "C0FFEE7E", "firmware": "10.0.3"}


@OVER
async def test_each_card_arrives_once_with_its_number(tmp_path: Path, over: str) -> None:
    async with simulated(tmp_path, 3, 5, over=over) as sim, panel_on(sim.settings(), 3, 5) as panel:
        await panel.until_secure()
        sim.fault(3, f"present:{CARD}", f"present:{CARD}", "present:37:1234567890")
        sim.fault(5, f"present:{wiegand_26(9, 1)}")
        await panel.until(lambda: len(panel.cards) == 4)
        await asyncio.sleep(0.2)
        of_3 = [points for name, points in panel.heard if name == "reader-3" and "card" in points]
        assert of_3 == [
            {"card": CARD, "facility": 123, "number": 4567},
            {"card": CARD, "facility": 123, "number": 4567},
            {"card": "37:1234567890", "facility": None, "number": None},
        ]
        assert [card for card in panel.cards if card[0] == "reader-5"] == [("reader-5", wiegand_26(9, 1))]
        assert await panel.show(3, "cards") == {"cards": 3}


async def test_no_card_is_lost_or_doubled_on_a_bad_line(tmp_path: Path) -> None:
    cards = [wiegand_26(7, number) for number in range(40)]
    async with simulated(tmp_path, 3, 4) as sim, panel_on(sim.settings(reply="60ms"), 3, 4) as panel:
        await panel.until_secure()
        sim.fault(3, "wrong-crc@10%", "truncated@5%", "noise@20%")
        for card in cards:
            sim.fault(3, f"present:{card}")
        await panel.until(lambda: len(panel.cards) >= len(cards), within_s=20)
        await asyncio.sleep(0.2)
        assert [card for _, card in panel.cards] == cards


async def test_keys_make_a_pin_that_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        sim.fault(3, "keys:90", "keys:*52", "keys:81#6", "keys:2#", "keys:3#44#")
        await panel.until(lambda: len(panel.pins) == 4)
    assert panel.pins == ["5281", "62", "3", "44"]
    assert "5281" not in caplog.text


async def test_the_housing_is_told_at_once_and_can_be_read(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        await panel.until(lambda: panel.readers[3].dialogue.status.tamper is False)
        sim.fault(3, "tamper")
        await panel.until(lambda: ("reader-3", {"tamper": True, "power_failure": False}) in panel.heard)
        assert await panel.show(3, "tamper", "power_failure") == {"tamper": True, "power_failure": False}
        sim.clear(3, "tamper")
        sim.fault(3, "power-failure")
        await panel.until(lambda: ("reader-3", {"tamper": False, "power_failure": True}) in panel.heard)


@OVER
async def test_outputs_do_what_they_are_told(tmp_path: Path, over: str) -> None:
    async with simulated(tmp_path, 3, over=over) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        reader = panel.readers[3]
        await reader.write("led", "red")
        await reader.write("led", "green for 0.3s")
        await reader.write("buzzer", 0.5)
        await reader.write("text", "WELCOME HOME")
        assert sim.machine(3).told == [
            ("led", "red"),
            ("led", "green for 0.3s"),
            ("buzzer", 0.5),
            ("text", "WELCOME HOME"),
        ]
        assert await panel.show(3, "led", "text", "buzzer") == {
            "led": "green for 0.3s",
            "text": "WELCOME HOME",
            "buzzer": 0.5,
        }
        await asyncio.sleep(0.4)
        assert await panel.show(3, "led") == {"led": "red"}


async def test_the_reader_itself_lets_its_relay_go(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        await panel.until(lambda: panel.readers[3].dialogue.status.outputs == (False,))
        await panel.readers[3].write("relay", 0.4)
        await panel.until(lambda: panel.readers[3].dialogue.status.outputs == (True,), within_s=1)
        assert await panel.show(3, "relay_on") == {"relay_on": True}
        await panel.until(lambda: panel.readers[3].dialogue.status.outputs == (False,), within_s=8)
        assert sim.machine(3).told == [("output", 0.4)]


async def test_what_a_reader_cannot_do_is_refused(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3, display=False, outputs=0) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        reader = panel.readers[3]
        with pytest.raises(Refused, match="unknown command") as refused:
            await reader.write("text", "hello")
        assert refused.value.code == 3
        with pytest.raises(Refused, match="cannot be carried out"):
            await reader.write("relay", 1.0)
        assert await panel.show(3, "secure", "relay_on") == {"secure": True, "relay_on": None}
        for point, value in (("led", "pink"), ("buzzer", 99.0), ("relay", 0.0), ("text", "欢迎"), ("tamper", True)):
            with pytest.raises(BadRequest):
                await reader.write(point, value)
        with pytest.raises(BadRequest, match="no point"):
            await reader.write("door", 1.0)
        with pytest.raises(BadRequest, match="told when it happens"):
            await reader.read(["card"])
        assert sim.machine(3).told == []


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


async def test_cards_go_on_after_a_reader_has_started_again(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        await panel.readers[3].write("led", "red")
        shown: list[str] = []
        for number in range(6):
            card = wiegand_26(1, number)
            sim.fault(3, "restart", f"present:{card}")
            shown.append(card)
            await panel.until(lambda: len(panel.cards) == len(shown))
        assert [card for _, card in panel.cards] == shown
        assert (await panel.show(3, "sessions"))["sessions"] == 7
        assert await panel.show(3, "led") == {"led": "own"}


@OVER
async def test_a_line_that_drops_comes_back_with_its_cards(tmp_path: Path, over: str) -> None:
    async with simulated(tmp_path, 3, 4, over=over) as sim, panel_on(sim.settings(), 3, 4) as panel:
        await panel.until_secure()
        sim.fault(3, "line-dropped")
        await panel.until(lambda: not panel.readers[3].dialogue.ready)
        sim.fault(4, f"present:{CARD}")
        with pytest.raises((Unreachable, TimedOut)):
            await panel.readers[4].read(["tamper"])
        with pytest.raises(Unreachable):
            await panel.readers[4].write("relay", 1.0)
        await asyncio.sleep(0.3)
        sim.clear(3)
        await panel.until_secure(within_s=5)
        await panel.until(lambda: panel.cards == [("reader-4", CARD)])


async def test_a_tcp_connection_without_a_far_end_is_given_up(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3, 4, over="tcp") as sim, panel_on(sim.settings(), 3, 4) as panel:
        await panel.until_secure()
        sim.fault(3, "half-open")
        await panel.until(lambda: not panel.readers[3].dialogue.ready)
        await panel.until_secure(within_s=5)


async def test_dead_readers_slow_the_others_little(tmp_path: Path) -> None:
    units = (1, 2, 3, 4, 5)
    async with simulated(tmp_path, *units) as sim, panel_on(sim.settings(poll="10ms"), *units) as panel:
        await panel.until_secure()
        for dead in (2, 3, 4, 5):
            sim.fault(dead, "dead")
        await panel.until(lambda: all(panel.readers[unit].dialogue.status.online is False for unit in (2, 3, 4, 5)))
        for number in range(20):
            sim.fault(1, f"present:{wiegand_26(1, number)}")
            await panel.until(lambda number=number: len(panel.cards) == number + 1, within_s=1)  # type: ignore[misc]
        with pytest.raises(TimedOut):
            await panel.readers[2].read(["tamper"])
        sim.clear(2)
        await panel.until_secure(2, within_s=10)


async def test_a_busy_reader_is_waited_for(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3) as panel:
        await panel.until_secure()
        sim.fault(3, "busy@50%", f"present:{CARD}")
        await panel.until(lambda: len(panel.cards) == 1)
        assert (await panel.show(3, "sessions"))["sessions"] == 1


async def test_answers_that_come_late_are_nobody_elses(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3, 4) as sim, panel_on(sim.settings(reply="100ms"), 3, 4) as panel:
        await panel.until_secure()
        sim.fault(3, "late:130ms@30%")
        cards = [wiegand_26(2, number) for number in range(15)]
        for card in cards:
            sim.fault(3, f"present:{card}")
        await panel.until(lambda: len(panel.cards) >= len(cards), within_s=20)
        assert [card for _, card in panel.cards] == cards


async def test_at_a_real_speed_a_line_of_four_readers_is_served(tmp_path: Path) -> None:
    units = (1, 2, 3, 4)
    speed = 38400
    async with (
        simulated(tmp_path, *units, baudrate=speed) as sim,
        panel_on(sim.settings(baudrate=speed), *units) as panel,
    ):
        await panel.until_secure(within_s=10)
        for unit in units:
            sim.fault(unit, f"present:{CARD}")
        await panel.until(lambda: len(panel.cards) == 4)


async def test_keys_that_others_may_read_keep_the_line_closed(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim:
        (tmp_path / "readers.keys").chmod(0o640)
        bus = open_bus(sim.settings(), name="readers")
        with pytest.raises(Unreachable, match=r"mode 0640.*chmod 600"):
            await bus.connect()
        assert not bus.connected


async def test_a_panel_that_is_closed_answers_that_it_is(tmp_path: Path) -> None:
    async with simulated(tmp_path, 3) as sim, panel_on(sim.settings(), 3, reconnects=False) as panel:
        await panel.until_secure()
        async with asyncio.timeout(SLACK):
            await panel.bus.close()
            with pytest.raises(Unreachable):
                await panel.readers[3].read(["secure"])
            with pytest.raises(Unreachable):
                await panel.readers[3].write("led", "red")


async def test_every_exchange_is_observed(tmp_path: Path) -> None:
    seen: list[tuple[int | str, str]] = []
    async with simulated(tmp_path, 3) as sim:
        bus = open_bus(
            sim.settings(), name="readers", observe=lambda unit, _seconds, result: seen.append((unit, result))
        )
        reader = open_device(bus, DeviceAddress(unit=3), profile_with(), "reader-3")
        open_device(bus, DeviceAddress(unit=9), profile_with(), "reader-9")
        await bus.connect()
        listening = asyncio.create_task(bus.listen(lambda _name, _results: None))  # type: ignore[attr-defined]
        assert (await reader.read(["security"]))["security"].value is not None
        async with asyncio.timeout(SLACK * 2):
            while (9, "TimedOut") not in seen:  # noqa: ASYNC110 - an observer has no event
                await asyncio.sleep(0.02)
        assert (3, "ok") in seen
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await bus.close()


def test_a_pin_that_could_leave_the_agent_is_refused(tmp_path: Path) -> None:
    bus = open_bus(settings_for(tmp_path, {"port": "/dev/null"}), name="readers")
    leaky = profile_with({**POINTS, "pin": {**POINTS["pin"], "local": False}})
    with pytest.raises(BadRequest, match="local = true"):
        open_device(bus, DeviceAddress(unit=1), leaky, "reader-1")


def test_a_unit_beyond_126_does_not_exist(tmp_path: Path) -> None:
    bus = open_bus(settings_for(tmp_path, {"port": "/dev/null"}), name="readers")
    for address in (DeviceAddress(unit=127), DeviceAddress(unit=1, address="1")):
        with pytest.raises(BadRequest):
            open_device(bus, address, profile_with(), "reader")
