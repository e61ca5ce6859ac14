"""What Prometheus hears of a bus."""

import asyncio
import re
from pathlib import Path

from tests.support.broker import running_broker
from tests.support.edge_site import USERS, listening_host, metrics_text, running_agent, write_site
from tests.support.modbus_server import modbus_units
from wire.topic import MessageType


async def test_requests_busy_time_and_errors_by_unit_are_counted(tmp_path: Path) -> None:
    async with running_broker(tmp_path / "broker", users=USERS) as broker, modbus_units(1, 2) as units:
        units.registers[1][0] = 40
        units.mute.add(2)
        file = write_site(tmp_path, broker, units, devices=2)
        async with listening_host(broker) as host, running_agent(file):
            await host.until(lambda: [one for one in host.taken if "pressure" in one.metrics])
            for _ in range(100):
                text = await asyncio.to_thread(metrics_text, file)
                if 'kind="TimedOut",unit="2"' in text:
                    break
                await asyncio.sleep(0.1)
    busy = re.search(r'linli_edge_bus_busy_seconds_total\{bus="[^"]+"\} ([0-9.e-]+)', text)
    assert busy is not None
    assert float(busy[1]) > 0
    assert re.search(r'linli_edge_bus_request_seconds_count\{bus="[^"]+"\} [1-9]', text)
    assert re.search(r'linli_edge_bus_errors_total\{bus="[^"]+",kind="TimedOut",unit="2"\} [1-9]', text)
    assert 'unit="1"' not in text


async def test_the_node_declares_and_tells_how_its_buses_do(tmp_path: Path) -> None:
    async with running_broker(tmp_path / "broker", users=USERS) as broker, modbus_units(1) as units:
        async with listening_host(broker) as host, running_agent(write_site(tmp_path, broker, units)):
            await host.until(
                lambda: [one for one in host.of(MessageType.NDATA) if "Bus/pump-room/Utilisation" in one.metrics]
            )
        (birth,) = host.of(MessageType.NBIRTH)
        assert {"Bus/pump-room/Utilisation", "Bus/pump-room/Latency P99 Ms"} <= set(birth.metrics)
        told = next(one for one in host.of(MessageType.NDATA) if "Bus/pump-room/Utilisation" in one.metrics)
    utilisation, latency = told.value("Bus/pump-room/Utilisation"), told.value("Bus/pump-room/Latency P99 Ms")
    assert isinstance(utilisation, float)
    assert 0 < utilisation < 1
    assert isinstance(latency, float)
    assert latency > 0
