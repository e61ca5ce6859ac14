"""A database server that is not there: what the service says of it, before there is any connection."""

import asyncio
import socket
import struct

import pytest

from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.errors import Unavailable
from cloud.platform.migrate import check_schema, until_schema


async def ask(port: int) -> None:
    engine = open_engine(f"postgresql+asyncpg://linli@127.0.0.1:{port}/linli")
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with reading(engine):
                pass
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with transaction(engine):
                pass
    finally:
        await engine.dispose()


async def test_a_server_that_is_down_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    await ask(port)


async def test_a_server_that_hangs_up_at_once_is_unavailable() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        await ask(server.sockets[0].getsockname()[1])


async def starting_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as PostgreSQL does while it reads its log after a crash."""
    try:
        length, code = struct.unpack("!ii", await reader.readexactly(8))
        if code == 80877103:  # it is asked whether it speaks TLS
            writer.write(b"N")
            length, _ = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
        await reader.read()  # until the other side has hung up
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # it did so earlier
    finally:
        writer.transport.abort()


async def test_a_server_that_is_starting_up_is_unavailable_also_at_the_start_of_a_process() -> None:
    server = await asyncio.start_server(starting_up, "127.0.0.1", 0)
    async with server:
        engine = open_engine(f"postgresql+asyncpg://linli@127.0.0.1:{server.sockets[0].getsockname()[1]}/linli")
        with pytest.raises(Unavailable, match="starting up"):
            await check_schema(engine)
        await engine.dispose()


async def test_a_process_waits_for_its_database() -> None:
    asked = asyncio.Semaphore(0)

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await starting_up(reader, writer)
        asked.release()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with server:
        engine = open_engine(f"postgresql+asyncpg://linli@127.0.0.1:{server.sockets[0].getsockname()[1]}/linli")
        waiting = asyncio.create_task(until_schema(engine, random=lambda: 0.0))
        for _ in range(3):
            await asyncio.wait_for(asked.acquire(), 20)
        assert not waiting.done()
        waiting.cancel()  # it pauses now, for more than a second
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await engine.dispose()
