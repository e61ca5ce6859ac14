"""What assets does: keeps nodes, devices, profiles and last values as they report themselves, and commands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission
from cloud.access.service import authorise
from cloud.assets import command_repository as commands
from cloud.assets import commanding, repository
from cloud.assets import name_repository as names
from cloud.assets import trust_repository as trust
from cloud.assets.births import DeviceBirth, devices_born
from cloud.assets.domain import (
    DEFAULT_TIMEOUT_MS,
    OUTCOMES,
    TAKES_OUTCOME,
    TOKEN_FRESH_MS,
    CommandRow,
    CommandState,
    DeviceRow,
    LastReading,
    LastValue,
    PendingCommand,
)
from cloud.platform.errors import Conflict, Invalid, NotFound
from drivers.api import Quality, Value
from drivers.profile import Label, Profile, parse_profile
from runtime.config import ConfigError


class UnknownCommunity(NotFound):
    """A Sparkplug group that is not the code of any community."""

    code = "unknown_community"

    def __init__(self, group: str, *, twin: str | None = None) -> None:
        self.group = group
        other = f"; `{twin}` differs from it by case only" if twin is not None else ""
        remedy = "provision it: `linli cloud provision FILE`"
        super().__init__(f"no community has the code `{group}`{other}", remedy=remedy)


async def node_born(
    conn: AsyncConnection, *, group: str, node: str, version: str, config_revision: str, foreign: bool, now_ms: int
) -> int:
    """Note the birth of a node and give its id; its devices are offline until they are born.

    UnknownCommunity when the group is nobody's. An earlier command token is void, because it died with its process.
    """
    community_id = await repository.community_by_code(conn, group)
    if community_id is None:
        raise UnknownCommunity(group, twin=await names.community_twin(conn, group))
    node_id = await repository.put_node(
        conn,
        community_id,
        node,
        online=True,
        foreign_node=foreign,
        version=version[:64],
        config_revision=config_revision[:64],
        born_ms=now_ms,
        seen_ms=now_ms,
        command_token=None,
        command_token_ms=None,
        unheard_ms=None,
    )
    await repository.devices_offline(conn, now_ms, node_id=node_id)
    return node_id


async def node_died(conn: AsyncConnection, *, node_id: int, now_ms: int) -> None:
    """Note the death of a node: it and all its devices are offline."""
    await repository.change_node(
        conn, node_id, online=False, command_token=None, command_token_ms=None, unheard_ms=None
    )
    await repository.devices_offline(conn, now_ms, node_id=node_id)


async def name_twin(conn: AsyncConnection, *, node_id: int) -> str | None:
    """Find another node of its community whose name differs by case only."""
    return await names.node_twin(conn, node_id)


async def unheard(conn: AsyncConnection, now_ms: int) -> int:
    """Note that nobody hears the nodes that are online, until they are born again or die; how many are new to that."""
    return await trust.unheard(conn, now_ms)


async def nodes_seen(conn: AsyncConnection, seen: Mapping[int, int]) -> None:
    """Note when nodes were last heard of: node id to Unix ms."""
    await repository.touch_nodes(conn, seen)


async def token_seen(conn: AsyncConnection, *, node_id: int, token: str, now_ms: int) -> None:
    """Keep the newest command token of a node."""
    await repository.change_node(conn, node_id, command_token=token, command_token_ms=now_ms, seen_ms=now_ms)


async def device_born(
    conn: AsyncConnection,
    *,
    node_id: int,
    name: str,
    profile_hash: str | None,
    overrides: str,
    label: Label,
    place: str,
    kind: str,
    now_ms: int,
) -> DeviceRow:
    """Note the birth of a device; `place` is `building/place`, found or made in the node's community.

    `overrides` is the JSON of `Alarm/Overrides` (`{}` for none). A `profile_hash` that is not stored yet is left out:
    call `adopt_profile` once `store_profile` has it.

    The first birth makes the asset, or adopts one of the same kind, place and label that nothing watches any more: an
    asset outlives its device. Afterwards the asset follows the device's label and place. A device that comes back as
    another kind of thing watches another asset.
    """
    birth = DeviceBirth(
        node_id=node_id,
        name=name,
        profile_hash=profile_hash,
        overrides=overrides,
        label=label,
        place=place,
        kind=kind,
    )
    return (await devices_born(conn, [birth], now_ms))[0]


async def adopt_profile(conn: AsyncConnection, *, device_id: int, profile_hash: str) -> None:
    """Give a device the profile that it named at birth, once that is stored."""
    await repository.change_device(conn, device_id, profile_hash=profile_hash)


async def device_died(conn: AsyncConnection, *, device_id: int, now_ms: int) -> None:
    """Note the death of a device."""
    await repository.change_device(conn, device_id, online=False, changed_ms=now_ms)


async def find_device(conn: AsyncConnection, *, node_id: int, name: str) -> DeviceRow | None:
    """Find a device by its Sparkplug name."""
    return await repository.find_device(conn, node_id, name)


async def get_device(conn: AsyncConnection, device_id: int) -> DeviceRow | None:
    """Find a device by its id."""
    return await repository.get_device(conn, device_id)


async def knows_profile(conn: AsyncConnection, profile_hash: str) -> bool:
    """Whether a profile is stored."""
    return await repository.knows_profile(conn, profile_hash)


async def store_profile(conn: AsyncConnection, document: str, now_ms: int) -> Profile:
    """Keep a profile by its own hash (every version that was ever seen); Invalid when it is not one."""
    try:
        profile = _parse(document)
    except ConfigError as error:
        problems = [str(problem) for problem in error.problems]
        raise Invalid("this is not a profile", code="bad_profile", details={"problems": problems}) from error
    if not await repository.knows_profile(conn, profile.hash):
        await repository.add_profile(
            conn,
            hash=profile.hash,
            name=profile.name,
            version=profile.version,
            document=profile.document(),
            seen_ms=now_ms,
        )
    return profile


async def load_profile(conn: AsyncConnection, profile_hash: str) -> Profile | None:
    """Give a stored profile; None when it is not known."""
    document = await repository.profile_document(conn, profile_hash)
    return _parse(document) if document is not None else None


@lru_cache(maxsize=256)
def _parse(document: str) -> Profile:
    # Parsing takes milliseconds, and a document never changes: its hash is its name.
    return parse_profile(document, source="profile")


async def put_last_values(conn: AsyncConnection, rows: Sequence[LastValue]) -> None:
    """Keep the newest value of each point; an older one changes nothing."""
    await repository.put_last_values(conn, rows)


async def take_last_values(
    conn: AsyncConnection, found: Iterable[Mapping[str, LastReading]], *, received_ms: int, in_order: bool
) -> None:
    """Keep the newest readings of devices, each device's by point.

    `in_order`: whoever gives them knows that they are newer, whatever clock told their times; else what is older by
    its time changes nothing.
    """
    rows = [one for by_point in found for one in by_point.values()]
    await repository.take_last_values(conn, rows, received_ms=received_ms, in_order=in_order)


async def doubt_times(conn: AsyncConnection, doubts: Mapping[tuple[int, str], tuple[int, str]]) -> None:
    """Note of last values just taken that their times are not to be trusted: (device, point) to (time, why)."""
    await trust.doubt_times(conn, doubts)


async def request_command(
    conn: AsyncConnection,
    actor: Actor,
    *,
    device_id: int,
    name: str,
    value: Value | None,
    timeout_ms: int = DEFAULT_TIMEOUT_MS,
    command_id: str,
    now_ms: int,
) -> CommandRow:
    """Ask for a command: authorised, audited, checked against the device's profile, with a deadline.

    NotFound for a device that the actor does not see, Forbidden, Invalid for a value outside the limits, Conflict when
    the device cannot take commands now.
    """
    device = await commanding.visible_device(conn, actor, device_id)
    await authorise(
        conn,
        actor,
        Permission.COMMAND,
        device.where,
        action="device.command",
        subject=f"device:{device_id}",
        now_ms=now_ms,
        detail={"command": name, "value": value, "id": command_id},
    )
    profile = await load_profile(conn, device.profile_hash) if device.profile_hash else None
    if profile is None:
        raise Conflict("the profile of this device is not known yet", code="no_profile")
    return await commanding.keep_command(
        conn,
        actor,
        device,
        name=name,
        value=value,
        profile=profile,
        node=await commanding.listening_node(conn, device),
        timeout_ms=timeout_ms,
        command_id=command_id,
        now_ms=now_ms,
    )


async def pending_commands(conn: AsyncConnection, *, now_ms: int, limit: int = 100) -> list[PendingCommand]:
    """List the commands that can be sent now, oldest first."""
    return await commands.pending(conn, now_ms=now_ms, token_since_ms=now_ms - TOKEN_FRESH_MS, limit=limit)


async def mark_sent(conn: AsyncConnection, command_id: str, now_ms: int) -> bool:
    """Mark a command as sent, before it is published; False when it is no longer to be sent."""
    return await commands.move(
        conn, command_id, from_states=[CommandState.REQUESTED], to=CommandState.SENT, sent_ms=now_ms
    )


async def command_outcome(conn: AsyncConnection, command_id: str, outcome: str, detail: str, now_ms: int) -> bool:
    """Note what the edge says became of a command; False when that changes nothing. ValueError: not an outcome."""
    state = CommandState(outcome)
    if state not in OUTCOMES:
        raise ValueError(f"`{outcome}` is not an outcome of a command")
    open_states = [before for before, takes in TAKES_OUTCOME.items() if takes]
    return await commands.move(conn, command_id, from_states=open_states, to=state, detail=detail, ended_ms=now_ms)


async def expire_commands(conn: AsyncConnection, now_ms: int) -> int:
    """End what nobody will answer: never sent by its deadline, or no outcome 30 s after its time-out; how many."""
    return await commands.expire(conn, now_ms)


def quality_name(number: int) -> str:
    """Give the word for a quality's number."""
    try:
        return Quality(number).name.lower()
    except ValueError:
        return Quality.BAD.name.lower()


