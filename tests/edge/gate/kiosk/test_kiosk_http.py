"""What the kiosk answers over HTTP: to its own page, to staff, and to whoever should not ask."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from edge.gate.api import Answer, Reason, Way
from edge.gate.config import KioskSettings
from edge.gate.kiosk.api import Phase, StaffCall
from edge.gate.kiosk.staff_file import put_staff, remove_staff
from edge.gate.kiosk.staff_pages import _is_here
from tests.support.kiosk import FACTS, LOGIN, PASSWORD, FakeGate, FakeStaff, ServedKiosk, quick_hasher, served_kiosk

PERSON = {"person": "r-1001", "taken": ["t1", "t2", "t3"], "wording": "face-1", "language": "zh", "agreed": True}


@pytest.fixture
def kiosk(tmp_path: Path) -> Iterator[ServedKiosk]:
    with served_kiosk(tmp_path) as served:
        yield served


@pytest.fixture
def client(kiosk: ServedKiosk) -> Iterator[httpx.Client]:
    """A client that behaves as a page of the kiosk's does."""
    with httpx.Client(base_url=kiosk.url, headers={"origin": kiosk.url}, trust_env=False, timeout=20) as opened:
        yield opened


def fake(kiosk: ServedKiosk) -> FakeStaff:
    assert kiosk.staff is not None
    return kiosk.staff


def log_in(client: httpx.Client, password: str = PASSWORD, login: str = LOGIN) -> httpx.Response:
    answer = client.post("/api/staff/login", json={"login": login, "password": password})
    if answer.is_success:
        client.headers["x-linli-csrf"] = answer.json()["csrf"]
    return answer


def test_everything_is_served_with_headers_that_bind_the_browser(client: httpx.Client) -> None:
    for path in (
        "/",
        "/staff",
        "/api/start",
        "/static/kiosk.js",
        "/static/kiosk.css",
        "/static/favicon.svg",
        "/nothing",
    ):
        answer = client.get(path)
        assert answer.status_code == (404 if path == "/nothing" else 200)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers


def test_no_document_of_the_interface_is_published(client: httpx.Client) -> None:
    assert {client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}


def test_a_page_is_told_once_what_stays_the_same(client: httpx.Client) -> None:
    start = client.get("/api/start").json()
    assert start["language"] == "zh"
    assert start["staff"] is True
    assert start["facts"]["community_en"] == FACTS.community_en
    assert start["facts"]["ways"] == ["face", "card", "pass", "pin"]
    assert start["texts"]["reason.fever"]["en"] == "High reading"


def events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data:"):
            yield name, line.removeprefix("data:").strip()


def test_state_arrives_as_it_changes_and_beats_between(kiosk: ServedKiosk, client: httpx.Client) -> None:
    with client.stream("GET", "/api/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = events(answer.iter_lines())
        assert next(told) == ("hello", client.get("/api/start").json()["build"])
        name, data = next(told)
        assert (name, json.loads(data)["phase"]) == ("state", "idle")
        assert next(told)[0] == "beat"
        kiosk.gate.show(phase=Phase.RESULT, answer=Answer.REFUSE, reasons=(Reason.FEVER, Reason.NO_MASK))
        state: dict[str, Any] = {}
        while state.get("phase") != "result":
            name, data = next(told)
            state = json.loads(data) if name == "state" else state
        assert state["reasons"] == ["fever", "no_mask"]
        assert state["staff"] == "none"
        assert state["box"] is None


def test_stopping_does_not_wait_for_pages_that_listen(kiosk: ServedKiosk, client: httpx.Client) -> None:
    with client.stream("GET", "/api/events") as answer:
        next(answer.iter_lines())
        kiosk.stop()
    kiosk.start()
    assert client.get("/").status_code == 200


def test_only_so_many_pages_may_listen(client: httpx.Client) -> None:
    with ExitStack() as stack:
        listening = [stack.enter_context(client.stream("GET", "/api/events")).iter_lines() for _ in range(12)]
        assert {next(lines) for lines in listening} == {"retry: 1000"}
        assert client.get("/api/events").status_code == 503


def test_pictures_come_one_by_one_and_a_frozen_camera_gives_none(kiosk: ServedKiosk, client: httpx.Client) -> None:
    first = client.get("/api/picture")
    assert first.headers["content-type"] == "image/jpeg"
    assert first.content.startswith(b"\xff\xd8")
    number = int(first.headers["x-picture"])
    assert int(client.get(f"/api/picture?after={number}").headers["x-picture"]) == number + 1
    kiosk.gate.frozen = True
    assert client.get("/api/picture").status_code == 204


def test_a_pin_goes_to_the_gate_and_nowhere_else(
    kiosk: ServedKiosk, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    assert client.post("/api/pin", json={"pin": "739154"}).status_code == 202
    assert kiosk.gate.presented == [(Way.PIN, "739154")]
    refused = [
        client.post("/api/pin", json={"pin": pin})
        for pin in ("739", "7391x4", "7391540000000", "\uff17\uff13\uff19\uff11")
    ]
    assert [one.status_code for one in refused] == [422] * 4
    assert client.post("/api/pin", json={"pin": "739154", "more": "739154"}).status_code == 422
    told = "".join(one.text for one in refused)
    out, err = capfd.readouterr()
    assert "739" not in told + out + err
    assert len(kiosk.gate.presented) == 1


def test_pins_come_no_faster_than_fingers_type(kiosk: ServedKiosk, client: httpx.Client) -> None:
    codes = [client.post("/api/pin", json={"pin": "1234"}).status_code for _ in range(5)]
    assert codes == [202, 202, 202, 429, 429]
    kiosk.clock.ahead_s += 10
    assert client.post("/api/pin", json={"pin": "1234"}).status_code == 202


def test_a_gate_without_a_pad_takes_no_pin(tmp_path: Path) -> None:
    with served_kiosk(tmp_path, facts=replace(FACTS, ways=(Way.CARD,))) as kiosk:
        answer = httpx.post(
            f"{kiosk.url}/api/pin", json={"pin": "1234"}, headers={"origin": kiosk.url}, trust_env=False
        )
        assert answer.status_code == 404
        assert kiosk.gate.presented == []


def test_staff_are_called(kiosk: ServedKiosk, client: httpx.Client) -> None:
    assert client.post("/api/call", json={}).status_code == 202
    assert kiosk.gate.calls == 1
    assert kiosk.gate.state.staff is StaffCall.CALLED
    assert [client.post("/api/call", json={}).status_code for _ in range(4)][-1] == 429


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({}, 403),
        ({"sec-fetch-site": "same-origin"}, 202),
    ],
)
def test_other_sites_can_do_nothing(kiosk: ServedKiosk, headers: dict[str, str], status: int) -> None:
    answer = httpx.post(f"{kiosk.url}/api/pin", json={"pin": "1234"}, headers=headers, trust_env=False)
    assert answer.status_code == status


