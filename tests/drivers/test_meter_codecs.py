"""The meters' codecs against frames that others published; README.md of each protocol says where they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cjt188 import codec as cjt188
from drivers.dlt645 import codec as dlt645
from drivers.packed import NOT_AVAILABLE, NOT_SENT, decode, encode, limits
from drivers.places.meters import Cjt188Point, Dlt645Point, Quantity

METER = "000000000161"
ENERGY = "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16"
VOLTAGES = "68 60 64 02 09 22 04 68 91 0a 33 32 34 35 47 56 33 33 33 33 97 16"
WATER = "68 10 88 05 27 10 15 20 00 81 16 90 1F 01 00 00 00 00 2C 00 00 00 00 2C 06 20 17 09 01 17 20 00 00 8E 16"
WRONG_SUM = "68 10 44 33 22 11 00 33 78 81 16 1F 90 00 00 77 66 55 2C 00 77 66 55 2C 31 01 22 11 05 15 20 21 84 08 16"
HEAT = (
    "68 20 13 47 06 12 00 74 00 81 2E 1F 90 00 00 00 00 00 05 00 00 00 00 05 00 00 00 00 17 00 00 00 00 35 "
    "00 00 00 00 2C 02 23 00 11 23 00 34 58 00 09 49 12 05 09 23 20 00 08 F0 16"
)


def taken(text: str) -> bytearray:
    return bytearray.fromhex(text)


def test_requests_are_those_of_the_published_dialogues() -> None:
    assert dlt645.read_request(METER, "00010000") == taken("68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16")
    assert dlt645.read_request(METER, "02010100") == taken("68 61 01 00 00 00 00 68 11 04 33 34 34 35 17 16")
    assert dlt645.read_request(METER, "02030000") == taken("68 61 01 00 00 00 00 68 11 04 33 33 36 35 18 16")
    assert dlt645.address_request() == taken("68 AA AA AA AA AA AA 68 13 00 DF 16")


def test_cjt188_requests_are_those_of_the_published_dialogues() -> None:
    water = {"meter_type": 0x10, "identifier": "901F"}
    assert cjt188.read_request(**water, address="78330011223344", serial=0, edition=2018) == taken(  # type: ignore[arg-type]
        "68 10 44 33 22 11 00 33 78 01 03 1F 90 00 80 16"
    )
    assert cjt188.read_request(**water, address="00201510270588", serial=1, edition=2004) == taken(  # type: ignore[arg-type]
        "68 10 88 05 27 10 15 20 00 01 03 90 1F 01 25 16"
    )


@pytest.mark.parametrize(
    ("frame", "identifier", "format_", "value"),
    [
        (ENERGY, "00010000", "XXXXXX.XX", 0.26),
        ("68 61 01 00 00 00 00 68 91 08 33 33 35 33 59 34 33 33 8C 16", "00020000", "XXXXXX.XX", 1.26),
        ("68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16", "02010100", "XXX.X", 100.1),
        ("68 61 01 00 00 00 00 68 91 07 33 34 35 35 CC 7C 33 16 16", "02020100", "XXX.XXX", 4.999),
        ("68 61 01 00 00 00 00 68 91 07 33 33 36 35 45 58 33 6B 16", "02030000", "XX.XXXX", 0.2512),
        ("68 61 01 00 00 00 00 68 91 06 33 33 39 35 34 38 09 16", "02060000", "X.XXX", 0.501),
    ],
)
def test_published_answers_mean_what_their_source_says(frame: str, identifier: str, format_: str, value: float) -> None:
    answer = dlt645.take(taken("FE FE FE FE" + frame))
    assert answer is not None
    data = dlt645.data_of(answer, address=METER, identifier=identifier)
    assert data is not None
    assert decode(Dlt645Point(identifier=identifier, format=format_), data).value == value


def test_a_block_gives_each_phase_by_its_offset() -> None:
    answer = dlt645.take(taken(VOLTAGES))
    assert answer is not None
    data = dlt645.data_of(answer, address="042209026460", identifier="0201FF00")
    assert data is not None
    phases = [decode(Dlt645Point(identifier="0201FF00", format="XXX.X", offset=at), data) for at in (0, 2, 4, 6)]
    assert [phase.value for phase in phases] == [231.4, 0.0, 0.0, None]
    assert phases[3].reason == NOT_SENT


@pytest.mark.parametrize(
    ("frame", "address", "code"),
    [
        ("68 12 90 78 56 34 12 68 D1 01 35 8D 16", "123456789012", 2),
        ("68 60 07 92 04 00 91 68 D1 01 37 67 16", "910004920760", 4),
        ("68 37 03 00 92 81 39 68 D1 01 35 5D 16", "398192000337", 2),
    ],
)
def test_a_refusal_has_its_error_word(frame: str, address: str, code: int) -> None:
    answer = dlt645.take(taken(frame))
    assert answer is not None
    with pytest.raises(dlt645.MeterRefused) as caught:
        dlt645.data_of(answer, address=address, identifier="00010000")
    assert caught.value.code == code


def test_a_meter_tells_its_address() -> None:
    answer = dlt645.take(taken("68 01 00 00 00 00 00 68 93 06 34 33 33 33 33 33 9D 16"))
    assert answer is not None
    assert dlt645.address_of(answer) == "000000000001"


def test_what_answers_something_else_is_no_answer() -> None:
    echo = dlt645.Frame(address=METER, control=dlt645.READ, data=bytes.fromhex("00000100"))
    assert dlt645.data_of(echo, address=METER, identifier="00010000") is None
    answer = dlt645.take(taken(ENERGY))
    assert answer is not None
    assert dlt645.data_of(answer, address="000000000162", identifier="00010000") is None
    assert dlt645.data_of(answer, address=METER, identifier="00020000") is None


def test_a_water_meter_shows_cubic_metres() -> None:
    answer = cjt188.take(taken("FE FE FE" + WATER))
    assert answer is not None
    data = cjt188.data_of(answer, meter_type=0x10, address="00201510270588", identifier="901F", serial=1)
    assert data is not None
    volume = Cjt188Point(format="XXXXXX.XX", quantity=Quantity.VOLUME)
    assert cjt188.decode(volume, data).value == 0.0
    late = cjt188.data_of(answer, meter_type=0x10, address="00201510270588", identifier="901F", serial=2)
    assert late is None


def test_a_heat_meter_shows_temperatures_and_hours() -> None:
    answer = cjt188.take(taken("FE FE" + HEAT))
    assert answer is not None
    data = cjt188.data_of(answer, meter_type=0x20, address="00740012064713", identifier="901F", serial=0)
    assert data is not None
    shown = {
        "energy": Cjt188Point(format="XXXXXX.XX", offset=5, quantity=Quantity.ENERGY),
        "power": Cjt188Point(format="XXXXXX.XX", offset=10, quantity=Quantity.POWER),
        "flow": Cjt188Point(format="XXXXXX.XX", offset=15, quantity=Quantity.FLOW),
        "volume": Cjt188Point(format="XXXXXX.XX", offset=20, quantity=Quantity.VOLUME),
        "supply": Cjt188Point(format="XXXX.XX", offset=25),
        "return": Cjt188Point(format="XXXX.XX", offset=28),
        "hours": Cjt188Point(format="XXXXXX", offset=31),
    }
    values = {name: cjt188.decode(point, data).value for name, point in shown.items()}
    assert values == {
        "energy": 0.0,
        "power": 0.0,
        "flow": 0.0,
        "volume": 0.0,
        "supply": 23.02,
        "return": 23.11,
        "hours": 5834,
    }


def test_a_frame_with_a_wrong_sum_is_none() -> None:
    """This very frame stands in many tutorials; its own author did not notice."""
    assert cjt188.take(taken(WRONG_SUM)) is None
    assert dlt645.take(taken(ENERGY.replace("8A 16", "8B 16"))) is None


def test_a_unit_of_another_quantity_is_no_value() -> None:
    point = Cjt188Point(format="XXXXXX.XX", quantity=Quantity.ENERGY)
    assert cjt188.decode(point, bytes.fromhex("01 00 00 00 2C")).value is None
    assert cjt188.decode(point, bytes.fromhex("01 00 00 00 08")).value == 10.0
    assert cjt188.decode(point, bytes.fromhex("01 00 00 00")).value is None


def test_bytes_of_ff_are_not_available_and_others_are_no_digits() -> None:
    point = Dlt645Point(identifier="02010200", format="XXX.X")
    assert decode(point, b"\xff\xff").reason == NOT_AVAILABLE
    assert decode(point, b"\x0a\x00").value is None


def test_the_highest_bit_is_the_sign() -> None:
    point = Dlt645Point(identifier="02030000", format="XX.XXXX", signed=True)
    assert decode(point, bytes.fromhex("12 25 80")).value == -0.2512
    assert limits(point) == (-79.9999, 79.9999)


@given(st.integers(-799999, 799999))
def test_signed_values_come_back(figure: int) -> None:
    point = Dlt645Point(identifier="02030000", format="XX.XXXX", signed=True, offset=3)
    data = bytearray()
    encode(point, figure / 10000, data)
    assert decode(point, bytes(data)).value == figure / 10000


@given(st.integers(0, 3), st.integers(0, 0xFFFF))
def test_a_bit_field_leaves_its_neighbours(value: int, before: int) -> None:
    point = Dlt645Point(identifier="04000503", format="NNNN", bits=(1, 2))
    data = bytearray(before.to_bytes(2, "little"))
    encode(point, value, data)
    assert decode(point, bytes(data)).value == value
    assert int.from_bytes(data, "little") & ~0b110 == before & ~0b110


@given(st.binary(max_size=300))
def test_noise_ends(noise: bytes) -> None:
    for take in (dlt645.take, cjt188.take):
        buffer = bytearray(noise)
        while take(buffer) is not None:
            pass


@given(st.binary(max_size=20), st.data())
def test_a_changed_byte_never_gives_a_wrong_value(noise: bytes, draw: st.DataObject) -> None:
    sound = bytes.fromhex("59333333")
    frame = taken(ENERGY)
    frame[draw.draw(st.integers(0, len(frame) - 1))] ^= draw.draw(st.integers(1, 255))
    buffer = bytearray(noise) + frame
    while (answer := dlt645.take(buffer)) is not None:
        try:
            data = dlt645.data_of(answer, address=METER, identifier="00010000")
        except (dlt645.MeterRefused, dlt645.NotUnderstood):
            continue
        assert data is None or data == bytes(byte - 0x33 for byte in sound)


@given(st.binary(max_size=60))
def test_any_data_decodes_or_has_a_reason(data: bytes) -> None:
    for point in (
        Cjt188Point(format="XXXXXX.XX", quantity=Quantity.VOLUME),
        Cjt188Point(format="XXXXXX", offset=7),
        Cjt188Point(format="NNNN", offset=20, bit=2),
    ):
        decoded = cjt188.decode(point, data)
        assert (decoded.value is None) == bool(decoded.reason)
