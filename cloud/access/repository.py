"""All SQL of accounts, grants, sessions and the audit."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, RowMapping, Table, delete, false, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Grant, Role, Scope, ScopeKind, Visible, Where
from cloud.access.tables import account, audit, grant, login_failure, session
from cloud.assets.tables import building, community, place, project


def visible_clause(table: Table, visible: Visible) -> ColumnElement[bool]:
    """Restrict a table with `community_id` (and perhaps `building_id`, `place_id`) to what somebody sees."""
    if visible.everything:
        return true()
    clauses: list[ColumnElement[bool]] = []
    for name, ids in (
        ("community_id", visible.communities),
        ("building_id", visible.buildings),
        ("place_id", visible.places),
    ):
        if ids and name in table.c:
            clauses.append(table.c[name].in_(sorted(ids)))
    return or_(*clauses) if clauses else false()


async def find_account(conn: AsyncConnection, login: str) -> RowMapping | None:
    """Find an account by its login."""
    return (await conn.execute(select(account).where(account.c.login == login))).mappings().first()


async def get_account(conn: AsyncConnection, account_id: int) -> RowMapping | None:
    """Find an account by its id."""
    return (await conn.execute(select(account).where(account.c.id == account_id))).mappings().first()


async def add_account(
    conn: AsyncConnection, *, login: str, name: str, password_hash: str, language: str, phone: str, now_ms: int
) -> int:
    """Insert an active account and give its id."""
    values = {
        "login": login,
        "name": name,
        "password_hash": password_hash,
        "language": language,
        "phone": phone,
        "active": True,
        "created_ms": now_ms,
    }
    result = await conn.execute(insert(account).values(values).returning(account.c.id))
    return int(result.scalar_one())


async def change_account(conn: AsyncConnection, account_id: int, **values: object) -> None:
    """Change columns of an account."""
    await conn.execute(update(account).where(account.c.id == account_id).values(**values))


async def add_grant(conn: AsyncConnection, account_id: int, role: Role, scope: Scope) -> None:
    """Insert a grant; the caller has looked that it is not there."""
    await conn.execute(
        insert(grant).values(account_id=account_id, role=role.value, scope=scope.kind.value, scope_id=scope.id)
    )


async def grants_of(conn: AsyncConnection, account_id: int) -> list[tuple[Role, Scope]]:
    """Give the grants of an account as they were given."""
    rows = await conn.execute(
        select(grant.c.role, grant.c.scope, grant.c.scope_id).where(grant.c.account_id == account_id)
    )
    return [(Role(row.role), Scope(kind=ScopeKind(row.scope), id=row.scope_id)) for row in rows]


async def resolve(conn: AsyncConnection, grants: Iterable[tuple[Role, Scope]]) -> tuple[Grant, ...]:
    """Resolve grants to the communities, buildings and places which they cover at this moment."""
    return tuple([await _resolve_one(conn, role, scope) for role, scope in grants])


async def _resolve_one(conn: AsyncConnection, role: Role, scope: Scope) -> Grant:
    match scope.kind:
        case ScopeKind.COMPANY:
            rows = (
                await conn.execute(
                    select(project.c.id.label("project_id"), community.c.id.label("community_id"))
                    .outerjoin(community, community.c.project_id == project.c.id)
                    .where(project.c.company_id == scope.id)
                )
            ).all()
            return Grant(
                role=role,
                scope=scope,
                communities=frozenset(row.community_id for row in rows if row.community_id is not None),
                scopes=frozenset({scope, *(Scope(kind=ScopeKind.PROJECT, id=row.project_id) for row in rows)}),
            )
        case ScopeKind.PROJECT:
            ids = await conn.scalars(select(community.c.id).where(community.c.project_id == scope.id))
            return Grant(role=role, scope=scope, communities=frozenset(ids), scopes=frozenset({scope}))
        case ScopeKind.COMMUNITY:
            return Grant(role=role, scope=scope, communities=frozenset({scope.id}))
        case ScopeKind.BUILDING:
            return Grant(role=role, scope=scope, buildings=frozenset({scope.id}))
        case ScopeKind.PLACE:
            return Grant(role=role, scope=scope, places=frozenset({scope.id}))


async def where_of(conn: AsyncConnection, scope: Scope) -> Where | None:
    """Say where a community, building or place lies; None when there is no such thing."""
    match scope.kind:
        case ScopeKind.COMMUNITY:
            found = await conn.scalar(select(community.c.id).where(community.c.id == scope.id))
            return Where(community_id=found) if found is not None else None
        case ScopeKind.BUILDING:
            found = await conn.scalar(select(building.c.community_id).where(building.c.id == scope.id))
            return Where(community_id=found, building_id=scope.id) if found is not None else None
        case ScopeKind.PLACE:
            query = (
                select(building.c.community_id, place.c.building_id)
                .join(building, building.c.id == place.c.building_id)
                .where(place.c.id == scope.id)
            )
            row = (await conn.execute(query)).first()
            if row is None:
                return None
            return Where(community_id=row.community_id, building_id=row.building_id, place_id=scope.id)
        case ScopeKind.COMPANY | ScopeKind.PROJECT:
            return None


async def add_session(
    conn: AsyncConnection, *, token_hash: str, account_id: int, now_ms: int, expires_ms: int, address: str
) -> None:
    """Insert a session."""
    await conn.execute(
        insert(session).values(
            token_hash=token_hash, account_id=account_id, created_ms=now_ms, expires_ms=expires_ms, address=address
        )
    )


async def find_session(conn: AsyncConnection, token_hash: str) -> RowMapping | None:
    """Find a session with its account."""
    query = (
        select(
            session.c.expires_ms,
            account.c.id.label("account_id"),
            account.c.login,
            account.c.name,
            account.c.language,
            account.c.active,
        )
        .join(account, account.c.id == session.c.account_id)
        .where(session.c.token_hash == token_hash)
    )
    return (await conn.execute(query)).mappings().first()


async def end_session(conn: AsyncConnection, token_hash: str) -> None:
    """Delete one session."""
    await conn.execute(delete(session).where(session.c.token_hash == token_hash))


async def end_sessions(conn: AsyncConnection, account_id: int, *, but: str | None = None) -> None:
    """Delete the sessions of an account, except the one with the token hash `but`."""
    query = delete(session).where(session.c.account_id == account_id)
    await conn.execute(query if but is None else query.where(session.c.token_hash != but))


async def forget_sessions(conn: AsyncConnection, before_ms: int) -> None:
    """Delete the sessions that expired before a moment."""
    await conn.execute(delete(session).where(session.c.expires_ms < before_ms))


async def failures(conn: AsyncConnection, login: str, since_ms: int) -> list[int]:
    """Give the times of the failed attempts of a login."""
    query = select(login_failure.c.at_ms).where(login_failure.c.login == login, login_failure.c.at_ms > since_ms)
    return list(await conn.scalars(query))


async def add_failure(conn: AsyncConnection, *, login: str, address: str, now_ms: int) -> int:
    """Note a failed attempt and give its id."""
    query = insert(login_failure).values(login=login, address=address, at_ms=now_ms).returning(login_failure.c.id)
    return int((await conn.execute(query)).scalar_one())


async def forget_failures(conn: AsyncConnection, *, login: str, before_ms: int | None = None) -> None:
    """Delete the failed attempts of a login, and those of anybody before a moment."""
    clause = login_failure.c.login == login
    if before_ms is not None:
        clause = or_(clause, login_failure.c.at_ms < before_ms)
    await conn.execute(delete(login_failure).where(clause))


async def add_audit(
    conn: AsyncConnection,
    *,
    at_ms: int,
    account_id: int | None,
    actor: str,
    action: str,
    subject: str,
    community_id: int | None,
    outcome: str,
    detail: str,
    address: str,
) -> None:
    """Insert a row of the audit. Rows are never changed."""
    await conn.execute(
        insert(audit).values(
            at_ms=at_ms,
            account_id=account_id,
            actor=actor[:200],
            action=action[:64],
            subject=subject[:200],
            community_id=community_id,
            outcome=outcome,
            detail=detail,
            address=address[:64],
        )
    )


async def list_audit(
    conn: AsyncConnection,
    *,
    communities: Sequence[int],
    accounts: Sequence[int],
    account_id: int | None,
    action: str | None,
    before_id: int | None,
    limit: int,
) -> list[RowMapping]:
    """List the audit, newest first: what happened in the communities, and what these accounts did anywhere else."""
    subjects = [f"account:{number}" for number in accounts]
    elsewhere = audit.c.community_id.is_(None) & (audit.c.account_id.in_(accounts) | audit.c.subject.in_(subjects))
    query = select(audit).where(or_(audit.c.community_id.in_(communities), elsewhere))
    if account_id is not None:
        query = query.where(audit.c.account_id == account_id)
    if action is not None:
        query = query.where(audit.c.action == action)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    return list((await conn.execute(query.order_by(audit.c.id.desc()).limit(limit))).mappings())


async def accounts_with_grants(conn: AsyncConnection) -> dict[int, list[tuple[Role, Scope]]]:
    """Give every account's grants (accounts without any have an empty list)."""
    result: dict[int, list[tuple[Role, Scope]]] = {}
    query = select(account.c.id, grant.c.role, grant.c.scope, grant.c.scope_id).outerjoin(
        grant, grant.c.account_id == account.c.id
    )
    for row in await conn.execute(query.order_by(account.c.id)):
        held = result.setdefault(row.id, [])
        if row.role is not None:
            held.append((Role(row.role), Scope(kind=ScopeKind(row.scope), id=row.scope_id)))
    return result


async def list_accounts(conn: AsyncConnection, ids: Iterable[int] | None = None) -> list[RowMapping]:
    """List accounts by login, without their password hashes."""
    columns = [column for column in account.c if column.name != "password_hash"]
    query = select(*columns).order_by(account.c.login)
    if ids is not None:
        query = query.where(account.c.id.in_(sorted(ids)))
    return list((await conn.execute(query)).mappings())
