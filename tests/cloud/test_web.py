import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud import web
from cloud.platform.migrate import WrongSchema
from cloud.web import DatabaseCheck
from runtime.health import Status
from tests.support.broker import free_port
from tests.support.cloud import Town, drop_database


async def test_what_is_not_there_is_an_error_of_the_same_shape(town: Town) -> None:
    async with town.client() as client:
        answer = await client.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_answers_protect_the_browser(town: Town) -> None:
    async with town.client() as client:
        headers = (await client.get("/health")).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_huge_request_is_refused(town: Town) -> None:
    async with town.client() as client:
        answer = await client.post("/api/v1/login", content=b"x" * (5 * 2**20))
    assert 400 <= answer.status_code < 500
    assert "error" in answer.json()


async def test_metrics_count_by_route_and_not_by_id(town: Town) -> None:
    async with town.client("viewer") as client:
        for number in range(3):
            await client.get(f"/api/v1/devices/{number}")
        text = (await client.get("/metrics")).text
    route = 'route="/api/v1/devices/{device_id}"'
    assert f'linli_web_requests_total{{method="GET",{route},status="404"}} 3.0' in text


async def test_an_unexpected_failure_tells_nothing_about_the_inside(town: Town) -> None:
    app = town.app()

    @app.get("/broken")
    async def _broken() -> None:
        raise RuntimeError("the password is swordfish")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://linli.test") as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "swordfish" not in answer.text


def _ruin(folder: Path, url: str) -> str:
    """Do away with a database; gives what the next one to ask is told."""
    if not url.startswith("sqlite"):
        drop_database(url)
        return "does not exist"
    for file in folder.glob("linli.db*"):
        file.unlink()
    (folder / "linli.db").write_bytes(b"not a database" * 100)
    return "not a database"


async def test_a_database_that_does_not_answer_is_shown(engine: AsyncEngine, database_url: str, tmp_path: Path) -> None:
    check = DatabaseCheck(engine)
    await check.ask()
    assert check().status is Status.OK
    await engine.dispose()
    told = await asyncio.to_thread(_ruin, tmp_path, database_url)
    await check.ask()
    assert check().status is Status.DOWN
    assert told in check().detail


@contextlib.asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(web.serve(app, listener))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listener.close()


async def test_a_request_in_progress_is_answered_when_the_process_stops(town: Town) -> None:
    app = town.app()
    begun = asyncio.Event()

    @app.get("/slow")
    async def _slow() -> str:
        begun.set()
        await asyncio.sleep(0.5)
        return "done"

    async with _serving(app) as (url, task), httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"{url}/slow"))
        await begun.wait()
        task.cancel()
        assert (await request).json() == "done"
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_process_refuses_a_database_that_was_not_set_up(tmp_path: Path) -> None:
    from cloud.config import parse_config  # noqa: PLC0415 - only here

    data = {"schema": 1, "broker": {"password_file": "x"}, "web": {"port": free_port()}}
    with pytest.raises(WrongSchema):
        await web.run(parse_config(data, file=tmp_path / "cloud.toml"))
