"""A broker, or what stands before it, that drops connections before it has answered them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from runtime.mqtt_client import MqttClient
from tests.support.broker import running_broker
from tests.support.tcp_proxy import Proxy, proxied

USERS = {"cloud": "secret"}
IN_TIME_S = 5.0
"""Half of what the library would wait for the answer to one CONNECT."""


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        proxied(broker.port) as proxy,
    ):
        yield proxy


def client(proxy: Proxy, password: str = USERS["cloud"]) -> MqttClient:
    return MqttClient("127.0.0.1", proxy.port, username="cloud", password=password)


async def test_a_connection_reset_before_its_answer_fails_at_once(proxy: Proxy) -> None:
    proxy.resets = 3
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(aiomqtt.MqttError):
            async with client(proxy):
                pass
        assert time.monotonic() - started < IN_TIME_S
    async with client(proxy) as connected:
        await connected.publish("a/b", b"1", qos=1)


async def test_a_client_that_failed_connects_when_it_is_entered_again(proxy: Proxy) -> None:
    proxy.resets = 1
    again = client(proxy)
    with pytest.raises(aiomqtt.MqttError):
        await again.__aenter__()
    async with again:
        await again.publish("a/b", b"1", qos=1)


async def test_a_refusal_is_still_told_as_one(proxy: Proxy) -> None:
    with pytest.raises(aiomqtt.exceptions.MqttConnectError, match="Not authorized"):
        await client(proxy, "wrong").__aenter__()


async def test_a_socket_that_closes_before_it_is_written_leaves_nothing_behind(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    troubles: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: troubles.append(context))
    async with client(proxy) as connected:
        closed, far = socket.socketpair()
        number = closed.fileno()
        connected._on_socket_register_write(connected._client, None, closed)
        closed.close()
        one, other = socket.socketpair()
        with far, one, other:
            assert number in {one.fileno(), other.fileno()}  # the system gives the lowest number that is free
            await asyncio.sleep(0.01)
            assert not loop.remove_writer(number)
        await connected.publish("a/b", b"1", qos=1)
    assert troubles == []
