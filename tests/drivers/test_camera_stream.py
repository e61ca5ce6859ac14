"""Streams of real servers over real sockets: always the newest picture, whatever the camera does."""

import asyncio
import gc
import logging
import threading
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Unreachable
from drivers.camera.driver import Camera, CameraBus
from drivers.camera.mjpeg import _Decoder
from drivers.camera.source import Sink
from drivers.catalog import catalog_profile
from drivers.registry import open_bus, open_device
from simulators.cameras import stamp
from simulators.cameras.challenge import Guard
from tests.support.cameras import (
    PASSWORD,
    VISIBLE,
    camera_settings,
    drawn_age_s,
    guard_for,
    login_file,
    until,
    visible,
    watching,
)

STREAMS = ["mjpeg", "rtsp"]


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_every_point_is_read(stream: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url) as camera:
        frame = await camera.wait_newer()
        for _ in range(5):
            frame = await camera.wait_newer(frame.number)
        read = {point: result.value for point, result in (await camera.read(list(camera.profile.points))).items()}
        assert (read["streaming"], read["frozen"], read["covered"]) == (True, False, False)
        assert (read["width"], read["height"], read["corrupt"], read["losses"]) == (640, 480, 0, 0)
        assert 0 < float(read["rate"] or 0) < 30
        assert 60 < float(read["brightness"] or 0) < 200
        assert float(read["sharpness"] or 0) > 100
        assert 0 <= float(read["age"] or 0) < 5


async def test_a_frame_is_an_image_with_its_times(stream: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url) as camera:
        frame = await camera.wait_newer()
        assert frame.image.shape == (480, 640, 3)
        assert frame.image.dtype.name == "uint8"
        assert abs(frame.at_ms - time.time() * 1000) < 5000
        assert abs(frame.at_s - time.monotonic()) < 5
        assert abs(stamp.read(frame.image) - frame.at_ms) < 5000
        later = await camera.wait_newer(frame.number)
        assert later.number > frame.number
        assert later.at_s > frame.at_s


async def test_a_slow_consumer_still_gets_the_newest_picture(stream: str) -> None:
    async with visible(stream, rate=20) as simulated, watching(simulated.url) as camera:
        await camera.wait_newer()
        ages = []
        for _ in range(4):
            await asyncio.sleep(0.7)  # fourteen pictures come meanwhile
            frame = camera.latest()
            assert frame is not None
            ages.append(drawn_age_s(frame.image))
        assert max(ages) < 0.6
        assert abs(ages[-1] - ages[0]) < 0.5  # nothing adds up


async def test_a_loop_that_is_held_up_does_not_hold_up_the_stream() -> None:
    async with visible("mjpeg", rate=20) as simulated, watching(simulated.url) as camera:
        first = await camera.wait_newer()
        await asyncio.to_thread(time.sleep, 0.2)
        seen = camera.latest()
        assert seen is not None
        assert seen.number > first.number


async def test_a_picture_that_is_too_old_is_not_given(stream: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url) as camera:
        await camera.wait_newer()
        assert camera.latest(max_age=timedelta(seconds=1)) is not None
        simulated.fault("dead")
        await until(lambda: camera.latest(max_age=timedelta(milliseconds=300)) is None, within=3)
        assert camera.latest() is not None


async def test_a_camera_that_was_away_is_back_within_seconds(stream: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url) as camera:
        frame = await camera.wait_newer()
        simulated.fault("line-dropped")
        await until(lambda: not camera.bus.state().streaming, within=5)
        read = await camera.read(["streaming", "rate", "brightness", "frozen"])
        assert (read["streaming"].value, read["rate"].value) == (False, 0.0)
        assert read["brightness"].value is None
        assert read["brightness"].reason
        assert read["frozen"].value is None
        await asyncio.sleep(1)
        simulated.clear()
        assert await until(lambda: camera.bus.state().streaming, within=15) < 15
        assert (await camera.wait_newer(frame.number)).number > frame.number
        assert camera.bus.state().losses >= 1
        assert camera.bus.connected


