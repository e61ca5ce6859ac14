"""Listening: a proxy between a master and a Modbus TCP port, and an ear on a serial line. Neither changes a byte."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from drivers.inspection.dialogue import Event
from drivers.inspection.ears import ConnectionEar, LineEar
from drivers.inspection.links import LinkError, open_line

Emit = Callable[[Event], None]
Place = tuple[str, int]
_Take = Callable[[bytes, float], list[Event]]

_CHUNK = 4096
_SILENCE_S = 0.03  # adapters and kernels pass bytes on with less delay than this, and devices answer after more
_LOOK_S = 0.2


async def watch_tcp(
    listen: Place, to: Place, *, ear: Callable[[], ConnectionEar], emit: Emit, ready: Callable[[Place], None]
) -> None:
    """Pass on whatever comes to `listen`, and tell every frame, until cancelled.

    `ready` gets the place that is really used (for port 0). LinkError when it is taken. A target that cannot be reached
    closes the connection of whoever asked.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):  # cancelled when the command ends, which is this task's end too
            await _pass_on(reader, writer, to, ear(), emit)
        writer.close()

    try:
        server = await asyncio.start_server(serve, *listen)
    except OSError as error:
        raise LinkError(f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror or error}") from error
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        ready((str(host), int(port)))
        await server.serve_forever()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Place, ear: ConnectionEar, emit: Emit
) -> None:
    device_reader, device_writer = await asyncio.open_connection(*to)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, take: _Take) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                sink.write(data)
                for event in take(data, time.time()):
                    emit(event)
                await sink.drain()
        for end in (writer, device_writer):  # one side hung up, so the other is hung up too
            end.close()

    async def look() -> None:
        while not writer.is_closing():
            await asyncio.sleep(_LOOK_S)
            for event in ear.overdue(time.time()):
                emit(event)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pump(reader, device_writer, ear.asked), name="monitor:requests")
            tasks.create_task(pump(device_reader, writer, ear.answered), name="monitor:answers")
            tasks.create_task(look(), name="monitor:overdue")
    finally:
        device_writer.close()


def watch_serial(
    port: str, *, baudrate: int, parity: str, stopbits: int, ear: LineEar, emit: Emit, stop: Callable[[], bool]
) -> None:
    """Listen on a two-wire line, where requests and answers pass by alike, until `stop`; nothing is ever sent.

    Blocks; LinkError when the line cannot be opened, or is lost.
    """
    try:
        with open_line(port, baudrate=baudrate, parity=parity, stopbits=stopbits, wait_s=_SILENCE_S) as line:
            while not stop():
                data = line.read(1)
                now = time.time()
                events = ear.heard(data + line.read(line.in_waiting) if data else b"", now)
                for event in (*events, *ear.overdue(now)):
                    emit(event)
    except (OSError, ValueError) as error:  # pyserial's own error is an OSError; ValueError for impossible settings
        raise LinkError(f"{port}: {error}") from error
