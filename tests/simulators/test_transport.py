"""How lines are served, whatever is spoken on them: they go and come back in their place, and connections go dead."""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.api import Value
from drivers.catalog import catalog_profile
from simulators.devices import Devices
from simulators.disturbances import Disturbances, Part, Transport
from simulators.machines.registry import make_machine
from simulators.pseudo_terminal import LineUnavailable
from simulators.transmitter import Reply, Transmitter
from simulators.transport import serve_port, serve_terminal

PROFILE = catalog_profile("xy-md02")
NAME = "echo"


class Echo:
    """A device that does nothing but be there."""

    name = NAME
    unit = 1
    profile = PROFILE

    def __init__(self) -> None:
        self.machine = make_machine(PROFILE)
        self.disturbances = Disturbances()

    def tick(self, dt_s: float) -> None:
        pass

    def values(self) -> Mapping[str, Value]:
        return {}


class Lines:
    """Says every line of text again; a line that begins with `?` is none of its protocol."""

    def __init__(self, transmitter: Transmitter, silence_s: float | None) -> None:
        self.silence_s = silence_s
        self._transmitter = transmitter
        self._text = b""

    def hear(self, data: bytes) -> bool:
        self._text += data
        while b"\n" in self._text:
            line, self._text = self._text.split(b"\n", 1)
            if line.startswith(b"?"):
                raise ValueError("not spoken here")
            self._transmitter.send(Reply(parts=(Part(after_s=0.0, data=line + b"\n"),), note=lambda: None))
        return bool(self._text)

    def forget(self) -> None:
        self._text = b""


def echoes(transport: Transport) -> Devices[Echo]:
    return Devices([Echo()], transport=transport)


def listen(transmitter: Transmitter) -> Lines:
    return Lines(transmitter, None)


def listen_with_silence(transmitter: Transmitter) -> Lines:
    return Lines(transmitter, 0.05)


class Client:
    """Somebody on the other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, text: bytes, patience_s: float = 3.0) -> bytes | None:
        """Give what is said again; None when nothing comes, nothing at all when the connection is over."""
        with suppress(ConnectionError):
            self._writer.write(text + b"\n")
            await self._writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    return (await self._reader.readline()).rstrip(b"\n")
            return None
        return b""

    async def send(self, text: bytes) -> None:
        self._writer.write(text)
        await self._writer.drain()

    async def ends(self) -> bool:
        with suppress(ConnectionError):
            async with asyncio.timeout(3):
                return await self._reader.read(1) == b""
        return True

    def close(self) -> None:
        self._writer.close()


async def client(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def connected_again(port: int) -> Client:
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                return await client(port)
            await asyncio.sleep(0.02)


# ---- a port


async def test_a_dropped_port_refuses_and_comes_back_in_its_place() -> None:
    devices = echoes(Transport.TCP)
    async with serve_port(devices, listen, host="127.0.0.1", port=0) as port:
        first = await client(port)
        assert await first.ask(b"one") == b"one"
        devices.fault(NAME, "line-dropped")
        assert await first.ends()
        with pytest.raises(OSError):  # noqa: PT011 - refused, whatever the system calls it
            await client(port)
        devices.clear(NAME, "line-dropped")
        second = await connected_again(port)
        assert await second.ask(b"two") == b"two"
        for one in (first, second):
            one.close()


async def test_a_port_that_somebody_took_meanwhile_comes_back_when_it_is_free() -> None:
    devices = echoes(Transport.TCP)
    async with serve_port(devices, listen, host="127.0.0.1", port=0) as port:
        devices.fault(NAME, "line-dropped")
        await asyncio.sleep(0)
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", port))
            thief.listen()
            devices.clear(NAME, "line-dropped")
            await asyncio.sleep(0.7)  # longer than it waits between two tries
        back = await connected_again(port)
        assert await back.ask(b"mine") == b"mine"
        back.close()


async def test_half_open_leaves_what_is_connected_dead_and_takes_new_ones() -> None:
    devices = echoes(Transport.TCP)
    async with serve_port(devices, listen, host="127.0.0.1", port=0) as port:
        old = await client(port)
        assert await old.ask(b"one") == b"one"
        devices.fault(NAME, "half-open")
        assert await old.ask(b"anybody there", patience_s=0.2) is None
        new = await client(port)
        assert await new.ask(b"two") == b"two"
        devices.fault(NAME, "half-open")  # once more changes nothing for the new one
        assert await new.ask(b"three") == b"three"
        devices.clear(NAME, "half-open")
        assert await old.ends()
        assert await new.ask(b"four") == b"four"
        for one in (old, new):
            one.close()


async def test_who_speaks_something_else_is_cut_off() -> None:
    devices = echoes(Transport.TCP)
    async with serve_port(devices, listen, host="127.0.0.1", port=0) as port:
        one = await client(port)
        assert await one.ask(b"?") == b""
        one.close()


async def test_what_is_unfinished_is_forgotten_after_a_silence_where_there_is_one() -> None:
    devices = echoes(Transport.TCP)
    for hears, expected in ((listen, b"half of it and the rest"), (listen_with_silence, b" and the rest")):
        async with serve_port(devices, hears, host="127.0.0.1", port=0) as port:
            one = await client(port)
            await one.send(b"half of it")
            await asyncio.sleep(0.3)
            assert await one.ask(b" and the rest") == expected
            one.close()


async def test_a_taken_port_is_unavailable() -> None:
    devices = echoes(Transport.TCP)
    async with serve_port(devices, listen, host="127.0.0.1", port=0) as port:
        with pytest.raises(LineUnavailable, match=f"127.0.0.1:{port}"):
            async with serve_port(devices, listen, host="127.0.0.1", port=port):
                pass


# ---- a serial line


async def said(link: Path, text: bytes) -> bytes:
    """Write a line to the pseudo-terminal, and give what comes back."""
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(descriptor, text + b"\n")
        heard = b""
        async with asyncio.timeout(3):
            while not heard.endswith(b"\n"):
                with suppress(BlockingIOError):
                    heard += os.read(descriptor, 64)
                await asyncio.sleep(0.01)
        return heard.rstrip(b"\n")
    finally:
        os.close(descriptor)


async def test_a_serial_line_is_back_at_once(tmp_path: Path) -> None:
    devices = echoes(Transport.SERIAL)
    link = tmp_path / "line"
    async with serve_terminal(devices, listen, link=link):
        assert await said(link, b"one") == b"one"
        devices.fault(NAME, "line-dropped")
        assert not link.is_symlink()
        devices.clear(NAME, None)
        assert await said(link, b"two") == b"two"
    assert not link.is_symlink()


async def test_a_serial_line_whose_place_is_taken_comes_back_when_it_is_free(tmp_path: Path) -> None:
    devices = echoes(Transport.SERIAL)
    link = tmp_path / "line"
    async with serve_terminal(devices, listen, link=link):
        devices.fault(NAME, "line-dropped")
        link.write_text("in the way")
        devices.clear(NAME, None)
        await asyncio.sleep(0.1)
        assert not link.is_symlink()
        link.unlink()
        async with asyncio.timeout(10):
            while not link.is_symlink():  # noqa: ASYNC110 - a link tells nobody that it is there
                await asyncio.sleep(0.02)
        assert await said(link, b"here again") == b"here again"


async def test_noise_on_a_serial_line_is_over_with_the_next_silence(tmp_path: Path) -> None:
    devices = echoes(Transport.SERIAL)
    link = tmp_path / "line"
    async with serve_terminal(devices, listen_with_silence, link=link):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await said(link, b"?")
        assert await said(link, b"clear") == b"clear"
