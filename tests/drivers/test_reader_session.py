"""What a reader's session counts and tells: each read once, whatever the reader repeats."""

from datetime import timedelta

from drivers.places.reader import ReaderDefaults, ReaderPoint
from drivers.reader.codec import Read
from drivers.reader.session import ReaderSession, last_told

CARD_A, CARD_B = b"\x026F007B39725F\x03", b"\x02010063E9AE25\x03"
TAG = ReaderDefaults(framing="stx-etx", check="em4100", content="em4100", hold_off=timedelta(seconds=1))


def session(how: ReaderDefaults = TAG, hold_off: timedelta | None = None) -> ReaderSession:
    made = ReaderSession(how, hold_off=hold_off)
    made.begin(0.0)
    return made


def told(reader: ReaderSession, *at: tuple[float, bytes]) -> list[str]:
    return [said.text for now, data in at for said in reader.feed(data, now) if isinstance(said, Read)]


def test_a_card_that_lies_there_is_read_once() -> None:
    reader = session()
    assert told(reader, *((10 + 0.05 * number, CARD_A) for number in range(200))) == ["6F007B3972"]
    assert (reader.count, reader.repeats, reader.malformed) == (1, 199, 0)


def test_a_card_that_comes_again_later_is_a_new_read() -> None:
    reader = session()
    assert len(told(reader, (10.0, CARD_A), (10.9, CARD_A), (11.8, CARD_A), (12.9, CARD_A))) == 2
    assert reader.count == 2


def test_two_codes_in_view_are_told_once_each() -> None:
    reader = session()
    assert len(told(reader, *((10 + 0.1 * n, CARD_A if n % 2 else CARD_B) for n in range(40)))) == 2


def test_a_hold_off_of_nothing_tells_every_read() -> None:
    assert len(told(session(hold_off=timedelta(0)), (10.0, CARD_A + CARD_A), (10.0, CARD_A))) == 3


def test_the_sites_hold_off_goes_before_the_profiles() -> None:
    assert len(told(session(hold_off=timedelta(seconds=5)), (10.0, CARD_A), (13.0, CARD_A))) == 1


def test_a_new_connection_forgets_what_was_cut_off_and_keeps_the_rest() -> None:
    reader = session()
    assert told(reader, (10.0, CARD_A + CARD_B[:5])) == ["6F007B3972"]
    reader.begin(10.2)
    assert told(reader, (10.3, CARD_B[5:]), (10.4, CARD_A), (10.5, CARD_B)) == ["010063E9AE"]
    assert (reader.count, reader.repeats, reader.malformed) == (2, 1, 2)


def test_many_different_codes_are_not_remembered_for_ever() -> None:
    reader = session(ReaderDefaults(hold_off=timedelta(hours=1)))
    lines = [(10.0, f"PASS-{number}\r".encode()) for number in range(2000)]
    assert len(told(reader, *lines)) == 2000
    assert len(told(reader, (11.0, b"PASS-1999\r"))) == 0


def test_silence_is_counted_from_the_last_thing_that_was_understood() -> None:
    reader = session(ReaderDefaults(alive="OK", alive_within=timedelta(seconds=60)))
    told(reader, (10.0, b"OK\r"), (30.0, b"\x00\r"))
    assert reader.silent_s(40.0) == 30.0
    assert (reader.count, reader.malformed) == (0, 1)


def test_a_case_says_what_the_last_frame_told() -> None:
    def shown(field: str) -> object:
        place = ReaderPoint.model_validate({"field": field})
        result = last_told(TAG, place, [CARD_B, b"noise", CARD_A])
        return None if result is None else result.value

    assert [shown(field) for field in ("text", "card", "facility", "count", "malformed")] == [
        "6F007B3972",
        "0008075634",
        0x007B,
        2,
        1,
    ]
    assert last_told(TAG, ReaderPoint.model_validate({"field": "text"}), [b"noise"]) is None
