"""The readers' driver on real lines: each read reaches whoever listens, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.address import DeviceAddress
from drivers.api import BadRequest, PointResult, Talking, TimedOut, Unreachable
from drivers.reader.config import ReaderSettings
from drivers.reader.driver import Reader, ReaderBus
from drivers.registry import BusSettings, open_bus, open_device
from runtime.config import ConfigError, validate
from tests.support.modbus_peers import Line, TcpPeer
from tests.support.spoken_profiles import reader_profile

TAG: dict[str, Any] = {"framing": "stx-etx", "check": "em4100", "content": "em4100", "gap": "100ms"}
CARD = b"\x026F007B39725F\x03"


class Ear:
    """Keeps what was told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, dict[str, PointResult]]] = asyncio.Queue()

    def hear(self, device: str, results: tuple[PointResult, ...]) -> None:
        self.heard.put_nowait((device, {result.point: result for result in results}))

    async def next(self) -> dict[str, object]:
        _, results = await asyncio.wait_for(self.heard.get(), 5)
        return {point: result.value for point, result in results.items()}

    async def texts(self, count: int) -> list[object]:
        return [(await self.next())["text"] for _ in range(count)]


@asynccontextmanager
async def reader_on(
    place: dict[str, object], ear: Ear | None, observed: list[str] | None = None, **how: object
) -> AsyncIterator[Reader]:
    settings: BusSettings = validate("test", {"protocol": "reader", "timeout": "1s", **place}, ReaderSettings)
    seen = observed if observed is not None else []
    bus = open_bus(settings, "readers", lambda unit, _, result: seen.append(f"{unit} {result}"))
    assert isinstance(bus, ReaderBus)
    assert isinstance(bus, Talking)
    reader = open_device(bus, DeviceAddress(), reader_profile(**how), "reader-1")
    assert isinstance(reader, Reader)
    listening = asyncio.create_task(bus.listen(ear.hear), name="listen") if ear is not None else None
    await bus.connect()
    await asyncio.sleep(0.25)  # what comes at once might be the rest of a read
    try:
        yield reader
    finally:
        if listening is not None:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        await bus.close()


async def counters(reader: Reader) -> tuple[object, object]:
    read = await reader.read(["count", "malformed"])
    return read["count"].value, read["malformed"].value


async def test_a_card_is_told_with_all_that_is_known_of_it(line: Line) -> None:
    ear, observed = Ear(), list[str]()
    async with reader_on({"port": line.path}, ear, observed, **TAG) as reader:
        line.send(CARD)
        assert await ear.next() == {"text": "6F007B3972", "card": "0008075634", "facility": 0x7B}
        assert await counters(reader) == (1, 0)
    assert observed == ["reader-1 ok"]


async def test_lines_are_told_over_tcp(tcp_peer: TcpPeer) -> None:
    ear = Ear()
    async with reader_on({"host": "127.0.0.1", "port": tcp_peer.port}, ear, gap="100ms"):
        tcp_peer.send(b"PASS-1\r\nPASS-2\r\n")
        results = [await ear.next(), await ear.next()]
    assert [result["text"] for result in results] == ["PASS-1", "PASS-2"]
    assert results[0]["card"] is None


async def test_a_card_that_lies_there_is_told_once_and_again_when_it_comes_back(line: Line) -> None:
    ear = Ear()
    async with reader_on({"port": line.path, "hold_off": "300ms"}, ear, **TAG) as reader:
        for _ in range(10):
            line.send(CARD)
            await asyncio.sleep(0.02)
        await ear.next()
        assert ear.heard.empty()
        await asyncio.sleep(0.4)
        line.send(CARD)
        await ear.next()
        assert (await counters(reader))[0] == 2


async def test_a_torn_read_is_counted_by_silence_alone_and_not_joined(line: Line) -> None:
    ear, observed = Ear(), list[str]()
    async with reader_on({"port": line.path}, ear, observed, gap="100ms") as reader:
        line.send(b"PASS")
        await asyncio.sleep(0.4)
        assert await counters(reader) == (0, 1)
        line.send(b"PASS-2\r")
        assert await ear.texts(1) == ["PASS-2"]
    assert observed == ["reader-1 Garbled", "reader-1 ok"]


