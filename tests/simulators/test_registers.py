from pathlib import Path

import pytest

from drivers.catalog import catalog_profile
from drivers.profile import Profile, Table
from runtime.config import validate
from simulators.modbus.registers import IllegalAddress, IllegalValue, RegisterImage
from tests.support.simulated_line import ELEVATOR, PUMP

TEXT = {"zh": "文", "en": "text"}


def profile() -> Profile:
    def point(where: dict[str, object], sample: object) -> dict[str, object]:
        return {"label": TEXT, "modbus": where, "poll": "1s", "sample": sample}

    def command(name: str, **more: object) -> dict[str, object]:
        return {"label": TEXT, "point": name, "read_back": {"point": name, "within": "1s"}, **more}

    document = {
        "schema": 1,
        "name": "test-device",
        "version": "1.0.0",
        "kind": "test",
        "label": TEXT,
        "protocol": "modbus",
        "modbus": {"max_gap": 3},
        "points": {
            "wide": point({"table": "holding", "address": 0, "type": "float32", "word_order": "CDAB"}, 1.5),
            "near": point({"table": "holding", "address": 5, "type": "int16"}, -1),
            "far": point({"table": "holding", "address": 20, "type": "uint16", "scale": 0.1, "absent": 65535}, 1.0),
            "first": point({"table": "holding", "address": 21, "type": "bool", "bit": 0}, sample=False),
            "second": point({"table": "holding", "address": 21, "type": "bool", "bit": 9}, sample=False),
            "coil": point({"table": "coil", "address": 7, "type": "bool"}, sample=False),
        },
        "commands": {
            "set_wide": command("wide", limits={"low": 0, "high": 9}),
            "set_far": command("far", limits={"low": 0, "high": 9}),
            "set_first": command("first", value=True),
            "set_second": command("second", value=True),
            "set_coil": command("coil", value=True),
        },
    }
    return validate(Path("test"), document, Profile)


def image() -> RegisterImage:
    made = RegisterImage(profile())
    made.show({"wide": 1.5, "near": -1, "far": 1.0, "first": False, "second": False, "coil": False})
    return made


def test_registers_hold_what_the_point_says() -> None:
    # 1.5 is 3FC0 0000 in IEEE 754; CDAB puts the low word first.
    assert image().read(Table.HOLDING, 0, 2) == (0x0000, 0x3FC0)
    assert image().read(Table.HOLDING, 5, 1) == (0xFFFF,)
    assert image().read(Table.HOLDING, 20, 1) == (10,)


def test_bits_share_a_register() -> None:
    made = image()
    made.show({"second": True})
    made.show({"first": True})
    assert made.read(Table.HOLDING, 21, 1) == (0x0201,)
    made.show({"second": False})
    assert made.read(Table.HOLDING, 21, 1) == (0x0001,)


def test_a_small_gap_reads_as_zero_and_a_large_one_is_illegal() -> None:
    made = image()
    assert made.read(Table.HOLDING, 0, 6) == (0, 0x3FC0, 0, 0, 0, 0xFFFF)
    for address, count in ((0, 7), (6, 1), (19, 2), (22, 1), (65535, 2)):
        with pytest.raises(IllegalAddress):
            made.read(Table.HOLDING, address, count)
    with pytest.raises(IllegalAddress):
        made.read(Table.INPUT, 0, 1)


def test_only_a_change_of_what_the_registers_hold_counts() -> None:
    made = image()
    assert made.show({"far": 1.04}) == {}  # the register's step is 0.1
    assert made.show({"far": 1.06}) == {"far": 1.1}
    assert made.show({"far": 1.06, "near": -1}) == {}


def test_a_write_means_its_points() -> None:
    made = image()
    assert made.written(Table.HOLDING, 0, (0x0000, 0x4020)) == [("wide", 2.5)]
    assert made.written(Table.COIL, 7, (1,)) == [("coil", True)]
    assert made.written(Table.HOLDING, 20, (15, 1)) == [("far", 1.5), ("first", True)]


def test_bits_of_a_written_register_count_only_when_they_change() -> None:
    made = image()
    made.show({"first": True})
    assert made.written(Table.HOLDING, 21, (0x0201,)) == [("second", True)]
    assert made.written(Table.HOLDING, 21, (0x0001,)) == []


def test_a_write_elsewhere_or_to_half_a_point_is_illegal() -> None:
    made = image()
    for address, words in ((0, (1,)), (1, (1,)), (5, (1,)), (2, (0,)), (0, (0, 0, 0)), (100, (1,))):
        with pytest.raises(IllegalAddress):
            made.written(Table.HOLDING, address, words)
    with pytest.raises(IllegalAddress):
        made.written(Table.COIL, 8, (1,))


def test_a_write_of_not_available_is_an_illegal_value() -> None:
    with pytest.raises(IllegalValue):
        image().written(Table.HOLDING, 20, (65535,))


@pytest.mark.parametrize("name", [PUMP, ELEVATOR])
def test_samples_of_the_catalogue_show_in_their_registers(name: str) -> None:
    catalogued = catalog_profile(name)
    made = RegisterImage(catalogued)
    shown = made.show({point: about.sample for point, about in catalogued.points.items()})
    for point, about in catalogued.points.items():
        assert shown[point] == pytest.approx(about.sample)
