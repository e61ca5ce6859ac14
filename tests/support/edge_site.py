"""A site for the agent's tests: real broker, real Modbus units, the agent in this process, and a host that listens."""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt

from drivers.api import Value
from edge.app import run_agent
from edge.config import load_site
from runtime.lifecycle import until_stopped
from tests.support.broker import Broker, free_port
from tests.support.modbus_server import ModbusUnits
from wire import contract
from wire.datatypes import DataType
from wire.payload import Metric, Payload, decode, encode, resolve
from wire.topic import MessageType, Topic, host_filters, parse

GROUP, NODE = "sunshine-garden", "edge-1"
PROFILES = Path(__file__).parent.parent / "edge" / "profiles"
USERS = {"edge-1": "secret-of-edge-1", "cloud": "secret-of-cloud"}


def site_text(
    tables: str,
    *,
    host: str = "127.0.0.1",
    port: int = 1883,
    http: int = 0,
    profiles: Path | str | None = None,
    keepalive: str = "15s",
) -> str:
    """Give a site: what every one has, and the `tables` of its buses and devices."""
    local = "" if profiles is None else f'profiles = "{profiles}"\n'
    return f"""schema = 1
[site]
community = "{GROUP}"
time_zone = "Asia/Shanghai"
{local}[broker]
host = "{host}"
port = {port}
username = "{NODE}"
password_file = "{NODE}.password"
keepalive = "{keepalive}"
[agents.{NODE}]
data = "data"
http = {{ host = "127.0.0.1", port = {http} }}
{tables}"""


def put_site(
    folder: Path,
    broker: Broker,
    tables: str,
    *,
    profiles: Path | str | None = None,
    keepalive: str = "15s",
    password: str = USERS[NODE],
) -> Path:
    """Write a site and its password into a folder; its agent serves `/health` on a free port."""
    (folder / f"{NODE}.password").write_text(password + "\n")
    file = folder / "site.toml"
    http = free_port()
    file.write_text(
        site_text(tables, host=broker.host, port=broker.port, http=http, profiles=profiles, keepalive=keepalive)
    )
    return file


def write_site(
    folder: Path, broker: Broker, units: ModbusUnits, *, password: str = USERS["edge-1"], devices: int = 1
) -> Path:
    """Write a site file with `pump-1`, `pump-2`, … on one bus; its agent serves `/health` on a free port."""
    tables = f"""
[agents.edge-1.buses.pump-room]
protocol = "modbus-tcp"
host = "127.0.0.1"
port = {units.port}
timeout = "300ms"
"""
    for number in range(1, devices + 1):
        tables += f"""
[agents.edge-1.devices.pump-{number}]
profile = "bench-pump"
bus = "pump-room"
unit = {number}
label = {{ zh = "{number}号泵", en = "Pump {number}" }}
place = "3号楼/地下泵房"
[agents.edge-1.devices.pump-{number}.alarms.dry_run]
on_delay = "2s"
"""
    return put_site(folder, broker, tables, profiles=PROFILES, keepalive="2s", password=password)


@asynccontextmanager
async def running_agent(file: Path) -> AsyncIterator[asyncio.Task[None]]:
    """Run the agent as its process does; a stop is the same as SIGTERM."""
    stop = asyncio.Event()
    config = load_site(file)
    task = asyncio.create_task(until_stopped(stop, run_agent(config, NODE, stop), name="agent"))
    try:
        yield task
    finally:
        stop.set()
        await task


def health(file: Path) -> dict[str, Any]:
    """Ask the agent of a site for its health."""
    return dict(json.loads(_get(file, "health")))


def metrics_text(file: Path) -> str:
    """Ask the agent of a site for its figures."""
    return _get(file, "metrics")


def _get(file: Path, page: str) -> str:
    http = load_site(file).settings.agents[NODE].http
    with urllib.request.urlopen(f"http://{http.host}:{http.port}/{page}") as answer:
        return str(answer.read().decode())


@dataclass(kw_only=True)
class Heard:
    """One message of the node, its metrics by name."""

    type: MessageType
    device: str | None
    seq: int | None
    metrics: dict[str, Metric]

    @property
    def offset(self) -> int | None:
        """The journal offset of a record; None for what is no record."""
        found = self.metrics.get(contract.JOURNAL_OFFSET)
        is_record = self.type in {MessageType.DDATA, MessageType.NDATA} and found is not None
        return int(found.value) if is_record and found is not None and isinstance(found.value, int) else None

    def value(self, name: str) -> object:
        """Give a metric's value."""
        return self.metrics[name].value


