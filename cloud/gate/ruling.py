"""Rules of gates: what the service says of a gate's checks beyond its own settings, and whether the gate knows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor
from cloud.gate import repository
from cloud.gate.domain import ChangeKind, NotAccepted, check_demands, check_gate, write_demands
from cloud.gate.opening import Gate
from cloud.gate.rolls import move_on
from cloud.gate.service import check_community, manage
from cloud.platform.errors import Conflict, Invalid


class Force(StrEnum):
    """Whether a rule is in force at its gate."""

    IN_FORCE = "in_force"
    ON_ITS_WAY = "on_its_way"
    """The gate has not told yet that it holds the revision of the rule, or a newer one."""
    NO_GATE = "no_gate"
    """No gate of this name reports."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruled:
    """A gate with its rule. One of both may be missing: a gate without a rule, or a rule for a gate that is not there.

    `row` is the rule's: `demands`, `revision`, `changed_ms`, `changer`.
    """

    community_id: int
    name: str
    gate: Gate | None
    row: RowMapping | None

    @property
    def revision(self) -> int | None:
        """The revision at which the rule was set: who changes it says that they have seen this one."""
        return None if self.row is None else int(self.row["revision"])

    @property
    def force(self) -> Force:
        """Whether the rule is in force at the gate, by the revision that the gate reports."""
        if self.gate is None:
            return Force.NO_GATE
        held = self.gate.held or 0
        return Force.IN_FORCE if held and held >= (self.revision or 0) else Force.ON_ITS_WAY


async def list_rules(conn: AsyncConnection, actor: Actor, community_id: int | None = None) -> list[RowMapping]:
    """List what the service says of gates' checks, where the actor sees them."""
    return await repository.list_rules(conn, actor.visible(), community_id)


async def ruled_gates(conn: AsyncConnection, actor: Actor, gates: Sequence[Gate], community_id: int) -> list[Ruled]:
    """Put the gates of a community beside their rules, by name; rules of gates that are not there come last."""
    rules = {row["gate"]: row for row in await list_rules(conn, actor, community_id)}
    here = sorted((one for one in gates if one.row["community_id"] == community_id), key=lambda one: one.name)
    found = [Ruled(community_id=community_id, name=one.name, gate=one, row=rules.pop(one.name, None)) for one in here]
    return found + [Ruled(community_id=community_id, name=name, gate=None, row=row) for name, row in rules.items()]


async def put_rule(
    conn: AsyncConnection,
    actor: Actor,
    *,
    community_id: int,
    gate: str,
    demands: Sequence[tuple[str, str]],
    seen: int | None,
    now_ms: int,
) -> int:
    """Say what a gate makes of checks, and give the rule's revision; without demands its rule is taken away.

    `seen` is the revision of the rule that the actor looked at, None for none: Conflict when it is another by now, so
    that nobody's change is lost. NotFound, Forbidden, Invalid.
    """
    await check_community(conn, actor, community_id)
    try:
        name, chosen = check_gate(gate), check_demands(demands)
    except NotAccepted as error:
        raise Invalid(str(error), code="bad_rule") from error
    await manage(conn, actor, community_id, "gate.rule", of=f"gate:{name}", now_ms=now_ms, **dict(chosen))
    there = await repository.rule_revision(conn, community_id, name)
    if there != seen:
        raise Conflict(
            "somebody else has changed this rule meanwhile",
            code="rule_changed",
            remedy="look at the rule as it is now, and change that",
            details={"revision": there},
        )
    revision = await move_on(conn, community_id, [(ChangeKind.RULE, name)], now_ms)
    values = {
        "demands": write_demands(chosen),
        "revision": revision,
        "changed_ms": now_ms,
        "changed_by": actor.account_id,
    }
    await repository.put_rule(conn, community_id, name, **(values if chosen else {}))
    return revision
