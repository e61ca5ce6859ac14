"""The thermal array's codec: published commands, frames by the published layout, and streams with anything in them."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.thermal_array import codec
from drivers.thermal_array.codec import Damaged, Decoder, Emissivity, Frame


def frame(pixels: Sequence[int], ambient: int = 25_00) -> bytes:
    """Lay a frame out as the sources say: words of 16 bits, low byte first, and their sum."""
    words = struct.pack("<HH768hh", 0x5A5A, 0x0602, *pixels, ambient)
    return words + struct.pack("<H", sum(struct.unpack("<771H", words)) & 0xFFFF)


PLAIN = frame([21_50] * 768)
WARM = frame([36_60] * 768, 26_01)


def said(*pieces: bytes) -> list[codec.Said]:
    decoder = Decoder()
    return [one for piece in pieces for one in decoder.feed(piece)]


def frames(*pieces: bytes) -> list[Frame]:
    return [one for one in said(*pieces) if isinstance(one, Frame)]


@pytest.mark.parametrize(
    ("command", "published"),
    [
        (codec.QUERY, "A5 35 01 DB"),
        (codec.AUTOMATIC, "A5 35 02 DC"),
        (codec.ASK_EMISSIVITY, "A5 55 01 FB"),
        (codec.SAVE, "A5 65 01 0B"),
        (codec.set_rate(0.5), "A5 25 00 CA"),
        (codec.set_rate(1), "A5 25 01 CB"),
        (codec.set_rate(2), "A5 25 02 CC"),
        (codec.set_rate(4), "A5 25 03 CD"),
        (codec.set_rate(8), "A5 25 04 CE"),
        (codec.set_baudrate(9600), "A5 15 01 BB"),
        (codec.set_baudrate(115200), "A5 15 02 BC"),
        (codec.set_baudrate(460800), "A5 15 03 BD"),
        (codec.set_emissivity(0.95), "A5 45 5F 49"),
    ],
)
def test_commands_are_the_published_ones(command: bytes, published: str) -> None:
    assert command == bytes.fromhex(published)


def test_a_picture_is_pixels_by_rows_and_an_ambient_temperature() -> None:
    pixels = [number - 384 for number in range(768)]
    (one,) = frames(frame(pixels, -12_34))
    assert struct.unpack("<768h", one.pixels) == tuple(pixels)
    assert (one.ambient_c, one.defective) == (-12.34, ())


def test_a_frame_may_come_byte_by_byte() -> None:
    assert frames(*(bytes([byte]) for byte in PLAIN + WARM)) == frames(PLAIN + WARM)
    assert len(frames(PLAIN + WARM)) == 2


def test_a_wrong_sum_is_no_picture() -> None:
    assert said(PLAIN[:-1] + bytes([PLAIN[-1] ^ 1]))[0] == Damaged()
    assert frames(PLAIN[:100] + bytes([PLAIN[100] ^ 4]) + PLAIN[101:]) == []


@pytest.mark.parametrize("lost", [1, 2, 700, 1540, 1543])
def test_a_frame_that_lost_bytes_costs_itself_alone(lost: int) -> None:
    assert frames(PLAIN[:200] + PLAIN[200 + lost :] if lost < 1300 else PLAIN[:-lost], WARM) == frames(WARM)


def test_the_start_of_a_frame_is_found_in_the_one_that_was_cut_off() -> None:
    assert frames(PLAIN[:800], WARM, PLAIN) == frames(WARM, PLAIN)


def test_a_header_that_the_last_byte_of_noise_seems_to_begin_is_found() -> None:
    assert frames(b"\x5a" + PLAIN) == frames(b"\x5a\x5a" + PLAIN) == frames(PLAIN)


def test_pixels_may_look_like_headers() -> None:
    tricky = frame([0x5A5A, 0x0602] * 384)
    assert len(frames(tricky, tricky, tricky)) == 3


def test_the_stream_is_found_again_from_its_middle() -> None:
    assert frames((PLAIN + WARM + PLAIN)[500:]) == frames(WARM + PLAIN)


def test_the_emissivity_is_told() -> None:
    assert said(PLAIN, bytes.fromhex("5A 5A 5F 13"), WARM)[1] == Emissivity(value=0.95)


def test_a_defective_pixel_is_named_and_many_make_no_picture() -> None:
    (one,) = frames(frame([21_50] * 700 + [-273_15, 327_67] + [21_50] * 66))
    assert one.defective == (700, 701)
    assert said(frame([-273_15] * 5 + [21_50] * 763))[0] == Damaged()


@pytest.mark.parametrize("ambient", [-40_01, 85_01, 327_67])
def test_a_sensor_that_cannot_live_there_is_no_picture(ambient: int) -> None:
    assert frames(frame([21_50] * 768, ambient)) == []


def test_no_more_than_a_frame_is_ever_kept() -> None:
    decoder = Decoder()
    for _ in range(50):
        list(decoder.feed(b"\x5a\x5a\x02\x06" * 200))
        assert decoder.waiting < codec.FRAME_BYTES
    list(decoder.feed(b"\x00" * 5000))
    assert decoder.waiting == 0


@settings(max_examples=60)
@given(st.lists(st.one_of(st.binary(max_size=200), st.just(PLAIN), st.just(PLAIN[:900])), max_size=6), st.data())
def test_nothing_but_true_pictures_comes_out_of_noise(pieces: list[bytes], draw: st.DataObject) -> None:
    stream = b"".join(pieces) + WARM
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = frames(*parts)
    assert found[-1:] == frames(WARM)
    assert set(found) <= {*frames(PLAIN), *frames(WARM)}


@settings(max_examples=200)
@given(st.integers(0, codec.FRAME_BYTES - 1), st.integers(1, 255))
def test_one_changed_byte_is_never_a_picture(at: int, change: int) -> None:
    mutated = bytearray(PLAIN)
    mutated[at] ^= change
    assert frames(bytes(mutated), WARM) == frames(WARM)
