"""What is done with the people who may pass: kept, blocked, given cards and PINs; agents' tokens.

Every change is authorised, audited (without names or numbers) and makes a revision that gates pull.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission, Where
from cloud.access.service import authorise
from cloud.gate import repository
from cloud.gate import roll_repository as rolls
from cloud.gate.domain import (
    LARGEST_ROLL,
    MOST_CREDENTIALS,
    ChangeKind,
    NotAccepted,
    PersonDraft,
    check_person,
    hint_of,
    normal_credential,
    write_hours,
    write_texts,
)
from cloud.gate.keys import GateKeys
from cloud.gate.rolls import move_on, sealed_of
from cloud.platform.errors import Conflict, Forbidden, Invalid, NotFound
from cloud.platform.security import hash_token
from wire.roll import CredentialKind
from wire.topic import check_name


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """Somebody with what they show (never the numbers)."""

    row: RowMapping
    credentials: Sequence[RowMapping] = field(default_factory=tuple)


async def list_people(
    conn: AsyncConnection,
    actor: Actor,
    *,
    community_id: int | None = None,
    text: str | None = None,
    blocked: bool | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[Listed]:
    """List who may pass where the actor manages gates. Forbidden without that permission anywhere."""
    need(actor, Permission.MANAGE_GATES)
    rows = await repository.list_people(
        conn,
        actor.visible(Permission.MANAGE_GATES),
        community_id=community_id,
        text=text,
        blocked=blocked,
        after_id=after_id,
        limit=limit,
    )
    held = await repository.credentials_of(conn, [row["id"] for row in rows])
    return [Listed(row=row, credentials=held.get(row["id"], [])) for row in rows]


async def names_of(conn: AsyncConnection, actor: Actor, keys: Collection[str]) -> dict[str, str]:
    """Give the names behind ids, as far as the actor manages the gates of their communities."""
    found: dict[str, str] = {}
    for community_id in sorted(actor.visible(Permission.MANAGE_GATES).communities) if keys else ():
        found |= {row["key"]: row["name"] for row in await repository.people_of(conn, community_id, keys)}
    return found


async def get_person(conn: AsyncConnection, actor: Actor, key: str) -> Listed:
    """Give one of them; NotFound."""
    row = await _person(conn, actor, key)
    return Listed(row=row, credentials=(await repository.credentials_of(conn, [row["id"]])).get(row["id"], []))


async def add_person(
    conn: AsyncConnection, actor: Actor, draft: PersonDraft, *, community_id: int, key: str, keys: GateKeys, now_ms: int
) -> str:
    """Put somebody on the list under `key`, and give it. NotFound, Forbidden, Invalid."""
    await check_community(conn, actor, community_id)
    await manage(
        conn,
        actor,
        community_id,
        "gate.person.add",
        of=f"gate_person:{key}",
        now_ms=now_ms,
        kind=draft.kind.value,
        unit=draft.unit,
        blocked=draft.blocked,
    )
    if await repository.count_people(conn, community_id) >= LARGEST_ROLL:
        raise Conflict(f"a community's list has at most {LARGEST_ROLL} people")
    values = {**_columns(draft), "health_sealed": _health(draft, key, keys, None)}
    await repository.add_person(
        conn, key=key, community_id=community_id, created_ms=now_ms, changed_ms=now_ms, **values
    )
    await move_on(conn, community_id, [(ChangeKind.PERSON, key)], now_ms)
    return key


async def change_person(
    conn: AsyncConnection, actor: Actor, draft: PersonDraft, *, key: str, keys: GateKeys, now_ms: int
) -> None:
    """Replace what is kept of somebody. Who is blocked now loses the passes that they issued."""
    row = await _person(conn, actor, key)
    await manage(
        conn,
        actor,
        row["community_id"],
        "gate.person.change",
        of=f"gate_person:{key}",
        now_ms=now_ms,
        kind=draft.kind.value,
        unit=draft.unit,
        blocked=draft.blocked,
        reason=draft.block_reason,
    )
    sealed = _health(draft, key, keys, row["health_sealed"])
    await repository.change_person(conn, row["id"], **_columns(draft), health_sealed=sealed, changed_ms=now_ms)
    changes = [(ChangeKind.PERSON, key)]
    if draft.blocked:
        changes += await _revoke_all(conn, key, now_ms)
    await move_on(conn, row["community_id"], changes, now_ms)


async def remove_person(conn: AsyncConnection, actor: Actor, *, key: str, now_ms: int) -> None:
    """Take somebody off the list, with cards, PINs and passes; gates erase their face when they pull."""
    row = await _person(conn, actor, key)
    await manage(
        conn,
        actor,
        row["community_id"],
        "gate.person.remove",
        of=f"gate_person:{key}",
        now_ms=now_ms,
        kind=row["kind"],
        unit=row["unit"],
    )
    changes = [(ChangeKind.PERSON, key), *await _revoke_all(conn, key, now_ms)]
    await repository.remove_person(conn, row["id"])
    await move_on(conn, row["community_id"], changes, now_ms)


async def add_credential(
    conn: AsyncConnection,
    actor: Actor,
    *,
    key: str,
    kind: CredentialKind,
    value: str,
    valid_until_ms: int | None,
    keys: GateKeys,
    now_ms: int,
) -> int:
    """Give somebody a card, or a PIN in place of the one that they had; it is never shown again.

    Conflict when somebody of the community has it.
    """
    row = await _person(conn, actor, key)
    await manage(
        conn,
        actor,
        row["community_id"],
        "gate.credential.add",
        of=f"gate_person:{key}",
        now_ms=now_ms,
        kind=kind.value,
        valid_until_ms=valid_until_ms,
    )
    try:
        number = normal_credential(kind, value)
    except NotAccepted as error:
        raise Invalid(str(error), code="bad_credential") from error
    community_id = row["community_id"]
    tag = keys.tag(str(community_id), kind.value, number)
    if await repository.holder_of(conn, community_id, kind.value, tag) is not None:
        raise Conflict(f"this {kind.value} is somebody's already", code="credential_taken", remedy="choose another")
    if kind is CredentialKind.PIN:
        await repository.remove_pins(conn, row["id"])
    if len((await repository.credentials_of(conn, [row["id"]])).get(row["id"], [])) >= MOST_CREDENTIALS:
        raise Conflict(f"somebody has at most {MOST_CREDENTIALS} cards and PINs", code="credentials_full")
    made = await repository.add_credential(
        conn,
        person_id=row["id"],
        community_id=community_id,
        kind=kind.value,
        sealed=keys.seal(number, of=sealed_of(key, kind.value)),
        tag=tag,
        hint=hint_of(kind, number),
        valid_until_ms=valid_until_ms,
        created_ms=now_ms,
    )
    await move_on(conn, community_id, [(ChangeKind.PERSON, key)], now_ms)
    return made


async def remove_credential(conn: AsyncConnection, actor: Actor, *, key: str, credential_id: int, now_ms: int) -> None:
    """Take a card or a PIN away; NotFound."""
    row = await _person(conn, actor, key)
    await manage(
        conn,
        actor,
        row["community_id"],
        "gate.credential.remove",
        of=f"gate_person:{key}",
        now_ms=now_ms,
        credential=credential_id,
    )
    if not await repository.remove_credential(conn, row["id"], credential_id):
        raise NotFound(f"there is no card or PIN {credential_id} of theirs")
    await move_on(conn, row["community_id"], [(ChangeKind.PERSON, key)], now_ms)


async def list_agents(conn: AsyncConnection, actor: Actor, community_id: int | None = None) -> list[RowMapping]:
    """List the agents that pull lists, where the actor manages gates."""
    need(actor, Permission.MANAGE_GATES)
    return await rolls.list_agents(conn, actor.visible(Permission.MANAGE_GATES), community_id)


async def add_agent(
    conn: AsyncConnection, actor: Actor, *, community_id: int, agent: str, token: str, now_ms: int
) -> int:
    """Let an agent pull the list of its community by a token, in place of the one that it had."""
    await check_community(conn, actor, community_id)
    try:
        check_name(agent)
    except ValueError as error:
        raise Invalid(str(error)) from error
    await manage(conn, actor, community_id, "gate.agent.add", of=f"agent:{agent}", now_ms=now_ms)
    return await rolls.put_agent(conn, community_id, agent, hash_token(token), now_ms)


async def remove_agent(conn: AsyncConnection, actor: Actor, *, agent_id: int, now_ms: int) -> None:
    """Take an agent's token away; NotFound."""
    row = await rolls.get_agent(conn, agent_id)
    if row is None or not actor.may(Permission.VIEW, _where(row)):
        raise NotFound(f"there is no agent {agent_id}")
    await manage(conn, actor, row["community_id"], "gate.agent.remove", of=f"agent:{row['agent']}", now_ms=now_ms)
    await rolls.remove_agent(conn, agent_id)


