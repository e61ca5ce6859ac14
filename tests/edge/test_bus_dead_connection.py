"""Connections that die without a word: found and replaced within seconds, with every live unit read again."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.edge.test_bus import Running, running, until
from tests.support.modbus_server import ModbusUnits, modbus_units
from tests.support.tcp_proxy import proxied

_FOUND_WITHIN_S = 5.0
_PROBED_EVERY_S = 12.5
"""So seldom a silent unit is asked on a bus where its time-out costs the others six polls each."""


async def all_read_again(on: Running, *devices: str, within: float = 15.0) -> float:
    """Wait until each device is read anew; gives the seconds that it took."""
    started = time.monotonic()
    before = {device: len(on.ear.read[device]) for device in devices}
    await until(lambda: all(len(on.ear.read[device]) > before[device] for device in devices), within=within)
    return time.monotonic() - started


async def test_a_half_open_connection_is_replaced() -> None:
    async with modbus_units(1, 2, 3) as units, proxied(units.port) as proxy, running(proxy.port, 1, 2, 3) as on:
        await until(lambda: set(on.ear.read) == {"d1", "d2", "d3"})
        proxy.freeze()
        assert await all_read_again(on, "d1", "d2", "d3") < _FOUND_WITHIN_S
        assert proxy.connections == 2


async def test_a_dead_unit_behind_a_gateway_leaves_the_connection_alone() -> None:
    async with modbus_units(1, 2) as units, proxied(units.port) as proxy, running(proxy.port, 1, 2) as on:
        await until(lambda: set(on.ear.read) == {"d1", "d2"})
        units.mute.add(1)
        await until(lambda: on.ear.story == ["d1 down"])
        await all_read_again(on, "d2")
        assert proxy.connections == 1


@asynccontextmanager
async def server_in_a_process(units: ModbusUnits) -> AsyncIterator[asyncio.subprocess.Process]:
    """Serve the units of `units` in a process of its own, which can be stopped as no server can stop itself."""
    code = (
        "import asyncio, sys\n"
        "from tests.support.modbus_server import ModbusUnits\n"
        "async def main():\n"
        "    units = ModbusUnits(1, 2)\n"
        "    units.port = int(sys.argv[1])\n"
        "    await units.start()\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(units.port))
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_a_server_that_was_frozen_is_read_again_when_it_goes_on() -> None:
    units = ModbusUnits(1, 2)
    async with server_in_a_process(units) as server, running(units.port, 1, 2) as on:
        await until(lambda: set(on.ear.read) == {"d1", "d2"})
        on.ear.story.clear()  # until the server stood, its devices may have counted as down
        os.kill(server.pid, signal.SIGSTOP)
        await until(lambda: sorted(on.ear.story) == ["d1 down", "d2 down"])
        await asyncio.sleep(1)
        os.kill(server.pid, signal.SIGCONT)
        await all_read_again(on, "d1", "d2", within=3 * _PROBED_EVERY_S)
