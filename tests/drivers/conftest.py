"""Lines, peers and servers for the drivers' tests."""

from collections.abc import AsyncIterator

import pytest

from tests.support.modbus_peers import Line, Served, TcpPeer, served_rtu, served_tcp


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    yield line
    line.hang_up()


@pytest.fixture
async def tcp_peer() -> AsyncIterator[TcpPeer]:
    peer = TcpPeer()
    async with await peer.start():
        yield peer


@pytest.fixture(params=["tcp", "rtu"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with {"tcp": served_tcp, "rtu": served_rtu}[request.param]() as served:
        yield served
