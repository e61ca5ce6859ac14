"""The configuration of the cloud's processes: one TOML file for all of them.

Relative paths are relative to the file, so that it means the same from wherever a process is started.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from runtime.config import ConfigError, Problem, Strict, read_toml, validate
from runtime.durations import Duration
from wire.topic import check_name

Port = Annotated[int, Field(ge=0, le=65535, description="0: any free one")]
_BACKENDS = ("sqlite+aiosqlite", "postgresql+asyncpg")


class Database(Strict):
    """The relational database that all processes share."""

    url: str = "sqlite+aiosqlite:///data/linli.db"

    @field_validator("url")
    @classmethod
    def _supported(cls, url: str) -> str:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ValueError("not a database URL: write `sqlite+aiosqlite:///data/linli.db`") from error
        if parsed.drivername not in _BACKENDS:
            raise ValueError(f"`{parsed.drivername}` is not supported: use one of {', '.join(_BACKENDS)}")
        if parsed.get_backend_name() == "sqlite" and not parsed.database:
            raise ValueError("an SQLite URL needs a file: `sqlite+aiosqlite:///data/linli.db`")
        return url


class Telemetry(Strict):
    """The embedded store of time series."""

    file: str = Field(default="data/telemetry.db", min_length=1)


class Broker(Strict):
    """The MQTT broker, and who we are to it."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    username: str = Field(default="cloud", min_length=1)
    password_file: str = Field(min_length=1)
    tls: bool = False
    ca_file: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.ca_file is not None and not self.tls:
            raise ValueError("`ca_file` needs `tls = true`")
        return self


class Web(Strict):
    """Pages and REST."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = 8080
    session_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12
    public_url: str | None = Field(default=None, description="where browsers find it, such as https://linli.example")

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
            raise ValueError("write it as `https://host` or `https://host:port`, without a path")
        return url

    @property
    def session_ms(self) -> int:
        """How long a session lasts."""
        return int(self.session_hours * 3_600_000)


class Http(Strict):
    """Where a process without pages serves `/health` and `/metrics`."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port


class Ingest(Strict):
    """From broker to database."""

    http: Http = Http(port=8081)
    batch_messages: Annotated[int, Field(ge=1, le=100_000)] = 500
    batch_wait: Duration = timedelta(milliseconds=20)
    reorder_timeout: Duration = timedelta(seconds=2)
    host_id: str = Field(default="linli", description="our name among Sparkplug hosts: unique at the broker")

    @field_validator("host_id")
    @classmethod
    def _in_a_topic(cls, host_id: str) -> str:
        return check_name(host_id)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch_wait > timedelta(seconds=1):
            raise ValueError("`batch_wait` delays every reading: at most 1s")
        return self


class Worker(Strict):
    """What happens by the clock: delays of alarms, commands, notifications."""

    http: Http = Http(port=8082)
    tick: Duration = timedelta(milliseconds=200)
    close_after: Duration = Field(
        default=timedelta(hours=24),
        description="how long a sensor must stay normal before an order that trusts it closes by itself",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not timedelta(milliseconds=10) <= self.tick <= timedelta(seconds=5):
            raise ValueError("`tick` is 10ms to 5s")
        if not timedelta(minutes=1) <= self.close_after <= timedelta(days=30):
            raise ValueError("`close_after` is 1min to 30d")
        return self


class Notify(Strict):
    """Telling people outside of the pages."""

    urls_file: str | None = Field(default=None, description="apprise URLs, one a line; they hold secrets")


class CloudConfig(Strict):
    """The whole file."""

    version: Literal[1] = Field(alias="schema")
    database: Database = Database()
    telemetry: Telemetry = Telemetry()
    broker: Broker
    web: Web = Web()
    ingest: Ingest = Ingest()
    worker: Worker = Worker()
    notify: Notify = Notify()
    _folder: Path = PrivateAttr(default=Path())

    def path(self, text: str) -> Path:
        """Give the place that a path in the file means."""
        return self._folder / text

    @property
    def database_url(self) -> str:
        """The database's URL with an absolute path."""
        url = make_url(self.database.url)
        if url.get_backend_name() != "sqlite":
            return self.database.url
        return url.set(database=str(self.path(str(url.database)))).render_as_string(hide_password=False)

    @property
    def telemetry_file(self) -> Path:
        """Where the embedded store of time series lies."""
        return self.path(self.telemetry.file)

    def broker_password(self) -> str:
        """Read the broker's password; ConfigError when its file cannot be read."""
        return read_secret(self.path(self.broker.password_file), key="broker.password_file")

    def notify_urls(self) -> tuple[str, ...]:
        """Read the notification URLs: one a line, `#` starts a comment; none without a file."""
        if self.notify.urls_file is None:
            return ()
        text = read_secret(self.path(self.notify.urls_file), key="notify.urls_file")
        lines = (line.strip() for line in text.splitlines())
        return tuple(line for line in lines if line and not line.startswith("#"))


def read_secret(file: Path, *, key: str) -> str:
    """Read a file with a secret in it, without surrounding white space; ConfigError says which key named it."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problem = Problem(key=key, message=f"{file}: {why}", remedy="the process must be able to read it")
        raise ConfigError(file, (problem,)) from error
    if not text:
        raise ConfigError(file, (Problem(key=key, message="the file is empty", remedy="put the secret into it"),))
    return text


def load_config(file: Path) -> CloudConfig:
    """Read the configuration; ConfigError lists every mistake with its remedy. It connects to nothing."""
    return parse_config(read_toml(file), file=file)


def parse_config(data: dict[str, Any], *, file: Path) -> CloudConfig:
    """Check the data of a configuration that stands (or will stand) in `file`."""
    config = validate(file, data, CloudConfig)
    config._folder = file.resolve().parent  # noqa: SLF001 - its own loader
    return config