def need(actor: Actor, permission: Permission) -> None:
    """Forbidden when the actor has the permission nowhere: what is asked for are personal data."""
    if not actor.may_anywhere(permission):
        raise Forbidden(f"this needs the permission `{permission}`", details={"permission": permission.value})


async def manage(
    conn: AsyncConnection, actor: Actor, community_id: int, deed: str, *, of: str, now_ms: int, **detail: object
) -> None:
    """Let a change of a community's gates pass and audit it; Forbidden when the actor does not manage them."""
    where = Where(community_id=community_id)
    permission = Permission.MANAGE_GATES
    await authorise(conn, actor, permission, where, action=deed, subject=of, now_ms=now_ms, detail=detail)


def _where(row: RowMapping) -> Where:
    return Where(community_id=row["community_id"])


async def _person(conn: AsyncConnection, actor: Actor, key: str) -> RowMapping:
    row = await repository.get_person(conn, key)
    if row is None or not actor.may(Permission.VIEW, _where(row)):
        raise NotFound(f"there is nobody with the id {key}")
    if not actor.may(Permission.MANAGE_GATES, _where(row)):
        raise Forbidden("this needs the permission `manage_gates`", details={"permission": "manage_gates"})
    return row


async def check_community(conn: AsyncConnection, actor: Actor, community_id: int) -> None:
    """NotFound when the actor sees no community of this id."""
    known = await repository.community_code(conn, community_id)
    if known is None or not actor.may(Permission.VIEW, Where(community_id=community_id)):
        raise NotFound(f"there is no community {community_id}")


