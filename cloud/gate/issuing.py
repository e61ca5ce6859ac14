"""Visitors' passes: issued, shown again to whoever may issue them, revoked."""

from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission, Visible, Where
from cloud.access.service import authorise
from cloud.gate import repository
from cloud.gate.domain import PASSES_AN_HOUR, ChangeKind, NotAccepted, PassDraft, check_pass, read_texts, write_texts
from cloud.gate.keys import GateKeys
from cloud.gate.rolls import move_on
from cloud.gate.service import need
from cloud.platform.errors import Conflict, Forbidden, Invalid, NotFound, TooMany
from wire.passes import UnfitPass, encode_pass
from wire.roll import VisitorPass

_HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Issued:
    """A pass with the text of its QR code; None when it is worth nothing any more."""

    row: RowMapping
    text: str | None


async def issue(
    conn: AsyncConnection,
    actor: Actor,
    draft: PassDraft,
    *,
    community_id: int,
    pass_id: str,
    keys: GateKeys,
    now_ms: int,
) -> str:
    """Issue a pass under `pass_id`, and give the text of its QR code.

    NotFound, Forbidden, Invalid for what no gate could hold to, Conflict for a host who may not invite, TooMany.
    """
    where = Where(community_id=community_id)
    code = await repository.community_code(conn, community_id)
    if code is None or not actor.may(Permission.VIEW, where):
        raise NotFound(f"there is no community {community_id}")
    await authorise(
        conn,
        actor,
        Permission.ISSUE_PASSES,
        where,
        action="gate.pass.issue",
        subject=f"gate_pass:{pass_id}",
        detail={
            "host": draft.host,
            "from_ms": draft.valid_from_ms,
            "until_ms": draft.valid_until_ms,
            "gates": ", ".join(draft.gates),
            "areas": ", ".join(draft.areas),
            "uses": draft.uses,
        },
        now_ms=now_ms,
    )
    if await repository.count_passes(conn, issued_by=actor.account_id, since_ms=now_ms - _HOUR_MS) >= PASSES_AN_HOUR:
        raise TooMany(f"at most {PASSES_AN_HOUR} passes an hour", details={"retry_after_s": _HOUR_MS // 1000})
    host = await repository.get_person(conn, draft.host)
    if host is None or host["community_id"] != community_id:
        raise NotFound(f"there is nobody with the id {draft.host} in this community")
    if host["blocked"]:
        raise Conflict("who is blocked invites nobody", code="host_blocked")
    try:
        checked = check_pass(draft, now_ms=now_ms)
        text = encode_pass(_visitor(checked, pass_id, code), keys.active)
    except (NotAccepted, UnfitPass) as error:
        raise Invalid(str(error), code="bad_pass") from error
    await repository.add_pass(
        conn,
        id=pass_id,
        community_id=community_id,
        host=checked.host,
        name=checked.name.strip(),
        valid_from_ms=checked.valid_from_ms,
        valid_until_ms=checked.valid_until_ms,
        gates=write_texts(checked.gates),
        areas=write_texts(checked.areas),
        uses=checked.uses,
        issued_by=actor.account_id,
        issued_ms=now_ms,
        revoked_ms=None,
    )
    return text


async def find_hosts(
    conn: AsyncConnection, actor: Actor, *, community_id: int, text: str, limit: int = 20
) -> list[RowMapping]:
    """Find who may invite, by name, unit or id, where the actor issues passes; blocked people are left out."""
    need(actor, Permission.ISSUE_PASSES)
    if not text.strip() or not actor.may(Permission.ISSUE_PASSES, Where(community_id=community_id)):
        return []
    only = Visible(communities=frozenset({community_id}))
    return await repository.list_people(conn, only, text=text.strip(), blocked=False, limit=limit)


async def known_areas(conn: AsyncConnection, actor: Actor, community_id: int) -> list[str]:
    """Give the areas that people of a community are let into, by name, where the actor issues passes."""
    need(actor, Permission.ISSUE_PASSES)
    if not actor.may(Permission.ISSUE_PASSES, Where(community_id=community_id)):
        return []
    return sorted({area for text in await repository.areas_of(conn, community_id) for area in read_texts(text)})


async def list_passes(
    conn: AsyncConnection,
    actor: Actor,
    *,
    community_id: int | None = None,
    valid_at_ms: int | None = None,
    after_id: str | None = None,
    limit: int = 100,
) -> list[RowMapping]:
    """List passes where the actor issues them, the newest first, after the one named."""
    need(actor, Permission.ISSUE_PASSES)
    last = await repository.get_pass(conn, after_id) if after_id is not None else None
    return await repository.list_passes(
        conn,
        actor.visible(Permission.ISSUE_PASSES),
        community_id=community_id,
        valid_at_ms=valid_at_ms,
        before=None if last is None else (last["issued_ms"], last["id"]),
        limit=limit,
    )


async def get_pass(conn: AsyncConnection, actor: Actor, pass_id: str, *, keys: GateKeys, now_ms: int) -> Issued:
    """Give a pass with its text, signed anew by the key that signs now; NotFound, Forbidden."""
    row = await _pass(conn, actor, pass_id)
    if row["revoked_ms"] is not None or row["valid_until_ms"] <= now_ms:
        return Issued(row=row, text=None)
    code = await repository.community_code(conn, row["community_id"])
    draft = PassDraft(
        host=row["host"],
        name=row["name"],
        valid_from_ms=row["valid_from_ms"],
        valid_until_ms=row["valid_until_ms"],
        gates=read_texts(row["gates"]),
        areas=read_texts(row["areas"]),
        uses=row["uses"],
    )
    return Issued(row=row, text=encode_pass(_visitor(draft, pass_id, str(code)), keys.active))


async def revoke(conn: AsyncConnection, actor: Actor, *, pass_id: str, now_ms: int) -> None:
    """Revoke a pass; gates know it when they have pulled. Revoking it again changes nothing."""
    row = await _pass(conn, actor, pass_id)
    await authorise(
        conn,
        actor,
        Permission.ISSUE_PASSES,
        Where(community_id=row["community_id"]),
        action="gate.pass.revoke",
        subject=f"gate_pass:{pass_id}",
        detail={"host": row["host"]},
        now_ms=now_ms,
    )
    if row["revoked_ms"] is None:
        await repository.revoke_pass(conn, pass_id, now_ms)
        await move_on(conn, row["community_id"], [(ChangeKind.PASS, pass_id)], now_ms)


async def _pass(conn: AsyncConnection, actor: Actor, pass_id: str) -> RowMapping:
    row = await repository.get_pass(conn, pass_id)
    where = None if row is None else Where(community_id=row["community_id"])
    if row is None or where is None or not actor.may(Permission.VIEW, where):
        raise NotFound(f"there is no pass {pass_id}")
    if not actor.may(Permission.ISSUE_PASSES, where):
        raise Forbidden("this needs the permission `issue_passes`", details={"permission": "issue_passes"})
    return row


def _visitor(draft: PassDraft, pass_id: str, community: str) -> VisitorPass:
    return VisitorPass(
        id=pass_id,
        community=community,
        host=draft.host,
        name=draft.name.strip(),
        valid_from_ms=draft.valid_from_ms,
        valid_until_ms=draft.valid_until_ms,
        gates=draft.gates,
        areas=draft.areas,
        uses=draft.uses,
    )
