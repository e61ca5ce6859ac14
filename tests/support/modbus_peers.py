"""Serial lines over ptys and TCP peers, on which tests script every byte; and pymodbus servers on both."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Callable, Sequence

from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusRtuSettings, ModbusTcpSettings

Script = Callable[[bytes], Sequence[tuple[float, bytes]]]
"""What a peer does with a request: bytes to send, each so many seconds later."""


HANG_UP = b""
"""An answer that closes the connection."""


class Peer:
    """The far end of a line: keeps what it heard, and answers by its script."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.script: Script = lambda _: ()
        self.send: Callable[[bytes], object] = lambda _: None

    def hear(self, data: bytes) -> None:
        self.heard.append(data)
        for delay, answer in self.script(data):
            asyncio.get_running_loop().call_later(delay, self.send, answer)

    def answer(self, *answers: bytes) -> None:
        """Answer requests in turn, at once."""
        queue = list(answers)
        self.script = lambda _: [(0, queue.pop(0))] if queue else ()


class Line(Peer):
    """A serial line: `path` is the near end, and this object the far end."""

    def __init__(self) -> None:
        super().__init__()
        self.fd, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.fd, False)
        self.path = os.ttyname(self._near)
        self.send = self._write
        asyncio.get_running_loop().add_reader(self.fd, self._readable)

    def _readable(self) -> None:
        with contextlib.suppress(OSError):
            self.hear(os.read(self.fd, 4096))

    def _write(self, data: bytes) -> None:
        if self.fd >= 0:
            os.write(self.fd, data)

    def hang_up(self) -> None:
        if self.fd >= 0:
            asyncio.get_running_loop().remove_reader(self.fd)
            os.close(self.fd)
            os.close(self._near)
            self.fd = -1


class TcpPeer(Peer):
    """A TCP server for one connection."""

    port = 0
    connections = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.send = lambda data: writer.write(data) if data else writer.close()
        while data := await reader.read(4096):
            self.hear(data)
        writer.close()


def tcp_settings(port: int, **more: object) -> ModbusTcpSettings:
    return ModbusTcpSettings.model_validate(
        {"protocol": "modbus-tcp", "host": "127.0.0.1", "port": port, "timeout": "2s", **more}
    )


def rtu_settings(path: str, **more: object) -> ModbusRtuSettings:
    return ModbusRtuSettings.model_validate(
        {"protocol": "modbus-rtu", "port": path, "timeout": "2s", "quiet": "200ms", **more}
    )


@contextlib.asynccontextmanager
async def connected(settings: ModbusTcpSettings | ModbusRtuSettings) -> AsyncIterator[ModbusBus]:
    bus = ModbusBus(settings, name="bus-1")
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


def unit(number: int) -> SimDevice:
    """A pymodbus device: 100 registers that hold their address, a hole from 30 to 39, and 32 bits of each kind."""
    below = SimData(0, values=list(range(30)), datatype=DataType.REGISTERS)
    hole = SimData(30, count=10, datatype=DataType.INVALID)
    above = SimData(40, values=list(range(40, 100)), datatype=DataType.REGISTERS)
    bits = SimData(0, values=[index % 3 == 0 for index in range(32)], datatype=DataType.BITS)
    return SimDevice(number, simdata=([bits], [bits], [below, hole, above], [below, hole, above]))


class Served:
    """A running pymodbus server, the settings to reach it, and the requests that it got."""

    def __init__(self) -> None:
        self.requests: list[ModbusPDU] = []
        self.server: ModbusTcpServer | ModbusSerialServer | None = None
        self.settings: ModbusTcpSettings | ModbusRtuSettings = tcp_settings(1)

    def note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:  # noqa: FBT001 - pymodbus's signature
        if not sending:
            self.requests.append(pdu)
        return pdu

    @property
    def functions(self) -> list[int]:
        return [request.function_code for request in self.requests]


@contextlib.asynccontextmanager
async def served_tcp() -> AsyncIterator[Served]:
    served = Served()
    server = ModbusTcpServer([unit(1), unit(2)], address=("127.0.0.1", 0), trace_pdu=served.note)
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # an asyncio.Server
    served.server, served.settings = server, tcp_settings(port)
    yield served
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left it bare


@contextlib.asynccontextmanager
async def served_rtu() -> AsyncIterator[Served]:
    served = Served()
    near, far = Line(), Line()
    near.script = lambda data: [(0, data)]
    far.script = lambda data: [(0, data)]
    near.send, far.send = far.send, near.send
    server = ModbusSerialServer([unit(1), unit(2)], port=far.path, ignore_missing_devices=True, trace_pdu=served.note)
    await server.serve_forever(background=True)
    served.server, served.settings = server, rtu_settings(near.path)
    yield served
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus left it bare
    near.hang_up()
    far.hang_up()
