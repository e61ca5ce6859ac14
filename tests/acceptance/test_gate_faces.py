"""A whole gate with its eyes: simulated people before real camera servers, real models, a door on a serial line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.gate.door_watch import DoorState
from models.manifest import Role
from tests.support.broker import Broker
from tests.support.edge_site import Host
from tests.support.gate_stand import GateStand, decisions, next_decision, now_ms, resident, roll_of, shown, until_shown
from tests.support.yunet import files

pytestmark = [pytest.mark.system, pytest.mark.timeout(420)]

ENROLLED = (1, 2, 3)
_PATIENCE_S = 60.0
"""For a loaded machine; on an idle one a decision takes a fraction of a second."""
shows = partial(until_shown, within=_PATIENCE_S)


@asynccontextmanager
async def running_gate(
    folder: Path, broker: Broker, host: Host, *, yunet: Path | None = None
) -> AsyncIterator[GateStand]:
    """Run a gate that checks everything, with three residents who have a face.

    They are enrolled by dlib's detector, also where the gate then finds faces by YuNet.
    """
    one = GateStand(folder=folder, broker=broker)
    one.house = f"health_code = {{ {one.health_provider} }}\nrecord = {{ {one.health_provider} }}"
    demands = {"identity": "required", "temperature": "required", "health_code": "required"}
    demands |= {"record": "advisory", "mask": "advisory"}
    one.checks = "\n".join(f"{name} = {{ demand = '{is_}', budget = '5s' }}" for name, is_ in demands.items())
    one.yunet = yunet
    one.write()
    one.yunet = None
    await asyncio.to_thread(one.enrol, roll_of(ENROLLED, now_ms=now_ms()), ENROLLED, now_ms=now_ms())
    async with one.simulators(), one.agent():
        await shows(host, "face_works", value=True)
        await shows(host, "thermal_lost", value=False)
        yield one


@pytest.fixture
async def gate(tmp_path: Path, broker: Broker, host: Host) -> AsyncIterator[GateStand]:
    async with running_gate(tmp_path / "gate", broker, host) as running:
        yield running


async def meets(gate: GateStand, host: Host, act: str) -> dict[str, Any]:
    """Have somebody come, give what is decided about them, and have them go again."""
    before = len(decisions(host))
    gate.stands(act)
    try:
        return await next_decision(host, before, within=_PATIENCE_S)
    finally:
        gate.stands("nobody")
        await shows(host, "door", int(DoorState.CLOSED))
        await asyncio.sleep(2)


async def test_each_is_judged_as_they_are(gate: GateStand, host: Host) -> None:
    found = await meets(gate, host, "resident 1")
    assert (found["answer"], found["opened"], found["who"], found["way"]) == ("open", "confirmed", resident(1), "face")
    assert {
        check: found["checks"].get(check) for check in ("identity", "liveness", "access", "passage")
    } == dict.fromkeys(("identity", "liveness", "access", "passage"), "passed")
    found = await meets(gate, host, "stranger 3")
    assert (found["answer"], found["reasons"], found["who"]) == ("refuse", [["identity", "unknown_face"]], "")
    found = await meets(gate, host, "resident 2 fever")
    assert (found["answer"], found["reasons"], found["who"]) == ("staff", [["health", ""]], "")
    assert shown(host, "staff_called") is True
    found = await meets(gate, host, "print resident 1")
    assert found["answer"] == "refuse"
    assert found["reasons"][0][0] == "liveness"
    gate.breaks("health", "says:health-3=red")
    found = await meets(gate, host, "resident 3")
    assert (found["answer"], found["reasons"]) == ("refuse", [["health", ""]])
    gate.mends("health")
    gate.breaks("health", "fails")
    await asyncio.sleep(1.5)  # what is known of them is old by then
    found = await meets(gate, host, "resident 3")
    assert (found["answer"], found["reasons"]) == ("staff", [["health", ""]]), "the stated answer when nobody answers"
    assert shown(host, "provider_lost") is True
    gate.mends("health")
    found = await meets(gate, host, "resident 3")
    assert (found["answer"], found["who"]) == ("open", resident(3))
    assert gate.pulses() == 2


async def test_a_gate_with_yunet_knows_who_was_enrolled_by_dlibs_detector(
    tmp_path: Path, broker: Broker, host: Host
) -> None:
    async with running_gate(tmp_path / "gate", broker, host, yunet=files()[Role.DETECTOR]) as gate:
        for number in ENROLLED:
            found = await meets(gate, host, f"resident {number}")
            assert (found["answer"], found["opened"], found["who"]) == ("open", "confirmed", resident(number))
        found = await meets(gate, host, "stranger 3")
        assert (found["answer"], found["reasons"], found["who"]) == ("refuse", [["identity", "unknown_face"]], "")
        found = await meets(gate, host, "print resident 1")
        assert (found["answer"], found["reasons"][0][0]) == ("refuse", "liveness")
        found = await meets(gate, host, "resident 2 fever")
        assert (found["answer"], found["reasons"]) == ("staff", [["health", ""]])
        assert gate.pulses() == len(ENROLLED)


async def test_fifty_people_in_a_row_are_let_in_one_by_one(gate: GateStand, host: Host) -> None:
    gate.breaks("door-1", "hurry")
    for turn in range(50):
        number = ENROLLED[turn % len(ENROLLED)]
        before = len(decisions(host))
        gate.stands(f"resident {number} at-once")
        found = await next_decision(host, before, within=_PATIENCE_S)
        assert (found["answer"], found["opened"], found["who"]) == ("open", "confirmed", resident(number)), turn
        gate.stands("nobody")
        await shows(host, "door", int(DoorState.CLOSED))
    assert gate.pulses() == 50
    assert shown(host, "tailgating") is False
    assert shown(host, "forced") is False


async def test_a_camera_that_is_unplugged_leaves_the_other_ways(gate: GateStand, host: Host) -> None:
    gate.breaks("thermal-1", "dead")
    await shows(host, "thermal_lost", value=True)
    assert shown(host, "liveness_checked") is False
    found = await meets(gate, host, "resident 1")
    assert found["answer"] == "staff"
    assert found["reasons"][0] == ["liveness", "no_thermal_camera"]
    gate.mends("thermal-1")
    await shows(host, "thermal_lost", value=False)
    gate.breaks("camera-1", "dead")
    await shows(host, "camera_lost", value=True)
    gate.mends("camera-1")
    await shows(host, "camera_lost", value=False)
    assert (await meets(gate, host, "resident 1"))["answer"] == "open"
