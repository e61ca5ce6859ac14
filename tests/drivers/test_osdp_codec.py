"""OSDP frames and what they say: examples of the standard and of others, and whatever noise can make of them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.osdp import codec, outputs, replies, showing
from drivers.osdp.cards import credential, text_of
from drivers.osdp.codec import Command, Frame, Malformed, Reply
from drivers.osdp.pins import PATIENCE_S, PinPad
from drivers.osdp.replies import Card
from drivers.places.osdp import OsdpPoint
from simulators.osdp import frames as simulated

# SIA OSDP 2.2, Annex E, as the unit tests of goToMain/libosdp have it (tests/unit-tests/test-sc-sia-vectors.c).
COMSET = bytes.fromhex("53 7F 0D 00 04 6E 00 80 25 00 00 6E 38")
ID = bytes.fromhex("53 00 09 00 04 61 00 C0 66")
COMSET_SUMMED = bytes.fromhex("53 7F 0C 00 00 6E 00 80 25 00 00 0F")
ID_SUMMED = bytes.fromhex("53 00 08 00 00 61 00 44")
# bytedreamer/OSDP.Net, src/OSDP.Net.Tests: frames taken off the wire, and frames as its authors want them.
ACK = bytes([83, 128, 8, 0, 5, 64, 104, 159])
PDID = bytes.fromhex("53 80 14 00 06 45 00 0E E3 10 10 00 00 74 97 23 06 06 1B 88")
BUZZER = bytes.fromhex("53 00 0D 00 06 6A 00 02 02 02 01 59 92")
OUTPUTS = bytes.fromhex("53 00 10 00 06 68 00 03 64 00 01 06 78 00 0B 5B")
CAPABILITIES = bytes(
    [3, 1, 1, 4, 4, 1, 5, 2, 1, 6, 0, 0, 7, 0, 0, 8, 1, 0, 9, 1, 1, 10, 194, 1, 14, 0, 0, 15, 0, 0, 16, 1, 0]
)
EVERY = [COMSET, ID, COMSET_SUMMED, ID_SUMMED, ACK, PDID, BUZZER, OUTPUTS]


def take(data: bytes) -> Frame:
    frame = codec.take(bytearray(data))
    assert frame is not None
    return frame


@pytest.mark.parametrize(
    ("data", "address", "code", "body"),
    [
        (COMSET, 0x7F, Command.COMSET, "0080250000"),
        (COMSET_SUMMED, 0x7F, Command.COMSET, "0080250000"),
        (ID, 0, Command.ID, "00"),
        (ID_SUMMED, 0, Command.ID, "00"),
        (BUZZER, 0, Command.BUZ, "0002020201"),
        (OUTPUTS, 0, Command.OUT, "0003640001067800"),
    ],
)
def test_published_commands_are_read(data: bytes, address: int, code: int, body: str) -> None:
    frame = take(data)
    assert (frame.address, frame.code, frame.data.hex(), frame.is_reply) == (address, code, body, False)


def test_published_replies_are_read() -> None:
    assert (take(ACK).code, take(ACK).sequence, take(ACK).is_reply) == (Reply.ACK, 1, True)
    identity = replies.identity(take(PDID).data)
    assert (identity.vendor, identity.model, identity.version) == ("000EE3", 0x10, 0x10)
    assert (identity.serial, identity.firmware) == ("97740000", "35.6.6")
    told = replies.capabilities(CAPABILITIES)
    assert (told[9], told[10], told[16]) == ((1, 1), (194, 1), (1, 0))


@pytest.mark.parametrize(("data", "sequence"), [(ID, 0), (BUZZER, 2), (OUTPUTS, 2), (COMSET, 0)])
def test_published_commands_are_built_byte_by_byte(data: bytes, sequence: int) -> None:
    frame = take(data)
    built = codec.build(address=frame.address, sequence=sequence, code=frame.code, data=frame.data)
    assert built == data


def test_commands_for_outputs_have_the_standards_form() -> None:
    code, data = outputs.buzzer(0.2, reader=0)
    assert (code, data) == (Command.BUZ, bytes.fromhex("0002020001"))
    code, data = outputs.led("green for 3s", reader=0, number=0)
    assert (code, data.hex()) == (Command.LED, "0000" + "02" + "0a000202" + "1e00" + "0000000000")
    code, data = outputs.led("red/off 200ms/300ms", reader=1, number=2)
    assert (code, data.hex()) == (Command.LED, "0102" + "01" + "00000000" + "0000" + "01" + "02030100")
    assert outputs.output(3.0, number=1) == (Command.OUT, bytes.fromhex("01051e00"))
    assert outputs.text("HI", reader=0) == (Command.TEXT, bytes.fromhex("000100010102") + b"HI")


@pytest.mark.parametrize(
    "pattern", ["", "pink", "green for", "red/green", "red 1s", "green for 0s", "red/off 30s", "green for 2h"]
)
def test_a_pattern_that_no_light_can_show_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|shows|lasts"):
        outputs.parse_pattern(pattern)


def test_a_published_card_is_read() -> None:
    # Security-Industry-Association/libosdp-conformance, README: 75 bits.
    data = bytes.fromhex("00004b0009a4494aa3274cd52bc0")
    card = replies.card(data)
    assert (card.reader, card.bits, text_of(card)) == (0, 75, "75:04D224A55193A66A95E")


def test_bits_stand_on_the_left_on_the_wire() -> None:
    # bytedreamer/OSDP.Net, RawCardDataTest: 0001001010101011.
    card = replies.card(bytes.fromhex("0500100012ab"))
    assert (card.reader, f"{card.value:016b}") == (5, "0001001010101011")
    assert text_of(replies.card(bytes.fromhex("00010500f8"))) == "5:1F"


@pytest.mark.parametrize(
    ("bits", "facility", "number"),
    [
        ("1 00000001 0000000000000001 0", 1, 1),
        ("0 11111111 1111111111111111 1", 255, 65535),
        ("0 0000000000000011 0000000000000001 0", 3, 1),
    ],
)
def test_known_formats_give_facility_and_number(bits: str, facility: int, number: int) -> None:
    plain = bits.replace(" ", "")
    said = credential(Card(reader=0, bits=len(plain), value=int(plain, 2)))
    assert (said.facility, said.number, said.reason) == (facility, number, "")


@given(st.sampled_from([26, 34]), st.data())
def test_a_single_wrong_bit_never_passes_for_a_number(bits: int, data: st.DataObject) -> None:
    half = (bits - 2) // 2
    content = data.draw(st.integers(0, (1 << 2 * half) - 1))
    text = f"{content:0{2 * half}b}"
    whole = str(text[:half].count("1") % 2) + text + str(1 - text[half:].count("1") % 2)
    right = Card(reader=0, bits=bits, value=int(whole, 2))
    said = credential(right)
    facility_bits = 2 * half - 16
    assert (said.facility, said.number) == (int(text[:facility_bits], 2), int(text[facility_bits:], 2))
    wrong = Card(reader=0, bits=bits, value=right.value ^ 1 << data.draw(st.integers(0, bits - 1)))
    assert (credential(wrong).facility, credential(wrong).number) == (None, None)


@given(st.binary(max_size=400))
def test_noise_makes_no_frame_whose_check_is_wrong_and_is_used_up(noise: bytes) -> None:
    buffer = bytearray(noise)
    taken = 0
    while (frame := codec.take(buffer)) is not None:
        taken += 1
        checked = frame.head + frame.mac
        ending = codec.crc16(checked).to_bytes(2, "little") if frame.has_crc else bytes([codec.check_sum(checked)])
        assert checked + ending in noise
    assert taken <= len(noise) // 7
    assert not buffer or buffer[0] == codec.START


@given(st.sampled_from(EVERY), st.binary(max_size=60), st.binary(max_size=30))
def test_a_frame_is_found_between_noise(frame: bytes, before: bytes, after: bytes) -> None:
    buffer = bytearray(before + frame + after)
    found = []
    while (one := codec.take(buffer)) is not None:
        found.append(one)
    assert take(frame) in found


@given(st.sampled_from([f for f in EVERY if take(f).has_crc]), st.data())
def test_a_frame_with_wrong_bits_is_no_frame(frame: bytes, data: st.DataObject) -> None:
    wrong = bytearray(frame)
    for bit in data.draw(st.sets(st.integers(0, 8 * len(frame) - 1), min_size=1, max_size=3)):
        wrong[bit // 8] ^= 1 << bit % 8
    # A flipped bit may turn a CRC frame into one with a check sum, which is weaker; the panel's own use CRC and a MAC.
    taken = codec.take(wrong)
    assert taken is None or not taken.has_crc


@given(st.sampled_from(EVERY), st.lists(st.integers(0, 25), max_size=6))
def test_it_makes_no_difference_how_bytes_come(frame: bytes, cuts: list[int]) -> None:
    buffer = bytearray()
    found = []
    edges = [0, *sorted(min(cut, len(frame)) for cut in cuts), len(frame)]
    for begin, end in pairwise(edges):
        buffer += frame[begin:end]
        if (one := codec.take(buffer)) is not None:
            found.append(one)
    assert found == [take(frame)]


@given(
    st.integers(0, 0x7E),
    st.integers(0, 3),
    st.integers(0, 255),
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x16"]),
)
def test_what_a_reader_builds_is_read_by_the_panel(
    address: int, number: int, code: int, data: bytes, block: bytes
) -> None:
    mac = b"\x01\x02\x03\x04" if block else b""
    built = simulated.sealed(simulated.unsigned(address, number, code, data, block, mac=len(mac)) + mac)
    frame = take(built)
    assert (frame.address, frame.sequence, frame.code, frame.data) == (address, number, code, data)
    assert (frame.block, frame.mac, frame.is_reply) == (block, mac, True)


@given(st.integers(0, 0x7E), st.integers(0, 3), st.integers(0, 255), st.binary(max_size=200))
def test_what_the_panel_builds_is_read_by_a_reader(address: int, number: int, code: int, data: bytes) -> None:
    built = codec.build(address=address, sequence=number, code=code, data=data)
    heard = simulated.Splitter().feed(b"\xff" + built)
    assert [(one.address, one.number, one.code, one.data) for one in heard] == [(address, number, code, data)]


PARSERS = [
    replies.identity,
    replies.capabilities,
    replies.local_status,
    replies.reader_tamper,
    replies.outputs,
    replies.card,
    replies.keys,
]


@pytest.mark.parametrize("parse", PARSERS)
@settings(max_examples=300)
@given(data=st.binary(max_size=64))
def test_data_of_a_wrong_form_are_malformed_and_nothing_else(parse: object, data: bytes) -> None:
    assert callable(parse)
    try:
        parse(data)
    except Malformed:
        return


@given(st.binary(max_size=80), st.sampled_from(["card", "facility", "number", "tamper", "output_on", "model"]))
def test_showing_a_frame_raises_nothing_undeclared(data: bytes, signal: str) -> None:
    place = OsdpPoint.model_validate({"signal": signal})
    for code in Reply:
        frame = take(simulated.sealed(simulated.unsigned(5, 1, code, data)))
        assert showing.described(frame).startswith(f"reader 5: {code.name} ")
        try:
            showing.shown("point", place, frame)
        except Malformed:
            continue


def test_a_description_never_has_what_was_pressed() -> None:
    frame = take(simulated.sealed(simulated.unsigned(5, 1, Reply.KEYPAD, b"\x00\x041234")))
    assert "1234" not in showing.described(frame) + repr(frame) + repr(replies.keys(frame.data))


def test_a_pin_ends_with_its_key_and_is_soon_forgotten() -> None:
    pad = PinPad()
    assert pad.press("12", now=0) == ()
    assert pad.press("34#", now=1) == ("1234",)
    assert pad.press("99*56#", now=2) == ("56",)
    assert pad.press("12", now=3) == ()
    assert pad.press("34#", now=3 + PATIENCE_S + 1) == ("34",)
    assert pad.press("#", now=20) == ()
    assert pad.press("1" * 17 + "#2#", now=21) == ("2",)
