"""What the service signs, the gate takes: passes, revocations, orders; with the gate's own code on the other side."""

from pathlib import Path

import pytest

from cloud.assets import service as assets
from cloud.platform.database import reading
from edge.gate.api import Reason
from edge.gate.passes import PassBook
from edge.gate.remote import NoOrder, read_order
from tests.support.cloud import NOW
from tests.support.gate_service import StoredRoll
from tests.support.gate_town import GateTown, added, agent_token
from wire.roll_codec import decode_change
from wire.seal import PublicKeys


async def test_a_visitor_comes_in_once_and_not_after_a_revocation(gate_town: GateTown, tmp_path: Path) -> None:
    people = StoredRoll()
    async with gate_town.town.client("manager") as client:
        headers = {"Authorization": f"Bearer {await agent_token(client, gate_town)}"}
        host = await added(client, gate_town)
        texts: list[str] = []
        ids: list[str] = []
        for _ in range(2):
            body = {
                "community_id": gate_town.garden,
                "host": host,
                "name": "李雷",
                "valid_from_ms": NOW,
                "valid_until_ms": NOW + 3_600_000,
                "gates": ["edge-1/north"],
            }
            made = (await client.post("/api/v1/gates/passes", json=body)).json()
            texts.append(made["text"])
            ids.append(made["id"])
        # The gate trusts what the REST says are the service's keys.
        shown = (await client.get("/api/v1/gates/keys")).json()["items"]
        keys = PublicKeys.parse("\n".join(f"{one['id']} {one['public']}" for one in shown))
        people.apply(decode_change((await client.get("/api/v1/gates/roll", headers=headers)).content, keys))
        with PassBook(tmp_path / "passes.db", keys=keys, community="garden", people=people) as book:

            def judge(text: str, gate: str = "edge-1/north") -> Reason:
                return book.judge(
                    text, gate=gate, area="public", now_ms=people.issued_ms or 0, clock_trusted=True
                ).reason

            assert judge(texts[0], "edge-1/south") is Reason.WRONG_GATE
            assert judge(texts[0]) is Reason.OK
            assert book.consume(ids[0], NOW)
            assert judge(texts[0]) is Reason.USED_PASS
            assert judge(texts[1]) is Reason.OK
            await client.post(f"/api/v1/gates/passes/{ids[1]}/revoke")
            answer = await client.get("/api/v1/gates/roll", params={"since": people.revision}, headers=headers)
            people.apply(decode_change(answer.content, keys))
            assert judge(texts[1]) is Reason.REVOKED_PASS


async def test_an_order_opens_its_gate_and_no_other(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    town = gate_town.town
    async with town.client("operator") as client:
        answer = await client.post(f"/api/v1/gates/{gate.id}/open", json={"reason": "courier"})
    async with reading(town.engine) as conn:
        [waiting] = await assets.pending_commands(conn, now_ms=town.now)
    text, keys = str(waiting.value), gate_town.keys.public

    def fresh(token: str) -> bool:
        return token == waiting.token

    order = read_order(text, keys, community="garden", gate="edge-1/north", accepts=fresh)
    assert order.id == answer.json()["id"]
    for community, name in (("lake", "edge-1/north"), ("garden", "edge-1/south")):
        with pytest.raises(NoOrder):
            read_order(text, keys, community=community, gate=name, accepts=fresh)
    with pytest.raises(NoOrder):
        read_order(text, keys, community="garden", gate="edge-1/north", accepts=lambda _: False)
