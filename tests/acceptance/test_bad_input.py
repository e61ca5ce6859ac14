"""The whole product and everything that can be wrong with what it is told: an answer in words, and nothing else lost.

One demonstration serves all tests of this file, in their order; the last one asks whether it still lost nothing.
"""

import asyncio
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import pytest_asyncio

from simulators.control import tell as tell_simulator
from simulators.demo.api import Api
from simulators.demo.layout import AGENT, COMMUNITY, LOGIN, Layout, ensure_password, free_ports
from simulators.demo.proof import agent_figures, drained, settle
from simulators.demo.stack import DEVICES, Stack, running, until_born, until_healthy
from simulators.witness import read_writes, witness_files
from tests.support.intruder import Intruder, intruding
from wire.datatypes import DataType
from wire.payload import Metric
from wire.topic import MessageType

pytestmark = [pytest.mark.system, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

T = TypeVar("T")
PATIENCE_S = 30.0
OUT_OF_RANGE = "pump-4"
EXPIRED_S = 16.0
LIMIT_ALARM_S = 20.0
"""Longer than the on-delay of the high pressure, which a value out of its range must not raise."""
RIVAL = """
schema = 1
[[companies]]
name = "Rival"
[[companies.projects]]
name = "West"
[[companies.projects.communities]]
code = "moon-court"
label = { zh = "月苑", en = "Moon Court" }
time_zone = "Asia/Shanghai"
buildings = []
[[accounts]]
login = "rival"
name = "Rival"
password_file = "secrets/rival.password"
roles = [{ role = "admin", scope = "company", of = "Rival" }, { role = "operator", scope = "company", of = "Rival" }]
"""


@dataclass(kw_only=True)
class Town:
    """The running demonstration, the duty manager's session, and an intruder at the broker."""

    stack: Stack
    api: Api
    devices: dict[str, int]
    intruder: Intruder
    since_ms: int
    first_token: str
    began: float
    absent_ms: list[tuple[float, float]] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        return self.stack.layout

    async def call(
        self, method: str, path: str, *, token: str | None = None, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self.stack.url, trust_env=False, timeout=15) as client:
            return await client.request(method, f"/api/v1{path}", headers=headers, json=body)

    async def token_of(self, login: str) -> str:
        body = {"login": login, "password": ensure_password(self.layout, login)}
        return str((await self.call("POST", "/login", body=body)).json()["token"])

    async def metric(self, process: str, pattern: str) -> float:
        port = getattr(self.stack.ports, process)
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        return sum(float(one) for one in re.findall(rf"^{pattern}(?:{{.*}})? ([0-9.e+-]+)$", text, flags=re.MULTILINE))

    async def forged(self, device: str, metric: Metric, *, words: str) -> dict[str, Any]:
        """Forge a metric until it came in its turn: the agent itself may have been quicker with that number."""
        for _ in range(20):
            await self.intruder.forge(device, metric)
            await asyncio.sleep(1)
            if found := await self.find_quarantined(device, words=words):
                return found
        pytest.fail(f"{device}: {words}")

    async def find_quarantined(self, device: str, *, words: str) -> dict[str, Any] | None:
        items = (await self.api.get("/quarantine"))["items"]
        about = (one for one in items if one["topic"].endswith(f"/{device}"))
        return next((one for one in about if words in one["reason"]), None)

    async def quarantined(self, device: str, *, words: str) -> dict[str, Any]:
        """Wait until an entry about a device says these words."""

        return await eventually(partial(self.find_quarantined, device, words=words), f"{device}: {words}")

    async def until_old(self, seconds: float) -> None:
        """Wait until so much has passed since the beginning."""
        await asyncio.sleep(max(0.0, self.began + seconds - time.monotonic()))

    def writes(self, device: str) -> list[tuple[str, Any]]:
        _, _, file = witness_files(self.layout.simulators, device)
        return [(one.point, one.value) for one in read_writes(file)]


async def eventually(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await look()):
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    since_ms = int(time.time() * 1000)
    layout = Layout(data=tmp_path_factory.mktemp("bad-input") / "demo")
    async with running(layout, free_ports(random=True), tell=lambda _: None) as stack, Api(stack.url) as api:
        await api.login(LOGIN, stack.password)
        devices = await until_born(stack, api)
        async with intruding(stack) as intruder:
            # Both of these need time, which passes while the tests before theirs run.
            await asyncio.to_thread(tell_simulator, layout.simulators, OUT_OF_RANGE, "fault", "out-of-range")
            yield Town(
                stack=stack,
                api=api,
                devices=devices,
                intruder=intruder,
                since_ms=since_ms,
                first_token=intruder.token,
                began=time.monotonic(),
            )


def linli(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linli", *words], capture_output=True, text=True, check=False, timeout=60, **options
    )


# ---- from the broker


async def test_bytes_that_are_no_payload_are_kept_and_counted(town: Town) -> None:
    before = await town.metric("ingest", "linli_ingest_quarantined_total")
    await town.intruder.raw(MessageType.DDATA, "pump-1", b"\xff\xfenot a payload")
    entry = await town.quarantined("pump-1", words="payload")
    assert entry["payload"] == "//5ub3QgYSBwYXlsb2Fk"
    assert await town.metric("ingest", "linli_ingest_quarantined_total") > before


async def test_a_metric_that_is_not_in_the_birth_is_quarantined(town: Town) -> None:
    metric = Metric(name="rumours", datatype=DataType.DOUBLE, value=1.0, timestamp_ms=int(time.time() * 1000))
    entry = await town.forged("pump-2", metric, words="birth")
    assert entry["metric"] == "rumours"


async def test_a_device_that_is_not_in_the_birth_is_quarantined(town: Town) -> None:
    metric = Metric(name="flow", datatype=DataType.DOUBLE, value=1.0, timestamp_ms=int(time.time() * 1000))
    await town.forged("pump-99", metric, words="birth")
    assert "pump-99" not in {one["name"] for one in (await town.api.get("/devices"))["items"]}


async def test_a_value_of_the_wrong_type_is_quarantined_and_never_stored(town: Town) -> None:
    await town.intruder.ask_rebirth()
    metric = Metric(
        alias=town.intruder.aliases["pump-3"]["flow"],
        datatype=DataType.STRING,
        value="a lot",
        timestamp_ms=int(time.time() * 1000),
    )
    entry = await town.forged("pump-3", metric, words="born as DOUBLE, the data says STRING")
    assert entry["metric"] == "flow"


async def test_an_unreadable_command_is_counted_by_the_agent(town: Town) -> None:
    before = await town.metric("agent", "linli_edge_commands_malformed_total")
    await town.intruder.as_cloud.publish(f"spBv1.0/{COMMUNITY}/DCMD/{AGENT}/pump-1", b"\x00\x01", qos=1)

    async def counted() -> bool:
        return await town.metric("agent", "linli_edge_commands_malformed_total") > before

    await eventually(counted, "the agent counted it")


# ---- people


async def test_a_wrong_password_and_an_expired_session_are_refused_in_words(town: Town) -> None:
    wrong = await town.call("POST", "/login", body={"login": LOGIN, "password": "wrong"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "wrong_password")
    token = await town.token_of("li")
    with closing(sqlite3.connect(town.layout.data / "linli.db", timeout=10)) as connection, connection:
        connection.execute(
            "UPDATE session SET expires_ms = ? WHERE account_id = (SELECT id FROM account WHERE login = 'li')",
            (int(time.time() * 1000) - 1,),
        )
    expired = await town.call("GET", "/me", token=token)
    assert expired.status_code == 401
    assert "expired" in expired.text
    assert (await town.call("GET", "/me", token="rubbish")).status_code == 401


async def test_a_setpoint_beyond_its_limits_is_refused_with_the_limits(town: Town) -> None:
    body = {"name": "set_pressure", "value": 4000.0}
    answer = await town.call(
        "POST", f"/devices/{town.devices['pump-1']}/commands", token=await town.token_of(LOGIN), body=body
    )
    assert answer.status_code == 422
    assert "20 to 60 %" in answer.json()["error"]["message"]


async def test_a_technician_may_not_command_and_the_attempt_is_audited(town: Town) -> None:
    body = {"name": "set_pressure", "value": 40.0}
    device = town.devices["pump-1"]
    token = await town.token_of("wang")
    answer = await town.call("POST", f"/devices/{device}/commands", token=token, body=body)
    assert answer.status_code == 403
    entries = (await town.api.get("/audit"))["items"]
    assert any("wang" in one["actor"] and one["outcome"] == "denied" for one in entries)


async def test_nobody_sees_or_touches_what_belongs_to_another_company(town: Town) -> None:
    ensure_password(town.layout, "rival")
    file = town.layout.data / "rival.toml"
    file.write_text(RIVAL, encoding="utf-8")
    made = await asyncio.to_thread(linli, "cloud", "provision", str(file), "--config", str(town.layout.cloud))
    assert made.returncode == 0, made.stderr
    token = await town.token_of("rival")
    device = town.devices["pump-1"]
    for path in ("/devices", "/alarms?state=all", "/work-orders?state=all", "/quarantine", "/journals", "/profiles"):
        answer = await town.call("GET", path, token=token)
        assert (answer.status_code, answer.json()["items"]) == (200, []), path
    for path in (f"/devices/{device}", f"/devices/{device}/series?point=flow", f"/devices/{device}/commands"):
        assert (await town.call("GET", path, token=token)).status_code in {403, 404}, path
    body = {"name": "set_pressure", "value": 40.0}
    answer = await town.call("POST", f"/devices/{device}/commands", token=token, body=body)
    assert answer.status_code in {403, 404}
    seen = (await town.call("GET", "/audit", token=token)).json()["items"]
    assert all("rival" in one["actor"] for one in seen)


# ---- configuration


@pytest.mark.parametrize(("name", "area"), [("site.toml", "edge"), ("cloud.toml", "cloud")])
async def test_a_half_written_file_is_refused_with_its_place(town: Town, tmp_path: Path, name: str, area: str) -> None:
    lines = (town.layout.data / name).read_text(encoding="utf-8").splitlines()
    cut = next(number for number, line in enumerate(lines) if line.startswith("host = "))
    half = tmp_path / name
    half.write_text("\n".join([*lines[:cut], 'host = "127.0']), encoding="utf-8")
    result = await asyncio.to_thread(linli, area, "check-config", str(half))
    assert result.returncode == 1
    assert str(half) in result.stderr
    assert f"line {cut + 1}" in result.stderr or f":{cut + 1}" in result.stderr, result.stderr
    assert "Traceback" not in result.stderr


# ---- commands


async def test_an_expired_and_an_invented_token_are_refused_and_nothing_is_written(town: Town) -> None:
    before = town.writes("pump-1")
    invented = await town.intruder.command("pump-1", "set_pressure", 30.0, token="0" * 32)
    assert await town.intruder.outcome(invented) == ["refused"]
    await town.until_old(EXPIRED_S)
    expired = await town.intruder.command("pump-1", "set_pressure", 30.0, token=town.first_token)
    assert await town.intruder.outcome(expired) == ["refused"]
    assert town.writes("pump-1") == before


async def test_a_repeated_command_is_executed_once(town: Town) -> None:
    before = len(town.writes("pump-2"))
    first = await town.intruder.command("pump-2", "set_pressure", 41.0, token=town.intruder.token)
    await town.intruder.outcome(first)
    await town.intruder.command("pump-2", "set_pressure", 41.0, token=town.intruder.token, command_id=first)
    assert set(await town.intruder.outcome(first, times=2)) == {"done"}
    assert len(town.writes("pump-2")) == before + 1


# ---- from the device


async def test_a_value_out_of_its_range_is_bad_and_raises_no_limit_alarm(town: Town) -> None:
    device = town.devices[OUT_OF_RANGE]

    async def bad() -> dict[str, Any] | None:
        values = (await town.api.get(f"/devices/{device}"))["values"]
        found = next(one for one in values if one["point"] == "discharge_pressure")
        return found if found["quality"] == "bad" else None

    value = await eventually(bad, "the pressure is BAD")
    assert value["value"] < 25  # the last known one stays
    await town.until_old(LIMIT_ALARM_S)
    assert (await town.api.get("/alarms", state="all", device_id=device))["items"] == []
    await asyncio.to_thread(tell_simulator, town.layout.simulators, OUT_OF_RANGE, "clear")


# ---- the broker refuses


async def test_an_agent_that_the_broker_refuses_says_so_and_goes_on_reading(town: Town) -> None:
    secret = town.layout.broker / "secrets" / f"{AGENT}.password"
    right = secret.read_text()
    secret.write_text("wrong\n")
    stopping_ms = time.time() * 1000
    child = town.stack.agent
    await town.stack.children.stop(child)
    town.absent_ms.append((stopping_ms - 1500, time.time() * 1000))
    await town.stack.children.start_again(child)

    async def refused() -> str | None:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                report = (await client.get(f"http://127.0.0.1:{town.stack.ports.agent}/health")).json()
        except httpx.HTTPError:
            return None
        texts = [check["detail"] for check in report["checks"].values()]
        return next((text for text in texts if "refuse" in text), None)

    assert "password_file" in await eventually(refused, "the agent says that it is refused")
    first = (await agent_figures(town.stack))["linli_edge_records_journalled_total"]

    async def goes_on() -> bool:
        return (await agent_figures(town.stack))["linli_edge_records_journalled_total"] > first + 10

    await eventually(goes_on, "the agent reads on")
    secret.write_text(right)
    await until_healthy(town.stack, "agent")


# ---- and nothing else was lost


async def test_nothing_else_was_lost_doubled_or_raised(town: Town) -> None:
    stopped_ms = time.time() * 1000
    for simulator in town.stack.simulators:
        await town.stack.children.stop(simulator)
    assert await drained(town.stack)
    findings = settle(
        town.stack,
        town.devices,
        since_ms=town.since_ms,
        born_ms=town.since_ms,
        stopped_ms=stopped_ms,
        seen={},
        agent_absent_ms=town.absent_ms,
    )
    assert findings.lost == []
    assert findings.duplicated == []
    assert (await town.api.get("/alarms", state="all"))["items"] == []
    assert set(DEVICES) == {one["name"] for one in (await town.api.get("/devices"))["items"]}
    logs = {file.name: file.read_text(errors="replace") for file in town.layout.logs.glob("*.log")}
    assert [name for name, text in logs.items() if "Traceback" in text] == []
    secrets = [*town.layout.secrets.glob("*.password"), *(town.layout.broker / "secrets").glob("*.password")]
    for secret in secrets:
        word = secret.read_text().strip()
        assert [name for name, text in logs.items() if word in text] == [], secret.name
