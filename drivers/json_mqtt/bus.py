"""The connection to a broker that devices publish to, as `drivers.api.Bus` has it."""

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from drivers.api import Hear, Observer, Settle, TimedOut, Unreachable
from drivers.json_mqtt.config import JsonMqttSettings
from drivers.json_mqtt.memory import Arrived, Fate, Memory
from drivers.json_mqtt.topics import Router, covering
from runtime.cancellation import honour_cancellation
from runtime.mqtt_client import MqttClient, Received

_SUBSCRIBE_AT_ONCE = 100
_REFUSED = 0x80
_WAITING = 20_000
"""Messages that may wait to be handed on. Each takes well under a millisecond, so that they never do for long."""
_AT_ONCE = 100
_GOODBYE_S = 2.0
_LAST_LOOKS = 50
_LAST_LOOK_S = 0.02
_KEPT_DELIVERIES = 2_000
_KEEPALIVE_S = 5
_KEEPALIVE = {
    "TCP_KEEPIDLE": _KEEPALIVE_S,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 1000 * _KEEPALIVE_S,
}


@dataclass(slots=True)
class Counts:
    """What became of the messages. `unread` counts points that could not be read; `unwanted` messages of nobody.

    `redelivered` counts what the broker said again because it had no acknowledgement, though it was here.
    """

    messages: int = 0
    malformed: int = 0
    duplicates: int = 0
    unread: int = 0
    unwanted: int = 0
    dropped: int = 0
    redelivered: int = 0


@dataclass(slots=True, eq=False)
class _Delivery:
    """A message of QoS 1 in the session: what it says, on which connection it came last, and whether it is durable."""

    content: int
    client: MqttClient
    handed_on: bool = False
    settled: bool = False


