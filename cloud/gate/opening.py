"""The gates as they stand, and opening one from afar by an order that the service signs for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission, Where
from cloud.access.service import authorise
from cloud.assets import commanding
from cloud.assets import service as assets
from cloud.assets.domain import TOKEN_FRESH_MS, CommandRow, DeviceRow, LastValue, Presence, presence
from cloud.gate import repository
from cloud.gate import roll_repository as rolls
from cloud.gate.domain import (
    GATE_KIND,
    NAME_POINT,
    OPEN_COMMAND,
    OPENINGS_A_MINUTE,
    REVISION_POINT,
    Standing,
    standing,
)
from cloud.gate.keys import GateKeys
from cloud.platform.errors import Conflict, Invalid, NotFound, TooMany
from drivers.profile import Profile
from wire.orders import UnfitOrder, encode_order
from wire.roll import DoorOrder

_MINUTE_MS = 60_000
_MOST_GATES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """A gate with its last values by point, and how its list stands; `behind` counts the revisions it lacks."""

    row: RowMapping
    name: str
    values: Mapping[str, LastValue]
    standing: Standing
    behind: int
    held: int | None
    revision: int | None

    @property
    def presence(self) -> Presence:
        """Whether it and its agent answer, or nobody knows."""
        return presence(online=self.row["online"] and self.row["node_online"], unheard_ms=self.row["unheard_ms"])

    @property
    def online(self) -> bool:
        """Whether it is known to answer."""
        return self.presence is Presence.ONLINE


async def list_gates(
    conn: AsyncConnection, actor: Actor, *, community_id: int | None = None, after_id: int = 0, limit: int = _MOST_GATES
) -> list[Gate]:
    """List the gates that the actor sees, by id."""
    rows = await assets.list_devices(
        conn, actor, community_id=community_id, kind=GATE_KIND, after_id=after_id, limit=limit
    )
    values = await assets.last_values(conn, [row["id"] for row in rows])
    revisions: dict[int, int | None] = {}
    found: list[Gate] = []
    for row in rows:
        community = row["community_id"]
        if community not in revisions:
            revisions[community] = await rolls.revision_of(conn, community)
        held_values = {one.point: one for one in values.get(row["id"], [])}
        held = _whole(held_values.get(REVISION_POINT))
        newer = await rolls.revisions_after(conn, community, held) if held is not None else 0
        found.append(
            Gate(
                row=row,
                name=_name(held_values, row["node"], row["name"]),
                values=held_values,
                standing=standing(held, revisions[community], newer),
                behind=newer,
                held=held,
                revision=revisions[community],
            )
        )
    return found


async def find_gate(conn: AsyncConnection, actor: Actor, device_id: int) -> tuple[DeviceRow, Profile]:
    """Give a gate with its profile; NotFound when the actor sees none of this id."""
    device = await commanding.visible_device(conn, actor, device_id)
    profile = await assets.load_profile(conn, device.profile_hash) if device.profile_hash else None
    if profile is None or profile.kind != GATE_KIND:
        raise NotFound(f"there is no gate {device_id}")
    return device, profile


async def gate_names(conn: AsyncConnection, actor: Actor, community_id: int) -> list[str]:
    """Give the names of a community's gates, as passes and rules name them, where the actor sees the community."""
    if not actor.may(Permission.VIEW, Where(community_id=community_id)):
        return []
    return [gate.name for gate in await list_gates(conn, actor, community_id=community_id)]


async def open_gate(
    conn: AsyncConnection,
    actor: Actor,
    *,
    device_id: int,
    reason: str,
    command_id: str,
    keys: GateKeys,
    now_ms: int,
) -> CommandRow:
    """Order a gate to open now: authorised, audited with the reason, signed for this gate and its agent's token.

    It goes the way of every command, and what became of it is told as of every command. NotFound, Forbidden, Invalid,
    TooMany, Conflict when the gate cannot take an order now.
    """
    device, profile = await find_gate(conn, actor, device_id)
    await authorise(
        conn,
        actor,
        Permission.COMMAND,
        device.where,
        action="gate.open",
        subject=f"device:{device_id}",
        detail={"reason": reason, "id": command_id},
        now_ms=now_ms,
    )
    asked = await rolls.count_commands(
        conn, device_id=device_id, name=OPEN_COMMAND, requested_by=actor.account_id, since_ms=now_ms - _MINUTE_MS
    )
    if asked >= OPENINGS_A_MINUTE:
        raise TooMany(f"at most {OPENINGS_A_MINUTE} openings a minute", details={"retry_after_s": 60})
    node = await commanding.listening_node(conn, device)
    if node["command_token"] is None or (node["command_token_ms"] or 0) <= now_ms - TOKEN_FRESH_MS:
        raise Conflict("its agent has told no token lately", code="no_token", remedy="try again in some seconds")
    values = (await assets.last_values(conn, [device_id])).get(device_id, [])
    order = DoorOrder(
        id=command_id,
        community=str(await repository.community_code(conn, device.where.community_id)),
        gate=_name({one.point: one for one in values}, node["name"], device.name),
        token=node["command_token"],
        by=actor.login,
    )
    try:
        value = encode_order(order, keys.active)
    except UnfitOrder as error:
        raise Invalid(str(error), code="bad_command") from error
    return await commanding.keep_command(
        conn,
        actor,
        device,
        name=OPEN_COMMAND,
        value=value,
        profile=profile,
        node=node,
        command_id=command_id,
        now_ms=now_ms,
    )


def _name(values: Mapping[str, LastValue], node: str, device: str) -> str:
    """Give a gate's name: what it says itself, else agent and device."""
    said = values.get(NAME_POINT)
    if said is not None and isinstance(said.value, str) and said.value:
        return said.value if "/" in said.value else f"{node}/{said.value}"
    return f"{node}/{device}"


def _whole(value: LastValue | None) -> int | None:
    if value is None or not isinstance(value.value, float | int):
        return None
    return int(value.value)
