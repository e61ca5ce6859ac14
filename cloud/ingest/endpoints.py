"""REST of quarantine and journals, and of whether anything is received."""

import base64
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.ingest import gap_repository, quarantine, repository
from cloud.ingest.gaps import Gap, merged
from cloud.ingest.standstill import standstill
from cloud.platform.database import reading, transaction
from cloud.platform.http import errors
from cloud.platform.rest import Id, Limit, Page

_GAPS = 5_000

router = APIRouter(prefix="/api/v1", tags=["ingest"])


class QuarantineView(BaseModel):
    """Something that could not be read; `node` is null when it came from no agent that is known."""

    id: int
    received_ms: int
    topic: str
    metric: str | None
    reason: str
    payload: str = Field(description="the bytes, in base64")
    node: str | None
    community: str | None
    replay_ms: int | None = Field(description="since when ingest is asked to take it once more; null when it is not")
    answer: str | None = Field(description="why it could not be taken when it was replayed last")


class AskedView(BaseModel):
    """How much will be replayed, and how much not: cut short, or from no community in which the asker may do that."""

    asked: int
    cut_short: int
    not_yours: int


class GapView(BaseModel):
    """Records of a journal that will never come, and why.

    Gaps of one reason that lie side by side are given as one: `parts` says how many there are, and `kept` how many
    records between them arrived.
    """

    first_offset: int
    last_offset: int | None = Field(description="null where nobody knows how much was lost")
    reason: str = Field(
        description="overflow, full disk, damaged, unreadable, unknown device, not held (the journal begins later than "
        "what was received ends), journal damaged (that journal was replaced), or not said"
    )
    records: int | None = Field(description="how many records are lost; null where nobody knows")
    lost: dict[str, int] | None = Field(
        description="how many of each class: telemetry, event, alarm, command; null where that was not said"
    )
    at_most: bool = Field(description="each count of `lost` is an upper bound: some of them had arrived")
    from_ms: int | None = Field(description="the time of the oldest of them, by the agent's clock")
    to_ms: int | None = Field(description="the time of the newest of them")
    found_ms: int
    parts: int
    kept: int


class ToldGapView(GapView):
    """A gap as it was told, and whose it is."""

    id: int
    node_id: int
    node: str
    community: str
    journal_id: str = Field(description="empty for a journal that was lost before anything of it was received")


class JournalView(BaseModel):
    """A journal of an agent; `watermark` is the last offset that is committed."""

    node_id: int
    node: str
    community: str
    online: bool
    journal_id: str
    watermark: int
    updated_ms: int
    gaps: list[GapView]


class IngestView(BaseModel):
    """Whether a process receives what agents say."""

    receiving: bool
    since_ms: int | None = Field(
        description="since when nothing has been received, as far as that is known; null while it is received"
    )


@router.get("/ingest", summary="Whether data is received", responses=errors(401))
async def get_ingest(actor: ActorDep, engine: EngineDep, clock: ClockDep) -> IngestView:  # noqa: ARG001 - who asks has to be known
    """Say whether ingest works. While it does not, states and values of devices are what they were when it ended."""
    async with reading(engine) as conn:
        found = await standstill(conn, clock())
    return IngestView(receiving=found is None, since_ms=found.since_ms if found is not None else None)


@router.get("/quarantine", summary="List what could not be read", responses=errors(401, 422))
async def list_quarantine(
    actor: ActorDep, engine: EngineDep, limit: Limit = 100, cursor: Id | None = None
) -> Page[QuarantineView, int]:
    """List what could not be read, newest first: topic, reason, metric, and the bytes in base64."""
    async with reading(engine) as conn:
        rows = await repository.list_quarantine(conn, actor.visible(), before_id=cursor, limit=limit)
    items = [_view(row) for row in rows]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get("/quarantine/{quarantine_id}", summary="Something that could not be read", responses=errors(401, 404))
async def get_quarantine(actor: ActorDep, engine: EngineDep, quarantine_id: Id) -> QuarantineView:
    """Give one thing that could not be read, with its bytes in base64."""
    async with reading(engine) as conn:
        return _view(await quarantine.get(conn, actor, quarantine_id))


