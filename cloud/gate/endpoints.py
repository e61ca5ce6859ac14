"""REST of gates: how they stand, opening, who may pass, rules, agents' tokens, and the list that agents pull."""

import uuid
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.assets.domain import CommandState
from cloud.gate import opening, rolls, service
from cloud.gate.domain import CHECKS, DOOR_POINT, Decided, PersonDraft, Standing, read_demands, read_hours, read_texts
from cloud.gate.ids import new_key, new_pin
from cloud.gate.keys import KeyFile, KeyState
from cloud.gate.service import Listed
from cloud.platform.database import reading, transaction
from cloud.platform.errors import Unauthenticated
from cloud.platform.http import Body, errors
from cloud.platform.rest import Id, LabelView, Limit, Page, Plain, TimeMs
from cloud.platform.security import new_token
from cloud.telemetry.api import TelemetryStore
from wire.roll import CredentialKind, Hours, PersonKind

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


class HoursView(Body):
    """A time of the week by the community's clocks: days 0 (Monday) to 6, minutes since midnight; may end next day."""

    days: tuple[Annotated[int, Field(ge=0, le=6)], ...] = Field(min_length=1, max_length=7)
    from_min: int = Field(ge=0, le=1439)
    to_min: int = Field(ge=0, le=1440)


class PersonRequest(Body):
    """Somebody who may pass. Without areas everywhere, without hours always."""

    kind: PersonKind
    name: Plain = Field(min_length=1, max_length=80)
    unit: Plain = Field(default="", max_length=80, description="where they live or work")
    areas: tuple[Annotated[Plain, Field(min_length=1, max_length=64)], ...] = Field(default=(), max_length=20)
    hours: tuple[HoursView, ...] = Field(default=(), max_length=20)
    valid_from_ms: TimeMs | None = None
    valid_until_ms: TimeMs | None = None
    blocked: bool = False
    block_reason: Plain = Field(default="", max_length=200)
    health_id: Plain | None = Field(
        default=None,
        max_length=64,
        description="never told again; null keeps what is there, an empty text takes it away",
    )
    face: bool = Field(default=False, description="they asked for their face to be a way in")
    minor: bool = Field(default=False, description="a guardian consents for them")


class NewPersonRequest(PersonRequest):
    """Somebody new on a community's list."""

    community_id: Id


class CredentialView(BaseModel):
    """A card or a PIN; of its number at most the end is told."""

    id: int
    kind: CredentialKind
    hint: str
    valid_until_ms: int | None
    created_ms: int


class PersonView(BaseModel):
    """Somebody who may pass."""

    id: str
    number: int = Field(description="where they stand in the list: the cursor")
    community_id: int
    kind: PersonKind
    name: str
    unit: str
    areas: list[str]
    hours: list[HoursView]
    valid_from_ms: int | None
    valid_until_ms: int | None
    blocked: bool
    block_reason: str
    has_health_id: bool
    face: bool
    minor: bool
    credentials: list[CredentialView]
    created_ms: int
    changed_ms: int


class CredentialRequest(Body):
    """A card's number as its reader tells it, or a PIN; without a value a PIN is made."""

    kind: CredentialKind
    value: Plain | None = Field(default=None, max_length=64)
    valid_until_ms: TimeMs | None = None


class PersonCreated(BaseModel):
    """The id of somebody new."""

    id: str


class CredentialCreated(BaseModel):
    """A card or a PIN that was added. `pin` is told this once, when it was made here."""

    id: int
    pin: str | None


class DemandView(Body):
    """What a gate makes of a check."""

    check: Literal["identity", "access", "liveness", "passage", "temperature", "health_code", "record", "mask"]
    demand: Literal["required", "advisory", "off"]


class RuleRequest(Body):
    """What the service says of a gate's checks; without demands its rule is taken away."""

    community_id: Id
    gate: Plain = Field(min_length=3, max_length=129, description="agent and gate, as `edge-1/north`")
    demands: tuple[DemandView, ...] = Field(max_length=len(CHECKS))


class RuleView(BaseModel):
    """A gate's rule."""

    community_id: int
    gate: str
    demands: list[DemandView]


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


def _person(one: Listed) -> PersonView:
    row = one.row
    return PersonView(
        **{
            **row,
            "id": row["key"],
            "number": row["id"],
            "areas": read_texts(row["areas"]),
            "hours": [_hours(hours) for hours in read_hours(row["hours"])],
            "has_health_id": row["health_sealed"] is not None,
            "credentials": [CredentialView(**held) for held in one.credentials],
        }
    )


def _hours(one: Hours) -> HoursView:
    return HoursView(days=one.days, from_min=one.from_min, to_min=one.to_min)


