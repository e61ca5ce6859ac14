"""One file for each mistake that a profile's author can make; its first line is what must be said about it."""

from pathlib import Path

import pytest

from drivers.profile import load_profile
from runtime.config import ConfigError

FOLDER = Path(__file__).parent / "bad"
FILES = sorted(FOLDER.glob("bad.*.toml"))


def test_without_its_mistake_the_file_is_good() -> None:
    assert load_profile(FOLDER / "good.toml").name == "small-pump"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_mistake_is_named_with_file_key_and_remedy(file: Path) -> None:
    expected = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigError) as caught:
        load_profile(file)
    assert expected in str(caught.value)
    assert all(str(line).startswith(str(file)) for line in str(caught.value).splitlines())
    assert len(caught.value.problems) == 1


def test_every_mistake_in_a_file_is_listed_at_once(tmp_path: Path) -> None:
    text = (FOLDER / "good.toml").read_text(encoding="utf-8")
    file = tmp_path / "profile.toml"
    file.write_text(text.replace("unit =", "unti =").replace("sample = true\n", ""), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(file)
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {"points.pressure.unti", "points.setpoint.unti", "points.running.sample"}
