"""`linli cloud quarantine`: what an operator of the server sees and does."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from cloud.cli import app
from cloud.config import load_config
from cloud.ingest import desk, repository
from cloud.platform.database import open_engine, transaction
from tests.support.cloud import fresh_database
from wire.datatypes import DataType
from wire.payload import Metric, Payload, encode

PAYLOAD = encode(Payload(timestamp_ms=1, metrics=(Metric(name="Level", datatype=DataType.DOUBLE, value=1.5),), seq=3))


@pytest.fixture
def config(tmp_path: Path, database_engine: str) -> Path:
    """A service with one thing in quarantine, from no community."""
    url = fresh_database(tmp_path, engine=database_engine)

    async def put() -> None:
        engine = open_engine(url)
        async with transaction(engine) as conn:
            row = repository.QuarantineRow(
                node_id=None, topic="spBv1.0/lake/DDATA/plc/tank", payload=PAYLOAD, metric=None, reason="nobody's"
            )
            await repository.add_quarantine(conn, [row], 1_790_000_000_000)
        await engine.dispose()

    asyncio.run(put())
    (tmp_path / "password").write_text("secret")
    file = tmp_path / "cloud.toml"
    file.write_text(f'schema = 1\ndatabase = {{ url = "{url}" }}\nbroker = {{ password_file = "password" }}\n')
    return file


def run(*words: str, config: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["quarantine", *words, "--config", str(config)])
    return done.exit_code, done.output


def test_it_lists_shows_and_drops(config: Path) -> None:
    status, said = run("list", config=config)
    assert (status, said.split()) == (0, ["1", "2026-09-21T14:13:20Z", "spBv1.0/lake/DDATA/plc/tank", "nobody's"])
    status, said = run("show", "1", config=config)
    assert status == 0
    assert "  Level = 1.5" in said
    assert f"00000000  {PAYLOAD[:32].hex(' ')}" in said
    assert run("drop", "1", config=config) == (0, "1 is dropped\n")
    assert run("list", config=config) == (0, "")
    assert run("show", "1", config=config)[0] == 1


def test_a_replay_says_what_became_of_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered() -> str:
        settings = load_config(config)
        engine = open_engine(settings.database_url)
        asking = asyncio.create_task(desk.replay(settings, 1), name="replay")
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not await due(engine):  # noqa: ASYNC110 - what is waited for is a row
                    await asyncio.sleep(0.05)
        async with transaction(engine) as conn:
            await repository.refuse_replay(conn, 1, "its node is not born")
        await engine.dispose()
        with pytest.raises(desk.NotTaken) as refused:
            await asking
        return str(refused.value)

    assert "its node is not born" in asyncio.run(answered())
    monkeypatch.setattr(desk, "PATIENCE", desk.PATIENCE / 100)
    status, said = run("replay", "1", config=config)
    assert status == 1
    assert "does `linli cloud ingest` run" in said


async def due(engine: AsyncEngine) -> bool:
    async with transaction(engine) as conn:
        return bool(await repository.due_replays(conn, 1))
