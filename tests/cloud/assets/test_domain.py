import pytest

from cloud.assets.domain import NotAccepted, check_command, parse_place
from drivers.api import Value
from tests.support.cloud import catalogue

PUMP = catalogue("grundfos-hydro-mpc")


@pytest.mark.parametrize(
    ("text", "building", "place"),
    [
        ("Tower 1/Roof", "Tower 1", "Roof"),
        ("Tower 1", "Tower 1", None),
        ("Tower 1/", "Tower 1", None),
        (" Tower 1 / Roof ", "Tower 1", "Roof"),
        ("Tower 1/Roof/North", "Tower 1", "Roof/North"),
        ("", None, None),
        ("/Roof", None, None),
    ],
)
def test_a_place_is_a_building_and_a_place_in_it(text: str, building: str | None, place: str | None) -> None:
    assert parse_place(text) == (building, place)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("set_pressure", 20, 20.0),
        ("set_pressure", 60.0, 60.0),
        ("start", None, None),
        ("start", True, None),
        ("start", 3, None),
    ],
)
def test_values_inside_the_profile_are_kept(name: str, value: Value | None, kept: Value | None) -> None:
    result = check_command(PUMP, name, value)
    assert result == kept
    assert type(result) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("set_pressure", 19.9, "20 to 60"),
        ("set_pressure", 60.1, "20 to 60"),
        ("set_pressure", float("nan"), "20 to 60"),
        ("set_pressure", "40", "takes a float"),
        ("set_pressure", True, "takes a float"),
        ("set_pressure", None, "takes a float"),
        ("start", 1, "takes no value"),
        ("start", False, "takes no value"),
        ("explode", None, "its commands: set_pressure, start, stop"),
    ],
)
def test_anything_else_is_refused_with_what_would_fit(name: str, value: Value | None, why: str) -> None:
    with pytest.raises(NotAccepted, match=why):
        check_command(PUMP, name, value)