@dataclass(kw_only=True)
class Host:
    """A host that keeps all it hears, takes records in order as docs/CONTRACT.md says, and acknowledges on request."""

    client: aiomqtt.Client
    acknowledging: bool = True
    heard: list[Heard] = field(default_factory=list)
    journal_id: str = ""
    watermark: int = 0
    taken: list[Heard] = field(default_factory=list)
    _births: dict[str | None, dict[int, Metric]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for message in self.client.messages:
            self._hear(str(message.topic), message.payload)
            if self.acknowledging and self.watermark:
                await self.acknowledge(self.watermark)
            self._changed.set()

    def _hear(self, name: str, data: bytes) -> None:
        topic, payload = parse(name), decode(data)
        metrics = payload.metrics
        if topic.type in {MessageType.NBIRTH, MessageType.DBIRTH}:
            if topic.device is None:
                self._births.clear()
            self._births[topic.device] = {one.alias: one for one in metrics if one.alias is not None}
        elif topic.type in {MessageType.NDATA, MessageType.DDATA}:
            declared = self._births[topic.device]
            metrics = tuple(resolve(one, declared[one.alias or 0]) for one in metrics)
        heard = Heard(
            type=topic.type, device=topic.device, seq=payload.seq, metrics={one.name or "": one for one in metrics}
        )
        self.heard.append(heard)
        if topic.type is MessageType.NBIRTH and str(heard.value(contract.JOURNAL_ID)) != self.journal_id:
            self.journal_id = str(heard.value(contract.JOURNAL_ID))
            first = heard.value(contract.JOURNAL_FIRST)
            self.watermark = int(str(first)) - 1
        if heard.offset is not None and heard.offset == self.watermark + 1:
            self.taken.append(heard)
            gap = heard.metrics.get(contract.JOURNAL_GAP_TO)
            self.watermark = heard.offset if gap is None else int(str(gap.value))

    async def acknowledge(self, offset: int, *, journal_id: str | None = None) -> None:
        await self.node_command(contract.JOURNAL_ACK, f"{journal_id or self.journal_id}:{offset}")

    async def node_command(self, name: str, value: Value) -> None:
        kind = DataType.BOOLEAN if isinstance(value, bool) else DataType.STRING
        await self._send(MessageType.NCMD, None, [Metric(name=name, datatype=kind, value=value)])

    async def command(
        self,
        device: str,
        name: str,
        value: Value,
        *,
        token: str | None = None,
        command_id: str | None = None,
        timeout_ms: int = 5000,
    ) -> str:
        """Send a DCMD with the newest token (or `token`); gives its id."""
        command_id = command_id or str(uuid.uuid4())
        kind = {bool: DataType.BOOLEAN, int: DataType.INT64, float: DataType.DOUBLE, str: DataType.STRING}[type(value)]
        said = {
            contract.command_metric(name): (kind, value),
            contract.COMMAND_ID: (DataType.STRING, command_id),
            contract.COMMAND_TOKEN: (DataType.STRING, self.token if token is None else token),
            contract.COMMAND_TIMEOUT_MS: (DataType.INT64, timeout_ms),
        }
        metrics = [Metric(name=key, datatype=kind, value=one) for key, (kind, one) in said.items()]
        await self._send(MessageType.DCMD, device, metrics)
        return command_id

    @property
    def token(self) -> str:
        """The newest token that the agent published."""
        carriers = [one for one in self.heard if one.device is None and contract.COMMAND_TOKEN in one.metrics]
        return str(carriers[-1].value(contract.COMMAND_TOKEN))

    async def outcome(self, command_id: str, *, times: int = 1) -> Heard:
        """Wait for the outcome of a command."""
        return (await self.until(lambda: [one for one in self.taken if _is_outcome(one, command_id)], times))[-1]

    async def raw(self, topic: str, data: bytes) -> None:
        await self.client.publish(topic, data)

    async def _send(self, kind: MessageType, device: str | None, metrics: list[Metric]) -> None:
        topic = str(Topic(group=GROUP, type=kind, node=NODE, device=device))
        await self.raw(topic, encode(Payload(timestamp_ms=0, metrics=tuple(metrics))))

    def of(self, kind: MessageType, device: str | None = None) -> list[Heard]:
        """Give what was heard of one type."""
        return [one for one in self.heard if one.type is kind and one.device == device]

    async def until(self, found: Callable[[], list[Heard]], count: int = 1, *, within: float = 20.0) -> list[Heard]:
        """Wait until `found` gives at least `count`."""
        async with asyncio.timeout(within):
            while len(result := found()) < count:
                self._changed.clear()
                await self._changed.wait()
        return result


def _is_outcome(one: Heard, command_id: str) -> bool:
    found = one.metrics.get(contract.COMMAND_ID)
    return found is not None and found.value == command_id


@asynccontextmanager
async def listening_host(broker: Broker) -> AsyncIterator[Host]:
    """Connect a host to the broker for the time of the context."""
    client = aiomqtt.Client(
        broker.host, broker.port, username="cloud", password=USERS["cloud"], identifier="cloud", clean_session=True
    )
    client.pending_calls_threshold = 1000
    async with client:
        host = Host(client=client)
        await client.subscribe([(name, 1) for name in host_filters(GROUP)])
        task = asyncio.create_task(host.listen(), name="host")
        try:
            yield host
        finally:
            while not task.done():  # the library may swallow a cancellation that comes with an answer
                task.cancel()
                await asyncio.wait({task}, timeout=0.1)