def test_a_form_and_a_flood_are_refused(kiosk: ServedKiosk, client: httpx.Client) -> None:
    assert client.post("/api/pin", data={"pin": "1234"}).status_code == 413
    assert client.post("/api/pin", json={"pin": "1" * 20_000}).status_code == 413
    pieces = (piece for piece in (b'{"pin":', b'"1234"}'))
    assert client.post("/api/pin", content=pieces, headers={"content-type": "application/json"}).status_code == 413
    assert kiosk.gate.presented == []


def test_nothing_of_staff_is_given_to_nobody(kiosk: ServedKiosk, client: httpx.Client) -> None:
    reads = ("people", "quality", "test", "status")
    acts = ("logout", "here", "take", "drop", "enrol", "open", "erase")
    assert {client.get(f"/api/staff/{path}").status_code for path in reads} == {401}
    assert {client.post(f"/api/staff/{path}", json={}).status_code for path in acts} == {401}
    assert client.get("/api/staff/session").status_code == 204
    assert fake(kiosk).log == []


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: httpx.Client) -> None:
    cookie = log_in(client).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/api/staff" in cookie
    assert "expires" not in cookie.lower()
    assert "max-age" not in cookie.lower()


def test_the_csrf_token_is_needed_for_every_act(kiosk: ServedKiosk, client: httpx.Client) -> None:
    log_in(client)
    right = client.headers.pop("x-linli-csrf")
    assert client.get("/api/staff/status").status_code == 200
    assert client.post("/api/staff/open", json={"why": "guest"}).status_code == 403
    wrong = client.post("/api/staff/open", json={"why": "guest"}, headers={"x-linli-csrf": "guess"})
    assert wrong.status_code == 403
    assert fake(kiosk).log == []
    client.post("/api/staff/open", json={"why": "guest"}, headers={"x-linli-csrf": right})
    assert fake(kiosk).log == [("open", "guest", LOGIN)]


def test_wrong_passwords_lock_and_the_lock_ends(kiosk: ServedKiosk, client: httpx.Client) -> None:
    codes = [log_in(client, "guess").status_code for _ in range(5)]
    assert codes == [401, 401, 401, 401, 429]
    locked = log_in(client)
    assert (locked.status_code, locked.json()["error"]) == (429, "locked")
    assert 290 <= int(locked.headers["retry-after"]) <= 300
    kiosk.clock.ahead_s += 301
    assert log_in(client).status_code == 200


def test_an_unknown_login_is_told_like_a_wrong_password(client: httpx.Client) -> None:
    assert log_in(client, "guess", "nobody").json() == log_in(client, "guess").json() == {"error": "wrong"}


def test_five_idle_minutes_log_out_and_polling_does_not_prevent_it(kiosk: ServedKiosk, client: httpx.Client) -> None:
    log_in(client)
    kiosk.clock.ahead_s += 200
    assert client.get("/api/staff/status").status_code == 200
    kiosk.clock.ahead_s += 200
    assert client.get("/api/staff/status").status_code == 401


