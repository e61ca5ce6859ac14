"""A Modbus TCP server (pymodbus) whose units are dictionaries of holding registers, and that can fall silent or die."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.support.broker import free_port

SIZE = 32


class ModbusUnits:
    """Units on one TCP port. `registers[unit][address]` is read and written; `mute` holds the units that do not answer.

    `requests` has the unit of each request. `on_write(unit, address, value)` gives the value that really comes to
    stand, or None to refuse (exception 3).
    """

    def __init__(self, *units: int) -> None:
        self.port = free_port()
        self.registers = {unit: [0] * SIZE for unit in units}
        self.mute: set[int] = set()
        self.delay_s = 0.0
        self.refuse_reads = False
        self.requests: list[int] = []
        self.writes: list[tuple[int, int, int]] = []
        self.on_write: Callable[[int, int, int], int | None] = lambda _unit, _address, value: value
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        devices = [
            SimDevice(
                unit,
                simdata=[SimData(0, values=[0] * SIZE, datatype=DataType.REGISTERS)],
                action=partial(self._access, unit),
            )
            for unit in self.registers
        ]
        self._server = ModbusTcpServer(devices, address=("127.0.0.1", self.port), trace_packet=self._send)
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left it bare

    def _send(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus's signature
        return b"" if sending and len(data) > 6 and data[6] in self.mute else data

    async def _access(
        self,
        unit: int,
        _function: int,
        start: int,
        address: int,
        _count: int,
        current: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.requests.append(unit)
        if self.refuse_reads and values is None:
            return ExcCodes.ILLEGAL_VALUE
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        own = self.registers[unit]
        if values is not None:
            for position, value in enumerate(list(values)):
                self.writes.append((unit, address + position, int(value)))
                stands = self.on_write(unit, address + position, int(value))
                if stands is None:
                    return ExcCodes.ILLEGAL_VALUE
                own[address + position] = stands
        for position in range(min(len(current), SIZE - start)):
            current[position] = own[start + position]
        return None


@contextlib.asynccontextmanager
async def modbus_units(*units: int) -> AsyncIterator[ModbusUnits]:
    server = ModbusUnits(*units)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
