"""Cameras over HTTP/1.1: Motion JPEG, and the radiometric answer of ISAPI."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from simulators import disturbances as disturbing
from simulators.cameras.challenge import Guard
from simulators.cameras.serving import Connection, serve_connections
from simulators.cameras.station import CameraStation, ThermalStation
from simulators.devices import Devices
from simulators.disturbances import Kind

_BOUNDARY = b"picture"
_NO_LENGTH = b"Cache-Control: no-store\r\nConnection: close\r\n"
_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 503: b"Service Unavailable"}


def mjpeg_path() -> str:
    """Name the path of the stream."""
    return "/video.mjpg"


def radiometric_path() -> str:
    """Name the path of the radiometric picture, as Hikvision has it."""
    return "/ISAPI/Thermal/channels/2/thermometry/jpegPicWithAppendData"


@asynccontextmanager
async def serve_mjpeg(
    devices: Devices[CameraStation], *, host: str, port: int, guard: Guard | None = None
) -> AsyncIterator[int]:
    """Serve a camera's Motion JPEG stream; gives the port. LineUnavailable."""
    (station,) = devices.by_name.values()

    async def serve(connection: Connection) -> None:
        while (await _asked(connection, station, mjpeg_path(), guard)) is False:
            pass
        kind = b"multipart/x-mixed-replace; boundary=--" + _BOUNDARY
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n" + _NO_LENGTH + b"\r\n")
        while True:
            await asyncio.sleep(station.until_next())
            struck = station.disturbances.draw(station.random)
            if connection.is_behind or not disturbing.hears(struck):
                continue
            shot = station.shot()
            await asyncio.sleep(sum(one.delay_s for one in struck))
            head = b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %d\r\n\r\n"
            noise = station.random.randbytes(300) if any(one.kind is Kind.NOISE for one in struck) else b""
            part = head % (_BOUNDARY, len(shot.data), shot.at_ms) + station.sent(shot, struck) + b"\r\n"
            await connection.send(noise + part)

    async with serve_connections(devices, serve, host=host, port=port) as real:
        yield real


@asynccontextmanager
async def serve_radiometric(
    devices: Devices[ThermalStation], *, host: str, port: int, guard: Guard | None = None
) -> AsyncIterator[int]:
    """Serve a radiometric camera; gives the port. LineUnavailable."""
    (station,) = devices.by_name.values()

    async def serve(connection: Connection) -> None:
        while True:
            if not await _asked(connection, station, radiometric_path(), guard):
                continue
            struck = station.disturbances.draw(station.random)
            await asyncio.sleep(sum(one.delay_s for one in struck))
            body = station.shot().data
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=boundary\r\nContent-Length: %d\r\n\r\n"
            )
            if any(one.kind is Kind.TRUNCATED for one in struck):
                await connection.send(head % len(body) + body[: station.random.randrange(len(body))])
                return
            if any(one.kind is Kind.NOISE for one in struck):
                at = station.random.randrange(len(body) - 8)
                body = body[:at] + station.random.randbytes(8) + body[at + 8 :]
            await connection.send(head % len(body) + body)

    async with serve_connections(devices, serve, host=host, port=port) as real:
        yield real


async def _asked(
    connection: Connection, station: CameraStation | ThermalStation, path: str, guard: Guard | None
) -> bool:
    """Read one request; whether it may have what it asks for. Otherwise it was answered already."""
    head = await connection.head()
    method, _, rest = head[0].partition(" ")
    target = rest.rpartition(" ")[0].partition("?")[0]
    headers = _headers(head[1:])
    struck = station.disturbances.draw(station.random)
    while not disturbing.hears(struck):
        await asyncio.sleep(0.05)
        struck = station.disturbances.draw(station.random)
    refused = disturbing.refusal(struck, range(0)) is not None
    if refused:
        await _answer(connection, 503)
    elif method != "GET":
        await _answer(connection, 400)
    elif guard is not None and not guard.lets_in(headers.get("authorization", ""), method):
        await _answer(connection, 401, f"WWW-Authenticate: {guard.challenge}\r\n".encode())
    elif target != path:
        await _answer(connection, 404)
    else:
        return True
    return False


async def _answer(connection: Connection, status: int, more: bytes = b"") -> None:
    await connection.send(b"HTTP/1.1 %d %b\r\n%bContent-Length: 0\r\n\r\n" % (status, _REASONS[status], more))


def _headers(lines: list[str]) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
