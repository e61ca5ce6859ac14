"""Simulated devices that publish, read by the product over a real broker: faults included."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from drivers.address import DeviceAddress
from drivers.api import Device, PointResult, TimedOut, Unreachable
from drivers.catalog import catalog_profile, profile_names
from drivers.json_mqtt.bus import MqttBus
from drivers.json_mqtt.config import JsonMqttSettings
from drivers.places.message import JsonPoint
from drivers.profile import Profile
from drivers.registry import open_bus, open_device
from runtime.config import ConfigError
from simulators.json_messages import read_order
from simulators.json_station import JsonStations
from simulators.lines.base import LineContext
from simulators.lines.json_mqtt import JsonLine, start
from simulators.machines.announcer import OF_MESSAGES, Announcer
from simulators.machines.api import UnknownFault
from simulators.machines.registry import make_machine
from simulators.scene import load_scene
from tests.support.json_profiles import plug
from tests.support.mqtt_peer import until

SPEAKING = [name for name in profile_names() if catalog_profile(name).protocol == "json"]


class Played:
    """A line of simulated devices, and the product's bus that listens to them."""

    def __init__(self, stations: JsonStations, bus: MqttBus, devices: dict[str, Device]) -> None:
        self.stations = stations
        self.bus = bus
        self.devices = devices
        self.heard: list[tuple[str, PointResult]] = []

    def values(self, device: str, point: str) -> list[object]:
        return [result.value for name, result in self.heard if name == device and result.point == point]

    def tick(self, seconds: float = 0.1) -> None:
        self.stations.tick(seconds)

    async def shows(self, device: str, point: str) -> PointResult:
        return (await self.devices[device].read([point]))[point]


@contextlib.asynccontextmanager
async def played(folder: Path, **profiles: str | Profile) -> AsyncIterator[Played]:
    """Play profiles, those of the catalogue by name."""
    devices = [
        {"name": name, "profile": one if isinstance(one, str) else one.name, "address": f"{name}-1"}
        for name, one in profiles.items()
    ]
    line = JsonLine.model_validate_json(json.dumps({"name": "air", "protocol": "json-mqtt", "devices": devices}))
    loaded = {name: catalog_profile(one) if isinstance(one, str) else one for name, one in profiles.items()}
    async with AsyncExitStack() as stack:
        context = LineContext(data=folder, profiles=loaded, time_scale=1.0, stack=stack)
        stations, endpoint = await start(line, context)
        host, _, port = endpoint.removeprefix("mqtt://").partition(":")
        bus = open_bus(JsonMqttSettings(protocol="json-mqtt", host=host, port=int(port), client_id="test"), "air")
        assert isinstance(bus, MqttBus)
        opened = {
            name: open_device(bus, DeviceAddress(address=f"{name}-1"), profile, name)
            for name, profile in loaded.items()
        }
        scene = Played(stations, bus, opened)
        await bus.connect()
        task = asyncio.create_task(
            bus.listen(lambda device, results: scene.heard.extend((device, result) for result in results))
        )
        try:
            yield scene
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await bus.close()


async def test_every_device_type_is_read_as_its_machine_says(tmp_path: Path) -> None:
    async with played(tmp_path, **{f"device-{number}": name for number, name in enumerate(SPEAKING)}) as scene:
        scene.tick()
        count = len(SPEAKING)
        await until("all have spoken", lambda: len({name for name, _ in scene.heard}) == count)
        await asyncio.sleep(0.2)
        for name, station in scene.stations.by_name.items():
            for point, result in (await scene.devices[name].read(list(station.profile.points))).items():
                place = station.profile.points[point]
                if not place.event:
                    assert result.value == pytest.approx(station.values()[point], abs=max(place.table.step, 1e-6)), (
                        name,
                        point,
                        result,
                    )


