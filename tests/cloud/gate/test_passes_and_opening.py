import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from httpx import AsyncClient

from cloud.assets import service as assets
from cloud.assets.domain import CommandState
from cloud.gate.qr import qr_svg
from cloud.platform.database import reading, transaction
from cloud.telemetry.api import Sample
from cloud.telemetry.embedded import EmbeddedTelemetry
from tests.support.cloud import NOW
from tests.support.gate_town import GateTown, added, agent_token, person
from wire.orders import decode_order
from wire.passes import decode_pass
from wire.roll import RollDelta
from wire.roll_codec import decode_change

ROOT = Path(__file__).resolve().parents[3]
HOUR = 3_600_000


def visit(gate_town: GateTown, host: str, **changed: object) -> dict[str, Any]:
    return {
        "community_id": gate_town.garden,
        "host": host,
        "name": "李雷",
        "valid_from_ms": NOW,
        "valid_until_ms": NOW + 2 * HOUR,
        "gates": ["edge-1/north"],
        "uses": 1,
        **changed,
    }


async def issued(client: AsyncClient, gate_town: GateTown, host: str, **changed: object) -> dict[str, Any]:
    answer = await client.post("/api/v1/gates/passes", json=visit(gate_town, host, **changed))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_pass_is_issued_shown_and_revoked(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as manager, gate_town.town.client("operator") as client:
        host = await added(manager, gate_town)
        token = await agent_token(manager, gate_town)
        made = await issued(client, gate_town, host)
        visitor = decode_pass(made["text"], gate_town.keys.public)
        assert (visitor.id, visitor.community, visitor.host, visitor.name) == (made["id"], "garden", host, "李雷")
        assert (visitor.gates, visitor.uses, visitor.valid_until_ms) == (("edge-1/north",), 1, NOW + 2 * HOUR)

        [listed] = (await client.get("/api/v1/gates/passes")).json()["items"]
        assert (listed["host_name"], listed["issuer"]) == ("张伟", "Operator")
        assert made["text"] not in json.dumps(listed)
        detail = (await client.get(f"/api/v1/gates/passes/{made['id']}")).json()
        assert detail["text"] == made["text"]
        picture = await client.get(f"/api/v1/gates/passes/{made['id']}/qr")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.text == qr_svg(made["text"])

        headers = {"Authorization": f"Bearer {token}"}
        whole = decode_change((await client.get("/api/v1/gates/roll", headers=headers)).content, gate_town.keys.public)
        assert (await client.post(f"/api/v1/gates/passes/{made['id']}/revoke")).status_code == 204
        assert (await client.post(f"/api/v1/gates/passes/{made['id']}/revoke")).status_code == 204
        answer = await client.get("/api/v1/gates/roll", params={"since": whole.revision}, headers=headers)
        delta = decode_change(answer.content, gate_town.keys.public)
        assert isinstance(delta, RollDelta)
        assert delta.revoked == (made["id"],)
        assert (await client.get(f"/api/v1/gates/passes/{made['id']}")).json()["text"] is None
        assert (await client.get(f"/api/v1/gates/passes/{made['id']}/qr")).status_code == 409
        assert (await client.get("/api/v1/gates/passes", params={"usable": True})).json()["items"] == []


def test_what_draws_codes_is_not_loaded_before_one_is_drawn() -> None:
    script = "import cloud.web, sys; sys.exit('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_picture_is_read_as_the_pass() -> None:
    text = "LINLI1:" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 9
    svg = qr_svg(text)
    side = int(svg.split('viewBox="0 0 ')[1].split(" ")[0])
    squares = np.full((side, side), 255, np.uint8)
    for part in svg.split('<path d="M')[1].split('"')[0].split("M"):
        column, row = part.split("h")[0].split(" ")
        squares[int(row), int(column)] = 0
    assert side == 57 + 8  # version 10 and its quiet zone
    assert cv2.QRCodeDetector().detectAndDecode(np.kron(squares, np.ones((6, 6), np.uint8)))[0] == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"gates": []},
        {"gates": ["edge-1/north", "edge-2/south"]},
        {"gates": ["north"]},
        {"uses": 0},
        {"name": ""},
        {"name": " "},
        {"valid_until_ms": NOW},
        {"valid_from_ms": NOW - 5, "valid_until_ms": NOW - 1},
        {"valid_until_ms": NOW + 93 * 24 * HOUR},
        {"areas": [f"a-long-name-of-an-area-{number}" for number in range(9)]},
    ],
    ids=str,
)
async def test_a_pass_that_no_gate_could_hold_to_is_not_issued(gate_town: GateTown, wrong: dict[str, object]) -> None:
    async with gate_town.town.client("manager") as client:
        host = await added(client, gate_town)
        answer = await client.post("/api/v1/gates/passes", json=visit(gate_town, host, **wrong))
    assert answer.status_code == 422


