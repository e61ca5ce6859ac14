"""Whatever is asked, by somebody who may do everything: the service answers, and never fails."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.access import repository
from cloud.platform.database import transaction
from cloud.platform.schema import ingest
from cloud.platform.security import hash_token
from tests.support.alarmed_pump import AlarmedPump
from tests.support.cloud import NOW, Town
from tests.support.cloud_world import Clock, World
from tests.support.pump_profile import pump_profile

Schema = dict[str, Any]

TOKEN = "t" * 43
EXAMPLES = 400
SKIPPED = {"get /metrics", "get /health"}
"""They are not below /api/v1."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, and what the document says it takes."""

    method: str
    path: str
    parameters: tuple[Schema, ...]
    body: Schema | None
    schemas: Schema


@pytest.fixture
async def busy(town: Town) -> Town:
    """A town with something of everything: an alarm with its order, a command, a journal, a quarantine."""
    await town.on_shift("technician")
    world = World(
        engine=town.engine, clock=Clock(NOW), folder=town.folder, community_id=0, operator_id=0, technician_id=0
    )
    pump = await AlarmedPump.born(world, pump_profile())
    await pump.fail(NOW)
    await town.device("pump-2", node="edge-2")
    async with transaction(town.engine) as conn:
        row = {"received_ms": NOW, "node_id": 1, "topic": "t", "payload": b"\xff", "metric": None, "reason": "bad"}
        await conn.execute(ingest.quarantine.insert().values(row))
        await conn.execute(ingest.journal.insert().values(node_id=1, journal_id="j1", watermark=9, updated_ms=NOW))
    return town


@pytest.fixture
async def client(busy: Town) -> AsyncIterator[AsyncClient]:
    async with busy.client() as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client


@pytest.fixture
def known(town: Town) -> list[Operation]:
    return operations(town.app().openapi())


def operations(document: dict[str, Any]) -> list[Operation]:
    found: list[Operation] = []
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            if f"{method} {path}" in SKIPPED:
                continue
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            operation = Operation(
                method=method.upper(),
                path=path,
                parameters=tuple(one.get("parameters", ())),
                body=body,
                schemas=document["components"]["schemas"],
            )
            # More often where more can be said.
            found += [operation] * (1 + len(operation.parameters) + (4 if body is not None else 0))
    return found


# Any character, also NUL and halves of characters, which JSON can say.
TEXTS = st.text(st.characters(), max_size=70)
NUMBERS = st.one_of(
    st.integers(0, 12), st.integers(-(2**70), 2**70), st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, NOW, 10**400])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.floats(), TEXTS)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


KNOWN_TEXTS = ("garden", "start", "set_pressure", "current", "viewer", "pumps", "A long password", pump_profile().hash)


