"""A radiometric camera over real HTTP: the newest picture, and what is wrong with it."""

import asyncio
import logging
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from drivers.api import BadRequest, DriverError, Garbled, Refused, TimedOut, Unreachable
from drivers.registry import open_bus
from simulators.cameras import warmth
from tests.support.cameras import (
    PASSWORD,
    guard_for,
    login_file,
    measuring,
    radiometric_settings,
    thermal,
)


async def fails(camera_read: object, *, within: float = 6.0) -> DriverError:
    """Wait until a read fails, and give the error."""
    started = time.monotonic()
    while time.monotonic() - started < within:
        try:
            await camera_read()  # type: ignore[operator]
        except DriverError as error:
            return error
        await asyncio.sleep(0.05)
    raise AssertionError("it never failed")


@pytest.mark.parametrize("word", [2, 4])
async def test_temperatures_are_those_that_the_camera_sees(word: int) -> None:
    async with thermal(word=word) as simulated, measuring(simulated.url) as camera:
        frame = await camera.wait_newer()
        assert frame.temperatures.shape == (48, 64)
        assert frame.temperatures.dtype == np.float32
        assert abs(float(np.median(frame.temperatures)) - warmth.AMBIENT) < 1
        assert frame.thermal_jpeg[:2] == b"\xff\xd8"
        assert abs(frame.at_ms - time.time() * 1000) < 2000
        read = await camera.read(["maximum", "mean", "minimum"])
        values = {name: float(result.value or 0) for name, result in read.items()}
        assert values["minimum"] < values["mean"] < values["maximum"] < 36


async def test_pictures_follow_each_other_and_the_newest_is_kept() -> None:
    async with thermal() as simulated, measuring(simulated.url) as camera:
        first = await camera.wait_newer()
        later = await asyncio.wait_for(camera.wait_newer(first.number + 2), 5)
        assert later.number >= first.number + 3
        assert camera.latest(max_age=timedelta(seconds=1)) is not None
        assert not np.array_equal(first.temperatures, later.temperatures)


@pytest.mark.parametrize(("fault", "least"), [("hot-spot", 90.0), ("fever", 38.0)])
async def test_what_is_hot_is_seen(fault: str, least: float) -> None:
    async with thermal() as simulated, measuring(simulated.url) as camera:
        simulated.fault(fault)
        started = time.monotonic()
        frame = await camera.wait_newer()
        while frame.temperatures.max() < least and time.monotonic() - started < 20:
            frame = await camera.wait_newer(frame.number)
        assert frame.temperatures.max() >= least


async def test_behind_a_closed_shutter_there_are_no_values() -> None:
    async with thermal() as simulated, measuring(simulated.url) as camera:
        frame = await camera.wait_newer()
        simulated.fault("shutter")
        while not frame.is_frozen:
            frame = await asyncio.wait_for(camera.wait_newer(frame.number), 5)
        result = (await camera.read(["maximum"]))["maximum"]
        assert result.value is None
        assert "shutter" in result.reason


async def test_digest_login(tmp_path: Path) -> None:
    async with (
        thermal(guard=guard_for("http")) as simulated,
        measuring(simulated.url, credentials_file=login_file(tmp_path)) as camera,
    ):
        first = await camera.wait_newer()
        await asyncio.wait_for(camera.wait_newer(first.number + 2), 5)


async def test_a_wrong_login_is_refused_and_no_secret_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with thermal(guard=guard_for("http")) as simulated:
        file = login_file(tmp_path, password="S3cret")
        bus = open_bus(radiometric_settings(simulated.url, credentials_file=file), name="bus")
        with pytest.raises(Refused, match="refuses the credentials") as caught:
            await bus.connect()
        hidden = radiometric_settings(simulated.url + "&pwd={password}", credentials_file=file)
        with pytest.raises(Refused):
            await open_bus(hidden, name="bus").connect()
    with pytest.raises(Unreachable, match="cannot connect") as gone:
        await open_bus(hidden, name="bus").connect()
    shown = [str(caught.value), str(gone.value), repr(bus.settings), caplog.text, *capfd.readouterr()]
    assert not [text for text in shown if "S3cret" in text or PASSWORD in text]


