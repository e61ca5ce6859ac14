"""Simulated cameras: pictures that tell their age, and servers that speak as real ones do."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.catalog import catalog_profile
from runtime.config import ConfigError
from simulators.cameras import courtyard, rtp_jpeg, stamp, warmth
from simulators.cameras.challenge import Guard
from simulators.lines.base import LineContext
from simulators.lines.camera import CameraLine
from simulators.lines.radiometric import RadiometricLine
from simulators.lines.registry import STARTS
from simulators.machines.api import UnknownFault
from simulators.machines.registry import make_machine
from simulators.scene import load_scene
from tests.support.cameras import (
    NAME,
    PASSWORD,
    THERMAL,
    USER,
    VISIBLE,
    drawn_age_s,
    guard_for,
    measuring,
    thermal,
    visible,
    watching,
)


@settings(max_examples=30)
@given(st.integers(0, (1 << 48) - 1))
def test_a_stamp_survives_a_jpeg(number: int) -> None:
    image = np.random.default_rng(1).integers(0, 255, (240, 352, 3), np.uint8)
    stamp.draw(image, number)
    again = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    assert stamp.read(np.asarray(again, np.uint8)) == number


def test_a_picture_without_a_stamp_has_none() -> None:
    with pytest.raises(stamp.NoStamp):
        stamp.read(np.zeros((240, 352, 3), np.uint8))
    with pytest.raises(stamp.NoStamp):
        stamp.read(np.zeros((4, 4, 3), np.uint8))


def test_no_two_pictures_of_the_courtyard_are_the_same() -> None:
    first, second = (
        courtyard.render(courtyard.View(at_s=at, at_ms=1_700_000_000_000 + round(at * 1000)), width=640, height=480)
        for at in (1.0, 1.04)
    )
    assert not np.array_equal(first, second)
    assert stamp.read(first) == 1_700_000_001_000


@pytest.mark.parametrize(("view", "low", "high"), [("covered", 0, 8), ("blinded", 230, 255)])
def test_a_covered_lens_sees_next_to_nothing(view: str, low: float, high: float) -> None:
    image = courtyard.render(courtyard.View(at_s=0, at_ms=1, **{view: True}), width=640, height=480)
    assert low < float(np.median(image)) < high


def test_faces_are_warm_fever_is_warmer_and_a_hot_spot_hottest() -> None:
    middle = warmth.Warmth(at_s=6.0)
    plain, fever, hot = (
        float(warmth.render(one, width=160, height=120).max())
        for one in (middle, warmth.Warmth(at_s=6.0, fever=True), warmth.Warmth(at_s=6.0, hot_spot=True))
    )
    assert 34 < plain < 36
    assert 38 < fever < 40
    assert hot > 90
    assert warmth.render(warmth.Warmth(at_s=6.0, covered=True), width=160, height=120).max() < 24


class TestRtp:
    def test_a_picture_comes_together_again(self) -> None:
        """RFC 2435: the pieces in order of their offsets are the scan, and the tables come with the first."""
        image = courtyard.render(courtyard.View(at_s=0, at_ms=1), width=640, height=480)
        jpeg = bytes(cv2.imencode(".jpg", image)[1])
        scan = rtp_jpeg.scan_of(jpeg)
        packets = list(rtp_jpeg.packets(scan, sequence=65_530, timestamp=90_000, source=7))
        assert [int.from_bytes(p[2:4], "big") for p in packets] == [(65_530 + n) & 0xFFFF for n in range(len(packets))]
        assert [p[1] >> 7 for p in packets] == [0] * (len(packets) - 1) + [1]
        assert {p[1] & 0x7F for p in packets} == {26}
        data = b""
        for packet in packets:
            assert int.from_bytes(packet[13:16], "big") == len(data)
            assert packet[16:20] == bytes([1, 255, 80, 60])  # 4:2:0, tables inline, 640 x 480 in blocks of eight
            data += packet[20 + (132 if not data else 0) :]
        assert packets[0][20:24] == bytes([0, 0, 0, 128])
        assert jpeg.endswith(data + b"\xff\xd9")
        assert max(map(len, packets)) < 1600

    def test_a_picture_that_does_not_fit_is_refused(self) -> None:
        jpeg = bytes(cv2.imencode(".jpg", np.zeros((30, 30, 3), np.uint8))[1])
        with pytest.raises(ValueError, match="multiples of 8"):
            rtp_jpeg.scan_of(jpeg)


class TestGuard:
    def test_the_example_of_rfc_2617(self) -> None:
        guard = Guard(
            user="Mufasa",
            password="Circle Of Life",
            realm="testrealm@host.com",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        )
        said = (
            'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", '
            'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        assert guard.lets_in(said, "GET")
        assert not guard.lets_in(said, "POST")
        assert not guard.lets_in(said.replace("6629", "6628"), "GET")
        assert not guard.lets_in("Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl", "GET")

    @pytest.mark.parametrize("said", ["", "Digest", "Digest nonce=", 'Digest response="", nonce="4e1f"', "Basic x"])
    def test_anything_else_stays_out(self, said: str) -> None:
        assert not guard_for("http").lets_in(said, "GET")
        assert not guard_for("rtsp").lets_in(said, "DESCRIBE")


class TestHttp:
    async def test_a_stream_is_multipart_as_axis_has_it(self) -> None:
        async with (
            visible("mjpeg") as simulated,
            httpx.AsyncClient() as client,
            client.stream("GET", simulated.url) as answer,
        ):
            assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=--picture"
            async for chunk in answer.aiter_raw():
                assert chunk.startswith(b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: ")
                break

    async def test_two_clients_see_the_same(self) -> None:
        async with visible("mjpeg") as simulated, watching(simulated.url) as one, watching(simulated.url) as other:
            await one.wait_newer()
            await other.wait_newer()
            frames = [await camera.wait_newer(camera.latest().number) for camera in (one, other)]  # type: ignore[union-attr]
            assert abs(stamp.read(frames[0].image) - stamp.read(frames[1].image)) < 500

    async def test_other_requests_are_answered_as_http_has_it(self) -> None:
        async with visible("mjpeg", guard=guard_for("http")) as simulated, httpx.AsyncClient() as client:
            assert (await client.get(simulated.url)).status_code == 401
            right = httpx.DigestAuth(USER, PASSWORD)
            assert (await client.get(simulated.url + "x", auth=right)).status_code == 404
            assert (await client.post(simulated.url, auth=right)).status_code == 400
            simulated.fault("busy")
            assert (await client.get(simulated.url)).status_code == 503

    async def test_a_slow_camera_shows_older_pictures(self) -> None:
        async with visible("mjpeg") as simulated, watching(simulated.url) as camera:
            simulated.fault("slow:500ms")
            frame = await camera.wait_newer()
            for _ in range(2):
                frame = await camera.wait_newer(frame.number)
            assert drawn_age_s(frame.image) >= 0.5


class TestRtsp:
    async def ask(self, url: str, *requests: str) -> list[str]:
        port = int(url.split(":")[2].split("/", maxsplit=1)[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        for number, request in enumerate(requests, start=1):
            method, _, more = request.partition("\n")
            target = url + "/track1" if method == "SETUP" else url
            writer.write(f"{method} {target} RTSP/1.0\r\nCSeq: {number}\r\n{more}\r\n".encode())
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
            length = int(head.partition("Content-Length: ")[2].partition("\r\n")[0] or 0)
            answers.append(head + (await reader.readexactly(length)).decode())
        writer.close()
        await writer.wait_closed()
        return answers

    async def test_the_dialogue_of_rfc_2326(self) -> None:
        async with visible("rtsp") as simulated:
            options, described, udp, unready, tcp = await self.ask(
                simulated.url,
                "OPTIONS",
                "DESCRIBE\nAccept: application/sdp\r\n",
                "SETUP\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n",
                "PLAY",
                "SETUP\nTransport: RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast;interleaved=4-5\r\n",
            )
        assert options.startswith("RTSP/1.0 200 OK\r\nCSeq: 1\r\n")
        assert "DESCRIBE" in options
        assert "m=video 0 RTP/AVP 26" in described
        assert udp.startswith("RTSP/1.0 461 ")
        assert unready.startswith("RTSP/1.0 455 ")
        assert "interleaved=4-5" in tcp
        assert "CSeq: 5" in tcp

    async def test_strangers_stay_out(self) -> None:
        async with visible("rtsp", guard=guard_for("rtsp")) as simulated:
            described, played = await self.ask(simulated.url, "DESCRIBE", "PLAY")
            other, unknown = await self.ask(simulated.url + "9", "OPTIONS", "RECORD")
        assert described.startswith("RTSP/1.0 401 ")
        assert 'WWW-Authenticate: Digest realm="IP Camera", nonce="4e1f"' in described
        assert played.startswith("RTSP/1.0 401 ")
        assert other.startswith("RTSP/1.0 200 ")
        assert unknown.startswith("RTSP/1.0 401 ")


class TestLines:
    def context(self, folder: Path, stack: AsyncExitStack) -> LineContext:
        profiles = {NAME: catalog_profile(VISIBLE), "heat": catalog_profile(THERMAL)}
        return LineContext(data=folder, profiles=profiles, time_scale=1.0, stack=stack)

    @pytest.mark.parametrize("stream", ["mjpeg", "rtsp"])
    async def test_a_camera_of_a_scene_can_be_watched(self, stream: str, tmp_path: Path) -> None:
        line = CameraLine.model_validate_json(
            f'{{"name": "gate", "protocol": "camera", "stream": "{stream}", "port": 0, "user": "a", "password": "b c",'
            f' "devices": [{{"name": "{NAME}", "profile": "{VISIBLE}"}}]}}'
        )
        async with AsyncExitStack() as stack:
            devices, url = await STARTS[type(line)](line, self.context(tmp_path, stack))
            login = tmp_path / "gate.login"
            assert login.stat().st_mode & 0o077 == 0
            async with watching(url, credentials_file=str(login)) as camera:
                await asyncio.wait_for(camera.wait_newer(), 10)
            assert devices.active(NAME) == ()

    async def test_a_radiometric_camera_of_a_scene_can_be_read(self, tmp_path: Path) -> None:
        line = RadiometricLine.model_validate_json(
            '{"name": "room", "protocol": "radiometric", "port": 0, "word": 2,'
            f' "devices": [{{"name": "heat", "profile": "{THERMAL}"}}]}}'
        )
        async with AsyncExitStack() as stack:
            _, url = await STARTS[type(line)](line, self.context(tmp_path, stack))
            async with measuring(url) as camera:
                assert (await camera.read(["maximum"]))["maximum"].value is not None

    def test_a_scene_names_what_is_wrong(self, tmp_path: Path) -> None:
        file = tmp_path / "scene.toml"
        file.write_text(
            "schema = 1\n"
            '[[lines]]\nname = "a"\nprotocol = "camera"\nport = 0\nuser = "x"\n'
            f'devices = [{{ name = "c", profile = "{VISIBLE}" }}]\n',
            encoding="utf-8",
        )
        with pytest.raises(ConfigError, match="`user` and a `password`"):
            load_scene(file)
        file.write_text(
            "schema = 1\n"
            '[[lines]]\nname = "a"\nprotocol = "camera"\nport = 0\n'
            f'devices = [{{ name = "c", profile = "{THERMAL}" }}]\n'
            '[[steps]]\nat = "1s"\ndo = "fault"\ndevice = "c"\nfault = "covred"\n',
            encoding="utf-8",
        )
        with pytest.raises(ConfigError, match="speaks radiometric, and the line speaks camera") as caught:
            load_scene(file)
        assert "did you mean `covered`" in str(caught.value)


def test_machines_have_the_faults_of_their_kind() -> None:
    assert make_machine(catalog_profile(VISIBLE)).faults() == ("frozen", "covered", "blinded", "corrupt")
    assert make_machine(catalog_profile(THERMAL)).faults() == ("hot-spot", "fever", "covered", "shutter")
    machine = make_machine(catalog_profile(VISIBLE))
    machine.fault("covered")
    assert machine.values()["covered"] is True
    with pytest.raises(UnknownFault):
        machine.fault("fever")


async def test_a_camera_over_which_nobody_watches_draws_nothing() -> None:
    async with thermal() as simulated:
        (station,) = simulated.devices.by_name.values()
        await asyncio.sleep(0.3)
        assert station._newest is None
        started = time.monotonic()
        station.shot()
        assert station.until_next() <= 0.1
        assert time.monotonic() - started < 5
