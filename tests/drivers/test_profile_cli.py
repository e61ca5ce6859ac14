"""`linli profile`, as a person uses it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.catalog import folders
from drivers.cli import app

runner = CliRunner()


def test_list_names_every_device_type() -> None:
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    assert "grundfos-hydro-mpc" in result.stdout
    assert "elevator" in result.stdout


def test_show_speaks_both_languages() -> None:
    assert "Suction pressure" in runner.invoke(app, ["show", "grundfos-hydro-mpc"]).stdout
    assert "进水压力" in runner.invoke(app, ["show", "grundfos-hydro-mpc", "--lang", "zh"]).stdout


def test_show_of_an_unknown_name_fails_with_the_known_ones() -> None:
    result = runner.invoke(app, ["show", "grundfoss"])
    assert result.exit_code == 1
    assert "grundfos-hydro-mpc" in result.stderr


@pytest.mark.parametrize("name", folders())
def test_check_passes_the_catalogue(name: str) -> None:
    result = runner.invoke(app, ["check", str(folders()[name])])
    assert result.exit_code == 0
    assert "good" in result.stdout
    assert " 0 cases" not in result.stdout


def test_check_names_file_key_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "profile.toml"
    text = (folders()["nice3000-elevator"] / "profile.toml").read_text(encoding="utf-8")
    file.write_text(text.replace("max_gap", "max_gaps"), encoding="utf-8")
    result = runner.invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert f"{file}: modbus.max_gaps: unknown key (did you mean `max_gap`?)" in result.stderr


def test_check_finds_a_case_that_does_not_hold(tmp_path: Path) -> None:
    text = (folders()["nice3000-elevator"] / "profile.toml").read_text(encoding="utf-8")
    (tmp_path / "profile.toml").write_text(text, encoding="utf-8")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "one.toml").write_text(
        """
        note = "made for this test"
        [[case]]
        name = "speed"
        source = "this test"
        registers.holding = { 4112 = 1000 }
        expected = { speed = 2.0, floor = 1, wings = 2 }
        """,
        encoding="utf-8",
    )
    result = runner.invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert "speed: `speed` shows 1.0, the source says 2.0" in result.stderr
    assert "`floor` shows None, the source says 1 (registers not given)" in result.stderr
    assert "(no such point)" in result.stderr
