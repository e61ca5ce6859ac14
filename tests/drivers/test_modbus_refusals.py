"""Exceptions in block reads, whatever their code: what is asked then, what is remembered, and what is let go again."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from drivers.api import Refused
from drivers.modbus import driver as driver_module
from drivers.modbus.driver import ModbusDevice
from drivers.modbus.holes import FIRST_PAUSE_S
from drivers.profile import Profile
from runtime.config import validate
from tests.support.modbus_peers import TcpPeer, connected, tcp_settings

LABEL = {"zh": "点", "en": "point"}
POINTS = 16


def place(address: int) -> dict[str, Any]:
    return {"table": "holding", "address": address, "type": "uint16"}


FLAT = validate(
    "flat",
    {
        "schema": 1,
        "name": "flat",
        "version": "1.0.0",
        "kind": "meter",
        "label": LABEL,
        "protocol": "modbus",
        "points": {f"p{n}": {"label": LABEL, "modbus": place(n), "poll": "1s", "sample": 0} for n in range(POINTS)},
    },
    Profile,
)


class Unit:
    """Holds at each address its number, and refuses whatever touches an address with a code."""

    def __init__(self, peer: TcpPeer) -> None:
        self.codes: dict[int, int] = {}
        self.asked: list[tuple[int, int]] = []
        self.on_request: Callable[[], None] = lambda: None
        peer.script = lambda request: [(0, self._answer(request))]

    def _answer(self, request: bytes) -> bytes:
        address, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
        self.asked.append((address, count))
        self.on_request()
        code = next((self.codes[at] for at in range(address, address + count) if at in self.codes), None)
        data = b"".join(at.to_bytes(2, "big") for at in range(address, address + count))
        pdu = bytes([0x83, code]) if code else bytes([3, len(data)]) + data
        return request[:4] + (len(pdu) + 1).to_bytes(2, "big") + request[6:7] + pdu

    def take_asked(self) -> list[tuple[int, int]]:
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def unit(tcp_peer: TcpPeer) -> Unit:
    return Unit(tcp_peer)


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(driver_module, "_now", lambda: clock.now)
    return clock


async def bad(thing: ModbusDevice) -> dict[str, str]:
    """Read everything; gives the points without a value, and why. Every other one must show its own address."""
    results = await thing.read(tuple(FLAT.points))
    assert all(result.value == int(name[1:]) for name, result in results.items() if result.value is not None)
    return {name: result.reason for name, result in results.items() if result.value is None}


@pytest.mark.parametrize(
    ("code", "why"), [(2, "illegal data address"), (3, "illegal data value"), (4, "device failure")]
)
async def test_only_what_is_refused_turns_bad(unit: Unit, tcp_peer: TcpPeer, code: int, why: str) -> None:
    unit.codes = {5: code}
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        assert await bad(thing) == {"p5": f"refused: {why} (code {code})"}
        assert len(unit.take_asked()) <= 1 + 2 * 4
        assert await bad(thing) == {"p5": f"refused: {why} (code {code})"}
        assert unit.take_asked() == [(0, 5), (6, 10)]


async def test_each_point_keeps_the_code_of_its_own_refusal(unit: Unit, tcp_peer: TcpPeer) -> None:
    unit.codes = {2: 2, 9: 4}
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        for _ in range(2):
            reasons = await bad(thing)
            assert {name: reason[-8:] for name, reason in reasons.items()} == {"p2": "(code 2)", "p9": "(code 4)"}


async def test_a_sensor_that_is_mended_is_read_again(unit: Unit, tcp_peer: TcpPeer, clock: Clock) -> None:
    unit.codes = {5: 4}
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        assert list(await bad(thing)) == ["p5"]
        unit.codes = {}
        clock.now += FIRST_PAUSE_S - 1
        assert list(await bad(thing)) == ["p5"]
        clock.now += 1
        assert await bad(thing) == {}


async def test_a_device_that_fails_as_a_whole_is_not_searched_at_every_poll(
    unit: Unit, tcp_peer: TcpPeer, clock: Clock
) -> None:
    unit.codes = dict.fromkeys(range(POINTS), 4)
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        assert len(await bad(thing)) == POINTS
        assert len(unit.take_asked()) <= 2 * POINTS
        for _ in range(10):
            clock.now += 1
            with pytest.raises(Refused, match="device failure"):
                await bad(thing)
            assert unit.take_asked() == [(0, POINTS)]
        unit.codes = {}  # and when it recovers, everything is read at the next poll
        assert await bad(thing) == {}
        assert unit.take_asked() == [(0, POINTS)]


async def test_a_gateway_that_takes_seconds_to_say_failure_is_not_searched_to_the_end(
    unit: Unit, tcp_peer: TcpPeer, clock: Clock
) -> None:
    def slowly() -> None:
        clock.now += 1

    unit.codes, unit.on_request = dict.fromkeys(range(POINTS), 4), slowly
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        assert set((await bad(thing)).values()) == {"refused: device failure (code 4)"}
        assert len(unit.take_asked()) <= 1 + 5
        with pytest.raises(Refused, match="device failure"):
            await bad(thing)
        assert unit.take_asked() == [(0, POINTS)]
        unit.codes = {}
        assert await bad(thing) == {}


async def test_the_search_of_a_failing_device_comes_again_after_a_while(
    unit: Unit, tcp_peer: TcpPeer, clock: Clock
) -> None:
    unit.codes = dict.fromkeys(range(POINTS), 4)
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        await bad(thing)
        unit.codes = {7: 4}
        clock.now += FIRST_PAUSE_S
        assert list(await bad(thing)) == ["p7"]


@pytest.mark.parametrize("code", [5, 6])
async def test_a_busy_device_is_asked_once_and_never_searched(unit: Unit, tcp_peer: TcpPeer, code: int) -> None:
    unit.codes = {5: code}
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        for _ in range(3):
            with pytest.raises(Refused) as error:
                await bad(thing)
            assert error.value.retry
            assert unit.take_asked() == [(0, POINTS)]
        unit.codes = {}
        assert await bad(thing) == {}
        assert unit.take_asked() == [(0, POINTS)]


async def test_a_device_that_gets_busy_in_a_search_keeps_what_was_found(unit: Unit, tcp_peer: TcpPeer) -> None:
    unit.codes = {2: 4, 9: 6}
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        reasons = await bad(thing)
        assert reasons["p2"] == "refused: device failure (code 4)"
        assert Counter(reasons.values())["refused: device busy (code 6)"] == 8
        unit.codes = {2: 4}
        assert list(await bad(thing)) == ["p2"]


async def test_a_function_that_the_device_lacks_is_not_searched(unit: Unit, tcp_peer: TcpPeer) -> None:
    unit.codes = {5: 1}
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        thing = ModbusDevice(bus, unit=1, profile=FLAT, name="d")
        with pytest.raises(Refused, match="illegal function"):
            await bad(thing)
        assert unit.take_asked() == [(0, POINTS)]
