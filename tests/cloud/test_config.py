from datetime import timedelta
from pathlib import Path

import pytest

from cloud.config import CloudConfig, EmbeddedStore, InfluxStore, load_config, read_secret
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.influx import InfluxTelemetry
from cloud.telemetry.stores import open_telemetry
from runtime.config import ConfigError

BAD = sorted((Path(__file__).parent / "bad").glob("bad.*.toml"))
SMALL = 'schema = 1\n[broker]\npassword_file = "secret"\n'


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_every_mistake_is_named_with_its_key_and_remedy(file: Path) -> None:
    expected = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value).startswith(str(file))
    assert expected in str(caught.value)


def test_there_is_a_file_for_many_mistakes() -> None:
    assert len(BAD) >= 15


def _write(folder: Path, text: str = SMALL) -> Path:
    file = folder / "cloud.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_work_for_one_machine(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))
    assert (config.web.host, config.web.port, config.web.session_ms) == ("127.0.0.1", 8080, 12 * 3_600_000)
    assert config.ingest.batch_wait == timedelta(milliseconds=20)
    assert config.worker.tick == timedelta(milliseconds=200)
    assert config.worker.close_after == timedelta(hours=24)
    assert config.notify_urls() == ()


def test_paths_are_relative_to_the_file_wherever_the_process_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_config(Path("..") / file.name)
    assert config.database_url == f"sqlite+aiosqlite:///{tmp_path}/data/linli.db"
    assert config.telemetry_file == tmp_path / "data" / "telemetry.db"
    (tmp_path / "secret").write_text(" pass word \n")
    assert config.broker_password() == "pass word"


def test_absolute_paths_and_other_engines_stay(tmp_path: Path) -> None:
    for url in ("sqlite+aiosqlite:////var/lib/linli.db", "postgresql+asyncpg://linli:secret@db/linli"):
        config = load_config(_write(tmp_path, f'{SMALL}[database]\nurl = "{url}"\n'))
        assert config.database_url == url


def test_a_missing_or_empty_secret_names_its_key(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))
    with pytest.raises(ConfigError, match=r"broker\.password_file.*No such file"):
        config.broker_password()
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        config.broker_password()


def test_notification_urls_are_read_line_by_line(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, f'{SMALL}[notify]\nurls_file = "urls"\n'))
    (tmp_path / "urls").write_text("# ours\njson://localhost/a\n\n  mailto://b  \n")
    assert config.notify_urls() == ("json://localhost/a", "mailto://b")


def test_a_secret_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_secret(tmp_path / "secret", key="x")


def _telemetry(folder: Path, *lines: str) -> CloudConfig:
    return load_config(_write(folder, "\n".join([SMALL, "[telemetry]", *lines, ""])))


def test_the_embedded_store_is_the_default_and_its_retention_can_be_set(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path))
    assert isinstance(config.telemetry, EmbeddedStore)
    assert config.telemetry_text == (
        f"embedded in {tmp_path}/data/telemetry.db, keeps samples 30d, minutes 365d, hours for ever"
    )
    config = _telemetry(
        tmp_path, 'file = "t.db"', 'keep_samples = "7d"', 'keep_minutes = "90d"', 'keep_hours = "3650d"'
    )
    assert config.telemetry_text == f"embedded in {tmp_path}/t.db, keeps samples 7d, minutes 90d, hours 3650d"


def test_influxdb_is_named_with_its_address_and_bucket(tmp_path: Path) -> None:
    config = _telemetry(tmp_path, 'store = "influxdb"', 'url = "http://tsdb:8086/"', 'bucket = "linli/autogen"')
    assert isinstance(config.telemetry, InfluxStore)
    assert (config.telemetry.database_name, config.telemetry.policy_name) == ("linli", "autogen")
    assert config.telemetry_text == "influxdb at http://tsdb:8086, bucket linli/autogen, asked as database linli"
    with pytest.raises(ValueError, match="not kept in a file"):
        _ = config.telemetry_file
    config = _telemetry(tmp_path, 'store = "influxdb"', 'url = "https://tsdb"', 'bucket = "b"', 'database = "d"')
    assert isinstance(config.telemetry, InfluxStore)
    assert (config.telemetry.database_name, config.telemetry.policy_name) == ("d", None)


async def test_the_store_that_is_named_is_opened(tmp_path: Path) -> None:
    config = _telemetry(tmp_path, 'file = "t.db"')
    store = open_telemetry(config)
    assert isinstance(store, EmbeddedTelemetry)
    await store.close()
    influx = ('store = "influxdb"', 'url = "http://127.0.0.1:1"', 'bucket = "b"', 'token_file = "token"')
    with pytest.raises(ConfigError, match=r"telemetry\.token_file.*No such file"):
        open_telemetry(_telemetry(tmp_path, *influx))
    (tmp_path / "token").write_text("abc\n")
    other = open_telemetry(_telemetry(tmp_path, *influx))
    assert isinstance(other, InfluxTelemetry)
    assert other.health().status == "ok"
    await other.close()
