"""Motion JPEG and JPEG: whatever comes, only whole pictures come out."""

import base64
from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.camera.codec import MOST_BYTES, NotMotionJpeg, Parts, boundary_of
from drivers.camera.jpeg import BrokenPicture, check
from drivers.camera.picture import decode, look

# Published byte by byte: https://stackoverflow.com/questions/2253404
GREY_PIXEL = bytes.fromhex(
    "ffd8ffe000104a46494600010101004800480000ffdb004300030202020202030202020303030304060404040404080606050609080a"
    "0a090809090a0c0f0c0a0b0e0b09090d110d0e0f101011100a0c12131210130f101010ffc9000b080001000101011100ffcc00060010"
    "1005ffda0008010100003f00d2cf20ffd9"
)
# A pixel that a public browser test uses, without an end: of `smallest JPEG` collections.
ENDLESS_PIXEL = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////"
    "wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)


@lru_cache
def picture(number: int = 0, *, restarts: int = 0) -> bytes:
    random = np.random.default_rng(number)
    image = cv2.resize(random.integers(0, 255, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_RST_INTERVAL, restarts])[1])


def part(jpeg: bytes, *, head: bytes | None = None, boundary: bytes = b"--b", end: bytes = b"\r\n") -> bytes:
    if head is None:
        head = b"Content-Type: image/jpeg\r\nContent-Length: %d" % len(jpeg)
    return boundary + b"\r\n" + head + b"\r\n\r\n" + jpeg + end


def pictures_in(stream: bytes, *, step: int = 1 << 20, boundary: bytes = b"b") -> tuple[list[bytes], int]:
    parts = Parts(boundary=boundary)
    found = [jpeg for at in range(0, len(stream), step) for jpeg in parts.feed(stream[at : at + step])]
    return found, parts.lost


class TestBoundary:
    @pytest.mark.parametrize(
        "header",
        [
            "multipart/x-mixed-replace; boundary=myboundary",
            "multipart/x-mixed-replace;boundary=--myboundary",
            'multipart/x-mixed-replace; charset=x; boundary="myboundary"',
            "Multipart/X-Mixed-Replace; Boundary=myboundary; x=y",
        ],
    )
    def test_it_is_found_as_cameras_write_it(self, header: str) -> None:
        assert boundary_of(header) == b"myboundary"

    @pytest.mark.parametrize(
        "header", ["", "text/html", "image/jpeg", "multipart/x-mixed-replace", "multipart/mixed;x"]
    )
    def test_anything_else_is_no_stream(self, header: str) -> None:
        with pytest.raises(NotMotionJpeg):
            boundary_of(header)


