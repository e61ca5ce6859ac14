import asyncio
import json
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import select, text

from cloud.gate.tables import gate_credential, gate_person
from cloud.platform.database import reading
from tests.support.cloud import NOW
from tests.support.gate_town import GateTown, added, person


async def listed(gate_town: GateTown, login: str = "manager", **params: object) -> list[dict[str, Any]]:
    async with gate_town.town.client(login) as client:
        answer = await client.get("/api/v1/gates/people", params=params)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_somebody_is_put_on_the_list_changed_and_taken_off(gate_town: GateTown) -> None:
    hours = [{"days": [0, 1, 2], "from_min": 360, "to_min": 1320}]
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town, hours=hours, areas=["public"], face=True, health_id="H-1")
        shown = (await client.get(f"/api/v1/gates/people/{key}")).json()
        assert (shown["name"], shown["hours"], shown["areas"], shown["has_health_id"]) == (
            "张伟",
            hours,
            ["public"],
            True,
        )
        assert "H-1" not in json.dumps(shown)
        changed = person(blocked=True, block_reason="moved out")
        assert (await client.put(f"/api/v1/gates/people/{key}", json=changed)).status_code == 204
        shown = (await client.get(f"/api/v1/gates/people/{key}")).json()
        assert (shown["blocked"], shown["block_reason"], shown["hours"]) == (True, "moved out", [])
        assert shown["has_health_id"]
        assert (await client.put(f"/api/v1/gates/people/{key}", json=person(health_id=""))).status_code == 204
        assert not (await client.get(f"/api/v1/gates/people/{key}")).json()["has_health_id"]
        assert (await client.delete(f"/api/v1/gates/people/{key}")).status_code == 204
        assert (await client.get(f"/api/v1/gates/people/{key}")).status_code == 404
        assert (await client.delete(f"/api/v1/gates/people/{key}")).status_code == 404


