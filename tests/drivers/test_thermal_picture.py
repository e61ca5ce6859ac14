"""Figures of pictures of temperatures."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.places.thermal import ThermalPoint
from drivers.thermal_picture import Figures, NoFigure, Picture, figure, figures


def picture() -> Picture:
    """Four rows of six: 20 °C, with 35.127 at row 1, column 4, and -3.5 at the last pixel."""
    made = np.full((4, 6), 20.0, dtype=np.float32)
    made[1, 4] = 35.127
    made[3, 5] = -3.5
    return made


def place_of(**place: object) -> ThermalPoint:
    """As a profile's document says it: lists are JSON's."""
    return ThermalPoint.model_validate_json(json.dumps(place))


def test_a_picture_has_its_figures_and_its_hottest_place() -> None:
    assert figures(picture()) == Figures(minimum=-3.5, maximum=35.13, mean=19.65, hottest=(1, 4))


def test_a_region_looks_only_there() -> None:
    assert figures(picture(), (1, 3, 2, 2)) == Figures(minimum=20.0, maximum=35.13, mean=23.78, hottest=(1, 4))
    assert figures(picture(), (0, 0, 1, 6)).maximum == 20.0
    assert figures(picture(), (3, 5, 1, 1)).mean == -3.5


@pytest.mark.parametrize("region", [(0, 0, 5, 1), (0, 5, 1, 2), (4, 0, 1, 1), (4095, 4095, 1, 1)])
def test_a_region_beyond_the_picture_has_no_figure(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(NoFigure, match="beyond the picture of 4 x 6"):
        figures(picture(), region)


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), float("-inf")])
def test_a_pixel_without_a_temperature_spoils_only_its_regions(nothing: float) -> None:
    broken = picture()
    broken[0, 0] = nothing
    with pytest.raises(NoFigure, match="no temperature"):
        figures(broken)
    assert figures(broken, (1, 0, 3, 6)).maximum == 35.13


def test_opposite_infinities_are_no_mean() -> None:
    broken = picture()
    broken[0, 0], broken[0, 1] = float("inf"), float("-inf")
    with pytest.raises(NoFigure), np.errstate(invalid="ignore"):
        figures(broken)


def test_a_point_takes_its_figure() -> None:
    def show(**place: object) -> float:
        return figure(place_of(**place), picture(), ambient=24.567)

    assert show(figure="minimum") == -3.5
    assert show(figure="maximum", region=[0, 0, 1, 6]) == 20.0
    assert show(figure="mean") == 19.65
    assert show(figure="ambient") == 24.57
    assert show(figure="rise") == 10.56
    assert show(figure="rise", region=[0, 0, 1, 6]) == -4.57
    assert show(figure="difference", alike=[[0, 0, 4, 2], [0, 2, 4, 2], [0, 4, 4, 2]]) == 15.13


@pytest.mark.parametrize("name", ["ambient", "rise"])
def test_what_the_device_does_not_tell_is_no_figure(name: str) -> None:
    with pytest.raises(NoFigure, match="does not tell"):
        figure(place_of(figure=name), picture())


@pytest.mark.parametrize(
    "place",
    [
        {"figure": "ambient", "region": [0, 0, 1, 1]},
        {"figure": "difference"},
        {"figure": "difference", "alike": [[0, 0, 1, 1]]},
        {"figure": "difference", "alike": [[0, 0, 1, 1], [0, 0, 1, 1]], "region": [0, 0, 1, 1]},
        {"figure": "maximum", "alike": [[0, 0, 1, 1], [0, 0, 1, 1]]},
        {"figure": "maximum", "region": [0, 0, 0, 1]},
        {"figure": "maximum", "region": [-1, 0, 1, 1]},
        {"figure": "median"},
    ],
)
def test_a_place_that_makes_no_sense_is_refused(place: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        place_of(**place)


def test_a_place_is_told_to_people() -> None:
    assert place_of(figure="maximum").where == "maximum"
    assert place_of(figure="mean", region=[1, 2, 3, 4]).where == "mean of 1,2,3,4"
    alike = place_of(figure="difference", alike=[[0, 0, 1, 1], [0, 1, 1, 1]])
    assert alike.where == "difference of 0,0,1,1 and 0,1,1,1"


@given(st.lists(st.integers(-4000, 30000), min_size=12, max_size=12))
def test_the_figures_are_in_order(hundredths: list[int]) -> None:
    made = np.array(hundredths, dtype=np.float32).reshape(3, 4) / np.float32(100)
    seen = figures(made)
    assert seen.minimum == min(hundredths) / 100
    assert seen.maximum == max(hundredths) / 100
    assert seen.minimum <= seen.mean <= seen.maximum
    assert made[seen.hottest] == made.max()
