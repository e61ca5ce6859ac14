"""How the kiosk begins and ends inside the agent: ports, cancellation, a gate that ends."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from edge.gate.config import KioskSettings
from edge.gate.kiosk.api import KioskState
from edge.gate.kiosk.hub import Hub
from edge.gate.kiosk.server import serve_kiosk
from tests.support.kiosk import FakeGate


class EndingGate(FakeGate):
    """A gate that says one thing, and then ends, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error

    async def subscribe(self) -> AsyncIterator[KioskState]:
        yield self.state
        await asyncio.sleep(0.2)
        if self.error is not None:
            raise self.error


async def test_it_serves_until_cancelled_and_leaves_the_port_free() -> None:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve_kiosk(FakeGate(), None, KioskSettings(port=0), ready=ready.set_result))
    port = await ready
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/api/start")
    assert answer.json()["staff"] is False
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    socket.create_server(("127.0.0.1", port)).close()


async def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve_kiosk(FakeGate(), None, KioskSettings(port=taken.getsockname()[1]), ready=lambda _port: None)


async def test_it_ends_with_the_gate() -> None:
    await asyncio.wait_for(serve_kiosk(EndingGate(), None, KioskSettings(port=0), ready=lambda _port: None), 20)


async def test_it_fails_as_the_gate_does() -> None:
    gate = EndingGate(ValueError("the gate broke"))
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(serve_kiosk(gate, None, KioskSettings(port=0), ready=lambda _port: None), 20)
    assert [str(one) for one in caught.value.exceptions] == ["the gate broke"]


async def test_a_hub_gives_the_newest_state_to_each_and_no_state_twice() -> None:
    gate = FakeGate()
    hub = Hub(gate)
    assert await hub.newer(0, within_s=0.01) is None
    following = asyncio.create_task(hub.run())
    first = await hub.newer(0, within_s=10)
    assert first is not None
    number, state = first
    assert state is gate.state
    assert await hub.newer(number, within_s=0.01) is None
    waiting = [asyncio.create_task(hub.newer(number, within_s=10)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.show(attempt=7)
    assert [one is not None and one[1].attempt for one in await asyncio.gather(*waiting)] == [7, 7, 7]
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