async def test_a_wrong_login_is_tried_seldom_however_often_the_bus_is_connected(tmp_path: Path) -> None:
    async with thermal(guard=guard_for("http")) as simulated:
        seen: list[str] = []
        bus = open_bus(
            radiometric_settings(simulated.url, credentials_file=login_file(tmp_path, password="wrong")),
            name="bus",
            observe=lambda _name, _seconds, kind: seen.append(kind),
        )
        for _ in range(5):
            with pytest.raises(Refused):
                await bus.connect()
    assert seen == ["Refused"]


async def test_a_password_that_was_changed_ends_the_asking(tmp_path: Path) -> None:
    guard = guard_for("http")
    async with (
        thermal(guard=guard) as simulated,
        measuring(simulated.url, credentials_file=login_file(tmp_path)) as camera,
    ):
        await camera.wait_newer()
        object.__setattr__(guard, "password", "another")
        assert isinstance(await fails(lambda: camera.read(["maximum"])), Refused)
        assert not camera.bus.connected


async def test_a_missing_file_of_credentials_is_told(tmp_path: Path) -> None:
    async with thermal() as simulated:
        settings = radiometric_settings(simulated.url, credentials_file=str(tmp_path / "none"))
        with pytest.raises(Unreachable, match="cannot be read"):
            await open_bus(settings, name="bus").connect()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("dead", TimedOut),
        ("late:3s", TimedOut),
        ("truncated", Unreachable),
        ("busy", Unreachable),
        ("line-dropped", Unreachable),
    ],
)
async def test_a_camera_that_fails_is_found_out(fault: str, error: type[DriverError]) -> None:
    async with thermal() as simulated, measuring(simulated.url) as camera:
        await camera.read(["maximum"])
        simulated.fault(fault)
        assert isinstance(await fails(lambda: camera.read(["maximum"]), within=12), error)


async def test_a_single_failure_is_no_loss() -> None:
    async with thermal() as simulated, measuring(simulated.url, valid_for="3s") as camera:
        simulated.fault("busy")
        await asyncio.sleep(0.15)
        simulated.clear()
        frame = camera.latest()
        assert frame is not None
        await asyncio.wait_for(camera.wait_newer(frame.number + 2), 5)
        await camera.read(["maximum"])
        assert camera.bus.connected


async def test_after_failures_the_bus_is_lost_and_can_be_connected_anew() -> None:
    async with thermal() as simulated, measuring(simulated.url) as camera:
        simulated.fault("line-dropped")
        started = time.monotonic()
        while camera.bus.connected:
            assert time.monotonic() - started < 10
            await asyncio.sleep(0.05)
        with pytest.raises(DriverError):
            await camera.bus.connect()
        simulated.clear()
        await camera.bus.connect()
        await camera.read(["maximum"])


async def test_an_answer_that_is_none_is_garbled() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Garbled, match="text/html, not multipart"):
            await open_bus(radiometric_settings(f"http://127.0.0.1:{port}/x"), name="bus").connect()


async def test_an_answer_without_end_is_cut() -> None:
    ended = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 100_000)
                await writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            writer.transport.abort()
            ended.set()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((Garbled, TimedOut)):
            await open_bus(radiometric_settings(f"http://127.0.0.1:{port}/x"), name="bus").connect()
        await asyncio.wait_for(ended.wait(), 5)


async def test_every_request_is_observed() -> None:
    seen: list[str] = []
    async with thermal() as simulated:
        bus = open_bus(
            radiometric_settings(simulated.url), name="bus", observe=lambda _name, _seconds, kind: seen.append(kind)
        )
        await bus.connect()
        await asyncio.sleep(0.35)
        simulated.fault("busy")
        await asyncio.sleep(0.35)
        await bus.close()
    assert seen[:2] == ["ok", "ok"]
    assert "Unreachable" in seen


async def test_a_camera_is_only_read() -> None:
    async with thermal() as simulated, measuring(simulated.url) as camera:
        with pytest.raises(BadRequest):
            await camera.write("maximum", 1.0)
        with pytest.raises(BadRequest):
            await camera.read(["zoom"])


async def test_a_bus_that_is_closed_has_nothing_to_read() -> None:
    async with thermal() as simulated:
        async with measuring(simulated.url) as camera:
            await camera.read(["maximum"])
        with pytest.raises(Unreachable, match="not connected"):
            await camera.read(["maximum"])
