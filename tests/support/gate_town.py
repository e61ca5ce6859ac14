"""A town whose service has keys, with a gate that an agent reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from cloud.assets import service as assets
from cloud.assets.domain import DeviceRow, LastValue
from cloud.gate.keys import GateKeys, KeyFile
from cloud.platform.database import transaction
from drivers.profile import Label, Profile, load_profile
from tests.support.cloud import Town

STORE = bytes(range(100, 132))
SEED = bytes(range(32))
PROFILES = (
    Path(__file__).parents[2] / "drivers" / "catalog" / "linli-gate" / "profile.toml",
    Path(__file__).parents[2] / "edge" / "gate" / "profile.toml",
)


def gate_profile() -> Profile:
    """Give the profile of a gate, wherever it lies."""
    return load_profile(next(file for file in PROFILES if file.exists()))


@dataclass(kw_only=True)
class GateTown:
    """The town, its keys, and gates that are born."""

    town: Town
    keys: GateKeys

    @property
    def garden(self) -> int:
        return self.town.scopes["garden"].id

    async def gate(self, name: str = "north", *, node: str = "edge-1", place: str = "Gatehouse") -> DeviceRow:
        """Let an agent and a gate of it be born, with a fresh command token."""
        known = gate_profile()
        town = self.town
        async with transaction(town.engine) as conn:
            node_id = await assets.node_born(
                conn, group="garden", node=node, version="1", config_revision="r1", foreign=False, now_ms=town.now
            )
            await assets.store_profile(conn, known.document(), town.now)
            born = await assets.device_born(
                conn,
                node_id=node_id,
                name=name,
                profile_hash=known.hash,
                overrides="{}",
                label=Label(zh="北门", en="North gate"),
                place=place,
                kind=known.kind,
                now_ms=town.now,
            )
            await assets.token_seen(conn, node_id=node_id, token="5" * 32, now_ms=town.now)
        return born

    async def tell(self, device: DeviceRow, **values: float | str) -> None:
        """Keep last values of a gate, as ingest does."""
        now = self.town.now
        rows = [
            LastValue(device_id=device.id, point=point, value=value, quality=192, at_ms=now, received_ms=now)
            for point, value in values.items()
        ]
        async with transaction(self.town.engine) as conn:
            await assets.put_last_values(conn, rows)


def person(**changed: object) -> dict[str, Any]:
    """Give what a request says of somebody."""
    return {"kind": "resident", "name": "张伟", "unit": "3-1201", **changed}


async def added(client: AsyncClient, gate_town: GateTown, **changed: object) -> str:
    """Put somebody on the list and give their id."""
    answer = await client.post("/api/v1/gates/people", json={"community_id": gate_town.garden, **person(**changed)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def agent_token(client: AsyncClient, gate_town: GateTown, agent: str = "edge-1") -> str:
    """Let an agent pull, and give its token."""
    answer = await client.post("/api/v1/gates/agents", json={"community_id": gate_town.garden, "agent": agent})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.fixture
async def gate_town(town: Town) -> GateTown:
    """A town with keys."""
    keys = KeyFile(town.folder / "data" / "gate-keys").make(store=STORE, seed=SEED)
    return GateTown(town=town, keys=keys)
