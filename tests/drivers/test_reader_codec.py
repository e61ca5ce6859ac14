"""Readers' codec: published frames and numbers, torn and mutated ones, and streams with anything in them."""

from collections.abc import Iterable
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.places.reader import ReaderDefaults
from drivers.reader.cards import Card, NoCard, unwrapped
from drivers.reader.codec import Alive, Framer, Malformed, Read, Said
from runtime.config import ConfigError, validate

LONG_AGO = -3600.0


def how(**settings: object) -> ReaderDefaults:
    return validate("test", settings, ReaderDefaults)


LINE = how()
TAG = how(framing="stx-etx", check="em4100", content="em4100")
LRC = how(framing="stx-etx", check="lrc", content="wiegand-decimal", bits=32)


def told(settings: ReaderDefaults, *pieces: bytes | float) -> list[Said]:
    """Feed pieces of bytes; a number is a pause of so many seconds, and all ends with a long one."""
    framer, now = Framer(settings), 0.0
    found: list[Said] = []
    framer.begin(LONG_AGO)
    for piece in (*pieces, 60.0):
        if isinstance(piece, bytes):
            found += framer.feed(piece, now)
        else:
            now += piece
            found += framer.expire(now)
    return found


def texts(said: Iterable[Said]) -> list[str]:
    return [one.text if isinstance(one, Read) else "?" for one in said]


def cards(said: Iterable[Said], printed: str = "W34") -> list[str]:
    return [one.card.printed(printed) if isinstance(one, Read) and one.card else "?" for one in said]  # type: ignore[arg-type]


# ---- numbers that others published


@pytest.mark.parametrize(
    ("frame", "ten", "three_and_five"),
    [
        ("0230313030363345394145323503", "0006547886", "099,59822"),
        ("02" + b"6F007B39725F".hex() + "03", "0008075634", "123,14706"),
        ("02" + b"100086F44426".hex() + "03", "0008844356", "134,62532"),
        ("0230313030303733344530443203", "0000472288", "007,13536"),
        ("02" + b"62E3086CED08".hex() + "03", "3808980205", "008,27885"),
    ],
)
def test_tags_of_125_khz_show_the_number_that_is_printed_on_them(frame: str, ten: str, three_and_five: str) -> None:
    said = told(TAG, bytes.fromhex(frame))
    assert (cards(said), cards(said, "W26")) == ([ten], [three_and_five])


@pytest.mark.parametrize(
    ("bits", "facility", "number"),
    [
        ("10000110100110011000010110", 13, 13067),
        ("00101101000000001010001000", 90, 324),
        ("00110001100000011111001111", 99, 999),
        ("00100010010100010010011111", 68, 41551),
    ],
)
def test_wiegand_26_has_facility_number_and_parity(bits: str, facility: int, number: int) -> None:
    (read,) = told(how(content="wiegand-bits", bits=26), bits.encode() + b"\r")
    assert isinstance(read, Read)
    assert read.card == Card(number=facility << 16 | number, width=24)
    assert read.card.facility("W26") == facility
    assert read.card.printed("W26") == f"{facility:03d},{number:05d}"
    for at in range(26):
        flipped = int(bits, 2) ^ 1 << at
        with pytest.raises(NoCard, match="wrong parity"):
            unwrapped(flipped, 26)


def test_wiegand_26_as_hexadecimal_digits() -> None:
    assert cards(told(how(content="wiegand-hex", bits=26), b"21a6616\r\n"), "W26") == ["013,13067"]
    assert cards(told(how(content="wiegand-hex", bits=26), b"21A6617\r\n"), "W26") == ["?"]


def test_wiegand_34_as_a_maker_of_cameras_explains_it() -> None:
    bits = b"1" + b"01001001100101100000001011010010" + b"0"
    (read,) = told(how(content="wiegand-bits", bits=34), bits + b"\r\n")
    assert isinstance(read, Read)
    assert read.card is not None
    assert read.card.printed("W34") == "1234567890"
    assert read.card.facility("W34") == 1234567890 >> 16


def test_a_number_with_its_length_before_it() -> None:
    (read,) = told(how(content="wiegand-counted"), b"1A808001C0\r")
    assert isinstance(read, Read)
    assert read.card == Card(number=1 << 16 | 3, width=24)


def test_a_converter_with_ten_digits() -> None:
    assert cards(told(how(content="wiegand-decimal", bits=32), bytes.fromhex("303030303132333437380D0A"))) == [
        "0000123478"
    ]


def test_a_line_with_a_sum_of_its_bytes() -> None:
    proximity = how(check="sum")
    frame = bytes.fromhex("303030313233344142434445 30380D0A")
    assert texts(told(proximity, frame)) == ["0001234ABCDE"]
    assert texts(told(proximity, frame.replace(b"4A", b"4B"))) == ["?"]


