"""Masks, single writes by the function for several, and pulses that the device times itself, on real lines."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import BadRequest, Garbled, Refused, TimedOut
from drivers.modbus.bus import ModbusBus
from drivers.modbus.codec import decode, encode, masks
from drivers.modbus.driver import ModbusDevice
from drivers.places.modbus import ModbusPoint
from drivers.profile import Profile
from runtime.config import ConfigError, validate
from tests.support.modbus_peers import Line, Served, connected, rtu_settings

LABEL = {"zh": "点", "en": "point"}
COIL_PULSE = {"table": "coil", "address": 0x200, "type": "uint16", "write": "coil-pulse", "scale": 0.1, "holds": 0}
LED_PULSE = {
    "table": "holding",
    "address": 3,
    "type": "uint16",
    "write": "register-pulse",
    "lead": [4],
    "scale": 0.1,
    "holds": 0,
}


def document(places: dict[str, dict[str, Any]]) -> dict[str, Any]:
    points: dict[str, Any] = {}
    for name, place in places.items():
        pulse = "pulse" in str(place.get("write"))
        sample: object = False if place["type"] == "bool" else 0.5 if "scale" in place else 1
        points[name] = {"label": LABEL, "modbus": place, "poll": "1s", "sample": sample, "unit": "s" if pulse else ""}
    return {
        "schema": 1,
        "name": "board",
        "version": "1.0.0",
        "kind": "relay-board",
        "label": LABEL,
        "protocol": "modbus",
        "points": points,
    }


BOARD = validate(
    "board",
    document(
        {
            "relay_1": {"table": "coil", "address": 0, "type": "bool"},
            "open": COIL_PULSE,
            "flash": LED_PULSE,
            # The time in the low byte behind a command in the high one: raw = 0x0600 + seconds.
            "delay": {"table": "holding", "address": 1, "type": "uint16", "write": "register-pulse", "offset": -1536},
            "several": {"table": "holding", "address": 5, "type": "uint16", "write": "multiple"},
            "several_coil": {"table": "coil", "address": 9, "type": "bool", "write": "multiple"},
            "step": {"table": "coil", "address": 12, "type": "bool", "write": "trigger"},
            "mode": {"table": "holding", "address": 40, "type": "uint16", "write": "trigger"},
            "flag": {"table": "holding", "address": 4, "type": "bool", "bit": 0, "write": "mask"},
            "field": {"table": "holding", "address": 4, "type": "uint16", "bits": [2, 4], "write": "mask"},
        }
    ),
    Profile,
)


def board(bus: ModbusBus, unit: int = 1) -> ModbusDevice:
    return ModbusDevice(bus, unit=unit, profile=BOARD, name="board-1")


def crc(text: str) -> bytes:
    frame, rest = bytes.fromhex(text), 0xFFFF
    for byte in frame:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
    return frame + rest.to_bytes(2, "little")


# Waveshare's wiki, "Modbus RTU Relay": relay 0 for 700 ms. JY-DAM and LC boards, as several public programs drive them:
# the first relay for 1 s in mode 4, unit FEh.
PUBLISHED = [
    (1, "open", 0.7, "01 05 02 00 00 07 8D B0", "01 05 02 00 00 07 8D B0"),
    (0xFE, "flash", 1.0, "FE 10 00 03 00 02 04 00 04 00 0A 41 6B", "FE 10 00 03 00 02 A5 C7"),
]


@pytest.mark.parametrize("exchange", PUBLISHED)
async def test_published_pulses(line: Line, exchange: tuple[int, str, float, str, str]) -> None:
    unit, point, seconds, request_hex, answer_hex = exchange
    line.answer(bytes.fromhex(answer_hex))
    async with connected(rtu_settings(line.path)) as bus:
        await board(bus, unit).write(point, seconds)
    assert line.heard == [bytes.fromhex(request_hex)]


@pytest.mark.parametrize(
    ("point", "value", "request_hex", "answer_hex"),
    [
        ("open", 0.5, "01 05 02 00 00 05", "01 05 02 00 00 05"),
        ("delay", 10, "01 06 00 01 06 0A", "01 06 00 01 06 0A"),
        ("several", 7, "01 10 00 05 00 01 02 00 07", "01 10 00 05 00 01"),
        ("several_coil", True, "01 0F 00 09 00 01 01 01", "01 0F 00 09 00 01"),
        ("relay_1", True, "01 05 00 00 FF 00", "01 05 00 00 FF 00"),
        ("step", True, "01 05 00 0C FF 00", "01 05 00 0C FF 00"),
        ("mode", 2, "01 06 00 28 00 02", "01 06 00 28 00 02"),
        ("flag", True, "01 16 00 04 FF FE 00 01", "01 16 00 04 FF FE 00 01"),
        ("field", 9, "01 16 00 04 FF C3 00 24", "01 16 00 04 FF C3 00 24"),
    ],
)
async def test_each_choice_has_its_frame(
    line: Line, point: str, value: float, request_hex: str, answer_hex: str
) -> None:
    line.answer(crc(answer_hex))
    async with connected(rtu_settings(line.path)) as bus:
        await board(bus).write(point, value)
    assert line.heard == [crc(request_hex)]


@pytest.mark.parametrize("point", ["open", "flash", "flag", "several"])
async def test_nothing_is_sent_again_after_a_lost_answer(line: Line, point: str) -> None:
    async with connected(rtu_settings(line.path, timeout="80ms", quiet="20ms")) as bus:
        with pytest.raises(TimedOut) as error:
            await board(bus).write(point, True if point == "flag" else 1)
        assert error.value.retry  # so that the outcome is "unknown" and not "refused"
        await asyncio.sleep(0.4)
    assert len(line.heard) == 1


@pytest.mark.parametrize(
    ("point", "answer"),
    [
        ("open", "01 05 02 00 00 06"),
        ("open", "01 05 02 00 FF 00"),
        ("open", "01 05 02 01 00 05"),
        ("flash", "01 10 00 03 00 01"),
        ("flag", "01 16 00 04 FF FE 00 00"),
        ("flag", "01 16 00 05 FF FE 00 01"),
    ],
)
async def test_an_echo_of_something_else_is_no_confirmation(line: Line, point: str, answer: str) -> None:
    line.answer(crc(answer))
    async with connected(rtu_settings(line.path, quiet="20ms")) as bus:
        with pytest.raises(Garbled, match="asked to write"):
            await board(bus).write(point, True if point == "flag" else 0.5)


async def test_a_board_without_pulses_refuses_and_nothing_else_is_tried(line: Line) -> None:
    line.answer(crc("01 85 02"))
    async with connected(rtu_settings(line.path)) as bus:
        with pytest.raises(Refused, match="illegal data address"):
            await board(bus).write("open", 0.5)
    assert len(line.heard) == 1


async def test_a_pulse_without_length_or_too_long_costs_no_request(line: Line) -> None:
    async with connected(rtu_settings(line.path)) as bus:
        for point, seconds, why in (
            ("open", 0.0, "a pulse lasts longer than 0 s"),
            ("open", 0.04, r"0.1 to 3276.7"),
            ("open", 3276.8, r"0.1 to 3276.7"),
            ("flash", -1.0, "a pulse lasts longer than 0 s"),
            ("delay", 0, "a pulse lasts longer than 0 s"),
        ):
            with pytest.raises(BadRequest, match=why):
                await board(bus).write(point, seconds)
    assert line.heard == []


async def test_a_pulse_and_a_trigger_are_never_read(line: Line) -> None:
    line.answer(crc("01 01 01 01"))
    async with connected(rtu_settings(line.path)) as bus:
        results = await board(bus).read(["relay_1", "open", "flash", "step", "mode"])
    assert results["relay_1"].value is True
    assert {results[name].reason for name in ("open", "flash", "step", "mode")} == {
        "cannot be read: it only takes commands"
    }
    assert len(line.heard) == 1
    assert not BOARD.points["open"].polled
    assert BOARD.points["open"].writable


async def test_a_mask_changes_its_bits_alone_and_in_one_step(served: Served) -> None:
    async with connected(served.settings) as bus:
        thing = board(bus)
        await thing.write("field", 9)  # the register holds 4
        await thing.write("flag", True)  # noqa: FBT003 - the value written
        assert served.functions == [22, 22]
        results = await thing.read(["flag", "field", "several"])
        assert {name: result.value for name, result in results.items()} == {"flag": True, "field": 9, "several": 5}


async def test_a_single_register_by_function_16_is_read_back(served: Served) -> None:
    async with connected(served.settings) as bus:
        thing = board(bus)
        await thing.write("several", 7)
        await thing.write("several_coil", False)  # noqa: FBT003 - the value written
        assert served.functions == [16, 15]
        results = await thing.read(["several", "several_coil"])
        assert (results["several"].value, results["several_coil"].value) == (7, False)


@given(
    current=st.integers(0, 0xFFFF),
    place=st.one_of(
        st.builds(lambda bit: {"type": "bool", "bit": bit}, st.integers(0, 15)),
        st.builds(lambda low, width: {"type": "uint16", "bits": [low, width]}, st.integers(0, 8), st.integers(1, 8)),
    ),
    order=st.sampled_from(["ABCD", "BADC"]),
    data=st.data(),
)
def test_masks_say_the_same_as_reading_and_writing_back(
    current: int, place: dict[str, Any], order: str, data: st.DataObject
) -> None:
    point = ModbusPoint.model_validate(
        {"table": "holding", "address": 0, "write": "mask", "word_order": order, **place}, strict=False
    )
    value = data.draw(st.booleans() if point.bits is None else st.integers(0, (1 << point.bits[1]) - 1))
    and_mask, or_mask = masks(point, value)
    # The standard: (current AND and_mask) OR (or_mask AND NOT and_mask).
    assert (current & and_mask | or_mask & ~and_mask,) == encode(point, value, current=current)
    assert decode(point, [current & and_mask | or_mask]).value == value


def test_the_standards_own_example_of_a_mask() -> None:
    # Modbus Application Protocol 1.1b3, 6.16: 12h AND F2h OR (25h AND NOT F2h) is 17h.
    assert (0x12 & 0xF2) | (0x25 & ~0xF2) == 0x17


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ({"table": "input", "address": 0, "type": "uint16", "write": "multiple"}, "never written"),
        ({"table": "holding", "address": 0, "type": "uint16", "write": "mask"}, "needs `bit` or `bits`"),
        ({"table": "holding", "address": 0, "type": "bool", "bit": 1, "write": "multiple"}, "not for bits"),
        ({"table": "holding", "address": 0, "type": "uint16", "bits": [0, 2], "write": "trigger"}, "not for bits"),
        ({**COIL_PULSE, "type": "bool", "scale": 1.0}, "plain 'uint16'"),
        ({**COIL_PULSE, "table": "holding"}, "'coil-pulse' is for coils"),
        ({**COIL_PULSE, "lead": [4]}, "`lead` are registers"),
        ({**LED_PULSE, "table": "coil"}, "'register-pulse' for holding registers"),
        ({"table": "holding", "address": 0, "type": "uint16", "holds": 1}, "belong to a pulse"),
        ({**LED_PULSE, "address": 65535}, "beyond address 65535"),
    ],
)
def test_a_write_that_makes_no_sense_is_refused(place: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate("board", document({"open": place}), Profile)
    assert problem in str(error.value)


def test_a_pulse_has_the_unit_seconds() -> None:
    wrong = document({"open": COIL_PULSE})
    wrong["points"]["open"]["unit"] = "ms"
    with pytest.raises(ConfigError) as error:
        validate("board", wrong, Profile)
    assert "a pulse is a time, so `unit` is 's'" in str(error.value)


def test_what_is_written_the_common_way_keeps_its_document() -> None:
    plain = validate("board", document({"relay_1": {"table": "coil", "address": 0, "type": "bool"}}), Profile)
    assert '"write"' not in plain.document()
    assert '"holds":0' in BOARD.document()


NUMBERS: dict[str, float] = {
    "int16": -1234,
    "uint16": 54321,
    "int32": -123456789,
    "uint32": 4123456789,
    "int64": -1234567890123456789,
    "uint64": 12345678901234567890,
    "float32": -0.15625,
    "float64": 1e-300,
}


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
async def test_every_type_in_every_word_order_is_read_as_it_was_written(served: Served, order: str) -> None:
    places: dict[str, dict[str, Any]] = {
        kind: {"table": "holding", "address": 40 + 4 * number, "type": kind, "word_order": order}
        for number, kind in enumerate(NUMBERS)
    }
    places["text"] = {"table": "holding", "address": 80, "type": "string", "length": 6, "word_order": order}
    given = document(places)
    given["points"]["text"]["sample"] = "a"
    profile = validate("types", given, Profile)
    async with connected(served.settings) as bus:
        thing = ModbusDevice(bus, unit=1, profile=profile, name="types")
        for kind, number in NUMBERS.items():
            await thing.write(kind, number)
        await thing.write("text", "3号楼 A")
        results = await thing.read(tuple(profile.points))
    assert {name: result.value for name, result in results.items()} == {**NUMBERS, "text": "3号楼 A"}
    assert served.functions[: len(NUMBERS) + 1] == [6, 6, 16, 16, 16, 16, 16, 16, 16]


async def test_coils_are_switched_one_by_one(served: Served) -> None:
    names = [f"c{number}" for number in range(16)]
    places: dict[str, dict[str, Any]] = {
        name: {"table": "coil", "address": number, "type": "bool"} for number, name in enumerate(names)
    }
    profile = validate("coils", document(places), Profile)
    async with connected(served.settings) as bus:
        thing = ModbusDevice(bus, unit=1, profile=profile, name="coils")
        for number, name in enumerate(names):
            await thing.write(name, number % 5 == 0)
        results = await thing.read(tuple(names))
    assert [results[name].value for name in names] == [number % 5 == 0 for number in range(16)]
