"""Both stores of telemetry, each with an event loop to use it in: for tests that hypothesis runs many times."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cloud.telemetry.api import TelemetryStore
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.telemetry.influx import InfluxSettings, InfluxTelemetry
from tests.support.series_servers import Relay, influxdb

STORES = ("embedded", "influxdb")


@contextmanager
def open_store(kind: str, folder: Path) -> Iterator[tuple[TelemetryStore, asyncio.Runner]]:
    """Open an empty store of `kind`, one of STORES, with the loop that it lives in; what it keeps is in `folder`."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        if kind == "embedded":
            store: TelemetryStore = EmbeddedTelemetry(folder / "telemetry.db")
        else:
            relay = stack.enter_context(Relay(stack.enter_context(influxdb(folder))))
            store = InfluxTelemetry(InfluxSettings(url=relay.url, org="-", bucket="linli/autogen", database="linli"))
        try:
            yield store, runner
        finally:
            runner.run(store.close())
