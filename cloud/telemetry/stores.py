"""The stores that a configuration can name, and how each is opened."""

from typing import assert_never

from cloud.config import CloudConfig, EmbeddedStore, InfluxStore, read_secret
from cloud.telemetry.api import TelemetryStore
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.sqlite_upkeep import Keep


def open_telemetry(config: CloudConfig) -> TelemetryStore:
    """Open the store that the configuration names; ConfigError when its secret cannot be read. It connects later."""
    match config.telemetry:
        case EmbeddedStore() as chosen:
            keep = Keep(samples=chosen.keep_samples, minutes=chosen.keep_minutes, hours=chosen.keep_hours)
            return EmbeddedTelemetry(config.telemetry_file, keep=keep)
        case InfluxStore() as chosen:
            return _open_influx(config, chosen)
        case _:
            assert_never(config.telemetry)


def _open_influx(config: CloudConfig, chosen: InfluxStore) -> TelemetryStore:
    # Its client is loaded only where it is used: it takes half a second.
    from cloud.telemetry.influx import InfluxSettings, InfluxTelemetry  # noqa: PLC0415

    token = None
    if chosen.token_file is not None:
        token = read_secret(config.path(chosen.token_file), key="telemetry.token_file")
    return InfluxTelemetry(
        InfluxSettings(
            url=chosen.url,
            org=chosen.org,
            bucket=chosen.bucket,
            database=chosen.database_name,
            retention_policy=chosen.policy_name,
            measurement=chosen.measurement,
            token=token,
            ca_file=config.path(chosen.ca_file) if chosen.ca_file is not None else None,
            batch=chosen.batch,
            timeout=chosen.timeout,
        )
    )
