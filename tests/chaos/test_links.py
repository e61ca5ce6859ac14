import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from simulators.chaos.links import Link, linked


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, linked(server.sockets[0].getsockname()[1]) as made:
        yield made


async def ask(link: Link, *, within_s: float = 5.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        writer.write(b"hello")
        return await asyncio.wait_for(reader.read(100), within_s)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_a_link_carries_both_ways(link: Link) -> None:
    assert await ask(link) == b"hello"


async def test_a_cut_link_breaks_what_stands_and_lets_nobody_through(link: Link) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    await ask(link)
    link.cut()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(100), 5) == b""
    writer.transport.abort()
    assert await ask(link) == b""
    link.mend()
    assert await ask(link) == b"hello"


async def test_a_silent_link_delivers_nothing_until_it_is_mended(link: Link) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"one")
    assert await asyncio.wait_for(reader.read(100), 5) == b"one"
    link.freeze()
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), 0.3)
    link.mend()
    assert await asyncio.wait_for(reader.read(100), 5) == b"two"
    writer.transport.abort()


async def test_a_slow_link_delivers_later(link: Link) -> None:
    link.delay_s = 0.2
    began = asyncio.get_running_loop().time()
    assert await ask(link) == b"hello"
    assert asyncio.get_running_loop().time() - began >= 0.4
