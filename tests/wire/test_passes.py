import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_rolls import KEY, KEYS, NOW, OTHER, PASS, passes
from wire.compact import Writer
from wire.errors import ForgedSeal, MalformedSeal, WireError
from wire.passes import LONGEST, PREFIX, PassTooLong, UnfitPass, decode_pass, encode_pass
from wire.seal import Kind, seal


def text_of(body: bytes) -> str:
    return PREFIX + base64.b32encode(seal(Kind.PASS, body, KEY)).rstrip(b"=").decode()


@given(passes())
def test_a_pass_is_read_as_it_was_written(visitor: object) -> None:
    assert decode_pass(encode_pass(visitor, KEY), KEYS) == visitor  # type: ignore[arg-type]


def test_its_characters_come_through_every_scanner() -> None:
    text = encode_pass(PASS, KEY)
    assert re.fullmatch(r"LINLI1:[A-Z2-7]+", text)
    assert len(text) <= LONGEST


def test_spaces_around_it_are_the_scanner_s() -> None:
    assert decode_pass(f"  {encode_pass(PASS, KEY)}\r\n", KEYS) == PASS


def test_the_longest_pass_fits_a_qr_code_of_version_10_and_is_read_from_it() -> None:
    text = encode_pass(replace(PASS, areas=tuple(f"area-number-{n}" for n in range(2))), KEY)
    how = cv2.QRCodeEncoder.Params()
    how.correction_level = cv2.QRCodeEncoder_CORRECT_LEVEL_M
    for given_text in (text, text.ljust(LONGEST, "A")):
        squares = cv2.QRCodeEncoder.create(how).encode(given_text)
        assert squares.shape[0] <= 57 + 2 * 4  # version 10, with the margin that the encoder adds
        picture = cv2.copyMakeBorder(
            np.kron(squares, np.ones((8, 8), np.uint8)), 32, 32, 32, 32, cv2.BORDER_CONSTANT, value=(255, 255, 255)
        )
        assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == given_text


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"community": ""},
        {"host": ""},
        {"valid_until_ms": NOW},
        {"valid_from_ms": -1},
        {"uses": 0},
        {"uses": 1001},
        {"gates": ("",)},
        {"name": "长" * 41},
    ],
    ids=str,
)
def test_a_pass_that_makes_no_sense_is_not_issued(wrong: dict[str, object]) -> None:
    with pytest.raises(UnfitPass):
        encode_pass(replace(PASS, **wrong), KEY)  # type: ignore[arg-type]


def test_a_pass_that_is_too_long_says_so() -> None:
    with pytest.raises(PassTooLong):
        encode_pass(replace(PASS, gates=tuple(f"edge-1/gate-number-{n}" for n in range(12))), KEY)


def test_a_pass_by_somebody_else_is_forged() -> None:
    with pytest.raises(ForgedSeal):
        decode_pass(encode_pass(PASS, OTHER), KEYS)


@pytest.mark.parametrize(
    "text", ["", "LINLI1:", "linli1:AA", "https://example.org", "LINLI1:é", "LINLI1:A1", "LINLI1:" + "A" * 400]
)
def test_other_codes_are_no_passes(text: str) -> None:
    with pytest.raises(MalformedSeal):
        decode_pass(text, KEYS)


def test_bits_that_mean_nothing_are_not_free_to_choose() -> None:
    text = encode_pass(PASS, KEY)
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567":
        if last != text[-1]:
            with pytest.raises(WireError):
                decode_pass(text[:-1] + last, KEYS)


def test_what_was_signed_by_mistake_is_still_refused() -> None:
    for body in (b"", b"\x00", b"\xff" * 30):
        with pytest.raises(MalformedSeal):
            decode_pass(text_of(body), KEYS)
    out = Writer()
    for part in ("id", "community", "host", "name"):
        out.text(part)
    for number in (10, 0, 0, 0, 1):  # from, for how long, gates, areas, uses
        out.number(number)
    with pytest.raises(MalformedSeal, match="ends after"):
        decode_pass(text_of(out.done()), KEYS)


@given(st.data())
def test_no_character_can_be_changed(data: st.DataObject) -> None:
    text = encode_pass(PASS, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789: "))
    changed = text[:at] + other + text[at + 1 :]
    if changed.strip() != text:
        with pytest.raises((MalformedSeal, ForgedSeal)):
            decode_pass(changed, KEYS)


@given(st.text(max_size=200).map(lambda text: PREFIX + text))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises((MalformedSeal, ForgedSeal)):
        decode_pass(text, KEYS)