def _columns(draft: PersonDraft) -> dict[str, object]:
    try:
        checked = check_person(draft)
    except NotAccepted as error:
        raise Invalid(str(error)) from error
    return {
        "kind": checked.kind.value,
        "name": checked.name.strip(),
        "unit": checked.unit.strip(),
        "areas": write_texts(checked.areas),
        "hours": write_hours(checked.hours),
        "valid_from_ms": checked.valid_from_ms,
        "valid_until_ms": checked.valid_until_ms,
        "blocked": checked.blocked,
        "block_reason": checked.block_reason.strip() if checked.blocked else "",
        "face": checked.face,
        "minor": checked.minor,
    }


def _health(draft: PersonDraft, key: str, keys: GateKeys, before: str | None) -> str | None:
    """Give the sealed health id: as it was without one, none for an empty one."""
    if draft.health_id is None:
        return before
    said = draft.health_id.strip()
    return keys.seal(said, of=sealed_of(key, "health")) if said else None


async def _revoke_all(conn: AsyncConnection, host: str, now_ms: int) -> list[tuple[ChangeKind, str]]:
    passes = await repository.open_passes_of(conn, host, now_ms)
    for one in passes:
        await repository.revoke_pass(conn, one, now_ms)
    return [(ChangeKind.PASS, one) for one in passes]
