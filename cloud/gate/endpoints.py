"""REST of gates: how they stand, opening, who may pass, rules, agents' tokens, and the list that agents pull."""

import uuid
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.assets.domain import CommandState
from cloud.gate import history, opening, rolls, ruling, service
from cloud.gate.domain import CHECKS, DOOR_POINT, Decided, Standing, read_demands
from cloud.gate.keys import KeyFile, KeyState
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Unauthenticated
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, LabelView, Limit, Page, Plain, TimeMs
from cloud.platform.security import new_token
from cloud.telemetry.api import TelemetryStore

router = APIRouter(prefix="/api/v1", tags=["gates"])


def get_keys(request: Request) -> KeyFile:
    """Give the keys of the gates' service."""
    return cast("KeyFile", request.app.state.gate_keys)


def get_store(request: Request) -> TelemetryStore:
    """Give the store of time series of this process."""
    return cast("TelemetryStore", request.app.state.telemetry)


KeysDep = Annotated[KeyFile, Depends(get_keys)]
StoreDep = Annotated[TelemetryStore, Depends(get_store)]


class GateView(BaseModel):
    """A gate. `door` is the point of its profile; `held` the revision that it told, `behind` how many are newer."""

    device_id: int
    name: str = Field(description="as passes and rules name it")
    label: LabelView
    community_id: int
    community: str
    online: bool
    door: int | None
    standing: Standing
    behind: int
    held: int | None
    revision: int | None = Field(description="the newest of its community")


class DecisionView(BaseModel):
    """What a gate decided; `who` is an id of the list, or empty. A reason `health` tells no more, and not of whom."""

    at_ms: int
    answer: str
    way: str
    who: str
    reasons: list[str]
    opened: str = Field(description="the outcome of the opening; empty without one")
    by: str = Field(description="who ordered it, for openings by hand or from afar")


class OpenRequest(Body):
    """Why a gate is opened from afar; kept in the audit."""

    reason: Plain = Field(min_length=3, max_length=200)


class OpenView(BaseModel):
    """The command that was taken: its outcome is at `/api/v1/commands/{id}`."""

    id: str
    state: CommandState
    deadline_ms: int


class DemandView(Body):
    """What a gate makes of a check."""

    check: Literal["identity", "access", "liveness", "passage", "temperature", "health_code", "record", "mask"]
    demand: Literal["required", "advisory", "off"]


class RuleRequest(Body):
    """What the service says of a gate's checks; without demands its rule is taken away."""

    community_id: Id
    gate: Plain = Field(min_length=3, max_length=129, description="agent and gate, as `edge-1/north`")
    demands: tuple[DemandView, ...] = Field(max_length=len(CHECKS))
    seen: Id | None = Field(
        default=None, description="the `revision` of the rule that is to be replaced; null: the gate has none"
    )


class RuleSet(BaseModel):
    """The revision with which a rule was set: it is in force at a gate that tells this one or a newer one."""

    revision: int


class RuleView(BaseModel):
    """A gate's rule. `changed_ms` is null for one from before that was kept."""

    community_id: int
    gate: str
    demands: list[DemandView]
    revision: int
    changed_ms: int | None


class AgentRequest(Body):
    """An agent that is to pull its community's list."""

    community_id: Id
    agent: Plain = Field(min_length=1, max_length=64)


class AgentCreated(BaseModel):
    """Its token, told this once: it goes into the agent's `token_file`."""

    id: int
    token: str


class AgentView(BaseModel):
    """An agent that pulls; `held` is the revision with which it came last."""

    id: int
    community_id: int
    agent: str
    created_ms: int
    pulled_ms: int | None
    held: int | None


class KeyView(BaseModel):
    """A public key of the service, as it stands in an agent's `keys_file`."""

    id: str
    public: str
    state: KeyState


def _decision(one: Decided) -> DecisionView:
    """Give a decision as the API tells it."""
    return DecisionView(
        at_ms=one.at_ms,
        answer=one.answer,
        way=one.way,
        who=one.who,
        reasons=list(one.reasons),
        opened=one.opened,
        by=one.by,
    )


@router.get("/gates", summary="List gates", responses=errors(401, 422))
async def gates(
    *, actor: ActorDep, engine: EngineDep, community: Id | None = None, cursor: Id = 0, limit: Limit = 100
) -> Page[GateView, int]:
    """List the gates that the asker sees: the door, and whether the list of who may pass is up to date there."""
    async with reading(engine) as conn:
        found = await opening.list_gates(conn, actor, community_id=community, after_id=cursor, limit=limit)
    items: list[GateView] = []
    for gate in found:
        door = gate.values.get(DOOR_POINT)
        items.append(
            GateView(
                device_id=gate.row["id"],
                name=gate.name,
                label=LabelView(zh=gate.row["label_zh"], en=gate.row["label_en"]),
                community_id=gate.row["community_id"],
                community=gate.row["community"],
                online=gate.online,
                door=int(door.value) if door is not None and isinstance(door.value, float | int) else None,
                standing=gate.standing,
                behind=gate.behind,
                held=gate.held,
                revision=gate.revision,
            )
        )
    return Page(items=items, next_cursor=items[-1].device_id if len(items) == limit else None)


