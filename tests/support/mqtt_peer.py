"""A device's side of a real broker, and a bus of the product that listens there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiomqtt

from drivers.address import DeviceAddress
from drivers.api import Device, PointResult
from drivers.json_mqtt.bus import MqttBus
from drivers.json_mqtt.config import JsonMqttSettings
from drivers.profile import Profile
from drivers.registry import open_bus, open_device
from tests.support.broker import Broker

USERS = {"agent": "agent-secret", "devices": "devices-secret"}


def bus_settings(broker: Broker, folder: Path, **more: object) -> JsonMqttSettings:
    file = folder / "agent.password"
    file.write_text(USERS["agent"] + "\n")
    return JsonMqttSettings(
        protocol="json-mqtt",
        host=broker.host,
        port=broker.port,
        client_id="linli-test",
        username="agent",
        password_file=str(file),
        timeout=timedelta(seconds=5),
        **more,  # type: ignore[arg-type]
    )


class Agent:
    """A bus, and all that its devices said by themselves."""

    def __init__(self, bus: MqttBus) -> None:
        self.bus = bus
        self.heard: list[tuple[str, tuple[PointResult, ...]]] = []
        self.observed: list[tuple[int | str, str]] = []

    def device(self, name: str, address: str, profile: Profile) -> Device:
        return open_device(self.bus, DeviceAddress(address=address), profile, name)

    def events(self, point: str) -> list[object]:
        return [one.value for _, results in self.heard for one in results if one.point == point]


def make_agent(settings: JsonMqttSettings) -> Agent:
    observed: list[tuple[int | str, str]] = []
    bus = open_bus(settings, "events", lambda device, _, result: observed.append((device, result)))
    assert isinstance(bus, MqttBus)
    agent = Agent(bus)
    agent.observed = observed
    return agent


@contextlib.asynccontextmanager
async def listening(agent: Agent) -> AsyncIterator[Agent]:
    await agent.bus.connect()
    task = asyncio.create_task(agent.bus.listen(lambda device, results: agent.heard.append((device, results))))
    try:
        yield agent
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await agent.bus.close()


@contextlib.asynccontextmanager
async def peer(broker: Broker, name: str = "peer") -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(
        broker.host, broker.port, username="devices", password=USERS["devices"], identifier=name
    ) as client:
        yield client


async def until(what: str, holds: object, *, within: float = 15.0) -> None:
    assert callable(holds)
    try:
        async with asyncio.timeout(within):
            while not holds():  # noqa: ASYNC110 - any condition, of any object
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {within} s: {what}") from None


def field_bus(folder: Path, field: Broker, *, username: str, password: str) -> str:
    """Give the table of a bus `air` at a broker of the field, and write its password."""
    (folder / "field.password").write_text(password)
    return f"""
[agents.edge-1.buses.air]
protocol = "json-mqtt"
host = "{field.host}"
port = {field.port}
client_id = "linli-edge-1"
username = "{username}"
password_file = "{folder / "field.password"}"
"""
