"""Golden values from public documents; round trips by hypothesis."""

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.modbus.codec import decode, encode, limits
from drivers.profile import ModbusPoint


def point(**fields: Any) -> ModbusPoint:
    return ModbusPoint.model_validate({"table": "holding", "address": 0, **fields}, strict=False)


def value(registers: tuple[int, ...], **fields: Any) -> object:
    return decode(point(**fields), registers).value


# The real 123456.0 in the four orders: libmodbus, tests/unit-test.h (UT_REAL, UT_IREAL_*).
FLOAT_ORDERS = {
    "ABCD": (0x47F1, 0x2000),
    "CDAB": (0x2000, 0x47F1),
    "BADC": (0xF147, 0x0020),
    "DCBA": (0x0020, 0xF147),
}


@pytest.mark.parametrize(("order", "registers"), FLOAT_ORDERS.items())
def test_the_four_word_orders(order: str, registers: tuple[int, int]) -> None:
    assert value(registers, type="float32", word_order=order) == 123456.0
    assert encode(point(type="float32", word_order=order), 123456.0) == registers


# AE41 5652 and its readings: https://www.simplymodbus.ca/FAQ.htm
def test_32_bit_readings_of_the_same_registers() -> None:
    registers = (0xAE41, 0x5652)
    assert value(registers, type="uint32") == 2923517522
    assert value(registers, type="int32") == -1371449774
    assert value(registers, type="float32") == pytest.approx(-4.395978e-11, rel=1e-6)
    assert value((0x5652, 0xAE41), type="uint32", word_order="CDAB") == 2923517522
    assert value((0xAE41,), type="uint16") == 44609
    assert value((0xAE41,), type="int16") == -20927


# Modbus Application Protocol 1.1b3, 6.3: registers 108 to 110 are 02 2B, 00 00, 00 64, "555, 0 and 100".
def test_the_standards_own_example() -> None:
    assert [value((raw,), type="uint16") for raw in (0x022B, 0x0000, 0x0064)] == [555, 0, 100]


# IEEE 754: pi and one third as every textbook has them.
def test_64_bit_types() -> None:
    assert value((0x4009, 0x21FB, 0x5444, 0x2D18), type="float64") == math.pi
    assert value((0x2D18, 0x5444, 0x21FB, 0x4009), type="float64", word_order="CDAB") == math.pi
    assert value((0x182D, 0x4454, 0xFB21, 0x0940), type="float64", word_order="DCBA") == math.pi
    assert value((0xFFFF,) * 4, type="int64") == -1
    assert value((0xFFFF,) * 4, type="uint64") == 18446744073709551615


def test_a_decimal_scale_gives_the_decimal_number() -> None:
    assert value((42,), type="uint16", scale=0.1) == 4.2
    assert value((173,), type="uint16", scale=0.001, offset=-1.0) == -0.827
    assert value((29165,), type="uint16", scale=0.01, offset=-273.15) == 18.5
    assert value((620,), type="uint16", scale=10.0) == 6200


def test_a_whole_scale_keeps_integers() -> None:
    shown = value((0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE), type="uint64", scale=10.0)
    assert shown == 184467440737095516140
    assert type(shown) is int


def test_bits_and_bit_fields() -> None:
    assert value((0b0000_0110_1000_0000,), type="bool", bit=10) is True
    assert value((0b0000_0110_1000_0000,), type="bool", bit=6) is False
    assert value((0x2470,), type="uint16", bits=(4, 4)) == 7
    assert value((0x2470,), type="uint16", bits=(8, 4)) == 4
    assert value((0x7024,), type="uint16", bits=(4, 4), word_order="BADC") == 7
    assert decode(point(table="coil", type="bool"), [True]).value is True


def test_setting_a_bit_or_a_field_keeps_the_others() -> None:
    assert encode(point(type="bool", bit=2), value=True, current=0xA001) == (0xA005,)
    assert encode(point(type="bool", bit=0), value=False, current=0xA001) == (0xA000,)
    assert encode(point(type="uint16", bits=(4, 4)), 0, current=0x2470) == (0x2400,)
    assert encode(point(type="uint16", bits=(4, 4), word_order="BADC"), 0, current=0x7024) == (0x0024,)
    assert encode(point(type="bool", bit=15), value=True, current=0xFFFF) == (0xFFFF,)


def test_absent_values_have_a_reason_and_no_value() -> None:
    for registers, fields in (
        ((0xFFFF,), {"type": "uint16", "absent": 65535, "scale": 0.1}),
        ((0xFFFF, 0xFFFF), {"type": "uint32", "absent": 4294967295}),
        ((0x8000,), {"type": "int16", "absent": -32768}),
        ((0x7FC0, 0x0000), {"type": "float32"}),
    ):
        decoded = decode(point(**fields), registers)
        assert decoded.value is None
        assert "not available" in decoded.reason


