"""A device that says nothing to some requests, and answers others."""

import pytest

from drivers.api import TimedOut
from drivers.modbus.blocks import Block
from drivers.modbus.driver import ModbusDevice
from drivers.modbus.mutes import FIRST_REST_S, LAST_REST_S, SILENCES_UNTIL_REST, Mutes
from drivers.profile import Table
from tests.drivers.test_device import THING
from tests.support.modbus_peers import TcpPeer, connected, tcp_settings

COIL = Block(table=Table.COIL, address=0, count=1, points=("relay",))
HOLDING = Block(table=Table.HOLDING, address=0, count=1, points=("one",))
BOTH = ((COIL, None), (HOLDING, None))


async def test_a_table_that_a_device_lacks_does_not_hide_the_others(tcp_peer: TcpPeer) -> None:
    def script(request: bytes) -> list[tuple[float, bytes]]:
        return [(0, request[:4] + bytes([0, 5, request[6], 3, 2, 0, 7]))] if request[7] == 3 else []

    tcp_peer.script = script
    async with connected(tcp_settings(tcp_peer.port, timeout="50ms")) as bus:
        thing = ModbusDevice(bus, unit=1, profile=THING, name="thing-1")
        with pytest.raises(TimedOut):
            await thing.read(["relay", "one"])
        for _ in range(6):
            results = await thing.read(["relay", "one"])
            assert results["one"].value == 7
            assert results["relay"].value is None
        assert "asked again later" in results["relay"].reason
        assert bus.connected
    assert [request[7] for request in tcp_peer.heard].count(1) == SILENCES_UNTIL_REST


def test_a_rest_grows_and_ends_with_an_answer() -> None:
    mutes, now, rests = Mutes(), 0.0, list[float]()
    for _ in range(SILENCES_UNTIL_REST - 1):
        mutes.silent(COIL, others_answered=True, now=now)
    for _ in range(9):
        mutes.silent(COIL, others_answered=True, now=now)
        slept = now
        while len(mutes.order(BOTH, now=now)) == 1:
            now += FIRST_REST_S
        rests.append(now - slept)
    assert rests[:3] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S]
    assert rests[-1] == LAST_REST_S
    mutes.answered(COIL)
    assert mutes.order(BOTH, now=now) == BOTH


def test_a_dead_device_rests_no_block() -> None:
    mutes = Mutes()
    for second in range(100):
        asked = mutes.order(BOTH, now=float(second))
        assert len(asked) == 2
        mutes.silent(asked[0][0], others_answered=False, now=float(second))