def test_acting_keeps_a_session(kiosk: ServedKiosk, client: httpx.Client) -> None:
    log_in(client)
    for _ in range(3):
        kiosk.clock.ahead_s += 200
        assert client.post("/api/staff/here", json={}).json()["left_s"] >= 298
    kiosk.clock.ahead_s += 301
    assert client.post("/api/staff/here", json={}).status_code == 401


def test_logging_out_ends_the_session(client: httpx.Client) -> None:
    log_in(client)
    cookie = dict(client.cookies)
    assert client.post("/api/staff/logout", json={}).status_code == 204
    client.cookies.update(cookie)
    assert client.get("/api/staff/status").status_code == 401


def test_whoever_is_taken_off_the_file_is_out_at_once(kiosk: ServedKiosk, client: httpx.Client) -> None:
    file = Path(str(kiosk.settings.staff_file))
    put_staff(file, login="li", name="Li", password=PASSWORD, hasher=quick_hasher())
    assert log_in(client, login="li").status_code == 200
    remove_staff(file, "li")
    assert client.get("/api/staff/status").status_code == 401


def test_a_staff_file_that_cannot_be_used_lets_nobody_in(kiosk: ServedKiosk, client: httpx.Client) -> None:
    Path(str(kiosk.settings.staff_file)).write_text("broken")
    answer = log_in(client)
    assert (answer.status_code, answer.json()["error"]) == (503, "no_staff_file")


def test_a_guardian_is_needed_for_a_minor(kiosk: ServedKiosk, client: httpx.Client) -> None:
    log_in(client)
    body = {**PERSON, "person": "r-1002"}
    refused = client.post("/api/staff/enrol", json=body)
    assert (refused.status_code, refused.json()["error"]) == (422, "guardian_needed")
    assert client.post("/api/staff/enrol", json={**body, "guardian": "  "}).status_code == 422
    assert fake(kiosk).log == []
    assert client.post("/api/staff/enrol", json={**body, "guardian": "陈大伟"}).json()["outcome"] == "enrolled"
    [(_, person, _, consent, by)] = fake(kiosk).log
    assert (person, consent.guardian, by) == ("r-1002", "陈大伟", LOGIN)


@pytest.mark.parametrize(
    "change", [{"agreed": False}, {"wording": "older"}, {"taken": ["t1"]}, {"taken": []}, {"person": "nobody"}]
)
def test_nobody_is_enrolled_without_consent_to_the_present_wording(
    kiosk: ServedKiosk, client: httpx.Client, change: dict[str, object]
) -> None:
    log_in(client)
    assert client.post("/api/staff/enrol", json={**PERSON, **change}).status_code == 422
    assert fake(kiosk).log == []


def test_every_act_says_who_did_it(kiosk: ServedKiosk, client: httpx.Client) -> None:
    log_in(client)
    taken = client.post("/api/staff/take", json={}).json()
    assert client.post("/api/staff/drop", json={"taken": [taken["id"]]}).status_code == 204
    assert client.post("/api/staff/erase", json={"person": "r-1003"}).json() == {"erased": 3}
    assert client.get("/api/staff/people?text=maria").json()[0]["id"] == "r-1003"
    sight = client.get("/api/staff/test").json()
    assert sight["temperature"]["figures"]["raw_c"] == 36.41
    assert client.get("/api/staff/status").json()["faces_limit"] == 100_000
    assert fake(kiosk).held == set()
    assert fake(kiosk).asked_by == {LOGIN}
    assert ("erase", "r-1003", LOGIN) in fake(kiosk).log


def test_without_a_staff_file_there_are_no_staff_pages(tmp_path: Path) -> None:
    served = ServedKiosk(gate=FakeGate(), staff=FakeStaff(), settings=KioskSettings(port=0))
    served.start()
    try:
        assert httpx.get(f"{served.url}/api/start", trust_env=False).json()["staff"] is False
        answer = httpx.post(f"{served.url}/api/staff/login", json={}, headers={"origin": served.url}, trust_env=False)
        assert answer.status_code == 404
    finally:
        served.stop()


def test_passwords_are_taken_from_this_machine_only(tmp_path: Path) -> None:
    def asked(client: tuple[str, int] | None, scheme: str = "http") -> bool:
        return _is_here(
            Request(
                {"type": "http", "scheme": scheme, "client": client, "headers": [], "server": ("x", 1), "path": "/"}
            )
        )

    assert asked(("127.0.0.1", 1))
    assert asked(("::1", 1))
    assert not asked(("192.168.1.7", 1))
    assert asked(("192.168.1.7", 1), "https")
    assert not asked(None)
    assert not asked(("unix", 1))


def test_what_the_gate_imports_loads_no_web_server() -> None:
    code = (
        "import sys, edge.gate.kiosk.api\n"
        "print([name for name in ('fastapi', 'starlette', 'uvicorn', 'argon2', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
