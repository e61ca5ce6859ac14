"""A bus whose devices also speak by themselves, written by hand over a real TCP connection.

The far end (`Speaker`) sends lines: `!door card 42` is said by itself, `=door count 7` answers `?door`. The line `boom`
makes the bus's listening fail, and `hush` makes it end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from drivers.api import BadRequest, Hear, PointResult, TimedOut, Unreachable, Value


@dataclass(frozen=True, kw_only=True)
class TalkingSettings:
    port: int
    protocol: str = "talking"
    timeout: timedelta = timedelta(milliseconds=300)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


class TalkingBus:
    """`drivers.api.Bus` and `drivers.api.Talking`."""

    def __init__(self, settings: TalkingSettings, *, name: str) -> None:
        self.settings = settings
        self.name = name
        self.listens = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: asyncio.Queue[str] = asyncio.Queue()
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    @property
    def connected(self) -> bool:
        return self._writer is not None

    async def connect(self) -> None:
        await self.close()
        try:
            reader, self._writer = await asyncio.open_connection("127.0.0.1", self.settings.port)
        except OSError as error:
            raise Unreachable(device=self.name, why=str(error)) from error
        self._reading = asyncio.create_task(self._read(reader), name="talking bus")

    async def close(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    async def listen(self, hear: Hear) -> None:
        self.listens += 1
        while True:
            line = await self._said.get()
            if line == "boom":
                raise RuntimeError(line)
            if line == "hush":
                return
            device, point, value = line.removeprefix("!").split()
            hear(device, (PointResult(point=point, value=value),))

    async def ask(self, device: str) -> tuple[str, str]:
        if self._writer is None:
            raise Unreachable(device=device, why="the bus is not connected")
        self._writer.write(f"?{device}\n".encode())
        try:
            async with asyncio.timeout(self.settings.timeout.total_seconds()):
                _, point, value = (await self._answers.get()).split()
        except TimeoutError as error:
            raise TimedOut(device=device, after=self.settings.timeout) from error
        return point, value

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := (await reader.readline()).decode().strip():
            queue = self._answers if line.startswith("=") else self._said
            queue.put_nowait(line)
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


@dataclass
class TalkingDevice:
    bus: TalkingBus
    name: str

    async def read(self, points: Sequence[str], *, urgent: bool = False) -> Mapping[str, PointResult]:  # noqa: ARG002 - `Device` has it
        point, value = await self.bus.ask(self.name)
        return {one: PointResult(point=one, value=int(value) if one == point else None) for one in points}

    async def write(self, point: str, value: Value) -> None:
        raise BadRequest(device=self.name, why=f"{point} cannot be {value!r}")


@dataclass
class Speaker:
    """The far end; a device in `mute` does not answer when it is asked."""

    mute: set[str] = field(default_factory=set)
    asked: int = 0
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _server: Any = None

    def say(self, line: str) -> None:
        self._writers[-1].write(f"{line}\n".encode())

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                self.asked += 1
                if line.removeprefix("?") not in self.mute:
                    writer.write(f"={line.removeprefix('?')} count {self.asked}\n".encode())


@contextlib.asynccontextmanager
async def speaking() -> AsyncIterator[Speaker]:
    speaker = Speaker()
    await speaker.start()
    try:
        yield speaker
    finally:
        await speaker.stop()
