"""The simulators' own Modbus against published frames (sources in the drivers' tests: the classic examples, Delta)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import frames


def taken(text: str) -> frames.Frame:
    buffer = bytearray.fromhex(text)
    frame = frames.take_rtu(buffer)
    assert frame is not None
    assert not buffer
    return frame


@pytest.mark.parametrize(
    ("text", "unit", "request_"),
    [
        ("11 01 00 13 00 25 0E 84", 17, frames.Read(function=1, address=0x13, count=37)),
        ("11 02 00 C4 00 16 BA A9", 17, frames.Read(function=2, address=0xC4, count=22)),
        ("11 03 00 6B 00 03 76 87", 17, frames.Read(function=3, address=0x6B, count=3)),
        ("11 04 00 08 00 01 B2 98", 17, frames.Read(function=4, address=8, count=1)),
        ("11 05 00 AC FF 00 4E 8B", 17, frames.Write(function=5, address=0xAC, words=(1,), echo=b"\x00\xac\xff\x00")),
        ("11 06 00 01 00 03 9A 9B", 17, frames.Write(function=6, address=1, words=(3,), echo=b"\x00\x01\x00\x03")),
        (
            "11 0F 00 13 00 0A 02 CD 01 BF 0B",
            17,
            frames.Write(function=15, address=0x13, words=(1, 0, 1, 1, 0, 0, 1, 1, 1, 0), echo=b"\x00\x13\x00\x0a"),
        ),
        (
            "11 10 00 01 00 02 04 00 0A 01 02 C6 F0",
            17,
            frames.Write(function=16, address=1, words=(10, 0x0102), echo=b"\x00\x01\x00\x02"),
        ),
        # Waveshare's wiki, "Modbus RTU Relay": relay 0 is on for 700 ms.
        (
            "01 05 02 00 00 07 8D B0",
            1,
            frames.CoilWord(function=5, address=0x200, word=7, echo=b"\x02\x00\x00\x07"),
        ),
    ],
)
def test_published_requests_are_understood(text: str, unit: int, request_: object) -> None:
    frame = taken(text)
    assert frame.unit == unit
    assert frames.parse(frame.pdu) == request_


def test_the_standards_own_mask_write_is_understood() -> None:
    # Modbus Application Protocol 1.1b3, 6.16: 16 00 04 00 F2 00 25.
    body = bytes.fromhex("00 04 00 F2 00 25")
    expected = frames.MaskWrite(function=22, address=4, and_mask=0xF2, or_mask=0x25, echo=body)
    assert frames.parse(b"\x16" + body) == expected
    frame = frames.Frame(unit=17, transaction=0, pdu=b"\x16" + body)
    assert frames.take_rtu(bytearray(frames.rtu(frame, frame.pdu))) == frame


@pytest.mark.parametrize(
    ("function", "words", "text"),
    [
        (1, [b >> i & 1 for b in bytes.fromhex("CD6BB20E1B") for i in range(8)][:37], "11 01 05 CD 6B B2 0E 1B 45 E6"),
        (2, [b >> i & 1 for b in bytes.fromhex("ACDB35") for i in range(8)][:22], "11 02 03 AC DB 35 20 18"),
        (3, [0xAE41, 0x5652, 0x4340], "11 03 06 AE 41 56 52 43 40 49 AD"),
        (4, [10], "11 04 02 00 0A F8 F4"),
    ],
)
def test_published_answers_are_given(function: int, words: list[int], text: str) -> None:
    frame = frames.Frame(unit=17, transaction=0, pdu=b"")
    assert frames.rtu(frame, frames.read_answer(function, words)) == bytes.fromhex(text)


def test_published_exception_and_crc() -> None:
    frame = frames.Frame(unit=1, transaction=0, pdu=b"")
    assert frames.rtu(frame, frames.exception(6, 2)) == bytes.fromhex("01 86 02 C3 A1")
    assert frames.crc16(b"123456789") == 0x4B37


def test_tcp_frames_keep_their_transaction_and_may_come_in_pieces() -> None:
    buffer = bytearray()
    request = bytes.fromhex("00 01 00 00 00 06 01 03 00 6B 00 03")
    for byte in request[:-1]:
        buffer.append(byte)
        assert frames.take_tcp(buffer) is None
    buffer += request[-1:] + request
    first, second = frames.take_tcp(buffer), frames.take_tcp(buffer)
    assert first == second
    assert first is not None
    answer = frames.tcp(first, frames.read_answer(3, [0x022B, 0, 0x64]))
    assert answer == bytes.fromhex("00 01 00 00 00 09 01 03 06 02 2B 00 00 00 64")


@pytest.mark.parametrize("text", ["01 06 00 01 00 01 48 0A", "01 03 00 6B 00 03 76 87"])
def test_a_wrong_crc_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="CRC"):
        frames.take_rtu(bytearray.fromhex(text))


def test_what_is_not_modbus_tcp_is_an_error() -> None:
    with pytest.raises(ValueError, match="Modbus TCP"):
        frames.take_tcp(bytearray(b"GET / HTTP/1.1\r\n"))


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("2B 0E 01 00", frames.ILLEGAL_FUNCTION),
        ("03 00 00 00 00", frames.ILLEGAL_VALUE),
        ("03 00 00 00 7E", frames.ILLEGAL_VALUE),
        ("01 00 00 07 D1", frames.ILLEGAL_VALUE),
        ("05 00 00 12 34 00", frames.ILLEGAL_VALUE),
        ("16 00 04 00 F2", frames.ILLEGAL_VALUE),
        ("10 00 00 00 02 02 00 01", frames.ILLEGAL_VALUE),
        ("03 00", frames.ILLEGAL_VALUE),
        ("10 00 00 00 02", frames.ILLEGAL_VALUE),
    ],
)
def test_impossible_requests_get_an_exception(pdu: str, code: int) -> None:
    data = bytes.fromhex(pdu)
    assert frames.parse(data) == frames.Malformed(function=data[0], code=code)


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    frames.parse(data)
    for take in (frames.take_rtu, frames.take_tcp):
        try:
            take(bytearray(data))
        except ValueError:
            continue
