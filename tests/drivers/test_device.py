"""A device read and written by its profile, against pymodbus's own server over real TCP and a real pty."""

import asyncio
from typing import Any

import pytest

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Bus, Device, PointResult, Refused, TimedOut, Unreachable, Value
from drivers.modbus.bus import ModbusBus
from drivers.modbus.driver import ModbusDevice
from drivers.profile import Profile
from drivers.registry import open_bus, open_device
from tests.support.modbus_peers import Line, Served, TcpPeer, connected, rtu_settings, tcp_settings

LABEL = {"zh": "点", "en": "point"}
SAMPLES = {"bool": False, "string": "a", "float32": 0.0}


def profile(points: dict[str, dict[str, Any]], **modbus: int) -> Profile:
    def whole(place: dict[str, Any]) -> dict[str, Any]:
        scaled = "scale" in place
        sample = 0.0 if scaled else SAMPLES.get(place["type"], 0)
        return {"label": LABEL, "modbus": place, "poll": "1s", "sample": sample}

    return Profile.model_validate(
        {
            "schema": 1,
            "name": "thing",
            "version": "1.0.0",
            "kind": "pump",
            "label": LABEL,
            "protocol": "modbus",
            "modbus": modbus,
            "points": {name: whole(place) for name, place in points.items()},
        },
        strict=False,
    )


def holding(address: int, kind: str = "uint16", **more: Any) -> dict[str, Any]:
    return {"table": "holding", "address": address, "type": kind, **more}


THING = profile(
    {
        "one": holding(1),
        "tenth": holding(2, scale=0.1),
        "pair": holding(4, "uint32"),
        "flag": holding(8, "bool", bit=3),
        "field": holding(8, bits=[0, 3]),
        "real": holding(10, "float32", word_order="CDAB"),
        "name": holding(20, "string", length=4),
        "measured": {"table": "input", "address": 12, "type": "int16"},
        "relay": {"table": "coil", "address": 3, "type": "bool"},
        "contact": {"table": "discrete", "address": 4, "type": "bool"},
        "before_hole": holding(29),
        "in_hole": holding(33),
        "after_hole": holding(41),
        "beyond": holding(500),
    },
    max_gap=20,
)


def device(bus: ModbusBus, unit: int = 1) -> ModbusDevice:
    return ModbusDevice(bus, unit=unit, profile=THING, name="thing-1")


async def value(thing: ModbusDevice, point: str) -> Value | None:
    return (await thing.read([point]))[point].value


async def test_every_kind_of_point_is_read_in_few_requests(served: Served) -> None:
    async with connected(served.settings) as bus:
        thing = device(bus)
        results = await thing.read(["one", "tenth", "pair", "flag", "field", "measured", "relay", "contact"])
    assert {name: result.value for name, result in results.items()} == {
        "one": 1,
        "tenth": 0.2,
        "pair": 4 << 16 | 5,
        "flag": True,
        "field": 0,
        "measured": 12,
        "relay": True,
        "contact": False,
    }
    assert sorted(served.functions) == [1, 2, 3, 4]


async def test_a_refused_address_costs_only_its_own_point(served: Served) -> None:
    async with connected(served.settings) as bus:
        results = await device(bus).read(["before_hole", "in_hole", "after_hole", "beyond"])
    assert [results[name].value for name in ("before_hole", "after_hole")] == [29, 41]
    refused = PointResult(point="in_hole", value=None, reason="refused: illegal data address (code 2)")
    assert results["in_hole"] == refused
    assert "illegal data address" in results["beyond"].reason
    assert len(served.functions) == 1 + 4 + 1


@pytest.mark.parametrize(
    ("point", "written", "functions"),
    [
        ("one", 65535, [6]),
        ("tenth", 4.2, [6]),
        ("pair", 4000000000, [16]),
        ("real", 1.5, [16]),
        ("name", "KONE 3", [16]),
        ("relay", False, [5]),
        ("flag", False, [3, 6]),
        ("field", 5, [3, 6]),
    ],
)
async def test_what_is_written_is_read_back(served: Served, point: str, written: Value, functions: list[int]) -> None:
    async with connected(served.settings) as bus:
        thing = device(bus)
        await thing.write(point, written)
        assert served.functions == functions
        assert await value(thing, point) == written


