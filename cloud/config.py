"""The configuration of the cloud's processes: one TOML file for all of them.

Relative paths are relative to the file, so that it means the same from wherever a process is started.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, PrivateAttr, Tag, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from runtime.config import ConfigError, Problem, Strict, read_toml, validate
from runtime.durations import Duration, format_duration
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


_Name = Annotated[str, Field(min_length=1, max_length=128)]


class EmbeddedStore(Strict):
    """The store of time series in a file of its own, and how long it keeps what."""

    store: Literal["embedded"] = "embedded"
    file: str = Field(default="data/telemetry.db", min_length=1)
    keep_samples: Duration = Field(default=timedelta(days=30), description="what was measured")
    keep_minutes: Duration = Field(default=timedelta(days=365), description="figures of each minute")
    keep_hours: Duration | None = Field(default=None, description="figures of each hour; left out: for ever")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.keep_samples < timedelta(days=1):
            raise ValueError("`keep_samples` is at least 1d: agents repeat what was not acknowledged")
        if self.keep_minutes < self.keep_samples:
            raise ValueError("`keep_minutes` must not be shorter than `keep_samples`")
        if self.keep_hours is not None and self.keep_hours < self.keep_minutes:
            raise ValueError("`keep_hours` must not be shorter than `keep_minutes`")
        return self


class InfluxStore(Strict):
    """The store of time series in InfluxDB 1.8 or newer. It is written to `bucket` and asked by `database`."""

    store: Literal["influxdb"]
    url: str
    bucket: _Name = Field(description="with InfluxDB 1.8 `database/retention policy`")
    org: _Name = Field(default="-", description="InfluxDB 2.x only")
    database: _Name | None = Field(default=None, description="left out: the bucket's name, or its part before `/`")
    retention_policy: _Name | None = Field(default=None, description="left out: the bucket's part after `/`, if any")
    token_file: str | None = Field(default=None, min_length=1, description="with InfluxDB 1.8 `user:password`")
    ca_file: str | None = Field(default=None, min_length=1)
    measurement: str = Field(default="linli", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")
    batch: Annotated[int, Field(ge=100, le=50_000, description="lines of one request")] = 5_000
    timeout: Duration = timedelta(seconds=10)

    @field_validator("url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise ValueError("no user or password in the URL: put `user:password` into `token_file`")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write it as `http://host:8086` or `https://host:8086`")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.ca_file is not None and not self.url.startswith("https:"):
            raise ValueError("`ca_file` needs a `url` with https")
        if not timedelta(seconds=1) <= self.timeout <= timedelta(minutes=2):
            raise ValueError("`timeout` is 1s to 2min")
        return self

    @property
    def database_name(self) -> str:
        """The database that questions go to."""
        return self.database or self.bucket.partition("/")[0]

    @property
    def policy_name(self) -> str | None:
        """The retention policy that questions go to; None is the database's own one."""
        return self.retention_policy or self.bucket.partition("/")[2] or None


def _which_store(given: object) -> str | None:
    """Tell the stores apart; without a word it is the embedded one."""
    found = given.get("store", "embedded") if isinstance(given, dict) else getattr(given, "store", None)
    return found if isinstance(found, str) else None


Telemetry = Annotated[
    Annotated[EmbeddedStore, Tag("embedded")] | Annotated[InfluxStore, Tag("influxdb")],
    Discriminator(
        _which_store,
        custom_error_type="store",
        custom_error_message='`store` is "embedded" or "influxdb"',
    ),
]
"""Where time series are kept."""


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
    batch_messages: Annotated[int, Field(ge=1, le=100_000)] = 2000
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


class Gates(Strict):
    """Who may pass the gates, and their visitors."""

    keys_file: str = Field(
        default="data/gate-keys", min_length=1, description="keys of the service; made by `linli cloud gate-keys`"
    )


class CloudConfig(Strict):
    """The whole file."""

    version: Literal[1] = Field(alias="schema")
    database: Database = Database()
    telemetry: Telemetry = EmbeddedStore()
    broker: Broker
    web: Web = Web()
    ingest: Ingest = Ingest()
    worker: Worker = Worker()
    notify: Notify = Notify()
    gates: Gates = Gates()
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
        """Where the embedded store of time series lies; ValueError when another store is chosen."""
        if not isinstance(self.telemetry, EmbeddedStore):
            raise ValueError("time series are not kept in a file")  # noqa: TRY004 - of the value in the file
        return self.path(self.telemetry.file)

    @property
    def telemetry_text(self) -> str:
        """The chosen store of time series in words, without secrets."""
        chosen = self.telemetry
        if isinstance(chosen, InfluxStore):
            return f"influxdb at {chosen.url}, bucket {chosen.bucket}, asked as database {chosen.database_name}"
        hours = "for ever" if chosen.keep_hours is None else format_duration(chosen.keep_hours)
        kept = f"samples {format_duration(chosen.keep_samples)}, minutes {format_duration(chosen.keep_minutes)}"
        return f"embedded in {self.telemetry_file}, keeps {kept}, hours {hours}"

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