async def list_devices(
    conn: AsyncConnection,
    actor: Actor,
    *,
    community_id: int | None = None,
    kind: str | None = None,
    text: str | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[RowMapping]:
    """List the devices that the actor sees, by id, each with what stands around it."""
    return await repository.list_devices(
        conn,
        visible=actor.visible(),
        community_id=community_id,
        kind=kind,
        text=text,
        after_id=after_id,
        limit=limit,
    )


async def describe_device(conn: AsyncConnection, actor: Actor, device_id: int) -> tuple[RowMapping, list[LastValue]]:
    """Give a device and its last values by point; NotFound when the actor does not see it.

    The values of a device that is offline, or that nobody hears, are stale: nobody knows whether they still hold.
    """
    rows = await repository.list_devices(conn, visible=actor.visible(), device_id=device_id, limit=1)
    if not rows:
        raise NotFound(f"there is no device {device_id}")
    values = (await repository.last_values(conn, [device_id])).get(device_id, [])
    if not rows[0]["online"] or rows[0]["unheard_ms"] is not None:
        values = [replace(value, quality=int(Quality.STALE)) for value in values]
    return rows[0], values


async def last_values(conn: AsyncConnection, device_ids: Sequence[int]) -> dict[int, list[LastValue]]:
    """Give the last values of devices by device and point."""
    return await repository.last_values(conn, device_ids)


async def list_profiles(conn: AsyncConnection, actor: Actor) -> list[RowMapping]:
    """List the profiles that the actor's devices use."""
    return await repository.list_profiles(conn, actor.visible())


async def profile_document(conn: AsyncConnection, actor: Actor, profile_hash: str) -> str:
    """Give the JSON of a profile; NotFound when no device that the actor sees uses it."""
    used = {row["hash"] for row in await repository.list_profiles(conn, actor.visible())}
    document = await repository.profile_document(conn, profile_hash) if profile_hash in used else None
    if document is None:
        raise NotFound(f"there is no profile {profile_hash}")
    return document


async def list_commands(
    conn: AsyncConnection, actor: Actor, device_id: int, limit: int = 50, *, after_id: str | None = None
) -> list[CommandRow]:
    """List the commands of a device, newest first, after the one named; NotFound when the actor does not see it."""
    await commanding.visible_device(conn, actor, device_id)
    return await commands.of_device(conn, device_id, limit=limit, after_id=after_id)


async def find_command(conn: AsyncConnection, actor: Actor, command_id: str) -> CommandRow:
    """Give a command; NotFound when the actor does not see its device."""
    row = await commands.get(conn, command_id)
    if row is None or not actor.may(Permission.VIEW, row.where):
        raise NotFound(f"there is no command {command_id}")
    return row