async def test_a_stream_that_hangs_is_found_and_opened_anew(stream: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url) as camera:
        frame = await camera.wait_newer()
        simulated.fault("half-open")  # this connection stays open, and nothing comes any more; a new one works
        await until(lambda: camera.bus.state().losses == 1, within=9)
        newer = await asyncio.wait_for(camera.wait_newer(frame.number), 15)
        await asyncio.wait_for(camera.wait_newer(newer.number), 15)
        assert camera.bus.state().streaming


async def test_a_camera_that_says_nothing_at_all_is_told(stream: str) -> None:
    async with visible(stream) as simulated:
        simulated.fault("dead")
        async with watching(simulated.url, timeout="700ms") as camera:
            state = camera.bus.state()
            assert not state.streaming
            assert state.problem
            assert camera.latest() is None
            simulated.clear()
            await asyncio.wait_for(camera.wait_newer(), 15)


async def test_a_camera_that_is_not_there_is_told_and_found_when_it_comes(stream: str) -> None:
    async with visible(stream) as gone:
        port = int(gone.url.split(":")[2].split("/")[0])
    async with watching(gone.url) as camera:
        assert "cannot connect" in camera.bus.state().problem
        assert (await camera.read(["streaming"]))["streaming"].value is False
        async with visible(stream, port=port):
            await asyncio.wait_for(camera.wait_newer(), 15)


async def test_damaged_pictures_are_skipped_and_counted() -> None:
    async with visible("mjpeg", rate=20) as simulated, watching(simulated.url) as camera:
        simulated.fault("corrupt")  # every fifth
        simulated.fault("truncated@20%")
        first = await camera.wait_newer()
        frame = first
        for _ in range(20):
            frame = await camera.wait_newer(frame.number)
            assert drawn_age_s(frame.image) < 2  # the stamp is whole, and it is in the last rows
        assert camera.bus.state().corrupt >= 3
        assert camera.bus.state().losses == 0


async def test_damaged_pictures_over_rtsp_do_not_end_the_stream() -> None:
    async with visible("rtsp", rate=20) as simulated, watching(simulated.url) as camera:
        frame = await camera.wait_newer()
        simulated.fault("corrupt")
        simulated.fault("truncated@20%")
        for _ in range(20):
            frame = await camera.wait_newer(frame.number)
        assert camera.bus.state().losses == 0


async def test_noise_between_pictures_is_passed_over() -> None:
    async with visible("mjpeg") as simulated, watching(simulated.url) as camera:
        simulated.fault("noise")
        frame = await camera.wait_newer()
        for _ in range(5):
            frame = await camera.wait_newer(frame.number)
            assert drawn_age_s(frame.image) < 2


async def test_a_picture_that_stands_still_is_told(stream: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url, frozen_after="600ms") as camera:
        await camera.wait_newer()
        assert not camera.bus.state().frozen
        simulated.fault("frozen")
        await until(lambda: camera.bus.state().frozen, within=5)
        assert (await camera.read(["frozen", "streaming"]))["frozen"].value is True
        simulated.clear()
        await until(lambda: not camera.bus.state().frozen, within=5)


async def test_a_lively_camera_is_never_frozen(stream: str) -> None:
    async with visible(stream, rate=20) as simulated, watching(simulated.url, frozen_after="200ms") as camera:
        frame = await camera.wait_newer()
        for _ in range(30):
            frame = await camera.wait_newer(frame.number)
            assert not camera.bus.state().frozen


@pytest.mark.parametrize("fault", ["covered", "blinded"])
async def test_a_covered_lens_is_told(stream: str, fault: str) -> None:
    async with visible(stream) as simulated, watching(simulated.url) as camera:
        await camera.wait_newer()
        assert not camera.bus.state().covered
        simulated.fault(fault)
        await until(lambda: camera.bus.state().covered, within=5)
        simulated.clear()
        await until(lambda: not camera.bus.state().covered, within=5)