async def test_presses_are_told_one_by_one(tmp_path: Path) -> None:
    async with played(tmp_path, button="milesight-ws101-sos") as scene:
        for fault in ("press", "press:2", "press:3", "press"):
            scene.stations.fault("button", fault)
        scene.tick()
        await until("four presses", lambda: scene.values("button", "press") == [1, 2, 3, 1])
        assert (await scene.shows("button", "call")).value is True


async def test_a_wearable_calls_for_help_and_says_where(tmp_path: Path) -> None:
    async with played(tmp_path, card="seeed-t1000") as scene:
        scene.stations.fault("card", "impact")
        scene.stations.fault("card", "sos-press")
        scene.tick()
        await until("the call", lambda: scene.values("card", "sos_press") == [True])
        shown = await scene.devices["card"].read(["sos", "impact", "latitude"])
        assert (shown["sos"].value, shown["impact"].value) == (True, True)
        assert shown["latitude"].value == pytest.approx(22.576838, abs=1e-2)


async def test_duplicates_count_once_and_retained_messages_fire_nothing(tmp_path: Path) -> None:
    async with played(tmp_path, button="milesight-ws101-sos") as scene:
        scene.stations.fault("button", "duplicate")
        scene.stations.fault("button", "press")
        scene.tick()
        await until("the duplicates", lambda: scene.bus.counts.duplicates > 0)
        assert scene.values("button", "press") == [1]
        scene.stations.clear("button", None)
        scene.stations.fault("button", "retained")
        scene.stations.fault("button", "press:2")
        scene.tick()
        await until("the second press, live", lambda: scene.values("button", "press") == [1, 2])
        await scene.bus.connect()  # the broker now gives what it kept
        await asyncio.sleep(0.5)
        assert scene.values("button", "press") == [1, 2]


@pytest.mark.parametrize("fault", ["truncated", "noise", "wrong-type"])
async def test_broken_messages_make_no_value_and_harm_nobody(tmp_path: Path, fault: str) -> None:
    async with played(tmp_path, smoke="milesight-gs524n", leak="milesight-em300-zld") as scene:
        scene.stations.fault("smoke", fault)
        scene.stations.fault("smoke", "state:1")
        scene.tick(60)
        await until("the neighbour", lambda: scene.values("leak", "leak") == [False])
        await until("the broken message", lambda: scene.bus.counts.malformed + scene.bus.counts.unread > 0)
        assert 1 not in scene.values("smoke", "state")
        scene.stations.clear("smoke", fault)
        scene.tick(60)
        await until("the fire", lambda: 1 in scene.values("smoke", "state"))


async def test_what_is_late_or_out_of_date_is_delivered(tmp_path: Path) -> None:
    async with played(tmp_path, button="milesight-ws101-sos") as scene:
        scene.stations.fault("button", "late:300ms")
        scene.stations.fault("button", "out-of-date")
        scene.stations.fault("button", "press")
        scene.tick()
        await until("the press", lambda: scene.values("button", "press") == [1])
        reasons = [result.reason for _, result in scene.heard if result.point == "press"]
        assert "and came later" in reasons[0]


async def test_a_silent_device_is_off_line_where_somebody_says_so(tmp_path: Path) -> None:
    async with played(tmp_path, button="tuya-ts0215a-sos") as scene:
        scene.tick()
        await until("battery", lambda: bool(scene.values("button", "battery")))
        scene.stations.fault("button", "silent")
        scene.tick()
        memory = scene.devices["button"].memory  # type: ignore[attr-defined]
        await until("it is off line", lambda: memory.problem(now=scene.bus.heard_s) is not None)
        with pytest.raises(Unreachable, match="off line"):
            await scene.devices["button"].read(["battery"])
        scene.stations.clear("button", "silent")
        scene.tick(60)
        await until("it speaks again", lambda: len(scene.values("button", "battery")) > 1)
        assert (await scene.shows("button", "battery")).value is not None


