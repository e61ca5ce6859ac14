"""What access does: authorise and audit every privileged action; log in and out; change passwords."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.access import repository
from cloud.access.domain import FAILURE_WINDOW_MS, Actor, Permission, Scope, ScopeKind, Where, retry_after_ms
from cloud.platform.database import transaction
from cloud.platform.errors import Aftermath, Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from cloud.platform.security import Passwords, check_new_password, hash_token

SYSTEM: Actor | None = None
"""The service itself as the one who acts."""

_FORGET_SESSIONS_AFTER_MS = 7 * 24 * 3600 * 1000  # until then an old session is told that it has expired


async def record(
    conn: AsyncConnection,
    *,
    actor: Actor | None,
    action: str,
    subject: str,
    community_id: int | None,
    outcome: str,
    detail: Mapping[str, object] | None = None,
    now_ms: int,
    address: str = "",
) -> None:
    """Write a row of the audit; `outcome` is allowed, denied or failed."""
    await repository.add_audit(
        conn,
        at_ms=now_ms,
        account_id=actor.account_id if actor else None,
        actor=f"{actor.name} ({actor.login})" if actor else "system",
        action=action,
        subject=subject,
        community_id=community_id,
        outcome=outcome,
        detail=json.dumps(detail or {}, ensure_ascii=False, sort_keys=True),
        address=actor.address if actor else address,
    )


async def authorise(
    conn: AsyncConnection,
    actor: Actor | None,
    permission: Permission,
    where: Where,
    *,
    action: str,
    subject: str,
    now_ms: int,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Let a privileged action pass and audit it; Forbidden when the actor may not, audited despite the rollback."""
    if actor is None or actor.may(permission, where):
        await record(
            conn,
            actor=actor,
            action=action,
            subject=subject,
            community_id=where.community_id,
            outcome="allowed",
            detail=detail,
            now_ms=now_ms,
        )
        return
    raise _denied(actor, permission, where.community_id, action=action, subject=subject, now_ms=now_ms, detail=detail)