async def test_every_one_of_a_thousand_reads_is_told_in_order(line: Line) -> None:
    ear = Ear()
    async with reader_on({"port": line.path}, ear) as reader:
        for block in range(20):
            line.send(b"".join(f"{block * 50 + number:06d}\r".encode() for number in range(50)))
            await asyncio.sleep(0.01)
        assert await ear.texts(1000) == [f"{number:06d}" for number in range(1000)]
        assert await counters(reader) == (1000, 0)


async def test_what_is_read_before_anybody_listens_is_kept_for_a_moment(line: Line) -> None:
    ear = Ear()
    async with reader_on({"port": line.path}, None) as reader:
        line.send(b"".join(f"{number:03d}\r".encode() for number in range(100)))
        await asyncio.sleep(0.1)
        listening = asyncio.create_task(reader.bus.listen(ear.hear), name="listen")
        assert await ear.texts(64) == [f"{number:03d}" for number in range(36, 100)]
        assert reader.bus.dropped == 36
        listening.cancel()


async def test_a_pass_from_long_ago_opens_nothing(line: Line) -> None:
    ear = Ear()
    async with reader_on({"port": line.path}, None) as reader:
        line.send(b"OLD\r")
        await asyncio.sleep(2.3)
        line.send(b"NEW\r")
        await asyncio.sleep(0.1)
        listening = asyncio.create_task(reader.bus.listen(ear.hear), name="listen")
        assert await ear.texts(1) == ["NEW"]
        assert reader.bus.dropped == 1
        listening.cancel()


async def test_a_line_that_hangs_up_is_unreachable_and_what_it_cut_off_is_counted(line: Line) -> None:
    async with reader_on({"port": line.path}, Ear(), gap="100ms") as reader:
        line.send(b"PASS")
        await asyncio.sleep(0.05)
        line.hang_up()
        await asyncio.sleep(0.3)
        assert not reader.bus.connected
        assert reader.session.malformed == 1
        with pytest.raises(Unreachable, match="connection was lost"):
            await reader.read(["count"])


async def test_reads_go_on_after_a_serial_server_came_back(tcp_peer: TcpPeer) -> None:
    ear = Ear()
    async with reader_on({"host": "127.0.0.1", "port": tcp_peer.port}, ear, gap="50ms") as reader:
        tcp_peer.send(b"PASS-1\rPA")
        assert await ear.texts(1) == ["PASS-1"]
        tcp_peer.send(b"")
        await asyncio.sleep(0.1)
        assert not reader.bus.connected
        await reader.bus.connect()
        await asyncio.sleep(0.1)
        tcp_peer.send(b"PASS-2\r")
        assert await ear.texts(1) == ["PASS-2"]
        assert await counters(reader) == (2, 1)


async def test_a_reader_that_should_say_that_it_lives_and_does_not_is_silent(tcp_peer: TcpPeer) -> None:
    how: dict[str, Any] = {"alive": "HEARTBEAT", "alive_within": "300ms", "gap": "50ms"}
    async with reader_on({"host": "127.0.0.1", "port": tcp_peer.port}, Ear(), **how) as reader:
        tcp_peer.send(b"HEARTBEAT\r")
        await asyncio.sleep(0.1)
        assert await counters(reader) == (0, 0)
        await asyncio.sleep(0.4)
        with pytest.raises(TimedOut):
            await reader.read(["count"])
        assert not reader.bus.connected


async def test_events_are_not_asked_for_and_nothing_is_written(line: Line) -> None:
    async with reader_on({"port": line.path}, Ear()) as reader:
        assert (await reader.read(["text"]))["text"].value is None
        with pytest.raises(BadRequest):
            await reader.read(["pin"])
        with pytest.raises(BadRequest):
            await reader.write("count", 0)
    assert line.heard == []


async def test_a_port_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        async with reader_on({"port": "/dev/no-such-port"}, None):
            pass


async def test_a_serial_server_that_drops_connections_at_once_is_unreachable() -> None:
    async def drop(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(drop, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="closed by the other end"):
            async with reader_on({"host": "127.0.0.1", "port": port}, None):
                pass


def test_settings_of_asked_lines_are_refused() -> None:
    with pytest.raises((ConfigError, ValidationError), match="device speaks by itself"):
        validate("test", {"protocol": "reader", "port": "/dev/ttyS0", "quiet": "1s"}, ReaderSettings)
