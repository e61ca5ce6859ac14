"""Who stands on a stage is set over the control socket and by a scene's steps, and every camera of it shows them."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from runtime.config import ConfigError
from simulators import control
from simulators.cli import app
from simulators.line import run_lines
from simulators.people.stage import truth_file
from simulators.runner import play
from simulators.scene import LoadedScene, load_scene
from tests.support.cameras import drawn_age_s, measuring, until, watching

SCENE = """
schema = 1
[[lines]]
name = "visible"
protocol = "camera"
port = 0
stage = "north"
width = 640
height = 480
devices = [{ name = "gate-camera", profile = "hikvision-ip-camera" }]
[[lines]]
name = "thermal"
protocol = "radiometric"
port = 0
stage = "north"
width = 160
height = 120
devices = [{ name = "gate-thermal", profile = "hikvision-thermal-camera" }]
"""


def scene(folder: Path, more: str = "") -> LoadedScene:
    file = folder / "gate-scene.toml"
    file.write_text(SCENE + more, encoding="utf-8")
    return load_scene(file)


@contextlib.asynccontextmanager
async def running(folder: Path, more: str = "") -> AsyncIterator[tuple[Path, dict[str, str], LoadedScene]]:
    """Play the scene, each line as a process of its own would; gives the data folder, and URLs by line."""
    loaded, data = scene(folder, more), folder / "data"
    async with asyncio.TaskGroup() as tasks:
        played = [tasks.create_task(run_lines(loaded, name, data=data), name=name) for name in loaded.processes]
        urls: dict[str, str] = {}
        while len(urls) < len(played):
            await asyncio.sleep(0.05)
            states = await asyncio.to_thread(control.running, data)
            urls = {state["line"]: state["endpoint"] for state in states}
        try:
            yield data, urls, loaded
        finally:
            for task in played:
                task.cancel()


async def stage(data: Path, act: str) -> dict[str, Any]:
    return await asyncio.to_thread(control.stage, data, "north", act)


async def test_both_cameras_see_who_comes(tmp_path: Path) -> None:
    async with running(tmp_path) as (data, urls, _):
        async with watching(urls["visible"]) as camera, measuring(urls["thermal"]) as thermal:
            first, empty = await camera.wait_newer(), await thermal.wait_newer()
            assert empty.temperatures.shape == (120, 160)
            assert empty.temperatures.max() < 25
            told = await stage(data, "resident 7 at-once")
            assert told["act"] == "resident 7 at-once"
            await until(lambda: time.time() * 1000 > told["stands_from_ms"] + 400, within=5)
            frame, warm = await camera.wait_newer(first.number + 3), await thermal.wait_newer(empty.number + 3)
            assert frame.image.shape == (480, 640, 3)
            assert drawn_age_s(frame.image) < 5
            assert warm.temperatures.max() > 33
            assert np.abs(warm.temperatures - empty.temperatures).max() > 8
        rows = [json.loads(line) for line in truth_file(data, "north").read_text().splitlines()]
        assert [row["person"] for row in rows] == ["resident-7"]  # one process writes, though two play


async def test_steps_of_a_scene_bring_people(tmp_path: Path) -> None:
    steps = '[[steps]]\nat = "0s"\ndo = "stage"\nstage = "north"\nact = "stranger 3 for 1s"\n'
    async with running(tmp_path, steps) as (data, _, loaded):
        await play(loaded.steps, data=data)
        (row,) = [json.loads(line) for line in truth_file(data, "north").read_text().splitlines()]
        assert (row["person"], row["act"]) == ("stranger-3", "stranger 3 for 1s")


async def test_words_that_mean_nothing_and_stages_that_are_not_there_are_told(tmp_path: Path) -> None:
    async with running(tmp_path) as (data, _, _loaded):
        with pytest.raises(control.ControlError, match="write nobody or"):
            await stage(data, "resident who")
        with pytest.raises(control.ControlError, match="there are: north"):
            await asyncio.to_thread(control.stage, data, "south", "nobody")
    with pytest.raises(control.ControlError, match="no camera"):
        await asyncio.to_thread(control.stage, tmp_path / "elsewhere", "north", "nobody")


async def test_people_come_by_the_command_line(tmp_path: Path) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["stage", *words, "--data", str(tmp_path / "data")])

    async with running(tmp_path) as (data, _, _loaded):
        came = await asyncio.to_thread(run, "north", "resident", "7", "fever", "for", "5s")
        assert (came.exit_code, came.stdout.strip()) == (0, "north: resident 7 fever for 5s")
        assert "resident-7" in truth_file(data, "north").read_text()
        refused = await asyncio.to_thread(run, "north", "ghost")
        assert refused.exit_code == 1


@pytest.mark.parametrize(
    ("stage_name", "act", "told"),
    [("south", "nobody", "no camera looks at a stage"), ("north", "resident 999", "there are residents 1 to")],
)
def test_a_step_that_cannot_be_played_is_told_before_anything_starts(
    tmp_path: Path, stage_name: str, act: str, told: str
) -> None:
    step = f'[[steps]]\nat = "0s"\ndo = "stage"\nstage = "{stage_name}"\nact = "{act}"\n'
    with pytest.raises(ConfigError, match=told):
        scene(tmp_path, step)