class _Inlet(asyncio.Queue[aiomqtt.Message]):
    """In place of aiomqtt's queue: what came is ours at once, also when the connection is lost in that moment."""

    def __init__(self, arrived: Callable[[aiomqtt.Message], None], *, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._arrived = arrived

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._arrived(item)


class MqttBus:
    """One broker. Devices are opened on it before it connects. All errors are DriverError.

    What devices say is taken while `listen` runs. `clock_ms` gives Unix time.
    """

    def __init__(
        self, settings: JsonMqttSettings, *, name: str, clock_ms: Callable[[], int], observe: Observer | None = None
    ) -> None:
        self.settings = settings
        self.name = name
        self.counts = Counts()
        self._observe = observe
        self._clock_ms = clock_ms
        self._router: Router[tuple[Memory, str]] = Router()
        self._filters: set[str] = set()
        self._client: MqttClient | None = None
        self._newest: MqttClient | None = None
        self._deliveries: dict[int, _Delivery] = {}
        self._settle: Settle = _at_once
        self._lost = ""
        self._up = asyncio.Event()
        self._inbox: deque[tuple[aiomqtt.Message, _Delivery | None]] = deque()
        self._news = asyncio.Event()
        self._heard_s = 0.0
        self._up_since = 0.0

    @property
    def connected(self) -> bool:
        """Whether the connection is believed to be open."""
        return self._client is not None

    @property
    def heard_s(self) -> float:
        """For how many seconds the connection was up, all in all."""
        if self._client is None:
            return self._heard_s
        return self._heard_s + asyncio.get_running_loop().time() - self._up_since

    def add(self, memory: Memory, filters: dict[str, str]) -> None:
        """Have the messages of a device: `filters` by the names of its profile's topics."""
        for topic, topic_filter in filters.items():
            self._router.add(topic_filter, (memory, topic))
            self._filters.add(topic_filter)

    def settle_by(self, settle: Settle) -> None:
        """Acknowledge to the broker only what is durable."""
        self._settle = settle

    async def connect(self) -> None:
        """Connect and subscribe; Unreachable when that cannot be had. A connection that was open is closed first."""
        await self.close()
        client = self._make_client()
        try:
            await client.__aenter__()
        except MqttConnectError as error:
            why = f"the broker refuses: {error}; check `username`, `password_file` and `client_id`"
            raise Unreachable(device=self.name, why=why) from error
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            await _leave(client)  # a peer that took the connection and said nothing would keep it, and connect later
            raise Unreachable(device=self.name, why=str(error) or type(error).__name__) from error
        except asyncio.CancelledError:
            await _leave(client)
            raise
        try:
            await self._subscribe(client)
        except (aiomqtt.MqttError, OSError) as error:
            await _leave(client)
            raise Unreachable(device=self.name, why=f"lost while subscribing: {error}") from error
        except BaseException:
            await _leave(client)
            raise
        self._client = client
        self._up_since = asyncio.get_running_loop().time()
        self._up.set()

    async def close(self) -> None:
        """Leave the broker, which keeps what is said meanwhile; never raises.

        What was handed on has a second to become durable and be acknowledged, or it would come once more.
        """
        client = self._client
        if client is not None:
            for _ in range(_LAST_LOOKS):
                if all(one.settled or not one.handed_on for one in self._deliveries.values()):
                    break
                await asyncio.sleep(_LAST_LOOK_S)
            self._is_lost(client, "closed")
            await _leave(client)

    async def listen(self, hear: Hear) -> None:
        """Pass on what the devices say, until cancelled, over any number of connections."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name=f"bus:{self.name}:watch")
            await self._hand_on(hear)

    async def publish(self, topic: str, payload: str, *, device: str) -> None:
        """Publish a command at QoS 1, not retained; returns when the broker has it. Unreachable, or TimedOut."""
        client = self._client
        if client is None:
            raise Unreachable(device=device, why=self._lost or "the bus is not connected")
        loop = asyncio.get_running_loop()
        started = loop.time()
        result = "ok"
        try:
            await client.publish(topic, payload.encode(), qos=1, retain=False)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            result = "TimedOut"
            raise TimedOut(device=device, after=self.settings.timeout) from error
        finally:
            if self._observe is not None:
                self._observe(device, loop.time() - started, result)

    def _make_client(self) -> MqttClient:
        settings = self.settings
        try:
            password = None if settings.password_file is None else Path(settings.password_file).read_text().strip()
            tls = ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None
        except (OSError, ValueError) as error:
            raise Unreachable(device=self.name, why=f"its password or certificate cannot be read: {error}") from error
        client = MqttClient(
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=password,
            identifier=settings.client_id,
            clean_session=False,
            logger=_quiet(),
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", partial(_Inlet, self._on_message)),
            keepalive=int(settings.keepalive.total_seconds()),
            timeout=settings.timeout.total_seconds(),
            tls_context=tls,
            socket_options=tuple(_socket_options()),
        )
        client.pending_calls_threshold = 1000  # commands wait for their acknowledgement side by side
        client.acknowledge_later()
        self._newest = client
        return client

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        filters = covering(self._filters)
        for at in range(0, len(filters), _SUBSCRIBE_AT_ONCE):
            some = filters[at : at + _SUBSCRIBE_AT_ONCE]
            granted = await client.subscribe([(one, 1) for one in some])
            for one, code in zip(some, granted, strict=True):
                if _code(code) >= _REFUSED:
                    raise Unreachable(device=self.name, why=f"the broker does not let this user subscribe to {one}")

    def _on_message(self, message: aiomqtt.Message) -> None:
        self.counts.messages += 1
        delivery = None
        if message.qos and self._newest is not None:
            delivery = self._delivery(message, self._newest)
            if delivery is None:
                self.counts.redelivered += 1
                return
        if len(self._inbox) >= _WAITING:
            # It is acknowledged all the same, or it would hold up those behind it.
            self.counts.dropped += 1
            self._hand_over(*self._inbox.popleft())
        self._inbox.append((message, delivery))
        self._news.set()

    def _delivery(self, message: aiomqtt.Message, client: MqttClient) -> _Delivery | None:
        """Keep the place of a message in the session; None for one that the broker says again, and that is here.

        The broker says it again under its old number, marked as such, when it had no acknowledgement.
        """
        content = hash((message.topic.value, message.payload))
        known = self._deliveries.pop(message.mid, None)
        again = isinstance(message, Received) and message.redelivered
        if known is None or not again or known.content != content:
            made = self._deliveries[message.mid] = _Delivery(content=content, client=client)
            self._forget_old()
            return made
        self._deliveries[message.mid] = known
        known.client = client
        if known.settled:
            # In its turn: acknowledgements go out in the order in which messages came.
            self._settle(partial(self._acknowledge, message.mid, known))
        return None

    def _forget_old(self) -> None:
        """Keep so many that are acknowledged: the broker may not have had it when the connection was lost."""
        if len(self._deliveries) > _KEPT_DELIVERIES:
            oldest = next(iter(self._deliveries))
            if self._deliveries[oldest].settled:
                del self._deliveries[oldest]

    def _hand_over(self, message: aiomqtt.Message, delivery: _Delivery | None) -> None:
        """Let a message be acknowledged once what it said is durable."""
        if delivery is not None:
            delivery.handed_on = True
            self._settle(partial(self._acknowledge, message.mid, delivery))

    def _acknowledge(self, mid: int, delivery: _Delivery) -> None:
        """Acknowledge a message on the connection on which it came; when that is lost, the broker says it again."""
        delivery.settled = True
        if delivery.client is self._newest:
            delivery.client.acknowledge(mid)

    async def _watch(self) -> None:
        """Notice that a connection is lost."""
        while True:
            await self._up.wait()
            client = self._client
            if client is None:
                self._up.clear()
                continue
            try:
                async for _ in client.messages:  # there never is one: the inlet has them
                    pass
            except aiomqtt.MqttError as error:
                self._is_lost(client, str(error))
                await _leave(client)
            honour_cancellation()

    def _is_lost(self, client: aiomqtt.Client, why: str) -> None:
        if self._client is client:
            self._heard_s = self.heard_s
            self._client = None
            self._up.clear()
            self._lost = f"the connection was lost: {why}"

    async def _hand_on(self, hear: Hear) -> None:
        while True:
            await self._news.wait()
            for _ in range(min(len(self._inbox), _AT_ONCE)):
                message, delivery = self._inbox.popleft()
                self._take(message, hear)
                self._hand_over(message, delivery)
            if not self._inbox:
                self._news.clear()
            await asyncio.sleep(0)

    def _take(self, message: aiomqtt.Message, hear: Hear) -> None:
        loop = asyncio.get_running_loop()
        wanted = False
        for memory, topic in self._router.find(message.topic.value):
            started = loop.time()
            arrived = Arrived(
                topic=topic,
                payload=message.payload,
                retained=message.retain,
                now=self.heard_s,
                at_ms=self._clock_ms(),
            )
            taken = memory.take(arrived)
            if taken.fate is Fate.FOREIGN:
                continue
            wanted = True
            self.counts.malformed += taken.fate is Fate.MALFORMED
            self.counts.duplicates += taken.fate is Fate.DUPLICATE
            self.counts.unread += taken.unread
            if taken.states:
                hear(memory.name, taken.states)
            for event in taken.events:
                hear(memory.name, (event,))
            if self._observe is not None:
                self._observe(memory.name, loop.time() - started, taken.fate.result)
        self.counts.unwanted += not wanted


def _at_once(then: Callable[[], None]) -> None:
    then()


def _quiet() -> logging.Logger:
    """Give a logger for the library: what it would say comes as errors, which the bus tells in its own words."""
    logger = logging.getLogger("drivers.json_mqtt.library")
    logger.setLevel(logging.CRITICAL)
    return logger


def _code(granted: object) -> int:
    value = getattr(granted, "value", granted)  # MQTT 5 has a reason in place of the number
    return value if isinstance(value, int) else _REFUSED


async def _leave(client: aiomqtt.Client) -> None:
    with suppress(aiomqtt.MqttError, TimeoutError, OSError):
        async with asyncio.timeout(_GOODBYE_S):
            await client.__aexit__(None, None, None)


def _socket_options() -> Iterator[tuple[int, int, int]]:
    """Find a far end that is gone without a word within seconds; and acknowledge at once, or the broker waits."""
    yield socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            yield socket.IPPROTO_TCP, getattr(socket, option), value
