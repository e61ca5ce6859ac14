"""What a running agent has loaded: the interpreter's own list of every import, and the libraries in its memory."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.support.broker import running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import counted_modbus
from tests.support.edge_site import USERS, listening_host
from wire.topic import MessageType

_EDGE = "from edge.cli import app; app()"
_IMPORT = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+([\w.]+)$", re.MULTILINE)
NEVER = {
    "cv2", "numpy", "onnxruntime", "fastapi", "nicegui", "starlette", "uvicorn", "httpx", "sqlalchemy", "alembic",
    "influxdb_client", "osdp", "asyncpg", "models", "cloud", "simulators",
}  # fmt: skip


@pytest.mark.system
async def test_an_agent_with_modbus_only_loads_nothing_of_vision_the_web_or_other_protocols(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        listening_host(broker) as host,
        counted_modbus(1, 2) as units,
    ):
        site = ChangingSite(
            folder=tmp_path, broker=broker, buses={"line": units.port}, devices={"p1": ("line", 1, "bench-pump")}
        )
        with (tmp_path / "imports").open("wb") as told:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-X", "importtime", "-c", _EDGE, "run", site.write(), "--agent", "edge-1", stderr=told
            )
            try:
                await host.until(lambda: [one for one in host.taken if "locked" in one.metrics])
                site.devices["p2"] = ("line", 2, "bench-pump")
                site.write()  # a change of the configuration loads nothing more
                await host.until(lambda: host.of(MessageType.DBIRTH, "p2"))
                maps = await asyncio.to_thread(Path(f"/proc/{process.pid}/maps").read_text)
            finally:
                process.send_signal(signal.SIGTERM)
                await asyncio.wait_for(process.wait(), 20)
    loaded = set(_IMPORT.findall((tmp_path / "imports").read_text()))
    assert {"edge.app", "drivers.modbus.bus", "pymodbus", "sqlite3"} <= loaded, "the list is a list of imports"
    assert {name.partition(".")[0] for name in loaded} & NEVER == set()
    assert {name for name in loaded if re.fullmatch(r"drivers\.(\w+)\.(driver|bus|opening)", name)} == {
        "drivers.modbus.bus",
        "drivers.modbus.driver",
        "drivers.modbus.opening",
    }
    native = {word for word in ("numpy", "cv2", "opencv", "onnxruntime") if f"/{word}" in maps}
    assert native == set()
