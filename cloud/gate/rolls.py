"""Revisions of who may pass, and the signed roll or delta that an agent pulls."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.access.domain import Visible
from cloud.gate import repository
from cloud.gate import roll_repository as rolls
from cloud.gate.domain import (
    CHANGES_KEPT_MS,
    WHOLE_EVERY_MS,
    ChangeKind,
    changed,
    next_revision,
    read_demands,
    read_hours,
    read_texts,
)
from cloud.gate.keys import GateKeys, KeyFile
from cloud.platform.database import reading, transaction
from cloud.platform.errors import TooMany, Unauthenticated
from cloud.platform.security import hash_token
from wire.roll import Credential, CredentialKind, GateRule, Person, PersonKind, Roll, RollDelta
from wire.roll_codec import encode_delta, encode_roll

_NOTE_EVERY_MS = 60_000
"""How often it is noted that an agent pulled and had nothing to get."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """The answer to an agent: signed bytes."""

    data: bytes
    revision: int
    whole: bool


def sealed_of(person_key: str, kind: str) -> str:
    """Name the row that an encrypted text belongs to."""
    return f"{person_key}/{kind}"


async def move_on(
    conn: AsyncConnection, community_id: int, changes: Sequence[tuple[ChangeKind, str]], now_ms: int
) -> int:
    """Make a revision of what was changed in this unit of work, and give it."""
    before = await rolls.revision_of(conn, community_id)
    revision = next_revision(before, now_ms)
    await rolls.put_revision(conn, community_id, revision, changes, new=before is None)
    await rolls.forget_changes(conn, community_id, now_ms - CHANGES_KEPT_MS)
    return revision


async def pull(engine: AsyncEngine, keys: KeyFile, *, token: str, since: int | None, now_ms: int) -> Pulled:
    """Answer an agent that holds the revision `since`: what changed, or everything when that is not known.

    Unauthenticated for a token that is nobody's, TooMany when it asks for everything again and again, NoKeys.
    """
    known = keys.get()
    async with reading(engine) as conn:
        agent = await rolls.agent_by_token(conn, hash_token(token))
        if agent is None:
            raise Unauthenticated("this is not the token of an agent", code="no_agent")
        community_id = agent["community_id"]
        revision = await rolls.revision_of(conn, community_id)
        led = since is not None and revision is not None and since <= revision
        led = led and (since == revision or await rolls.knows_revision(conn, community_id, since or 0))
    if not led:
        _limit(agent, now_ms)
    if revision is None or (since is not None and since > revision):
        # The first pull of all, or a gate that holds more than we know, because this database was restored: with a
        # revision of now it gets the whole roll as it is, which is new to it.
        revision = await _begin(engine, community_id, now_ms)
    async with reading(engine) as conn:
        change = (
            await _delta(conn, agent, known, base=since, revision=revision, now_ms=now_ms)
            if led and since is not None
            else await _roll(conn, agent, known, revision=revision, now_ms=now_ms)
        )
    if agent["held"] != since or not led or (agent["pulled_ms"] or 0) < now_ms - _NOTE_EVERY_MS:
        noted = {"pulled_ms": now_ms, "held": since, **({} if led else {"whole_ms": now_ms})}
        async with transaction(engine) as conn:
            await rolls.change_agent(conn, agent["id"], **noted)
    # Signing is quick; writing a hundred thousand people is not.
    if isinstance(change, Roll):
        data = await asyncio.to_thread(encode_roll, change, known.active)
    else:
        data = await asyncio.to_thread(encode_delta, change, known.active)
    return Pulled(data=data, revision=change.revision, whole=isinstance(change, Roll))


def _limit(agent: RowMapping, now_ms: int) -> None:
    wait_ms = (agent["whole_ms"] or 0) + WHOLE_EVERY_MS - now_ms
    if 0 < wait_ms <= WHOLE_EVERY_MS:
        wait_s = -(-wait_ms // 1000)
        raise TooMany("the whole roll was given a moment ago", details={"retry_after_s": wait_s})


async def _begin(engine: AsyncEngine, community_id: int, now_ms: int) -> int:
    async with transaction(engine) as conn:
        return await move_on(conn, community_id, [(ChangeKind.START, "")], now_ms)


async def _roll(conn: AsyncConnection, agent: RowMapping, keys: GateKeys, *, revision: int, now_ms: int) -> Roll:
    community_id = agent["community_id"]
    people, credentials = await _people(conn, community_id, keys, None)
    return Roll(
        community=agent["code"],
        revision=await rolls.revision_of(conn, community_id) or revision,
        issued_ms=now_ms,
        people=people,
        credentials=credentials,
        rules=await _rules(conn, community_id),
        revoked=tuple(await repository.revoked_passes(conn, community_id, now_ms=now_ms)),
    )


async def _delta(
    conn: AsyncConnection, agent: RowMapping, keys: GateKeys, *, base: int, revision: int, now_ms: int
) -> RollDelta:
    community_id = agent["community_id"]
    # As of this view: more may have changed since the agent's token was looked at.
    revision = await rolls.revision_of(conn, community_id) or revision
    changes = await rolls.changes_since(conn, community_id, base)
    touched = changed(changes, ChangeKind.PERSON)
    revoked = changed(changes, ChangeKind.PASS)
    people, credentials = await _people(conn, community_id, keys, touched) if touched else ((), ())
    there = {one.id for one in people}
    rules_changed = bool(changed(changes, ChangeKind.RULE))
    return RollDelta(
        community=agent["code"],
        base=base,
        revision=revision,
        issued_ms=now_ms,
        people=people,
        credentials=credentials,
        gone=tuple(one for one in touched if one not in there),
        rules=await _rules(conn, community_id) if rules_changed else None,
        revoked=tuple(await repository.revoked_passes(conn, community_id, now_ms=now_ms, ids=revoked))
        if revoked
        else (),
    )


async def _people(
    conn: AsyncConnection, community_id: int, keys: GateKeys, chosen: Collection[str] | None
) -> tuple[tuple[Person, ...], tuple[Credential, ...]]:
    rows = await repository.people_of(conn, community_id, chosen)
    held = await repository.credentials_of(conn, [row["id"] for row in rows])
    return await asyncio.to_thread(_opened, rows, held, keys)


def _opened(
    rows: Sequence[RowMapping], held: dict[int, list[RowMapping]], keys: GateKeys
) -> tuple[tuple[Person, ...], tuple[Credential, ...]]:
    people: list[Person] = []
    credentials: list[Credential] = []
    for row in rows:
        people.append(person_of(row, keys))
        credentials += (
            Credential(
                kind=CredentialKind(one["kind"]),
                value=keys.open(one["sealed"], of=sealed_of(row["key"], one["kind"])),
                person=row["key"],
                valid_until_ms=one["valid_until_ms"],
            )
            for one in held.get(row["id"], ())
        )
    return tuple(people), tuple(credentials)


def person_of(row: RowMapping, keys: GateKeys) -> Person:
    """Give somebody as gates know them."""
    sealed = row["health_sealed"]
    return Person(
        id=row["key"],
        kind=PersonKind(row["kind"]),
        name=row["name"],
        areas=read_texts(row["areas"]),
        hours=read_hours(row["hours"]),
        valid_from_ms=row["valid_from_ms"],
        valid_until_ms=row["valid_until_ms"],
        blocked=row["blocked"],
        health_id=None if sealed is None else keys.open(sealed, of=sealed_of(row["key"], "health")),
        face=row["face"],
        minor=row["minor"],
    )


async def _rules(conn: AsyncConnection, community_id: int) -> tuple[GateRule, ...]:
    only = Visible(communities=frozenset({community_id}))
    return tuple(
        GateRule(gate=row["gate"], demands=read_demands(row["demands"]))
        for row in await repository.list_rules(conn, only, community_id)
    )
