"""An agent whose journal overflowed: figures and health say so by class, and the host hears what is missing and why."""

import json
from pathlib import Path

import pytest

from drivers.api import Quality, Reading
from edge.journal import FILE_NAME
from edge.journal_file import JournalFile, Limits
from edge.losses import RecordClass
from edge.records import Draft
from tests.support.broker import running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import counted_modbus
from tests.support.edge_site import USERS, listening_host, running_agent
from wire import contract

NOW = 1_790_000_000_000


def draft(number: int, kind: RecordClass = RecordClass.TELEMETRY) -> Draft:
    reading = Reading(point="pressure", value=float(number), quality=Quality.GOOD, at_ms=NOW + number)
    return Draft(device="pump-1", at_ms=NOW + number, readings=(reading,), kind=kind)


@pytest.mark.system
async def test_an_overflow_is_told_by_class_reason_and_time(tmp_path: Path) -> None:
    journal = JournalFile(
        tmp_path / "data" / FILE_NAME, new_id="full", limits=Limits(max_records=100, max_bytes=1_000_000)
    )
    journal.append([draft(1), draft(2, RecordClass.EVENT), *(draft(number) for number in range(3, 151))])
    journal.close()
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        counted_modbus(1) as units,
        listening_host(broker) as host,
    ):
        host.acknowledging = False
        site = ChangingSite(
            folder=tmp_path,
            broker=broker,
            buses={"line": units.port},
            devices={"pump-1": ("line", 1, "bench-pump")},
            extra="[agents.edge-1.journal]\nmax_records = 1000\nreserved = 0.5",
        )
        file = site.write()
        async with running_agent(file):
            checks = await site.checks(lambda checks: "lost so far" in checks["journal"]["detail"])
            assert checks["journal"]["status"] == "degraded"
            assert "lost so far: 50 telemetry" in checks["journal"]["detail"]
            figures = site.page("metrics").splitlines()
            assert 'linli_edge_journal_lost_records{class="telemetry"} 50.0' in figures
            assert 'linli_edge_journal_lost_records{class="event"} 0.0' in figures
            assert 'linli_edge_journal_held_records{class="event"} 1.0' in figures
            await host.until(lambda: [one for one in host.taken if one.offset == 150])
            host.acknowledging = True
            await host.acknowledge(host.watermark)
            await site.checks(lambda checks: checks["journal"] == {"status": "ok", "detail": ""})
    gaps = [one for one in host.taken if contract.JOURNAL_GAP_TO in one.metrics]
    assert [(one.offset, one.value(contract.JOURNAL_GAP_TO)) for one in gaps] == [(1, 1), (3, 51)]
    assert json.loads(str(gaps[1].value(contract.JOURNAL_GAP_DETAIL))) == {
        "reason": "overflow",
        "lost": {"telemetry": 49},
        "from_ms": NOW + 3,
        "to_ms": NOW + 51,
    }
    assert [one.offset for one in host.taken][:4] == [1, 2, 3, 52]