def _integers(schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum", -(2**70)), schema.get("maximum", 2**70)
    usual = st.integers(max(low, 0), min(high, 3))
    return st.one_of(usual, usual, usual, st.integers(low, high), st.sampled_from([low, high, min(high, NOW + 5000)]))


def _texts(schema: Schema) -> st.SearchStrategy[Any]:
    text = st.text(st.characters(), max_size=schema.get("maxLength", 300))
    known = st.sampled_from(KNOWN_TEXTS)
    return st.one_of(known, known, text)


SIMPLE: dict[str, Callable[[Schema], st.SearchStrategy[Any]]] = {
    "integer": _integers,
    "number": lambda _: st.one_of(st.floats(0, 100), st.floats(), st.just(10**400)),
    "string": _texts,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}


def fitting(schema: Schema, schemas: Schema) -> st.SearchStrategy[Any]:
    """Give values that fit a schema, among them those at its very edge, and names of what is there."""
    schema = resolved(schema, schemas)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([fitting(one, schemas) for one in schema["anyOf"]])
    kind = schema["type"]
    if kind == "array":
        return st.lists(fitting(schema["items"], schemas), max_size=3)
    if kind == "object":
        fields = {name: fitting(one, schemas) for name, one in schema["properties"].items()}
        required = {name: one for name, one in fields.items() if name in schema.get("required", ())}
        optional = {name: one for name, one in fields.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    return SIMPLE[kind](schema)


def resolved(schema: Schema, schemas: Schema) -> Schema:
    found: Schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def nearly(schema: Schema, schemas: Schema) -> st.SearchStrategy[Any]:
    """Give what fits but for one place, or not at all."""
    schema = resolved(schema, schemas)
    broken = [ANYTHING]
    for name in schema["properties"]:
        part = st.fixed_dictionaries({name: ANYTHING})
        broken.append(st.tuples(fitting(schema, schemas), part).map(lambda pair: {**pair[0], **pair[1]}))
    more = st.dictionaries(TEXTS, ANYTHING, min_size=1, max_size=2)
    broken.append(st.tuples(fitting(schema, schemas), more).map(lambda pair: {**pair[0], **pair[1]}))
    return st.one_of(broken)


def text_of(value: object) -> str:
    """Write a value as it stands in a URL."""
    text = value if isinstance(value, str) else json.dumps(value)
    return quote(text, safe="", errors="surrogatepass")


@st.composite
def requests(draw: st.DrawFn, known: list[Operation]) -> tuple[str, str, bytes | None]:
    """Give a method, a URL and a body. In every third request one part does not fit."""
    operation = draw(st.sampled_from(known))
    asked = [one for one in operation.parameters if one["in"] == "path"]
    asked += [one for one in operation.parameters if one["in"] == "query" and draw(st.booleans())]
    parts = [one["name"] for one in asked] + (["body"] if operation.body is not None else [])
    odd = draw(st.sampled_from(parts)) if parts and draw(st.integers(0, 2)) == 0 else None
    url, query = operation.path, []
    for parameter in asked:
        name, schema = parameter["name"], parameter["schema"]
        value = text_of(draw(ANYTHING if name == odd else fitting(schema, operation.schemas)))
        if parameter["in"] == "path":
            url = url.replace(f"{{{name}}}", value)
        else:
            query.append(f"{name}={value}")
    if query:
        url = f"{url}?{'&'.join(query)}"
    if operation.body is None:
        return operation.method, url, None
    if odd != "body":
        return operation.method, url, json.dumps(draw(fitting(operation.body, operation.schemas))).encode()
    raw = st.one_of(st.binary(max_size=40), st.just(b"[" * 5000), st.just(b"1" * 5000))
    wrong = nearly(operation.body, operation.schemas).map(lambda body: json.dumps(body).encode())
    return operation.method, url, draw(st.one_of(wrong, wrong, raw))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_request_makes_the_service_fail(
    busy: Town, client: AsyncClient, known: list[Operation], data: st.DataObject
) -> None:
    await log_in(busy)
    method, url, body = data.draw(requests(known))
    answer = await client.request(
        method, url, content=body, headers={"Content-Type": "application/json"} if body is not None else {}
    )
    assert answer.status_code < 500, f"{method} {url} {body!r}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.json()["error"]["code"]


@pytest.mark.parametrize(
    "value", ["1" + "0" * 400, "NaN", "Infinity", "1e400", '"\\ud800"', '"\\u0000"', "-" + "9" * 30]
)
@pytest.mark.parametrize(("device", "name"), [(1, "start"), (2, "set_pressure")])
async def test_a_value_that_nothing_can_hold_is_refused(
    busy: Town, client: AsyncClient, value: str, device: int, name: str
) -> None:
    await log_in(busy)
    answer = await client.post(
        f"/api/v1/devices/{device}/commands",
        content=f'{{"name": "{name}", "value": {value}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422, answer.text


async def log_in(town: Town) -> None:
    """Give the administrator a session again, whatever the requests before did to it."""
    async with transaction(town.engine) as conn:
        account_id = town.accounts["boss"]
        await repository.change_account(conn, account_id, active=True)
        await repository.end_sessions(conn, account_id)
        await repository.add_session(
            conn,
            token_hash=hash_token(TOKEN),
            account_id=account_id,
            address="",
            now_ms=NOW,
            expires_ms=NOW + 3_600_000,
        )
