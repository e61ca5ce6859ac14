import pytest

from cloud.access.endpoints import COOKIE, comes_from_us
from tests.support.cloud import PASSWORD, Town

LOGIN = {"login": "boss", "password": PASSWORD}


async def test_login_gives_a_cookie_that_scripts_and_other_sites_cannot_use(town: Town) -> None:
    async with town.client() as client:
        answer = await client.post("/api/v1/login", json=LOGIN)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={answer.json()['token']};")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie


async def test_behind_tls_the_cookie_travels_by_tls_only(town: Town) -> None:
    async with town.client(public_url="https://linli.example") as client:
        assert "Secure" in (await client.post("/api/v1/login", json=LOGIN)).headers["set-cookie"]


async def test_me_says_who_is_logged_in(town: Town) -> None:
    async with town.client("operator") as client:
        me = (await client.get("/api/v1/me")).json()
    assert me["login"] == "operator"
    assert me["permissions"] == ["view", "acknowledge", "command", "dispatch", "issue_passes"]
    assert me["grants"] == [{"role": "operator", "scope": "community", "scope_id": town.scopes["garden"].id}]


@pytest.mark.parametrize(
    "path", ["me", "audit", "people", "shifts", "organisation", "communities", "devices", "devices/1", "profiles"]
)
async def test_without_a_session_everything_is_closed(town: Town, path: str) -> None:
    async with town.client() as client:
        answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "no_session"
    assert answer.json()["error"]["remedy"] == "log in"


async def test_a_wrong_password_says_so(town: Town) -> None:
    async with town.client() as client:
        answer = await client.post("/api/v1/login", json={"login": "boss", "password": "wrong password"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "wrong_password"


async def test_an_expired_session_says_so(town: Town) -> None:
    async with town.client("boss", session_hours=1) as client:
        town.now += 3_600_000
        answer = await client.get("/api/v1/me")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "session_expired"


async def test_a_throttled_login_is_told_when_to_come_back(town: Town) -> None:
    async with town.client() as client:
        for _ in range(5):
            await client.post("/api/v1/login", json={"login": "boss", "password": "wrong password"})
        answer = await client.post("/api/v1/login", json=LOGIN)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "900"


async def test_an_unreadable_request_is_explained_without_repeating_its_password(town: Town) -> None:
    async with town.client() as client:
        answer = await client.post("/api/v1/login", json={"login": "boss", "passwort": "top-secret"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid"
    assert "top-secret" not in answer.text
    where = {one["where"] for one in answer.json()["error"]["details"]["problems"]}
    assert where == {"body.password", "body.passwort"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "x-linli-request": "1"}, 403),
        ({"origin": "http://linli.test"}, 204),
        ({"sec-fetch-site": "same-origin"}, 204),
        ({"x-linli-request": "1"}, 204),
    ],
)
async def test_a_cookie_changes_things_only_from_our_own_pages(
    town: Town, headers: dict[str, str], status: int
) -> None:
    async with town.client() as client:
        await client.post("/api/v1/login", json=LOGIN)
        assert (await client.get("/api/v1/me")).status_code == 200
        answer = await client.put("/api/v1/me/language", json={"language": "zh"}, headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["error"]["code"] == "foreign_origin"


async def test_another_page_cannot_log_somebody_in(town: Town) -> None:
    async with town.client() as client:
        assert (await client.post("/api/v1/login", json=LOGIN, headers={"origin": "http://evil"})).status_code == 403


def test_behind_a_proxy_the_public_address_counts() -> None:
    headers = {"origin": "https://linli.example", "host": "127.0.0.1:8080"}
    assert comes_from_us(headers.get, "https://linli.example")
    assert not comes_from_us(headers.get, None)


async def test_logout_ends_the_session_and_takes_the_cookie(town: Town) -> None:
    async with town.client("boss") as client:
        answer = await client.post("/api/v1/logout")
        assert answer.status_code == 204
        assert f'{COOKIE}=""' in answer.headers["set-cookie"]
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_one_changes_ones_own_password(town: Town) -> None:
    async with town.client("viewer") as client:
        body = {"current": PASSWORD, "new": "another password"}
        assert (await client.post("/api/v1/me/password", json=body)).status_code == 204
        answer = await client.post("/api/v1/login", json={"login": "viewer", "password": "another password"})
        assert answer.status_code == 200


async def test_the_audit_comes_in_pages(town: Town) -> None:
    async with town.client("boss") as client:
        for _ in range(4):
            await client.post("/api/v1/login", json=LOGIN)
        first = (await client.get("/api/v1/audit", params={"limit": 3, "action": "login"})).json()
        second = (
            await client.get("/api/v1/audit", params={"limit": 3, "action": "login", "cursor": first["next_cursor"]})
        ).json()
    assert [len(first["items"]), len(second["items"])] == [3, 2]
    assert second["next_cursor"] is None
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert ids == sorted(ids, reverse=True)


async def test_the_audit_needs_its_permission(town: Town) -> None:
    async with town.client("operator") as client:
        assert (await client.get("/api/v1/audit")).status_code == 403