@router.get("/gates/{device_id}/decisions", summary="A gate's decisions", responses=errors(401, 404, 422, 503))
async def decisions(
    *,
    device_id: Id,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    store: StoreDep,
    cursor: Annotated[TimeMs | None, Query(description="only those before this time; left out: the newest")] = None,
    limit: Limit = 20,
) -> Page[DecisionView, int]:
    """List a gate's decisions, each of them, the newest first, without names; of the last 30 days."""
    async with reading(engine) as conn:
        await opening.find_gate(conn, actor, device_id)
    now = clock()
    before = now + history.AHEAD_MS if cursor is None else cursor
    found = await history.decisions(store, device_id, before_ms=before, limit=limit, now_ms=now)
    return Page(items=[_decision(one) for one in found.items], next_cursor=found.older)


@router.post(
    "/gates/{device_id}/open",
    summary="Open a gate",
    status_code=202,
    responses=errors(401, 403, 404, 409, 422, 429),
)
async def open_gate(
    *, device_id: Id, body: OpenRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> OpenView:
    """Order a gate to open, signed for it alone. 202 says that it was taken, not that it was done."""
    known = keys.get()
    async with transaction(engine) as conn:
        row = await opening.open_gate(
            conn,
            actor,
            device_id=device_id,
            reason=body.reason,
            command_id=str(uuid.uuid4()),
            keys=known,
            now_ms=clock(),
        )
    return OpenView(id=row.id, state=row.state, deadline_ms=row.deadline_ms)


@router.get("/gates/rules", summary="List rules of gates", responses=errors(401, 422))
async def rules(actor: ActorDep, engine: EngineDep, community: Id | None = None) -> Page[RuleView, int]:
    """List what the service says of gates' checks beyond their site files."""
    async with reading(engine) as conn:
        rows = await ruling.list_rules(conn, actor, community)
    return Page(
        items=[
            RuleView(
                community_id=row["community_id"],
                gate=row["gate"],
                demands=[DemandView(check=check, demand=demand) for check, demand in read_demands(row["demands"])],
                revision=row["revision"],
                changed_ms=row["changed_ms"],
            )
            for row in rows
        ]
    )


@router.put("/gates/rules", summary="Set a gate's rule", responses=errors(401, 403, 404, 409, 422))
async def put_rule(body: RuleRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> RuleSet:
    """Say what a gate makes of its checks; 409 when somebody else has changed its rule meanwhile."""
    demands = [(one.check, one.demand) for one in body.demands]
    async with transaction(engine) as conn:
        revision = await ruling.put_rule(
            conn,
            actor,
            community_id=body.community_id,
            gate=body.gate,
            demands=demands,
            seen=body.seen,
            now_ms=clock(),
        )
    return RuleSet(revision=revision)


@router.get("/gates/agents", summary="List agents that pull", responses=errors(401, 403, 422))
async def agents(actor: ActorDep, engine: EngineDep, community: Id | None = None) -> Page[AgentView, int]:
    """List the agents that may pull a community's list, and when they did last."""
    async with reading(engine) as conn:
        rows = await service.list_agents(conn, actor, community)
    return Page(items=[AgentView(**row) for row in rows])


@router.post("/gates/agents", summary="Let an agent pull", status_code=201, responses=errors(401, 403, 404, 422))
async def add_agent(body: AgentRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> AgentCreated:
    """Make an agent's token; the one that it had is worth nothing any more."""
    token = new_token()
    async with transaction(engine) as conn:
        number = await service.add_agent(
            conn, actor, community_id=body.community_id, agent=body.agent, token=token, now_ms=clock()
        )
    return AgentCreated(id=number, token=token)


@router.delete(
    "/gates/agents/{agent_id}", summary="Take an agent's token away", status_code=204, responses=errors(401, 403, 404)
)
async def remove_agent(agent_id: Id, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Let an agent pull no more; it goes on with the list that it has."""
    async with transaction(engine) as conn:
        await service.remove_agent(conn, actor, agent_id=agent_id, now_ms=clock())


@router.get("/gates/keys", summary="The service's public keys", responses=errors(401, 409))
async def public_keys(_actor: ActorDep, keys: KeysDep) -> Page[KeyView, int]:
    """List the keys that agents should trust; they are no secret."""
    known = keys.get()
    lines = dict(line.split() for line in known.public.text().splitlines())
    return Page(items=[KeyView(id=key.id, public=lines[key.id], state=state) for key, state in known.signing])


_BYTES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "a signed roll, or the signed changes since `since`: see docs/CONTRACT.md, Rolls",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get(
    "/gates/roll",
    summary="Pull who may pass",
    response_class=Response,
    responses={**_BYTES, **errors(401, 409, 422, 429)},
)
async def roll(
    *,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))],
    engine: EngineDep,
    clock: ClockDep,
    keys: KeysDep,
    since: Annotated[Id | None, Query(description="the revision that the gate holds; none: the whole roll")] = None,
) -> Response:
    """Give an agent, by its own token, what changed in its community since a revision; empty when nothing did."""
    if bearer is None:
        raise Unauthenticated("an agent pulls with its token", code="no_agent")
    found = await rolls.pull(engine, keys, token=bearer.credentials, since=since, now_ms=clock())
    return Response(
        found.data,
        media_type="application/octet-stream",
        headers={"Cache-Control": "no-store", "X-Linli-Revision": str(found.revision)},
    )
