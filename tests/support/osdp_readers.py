"""OSDP readers for tests: a profile with every signal, simulated readers on real lines, and a panel that listens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from drivers.address import DeviceAddress
from drivers.api import Bus, DriverError, PointResult, Talking, Unreachable, Value
from drivers.osdp.config import OsdpSettings
from drivers.osdp.driver import OsdpReader
from drivers.profile import Profile
from drivers.registry import open_bus, open_device
from runtime.config import validate
from simulators.lines.osdp import write_key_file
from simulators.machines.card_reader import CardReaderMachine
from simulators.osdp.server import serve_readers_pty, serve_readers_tcp
from simulators.osdp.station import ReaderStation, ReaderStations
from simulators.witness import Witness

CARD = "26:2F623AE"
SLACK = 3.0


def key_of(unit: int) -> bytes:
    return bytes((unit * 7 + i * 13 + 1) % 256 for i in range(16))


def _point(signal: str, sample: Value, **more: object) -> dict[str, object]:
    place = {"signal": signal, **{k: v for k, v in more.items() if k in {"reader", "number"}}}
    rest = {k: v for k, v in more.items() if k not in place}
    return {"label": {"zh": "点", "en": "Point"}, "osdp": place, "poll": "1s", "sample": sample, **rest}


POINTS: Mapping[str, dict[str, object]] = {
    "card": _point("card", CARD),
    "facility": _point("facility", 0),
    "number": _point("number", 0),
    "pin": _point("key", "0", local=True),
    "tamper": _point("tamper", sample=False),
    "power_failure": _point("power_failure", sample=False),
    "secure": _point("secure", sample=True),
    "security": _point("security", 0),
    "install": _point("install", sample=False),
    "relay_on": _point("output_on", sample=False),
    "cards": _point("cards", 0),
    "sessions": _point("sessions", 0),
    "refusals": _point("refusals", 0),
    "vendor": _point("vendor", ""),
    "model": _point("model", 0),
    "serial": _point("serial", ""),
    "firmware": _point("firmware", ""),
    "led": _point("led", "own"),
    "buzzer": _point("buzzer", 0.0, unit="s"),
    "text": _point("text", ""),
    "relay": _point("output", 3.0, unit="s"),
}


def profile_with(points: Mapping[str, dict[str, object]] = POINTS) -> Profile:
    data = {
        "schema": 1,
        "name": "reader",
        "version": "1.0.0",
        "kind": "card-reader",
        "label": {"zh": "读卡器", "en": "Reader"},
        "protocol": "osdp",
        "points": dict(points),
    }
    return validate("test", data, Profile)


PROFILE = profile_with()


@dataclass
class Panel:
    """A bus with its readers, listening; and what was heard."""

    bus: Bus
    readers: dict[int, OsdpReader]
    heard: list[tuple[str, dict[str, Value | None]]] = field(default_factory=list)

    @property
    def cards(self) -> list[tuple[str, Value | None]]:
        return [(name, points["card"]) for name, points in self.heard if "card" in points]

    @property
    def pins(self) -> list[Value | None]:
        return [points["pin"] for _, points in self.heard if "pin" in points]

    def hear(self, device: str, results: tuple[PointResult, ...]) -> None:
        self.heard.append((device, {result.point: result.value for result in results}))

    async def show(self, unit: int, *points: str) -> dict[str, Value | None]:
        read = await self.readers[unit].read(points)
        return {point: read[point].value for point in points}

    async def until(self, what: Callable[[], bool], within_s: float = 5.0) -> None:
        """Wait for something, with threefold slack."""
        async with asyncio.timeout(SLACK * within_s):
            while not what():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)

    async def until_secure(self, *units: int, within_s: float = 5.0) -> None:
        for unit in units or tuple(self.readers):
            await self.until(lambda unit=unit: self.readers[unit].dialogue.ready, within_s)  # type: ignore[misc]


def settings_for(folder: Path, place: Mapping[str, object], **more: object) -> OsdpSettings:
    data = {"protocol": "osdp", "keys": str(folder / "readers.keys"), "poll": "20ms", "timeout": "2s", **place, **more}
    return validate("test", data, OsdpSettings)


@asynccontextmanager
async def panel_on(
    settings: OsdpSettings, *units: int, profile: Profile = PROFILE, reconnects: bool = True
) -> AsyncIterator[Panel]:
    """Open a bus as the edge does: connected again and again, and listening."""
    bus = open_bus(settings, name="readers")
    readers = {}
    for unit in units:
        reader = open_device(bus, DeviceAddress(unit=unit), profile, f"reader-{unit}")
        assert isinstance(reader, OsdpReader)
        readers[unit] = reader
    panel = Panel(bus=bus, readers=readers)
    assert isinstance(bus, Talking)

    async def keep() -> None:
        while True:
            if not bus.connected:
                try:
                    await bus.connect()
                except Unreachable:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(0.02)

    await bus.connect()
    tasks = [asyncio.create_task(bus.listen(panel.hear), name="listen")]
    if reconnects:
        tasks.append(asyncio.create_task(keep(), name="keep"))
    try:
        yield panel
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.close()


def station(folder: Path, unit: int, *, profile: Profile = PROFILE, **more: Any) -> ReaderStation:
    name = f"sim-{unit}"
    key = more.pop("key", key_of(unit))
    assert isinstance(key, bytes)
    return ReaderStation(
        name=name,
        unit=unit,
        key=key,
        profile=profile,
        machine=CardReaderMachine(profile),
        witness=Witness(folder, name, clock=time.time),
        random=Random(unit),  # noqa: S311 - a simulated reader, and repeatable
        **more,
    )


@dataclass
class Simulated:
    """A served line: its stations, and where a bus finds it."""

    stations: ReaderStations
    place: dict[str, object]
    folder: Path

    def machine(self, unit: int) -> CardReaderMachine:
        return self.stations.by_name[f"sim-{unit}"].machine

    def fault(self, unit: int, *faults: str) -> None:
        for fault in faults:
            self.stations.fault(f"sim-{unit}", fault)

    def clear(self, unit: int, fault: str | None = None) -> None:
        self.stations.clear(f"sim-{unit}", fault)

    def settings(self, **more: object) -> OsdpSettings:
        return settings_for(self.folder, self.place, **more)


@asynccontextmanager
async def simulated(
    folder: Path, *units: int, over: str = "pty", baudrate: int | None = None, **more: Any
) -> AsyncIterator[Simulated]:
    """Serve simulated readers on a pseudo-terminal or on TCP, with the key file that fits them."""
    write_key_file(folder / "readers.keys", {unit: key_of(unit) for unit in units})
    stations = ReaderStations([station(folder, unit, **more) for unit in units])
    async with AsyncExitStack() as stack:
        if over == "tcp":
            port = await stack.enter_async_context(serve_readers_tcp(stations, host="127.0.0.1", port=0))
            place: dict[str, object] = {"host": "127.0.0.1", "port": port}
        else:
            link = await stack.enter_async_context(serve_readers_pty(stations, link=folder / "line", baudrate=baudrate))
            place = {"port": str(link)}
        ticking = asyncio.create_task(_tick(stations), name="tick")
        try:
            yield Simulated(stations=stations, place=place, folder=folder)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            for one in stations.by_name.values():
                one._witness.close()


async def _tick(stations: ReaderStations) -> None:
    step = timedelta(milliseconds=50).total_seconds()
    while True:
        await asyncio.sleep(step)
        stations.tick(step)


__all__ = ["CARD", "PROFILE", "DriverError", "Panel", "Simulated", "key_of", "panel_on", "simulated", "station"]
