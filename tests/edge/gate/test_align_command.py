"""`linli gate align` before real simulated cameras whose thermal picture lies elsewhere."""

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.config import load_site
from edge.gate.eyes.alignment import visible_to_thermal
from models.face.frame import mapped
from models.manifest import Role
from tests.support.faces import built
from tests.support.shifted_cameras import Lie, shifted_cameras

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_CLI = "from linli import main; main()"
LIE = Lie(scale=1.15, turn_deg=2.0, right_px=9.0, down_px=-6.0)
SITE = """schema = 1
[site]
community = "sunshine-garden"
time_zone = "Asia/Shanghai"
[broker]
host = "127.0.0.1"
port = 1
username = "edge-1"
password_file = "edge-1.password"
[agents.edge-1]
data = "data"
http = {{ host = "127.0.0.1", port = 9101 }}
[agents.edge-1.buses]
door-line = {{ protocol = "modbus-rtu", port = "/dev/ttyS9" }}
north-camera = {{ protocol = "camera", url = "{camera}" }}
north-thermal = {{ protocol = "radiometric", url = "{thermal}", period = "100ms" }}
agent = {{ protocol = "agent" }}
[agents.edge-1.devices]
north-gate = {{ profile = "linli-gate", bus = "agent", address = "north", {told} }}
door-1 = {{ profile = "waveshare-relay-d-door", bus = "door-line", unit = 1, {told} }}
camera-1 = {{ profile = "hikvision-ip-camera", bus = "north-camera", {told} }}
thermal-1 = {{ profile = "hikvision-thermal-camera", bus = "north-thermal", {told} }}
[agents.edge-1.gatehouse]
key_file = "secrets/faces.key"
demo = true
[agents.edge-1.gates.north]
label = {{ zh = "北门", en = "North gate" }}
device = "north-gate"
[agents.edge-1.gates.north.door]
device = "door-1"
[agents.edge-1.gates.north.eyes]
camera = "camera-1"  # above the door
models = "models"
thermal = {{ device = "thermal-1", max_age = "1s" }}  # to its left
"""


def written(folder: Path, camera: str, thermal: str) -> Path:
    file = folder / "site.toml"
    told = 'label = { zh = "北门", en = "North gate" }, place = "北门/岗亭"'
    file.write_text(SITE.format(camera=camera, thermal=thermal, told=told))
    (folder / "edge-1.password").write_text("p\n")
    (folder / "models").mkdir()
    for role in Role:
        for one in (built(role), built(role).with_name(built(role).name + ".json")):
            shutil.copy(one, folder / "models" / one.name)
    return file


async def align(file: Path, *more: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CLI, "gate", "align", str(file), "--agent", "edge-1", "--gate", "north", *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, wrong = await process.communicate()
    return process.returncode or 0, said.decode(), wrong.decode()


def where(file: Path, x: float, y: float) -> Any:
    """Give where a visible pixel lies in the thermal picture, by the file."""
    eyes = load_site(file).settings.agents["edge-1"].gates["north"].eyes
    assert eyes is not None
    assert eyes.thermal is not None
    return mapped(visible_to_thermal(eyes.thermal.align, (480, 640), (120, 160)), np.array([(x, y)]))[0]


async def test_the_transform_is_measured_told_and_written(tmp_path: Path) -> None:
    async with shifted_cameras(LIE) as (camera, thermal):
        file = written(tmp_path, camera, thermal)
        before = file.read_text()
        code, said, wrong = await align(file, "--looks", "40", "--json")
        assert code == 0, wrong
        found = json.loads(said)
        assert file.read_text() == before, "only --write writes"
        code, said, wrong = await align(file, "--looks", "40", "--write")
        assert code == 0, wrong
    assert "thermal pixels rms" in said
    assert "[agents.edge-1.gates.north.eyes.thermal]\nalign = [[" in said
    assert found["by_places"]
    assert found["fits"]
    assert found["rms_px"] < 1.5
    assert found["before_px"] > 8
    assert found["scale"] == pytest.approx(0.25 * 1.15, rel=0.03)
    text = file.read_text()
    assert "# above the door" in text
    assert "# to its left" in text
    # Where people's faces are, to a tenth of the distance between their eyes, which is 12 pixels.
    matrix = np.array([[0.25, 0, 0.125 - 0.5], [0, 0.25, 0.125 - 0.5]])
    turn = np.deg2rad(-LIE.turn_deg)
    linear = LIE.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for x, y in ((200.0, 200.0), (320.0, 210.0), (440.0, 220.0)):
        plain = mapped(matrix, np.array([(x, y)]))[0] - (79.5, 59.5)
        true = linear @ plain + (79.5 + LIE.right_px, 59.5 + LIE.down_px)
        assert np.hypot(*(where(file, x, y) - true)) < 1.5


async def test_where_nobody_stands_nothing_is_measured_and_nothing_written(tmp_path: Path) -> None:
    async with shifted_cameras(Lie(right_px=500.0)) as (camera, thermal):  # the thermal camera looks elsewhere
        file = written(tmp_path, camera, thermal)
        before = file.read_text()
        code, _, wrong = await align(file, "--looks", "6", "--seconds", "5", "--write")
    assert code == 1
    assert "stand before the gate" in wrong
    assert file.read_text() == before


async def test_a_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "http://127.0.0.1:9/video", "http://127.0.0.1:9/thermal")
    code, _, wrong = await align(file, "--seconds", "5")
    assert code == 1
    assert "north-" in wrong
    assert "Traceback" not in wrong
