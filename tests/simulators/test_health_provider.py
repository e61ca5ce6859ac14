"""A simulated provider of health codes answers over real HTTP, and can be slow, down or wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.devices import Devices
from simulators.lines.base import LineContext
from simulators.lines.provider import ProviderLine, start
from simulators.machines.api import UnknownFault
from simulators.scene import load_scene
from simulators.witness import read_answered_points

SCENE = (
    'schema = 1\n[[lines]]\nname = "health"\nprotocol = "health-provider"\nport = 0\ntoken = "t0ken"\nholds = "1h"\n'
)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str, Devices[Any]]]:
    file = folder / "scene.toml"
    file.write_text(SCENE, encoding="utf-8")
    loaded = load_scene(file)
    (line,) = loaded.scene.lines
    assert isinstance(line, ProviderLine)
    async with AsyncExitStack() as stack:
        context = LineContext(data=folder, profiles=loaded.profiles, time_scale=1, stack=stack)
        devices, url = await start(line, context)
        token = (folder / "health.token").read_text().strip()
        client = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=0.6, trust_env=False)
        yield await stack.enter_async_context(client), url, devices


async def ask(client: httpx.AsyncClient, url: str, who: str = "h-007", kind: str = "health_code") -> str:
    said = await client.post(url, json={"health_id": who, "kind": kind})
    assert said.status_code == 200, said.status_code
    assert said.json()["until_ms"] > time.time() * 1000
    return str(said.json()["status"])


async def test_all_is_well_until_it_is_told_otherwise(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, url, devices):
        assert [await ask(client, url), await ask(client, url, kind="record")] == ["green", "valid"]
        devices.fault("health", "says:h-007=red")
        devices.fault("health", "says:missing")
        assert [await ask(client, url), await ask(client, url, "h-008")] == ["red", "green"]
        assert await ask(client, url, "h-008", "record") == "missing"
        devices.clear("health", "says:h-007=red")
        assert await ask(client, url) == "green"
        devices.clear("health", None)
        assert await ask(client, url, kind="record") == "valid"
    told = [one.value for one in read_answered_points(tmp_path / "health.answers.jsonl") if one.point == "status"]
    assert told == ["green", "valid", "red", "green", "missing", "green", "valid"]


async def test_it_takes_its_time_and_no_longer(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, url, devices):
        started = time.monotonic()
        await ask(client, url)
        assert time.monotonic() - started >= 0.05
        devices.fault("health", "slow:2s")
        with pytest.raises(httpx.TimeoutException):
            await ask(client, url)


async def test_it_can_be_down(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, url, devices):
        devices.fault("health", "line-dropped")
        with pytest.raises(httpx.TransportError):
            await ask(client, url)
        devices.clear("health", "line-dropped")
        for _ in range(50):  # the port comes back in a moment
            try:
                assert await ask(client, url) == "green"
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        devices.fault("health", "dead")
        with pytest.raises(httpx.TimeoutException):
            await ask(client, url)


@pytest.mark.parametrize(
    ("fault", "status"), [("refuses", 401), ("fails", 500), ("busy", 503), ("wrong", 200)]
)  # fmt: skip
async def test_it_can_be_wrong(tmp_path: Path, fault: str, status: int) -> None:
    async with served(tmp_path) as (client, url, devices):
        devices.fault("health", fault)
        said = await client.post(url, json={"health_id": "h-007", "kind": "health_code"})
        assert said.status_code == status
        assert said.json().get("status") not in {"green", "yellow", "red"}


async def test_questions_of_another_kind_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, url, devices):
        assert (await client.post(url, json={"health_id": "h", "kind": "horoscope"})).status_code == 400
        assert (await client.get(url)).status_code == 400
        assert (await client.post(f"{url}/else", json={})).status_code == 404
        other = {"Authorization": "Bearer other"}
        assert (await client.post(url, json={}, headers=other)).status_code == 401
        assert devices.by_name["health"].values() == {"asked": 0}
        with pytest.raises(UnknownFault):
            devices.fault("health", "says:purple")
