"""OSDP readers end to end: the driver against simulated readers on real pseudo-terminals and TCP ports."""

import asyncio
from pathlib import Path

import pytest

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Refused, TimedOut, Unreachable
from drivers.registry import open_bus, open_device
from tests.support.osdp_readers import SLACK, panel_on, profile_with, settings_for, simulated

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


def test_a_unit_beyond_126_does_not_exist(tmp_path: Path) -> None:
    bus = open_bus(settings_for(tmp_path, {"port": "/dev/null"}), name="readers")
    for address in (DeviceAddress(unit=127), DeviceAddress(unit=1, address="1")):
        with pytest.raises(BadRequest):
            open_device(bus, address, profile_with(), "reader")
