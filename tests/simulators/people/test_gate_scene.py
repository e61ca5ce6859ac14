"""The scene of a gate: people, door, cards, passes and the health provider, over their own protocols."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers.address import DeviceAddress
from drivers.catalog import catalog_profile
from drivers.modbus.config import ModbusRtuSettings
from drivers.registry import open_bus, open_device
from simulators import control
from simulators.line import run_lines
from simulators.scene import LoadedScene, find_scene, load_scene
from simulators.witness import read_answered_points
from tests.support.cameras import until

PASS = "LINLI1:" + "AbCd-_09" * 40


def on_free_ports(loaded: LoadedScene) -> LoadedScene:
    lines = tuple(
        line.model_copy(update={"port": 0}) if getattr(line, "port", None) else line for line in loaded.scene.lines
    )
    scene = loaded.scene.model_copy(update={"lines": lines})
    return LoadedScene(file=loaded.file, scene=scene, profiles=loaded.profiles)


async def tell(data: Path, device: str, fault: str) -> None:
    await asyncio.to_thread(control.tell, data, device, "fault", fault)


def said(data: Path, device: str) -> dict[str, Any]:
    return {one.point: one.value for one in read_answered_points(data / f"{device}.answers.jsonl")}


@pytest.mark.system
async def test_the_desk_of_the_gate_answers(tmp_path: Path) -> None:
    loaded = on_free_ports(load_scene(find_scene("gate")))
    assert set(loaded.processes) == {"north-camera", "north-thermal", "north-desk"}
    played = asyncio.create_task(run_lines(loaded, "north-desk", data=tmp_path), name="north-desk")
    try:
        await until(lambda: (tmp_path / "north-desk.sock").exists() or played.done(), within=10)
        states = {state["line"]: state for state in await asyncio.to_thread(control.running, tmp_path)}
        assert set(states) == {"north-door", "north-reader", "north-qr", "north-health"}

        bus = open_bus(ModbusRtuSettings(protocol="modbus-rtu", port=states["north-door"]["endpoint"], baudrate=19200))
        await bus.connect()
        door = open_device(
            bus, DeviceAddress(unit=1), catalog_profile("waveshare-relay-d-door"), name="door-north"
        )  # fmt: skip
        await door.write("unlock_time", 2.0)
        assert (await door.read(["lock_relay"]))["lock_relay"].value is True
        await bus.close()

        await tell(tmp_path, "qr-north", f"present:{PASS}")
        await until(lambda: said(tmp_path, "qr-north").get("code") == PASS, within=5)
        await tell(tmp_path, "reader-north", "present:123,4567")
        await tell(tmp_path, "reader-north", "keys:1234#")
        state = await asyncio.to_thread(control.tell, tmp_path, "reader-north", "values")
        assert state["active"] == ["present", "keys"]  # no agent polls it here; it keeps them

        token = (tmp_path / "north-health.token").read_text().strip()
        async with httpx.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
            answer = await client.post(
                states["north-health"]["endpoint"], json={"health_id": "h-7", "kind": "health_code"}
            )
        assert answer.json() == {"status": "green", "until_ms": None}
    finally:
        played.cancel()
        await asyncio.gather(played, return_exceptions=True)


def test_its_steps_can_all_be_played() -> None:
    assert [step.do for step in load_scene(find_scene("gate")).steps].count("stage") == 5