async def test_a_bit_write_keeps_the_rest_of_its_register(served: Served) -> None:
    async with connected(served.settings) as bus:
        thing = device(bus)
        await thing.write("field", 5)
        assert await value(thing, "flag") is True
        await asyncio.gather(thing.write("flag", False), thing.write("field", 2))  # noqa: FBT003 - the value written
        assert (await value(thing, "flag"), await value(thing, "field")) == (False, 2)


async def test_what_cannot_be_asked_costs_no_request(served: Served) -> None:
    async with connected(served.settings) as bus:
        thing = device(bus)
        for point, given, why in (
            ("nothing", 1, "`nothing` is no point of the profile `thing`"),
            ("measured", 1, "`measured` cannot be written"),
            ("contact", True, "`contact` cannot be written"),
            ("one", 65536, "65536 does not fit: 0 to 65535"),
            ("field", 8, "8 does not fit: 0 to 7"),
            ("one", "1", "a whole number is needed"),
        ):
            with pytest.raises(BadRequest, match=f"thing-1: .*{why}"):
                await thing.write(point, given)
        with pytest.raises(BadRequest):
            await thing.read(["nothing"])
    assert served.functions == []


async def test_a_refused_write_says_so(served: Served) -> None:
    async with connected(served.settings) as bus:
        with pytest.raises(Refused, match="illegal data address"):
            await device(bus).write("beyond", 1)


async def test_two_units_share_a_bus_without_mixing_answers(served: Served) -> None:
    async with connected(served.settings) as bus:
        first, second = device(bus, 1), device(bus, 2)
        await second.write("one", 777)
        readings = await asyncio.gather(*(value(thing, "one") for thing in (first, second) * 10))
    assert readings == [1, 777] * 10


async def test_a_dead_unit_leaves_its_neighbour_alone(line: Line) -> None:
    answer = bytes.fromhex("01 03 02 00 07 F9 86")
    line.script = lambda request: [(0, answer)] if request[0] == 1 else []
    async with connected(rtu_settings(line.path, timeout="100ms", quiet="50ms")) as bus:
        with pytest.raises(TimedOut):
            await device(bus, 9).read(["one", "measured", "relay", "contact"])
        assert len(line.heard) == 1
        assert await value(device(bus, 1), "one") == 7


async def test_a_device_that_falls_silent_is_asked_no_more_in_that_round(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(bytes.fromhex("00 01 00 00 00 04 01 01 01 01"))
    async with connected(tcp_settings(tcp_peer.port, timeout="100ms")) as bus:
        results = await device(bus).read(["relay", "contact", "measured", "one"])
    assert results["relay"].value is True
    assert {results[name].reason for name in ("contact", "measured", "one")} == {"no answer within 0.1 s"}
    assert len(tcp_peer.heard) == 2


async def test_a_gateway_without_its_device_counts_as_silence(tcp_peer: TcpPeer) -> None:
    tcp_peer.script = lambda request: [(0, request[:4] + bytes([0, 3, request[6], request[7] | 0x80, 11]))]
    async with connected(tcp_settings(tcp_peer.port)) as bus:
        with pytest.raises(Refused, match="gateway target failed to respond"):
            await device(bus).read(["relay", "contact", "measured", "one"])
    assert len(tcp_peer.heard) == 1


async def test_nothing_is_read_from_a_bus_that_is_not_connected() -> None:
    bus = ModbusBus(tcp_settings(1), name="bus-1")
    with pytest.raises(Unreachable, match="thing-1: unreachable: the bus is not connected"):
        await device(bus).read(["one"])


async def test_the_registry_opens_what_a_site_file_describes(served: Served) -> None:
    bus = open_bus(served.settings, name="bus-1")
    thing = open_device(bus, DeviceAddress(unit=2), THING, name="thing-1")
    as_bus: Bus = bus
    as_device: Device = thing
    await as_bus.connect()
    assert (await as_device.read(["one"]))["one"].value == 1
    await as_bus.close()


async def test_a_serial_line_has_no_unit_zero() -> None:
    bus = open_bus(rtu_settings("/dev/ttyS9"), name="bus-1")
    with pytest.raises(BadRequest, match="unit 0 does not exist on a serial line: use 1 to 247"):
        open_device(bus, DeviceAddress(unit=0), THING, name="thing-1")


def test_a_bus_without_a_name_is_called_by_its_place() -> None:
    assert open_bus(rtu_settings("/dev/ttyS9")).name == "/dev/ttyS9"
    assert open_bus(tcp_settings(502)).name == "127.0.0.1:502"
