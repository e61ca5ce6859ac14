"""REST of assets: organisation, devices with their last values, profiles, commands."""

import json
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from cloud.access.domain import ScopeKind
from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.assets import organisation, service
from cloud.assets.domain import DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, CommandRow, CommandState, Presence, presence
from cloud.assets.organisation import TreeNode
from cloud.platform.database import reading, transaction
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, LabelView, Limit, Page, Plain, Scalar
from drivers.api import Value
from wire.orders import is_order

router = APIRouter(prefix="/api/v1", tags=["assets"])


class TreeView(BaseModel):
    """A company, project, community, building or place, with what is seen below it."""

    kind: ScopeKind
    id: int
    label: LabelView
    code: str = Field(description="a community's code: its Sparkplug group")
    time_zone: str
    children: list["TreeView"]


class CommunityView(BaseModel):
    """A community of which the asker sees at least a part."""

    id: int
    code: str
    label: LabelView
    time_zone: str
    project: str
    company: str


class DeviceView(BaseModel):
    """A device, where it is, and how fresh its data are (`newest_ms`: the newest reading; `age_ms`: how long ago)."""

    id: int
    name: str
    label: LabelView
    kind: str
    asset_id: int
    asset_label: LabelView
    community_id: int
    community: str
    building_id: int | None
    building: str | None
    place_id: int | None
    place: str | None
    node: str
    node_online: bool
    presence: Presence = Field(
        description="online, offline, or unknown: the service has no broker and hears nobody; then `online` is false"
    )
    foreign: bool = Field(description="of a Sparkplug node that is not ours: best effort, takes no commands")
    online: bool
    changed_ms: int | None
    newest_ms: int | None
    age_ms: int | None
    profile: str | None
    profile_version: str | None
    profile_hash: str | None


class ValueView(BaseModel):
    """The newest that is known of a point. Booleans are 0 and 1. `quality` is good, bad or stale.

    `time_quality` says how far `at_ms` can be trusted: good, or unsynchronised, behind or stepped, as the agent's clock
    was.
    """

    point: str
    value: float | str | None
    quality: str
    at_ms: int
    received_ms: int
    age_ms: int
    time_quality: str


class DeviceDetail(DeviceView):
    """A device with its last values."""

    values: list[ValueView]


class CommandRequest(Body):
    """Something to do; `value` only where the profile does not fix it."""

    name: Plain = Field(min_length=1, max_length=64)
    value: Scalar | None = None
    timeout_ms: int = Field(default=DEFAULT_TIMEOUT_MS, ge=1, le=MAX_TIMEOUT_MS)


class CommandView(BaseModel):
    """A command and what became of it. The value of a signed order to open a gate is not told."""

    id: str
    device_id: int
    name: str
    value: Value | None
    state: CommandState
    detail: str
    requested_by: int
    timeout_ms: int
    requested_ms: int
    deadline_ms: int
    sent_ms: int | None
    ended_ms: int | None


class ProfileView(BaseModel):
    """A version of a device type."""

    hash: str
    name: str
    version: str
    seen_ms: int


def _tree(node: TreeNode) -> TreeView:
    return TreeView(
        kind=node.kind,
        id=node.id,
        label=LabelView(zh=node.name_zh, en=node.name_en),
        code=node.code,
        time_zone=node.time_zone,
        children=[_tree(child) for child in node.children],
    )


def _device(row: RowMapping, now_ms: int) -> dict[str, Any]:
    newest = row["newest_ms"]
    return {
        **row,
        "label": LabelView(zh=row["label_zh"], en=row["label_en"]),
        "asset_label": LabelView(zh=row["asset_label_zh"], en=row["asset_label_en"]),
        "foreign": row["foreign_node"],
        "age_ms": max(0, now_ms - newest) if newest is not None else None,
        "presence": presence(online=row["online"] and row["node_online"], unheard_ms=row["unheard_ms"]),
        "online": row["online"] and row["unheard_ms"] is None,
        "node_online": row["node_online"] and row["unheard_ms"] is None,
    }


def _command(row: CommandRow) -> CommandView:
    return CommandView(
        id=row.id,
        device_id=row.device_id,
        name=row.name,
        value=None if is_order(row.value) else row.value,
        state=row.state,
        detail=row.detail,
        requested_by=row.requested_by,
        timeout_ms=row.timeout_ms,
        requested_ms=row.requested_ms,
        deadline_ms=row.deadline_ms,
        sent_ms=row.sent_ms,
        ended_ms=row.ended_ms,
    )


