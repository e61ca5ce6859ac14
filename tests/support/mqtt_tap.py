"""A listener between MQTT clients and a real broker, which writes down every packet (MQTT 3.1.1, chapters 2 and 3)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

_NAMES = {1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 8: "SUBSCRIBE", 9: "SUBACK", 14: "DISCONNECT"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Will:
    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """One packet of one connection; `qos` and `retain` are those of a PUBLISH. CLOSE is the end of a connection."""

    connection: int
    from_client: bool
    kind: str
    topic: str = ""
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    protocol: int = 0
    clean_session: bool = False
    client_id: str = ""
    will: Will | None = None
    filters: tuple[tuple[str, int], ...] = ()

    @property
    def type(self) -> str:
        """The Sparkplug message type in a PUBLISH's topic."""
        levels = self.topic.split("/")
        return levels[1] if levels[1:2] == ["STATE"] else levels[2] if len(levels) > 2 else ""


@dataclass(kw_only=True)
class Tap:
    """What was heard, in the order in which it was said, over all connections."""

    port: int = 0
    host: str = "127.0.0.1"
    packets: list[Packet] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    most_open: int = 0
    _writers: dict[int, asyncio.StreamWriter] = field(default_factory=dict)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, packet: Packet) -> None:
        self.packets.append(packet)
        self._heard.set()

    def sent(self, kind: str = "PUBLISH", type_: str | None = None) -> list[Packet]:
        """What clients sent, of one kind, and of one Sparkplug type."""
        return [
            one for one in self.packets if one.from_client and one.kind == kind and (type_ is None or one.type == type_)
        ]

    async def until(self, what: str, holds: Callable[[], object], *, within: float = 30.0) -> None:
        """Wait until something holds, looking again after each packet."""
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._heard.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await self._heard.wait()
        except TimeoutError:
            said = [(one.connection, one.kind, one.topic) for one in self.packets]
            raise AssertionError(f"not within {within} s: {what}; heard {said}") from None

    def cut(self) -> None:
        """Cut all connections, without a word."""
        for writer in self._writers.values():
            writer.transport.abort()
        self.open.clear()

    def closed(self, connection: int) -> bool:
        return any(one.kind == "CLOSE" and one.connection == connection for one in self.packets)


@contextlib.asynccontextmanager
async def tapped(host: str, port: int) -> AsyncIterator[Tap]:
    """Listen on a free port, and hand everything on to the broker."""
    tap = Tap()
    numbers = iter(range(1, 1_000_000))
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            serving.discard(task)
            return
        tap._writers[number] = writer
        tap.open.add(number)
        tap.most_open = max(tap.most_open, len(tap.open))
        ways = {
            asyncio.create_task(_pump(tap, number, reader, up_writer, from_client=True)),
            asyncio.create_task(_pump(tap, number, up_reader, writer, from_client=False)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (writer, up_writer):
                one.close()
            tap.open.discard(number)
            tap._writers.pop(number, None)
            tap.hear(Packet(connection=number, from_client=True, kind="CLOSE"))
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    tap.port = server.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _pump(
    tap: Tap, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool
) -> None:
    held = b""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            held += data
            while (found := _split(held)) is not None:
                first, body, held = found
                packet = _read(number, first, body, from_client=from_client)
                if packet is not None:
                    tap.hear(packet)
            writer.write(data)
            await writer.drain()


def _split(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Give the first byte and the body of a packet, and what follows; None while it is incomplete."""
    length = shift = 0
    for index, byte in enumerate(data[1:5], start=1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            end = index + 1 + length
            return None if len(data) < end else (data[0], data[index + 1 : end], data[end:])
    return None


def _read(number: int, first: int, body: bytes, *, from_client: bool) -> Packet | None:
    kind = _NAMES.get(first >> 4)
    if kind == "CONNECT":
        return _connect(number, body)
    if kind == "PUBLISH":
        qos = first >> 1 & 3
        topic, rest = _text(body)
        payload = rest[2:] if qos else rest
        return Packet(
            connection=number,
            from_client=from_client,
            kind=kind,
            topic=topic,
            payload=payload,
            qos=qos,
            retain=bool(first & 1),
        )
    if kind == "SUBSCRIBE":
        return Packet(connection=number, from_client=from_client, kind=kind, filters=tuple(_filters(body[2:])))
    return None if kind is None else Packet(connection=number, from_client=from_client, kind=kind)


def _connect(number: int, body: bytes) -> Packet:
    _, rest = _text(body)
    protocol, flags = rest[0], rest[1]
    client_id, rest = _text(rest[4:])
    will = None
    if flags & 0x04:
        topic, rest = _text(rest)
        payload, rest = _bytes(rest)
        will = Will(topic=topic, payload=payload, qos=flags >> 3 & 3, retain=bool(flags & 0x20))
    return Packet(
        connection=number,
        from_client=True,
        kind="CONNECT",
        protocol=protocol,
        clean_session=bool(flags & 0x02),
        client_id=client_id,
        will=will,
    )


def _filters(rest: bytes) -> Iterator[tuple[str, int]]:
    while rest:
        name, rest = _text(rest)
        yield name, rest[0]
        rest = rest[1:]


def _bytes(data: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:2])
    return data[2 : 2 + length], data[2 + length :]


def _text(data: bytes) -> tuple[str, bytes]:
    raw, rest = _bytes(data)
    return raw.decode(), rest
