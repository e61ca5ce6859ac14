"""A command on a busy connection: it waits for the request on the wire, whatever waits behind that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from drivers.modbus.bus import ModbusBus
from drivers.modbus.driver import ModbusDevice
from tests.drivers.test_device import THING
from tests.support.modbus_peers import TcpPeer, connected, tcp_settings

UNITS = range(1, 9)
_REQUEST_S = 0.02


@pytest.fixture
async def gateway(tcp_peer: TcpPeer) -> AsyncIterator[ModbusBus]:
    """Eight units behind one connection, each request of which takes 20 ms."""

    def script(request: bytes) -> list[tuple[float, bytes]]:
        head, unit, function = request[:4], request[6], request[7]
        if function == 6:
            return [(_REQUEST_S, request)]
        body = bytes([unit, function, 2 * request[11]]) + bytes(2 * request[11])
        return [(_REQUEST_S, head + len(body).to_bytes(2, "big") + body)]

    tcp_peer.script = script
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        yield bus


def written(heard: list[bytes], since: int) -> int:
    """How many requests went over the wire before the write did."""
    return [request[7] for request in heard[since:]].index(6)


async def test_a_write_goes_ahead_of_forty_waiting_polls_of_eight_units(gateway: ModbusBus, tcp_peer: TcpPeer) -> None:
    things = {unit: ModbusDevice(gateway, unit=unit, profile=THING, name=f"thing-{unit}") for unit in UNITS}

    async def poll(unit: int) -> None:
        while True:
            await things[unit].read(["one", "measured"])

    pollers = [asyncio.create_task(poll(unit)) for unit in UNITS for _ in range(5)]
    await asyncio.sleep(4 * _REQUEST_S)
    for unit in UNITS:
        before = len(tcp_peer.heard)
        await things[unit].write("one", 7)
        assert written(tcp_peer.heard, before) <= 1
        before = len(tcp_peer.heard)
        await things[unit].read(["one"], urgent=True)
        assert len(tcp_peer.heard[before:]) <= 3  # the poll on the wire, the read, perhaps the next poll
    for poller in pollers:
        poller.cancel()
    await asyncio.gather(*pollers, return_exceptions=True)


async def test_a_cancelled_command_leaves_the_line_to_the_others(gateway: ModbusBus) -> None:
    thing = ModbusDevice(gateway, unit=1, profile=THING, name="thing-1")
    for after in (0.0, _REQUEST_S / 2, _REQUEST_S * 1.5):
        command = asyncio.create_task(thing.write("one", 7))
        await asyncio.sleep(after)
        command.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await command
        async with asyncio.timeout(1):
            assert (await thing.read(["one"]))["one"].value is not None
