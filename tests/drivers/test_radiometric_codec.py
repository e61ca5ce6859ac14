"""Pictures of temperatures: exact degrees out of a whole answer, and nothing out of any other."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.radiometric.codec import NotUnderstood, boundary_of, decode

JPEG = b"\xff\xd8\xff\xe0--boundary\xff\xd9"  # a picture may hold anything


def about(width: int, height: int, word: int = 4, **more: object) -> dict[str, object]:
    return {
        "channel": 2,
        "jpegPicLen": len(JPEG),
        "jpegPicWidth": width,
        "jpegPicHeight": height,
        "p2pDataLen": width * height * word,
        "isFreezedata": False,
        "temperatureDataLength": word,
        **more,
    }


def part(kind: str, content: bytes, *, length: bool = True) -> bytes:
    stated = f"\r\nContent-Length: {len(content)}" if length else ""
    return f"--boundary\r\nContent-Type: {kind}{stated}\r\n\r\n".encode() + content + b"\r\n"


def answer(described: object, matrix: bytes, *, length: bool = True, visible: bytes = b"") -> bytes:
    body = part("application/json", json.dumps(described).encode(), length=length)
    body += part("image/pjpeg", JPEG) + part("application/octet-stream", matrix, length=length)
    body += part("image/pjpeg", visible) if visible else b""
    return body + b"--boundary--\r\n"


def wrapped(described: dict[str, object]) -> dict[str, object]:
    return {"JpegPictureWithAppendData": described}


def test_floats_are_degrees_row_by_row() -> None:
    matrix = struct.pack("<6f", 20.0, 21.0, 22.0, 23.5, 35.0, -5.25)
    seen = decode(answer(wrapped(about(3, 2)), matrix), b"boundary")
    assert seen.temperatures.tolist() == [[20.0, 21.0, 22.0], [23.5, 35.0, -5.25]]
    assert seen.temperatures.dtype == np.float32
    assert seen.temperatures.shape == (2, 3)
    assert (seen.thermal_jpeg, seen.visible_jpeg, seen.is_frozen) == (JPEG, b"", False)


@pytest.mark.parametrize(("scale", "offset", "raw"), [(10, 0, 3082), (64, 0, 19725), (100, 273, 3520), (10, -50, 3582)])
def test_two_bytes_are_scaled_kelvin(scale: int, offset: int, raw: int) -> None:
    """By the formula that several public programs share: number / scale + offset - 273.15."""
    seen = decode(answer(wrapped(about(1, 1, 2, scale=scale, offset=offset)), struct.pack("<h", raw)), b"boundary")
    assert seen.temperatures[0, 0] == pytest.approx(raw / scale + offset - 273.15, abs=1e-4)
    assert seen.temperatures[0, 0] == pytest.approx(35.05, abs=0.01)


@pytest.mark.parametrize(("said", "frozen"), [(1, True), (True, True), (0, False), (False, False)])
def test_a_closed_shutter_is_told_however_it_is_written(said: object, frozen: bool) -> None:  # noqa: FBT001 - a case
    matrix = struct.pack("<f", 20.0)
    assert decode(answer(wrapped(about(1, 1, isFreezedata=said)), matrix), b"boundary").is_frozen is frozen


def test_what_cameras_leave_out() -> None:
    matrix = struct.pack("<2f", 20.0, 21.0)
    bare = {"jpegPicWidth": 2, "jpegPicHeight": 1, "temperatureDataLength": 4}
    assert decode(answer(bare, matrix), b"boundary").temperatures.tolist() == [[20.0, 21.0]]
    assert decode(answer(wrapped(about(2, 1)), matrix, length=False), b"boundary").temperatures.size == 2
    assert decode(answer(wrapped(about(2, 1)), matrix, visible=JPEG), b"boundary").visible_jpeg == JPEG


def test_temperatures_that_look_like_a_boundary() -> None:
    matrix = b"--boundary--" + struct.pack("<f", 20.0)
    with pytest.raises(NotUnderstood, match="outside"):  # read as what they are: no temperatures
        decode(answer(wrapped(about(4, 1)), matrix), b"boundary")


@pytest.mark.parametrize(
    "wrong",
    [
        {"jpegPicWidth": 3},
        {"jpegPicWidth": 0},
        {"jpegPicWidth": -2, "jpegPicHeight": -1},
        {"jpegPicHeight": 1e300},
        {"jpegPicWidth": "2"},
        {"jpegPicWidth": None},
        {"jpegPicWidth": True},
        {"temperatureDataLength": 8},
        {"temperatureDataLength": 2},
        {"temperatureDataLength": 2, "jpegPicWidth": 4, "p2pDataLen": 8, "scale": 0, "offset": 0},
        {"temperatureDataLength": 2, "jpegPicWidth": 4, "p2pDataLen": 8, "scale": 1e-300, "offset": 0},
        {"temperatureDataLength": 2, "jpegPicWidth": 4, "p2pDataLen": 8},
        {"p2pDataLen": 4},
        {"jpegPicLen": 1},
    ],
)
def test_a_description_that_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(NotUnderstood):
        decode(answer(wrapped(about(2, 1) | wrong), struct.pack("<2f", 20.0, 21.0)), b"boundary")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -274.0, 1e30])
def test_what_no_camera_can_see_is_refused(value: float) -> None:
    with pytest.raises(NotUnderstood, match="outside"):
        decode(answer(wrapped(about(2, 1)), struct.pack("<2f", 20.0, value)), b"boundary")


@pytest.mark.parametrize("described", [[], "x", 7, None, wrapped({}), {"JpegPictureWithAppendData": []}])
def test_a_description_of_another_shape_is_refused(described: object) -> None:
    with pytest.raises(NotUnderstood):
        decode(answer(described, struct.pack("<f", 20.0)), b"boundary")


def test_other_answers_are_refused() -> None:
    for body in (b"", b"--boundary--", b"<html>", part("application/json", b"{}"), part("image/pjpeg", JPEG)):
        with pytest.raises(NotUnderstood):
            decode(body, b"boundary")
    with pytest.raises(NotUnderstood, match="text/html"):
        boundary_of("text/html; charset=utf-8")
    assert boundary_of('multipart/form-data; boundary="xyz"') == b"xyz"


@given(st.integers(0, 400))
def test_no_part_of_an_answer_is_an_answer(length: int) -> None:
    whole = answer(wrapped(about(2, 2)), struct.pack("<4f", 20.0, 21.0, 22.0, 23.0))
    cut = whole[: min(length, len(whole) - len(b"\r\n--boundary--\r\n") - 1)]
    with pytest.raises(NotUnderstood):
        decode(cut, b"boundary")


@given(st.binary(max_size=600), st.binary(min_size=1, max_size=10))
def test_any_bytes_are_refused_in_its_own_words(data: bytes, boundary: bytes) -> None:
    for body in (data, b"--boundary\r\n" + data, b"--boundary\r\n\r\n{" + data):
        with pytest.raises(NotUnderstood):
            decode(body, b"boundary")
        with pytest.raises(NotUnderstood):
            decode(body, boundary + b"!")


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_answer_gives_temperatures_or_is_refused(data: st.DataObject) -> None:
    body = bytearray(answer(wrapped(about(3, 2, 2, scale=64, offset=0)), struct.pack("<6h", *[19725] * 6)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        seen = decode(bytes(body), b"boundary").temperatures
    except NotUnderstood:
        return
    assert seen.ndim == 2
    assert np.isfinite(seen).all()
