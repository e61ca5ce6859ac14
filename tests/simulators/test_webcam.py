"""A real camera in the place of a simulated one: a video file stands for it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from drivers.catalog import catalog_profile
from simulators.cameras.webcam import Webcam
from simulators.lines.base import LineContext
from simulators.lines.camera import CameraLine, start
from simulators.pseudo_terminal import LineUnavailable
from tests.support.videos import SHADES, write_video


def line(source: str) -> CameraLine:
    return CameraLine.model_validate(
        {
            "name": "north-camera",
            "protocol": "camera",
            "port": 0,
            "rate": 20,
            "width": 352,
            "source": source,
            "devices": ({"name": "camera-1", "profile": "hikvision-ip-camera"},),
        }
    )


async def some_pictures(url: str, wanted: int) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    data = b""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, client.stream("GET", url) as answer:
        async for chunk in answer.aiter_bytes():
            data += chunk
            while (end := data.find(b"\xff\xd9")) >= 0:
                begin = data.find(b"\xff\xd8")
                image = cv2.imdecode(np.frombuffer(data[begin : end + 2], np.uint8), cv2.IMREAD_COLOR)
                assert image is not None
                found.append(image)
                data = data[end + 2 :]
            if len(found) >= wanted:
                return found
    return found


async def test_a_video_file_is_served_over_the_camera_protocol_again_and_again(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.avi")
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        profile = catalog_profile("hikvision-ip-camera")
        context = LineContext(data=tmp_path, profiles={"camera-1": profile}, time_scale=1.0, stack=stack)
        devices, url = await start(line(str(video)), context)
        assert list(devices.by_name) == ["camera-1"]
        pictures = await some_pictures(url, 30)  # more than the file has
    assert {picture.shape for picture in pictures} == {(264, 352, 3)}  # narrowed from 640x480
    seen = {min(SHADES, key=lambda shade: abs(shade - float(picture.mean()))) for picture in pictures}
    assert len(seen) > 1


async def test_a_camera_that_gives_no_picture_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.cameras.webcam._FIRST_WITHIN_S", 0.5)
    (tmp_path / "empty.avi").touch()
    with pytest.raises(LineUnavailable, match="gives no picture"):
        await asyncio.to_thread(Webcam(str(tmp_path / "empty.avi"), widest=640).start)


def test_a_real_camera_looks_at_no_stage() -> None:
    said = line("0").model_dump(exclude_none=True) | {"stage": "north"}
    with pytest.raises(ValidationError, match="looks at no `stage`"):
        CameraLine.model_validate(said)