async def test_a_dropped_line_says_nothing_and_is_back_within_seconds(tmp_path: Path) -> None:
    async with played(tmp_path, button="milesight-ws101-sos") as scene:
        scene.stations.fault("button", "line-dropped")
        await asyncio.sleep(0.3)
        scene.stations.fault("button", "press")
        scene.tick()
        await asyncio.sleep(0.5)
        assert scene.heard == []
        scene.stations.clear("button", "line-dropped")
        scene.stations.fault("button", "press:2")
        scene.tick()
        await until("the press", lambda: scene.values("button", "press") == [2])


async def test_the_silence_of_a_device_without_availability_times_out(tmp_path: Path) -> None:
    async with played(tmp_path, button="milesight-ws101-sos") as scene:
        device = scene.devices["button"]
        memory = device.memory  # type: ignore[attr-defined]
        memory.since = -51 * 3600.0
        with pytest.raises(TimedOut):
            await device.read(["battery"])


async def test_the_witness_notes_what_was_said(tmp_path: Path) -> None:
    async with played(tmp_path, leak="milesight-em300-zld") as scene:
        scene.stations.fault("leak", "leak")
        scene.tick()
        await until("the leak", lambda: scene.values("leak", "leak") == [True])
        rows = [json.loads(row) for row in (tmp_path / "leak.answers.jsonl").read_text().splitlines()]
        assert rows[-1]["points"]["leak"] is True


async def test_an_order_is_done_and_proved(tmp_path: Path) -> None:
    async with played(tmp_path, lamp=plug()) as scene:
        device = scene.devices["lamp"]
        scene.tick()
        await until("the first state", lambda: scene.values("lamp", "on") == [False])
        await device.write("on", value=True)
        await device.write("interval", 1200)
        await until("the orders", lambda: scene.stations.by_name["lamp"].values()["interval"] == 1200)
        scene.tick()
        await until("what it says next", lambda: scene.values("lamp", "on")[-1] is True)
        shown = await device.read(["on", "interval"], urgent=True)
        assert (shown["on"].value, shown["interval"].value) == (True, 1200)
        scene.stations.fault("lamp", "silent")
        await device.write("on", value=False)
        await asyncio.sleep(0.3)
        assert scene.stations.by_name["lamp"].values()["on"] is True


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ('{"state":"ON"}', True),
        ('{"state":"OFF"}', False),
        ('{"state":"DIM"}', None),
        ('{"state":1}', None),
        ('{"state":', None),
        ("", None),
    ],
)
def test_what_is_no_order_is_none(payload: str, value: object) -> None:
    assert read_order(plug().points["on"].at(JsonPoint), payload, {"address": "a"}) is value


@pytest.mark.parametrize("name", SPEAKING)
def test_every_fault_that_is_named_can_be_had(name: str) -> None:
    machine = make_machine(catalog_profile(name))
    assert isinstance(machine, Announcer)
    assert set(OF_MESSAGES) <= set(machine.faults())
    for fault in machine.faults():
        machine.fault(fault)
    assert set(machine.active()) == set(machine.faults())
    machine.clear(None)
    assert machine.active() == ()
    with pytest.raises(UnknownFault):
        machine.fault("no-such-fault")


def test_a_scene_with_a_broker_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "air.toml"
    file.write_text(
        """
        schema = 1
        [[lines]]
        name = "air"
        protocol = "json-mqtt"
        [[lines.devices]]
        name = "button-1"
        profile = "milesight-ws101-sos"
        address = "24e124535b316056"
        [[steps]]
        at = "1s"
        do = "fault"
        device = "button-1"
        fault = "press:2"
        """
    )
    (line,) = load_scene(file).scene.lines
    assert line.members[0].place == ("address", "24e124535b316056")
    file.write_text(file.read_text().replace('"press:2"', '"pres"').replace('"24e124535b316056"', '"a+b"'))
    with pytest.raises(ConfigError, match="did you mean `press`") as caught:
        load_scene(file)
    assert "has a character that no topic has" in str(caught.value)