async def test_the_list_is_searched_and_comes_in_pages(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        for number in range(5):
            await added(client, gate_town, name=f"Resident {number}", unit=f"{number}-101", blocked=number == 3)
        page = (await client.get("/api/v1/gates/people", params={"limit": 2})).json()
        rest = (await client.get("/api/v1/gates/people", params={"limit": 3, "cursor": page["next_cursor"]})).json()
    assert [one["unit"] for one in page["items"] + rest["items"]] == [f"{number}-101" for number in range(5)]
    assert [one["unit"] for one in await listed(gate_town, q="4-1")] == ["4-101"]
    assert [one["unit"] for one in await listed(gate_town, blocked=True)] == ["3-101"]
    assert await listed(gate_town, community=999) == []


async def test_only_who_manages_gates_sees_who_may_pass(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
    assert await listed(gate_town, "rival") == []
    for login, status in (("operator", 403), ("viewer", 403), ("rival", 404)):
        async with gate_town.town.client(login) as client:
            assert (await client.get(f"/api/v1/gates/people/{key}")).status_code == status
            assert (await client.delete(f"/api/v1/gates/people/{key}")).status_code == status
            body = {"community_id": gate_town.garden, **person()}
            assert (await client.post("/api/v1/gates/people", json=body)).status_code == status
    async with gate_town.town.client("operator") as client:
        assert (await client.get("/api/v1/gates/people")).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "   "},
        {"kind": "visitor"},
        {"hours": [{"days": [], "from_min": 0, "to_min": 10}]},
        {"hours": [{"days": [1, 0], "from_min": 0, "to_min": 10}]},
        {"hours": [{"days": [7], "from_min": 0, "to_min": 10}]},
        {"hours": [{"days": [1], "from_min": 1440, "to_min": 10}]},
        {"areas": [" "]},
        {"valid_from_ms": 10, "valid_until_ms": 10},
        {"face": "perhaps"},
        {"surprise": 1},
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused(gate_town: GateTown, wrong: dict[str, object]) -> None:
    async with gate_town.town.client("manager") as client:
        body = {"community_id": gate_town.garden, **person(**wrong)}
        assert (await client.post("/api/v1/gates/people", json=body)).status_code == 422


async def test_a_pin_is_told_once_and_never_again(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
        made = (await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": "pin"})).json()
        assert len(made["pin"]) == 6
        own = await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": "pin", "value": "482913"})
        assert own.json()["pin"] is None
        card = {"kind": "card", "value": "00:12:34:ab", "valid_until_ms": NOW + 1000}
        assert (await client.post(f"/api/v1/gates/people/{key}/credentials", json=card)).status_code == 201
        shown = (await client.get(f"/api/v1/gates/people/{key}")).text
        audit = (await client.get("/api/v1/audit")).text
    for secret in (made["pin"], "482913", "001234AB"):
        assert secret not in shown
        assert secret not in audit
    assert [one["hint"] for one in json.loads(shown)["credentials"]] == ["", "4AB"]


async def test_a_new_pin_takes_the_place_of_the_old_one(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
        for value in ("482913", "591337"):
            body = {"kind": "pin", "value": value}
            assert (await client.post(f"/api/v1/gates/people/{key}/credentials", json=body)).status_code == 201
        assert len((await client.get(f"/api/v1/gates/people/{key}")).json()["credentials"]) == 1
        other = await added(client, gate_town)
        again = {"kind": "pin", "value": "482913"}
        assert (await client.post(f"/api/v1/gates/people/{other}/credentials", json=again)).status_code == 201


async def test_numbers_lie_encrypted_in_the_database(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town, health_id="110101199001011234")
        await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": "pin", "value": "482913"})
        await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": "card", "value": "0012345678"})
    async with reading(gate_town.town.engine) as conn:
        rows = [*(await conn.execute(select(gate_credential))).mappings()]
        people = [*(await conn.execute(select(gate_person))).mappings()]
    stored = repr(rows) + repr(people)
    for secret in ("482913", "0012345678", "110101199001011234"):
        assert secret not in stored
    opened = [gate_town.keys.open(row["sealed"], of=f"{key}/{row['kind']}") for row in rows]
    assert opened == ["482913", "0012345678"]


async def test_a_number_belongs_to_one_person(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        first, second = await added(client, gate_town), await added(client, gate_town)
        card = {"kind": "card", "value": "AB-12-34"}
        made = await client.post(f"/api/v1/gates/people/{first}/credentials", json=card)
        taken = await client.post(
            f"/api/v1/gates/people/{second}/credentials", json={"kind": "card", "value": "ab1234"}
        )
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "credential_taken")
        gone = await client.delete(f"/api/v1/gates/people/{second}/credentials/{made.json()['id']}")
        assert gone.status_code == 404
        gone = await client.delete(f"/api/v1/gates/people/{first}/credentials/{made.json()['id']}")
        assert gone.status_code == 204
        again = await client.post(f"/api/v1/gates/people/{second}/credentials", json=card)
        assert again.status_code == 201


@pytest.mark.parametrize(
    ("kind", "value"),
    [("pin", "1234"), ("pin", "111111"), ("pin", "123456"), ("pin", "654321"), ("pin", "121212"), ("pin", "12345a"),
     ("pin", "12345678901"), ("card", "12"), ("card", ""), ("card", "x" * 41), ("card", "é" * 8), ("face", "1")],
)  # fmt: skip
async def test_a_number_that_is_none_is_refused(gate_town: GateTown, kind: str, value: str) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
        answer = await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": kind, "value": value})
    assert answer.status_code == 422


async def test_somebody_has_a_handful_of_numbers(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
        cards = [{"kind": "card", "value": f"00123456{number:02}"} for number in range(11)]
        made = [await client.post(f"/api/v1/gates/people/{key}/credentials", json=card) for card in cards]
    assert [one.status_code for one in made] == [201] * 10 + [409]


async def test_taking_somebody_off_the_list_takes_their_numbers(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
        await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": "pin"})
        await client.delete(f"/api/v1/gates/people/{key}")
    async with reading(gate_town.town.engine) as conn:
        assert await conn.scalar(text("SELECT count(*) FROM gate_credential")) == 0


async def test_every_change_is_audited_without_names(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        key = await added(client, gate_town)
        await client.put(f"/api/v1/gates/people/{key}", json=person(blocked=True))
        made = await client.post(f"/api/v1/gates/people/{key}/credentials", json={"kind": "pin"})
        await client.delete(f"/api/v1/gates/people/{key}/credentials/{made.json()['id']}")
        await client.delete(f"/api/v1/gates/people/{key}")
        entries = (await client.get("/api/v1/audit")).json()["items"]
    told = [one for one in entries if one["subject"] == f"gate_person:{key}"]
    assert [one["action"] for one in reversed(told)] == [
        "gate.person.add",
        "gate.person.change",
        "gate.credential.add",
        "gate.credential.remove",
        "gate.person.remove",
    ]
    assert "张伟" not in json.dumps(told, ensure_ascii=False)


async def test_without_keys_nothing_is_kept_and_the_answer_says_what_to_do(gate_town: GateTown) -> None:
    (gate_town.town.folder / "data" / "gate-keys").unlink()
    async with gate_town.town.client("manager") as client:
        answer = await client.post("/api/v1/gates/people", json={"community_id": gate_town.garden, **person()})
    assert answer.status_code == 409
    assert "linli cloud gate-keys" in answer.json()["error"]["remedy"]


async def test_rules(gate_town: GateTown) -> None:
    rule = {"community_id": gate_town.garden, "gate": "edge-1/north"}
    demands = [{"check": "mask", "demand": "required"}, {"check": "liveness", "demand": "off"}]
    async with gate_town.town.client("manager") as client:
        put = await client.put("/api/v1/gates/rules", json={**rule, "demands": demands})
        assert put.status_code == 200, put.text
        seen = put.json()["revision"]
        [shown] = (await client.get("/api/v1/gates/rules")).json()["items"]
        told = {"demands": list(reversed(demands)), "revision": seen, "changed_ms": gate_town.town.now}
        assert shown == {**rule, **told}
        for bad in (
            {"demands": [demands[0], demands[0]], "seen": seen},
            {"gate": "north", "demands": []},
            {"demands": [{"check": "identity", "demand": "off"}], "seen": seen},
            {"demands": [{"check": "access", "demand": "advisory"}], "seen": seen},
        ):
            assert (await client.put("/api/v1/gates/rules", json={**rule, **bad})).status_code == 422
        assert (await client.put("/api/v1/gates/rules", json={**rule, "demands": [], "seen": seen})).status_code == 200
        assert (await client.get("/api/v1/gates/rules")).json()["items"] == []
        audit = (await client.get("/api/v1/audit", params={"action": "gate.rule"})).json()["items"]
        assert audit[1]["detail"] == {"mask": "required", "liveness": "off"}
    async with gate_town.town.client("operator") as client:
        assert (await client.put("/api/v1/gates/rules", json={**rule, "demands": []})).status_code == 403


async def test_nobody_s_change_of_a_rule_is_lost(gate_town: GateTown) -> None:
    rule = {"community_id": gate_town.garden, "gate": "edge-1/north"}
    async with gate_town.town.client("manager") as one, gate_town.town.client("manager") as other:

        async def puts(client: AsyncClient, demand: str | None, seen: int | None) -> Any:
            demands = [{"check": "mask", "demand": demand}] if demand else []
            return await client.put("/api/v1/gates/rules", json={**rule, "demands": demands, "seen": seen})

        first = (await puts(one, "required", None)).json()["revision"]
        late = await puts(other, "off", None)  # who saw no rule
        assert (late.status_code, late.json()["error"]["code"]) == (409, "rule_changed")
        assert late.json()["error"]["details"] == {"revision": first}
        second = (await puts(one, "advisory", first)).json()["revision"]
        assert second > first
        assert (await puts(other, "off", first)).status_code == 409
        assert (await puts(one, None, second)).status_code == 200
        assert (await puts(other, "off", second)).status_code == 409  # it was taken away
        [answer] = [await puts(other, "off", None)]
        assert answer.json()["revision"] > second  # a rule that is made anew is not the one from before


async def test_two_who_save_a_rule_at_once(gate_town: GateTown) -> None:
    rule = {"community_id": gate_town.garden, "gate": "edge-1/north"}
    async with gate_town.town.client("manager") as client:
        answers = await asyncio.gather(
            *(
                client.put("/api/v1/gates/rules", json={**rule, "demands": [{"check": "mask", "demand": demand}]})
                for demand in ("required", "advisory", "off")
            )
        )
    assert sorted(one.status_code for one in answers) == [200, 409, 409]


async def test_agents(gate_town: GateTown) -> None:
    async with gate_town.town.client("manager") as client:
        made = await client.post("/api/v1/gates/agents", json={"community_id": gate_town.garden, "agent": "edge-1"})
        [agent] = (await client.get("/api/v1/gates/agents")).json()["items"]
        assert made.json()["token"] not in json.dumps(agent)
        bad = await client.post("/api/v1/gates/agents", json={"community_id": gate_town.garden, "agent": "a/b"})
        assert bad.status_code == 422
    async with gate_town.town.client("operator") as client:
        assert (await client.get("/api/v1/gates/agents")).status_code == 403
        assert (await client.delete(f"/api/v1/gates/agents/{agent['id']}")).status_code == 403
    async with gate_town.town.client("manager") as client:
        assert (await client.delete(f"/api/v1/gates/agents/{agent['id']}")).status_code == 204
        assert (await client.delete(f"/api/v1/gates/agents/{agent['id']}")).status_code == 404