async def authorise_scope(
    conn: AsyncConnection,
    actor: Actor | None,
    permission: Permission,
    scope: Scope,
    *,
    action: str,
    subject: str,
    now_ms: int,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Do as `authorise` for a node of the organisation; over a company or project the actor needs all of it."""
    if scope.kind in {ScopeKind.COMPANY, ScopeKind.PROJECT}:
        if actor is not None and not actor.may_in_scope(permission, scope):
            raise _denied(actor, permission, None, action=action, subject=subject, now_ms=now_ms, detail=detail)
        await record(
            conn,
            actor=actor,
            action=action,
            subject=subject,
            community_id=None,
            outcome="allowed",
            detail=detail,
            now_ms=now_ms,
        )
        return
    where = await repository.where_of(conn, scope)
    if where is None:
        raise NotFound(f"there is no {scope.kind.value} {scope.id}")
    await authorise(conn, actor, permission, where, action=action, subject=subject, now_ms=now_ms, detail=detail)


def _denied(
    actor: Actor,
    permission: Permission,
    community_id: int | None,
    *,
    action: str,
    subject: str,
    now_ms: int,
    detail: Mapping[str, object] | None,
) -> Forbidden:
    async def audit(conn: AsyncConnection) -> None:
        await record(
            conn,
            actor=actor,
            action=action,
            subject=subject,
            community_id=community_id,
            outcome="denied",
            detail=detail,
            now_ms=now_ms,
        )

    return Forbidden(
        f"{actor.login} may not do this here: it needs the permission `{permission.value}`",
        remedy="ask an administrator of the community for a role that has it",
        details={"permission": permission.value, "action": action},
        aftermath=audit,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A new session: the token is told once, to its owner."""

    token: str
    expires_ms: int
    actor: Actor


async def log_in(
    engine: AsyncEngine,
    passwords: Passwords,
    *,
    login: str,
    password: str,
    address: str,
    session_ms: int,
    token: str,
    now_ms: int,
) -> Login:
    """Check a password and open a session; Unauthenticated when it is wrong, TooMany after repeated failures.

    It takes the engine and not a connection, because computing the hash must not hold a transaction open. The attempt
    counts as failed before the hash is computed and is taken back on success, so parallel guesses count as well.
    An unknown login costs the same work, and gets the same answer, as a wrong password.
    """
    login = login.strip()[:64]
    async with transaction(engine) as conn:
        known = await repository.find_account(conn, login)
        subject = f"account:{known['id']}" if known else "account:unknown"
        throttled = _failed_login(login, subject, address, "throttled", now_ms)
        await _note_attempt(conn, login=login, address=address, now_ms=now_ms, aftermath=throttled)
    fits = await passwords.verify(known["password_hash"] if known else None, password)
    outdated = known is not None and fits and passwords.is_outdated(known["password_hash"])
    newer = await passwords.hash(password) if outdated else None
    async with transaction(engine) as conn:
        # Read again: it may have been deactivated, or its password changed, while the hash was computed.
        current = await repository.find_account(conn, login)
        unchanged = known and current and current["password_hash"] == known["password_hash"]
        if not fits or current is None or not unchanged or not current["active"]:
            reason = "deactivated" if fits and current is not None and not current["active"] else "wrong"
            raise Unauthenticated(
                "the login or the password is wrong",
                code="wrong_password",
                remedy="check both; after 5 failures the login is blocked for 15 minutes",
                aftermath=_failed_login(login, subject, address, reason, now_ms),
            )
        await repository.forget_failures(conn, login=login, before_ms=now_ms - FAILURE_WINDOW_MS)
        await repository.forget_sessions(conn, now_ms - _FORGET_SESSIONS_AFTER_MS)
        if newer is not None:
            await repository.change_account(conn, current["id"], password_hash=newer)
        expires_ms = now_ms + session_ms
        await repository.add_session(
            conn,
            token_hash=hash_token(token),
            account_id=current["id"],
            now_ms=now_ms,
            expires_ms=expires_ms,
            address=address[:64],
        )
        actor = await _actor(conn, current, address)
        await record(
            conn, actor=actor, action="login", subject=subject, community_id=None, outcome="allowed", now_ms=now_ms
        )
    return Login(token=token, expires_ms=expires_ms, actor=actor)


async def _note_attempt(conn: AsyncConnection, *, login: str, address: str, now_ms: int, aftermath: Aftermath) -> None:
    """Count one more attempt to guess a password; TooMany when there were too many."""
    wait_ms = retry_after_ms(await repository.failures(conn, login, now_ms - FAILURE_WINDOW_MS), now_ms)
    if wait_ms is not None:
        seconds = -(-wait_ms // 1000)
        raise TooMany(
            "too many wrong passwords for this account",
            remedy=f"try again in {seconds} s",
            details={"retry_after_s": seconds},
            aftermath=aftermath,
        )
    await repository.add_failure(conn, login=login, address=address[:64], now_ms=now_ms)


def _failed_login(login: str, subject: str, address: str, reason: str, now_ms: int) -> Aftermath:
    async def audit(conn: AsyncConnection) -> None:
        # People type passwords into the wrong field: an unknown login is not written down in full.
        shown = login if subject != "account:unknown" else f"{login[:2]}…"
        await repository.add_audit(
            conn,
            at_ms=now_ms,
            account_id=None,
            actor=shown,
            action="login",
            subject=subject,
            community_id=None,
            outcome="failed",
            detail=json.dumps({"reason": reason}),
            address=address,
        )

    return audit


async def _actor(conn: AsyncConnection, row: RowMapping, address: str) -> Actor:
    account_id = int(row["account_id"] if "account_id" in row else row["id"])
    return Actor(
        account_id=account_id,
        login=row["login"],
        name=row["name"],
        language=row["language"],
        address=address,
        grants=await repository.resolve(conn, await repository.grants_of(conn, account_id)),
    )


async def actor_of(conn: AsyncConnection, *, login: str, address: str = "") -> Actor:
    """Give an active account as an actor, for tools on the server itself; NotFound when there is none."""
    row = await repository.find_account(conn, login)
    if row is None or not row["active"]:
        raise NotFound(f"there is no active account `{login}`")
    return await _actor(conn, row, address)


async def authenticate(conn: AsyncConnection, *, token: str, address: str, now_ms: int) -> Actor:
    """Say who holds a session token; Unauthenticated when it is unknown or has expired."""
    row = await repository.find_session(conn, hash_token(token))
    if row is None or not row["active"]:
        raise Unauthenticated("this session does not exist", code="no_session", remedy="log in")
    if row["expires_ms"] <= now_ms:
        raise Unauthenticated("this session has expired", code="session_expired", remedy="log in again")
    return await _actor(conn, row, address)


async def log_out(conn: AsyncConnection, *, actor: Actor, token: str, now_ms: int) -> None:
    """End a session."""
    await repository.end_session(conn, hash_token(token))
    await record(
        conn,
        actor=actor,
        action="logout",
        subject=f"account:{actor.account_id}",
        community_id=None,
        outcome="allowed",
        now_ms=now_ms,
    )


async def change_password(
    engine: AsyncEngine,
    passwords: Passwords,
    *,
    actor: Actor,
    current: str,
    new: str,
    keep_token: str,
    now_ms: int,
) -> None:
    """Change one's own password and end all other sessions; Invalid when the current one is wrong, or TooMany.

    It takes the engine for the same reason as `log_in`, and guesses count together with those of logins.
    """
    check_new_password(new)
    subject = f"account:{actor.account_id}"

    async def audit(conn: AsyncConnection) -> None:
        await record(
            conn,
            actor=actor,
            action="account.password",
            subject=subject,
            community_id=None,
            outcome="failed",
            now_ms=now_ms,
        )

    async with transaction(engine) as conn:
        known = await repository.get_account(conn, actor.account_id)
        await _note_attempt(conn, login=actor.login, address=actor.address, now_ms=now_ms, aftermath=audit)
    if known is None or not await passwords.verify(known["password_hash"], current):
        async with transaction(engine):
            raise Invalid("the current password is wrong", code="wrong_password", aftermath=audit)
    hashed = await passwords.hash(new)
    async with transaction(engine) as conn:
        await repository.forget_failures(conn, login=actor.login)
        await repository.change_account(conn, actor.account_id, password_hash=hashed)
        await repository.end_sessions(conn, actor.account_id, but=hash_token(keep_token))
        await record(
            conn,
            actor=actor,
            action="account.password",
            subject=subject,
            community_id=None,
            outcome="allowed",
            now_ms=now_ms,
        )


async def list_audit(
    conn: AsyncConnection,
    actor: Actor,
    *,
    account_id: int | None = None,
    action: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[RowMapping]:
    """List the audit of the communities, and of the people, over whom the actor holds AUDIT; newest first."""
    if not actor.may_anywhere(Permission.AUDIT):
        raise Forbidden("this needs the permission `audit`", details={"permission": "audit"})
    return await repository.list_audit(
        conn,
        communities=sorted(actor.visible(Permission.AUDIT).communities),
        accounts=sorted(await accounts_within(conn, actor, Permission.AUDIT)),
        account_id=account_id,
        action=action,
        before_id=before_id,
        limit=limit,
    )


async def accounts_within(conn: AsyncConnection, actor: Actor, permission: Permission) -> set[int]:
    """Give the accounts all of whose grants lie where the actor has the permission; those without any are nobody's."""
    lies: dict[Scope, bool] = {}
    within: set[int] = set()
    for account_id, grants in (await repository.accounts_with_grants(conn)).items():
        for _, scope in grants:
            if scope not in lies:
                lies[scope] = await covers(conn, actor, permission, scope)
        if grants and all(lies[scope] for _, scope in grants):
            within.add(account_id)
    return within


async def covers(conn: AsyncConnection, actor: Actor, permission: Permission, scope: Scope) -> bool:
    """Whether the actor has the permission over all of a node of the organisation."""
    if scope.kind in {ScopeKind.COMPANY, ScopeKind.PROJECT}:
        return actor.may_in_scope(permission, scope)
    where = await repository.where_of(conn, scope)
    return where is not None and actor.may(permission, where)