@router.post(
    "/quarantine/{quarantine_id}/replay",
    status_code=202,
    summary="Take it once more",
    responses=errors(401, 403, 404, 409, 422),
)
async def replay_quarantine(actor: ActorDep, engine: EngineDep, clock: ClockDep, quarantine_id: Id) -> QuarantineView:
    """Ask ingest to take it once more, by the births that hold now.

    When that works it is gone from here within seconds; else `answer` says why it did not.
    """
    async with transaction(engine) as conn:
        return _view(await quarantine.replay(conn, actor, quarantine_id, now_ms=clock()))


@router.post(
    "/quarantine/{quarantine_id}/replay-alike",
    status_code=202,
    summary="Take everything of its reason once more",
    responses=errors(401, 403, 404, 422),
)
async def replay_alike(actor: ActorDep, engine: EngineDep, clock: ClockDep, quarantine_id: Id) -> AskedView:
    """Ask ingest to take everything once more that could not be read for the same reason, at most 1,000, oldest first.

    What is cut short or came from elsewhere stays as it is, and is counted. Each that works is gone from here.
    """
    async with transaction(engine) as conn:
        asked = await quarantine.replay_alike(conn, actor, quarantine_id, now_ms=clock())
    return AskedView(asked=len(asked.ids), cut_short=asked.cut_short, not_yours=asked.not_yours)


@router.delete("/quarantine/{quarantine_id}", status_code=204, summary="Drop it", responses=errors(401, 403, 404, 422))
async def drop_quarantine(actor: ActorDep, engine: EngineDep, clock: ClockDep, quarantine_id: Id) -> None:
    """Delete it for good. The audit keeps who did that, its topic, and why it could not be read."""
    async with transaction(engine) as conn:
        await quarantine.drop(conn, actor, quarantine_id, now_ms=clock())


def _view(row: RowMapping) -> QuarantineView:
    shown = {name: row[name] for name in QuarantineView.model_fields}
    return QuarantineView(**{**shown, "payload": base64.b64encode(row["payload"]).decode()})


def _gap(gap: Gap) -> dict[str, object]:
    shown = {name: getattr(gap, name) for name in GapView.model_fields if not name.endswith("_offset")}
    return {"first_offset": gap.first, "last_offset": gap.last, **shown}


Agent = Annotated[Id | None, Query(description="of this agent alone (the number of its node)")]


@router.get("/journals", summary="List journals and their gaps", responses=errors(401, 422))
async def list_journals(actor: ActorDep, engine: EngineDep, node_id: Agent = None) -> Page[JournalView, int]:
    """List the journals of agents: how far each is committed, and the gaps that will never be filled.

    The gaps are made of the newest 5,000 that were told; `/api/v1/gaps` has each of them.
    """
    async with reading(engine) as conn:
        found = await repository.list_journals(conn, actor.visible(), node_id=node_id)
        told = await gap_repository.list_gaps(conn, actor.visible(), node_id=node_id, limit=_GAPS)
    gaps = merged(map(gap_repository.as_gap, told))
    items = []
    for row in found:
        own = [gap for gap in gaps if (gap.node_id, gap.journal_id) == (row["node_id"], row["journal_id"])]
        items.append(JournalView.model_validate({**row, "gaps": [_gap(gap) for gap in own]}))
    return Page(items=items)


@router.get("/gaps", summary="List gaps", responses=errors(401, 422))
async def list_gaps(
    actor: ActorDep, engine: EngineDep, node_id: Agent = None, limit: Limit = 100, cursor: Id | None = None
) -> Page[ToldGapView, int]:
    """List the gaps in what agents recorded, newest first, each as it was told."""
    async with reading(engine) as conn:
        rows = await gap_repository.list_gaps(conn, actor.visible(), node_id=node_id, before_id=cursor, limit=limit)
    whose = ("id", "node_id", "node", "community", "journal_id")
    items = [
        ToldGapView.model_validate({**{name: row[name] for name in whose}, **_gap(gap_repository.as_gap(row))})
        for row in rows
    ]
    return Page(items=items, next_cursor=items[-1].id if len(items) == limit else None)
