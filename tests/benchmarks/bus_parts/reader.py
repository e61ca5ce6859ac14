"""The reading side, in a process of its own on one core, so that its time is counted alone.

Usage: `reader.py KIND SECONDS`; KIND is `driver`, `one-by-one` or `blocks`. Prints JSON.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusTcpSettings
from drivers.modbus.driver import ModbusDevice
from runtime.bench import leaving_nothing
from tests.benchmarks.bus_parts.points import POINTS, profile
from tests.benchmarks.bus_parts.servers import serving

CONNECTIONS = 4  # so that the reader never waits for the server
UNITS = 10
_REGISTERS = 120


async def by_driver(port: int, until: float) -> int:
    settings = ModbusTcpSettings(protocol="modbus-tcp", host="127.0.0.1", port=port)
    bus = ModbusBus(settings, name="bench")
    await bus.connect()
    floats = profile()
    points = tuple(floats.points)
    devices = [ModbusDevice(bus, unit=unit, profile=floats, name=f"d{unit}") for unit in range(1, UNITS + 1)]
    done = 0
    while time.monotonic() < until:
        for device in devices:
            results = await device.read(points)
            done += sum(result.value is not None for result in results.values())
            if time.monotonic() > until:
                break
    await bus.close()
    return done


async def by_pymodbus(port: int, until: float, *, registers: int) -> int:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    done = 0
    while time.monotonic() < until:
        for unit in range(1, UNITS + 1):
            for address in range(0, 2 * POINTS, registers):
                count = min(registers, 2 * POINTS - address)
                answer = await client.read_holding_registers(address, count=count, device_id=unit)
                values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
                done += len(values) if isinstance(values, list) else 1
                if time.monotonic() > until:
                    break
            if time.monotonic() > until:
                break
    client.close()
    return done


KINDS: Mapping[str, Callable[[int, float], Coroutine[Any, Any, int]]] = {
    "driver": by_driver,
    "one-by-one": lambda port, until: by_pymodbus(port, until, registers=2),
    "blocks": lambda port, until: by_pymodbus(port, until, registers=_REGISTERS),
}


async def measure(kind: str, port: int, seconds: float) -> dict[str, float]:
    started, cpu = time.monotonic(), time.process_time()
    counts = await asyncio.gather(*(KINDS[kind](port, started + seconds) for _ in range(CONNECTIONS)))
    return {
        "points": sum(counts),
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - cpu,
    }


def main() -> None:
    kind, seconds = sys.argv[1:3]
    with leaving_nothing(), serving() as port:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        print(json.dumps(asyncio.run(measure(kind, int(port), float(seconds)))))


if __name__ == "__main__":
    main()
