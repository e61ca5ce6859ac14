"""A block decoded at once says what each of its points says alone."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.blocks import plan
from drivers.modbus.codec import decode
from drivers.modbus.decoder import BlockDecoder
from drivers.profile import ModbusDefaults, ModbusPoint

KINDS = ["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
ODD = [0x0000, 0x7FC0, 0x7F80, 0xFF80, 0x7FF0, 0x8000, 0xFFFF]


@st.composite
def places(draw: st.DrawFn) -> ModbusPoint:
    fields: dict[str, object] = {
        "table": draw(st.sampled_from(["holding", "input"])),
        "address": draw(st.integers(0, 100)),
        "type": draw(st.sampled_from([*KINDS, "bool", "string"])),
        "word_order": draw(st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"])),
    }
    if fields["type"] == "bool":
        fields["bit"] = draw(st.integers(0, 15))
    elif fields["type"] == "string":
        fields["length"] = draw(st.integers(1, 6))
    else:
        fields["scale"] = draw(st.sampled_from([1.0, 1.0, 0.1, 2.0]))
        fields["absent"] = draw(st.sampled_from([None, None, 0, 65535]))
    return ModbusPoint.model_validate(fields, strict=False)


@settings(deadline=None, max_examples=200)
@given(
    points=st.dictionaries(st.text("abcdef", min_size=1, max_size=3), places(), min_size=1, max_size=30),
    words=st.lists(st.one_of(st.integers(0, 65535), st.sampled_from(ODD)), min_size=120, max_size=120),
)
def test_a_block_is_decoded_as_its_points_are(points: dict[str, ModbusPoint], words: list[int]) -> None:
    for block in plan(points, ModbusDefaults()):
        raw = tuple(words[block.address : block.address + block.count])
        results = BlockDecoder(block, points).decode(raw)
        assert set(results) == set(block.points)
        for name, result in results.items():
            place = points[name]
            alone = decode(place, words[place.address : place.address + place.count])
            assert (result.point, result.value, result.reason) == (name, alone.value, alone.reason)
            assert type(result.value) is type(alone.value)


def test_sixty_floats_are_in_their_places() -> None:
    points = {
        f"p{n}": ModbusPoint.model_validate({"table": "holding", "address": 2 * n, "type": "float32"}, strict=False)
        for n in range(60)
    }
    (block,) = plan(points, ModbusDefaults(max_registers=120))
    raw = struct.unpack(">120H", struct.pack(">60f", *range(60)))
    assert [result.value for result in BlockDecoder(block, points).decode(raw).values()] == list(range(60))
