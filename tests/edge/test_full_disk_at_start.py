"""An agent whose disk is full when it starts: it reads its devices, and publishes once the disk takes bytes.

The full disk is a limit on the size of files, which holds for the agent's process alone and is lifted while it runs.
"""

import asyncio
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.journal import journal_in
from edge.journal_file import JournalDenied, JournalError, Limits
from tests.support.broker import Broker, running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import CountedModbus, counted_modbus
from tests.support.edge_site import USERS, Host, listening_host, running_agent
from wire import contract

_EDGE = "from edge.cli import app; app()"
_LITTLE = 16_384
LIMITS = Limits(max_records=1000, max_bytes=10_000_000)


@asynccontextmanager
async def agent_on_a_full_disk(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    command = (sys.executable, "-c", _EDGE, "run", file, "--agent", "edge-1")
    process = await asyncio.create_subprocess_exec(
        "prlimit", f"--fsize={_LITTLE}:unlimited", *command, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


def free(process: asyncio.subprocess.Process) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker(tmp_path / "broker", users=USERS) as broker:
        yield broker


@pytest.fixture
async def host(broker: Broker) -> AsyncIterator[Host]:
    async with listening_host(broker) as host:
        yield host


def site_of(folder: Path, broker: Broker, units: CountedModbus) -> ChangingSite:
    return ChangingSite(
        folder=folder, broker=broker, buses={"line": units.port}, devices={"pump-1": ("line", 1, "bench-pump")}
    )


@pytest.mark.system
@pytest.mark.parametrize("known", [False, True], ids=["a new journal", "a journal from before"])
async def test_readings_wait_without_numbers_until_the_disk_takes_them(
    tmp_path: Path, broker: Broker, host: Host, *, known: bool
) -> None:
    async with counted_modbus(1) as units:
        units.registers[1][0] = 20
        site = site_of(tmp_path, broker, units)
        file = site.write()
        if known:
            async with running_agent(file):
                await host.until(lambda: [one for one in host.taken if "locked" in one.metrics])
                await site.checks(lambda checks: checks["journal"]["status"] == "ok")
        before, journal_id = host.watermark, host.journal_id
        units.registers[1][0] = 50
        async with agent_on_a_full_disk(file) as process:
            report = await site.checks(
                lambda checks: "1 records wait" in checks["journal"]["detail"] or "2 rec" in checks["journal"]["detail"]
            )
            asked = len(units.asked)
            units.registers[1][0] = 90
            await asyncio.sleep(1.0)
            assert len(units.asked) > asked, "the devices are read on"
            assert host.watermark == before
            free(process)
            await host.until(lambda: [one for one in host.taken if one.metrics.get("pressure") and _value(one) == 9.0])
            await site.checks(lambda checks: all(one["status"] == "ok" for one in checks.values()))
    assert report["broker"] == {"status": "degraded", "detail": "nothing is published before the journal is open"}
    assert report["journal"]["detail"].startswith("not writable: ")
    assert report["bus:line"]["status"] == "ok"
    pressures = [_value(one) for one in host.taken[before:] if "pressure" in one.metrics]
    assert pressures == [5.0, 9.0]
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))
    assert not any(contract.JOURNAL_GAP_TO in one.metrics for one in host.taken)
    if known:
        assert host.journal_id == journal_id, "the numbers went on where they were"


def _value(one: object) -> float:
    return round(float(str(one.value("pressure"))), 3)  # type: ignore[attr-defined]


async def test_a_folder_that_this_user_may_not_write_to_ends_the_start(tmp_path: Path) -> None:
    file = tmp_path / "no folder"
    file.write_text("")
    async with journal_in(file, new_id="j", limits=LIMITS, at_ms=0) as journal:
        with pytest.raises((JournalError, OSError)) as caught:
            await journal.open()
    assert not getattr(caught.value, "retry", False), "waiting would not help"
    assert JournalDenied.retry is False
