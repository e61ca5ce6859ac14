"""A Modbus TCP server written by hand, which notes each connection and when each unit was asked."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

READ, WRITE_ONE = 3, 6
SIZE = 32


@dataclass
class CountedModbus:
    """`registers[unit][address]`; a unit that is not in it, or is in `mute`, does not answer."""

    registers: dict[int, list[int]]
    mute: set[int] = field(default_factory=set)
    mute_writes: set[int] = field(default_factory=set)
    connections: int = 0
    open_connections: int = 0
    asked: list[tuple[float, int]] = field(default_factory=list)
    writes: list[tuple[int, int, int]] = field(default_factory=list)
    port: int = 0

    def times_of(self, unit: int) -> list[float]:
        return [at for at, asked in self.asked if asked == unit]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            while True:
                number, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                request = await reader.readexactly(length - 1)
                if (answer := self._answer(unit, request)) is not None:
                    writer.write(struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.open_connections -= 1
            writer.close()

    def _answer(self, unit: int, request: bytes) -> bytes | None:
        self.asked.append((time.monotonic(), unit))
        function, address, value = struct.unpack(">BHH", request[:5])
        held = self.registers.get(unit)
        if function == WRITE_ONE:
            self.writes.append((unit, address, value))
        if held is None or unit in self.mute or (function == WRITE_ONE and unit in self.mute_writes):
            return None
        if function == WRITE_ONE:
            held[address] = value
            return request
        found = held[address : address + value]
        return struct.pack(f">BB{value}H", READ, 2 * value, *found)


@contextlib.asynccontextmanager
async def counted_modbus(*units: int) -> AsyncIterator[CountedModbus]:
    """Serve units whose registers are 0 on a free port for the time of the context."""
    served = CountedModbus(registers={unit: [0] * SIZE for unit in units})
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
