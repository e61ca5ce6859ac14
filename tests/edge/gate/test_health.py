"""A real HTTP server on a free port plays the provider."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.gate.api import Check, Reason, Standing
from edge.gate.config import ProviderSettings
from edge.gate.health import Provider


class Office(ThreadingHTTPServer):
    """Answers by a table; remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, dict[str, object]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.delay_s = 0.0
        self.raw: bytes | None = None
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/check"


class _Handler(BaseHTTPRequestHandler):
    server: Office

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((said["health_id"], said["kind"], self.headers.get("Authorization")))
        time.sleep(self.server.delay_s)
        body = self.server.raw
        if body is None:
            body = json.dumps(self.server.answers[said["health_id"]]).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Say nothing."""


@pytest.fixture
def office() -> Iterator[Office]:
    with Office() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def provider(
    office: Office, client: httpx.AsyncClient, *, clock: Clock | None = None, token: Path | None = None, **more: object
) -> Provider:
    settings = ProviderSettings.model_validate({"url": office.url, "timeout": "300ms"} | more)
    return Provider(
        Check.HEALTH_CODE,
        settings,
        token_file=token,
        client=client,
        monotonic=clock or Clock(),
        clock_ms=lambda: 1_000_000,
    )


async def test_green_passes_and_anything_else_does_not(office: Office) -> None:
    office.answers = {
        "a": {"status": "green", "until_ms": None},
        "b": {"status": "red"},
        "c": {"status": "green", "until_ms": 999_999},
    }
    async with httpx.AsyncClient() as client:
        one = provider(office, client)
        assert (await one.ask("a")).standing is Standing.PASSED
        red = await one.ask("b")
        assert (red.standing, red.reason) == (Standing.FAILED, Reason.HEALTH_CODE_NOT_GREEN)
        assert (await one.ask("c")).standing is Standing.FAILED, "it holds no more"
        nobody = await one.ask(None)
        assert (nobody.standing, nobody.reason) == (Standing.UNCHECKED, Reason.NOT_ASKED)
    assert [health_id for health_id, _, _ in office.asked] == ["a", "b", "c"]


async def test_an_answer_is_cached_for_its_time_and_asked_once_at_a_time(office: Office) -> None:
    office.answers = {"a": {"status": "green"}}
    office.delay_s = 0.05
    clock = Clock()
    async with httpx.AsyncClient() as client:
        one = provider(office, client, clock=clock, cache="10min")
        await asyncio.gather(*(one.ask("a") for _ in range(5)))
        assert len(office.asked) == 1
        clock.at_s = 600
        assert (await one.ask("a")).figures["how"] == "cached"
        clock.at_s = 601
        assert (await one.ask("a")).figures["how"] == "asked"
    assert len(office.asked) == 2


@pytest.mark.parametrize("trouble", ["slow", "down", "error", "garbage"])
async def test_a_provider_in_trouble_is_unchecked_and_says_why(office: Office, trouble: str) -> None:
    office.answers = {"a": {"status": "green"}}
    async with httpx.AsyncClient() as client:
        one = provider(office, client)
        if trouble == "slow":
            office.delay_s = 0.6
        elif trouble == "down":
            office.shutdown()
            office.server_close()
        elif trouble == "error":
            office.status = 500
        else:
            office.raw = b'{"status": "purple"}'
        result = await one.ask("a")
        assert (result.standing, result.reason) == (Standing.UNCHECKED, Reason.PROVIDER_AWAY)
        assert one.problem
        assert "a" not in one.problem.split()


async def test_the_last_answer_holds_offline_where_the_policy_says_so(office: Office) -> None:
    office.answers = {"a": {"status": "green"}, "b": {"status": "red"}}
    clock = Clock()
    async with httpx.AsyncClient() as client:
        one = provider(office, client, clock=clock, offline="last-known", cache="1min", last_known_for="1h")
        await one.ask("a")
        await one.ask("b")
        office.status = 503
        clock.at_s = 1800
        assert (await one.ask("a")).figures["how"] == "last known"
        assert (await one.ask("b")).standing is Standing.FAILED
        clock.at_s = 3700
        assert (await one.ask("a")).standing is Standing.UNCHECKED


async def test_the_token_is_sent_and_read_anew(office: Office, tmp_path: Path) -> None:
    office.answers = {"a": {"status": "green"}}
    token = tmp_path / "token"
    token.write_text("first\n")
    async with httpx.AsyncClient() as client:
        one = provider(office, client, token=token, cache="1ms", clock=(clock := Clock()))
        await one.ask("a")
        token.write_text("second\n")
        clock.at_s = 1
        await one.ask("a")
        token.unlink()
        clock.at_s = 2
        assert (await one.ask("a")).reason is Reason.PROVIDER_AWAY
    assert [said for _, _, said in office.asked] == ["Bearer first", "Bearer second"]
