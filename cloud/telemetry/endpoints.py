"""REST of series."""

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cloud.access.domain import Permission
from cloud.access.endpoints import ActorDep, ClockDep, EngineDep
from cloud.assets.service import get_device
from cloud.platform.database import reading
from cloud.platform.errors import Invalid, NotFound
from cloud.platform.http import errors
from cloud.platform.rest import Id, Plain, TimeMs
from cloud.telemetry.api import TelemetryStore

router = APIRouter(prefix="/api/v1", tags=["telemetry"])

HOUR_MS = 3_600_000


class BucketView(BaseModel):
    """One stretch of a series: it begins at `at_ms`. Figures are of good numbers only, null without any.

    `last` is the newest value, good or not, at `last_ms`; `last_quality` is Sparkplug's number (192 good).
    """

    model_config = ConfigDict(from_attributes=True)

    at_ms: int
    count: int
    low: float | None
    high: float | None
    mean: float | None
    last: float | str | None
    last_ms: int
    last_quality: int


_RESOLUTION = """
Give a point's history in stretches of equal length, each with its lowest, highest, mean and last value, so that no
spike is averaged away.

Resolution: a stretch is as short as `buckets` allows, (`to_ms` - `from_ms`) / `buckets` rounded up. Below a minute,
stretches begin at `from_ms`. From a minute on they are whole minutes, and from an hour on whole hours, counted since
1970; the first and the last one then take in all of the minute or hour that `from_ms` or `to_ms` lies in. So a day in
240 is told in stretches of 7 minutes, a week of 43 minutes, a month of 4 hours, a year of 37 hours.

The store keeps what was measured for 30 days, the figures of minutes for a year and those of hours for ever, unless
it is configured otherwise. Where finer figures are no longer kept, coarser ones stand in, each in the stretch in
which it begins. More than 500,000 measured values are answered by minutes. Values that come late are counted in
stretches of a minute and more as soon as the worker has rolled them up, within seconds as a rule.
"""


class SeriesView(BaseModel):
    """A point's values of `from_ms` <= time < `to_ms`; stretches that hold nothing are left out."""

    device_id: int
    point: str
    from_ms: int
    to_ms: int
    buckets: list[BucketView] = Field(description="in order of time, of equal length")


@router.get(
    "/devices/{device_id}/series",
    summary="A point's history",
    description=_RESOLUTION,
    responses=errors(401, 404, 422, 503),
)
async def series(
    *,
    request: Request,
    actor: ActorDep,
    engine: EngineDep,
    clock: ClockDep,
    device_id: Id,
    point: Annotated[Plain, Query(min_length=1, max_length=64)],
    from_ms: Annotated[TimeMs | None, Query(description="left out: an hour before `to_ms`")] = None,
    to_ms: Annotated[TimeMs | None, Query(description="not included; left out: now")] = None,
    buckets: Annotated[int, Query(ge=1, le=5000, description="at most so many stretches")] = 300,
) -> SeriesView:
    """Give a point's history in stretches of equal length, each with its lowest, highest, mean and last value."""
    async with reading(engine) as conn:
        device = await get_device(conn, device_id)
    if device is None or not actor.may(Permission.VIEW, device.where):
        raise NotFound(f"there is no device {device_id}")
    end = clock() if to_ms is None else to_ms
    begin = end - HOUR_MS if from_ms is None else from_ms
    if begin >= end:
        raise Invalid("`from_ms` must be before `to_ms`")
    store = cast("TelemetryStore", request.app.state.telemetry)
    found = await store.series(device_id=device_id, point=point, from_ms=begin, to_ms=end, max_points=buckets)
    return SeriesView(
        device_id=device_id,
        point=point,
        from_ms=begin,
        to_ms=end,
        buckets=[BucketView.model_validate(bucket) for bucket in found],
    )