async def test_a_pass_without_a_limit_may_be_for_all_gates(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        host = await added(client, gate_town)
        made = await issued(client, gate_town, host, uses=None, gates=[])
        several = await issued(client, gate_town, host, uses=None, gates=["edge-1/north", "edge-2/south"])
    assert decode_pass(made["text"], gate_town.keys.public).uses is None
    assert len(decode_pass(several["text"], gate_town.keys.public).gates) == 2


async def test_who_may_not_invite_invites_nobody(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        host = await added(client, gate_town)
        made = await issued(client, gate_town, host)
        assert (await client.post("/api/v1/gates/passes", json=visit(gate_town, "nobody"))).status_code == 404
        await client.put(f"/api/v1/gates/people/{host}", json=person(blocked=True))
        assert (await client.post("/api/v1/gates/passes", json=visit(gate_town, host))).status_code == 409
        assert (await client.get(f"/api/v1/gates/passes/{made['id']}")).json()["revoked_ms"] == NOW
        await client.delete(f"/api/v1/gates/people/{host}")
        assert (await client.get(f"/api/v1/gates/passes/{made['id']}")).json()["host_name"] is None


async def test_passes_need_their_permission(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        host = await added(client, gate_town)
        made = await issued(client, gate_town, host)
    for login, status in (("viewer", 403), ("technician", 403), ("rival", 404)):
        async with gate_town.town.client(login) as client:
            assert (await client.post("/api/v1/gates/passes", json=visit(gate_town, host))).status_code == status
            assert (await client.get(f"/api/v1/gates/passes/{made['id']}")).status_code == status
            assert (await client.post(f"/api/v1/gates/passes/{made['id']}/revoke")).status_code == status


async def test_who_issues_passes_finds_hosts_and_no_more(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        host = await added(client, gate_town)
        await added(client, gate_town, name="张三", blocked=True)
    async with gate_town.town.client("operator") as client:

        async def found(community: int, text: str) -> Any:
            return await client.get("/api/v1/gates/hosts", params={"community": community, "q": text})

        assert (await found(gate_town.garden, "张")).json()["items"] == [{"id": host, "name": "张伟", "unit": "3-1201"}]
        assert (await found(gate_town.garden, "王")).json()["items"] == []
        assert (await found(gate_town.town.scopes["lake"].id, "张")).json()["items"] == []
        assert (await found(gate_town.garden, "")).status_code == 422
    async with gate_town.town.client("viewer") as client:
        assert (await found(gate_town.garden, "张")).status_code == 403


async def test_passes_come_in_pages(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        host = await added(client, gate_town)
        made = []
        for step in (0, 0, 1, 1, 2):
            gate_town.town.now = NOW + step
            made.append((await issued(client, gate_town, host))["id"])
        found: list[str] = []
        cursor = None
        while True:
            params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/api/v1/gates/passes", params=params)).json()
            found += [one["id"] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert sorted(found) == sorted(made)
    assert found[0] == made[-1]


# --- gates and opening


async def test_gates_say_how_their_list_stands(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    async with gate_town.town.client("manager") as client:
        token = await agent_token(client, gate_town)
        answer = await client.get("/api/v1/gates/roll", headers={"Authorization": f"Bearer {token}"})
        revision = int(answer.headers["x-linli-revision"])
        [shown] = (await client.get("/api/v1/gates")).json()["items"]
        assert (shown["name"], shown["standing"], shown["online"]) == ("edge-1/north", "none", True)
        await gate_town.tell(gate, roll_revision=float(revision), door=2.0)
        [shown] = (await client.get("/api/v1/gates")).json()["items"]
        assert (shown["standing"], shown["behind"], shown["door"]) == ("up_to_date", 0, 2)
        for _ in range(3):
            await added(client, gate_town)
        [shown] = (await client.get("/api/v1/gates")).json()["items"]
        assert (shown["standing"], shown["behind"]) == ("behind", 3)
    async with gate_town.town.client("rival") as client:
        assert (await client.get("/api/v1/gates")).json()["items"] == []


async def test_a_gate_that_says_its_own_name_is_called_by_it(gate_town: GateTown) -> None:
    gate = await gate_town.gate("gate-1")
    await gate_town.tell(gate, gate="north")
    async with gate_town.town.client("viewer") as client:
        [shown] = (await client.get("/api/v1/gates")).json()["items"]
    assert shown["name"] == "edge-1/north"


async def test_the_last_decisions_are_shown(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    told = {"answer": "refuse", "way": "card", "who": "r1", "reasons": [["access", "blocked"], ["health", ""]]}
    entered = {"answer": "open", "way": "face", "opened": "confirmed"}
    store = EmbeddedTelemetry(gate_town.town.folder / "telemetry.db")
    await store.write(
        [
            Sample(gate.id, "decision", NOW - 60_000, json.dumps(told), 192),
            Sample(gate.id, "decision", NOW - 30_000, "no json", 192),
            Sample(gate.id, "decision", NOW - 10_000, json.dumps(entered), 192),
        ]
    )
    await store.close()
    pump = await gate_town.town.device()
    async with gate_town.town.client("viewer") as client:
        shown = (await client.get(f"/api/v1/gates/{gate.id}/decisions")).json()["items"]
        assert (await client.get(f"/api/v1/gates/{pump.id}/decisions")).status_code == 404
    assert [(one["answer"], one["way"], one["who"], one["opened"]) for one in shown] == [
        ("open", "face", "", "confirmed"),
        ("refuse", "card", "r1", ""),
    ]
    assert shown[1]["reasons"] == ["blocked", "health"]


async def opened(client: AsyncClient, device_id: int, reason: str = "courier at the gate") -> Any:
    return await client.post(f"/api/v1/gates/{device_id}/open", json={"reason": reason})


async def test_opening_is_an_order_signed_for_this_gate(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    town = gate_town.town
    async with town.client("operator") as client:
        answer = await opened(client, gate.id)
        assert answer.status_code == 202, answer.text
        command = answer.json()["id"]
        async with reading(town.engine) as conn:
            [waiting] = await assets.pending_commands(conn, now_ms=town.now)
        order = decode_order(str(waiting.value), gate_town.keys.public)
        assert (order.id, order.community, order.gate) == (command, "garden", "edge-1/north")
        assert (order.token, order.by) == (waiting.token, "operator")
        assert (waiting.id, waiting.name, waiting.device) == (command, "open", "north")

        # Neither lists nor the audit tell the order.
        for path in (f"/api/v1/commands/{command}", f"/api/v1/devices/{gate.id}/commands", "/api/v1/gates"):
            assert "LINLI-ORDER" not in (await client.get(path)).text
        assert (await client.get(f"/api/v1/commands/{command}")).json()["value"] is None
        async with transaction(town.engine) as conn:
            assert await assets.mark_sent(conn, command, town.now)
            assert await assets.command_outcome(conn, command, "done", "", town.now + 900)
        assert (await client.get(f"/api/v1/commands/{command}")).json()["state"] == "done"
    async with town.client("manager") as client:
        audit = (await client.get("/api/v1/audit", params={"action": "gate.open"})).json()["items"]
        assert audit[0]["detail"] == {"id": command, "reason": "courier at the gate"}
        assert "LINLI-ORDER" not in (await client.get("/api/v1/audit")).text


async def test_an_order_that_waited_too_long_is_not_sent(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    town = gate_town.town
    async with town.client("operator") as client:
        command = (await opened(client, gate.id)).json()["id"]
        town.now += 15_000
        async with transaction(town.engine) as conn:
            await assets.expire_commands(conn, town.now)
            assert await assets.pending_commands(conn, now_ms=town.now) == []
        assert (await client.get(f"/api/v1/commands/{command}")).json()["state"] == CommandState.TIMED_OUT


async def test_opening_needs_its_permission_and_a_reason(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    pump = await gate_town.town.device()
    async with gate_town.town.client("viewer") as client:
        assert (await opened(client, gate.id)).status_code == 403
    async with gate_town.town.client("rival") as client:
        assert (await opened(client, gate.id)).status_code == 404
    async with gate_town.town.client("operator") as client:
        assert (await opened(client, gate.id, "")).status_code == 422
        assert (await opened(client, pump.id)).status_code == 404
        assert (await opened(client, 999)).status_code == 404
    async with gate_town.town.client("manager") as client:
        denied = (await client.get("/api/v1/audit", params={"action": "gate.open"})).json()["items"]
    assert {(one["actor"], one["outcome"]) for one in denied} == {("Viewer (viewer)", "denied")}


async def test_a_gate_that_cannot_hear_takes_no_order(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    town = gate_town.town
    async with town.client("operator") as client:
        town.now += 13_000
        answer = await opened(client, gate.id)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_token")
        async with transaction(town.engine) as conn:
            await assets.device_died(conn, device_id=gate.id, now_ms=town.now)
        assert (await opened(client, gate.id)).json()["error"]["code"] == "offline"


async def test_nobody_opens_a_gate_again_and_again(gate_town: GateTown) -> None:
    gate = await gate_town.gate()
    async with gate_town.town.client("operator") as client:
        answers = [(await opened(client, gate.id)).status_code for _ in range(7)]
    assert answers == [202] * 6 + [429]
