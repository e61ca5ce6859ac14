"""A migrated SQLite database with a seeded organisation, actors with every kind of role, and the REST over it.

Company `Sunshine` has the communities `garden` (with Tower 1: Roof, Pump room; Tower 2) and `lake`; company `Rival` has
`forest`. Logins are named in `PEOPLE`; the password of everybody is `PASSWORD`.
"""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cloud.access import repository, service
from cloud.access.domain import Actor, Role, Scope, ScopeKind, Where
from cloud.assets import organisation
from cloud.assets import service as assets
from cloud.assets.domain import DeviceRow
from cloud.config import CloudConfig, parse_config
from cloud.platform.database import open_engine, reading, transaction
from cloud.platform.migrate import upgrade
from cloud.platform.security import Passwords
from cloud.telemetry.embedded import EmbeddedTelemetry
from cloud.web import create_app
from drivers.profile import Label, Profile, load_profile
from runtime.health import Health
from tests.support.postgres import postgres

NOW = 1_790_000_000_000
PASSWORD = "correct horse"
PROFILES = Path(__file__).parents[2] / "drivers" / "catalog"

PEOPLE: dict[str, tuple[Role, ScopeKind, str]] = {
    "boss": (Role.ADMIN, ScopeKind.COMPANY, "Sunshine"),
    "manager": (Role.ADMIN, ScopeKind.COMMUNITY, "garden"),
    "operator": (Role.OPERATOR, ScopeKind.COMMUNITY, "garden"),
    "engineer": (Role.ENGINEER, ScopeKind.PROJECT, "Sunshine/North"),
    "technician": (Role.TECHNICIAN, ScopeKind.COMMUNITY, "garden"),
    "viewer": (Role.VIEWER, ScopeKind.COMMUNITY, "garden"),
    "tower": (Role.VIEWER, ScopeKind.BUILDING, "garden/Tower 1"),
    "roof": (Role.VIEWER, ScopeKind.PLACE, "garden/Tower 1/Roof"),
    "rival": (Role.ADMIN, ScopeKind.COMPANY, "Rival"),
}


