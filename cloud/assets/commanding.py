"""What every order to a device goes through, whoever gives it: the device is there, it can hear, the order is kept."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission
from cloud.assets import command_repository as commands
from cloud.assets import repository
from cloud.assets.domain import (
    DEFAULT_TIMEOUT_MS,
    MAX_TIMEOUT_MS,
    CommandRow,
    CommandState,
    DeviceRow,
    NotAccepted,
    check_command,
)
from cloud.platform.errors import Conflict, Invalid, NotFound
from drivers.api import Value
from drivers.profile import Profile


async def visible_device(conn: AsyncConnection, actor: Actor, device_id: int) -> DeviceRow:
    """Give a device; NotFound when the actor sees none of this id."""
    device = await repository.get_device(conn, device_id)
    if device is None or not actor.may(Permission.VIEW, device.where):
        raise NotFound(f"there is no device {device_id}")
    return device


async def listening_node(conn: AsyncConnection, device: DeviceRow) -> RowMapping:
    """Give the node of a device that can take an order now; Conflict says why it cannot."""
    node = await repository.get_node(conn, device.node_id)
    if node is None or node["foreign_node"]:
        raise Conflict("its Sparkplug node is not one of our agents, which alone confirm commands", code="foreign_node")
    if node["unheard_ms"] is not None:
        remedy = "wait until the service has its broker again"
        raise Conflict("nobody hears whether the device is online at the moment", code="unheard", remedy=remedy)
    if not device.online or not node["online"]:
        raise Conflict("the device is offline", code="offline", remedy="wait until it answers again")
    return node


async def keep_command(
    conn: AsyncConnection,
    actor: Actor,
    device: DeviceRow,
    *,
    name: str,
    value: Value | None,
    profile: Profile,
    node: RowMapping,
    timeout_ms: int = DEFAULT_TIMEOUT_MS,
    command_id: str,
    now_ms: int,
) -> CommandRow:
    """Keep a command that was authorised, for ingest to send; Invalid for what the profile does not take."""
    if not 1 <= timeout_ms <= MAX_TIMEOUT_MS:
        raise Invalid(f"`timeout_ms` is 1 to {MAX_TIMEOUT_MS}")
    try:
        kept = check_command(profile, name, value)
    except NotAccepted as error:
        raise Invalid(str(error), code="bad_command") from error
    row = CommandRow(
        id=command_id,
        device_id=device.id,
        where=device.where,
        name=name,
        value=kept,
        state=CommandState.REQUESTED,
        detail="",
        requested_by=actor.account_id,
        timeout_ms=timeout_ms,
        requested_ms=now_ms,
        deadline_ms=now_ms + timeout_ms,
        sent_ms=None,
        ended_ms=None,
        token=node["command_token"],
    )
    await commands.add(conn, row)
    return row