class TestParts:
    @pytest.mark.parametrize("step", [1, 7, 100, 5000, 1 << 20])
    @pytest.mark.parametrize("end", [b"\r\n", b"", b"\n", b"\r\n\r\n"])
    @pytest.mark.parametrize("length", [True, False])
    def test_pictures_come_out_whole_however_they_are_cut(self, step: int, end: bytes, length: bool) -> None:  # noqa: FBT001 - a case
        jpegs = [picture(number) for number in range(3)]
        head = None if length else b"Content-Type: image/jpeg"
        stream = b"".join(part(jpeg, head=head, end=end) for jpeg in jpegs) + b"--b\r\n"
        assert pictures_in(stream, step=step) == (jpegs, 0)

    def test_with_a_length_a_picture_is_there_with_its_last_byte(self) -> None:
        parts = Parts(boundary=b"b")
        assert list(parts.feed(part(picture(), end=b""))) == [picture()]

    def test_a_length_in_other_letters(self) -> None:
        head = b"X-Time: 1\r\ncontent-length:%d\r\nContent-type:image/jpeg" % len(picture())
        assert pictures_in(part(picture(), head=head))[0] == [picture()]

    def test_a_length_that_counts_the_line_end(self) -> None:
        head = b"Content-Length: %d" % (len(picture()) + 2)
        assert pictures_in(part(picture(), head=head))[0] == [picture()]

    def test_lengths_that_lie(self) -> None:
        short, long = (part(picture(n), head=b"Content-Length: %d" % size) for n, size in ((1, 50), (2, 99_999)))
        found, lost = pictures_in(short + long + part(picture(3)))
        assert found == [picture(1), picture(2), picture(3)]
        assert lost == 0

    def test_a_picture_that_breaks_off_does_not_take_the_next_along(self) -> None:
        jpeg = picture()
        broken = part(jpeg[: len(jpeg) // 2], head=b"Content-Length: %d" % len(jpeg))
        assert pictures_in(broken + part(picture(1))) == ([picture(1)], 1)

    def test_parts_that_are_no_picture_are_counted(self) -> None:
        assert pictures_in(part(b"<html>no") + part(picture()) + part(b"") + b"--b") == ([picture()], 2)

    def test_noise_before_and_between(self) -> None:
        noise = bytes(range(256)) * 40
        assert pictures_in(noise + part(picture()) + noise + part(picture(1)))[0] == [picture(), picture(1)]

    def test_nothing_grows_without_end(self) -> None:
        parts = Parts(boundary=b"b")
        for start in (b"", b"--b\r\nContent-Length: 15999999\r\n\r\n", b"--b\r\n\r\n", b"--b\r\nX: "):
            list(parts.feed(start))
            for _ in range(3 * MOST_BYTES // 1_000_000):
                list(parts.feed(b"x" * 1_000_000))
            assert len(parts._buffer) <= MOST_BYTES + 2_000_000
        list(parts.feed(part(picture()) + part(picture())))
        assert picture() in list(parts.feed(part(picture())))

    @given(st.binary(max_size=2000), st.integers(1, 300))
    def test_any_bytes(self, noise: bytes, step: int) -> None:
        found, _ = pictures_in(noise.replace(b"--b", b"") + b"\r\n" + part(picture()) + b"--b", step=step)
        assert found[-1:] == [picture()]

    @settings(max_examples=200)
    @given(st.data())
    def test_a_damaged_stream_recovers(self, data: st.DataObject) -> None:
        stream = bytearray(part(picture(0)) + part(picture(1)))
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(stream) - 1))
            match data.draw(st.sampled_from(["change", "drop", "add"])):
                case "change":
                    stream[at] = data.draw(st.integers(0, 255))
                case "drop":
                    del stream[at : at + data.draw(st.integers(1, 50))]
                case _:
                    stream[at:at] = data.draw(st.binary(max_size=50))
        whole = [part(picture(number)) for number in range(2, 6)]
        found, _ = pictures_in(bytes(stream) + b"".join(whole))
        assert found[-2:] == [picture(4), picture(5)]


class TestWholeness:
    @pytest.mark.parametrize("restarts", [0, 1, 4])
    def test_a_whole_picture_has_its_size(self, restarts: int) -> None:
        shape = check(picture(restarts=restarts))
        assert (shape.width, shape.height) == (160, 120)
        assert decode(picture(restarts=restarts)).shape == (120, 160, 3)

    def test_published_pictures(self) -> None:
        assert (check(GREY_PIXEL).width, check(GREY_PIXEL).height) == (1, 1)
        assert decode(GREY_PIXEL).shape == (1, 1, 3)
        with pytest.raises(BrokenPicture, match="breaks off"):
            check(ENDLESS_PIXEL)

    def test_progressive_pictures_are_pictures(self) -> None:
        image = decode(picture())
        jpeg = bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
        assert check(jpeg).width == 160

    @given(st.integers(1, 3000))
    def test_no_part_of_a_picture_is_a_picture(self, missing: int) -> None:
        jpeg = picture()
        with pytest.raises(BrokenPicture):
            check(jpeg[: -min(missing, len(jpeg))])

    def test_a_picture_inside_another_is_found(self) -> None:
        jpeg = picture()
        with pytest.raises(BrokenPicture):
            check(jpeg[: len(jpeg) // 2] + picture(1))

    def test_lost_restarts_are_found(self) -> None:
        jpeg = picture(restarts=1)
        first = jpeg.index(b"\xff\xd0")
        second = jpeg.index(b"\xff\xd1")
        with pytest.raises(BrokenPicture, match="out of order"):
            check(jpeg[:first] + jpeg[second:])

    def test_a_picture_of_no_size_is_none(self) -> None:
        jpeg = bytearray(picture())
        at = jpeg.index(b"\xff\xc0") + 5
        jpeg[at : at + 4] = bytes(4)
        with pytest.raises(BrokenPicture, match="0 x 0"):
            check(bytes(jpeg))

    @given(st.binary(max_size=500))
    def test_any_bytes_are_refused_in_its_own_words(self, data: bytes) -> None:
        for candidate in (data, b"\xff\xd8" + data, b"\xff\xd8\xff" + data + b"\xff\xd9"):
            try:
                decode(candidate)
            except BrokenPicture:
                continue

    @settings(max_examples=200)
    @given(st.data())
    def test_a_damaged_picture_is_refused_in_its_own_words_or_has_its_size(self, data: st.DataObject) -> None:
        jpeg = bytearray(picture())
        for _ in range(data.draw(st.integers(1, 4))):
            jpeg[data.draw(st.integers(0, len(jpeg) - 1))] = data.draw(st.integers(0, 255))
        try:
            shape = check(bytes(jpeg))
        except BrokenPicture:
            return
        if shape.width * shape.height > 1_000_000:
            return  # a size that was damaged is a legal size; the camera's next picture has another
        try:
            image = decode(bytes(jpeg))
        except BrokenPicture:
            return
        assert image.shape[2] == 3


class TestFigures:
    def test_brightness_is_the_mean_of_grey(self) -> None:
        assert look(np.full((48, 64, 3), 77, np.uint8)).brightness == 77.0

    def test_an_even_picture_has_no_spread_though_a_clock_is_drawn_into_it(self) -> None:
        image = np.full((480, 640, 3), 40, np.uint8)
        cv2.putText(image, "2026-11-22 07:00:00", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
        assert look(image).spread == 0
        assert look(decode(picture())).spread > 50

    def test_a_blurred_picture_is_less_sharp(self) -> None:
        image = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
        blurred = np.asarray(cv2.GaussianBlur(image, (5, 5), 0), np.uint8)
        assert look(blurred).sharpness < look(image).sharpness / 4

    def test_sharpness_hardly_depends_on_the_stream(self) -> None:
        large = cv2.resize(decode(picture(3)), (1280, 960), interpolation=cv2.INTER_LINEAR)
        small = cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA)
        ratio = look(np.asarray(large, np.uint8)).sharpness / look(np.asarray(small, np.uint8)).sharpness
        assert 0.7 < ratio < 1.4

    def test_one_pixel_makes_another_imprint_unless_it_is_ignored(self) -> None:
        image = decode(picture())
        other = image.copy()
        other[10, 20, 1] ^= 1
        assert look(image).imprint != look(other).imprint
        assert look(image, ignore=[(8, 16, 4, 8)]).imprint == look(other, ignore=[(8, 16, 4, 8)]).imprint
        assert look(image, ignore=[(0, 0, 4, 4)]).imprint != look(other, ignore=[(0, 0, 4, 4)]).imprint
        assert other[10, 20, 1] != 0  # what is ignored is not blackened in the picture itself
