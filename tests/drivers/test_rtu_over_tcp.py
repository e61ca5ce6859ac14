"""Frames of a serial line in a TCP connection: the same frames, and the same care with late answers."""

import asyncio

import pytest

from drivers.address import DeviceAddress
from drivers.api import BadRequest, Garbled, TimedOut, Unreachable
from drivers.modbus.bus import ModbusBus
from drivers.modbus.config import ModbusRtuOverTcpSettings
from drivers.profile import Table
from drivers.registry import open_bus, open_device
from tests.drivers.test_device import THING
from tests.support.modbus_peers import HANG_UP, TcpPeer


def gateway(peer: TcpPeer, **more: object) -> ModbusBus:
    fields = {"protocol": "modbus-rtu-over-tcp", "host": "127.0.0.1", "port": peer.port, "timeout": "2s", **more}
    return ModbusBus(ModbusRtuOverTcpSettings.model_validate(fields), name="bus-1")


async def read(bus: ModbusBus, unit: int, address: int, count: int) -> tuple[int, ...]:
    return await bus.read_raw(unit=unit, table=Table.HOLDING, address=address, count=count, device="dev")


# Delta's EB3000 manual, as in test_bus.
async def test_a_published_exchange(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(bytes.fromhex("01 03 04 17 70 00 00 FE 5C"))
    bus = gateway(tcp_peer)
    await bus.connect()
    assert await read(bus, 1, 0x2102, 2) == (6000, 0)
    assert tcp_peer.heard == [bytes.fromhex("01 03 21 02 00 02 6F F7")]
    await bus.close()


async def test_a_published_write(tcp_peer: TcpPeer) -> None:
    frame = bytes.fromhex("01 06 01 00 17 70 86 22")
    tcp_peer.answer(frame)
    bus = gateway(tcp_peer)
    await bus.connect()
    await bus.write_raw(unit=1, table=Table.HOLDING, address=0x100, values=[6000], device="dev")
    assert tcp_peer.heard == [frame]
    await bus.close()


async def test_an_answer_in_pieces_is_put_together(tcp_peer: TcpPeer) -> None:
    answer = bytes.fromhex("01 03 04 17 70 00 00 FE 5C")
    tcp_peer.script = lambda _: [(0.0, answer[:1]), (0.02, answer[1:6]), (0.04, answer[6:])]
    bus = gateway(tcp_peer)
    await bus.connect()
    assert await read(bus, 1, 0x2102, 2) == (6000, 0)
    await bus.close()


async def test_a_late_answer_is_not_taken_for_the_next(tcp_peer: TcpPeer) -> None:
    late, right = bytes.fromhex("11 03 02 00 0B 78 40"), bytes.fromhex("11 03 02 00 DE F9 DF")
    answers = [(0.25, late), (0.0, right)]
    tcp_peer.script = lambda _: [answers.pop(0)]
    bus = gateway(tcp_peer, timeout="200ms", quiet="400ms")
    await bus.connect()
    with pytest.raises(TimedOut):
        await read(bus, 17, 11, 1)
    assert await read(bus, 17, 222, 1) == (222,)
    await bus.close()


async def test_a_wrong_checksum_is_garbled_and_keeps_the_connection(tcp_peer: TcpPeer) -> None:
    tcp_peer.answer(bytes.fromhex("01 03 04 17 70 00 00 FE 5D"), bytes.fromhex("01 03 04 17 70 00 00 FE 5C"))
    bus = gateway(tcp_peer, quiet="50ms")
    await bus.connect()
    with pytest.raises(Garbled):
        await read(bus, 1, 0x2102, 2)
    assert await read(bus, 1, 0x2102, 2) == (6000, 0)
    assert tcp_peer.connections == 1
    await bus.close()


async def test_a_gateway_that_hangs_up_is_known_at_once(tcp_peer: TcpPeer) -> None:
    tcp_peer.script = lambda _: [(0, HANG_UP)]
    bus = gateway(tcp_peer, timeout="20s")
    await bus.connect()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(read(bus, 1, 0, 1), 2)
    assert not bus.connected


async def test_a_connection_on_which_live_units_fall_silent_is_closed(tcp_peer: TcpPeer) -> None:
    answer = bytes.fromhex("01 03 04 17 70 00 00 FE 5C")
    tcp_peer.answer(answer)
    bus = gateway(tcp_peer, timeout="100ms", quiet="10ms")
    await bus.connect()
    await read(bus, 1, 0x2102, 2)
    with pytest.raises(TimedOut):
        await read(bus, 1, 0x2102, 2)
    assert bus.connected
    with pytest.raises(Unreachable, match="nothing is answered on this connection any more"):
        await read(bus, 1, 0x2102, 2)
    assert not bus.connected


async def test_the_registry_opens_it_for_units_of_a_serial_line(tcp_peer: TcpPeer) -> None:
    settings = ModbusRtuOverTcpSettings(protocol="modbus-rtu-over-tcp", host="127.0.0.1", port=tcp_peer.port)
    bus = open_bus(settings)
    assert bus.name == f"127.0.0.1:{tcp_peer.port}"
    with pytest.raises(BadRequest, match="unit 0 does not exist on a serial line"):
        open_device(bus, DeviceAddress(unit=0), THING, name="thing-1")
    tcp_peer.answer(bytes.fromhex("01 03 02 00 07 F9 86"))
    await bus.connect()
    thing = open_device(bus, DeviceAddress(unit=1), THING, name="thing-1")
    assert (await thing.read(["one"]))["one"].value == 7
    await bus.close()
