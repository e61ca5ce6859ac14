"""Site files: a good one, and one for every mistake."""

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import app
from edge.config import load_site
from edge.journal_file import JournalFile, Limits
from runtime.config import ConfigError
from tests.edge.test_journal import draft, lost

HERE = Path(__file__).parent
GOOD = HERE / "site.toml"
BAD = sorted((HERE / "bad").glob("bad.*.toml"))


def test_a_good_file_is_read_with_its_profiles() -> None:
    config = load_site(GOOD)
    agent = config.settings.agents["edge-1"]
    device = agent.devices["pump-1"]
    assert config.profile_of(device).name == "bench-pump"
    assert device.alarms["dry_run"].on_delay == timedelta(seconds=2)
    assert device.heartbeat == timedelta(seconds=60)
    assert agent.journal.max_records == 1_000_000
    assert config.broker_password == "a password for tests"


def test_the_revision_changes_with_the_content(tmp_path: Path) -> None:
    text = GOOD.read_text().replace('"profiles"', f'"{HERE / "profiles"}"')
    text = text.replace('"secrets/', f'"{HERE}/secrets/').replace('"profiles/', f'"{HERE}/profiles/')
    file = tmp_path / "site.toml"
    file.write_text(text)
    first = load_site(file).revision
    assert load_site(file).revision == first
    file.write_text(text + "\n# changed\n")
    assert load_site(file).revision != first


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.name)
def test_every_mistake_is_named_with_its_remedy(file: Path) -> None:
    expected = file.read_text().splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigError) as caught:
        load_site(file)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.read_text().replace("Asia/Shanghai", "Asia/Shangai").replace('bus = "pump-room"', 'bus = "x"')
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_site(file)
    keys = {problem.key for problem in caught.value.problems}
    assert {"site.time_zone", "site.profiles", "broker.password_file", "agents.edge-1.devices.pump-1.bus"} <= keys


def test_a_broken_local_profile_is_named(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "edge-1.password").write_text("x")
    profile = (HERE / "profiles" / "bench-pump.toml").read_text()
    (tmp_path / "profiles" / "pump.toml").write_text(profile.replace("deadband", "deadbant"))
    file = tmp_path / "site.toml"
    file.write_text(GOOD.read_text())
    with pytest.raises(ConfigError) as caught:
        load_site(file)
    assert "profiles/pump.toml: points.pressure.deadbant: unknown key (did you mean `deadband`?)" in str(caught.value)


def test_check_config_prints_what_is_there() -> None:
    result = CliRunner().invoke(app, ["check-config", str(GOOD)])
    assert result.exit_code == 0
    assert "agent edge-1: 1 buses, 1 devices, 5 points" in result.output
    assert "pump-1: bench-pump 1.2.0, unit 1" in result.output


def test_check_config_names_file_key_and_remedy() -> None:
    file = HERE / "bad" / "bad.unknown-bus.toml"
    result = CliRunner().invoke(app, ["check-config", str(file)])
    assert result.exit_code == 1
    expected = "agents.edge-1.devices.pump-1.bus: there is no bus `pump-rom` (did you mean `pump-room`?)"
    assert f"{file}: {expected}" in result.output


def test_an_agent_that_is_not_in_the_file_is_named() -> None:
    result = CliRunner().invoke(app, ["run", str(GOOD), "--agent", "edge-9"])
    assert result.exit_code == 1
    assert "there is no agent `edge-9` (use one of: edge-1)" in result.output


def test_the_journal_is_told_in_figures(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = GOOD.read_text().replace('"profiles"', f'"{HERE / "profiles"}"')
    file.write_text(text.replace('"secrets/', f'"{HERE}/secrets/'))
    command = ["journal", str(file), "--agent", "edge-1"]
    assert CliRunner().invoke(app, command).exit_code == 1
    path = tmp_path / "data" / "edge-1" / "journal.sqlite"
    journal = JournalFile(path, new_id="abc", limits=Limits(max_records=1000, max_bytes=10_000_000))
    journal.append([draft(1), draft(2)], lost=lost(3))
    journal.acknowledge("abc", 4)
    journal.close()
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    for line in ("journal: abc", "records: 1", "acknowledged: 4", "last: 5", "dropped: 3"):
        assert line in result.output.splitlines()