def cheap_passwords() -> Passwords:
    """Passwords whose hashes cost next to nothing; the algorithm is the real one."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@lru_cache(maxsize=1)
def _migrated() -> Path:
    # Once for all tests of the process: each starts with a copy.
    file = Path(tempfile.mkdtemp(prefix="linli-tests-")) / "template.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{file}"))
    return file


@lru_cache(maxsize=1)
def _migrated_postgres() -> str:
    name = "linli_template"
    asyncio.run(_make_database(name, template="template1"))
    asyncio.run(upgrade(_url(name)))
    return name


async def _make_database(name: str, *, template: str) -> None:
    engine = create_async_engine(postgres(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as conn:
        await conn.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    await engine.dispose()


def drop_database(url: str) -> None:
    """Take a database off the tests' server, under whoever uses it. Not inside a running event loop."""

    async def drop() -> None:
        engine = create_async_engine(postgres(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as conn:
            await conn.execute(text(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)'))
        await engine.dispose()

    asyncio.run(drop())


def _url(name: str) -> str:
    return postgres().rsplit("/", 1)[0] + f"/{name}"


def fresh_database(folder: Path, *, engine: str = "sqlite") -> str:
    """Make a migrated, empty database and give its URL: a file in the folder, or one on the tests' own server.

    Not inside a running event loop.
    """
    if engine == "postgresql":
        name = f"linli_{uuid.uuid4().hex}"
        asyncio.run(_make_database(name, template=_migrated_postgres()))
        return _url(name)
    file = folder / "linli.db"
    shutil.copy(_migrated(), file)
    return f"sqlite+aiosqlite:///{file}"


@dataclass(kw_only=True)
class Town:
    """The seeded database. `now` is the clock of the REST: tests move it."""

    engine: AsyncEngine
    folder: Path
    now: int = NOW
    scopes: dict[str, Scope] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)

    def where(self, path: str) -> Where:
        """Say where `garden`, `garden/Tower 1` or `garden/Tower 1/Roof` is."""
        parts = path.split("/")
        ids = [self.scopes["/".join(parts[: n + 1])].id for n in range(len(parts))]
        return Where(
            community_id=ids[0],
            building_id=ids[1] if len(ids) > 1 else None,
            place_id=ids[2] if len(ids) > 2 else None,
        )

    async def actor(self, login: str) -> Actor:
        async with reading(self.engine) as conn:
            return await service.actor_of(conn, login=login, address="192.0.2.1")

    async def on_shift(self, login: str, community: str = "garden", *, hours: float = 8) -> None:
        from cloud.people import repository as people  # noqa: PLC0415 - only some tests need it

        async with transaction(self.engine) as conn:
            await people.add_shift(
                conn,
                account_id=self.accounts[login],
                community_id=self.scopes[community].id,
                starts_ms=self.now - 1000,
                ends_ms=self.now + int(hours * 3_600_000),
            )

    async def device(
        self,
        name: str = "pump-1",
        *,
        place: str = "Tower 1/Pump room",
        profile: str = "grundfos-hydro-mpc",
        node: str = "edge-1",
    ) -> DeviceRow:
        """Let an agent and a device of `garden` be born, with a profile of the catalogue and a fresh command token."""
        known = catalogue(profile)
        async with transaction(self.engine) as conn:
            node_id = await assets.node_born(
                conn, group="garden", node=node, version="1", config_revision="r1", foreign=False, now_ms=self.now
            )
            await assets.store_profile(conn, known.document(), self.now)
            born = await assets.device_born(
                conn,
                node_id=node_id,
                name=name,
                profile_hash=known.hash,
                overrides="{}",
                label=Label(zh="一号泵", en="Pump 1"),
                place=place,
                kind=known.kind,
                now_ms=self.now,
            )
            await assets.token_seen(conn, node_id=node_id, token="0" * 32, now_ms=self.now)
        return born

    def config(self, **web: object) -> CloudConfig:
        data = {"schema": 1, "broker": {"password_file": "broker"}, "web": web}
        return parse_config(data, file=self.folder / "cloud.toml")

    def app(self, **web: object) -> FastAPI:
        """Compose the web process's application over this database."""
        return create_app(
            self.config(**web),
            engine=self.engine,
            telemetry=EmbeddedTelemetry(self.folder / "telemetry.db"),
            clock=lambda: self.now,
            passwords=cheap_passwords(),
            health=Health(process="web", version="test"),
            registry=CollectorRegistry(),
        )

    @asynccontextmanager
    async def client(self, login: str | None = None, **web: object) -> AsyncIterator[AsyncClient]:
        """Speak REST, logged in with a Bearer token when `login` is given."""
        transport = ASGITransport(app=self.app(**web), raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://linli.test") as client:
            if login is not None:
                answer = await client.post("/api/v1/login", json={"login": login, "password": PASSWORD})
                assert answer.status_code == 200, answer.text
                client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
                client.cookies.clear()
            yield client


def catalogue(name: str) -> Profile:
    """Give a profile of the catalogue."""
    return load_profile(PROFILES / name / "profile.toml")


async def seed(engine: AsyncEngine, folder: Path) -> Town:
    """Put the organisation and the people into an empty database."""
    town = Town(engine=engine, folder=folder)
    hashed = await cheap_passwords().hash(PASSWORD)
    async with transaction(engine) as conn:
        for company, projects in {"Sunshine": {"North": ["garden", "lake"]}, "Rival": {"South": ["forest"]}}.items():
            company_id, _ = await organisation.put_company(conn, company)
            town.scopes[company] = Scope(kind=ScopeKind.COMPANY, id=company_id)
            for project, codes in projects.items():
                project_id, _ = await organisation.put_project(conn, company_id, project)
                town.scopes[f"{company}/{project}"] = Scope(kind=ScopeKind.PROJECT, id=project_id)
                for code in codes:
                    number, _ = await organisation.put_community(
                        conn, project_id, code=code, name_zh=f"{code}苑", name_en=code, time_zone="Asia/Shanghai"
                    )
                    town.scopes[code] = Scope(kind=ScopeKind.COMMUNITY, id=number)
        for path in ("garden/Tower 1", "garden/Tower 2"):
            number, _ = await organisation.put_building(conn, town.scopes["garden"].id, path.split("/")[1])
            town.scopes[path] = Scope(kind=ScopeKind.BUILDING, id=number)
        for path in ("garden/Tower 1/Roof", "garden/Tower 1/Pump room"):
            number, _ = await organisation.put_place(conn, town.scopes["garden/Tower 1"].id, path.split("/")[2])
            town.scopes[path] = Scope(kind=ScopeKind.PLACE, id=number)
        for login, (role, _, path) in PEOPLE.items():
            number = await repository.add_account(
                conn, login=login, name=login.title(), password_hash=hashed, language="en", phone="", now_ms=NOW
            )
            await repository.add_grant(conn, number, role, town.scopes[path])
            town.accounts[login] = number
    return town


@pytest.fixture
def database_engine(request: pytest.FixtureRequest) -> str:
    """Which database the tests run on: `--database sqlite` or `--database postgresql`."""
    return str(request.config.getoption("--database"))


@pytest.fixture
def database_url(tmp_path: Path, database_engine: str) -> str:
    """A migrated, empty database."""
    return fresh_database(tmp_path, engine=database_engine)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The open, empty database."""
    opened = open_engine(database_url)
    yield opened
    await opened.dispose()


@pytest.fixture
async def town(engine: AsyncEngine, tmp_path: Path) -> Town:
    """The seeded database."""
    return await seed(engine, tmp_path)
