"""What people does: finds who is sent, keeps accounts, skills and shifts."""

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import PERMISSIONS, Permission, Where
from cloud.people import repository
from cloud.people.domain import choose

_WORKING_ROLES = tuple(role for role, permissions in PERMISSIONS.items() if Permission.WORK in permissions)


async def find_assignee(conn: AsyncConnection, *, where: Where, skill: str, now_ms: int) -> int | None:
    """Find whom to send: on shift there and allowed to work there, by skill, then by least to do; None for nobody."""
    return choose(await repository.candidates(conn, where=where, roles=_WORKING_ROLES, now_ms=now_ms), skill)
