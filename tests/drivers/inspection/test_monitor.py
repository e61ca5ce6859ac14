"""The monitor as its own process: between the product's bus and simulated devices, and on a real pty."""

import asyncio
import os
import signal
import sys
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.api import Refused, TimedOut
from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusTcpSettings
from drivers.profile import Table
from simulators.modbus.server import serve_tcp
from tests.support.simulated_line import ELEVATOR, PUMP, stations_of


class Monitor:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def told(self, word: str) -> str:
        """Wait for a line with a word."""
        assert self.process.stdout is not None
        async with asyncio.timeout(15):
            while row := await self.process.stdout.readline():
                self.lines.append(row.decode().rstrip())
                if word in self.lines[-1]:
                    return self.lines[-1]
        pytest.fail(f"{word!r} was not told")

    async def ready(self) -> str:
        assert self.process.stderr is not None
        async with asyncio.timeout(15):
            return (await self.process.stderr.readline()).decode()


@asynccontextmanager
async def monitoring(*arguments: str) -> AsyncIterator[Monitor]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linli", "bus", "monitor", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Monitor(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        try:
            _, err = await asyncio.wait_for(process.communicate(), 30)
        except TimeoutError:
            process.kill()
            raise
        assert process.returncode == 0, err
        assert b"Traceback" not in err


async def test_the_proxy_passes_everything_on_and_tells_it(tmp_path: Path) -> None:
    with stations_of(tmp_path, pump_1=(PUMP, 1)) as stations:
        async with serve_tcp(stations, host="127.0.0.1", port=0) as port:
            options = ("--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}", "--profile", PUMP, "--unit", "1")
            async with monitoring(*options) as monitor:
                proxy = int((await monitor.ready()).split()[2].rpartition(":")[2].rstrip(","))
                settings = ModbusTcpSettings.model_validate(
                    {"protocol": "modbus-tcp", "host": "127.0.0.1", "port": proxy, "timeout": "500ms"}
                )
                bus = ModbusBus(settings, name="bus")
                await bus.connect()
                assert await bus.read_raw(unit=1, table=Table.HOLDING, address=103, count=1, device="p") == (4882,)
                assert "setpoint=48.82 %" in await monitor.told("<-")
                await bus.write_raw(unit=1, table=Table.HOLDING, address=103, values=(4000,), device="p")
                assert "write holding 103: setpoint=40 %" in await monitor.told("write")
                with pytest.raises(Refused):
                    await bus.read_raw(unit=1, table=Table.INPUT, address=6000, count=1, device="p")
                assert "EXCEPTION 2 illegal data address: read input 6000" in await monitor.told("EXCEPTION")
                stations.fault("pump-1", "dead")
                with pytest.raises(TimedOut):
                    await bus.read_raw(unit=1, table=Table.HOLDING, address=103, count=1, device="p")
                await monitor.told("NO ANSWER: read holding 103")
                await bus.close()
            assert not any("\x1b" in row for row in monitor.lines)


async def test_a_target_that_is_away_hangs_up_on_the_master_and_the_proxy_goes_on() -> None:
    async with monitoring("--listen", "127.0.0.1:0", "--to", "127.0.0.1:1") as monitor:
        proxy = int((await monitor.ready()).split()[2].rpartition(":")[2].rstrip(","))
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_a_serial_line_is_heard_and_never_written_to() -> None:
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    try:
        options = (os.ttyname(near), "--baud", "19200", "--profile", ELEVATOR)
        async with monitoring(*options) as monitor:
            assert "listening on" in await monitor.ready()
            await asyncio.sleep(0.3)
            os.write(far, bytes.fromhex("01 03 10 18 00 01 00 CD"))
            assert "unit 1   read holding 4120" in await monitor.told("->")
            os.write(far, bytes.fromhex("01 03 02 00 05 78 47"))
            assert "floor=5" in await monitor.told("<-")
            os.write(far, bytes.fromhex("01 03 02 00 05 78 48"))
            assert "GARBLED wrong CRC" in await monitor.told("??")
            os.write(far, bytes.fromhex("01 03 10 18 00 01 00 CD"))
            assert "NO ANSWER" in await monitor.told("--")
            with pytest.raises(BlockingIOError):
                os.read(far, 1)
    finally:
        os.close(far)
        os.close(near)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "give a serial device"),
        (("/dev/null", "--listen", "x:1"), "give a serial device"),
        (("--listen", "x", "--to", "y:1"), "HOST:PORT"),
        (("/dev/no-such-line",), "no-such-line"),
        (("/dev/null", "--profile", "no-such-type"), "not in the catalogue"),
        (("/dev/null", "--profile", PUMP, "--profile", ELEVATOR), "--unit"),
        (("/dev/null", "--profile", PUMP, "--unit", "1", "--unit", "2"), "--unit"),
        (("--listen", "203.0.113.1:1", "--to", "127.0.0.1:1"), "cannot listen"),
    ],
)
async def test_a_mistake_is_named(arguments: tuple[str, ...], word: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linli", "bus", "monitor", *arguments), stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert word in err.decode()
    assert "Traceback" not in err.decode()
