from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from runtime.config import ConfigError, Strict, load
from runtime.durations import Duration, format_duration, parse_duration


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Strict):
    colour: Colour
    pause: Duration = timedelta(seconds=1)


class Round(Strict):
    shape: Literal["round"]
    radius: int


class Square(Strict):
    shape: Literal["square"]
    side: int


class Outer(Strict):
    name: str
    size: int
    parts: dict[str, Inner] = Field(default_factory=dict)
    steps: tuple[Inner, ...] = ()
    forms: dict[str, Annotated[Round | Square, Field(discriminator="shape")]] = Field(default_factory=dict)


def problems(tmp_path: Path, text: str) -> list[tuple[str, str, str]]:
    file = tmp_path / "some.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file, Outer)
    assert caught.value.file == str(file)
    assert str(file) in str(caught.value)
    return [(problem.key, problem.message, problem.remedy) for problem in caught.value.problems]


def test_a_good_file_becomes_a_model(tmp_path: Path) -> None:
    file = tmp_path / "good.toml"
    file.write_text('name = "a"\nsize = 2\n[parts.x]\ncolour = "red"\npause = "250ms"\n')
    model = load(file, Outer)
    assert model.parts["x"].pause == timedelta(milliseconds=250)
    assert model.parts["x"].colour is Colour.RED


def test_a_misspelt_key_is_refused_with_a_suggestion_at_any_depth(tmp_path: Path) -> None:
    found = problems(
        tmp_path, 'name = "a"\nsize = 2\n[parts.x]\ncolour = "red"\npaus = "1s"\n[[steps]]\ncolor = "red"\n'
    )
    assert ("parts.x.paus", "unknown key", "did you mean `pause`?") in found
    assert ("steps.0.color", "unknown key", "did you mean `colour`?") in found
    assert ("steps.0.colour", "missing", "add `colour`") in found


def test_a_misspelt_key_in_one_of_several_kinds_is_suggested_from_that_kind(tmp_path: Path) -> None:
    found = problems(tmp_path, 'name = "a"\nsize = 2\n[forms.x]\nshape = "round"\nradus = 3\n')
    assert ("forms.x.radus", "unknown key", "did you mean `radius`?") in found


def test_a_wrong_choice_lists_the_choices(tmp_path: Path) -> None:
    [(key, message, remedy)] = problems(tmp_path, 'name = "a"\nsize = 2\n[parts.x]\ncolour = "green"\n')
    assert (key, message) == ("parts.x.colour", "'green' is not a choice")
    assert "'red'" in remedy
    assert "'blue'" in remedy


def test_a_number_is_not_taken_for_text_nor_text_for_a_number(tmp_path: Path) -> None:
    keys = [key for key, _, _ in problems(tmp_path, 'name = 3\nsize = "2"\n')]
    assert keys == ["name", "size"]


def test_a_half_written_file_names_the_line(tmp_path: Path) -> None:
    [(key, message, _)] = problems(tmp_path, 'name = "a"\nsize = \n')
    assert key == ""
    assert "line 2" in message


def test_a_file_that_breaks_off_within_a_text_or_a_character_names_its_last_line(tmp_path: Path) -> None:
    file = tmp_path / "half.toml"
    whole = 'schema = 1\nname = "邻里'
    for text, message in ((whole, "at line 2, the end"), ("schema = [1,\n", "at line 1, the end")):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            load(file, Outer)
    file.write_bytes(whole.encode()[:-1])
    with pytest.raises(ConfigError, match=r"not UTF-8 text: .* \(at line 2\)"):
        load(file, Outer)


def test_an_absent_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "nothing.toml", Outer)


def test_a_file_that_is_not_text_says_so(tmp_path: Path) -> None:
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(file, Outer)


@pytest.mark.parametrize("text", ["500ms", "5s", "10min", "2h", "1d", "90s", "1.5ms"])
def test_durations_survive_writing_and_reading(text: str) -> None:
    value = parse_duration(text)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize("text", ["5", "s", "5 parsecs", "", "-3s", 5])
def test_a_duration_without_a_known_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a number and a unit"):
        parse_duration(text)
