"""A database server that is not there: what the service says of it, before there is any connection."""

import asyncio
import socket

import pytest

from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.errors import Unavailable


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
