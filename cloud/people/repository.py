"""All SQL of skills and shifts."""

from collections.abc import Iterable, Sequence

from sqlalchemy import RowMapping, and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Role, ScopeKind, Where
from cloud.access.tables import account, grant
from cloud.assets.tables import community, project
from cloud.people.domain import Candidate
from cloud.people.tables import shift, skill
from cloud.work_orders.tables import work_order


async def candidates(
    conn: AsyncConnection, *, where: Where, roles: Iterable[Role], now_ms: int
) -> tuple[Candidate, ...]:
    """Give everybody active who is on shift in the community and holds one of the roles at the place."""
    line = (
        await conn.execute(
            select(community.c.project_id, project.c.company_id)
            .join(project, project.c.id == community.c.project_id)
            .where(community.c.id == where.community_id)
        )
    ).first()
    if line is None:
        return ()
    covering = [
        (ScopeKind.COMPANY, line.company_id),
        (ScopeKind.PROJECT, line.project_id),
        (ScopeKind.COMMUNITY, where.community_id),
        (ScopeKind.BUILDING, where.building_id),
        (ScopeKind.PLACE, where.place_id),
    ]
    covers = or_(
        *(and_(grant.c.scope == kind.value, grant.c.scope_id == number) for kind, number in covering if number)
    )
    rows = await conn.execute(
        select(account.c.id, grant.c.role)
        .join(shift, shift.c.account_id == account.c.id)
        .join(grant, grant.c.account_id == account.c.id)
        .where(
            shift.c.community_id == where.community_id,
            shift.c.starts_ms <= now_ms,
            shift.c.ends_ms > now_ms,
            account.c.active,
            grant.c.role.in_([role.value for role in roles]),
            covers,
        )
    )
    roles_of: dict[int, set[Role]] = {}
    for row in rows:
        roles_of.setdefault(row.id, set()).add(Role(row.role))
    skills = await skills_of(conn, list(roles_of))
    counts = await conn.execute(
        select(work_order.c.assignee_id, func.count())
        .where(work_order.c.assignee_id.in_(list(roles_of)), work_order.c.closed_ms.is_(None))
        .group_by(work_order.c.assignee_id)
    )
    load = {row[0]: int(row[1]) for row in counts}
    return tuple(
        Candidate(
            account_id=number,
            roles=frozenset(held),
            skills=frozenset(skills.get(number, ())),
            open_orders=load.get(number, 0),
        )
        for number, held in sorted(roles_of.items())
    )


async def skills_of(conn: AsyncConnection, ids: Sequence[int]) -> dict[int, list[str]]:
    """Give the skills of accounts."""
    result: dict[int, list[str]] = {}
    for row in await conn.execute(select(skill).where(skill.c.account_id.in_(ids)).order_by(skill.c.skill)):
        result.setdefault(row.account_id, []).append(row.skill)
    return result


async def set_skills(conn: AsyncConnection, account_id: int, skills: Iterable[str]) -> None:
    """Replace the skills of an account."""
    await conn.execute(delete(skill).where(skill.c.account_id == account_id))
    rows = [{"account_id": account_id, "skill": name} for name in sorted(set(skills))]
    if rows:
        await conn.execute(insert(skill), rows)


async def add_shift(
    conn: AsyncConnection, *, account_id: int, community_id: int, starts_ms: int, ends_ms: int
) -> int | None:
    """Insert a shift and give its id; None when the very same shift is there."""
    same = await conn.scalar(
        select(shift.c.id).where(
            shift.c.account_id == account_id,
            shift.c.community_id == community_id,
            shift.c.starts_ms == starts_ms,
            shift.c.ends_ms == ends_ms,
        )
    )
    if same is not None:
        return None
    result = await conn.execute(
        insert(shift)
        .values(account_id=account_id, community_id=community_id, starts_ms=starts_ms, ends_ms=ends_ms)
        .returning(shift.c.id)
    )
    return int(result.scalar_one())


async def list_shifts(
    conn: AsyncConnection, *, communities: Iterable[int], from_ms: int, to_ms: int
) -> list[RowMapping]:
    """List the shifts in communities that touch a span of time."""
    query = (
        select(shift, account.c.login, account.c.name)
        .join(account, account.c.id == shift.c.account_id)
        .where(shift.c.community_id.in_(sorted(communities)), shift.c.starts_ms < to_ms, shift.c.ends_ms > from_ms)
        .order_by(shift.c.starts_ms, shift.c.id)
    )
    return list((await conn.execute(query)).mappings())
