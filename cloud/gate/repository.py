"""All SQL of who may pass: people, what they show, passes, rules."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import RowMapping, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Visible
from cloud.access.repository import visible_clause
from cloud.access.tables import account
from cloud.assets.tables import community
from cloud.gate.tables import gate_credential, gate_pass, gate_person, gate_rule
from wire.roll import CredentialKind

Item = TypeVar("Item")


async def community_code(conn: AsyncConnection, community_id: int) -> str | None:
    """Give the code of a community; None when there is none."""
    return await conn.scalar(select(community.c.code).where(community.c.id == community_id))


# --- people


async def add_person(conn: AsyncConnection, **values: object) -> int:
    """Insert somebody and give their id."""
    return int((await conn.execute(insert(gate_person).values(**values).returning(gate_person.c.id))).scalar_one())


async def change_person(conn: AsyncConnection, person_id: int, **values: object) -> None:
    """Change columns of somebody."""
    await conn.execute(update(gate_person).where(gate_person.c.id == person_id).values(**values))


async def remove_person(conn: AsyncConnection, person_id: int) -> None:
    """Delete somebody with everything that they show."""
    await conn.execute(delete(gate_credential).where(gate_credential.c.person_id == person_id))
    await conn.execute(delete(gate_person).where(gate_person.c.id == person_id))


async def get_person(conn: AsyncConnection, key: str) -> RowMapping | None:
    """Find somebody by their key."""
    return (await conn.execute(select(gate_person).where(gate_person.c.key == key))).mappings().first()


async def count_people(conn: AsyncConnection, community_id: int) -> int:
    """Count the people of a community."""
    query = select(func.count()).select_from(gate_person).where(gate_person.c.community_id == community_id)
    return int((await conn.execute(query)).scalar_one())


async def list_people(
    conn: AsyncConnection,
    visible: Visible,
    *,
    community_id: int | None = None,
    text: str | None = None,
    blocked: bool | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[RowMapping]:
    """List people by id."""
    query = select(gate_person).where(visible_clause(gate_person, visible), gate_person.c.id > after_id)
    if community_id is not None:
        query = query.where(gate_person.c.community_id == community_id)
    if text:
        columns = (gate_person.c.name, gate_person.c.unit, gate_person.c.key)
        query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if blocked is not None:
        query = query.where(gate_person.c.blocked.is_(blocked))
    return list((await conn.execute(query.order_by(gate_person.c.id).limit(limit))).mappings())


async def areas_of(conn: AsyncConnection, community_id: int) -> list[str]:
    """Give the lists of areas (JSON) that people of a community have, each once."""
    query = select(gate_person.c.areas).where(gate_person.c.community_id == community_id)
    return list(await conn.scalars(query.distinct()))


async def people_of(conn: AsyncConnection, community_id: int, keys: Collection[str] | None = None) -> list[RowMapping]:
    """Give the people of a community, all or those with the keys, by id."""
    query = select(gate_person).where(gate_person.c.community_id == community_id).order_by(gate_person.c.id)
    if keys is None:
        return list((await conn.execute(query)).mappings())
    rows: list[RowMapping] = []
    for some in _parts(sorted(keys)):
        rows += (await conn.execute(query.where(gate_person.c.key.in_(some)))).mappings()
    return rows


# --- what they show


async def add_credential(conn: AsyncConnection, **values: object) -> int:
    """Insert a card or a PIN and give its id."""
    query = insert(gate_credential).values(**values).returning(gate_credential.c.id)
    return int((await conn.execute(query)).scalar_one())


async def holder_of(conn: AsyncConnection, community_id: int, kind: str, tag: str) -> int | None:
    """Give the id of the person who has this card or PIN."""
    query = select(gate_credential.c.person_id).where(
        gate_credential.c.community_id == community_id, gate_credential.c.kind == kind, gate_credential.c.tag == tag
    )
    return await conn.scalar(query)


async def remove_credential(conn: AsyncConnection, person_id: int, credential_id: int) -> bool:
    """Delete a card or a PIN of somebody; whether it was there."""
    query = (
        delete(gate_credential)
        .where(gate_credential.c.id == credential_id, gate_credential.c.person_id == person_id)
        .returning(gate_credential.c.id)
    )
    return (await conn.execute(query)).first() is not None


async def remove_pins(conn: AsyncConnection, person_id: int) -> None:
    """Delete the PINs of somebody."""
    mine = gate_credential.c.person_id == person_id
    await conn.execute(delete(gate_credential).where(mine, gate_credential.c.kind == CredentialKind.PIN.value))


async def credentials_of(conn: AsyncConnection, person_ids: Collection[int]) -> dict[int, list[RowMapping]]:
    """Give the cards and PINs of people, by person, the oldest first."""
    found: dict[int, list[RowMapping]] = {}
    for some in _parts(sorted(person_ids)):
        query = select(gate_credential).where(gate_credential.c.person_id.in_(some)).order_by(gate_credential.c.id)
        for row in (await conn.execute(query)).mappings():
            found.setdefault(row["person_id"], []).append(row)
    return found


# --- passes


async def add_pass(conn: AsyncConnection, **values: object) -> None:
    """Insert a pass."""
    await conn.execute(insert(gate_pass).values(**values))


async def get_pass(conn: AsyncConnection, pass_id: str) -> RowMapping | None:
    """Find a pass, with who issued it and who invites."""
    found: RowMapping | None = (await conn.execute(_passes().where(gate_pass.c.id == pass_id))).mappings().first()
    return found


async def list_passes(
    conn: AsyncConnection,
    visible: Visible,
    *,
    community_id: int | None = None,
    valid_at_ms: int | None = None,
    before: tuple[int, str] | None = None,
    limit: int = 100,
) -> list[RowMapping]:
    """List passes, the newest first; those before one by its time and id; those that can still be used at a time."""
    query = _passes().where(visible_clause(gate_pass, visible))
    if community_id is not None:
        query = query.where(gate_pass.c.community_id == community_id)
    if valid_at_ms is not None:
        query = query.where(gate_pass.c.valid_until_ms > valid_at_ms, gate_pass.c.revoked_ms.is_(None))
    if before is not None:
        at_ms, pass_id = before
        same = and_(gate_pass.c.issued_ms == at_ms, gate_pass.c.id > pass_id)
        query = query.where(or_(gate_pass.c.issued_ms < at_ms, same))
    query = query.order_by(gate_pass.c.issued_ms.desc(), gate_pass.c.id).limit(limit)
    return list((await conn.execute(query)).mappings())


def _passes() -> Select[Any]:
    return (
        select(
            *gate_pass.c,
            gate_person.c.name.label("host_name"),
            gate_person.c.unit.label("host_unit"),
            account.c.name.label("issuer"),
        )
        .outerjoin(gate_person, gate_person.c.key == gate_pass.c.host)
        .join(account, account.c.id == gate_pass.c.issued_by)
    )


async def count_passes(conn: AsyncConnection, *, issued_by: int, since_ms: int) -> int:
    """Count the passes that somebody issued since a time."""
    query = select(func.count()).select_from(gate_pass)
    query = query.where(gate_pass.c.issued_by == issued_by, gate_pass.c.issued_ms > since_ms)
    return int((await conn.execute(query)).scalar_one())


async def revoke_pass(conn: AsyncConnection, pass_id: str, now_ms: int) -> None:
    """Revoke a pass."""
    await conn.execute(update(gate_pass).where(gate_pass.c.id == pass_id).values(revoked_ms=now_ms))


async def open_passes_of(conn: AsyncConnection, host: str, now_ms: int) -> list[str]:
    """Give the ids of the passes of a host that could still be used."""
    query = select(gate_pass.c.id).where(
        gate_pass.c.host == host, gate_pass.c.valid_until_ms > now_ms, gate_pass.c.revoked_ms.is_(None)
    )
    return list(await conn.scalars(query.order_by(gate_pass.c.id)))


async def revoked_passes(
    conn: AsyncConnection, community_id: int, *, now_ms: int, ids: Collection[str] | None = None
) -> list[str]:
    """Give the passes of a community that were revoked and have not ended, all or some of them."""
    query = select(gate_pass.c.id).where(
        gate_pass.c.community_id == community_id,
        gate_pass.c.revoked_ms.is_not(None),
        gate_pass.c.valid_until_ms > now_ms,
    )
    found = sorted(await conn.scalars(query))
    return found if ids is None else [one for one in found if one in ids]


# --- rules


async def put_rule(conn: AsyncConnection, community_id: int, gate: str, **values: object) -> None:
    """Set the rule of a gate; with no values it is taken away."""
    await conn.execute(delete(gate_rule).where(gate_rule.c.community_id == community_id, gate_rule.c.gate == gate))
    if values:
        await conn.execute(insert(gate_rule).values(community_id=community_id, gate=gate, **values))


async def rule_revision(conn: AsyncConnection, community_id: int, gate: str) -> int | None:
    """Give the revision at which a gate's rule was set; None when it has none."""
    query = select(gate_rule.c.revision).where(gate_rule.c.community_id == community_id, gate_rule.c.gate == gate)
    return await conn.scalar(query)


async def list_rules(conn: AsyncConnection, visible: Visible, community_id: int | None = None) -> list[RowMapping]:
    """List the rules by community and gate, each with the name of who set it."""
    query = select(*gate_rule.c, account.c.name.label("changer")).outerjoin(
        account, account.c.id == gate_rule.c.changed_by
    )
    query = query.where(visible_clause(gate_rule, visible))
    if community_id is not None:
        query = query.where(gate_rule.c.community_id == community_id)
    return list((await conn.execute(query.order_by(gate_rule.c.community_id, gate_rule.c.gate))).mappings())


_PART = 500  # parameters of one statement: SQLite and the wire protocol of PostgreSQL both have a limit


def _parts(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + _PART] for start in range(0, len(items), _PART)]