@router.get("/organisation", summary="The organisation's tree", responses=errors(401))
async def organisation_tree(actor: ActorDep, engine: EngineDep) -> Page[TreeView, int]:
    """Give company > project > community > building > place, as far as the asker sees it."""
    async with reading(engine) as conn:
        return Page(items=[_tree(node) for node in await organisation.tree(conn, actor.visible())])


@router.get("/communities", summary="List communities", responses=errors(401))
async def communities(actor: ActorDep, engine: EngineDep) -> Page[CommunityView, int]:
    """List the communities of which the asker sees at least a part."""
    async with reading(engine) as conn:
        rows = await organisation.list_communities(conn, actor.visible())
    labels = [LabelView(zh=row["name_zh"], en=row["name_en"]) for row in rows]
    return Page(items=[CommunityView(**{**row, "label": label}) for row, label in zip(rows, labels, strict=True)])


@router.get("/devices", summary="List devices", responses=errors(401, 422))
async def devices(
    *,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    community: Id | None = None,
    kind: Annotated[Plain | None, Query(max_length=64)] = None,
    q: Annotated[Plain | None, Query(max_length=100, description="in name, label, kind, building or place")] = None,
    cursor: Id = 0,
    limit: Limit = 100,
) -> Page[DeviceView, int]:
    """List the devices that the asker sees."""
    now_ms = clock()
    async with reading(engine) as conn:
        rows = await service.list_devices(
            conn, actor, community_id=community, kind=kind, text=q, after_id=cursor, limit=limit
        )
    items = [DeviceView(**_device(row, now_ms)) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/devices/{device_id}", summary="A device with its last values", responses=errors(401, 404))
async def device(device_id: Id, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> DeviceDetail:
    """Give a device, whether it is online, and each point's newest value with its quality and age."""
    now_ms = clock()
    async with reading(engine) as conn:
        row, values = await service.describe_device(conn, actor, device_id)
    shown = [
        ValueView(
            point=value.point,
            value=value.value,
            quality=service.quality_name(value.quality),
            at_ms=value.at_ms,
            received_ms=value.received_ms,
            age_ms=max(0, now_ms - value.at_ms),
            time_quality=value.time_quality or "good",
        )
        for value in values
    ]
    return DeviceDetail(**_device(row, now_ms), values=shown)


@router.get("/profiles", summary="List device types", responses=errors(401))
async def profiles(actor: ActorDep, engine: EngineDep) -> Page[ProfileView, int]:
    """List the profiles that the asker's devices use."""
    async with reading(engine) as conn:
        return Page(items=[ProfileView(**row) for row in await service.list_profiles(conn, actor)])


@router.get("/profiles/{profile_hash}", summary="A profile's document", responses=errors(401, 404))
async def profile(profile_hash: Plain, actor: ActorDep, engine: EngineDep) -> dict[str, Any]:
    """Give the document of a profile that a device of the asker's uses: points, commands, alarms, labels."""
    async with reading(engine) as conn:
        document: dict[str, Any] = json.loads(await service.profile_document(conn, actor, profile_hash))
    return document


@router.post(
    "/devices/{device_id}/commands",
    summary="Command a device",
    status_code=202,
    responses=errors(401, 403, 404, 409, 422),
)
async def command(
    device_id: Id, body: CommandRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep
) -> CommandView:
    """Ask for a command. 202 says that it was taken, not that it was done: look at its state."""
    async with transaction(engine) as conn:
        row = await service.request_command(
            conn,
            actor,
            device_id=device_id,
            name=body.name,
            value=body.value,
            timeout_ms=body.timeout_ms,
            command_id=str(uuid.uuid4()),
            now_ms=clock(),
        )
    return _command(row)


@router.get("/devices/{device_id}/commands", summary="A device's commands", responses=errors(401, 404, 422))
async def commands(
    *,
    device_id: Id,
    actor: ActorDep,
    engine: EngineDep,
    limit: Limit = 50,
    cursor: Annotated[Plain | None, Query(max_length=36)] = None,
) -> Page[CommandView, str]:
    """List the commands of a device, newest first."""
    async with reading(engine) as conn:
        rows = await service.list_commands(conn, actor, device_id, limit=limit, after_id=cursor)
    return Page(items=[_command(row) for row in rows], next_cursor=rows[-1].id if len(rows) == limit else None)


@router.get("/commands/{command_id}", summary="A command's state", responses=errors(401, 404))
async def command_state(command_id: Plain, actor: ActorDep, engine: EngineDep) -> CommandView:
    """Say what became of a command: requested, sent, done, refused, timed out, or unknown."""
    async with reading(engine) as conn:
        return _command(await service.find_command(conn, actor, command_id))
