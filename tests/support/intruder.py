"""Second MQTT clients beside the demonstration's own: one with the agent's password, one with the service's.

They hear what the agent says, so that what they forge comes in its turn, and are otherwise as rude as a test wants.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiomqtt

from drivers.api import Value
from simulators.demo.layout import AGENT, COMMUNITY
from simulators.demo.stack import DEVICES, Stack
from wire import contract
from wire.datatypes import DataType
from wire.edge_node import REBIRTH
from wire.errors import WireError
from wire.payload import Metric, Payload, decode, encode
from wire.topic import MessageType, Topic, host_filters, parse

KINDS = {bool: DataType.BOOLEAN, int: DataType.INT64, float: DataType.DOUBLE, str: DataType.STRING}


def topic(kind: MessageType, device: str | None = None) -> str:
    return str(Topic(group=COMMUNITY, type=kind, node=AGENT, device=device))


@dataclass(kw_only=True)
class Intruder:
    """What the two clients can do. `aliases` maps the names of each device's current birth (None is the node's)."""

    as_agent: aiomqtt.Client
    as_cloud: aiomqtt.Client
    seq: int | None = None
    token: str = ""
    aliases: dict[str | None, dict[str, int]] = field(default_factory=dict)
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for message in self.as_cloud.messages:
            where = parse(str(message.topic))
            try:
                payload = decode(bytes(message.payload))
            except WireError:
                continue
            if where.type in {MessageType.NBIRTH, MessageType.DBIRTH}:
                names = {one.name: one.alias for one in payload.metrics if one.name and one.alias is not None}
                self.aliases[where.device] = names
            said = {self._name(where.device, one): one.value for one in payload.metrics}
            if where.device is None and said.get(contract.COMMAND_TOKEN):
                self.token = str(said[contract.COMMAND_TOKEN])
            if said.get(contract.COMMAND_OUTCOME):
                self.outcomes.append((str(said[contract.COMMAND_ID]), str(said[contract.COMMAND_OUTCOME])))
            self.seq = payload.seq
            self._news.set()

    def _name(self, device: str | None, metric: Metric) -> str:
        if metric.name:
            return metric.name
        return next((name for name, alias in self.aliases.get(device, {}).items() if alias == metric.alias), "")

    async def _heard(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def ask_rebirth(self) -> None:
        """Have everything declared anew, and wait until it is."""
        self.aliases.clear()
        metric = Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=True)
        await self.as_cloud.publish(topic(MessageType.NCMD), encode(Payload(timestamp_ms=0, metrics=(metric,))), qos=1)
        async with asyncio.timeout(20):
            while not (self.token and {None, *DEVICES} <= set(self.aliases)):
                await self._heard()

    async def raw(self, kind: MessageType, device: str | None, data: bytes) -> None:
        """Publish bytes as the agent."""
        await self.as_agent.publish(topic(kind, device), data, qos=1)

    async def forge(self, device: str, *metrics: Metric) -> None:
        """Publish a DDATA as the agent, in the moment in which its sequence number is the next."""
        async with asyncio.timeout(20):
            await self._heard()
        seq = 0 if self.seq is None else (self.seq + 1) % 256
        await self.raw(MessageType.DDATA, device, encode(Payload(timestamp_ms=0, seq=seq, metrics=metrics)))

    async def command(self, device: str, name: str, value: Value, *, token: str, command_id: str | None = None) -> str:
        """Send a DCMD as the service; gives its id."""
        command_id = command_id or str(uuid.uuid4())
        said: dict[str, Value] = {
            contract.command_metric(name): value,
            contract.COMMAND_ID: command_id,
            contract.COMMAND_TOKEN: token,
            contract.COMMAND_TIMEOUT_MS: 5000,
        }
        metrics = tuple(Metric(name=key, datatype=KINDS[type(one)], value=one) for key, one in said.items())
        data = encode(Payload(timestamp_ms=0, metrics=metrics))
        await self.as_cloud.publish(topic(MessageType.DCMD, device), data, qos=1)
        return command_id

    async def outcome(self, command_id: str, *, times: int = 1) -> list[str]:
        """Wait until the outcome of a command was said so many times."""
        async with asyncio.timeout(20):
            while True:
                found = [outcome for known, outcome in self.outcomes if known == command_id]
                if len(found) >= times:
                    return found
                await self._heard()


@asynccontextmanager
async def intruding(stack: Stack) -> AsyncIterator[Intruder]:
    """Log both clients in for the time of the context."""

    def client(user: str) -> aiomqtt.Client:
        password = (stack.layout.broker / "secrets" / f"{user}.password").read_text().strip()
        return aiomqtt.Client(
            "127.0.0.1", stack.ports.broker, username=user, password=password, identifier=f"intruder-{user}"
        )

    async with client(AGENT) as as_agent, client("cloud") as as_cloud:
        await as_cloud.subscribe([(name, 1) for name in host_filters(COMMUNITY)])
        intruder = Intruder(as_agent=as_agent, as_cloud=as_cloud)
        listening = asyncio.create_task(intruder.listen(), name="intruder")
        try:
            await intruder.ask_rebirth()
            yield intruder
        finally:
            while not listening.done():  # the library may swallow a cancellation that comes with an answer
                listening.cancel()
                await asyncio.wait({listening}, timeout=0.1)
