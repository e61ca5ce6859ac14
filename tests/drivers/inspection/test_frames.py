"""Golden frames: the classic Modbus examples (unit 11h) and Delta's EB3000 manual, pages 474-484, as in test_bus."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.inspection.frames import Frame, Garbage, RtuSplitter, TcpSplitter, crc16, rtu, tcp

GOLDEN = [
    "11 01 00 13 00 25 0E 84",
    "11 01 05 CD 6B B2 0E 1B 45 E6",
    "11 02 00 C4 00 16 BA A9",
    "11 02 03 AC DB 35 20 18",
    "11 03 00 6B 00 03 76 87",
    "11 03 06 AE 41 56 52 43 40 49 AD",
    "11 04 00 08 00 01 B2 98",
    "11 04 02 00 0A F8 F4",
    "11 05 00 AC FF 00 4E 8B",
    "11 06 00 01 00 03 9A 9B",
    "11 0F 00 13 00 0A 02 CD 01 BF 0B",
    "11 0F 00 13 00 0A 26 99",
    "11 10 00 01 00 02 04 00 0A 01 02 C6 F0",
    "11 10 00 01 00 02 12 98",
    "01 03 21 02 00 02 6F F7",
    "01 03 04 17 70 00 00 FE 5C",
    "01 86 02 C3 A1",
]
FRAMES = [bytes.fromhex(text) for text in GOLDEN]
MEANT = [Frame(unit=data[0], pdu=data[1:-2]) for data in FRAMES]


def test_the_crc_of_the_catalogue_of_crcs() -> None:
    assert crc16(b"123456789") == 0x4B37


@pytest.mark.parametrize("data", FRAMES)
def test_a_published_frame_is_cut_out_and_made_again(data: bytes) -> None:
    (frame,) = RtuSplitter().feed(data)
    assert isinstance(frame, Frame)
    assert rtu(frame.unit, frame.pdu) == data


def test_frames_handed_over_all_at_once_or_byte_by_byte_are_the_same() -> None:
    stream = b"".join(FRAMES)
    assert RtuSplitter().feed(stream) == MEANT
    splitter = RtuSplitter()
    assert [one for byte in stream for one in splitter.feed(bytes([byte]))] == MEANT
    assert not splitter.waiting


@given(st.lists(st.sampled_from(FRAMES), max_size=8), st.lists(st.integers(1, 40), max_size=20))
def test_any_cut_gives_the_same_frames(chosen: list[bytes], cuts: list[int]) -> None:
    stream, splitter = b"".join(chosen), RtuSplitter()
    got: list[Frame | Garbage] = []
    for cut in cuts:
        got += splitter.feed(stream[:cut])
        stream = stream[cut:]
    got += splitter.feed(stream)
    assert got == [Frame(unit=data[0], pdu=data[1:-2]) for data in chosen]


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(FRAMES)), max_size=8))
def test_no_byte_is_lost_and_nothing_is_kept_after_a_silence(pieces: list[bytes]) -> None:
    splitter = RtuSplitter()
    got = [one for piece in pieces for one in (*splitter.feed(piece), *splitter.silence())]
    assert b"".join(one.data if isinstance(one, Garbage) else rtu(one.unit, one.pdu) for one in got) == b"".join(pieces)
    assert not splitter.waiting


def test_a_wrong_crc_is_garbage_and_the_next_frame_is_found() -> None:
    broken = FRAMES[4][:-1] + b"\x00"
    got = RtuSplitter().feed(broken + FRAMES[5])
    assert got == [Garbage(data=broken, why="wrong CRC"), MEANT[5]]


def test_a_frame_that_breaks_off_ends_with_the_silence() -> None:
    splitter = RtuSplitter()
    assert splitter.feed(FRAMES[5][:6]) == []
    assert splitter.silence() == [Garbage(data=FRAMES[5][:6], why="wrong CRC")]
    assert splitter.feed(b"\xff\x00") == []
    assert splitter.silence() == [Garbage(data=b"\xff\x00", why="too short for a frame")]


def test_a_function_of_unknown_length_ends_with_the_silence() -> None:
    data = rtu(1, bytes.fromhex("2B 0E 01 00"))
    splitter = RtuSplitter()
    assert splitter.feed(data) == []
    assert splitter.silence() == [Frame(unit=1, pdu=bytes.fromhex("2B 0E 01 00"))]


def test_noise_without_end_does_not_pile_up() -> None:
    splitter = RtuSplitter()
    got = [one for _ in range(100) for one in splitter.feed(b"\x01\x03\xff" * 20)]
    assert all(isinstance(one, Garbage) for one in got)
    assert got


def test_the_standards_example_over_tcp_in_pieces() -> None:
    request = bytes.fromhex("00 01 00 00 00 06 01 03 00 6B 00 03")
    splitter = TcpSplitter()
    got = [one for byte in request * 2 for one in splitter.feed(bytes([byte]))]
    assert got == [Frame(unit=1, transaction=1, pdu=bytes.fromhex("03 00 6B 00 03"))] * 2
    assert tcp(1, 1, got[0].pdu) == request if isinstance(got[0], Frame) else False


def test_what_is_not_modbus_over_tcp_is_garbage() -> None:
    (one,) = TcpSplitter().feed(b"GET / HTTP/1.1\r\n\r\n")
    assert isinstance(one, Garbage)
