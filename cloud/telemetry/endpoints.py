"""REST of series."""

from dataclasses import asdict
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request

from cloud.access.domain import Permission
from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.assets.service import get_device
from cloud.platform.database import reading
from cloud.platform.errors import Invalid, NotFound
from cloud.platform.http import errors
from cloud.telemetry.api import TelemetryStore

router = APIRouter(prefix="/api/v1", tags=["telemetry"])

HOUR_MS = 3_600_000


@router.get("/devices/{device_id}/series", responses=errors(401, 404, 422, 503))
async def series(
    *,
    request: Request,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    device_id: int,
    point: Annotated[str, Query(min_length=1, max_length=64)],
    from_ms: Annotated[int | None, Query(alias="from", description="Unix ms; left out: an hour before `to`")] = None,
    to_ms: Annotated[int | None, Query(alias="to", description="Unix ms, not included; left out: now")] = None,
    points: Annotated[int, Query(ge=1, le=5000, description="at most so many stretches")] = 300,
) -> dict[str, Any]:
    """Give a point's history in stretches of equal length, each with its lowest, highest, mean and last value."""
    async with reading(engine) as conn:
        device = await get_device(conn, device_id)
    if device is None or not actor.may(Permission.VIEW, device.where):
        raise NotFound(f"there is no device {device_id}")
    end = clock() if to_ms is None else to_ms
    begin = end - HOUR_MS if from_ms is None else from_ms
    if begin >= end:
        raise Invalid("`from` must be before `to`")
    store = cast("TelemetryStore", request.app.state.telemetry)
    buckets = await store.series(device_id=device_id, point=point, from_ms=begin, to_ms=end, max_points=points)
    return {
        "device_id": device_id,
        "point": point,
        "from": begin,
        "to": end,
        "items": [asdict(bucket) for bucket in buckets],
    }
