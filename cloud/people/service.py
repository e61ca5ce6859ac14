"""What people does: finds who is sent, keeps accounts, skills and shifts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access import repository as accounts
from cloud.access import service as access
from cloud.access.domain import PERMISSIONS, Actor, Permission, Role, Scope, ScopeKind, Where
from cloud.people import repository
from cloud.people.domain import choose
from cloud.platform.errors import Conflict, Forbidden, Invalid, NotFound
from runtime.messages import Language

_NEAR_MS = 14 * 24 * 3600 * 1000
_LONGEST_SHIFT_MS = 24 * 3600 * 1000
_WORKING_ROLES = tuple(role for role, permissions in PERMISSIONS.items() if Permission.WORK in permissions)


async def find_assignee(conn: AsyncConnection, *, where: Where, skill: str, now_ms: int) -> int | None:
    """Find whom to send: on shift there and allowed to work there, by skill, then by least to do; None for nobody."""
    return choose(await repository.candidates(conn, where=where, roles=_WORKING_ROLES, now_ms=now_ms), skill)


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody with an account, with the roles as they were given."""

    id: int
    login: str
    name: str
    language: str
    phone: str
    active: bool
    grants: tuple[tuple[Role, Scope], ...]
    skills: tuple[str, ...]
    on_shift: bool


async def list_people(
    conn: AsyncConnection, actor: Actor, *, now_ms: int, community_id: int | None = None
) -> list[Person]:
    """List whom the actor manages, and who has a shift in the communities that the actor sees."""
    ids = await access.accounts_within(conn, actor, Permission.MANAGE_PEOPLE)
    communities = actor.visible().communities if community_id is None else actor.visible().communities & {community_id}
    shifts = await repository.list_shifts(
        conn, communities=communities, from_ms=now_ms - _NEAR_MS, to_ms=now_ms + _NEAR_MS
    )
    working = {row["account_id"] for row in shifts}
    shown = (ids if community_id is None else set()) | working | {actor.account_id}
    here = {row["account_id"] for row in shifts if row["starts_ms"] <= now_ms < row["ends_ms"]}
    skills = await repository.skills_of(conn, sorted(shown))
    grants = await accounts.accounts_with_grants(conn)
    return [
        Person(
            id=row["id"],
            login=row["login"],
            name=row["name"],
            language=row["language"],
            phone=row["phone"],
            active=row["active"],
            grants=tuple(grants.get(row["id"], ())),
            skills=tuple(skills.get(row["id"], ())),
            on_shift=row["id"] in here,
        )
        for row in await accounts.list_accounts(conn, shown)
    ]


async def create_account(
    conn: AsyncConnection,
    actor: Actor | None,
    *,
    login: str,
    name: str,
    password_hash: str,
    language: str,
    phone: str,
    grants: Sequence[tuple[Role, Scope]],
    skills: Sequence[str],
    now_ms: int,
) -> int:
    """Create an account with roles; the actor must manage people over each scope. Conflict when the login is taken.

    Without any role somebody sees nothing and only the service itself could manage them, so that is Invalid.
    """
    if not grants:
        raise Invalid("an account needs at least one role", remedy="give a role and a scope")
    for role, scope in dict.fromkeys(grants):
        await access.authorise_scope(
            conn,
            actor,
            Permission.MANAGE_PEOPLE,
            scope,
            action="account.create",
            subject=f"login:{login}",
            now_ms=now_ms,
            detail={"role": role.value, "scope": scope.kind.value, "scope_id": scope.id},
        )
    if await accounts.find_account(conn, login) is not None:
        raise Conflict(f"the login `{login}` is taken", code="login_taken")
    account_id = await accounts.add_account(
        conn, login=login, name=name, password_hash=password_hash, language=language, phone=phone, now_ms=now_ms
    )
    for role, scope in dict.fromkeys(grants):
        await accounts.add_grant(conn, account_id, role, scope)
    await repository.set_skills(conn, account_id, skills)
    return account_id