def draft_of(body: PersonRequest) -> PersonDraft:
    """Give what a request says of somebody."""
    return PersonDraft(
        kind=body.kind,
        name=body.name,
        unit=body.unit,
        areas=body.areas,
        hours=tuple(Hours(days=one.days, from_min=one.from_min, to_min=one.to_min) for one in body.hours),
        valid_from_ms=body.valid_from_ms,
        valid_until_ms=body.valid_until_ms,
        blocked=body.blocked,
        block_reason=body.block_reason,
        health_id=body.health_id,
        face=body.face,
        minor=body.minor,
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


@router.get("/gates/{device_id}/decisions", summary="A gate's last decisions", responses=errors(401, 404, 422, 503))
async def decisions(
    *, device_id: Id, actor: ActorDep, engine: EngineDep, clock: ClockDep, store: StoreDep
) -> Page[DecisionView, int]:
    """List the newest decisions of the last hour (or day), at most 20, without names."""
    async with reading(engine) as conn:
        await opening.find_gate(conn, actor, device_id)
    found = await opening.decisions(store, device_id, now_ms=clock(), limit=20)
    return Page(items=[_decision(one) for one in found])


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


@router.get("/gates/people", summary="List who may pass", responses=errors(401, 403, 422))
async def people(
    *,
    actor: ActorDep,
    engine: EngineDep,
    community: Id | None = None,
    q: Annotated[Plain | None, Query(max_length=80, description="in name, unit or id")] = None,
    blocked: bool | None = None,
    cursor: Id = 0,
    limit: Limit = 100,
) -> Page[PersonView, int]:
    """List the people of the communities whose gates the asker manages."""
    async with reading(engine) as conn:
        found = await service.list_people(
            conn, actor, community_id=community, text=q, blocked=blocked, after_id=cursor, limit=limit
        )
    items = [_person(one) for one in found]
    return Page(items=items, next_cursor=items[-1].number if len(items) == limit else None)


@router.post(
    "/gates/people", summary="Put somebody on the list", status_code=201, responses=errors(401, 403, 404, 409, 422)
)
async def add_person(
    body: NewPersonRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> PersonCreated:
    """Let somebody pass; gates know it when they have pulled, within seconds as a rule."""
    known = keys.get()
    async with transaction(engine) as conn:
        key = await service.add_person(
            conn,
            actor,
            draft_of(body),
            community_id=body.community_id,
            key=new_key(),
            keys=known,
            now_ms=clock(),
        )
    return PersonCreated(id=key)


@router.get("/gates/people/{key}", summary="Somebody who may pass", responses=errors(401, 403, 404))
async def person(key: Plain, actor: ActorDep, engine: EngineDep) -> PersonView:
    """Give one person of the list."""
    async with reading(engine) as conn:
        return _person(await service.get_person(conn, actor, key))


@router.put(
    "/gates/people/{key}",
    summary="Change somebody on the list",
    status_code=204,
    responses=errors(401, 403, 404, 409, 422),
)
async def change_person(
    *, key: Plain, body: PersonRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> None:
    """Replace what is kept of somebody; blocking them also revokes the passes of their visitors."""
    known = keys.get()
    async with transaction(engine) as conn:
        await service.change_person(conn, actor, draft_of(body), key=key, keys=known, now_ms=clock())


@router.delete(
    "/gates/people/{key}",
    summary="Take somebody off the list",
    status_code=204,
    responses=errors(401, 403, 404),
)
async def remove_person(key: Plain, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Delete somebody with cards, PINs and visitors' passes; gates erase their face when they pull."""
    async with transaction(engine) as conn:
        await service.remove_person(conn, actor, key=key, now_ms=clock())


@router.post(
    "/gates/people/{key}/credentials",
    summary="Give a card or a PIN",
    status_code=201,
    responses=errors(401, 403, 404, 409, 422),
)
async def add_credential(
    *, key: Plain, body: CredentialRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep, keys: KeysDep
) -> CredentialCreated:
    """Give somebody a card or a PIN. What is sent is never told again; a PIN that is made here is told this once."""
    known = keys.get()
    made = new_pin() if body.value is None and body.kind is CredentialKind.PIN else None
    async with transaction(engine) as conn:
        number = await service.add_credential(
            conn,
            actor,
            key=key,
            kind=body.kind,
            value=made or body.value or "",
            valid_until_ms=body.valid_until_ms,
            keys=known,
            now_ms=clock(),
        )
    return CredentialCreated(id=number, pin=made)


@router.delete(
    "/gates/people/{key}/credentials/{credential_id}",
    summary="Take a card or a PIN away",
    status_code=204,
    responses=errors(401, 403, 404),
)
async def remove_credential(key: Plain, credential_id: Id, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Take a card or a PIN away."""
    async with transaction(engine) as conn:
        await service.remove_credential(conn, actor, key=key, credential_id=credential_id, now_ms=clock())


@router.get("/gates/rules", summary="List rules of gates", responses=errors(401, 422))
async def rules(actor: ActorDep, engine: EngineDep, community: Id | None = None) -> Page[RuleView, int]:
    """List what the service says of gates' checks beyond their site files."""
    async with reading(engine) as conn:
        rows = await service.list_rules(conn, actor, community)
    return Page(
        items=[
            RuleView(
                community_id=row["community_id"],
                gate=row["gate"],
                demands=[DemandView(check=check, demand=demand) for check, demand in read_demands(row["demands"])],
            )
            for row in rows
        ]
    )


@router.put("/gates/rules", summary="Set a gate's rule", status_code=204, responses=errors(401, 403, 404, 422))
async def put_rule(body: RuleRequest, actor: ActorDep, engine: EngineDep, clock: ClockDep) -> None:
    """Say what a gate makes of its checks."""
    demands = [(one.check, one.demand) for one in body.demands]
    async with transaction(engine) as conn:
        await service.put_rule(
            conn, actor, community_id=body.community_id, gate=body.gate, demands=demands, now_ms=clock()
        )


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
