from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_rolls import KEY, KEYS, ORDER, OTHER, PASS
from wire.errors import ForgedSeal, MalformedSeal
from wire.orders import PREFIX, UnfitOrder, decode_order, encode_order
from wire.passes import encode_pass
from wire.roll import DoorOrder
from wire.seal import Kind, seal, to_base64url


def test_an_order_is_read_as_it_was_written() -> None:
    text = encode_order(ORDER, KEY)
    assert text.startswith(PREFIX)
    assert len(text) < 300
    assert decode_order(text, KEYS) == ORDER


@pytest.mark.parametrize("missing", [one.name for one in fields(DoorOrder)])
def test_an_order_that_lacks_something_is_not_given(missing: str) -> None:
    with pytest.raises(UnfitOrder):
        encode_order(replace(ORDER, **{missing: ""}), KEY)


def test_an_order_of_another_length_is_not_given() -> None:
    with pytest.raises(UnfitOrder):
        encode_order(replace(ORDER, by="x" * 1000), KEY)


def test_an_order_by_somebody_else_opens_nothing() -> None:
    with pytest.raises(ForgedSeal):
        decode_order(encode_order(ORDER, OTHER), KEYS)


def test_a_pass_is_no_order() -> None:
    with pytest.raises(MalformedSeal):
        decode_order(encode_pass(PASS, KEY), KEYS)
    with pytest.raises(MalformedSeal):
        decode_order(to_base64url(seal(Kind.PASS, b"\x00", KEY), PREFIX), KEYS)


@pytest.mark.parametrize("body", [b"", b"\x00\x00\x00\x00\x00", b"\x01a\x01b\x01c\x01d\x01e\x00"])
def test_what_was_signed_by_mistake_is_still_refused(body: bytes) -> None:
    with pytest.raises(MalformedSeal):
        decode_order(to_base64url(seal(Kind.ORDER, body, KEY), PREFIX), KEYS)


@given(st.data())
def test_no_character_can_be_changed(data: st.DataObject) -> None:
    text = encode_order(ORDER, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from("ABab01-_=")) + text[at + 1 :]
    if changed != text:
        with pytest.raises((MalformedSeal, ForgedSeal)):
            decode_order(changed, KEYS)


@given(st.text(max_size=1200))
def test_any_text_is_refused_in_one_way(text: str) -> None:
    for one in (text, PREFIX + text):
        with pytest.raises((MalformedSeal, ForgedSeal)):
            decode_order(one, KEYS)
