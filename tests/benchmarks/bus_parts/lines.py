"""What goes wrong on a bus, and what it costs. Usage: `lines.py SCENARIO N`; prints JSON."""

import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from drivers.api import DriverError, PointResult
from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusRtuSettings, ModbusSettings, ModbusTcpSettings
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Table
from edge.bus import BusRunner, Polled
from runtime.bench import leaving_nothing
from runtime.cancellation import end
from runtime.lifecycle import Backoff
from tests.benchmarks.bus_parts.points import HOLE, VARIANTS, belongs, profile
from tests.benchmarks.bus_parts.servers import serving
from tests.support.tcp_proxy import proxied

_UNITS = range(1, 11)
_LATE_TIMEOUT = timedelta(milliseconds=60)


def tcp(port: str | int, **more: Any) -> ModbusTcpSettings:
    return ModbusTcpSettings(protocol="modbus-tcp", host="127.0.0.1", port=int(port), **more)


def rtu(link: Path, **more: Any) -> ModbusRtuSettings:
    return ModbusRtuSettings(protocol="modbus-rtu", port=str(link), **more)


class Counts:
    """Listens to a bus: how often each device was read, and how long each request took."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.requests_s: list[float] = []

    def on_read(self, device: str, results: tuple[PointResult, ...]) -> None:
        self.read[device] += all(result.value is not None for result in results)

    def on_up(self, device: str) -> None:
        pass

    def on_down(self, device: str, reason: str) -> None:
        pass

    def on_poll(self, bus: str, *, seconds: float, result: str) -> None:
        pass

    def on_reconnect(self, bus: str, *, success: bool) -> None:
        pass

    def on_request(self, _unit: int, seconds: float, result: str) -> None:
        if result == "ok":
            self.requests_s.append(seconds)


class Polling:
    """A bus that is polled as the agent does."""

    def __init__(self, settings: ModbusSettings, units: Sequence[int], *, points: int, period_s: float) -> None:
        self.counts = Counts()
        bus = ModbusBus(settings, name="bench", observe=self.counts.on_request)
        floats = profile(points)
        self.devices = {f"d{unit}": ModbusDevice(bus, unit=unit, profile=floats, name=f"d{unit}") for unit in units}
        groups = {timedelta(seconds=period_s): tuple(floats.points)}
        self.runner = BusRunner(
            name="bench",
            bus=bus,
            devices={name: Polled(device=device, groups=groups) for name, device in self.devices.items()},
            timeout=settings.timeout,
            listener=self.counts,
            clock=time.monotonic,
            backoff=Backoff(random=lambda: 0.5, limit=timedelta(seconds=2.5)),
        )

    async def until_all_read(self) -> float:
        """Wait until each device has been read anew; gives the seconds that it took (60 when it never happens)."""
        started, before = time.monotonic(), self.counts.read.copy()
        while time.monotonic() - started < 60:
            if all(self.counts.read[name] > before[name] for name in self.devices):
                break
            await asyncio.sleep(0.01)
        return time.monotonic() - started


@asynccontextmanager
async def polling(
    settings: ModbusSettings, units: Sequence[int] = _UNITS, *, points: int = 20, period_s: float = 0.001
) -> AsyncIterator[Polling]:
    polled = Polling(settings, units, points=points, period_s=period_s)
    task = asyncio.create_task(polled.runner.run(), name="bus")
    try:
        yield polled
    finally:
        await end(task)
        if not task.cancelled():
            task.result()


async def dead(seconds: int) -> dict[str, float]:
    """Nine units alone, ten alive, and ten of which one is dead: three lines at 9600 baud, never idle, as they come."""

    async def polls(folder: Path, name: str, units: Sequence[int], *options: object) -> float:
        with serving("--link", folder / name, "--baud", 9600, *options) as link:
            async with polling(rtu(Path(link)), units) as line:
                await asyncio.sleep(seconds)
                return sum(count for device, count in line.counts.read.items() if device != "d10") / seconds

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nine, ten, one_dead = await asyncio.gather(
            polls(folder, "nine", _UNITS[:9]),
            polls(folder, "ten", _UNITS),
            polls(folder, "dead", _UNITS, "--dead", 10),
        )
    return {"nine_alone_per_s": nine, "ten_alive_per_s": ten, "one_dead_per_s": one_dead}


async def refused(requests: int) -> dict[str, float]:
    """Holes that stand (1% of the points), then refusals at random (1% of the requests), each until `requests`."""
    found: Counter[str] = Counter()

    def check(unit: int, results: Mapping[str, PointResult], *, holes: bool) -> None:
        for name, result in results.items():
            index = int(name[1:])
            found["points"] += 1
            if result.value is None:
                found["bad_but_readable"] += holes and index % 100 != HOLE
            elif not belongs(unit, index, result.value):
                known = isinstance(result.value, float) and 2048 * VARIANTS <= result.value < 12 * 2048 * VARIANTS
                found["wrong_tag" if known else "wrong_value"] += 1
            else:
                found["good_but_refused"] += holes and index % 100 == HOLE

    floats = profile()
    for option in ("--holes", "--refuse"):
        asked: Counter[str] = Counter()
        with serving(option, *(["0.01"] if option == "--refuse" else [])) as port:
            bus = ModbusBus(tcp(port), name="bench", observe=lambda _u, _s, result, asked=asked: asked.update([result]))  # type: ignore[misc]
            await bus.connect()
            while asked.total() < requests:
                if option == "--holes" and asked["Refused 2"] < 0.01 * asked.total():
                    await bus.connect()  # what was learned of the holes is forgotten, so that refusals go on
                for unit in _UNITS:
                    device = ModbusDevice(bus, unit=unit, profile=floats, name=f"d{unit}")
                    check(unit, await device.read(tuple(floats.points)), holes=option == "--holes")
            await bus.close()
        found["requests"] += asked.total()
        found["refused"] += asked.total() - asked["ok"]
    keys = ("requests", "refused", "points", "wrong_value", "wrong_tag", "bad_but_readable", "good_but_refused")
    return {key: found[key] for key in keys}


async def late(requests: int) -> dict[str, float]:
    """Answers later than the time-out (60 ms) and within time-out and quiet (120 ms), 5 of 100; pymodbus beside.

    And what nobody promises: answers that come later than both (120 to 300 ms).
    """
    options = ("--late", 0.05, "--late-from-ms", 65, "--late-to-ms", 100)
    beyond = ("--late", 0.05, "--late-from-ms", 120, "--late-to-ms", 300)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving("--link", folder / "ours", *options) as link:
            ours = await _late_by_driver(Path(link), requests)
        with serving("--link", folder / "theirs", *options) as link:
            theirs = await _late_by_pymodbus(link, requests // 10)
        with serving("--link", folder / "beyond", *beyond) as link:
            later = await _late_by_driver(Path(link), requests // 10)
        with serving("--link", folder / "blocks", *beyond) as link:
            blocks = await _late_by_device(Path(link), requests // 10)
    return {
        **ours,
        **theirs,
        **{f"beyond_{key}": value for key, value in later.items()},
        **{f"blocks_{key}": value for key, value in blocks.items()},
    }


async def _late_by_driver(link: Path, requests: int) -> dict[str, float]:
    bus = ModbusBus(rtu(link, baudrate=115200, timeout=_LATE_TIMEOUT, quiet=_LATE_TIMEOUT), name="bench")
    await bus.connect()
    random, wrong, timed_out = Random(2), 0, 0  # noqa: S311 - addresses that repeat
    for _ in range(requests):
        address = random.randrange(60000)
        try:
            (seen,) = await bus.read_raw(unit=1, table=Table.INPUT, address=address, count=1, device="d")
            wrong += seen != address
        except DriverError:
            timed_out += 1
    await bus.close()
    return {"requests": requests, "timed_out": timed_out, "wrong": wrong}


async def _late_by_device(link: Path, requests: int) -> dict[str, float]:
    """Read blocks of twenty points, all of one length, from different places of one unit."""
    bus = ModbusBus(rtu(link, baudrate=115200, timeout=_LATE_TIMEOUT, quiet=_LATE_TIMEOUT), name="bench")
    await bus.connect()
    floats = profile(1000)
    device, random, wrong, timed_out = ModbusDevice(bus, unit=1, profile=floats, name="d"), Random(4), 0, 0  # noqa: S311 - places that repeat
    for _ in range(requests):
        first = 20 * random.randrange(50)
        try:
            results = await device.read([f"p{index}" for index in range(first, first + 20)])
            shown = {name: result.value for name, result in results.items() if result.value is not None}
            wrong += any(not belongs(1, int(name[1:]), value) for name, value in shown.items())
        except DriverError:
            timed_out += 1
    await bus.close()
    return {"requests": requests, "timed_out": timed_out, "wrong": wrong}


async def _late_by_pymodbus(link: str, requests: int) -> dict[str, float]:
    client = AsyncModbusSerialClient(link, baudrate=115200, timeout=_LATE_TIMEOUT.total_seconds(), retries=0)
    await client.connect()
    random, wrong = Random(2), 0  # noqa: S311 - addresses that repeat
    for _ in range(requests):
        address = random.randrange(60000)
        with suppress(ModbusException):
            answer = await client.read_input_registers(address, count=1, device_id=1)
            wrong += not answer.isError() and answer.registers != [address]
    client.close()
    return {"pymodbus_requests": requests, "pymodbus_wrong": wrong}


async def command(times: int) -> dict[str, float]:
    """Writes at random moments while ten units of 1,000 points are read without pause; each request takes 10 ms."""
    random, took = Random(3), list[float]()  # noqa: S311 - moments that repeat
    with serving("--delay-ms", 10) as port:
        async with polling(tcp(port), points=1000) as line:
            await line.until_all_read()
            for number in range(times):
                await asyncio.sleep(random.uniform(0, 0.03))
                started = time.monotonic()
                await line.devices[f"d{number % 10 + 1}"].write("p0", 1.0)
                took.append(time.monotonic() - started)
            request_s = statistics.median(line.counts.requests_s)
        theirs = await _command_by_pymodbus(port, times)
    return {"request_ms": 1000 * request_s, "p50_ms": _percentile(took, 50), "p99_ms": _percentile(took, 99), **theirs}


async def _command_by_pymodbus(port: str, times: int) -> dict[str, float]:
    """Write through a client that ten tasks read by, which is how one waits in its line."""
    client = AsyncModbusTcpClient("127.0.0.1", port=int(port))
    await client.connect()

    async def poll(unit: int) -> None:
        while True:
            for address in range(0, 2000, 100):
                await client.read_holding_registers(address, count=100, device_id=unit)

    pollers = [asyncio.create_task(poll(unit)) for unit in _UNITS]
    random, took = Random(3), list[float]()  # noqa: S311 - moments that repeat
    for number in range(times):
        await asyncio.sleep(random.uniform(0, 0.03))
        started = time.monotonic()
        await client.write_registers(0, [0, 0], device_id=number % 10 + 1)
        took.append(time.monotonic() - started)
    for poller in pollers:
        poller.cancel()
    await asyncio.gather(*pollers, return_exceptions=True)
    client.close()
    return {"pymodbus_p99_ms": _percentile(took, 99)}


async def restored(away_s: int) -> dict[str, float]:
    """A serial line and a server that go away and come back, and a connection that goes dead without a word."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        link = Path(name) / "line"
        for kind in ("line", "server"):
            with ExitStack() as served:
                place = served.enter_context(serving(*(["--link", link] if kind == "line" else [])))
                settings: ModbusSettings = rtu(link, baudrate=115200) if kind == "line" else tcp(place)
                async with polling(settings, period_s=1.0) as line:
                    await line.until_all_read()
                    served.close()
                    await asyncio.sleep(away_s)
                    served.enter_context(serving(*(["--link", link] if kind == "line" else ["--port", place])))
                    results[f"{kind}_s"] = await line.until_all_read()
    with serving() as port:
        async with proxied(int(port)) as proxy, polling(tcp(proxy.port), period_s=1.0) as line:
            await line.until_all_read()
            proxy.freeze()
            results["half_open_s"] = await line.until_all_read()
    return results


def _percentile(seconds: Sequence[float], percent: int) -> float:
    return 1000 * sorted(seconds)[min(len(seconds) * percent // 100, len(seconds) - 1)]


SCENARIOS: Mapping[str, Callable[[int], Coroutine[Any, Any, dict[str, float]]]] = {
    "dead": dead,
    "refused": refused,
    "late": late,
    "command": command,
    "restored": restored,
}


if __name__ == "__main__":
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    with leaving_nothing():
        print(json.dumps(asyncio.run(SCENARIOS[sys.argv[1]](int(sys.argv[2])))))