async def deactivate_account(conn: AsyncConnection, actor: Actor | None, *, account_id: int, now_ms: int) -> None:
    """Close an account: its sessions end at once, its history stays. Conflict for one's own."""
    await _authorise_over(conn, actor, account_id, action="account.deactivate", now_ms=now_ms)
    if actor is not None and actor.account_id == account_id:
        raise Conflict("nobody can deactivate their own account", remedy="ask another administrator")
    await accounts.change_account(conn, account_id, active=False)
    await accounts.end_sessions(conn, account_id)


async def reset_password(
    conn: AsyncConnection, actor: Actor | None, *, account_id: int, password_hash: str, now_ms: int
) -> None:
    """Replace somebody's password; their sessions end, and their failed logins are forgotten."""
    await _authorise_over(conn, actor, account_id, action="account.reset_password", now_ms=now_ms)
    await accounts.change_account(conn, account_id, password_hash=password_hash)
    await accounts.end_sessions(conn, account_id)
    row = await accounts.get_account(conn, account_id)
    if row is not None:
        await accounts.forget_failures(conn, login=row["login"])


async def set_skills(
    conn: AsyncConnection, actor: Actor | None, *, account_id: int, skills: Sequence[str], now_ms: int
) -> None:
    """Replace somebody's skills."""
    await _authorise_over(
        conn, actor, account_id, action="account.skills", now_ms=now_ms, detail={"skills": sorted(skills)}
    )
    await repository.set_skills(conn, account_id, skills)


async def set_language(conn: AsyncConnection, actor: Actor, *, language: Language) -> None:
    """Change the language in which the actor reads; not privileged."""
    await accounts.change_account(conn, actor.account_id, language=language.value)


async def _authorise_over(
    conn: AsyncConnection,
    actor: Actor | None,
    account_id: int,
    *,
    action: str,
    now_ms: int,
    detail: dict[str, object] | None = None,
) -> None:
    """Let a change of somebody's account pass when the actor manages every scope where they hold a role."""
    grants = (await accounts.accounts_with_grants(conn)).get(account_id)
    if grants is None:
        raise NotFound(f"there is no account {account_id}")
    subject = f"account:{account_id}"
    if not grants and actor is not None:
        raise Forbidden("only the service itself can change an account without roles")
    for scope in dict.fromkeys(scope for _, scope in grants):
        await access.authorise_scope(
            conn,
            actor,
            Permission.MANAGE_PEOPLE,
            scope,
            action=action,
            subject=subject,
            now_ms=now_ms,
            detail=detail,
        )


async def create_shift(
    conn: AsyncConnection,
    actor: Actor | None,
    *,
    account_id: int,
    community_id: int,
    starts_ms: int,
    ends_ms: int,
    now_ms: int,
) -> int:
    """Put somebody on duty in a community for a span of time; Conflict when that very shift is there."""
    if not 0 < ends_ms - starts_ms <= _LONGEST_SHIFT_MS:
        raise Invalid("a shift ends after it starts, and lasts at most 24 hours")
    scope = Scope(kind=ScopeKind.COMMUNITY, id=community_id)
    await access.authorise_scope(
        conn,
        actor,
        Permission.MANAGE_PEOPLE,
        scope,
        action="shift.create",
        subject=f"account:{account_id}",
        now_ms=now_ms,
        detail={"starts_ms": starts_ms, "ends_ms": ends_ms},
    )
    if await accounts.get_account(conn, account_id) is None:
        raise NotFound(f"there is no account {account_id}")
    made = await repository.add_shift(
        conn, account_id=account_id, community_id=community_id, starts_ms=starts_ms, ends_ms=ends_ms
    )
    if made is None:
        raise Conflict("this shift is there already")
    return made


async def list_shifts(
    conn: AsyncConnection, actor: Actor, *, from_ms: int, to_ms: int, community_id: int | None = None
) -> list[RowMapping]:
    """List the shifts that touch a span of time in the communities that the actor sees."""
    communities = actor.visible().communities
    if community_id is not None:
        communities = communities & {community_id}
    return await repository.list_shifts(conn, communities=communities, from_ms=from_ms, to_ms=to_ms)
