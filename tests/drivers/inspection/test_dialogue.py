"""Requests and answers as published (the classic Modbus examples, Delta's EB3000 manual), told to people."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.catalog import catalog_profile
from drivers.inspection.dialogue import Dialogue, Event, Sign
from drivers.inspection.frames import Frame, Garbage, RtuSplitter, TcpSplitter, rtu
from drivers.inspection.rendering import line
from tests.support.simulated_line import ELEVATOR, PUMP

EXCHANGES = [
    (
        "11 01 00 13 00 25 0E 84",
        "11 01 05 CD 6B B2 0E 1B 45 E6",
        "read coil 19..55",
        "read coil 19..55: 1 0 1 1 0 0 1 1 1 1 0 1 0 1 1 0 ... (37)",
    ),
    (
        "11 03 00 6B 00 03 76 87",
        "11 03 06 AE 41 56 52 43 40 49 AD",
        "read holding 107..109",
        "read holding 107..109: 44609 22098 17216",
    ),
    ("11 04 00 08 00 01 B2 98", "11 04 02 00 0A F8 F4", "read input 8", "read input 8: 10"),
    ("11 05 00 AC FF 00 4E 8B", "11 05 00 AC FF 00 4E 8B", "write coil 172: 1", "write coil 172: done"),
    ("11 06 00 01 00 03 9A 9B", "11 06 00 01 00 03 9A 9B", "write holding 1: 3", "write holding 1: done"),
    (
        "11 0F 00 13 00 0A 02 CD 01 BF 0B",
        "11 0F 00 13 00 0A 26 99",
        "write coil 19..28: 1 0 1 1 0 0 1 1 1 0",
        "write coil 19..28: done",
    ),
    (
        "11 10 00 01 00 02 04 00 0A 01 02 C6 F0",
        "11 10 00 01 00 02 12 98",
        "write holding 1..2: 10 258",
        "write holding 1..2: done",
    ),
    (
        "01 03 21 02 00 02 6F F7",
        "01 03 04 17 70 00 00 FE 5C",
        "read holding 8450..8451",
        "read holding 8450..8451: 6000 0",
    ),
]


def heard(dialogue: Dialogue, *texts: str, at_s: float = 0.0) -> list[Event]:
    splitter = RtuSplitter()
    data = b"".join(bytes.fromhex(text) for text in texts)
    return [event for one in (*splitter.feed(data), *splitter.silence()) for event in dialogue.heard(one, at_s=at_s)]


def told(event: Event) -> str:
    return line(event).partition("unit ")[2].partition(" ")[2].strip()


@pytest.mark.parametrize(("request_hex", "answer_hex", "asked", "answered"), EXCHANGES)
def test_a_published_exchange_is_told_on_a_line(request_hex: str, answer_hex: str, asked: str, answered: str) -> None:
    question, answer = heard(Dialogue(), request_hex, answer_hex)
    assert (question.sign, answer.sign) == (Sign.REQUEST, Sign.ANSWER)
    assert told(question) == asked
    assert told(answer) == f"{answered} (0 ms)"


def test_a_published_exception_is_marked_with_words() -> None:
    events = heard(Dialogue(), "01 06 00 00 00 01 48 0A", "01 86 02 C3 A1")
    assert [event.sign for event in events] == [Sign.REQUEST, Sign.EXCEPTION]
    assert told(events[1]) == "EXCEPTION 2 illegal data address: write holding 0 (0 ms)"


def test_the_same_read_again_is_a_request_and_the_first_was_not_answered() -> None:
    events = heard(Dialogue(), EXCHANGES[1][0], EXCHANGES[1][0], EXCHANGES[1][1])
    assert [event.sign for event in events] == [Sign.REQUEST, Sign.SILENCE, Sign.REQUEST, Sign.ANSWER]
    assert "NO ANSWER: read holding 107..109" in line(events[1])


def test_a_request_that_nobody_answers_is_told_after_a_while() -> None:
    dialogue = Dialogue(patience_s=1.0)
    heard(dialogue, EXCHANGES[1][0], at_s=10.0)
    assert dialogue.overdue(at_s=10.9) == []
    (event,) = dialogue.overdue(at_s=11.1)
    assert event.sign is Sign.SILENCE
    assert dialogue.overdue(at_s=12.0) == []


def test_an_answer_that_comes_too_late_is_not_taken_for_another_s() -> None:
    late = rtu(2, bytes.fromhex("03 02 00 07"))
    events = heard(Dialogue(), EXCHANGES[1][0], late.hex(), EXCHANGES[1][1])
    assert [event.sign for event in events] == [Sign.REQUEST, Sign.GARBAGE, Sign.ANSWER]
    assert "was not seen" in events[1].what


def test_an_answer_of_the_wrong_length_is_no_answer() -> None:
    events = heard(Dialogue(), EXCHANGES[1][0], rtu(17, bytes.fromhex("03 02 00 07")).hex())
    assert events[1].sign is Sign.GARBAGE
    assert "wrong length" in events[1].what


def test_a_wrong_crc_is_marked_with_words() -> None:
    (event,) = Dialogue().heard(Garbage(data=b"\x01\x03", why="wrong CRC"), at_s=0)
    assert line(event).endswith("GARBLED wrong CRC: 01 03")


def test_nobody_answers_a_broadcast() -> None:
    dialogue = Dialogue()
    heard(dialogue, rtu(0, bytes.fromhex("06 00 01 00 03")).hex())
    assert dialogue.overdue(at_s=100) == []


def test_points_are_named_by_the_unit_s_profile() -> None:
    dialogue = Dialogue({1: catalog_profile(ELEVATOR), None: catalog_profile(PUMP)})
    floor = heard(dialogue, "01 03 10 18 00 01 00 CD", rtu(1, bytes.fromhex("03 02 00 05")).hex())
    assert told(floor[1]) == "read holding 4120: floor=5 (0 ms)"
    setpoint = heard(dialogue, rtu(7, bytes.fromhex("06 00 67 0F A0")).hex())
    assert told(setpoint[0]) == "write holding 103: setpoint=40 %"


def test_tcp_answers_find_their_requests_by_transaction() -> None:
    dialogue = Dialogue()
    ask, tell = TcpSplitter(), TcpSplitter()
    requests = bytes.fromhex("00 01 00 00 00 06 01 03 00 6B 00 03 00 02 00 00 00 06 01 03 00 00 00 01")
    answers = bytes.fromhex("00 02 00 00 00 05 01 03 02 00 07 00 01 00 00 00 09 01 03 06 02 2B 00 00 00 64")
    for one in ask.feed(requests):
        dialogue.request(one, at_s=0.0)
    events = [event for one in tell.feed(answers) for event in dialogue.answer(one, at_s=0.25)]
    assert [told(event) for event in events] == [
        "read holding 0: 7 (250 ms)",
        "read holding 107..109: 555 0 100 (250 ms)",
    ]


def test_functions_without_registers_are_named() -> None:
    dialogue = Dialogue()
    (event,) = dialogue.request(Frame(unit=1, pdu=bytes.fromhex("2B 0E 01 00")), at_s=0)
    assert told(event) == "read device identification"
    (answer,) = dialogue.answer(Frame(unit=1, pdu=bytes.fromhex("2B 0E 01 01 00 00 00")), at_s=0)
    assert answer.sign is Sign.ANSWER
    (odd,) = dialogue.request(Frame(unit=1, pdu=b"\x41"), at_s=0)
    assert odd.what == "function 65"


@pytest.mark.parametrize(
    "pdu", [b"\x03", b"\x03\x00", b"\x10\x00\x01\x00\x02\x04\x00", b"\x0f\x00\x01\x00\x00\x00", b"\x83", b"\x05"]
)
def test_a_frame_that_contradicts_itself_is_shown_and_breaks_nothing(pdu: bytes) -> None:
    dialogue = Dialogue()
    for frame in (Frame(unit=1, pdu=pdu), Frame(unit=1, pdu=pdu)):
        assert all(line(event) for event in dialogue.heard(frame, at_s=0))


UNITS = st.integers(0, 3)


@given(
    st.lists(
        st.tuples(st.sampled_from(["heard", "request", "answer"]), UNITS, st.binary(min_size=1, max_size=40), UNITS)
    )
)
def test_no_frame_breaks_the_dialogue(frames: list[tuple[str, int, bytes, int]]) -> None:
    dialogue = Dialogue({1: catalog_profile(ELEVATOR), None: catalog_profile(PUMP)}, patience_s=3)
    for moment, (how, unit, pdu, transaction) in enumerate(frames):
        take = {"heard": dialogue.heard, "request": dialogue.request, "answer": dialogue.answer}[how]
        frame = Frame(unit=unit, pdu=pdu, transaction=0 if how == "heard" else transaction)
        for event in (*take(frame, at_s=moment), *dialogue.overdue(at_s=moment)):
            assert line(event)


@given(st.integers(1, 4), st.integers(0, 0xFFFF), st.integers(1, 125), st.binary(max_size=260))
def test_an_answer_shows_values_only_when_it_has_the_length_asked_for(
    function: int, address: int, count: int, data: bytes
) -> None:
    dialogue = Dialogue()
    dialogue.request(Frame(unit=1, pdu=struct.pack(">BHH", function, address, count)), at_s=0)
    (event,) = dialogue.answer(Frame(unit=1, pdu=bytes([function, len(data) & 0xFF]) + data), at_s=0)
    right = len(data) == (2 * count if function > 2 else (count + 7) // 8)
    assert (event.sign is Sign.ANSWER) == right


@given(st.lists(st.binary(max_size=20)))
def test_no_bytes_break_the_splitters(pieces: list[bytes]) -> None:
    splitter, dialogue = TcpSplitter(), Dialogue()
    for piece in pieces:
        for one in splitter.feed(piece):
            assert all(line(event) for event in dialogue.answer(one, at_s=0))


def test_colour_is_only_put_around_what_is_told() -> None:
    (event,) = heard(Dialogue(), EXCHANGES[1][0])
    plain, coloured = line(event), line(event, colour=True)
    assert "\x1b" not in plain
    assert coloured == f"\x1b[36m{plain}\x1b[0m"