async def test_a_profile_without_the_point_has_the_device_down() -> None:
    whole = catalog_profile(VISIBLE)
    points = {name: point for name, point in whole.points.items() if name in {"rate", "brightness"}}
    profile = whole.model_copy(update={"points": points, "alarms": {}})
    async with visible("mjpeg") as gone:
        pass
    bus = open_bus(camera_settings(gone.url), name="bus")
    camera = open_device(bus, DeviceAddress(), profile, name="lobby")
    await bus.connect()
    try:
        with pytest.raises(Unreachable, match="lobby: unreachable: cannot connect"):
            await camera.read(["rate", "brightness"])
    finally:
        await bus.close()


async def test_a_camera_is_only_read() -> None:
    async with visible("mjpeg") as simulated, watching(simulated.url) as camera:
        with pytest.raises(BadRequest):
            await camera.write("rate", 1.0)
        with pytest.raises(BadRequest, match="no point `zoom`"):
            await camera.read(["zoom"])


async def test_a_bus_that_is_not_connected_says_so() -> None:
    bus = open_bus(camera_settings("http://127.0.0.1:9/x"), name="bus")
    assert isinstance(bus, CameraBus)
    assert not bus.connected
    assert bus.latest() is None
    with pytest.raises(Unreachable):
        bus.state()
    await bus.close()


async def test_closing_ends_every_thread(stream: str) -> None:
    async with visible(stream) as simulated:
        async with watching(simulated.url) as camera:
            await camera.wait_newer()
            assert [t.name for t in threading.enumerate() if t.name.startswith("bus:")]
        await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("bus:")], within=5)
        assert not camera.bus.connected


async def test_numbers_go_on_over_another_connect() -> None:
    async with visible("mjpeg") as simulated, watching(simulated.url) as camera:
        before = await camera.wait_newer()
        await camera.bus.connect()
        after = await asyncio.wait_for(camera.wait_newer(before.number), 10)
        assert after.number > before.number


async def test_openings_and_losses_are_observed() -> None:
    seen: list[tuple[int | str, str]] = []
    async with visible("mjpeg") as simulated:
        bus = open_bus(
            camera_settings(simulated.url), name="bus", observe=lambda name, _seconds, kind: seen.append((name, kind))
        )
        await bus.connect()
        simulated.fault("half-open")
        await until(lambda: len(seen) >= 3, within=9)
        await bus.close()
    assert seen[:3] == [("bus", "ok"), ("bus", "TimedOut"), ("bus", "ok")]


async def test_memory_stays_bounded_while_nobody_looks() -> None:
    async with visible("mjpeg", rate=30) as simulated, watching(simulated.url) as camera:
        frame = await camera.wait_newer()
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(60):
                frame = await camera.wait_newer(frame.number)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
    assert grown < 4 * frame.image.nbytes  # sixty pictures came


async def test_a_camera_that_is_starting_is_no_camera_that_refuses() -> None:
    async def drop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with watching(f"rtsp://127.0.0.1:{port}/1") as camera:
            assert camera.bus.state().problem == "the camera drops the connection"


def test_a_picture_that_was_overtaken_is_skipped_and_not_decoded() -> None:
    free, begun = threading.Event(), threading.Event()
    shown: list[float] = []
    skipped: list[int] = []

    def show(_image: object, at_s: float) -> None:
        begun.set()
        free.wait(10)
        shown.append(at_s)

    sink = Sink(
        arrived=lambda _at: None, shown=show, corrupt=lambda _count: None, skipped=skipped.append, stopped=lambda: False
    )
    jpeg = bytes(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1])
    with _Decoder(sink, name="test") as decoder:
        decoder.put(jpeg, 1.0)
        assert begun.wait(10)
        for at_s in (2.0, 3.0, 4.0):
            decoder.put(jpeg, at_s)
        free.set()
        started = time.monotonic()
        while len(shown) < 2 and time.monotonic() - started < 10:
            time.sleep(0.01)
    assert shown == [1.0, 4.0]
    assert skipped == [1, 1]