def test_an_infinite_float_is_no_value() -> None:
    decoded = decode(point(type="float32"), (0x7F80, 0x0000))
    assert (decoded.value, decoded.reason) == (None, "the device shows an infinite value")


def test_text_is_trimmed_and_may_be_byte_swapped() -> None:
    assert value((0x4B4F, 0x4E45, 0x2000, 0xFFFF), type="string", length=4) == "KONE"
    assert value((0x4F4B, 0x454E), type="string", length=2, word_order="BADC") == "KONE"
    assert encode(point(type="string", length=3), "KONE") == (0x4B4F, 0x4E45, 0)
    assert encode(point(type="string", length=3), "电梯") == (0xE794, 0xB5E6, 0xA2AF)


def test_text_that_is_none_has_a_reason() -> None:
    decoded = decode(point(type="string", length=1), (0xFFFE,))
    assert (decoded.value, decoded.reason) == (None, "not text: ff fe")


@pytest.mark.parametrize(
    ("fields", "given", "message"),
    [
        ({"type": "uint16"}, 65536, "0 to 65535"),
        ({"type": "uint16"}, -1, "0 to 65535"),
        ({"type": "int16", "scale": 0.1}, 3276.8, r"-3276\.8 to 3276\.7"),
        ({"type": "int16", "scale": -0.1}, 3276.9, r"-3276\.7 to 3276\.8"),
        ({"type": "uint16", "bits": (4, 4)}, 16, "0 to 15"),
        ({"type": "uint16", "absent": 65535}, 65535, "not available"),
        ({"type": "float32"}, 1e39, "does not fit a float32"),
        ({"type": "float32"}, math.nan, "finite"),
        ({"type": "uint16", "scale": 0.1}, math.inf, "finite"),
        ({"type": "uint16"}, 1.5, "a whole number"),
        ({"type": "uint16"}, True, "a whole number"),
        ({"type": "uint16", "scale": 0.1}, "4.2", "a number"),
        ({"type": "bool", "bit": 0}, 1, "true or false"),
        ({"type": "string", "length": 1}, "abc", "at most 2 bytes"),
        ({"type": "string", "length": 2}, 5, "text"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(fields: dict[str, Any], given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(point(**fields), given)


def test_a_wrong_number_of_registers_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="takes 2 addresses, and 1 were given"):
        decode(point(type="uint32"), (1,))


def test_a_number_between_two_steps_goes_to_the_nearer() -> None:
    assert encode(point(type="uint16", scale=0.1), 4.27) == (43,)


ORDERS = st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"])
SCALES = st.sampled_from([1.0, 10.0, 0.1, 0.01, 0.001, 0.25, -0.1])
OFFSETS = st.sampled_from([0.0, -1.0, 100.0, -273.15])
INTEGERS = st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64"])


@settings(deadline=None)
@given(kind=INTEGERS, order=ORDERS, scale=SCALES, offset=OFFSETS, data=st.data())
def test_integers_survive_the_round_trip(
    kind: str, order: str, scale: float, offset: float, data: st.DataObject
) -> None:
    place = point(type=kind, word_order=order, scale=scale, offset=offset)
    assume(place.value_type is int or not kind.endswith("64"))  # a float holds no 64-bit integer exactly
    registers = tuple(data.draw(st.integers(0, 65535)) for _ in range(place.count))
    shown = decode(place, registers).value
    assert shown is not None
    assert encode(place, shown) == registers
    low, high = limits(place)
    assert low <= float(shown) <= high


@settings(deadline=None)
@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False), order=ORDERS)
def test_32_bit_floats_survive_the_round_trip(number: float, order: str) -> None:
    place = point(type="float32", word_order=order)
    assert decode(place, encode(place, number)).value == number


@settings(deadline=None)
@given(number=st.floats(allow_nan=False, allow_infinity=False), order=ORDERS)
def test_64_bit_floats_survive_the_round_trip(number: float, order: str) -> None:
    place = point(type="float64", word_order=order)
    assert decode(place, encode(place, number)).value == number


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10), order=ORDERS)
def test_text_survives_the_round_trip(text: str, order: str) -> None:
    place = point(type="string", length=20, word_order=order)
    assert decode(place, encode(place, text)).value == text.strip()


@settings(deadline=None)
@given(current=st.integers(0, 65535), bit=st.integers(0, 15), on=st.booleans(), order=ORDERS)
def test_a_bit_write_touches_that_bit_only(current: int, bit: int, on: bool, order: str) -> None:  # noqa: FBT001 - hypothesis fills it
    place = point(type="bool", bit=bit, word_order=order)
    (written,) = encode(place, on, current=current)
    assert decode(place, (written,)).value is on
    assert (written ^ current).bit_count() <= 1
