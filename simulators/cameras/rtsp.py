"""A camera over RTSP 1.0 (RFC 2326): Motion JPEG in RTP, interleaved in the TCP connection."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from simulators import disturbances as disturbing
from simulators.cameras import rtp_jpeg
from simulators.cameras.challenge import Guard
from simulators.cameras.serving import Connection, serve_connections
from simulators.cameras.station import CameraStation
from simulators.devices import Devices

_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 455: "Method Not Valid in This State"}
_REASONS |= {459: "Aggregate Operation Not Allowed", 461: "Unsupported Transport", 501: "Not Implemented"}
_REASONS |= {503: "Service Unavailable"}
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
_SESSION = "12345678"


def rtsp_path() -> str:
    """Name the path of the stream, as Hikvision has it."""
    return "/Streaming/Channels/101"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    method: str
    url: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """The path, without the track that SETUP adds."""
        return "/" + self.url.partition("://")[2].partition("/")[2].partition("?")[0].rstrip("/")


@asynccontextmanager
async def serve_rtsp(
    devices: Devices[CameraStation], *, host: str, port: int, guard: Guard | None = None
) -> AsyncIterator[int]:
    """Serve a camera's stream; gives the port. LineUnavailable."""
    (station,) = devices.by_name.values()

    async def serve(connection: Connection) -> None:
        await _Session(connection, station, guard).run()

    async with serve_connections(devices, serve, host=host, port=port) as real:
        yield real


class _Session:
    """One client's session: requests are answered while pictures go out on the same connection."""

    def __init__(self, connection: Connection, station: CameraStation, guard: Guard | None) -> None:
        self._connection = connection
        self._station = station
        self._guard = guard
        self._channel: int | None = None

    async def run(self) -> None:
        """Serve until the client goes."""
        playing: asyncio.Task[None] | None = None
        try:
            while True:
                request = await self._request()
                struck = self._station.disturbances.draw(self._station.random)
                if not disturbing.hears(struck):
                    continue
                status, more, body = self._answer(request, refused=disturbing.refusal(struck, range(0)) is not None)
                await self._reply(request, status, more, body)
                if status != 200:  # noqa: PLR2004 - RTSP's OK
                    continue
                if request.method == "PLAY" and playing is None:
                    playing = asyncio.create_task(self._play(), name="camera-play")
                if request.method == "TEARDOWN":
                    return
        finally:
            if playing is not None:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)

    async def _request(self) -> _Request:
        while True:
            first = await self._connection.exactly(1)
            if first != b"$":
                break
            # The client's receiver reports come between its requests.
            (length,) = struct.unpack(">xH", await self._connection.exactly(3))
            await self._connection.exactly(length)
        lines = (await self._connection.head()) or [""]
        method, url, _ = [*(first.decode("latin-1") + lines[0]).split(" "), "", ""][:3]
        headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:])}
        return _Request(method=method, url=url, headers=headers)

    def _answer(self, request: _Request, *, refused: bool) -> tuple[int, str, str]:
        """Give status, further headers, and the body."""
        guard = self._guard
        if refused:
            answer = 503, "", ""
        elif request.method == "OPTIONS":
            answer = 200, f"Public: {_METHODS}\r\n", ""
        elif guard is not None and not guard.lets_in(request.headers.get("authorization", ""), request.method):
            answer = 401, f"WWW-Authenticate: {guard.challenge}\r\n", ""
        elif not request.path.startswith(rtsp_path()):
            answer = 404, "", ""
        else:
            answer = self._obey(request)
        return answer

    def _obey(self, request: _Request) -> tuple[int, str, str]:
        match request.method:
            case "DESCRIBE":
                return 200, f"Content-Base: {request.url}/\r\nContent-Type: application/sdp\r\n", self._description()
            case "SETUP":
                return self._set_up(request.headers.get("transport", ""))
            case "PLAY":
                return (
                    (200, f"Session: {_SESSION}\r\nRange: npt=0-\r\n", "")
                    if self._channel is not None
                    else (455, "", "")
                )
            case "TEARDOWN" | "GET_PARAMETER" | "SET_PARAMETER":
                return 200, f"Session: {_SESSION}\r\n", ""
            case _:
                return 501, "", ""

    def _set_up(self, transport: str) -> tuple[int, str, str]:
        offers = [offer.strip().split(";") for offer in transport.split(",")]
        for offer in offers:
            if offer[0] == "RTP/AVP/TCP":
                channels = next((o.partition("=")[2] for o in offer if o.startswith("interleaved=")), "0-1")
                self._channel = int(channels.partition("-")[0])
                taken = f"RTP/AVP/TCP;unicast;interleaved={channels}"
                return 200, f"Session: {_SESSION};timeout=60\r\nTransport: {taken}\r\n", ""
        return 461, "", ""

    def _description(self) -> str:
        lens = self._station.lens
        return (
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            f"m=video 0 RTP/AVP {rtp_jpeg.PAYLOAD_TYPE}\r\na=control:track1\r\na=framerate:{lens.rate:g}\r\n"
        )

    async def _reply(self, request: _Request, status: int, more: str, body: str) -> None:
        head = f"RTSP/1.0 {status} {_REASONS[status]}\r\nCSeq: {request.headers.get('cseq', '0')}\r\n{more}"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        await self._connection.send((head + length + "\r\n" + body).encode())

    async def _play(self) -> None:
        station, channel = self._station, self._channel or 0
        sequence, started, source = station.random.randrange(1 << 16), None, station.random.randrange(1 << 32)
        while True:
            await asyncio.sleep(station.until_next())
            struck = station.disturbances.draw(station.random)
            if self._connection.is_behind or not disturbing.hears(struck):
                continue
            shot = station.shot()
            await asyncio.sleep(sum(one.delay_s for one in struck))
            started = shot.number if started is None else started
            passed = int((shot.number - started) / station.lens.rate * rtp_jpeg.CLOCK_HZ)
            scan = rtp_jpeg.scan_of(station.sent(shot, struck))
            interleaved = bytearray()
            for packet in rtp_jpeg.packets(scan, sequence=sequence, timestamp=passed, source=source):
                interleaved += struct.pack(">cBH", b"$", channel, len(packet)) + packet
                sequence += 1
            await self._connection.send(bytes(interleaved))
