"""One Modbus connection, TCP or serial, that carries one request at a time.

pymodbus does framing and transport. Everything it would do by itself is switched off, because it is the scheduler's to
decide: it never retries, never reconnects, and never closes a connection because one unit behind it is silent.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket, FramerType
from pymodbus.pdu import ModbusPDU

from drivers.api import DriverError, Garbled, Refused, TimedOut, Unreachable
from drivers.modbus.config import ModbusRtuSettings, ModbusSettings, ModbusTcpSettings
from drivers.modbus.doubts import HOLD_TIMES, Doubts
from drivers.modbus.holes import Holes
from drivers.modbus.patience import Patience
from drivers.modbus.pdus import SingleCoilPdu, echo_problem, exchange_size, read_pdu, write_pdu
from drivers.modbus.turns import Turns
from drivers.modbus.writing import Words, WriteRequest
from drivers.places.modbus import Table
from drivers.vigil import Vigil

EXCEPTIONS: Mapping[int, str] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still processing",
    6: "device busy",
    7: "negative acknowledgement",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}
"""Exception codes (Modbus Application Protocol 1.1b3, chapter 7; 7 is from older editions, 9 is not assigned)."""
ILLEGAL_ADDRESS = 2
OF_ADDRESSES = frozenset({ILLEGAL_ADDRESS, 3, 4})
"""Exceptions to a read that may come from some of its addresses, while the others can be read."""
PASSING = frozenset({5, 6, 10, 11})
"""Exceptions after which the same request may work later."""
SILENT_TARGET = frozenset({10, 11})
"""Exceptions by which a gateway says that the device itself did not answer."""

_NOISE_PERIODS = 10  # a line that is not quiet after that many quiet periods is not going to be
_KEEPALIVE: Mapping[str, int] = {
    "TCP_KEEPIDLE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": 4000,
}
"""A far end whose kernel is gone is found within 4 s, also when nothing is in flight (seconds, but the last: ms)."""
Observer = Callable[[int, float, str], None]
"""Told of each request: the unit, how many seconds it held the bus, and `ok` or the kind of the error."""


class ModbusBus:
    """A bus as `drivers.api.Bus` has it, with raw reads and writes for the devices on it.

    The reads and writes wait for nobody: whoever calls them holds a turn of `turns`, or is alone on the bus. All errors
    are DriverError.
    """

    def __init__(self, settings: ModbusSettings, *, name: str, observe: Observer | None = None) -> None:
        self.settings = settings
        self.name = name
        self.turns = Turns()
        self._observe = observe
        self._holes: dict[int, Holes] = {}
        self._vigil = Vigil()
        self._patience: Patience | None = None
        if isinstance(settings, ModbusRtuSettings):
            self._patience = Patience(timeout_s=settings.timeout.total_seconds(), byte_s=settings.byte_s)
        self._serial_frames = not isinstance(settings, ModbusTcpSettings)  # without transaction numbers
        self._quiet = 0.0 if isinstance(settings, ModbusTcpSettings) else settings.quiet.total_seconds()
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._up = asyncio.Event()
        self._waiting = False  # a request is in flight
        self._answered_by_bytes = False  # something arrived since the request
        self._silent_since = 0.0  # loop time of the last byte, or of the failure after it
        self._unsettled = False  # a late answer may still come along the line, whoever is asked next
        self._late_until: dict[int, float] = {}  # the same, where only this unit's next request is in danger
        self._doubts = Doubts(hold_s=HOLD_TIMES * (settings.timeout.total_seconds() + self._quiet))
        self._pause = (
            settings.silence if isinstance(settings, ModbusRtuSettings) else settings.pause_between
        ).total_seconds()

    @property
    def connected(self) -> bool:
        """Whether the connection is believed to be open."""
        return self._client is not None and self._client.connected

    async def connect(self) -> None:
        """Open the connection; Unreachable when it cannot be had. A connection that was open is closed first."""
        await self.close()
        client = self._new_client()
        timeout = self.settings.timeout.total_seconds()
        try:
            # By the parts of pymodbus's own connect(), which would keep the operating system's reason to itself.
            async with asyncio.timeout(timeout):
                client.ctx.transport, _ = await client.ctx.call_create()
                await self._up.wait()
        except TimeoutError as error:
            client.close()
            raise Unreachable(device=self.name, why=f"no connection within {timeout:g} s") from error
        except (OSError, ValueError) as error:  # ValueError: pyserial, for settings that the line cannot do
            client.close()
            raise Unreachable(device=self.name, why=str(error)) from error
        except asyncio.CancelledError:
            client.close()
            raise
        self._client = client
        self._holes.clear()  # another device may have taken the place
        self._unsettled = False
        self._late_until.clear()
        self._doubts.clear()
        if self._patience is not None:
            self._patience.clear()
        self._silent_since = asyncio.get_running_loop().time()
        self._vigil.connected(now=self._silent_since)
        _watch_over(client.ctx.transport.get_extra_info("socket"))
        if not isinstance(self.settings, ModbusRtuSettings):
            await asyncio.sleep(self.settings.pause_after_connect.total_seconds())

    async def close(self) -> None:
        """Close it; never raises."""
        client, self._client = self._client, None
        self._up.clear()
        if client is not None:
            client.close()
            await asyncio.sleep(0)  # lets the transport release its file descriptor

    def holes(self, unit: int) -> Holes:
        """Give what is known of the holes of a unit on this connection."""
        return self._holes.setdefault(unit, Holes())

    def is_doubtful(self, unit: int, table: Table, count: int) -> bool:
        """Whether an answer to such a read could be the late one to an earlier read; nothing in it would tell."""
        return self._doubts.has(unit, table, count, now=asyncio.get_running_loop().time())

    async def read_raw(self, *, unit: int, table: Table, address: int, count: int, device: str) -> tuple[int, ...]:
        """Read `count` registers (0..65535 each) or bits (0 or 1) from `address` on."""
        async with self._observed(unit):
            try:
                return await self._read(unit=unit, table=table, address=address, count=count, device=device)
            except (TimedOut, Garbled, asyncio.CancelledError):
                if self._serial_frames:
                    self._doubts.lost(unit, table, count, now=asyncio.get_running_loop().time())
                raise

    async def _read(self, *, unit: int, table: Table, address: int, count: int, device: str) -> tuple[int, ...]:
        request = read_pdu(unit, table, address, count)
        answer = await self._exchange(request, device=device, size=exchange_size(table, count))
        if not table.is_bits:
            if len(answer.registers) != count:
                raise self._garbled(device, f"{len(answer.registers)} registers instead of {count}")
            return tuple(answer.registers)
        if len(answer.bits) != (count + 7) // 8 * 8:
            raise self._garbled(device, f"{len(answer.bits)} bits instead of {count}")
        return tuple(int(bit) for bit in answer.bits[:count])

    async def write_raw(self, *, unit: int, table: Table, address: int, values: Sequence[int], device: str) -> None:
        """Write registers or bits from `address` on, with the function for one (5, 6) or for several (15, 16)."""
        await self.write(Words(table=table, address=address, values=tuple(values)), unit=unit, device=device)

    async def write(self, request: WriteRequest, *, unit: int, device: str) -> None:
        """Write, and return when the device has echoed the request.

        It is never sent twice: after TimedOut, Garbled or Unreachable nobody knows whether the device acted.
        """
        async with self._observed(unit):
            answer = await self._exchange(write_pdu(unit, request), device=device)
            if why := echo_problem(request, answer):
                raise self._garbled(device, why)

    @asynccontextmanager
    async def _observed(self, unit: int) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        result = "Cancelled"
        try:
            yield
            result = "ok"
        except DriverError as error:
            result = f"Refused {error.code}" if isinstance(error, Refused) else type(error).__name__
            raise
        finally:
            if self._observe is not None:
                self._observe(unit, loop.time() - started, result)

    async def _exchange(self, request: ModbusPDU, *, device: str, size: int = 0) -> ModbusPDU:
        """Send a request and give its answer, whatever it says.

        With `size`, the bytes that both take on a serial line, a unit that was silent before is not waited for as long.
        """
        client, unit = self._client, request.dev_id
        if client is None or not client.connected:
            raise Unreachable(device=device, why="the bus is not connected")
        await self._wait_for_silence(device, unit)
        patience, loop = self._patience, asyncio.get_running_loop()
        was_silent = patience is not None and unit in patience.silent
        timeout = self.settings.timeout.total_seconds()
        wait = patience.wait_s(unit, size=size) if patience is not None and size else timeout
        client.ctx.comm_params.timeout_connect = wait
        started = loop.time()
        self._answered_by_bytes = False
        self._waiting = self._unsettled = True  # unsettled until a whole answer is here, also if this task is cancelled
        try:
            answer: ModbusPDU = await client.execute(False, request)  # noqa: FBT003 - pymodbus's signature
        except (ConnectionException, ModbusIOException, OSError) as error:
            failure = self._translated(error, device, after=wait)
            if isinstance(failure, TimedOut):
                if patience is not None:
                    patience.unanswered(unit)
                    self._late_until[unit] = started + timeout + self._quiet
                    self._unsettled = not was_silent  # who was silent twice is dead, and makes no other unit wait
                failure = await self._unanswered(failure, unit)
            raise failure from error
        finally:
            self._waiting = False
            self._silent_since = loop.time()
        self._unsettled = False
        self._vigil.answered(unit)
        if patience is not None and size:
            patience.answered(unit, took_s=loop.time() - started, size=size)
        if answer.isError() and answer.function_code == request.function_code | 0x80:
            raise _refused(device, answer.exception_code)
        if answer.function_code != request.function_code:
            raise self._garbled(device, f"function {answer.function_code} instead of {request.function_code}")
        return answer

    def _translated(self, error: Exception, device: str, *, after: float) -> DriverError:
        if not self.connected or isinstance(error, ConnectionException | OSError):
            return Unreachable(device=device, why=f"the connection was lost: {error}")
        if self._answered_by_bytes:
            return self._garbled(device, "bytes came that make no answer")
        return TimedOut(device=device, after=timedelta(seconds=round(after, 3)))

    async def _unanswered(self, failure: TimedOut, unit: int) -> DriverError:
        """Close a TCP connection that has gone dead, so that it is made again."""
        now = asyncio.get_running_loop().time()
        if isinstance(self.settings, ModbusRtuSettings) or not self._vigil.unanswered(unit, now=now):
            return failure
        await self.close()
        return Unreachable(device=failure.device, why="nothing is answered on this connection any more")

    def _garbled(self, device: str, why: str) -> Garbled:
        self._unsettled = True
        return Garbled(device=device, why=why)

    async def _wait_for_silence(self, device: str, unit: int) -> None:
        """Keep the gap between frames, and after a failure on a serial line let late answers run out."""
        loop = asyncio.get_running_loop()
        if (left := self._late_until.get(unit, 0.0) - loop.time()) > 0:
            await asyncio.sleep(left)
        pause = self._pause
        if self._unsettled and self._serial_frames:
            pause = max(pause, self._quiet)
        deadline = loop.time() + _NOISE_PERIODS * pause
        while (left := self._silent_since + pause - loop.time()) > 0:
            if loop.time() > deadline:
                raise self._garbled(device, "the line is never quiet")
            await asyncio.sleep(left)

    def _new_client(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        settings = self.settings
        client: AsyncModbusTcpClient | AsyncModbusSerialClient
        timeout = settings.timeout.total_seconds()
        if isinstance(settings, ModbusRtuSettings):
            client = AsyncModbusSerialClient(
                settings.port,
                baudrate=settings.baudrate,
                parity=settings.parity,
                stopbits=settings.stopbits,
                bytesize=settings.bytesize,
                timeout=timeout,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._on_packet,
                trace_connect=self._on_connect,
            )
        else:
            client = AsyncModbusTcpClient(
                settings.host,
                framer=FramerType.RTU if self._serial_frames else FramerType.SOCKET,
                port=settings.port,
                timeout=timeout,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._on_packet,
                trace_connect=self._on_connect,
            )
        tolerant = _TolerantRtu if self._serial_frames else _TolerantSocket
        client.ctx.framer.decoder.register(SingleCoilPdu)
        client.ctx.framer = tolerant(client.ctx.framer, self._on_undecodable)
        client.set_max_no_responses(sys.maxsize)
        return client

    def _on_packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001 - pymodbus's signature
        self._silent_since = asyncio.get_running_loop().time()
        if not sending:
            self._answered_by_bytes = True
            if self._patience is not None and data:
                self._patience.heard(data[0])  # frames of serial lines begin with the unit
        return data

    def _on_connect(self, up: bool) -> None:  # noqa: FBT001 - pymodbus's signature
        if up:
            self._up.set()
        else:
            self._up.clear()
            self._fail(ConnectionError("closed by the other end"))

    def _on_undecodable(self) -> None:
        self._fail(ModbusIOException("undecodable"))

    def _fail(self, error: Exception) -> None:
        """End the request in flight now; pymodbus would let it run into its timeout."""
        if self._client is not None and self._waiting and not self._client.ctx.response_future.done():
            self._client.ctx.response_future.set_exception(error)


class _Tolerant(FramerBase):
    """Reports an undecodable answer; pymodbus would raise it into the event loop and drop a TCP connection over it."""

    def __init__(self, framer: FramerBase, report: Callable[[], None]) -> None:
        super().__init__(framer.decoder)
        self._report = report

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802 - pymodbus's name
        try:
            return super().handleFrame(data, exp_devid, exp_tid)
        except ModbusIOException:
            self._report()
            return len(data), None


class _TolerantRtu(_Tolerant, FramerRTU):
    pass


class _TolerantSocket(_Tolerant, FramerSocket):
    pass


def _refused(device: str, code: int) -> Refused:
    refused = Refused(device=device, code=code, why=EXCEPTIONS.get(code, "unknown exception"))
    refused.retry = code in PASSING
    return refused


def _watch_over(connection: socket.socket | None) -> None:
    """Let the kernel find a dead peer; serial lines have no socket, and not every system has every option."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