def test_ten_digits_between_stx_and_etx_with_lrc() -> None:
    body = b"\x020008075634\x03"
    good = body + bytes([reduce(xor, body)])
    assert cards(told(LRC, good, good)) == ["0008075634", "0008075634"]
    assert texts(told(LRC, good[:-1] + bytes([good[-1] ^ 1]))) == ["?"]


def test_bcc_leaves_stx_out() -> None:
    body = b"\x02A1\x03"
    assert texts(told(how(framing="stx-etx", check="bcc"), body + bytes([reduce(xor, body[1:])]))) == ["A1"]


def test_24_bits_do_not_tell_ten_digits() -> None:
    (read,) = told(how(content="wiegand-decimal", bits=24), b"123,14706\r")
    assert isinstance(read, Read)
    assert read.card is not None
    assert read.card.printed("W26") == "123,14706"
    with pytest.raises(NoCard, match="upper eight are missing"):
        read.card.printed("W34")
    with pytest.raises(NoCard):
        read.card.facility("W34")


@pytest.mark.parametrize("wrong", [b"256,00001", b"123,65536", b"12314706X", b"1234567", b"\xef\xbc\x9123,14706"])
def test_what_is_no_facility_and_number_is_malformed(wrong: bytes) -> None:
    assert texts(told(how(content="wiegand-decimal", bits=24, charset="utf-8"), wrong + b"\r")) == ["?"]


# ---- lines


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r", b"\r\n\r\n"])
def test_a_line_ends_by_cr_lf_or_both(end: bytes) -> None:
    assert texts(told(LINE, b"PASS-1" + end + b"PASS-2" + end)) == ["PASS-1", "PASS-2"]


def test_a_line_may_come_in_pieces() -> None:
    assert texts(told(LINE, b"PA", 0.1, b"SS", 0.1, b"-1\r")) == ["PASS-1"]


def test_a_line_that_was_cut_off_is_never_joined_with_the_next() -> None:
    assert texts(told(LINE, b"PASS", 0.3, b"-2\r", 1.0, b"PASS-3\r")) == ["?", "-2", "PASS-3"]
    guarded = how(prefix="PASS")
    assert texts(told(guarded, b"PASS", 0.3, b"-2\r", 1.0, b"PASS-3\r")) == ["?", "?", "-3"]


def test_a_silence_is_enough_to_count_what_was_cut_off() -> None:
    assert told(LINE, b"PASS") == [Malformed(why="cut off")]


def test_the_rest_of_a_read_that_began_before_the_line_was_open_is_none() -> None:
    framer = Framer(LINE)
    framer.begin(10.0)
    assert texts(framer.feed(b"56\rPASS-2\r", 10.05)) == ["?", "PASS-2"]
    framer.begin(20.0)
    assert texts([*framer.expire(20.3), *framer.feed(b"PASS-3\r", 20.4)]) == ["PASS-3"]
    framer.begin(30.0)
    assert texts(framer.feed(b"PASS-4\r", 30.5)) == ["PASS-4"]


def test_a_line_that_is_too_long_ends_with_itself() -> None:
    short = how(max_length=8)
    assert told(short, b"123456789\rPASS\r") == [Malformed(why="too long"), Read(text="PASS")]
    assert texts(told(short, b"12345678\r")) == ["12345678"]


@pytest.mark.parametrize(
    ("charset", "sent", "read"),
    [
        ("ascii", b"caf\xe9", "?"),
        ("latin-1", b"caf\xe9", "café"),
        ("utf-8", "三号楼".encode(), "三号楼"),
        ("utf-8", "三号楼".encode()[:-1], "?"),
        ("gb18030", "三号楼".encode("gb18030"), "三号楼"),
        ("ascii", b"A\x00B", "?"),
        ("ascii", b"A\x1b[2JB", "?"),
        ("latin-1", b"A\x85B", "?"),
    ],
)
def test_texts_are_of_their_character_set_and_printable(charset: str, sent: bytes, read: str) -> None:
    assert texts(told(how(charset=charset), sent + b"\r")) == [read]


def test_a_sign_of_life_is_no_read() -> None:
    assert told(how(alive="OK", alive_within="60s", prefix="P:"), b"OK\rP:1\r") == [Alive(), Read(text="1")]


# ---- frames


def test_a_frame_that_was_cut_off_by_the_next_costs_itself_alone() -> None:
    good = b"\x026F007B39725F\x03"
    assert texts(told(TAG, good[:9] + good)) == ["?", "6F007B3972"]
    assert texts(told(TAG, good[:9], 1.0, good)) == ["?", "6F007B3972"]
    assert texts(told(TAG, good[1:] + good)) == ["?", "6F007B3972"]