class CountingGuard(Guard):
    asked: ClassVar[list[str]] = []

    def lets_in(self, authorization: str, method: str) -> bool:
        if authorization:
            self.asked.append(method)
        return super().lets_in(authorization, method)


class TestLogin:
    async def test_a_wrong_login_is_tried_seldom(self, stream: str, tmp_path: Path) -> None:
        guard = CountingGuard(user="linli", password="right", nonce="4e1f", qop=stream != "rtsp")
        guard.asked.clear()
        file = login_file(tmp_path, password="wrong")
        async with visible(stream, guard=guard) as simulated, watching(simulated.url, credentials_file=file):
            await asyncio.sleep(2.5)
        assert 1 <= len(guard.asked) <= 3  # at once, after one second, and after two more

    async def test_the_camera_lets_the_right_login_in(self, stream: str, tmp_path: Path) -> None:
        async with (
            visible(stream, guard=guard_for(stream)) as simulated,
            watching(simulated.url, credentials_file=login_file(tmp_path)) as camera,
        ):
            await asyncio.wait_for(camera.wait_newer(), 10)

    async def test_basic_where_nothing_better_is_offered(self, tmp_path: Path) -> None:
        async with (
            visible("mjpeg", guard=guard_for("mjpeg", scheme="basic")) as simulated,
            watching(simulated.url, credentials_file=login_file(tmp_path)) as camera,
        ):
            await asyncio.wait_for(camera.wait_newer(), 10)

    async def test_a_wrong_login_is_told_and_no_secret_is_shown(
        self,
        stream: str,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        file = login_file(tmp_path, password="S3cret!wrong")
        async with (
            visible(stream, guard=guard_for(stream)) as simulated,
            watching(simulated.url, credentials_file=file) as camera,
        ):
            assert "credentials" in camera.bus.state().problem
            shown = [camera.bus.state().problem, repr(camera.bus.state()), repr(camera.bus.settings)]
            shown += [result.reason for result in (await camera.read(list(camera.profile.points))).values()]
        shown += [caplog.text, *capfd.readouterr()]
        assert not [text for text in shown if "S3cret" in text or PASSWORD in text]

    async def test_no_secret_is_shown_when_nobody_is_there(
        self, stream: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with visible(stream) as gone:
            pass
        url = gone.url + "?user={user}&pwd={password}"
        async with watching(url, credentials_file=login_file(tmp_path, password="S3cret")) as camera:
            assert "cannot connect" in camera.bus.state().problem
            shown = [repr(camera.bus.state()), *(r.reason for r in (await camera.read(["rate", "age"])).values())]
        assert not [text for text in [*shown, caplog.text, *capfd.readouterr()] if "S3cret" in text]

    async def test_a_login_in_the_url_itself(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with visible("mjpeg") as simulated:
            url = simulated.url + "?usr={user}&pwd={password}"
            async with watching(url, credentials_file=login_file(tmp_path, password="S3cret")) as camera:
                await asyncio.wait_for(camera.wait_newer(), 10)
        assert "S3cret" not in caplog.text

    async def test_a_missing_file_is_told(self, stream: str, tmp_path: Path) -> None:
        async with (
            visible(stream) as simulated,
            watching(simulated.url, credentials_file=str(tmp_path / "none.login")) as camera,
        ):
            assert "none.login cannot be read: No such file" in camera.bus.state().problem


async def test_another_path_is_told() -> None:
    async with visible("mjpeg") as simulated, watching(simulated.url + ".old") as camera:
        assert camera.bus.state().problem == "no such path on the camera"


def test_a_camera_has_no_place_on_its_bus() -> None:
    bus = open_bus(camera_settings("http://127.0.0.1:9/x"), name="bus")
    with pytest.raises(BadRequest, match="needs no `address`"):
        open_device(bus, DeviceAddress(address="7"), catalog_profile(VISIBLE), name="lobby")
    assert isinstance(open_device(bus, DeviceAddress(), catalog_profile(VISIBLE), name="lobby"), Camera)
