from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_rolls import (
    KEY,
    KEYS,
    NOW,
    OTHER,
    PASS,
    ROLL,
    credentials_of,
    groups,
    rules,
    times,
    words,
)
from wire.compact import Reader, Writer
from wire.errors import ForgedSeal, FutureSeal, MalformedSeal, WireError
from wire.passes import encode_pass
from wire.roll import Credential, CredentialKind, GateRule, Hours, Person, PersonKind, Roll, RollDelta
from wire.roll_codec import UnfitRoll, decode_change, encode_delta, encode_roll
from wire.seal import OVERHEAD, Kind, seal

DELTA = RollDelta(
    community="sunshine-garden",
    base=6,
    revision=7,
    issued_ms=NOW,
    people=ROLL.people,
    credentials=ROLL.credentials,
    gone=("r9",),
    rules=ROLL.rules,
    revoked=("p3",),
)


def test_a_roll_and_a_delta_are_read_as_they_were_written() -> None:
    assert decode_change(encode_roll(ROLL, KEY), KEYS) == ROLL
    assert decode_change(encode_delta(DELTA, KEY), KEYS) == DELTA


def test_rules_that_did_not_change_are_not_rules_that_are_gone() -> None:
    for one in (None, ()):
        found = decode_change(encode_delta(replace(DELTA, rules=one), KEY), KEYS)
        assert isinstance(found, RollDelta)
        assert found.rules == one


@given(st.data())
def test_any_roll_is_read_as_it_was_written(data: st.DataObject) -> None:
    people = data.draw(groups)
    roll = Roll(
        community=data.draw(words),
        revision=data.draw(st.integers(1, 2**62)),
        issued_ms=data.draw(times),
        people=people,
        credentials=data.draw(credentials_of(people)),
        rules=data.draw(rules),
        revoked=tuple(data.draw(st.lists(words, max_size=3))),
    )
    sent = encode_roll(roll, KEY)
    assert decode_change(sent, KEYS) == roll
    assert encode_roll(roll, KEY) == sent


@given(st.data())
def test_any_delta_is_read_as_it_was_written(data: st.DataObject) -> None:
    people = data.draw(groups)
    base = data.draw(st.integers(1, 2**40))
    delta = RollDelta(
        community=data.draw(words),
        base=base,
        revision=base + data.draw(st.integers(0, 5)),
        issued_ms=data.draw(times),
        people=people,
        credentials=data.draw(credentials_of(people)),
        gone=tuple(one for one in data.draw(st.lists(words, max_size=3)) if one not in {held.id for held in people}),
        rules=data.draw(st.none() | rules),
    )
    assert decode_change(encode_delta(delta, KEY), KEYS) == delta


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(ROLL, community=""), "community"),
        (replace(ROLL, revision=0), "revision"),
        (replace(ROLL, issued_ms=-1), "range"),
        (replace(ROLL, issued_ms=2**63), "range"),
        (replace(ROLL, people=(*ROLL.people, ROLL.people[0])), "id of their own"),
        (replace(ROLL, people=(Person(id="", kind=PersonKind.STAFF, name=""),), credentials=()), "id of their own"),
        (replace(ROLL, credentials=(Credential(kind=CredentialKind.PIN, value="1", person="r2"),)), "not in it"),
        (replace(ROLL, credentials=(Credential(kind=CredentialKind.PIN, value="", person="r1"),)), "empty"),
        (replace(ROLL, rules=(GateRule(gate="a"), GateRule(gate="a"))), "gate of its own"),
        *(
            (replace(ROLL, people=(replace(ROLL.people[0], hours=(hours,)), ROLL.people[1])), "time of the week")
            for hours in (
                Hours(days=()),
                Hours(days=(7,)),
                Hours(days=(1, 0)),
                Hours(from_min=1440),
                Hours(to_min=1441),
            )
        ),
    ],
)
def test_a_roll_that_breaks_a_rule_is_not_sent(wrong: Roll, said: str) -> None:
    with pytest.raises(UnfitRoll, match=said):
        encode_roll(wrong, KEY)


@pytest.mark.parametrize("wrong", [{"base": 8}, {"base": 0}, {"gone": ("r1",)}, {"gone": ("",)}], ids=str)
def test_a_delta_that_breaks_a_rule_is_not_sent(wrong: dict[str, object]) -> None:
    with pytest.raises(UnfitRoll):
        encode_delta(replace(DELTA, **wrong), KEY)  # type: ignore[arg-type]


def test_what_was_signed_by_mistake_is_still_refused() -> None:
    body = encode_roll(ROLL, KEY)[OVERHEAD:]
    for one in (b"", body[:-1], body + b"\0", body.replace(b"\x02s1", b"\x02r1")):
        with pytest.raises(MalformedSeal):
            decode_change(seal(Kind.ROLL, one, KEY), KEYS)


@given(st.binary(max_size=200))
def test_a_signed_body_of_anything_is_refused_or_is_a_roll(body: bytes) -> None:
    try:
        found = decode_change(seal(Kind.ROLL, body, KEY), KEYS)
    except MalformedSeal:
        return
    assert isinstance(found, Roll)
    assert encode_roll(found, KEY) == seal(Kind.ROLL, body, KEY)


@given(st.data())
def test_a_damaged_body_is_refused_in_one_way_even_if_it_was_signed(data: st.DataObject) -> None:
    body = bytearray(encode_delta(DELTA, KEY)[OVERHEAD:])
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_change(seal(Kind.DELTA, bytes(body), KEY), KEYS)
    except MalformedSeal:
        return
    assert isinstance(found, RollDelta)
    assert encode_delta(found, KEY) == seal(Kind.DELTA, bytes(body), KEY)


def test_a_forged_one_and_one_of_the_future_say_so() -> None:
    with pytest.raises(ForgedSeal):
        decode_change(encode_roll(ROLL, OTHER), KEYS)
    with pytest.raises(FutureSeal):
        decode_change(b"\x09" + encode_roll(ROLL, KEY)[1:], KEYS)
    with pytest.raises(WireError):
        decode_change(encode_pass(PASS, KEY).encode(), KEYS)


def test_no_error_tells_a_credential() -> None:
    secret = Credential(kind=CredentialKind.PIN, value="482913", person="nobody")
    with pytest.raises(UnfitRoll) as caught:
        encode_roll(replace(ROLL, credentials=(secret,)), KEY)
    assert "482913" not in str(caught.value)
    assert "482913" not in repr(secret)


@pytest.mark.parametrize(
    ("number", "written"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**63 - 1, "ff" * 8 + "7f")]
)
def test_numbers_are_leb128(number: int, written: str) -> None:
    out = Writer()
    out.number(number)
    assert out.done().hex() == written
    assert Reader(bytes.fromhex(written)).number() == number


@pytest.mark.parametrize("data", ["8000", "ff" * 9 + "01", "80", ""])
def test_numbers_are_written_in_one_way(data: str) -> None:
    with pytest.raises(MalformedSeal):
        Reader(bytes.fromhex(data)).number()


@pytest.mark.parametrize("number", [-1, 2**63])
def test_numbers_that_do_not_fit_are_not_written(number: int) -> None:
    with pytest.raises(ValueError, match="number"):
        Writer().number(number)
