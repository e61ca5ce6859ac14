from typing import Any

from tests.support.cloud import NOW, PASSWORD, Town


def _account(town: Town, **changed: object) -> dict[str, Any]:
    grants = [{"role": "technician", "scope": "community", "scope_id": town.scopes["garden"].id}]
    return {
        "login": "li",
        "name": "李工",
        "password": PASSWORD,
        "language": "zh",
        "grants": grants,
        "skills": ["pump"],
        **changed,
    }


async def test_an_administrator_makes_an_account_that_can_log_in(town: Town) -> None:
    async with town.client("manager") as client:
        answer = await client.post("/api/v1/people", json=_account(town))
        assert answer.status_code == 201, answer.text
        people = {one["login"]: one for one in (await client.get("/api/v1/people")).json()["items"]}
    assert people["li"]["skills"] == ["pump"]
    assert people["li"]["on_shift"] is False
    async with town.client() as client:
        body = {"login": "li", "password": PASSWORD}
        assert (await client.post("/api/v1/login", json=body)).status_code == 200


async def test_a_bad_account_says_what_is_wrong(town: Town) -> None:
    async with town.client("manager") as client:
        answer = await client.post("/api/v1/people", json=_account(town, grants=[], password="short", role="x"))
    where = {one["where"] for one in answer.json()["error"]["details"]["problems"]}
    assert answer.status_code == 422
    assert where == {"body.grants", "body.password", "body.role"}


async def test_an_operator_makes_no_accounts(town: Town) -> None:
    async with town.client("operator") as client:
        answer = await client.post("/api/v1/people", json=_account(town))
    assert answer.status_code == 403


async def test_people_of_other_companies_are_not_listed(town: Town) -> None:
    async with town.client("rival") as client:
        assert [one["login"] for one in (await client.get("/api/v1/people")).json()["items"]] == ["rival"]


async def test_a_viewer_sees_who_is_on_duty(town: Town) -> None:
    await town.on_shift("technician")
    async with town.client("viewer") as client:
        people = {one["login"]: one["on_shift"] for one in (await client.get("/api/v1/people")).json()["items"]}
        shifts = (await client.get("/api/v1/shifts")).json()["items"]
    assert people == {"technician": True, "viewer": False}
    assert [one["login"] for one in shifts] == ["technician"]


async def test_shifts_are_made_once(town: Town) -> None:
    body = {
        "account_id": town.accounts["technician"],
        "community_id": town.scopes["garden"].id,
        "starts_ms": NOW,
        "ends_ms": NOW + 3_600_000,
    }
    async with town.client("manager") as client:
        assert (await client.post("/api/v1/shifts", json=body)).status_code == 201
        assert (await client.post("/api/v1/shifts", json=body)).status_code == 409


async def test_skills_passwords_and_closing(town: Town) -> None:
    number = town.accounts["technician"]
    async with town.client("manager") as client:
        assert (await client.put(f"/api/v1/people/{number}/skills", json={"skills": ["lift"]})).status_code == 204
        body = {"password": "another password"}
        assert (await client.post(f"/api/v1/people/{number}/password", json=body)).status_code == 204
        assert (await client.post(f"/api/v1/people/{number}/deactivate")).status_code == 204
        assert (await client.post("/api/v1/people/999/deactivate")).status_code == 404
        people = {one["login"]: one for one in (await client.get("/api/v1/people")).json()["items"]}
        audit = (await client.get("/api/v1/audit", params={"action": "account.deactivate"})).json()["items"]
    assert people["technician"]["active"] is False
    assert people["technician"]["skills"] == ["lift"]
    assert [one["subject"] for one in audit] == [f"account:{number}"]


async def test_one_sets_ones_own_language(town: Town) -> None:
    async with town.client("viewer") as client:
        assert (await client.put("/api/v1/me/language", json={"language": "zh"})).status_code == 204
        assert (await client.get("/api/v1/me")).json()["language"] == "zh"
        assert (await client.put("/api/v1/me/language", json={"language": "fr"})).status_code == 422