def test_line_ends_between_and_in_frames_are_no_noise() -> None:
    assert texts(told(TAG, b"\r\n\x026F007B39725F\r\n\x03\r\n")) == ["6F007B3972"]


def test_a_lost_check_byte_costs_its_own_frame_alone() -> None:
    body = b"\x020008075634\x03"
    good = body + bytes([reduce(xor, body)])
    assert texts(told(LRC, body + good)) == ["?", "0008075634"]
    assert texts(told(LRC, body, 1.0, good)) == ["?", "0008075634"]


def test_a_frame_without_an_end_is_not_kept_for_ever() -> None:
    found = told(how(framing="stx-etx", max_length=16), b"\x02" + b"A" * 5000 + b"\x02B\x03")
    assert found == [Malformed(why="too long"), Read(text="B")]


# ---- silences


def test_bytes_between_two_silences_with_a_check() -> None:
    raw = how(framing="pause", check="xor", content="wiegand-raw", bits=32, length=5, gap="50ms")
    card = bytes.fromhex("007B3972")
    good = card + bytes([reduce(xor, card)])
    assert cards(told(raw, good, 0.1, good[:2], 0.01, good[2:])) == ["0008075634", "0008075634"]
    assert texts(told(raw, good[:4], 0.1, good, 0.1, good + b"\x00", 0.1, card + b"\x00")) == [
        "?",
        "007B3972",
        "?",
        "?",
    ]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"check": "lrc"}, "`check` is one of em4100, none, sum"),
        ({"framing": "pause"}, "`length` is needed"),
        ({"length": 4}, "`length` is needed"),
        ({"framing": "pause", "length": 4}, "takes any noise for a read"),
        ({"framing": "pause", "length": 4, "content": "wiegand-raw", "bits": 32}, "takes any noise for a read"),
        ({"content": "wiegand-hex"}, "`bits` is needed"),
        ({"content": "text", "bits": 26}, "`bits` is needed"),
        ({"content": "wiegand-decimal", "bits": 26}, "has no parity"),
        ({"content": "wiegand-raw", "bits": 26}, "needs `framing = 'pause'`"),
        ({"alive": "OK"}, "go together"),
    ],
)
def test_ways_of_reading_that_make_no_sense_are_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match=why):
        how(**wrong)


# ---- anything

WAYS = [
    LINE,
    how(charset="utf-8", prefix="P"),
    how(check="sum"),
    TAG,
    LRC,
    how(framing="stx-etx", check="bcc", charset="gb18030"),
    how(framing="pause", check="xor", length=4),
    how(framing="pause", content="wiegand-raw", bits=26, length=4),
    how(content="wiegand-hex", bits=34),
    how(content="wiegand-counted"),
    how(content="wiegand-bits", bits=26),
]


@settings(max_examples=300)
@given(st.sampled_from(WAYS), st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 0.5)), max_size=12))
def test_noise_ends_and_leaves_nothing_behind(way: ReaderDefaults, pieces: list[tuple[bytes, float]]) -> None:
    framer, now = Framer(way), 0.0
    framer.begin(now)
    for piece, pause in pieces:
        for said in framer.feed(piece, now):
            assert isinstance(said, Read | Alive | Malformed)
            if isinstance(said, Read):
                assert said.text
                assert said.text.isprintable()
                assert (said.card is None) == (way.content == "text")
        now += pause
    list(framer.expire(now + 60))
    assert framer.due_s is None
    assert not framer.pending


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.data())
def test_a_changed_byte_of_a_tags_frame_is_never_another_tag(number: int, version: int, draw: st.DataObject) -> None:
    data = bytes([version]) + number.to_bytes(4, "big")
    frame = b"\x02" + data.hex().upper().encode() + f"{reduce(xor, data):02X}".encode() + b"\x03"
    assert cards(told(TAG, frame)) == [f"{number:010d}"]
    mutated = bytearray(frame)
    mutated[draw.draw(st.integers(0, len(frame) - 1))] ^= draw.draw(st.integers(1, 255))
    assert {text.upper() for text in texts(told(TAG, bytes(mutated), 1.0, frame))} <= {"?", data.hex().upper()}


@settings(max_examples=100)
@given(st.binary(max_size=30), st.integers(0, 13))
def test_a_torn_frame_never_spoils_the_next_after_a_silence(noise: bytes, cut: int) -> None:
    good = b"\x026F007B39725F\x03"
    assert texts(told(TAG, noise + good[:cut], 0.3, good))[-1] == "6F007B3972"


@given(st.integers(0, 2**26 - 1))
def test_26_bits_with_right_parity_are_a_card(bits: int) -> None:
    try:
        card = unwrapped(bits, 26)
    except NoCard:
        return
    assert card.number == bits >> 1 & 0xFFFFFF
    assert (bits >> 13).bit_count() % 2 == 0
    assert (bits & 0x1FFF).bit_count() % 2 == 1
