"""Whatever is asked about gates, by somebody who may do everything, with keys in place: the service answers."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.access import repository
from cloud.gate import issuing, service
from cloud.gate.domain import PassDraft, PersonDraft
from cloud.platform.database import transaction
from cloud.platform.security import hash_token
from tests.cloud.test_any_request import Operation, operations, requests
from tests.support.cloud import NOW
from tests.support.gate_town import GateTown
from wire.roll import CredentialKind, PersonKind

TOKEN = "t" * 43
PERSON, PASS = "garden", "start"  # ids that the requests know


@pytest.fixture
async def busy(gate_town: GateTown) -> GateTown:
    """A town with a gate, somebody with a card, and a pass."""
    gate = await gate_town.gate()
    await gate_town.tell(gate, roll_revision=5.0, door=1.0)
    actor = await gate_town.town.actor("boss")
    keys, garden = gate_town.keys, gate_town.garden
    async with transaction(gate_town.town.engine) as conn:
        draft = PersonDraft(kind=PersonKind.RESIDENT, name="张伟")
        await service.add_person(conn, actor, draft, community_id=garden, key=PERSON, keys=keys, now_ms=NOW)
        await service.add_credential(
            conn, actor, key=PERSON, kind=CredentialKind.CARD, value="1234", valid_until_ms=None, keys=keys, now_ms=NOW
        )
        visit = PassDraft(
            host=PERSON, name="李雷", valid_from_ms=NOW, valid_until_ms=NOW + 5000, gates=("edge-1/north",)
        )
        await issuing.issue(conn, actor, visit, community_id=garden, pass_id=PASS, keys=keys, now_ms=NOW)
        await service.add_agent(conn, actor, community_id=garden, agent="edge-1", token=TOKEN, now_ms=NOW)
    return gate_town


@pytest.fixture
async def client(busy: GateTown) -> AsyncIterator[AsyncClient]:
    async with busy.town.client() as client:
        yield client


@pytest.fixture
def known(busy: GateTown) -> list[Operation]:
    found = [one for one in operations(busy.town.app().openapi()) if one.path.startswith("/api/v1/gates")]
    assert len({(one.method, one.path) for one in found}) > 15
    return found


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_no_request_about_gates_makes_the_service_fail(
    busy: GateTown, client: AsyncClient, known: list[Operation], data: st.DataObject
) -> None:
    async with transaction(busy.town.engine) as conn:
        account_id = busy.town.accounts["boss"]
        await repository.end_sessions(conn, account_id)
        await repository.add_session(
            conn,
            token_hash=hash_token(TOKEN),
            account_id=account_id,
            address="",
            now_ms=NOW,
            expires_ms=NOW + 3_600_000,
        )
    method, url, body = data.draw(requests(known))
    headers = {"Authorization": f"Bearer {TOKEN}", **({} if body is None else {"Content-Type": "application/json"})}
    answer = await client.request(method, url, content=body, headers=headers)
    assert answer.status_code < 500, f"{method} {url} {body!r}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.json()["error"]["code"]
