"""A community with gates, people and visitors for the pages: two gates of one agent, one of another that is offline."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access import service as access
from cloud.assets import service as assets
from cloud.assets.domain import LastValue
from cloud.config import load_config
from cloud.gate import issuing, ruling, service
from cloud.gate.domain import PassDraft, PersonDraft
from cloud.gate.keys import GateKeys, KeyFile
from cloud.gate.roll_repository import revision_of
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from drivers.profile import Label
from tests.support.gate_town import SEED, STORE, gate_profile
from tests.support.page_world import COMMUNITY, HOUR, MINUTE, now_ms
from tests.support.pages import Site, _apart, serving
from wire.roll import CredentialKind, Hours, PersonKind

PEOPLE = (
    ("r1", "张伟", "3-1201", PersonKind.RESIDENT, "0012345678", {"face": True}),
    ("r2", "王芳", "3-1201", PersonKind.HOUSEHOLD, None, {"minor": True, "areas": ("public",)}),
    ("r3", "Anna Müller", "5-0302", PersonKind.RESIDENT, "00A1B2C3D4", {"blocked": True, "block_reason": "moved out"}),
    (
        "s1",
        "刘师傅",
        "保洁",
        PersonKind.STAFF,
        "0099887766",
        {"hours": (Hours(days=(0, 1, 2, 3, 4), from_min=360, to_min=1080),), "areas": ("public", "tower-1")},
    ),
)
GATES = (
    ("north", "edge-1", Label(zh="北门人行口", en="North gate, pedestrians")),
    ("south", "edge-1", Label(zh="南门人行口", en="South gate, pedestrians")),
    ("garage", "edge-2", Label(zh="地库人行口", en="Garage entrance")),
)

RULES = (
    ("edge-1/north", [("liveness", "off"), ("temperature", "required"), ("mask", "advisory")]),
    ("edge-1/south", [("health_code", "required")]),
    ("edge-9/old", [("mask", "required")]),
)


@contextmanager
def serving_gates(folder: Path) -> Iterator[Site]:
    """Serve the site with gates, people and visitors in it."""
    keys = KeyFile(folder / "data" / "gate-keys").make(store=STORE, seed=SEED)
    with serving(folder) as site:
        site.run(lambda conn: _fill(conn, site, keys))
        _apart(_decide(site))
        yield site


async def _fill(conn: AsyncConnection, site: Site, keys: GateKeys) -> None:
    now = now_ms()
    actor = await access.actor_of(conn, login="admin", address="192.0.2.1")
    [community] = actor.visible().communities
    for key, name, unit, kind, card, more in PEOPLE:
        draft = PersonDraft(kind=kind, name=name, unit=unit, **more)
        await service.add_person(conn, actor, draft, community_id=community, key=key, keys=keys, now_ms=now - HOUR)
        if card is not None:
            await service.add_credential(
                conn,
                actor,
                key=key,
                kind=CredentialKind.CARD,
                value=card,
                valid_until_ms=None,
                keys=keys,
                now_ms=now - HOUR,
            )
    for number, (name, uses) in enumerate([("李雷", 1), ("Han Meimei", None), ("快递员", 3)]):
        draft_pass = PassDraft(
            host="r1",
            name=name,
            valid_from_ms=now - HOUR,
            valid_until_ms=now + 3 * HOUR,
            gates=("edge-1/north",) if uses else (),
            uses=uses,
        )
        await issuing.issue(
            conn, actor, draft_pass, community_id=community, pass_id=f"pass{number}", keys=keys, now_ms=now - HOUR
        )
    await issuing.revoke(conn, actor, pass_id="pass2", now_ms=now - MINUTE)
    await service.add_agent(conn, actor, community_id=community, agent="edge-1", token="t" * 43, now_ms=now)
    known = gate_profile()
    await assets.store_profile(conn, known.document(), now)
    revision = await revision_of(conn, community)
    assert revision is not None
    for number, (name, node, label) in enumerate(GATES):
        node_id = (site.devices["pump-1"] if node == "edge-1" else site.devices["pump-2"]).node_id
        born = await assets.device_born(
            conn,
            node_id=node_id,
            name=name,
            profile_hash=known.hash,
            overrides="{}",
            label=label,
            place="门卫/北门" if name == "north" else "门卫",
            kind=known.kind,
            now_ms=now - HOUR,
        )
        site.devices[name] = born
        told: dict[str, float | str] = {
            "door": (0.0, 3.0, 0.0)[number],
            "roll_revision": float(revision if name == "north" else revision - MINUTE * 30),
            "decision": json.dumps({"answer": "open"}),
        }
        rows = [
            LastValue(device_id=born.id, point=point, value=value, quality=192, at_ms=now, received_ms=now)
            for point, value in told.items()
        ]
        await assets.put_last_values(conn, rows)
    await assets.device_died(conn, device_id=site.devices["garage"].id, now_ms=now - 10 * MINUTE)
    for gate, demands in RULES:
        await ruling.put_rule(
            conn, actor, community_id=community, gate=gate, demands=demands, seen=None, now_ms=now - 50 * MINUTE
        )
    await hold_newest_list(conn, site, "north")


async def hold_newest_list(conn: AsyncConnection, site: Site, gate: str) -> None:
    """Let a gate tell that it has the newest list, as ingest keeps it."""
    now, device = now_ms(), site.devices[gate]
    revision = await revision_of(conn, device.where.community_id)
    assert revision is not None
    row = LastValue(
        device_id=device.id, point="roll_revision", value=float(revision), quality=192, at_ms=now, received_ms=now
    )
    await assets.put_last_values(conn, [row])


async def _decide(site: Site) -> None:
    store = EmbeddedTelemetry(load_config(site.folder / "cloud.toml").telemetry_file)
    now = now_ms()
    told = (
        (20, {"answer": "open", "way": "face", "who": "r1", "opened": "confirmed", "reasons": []}),
        (95, {"answer": "refuse", "way": "card", "who": "r3", "reasons": [["access", "blocked"]]}),
        (240, {"answer": "staff", "way": "face", "who": "", "reasons": [["health", ""]]}),
        (
            700,
            {"answer": "open", "way": "pass", "who": "r1", "opened": "failed", "reasons": [["passage", "door_fault"]]},
        ),
    )
    crowd = [
        Sample(site.devices["south"].id, "decision", now - 60_000 - 400 * number, json.dumps(one), 192)
        for number, one in enumerate({"answer": "open", "way": "card", "who": f"p{number}"} for number in range(70))
    ]
    samples = crowd + [
        Sample(site.devices["north"].id, "decision", now - ago * 1000, json.dumps(said), 192) for ago, said in told
    ]
    await store.write(samples)
    await store.close()


__all__ = ["COMMUNITY", "serving_gates"]
